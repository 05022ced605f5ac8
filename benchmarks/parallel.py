"""Parallel forms: equal to one device, reduced once, and free of the device layout.

The network, the data and the runs are those of tests/training: a convolution,
synchronised BatchNorm, dropout on and off, batch 16, examples of unequal weight. All
run on eight CPU devices (`benchmarks.isolated`).
"""

import re
import tempfile

import jax
import numpy as np

from benchmarks.results import Figure
from tests.training import test_loop
from tests.training.test_parallel import STEPS, builder, stream, train
from zoo.training.parallel import FORMS, engine

RATES = {"": 0.0, ".dropout": 0.4}
REDUCING = ("pmap", "shard_map")
NAMES = (
    *(f"parallel.{form}{with_}" for with_ in RATES for form in FORMS[1:]),
    *(f"collectives.{form}.{what}" for form in REDUCING for what in ("bytes", "moved")),
    "layouts.eight_to_one",
)
MOVES = ("all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def forms() -> list[Figure]:
    """How far each form is from `single`, after STEPS steps of SGD."""
    found, batches, devices = [], stream(weights=True), jax.devices()
    for with_, rate in RATES.items():
        one, _ = train(builder(rate=rate), "single", devices[:1], batches)
        for form in FORMS[1:]:
            many, _ = train(builder(rate=rate), form, devices, batches)
            distance = jax.tree.map(
                lambda a, b: float(np.abs(a - b).max()), one.params, many.params
            )
            found.append(
                Figure(
                    name=f"parallel.{form}{with_}",
                    what=f"largest difference between parameters, {len(devices)} "
                    f"devices and one, {STEPS} steps, dropout {rate}",
                    value=max(jax.tree.leaves(distance)),
                    claim="value <= 1e-5",
                    seed=7,
                )
            )
    return found


def collectives() -> list[Figure]:
    """What a compiled step sends between devices."""
    found, batches = [], stream()
    for form in REDUCING:
        run = engine(builder(), form, jax.devices())
        state = run.put_state(run.init(jax.random.key(0), batches.at(0)))
        batch = run.put_batch(batches.at(0))
        text = run.jitted.lower(state, batch).compile().as_text()
        host = run.get_state(state)
        # Beside the gradient: the running statistics, BatchNorm's own two reductions,
        # two metrics and the weight that they share.
        expected = _bytes(host.params) + 3 * _bytes(host.model_state) + 3 * 4
        found += [
            Figure(
                name=f"collectives.{form}.bytes",
                what=f"bytes all-reduced by a step beyond parameters, statistics and "
                f"metrics ({expected})",
                value=reduced_bytes(text) - expected,
                unit="bytes",
                claim="value == 0",
            ),
            Figure(
                name=f"collectives.{form}.moved",
                what="other collectives in a step (all-gather and the like)",
                value=sum(text.count(f" {move}") for move in MOVES),
                unit="operations",
                claim="value == 0",
            ),
        ]
    return found


def layouts() -> list[Figure]:
    """The next loss of a run saved on eight devices, resumed on one."""
    devices, losses = jax.devices(), []
    with tempfile.TemporaryDirectory() as folder:
        test_loop.run(6, folder, parallel="pmap", devices=devices)
        one = test_loop.run(7, folder, parallel="single", log_every=1)
    eight = test_loop.run(7, parallel="pmap", devices=devices, log_every=1)
    for result in (one, eight):
        rows = [r for r in result.history if (r["step"], r["split"]) == (7, "train")]
        losses.append(rows[0]["loss"])
    return [
        Figure(
            name="layouts.eight_to_one",
            what="relative difference of the next loss, saved on eight devices and "
            "resumed on one, against eight throughout",
            value=abs(losses[0] - losses[1]) / abs(losses[1]),
            claim="value <= 1e-6",
            seed=0,
        )
    ]


def reduced_bytes(text: str) -> int:
    """Bytes of the results of all all-reduces in compiled HLO, of 4 bytes each."""
    return sum(
        4 * int(np.prod([int(d) for d in dims.split(",") if d] or [1]))
        for results in re.findall(r"= (.*?) all-reduce(?:-start)?\(", text)
        for dims in re.findall(r"[fsu]32\[([\d,]*)\]", results)
    )


def _bytes(tree) -> int:
    return sum(4 * leaf.size for leaf in jax.tree.leaves(tree))
