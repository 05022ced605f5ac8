"""The experiment on what is lost of pictures: films, and its claim where it is slow."""

import numpy as np
import pytest

from experiments.restoration import Config, filled, main, middle, padded, restored


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_networks_restore_more_than_interpolation(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    for task, plain in (("super_resolution", "bicubic"), ("inpainting", "biharmonic")):
        of = lambda what, kind, task=task: numbers[f"{what}/{task}/{kind}/0"]
        alone, judged = (of("psnr", kind) for kind in ("alone", "judged"))
        assert min(alone, judged) > of("psnr", plain) + 0.5
        assert of("sharp", "judged") > of("sharp", "alone") + 0.03
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_films_of_what_is_linear_are_what_it_was():
    """Saddles are harmonic; of the two films only the biharmonic one keeps r c^2."""
    r, c = np.mgrid[:20, :20] / 19 - 0.5
    y = np.float32(np.stack([r - c, 2 * r * c, r**2 - c**2, 8 * r * c**2]))[..., None]
    y, where = y.clip(-1, 1), slice(5, 15)
    spoiled = y.copy()
    spoiled[:, where, where] = 7
    film, plate = (filled(spoiled, where, order) for order in (1, 2))
    np.testing.assert_allclose(film[:3], y[:3], atol=1e-5)
    np.testing.assert_allclose(plate, y, atol=1e-4)
    assert abs(film[3] - y[3]).max() > 0.01
    assert (spoiled[:, where, where] == 7).all()  # it was not written to


@pytest.mark.reference
def test_the_biharmonic_film_is_scikit_images():
    from skimage.restoration import inpaint_biharmonic

    y = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 14, 14, 1)).astype("f")
    y[:, 0, :2, 0] = -1, 1  # it clips to the least and the most of the rest
    lost = np.zeros((14, 14), bool)
    lost[4:9, 4:9] = True
    for picture, found in zip(y, filled(y, slice(4, 9), 2), strict=True):
        expected = inpaint_biharmonic(np.float64(picture[..., 0]), lost)
        np.testing.assert_allclose(found[..., 0], expected, atol=1e-4)


def test_what_is_lost_is_lost():
    x = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 1), np.uint8)
    y = padded(x)
    assert y.shape == (2, 32, 32, 1)
    where, other = middle(14), y.copy()
    assert (where.start, where.stop) == (9, 23)
    other[:, where, where] = 0
    one, same = (restored("inpainting", "harmonic", p, 14) for p in (y, other))
    np.testing.assert_array_equal(one, same)
    kept = restored("super_resolution", "bicubic", np.full_like(y, 0.5), 14)
    np.testing.assert_allclose(kept, 0.5, atol=1e-5)
    blocks = y.reshape(2, 8, 4, 8, 4).mean((2, 4))
    shuffled = y.reshape(2, 8, 4, 8, 4)[:, :, ::-1, :, ::-1].reshape(y.shape)
    a, b = (restored("super_resolution", "bicubic", p, 14) for p in (y, shuffled))
    np.testing.assert_allclose(a, b, atol=1e-5)  # of a square its mean is left
    assert a.std() > 0.1 * blocks.std()


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"tasks": ("inpaint",)}, "unknown task 'inpaint'; did you mean 'inpainting'"),
        ({"hole": 10}, "hole from 11 to 24 pixels, got .* and 10"),
        ({"weight": 0.0}, "weight must be positive, got 0.0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
