"""The learner protocol: what every learner promises, and what `supervised` adds."""

from functools import partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim
import zoo
from tests.models import ConvNet, accuracy, cross_entropy, images
from zoo.learner import AUGMENT, mean, supervised

BATCH = {**images(16), "index": np.arange(16, dtype=np.int32)}


def learner(model=None, tx=None, **options):
    tx = tx or optim.sgd(0.1)
    return supervised(model or ConvNet(norm=False), cross_entropy, tx, **options)


def one_step(given, batch=BATCH):
    state = given.init(jax.random.key(0), batch)
    return jax.jit(given.step)(state, batch)


def test_step_is_the_gradient_of_the_masked_mean():
    """One SGD step against the mean written out, without any of our helpers."""
    weight = np.array([1, 0, 2, 0.5] * 4, np.float32)
    batch = {**BATCH, "weight": weight}
    given = learner(ConvNet())
    state = given.init(jax.random.key(0), batch)

    def objective(params):
        variables = {"params": params, **state.model_state}
        model, x = ConvNet(), batch["x"]
        logits, _ = model.apply(variables, x, train=True, mutable=["batch_stats"])
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        return (each * weight).sum() / weight.sum()

    value, grads = jax.value_and_grad(objective)(state.params)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, grads)
    new, metrics = jax.jit(given.step)(state, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
                 new.params, expected)  # fmt: skip
    np.testing.assert_allclose(mean(metrics["loss"]), value, rtol=1e-6)
    assert metrics["loss"][1] == weight.sum()


def test_a_batch_of_padding_changes_nothing():
    batch = {**BATCH, "weight": np.zeros(16, np.float32)}
    given = learner()
    state = given.init(jax.random.key(0), batch)
    new, metrics = given.step(state, batch)
    jax.tree.map(np.testing.assert_array_equal, new.params, state.params)
    assert mean(metrics["loss"]) == 0


@pytest.mark.parametrize("parts", [2, 4, 16])
def test_accumulation_equals_the_whole_batch(parts):
    model = ConvNet(norm=False, rate=0.5)  # chance must not notice the cut either
    whole, metrics = one_step(learner(model))
    state, others = one_step(learner(model, accumulate=parts))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
                 state.params, whole.params)  # fmt: skip
    np.testing.assert_allclose(others["loss"], metrics["loss"], rtol=1e-6)


def test_accumulation_moves_the_statistics_once_for_each_part():
    state, _ = one_step(learner(ConvNet(), accumulate=2))
    mean_of = state.model_state["batch_stats"]["norm"]["mean"]
    given = learner(ConvNet())
    by_hand = given.init(jax.random.key(0), BATCH)
    for part in (0, 1):  # every second example, in order
        variables = {"params": by_hand.params, **by_hand.model_state}
        x = BATCH["x"][part::2]
        _, new = ConvNet().apply(variables, x, train=True, mutable=["batch_stats"])
        by_hand = by_hand._replace(model_state=new)
    np.testing.assert_allclose(
        mean_of, by_hand.model_state["batch_stats"]["norm"]["mean"], rtol=1e-5
    )


