"""Meta-learners: closed forms, limits, what adapts, and refusals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
import zoo.functional as F
from zoo.classical.mlp import MLP
from zoo.meta import adapted, inner, maml, reptile

RNG = np.random.default_rng(0)
T, S, Q, D = 4, 5, 3, 3
LINE = nn.Dense(1)


def tasks(labels=0, shape=(D,)):
    def part(n):
        y = RNG.integers(0, labels, (T, n)) if labels else RNG.normal(size=(T, n, 1))
        return {"x": RNG.normal(size=(T, n, *shape)), "y": y}

    return {"support": part(S), "query": part(Q), "index": np.arange(T)}


def stepped(learner, batch, steps=1):
    """Parameters before and after, of float64, and the last step's loss."""
    state = jax.jit(learner.init)(jax.random.key(0), batch)
    first = jax.tree.map(lambda p: p.astype(float), state.params)  # float64 if enabled
    state, step = state._replace(params=first), jax.jit(learner.step)
    for _ in range(steps):
        state, metrics = step(state, batch)
    return first, state, metrics


def design(part, t):
    """x and 1: the columns by which kernel and bias count."""
    return np.concatenate([part["x"][t], np.ones((len(part["x"][t]), 1))], 1)


@pytest.mark.parametrize("order", [1, 2])
def test_of_a_line_the_derivative_is_known(order):
    """Of squared errors H = Z'Z / S, and theta_K - w = (I - a H)^K (theta - w)."""
    a, k, batch = 0.3, 3, tasks()
    with jax.enable_x64(True):
        learner = maml.learner(
            *(LINE, F.quadratic, optim.sgd(1.0)), rate=a, steps=k, order=order
        )
        before, state, _ = stepped(learner, batch)
        stack = lambda p: np.concatenate([p["kernel"][:, 0], p["bias"]])
        theta, want = stack(before), np.zeros(D + 1)
        for t in range(T):
            z, y = design(batch["support"], t), batch["support"]["y"][t, :, 0]
            factor = np.linalg.matrix_power(np.eye(D + 1) - a * z.T @ z / S, k)
            best = np.linalg.lstsq(z, y)[0]
            end = best + factor @ (theta - best)
            z, y = design(batch["query"], t), batch["query"]["y"][t, :, 0]
            grad = z.T @ (z @ end - y) / (T * Q)
            want += factor @ grad if order == 2 else grad
        got = theta - stack(state.params)
        np.testing.assert_allclose(got, want, rtol=1e-10)


def test_limits():
    """A rate of 0 is joint training, in both orders; so is one step of Reptile."""
    batch, net = tasks(3), MLP(num_classes=3, widths=(4,), activation="tanh")
    join = lambda *parts: {
        k: np.concatenate([p[k].reshape(-1, *p[k].shape[2:]) for p in parts])
        for k in ("x", "y")
    }
    both = batch["support"], batch["query"]
    with jax.enable_x64(True):
        sgd, loss = optim.sgd(0.5), F.cross_entropy
        learn = lambda learner, batch: stepped(learner, batch)[1].params
        joint = zoo.supervised(net, loss, sgd)
        on = {"queries": join(batch["query"]), "both": join(*both)}
        flat = lambda v: v | {"index": np.arange(len(v["y"]))}
        on = {k: learn(joint, flat(v)) for k, v in on.items()}
        close = lambda a, b: jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), a, b
        )
        for order in (1, 2):
            options = dict(rate=0.0, steps=2, order=order)
            close(learn(maml.learner(net, loss, sgd, **options), batch), on["queries"])
        one = reptile.learner(net, loss, optim.sgd(5.0), rate=0.1, steps=1)
        close(learn(one, batch), on["both"])


def test_what_adapts_and_what_is_learned():
    """Inner steps move the chosen layers alone; outside MAML learns all of them."""
    batch, net = tasks(3), MLP(num_classes=3, widths=(4,))
    head = lambda path: path.startswith("head/")
    options = dict(rate=0.1, steps=2, adapts=head)
    build = lambda module, **more: module.learner(
        net, F.cross_entropy, optim.sgd(0.1), **options | more
    )
    moved = {}
    for name, module in (("maml", maml), ("reptile", reptile)):
        before, state, _ = stepped(build(module), batch)
        changed = lambda k, old=before, new=state.params: (
            old[k]["kernel"] != new[k]["kernel"]
        ).any()
        moved[name] = [changed(k) for k in ("dense_0", "head")]
    assert moved == {"maml": [True, True], "reptile": [False, True]}
    params = state.params
    for adapts in (head, {"dense_0": False, "head": True}):
        assert inner.mask(params, adapts) == [False, False, True, True]
    # A tree of rates that are 0 below is the same function.
    same = build(maml, adapts=None, rate={"dense_0": 0.0, "head": 0.1})
    a, b = (jax.jit(l.evaluate)(state, batch)["loss"] for l in (build(maml), same))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    # The last of the curve is what `evaluate` tells; at a rate of 0 it is level.
    how = inner.inner(0.1, 2, head)
    model = adapted.Adapted(net, F.cross_entropy, how, how)
    curve = jax.jit(lambda *args: adapted.curve(model, {"params": params}, *args))
    told, level = curve(batch, 0.1), curve(batch, 0.0)
    np.testing.assert_allclose(jnp.array(told)[:, -1], jnp.array(a), rtol=1e-6)
    np.testing.assert_allclose(level[0], told[0][:1].repeat(3), rtol=1e-6)
    assert abs(told[0][2] - told[0][0]) > 1e-3


