"""word2vec: line by line, by autodiff, the tree, and what is drawn.

With gensim: tests/parity/test_word2vec.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from zoo.sequence import analogy, huffman, nearest, word2vec
from zoo.sequence import word2vec_outputs as drawing

V, D, B, C, K = 7, 3, 6, 4, 2
COUNTS = np.array([40, 20, 12, 9, 5, 2, 1])


def given():
    rng = np.random.default_rng(0)
    x = rng.integers(0, V, (B, C)).astype(np.int32)
    x = np.where(np.arange(C) < rng.integers(1, C + 1, (B, 1)), x, -1)
    y = rng.integers(0, V, B).astype(np.int32)
    index = rng.permutation(B).astype(np.int32)
    weight = np.array([1, 1, 0, 1, 1, 2.0])
    return {"x": x, "y": y, "index": index, "weight": weight}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("mean_gradient", [False, True])
@pytest.mark.parametrize("objective", word2vec.OBJECTIVES)
def test_a_step_line_by_line(objective, mean_gradient):
    """A loop over rows, words and outputs, in NumPy; and the gradient by autodiff."""
    rate, batch = 0.3, given()
    fall, fields = lambda t: rate / (1 + t), dict(mean_gradient=mean_gradient, group=3)
    made = word2vec.learner(COUNTS, D, fall, objective, K, **fields)
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        state = made.init(jax.random.key(3), batch)
        state = state._replace(
            step=jnp.int32(4),
            inputs=jnp.asarray(rng.normal(size=(V, D))),
            outputs=jnp.asarray(rng.normal(size=state.outputs.shape)),
        )
        new, metrics = jax.jit(made.step)(state, batch)
        first = np.arange(B) if objective == "negative" else np.arange(B) // 3 * 3
        key, table = jax.random.fold_in(state.key, 4), drawing.table(COUNTS)
        drawn = drawing.draw(key, batch["index"][first], table, K)
    tree = huffman(COUNTS)
    inputs, outputs = np.array(state.inputs), np.array(state.outputs)
    total = 0.0
    before = np.array(inputs), np.array(outputs)
    for b in range(B):
        inside = [w for w in batch["x"][b] if w >= 0]
        h = np.mean([before[0][w] for w in inside], 0)
        if objective != "hierarchical":
            asked = [(batch["y"][b], 1.0)]
            asked += [(n, 0.0) for n in np.array(drawn[b]) if n != batch["y"][b]]
        else:
            ways = tree.nodes[batch["y"][b]], tree.turns[batch["y"][b]]
            asked = [(n, 1.0 - t) for n, t in zip(*ways, strict=True) if n >= 0]
        back = np.zeros(D)
        for row, label in asked:
            p = sigmoid(h @ before[1][row])
            total -= batch["weight"][b] * np.log(p if label else 1 - p)
            g = batch["weight"][b] * (label - p)
            back += g * before[1][row]
            outputs[row] += rate / 5 * g * h
        for w in inside:
            share = 1 / len(inside) if mean_gradient else 1
            inputs[w] += rate / 5 * share * back
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    close(new.inputs, inputs)
    close(new.outputs, outputs)
    # Labels and masks are made in float32, exactly: they are 0 and 1.
    close(metrics["loss"], (total, batch["weight"].sum()))
    assert int(new.step) == 5
    if mean_gradient:  # then the step goes down the gradient of the loss
        with jax.enable_x64(True):

            @jax.jit
            def slope(inputs, outputs):
                state_ = state._replace(inputs=inputs, outputs=outputs)
                return made.step(state_, batch)[1]["loss"][0]

            slopes = jax.grad(slope, (0, 1))(*map(jnp.asarray, before))
        close(new.inputs, before[0] - rate / 5 * np.array(slopes[0]))
        close(new.outputs, before[1] - rate / 5 * np.array(slopes[1]))


def test_words_that_are_shared():
    """By groups of one it is `negative`; by any, its mean over what is drawn is.

    The mean is a sum over all words, in NumPy; of 4,000 steps, by how far they scatter.
    """
    batch, rng = given(), np.random.default_rng(2)
    learner = lambda name, g: word2vec.learner(COUNTS, D, 1.0, name, K, group=g)
    vectors = rng.normal(size=(2, V, D))  # inputs and outputs
    with jax.enable_x64(True):
        state = learner("shared", 1).init(jax.random.key(3), batch)
        state = state._replace(inputs=jnp.asarray(vectors[0]))
        state = state._replace(outputs=jnp.asarray(vectors[1]))
        plain = jax.jit(learner("negative", 9).step)(state, batch)
        alone = jax.jit(learner("shared", 1).step)(state, batch)
        keys = jax.random.split(jax.random.key(4), 4000)

        @jax.jit
        @jax.vmap
        def drawn(key):
            new, metrics = learner("shared", 3).step(state._replace(key=key), batch)
            return new.inputs, new.outputs, metrics["loss"][0]

        found = jax.tree.map(np.array, drawn(keys))
    for a, b in zip(plain[0][2:], alone[0][2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(plain[1]["loss"], alone[1]["loss"], rtol=1e-12)
    inputs, outputs = vectors.copy()
    total, share = 0.0, COUNTS**0.75 / (COUNTS**0.75).sum()
    for x, y, weight in zip(batch["x"], batch["y"], batch["weight"], strict=True):
        h = vectors[0][x[x >= 0]].mean(0)
        p = sigmoid(vectors[1] @ h)
        counts = np.where(np.arange(V) == y, 0, K * share) * weight
        total -= weight * np.log(p[y]) + counts @ np.log(1 - p)
        g = weight * (np.arange(V) == y) * (1 - p) - counts * p
        outputs += np.outer(g, h)
        np.add.at(inputs, x[x >= 0], g @ vectors[1])
    for mean, seen in zip((inputs, outputs, total), found, strict=True):
        error = np.std(seen, 0) / len(keys) ** 0.5
        assert (abs(np.mean(seen, 0) - mean) <= 4 * error + 1e-9).all()


@pytest.mark.parametrize("objective", ["negative", "shared"])
def test_a_step_touches_its_rows_only(objective):
    """No array of the size of the table but the two that are donated."""
    counts = np.arange(1, 1001)[::-1]
    made = word2vec.learner(counts, 5, 0.1, objective, negative=2, group=2)
    batch = {name: array[:2] for name, array in given().items()}
    state = made.init(jax.random.key(0), batch)
    jaxpr = str(jax.make_jaxpr(made.step)(state, batch))
    wide = [line for line in jaxpr.split("\n") if ":f32[1000,5] = " in line]
    assert len(wide) == 2 and all("scatter-add" in line for line in wide), wide


def test_the_tree_is_a_code_and_the_shortest():
    """Kraft's sum is 1, no way begins another, and the total is that of the merges."""
    rng = np.random.default_rng(0)
    for counts in (COUNTS, np.ones(5, int), rng.integers(1, 1000, 50), [3, 3]):
        tree = huffman(np.array(counts))
        depth = (tree.nodes >= 0).sum(1)
        assert np.sum(0.5**depth) == 1
        words = ["".join(map(str, t[t >= 0])) for t in tree.turns]
        assert not any(b.startswith(a) for a in words for b in words if a is not b)
        left, total = sorted(counts), 0
        while len(left) > 1:
            both = left[0] + left[1]
            total += both
            left = sorted([both, *left[2:]])
        assert (depth * counts).sum() == total
        assert (tree.nodes[:, 0] == len(counts) - 2).all()  # all begin at the root


