"""Maps and films of points: what is drawn, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.training.maps import film, maps


def places(n=30):
    return np.random.default_rng(0).normal(size=(n, 2))


def test_maps_draw_each_class_in_each_panel(tmp_path):
    labels = np.arange(30) % 8
    figure = maps({"a": places(), "b": 1e-4 * places()}, labels, list("abcdefgh"))
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["a", "b"]
    for axes, scale in zip(panels, (1, 1e-4), strict=True):
        assert len(axes.collections) == 8
        drawn = np.concatenate([c.get_offsets() for c in axes.collections])
        expected = np.concatenate([scale * places()[labels == c] for c in range(8)])
        np.testing.assert_allclose(drawn, expected)
        low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
        assert (low < drawn.min(0)).all() and (drawn.max(0) < high).all()
        assert np.isclose(*(high - low))  # a square
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list("abcdefgh")
    # The eighth class has the first one's colour, and another marker.
    first, last = (panels[0].collections[i] for i in (0, 7))
    np.testing.assert_array_equal(first.get_facecolor(), last.get_facecolor())
    shapes = [c.get_paths()[0].vertices.shape for c in (first, last)]
    assert shapes[0] != shapes[1]
    figure.savefig(tmp_path / "maps.png")


def test_a_map_without_classes():
    figure = maps({"one": places(), "two": places(), "three": np.zeros((30, 2))})
    assert not figure.legends
    assert [axes.get_title() for axes in figure.axes[:3]] == ["one", "two", "three"]


def test_a_film_moves():
    frames = places()[None] * np.array([1e-4, 1, 30]).reshape(3, 1, 1)
    frames[1] = frames[1, ::-1]
    data = film(frames, np.arange(30) % 2, ["odd", "even"], ["step 0", "1", "2"])
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "GIF" and picture.n_frames == 3
        shown = []
        for i in range(3):
            picture.seek(i)
            shown.append(np.asarray(picture.convert("RGB"), int))
    below = slice(40, None)  # the title is above
    assert abs(shown[0] - shown[1])[below].max() > 100
    # Of another scale it is the same picture: each frame has its own.
    assert (abs(shown[0] - shown[2])[below].max(2) > 60).mean() < 0.01
    assert data == film(
        frames, np.arange(30) % 2, ["odd", "even"], ["step 0", "1", "2"]
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: maps({}), "panels must have at least one map"),
        (
            lambda: maps({"a": places()}, np.zeros(4, int)),
            r"the map 'a' must be \[4, 2\]",
        ),
        (lambda: maps({"a": np.zeros((5, 3))}), r"the map 'a' must be \[5, 2\]"),
        (lambda: film(places()), r"frames must be \[F, N, 2\], got \[30, 2\]"),
        (lambda: film(places()[None], titles=["a", "b"]), "titles must be 1, got 2"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
