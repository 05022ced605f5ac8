"""Streams of tasks: what is drawn, by what alone, and refusals."""

import numpy as np
import pytest

from zoo.data import episodes, sinusoids
from zoo.data.sinusoids import BEST_UNADAPTED

PARTS = "support", "query"
LABELS = np.repeat([3, 5, 7, 8], 6)
DATA = {"x": np.arange(24.0).reshape(24, 1), "y": LABELS}


def test_episodes_hold_what_they_say():
    stream = episodes(DATA, 40, ways=3, shots=2, queries=4, classes=[3, 5, 8], seed=1)
    batch, seen = stream.at(2), set()
    assert batch["index"].tolist() == list(range(80, 120))
    for t in range(40):
        support, query = ({k: v[t] for k, v in batch[p].items()} for p in PARTS)
        assert support["y"].tolist() == [0, 1, 2] * 2
        assert query["y"].tolist() == [0, 1, 2] * 4
        rows = np.concatenate([support["x"], query["x"]])[:, 0].astype(int)
        assert len(set(rows)) == 18  # no example twice: six of each class
        classes = LABELS[rows].reshape(6, 3)
        assert (classes == classes[0]).all()  # a label is one class in both parts
        seen.add(tuple(classes[0]))
    assert len(seen) == 6  # every order of the three, and 7 never


@pytest.mark.parametrize(
    "make", [sinusoids, lambda *a, **k: episodes(DATA, *a, ways=2, **k)]
)
def test_a_task_depends_on_seed_and_number_alone(make):
    same = lambda a, b: [
        np.testing.assert_array_equal(a[p][k], b[p][k]) for p in PARTS for k in "xy"
    ]
    whole, part = make(6, seed=3).at(1), make(3, seed=3).rows(3, 0, 3)
    cut = {p: {k: whole[p][k][3:] for k in "xy"} for p in PARTS}
    same(cut, part)  # tasks 9 to 11
    other = make(6, seed=4).at(1)["support"]["x"]
    assert (other != whole["support"]["x"]).any()
    finite = make(6, seed=3, steps=2)
    same(finite.at(1), whole)
    with pytest.raises(ValueError, match="step must be an integer from 0 to 1"):
        finite.at(2)


def test_sinusoids_are_the_papers():
    batch = sinusoids(4000, shots=6, queries=2).at(0)
    x, y = (np.concatenate([batch[p][k][..., 0] for p in PARTS], 1) for k in "xy")
    basis = np.stack([np.sin(x), -np.cos(x)], 2)  # y = A (cos phi sin x - ...
    found = np.stack([np.linalg.lstsq(b, v)[0] for b, v in zip(basis, y, strict=True)])
    np.testing.assert_allclose((basis @ found[:, :, None])[..., 0], y, atol=1e-5)
    amplitude, phase = np.hypot(*found.T), np.arctan2(found[:, 1], found[:, 0])
    for values, low, high in ((amplitude, 0.1, 5), (phase, 0, np.pi), (x, -5, 5)):
        assert low - 1e-3 <= values.min() and values.max() <= high + 1e-3
        mean, spread = (low + high) / 2, (high - low) / np.sqrt(12)
        assert abs(values.mean() - mean) < 4 * spread / np.sqrt(len(values))
    least = np.mean((y + 5.1 / np.pi * np.cos(x)) ** 2) / 2
    assert least == pytest.approx(BEST_UNADAPTED, rel=0.05)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ways": 5}, "ways must be from 2 to 4, the classes that there are, but is 5"),
        ({"ways": 1}, "ways must be an integer at least 2, but is 1"),
        ({"shots": 4, "queries": 3}, "shots \\+ queries must be at most 6.*class 3"),
        ({"shots": 0}, "shots must be an integer at least 1, but is 0"),
        ({"classes": [3, 9]}, "at most 0, the examples of class 9, but is 1 \\+ 5"),
        ({"classes": [3, 3]}, "classes must differ"),
        ({"data": {"x": LABELS}}, "has no \\['y'\\]"),
        ({"data": {"x": LABELS, "y": LABELS + 0.5}}, "y must be integers"),
        ({"batch_size": 0}, "batch_size must be an integer at least 1"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"steps": 0}, "steps must be an integer at least 1"),
    ],
)
def test_refuses(options, message):
    given = {"data": DATA, "batch_size": 2, "ways": 2, "queries": 5} | options
    with pytest.raises(ValueError, match=message):
        episodes(**given)
