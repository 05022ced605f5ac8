"""Generated tasks: what they ask, and how they are taught."""

import datetime

import numpy as np
import pytest

from zoo.data import batches, task, teach
from zoo.data.tasks import END, MONTHS, NONE, START


def texts(found):
    """Sources and targets as text; the three arrays agree."""
    whole = found.target[:, 1:]
    np.testing.assert_array_equal(found.target[:, 0], START)
    lengths = (found.y != NONE).sum(1) - 1
    assert (found.y[np.arange(len(lengths)), lengths] == END).all()
    before_end = np.arange(found.y.shape[1] - 1) < lengths[:, None]
    np.testing.assert_array_equal(whole, np.where(before_end, found.y[:, :-1], NONE))
    return [
        (found.spell(source), found.spell(y))
        for source, y in zip(found.source, found.y, strict=True)
    ]


def read_date(text):
    """A date from any of the forms, by other means than they were written."""
    parts = text.replace(",", "").replace("/", " ").replace(".", " ").split()
    if "/" in text:
        month, day, year = map(int, parts)
    elif "." in text:
        day, month, year = map(int, parts)
    else:
        (name,) = [part for part in parts if part.isalpha()]
        month = [m.startswith(name) for m in MONTHS].index(True) + 1
        day, year = (int(part) for part in parts if part.isdigit())
    return datetime.date(year, month, day).isoformat()


RULES = {
    "copy": lambda source: source,
    "sort": lambda source: "".join(sorted(source)),
    "addition": lambda source: str(sum(map(int, source.split("+")))),
    "dates": read_date,
}


@pytest.mark.parametrize("name", RULES)
def test_targets_follow_from_sources(name):
    found = task(name, 300, seed=3, length=4)
    pairs = texts(found)
    assert all(RULES[name](source) == target for source, target in pairs)
    assert len(set(pairs)) > 100
    tokens = np.concatenate([found.source.ravel(), found.y.ravel()])
    assert tokens.max() < found.vocabulary == len(found.alphabet) + 3
    if name in ("copy", "sort"):
        assert {len(source) for source, _ in pairs} == {1, 2, 3, 4}
    if name == "dates":
        assert len({tuple(c for c in s if not c.isalnum()) for s, _ in pairs}) == 4
    np.testing.assert_array_equal(found.source, task(name, 300, 3, 4).source)
    assert (found.source != task(name, 300, 4, 4).source).any()


def test_how_it_is_taught():
    found = task("sort", 20, length=5)
    batch = batches(found.data(), 6, transform=teach()).at(0)
    assert set(batch) == {"x", "y", "mask", "index"}
    i = batch["index"]
    np.testing.assert_array_equal(batch["x"]["source"], found.source[i])
    np.testing.assert_array_equal(batch["x"]["target"], found.target[i])
    np.testing.assert_array_equal(batch["x"]["source_mask"], found.source[i] != NONE)
    np.testing.assert_array_equal(
        batch["mask"].sum(1), (found.source[i] > 0).sum(1) + 1
    )
    assert (batch["y"][batch["mask"]] >= END).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("sum", 3), "unknown task 'sum'"),
        (("copy", 0), "examples must be an integer at least 1"),
        (("copy", 3, -1), "seed must be"),
        (("copy", 3, 0, 0), "length must be an integer from 1 to 18"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        task(*arguments)
