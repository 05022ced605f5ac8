"""Saturation, dying ReLUs and outputs around zero, at a reduced size."""

import numpy as np
import pytest

import zoo.functional as F
from experiments import activations
from experiments.activations import Config, main, picture
from zoo.training import figures

DEEP = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")  # fewer, to compile sooner
LAYERS, SEEDS = 4, 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The report's page and the numbers; the picture has a test of its own."""
    folder = tmp_path_factory.mktemp("run")
    cfg = Config(
        width=16, depth=LAYERS, steps=60, batch_size=32, rates=(0.3, 1.0),
        run=str(folder),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations, "DEEP", DEEP)
        patch.setattr(activations, "PAIR_RATES", (1.0, 3.0))
        line = {"picture": {"a line": ([0.0, 1.0], [0.0, 1.0])}}
        patch.setattr(activations, "picture", lambda: figures.panels(line))
        numbers = main(cfg)
    return (folder / "report.html").read_text(), numbers


@pytest.fixture
def numbers(run):
    return run[1]


def each(numbers, name, count=SEEDS):
    return np.array([numbers[f"{name}/{i}"] for i in range(count)])


def test_relus_die_at_a_large_rate_and_leaky_ones_do_not(numbers):
    relu = each(numbers, "relu/dead")
    assert (relu > 0.1).sum() >= 4, relu
    np.testing.assert_array_equal(each(numbers, "leaky_relu/dead"), 0)


def test_outputs_around_zero_are_ahead_after_equal_steps(numbers):
    """The same function at the start; the same grid, each at its best rate."""
    first = [numbers[f"shift/{name}/first"] for name in ("sigmoid", "centred")]
    np.testing.assert_allclose(*first, rtol=1e-5)
    plain, centred = (
        each(numbers, f"shift/{name}/loss") for name in ("sigmoid", "centred")
    )
    assert (centred < plain).sum() >= 4, (centred, plain)
    assert abs(numbers["shift/centred/mean"]) < 0.1 < numbers["shift/sigmoid/mean"]


def test_deep_sigmoids_do_not_learn_in_the_time_of_tanh(numbers):
    assert numbers["sigmoid/loss"] > 2.1  # a guess has log 10 = 2.3
    assert numbers["tanh/loss"] < 1.5


def test_saturation_is_a_share(numbers):
    shares = {name: each(numbers, f"{name}/saturated", LAYERS) for name in DEEP}
    assert all(((s >= 0) & (s <= 1)).all() for s in shares.values())
    # Half of a ReLU's line is flat, far less of an ELU's.
    assert min(shares["relu"]) > 0.4 > max(shares["elu"]), shares


def test_picture_has_all_activations():
    drawn = {axes.get_title(): axes for axes in picture().axes if axes.get_title()}
    assert set(drawn) == {*F.ACTIVATIONS, *F.JACOBIANS}
    for name, at in (("softmax", 0.25), ("maxout", 0.0), ("sign", 1.0)):
        line = drawn[name].lines[-1]
        assert np.interp(0.01, *line.get_data()) == pytest.approx(at, abs=1e-3), name


def test_report(run):
    assert run[0].count("<figure") == 5 and run[0].count("<table") == 2


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"depth": 1}, "depth must be 2 or more, got 1"),
        ({"seeds": 0}, "seeds must be 1 or more, got 0"),
        ({"rates": ()}, r"rates must be positive numbers, got \(\)"),
        ({"rates": (0.1, -1.0)}, "rates must be positive numbers"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
