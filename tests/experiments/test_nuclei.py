"""What the experiment of the nuclei does, with a narrow network and few steps."""

import numpy as np
import pytest

from experiments.nuclei import FOUND, Config, apart, main, measured, squares
from zoo.training import Machine

SMALL = dict(crop=32, steps=60, width=8, learning_rate=0.01)


def test_the_other_half_is_found(tmp_path, capsys):
    single = Machine(parallel="single")
    numbers = main(Config(**SMALL, run=str(tmp_path), progress=False, machine=single))
    assert numbers["dice"] > 0.75  # all a nucleus: 0.4; in 200 wider steps 0.9
    assert numbers["nuclei"] == 18 and numbers["watershed/found"] > 8
    assert numbers["watershed/f1"] > 0.3 and numbers["components/ap"] > 0
    assert f"{numbers['dice']:.4f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_nuclei_as_wholes():
    truth = np.zeros((8, 12), np.int32)
    truth[1:5, 1:5], truth[1:5, 6:10], truth[6:, 1:5] = 1, 2, 3
    sure = np.ones(truth.shape)
    perfect = measured(truth, truth, sure)
    assert perfect["f1"] == perfect["ap"] == 1 and truth.max() < FOUND
    found = np.where(truth == 3, 0, truth)
    found[1:4, 6:10] = 0  # of the second a quarter is left
    told = measured(found, truth, sure)
    assert told["f1"] == pytest.approx(2 / 5)  # one hit of two found and three there
    assert not measured(0 * truth, truth, sure)["f1"]


def test_touching_nuclei_leave_a_gap_and_squares_are_cut():
    instances = np.zeros((16, 20), np.int32)
    instances[2:9, 2:9], instances[2:9, 9:15] = 5, 9
    cut = apart(instances)
    assert not cut[:, 8:10].any() and (cut[2:9, 7] == 5).all()
    x = instances.astype(np.float32)
    stream = squares(x, cut, 8, 6, seed=3)
    batch = stream.at(2)
    assert batch["x"].shape == (6, 8, 8, 1) and batch["instances"].max() <= 2
    np.testing.assert_array_equal(batch["y"], batch["instances"] > 0)
    np.testing.assert_array_equal(stream.rows(2, 3, 5)["x"], batch["x"][3:5])


@pytest.mark.parametrize(
    "flags, message",
    [
        (dict(crop=20), "crop must be a multiple of 8 of at most 128 pixels, got 20"),
        (dict(crop=136), "at most 128 pixels, got 136"),
        (dict(sigma=0.0), "sigma must be positive, got 0"),
    ],
)
def test_flags(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
