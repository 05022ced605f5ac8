"""The experiment on ROC curves keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.roc import Config, main

SEEDS = range(5)

pytestmark = pytest.mark.xdist_group("roc")  # one worker, so one run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("roc")
    return main(Config(bins=(10, 1000), run=str(folder), progress=False)), folder


def error(numbers, seed, metric, kind, bins):
    return numbers[f"{seed}/{metric}/{kind}/{bins}"] - numbers[f"{seed}/{metric}"]


@pytest.mark.parametrize("metric, better", [("auc", "odds"), ("ap", "share")])
def test_which_bins_serve_better(ran, metric, better):
    other = {"odds": "share", "share": "odds"}[better]
    both = [[-error(ran[0], s, metric, k, 10) for k in (better, other)] for s in SEEDS]
    for seed, (less, more) in zip(SEEDS, both, strict=True):
        print(seed, metric, f"too small by {less:.4f} and {more:.4f}")
    assert sum(0 < less < more for less, more in both) >= 4


def test_ties_bound_the_error_and_many_bins_leave_none(ran):
    numbers, _ = ran
    for seed in SEEDS:
        for kind in ("share", "odds"):
            for bins in (10, 1000):
                tied = numbers[f"{seed}/tied/{kind}/{bins}"]
                assert abs(error(numbers, seed, "auc", kind, bins)) <= tied + 1e-6
            for metric in ("auc", "ap"):
                assert abs(error(numbers, seed, metric, kind, 1000)) < 0.005
        assert 0.9 < numbers[f"{seed}/auc"] < 0.96


def test_report(ran):
    numbers, folder = ran
    assert 0.13 < numbers["error_rate"] < 0.18 and 0.82 < numbers["f1"] < 0.87
    np.testing.assert_allclose(numbers["example/auc"], 5 / 6, rtol=1e-6)
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 5
    assert f"{numbers['0/auc']:.4f}" in page and "0.8333" in page
    for figure in ("roc", "precision_recall", "confusion"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"positive": "Shrt"}, "unknown class 'Shrt'; did you mean 'Shirt'"),
        ({"bins": (10, 0)}, "bins must be positive integers, got"),
        ({"bins": ()}, "bins must be positive integers, got"),
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"seeds": 0}, "seeds must be positive, got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive, got -1.0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
