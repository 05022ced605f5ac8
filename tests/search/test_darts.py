"""The search by gradient descent, against its definition by autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.search import Choice, SmallNet, discrete
from zoo.search.darts import darts, weights

RNG = np.random.default_rng(0)
BATCH = {
    "x": RNG.normal(size=(6, 4, 4, 1)).astype(np.float32),
    "y": RNG.integers(0, 3, 6).astype(np.int32),
    "index": np.array([3, 4, 8, 1, 6, 5], np.int32),
}
MODEL = SmallNet(num_classes=3, width=3, cells=1, blocks=1)
RATE, XI = 0.5, 0.3


def test_both_orders_are_their_definitions():
    """The slope by a of L_valid(w - xi grad L_train(w, a), a), exactly."""

    def loss(w, a, odd):
        logits = MODEL.apply({"params": w}, (BATCH["x"], weights(a)))
        logs = jax.nn.log_softmax(logits)[np.arange(6), BATCH["y"]]
        mine = BATCH["index"] % 2 == odd
        return -jnp.sum(jnp.where(mine, logs, 0)) / mine.sum()

    @jax.jit
    def both(state):
        w, a = state.params, state.logits
        found = []
        for xi in (0.0, XI):
            learner = darts(MODEL, optim.sgd(RATE), optim.sgd(RATE), unroll=xi)

            def unrolled(a, xi=xi):
                slope = jax.grad(loss)(w, a, 0)
                ahead = jax.tree.map(lambda p, g: p - xi * g, w, slope)
                return loss(ahead, a, 1)

            slope = jax.grad(unrolled)(a)
            expected = jax.tree.map(lambda p, g: p - RATE * g, a, slope)
            trained, slope = jax.value_and_grad(loss)(w, expected, 0)
            moved = jax.tree.map(lambda p, g: p - RATE * g, w, slope)
            new, metrics = learner.step(state, BATCH)
            found.append((new.logits, expected, new.params, moved, metrics, trained))
        return found

    learner = darts(MODEL, optim.sgd(RATE), optim.sgd(RATE))
    state = jax.jit(learner.init)(jax.random.key(0), BATCH)
    at_random = lambda p: (0.7 * RNG.normal(size=p.shape)).astype(np.float32)
    state = state._replace(
        params=jax.tree.map(at_random, state.params),
        logits=jax.tree.map(at_random, state.logits),
    )
    first, second = both(state)
    for found, expected, params, moved, metrics, trained in (first, second):
        near = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
        jax.tree.map(near, found, expected)
        jax.tree.map(near, params, moved)
        total, count = metrics["loss"]
        np.testing.assert_allclose(total / count, trained, rtol=1e-5)
        total, count = metrics["valid"]
        assert count == 3
    apart = np.abs(np.asarray(first[1].operations - second[1].operations))
    assert apart.max() > 1e-3  # else the second order was not seen


def test_what_cannot_be_read_has_no_weight_and_the_largest_is_taken():
    draw = lambda *shape: RNG.normal(size=shape).astype(np.float32)
    logits = Choice(draw(2, 2, 3), draw(2, 2, 4))
    logits.inputs[0, :, 2] = 9.0  # block 0 cannot read itself
    read, of = weights(logits)
    np.testing.assert_array_equal(read[0, :, 2], 0)
    np.testing.assert_allclose(read.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(of.sum(-1), 1, rtol=1e-6)
    tokens = np.asarray(discrete(logits)).reshape(2, 2, 2)
    np.testing.assert_array_equal(tokens[..., 1], logits.operations.argmax(-1))
    np.testing.assert_array_equal(tokens[0, :, 0], logits.inputs[0, :, :2].argmax(-1))
    np.testing.assert_array_equal(tokens[1, :, 0], logits.inputs[1].argmax(-1))


def test_refuses():
    with pytest.raises(ValueError, match="unroll must be at least 0"):
        darts(MODEL, optim.sgd(0.1), optim.sgd(0.1), unroll=-1)
