"""grain sources under the contract of the streams."""

import subprocess
import sys

import grain
import numpy as np
import pytest

from zoo import data


class Source:
    """A random-access source that counts its reads."""

    def __init__(self, n):
        self.n, self.reads = n, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        self.reads.append(int(i))
        return {"x": np.full((2, 3), i, np.uint8), "y": np.int32(10 * i)}


def indices(stream, steps):
    return np.concatenate([stream.at(i)["index"] for i in range(steps)])


@pytest.mark.parametrize("n, batch_size", [(12, 4), (10, 4), (5, 5), (7, 2)])
def test_every_example_once_an_epoch_and_reshuffled(n, batch_size):
    stream = data.grain_batches(Source(n), batch_size, seed=3)
    assert (stream.examples, stream.batch_size, stream.steps) == (n, batch_size, None)
    epochs = indices(stream, 4 * n)[: 4 * n].reshape(4, n)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), [np.arange(n)] * 4)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_pure_function_of_seed_and_step():
    first = data.grain_batches(Source(11), 4, seed=5)
    forward = [first.at(step) for step in range(20)]
    second = data.grain_batches(Source(11), 4, seed=5)
    for step in [19, 3, 3, 17, 0]:
        for name, array in forward[step].items():
            np.testing.assert_array_equal(second.at(step)[name], array, strict=True)
    other = indices(data.grain_batches(Source(11), 4, seed=6), 20)
    assert not np.array_equal(other, indices(first, 20))


def test_neighbouring_seeds_are_not_shifted_epochs():
    one = indices(data.grain_batches(Source(20), 20, seed=0), 3).reshape(3, 20)
    two = indices(data.grain_batches(Source(20), 20, seed=1), 3).reshape(3, 20)
    assert not {tuple(e) for e in one} & {tuple(e) for e in two}


def test_a_batch_holds_the_examples_that_its_index_names():
    batch = data.grain_batches(Source(9), 4, seed=2).at(5)
    assert batch["index"].dtype == np.int32 and batch["y"].dtype == np.int32
    assert batch["x"].shape == (4, 2, 3) and batch["x"].dtype == np.uint8
    np.testing.assert_array_equal(batch["x"][:, 0, 0], batch["index"])
    np.testing.assert_array_equal(batch["y"], 10 * batch["index"])


def test_rows_are_slices_and_read_no_more_than_their_examples():
    source = Source(10)
    stream = data.grain_batches(source, 8, seed=1, transform=data.to_float(255))
    whole = stream.at(3)
    assert whole["x"].dtype == np.float32
    source.reads.clear()
    for start, stop in [(2, 5), (0, 8), (4, 4)]:
        part = stream.rows(3, start, stop)
        for name in whole:
            expected = whole[name][start:stop]
            np.testing.assert_array_equal(part[name], expected, strict=True)
    assert len(source.reads) == 3 + 8 + 1  # an empty share reads one, for its shapes


def test_transforms_draw_by_seed_and_step():
    def noisy(batch, rng):
        return {**batch, "noise": rng.normal(size=4)}

    stream = data.grain_batches(Source(10), 4, seed=1, transform=noisy)
    again = data.grain_batches(Source(10), 4, seed=1, transform=noisy)
    np.testing.assert_array_equal(stream.at(2)["noise"], again.at(2)["noise"])
    assert not np.allclose(stream.at(2)["noise"], stream.at(3)["noise"])


def test_from_grain_keeps_the_order_of_the_dataset():
    elements = [{"x": np.float32(i), "index": i} for i in range(5)]
    dataset = grain.MapDataset.source(elements)
    stream = data.from_grain(dataset, 3)
    np.testing.assert_array_equal(stream.at(1)["index"], [3, 4, 0])
    assert stream.at(1)["index"].dtype == np.int32
    doubled = dataset.map(lambda e: {**e, "x": 2 * e["x"]})
    np.testing.assert_array_equal(data.from_grain(doubled, 3).at(1)["x"], [6, 8, 0])


def test_what_does_not_fit_is_refused():
    elements = [{"x": np.float32(i), "index": i} for i in range(5)]
    dataset = grain.MapDataset.source(elements)
    with pytest.raises(ValueError, match="batch_size must be an integer from 1 to 5"):
        data.from_grain(dataset, 6)
    with pytest.raises(ValueError, match="leave out .repeat"):
        data.from_grain(dataset.repeat(), 2)
    with pytest.raises(ValueError, match=r"with 'index'.*but one is \['x'\]"):
        data.from_grain(dataset.map(lambda e: {"x": e["x"]}), 2)
    with pytest.raises(ValueError, match="with 'index'.*but one is int"):
        data.from_grain(grain.MapDataset.range(4), 2)
    filtered = dataset.filter(lambda e: e["index"] < 2)
    with pytest.raises(ValueError, match="filter it beforehand"):
        data.from_grain(filtered, 2).at(1)
    with pytest.raises(ValueError, match="seed"):
        data.grain_batches(elements, 2, seed=-1)
    with pytest.raises(ValueError, match="len"):
        data.grain_batches([], 1)


def test_zoo_data_loads_neither_grain_nor_rich():
    # By file and not by `import zoo`, whose other rooms may well load them.
    code = (
        "import sys, types, pathlib\n"
        "zoo = types.ModuleType('zoo')\n"
        "zoo.__path__ = [sys.argv[1]]\n"
        "sys.modules['zoo'] = zoo\n"
        "import zoo.data\n"
        "heavy = {'grain', 'jax', 'rich', 'matplotlib', 'urllib.request'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    zoo = data.__path__[0] + "/.."
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, zoo],
        capture_output=True,
        text=True,
    )
    assert (done.stdout.split(), done.returncode) == ([], 0), done.stderr
