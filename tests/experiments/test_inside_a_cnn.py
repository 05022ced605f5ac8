"""What the experiment on the inside of a CNN claims; at full length where slow."""

import numpy as np
import pytest

from experiments.inside_a_cnn import Config, hide, main


@pytest.mark.slow  # a minute of a core; also a row of `benchmarks.claims`
def test_what_is_salient_matters_and_what_is_made_up_excites(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
    own, another, chance = map(of, ("hidden, its own", "hidden, another's",
                                    "hidden, by chance"))  # fmt: skip
    others = np.minimum(another, chance)
    assert sum(own < others - 0.01) >= 4, (own, another, chance)
    assert sum(of("above") == 10) >= 4, of("above")


def test_nothing_is_led_back_beyond_what_a_unit_sees(tmp_path, capsys):
    small = dict(steps=30, ascent=20, batch_size=25, learning_rate=3e-3, seeds=1)
    numbers = main(Config(**small, channels=(3,), run=str(tmp_path)))
    assert numbers["outside"] == 0
    assert numbers["hidden, its own/0"] < numbers["accuracy/0"]
    assert f"{numbers['accuracy/0']:.4g}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 6 and page.count("<table") == 1


def test_hides_the_largest():
    x = np.arange(1.0, 9).reshape(2, 2, 2, 1)
    order = np.array([[[3, 1], [0, 2]], [[0, 0], [5, 1]]])
    hidden = hide(x, order, 0.5).reshape(2, 4)
    assert hidden.tolist() == [[0, 2, 3, 0], [5, 6, 0, 0]]


def test_flags(tmp_path):
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\), got 1"):
        main(Config(share=1.0, run=str(tmp_path)))
    with pytest.raises(ValueError, match="seeds must be positive, got 0"):
        main(Config(seeds=0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
