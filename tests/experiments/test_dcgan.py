"""The experiment on DCGAN: its measures, and its claim at full length where slow."""

import numpy as np
import pytest

from experiments.dcgan import Config, main, nearest, scaled


@pytest.mark.slow  # two minutes of a core; at full size it is a row, `dcgan`
def test_learns_to_draw_all_kinds_of_clothes(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    last = numbers["distance/1500"]
    assert last < 0.6 * numbers["distance/300"] and last < 4
    assert min(numbers[f"share/{c}"] for c in range(10)) > 0.03
    assert numbers["least/samples"] > numbers["least/test"]


def test_pixels_and_what_is_nearest():
    x = scaled(np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28) % 255)
    assert x.shape == (3, 28, 28, 1) and x.dtype == np.float32
    assert x.min() == -1 and x.max() <= 1
    near, at = nearest(x[[2, 0]] + np.float32(0.01), x)
    np.testing.assert_array_equal(at, [2, 0])
    np.testing.assert_allclose(near, 0.28, rtol=1e-2)


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"steps": 12}, "steps must be a multiple of 5, got 12"),
        ({"width": 0}, "width must be positive, got 0"),
        ({"data": "fashion"}, "unknown data set 'fashion'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
