"""A report: one HTML file with text, tables and figures, and nothing outside it.

It reads well on a telephone and on a wide screen, in light and in dark, and on paper.
The same calls write the same bytes: there is no date and no chance in it.
"""

import base64
import html
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # matplotlib is loaded only by those who draw
    from matplotlib.figure import Figure

SVG_LIMIT = 1_500_000  # bytes; a figure of more (a scatter of many points) is a PNG
DPI = 160
NUMBER = r"[-+−]?\d[\d.,]*(e[-+]?\d+)?( ?(±|%).*)?|nan|-?inf"  # texts set as numbers

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5b6470; --page: #fcfcfb;
  --rule: #dfe2e6; --band: #f2f4f5; --accent: #0b62a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --soft: #9ba5b1; --page: #15181c; --rule: #333a42;
    --band: #1d2227; --accent: #6cb6f2; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 17px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "Helvetica Neue", Arial, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; }
header { border-bottom: 1px solid var(--rule); padding-bottom: 1.25rem;
  margin-bottom: 2rem; }
h1 { font-size: clamp(1.7rem, 5vw, 2.4rem); line-height: 1.15; margin: 0;
  letter-spacing: -0.015em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.75rem 0 0.75rem;
  overflow-wrap: anywhere; }
p { max-width: 68ch; margin: 0 0 1rem; white-space: pre-line;
  overflow-wrap: anywhere; }
.subtitle { color: var(--soft); font-size: 1.12rem; margin: 0.6rem 0 0; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr;
  gap: 0.15rem 1.25rem; margin: 1.25rem 0 0; font-size: 0.88rem; }
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
.table, figure { margin: 1.75rem 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; min-width: 100%; font-size: 0.92rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.9rem; text-align: left; vertical-align: baseline;
  white-space: nowrap; }
td.long { white-space: normal; min-width: 14rem; }
th { color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--rule); }
td { border-bottom: 1px solid var(--rule); }
tbody tr:hover { background: var(--band); }
.number { text-align: right; }
.caption, figcaption { color: var(--soft); font-size: 0.9rem; line-height: 1.45;
  max-width: 68ch; margin: 0.6rem 0 0; }
figure img { display: block; width: 100%; max-width: 46rem; height: auto;
  background: #fff; border: 1px solid var(--rule); border-radius: 8px;
  padding: 0.5rem; }
