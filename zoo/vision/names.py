"""Names that others gave to layers, where they count from another number than ours.

A family's rules (`zoo.convert.assign`) have a pattern and a path. Where stages or
blocks are counted from 1 elsewhere and from 0 here, or behind a stem that counts as
well, the path is `counted`. pytorchcv names the layers of all its networks alike:

    features.init_block     features.stageI.unitJ.PART     features.post_activ    output

with I and J from 1; `units` are its rules.

References:
    Sémery, pytorchcv, https://github.com/osmr/pytorchcv
"""

import re
from collections.abc import Callable, Mapping


def counted(path: str, *less: int) -> Callable[[re.Match], str]:
    """The path of a rule, whose first groups are numbers that are less here.

    Args:
        path: with `{}` for each group of the pattern.
        *less: by how much, for the first groups; others stay as they are.

    >>> pattern, path = r"conv(\\d)_(\\d+)\\.(bn|conv)", counted("stage_{}_{}/{}", 1, 1)
    >>> path(re.fullmatch(pattern, "conv2_10.bn"))
    'stage_1_9/bn'
    """

    def of(match):
        numbers = [int(g) - n for g, n in zip(match.groups(), less, strict=False)]
        return path.format(*numbers, *match.groups()[len(less) :])

    return of


def units(path: str, parts: Mapping[str, str], first: int = 0) -> tuple:
    """pytorchcv's names.

    Args:
        path: ours of a unit, with `{}` for the number of its stage and for its own.
        parts: theirs within a unit, a pattern, and what ours has behind the path, with
            `{}` for each group.
        first: our number of a stage's first unit.
    """
    return (
        *(
            (
                rf"features\.stage(\d+)\.unit(\d+)\.{theirs}",
                counted(path + ours, 0, 1 - first),
            )
            for theirs, ours in parts.items()
        ),
        (r"features\.init_block(?:\.conv){0,2}", "stem_conv"),
        (r"features\.init_block(?:\.conv)?\.bn", "stem_conv_norm"),
        (r"features\.post_activ\.bn", "last_norm"),
        (r"output(?:\.fc)?", "head"),
    )
