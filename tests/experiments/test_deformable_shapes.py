"""Shapes and twins; that deformable nets tell them apart is a row, and slow."""

import numpy as np
import pytest

from experiments.deformable_shapes import (
    CLASSES,
    Config,
    _places,
    main,
    shapes,
)


@pytest.mark.slow  # two minutes of a core; also a row of `benchmarks.claims`
def test_nets_that_move_their_places_tell_twins_apart(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    of = lambda net: np.array([numbers[f"{net}/{seed}"] for seed in range(5)])
    moving, *rivals = map(of, ("deformable", "plain", "wider"))
    assert sum(moving > np.maximum(*rivals) + 0.05) >= 4, (moving, rivals)


def test_runs_to_its_report(tmp_path, capsys):
    small = dict(side=16, examples=32, steps=2, batch_size=8, seeds=1)
    numbers = main(Config(**small, nets=("deformable",), run=str(tmp_path)))
    assert abs(numbers["follows/0"]) <= 1
    assert f"{numbers['deformable/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_twins_are_mirror_images():
    """Not turned, as large as can be, without noise; and no two classes are alike."""
    made = shapes(Config(examples=8, turn=0, grow=1, noise=0, side=20), 0)
    assert made["size"] == pytest.approx(0.42 * 20)
    x = [made["x"][made["y"] == c][0, :, :, 0] for c in range(len(CLASSES))]
    for one, twin in ((0, 1), (2, 3)):
        np.testing.assert_allclose(x[one], x[twin][:, ::-1], atol=1e-5)
        assert all(np.abs(x[one] - np.rot90(x[twin], k)).max() > 0.5 for k in range(4))
    scaled = shapes(Config(examples=64, grow=3.0), 0)["size"]
    assert 2 < scaled.max() / scaled.min() <= 3


def test_places_without_offsets_are_a_kernel_of_five_pixels():
    """Where the image is brightest; a step in the first layer is two pixels of it."""
    x = np.zeros((1, 16, 16, 1))
    x[0, 4, 9] = 1  # next to the second layer's pixel (1, 2)
    offsets = np.zeros((1, 4, 4, 18))
    offsets[0, 1, 2, -1] = 0.5  # the last place, half a step to the right
    places = _places(offsets, x)[0]
    assert places.min(0).tolist() == [2, 6] and places.max(0).tolist() == [6, 11]
    assert places[4].tolist() == [4, 8]


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="grow be 1 or more, got 180.0, 0.1 and 0.5"):
        main(Config(grow=0.5, run=str(tmp_path)))
    with pytest.raises(ValueError, match="nets must have deformable among them"):
        main(Config(nets=("plain",), run=str(tmp_path)))
    with pytest.raises(ValueError, match="unknown net 'plane'; did you mean"):
        main(Config(nets=("plane",), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
