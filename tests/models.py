"""Small models and data that the tests of learners and of the loop share."""

import flax.linen as nn
import jax
import numpy as np

from zoo import catalog
from zoo.functional.dropout import Dropout
from zoo.functional.losses import cross_entropy
from zoo.metrics.classification import accuracy


class ConvNet(nn.Module):
    """Convolution, BatchNorm and dropout: what parallel forms get wrong first."""

    axis_name: str | None = None
    rate: float = 0.0
    norm: bool = True

    @nn.compact
    def __call__(self, x, *, train: bool = False, index: jax.Array | None = None):
        x = nn.Conv(4, (3, 3), strides=2, name="conv")(x)
        if self.norm:
            x = nn.BatchNorm(
                use_running_average=not train, axis_name=self.axis_name, name="norm"
            )(x)
        x = nn.relu(x).reshape(len(x), -1)
        x = Dropout(self.rate, name="dropout")(x, train=train, index=index)
        return nn.Dense(3, name="head")(x)


def images(count: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Three classes of 8x6 images that a network can tell apart, unequally bright."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count).astype(np.int32)
    x = rng.normal(size=(count, 8, 6, 1)).astype(np.float32)
    x += (y - 1)[:, None, None, None] * np.linspace(-1, 1, 6)[:, None].astype("f")
    return {
        "x": x * np.linspace(0.5, 2, count)[:, None, None, None].astype("f"),
        "y": y,
    }


__all__ = ["ConvNet", "accuracy", "cross_entropy", "images"]


def forms() -> list[str]:
    """Models of the table, each form once.

    Rows of a family differ in their sizes; at tiny size many are the same network.
    """
    found = {}
    for name, row in catalog.MODELS.items():
        found.setdefault(catalog.create(name, num_classes=10, **row.tiny), name)
    return list(found.values())


def families() -> list[str]:
    """Models of the table, the first row of each class."""
    found = {}
    for name, row in catalog.MODELS.items():
        found.setdefault(row.module, name)
    return list(found.values())


SIDE = 32  # pixels that a tiny network gets, at most


def images_of(name: str, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Images for a model of the table at tiny size."""
    _, h, w, c = catalog.MODELS[name].inputs(batch).shape
    side = SIDES.get(catalog.MODELS[name].module.__name__, SIDE)
    size = (batch, min(h, side), min(w, side), c)
    return rng.uniform(size=size).astype(np.float32)


SIDES = {"AlexNet": 64, "GoogLeNet": 48}  # families that need more
