"""The Transformer: positions, counts, causality, and decoding with a cache."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.sequence import GPT, Stack, Transformer, remember, sample
from zoo.sequence.positions import rotary, shift, sinusoidal
from zoo.sequence.transformer_weights import stack_from_torch

V, D = 7, 8
SMALL = dict(vocabulary=V, features=D, heads=2, hidden=12, layers=2, dropout=0.0)


def tokens(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, V, shape).astype(np.int32)


def wild(variables, seed=1):
    """Every parameter random, also those that begin at 0 or 1."""
    rng = np.random.default_rng(seed)
    draw = lambda p: p + 0.3 * rng.normal(size=p.shape).astype(p.dtype)
    return jax.tree.map(draw, variables)


def test_sinusoids_shift_by_a_linear_map():
    with jax.enable_x64(True):
        places = jnp.arange(50)
        pe = sinusoidal(places, 16, jnp.float64)
        for k in (-3, 1, 20):
            moved = sinusoidal(places + k, 16, jnp.float64)
            m = shift(k, 16, jnp.float64)
            np.testing.assert_allclose(pe @ m.T, moved, atol=1e-12)
    expected = np.empty((50, 16))
    for i in range(8):
        angle = np.arange(50) / 10_000 ** (2 * i / 16)
        expected[:, 2 * i], expected[:, 2 * i + 1] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(pe, expected, atol=1e-12)
    for features in (0, 7):
        with pytest.raises(ValueError, match=f"even and positive, got {features}"):
            sinusoidal(places, features)


def test_rotary_scores_depend_on_distance_alone():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        q, k = (jnp.asarray(rng.normal(size=(1, 6))) for _ in range(2))
        at = lambda x, p: rotary(x[None], jnp.array([p]))[0, 0]
        scores = [at(q, p) @ at(k, p + 5) for p in (0, 3, 11)]
        np.testing.assert_allclose(scores, scores[0], rtol=1e-12)
        np.testing.assert_allclose(at(q, 0), q[0], rtol=1e-15)
        np.testing.assert_allclose(at(q, 9) @ at(q, 9), q[0] @ q[0], rtol=1e-12)
        assert abs(at(q, 0) @ at(k, 4) - scores[0]) > 1e-3


@pytest.mark.parametrize("positions", ["learned", "rotary", "sinusoidal"])
def test_a_gpt_with_a_cache_is_the_gpt(positions):
    """A prompt at once, then token by token; and drawing by it is drawing without."""
    model = GPT(**SMALL | dict(layers=1), positions=positions, longest=9)
    x = tokens(2, 9)
    variables = wild(jax.jit(model.init)(jax.random.key(0), x))

    @jax.jit
    def cached(x):
        first, state = model.apply(variables, x[:, :4], model.initial_state(2))

        def step(state, token):
            logits, state = model.apply(variables, token[:, None], state)
            return state, logits[:, 0]

        _, rest = jax.lax.scan(step, state, x[:, 4:].T)
        return jnp.concatenate([first, jnp.swapaxes(rest, 0, 1)], 1)

    whole = jax.jit(lambda x: model.apply(variables, x))
    np.testing.assert_allclose(cached(x), whole(x), rtol=1e-5, atol=1e-5)
    later = np.concatenate([x[:, :5], tokens(2, 4, seed=3)], 1)
    np.testing.assert_allclose(whole(later)[:, :5], whole(x)[:, :5], rtol=1e-5)
    assert abs(whole(later)[:, 5:] - whole(x)[:, 5:]).max() > 1e-2
    if positions == "learned":
        draw = lambda p: sample(model, variables, jax.random.key(0), p, 7, 0.0)
        drawn = jax.jit(draw)(x[:, :2])
        text = np.concatenate([x[:, :2], drawn], 1)  # the likeliest, read from it all
        np.testing.assert_array_equal(whole(text)[:, 1:-1].argmax(2), drawn)


@pytest.fixture(scope="module")
def translator():
    model = Transformer(**SMALL, positions="learned", longest=6)
    x = {
        "source": tokens(2, 5),
        "target": tokens(2, 6, seed=1),
        "source_mask": np.arange(5) < np.array([[5], [3]]),
    }
    return model, wild(jax.jit(model.init)(jax.random.key(0), x)), x


def test_a_decoder_with_a_cache_is_the_decoder(translator):
    """The memory's keys and values are projected once."""
    model, variables, x = translator

    @jax.jit
    def both(x):
        mask = x["source_mask"]
        whole = model.apply(variables, x)
        memory = model.apply(variables, x["source"], mask, method="encode")
        memory = remember(variables["params"]["decoder"], memory, 2)

        def step(cache, token):
            given = (token[:, None], memory, mask, cache)
            logits, cache = model.apply(variables, *given, method="decode")
            return cache, logits[:, 0]

        _, found = jax.lax.scan(step, model.initial_cache(2, 6), x["target"].T)
        return whole, jnp.swapaxes(found, 0, 1)

    whole, found = both(x)
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5)


