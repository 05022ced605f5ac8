"""What the experiment on overfitting claims, with fewer steps."""

import jax
import numpy as np
import pytest

from experiments.overfitting import Config, augmented, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_dropout_and_augmentation_keep_a_net_from_knowing_by_heart(tmp_path, capsys):
    small = dict(count=100, steps=120, batch_size=25, width=4, hidden=64)
    numbers = main(Config(**small, learning_rate=4e-3, run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
    for kind in ("dropout", "augmentation", "both"):
        lower = of(f"{kind}/loss") < of("nothing/loss")
        assert sum(lower) >= 4, (kind, of(f"{kind}/loss"), of("nothing/loss"))
    smaller = of("augmentation/gap") < of("nothing/gap")
    assert sum(smaller) >= 4, (of("augmentation/gap"), of("nothing/gap"))
    assert min(of("nothing") + of("nothing/gap")) > 0.99  # by heart
    assert f"{of('both')[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_what_comes_in_is_the_border():
    image = np.ones((6, 6, 1), np.float32)
    keys = jax.random.split(jax.random.key(0), 8)
    np.testing.assert_array_equal(
        jax.vmap(augmented, (0, None, None))(keys, image, 2), np.ones((8, 6, 6, 1))
    )


def test_flags(tmp_path):
    with pytest.raises(ValueError, match=r"dropout must be in \(0, 1\), got 1"):
        main(Config(dropout=1.0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
