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


def test_sensitivity_s_axis_ends_where_it_is_told(tmp_path):
    """One run that went off would press all others flat."""
    mean = np.array([0.5, 2.0, 1e22])
    figure = figures.sensitivity([0.1, 1.0, 10.0], {"a": (mean,) * 3}, top=3.0)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and axes.get_ylim() == (0.45, 3.0)
    wild = figures.sensitivity([0.1], {"a": ([np.inf],) * 3}, top=3.0)
    assert wild.axes[0].get_ylim() == (1.35, 3.0)
    figure.savefig(tmp_path / "t.svg")


def test_sensitivity_refuses():
    with pytest.raises(ValueError, match="best must be 'min' or 'max', got 'least'"):
        figures.sensitivity([1.0], {}, best="least")
    with pytest.raises(ValueError, match="rates must be > 0"):
        figures.sensitivity([0.0, 1.0], {})
    with pytest.raises(ValueError, match=r"series\['a'\] must be 4 arrays"):
        figures.sensitivity([1.0, 2.0], {"a": ([1.0], [1.0], [1.0])})


def test_a_long_legend_is_all_in_the_picture(tmp_path):
    series = {f"an optimizer of long name {i}": ([0, 1], [1, i]) for i in range(27)}
    figure = figures.curves(series, "step", "loss")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.y0 >= 0 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1
    assert figure.axes[0].bbox.width > 250  # and leaves room for the lines


def test_landscapes(tmp_path):
    x, y = np.arange(4.0), np.arange(3.0)
    values = 1 + x + y[:, None]
    path = np.array([[3.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    panel = dict(x=x, y=y, values=values, path=path, xlabel="90%", ylabel="5%")
    wild = panel | {"path": np.full((3, 2), np.nan)}
    figure = figures.landscapes({"a": panel, "b": panel, "c": wild, "d": panel})
    assert len(figure.axes) == 6  # two rows of three
    shown = figure.axes[0]
    assert (shown.get_title(), shown.get_xlabel(), shown.get_ylabel()) == (
        "a", "90%", "5%",
    )  # fmt: skip
    way, square, star = shown.lines
    np.testing.assert_array_equal(way.get_xydata(), path)
    assert (square.get_marker(), star.get_marker()) == ("s", "*")
    np.testing.assert_array_equal(square.get_xydata(), path[:1])
    np.testing.assert_array_equal(star.get_xydata(), path[-1:])
    assert [text.get_text() for text in figure.axes[2].texts] == ["diverged"]
    figure.savefig(tmp_path / "t.svg")
    with pytest.raises(ValueError, match=r"values of a must be \[4, 3\]"):
        figures.landscapes({"a": panel | {"x": y, "y": x}})


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
