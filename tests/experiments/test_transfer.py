"""What the experiment on transfer claims; at full length where slow."""

import numpy as np
import pytest

from experiments.transfer import Config, main


@pytest.mark.slow  # two minutes of a core; also a row of `benchmarks.claims`
def test_a_near_task_helps(tmp_path):
    numbers = main(Config(sizes=(5,), learns=("all",), run=str(tmp_path)))
    of = lambda kind: np.array([numbers[f"{kind}/5/{seed}"] for seed in range(5)])
    near, scratch, far = map(of, ("digits/all", "scratch", "scrambled/all"))
    assert sum(near > np.maximum(scratch, far)) >= 4, (near, scratch, far)


def test_what_is_frozen_is_not_forgotten_and_what_is_free_is(tmp_path, capsys):
    small = dict(sources=("digits",), learns=("all", "head"), sizes=(5,), seeds=1)
    steps = dict(first_steps=60, steps=30, batch_size=16, rates=(3e-3,))
    numbers = main(Config(**small, **steps, run=str(tmp_path)))
    lost = lambda kind: numbers[f"digits/{kind}/5/forgotten/0"]
    assert lost("head") == 0  # what is frozen stays, to the bit
    assert lost("all") > 0.02
    assert f"{numbers['scratch/5/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="sizes must be at most 60"):
        main(Config(sizes=(61,), run=str(tmp_path)))
    with pytest.raises(ValueError, match="unknown first task 'digit'; did you mean"):
        main(Config(sources=("digit",), run=str(tmp_path)))
    with pytest.raises(ValueError, match="unknown part that learns 'heads'"):
        main(Config(learns=("heads",), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
