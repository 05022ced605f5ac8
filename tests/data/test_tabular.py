"""Tables by name and by path: what is read, and what is refused and why."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, tabular
from zoo.data.tabular import NAMES

SIZES = {  # examples, features, classes
    "breast_cancer": (569, 30, 2),
    "diabetes": (442, 10, 0),
    "digits": (1797, 64, 10),
    "iris": (150, 4, 3),
    "wine": (178, 13, 3),
}


@pytest.mark.parametrize("name", NAMES)
def test_embedded(name):
    table, (n, d, k) = tabular(name), SIZES[name]
    assert table.x.shape == (n, d) and table.x.dtype == np.float64
    assert table.y.shape == (n,) and len(set(table.features)) == d
    assert len(table.classes) == k
    if k:
        assert table.y.dtype == np.int64
        np.testing.assert_array_equal(np.unique(table.y), np.arange(k))
    else:
        assert table.y.dtype == np.float64


CSV = "a,b,what\n1,2,no\n3,4.5,yes\n-5,6e1,no\n"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_csv(name, tmp_path):
    raw = CSV.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    table = tabular(tmp_path / name)
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4.5], [-5, 60]])
    np.testing.assert_array_equal(table.y, [0, 1, 0])
    assert table.features == ("a", "b") and table.classes == ("no", "yes")


def test_csv_without_names_and_with_another_target(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,2,7\r\n3,4,5\r\n\r\n")
    table = tabular(path)
    assert table.features == ("x0", "x1") and table.classes == ()
    np.testing.assert_array_equal(table.y, [7, 5])
    classes = tabular(path, target="x1", labels=True)
    np.testing.assert_array_equal(classes.x, [[1, 7], [3, 5]])
    np.testing.assert_array_equal(classes.y, [0, 1])
    assert classes.features == ("x0", "y") and classes.classes == ("2", "4")


def test_classes_of_numbers_are_in_their_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("0,10\n0,9\n0,-1.0\n")
    assert tabular(path, labels=True).classes == ("-1", "9", "10")


@pytest.mark.parametrize("labels", [None, False])
def test_npz(labels, tmp_path):
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([4, 2, 4])
    np.savez(tmp_path / "t.npz", x=x, y=y)
    table = tabular(tmp_path / "t.npz", labels=labels)
    np.testing.assert_array_equal(table.x, x)
    assert table.classes == (("2", "4") if labels is None else ())
    np.testing.assert_array_equal(table.y, [1, 0, 1] if labels is None else y)


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "two cells"),
        ("a\n1\n", {}, "two cells"),
        ("a,b\n", {}, "no examples"),
        ("a,b\n1,2\n3\n", {}, "line 3 has 1 cells, the first 2"),
        ("a,b\n1,2\nx,2\n", {}, "row 2 of the data: could not convert"),
        ("a,b\n1,2\nnan,2\n", {}, "a of row 2 of the data is nan"),
        ("a,b\n1,2\n1,inf\n", {}, "target must be finite"),
        ("a,b\n1,yes\n", {"labels": False}, "target must be finite"),
        ("a,b\n1,2\n", {"target": "c"}, "no column 'c'; it has a, b"),
    ],
)
def test_refused(text, options, message, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        tabular(path, **options)


def test_refused_names_and_npz(tmp_path):
    with pytest.raises(ValueError, match="unknown table 'irs'; did you mean 'iris'"):
        tabular("irs")
    with pytest.raises(DataError, match="cannot be read"):
        tabular(tmp_path / "none.csv")
    np.savez(tmp_path / "t.npz", x=np.zeros((3, 2)), y=np.zeros(4))
    with pytest.raises(DataError, match=r"x \[N, D\] and y \[N\]"):
        tabular(tmp_path / "t.npz")
