"""Sequence to sequence: attention by hand, and searches that find what there is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.sequence import Seq2Seq, beam, greedy, stepper

V, END = 4, 2
X = {
    "source": np.random.default_rng(0).integers(0, V, (3, 5)).astype(np.int32),
    "target": np.random.default_rng(1).integers(0, V, (3, 4)).astype(np.int32),
    "source_mask": np.arange(5) < np.array([[5], [2], [4]]),
}


def softmax(e):
    p = np.exp(e - e.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def watched(model, variables, x):
    """Logits, the weights of attention, and what the recurrent layers put out."""
    kept = ["intermediates"]
    seen = lambda module, name: module.name in ("encoder", "decoder")
    logits, state = model.apply(variables, x, mutable=kept, capture_intermediates=seen)
    found = state["intermediates"]
    outputs = [found[name]["__call__"][0][0] for name in ("encoder", "decoder")]
    return logits, found.get("attention", (None,))[0], *outputs


@pytest.mark.parametrize("score", ["additive", "general", "scaled", "none"])
def test_attention_by_hand(score):
    """Scores, weights, context and logits from the states of both networks."""
    model = Seq2Seq(V, 3, 4, score=score)
    variables = jax.jit(model.init)(jax.random.key(0), X)
    given = jax.jit(lambda v, x: watched(model, v, x))(variables, X)
    p = jax.tree.map(np.asarray, variables["params"])
    logits, weights, memory, h = (None if a is None else np.asarray(a) for a in given)
    if score == "additive":
        inner = (h @ p["w"])[:, :, None] + (memory @ p["u"])[:, None]
        e = np.tanh(inner) @ p["v"]
    elif score == "general":
        e = np.einsum("bth,hm,bsm->bts", h, p["w"], memory)
    elif score == "scaled":
        q, k = h @ p["q"]["kernel"], memory @ p["k"]["kernel"]
        e = np.einsum("bth,bsh->bts", q, k) / 2  # the root of four
    both = h
    if score != "none":
        expected = softmax(np.where(X["source_mask"][:, None], e, -np.inf))
        np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)
        both = np.concatenate([expected @ memory, h], 2)
    dense = lambda name, x: x @ p[name]["kernel"] + p[name]["bias"]
    by_hand = dense("head", np.tanh(dense("combine", both)))
    np.testing.assert_allclose(logits, by_hand, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def network():
    """Two layers of LSTM, of random weights: the beginning of the decoder too."""
    model = Seq2Seq(V, 3, 4, cell="lstm", layers=2)
    variables = jax.jit(model.init)(jax.random.key(3), X)
    return model, jax.tree.map(lambda w: 4 * w, variables)


def test_padding_and_later_targets_are_not_read(network):
    model, variables = network
    run = jax.jit(lambda x: model.apply(variables, x))
    other = np.where(X["source_mask"], X["source"], (X["source"] + 1) % V)
    np.testing.assert_allclose(run(X | {"source": other}), run(X), rtol=1e-6)
    later = X["target"].copy()
    later[:, 2:] = (later[:, 2:] + 1) % V
    moved = abs(run(X | {"target": later}) - run(X))
    assert moved[:, :2].max() < 1e-6 < 1e-2 < moved[:, 2:].max()


LENGTH = 3


def every(model, variables):
    """log p of every sequence of up to three tokens, {(tokens): [B]}."""
    ends = []
    for n in range(1, LENGTH + 1):
        for tokens in itertools.product(range(V), repeat=n):
            if END in tokens[:-1] or (n < LENGTH and tokens[-1] != END):
                continue
            ends.append(tokens + (END,) * (LENGTH - n))
    y = np.array(ends, np.int32)  # [R, T]
    rows = len(X["source"])
    told = np.concatenate([np.ones((len(y), 1), np.int32), y[:, :-1]], 1)
    x = {
        "source": np.repeat(X["source"], len(y), 0),
        "source_mask": np.repeat(X["source_mask"], len(y), 0),
        "target": np.tile(told, (rows, 1)),
    }
    log_p = jax.nn.log_softmax(jax.jit(model.apply)(variables, x)).reshape(
        rows, len(y), LENGTH, V
    )
    picked = np.take_along_axis(np.asarray(log_p), y[None, ..., None], 3)[..., 0]
    done = np.cumsum(y == END, 1) - (y == END) > 0  # after the first end
    return y, np.where(done[None], 0, picked).sum(2)  # [R, T], [B, R]


def test_searches_find_what_there_is(network):
    """A beam as wide as all there is finds the best of all; of one, it is greedy."""
    model, variables = network

    @jax.jit
    def run():
        step, state = stepper(model, variables, X["source"], X["source_mask"])
        first = jnp.ones(3, jnp.int32)
        given = (step, state, first, LENGTH, END)
        wide = beam(*given, beams=27)
        return greedy(*given), beam(*given, beams=1), wide, beam(*given, 27, 1.5)

    best, one, (found, values), (_, penalised) = jax.device_get(run())
    y, log_p = every(model, variables)
    np.testing.assert_array_equal(one[0][:, 0], best[0])
    np.testing.assert_allclose(one[1][:, 0], best[1], rtol=1e-5)
    order = np.argsort(-log_p, 1)
    for b in range(3):
        kept = np.isfinite(values[b])
        np.testing.assert_array_equal(found[b, 0], y[order[b, 0]])
        np.testing.assert_allclose(values[b][:10], log_p[b][order[b, :10]], rtol=1e-4)
        row = {tuple(t): v for t, v in zip(y.tolist(), log_p[b], strict=True)}
        for tokens, value in zip(found[b][kept].tolist(), values[b][kept], strict=True):
            np.testing.assert_allclose(row[tuple(tokens)], value, rtol=1e-4)
        np.testing.assert_allclose(row[tuple(best[0][b])], best[1][b], rtol=1e-4)
    tokens = np.minimum((y != END).sum(1) + 1, LENGTH)
    ranked = -np.sort(-log_p / ((5 + tokens) / 6) ** 1.5, 1)
    np.testing.assert_allclose(penalised[:, :10], ranked[:, :10], rtol=1e-4)


def test_what_follows_the_end_costs_nothing():
    """A network that always ends: one token counts, in both searches."""
    logits = jnp.array([[0.0, 1.0, 3.0, 0.0]])
    step = lambda tokens, state: (jnp.repeat(logits, len(tokens), 0), state)
    given = (step, (), jnp.ones(2, jnp.int32), LENGTH, END)
    for tokens, value in (greedy(*given), beam(*given, beams=1)):
        np.testing.assert_array_equal(tokens, np.full(tokens.shape, END))
        np.testing.assert_allclose(value, jax.nn.log_softmax(logits)[0, END], rtol=1e-6)


STEP = lambda tokens, state: (jnp.zeros((len(tokens), V)), state)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: Seq2Seq(V, score="dot").init(jax.random.key(0), X),
            "unknown score 'dot'",
        ),
        (
            lambda: Seq2Seq(V - 1).init(jax.random.key(0), X),
            "tokens must be from 0 to 2, got 0 to 3",
        ),
        (lambda: greedy(STEP, (), jnp.ones(2), 3, END), "first must be int"),
        (lambda: greedy(STEP, (), jnp.ones(2, int), 0, END), "length must be positive"),
        (
            lambda: beam(STEP, (), jnp.ones(2, int), 3, END, 0),
            "beams must be positive, got 0",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
