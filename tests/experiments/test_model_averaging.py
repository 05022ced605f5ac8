"""What the experiment on averaging claims, with fewer steps."""

import numpy as np
import pytest

from experiments.model_averaging import Config, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_answers_and_paths_may_be_averaged_but_not_weights_of_two_runs(
    tmp_path, capsys
):
    numbers = main(Config(steps=200, run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
    last, path = of("last/loss"), of("path/loss")
    assert sum(path < last) >= 4, (path, last)
    assert sum(numbers["answers"] > of("last")) >= 4, (numbers["answers"], of("last"))
    assert numbers["answers/loss"] < last.mean()  # as Jensen's inequality has it
    assert numbers["weights"] < of("last").min() - 0.2, numbers["weights"]
    assert f"{of('path')[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="seeds must be 2 or more, got 1"):
        main(Config(seeds=1, run=str(tmp_path)))
    with pytest.raises(ValueError, match="rate must be positive, got 0"):
        main(Config(rate=0.0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
