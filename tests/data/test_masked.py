"""The task of masked words: its shares, whose chance it is, and that BERT learns it."""

import jax
import numpy as np
import pytest

import optim
from zoo.data import batches, masked
from zoo.sequence import BERT, token_learner

MASK, CLS, V = 3, 2, 30


def rows(n, width, seed=0):
    tokens = np.random.default_rng(seed).integers(4, V, (n, width)).astype(np.int32)
    tokens[:, 0] = CLS
    tokens[:, -2:] = 0
    return tokens


def test_shares():
    """Of 40,000 tokens, within four standard deviations."""
    tokens = rows(1000, 43)
    hide = masked(V, MASK, special=(1, CLS))
    batch = batches({"tokens": tokens}, 1000, transform=hide).at(3)
    true, seen, told = batch["y"], batch["x"]["tokens"], batch["mask"]
    np.testing.assert_array_equal(true, tokens[batch["index"]])
    np.testing.assert_array_equal(batch["x"]["mask"], true != 0)
    assert not told[:, 0].any() and not told[:, -2:].any()
    np.testing.assert_array_equal(seen[~told], true[~told])
    near = lambda share, p, n: abs(share - p) < 4 * np.sqrt(p * (1 - p) / n)
    assert near(told[:, 1:-2].mean(), 0.15, 40_000)
    seen, true = seen[told], true[told]
    n = len(seen)
    other = (seen != MASK) & (seen != true)
    assert near((seen == MASK).mean(), 0.8, n)
    assert near(other.mean(), 0.1 * 25 / 26, n)  # one in 26 is drawn as it was
    assert set(seen[other].tolist()) == set(range(4, V))


def test_chance_is_the_row_s_and_the_step_s():
    tokens, hide = rows(64, 20), masked(V, MASK)
    one, other = (batches({"tokens": tokens}, b, transform=hide) for b in (64, 16))
    a, b = one.at(0), other.at(0)  # the same first sixteen rows
    np.testing.assert_array_equal(a["index"][:16], b["index"])
    np.testing.assert_array_equal(a["x"]["tokens"][:16], b["x"]["tokens"])
    rng = lambda: np.random.default_rng(5)
    given = {"tokens": tokens, "index": np.arange(64)}
    turned = {name: array[::-1] for name, array in given.items()}
    a, b = (hide(batch, rng()) for batch in (given, turned))
    np.testing.assert_array_equal(a["x"]["tokens"], b["x"]["tokens"][::-1])
    assert (a["mask"][0] != a["mask"][1]).any()
    first, second = one.at(0), one.at(1)
    back = lambda batch: batch["mask"][np.argsort(batch["index"])]
    assert (back(first) != back(second)).any()
    np.testing.assert_array_equal(one.rows(1, 3, 9)["mask"], second["mask"][3:9])


def test_all_or_none():
    given = {"tokens": rows(4, 9), "index": np.arange(4)}
    rng = np.random.default_rng(0)
    assert not masked(V, MASK, chance=0.0)(given, rng)["mask"].any()
    every = masked(V, MASK, chance=1.0)(given, rng)["mask"]
    np.testing.assert_array_equal(every, given["tokens"] != 0)


def test_bert_learns_from_the_others():
    """Rows of one word each: what is hidden is what the others are.

    A model that knew frequencies alone would be right once in 26."""
    tokens = np.repeat(np.arange(4, V, dtype=np.int32)[:, None], 8, axis=1)
    stream = batches({"tokens": tokens}, 26, transform=masked(V, MASK))
    model = BERT(
        V, features=32, heads=2, hidden=32, layers=1, dropout=0.0, longest=8,
        output="tokens",
    )  # fmt: skip
    learner = token_learner(model, optim.adam(1e-2))
    step = jax.jit(learner.step, donate_argnums=0)
    state = jax.jit(learner.init)(jax.random.key(0), stream.at(0))
    right = []
    for i in range(80):
        state, pairs = step(state, stream.at(i))
        right.append(pairs["tokens"])
    share = lambda pairs: np.divide(*np.sum(jax.device_get(pairs), 0))
    assert share(right[:3]) < 0.2 and share(right[-20:]) > 0.8


@pytest.mark.parametrize(
    "given, message",
    [
        ((1, 0), "vocabulary must be an integer at least 2"),
        ((5, 5), "mask_token and special must be an integer from 0 to 4, but is 5"),
        ((5, 1, (9,)), "mask_token and special must be an integer from 0 to 4"),
        ((3, 1, (2,)), "special must leave tokens of the 3 to draw"),
        ((5, 1, (), 1.5), "chance must be from 0 to 1, got 1.5"),
    ],
)
def test_refuses(given, message):
    with pytest.raises(ValueError, match=message):
        masked(*given)
