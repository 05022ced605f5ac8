"""The searches keep what their docstrings promise, reduced."""

import numpy as np
import pytest

from experiments import cell_table, nas
from zoo.search import read_table
from zoo.search.table import all_cells


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nas")
    some = dict(methods=("evolution", "progressive"), repeats=10, children=0)
    return nas.main(nas.Config(**some, run=str(folder))), folder


def test_each_beats_random_search(searched):
    """Of controllers, and of MnasNet's reward, a row of `benchmarks.claims` says so."""
    for name in ("evolution", "progressive"):
        share, p = (searched[0][f"{what}/{name}"] for what in ("better", "p"))
        print(name, share, p)
        assert share > 0.7 and p < 0.05


def test_the_predictor_orders_cells_that_it_has_not_seen(searched):
    found = [value for name, value in searched[0].items() if name.startswith("ranks")]
    assert len(found) == 5 and sum(value > 0.6 for value in found) >= 4


def test_report(searched):
    numbers, folder = searched
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1
    assert f"{numbers['better/evolution']:.2f}" in page


def test_in_earnest_and_again(tmp_path, monkeypatch):
    """Few children of few steps; what was trained is not trained again."""
    small, found = nas.trainer, np.array([1, 3, 0, 3, 2, 0, 1, 1])
    monkeypatch.setattr(nas, "trainer", lambda images: small(images, steps=20))
    monkeypatch.setattr(nas, "by_gradient", lambda images: found)  # see test_darts
    cfg = nas.Config(children=4, run=str(tmp_path))
    report = nas.Report("t", "t", {})
    first = nas.in_earnest(cfg, report)
    assert 0.15 < first["child/evolution"] <= 1

    def untrained(images):
        def train(key, choice):
            raise AssertionError("trained again")

        return train

    monkeypatch.setattr(nas, "trainer", untrained)
    assert nas.in_earnest(cfg, report) == first


def test_a_part_of_the_table(tmp_path):
    cfg = cell_table.Config(cells=2, steps=10, repeats=1, run=str(tmp_path))
    numbers = cell_table.main(cfg)
    assert numbers["cells"] == 2 and 0.1 < numbers["high"] <= 1
    before = dict(np.load(tmp_path / "cells.npz"))
    cell_table.main(cfg)  # goes on, and there is nothing to do
    for name, of in np.load(tmp_path / "cells.npz").items():
        np.testing.assert_array_equal(of, before[name])
    assert (before["valid"][:, 0] > 0).sum() == 2


def test_the_table_that_comes_with_the_project():
    table = read_table()
    np.testing.assert_array_equal(table.tokens, all_cells())
    assert (table.valid > 0.05).all() and (table.test > 0.05).all()
    assert (table.seconds > 0).all()
    agree = np.corrcoef(table.valid.mean(1), table.test.mean(1))[0, 1]
    assert agree > 0.95  # both were measured, on images of their own


@pytest.mark.parametrize(
    "flags", [{"budget": 36}, {"repeats": 1}, {"children": -1}], ids=str
)
def test_refuses(flags, tmp_path):
    with pytest.raises(ValueError, match="budget must be at least 40"):
        nas.main(nas.Config(**flags, run=str(tmp_path)))
    with pytest.raises(ValueError, match="cells must be in"):
        cell_table.main(cell_table.Config(cells=-1, run=str(tmp_path)))
