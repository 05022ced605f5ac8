"""Drawing the embedded data sets again gives the embedded data sets."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, embed, load
from zoo.data.formats import read_npz
from zoo.data.places import ASSETS
from zoo.data.sources import ARRAYS


def idx(array):
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def test_first_of_each_class_in_their_order(tmp_path):
    rng = np.random.default_rng(0)
    content = {}
    for name, n in (("train", 300), ("t10k", 200)):
        x = rng.integers(0, 256, (n, 28, 28), np.uint8)
        y = rng.permutation(np.arange(n) % 10).astype(np.uint8)
        content[name] = x, y
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(x))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(y))
    small = embed.fashion(tmp_path, train=7, test=3)
    for split, name, each in (("train", "train", 7), ("test", "t10k", 3)):
        x, y = content[name]
        taken, seen = [], dict.fromkeys(range(10), 0)
        for i, label in enumerate(y.tolist()):
            if seen[label] < each:
                seen[label] += 1
                taken.append(i)
        np.testing.assert_array_equal(small[f"x_{split}"], x[taken], strict=True)
        np.testing.assert_array_equal(small[f"y_{split}"], y[taken], strict=True)
    with pytest.raises(ValueError, match="a class has 20 examples, not 21"):
        embed.fashion(tmp_path, train=30, test=21)


def test_digits_come_back(tmp_path):
    digits = load("digits")
    x = np.concatenate([digits.train["x"], digits.test["x"]]).reshape(-1, 64)
    y = np.concatenate([digits.train["y"], digits.test["y"]])
    lines = np.column_stack([x, y])
    text = "\n".join(",".join(map(str, line)) for line in lines.tolist())
    file = tmp_path / "digits.csv.gz"
    file.write_bytes(gzip.compress(text.encode()))
    assert embed.main([str(tmp_path / "out"), "--digits", str(file)]) == 0
    drawn = read_npz(tmp_path / "out" / "digits.npz", ARRAYS)
    for name, array in read_npz(ASSETS / "digits.npz", ARRAYS).items():
        np.testing.assert_array_equal(drawn[name], array, strict=True)
    assert not (tmp_path / "out" / "fashion_mnist_small.npz").exists()


@pytest.mark.parametrize("text", ["", "hello", "1,2,3\n", "17," * 64 + "0\n"])
def test_other_tables_are_refused(tmp_path, text):
    file = tmp_path / "digits.csv"
    file.write_text(text)
    with pytest.raises(DataError, match="digits.csv: "):
        embed.digits(file)
