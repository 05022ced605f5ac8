"""The searches keep what their docstrings promise, reduced."""

import numpy as np
import pytest

from experiments import cell_table, nas
from zoo.search import read_table
from zoo.search.table import all_cells


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nas")
    cfg = nas.Config(repeats=24, children=0, run=str(folder))
    return nas.main(cfg), folder


def test_each_method_beats_random_search(searched):
    numbers, _ = searched
    for name in ("evolution", "REINFORCE", "proximal policy", "progressive"):
        share, p = numbers[f"better/{name}"], numbers[f"p/{name}"]
        print(name, share, p)
        assert share > 0.5 and p < 0.05


def test_a_controllers_expected_reward_rises(searched):
    numbers, _ = searched
    gain = lambda name: numbers[f"last/{name}"] - numbers[f"first/{name}"]
    assert gain("REINFORCE") > 0.02 and gain("proximal policy") > 0.02
    assert abs(gain("random")) < 0.02


def test_the_predictor_orders_cells_that_it_has_not_seen(searched):
    found = [value for name, value in searched[0].items() if name.startswith("ranks")]
    assert len(found) == 5 and sum(value > 0.6 for value in found) >= 4


def test_time_and_accuracy_are_traded(searched):
    numbers, _ = searched
    of = lambda what: [numbers[f"{what}/{w:g}"] for w in nas.EXPONENTS]
    assert (np.diff(of("time")) < 0.02).all() and of("time")[-1] < of("time")[0] - 0.1
    assert of("accuracy")[-1] < of("accuracy")[0]


def test_report(searched):
    numbers, folder = searched
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 3
    assert f"{numbers['better/evolution']:.2f}" in page


def test_in_earnest_and_again(tmp_path, monkeypatch):
    """Three children of a few steps; what was trained is not trained again."""
    small = nas.trainer
    monkeypatch.setattr(nas, "trainer", lambda images: small(images, steps=20))
    monkeypatch.setattr(nas, "DARTS_STEPS", 20)
    cfg = nas.Config(children=4, run=str(tmp_path))
    report = nas.Report("t", "t", {})
    first = nas.in_earnest(cfg, report)
    assert 0.15 < first["child/evolution"] <= 1

    def untrained(images):
        def train(key, choice):
            raise AssertionError("trained again")

        return train

    monkeypatch.setattr(nas, "trainer", untrained)
    monkeypatch.setattr(nas.jax, "jit", lambda f, **_: f)
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
