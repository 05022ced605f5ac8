"""The embedded tables against scikit-learn's copies, and drawn again from its files."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from zoo.data import embed, tabular
from zoo.data.places import ASSETS

THEIRS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}


@pytest.mark.parametrize("name", THEIRS)
def test_equal(name):
    ours, theirs = tabular(name), THEIRS[name]()
    np.testing.assert_array_equal(ours.x, theirs.data)
    if not ours.classes:
        np.testing.assert_array_equal(ours.y, theirs.target)
    else:  # their classes may be in another order
        of = lambda names, y: np.asarray([str(name) for name in names])[y]
        np.testing.assert_array_equal(
            of(ours.classes, ours.y), of(theirs.target_names, theirs.target)
        )


def test_drawn_again(tmp_path):
    folder = Path(datasets.__file__).parent / "data"
    assert embed.main([str(tmp_path), "--tables", str(folder)]) == 0
    for name in ("breast_cancer", "diabetes", "iris", "wine"):
        assert (tmp_path / f"{name}.csv").read_text() == (
            ASSETS / f"{name}.csv"
        ).read_text()
