"""The experiment on principal components keeps what its docstring promises."""

import numpy as np
import pytest

from experiments.pca import Config, main


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("pca")
    return main(Config(run=str(folder))), folder


def test_variance_of_digits(ran):
    numbers, _ = ran
    found = [numbers[f"share/{k}"] for k in range(1, 6)]
    expected = [0.14891, 0.13619, 0.11795, 0.08410, 0.05782]
    np.testing.assert_allclose(found, expected, atol=5e-6)
    np.testing.assert_allclose(numbers["sum/10"], 0.73823, atol=5e-6)
    assert numbers["sum/28"] < 0.95 < numbers["sum/29"]
    for k in (2, 10, 29):
        np.testing.assert_allclose(numbers[f"error/{k}"], 1 - numbers[f"sum/{k}"])


def test_photo_of_low_rank(ran):
    numbers, _ = ran
    found = [numbers[f"energy/{r}"] for r in (1, 20)]
    np.testing.assert_allclose(found, [0.8774, 0.9894], atol=5e-5)
    errors = [numbers[f"photo_error/{r}"] for r in (1, 5, 20, 60)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.02


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 4 and page.count("<table") == 3
    assert f"{numbers['share/1']:.5f}" in page
    for figure in ("variance", "digits", "plane", "photo"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_another_table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3)) * np.array([100, 1, 1])
    np.savez(tmp_path / "own.npz", x=x, y=rng.normal(size=30))
    cfg = Config(data=str(tmp_path / "own.npz"), ranks=(2,), run=str(tmp_path / "run"))
    numbers = main(cfg)
    assert numbers["share/1"] > 0.99 and "error/10" not in numbers
    cfg = Config(**(vars(cfg) | {"standardize": True, "kept": (3,)}))
    numbers = main(cfg)
    assert numbers["share/1"] < 0.6 and numbers["error/3"] < 1e-12


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"kept": (0, 2)}, "kept must hold numbers from 1 to 64, got"),
        ({"kept": (65,)}, "kept must hold numbers from 1 to 64, got"),
        ({"ranks": ()}, "ranks must be from 1 to 144, got"),
        ({"ranks": (1, 145)}, "ranks must be from 1 to 144, got"),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