def test_nets_that_convolve_are_written_out():
    """To the same numbers as mapped and scanned, and without a loop."""
    batch = tasks(2, (4, 4, 1))
    batch = jax.tree.map(
        lambda a: a.astype(np.float32 if a.dtype == float else np.int32), batch
    )

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(2)(nn.relu(nn.Conv(2, (3, 3))(x)).reshape(len(x), -1))

    found = []
    for unroll in (False, True):
        learner = maml.learner(
            *(Net(), F.cross_entropy, optim.sgd(1.0)), rate=0.1, steps=2, unroll=unroll
        )
        _, state, _ = stepped(learner, batch)
        found.append(state.params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *found
    )
    text = jax.jit(learner.step).lower(state, batch).as_text()
    assert "while" not in text and "feature_group_count = 1 " in text


class Normed(nn.Module):
    """Counts its calls, and keeps a mean of what it saw."""

    @nn.compact
    def __call__(self, x, train=False):
        calls = self.variable("seen", "calls", lambda: jnp.int32(0))
        mean = self.variable("seen", "mean", lambda: jnp.float32(0))
        if train and not self.is_initializing():
            calls.value += 1
            mean.value = x.mean()
        return nn.Dense(1)(x - mean.value)


def test_what_a_model_keeps_goes_through_the_inner_steps():
    batch = jax.tree.map(np.float32, tasks())
    batch["index"] = np.arange(T, dtype=np.int32)
    parts = batch["support"]["x"], batch["query"]["x"]
    last = {maml: parts[1], reptile: np.concatenate(parts, 1)}
    for module, x in last.items():
        learner = module.learner(Normed(), F.quadratic, optim.sgd(0.1), steps=2)
        _, state, _ = stepped(learner, batch)
        seen = state.model_state["seen"]
        assert seen["calls"] == (3 if module is maml else 2)  # K, and the query
        np.testing.assert_allclose(seen["mean"], x.mean(), rtol=1e-5)


def refusals():
    make = lambda **options: maml.learner(LINE, F.quadratic, optim.sgd(0.1), **options)
    run = lambda learner, batch: jax.eval_shape(learner.init, jax.random.key(0), batch)

    def step(learner, batch):
        state = jax.eval_shape(learner.init, jax.random.key(0), batch)
        jax.eval_shape(learner.step, state, batch)

    batch = tasks()
    empty = batch | {"support": jax.tree.map(lambda a: a[:, :0], batch["support"])}
    short = batch | {"query": jax.tree.map(lambda a: a[:2], batch["query"])}
    repeat = lambda **o: reptile.learner(LINE, F.quadratic, optim.sgd(0.1), **o)
    return {
        "steps must be an integer >= 1, got 0": lambda: make(steps=0),
        "rate must be finite numbers >= 0, got -0.1": lambda: make(rate=-0.1),
        "rate must be finite numbers >= 0, got nan": lambda: make(
            rate={"bias": np.nan}
        ),
        "order must be 1 or 2, got 3": lambda: make(order=3),
        "adapts must choose a parameter or more, got none of bias, kernel": (
            lambda: step(make(adapts=lambda path: "head" in path), batch)
        ),
        "adapts must be a prefix": lambda: step(make(adapts={"bias": True}), batch),
        "adapts must be a tree of bools": lambda: step(make(adapts=1), batch),
        r"rate of shape \(2,\) does not fit": (
            lambda: step(make(rate={"bias": 0.1, "kernel": np.ones(2)}), batch)
        ),
        r"support\['x'\] must be of 4 tasks and at least 1 example": (
            lambda: run(make(), empty)
        ),
        r"query\['x'\] must be of 4 tasks": lambda: run(make(), short),
        "index; query is missing among": (
            lambda: run(make(), {k: batch[k] for k in ("support", "index")})
        ),
        "parts must be an integer >= 1": lambda: repeat(parts=0),
        "parts must divide a task's 8 examples, got 3": (
            lambda: step(repeat(parts=3), batch)
        ),
    }


@pytest.mark.parametrize("message", refusals())
def test_refuses(message):
    with pytest.raises(ValueError, match=message):
        refusals()[message]()