def test_probabilities_of_the_tree_sum_to_one():
    rng = np.random.default_rng(0)
    h, outputs = rng.normal(size=D), rng.normal(size=(V - 1, D))
    tree = huffman(COUNTS)
    found = drawing.way(jnp.arange(V), *map(jnp.asarray, tree))
    inputs = jnp.asarray(np.tile(h, (V, 1)))
    losses, *_ = word2vec.pulls(
        inputs, jnp.asarray(outputs), jnp.arange(V)[:, None], found
    )
    assert np.exp(-losses).sum() == pytest.approx(1, rel=1e-6)


def test_words_are_drawn_by_their_counts():
    """Chi-square of 60,000 words against count^0.75; and by row, not by place."""
    table = drawing.table(COUNTS)
    key, index = jax.random.key(0), jnp.arange(20_000)
    drawn = jax.jit(lambda i: drawing.draw(key, i, table, 3))(index)
    seen = np.bincount(np.array(drawn).reshape(-1), minlength=V)
    share = COUNTS**0.75 / (COUNTS**0.75).sum()
    assert scipy.stats.chisquare(seen, 60_000 * share).pvalue > 0.01
    flat = np.ones(V) / V  # that another power would be told
    assert scipy.stats.chisquare(seen, 60_000 * flat).pvalue < 1e-6
    again = drawing.draw(key, index[7:9], table, 3)
    np.testing.assert_array_equal(again, drawn[7:9])
    assert np.diff(np.append(0, table.astype(float))) / 2**32 == pytest.approx(share)