@media (prefers-color-scheme: dark) { figure img { filter: brightness(0.92); } }
@media print { main { max-width: none; padding: 0; } figure, tr {
  break-inside: avoid; } }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
{header}
</header>
{body}
</main>
</body>
</html>
"""


class Report:
    """A page that grows from top to bottom; each method returns the report itself.

    Args:
        title: its name; also the browser's.
        subtitle: one line under it.
        metadata: name -> value, shown under the title: configuration, commit, device.
    """

    def __init__(
        self,
        title: str,
        subtitle: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._title = title
        self._header = [f"<h1>{html.escape(title)}</h1>"]
        if subtitle:
            self._header.append(f'<p class="subtitle">{html.escape(subtitle)}</p>')
        if metadata:
            rows = "\n".join(
                f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(_text(v))}</dd>"
                for k, v in metadata.items()
            )
            self._header.append(f"<dl>\n{rows}\n</dl>")
        self._body: list[str] = []
        self._names: set[str] = set()
        self._pictures: dict[str, bytes] = {}  # file -> its bytes

    def heading(self, text: str) -> "Report":
        """Adds the heading of a section."""
        self._body.append(f"<h2>{html.escape(text)}</h2>")
        return self

    def text(self, text: str) -> "Report":
        """Adds text; an empty line in it ends a paragraph. No markup is read in it."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            self._body.append(f"<p>{html.escape(paragraph.strip())}</p>")
        return self

    def table(
        self, headers: Sequence[str], rows: Iterable[Sequence], caption: str = ""
    ) -> "Report":
        """Adds a table; where it is too wide for the screen, it scrolls.

        Args:
            headers: names of the columns.
            rows: as many cells each: numbers (shown with four digits), texts, or None
                for a cell with nothing in it. A column of numbers, also of texts like
                "0.91 ± 0.02", is aligned right.
            caption: a sentence below it.

        Raises:
            ValueError: a row is longer or shorter than the headers.
        """
        rows = [[_plain(cell) for cell in row] for row in rows]
        for i, row in enumerate(rows):
            if len(row) != len(headers):
                raise ValueError(
                    f"rows[{i}] must have {len(headers)} cells, one for each header, "
                    f"got {len(row)}"
                )
        numeric = [
            bool(rows) and all(_is_number(row[j]) for row in rows)
            for j in range(len(headers))
        ]
        head = "".join(
            f'<th scope="col"{_class(number)}>{html.escape(str(name))}</th>'
            for name, number in zip(headers, numeric, strict=True)
        )
        body = "\n".join(
            "<tr>" + "".join(map(_cell, row, numeric)) + "</tr>" for row in rows
        )
        label = html.escape(caption or "table")
        below = f'\n<p class="caption">{html.escape(caption)}</p>' if caption else ""
        self._body.append(
            f'<div class="table">\n<div class="scroll" tabindex="0" role="region" '
            f'aria-label="{label}">\n<table>\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table>\n</div>{below}\n</div>"
        )
        return self

    def show(
        self, headers: Sequence[str], rows: Iterable[Sequence], caption: str
    ) -> "Report":
        """Prints a table under its caption, and adds it as `table` does.

        Args:
            headers: names of the columns.
            rows: as many cells each; numbers are printed as the page shows them.
            caption: a sentence.

        Raises:
            ValueError: a row is longer or shorter than the headers.
        """
        from rich.console import Console  # late, as matplotlib is
        from rich.table import Table

        rows = list(rows)
        self.table(headers, rows, caption)
        table = Table(*map(str, headers), box=None)
        for row in rows:
            table.add_row(*map(_text, row))
        Console(markup=False).print(f"\n{caption}", table)
        return self

    def figure(
        self, figure: "Figure", caption: str = "", name: str | None = None
    ) -> "Report":
        """Adds a matplotlib figure as it is now.

        Args:
            figure: what to draw.
            caption: a sentence below it, also read to those who do not see it.
            name: when given, `write` also puts it in `figures/NAME.png`.

        Raises:
            ValueError: the name is taken, or is not made of letters, digits, `_`, `-`
                and `.`, beginning with one of the first three.
        """
        self._check_name(name)
        png = _render(figure, "png")
        engine = figure.get_layout_engine()
        figure.set_layout_engine("none")  # all has its place; to find it again is slow
        svg = _render(figure, "svg")
        figure.set_layout_engine(engine)
        kind, data = ("svg+xml", svg) if len(svg) <= SVG_LIMIT else ("png", png)
        # In an <img>, an SVG's ids are its own: those of two figures cannot clash.
        return self._show_image(kind, data, caption, name, f"{name}.png", png)

    def film(self, gif: bytes, caption: str = "", name: str | None = None) -> "Report":
        """Adds an animated GIF.

        Args:
            gif: the file's bytes.
            caption: a sentence below it, also read to those who do not see it.
            name: when given, `write` also puts it in `figures/NAME.gif`.

        Raises:
            ValueError: these are no bytes of a GIF; or as `figure`.
        """
        if gif[:4] != b"GIF8":
            raise ValueError(f"gif must be the bytes of a GIF, got {gif[:4]!r}...")
        self._check_name(name)
        return self._show_image("gif", gif, caption, name, f"{name}.gif", gif)

    def _check_name(self, name):
        if name is None:
            return
        if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
            raise ValueError(
                "name must be a file's name of letters, digits, '_', '-' and '.', "
                f"got {name!r}"
            )
        if name in self._names:
            raise ValueError(f"name must be new in this report, got {name!r} again")

    def _show_image(self, kind, data, caption, name, file, kept) -> "Report":
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        alt = html.escape(caption or name or "figure")
        below = f"\n<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        self._body.append(
            f'<figure>\n<img alt="{alt}" src="{source}">{below}\n</figure>'
        )
        if name is not None:
            self._names.add(name)
            self._pictures[file] = kept
        return self

    def write(self, path: str | os.PathLike) -> Path:
        """Writes the page, whole or not at all, and the named figures beside it.

        Args:
            path: the HTML file; folders that are missing are made.

        Returns:
            The path.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        page = PAGE.format(
            title=html.escape(self._title),
            style=STYLE,
            header="\n".join(self._header),
            body="\n".join(self._body),
        )
        for file, data in self._pictures.items():
            (path.parent / "figures").mkdir(exist_ok=True)
            (path.parent / "figures" / file).write_bytes(data)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(page, encoding="utf-8")
        os.replace(temporary, path)
        return path


def _render(figure: "Figure", kind: str) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """An array of one number (NumPy's, JAX's) as that number; all else as it is."""
    scalar = isinstance(value, np.generic) or (
        hasattr(value, "item") and getattr(value, "shape", None) == ()
    )
    return value.item() if scalar else value


def _is_number(value: Any) -> bool:
    """Whether a cell suits a column of numbers; an empty one does, and "1.2 ± 0.1"."""
    if isinstance(value, str):
        return re.fullmatch(NUMBER, value) is not None
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool)
    )


def _text(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if math.isfinite(value) and 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _cell(value: Any, number: bool) -> str:
    text = _text(value)
    long = len(text) > 48
    return f"<td{_class(number, long)}>{html.escape(text)}</td>"


def _class(number: bool, long: bool = False) -> str:
    name = "number" if number else "long" if long else ""
    return f' class="{name}"' if name else ""
