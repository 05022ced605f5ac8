"""Figures show what they are given, and every line of them can be told apart."""

import numpy as np
import pytest

from zoo.training import figures


def test_curves_draw_what_they_are_given(tmp_path):
    x = np.arange(5)
    series = {f"run {i}": (x, x + i) for i in range(8)}
    series["band"] = (x, x, x - 1, x + 1)
    series["nothing"] = ()
    figure = figures.curves(series, "step", "loss", log=True, title="Runs")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")
    assert [line.get_label() for line in axes.lines] == list(series)[:-1]
    np.testing.assert_array_equal(axes.lines[3].get_ydata(), x + 3)
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 9 and len(axes.collections) == 1
    assert len(figure.legends) == 1  # beside the plot, there are so many
    figure.savefig(tmp_path / "t.svg")


def test_curves_of_one_run_need_no_legend():
    figure = figures.curves({"run": ([0, 1], [1.0, 0.5])}, "step", "loss")
    assert not figure.legends and figure.axes[0].get_legend() is None


@pytest.mark.parametrize("arrays", [([1, 2], [1]), ([1],), ([[1]], [[1]]), ([1],) * 3])
def test_curves_refuse_unequal_arrays(arrays):
    with pytest.raises(ValueError, match=r"series\['a'\] must be 2 or 4 arrays of one"):
        figures.curves({"a": arrays}, "step", "loss")


@pytest.mark.parametrize("best, at", [("min", (0.01, 0.2)), ("max", (0.1, 0.9))])
def test_sensitivity_marks_the_best_and_leaves_out_what_diverged(tmp_path, best, at):
    mean = np.array([0.5, 0.9, 0.2, np.nan, np.inf])
    rates = [0.001, 0.1, 0.01, 1.0, 10.0]  # in any order
    series = {"a": (mean, mean - 0.1, mean + 0.1), "b": [np.full(5, np.nan)] * 3}
    figure = figures.sensitivity(rates, series, "loss", best, log=best == "max")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == {"min": "linear", "max": "log"}[best]
    line, star, _ = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), sorted(rates))
    np.testing.assert_array_equal(line.get_ydata()[:3], [0.5, 0.2, 0.9])
    assert star.get_marker() == "*"
    assert (star.get_xdata()[0], star.get_ydata()[0]) == at
    figure.savefig(tmp_path / "t.svg")


def test_sensitivity_refuses():
    with pytest.raises(ValueError, match="best must be 'min' or 'max', got 'least'"):
        figures.sensitivity([1.0], {}, best="least")
    with pytest.raises(ValueError, match="rates must be > 0"):
        figures.sensitivity([0.0, 1.0], {})
    with pytest.raises(ValueError, match=r"series\['a'\] must be 4 arrays"):
        figures.sensitivity([1.0, 2.0], {"a": ([1.0], [1.0], [1.0])})


def test_confusion_counts():
    truth, called = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    figure = figures.confusion(truth, called, ["a", "b", "c"])
    (axes,) = figure.axes
    # imshow's rows are truth: text of row i, column j stands at (j, i).
    got = {text.get_position(): text.get_text() for text in axes.texts}
    assert got == {(0, 0): "2", (1, 0): "1", (1, 1): "1", (0, 2): "1"}
    share = axes.images[0].get_array()
    np.testing.assert_allclose(share, [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("channels", [1, 3])
def test_gallery(channels):
    images = np.zeros((5, 4, 6, channels), np.uint8)
    images[1] = 255
    figure = figures.gallery(images, list("abcde"))
    shown = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 8 and [a.get_title() for a in shown] == list("abcde")
    assert shown[1].images[0].get_array().min() == 1.0
    with pytest.raises(ValueError, match="titles must be 5, one for each image, got 1"):
        figures.gallery(images, ["a"])
    assert not any(axes.images for axes in figures.gallery(images[:0], []).axes)


def test_panels():
    x, y = np.arange(3), np.array([0.0, np.nan, 2.0])
    plots = {f"plot {i}": {"f": (x, x + i), "slope": (x, y)} for i in range(4)}
    figure = figures.panels(plots, columns=3)
    shown = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title() for axes in shown] == list(plots)
    lines = {line.get_label(): line for line in shown[3].lines}
    np.testing.assert_array_equal(lines["f"].get_ydata(), x + 3)
    np.testing.assert_array_equal(lines["slope"].get_ydata(), y)
    assert lines["f"].get_linestyle() != lines["slope"].get_linestyle()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["f", "slope"]


def test_panels_refuse():
    with pytest.raises(ValueError, match="plots must have at least one plot"):
        figures.panels({})
    with pytest.raises(ValueError, match=r"plots\['a'\]\['b'\] must be 2 arrays"):
        figures.panels({"a": {"b": ([1.0], [1.0, 2.0])}})
