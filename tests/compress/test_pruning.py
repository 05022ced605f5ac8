"""Pruning against PyTorch's, NumPy, and the network it is pruned from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from zoo.compress import pruning, structured
from zoo.compress.reparameterise import flat


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(0)
    shapes = {"conv_0": (3, 3, 1, 4), "conv_1": (3, 3, 4, 6), "dense_0": (24, 5)}
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    return {
        name: {"kernel": draw(*shape) * (i + 1), "bias": draw(shape[-1])}
        for i, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.reference
@pytest.mark.parametrize("scope", pruning.SCOPES)
@pytest.mark.parametrize("share", [0.0, 0.37, 0.9])
def test_masks_are_those_of_pytorch(params, scope, share):
    import torch
    from torch.nn.utils import prune

    modules = []
    for leaf in flat(params).values():
        if leaf.ndim > 1:
            module = torch.nn.Module()
            module.w = torch.nn.Parameter(torch.tensor(leaf))
            modules.append((module, "w"))
    if scope == "layer":
        for module, name in modules:
            prune.l1_unstructured(module, name, share)
    else:
        prune.global_unstructured(modules, prune.L1Unstructured, amount=share)
    theirs = [module.w_mask.numpy() == 1 for module, _ in modules]
    ours = pruning.magnitude_masks(params, share, scope)
    assert [*ours] == [p for p, leaf in flat(params).items() if leaf.ndim > 1]
    jax.tree.map(np.testing.assert_array_equal, [*ours.values()], theirs)


def test_equal_weights_go_in_order_and_layers_may_differ(params):
    masks = pruning.magnitude_masks({"kernel": jnp.ones(4)}, 0.5)
    assert masks["kernel"].tolist() == [False, False, True, True]
    masks = pruning.magnitude_masks(params, {"dense_0/kernel": 0.25})
    assert masks["conv_0/kernel"].all() and masks["dense_0/kernel"].sum() == 90
    gone = pruning.masked_params(params, masks)
    assert pruning.sparsity_of(gone) == pytest.approx(30 / (36 + 216 + 120))


def test_the_cubic_law_is_the_papers():
    at = jax.jit(pruning.cubic_sparsity(0.9, begin=10, end=30, initial=0.1))
    for t in (0, 9, 10, 17, 29, 30, 99):
        law = 0.9 + (0.1 - 0.9) * (1 - (t - 10) / 20) ** 3
        expected = 0 if t < 10 else min(law, 0.9) if t < 30 else 0.9
        assert float(at(t)) == pytest.approx(expected, abs=1e-6)


def test_pruned_weights_stay_zero_and_the_rest_is_the_inner_optimizers(params):
    """Adam on what is left, and the share by the law; the optimizer adds decay."""
    tx = pruning.pruned(optim.adamw(0.01), 0.5, begin=2, end=8, every=3)
    law = pruning.cubic_sparsity(0.5, 2, 8)

    @jax.jit
    def step(carry):
        params, state = carry
        grads = jax.tree.map(lambda p: jnp.sin(3 * p), params)
        updates, state = tx.update(grads, state, params)
        return jax.tree.map(jnp.add, params, updates), state

    carry, shares = (params, jax.jit(tx.init)(params)), []
    for _ in range(11):
        carry = step(carry)
        shares.append(pruning.sparsity_of(carry[0]))
    expected = [0, 0, *[float(law(2))] * 3, *[float(law(5))] * 3, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(shares, expected, atol=2 / 372)
    now, state = carry
    moved = [m & (np.asarray(leaf) == 0) for m, leaf in zip(
        state.masks.values(), [x for x in flat(now).values() if x.ndim > 1], strict=True
    )]  # fmt: skip
    assert not any(m.any() for m in moved)  # what is left is not 0 by chance
    frozen = {p: ~np.asarray(m) for p, m in state.masks.items()}
    assert all((flat(now)[p][m] == 0).all() for p, m in frozen.items())
    at = optim.eval_params(state, jax.tree.map(lambda p: p + 1, now))
    assert all((np.asarray(flat(at)[p])[m] == 0).all() for p, m in frozen.items())


def test_sensitivity_prunes_one_layer_at_a_time(params):
    total = lambda p: sum(float(np.abs(x).sum()) for x in jax.tree.leaves(p))
    found = pruning.sensitivity(total, params, [0.0, 0.5])
    for path, (whole, half) in found.items():
        sizes = np.sort(np.abs(flat(params)[path]).ravel())
        assert whole == pytest.approx(total(params))
        assert whole - half == pytest.approx(sizes[: sizes.size // 2].sum(), rel=1e-3)


def test_the_shrunk_network_is_the_masked_one():
    """LeNet with and without its filters, and how its arrays shrink."""
    large = zoo.create("lenet_caffe", maps=(5, 6), widths=(7,), activate_maps=True)
    x = np.random.default_rng(1).normal(size=(2, 20, 24, 1)).astype(np.float32)
    params = jax.jit(large.init)(jax.random.key(0), x)["params"]
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda p: p + rng.normal(size=p.shape).astype("f"), params)
    masks = structured.filter_masks(
        params, {"conv_0": 0.4, "conv_1": 0.5, "dense_0": 0.3}
    )
    norms = np.abs(params["conv_1"]["kernel"]).sum((0, 1, 2))
    assert norms[masks["conv_1"]].min() > norms[~masks["conv_1"]].max()
    masked = structured.without_filters(params, masks)
    order = ("conv_0", "conv_1", "dense_0", "head")
    small = zoo.create("lenet_caffe", maps=(3, 3), widths=(5,), activate_maps=True)
    less = structured.shrunk(params, masks, order)
    shapes = jax.eval_shape(small.init, jax.random.key(0), x)["params"]
    assert jax.tree.map(np.shape, less) == jax.tree.map(lambda s: s.shape, shapes)
    a = jax.jit(large.apply)({"params": masked}, x)
    b = jax.jit(small.apply)({"params": less}, x)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p: pruning.magnitude_masks(p, 1.0), r"sparsity must be .* \[0, 1\)"),
        (lambda p: pruning.magnitude_masks(p, 0.999), "must leave a weight at least"),
        (lambda p: pruning.magnitude_masks(p, 0.5, "all"), "unknown scope 'all'"),
        (lambda p: pruning.magnitude_masks(p, {"conv": 0.5}), "unknown weight 'conv'"),
        (lambda p: pruning.pruned(optim.sgd(1.0), 0.9999).init(p), "leave a weight"),
        (lambda p: pruning.pruned(optim.sgd(1.0), 0.5, 5, 4), "0 <= begin <= end"),
        (lambda p: pruning.cubic_sparsity(0.5, initial=0.6), "initial must be"),
        (lambda p: structured.filter_masks(p, {"conv_0": 0.9}), "leave a filter"),
        (lambda p: structured.shrunk(p, {}, ("conv_0",)), "order must name conv_0, co"),
    ],
)
def test_refuses(params, call, message):
    with pytest.raises(ValueError, match=message):
        call(params)
