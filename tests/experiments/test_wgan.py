"""The experiment on parallel lines keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.wgan import SEEDS, Config, main

GAPS = (0.0, 0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("wgan")
    cfg = Config(gaps=GAPS, width=16, steps=300, moves=50, batch_size=32)
    return main(Config(**{**vars(cfg), "run": str(folder)})), folder


def of(ran, name):
    found = np.array([ran[0][f"{name}/{s}"] for s in SEEDS])
    print(name, found)
    return found


def test_jensen_shannon_is_stuck_and_wasserstein_falls(ran):
    js = np.array([of(ran, f"js/{gap:g}") for gap in GAPS])
    w = np.array([of(ran, f"wasserstein/{gap:g}") for gap in GAPS])
    assert ((np.abs(js[1:] - np.log(2)) < 0.05).all(0) & (js[0] < 0.1)).sum() >= 4
    exact = np.array(GAPS)[:, None]
    assert (np.abs(w - exact) < 0.1 + 0.1 * exact).all(0).sum() >= 4
    assert (np.diff(w, axis=0) > 0.1).all(0).sum() >= 4


def test_only_wasserstein_closes_the_gap(ran):
    assert (np.abs(of(ran, "end/wasserstein")) < 0.2).sum() >= 4
    assert (of(ran, "end/minimax") > 0.8).sum() >= 4


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 3
    assert f"{numbers['wasserstein/0.5/0']:.3f}" in page
    for figure in ("distances", "moves"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags", [{"gaps": (1.0,)}, {"gaps": (-1.0, 1.0)}, {"rate": 0.0}, {"moves": 0}]
)
def test_flags(flags, tmp_path):
    with pytest.raises(ValueError, match="width, steps, moves, batch_size and rate"):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
