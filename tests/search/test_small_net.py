"""The network whose architecture is an argument."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.search import child, small_net
from zoo.search.cells import OPERATIONS

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, 8, 8, 1)).astype(np.float32)
MODEL = small_net.SmallNet(num_classes=3, width=4, cells=2)
TOKENS = np.array([1, 3, 0, 2, 2, 1, 1, 3])


def one_hot(tokens):
    chosen = small_net.choice(jnp.asarray(tokens))
    return small_net.Choice(
        jax.nn.one_hot(chosen.inputs, 3), jax.nn.one_hot(chosen.operations, 4)
    )


@pytest.fixture(scope="module")
def params():
    given = IMAGES, small_net.choice(jnp.asarray(TOKENS))
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), given)["params"]
    draw = lambda s: RNG.normal(size=s.shape, scale=0.5).astype(np.float32)
    return jax.tree.map(draw, shapes)


def by_flax(params, x, tokens):
    """The network by flax's own convolutions and pooling."""

    def norm(x):
        return (x - x.mean((1, 2, 3), keepdims=True)) / jnp.sqrt(
            x.var((1, 2, 3), keepdims=True) + 1e-5
        )

    def sep3(x, depthwise, pointwise):
        kernel = depthwise.reshape(3, 3, 1, -1)
        x = jax.lax.conv_general_dilated(
            nn.relu(x),
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )
        return norm(x @ pointwise)

    b, h, w, c = x.shape
    pixels = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    x = jnp.concatenate(pixels, -1)
    stem = params["stem"].reshape(3, 3, 4 * c, -1)
    x = jax.lax.conv_general_dilated(
        x, stem, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    previous = last = norm(x)
    for cell in range(MODEL.cells):
        states = [previous, last]
        for k, (i, a, j, b) in enumerate(tokens.reshape(-1, 4)):
            total = 0
            for side, (read, operation) in enumerate(((i, a), (j, b))):
                y = states[read]
                kernels = (
                    params[f"cell_{cell}_{name}"][k, side]
                    for name in ("depthwise", "pointwise")
                )
                total += {
                    "same": lambda y, *_: y,
                    "max3": lambda y, *_: nn.max_pool(y, (3, 3), (1, 1), "SAME"),
                    "mean3": lambda y, *_: nn.avg_pool(
                        y, (3, 3), (1, 1), "SAME", count_include_pad=False
                    ),
                    "sep3": sep3,
                }[OPERATIONS[operation]](y, *kernels)
            states.append(total)
        out = nn.relu(jnp.concatenate(states[2:], -1)) @ params[f"cell_{cell}_joined"]
        previous, last = last, norm(out)
    head = params["head"]
    return last.mean((1, 2)) @ head["kernel"] + head["bias"][None]


def test_equals_flax_and_weights_of_one_are_a_choice(params):
    apply = lambda params, chosen: MODEL.apply({"params": params}, (IMAGES, chosen))

    @jax.jit
    def both(params, tokens):
        forms = small_net.choice(tokens), one_hot(tokens)
        loss = lambda params, chosen: jnp.sum(jnp.sin(apply(params, chosen)))
        return [(apply(params, f), jax.grad(loss)(params, f)) for f in forms]

    (out, grads), (mixed, mixed_grads) = both(params, jnp.asarray(TOKENS))
    expected = by_flax(params, IMAGES, TOKENS)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mixed, out, rtol=1e-5, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
        mixed_grads,
        grads,
    )
    other = jnp.asarray(np.array([0, 3, 0, 3, 2, 2, 0, 0]))  # the same program
    np.testing.assert_allclose(
        both(params, other)[0][0],
        by_flax(params, IMAGES, np.asarray(other)),
        rtol=1e-4,
        atol=1e-5,
    )
    # an absent block puts out zeros: its part of the joining kernel does nothing
    short = jnp.asarray([1, 3, 0, 2, -1, -1, -1, -1])
    (out, grads), _ = both(params, short)
    assert np.isfinite(out).all() and not np.any(grads["cell_0_joined"][4:])
    assert np.any(grads["cell_0_joined"][:4])


def test_refuses():
    init = lambda x, tokens: MODEL.init(
        jax.random.key(0), (x, small_net.choice(jnp.asarray(tokens)))
    )
    with pytest.raises(ValueError, match=r"x must be \[B, even, even, C\]"):
        init(jnp.zeros((1, 7, 8, 1)), TOKENS)
    with pytest.raises(ValueError, match=r"inputs must be \[2, 2, ...\]"):
        init(IMAGES, TOKENS[:4])
    with pytest.raises(ValueError, match="at least four examples"):
        child.halves(IMAGES, np.zeros(3))
    images = child.halves(np.zeros((8, 8, 8, 1)), np.arange(8))
    assert [len(part) for part in images] == [4, 4, 2, 2, 2, 2]
    assert sorted(np.concatenate(images[1::2])) == list(range(8))
    with pytest.raises(ValueError, match="steps and batch_size"):
        child.trainer(images, steps=0)
