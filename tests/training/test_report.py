"""Reports: valid, self-contained, escaped, the same each time."""

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import zoo.training.report as module
from zoo.training.report import Report

VOID = {"meta", "img"}
NASTY = "<script>alert('1 & \"2\"')</script>"


class Page(HTMLParser):
    """What is in a page; it fails on a tag that is not closed in order."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.sources, self.words = [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names)
        assert "href" not in names and not any(n.startswith("on") for n in names)
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name == "src"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


def plot(points=3):
    figure = Figure(figsize=(4, 3))
    figure.add_subplot().plot(np.arange(points), np.sin(np.arange(points)), "o")
    return figure


def full_report():
    report = Report("Title", "Subtitle", {"commit": "abc", "steps": 20_000})
    report.heading("Section").text("One.\n\nTwo.")
    report.table(["name", "loss"], [("a", 0.25), ("b", None)], "A table.")
    return report.figure(plot(), "A plot.", "plot").figure(plot(4))


def decode(source):
    kind, data = re.fullmatch(r"data:image/([\w+]+);base64,(.*)", source).groups()
    return kind, base64.b64decode(data, validate=True)


def test_page_is_balanced_self_contained_and_complete(tmp_path):
    path = tmp_path / "new" / "report.html"
    assert full_report().write(path) == path
    page = Page(path)
    assert page.source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert '<meta charset="utf-8">' in page.source
    assert "width=device-width" in page.source
    for tag in ("html", "head", "title", "body", "main", "header", "h1", "dl"):
        assert page.tags.count(tag) == 1, tag
    assert page.tags.count("p") == 1 + 2 + 1  # subtitle, text, the table's caption
    assert page.tags.count("figcaption") == 1
    for word in ("Title", "Subtitle", "abc", "20,000", "Section", "One.", "Two.",
                 "name", "0.25", "–", "A table.", "A plot."):  # fmt: skip
        assert word in page.text, word
    assert len(page.sources) == 2
    # Nothing is fetched from anywhere, by the style sheet neither.
    rest = re.sub(r'src="data:[^"]*"', "", page.source)
    assert not re.search(r"https?:|//|url\(|@import|<link|<script|src=", rest)
    assert sorted(p.name for p in path.parent.iterdir()) == ["figures", "report.html"]
    png = path.parent / "figures" / "plot.png"
    assert [p for p in png.parent.iterdir()] == [png]
    assert png.read_bytes().startswith(b"\x89PNG")


def test_light_dark_narrow_wide():
    style = module.STYLE
    assert style.count("{") == style.count("}")
    assert "prefers-color-scheme: dark" in style and "color-scheme: light dark" in style
    assert re.search(r"\.scroll \{ overflow-x: auto", style)
    defined = set(re.findall(r"(--\w+):", style))
    assert set(re.findall(r"var\((--\w+)\)", style)) == defined
    dark = style.split("prefers-color-scheme: dark", 1)[1].split("} }")[0]
    assert set(re.findall(r"(--\w+):", dark)) == defined  # no colour is forgotten


def test_ink_can_be_read_on_its_page():
    """WCAG's contrast of text, 4.5 at least, in light and in dark."""
    pairs = re.findall(r"(--\w+): (#\w{6})", module.STYLE)
    light, dark = dict(pairs[:6]), dict(pairs[6:12])

    def luminance(colour):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for theme in (light, dark):
        for ink in ("--ink", "--soft", "--accent"):
            for ground in ("--page", "--band"):
                low, high = sorted((luminance(theme[ink]), luminance(theme[ground])))
                assert (high + 0.05) / (low + 0.05) > 4.5, (ink, ground)


def test_everything_is_escaped(tmp_path):
    report = Report(NASTY, NASTY, {NASTY: NASTY}).heading(NASTY).text(NASTY)
    report.table([NASTY], [[NASTY]], NASTY).figure(plot(), NASTY)
    page = Page(report.write(tmp_path / "report.html"))
    assert "script" not in page.tags and "<script" not in page.source
    # title, h1, subtitle, dt, dd, h2, p, th, td, two captions
    assert page.text.count(NASTY) == 11
    braces = Report("{title} {0} %s").text("{body}")
    assert "{title} {0} %s" in Page(braces.write(tmp_path / "b.html")).text


def test_figures_are_svg_whose_ids_cannot_clash(tmp_path):
    page = Page(full_report().write(tmp_path / "report.html"))
    for source in page.sources:
        kind, data = decode(source)
        assert kind == "svg+xml"
        assert ElementTree.fromstring(data).tag.endswith("}svg")
        assert b"<dc:date" not in data
    assert not re.search(r'\sid="', page.source)  # each SVG is a document of its own