def test_nearest_and_analogies():
    """Worked out by hand: rows that are sums of features."""
    king, queen, man, woman, far = vectors = np.array(
        [[1, 0, 1], [1, 1, 1], [1, 0, 0], [1, 1, 0], [-1, 0, 0]], np.float32
    )
    del queen, far
    words, cosines = nearest(jnp.asarray(vectors), jnp.asarray(vectors[:1]), 5)
    np.testing.assert_array_equal(words[0], [0, 1, 2, 3, 4])
    expected = [1, 2 / 6**0.5, 0.5**0.5, 0.5, -(0.5**0.5)]
    np.testing.assert_allclose(cosines[0], expected, rtol=1e-6)
    answer, _ = analogy(jnp.asarray(vectors), jnp.array([[2, 3, 0]]))
    assert answer.tolist() == [[1]]  # man is to woman as king is to queen
    unit = lambda v: v / np.linalg.norm(v)
    query = unit(woman) - unit(man) + unit(king)
    _, cosine = analogy(jnp.asarray(vectors), jnp.array([[2, 3, 0]]))
    expected = unit(query) @ unit(vectors[1])
    np.testing.assert_allclose(cosine, [[expected]], rtol=1e-6)
    zero = jnp.zeros((1, 3))
    np.testing.assert_array_equal(nearest(jnp.asarray(vectors), zero, 2)[1], 0)


X = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: word2vec.learner(COUNTS, objective="full"), "unknown objective"),
        (lambda: word2vec.learner(COUNTS[:1]), "counts must be positive .*V >= 2"),
        (lambda: word2vec.learner(COUNTS - 1), "counts must be positive"),
        (lambda: word2vec.learner(COUNTS, 0), "must be positive, got 0, 5 and 16"),
        (lambda: word2vec.learner(COUNTS, group=0), "positive, got 100, 5 and 0"),
        (
            lambda: word2vec.learner(COUNTS, objective="shared", group=4).init(
                jax.random.key(0), given()
            ),
            "rows of a device must be groups of 4, got 6",
        ),
        (lambda: word2vec.learner(COUNTS, rate=-1), "rate must be 0 or positive"),
        (
            lambda: word2vec.learner(COUNTS).init(
                jax.random.key(0), given() | {"x": np.zeros(6, int)}
            ),
            r"x must be int \[B, C\]",
        ),
        (lambda: huffman(np.array([3])), "V >= 2, got"),
        (lambda: huffman(np.array([3, 0])), "counts must be positive"),
        (lambda: nearest(X, X[:, :1]), r"query \[Q, D\], got"),
        (lambda: nearest(X, X, 4), "k must be from 1 to 3, got 4"),
        (lambda: nearest(X, X, 2, np.zeros((2, 1), int)), r"without must be \[3, E\]"),
        (lambda: analogy(X, X), r"questions must be int \[Q, 3\]"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
