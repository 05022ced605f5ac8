"""Runs of one learner: many as one program, or one after another.

A point is what sets a run apart: its hyperparameters and its seed, all traced. What
`scanned` and `looped` return runs columns of points, a value for each run:

    run(columns, evaluation, done) -> (states, windows, final), path

with an axis of runs on every leaf but those of the path; `windows` are the summed pairs
of each report, `final` those of the evaluation, and `done` hears of the steps taken.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from zoo.training.parallel import jit_once


class Mapped:
    """The learner's functions with the point as their first argument."""

    def __init__(self, build, batch):
        self.build, self.batch = build, batch

    def learner(self, point):
        return self.build(None, **{k: v for k, v in point.items() if k != "seed"})

    def init(self, point):
        # the key of fit's only stage
        key = jax.random.fold_in(jax.random.key(point["seed"]), 0)
        return self.learner(point).init(key, self.batch)

    def step(self, point, state, batch):
        state, metrics = self.learner(point).step(state, batch)
        return state, _arrays(metrics)

    def evaluate(self, point, state, batch):
        return _arrays(self.learner(point).evaluate(state, batch))


def scanned(mapped, stream, ends, snapshot, size, devices):
    """Runs up to `size` points as one program, shared over devices."""
    devices = devices[: min(size, len(devices))]
    padded = -(-size // len(devices)) * len(devices)
    mesh = Mesh(np.array(devices), ("runs",))

    def place(function, *specs, jit=jax.jit, **options):
        if len(devices) > 1:
            function = jax.shard_map(
                function,
                mesh=mesh,
                in_specs=specs,
                out_specs=P("runs"),
                check_vma=False,
            )
        return jit(function, **options)

    def window(points, states, batches):
        def body(states, batch):
            return jax.vmap(mapped.step, (0, 0, None))(points, states, batch)

        states, metrics = jax.lax.scan(body, states, batches)
        return states, jax.tree.map(lambda m: m.sum(0), metrics)

    each, shared = P("runs"), P()
    init = place(jax.vmap(mapped.init), each, jit=jit_once)
    advance = place(window, each, each, shared, donate_argnums=(1,))
    score = place(jax.vmap(mapped.evaluate, (0, 0, None)), each, each, shared)
    first = lambda states: jax.tree.map(lambda x: x[0], states)
    look = _looks(snapshot and (lambda states: snapshot(first(states))))

    def run(columns, evaluation, done):
        runs = len(columns["seed"])
        columns = {k: np.resize(v, padded) for k, v in columns.items()}  # filled up
        states = init(columns)
        windows, final, path = [], {}, [look(states)]
        for start, stop in itertools.pairwise((0, *ends)):
            batches = [stream.at(step) for step in range(start, stop)]
            batches = jax.tree.map(lambda *leaves: np.stack(leaves), *batches)
            states, metrics = advance(columns, states, batches)
            windows.append(_add([metrics]))
            path.append(look(states))
            done(runs * stop)
        if evaluation is not None:
            parts = (evaluation.at(step) for step in range(evaluation.steps))
            final = _add([score(columns, states, batch) for batch in parts])
        kept = jax.device_get(states), windows, final
        return jax.tree.map(lambda x: x[:runs], kept), path

    return run


def looped(mapped, stream, ends, snapshot):
    """Runs one point, a column of length one, by a program for each step."""
    init, evaluate = jit_once(mapped.init), jax.jit(mapped.evaluate)
    step = jax.jit(mapped.step, donate_argnums=(1,))
    look = _looks(snapshot)

    def run(columns, evaluation, done):
        point = {k: v[0] for k, v in columns.items()}
        state = init(point)
        windows, final, path = [], {}, [look(state)]
        for start, stop in itertools.pairwise((0, *ends)):
            metrics = []
            for i in range(start, stop):
                state, pairs = step(point, state, stream.at(i))
                metrics.append(pairs)
            windows.append(_add(metrics))
            path.append(look(state))
            done(stop)
        if evaluation is not None:
            parts = (evaluation.at(i) for i in range(evaluation.steps))
            final = _add([evaluate(point, state, batch) for batch in parts])
        kept = jax.device_get(state), windows, final
        return jax.tree.map(lambda x: x[None], kept), path

    return run


LOOPED = ("conv_general_dilated", " qr[", " eigh[", " svd[")  # on a CPU; see `sweep`


def looped_on_cpu(mapped, point) -> bool:
    """Whether this is a CPU, and the step has what should not be mapped there."""
    if jax.default_backend() != "cpu":
        return False
    state = jax.eval_shape(mapped.init, point)
    jaxpr = jax.make_jaxpr(mapped.step)(point, state, mapped.batch)
    return any(name in str(jaxpr) for name in LOOPED)


def _looks(snapshot):
    """A snapshot as arrays on the host, or a function to None."""
    if snapshot is None:
        return lambda state: None
    taken = jax.jit(snapshot)
    return lambda state: jax.device_get(taken(state))


def _arrays(metrics):
    return {name: jnp.stack(pair) for name, pair in metrics.items()}  # [..., 2]


def _add(metrics: list[dict]) -> dict:
    metrics = jax.device_get(metrics)
    return jax.tree.map(lambda *m: np.sum(np.float64(m), 0), *metrics)
