"""Language models: the loss over tokens, drawing, and what truncation carries on."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from zoo.data import pieces
from zoo.learner import mean
from zoo.sequence import RecurrentLM, bits, draw, sample, token_accuracy, truncated
from zoo.sequence import token_cross_entropy as loss

V = 5
MODEL = RecurrentLM(V, width=3, cell="gru", features=4)
TEXT = np.random.default_rng(0).integers(0, V, 41).astype(np.int32)


@pytest.fixture(scope="module")
def variables():
    variables = jax.jit(MODEL.init)(jax.random.key(1), TEXT[None, :4])
    return jax.tree.map(lambda p: 3 * p, variables)  # sure of what it says


def test_the_loss_is_over_the_tokens_that_count():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, V)).astype(np.float32)
    y, mask = rng.integers(0, V, (3, 4)), rng.integers(0, 2, (3, 4)) == 1
    weight = np.array([1, 2, 0], np.float32)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    each = -np.take_along_axis(log_p, y[..., None], 2)[..., 0]
    counts = mask * weight[:, None]
    batch = {"y": y, "mask": mask, "weight": weight}
    value, total = loss(logits, batch)
    np.testing.assert_allclose(value, (each * counts).sum(), rtol=1e-5)
    assert total == counts.sum() == token_accuracy(logits, batch)[1]
    np.testing.assert_allclose(bits(logits, batch)[0], value / np.log(2), rtol=1e-6)
    right = ((logits.argmax(-1) == y) * counts).sum()
    assert token_accuracy(logits, batch)[0] == right
    smooth = loss(logits, {"y": y}, label_smoothing=0.2)
    expected = (0.8 * each - 0.2 * log_p.mean(-1)).sum()
    np.testing.assert_allclose(smooth, (expected, 12), rtol=1e-5)


def test_a_constant_prompt_is_known_in_a_traced_function(variables):
    key, prompt = jax.random.key(0), jnp.asarray(TEXT[None, :4])
    write = lambda prompt: lambda v: sample(MODEL, v, key, prompt, 2)
    assert jax.eval_shape(write(prompt), variables).shape == (1, 2)
    with pytest.raises(ValueError, match="tokens must be from 0 to 4, got"):
        jax.eval_shape(write(prompt + 5), variables)


def test_drawing():
    """Frequencies are the softmax; with top_k, of those; at 0, the likeliest."""
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.4, 0.3]]))
    many = jax.jit(
        lambda key, **options: draw(key, jnp.tile(logits, (20_000, 1)), **options),
        static_argnames=("temperature", "top_k"),
    )
    share = lambda **options: (
        np.bincount(many(jax.random.key(0), **options), minlength=4) / 20_000
    )
    np.testing.assert_allclose(share(), [0.1, 0.2, 0.4, 0.3], atol=0.01)
    squares = np.array([0.01, 0.04, 0.16, 0.09]) / 0.3
    np.testing.assert_allclose(share(temperature=0.5), squares, atol=0.01)
    np.testing.assert_allclose(share(top_k=2), [0, 0, 4 / 7, 3 / 7], atol=0.01)
    np.testing.assert_array_equal(share(temperature=0.0), [0, 0, 1, 0])
    np.testing.assert_array_equal(share(top_k=1), [0, 0, 1, 0])


def test_the_likeliest_text_is_read_from_the_whole(variables):
    """Token by token with a state, and from all of it at once."""
    prompt = TEXT[:6].reshape(2, 3)
    draw = lambda p: sample(MODEL, variables, jax.random.key(0), p, 6, 0.0)
    drawn = jax.jit(draw)(prompt)
    text = np.concatenate([prompt, drawn], 1)
    whole = jax.jit(lambda x: MODEL.apply(variables, x))(text)
    np.testing.assert_array_equal(whole[:, 2:-1].argmax(2), drawn)
    assert len(np.unique(drawn)) > 1


def test_draws_differ_by_key_and_row(variables):
    prompt = np.zeros((20, 1), np.int32)
    run = jax.jit(lambda key: sample(MODEL, variables, key, prompt, 8, top_k=3))
    one, other = run(jax.random.key(0)), run(jax.random.key(1))
    assert one.shape == (20, 8) and one.dtype == jnp.int32
    assert len({tuple(row) for row in one.tolist()}) > 10
    assert (one != other).any()


def test_truncation_carries_the_state_and_cuts_the_gradient():
    """Two steps at rate 0 give the losses of the whole; the gradient is of a piece."""
    stream = pieces(TEXT, 2, 5)  # four steps an epoch
    tx = optax.trace(0.0)  # keeps the gradient as its state, and steps by it

    def build(rate):
        return truncated.learner(MODEL, optax.chain(tx, optax.scale(-rate)))

    held = build(0.0)
    state = jax.jit(held.init)(jax.random.key(0), stream.at(0))
    variables = {"params": state.params}
    step = jax.jit(held.step)
    states, losses = [state], []
    for t in range(5):
        state, metrics = step(state, stream.at(t))
        states.append(state)
        losses.append(mean(metrics["loss"]))
    x = np.concatenate([stream.at(t)["x"] for t in range(4)], axis=1)
    y = np.concatenate([stream.at(t)["y"] for t in range(4)], axis=1)
    whole = jax.jit(MODEL.apply)(variables, x)
    for t in range(4):
        part = slice(5 * t, 5 * t + 5)
        value, count = loss(whole[:, part], {"y": y[:, part]})
        np.testing.assert_allclose(losses[t], value / count, rtol=1e-5)
    assert losses[4] == losses[0]  # a new epoch begins from zeros

    def of_a_piece(params):
        batch = stream.at(2)
        logits, _ = MODEL.apply({"params": params}, batch["x"], states[2].carry)
        return mean(loss(logits, batch))

    expected = jax.jit(jax.grad(of_a_piece))(state.params)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, states[3].opt_state[0].trace, expected)
    batch = {"x": x, "y": y}
    np.testing.assert_allclose(
        mean(jax.jit(held.evaluate)(state, batch)["loss"]),
        np.mean(losses[:4]),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: MODEL.init(jax.random.key(0), TEXT[None] + 1),
            "from 0 to 4, got 1 to",
        ),
        (lambda: MODEL.init(jax.random.key(0), TEXT[None, :0]), "T >= 1, got int32"),
        (lambda: MODEL.init(jax.random.key(0), TEXT[None] * 1.0), "integers"),
        (lambda: RecurrentLM(0).init(jax.random.key(0), TEXT[None]), "vocabulary must"),
        (lambda: loss(jnp.ones((2, 3)), {"y": TEXT}), r"\[B, T, V\]"),
        (
            lambda: loss(
                jnp.ones((1, 2, 3)), {"y": TEXT[None, :2], "mask": TEXT[None]}
            ),
            r"mask must be \(1, 2\), got \(1, 41\)",
        ),
        (lambda: draw(None, jnp.ones((1, 3)), -1.0), "temperature must be 0 or more"),
        (lambda: draw(None, jnp.ones((1, 3)), top_k=4), "top_k must be from 1 to 3"),
        (lambda: sample(MODEL, {}, None, TEXT[None, :0], 3), "P >= 1"),
        (lambda: sample(MODEL, {}, None, TEXT[None], 0), "length positive"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
