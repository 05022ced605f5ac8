"""Streams: permutations, purity, straddled epochs, padding, shares, refusals."""

import concurrent.futures

import numpy as np
import pytest

from zoo import data


def numbered(n: int) -> dict[str, np.ndarray]:
    """Data whose content tells its number."""
    return {
        "x": np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3, 1),
        "y": np.arange(n, dtype=np.int32) * 10,
    }


def indices(stream, steps):
    return np.concatenate([stream.at(i)["index"] for i in range(steps)])


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        if isinstance(a[name], dict):
            assert_same(a[name], b[name])
        else:
            assert a[name].dtype == b[name].dtype, name
            np.testing.assert_array_equal(a[name], b[name], strict=True)


def jitter(batch, rng):
    """A transform that draws."""
    return {**batch, "noise": rng.normal(size=len(batch["x"]))}


def brighten(batch, rng):
    """A transform that treats each example alone, and says so."""
    assert rng is None
    return {**batch, "x": batch["x"] + np.uint8(1)}


brighten.rowwise = True


@pytest.mark.parametrize("n, batch_size", [(12, 4), (10, 4), (7, 7), (5, 3), (3, 1)])
def test_every_example_once_an_epoch(n, batch_size):
    stream = data.batches(numbered(n), batch_size, seed=3)
    epochs = indices(stream, 6 * n)[: 6 * n].reshape(6, n)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), [np.arange(n)] * 6)


def test_epochs_and_seeds_are_shuffled_differently():
    orders = {
        tuple(indices(data.batches(numbered(20), 20, seed=s), 4)[20 * e :][:20])
        for s in range(4)
        for e in range(4)
    }
    assert len(orders) == 16
    assert tuple(range(20)) not in orders


def test_permutations_are_those_of_the_formula():
    stream = data.batches(numbered(10), 4, seed=7)
    rngs = [np.random.Generator(np.random.Philox(key=[7, e])) for e in range(3)]
    expected = np.concatenate([rng.permutation(10) for rng in rngs])
    np.testing.assert_array_equal(indices(stream, 7), expected[:28])


def test_first_positions_are_evenly_likely():
    counts = np.zeros(5)
    for seed in range(2000):
        counts[data.batches(numbered(5), 1, seed=seed).at(0)["index"]] += 1
    # 400 each, standard deviation 18; the seeds are fixed, so this cannot flicker.
    assert np.all(np.abs(counts - 400) < 72)


def test_a_batch_may_straddle_epochs():
    stream = data.batches(numbered(5), 4, shuffle=False)
    np.testing.assert_array_equal(stream.at(1)["index"], [4, 0, 1, 2])
    np.testing.assert_array_equal(stream.at(1)["y"], [40, 0, 10, 20])
    shuffled = data.batches(numbered(5), 4, seed=1)
    whole = indices(shuffled, 5)  # four epochs
    assert sorted(whole[:5]) == sorted(whole[5:10]) == list(range(5))


def test_a_batch_holds_the_rows_that_its_index_names():
    arrays = numbered(9)
    batch = data.batches(arrays, 4, seed=2).at(5)
    assert batch["index"].dtype == np.int32
    assert batch["x"].dtype == np.uint8
    for name in ("x", "y"):
        np.testing.assert_array_equal(batch[name], arrays[name][batch["index"]])


@pytest.mark.parametrize("transform", [None, data.to_float(255), jitter, brighten])
def test_pure_function_of_seed_and_step(transform):
    arrays = numbered(11)
    first = data.batches(arrays, 4, seed=5, transform=transform)
    forward = [first.at(step) for step in range(30)]
    second = data.batches(arrays, 4, seed=5, transform=transform)
    for step in [29, 3, 3, 17, 0, 28, 1, 29]:  # any order, also again
        assert_same(second.at(step), forward[step])
        assert_same(first.at(step), forward[step])


def test_steps_far_out_are_as_cheap_and_pure():
    stream = data.batches(numbered(10), 4, seed=1)
    assert_same(stream.at(10**9), data.batches(numbered(10), 4, seed=1).at(10**9))


def test_threads_see_the_same_batches():
    stream = data.batches(numbered(50), 8, seed=1, transform=jitter)
    steps = list(range(0, 400, 7)) * 2
    expected = [stream.at(step) for step in steps]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for got, want in zip(pool.map(stream.at, steps), expected, strict=True):
            assert_same(got, want)


def test_batches_do_not_share_memory_with_the_data():
    arrays = numbered(6)
    for stream in (
        data.batches(arrays, 3, shuffle=False),
        data.once(arrays, 3),
    ):
        batch = stream.at(0)
        batch["x"][:] = 99
        batch["index"][:] = 99
        np.testing.assert_array_equal(arrays["x"], numbered(6)["x"])
        assert 99 not in stream.at(0)["index"]


