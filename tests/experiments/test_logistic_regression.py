"""The experiment on logistic regression keeps what its docstring promises."""

import numpy as np
import pytest

from experiments.logistic_regression import SEEDS, Config, main


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("logistic")
    return main(Config(run=str(folder))), folder


def test_the_conic_is_right_where_no_line_is(ran):
    numbers, _ = ran
    better = []
    for seed in SEEDS:
        line, conic = numbers[f"linear/{seed}"], numbers[f"quadratic/{seed}"]
        print(f"seed {seed}: line {line:.4f}, conic {conic:.4f}")
        better.append(line < 0.7 and conic > 0.9)
    assert sum(better) >= 4
    assert numbers["linear/accuracy"] < 2 / 3
    np.testing.assert_allclose(numbers["quadratic/accuracy"], 0.96, rtol=1e-12)


def test_breast_cancer(ran):
    numbers, _ = ran
    np.testing.assert_allclose(numbers["accuracy"], 0.98770, atol=5e-6)
    np.testing.assert_allclose(numbers["log_loss"], 0.0533919, atol=5e-8)
    np.testing.assert_allclose(numbers["auc"], 0.9974499, atol=5e-8)
    np.testing.assert_allclose(numbers["norm"], 3.841609, atol=5e-7)
    assert numbers["l1/kept"] == 10
    np.testing.assert_allclose(numbers["l1/accuracy"], 0.97540, atol=5e-6)


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 3
    assert f"{numbers['quadratic/3']:.4f}" in page and "petal_width^2" in page
    for figure in ("linear", "quadratic"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            {"positive": "versicolour"},
            "unknown class 'versicolour'.*'versicolor'",
        ),
        ({"features": ("petal_length", "petal")}, "unknown feature 'petal'"),
        ({"data": "irris"}, "unknown table 'irris'; did you mean 'iris'"),
        ({"alpha": -1.0}, "alpha must be a number"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
