"""What the experiment of pixels does, with small scenes and few steps."""

import numpy as np
import pytest

from experiments.segment import Config, main, measured, overlay
from zoo.training import Machine

SMALL = dict(model="fcn8s_small", size=32, steps=20, batch_size=8, test=20)


def test_it_trains_and_reports(tmp_path, capsys):
    single = Machine(parallel="single")
    cfg = Config(**SMALL, progress=False, run=str(tmp_path), machine=single)
    numbers = main(cfg)
    assert numbers["accuracy"] > 0.6  # by chance it would be a quarter
    assert f"{numbers['mean_iou']:.4f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1


def test_numbers_of_what_is_known():
    truth = np.zeros((1, 8, 8), np.int32)
    truth[0, :4] = 1
    perfect = measured(truth, truth)
    assert perfect["mean_iou"] == perfect["boundary_iou"] == perfect["accuracy"] == 1
    numbers = measured(truth, 0 * truth)
    assert numbers["mean_iou"] == pytest.approx(0.25) and numbers["iou/disc"] == 0
    x = np.full((1, 8, 8, 3), 0.5)
    shown = overlay(x, truth)
    np.testing.assert_array_equal(shown[0, 4:], x[0, 4:])
    assert (shown[0, :4, :, 0] > shown[0, :4, :, 1]).all()  # discs are red


@pytest.mark.parametrize(
    "flags, message",
    [
        (dict(model="unet_smal"), "unknown model 'unet_smal'; did you mean 'unet_s"),
        (dict(loss="entropy"), "unknown loss 'entropy'; did you mean 'cross_entropy'"),
        (dict(steps=0), "steps must be positive, got 0"),
        (dict(size=20), "size must be an integer at least 32"),
    ],
)
def test_flags(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
