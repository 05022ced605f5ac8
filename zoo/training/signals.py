"""Ctrl-C and SIGTERM as a wish that the loop grants between two steps."""

import signal
import threading


class Signals:
    """While open, notes the first SIGINT or SIGTERM; a second one acts at once.

    Attributes:
        received: the signal's number, or None.
    """

    def __init__(self):
        self.received: int | None = None
        self._old = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.received = number
        self._restore()

    def _restore(self):
        while self._old:
            signal.signal(*self._old.popitem())

    def __exit__(self, *exc) -> None:
        self._restore()

    def deliver(self) -> None:
        """Does now what the signal does by default, if one came."""
        if self.received is not None:
            signal.raise_signal(self.received)
