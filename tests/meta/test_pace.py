"""Self-paced fine-tuning: the ranking, who learns when, and refusals."""

import jax
import numpy as np
import pytest

import optim
import zoo.functional as F
from zoo.classical.mlp import MLP
from zoo.meta import pace

NET = MLP(num_classes=3, widths=(4, 5), activation="tanh")
RNG = np.random.default_rng(0)
LAYERS = ["dense_0", "dense_1", "head"]


def walk(steps, **options):
    """Parameters along the way, the states, and the batch's losses."""
    batch = {
        "x": RNG.normal(size=(8, 2)).astype(np.float32),
        "y": RNG.integers(0, 3, 8).astype(np.int32),
        "index": np.arange(8, dtype=np.int32),
    }
    key = jax.random.key(0)
    params = jax.jit(NET.init)(key, batch["x"])["params"]
    learner = pace.learner(NET, F.cross_entropy, optim.sgd(0.1), params, **options)
    states, losses = [learner.init(key, batch)], []
    step = jax.jit(learner.step)
    for _ in range(steps):
        state, metrics = step(states[-1], batch)
        states.append(state)
        losses.append(float(np.divide(*metrics["loss"])))
    return batch, states, losses


def test_layers_learn_one_after_another_when_the_loss_stalls():
    """With a share of 1 every window is too slow, so that each opens one layer more."""
    batch, states, losses = walk(9, patience=3, least=1.0)
    params = states[0].params
    flat = lambda tree: np.concatenate([a.ravel() for a in jax.tree.leaves(tree)])

    def value(params):
        total, size = F.cross_entropy(NET.apply({"params": params}, batch["x"]), batch)
        return total / size

    first, grads = jax.jit(jax.value_and_grad(value))(params)
    length = lambda tree, name: np.linalg.norm(flat(tree[name]))
    ratios = [length(grads, name) / length(params, name) for name in LAYERS]
    order = np.argsort(ratios)[::-1]
    assert len(set(np.round(ratios, 3))) == 3
    np.testing.assert_array_equal(states[1].order, order)
    assert losses[0] == pytest.approx(float(first), rel=1e-5)
    for i, (a, b) in enumerate(zip(states, states[1:], strict=False)):
        moved = {n for n in LAYERS if (flat(a.params[n]) != flat(b.params[n])).any()}
        # The first window has none before it; the second and third are judged.
        count = 1 if i < 6 else 2
        assert moved == {LAYERS[n] for n in order[:count]}, i
    name = LAYERS[order[0]]
    want = flat(params[name]) - 0.1 * flat(grads[name])
    np.testing.assert_allclose(flat(states[1].params[name]), want, rtol=1e-5)


def test_while_the_loss_falls_one_layer_is_enough():
    _, states, losses = walk(9, patience=2, least=0.0)
    assert losses == sorted(losses, reverse=True)
    assert [int(state.open) for state in states] == [1] * 10


def test_refuses():
    make = lambda params, **options: pace.learner(
        NET, F.cross_entropy, optim.sgd(0.1), params, **options
    )
    for options, message in (
        ({"params": {}}, "params must be a dict of layers, got {}"),
        ({"patience": 0}, "patience must be an integer >= 1, got 0"),
        ({"least": 1.5}, "least must be a number in .0, 1., got 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**{"params": {"head": 0}} | options)