def test_transforms_draw_anew_each_step_and_apart_from_the_permutation():
    stream = data.batches(numbered(8), 8, seed=4, transform=jitter)
    noise = [stream.at(step)["noise"] for step in range(3)]
    assert not np.allclose(noise[0], noise[1])
    other = data.batches(numbered(8), 8, seed=5, transform=jitter).at(0)["noise"]
    assert not np.allclose(noise[0], other)
    permutation_rng = np.random.Generator(np.random.Philox(key=[4, 0]))
    assert not np.allclose(noise[0], permutation_rng.normal(size=8))


def test_transform_must_return_a_dict():
    stream = data.batches(numbered(8), 8, transform=lambda batch, rng: None)
    with pytest.raises(ValueError, match="transform must return a dict"):
        stream.at(0)


@pytest.mark.parametrize("n", [10, 12, 3])
@pytest.mark.parametrize("transform", [None, data.to_float(16), jitter, brighten])
@pytest.mark.parametrize("kind", ["batches", "once"])
def test_rows_are_slices(kind, transform, n):
    batch_size = 8 if kind == "once" else min(n, 8)
    stream = getattr(data, kind)(numbered(n), batch_size, transform=transform)
    for step in range(stream.steps or 5):
        whole = stream.at(step)
        for start, stop in [(0, 3), (1, 2), (0, batch_size), (2, batch_size), (3, 3)]:
            part = stream.rows(step, start, stop)
            assert_same(part, {name: a[start:stop] for name, a in whole.items()})


def test_rowwise_transforms_see_their_rows_only():
    seen = []

    def spy(batch, rng):
        seen.append(len(batch["x"]))
        return batch

    data.batches(numbered(8), 8, transform=spy).rows(0, 2, 4)
    spy.rowwise = True
    data.batches(numbered(8), 8, transform=spy).rows(0, 2, 4)
    assert seen == [8, 2]


@pytest.mark.parametrize("start, stop", [(-1, 2), (3, 2), (0, 9)])
def test_rows_outside_the_batch_are_refused(start, stop):
    streams = [
        data.batches(numbered(8), 8),
        data.batches(numbered(8), 8, transform=jitter),
        data.once(numbered(8), 8),
        data.constant(numbered(8)),
        data.zipped(a=data.batches(numbered(8), 8)),
    ]
    for stream in streams:
        with pytest.raises(ValueError, match="not within a batch of 8"):
            stream.rows(0, start, stop)


def test_steps_per_epoch():
    assert data.batches(numbered(12), 4).steps_per_epoch == 3
    assert isinstance(data.batches(numbered(12), 4).steps_per_epoch, int)
    assert data.batches(numbered(10), 4).steps_per_epoch == 2.5
    assert data.batches(numbered(10), 4).steps is None


