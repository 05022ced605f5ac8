"""What rows of a family of image classifiers share is said once.

Each row has its name, its published count and the fields that make it. Counts are of
weights, biases and the scales and shifts of normalizations, never of running
statistics. Rows of a family differ in sizes and in a few choices. What is `tiny` of
them has all choices between them, in as few networks as that takes: each is compiled by
tests.
"""

from typing import Any

from zoo.row import Row, image

IMAGENET, CIFAR = image(224, 224, 3), image(32, 32, 3)
ALL = "weights, biases, scales and shifts"
TORCH = "torchvision.models"


def family(
    module: type, rows: dict[str, tuple[int, dict[str, Any]]], **shared: Any
) -> dict[str, Row]:
    """Rows that share all but their count and their fields.

    Args:
        module: the linen class.
        rows: name -> (parameters, fields of the class).
        **shared: columns of `Row`.
    """
    defaults = dict(
        task="classification",
        inputs=IMAGENET,
        convention=ALL,
        published={"fast": False},
    )
    return {
        name: Row(
            module=module, parameters=count, fields=fields, **{**defaults, **shared}
        )
        for name, (count, fields) in rows.items()
    }
