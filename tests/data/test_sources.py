"""load and list_datasets: where data is looked for, and what it must hold."""

import gzip

import numpy as np
import pytest

from zoo import data
from zoo.data import places
from zoo.data.cifar import BATCHES
from zoo.data.table import MNIST_FILES, SOURCES
from zoo.errors import UnknownName


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A machine without data sets."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "system")


def idx(array):
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def write_mnist(folder, label=0, suffix=".gz", names=MNIST_FILES, n=4):
    """Four files; `label` tells where they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shape = (n, 28, 28) if "images" in name else (n,)
        raw = idx(np.full(shape, label, np.uint8))
        raw = gzip.compress(raw) if suffix == ".gz" else raw
        (folder / (name + suffix)).write_bytes(raw)
    return folder


def arrays(name="mnist", n=4, **but):
    shape, classes = SOURCES[name].shape, len(SOURCES[name].classes)
    rng, found = np.random.default_rng(0), {}
    for split in ("train", "test"):
        found[f"x_{split}"] = rng.integers(0, 256, (n, *shape), np.uint8)
        found[f"y_{split}"] = rng.integers(0, classes, n)
    return found | but


def label(dataset):
    return int(dataset.train["y"][0])


@pytest.mark.parametrize(
    "name, shape, counts, scale",
    [
        ("fashion_mnist_small", (28, 28, 1), (2000, 500), 255),
        ("digits", (8, 8, 1), (1437, 360), 16),
    ],
)
def test_embedded(name, shape, counts, scale):
    found = data.load(name)
    for split, n in zip((found.train, found.test), counts, strict=True):
        assert split["x"].shape == (n, *shape) and split["x"].dtype == np.uint8
        assert split["y"].shape == (n,) and split["y"].dtype == np.int32
        assert (split["x"].min(), split["x"].max()) == (0, scale)
        assert set(split["y"]) == set(range(10))
    assert found.scale == scale and len(found.classes) == 10
    assert found.source == str(places.ASSETS / f"{name}.npz")
    batch = data.batches(found.train, 32, transform=data.to_float(found.scale)).at(0)
    assert batch["x"].shape == (32, *shape) and batch["x"].dtype == np.float32


def test_fashion_mnist_small_is_balanced_and_without_repetition():
    found = data.load("fashion_mnist_small")
    np.testing.assert_array_equal(np.bincount(found.train["y"]), [200] * 10)
    np.testing.assert_array_equal(np.bincount(found.test["y"]), [50] * 10)
    images = np.concatenate([found.train["x"], found.test["x"]])
    assert len({image.tobytes() for image in images}) == 2500
    # The first labels of the whole data set, whose first 200 images all are in.
    assert found.train["y"][:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert found.test["y"][:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert found.classes[9] == "Ankle boot"


def test_assets_are_small_and_licensed():
    sizes = {path.name: path.stat().st_size for path in places.ASSETS.iterdir()}
    assert sizes["fashion_mnist_small.npz"] < 1.2e6 and sizes["digits.npz"] < 6e4
    readme = (places.ASSETS / "README.md").read_text()
    for name in sizes:
        assert name == "README.md" or name in readme
    assert "Zalando" in (places.ASSETS / "LICENSE-fashion-mnist").read_text()
    assert "Alpaydin" in (places.ASSETS / "LICENSE-digits").read_text()


def test_search_order(tmp_path, monkeypatch):
    given, env = tmp_path / "given", tmp_path / "env"
    monkeypatch.setenv("ZOO_DATA", str(env))
    write_mnist(tmp_path / "cache" / "zoo" / "mnist", 4)
    assert label(data.load("mnist")) == 4
    write_mnist(tmp_path / "system" / "mnist", 3)
    assert label(data.load("mnist")) == 3
    write_mnist(env / "mnist", 2)
    assert label(data.load("mnist")) == 2
    given.mkdir()
    assert label(data.load("mnist", given)) == 2  # on to the next places
    write_mnist(given / "mnist", 1)
    assert label(data.load("mnist", given)) == 1
    assert label(data.load("mnist", str(given / "mnist"))) == 1
    assert data.load("mnist", given).source == str(given / "mnist")
    assert label(data.load("mnist")) == 2


def test_default_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.cache_dir() == tmp_path / ".cache" / "zoo"
    write_mnist(tmp_path / ".cache" / "zoo" / "mnist", 7)
    assert label(data.load("mnist")) == 7


@pytest.mark.parametrize(
    "folder", ["fashion_mnist", "fashion-mnist", "FashionMNIST", "FashionMNIST/raw"]
)
def test_folder_names(tmp_path, folder):
    write_mnist(tmp_path / folder, 5, suffix="")
    found = data.load("fashion_mnist", tmp_path)
    assert found.train["x"].shape == (4, 28, 28, 1)
    assert found.test["y"].tolist() == [5] * 4


def test_file_names_with_a_dot(tmp_path):
    write_mnist(tmp_path, 5, suffix="")
    for name in MNIST_FILES:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    assert label(data.load("mnist", tmp_path)) == 5


def test_mnist_is_not_read_from_the_folder_of_fashion_mnist(tmp_path):
    folder = write_mnist(tmp_path / "fashion-mnist", 5)
    assert label(data.load("fashion_mnist", folder)) == 5
    with pytest.raises(data.DataError, match="'mnist' was not found"):
        data.load("mnist", folder)
    # $ZOO_DATA names the folder of the folders, so it never stands for one itself.
    write_mnist(tmp_path, 6)
    assert label(data.load("mnist", tmp_path)) == 6


def test_zoo_data_is_a_folder_of_folders(tmp_path, monkeypatch):
    write_mnist(tmp_path, 6)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    with pytest.raises(data.DataError, match="not found"):
        data.load("mnist")


def test_an_incomplete_folder_is_not_found(tmp_path):
    write_mnist(tmp_path / "mnist", names=MNIST_FILES[:3])
    with pytest.raises(data.DataError, match="not found"):
        data.load("mnist", tmp_path)


def test_not_found_lists_the_places_and_the_remedies(tmp_path, monkeypatch):
    with pytest.raises(data.DataError) as caught:
        data.load("cifar10", tmp_path)
    message = str(caught.value)
    for part in (
        f"{tmp_path} (data_dir)",
        "$ZOO_DATA (not set)",
        str(tmp_path / "system"),
        str(tmp_path / "cache" / "zoo"),
        "python -m zoo data fetch cifar10",
        "--data-dir",
    ):
        assert part in message
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "mine"))
    with pytest.raises(data.DataError, match="mine .[$]ZOO_DATA"):
        data.load("cifar10")


def test_data_dir_must_exist(tmp_path):
    with pytest.raises(data.DataError, match="data_dir: .*typo does not exist"):
        data.load("mnist", tmp_path / "typo")


def test_unknown_name():
    with pytest.raises(UnknownName, match="unknown data set 'mnits'.*'mnist'"):
        data.load("mnits")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_npz_wherever_it_lies(tmp_path, monkeypatch, name):
    content = arrays(name)
    for file in (f"{name}.npz", f"{name}_4k_1k.npz", f"{name}/{name}.npz"):
        folder = tmp_path / file.replace("/", "-")
        (folder / file).parent.mkdir(parents=True)
        np.savez(folder / file, **content)
        for place in (folder, folder / file):
            found = data.load(name, place)
            assert found.source == str(folder / file)
            np.testing.assert_array_equal(found.train["x"], content["x_train"])
            np.testing.assert_array_equal(found.test["y"], content["y_test"])
            assert found.test["y"].dtype == np.int32
        monkeypatch.setenv("ZOO_DATA", str(folder))
        assert data.load(name).source == str(folder / file)


def test_npz_of_another_data_set_is_not_taken(tmp_path):
    np.savez(tmp_path / "fashion_mnist_small.npz", **arrays())
    np.savez(tmp_path / "cifar100.npz", **arrays("cifar10"))
    for name in ("fashion_mnist", "cifar10"):
        with pytest.raises(data.DataError, match="not found"):
            data.load(name, tmp_path)


def test_npz_forms_of_others(tmp_path):
    path = tmp_path / "a.npz"
    content = arrays()
    flat = {name: content[name][..., 0] for name in ("x_train", "x_test")}
    columns = {name: content[name][:, None] for name in ("y_train", "y_test")}
    np.savez(path, **flat, **columns)
    found = data.load("mnist", path)
    np.testing.assert_array_equal(found.train["x"], content["x_train"])
    np.testing.assert_array_equal(found.train["y"], content["y_train"])


@pytest.mark.parametrize(
    "but, message",
    [
        (
            {"x_train": np.zeros((4, 28, 28, 3), np.uint8)},
            r"a.npz: train: images are uint8 \[4, 28, 28, 3\], expected uint8 "
            r"\[N, 28, 28, 1\]",
        ),
        ({"x_test": np.zeros((4, 28, 28))}, "a.npz: test: images are float64"),
        ({"x_test": np.zeros((0, 28, 28), np.uint8)}, "test: images are uint8 .0, "),
        (
            {"y_train": np.zeros(3, int)},
            r"train: labels are int64 \[3\], expected integers \[4\]",
        ),
        ({"y_train": np.zeros(4)}, "train: labels are float64"),
        (
            {"y_test": np.array([0, 1, 2, 10])},
            "test: labels from 0 to 10, expected 0 to 9",
        ),
        ({"y_test": np.array([0, -1, 2, 9])}, "test: labels from -1 to 9"),
        (
            {"y_test": np.array([0, 2**40, 2, 9])},
            "test: labels from 0 to 1099511627776",
        ),
    ],
)
def test_other_contents_are_refused(tmp_path, but, message):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays(**but))
    with pytest.raises(data.DataError, match=message):
        data.load("mnist", path)


def test_labels_out_of_range_in_idx(tmp_path):
    write_mnist(tmp_path, 10)
    with pytest.raises(data.DataError, match="labels from 10 to 10, expected 0 to 9"):
        data.load("mnist", tmp_path)


def test_counts_of_images_and_labels_must_agree(tmp_path):
    write_mnist(tmp_path)
    write_mnist(tmp_path, names=MNIST_FILES[3:], n=5)
    with pytest.raises(data.DataError, match=r"test: labels are uint8 \[5\], expected"):
        data.load("mnist", tmp_path)


def test_damaged_files_are_named(tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(data.DataError, match="t10k-images-idx3-ubyte.gz: truncated"):
        data.load("mnist", tmp_path)
    with pytest.raises(data.DataError, match="expected a folder of train-images"):
        data.load("mnist", file)


@pytest.mark.parametrize(
    "folder", ["", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "CIFAR10"]
)
def test_cifar10_folders(tmp_path, folder):
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    for i, stem in enumerate(BATCHES):
        (place / f"{stem}.bin").write_bytes((bytes([i]) + bytes(3072)) * 2)
    found = data.load("cifar10", tmp_path)
    assert found.train["x"].shape == (10, 32, 32, 3)
    assert found.train["y"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert found.test["y"].tolist() == [5, 5]
    assert found.classes[5] == "dog"


@pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"])
def test_cifar10_archives_are_found(tmp_path, monkeypatch, name):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / name).write_bytes(b"<html>")
    with pytest.raises(data.DataError, match=f"{name}: not a tar archive"):
        data.load("cifar10")


def test_list_datasets(tmp_path):
    write_mnist(tmp_path / "mnist")
    rows = {row.name: row for row in data.list_datasets(tmp_path)}
    assert list(rows) == sorted(SOURCES)
    assert rows["digits"].where == rows["fashion_mnist_small"].where == "embedded"
    assert rows["mnist"].where == str(tmp_path / "mnist")
    assert rows["cifar10"].where == rows["fashion_mnist"].where == "not found"
    assert rows["cifar10"].shape == (32, 32, 3)
    assert rows["mnist"].examples == (60_000, 10_000)
    assert all(row.classes == 10 and row.licence for row in rows.values())
    for name in ("digits", "fashion_mnist_small"):
        found = data.load(name)
        assert rows[name].shape == found.train["x"].shape[1:]
        assert rows[name].examples == (len(found.train["y"]), len(found.test["y"]))
