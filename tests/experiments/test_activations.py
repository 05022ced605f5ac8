"""Saturation, dying ReLUs and outputs around zero, at a reduced size."""

import numpy as np
import pytest

import zoo.functional as F
from experiments.activations import DEEP, Config, main, picture

SEEDS = 5  # for what is left to chance


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cfg = Config(
        width=16,
        depth=4,
        steps=60,
        batch_size=32,
        rates=(0.3, 1.0),
        shift_rates=(1.0, 3.0),
        run=str(folder),
    )
    return folder, main(cfg)


@pytest.fixture
def numbers(run):
    return run[1]


def seeds(numbers, name):
    return np.array([numbers[f"{name}/{i}"] for i in range(SEEDS)])


def test_relus_die_at_a_large_rate_and_leaky_ones_do_not(numbers):
    relu = seeds(numbers, "relu/dead")
    assert (relu > 0.2).sum() >= 4, relu
    np.testing.assert_array_equal(seeds(numbers, "leaky_relu/dead"), 0)


def test_outputs_around_zero_are_ahead_after_equal_steps(numbers):
    """The same function at the start; the same grid, each at its best rate."""
    first = [numbers[f"shift/{name}/first"] for name in ("sigmoid", "centred")]
    np.testing.assert_allclose(*first, rtol=1e-5)
    plain, centred = (
        seeds(numbers, f"shift/{name}/loss") for name in ("sigmoid", "centred")
    )
    assert (centred < plain).sum() >= 4, (centred, plain)
    assert abs(numbers["shift/centred/mean"]) < 0.1 < numbers["shift/sigmoid/mean"]


def test_gradients_of_a_units_weights_share_their_sign(numbers):
    """Where all inputs are positive; where they are of both signs, hardly ever."""
    assert numbers["signs/pixels from 0 to 1"] == 1
    assert numbers["signs/outputs of sigmoid"] == 1
    assert numbers["signs/pixels less their mean"] < 0.01
    assert numbers["signs/outputs of sigmoid less 1/2"] < 0.01


def test_deep_sigmoids_do_not_learn_in_the_time_of_tanh(numbers):
    assert numbers["sigmoid/loss"] > 2.1  # a guess has log 10 = 2.3
    assert numbers["tanh/loss"] < 1.5 and numbers["tanh/accuracy"] > 0.5


def test_saturation_is_a_share(numbers):
    shares = [numbers[f"{name}/saturated/{i}"] for name in DEEP for i in range(1, 5)]
    assert min(shares) >= 0 and max(shares) <= 1
    for i in range(1, 5):  # half of a ReLU's line is flat, far less of an ELU's
        assert numbers[f"relu/saturated/{i}"] > 0.4 > numbers[f"elu/saturated/{i}"], i


def test_picture_has_all_activations():
    titles = {axes.get_title() for axes in picture().axes} - {""}
    assert titles == {*F.ACTIVATIONS, *F.JACOBIANS}


def test_report(run):
    page = (run[0] / "report.html").read_text()
    assert page.count("<figure") == 5 and page.count("<table") == 4


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"depth": 1}, "depth must be 2 or more, got 1"),
        ({"seeds": 0}, "seeds must be positive, got 0"),
        ({"rates": ()}, r"rates must be positive numbers, got \(\)"),
        ({"shift_rates": (0.1, -1.0)}, "shift_rates must be positive numbers"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