def test_a_huge_svg_gives_way_to_a_png(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SVG_LIMIT", 1000)
    page = Page(full_report().write(tmp_path / "report.html"))
    for source in page.sources:
        kind, data = decode(source)
        assert kind == "png" and data.startswith(b"\x89PNG")


def test_same_calls_same_bytes(tmp_path):
    first = full_report().write(tmp_path / "a.html").read_bytes()
    report = full_report()
    assert report.write(tmp_path / "b.html").read_bytes() == first
    assert report.write(tmp_path / "b.html").read_bytes() == first  # over itself


def test_a_figure_is_drawn_as_it_was_when_added(tmp_path):
    figure = plot()
    report = Report("t").figure(figure)
    figure.axes[0].plot([0, 1], [5, -5])
    later = Report("t").figure(figure)
    fresh = Report("t").figure(plot())
    then, now, again = (
        Page(r.write(tmp_path / "t.html")).sources for r in (report, later, fresh)
    )
    assert then == again != now


def cells(tmp_path, value, name="loss"):
    report = Report("t").table([name], [[value]])
    source = Page(report.write(tmp_path / "t.html")).source
    head = re.search(r"<th scope=\"col\"(.*?)>", source)
    cell = re.search(r"<td(.*?)>(.*?)</td>", source)
    assert head[1] == cell[1].replace(' class="long"', "")
    return cell[1], cell[2]


@pytest.mark.parametrize(
    "value, text",
    [
        (3, "3"),
        (9999, "9999"),
        (60_000, "60,000"),
        (0.123456, "0.1235"),
        (1e-4, "0.0001"),
        (2.5e-6, "2.5e-06"),
        (123456.7, "123,457"),
        (1e12, "1e+12"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (None, "–"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.array(0.25), "0.25"),
        (jnp.asarray(0.75), "0.75"),
        ("0.910 ± 0.020", "0.910 ± 0.020"),
        ("93.1 %", "93.1 %"),
        ("1e-3", "1e-3"),
        ("nan", "nan"),
    ],
)
def test_numbers_are_short_and_aligned(tmp_path, value, text):
    assert cells(tmp_path, value) == (' class="number"', text)


@pytest.mark.parametrize("value", ["adam", True, np.True_, (1, 2), "3 layers", "0.1x"])
def test_other_cells_are_text(tmp_path, value):
    assert cells(tmp_path, value) == ("", str(value))


def test_a_column_with_a_word_in_it_is_text_and_a_long_cell_may_wrap(tmp_path):
    report = Report("t").table(["a", "b"], [(1, "x " * 40), ("none", "y")])
    source = Page(report.write(tmp_path / "t.html")).source
    assert "<td>1</td>" in source and source.count('class="long"') == 1


def test_an_empty_table_and_an_empty_report(tmp_path):
    page = Page(Report("t").table(["a"], []).write(tmp_path / "t.html"))
    assert "td" not in page.tags and "th" in page.tags
    page = Page(Report("t").write(tmp_path / "t.html"))
    assert "dl" not in page.tags and "p" not in page.tags


def test_show_prints_what_it_adds(tmp_path, capsys):
    rows = [("[a]", 0.123456), ("b", 7)]
    report = Report("t").show(["name", 1], iter(rows), "A [caption].")
    same = Report("t").table(["name", 1], rows, "A [caption].")
    written = [r.write(tmp_path / f"{i}.html") for i, r in enumerate((report, same))]
    assert written[0].read_bytes() == written[1].read_bytes()
    lines = [line.split() for line in capsys.readouterr().out.strip().splitlines()]
    table = [["name", "1"], ["[a]", "0.1235"], ["b", "7"]]
    assert lines == [["A", "[caption]."], *table]


def test_refuses_ragged_rows():
    with pytest.raises(ValueError, match=r"rows\[1\] must have 2 cells.* got 3"):
        Report("t").table(["a", "b"], [(1, 2), (1, 2, 3)])


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b", "é", "a\n"])
def test_refuses_a_name_that_is_no_files_name(name):
    with pytest.raises(ValueError, match="name must be a file's name"):
        Report("t").figure(plot(), name=name)


def test_refuses_a_name_twice():
    with pytest.raises(ValueError, match="name must be new in this report, got 'a'"):
        Report("t").figure(plot(), name="a").figure(plot(), name="a")


def test_methods_return_the_report():
    report = Report("t")
    assert report.heading("h") is report is report.text("t")
    assert report.table(["a"], []) is report is report.figure(plot())
    assert report.show(["a"], [], "Nothing.") is report


def test_importing_loads_no_matplotlib():
    code = (
        "import sys, zoo.training.figures, zoo.training.report;"
        "sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


GIF = b"GIF89a" + bytes(20)


def test_a_film_is_shown_and_kept(tmp_path):
    path = Report("Title").film(GIF, "It moves", "film").write(tmp_path / "report.html")
    page = Page(path)
    (source,) = page.sources
    assert source == "data:image/gif;base64," + base64.b64encode(GIF).decode()
    assert "It moves" in page.text
    assert (tmp_path / "figures" / "film.gif").read_bytes() == GIF


def test_a_film_is_refused():
    report = Report("Title").film(GIF, name="film")
    with pytest.raises(ValueError, match="gif must be the bytes of a GIF, got b'PNG1'"):
        report.film(b"PNG1")
    with pytest.raises(ValueError, match="name must be new in this report, got 'film'"):
        report.figure(plot(), name="film")
    with pytest.raises(ValueError, match="name must be a file's name"):
        report.film(GIF, name="a/b")
