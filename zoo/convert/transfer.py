"""From a trained model of ours to another one: what matches is copied.

A leaf matches if both models have it at the same path in the same shape. So a network
for other classes takes all but its head, and a deeper one what the two share.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from zoo.convert.files import flat, nested


class Report(NamedTuple):
    """What became of each leaf, by its path; `str` counts them.

    Attributes:
        copied: taken from the source.
        misshapen: in both, in two shapes; the target's own is kept.
        new: only in the target; kept.
        unused: only in the source.
        skipped: not copied because it was asked for.
    """

    copied: tuple[str, ...]
    misshapen: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        titles = ("copied", "of another shape", "only in the target")
        titles += ("only in the source", "skipped")
        lines = [f"{len(self.copied)} copied"]
        for title, paths in list(zip(titles, self, strict=True))[1:]:
            if paths:
                lines.append(f"{len(paths)} {title}: {', '.join(paths)}")
        return "\n".join(lines)


def transfer(
    src: Mapping[str, Any], dst: Mapping[str, Any], skip: Sequence[str] = ()
) -> tuple[dict[str, Any], Report]:
    """Variables like `dst`, with the leaves that match from `src`.

    Args:
        src: variables of a model, as `init` returns them.
        dst: of another; neither is changed, and the result shares no buffer with
            them.
        skip: patterns of paths that stay as they are in `dst`, such as
            `params/head/*`.

    Returns:
        The variables, in the types of `dst`, and what was copied and what was not.

    Raises:
        ValueError: a pattern that no path of `dst` matches; nothing matches at all.

    >>> one, two = {"params": {"w": jnp.ones(2)}}, {"params": {"w": jnp.zeros(2)}}
    >>> print(transfer(one, two)[1])
    1 copied
    """
    if isinstance(skip, str):
        raise ValueError(f"skip must be a sequence of patterns, got {skip!r}")
    source, target = flat(src), flat(dst)
    skipped = set()
    for pattern in skip:
        matched = fnmatch.filter(target, pattern)
        if not matched:
            raise ValueError(
                f"skip: no path matches {pattern!r}. Known: {', '.join(target)}"
            )
        skipped.update(matched)
    both = [path for path in target if path in source and path not in skipped]
    same = lambda path: jnp.shape(source[path]) == jnp.shape(target[path])
    copied = tuple(path for path in both if same(path))
    report = Report(
        copied=copied,
        misshapen=tuple(path for path in both if not same(path)),
        new=tuple(p for p in target if p not in source and p not in skipped),
        unused=tuple(path for path in source if path not in target),
        skipped=tuple(path for path in target if path in skipped),
    )
    if not copied and not skipped:
        raise ValueError(f"src must share leaves with dst, got none: {report}")
    take = lambda path: source[path] if path in copied else target[path]
    made = {p: jnp.array(take(p), jnp.result_type(target[p])) for p in target}
    return nested(made), report