def test_padding_is_not_read(translator):
    model, variables, x = translator
    run = jax.jit(lambda x: model.apply(variables, x))
    other = np.where(x["source_mask"], x["source"], (x["source"] + 1) % V)
    np.testing.assert_array_equal(run(x | {"source": other}), run(x))
    first = x | {"source_mask": np.ones((2, 5), bool)}
    assert abs(run(first)[1] - run(x)[1]).max() > 1e-3


def test_the_embedding_is_shared_and_scaled():
    """Rows of it, times the root of D, and the positions go into the encoder."""
    model = Transformer(**SMALL | dict(layers=1))
    x = {"source": tokens(1, 3), "target": tokens(1, 2)}
    seen = {}

    def watch(next_function, args, kwargs, context):
        if context.module.name == "encoder" and context.method_name == "__call__":
            seen["h"] = args[0]
        return next_function(*args, **kwargs)

    @jax.jit
    def run(key):
        with nn.intercept_methods(watch):
            variables = model.init(key, x)
        return variables["params"], seen.pop("h")

    params, h = run(jax.random.key(0))
    assert set(params) == {"embed", "encoder", "decoder"}
    rows = params["embed"]["embedding"][x["source"]] * np.sqrt(D)
    np.testing.assert_allclose(
        h, rows + sinusoidal(jnp.arange(3), D)[None], rtol=1e-5, atol=1e-6
    )


X = np.zeros((2, 3, D), np.float32)


def gpt(**fields):
    return lambda: GPT(**SMALL | fields).init(jax.random.key(0), tokens(1, 3))


def stack(*, x=X, options=None, **fields):
    fields = dict(layers=1, heads=2, hidden=3) | fields
    return lambda: Stack(**fields).init(jax.random.key(0), x, **options or {})


@pytest.mark.parametrize(
    "call, message",
    [
        (gpt(positions="turned"), "unknown positions 'turned'"),
        (gpt(longest=2), "at most 2 tokens, got 3"),
        (gpt(heads=3), "heads must divide the features, got 3 of 8"),
        (gpt(vocabulary=3), "tokens must be from 0 to 2"),
        (lambda: GPT(longest=5).initial_state(1, 6), "at most 5 tokens, got 6"),
        (
            lambda: Transformer(positions="learned", longest=5).initial_cache(1, 6),
            "at most 5 tokens, got 6",
        ),
        (stack(activation="sine"), "unknown activation 'sine'"),
        (stack(layers=0), "must be positive, got 0, 2 and 3"),
        (stack(x=X[:, :0]), "T >= 1"),
        (stack(cross=True), "memory must be given"),
        (stack(options={"memory": X}), "memory must be given .* and to no other"),
        (
            stack(
                options={
                    "mask": np.ones((1, 1, 3, 3), bool),
                    "cache": Stack(1, 2).initial_cache(2, 3, D),
                }
            ),
            "mask must be None with a cache",
        ),
        (lambda: stack_from_torch({"a": X}, "b."), "begin with 'b.layers.', got none"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
