"""The experiment on the losses of two players: claims, at full length where slow."""

import jax
import numpy as np
import pytest

from experiments._adversarial import clouds, pictures
from experiments.gan_losses import SEEDS, Config, _edge, _ranks, main, sure


def of(numbers, name):
    found = np.array([numbers[f"{name}/{s}"] for s in SEEDS])
    print(name, found)
    return found


def test_only_minimax_loses_its_gradient():
    found = sure(Config(width=24, batch_size=32, sure=1500), clouds(2))
    first, last = ({k: np.asarray(v)[:, n] for k, v in found.items()} for n in (0, -1))
    print(first, last)
    lost = last["minimax"] < 1e-3 * first["minimax"]
    assert (lost & (last["non_saturating"] > first["non_saturating"])).sum() >= 4


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_minimax_loses_modes_and_a_penalty_finds_all(tmp_path):
    cfg = Config(losses=("minimax", "clipped", "penalised"), run=str(tmp_path))
    numbers = main(cfg)
    lost, found = (of(numbers, f"modes/{n}") for n in ("minimax", "penalised"))
    assert ((lost < 8) & (found == 8)).sum() >= 4
    assert (of(numbers, "rank/penalised") > 0.8).sum() >= 4
    clipped, penalised = (of(numbers, f"edge/{n}") for n in ("clipped", "penalised"))
    assert ((clipped > 0.3) & (penalised < 0.01)).sum() >= 4
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 5 and page.count("<table") == 4
    assert f"{numbers['mmd/penalised/0']:.3g}" in page
    for figure in ("samples", "modes", "estimate", "slopes", "weights"):
        assert (tmp_path / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_measures_of_pictures():
    """Real ones cover all classes and are good, and one again and again is not."""
    source = pictures("digits")
    x = source.examples(jax.random.key(0), 300)
    assert x.shape == (300, 8, 8, 1) and -1 <= x.min() < x.max() <= 1
    measured = jax.jit(source.measured)
    real = measured(x)
    same = measured(x[:1] + 0.01 * x)
    noise = measured(jax.random.uniform(jax.random.key(1), x.shape, minval=-1))
    print(real, same, noise)
    assert real["modes"] == source.modes == 10 and real["good"] > 0.6
    assert same["modes"] <= 2 and noise["good"] < 0.2
    assert abs(real["mmd"]) < 0.01 < 0.1 < min(same["mmd"], noise["mmd"])


def test_measures_of_the_critic():
    layers = [np.array([[[1.0, -1], [0.96, 0.1]]] * 5), np.full((5, 1, 4), 0.3)]
    np.testing.assert_allclose(_edge(layers), 7 / 8)
    rising = np.array([[7.0, 0.1, 0.5, 2.0]])
    path = {"estimate": rising, "mmd": np.float64([[0, 1, 8, 9]])}
    np.testing.assert_allclose(_ranks(path), 1)
    np.testing.assert_allclose(_ranks(path | {"mmd": -rising}), -1)
    # Only the last three count: in the first quarter the critic learns.


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"steps": 30}, "steps a multiple of 20"),
        ({"width": 0}, "width, steps, critic_steps, batch_size, sure and learning"),
        ({"losses": ("minmax",)}, "unknown loss 'minmax'; did you mean 'minimax'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
