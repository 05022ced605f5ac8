"""The experiment on a Boltzmann machine keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.rbm import SEEDS, Config, images, main


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("rbm")
    return main(Config(epochs=20, run=str(folder))), folder


def of(ran, name):
    found = np.array([ran[0][f"{s}/{name}"] for s in SEEDS])
    print(name, found)
    return found


def test_pseudo_likelihood_rises(ran):
    before, first, last = (of(ran, f"pseudo/{e}") for e in (0, 1, 20))
    np.testing.assert_allclose(before, -64 * np.log(2), atol=0.2)
    assert (first > before + 10).sum() >= 4
    assert (last > first + 5).sum() >= 4


def test_learned_features_are_better_than_those_it_began_with(ran):
    gain = of(ran, "accuracy/learned") - of(ran, "accuracy/begun")
    assert (gain > 0.03).sum() >= 4
    assert (of(ran, "error/learned") < 0.6 * of(ran, "error/begun")).sum() >= 4


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 3
    assert f"{numbers['0/pseudo/20']:.3f}" in page
    for figure in ("pseudo", "filters", "chains"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_a_table_by_path(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (20, 7)), np.arange(20) % 2
    np.savez(tmp_path / "own.npz", x=x.astype(float), y=y)
    train, test, side = images(str(tmp_path / "own.npz"))
    held = np.arange(20) % 5 == 4
    np.testing.assert_array_equal(train["x"], x[~held] / x.max() > 0.5)
    np.testing.assert_array_equal(test["y"], y[held])
    assert side == 0 and train["x"].dtype == np.float32


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"k": 0}, "hidden, k, batch_size, epochs, labelled and learning_rate must"),
        ({"labelled": 500}, "labelled must be below 1.., the images of a class, got"),
        ({"data": "digit"}, "unknown data set 'digit'; did you mean 'digits'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
