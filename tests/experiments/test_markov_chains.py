"""The experiment on Markov chains keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.markov_chains import SEEDS, Config, main


def test_claim(tmp_path):
    cfg = Config(chains=100, steps=1000, sweeps=1000, run=str(tmp_path))
    numbers = main(cfg)
    assert numbers["metropolis/apart"] < 1e-5 < 0.1 < numbers["proposal/apart"]
    assert numbers["imbalance"] < 1e-7
    of = lambda name: np.array([numbers[f"{seed}/{name}"] for seed in SEEDS])
    print(of("apart"), of("slope"))
    # 100,000 states, alike over some ten steps, are worth 10,000: chance leaves 0.02.
    assert (of("apart") < 0.04).sum() >= 4
    assert (abs(of("slope") + 0.5) < 0.1).sum() >= 4
    for rho, error in ((0.5, 0.01), (0.9, 0.01), (0.99, 0.01)):
        after = np.array([numbers[f"{rho:g}/lag/1/{seed}"] for seed in SEEDS])
        assert (abs(after - rho**2) < error).sum() >= 4
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 3
    for figure in ("states", "autocorrelation", "paths"):
        assert (tmp_path / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"target": (1.0,)}, "target must be two or more above 0, got"),
        ({"target": (1.0, 0.0)}, "target must be two or more above 0, got"),
        ({"chains": 0}, "chains and drawn must be at least 1, steps and sweeps at"),
        ({"steps": 99}, "steps and sweeps at least 100, got 200, 60, 99 and 2000"),
        ({"correlations": (1.0,)}, "correlations must be between -1 and 1, got"),
        ({"correlations": ()}, "correlations must be between -1 and 1, got"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
