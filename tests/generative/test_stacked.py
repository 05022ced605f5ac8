"""Stacked autoencoders: what each level learns is what the whole network computes."""

import jax
import numpy as np
import pytest

import optim
import zoo
from zoo.generative import autoencoder, objective, stacked

MODEL = autoencoder.Autoencoder((2, 3), (5, 4, 2), code="sigmoid")
AIM = objective.reconstruction("bernoulli")
TX = optim.adam(0.05)


def test_greedy_then_tuned():
    data = {"x": np.random.default_rng(0).uniform(size=(32, 2, 3)).astype(np.float32)}
    stream, x = zoo.data.batches(data, 16, seed=0), data["x"]
    stages = [
        zoo.training.Stage(
            lambda axis_name=None, n=n: stacked.level(MODEL, n, AIM, TX, axis_name),
            stream,
            20,
            stacked.carry(n) if n else None,
        )
        for n in range(3)
    ]
    options = dict(parallel="single", progress=False, log_every=10)
    greedy, _, history, _ = zoo.training.fit_stages(stages, **options)
    for stage in range(3):
        first, *_, last = (r["loss"] for r in history if r["stage"] == stage)
        assert last < first, stage
    params = stacked.together(greedy, 2)
    apply = lambda model, params, *args: jax.jit(
        lambda p: model.apply({"params": p}, *args[:-1], method=args[-1])
    )(params)
    # The last level's autoencoder, on the codes of those below, is inside the whole.
    top, inner = greedy.top.params, stacked.part(MODEL, 2)
    code = apply(inner, top, apply(MODEL, params, x, 2, "encode"), "encode")
    np.testing.assert_allclose(apply(MODEL, params, x, "encode"), code, rtol=1e-5)
    y = np.asarray(apply(inner, top, code, "decode"))
    for i in (1, 2):
        dense = jax.device_get(params[f"decoder_{i}"])
        y = (1 / (1 + np.exp(-y))) @ dense["kernel"] + dense["bias"]
    whole = np.asarray(apply(MODEL, params, x, "__call__"))
    np.testing.assert_allclose(whole.reshape(32, 6), y, rtol=1e-4, atol=1e-5)
    tuner, batch = objective.learner(MODEL, AIM, TX), stream.at(0)
    fresh = jax.jit(tuner.init)(jax.random.key(1), batch)
    state = stacked.tuning(3, TX)(greedy, fresh)
    jax.tree.map(np.testing.assert_array_equal, state.params, params)
    _, metrics = jax.jit(tuner.step)(state, batch)
    each = objective.error(x[batch["index"]], whole[batch["index"]], "bernoulli")
    np.testing.assert_allclose(metrics["loss"][0], each.sum(), rtol=1e-5)


def test_lower_levels_stand_still():
    learner = stacked.level(MODEL, 1, AIM, TX)
    x = np.random.default_rng(0).uniform(size=(4, 2, 3)).astype(np.float32)
    batch = {"x": x, "index": np.arange(4)}
    state = jax.jit(learner.init)(jax.random.key(0), batch)
    new, _ = jax.jit(learner.step)(state, batch)
    jax.tree.map(np.testing.assert_array_equal, new.below, state.below)
    both = stacked.together(new, 1)
    assert set(both) == {f"{s}_{i}" for s in ("encoder", "decoder") for i in range(3)}
    for name, inner in (("encoder_1", "encoder_0"), ("decoder_1", "decoder_0")):
        np.testing.assert_array_equal(
            both[name]["kernel"], new.top.params[inner]["kernel"]
        )
    np.testing.assert_array_equal(
        both["decoder_2"]["kernel"], state.below["decoder_2"]["kernel"]
    )


@pytest.mark.parametrize(
    "model, level, message",
    [
        (MODEL, 3, "level must be from 0 to 2, got 3"),
        (autoencoder.Autoencoder(tied=True), 0, "model must not be tied"),
    ],
)
def test_refuses(model, level, message):
    with pytest.raises(ValueError, match=message):
        stacked.part(model, level)
