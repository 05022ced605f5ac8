"""The exact cost, its two proofs, and Sinkhorn's way to it, on coarser pictures."""

import dataclasses

import pytest

from experiments.transport import Config, main


def test_all_ways_meet(tmp_path, capsys):
    cfg = Config(side=7, epsilons=(3.0, 0.3, 0.03, 0.01), run=str(tmp_path))
    numbers = main(cfg)
    exact = numbers["primal"]
    assert 1 < exact < numbers["independent"]
    assert numbers["dual"] == pytest.approx(exact, abs=1e-13)
    assert numbers["lipschitz"] == pytest.approx(exact, abs=1e-13)
    assert numbers["slope"] == pytest.approx(1, abs=1e-12)
    costs = [numbers[f"{epsilon:g}/cost"] for epsilon in cfg.epsilons]
    assert costs == sorted(costs, reverse=True)
    assert exact - 1e-8 < costs[-1] < exact + 2e-3 < costs[0] - 0.5
    assert all(numbers[f"{epsilon:g}/error"] <= 1e-9 for epsilon in cfg.epsilons)
    assert f"{exact:.9f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and f"{exact:.9f}" in page


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"side": 5}, r"side must divide \(28, 28\), got 5"),
        ({"first": -1}, "first must be from 0 to 499"),
        ({"second": 500}, "second must be from 0 to 499"),
        ({"epsilons": (0.1, 1.0)}, "epsilons must be positive and falling"),
        ({"epsilons": (1.0, 0.0)}, "epsilons must be positive and falling"),
        ({"epsilons": ()}, "epsilons must be positive and falling"),
        ({"steps": 0}, "steps must be positive, got 0"),
    ],
)
def test_refuses(flags, message):
    with pytest.raises(ValueError, match=message):
        main(dataclasses.replace(Config(), **flags))
