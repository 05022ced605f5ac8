"""What every learner promises beside being the same on one device and on eight.

The roster is the table of learners, and some models of the table in the supervised
learner, at tiny size: these are the learner's promises, whatever the model. See also
test_catalog.py.
"""

import re

import jax
import numpy as np
import pytest

import optim
import zoo
from tests.models import flat_accuracy, flat_cross_entropy, inputs, tiny
from zoo import catalog

NETWORKS = (
    *("mlp", "lenet5_1998", "lenet5"),
    *("resnet18", "char_gpt", "lstm"),  # with BatchNorm; of tokens; of sequences
)


def rows():
    """name -> build and the batch of a step."""
    found = {name: (row.build, row.at) for name, row in catalog.LEARNERS.items()}
    for name in NETWORKS:

        def build(axis_name=None, name=name):
            return zoo.supervised(
                tiny(name, axis_name=axis_name),
                flat_cross_entropy,
                optim.momentum(0.01),
                metrics={"accuracy": flat_accuracy},
                axis_name=axis_name,
                ema=0.9,
            )

        def at(step, name=name):
            rng = np.random.default_rng([1, step])
            y = rng.integers(0, 10, 16).astype(np.int32)
            return {
                "x": inputs(name, 16, step),
                "y": y,
                "index": rng.permutation(16).astype(np.int32),
            }

        found[f"supervised {name}"] = (build, at)
    return found


ROWS = rows()
ROSTER = pytest.mark.parametrize("build, at", ROWS.values(), ids=ROWS)


@ROSTER
def test_donates_its_state_and_nothing_else(build, at):
    learner, traces = build(), []

    def step(state, batch):
        traces.append(1)
        return learner.step(state, batch)

    step = jax.jit(step, donate_argnums=0)
    key, batch = jax.random.key(0), jax.device_put(at(0))
    state = jax.jit(learner.init)(key, batch)
    types = jax.tree.map(jax.typeof, state)
    for i in range(3):
        given, batch = jax.tree.leaves(state), jax.device_put(at(i))
        state, metrics = step(state, batch)
        jax.block_until_ready(state)
        assert all(leaf.is_deleted() for leaf in given)
        kept = jax.tree.leaves((state, metrics, batch, key))
        assert not any(leaf.is_deleted() for leaf in kept)
        assert jax.tree.map(jax.typeof, state) == types
    assert len(traces) == 1
    if learner.evaluate is not None:
        evaluate = jax.jit(learner.evaluate)
        before = jax.device_get(evaluate(state, batch))
        assert jax.device_get(evaluate(state, batch)) == before


def calls_back(function, *args):
    """Names of the primitives of a function that leave the device."""
    jaxpr = str(jax.make_jaxpr(function)(*args))
    return set(re.findall(r"\b(\w*callback\w*|debug_print|infeed|outfeed)\[", jaxpr))


@ROSTER
def test_a_step_calls_nothing_back(build, at):
    learner = build()
    state = jax.eval_shape(learner.init, jax.random.key(0), at(0))
    assert not calls_back(learner.step, state, at(0))


def test_callbacks_would_be_found():
    host = lambda x: jax.pure_callback(np.sin, jax.typeof(x), x)
    shown = lambda x: (jax.debug.print("{}", x), x)[1]
    for function in (host, jax.jit(host), shown, lambda x: jax.lax.map(host, x)):
        assert calls_back(function, np.ones(3, np.float32))


@ROSTER
def test_resumes_bit_identically(build, at, tmp_path):
    """Four steps, and then on to eight, are eight steps."""
    stream = zoo.data.Stream(at=at, batch_size=16, examples=16)
    options = dict(parallel="single", seed=3, progress=False)
    whole = zoo.training.fit(build, stream, 8, **options).state
    zoo.training.fit(build, stream, 4, run=tmp_path, **options)
    again = zoo.training.fit(build, stream, 8, run=tmp_path, **options).state

    def equal(a, b):
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)

    jax.tree.map(equal, again, whole)
