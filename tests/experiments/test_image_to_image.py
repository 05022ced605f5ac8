"""The experiment on outlines and photos: its data, and its claim where it is slow."""

import numpy as np
import pytest

import zoo
from experiments.image_to_image import Config, main, pairs, unpaired

NAMES = ("alone", "pix2pix", "cyclegan")


@pytest.mark.slow  # minutes; compiling three learners is most of it
def test_a_discriminator_sharpens_what_pairs_teach(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    of = lambda what: [numbers[f"{what}/{name}/0"] for name in NAMES]
    alone, pix2pix, cyclegan = of("l1")
    assert max(alone, pix2pix) < 0.6 * cyclegan and alone < 0.5 * numbers["l1/mean"]
    assert cyclegan < 0.9 * numbers["l1/mean"] < 0.9 * numbers["l1/outlines"]
    alone, pix2pix, _ = of("sharp")
    assert alone + 0.1 < pix2pix < 1.1
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_pairs_and_no_pairs():
    x = zoo.data.load("fashion_mnist_small").test["x"][:40]
    found = pairs(x)
    assert found["x"].shape == found["y"].shape == (40, 32, 32, 1)
    assert set(np.unique(found["x"])) == {-1, 1}
    np.testing.assert_allclose(found["y"][:, 2:-2, 2:-2], x / 127.5 - 1, atol=1e-6)
    step = np.zeros((1, 28, 28, 1), np.uint8)
    step[:, :, 14:] = 200
    outline = pairs(step)["x"][0, :, :, 0]
    np.testing.assert_array_equal(np.argwhere(outline[5] == 1), [[15]])
    batch = unpaired(found, 5, 0).at(1)
    of = lambda part, name: [
        np.flatnonzero((found[name] == image).all((1, 2, 3)))[0] for image in part["x"]
    ]
    assert max(of(batch["x"], "x")) < 20 <= min(of(batch["y"], "y"))


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"seeds": ()}, "seeds must be one or more"),
        ({"weight": 0.0}, "weight must be positive, got 0.0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
