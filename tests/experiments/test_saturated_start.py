"""The claim of the saturated start, on fewer rates, fewer steps and a smaller net."""

import pytest

from experiments.saturated_start import SHOWN, Config, main

SMALL = dict(width=12, steps=90, rates=4, least_rate=1e-2, largest_rate=1.0)

pytestmark = pytest.mark.xdist_group("saturated_start")  # one worker, so one run


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    found = main(Config(run=str(folder), **SMALL))
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 1 + 2 * 2
    return found


def test_the_neuron(numbers):
    """At every rate, so also at the best of each."""
    for loss in ("cross-entropy", "quadratic"):
        assert numbers[f"neuron/{loss}/first"] == pytest.approx(0.9820, abs=5e-5)
    assert numbers["neuron/rates won"] == SMALL["rates"]
    assert numbers["neuron/cross-entropy/output"] < 0.01
    assert numbers["neuron/quadratic/output"] > 0.04


@pytest.mark.parametrize("start", ["bias", "weights"])
def test_the_net(numbers, start):
    """Each loss at its best rate: on 4 seeds of 5, at least, fewer errors."""
    errors = {
        loss: [numbers[f"{start}/{loss}/error/{seed}"] for seed in SHOWN]
        for loss in ("cross-entropy", "quadratic")
    }
    print(start, errors)
    pairs = zip(*errors.values(), strict=True)
    assert sum(ours < theirs for ours, theirs in pairs) >= 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"starts": ("biases",)}, "starts must be of bias, weights, got 'biases'"),
        ({"starts": ()}, "starts must name one of bias, weights or more"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"deviation": 0.0}, "deviation must be positive, got 0.0"),
        ({"least_rate": 10.0, "largest_rate": 1.0}, "rates must go from"),
    ],
)
def test_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        main(Config(run=str(tmp_path / "run"), **options))
    assert not (tmp_path / "run").exists()
