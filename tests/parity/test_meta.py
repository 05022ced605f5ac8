"""A step of MAML and of Reptile against PyTorch's autograd through the inner loop."""

import jax
import numpy as np
import pytest
import torch

import optim
import zoo.functional as F
from zoo.classical.mlp import MLP
from zoo.meta import maml, reptile

T, S, Q, D, RATE = 3, 4, 6, 2, 0.7
RNG = np.random.default_rng(0)
MODEL = MLP(num_classes=3, widths=(5,), activation="tanh")


def part(examples):
    """Examples of each task, some of which count less, or not at all."""
    return {
        "x": RNG.normal(size=(T, examples, D)),
        "y": RNG.integers(0, 3, (T, examples)).astype(np.int32),
        "weight": RNG.choice([0.0, 0.5, 1.0, 2.0], (T, examples)) + 0.0,
    }


BATCH = {"support": part(S), "query": part(Q), "index": np.array([5, 2, 9], np.int32)}
PATHS = ["dense_0/bias", "dense_0/kernel", "head/bias", "head/kernel"]
RATES = {  # a number, one for each parameter of a layer, and for each of its values
    "dense_0": 0.3,
    "head": {"bias": 0.5, "kernel": RNG.uniform(0, 1, (5, 3))},
}


def theirs_loss(p, part):
    h = torch.tanh(part["x"] @ p["dense_0/kernel"] + p["dense_0/bias"])
    logits = h @ p["head/kernel"] + p["head/bias"]
    each = torch.nn.functional.cross_entropy(logits, part["y"].long(), reduction="none")
    return (part["weight"] * each).sum(), part["weight"].sum()


def theirs_descend(params, parts, rates, steps, moves, order):
    fast = dict(params)
    for i in range(steps):
        total, weight = theirs_loss(fast, parts[i % len(parts)])
        grads = torch.autograd.grad(
            total / weight, [fast[p] for p in moves], create_graph=order == 2
        )
        fast |= {p: fast[p] - rates[p] * g for p, g in zip(moves, grads, strict=True)}
    return fast


def flat(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def given(learner):
    """A state with every parameter random, and the same and the tasks for PyTorch."""
    state = jax.jit(learner.init)(jax.random.key(0), BATCH)
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda p: rng.normal(size=p.shape), state.params)
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in flat(params).items()}
    tasks = [
        {
            name: {k: torch.tensor(v[t]) for k, v in BATCH[name].items()}
            for name in ("support", "query")
        }
        for t in range(T)
    ]
    return state._replace(params=params), tensors, tasks


@pytest.mark.parametrize("order", [1, 2])
def test_maml_is_autograd_through_the_inner_steps(order):
    """With rates for parameters, a frozen bias, and weights, 3 steps."""
    with jax.enable_x64(True):
        moves = [path for path in PATHS if path != "head/bias"]
        options = dict(rate=RATES, steps=3, order=order, adapts=moves.__contains__)
        learner = maml.learner(MODEL, F.cross_entropy, optim.sgd(RATE), **options)
        state, params, tasks = given(learner)
        rates = {path: RATES["dense_0"] for path in PATHS[:2]}
        rates |= {p: torch.tensor(RATES["head"][p[5:]]) for p in PATHS[2:]}
        pairs = [
            theirs_loss(
                theirs_descend(params, [task["support"]], rates, 3, moves, order),
                task["query"],
            )
            for task in tasks
        ]
        loss = sum(a for a, _ in pairs) / sum(b for _, b in pairs)
        loss.backward()
        new, metrics = jax.jit(learner.step)(state, BATCH)
        np.testing.assert_allclose(np.divide(*metrics["loss"]), loss.item(), rtol=1e-12)
        for path, ours in flat(new.params).items():
            p = params[path]
            want = p.detach() - RATE * p.grad
            np.testing.assert_allclose(ours, want, rtol=1e-9, atol=1e-12)


def test_reptile_moves_to_where_training_ends():
    with jax.enable_x64(True):
        learner = reptile.learner(
            *(MODEL, F.cross_entropy, optim.sgd(RATE)), rate=0.4, steps=3, parts=2
        )
        state, params, tasks = given(learner)
        ends = []
        for task in tasks:
            whole = {
                k: torch.cat([task["support"][k], task["query"][k]])
                for k in task["query"]
            }
            cuts = slice(5), slice(5, None)
            parts = [{k: v[cut] for k, v in whole.items()} for cut in cuts]
            rates = dict.fromkeys(PATHS, 0.4)
            ends.append(theirs_descend(params, parts, rates, 3, PATHS, 1))
        new, _ = jax.jit(learner.step)(state, BATCH)
        for path, ours in flat(new.params).items():
            moved = sum(end[path] - params[path] for end in ends) / T
            want = (params[path] + RATE * moved).detach()
            np.testing.assert_allclose(ours, want, rtol=1e-9, atol=1e-12)