def test_ema_has_the_ramp():
    given = learner(ema=0.9)
    state = given.init(jax.random.key(0), BATCH)
    expected = np.asarray(state.params["head"]["bias"], np.float64)
    for n in range(12):
        state, _ = jax.jit(given.step)(state, BATCH)
        d = min(0.9, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * np.asarray(state.params["head"]["bias"])
    np.testing.assert_allclose(state.ema["head"]["bias"], expected, rtol=1e-5)
    shown = given.evaluate(state, BATCH)["loss"]
    direct = learner().evaluate(state._replace(params=state.ema, ema=None), BATCH)
    np.testing.assert_allclose(shown, direct["loss"], rtol=1e-6)


def test_evaluates_where_the_optimizer_says():
    tx = optax.contrib.schedule_free_sgd(0.5)
    given = learner(tx=tx)
    state = given.init(jax.random.key(0), BATCH)
    for _ in range(5):
        state, _ = jax.jit(given.step)(state, BATCH)
    at = optax.contrib.schedule_free_eval_params(state.opt_state, state.params)
    expected = learner().evaluate(
        state._replace(params=at, opt_state=optax.EmptyState()), BATCH
    )
    np.testing.assert_allclose(
        given.evaluate(state, BATCH)["loss"], expected["loss"], rtol=1e-5
    )
    plain = learner().evaluate(state._replace(opt_state=optax.EmptyState()), BATCH)
    assert abs(plain["loss"][0] - expected["loss"][0]) > 1e-3


def test_bfloat16_computes_low_and_keeps_high():
    seen = []

    class Spy(nn.Module):
        @nn.compact
        def __call__(self, x):
            kernel = self.param("kernel", nn.initializers.lecun_normal(), (48, 3))
            seen.append((x.dtype, kernel.dtype))
            return x.reshape(len(x), -1) @ kernel

    low, metrics = one_step(learner(Spy(), dtype=jnp.bfloat16))
    assert seen[-1] == (jnp.bfloat16, jnp.bfloat16)
    high, full = one_step(learner(Spy()))
    assert low.params["kernel"].dtype == metrics["loss"][0].dtype == jnp.float32
    # bfloat16 has 8 bits: the loss agrees to about 2^-8
    np.testing.assert_allclose(metrics["loss"], full["loss"], rtol=1e-2)
    assert (low.params["kernel"] != high.params["kernel"]).any()


def test_optimizers_are_told_what_they_may_need():
    told = {}

    def update(updates, state, params=None, **extra):
        told.update(extra)
        told["at"] = extra["value_fn"](params), extra["grad_fn"](params)
        return jax.tree.map(lambda g: -0.1 * g, updates), state

    tx = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    given = learner(tx=tx)
    state = given.init(jax.random.key(0), BATCH)
    _, metrics = given.step(state, BATCH)
    np.testing.assert_allclose(told["value"], mean(metrics["loss"]))
    np.testing.assert_allclose(told["at"][0], told["value"], rtol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7),
                 told["at"][1], told["grad"])  # fmt: skip


def test_a_line_search_of_optax_runs():
    tx = optax.chain(optim.sgd(1.0), optax.scale_by_backtracking_linesearch(15))
    given = learner(tx=tx)
    state = given.init(jax.random.key(0), BATCH)
    losses = []
    for _ in range(10):
        state, metrics = jax.jit(given.step)(state, BATCH)
        losses.append(float(mean(metrics["loss"])))
    assert losses == sorted(losses, reverse=True), losses


@pytest.mark.parametrize("option", [{"ema": 1.0}, {"ema": -0.1}, {"accumulate": 0}])
def test_refuses_options_out_of_range(option):
    (name,) = option
    with pytest.raises(ValueError, match=name):
        learner(**option)


def test_refuses_a_batch_that_cannot_be_cut():
    with pytest.raises(ValueError, match="accumulate must divide.*16.*3"):
        one_step(learner(accumulate=3))


def test_augments_by_the_example_in_training_alone():
    """A step on images that were augmented before; micro-batches draw the same."""
    seen = []

    def noisy(key, image):  # values are seen through the batch that it makes
        return image + jax.random.normal(key, image.shape)

    given, plain = learner(augment=noisy), learner()
    state = given.init(jax.random.key(0), BATCH)
    step = jax.jit(given.step)
    for start in (state, state._replace(step=state.step + 1)):
        new, _ = step(start, BATCH)
        key = jax.random.fold_in(start.key, start.step)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(
            jax.random.fold_in(key, AUGMENT), BATCH["index"]
        )
        x = jax.vmap(noisy)(keys, BATCH["x"])
        expected, _ = plain.step(start, {**BATCH, "x": x})
        chex.assert_trees_all_close(new.params, expected.params, rtol=1e-5, atol=1e-6)
        seen.append(np.asarray(x))
    assert abs(seen[0] - seen[1]).max() > 0.1  # each step draws anew
    parts, _ = jax.jit(learner(augment=noisy, accumulate=4).step)(start, BATCH)
    chex.assert_trees_all_close(parts.params, new.params, rtol=1e-5, atol=1e-6)
    same = given.evaluate(state, BATCH), plain.evaluate(state, BATCH)
    chex.assert_trees_all_equal(*same)


def test_metrics_are_reported_beside_the_loss():
    given = learner(metrics={"accuracy": accuracy})
    state = given.init(jax.random.key(0), BATCH)
    logits = ConvNet(norm=False).apply({"params": state.params}, BATCH["x"])
    right = (np.argmax(logits, -1) == BATCH["y"]).sum()
    assert given.evaluate(state, BATCH)["accuracy"] == (right, 16)
    assert zoo.eval_variables(state)["params"] is state.params