@pytest.mark.parametrize("n, batch_size", [(10, 4), (8, 4), (3, 8), (1, 1)])
def test_once_counts_each_example_once(n, batch_size):
    stream = data.once(numbered(n), batch_size)
    assert (stream.steps, stream.examples) == (-(-n // batch_size), n)
    every = [stream.at(step) for step in range(stream.steps)]
    counts = np.zeros(n)
    for batch in every:
        assert batch["weight"].dtype == np.float32
        assert len(batch["x"]) == len(batch["weight"]) == batch_size
        np.add.at(counts, batch["index"], batch["weight"])
        np.testing.assert_array_equal(batch["y"], batch["index"] * 10)
    np.testing.assert_array_equal(counts, 1)
    total = sum((batch["y"] * batch["weight"]).sum() for batch in every)
    assert total == numbered(n)["y"].sum()
    padding = np.concatenate([b["index"][b["weight"] == 0] for b in every])
    np.testing.assert_array_equal(padding, np.zeros(-n % batch_size))


def test_once_keeps_weights():
    weight = np.array([0.5, 2.0, 3.0])
    stream = data.once({**numbered(3), "weight": weight}, 2)
    np.testing.assert_array_equal(stream.at(0)["weight"], [0.5, 2.0])
    np.testing.assert_array_equal(stream.at(1)["weight"], [3.0, 0.0])
    assert stream.at(1)["weight"].dtype == np.float32
    with pytest.raises(ValueError, match="weight"):
        data.once({**numbered(3), "weight": np.ones((3, 2))}, 2)


def test_once_ends():
    stream = data.once(numbered(10), 4)
    with pytest.raises(ValueError, match="step must be an integer from 0 to 2, .* 3"):
        stream.at(3)
    with pytest.raises(ValueError, match="step"):
        stream.rows(3, 0, 1)


def test_constant():
    stream = data.constant(numbered(6))
    assert stream.constant and stream.batch_size == stream.examples == 6
    assert_same(stream.at(0), stream.at(1000))
    np.testing.assert_array_equal(stream.at(0)["index"], np.arange(6))
    assert stream.at(0)["index"].dtype == np.int32
    assert_same(
        stream.rows(2, 1, 3), {name: a[1:3] for name, a in stream.at(2).items()}
    )
    own = data.constant({"x": np.ones(2), "index": np.array([7, 9], np.int32)})
    np.testing.assert_array_equal(own.at(0)["index"], [7, 9])


def test_zipped_streams_of_unequal_length():
    a = data.batches(numbered(10), 4, seed=1)
    b = data.batches(numbered(7), 4, seed=2)
    both = data.zipped(a=a, b=b)
    assert (both.batch_size, both.examples, both.steps) == (4, 10, None)
    assert not both.constant
    for step in (0, 5, 100):
        assert_same(both.at(step), {"a": a.at(step), "b": b.at(step)})
        part = both.rows(step, 1, 3)
        assert_same(part, {"a": a.rows(step, 1, 3), "b": b.rows(step, 1, 3)})


def test_zipped_constants_and_finite_streams():
    same = data.constant(numbered(4))
    assert data.zipped(a=same, b=same).constant
    mixed = data.zipped(a=same, b=data.once(numbered(10), 4))
    assert (mixed.constant, mixed.steps) == (False, 3)


def test_zipped_refuses_what_does_not_fit():
    a = data.batches(numbered(10), 4)
    with pytest.raises(ValueError, match="at least one"):
        data.zipped()
    with pytest.raises(ValueError, match="batch sizes differ.*'a': 4, 'b': 5"):
        data.zipped(a=a, b=data.batches(numbered(10), 5))
    with pytest.raises(ValueError, match="step counts differ.*'a': 3, 'b': 2"):
        data.zipped(a=data.once(numbered(10), 4), b=data.once(numbered(8), 4))


def test_a_plain_stream_slices_nested_batches():
    def at(step):
        return {"a": {"x": np.arange(4) + step}, "y": np.arange(4)}

    stream = data.Stream(at=at, batch_size=4, examples=4)
    part = stream.rows(10, 1, 3)
    assert_same(part, {"a": {"x": np.array([11, 12])}, "y": np.array([1, 2])})


def test_to_float():
    x = np.arange(256, dtype=np.uint8).reshape(1, 256)
    y = np.zeros(1, np.int32)
    batch = {"x": x, "y": y}
    got = data.to_float(255.0)(batch, None)
    assert got["x"].dtype == np.float32 and got["y"] is y
    np.testing.assert_array_equal(got["x"], x.astype(np.float32) / np.float32(255))
    assert (got["x"].min(), got["x"].max()) == (0.0, 1.0)
    assert batch["x"] is x  # the batch that was given stays as it is
    assert data.to_float(16) == data.to_float(16) != data.to_float(255)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_to_float_refuses_scales(scale):
    with pytest.raises(ValueError, match="scale"):
        data.to_float(scale)


@pytest.mark.parametrize("make", [data.batches, data.once])
@pytest.mark.parametrize(
    "arrays, message",
    [
        ({}, "data must be a dict"),
        (np.zeros(4), "data must be a dict"),
        ({"x": np.zeros(4), "y": np.zeros(5)}, "lengths differ, {'x': 4, 'y': 5}"),
        ({"x": np.zeros(4), "index": np.zeros(4)}, "'index' is made by the stream"),
        ({1: np.zeros(4)}, "names must be strings"),
        ({"x": 3.0}, r"data\['x'\] is a scalar"),
        ({"x": np.zeros((0, 2))}, "examples must be an integer from 1"),
    ],
)
def test_bad_data_is_refused(make, arrays, message):
    with pytest.raises(ValueError, match=message):
        make(arrays, 2)


@pytest.mark.parametrize("batch_size", [0, -1, 11, 2.0, None, "4"])
def test_batch_sizes_out_of_range_are_refused(batch_size):
    with pytest.raises(ValueError, match="batch_size must be an integer from 1 to 10"):
        data.batches(numbered(10), batch_size)
    if batch_size != 11:
        with pytest.raises(ValueError, match="batch_size must be an integer at least"):
            data.once(numbered(10), batch_size)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be an integer"):
        data.batches(numbered(10), 2, seed=seed)


@pytest.mark.parametrize("step", [-1, 0.5])
def test_steps_out_of_range_are_refused(step):
    for stream in (data.batches(numbered(4), 2), data.constant(numbered(4))):
        with pytest.raises(ValueError, match="step must be an integer"):
            stream.at(step)


def test_numpy_integers_are_integers():
    stream = data.batches(numbered(10), np.int64(4), seed=np.uint32(1))
    assert_same(stream.at(np.int32(2)), data.batches(numbered(10), 4, seed=1).at(2))


def test_standardize_uses_the_moments_of_the_training_set():
    rng = np.random.default_rng(0)
    train = {"x": rng.integers(0, 256, (50, 4, 3, 1), dtype=np.uint8)}
    transform = data.standardize(train)
    x = transform(train, None)["x"]
    assert x.dtype == np.float32
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-6)
    other = rng.integers(0, 256, (5, 4, 3, 1), dtype=np.uint8)
    expected = (other - np.mean(train["x"])) / np.std(train["x"])
    np.testing.assert_allclose(transform({"x": other}, None)["x"], expected, rtol=1e-5)
    with pytest.raises(ValueError, match="x must vary"):
        data.standardize({"x": np.ones(3)})
