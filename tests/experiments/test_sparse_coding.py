"""The experiment on sparse coding keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.sparse_coding import SEEDS, Config, main, patches, selectivity

pytestmark = pytest.mark.xdist_group("sparse_coding")  # one worker, so one run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("sparse_coding")
    fields = dict(steps=40, batch_size=64, guesses=0, filters=9, images=30)
    return main(Config(atoms=36, side=8, **fields, run=str(folder))), folder


def test_learned_atoms_are_oriented(ran):
    numbers, _ = ran
    of = lambda name: np.array([numbers[f"{s}/{name}"] for s in SEEDS])
    chosen = {k: of(f"selectivity/{k}") for k in ("learned", "begun", "patches")}
    print(chosen, of("selectivity/filters"))
    assert (chosen["learned"] > chosen["begun"] + 0.3).sum() >= 4
    assert (chosen["learned"] > chosen["patches"] + 0.02).sum() >= 4
    of_convolution = of("selectivity/filters")
    assert (of_convolution > of("selectivity/filters begun") + 0.3).sum() >= 4
    assert (of_convolution > chosen["patches"] + 0.02).sum() >= 4
    assert (of("loss/learned") < 0.75 * of("loss/begun")).sum() >= 4


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 1
    assert f"{numbers['0/selectivity/learned']:.3f}" in page
    for figure in ("learned", "begun", "filters"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_selectivity_of_gratings_and_of_what_has_no_orientation():
    i, j = np.mgrid[:10, :10]
    grating = np.cos(1.9 * (np.cos(0.7) * i + np.sin(0.7) * j))
    ring = np.cos(1.5 * np.hypot(i - 4.5, j - 4.5))
    dot = np.zeros((10, 10))
    dot[5, 5] = 1
    found = selectivity(np.stack([grating, ring, dot, np.ones((10, 10))]))
    assert found[0] > 0.7 and (found[1:] < 0.05).all()
    turned = selectivity(np.stack([np.rot90(grating), 3 * grating]))
    # A quarter turn takes the highest frequency, -1/2 of two, to the other side.
    np.testing.assert_allclose(turned, found[0], rtol=1e-5)


def test_patches_are_white_but_for_the_highest_frequencies():
    x = patches(1000, 8)
    assert x.shape == (1000, 64) and x.dtype == np.float32
    np.testing.assert_allclose(x.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "flags",
    [
        {"atoms": 0},
        {"filters": -1},
        {"side": 3},
        {"side": 33},
        {"weight": 0.0},
        {"patches": 999},
    ],
)
def test_flags(flags, tmp_path):
    with pytest.raises(ValueError, match="atoms, steps, batch_size and weight must be"):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
