"""The experiment on editing: its strokes; its claim, at a reduced size, where slow."""

import numpy as np
import pytest

from experiments.image_editing import Config, main, strokes


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_a_guess_and_descent_and_edits_that_stay_pictures(tmp_path):
    seeds = (0, 1, 2, 3, 4)
    numbers = main(
        Config(
            data="digits", latents=16, width=8, steps=600, encoder_steps=300,
            pictures=60, descents=40, seeds=seeds, run=str(tmp_path),
        )
    )  # fmt: skip
    of = lambda name: np.array([numbers[f"{name}/{s}"] for s in seeds])
    others = [of(f"error/{kind}") for kind in ("encoder", "descent", "mean")]
    print(of("error/hybrid"), others)
    assert (of("error/hybrid") < np.min(others, 0)).sum() >= 4
    before, after = of("strokes/before"), of("strokes/pull 0.05")
    assert (after < 0.5 * before).sum() >= 4
    moved = [of(f"moved/pull {pull:g}") for pull in (0.2, 0.05)]
    assert (moved[0] < moved[1]).sum() >= 4  # the pull holds on to what was
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 4 and page.count("<table") == 2


def test_strokes_are_of_the_other_picture():
    x = np.random.default_rng(0).normal(size=(30, 10, 10, 1)).astype("f")
    found = strokes(x, 0.3, 5)
    assert (found.painted.sum((1, 2, 3)) == 9).all()
    assert (found.drawn.sum((1, 2, 3)) >= 10).all()
    assert (found.painted * found.drawn == 0).all()
    np.testing.assert_array_equal(found.colour, x)
    right, down = found.steps[:, 4, 6, 0], found.steps[:, 4, 6, 1]
    np.testing.assert_allclose(right, x[:, 4, 7, 0] - x[:, 4, 6, 0], rtol=1e-5)
    np.testing.assert_allclose(down, x[:, 5, 6, 0] - x[:, 4, 6, 0], rtol=1e-5)
    corners = {tuple(np.argwhere(m[..., 0] == 1)[0]) for m in found.painted}
    assert len(corners) > 15  # by chance, and others with another seed
    assert (strokes(x, 0.3, 6).painted != found.painted).any()


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"pulls": ()}, "seeds and pulls must be one or more"),
        ({"patch": 0.6}, "patch at most 0.5"),
        ({"rates": (0.1, 0.0)}, "rates must be positive"),
        ({"pictures": 501}, "pictures must be at most the 500 of the test set"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
