"""The experiment on linear regression keeps what its docstring promises."""

import numpy as np
import pytest

from experiments.linear_regression import DESCENT, Config, main


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("linear")
    return main(Config(run=str(folder), penalties=60)), folder


def test_the_line(ran):
    numbers, _ = ran
    found = [numbers[f"line/{name}"] for name in ("w", "b", "cost", "test")]
    np.testing.assert_allclose(found, [0.251635, 0.798801, 0.076929, 0.078288], 1e-5)
    _, _, cost, test = DESCENT
    assert numbers["line/cost"] < cost and numbers["line/test"] > test


def test_diabetes(ran):
    numbers, _ = ran
    np.testing.assert_allclose(numbers["least_squares/r2"], 0.51774842, atol=5e-9)
    np.testing.assert_allclose(numbers["intercept"], 152.133484, atol=5e-7)
    np.testing.assert_allclose(numbers["lasso/objective"], 1629.054542578877, 1e-12)
    np.testing.assert_allclose(numbers["lasso/r2"], 0.50884, atol=5e-6)
    assert numbers["lasso/kept"] == 7 and numbers["path/done"]
    kept = [numbers[f"path/kept/{i}"] for i in range(60)]
    assert kept[0] == 0 and kept[-1] == 10
    assert set(np.diff(kept)) <= {-1, 0, 1, 2}  # two at once: the path's steps are wide


def test_report(ran, capsys):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 3
    assert f"{numbers['lasso/r2']:.6f}" in page
    for figure in ("line", "path"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_a_table_of_ones_own(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(30, 2)), np.full(30, 5.0)])
    y = 3 * x[:, 0] + 0.1 * rng.normal(size=30)
    rows = "\n".join(",".join(map(str, row)) for row in np.column_stack([x, y]))
    path = tmp_path / "own.csv"
    path.write_text("one,two,three,four\n" + rows)
    numbers = main(Config(data=str(path), penalties=5, run=str(tmp_path / "run")))
    assert numbers["least_squares/r2"] > 0.99
    shown = capsys.readouterr().out
    order = shown[shown.index("The order") :]
    assert order.index("one") < order.index("two") and "three" not in order


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"penalties": 1}, "penalties must be at least 2, got 1"),
        ({"alpha": -1.0}, "alpha must be a number >= 0, got -1.0"),
        ({"data": "diabetis"}, "unknown table 'diabetis'; did you mean 'diabetes'"),
        ({"data": "iris"}, "the target must be finite numbers"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
