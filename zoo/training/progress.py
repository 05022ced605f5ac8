"""A progress bar with what a waiting person wants to know; plain lines in a log."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

QUIET = 10.0  # seconds between lines where there is no terminal


class Progress:
    """Shows how far a piece of work is; use as a context manager.

    Args:
        enabled: False shows nothing.
        console: where; None for standard error.
    """

    def __init__(self, enabled: bool = True, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self.enabled = enabled
        self._live = enabled and self.console.is_terminal
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self._live,
        )
        self._task = None
        self._said = time.monotonic()
        self._total = 0

    def begin(self, label: str, total: int, completed: int = 0) -> None:
        """Begins a new bar; `total` in whatever is counted, such as steps."""
        self._label, self._total = label, total
        self._task = self._bars.add_task(
            label, total=total, completed=completed, note=""
        )

    def update(self, completed: int, note: str = "") -> None:
        """Sets how much is done, and a short text behind the bar."""
        if not self.enabled:
            return
        self._bars.update(self._task, completed=completed, note=note)
        now = time.monotonic()
        if not self._live and (now - self._said > QUIET or completed == self._total):
            self._said = now
            self.console.print(
                f"{self._label}: {completed}/{self._total} {note}", highlight=False
            )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *exc) -> None:
        self._bars.stop()
