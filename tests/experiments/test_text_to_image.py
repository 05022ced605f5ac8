"""The experiment on captions: what they say is so; its claim where it is slow."""

import jax
import numpy as np
import pytest

from experiments.text_to_image import (
    PARTS,
    WORDS,
    Config,
    Painter,
    Reader,
    main,
    pictures,
    spoken,
)


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_what_is_made_is_what_was_said(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    for part, words in PARTS.items():
        made, shuffled = (numbers[f"{part}/{k}/0"] for k in ("made", "shuffled"))
        assert made > 0.7 and abs(shuffled - 1 / len(words)) < 0.1, part
    assert numbers["apart/0"] > 0.1
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_captions_say_what_is_seen():
    """Of the picture itself: where it is lit, and what colour is strongest."""
    found = pictures(0, 60)
    x, y = (found["x"] + 1) / 2, found["y"]
    assert x.shape == (60, 16, 16, 3) and 0 <= x.min() and x.max() <= 1
    assert y.shape == (60, 3) and set(y[:, 0]) == {0, 1, 2}
    light = x.sum(-1)
    rows, columns = np.mgrid[:16, :16] - 7.5
    of = lambda axis: (light > 0.1).astype(float).reshape(60, -1) @ axis.ravel()
    colour = y[:, 1] - len(PARTS["shape"])
    assert (x.sum((1, 2)).argmax(1) == colour).all()
    place = y[:, 2] - len(PARTS["shape"]) - len(PARTS["colour"])
    guess = 2 * (of(rows) > 0) + (of(columns) > 0)
    assert (guess == place).mean() > 0.85  # of triangles it is not the box's
    again = pictures(0, 3)
    np.testing.assert_array_equal(again["x"], found["x"][:3])


def test_words_reach_both_players():
    words = spoken(np.random.default_rng(0), 50)
    assert words.shape == (50, 3) and words.max() < len(WORDS)
    firsts = np.cumsum([0] + [len(w) for w in PARTS.values()])
    for i in range(3):
        assert set(words[:, i]) == set(range(firsts[i], firsts[i + 1]))
    z, x = np.ones((2, 4), "f"), np.ones((2, 16, 16, 3), "f")
    for module, given in ((Painter(4, 4), z), (Reader(4), x)):
        given = {"x": given, "y": words[:2]}
        told, _ = jax.jit(module.init_with_output)(jax.random.key(0), given)
        a, b = np.asarray(told)
        assert np.abs(a - b).max() > 1e-4, module


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"scenes": 10}, "scenes as many as batch_size, got .* 10 and 64"),
        ({"width": 0}, "width must be positive"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
