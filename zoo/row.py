"""What the tables of models are made of: a row a model."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp


def image(height: int, width: int, channels: int) -> Callable[[int], Any]:
    """The input of a model of images, as a function of the batch size."""
    shape = (height, width, channels)
    return lambda batch: jax.ShapeDtypeStruct((batch, *shape), jnp.float32)


class Row(NamedTuple):
    """A model of the table.

    Attributes:
        module: the linen class.
        task: what it is for.
        inputs: batch size -> ShapeDtypeStruct, or a pytree of them.
        paper: where it was published.
        parameters: the published count, or the one that follows from the layout.
        convention: what that count counts.
        fields: the class's fields where they differ from its defaults.
        tiny: fields of the smallest model that has every branch, for tests.
        published: fields of the form in which it was published, where ours computes
            the same in another way; multiply-adds are counted there.
        figures: published results, as text.
        reference: the same model elsewhere.
        notes: what a user should know.
        rules: how others name its parameters; see `zoo.convert.assign`.
    """

    module: type[nn.Module]
    task: str
    inputs: Callable[[int], Any]
    paper: str
    parameters: int
    convention: str
    fields: dict[str, Any] = {}
    tiny: dict[str, Any] = {}
    published: dict[str, Any] = {}
    figures: str = ""
    reference: str = ""
    notes: str = ""
    rules: Sequence[tuple] = ()
