"""Errors at the public boundary: the argument, what was given, what is allowed."""

import difflib
from collections.abc import Iterable


class UnknownName(ValueError):
    """A name that is in no table; the message lists the nearest names that are."""


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not known; the caller raises it.

    Args:
        kind: what is named, in the reader's words, such as `"model"`.
        name: what was given.
        known: the names allowed.

    >>> print(unknown("model", "lenet6", ["lenet5", "mlp"]))
    unknown model 'lenet6'; did you mean 'lenet5'? Known: lenet5, mlp
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return UnknownName(f"unknown {kind} {name!r}{hint} Known: {', '.join(known)}")
