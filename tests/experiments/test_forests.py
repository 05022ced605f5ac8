"""The experiment on forests keeps what its docstring promises, at a reduced size."""

import pytest

from experiments.forests import Config, main


def test_claim(tmp_path, capsys):
    numbers = main(Config(trees=40, rounds=8, run=str(tmp_path)))
    scores = [numbers[f"{seed}/forest"] for seed in range(5)]
    bags = [numbers[f"{seed}/bag"] for seed in range(5)]
    print("forests", *(f"{v:.4f}" for v in scores), "bag", *(f"{v:.4f}" for v in bags))
    assert sum(v > numbers["tree"] + 0.15 for v in scores) >= 4
    assert sum(b > v for b, v in zip(bags, scores, strict=True)) >= 4
    assert numbers["tree"] + 0.05 < numbers["boosting"] < max(scores)
    page, shown = (tmp_path / "report.html").read_text(), capsys.readouterr().out
    assert page.count("<figure") == 2 and f"{numbers['boosting']:.4f}" in page
    assert f"{scores[4]:.4f}" in shown and f"{bags[4]:.4f}" in shown
    for name in ("forest", "importances"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 3_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"trees": 0}, "trees must be >= 1, got 0"),
        ({"seeds": 0}, "seeds must be >= 1, got 0"),
        ({"depth": 0}, "depth must be >= 1, got 0"),
        ({"rate": 0.0}, r"rate must be a number in \(0, 1\]"),
        ({"data": "diabetes"}, "must have classes, but diabetes's target is a number"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
