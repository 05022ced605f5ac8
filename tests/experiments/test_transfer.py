"""What the experiment on transfer claims, with fewer steps and one size."""

import numpy as np
import pytest

from experiments.transfer import Config, main


def test_a_near_task_helps_and_is_forgotten_where_layers_are_free(tmp_path, capsys):
    small = dict(sources=("digits", "scrambled"), learns=("all", "head"), sizes=(5,))
    steps = dict(first_steps=200, steps=50, batch_size=16, rates=(3e-3,), seeds=2)
    numbers = main(Config(**small, **steps, run=str(tmp_path)))
    of = lambda kind: np.array([numbers[f"{kind}/5/{seed}"] for seed in range(2)])
    near, scratch, far = map(of, ("digits/all", "scratch", "scrambled/all"))
    assert (near > scratch).all(), (near, scratch)
    assert (near > far).all(), (near, far)
    lost = lambda kind: [numbers[f"{kind}/5/forgotten/{seed}"] for seed in range(2)]
    assert lost("digits/head") == [0] * 2  # what is frozen stays, to the bit
    assert min(lost("digits/all")) > 0.05, lost("digits/all")
    assert f"{near.mean():.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="sizes must be at most 60"):
        main(Config(sizes=(61,), run=str(tmp_path)))
    with pytest.raises(ValueError, match="unknown first task 'digit'; did you mean"):
        main(Config(sources=("digit",), run=str(tmp_path)))
    with pytest.raises(ValueError, match="unknown part that learns 'heads'"):
        main(Config(learns=("heads",), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
