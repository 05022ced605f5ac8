"""Small models and data that the tests of learners and of the loop share."""

import flax.linen as nn
import jax
import jax.numpy as jnp
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


def tiny(name: str, **more) -> nn.Module:
    """A model of the table at its smallest size that has every branch."""
    return catalog.create(name, **{**catalog.MODELS[name].tiny, **more})


def forms() -> list[str]:
    """Models of the table, each form once.

    Rows of a family differ in their sizes; at tiny size many are the same network.
    Detectors are not among them: what they learn by needs objects, and these promises
    are kept in tests/detection/test_detectors.py.
    """
    found = {}
    for name, row in catalog.MODELS.items():
        if row.task == "detection":
            continue
        same = {"num_classes": 10} if row.task == "classification" else {}
        found.setdefault(tiny(name, **same), name)
    return list(found.values())


def families() -> list[str]:
    """The same, but of networks of images, which take seconds to compile, the first row
    of each class."""
    found = {}
    for name in forms():
        row = catalog.MODELS[name]
        image = row.module.__module__.startswith(("zoo.vision.", "zoo.segmentation."))
        found.setdefault(row.module if image else name, name)
    return list(found.values())


SIDE = 32  # pixels that a tiny network gets, at most
SIDES = {"AlexNet": 64, "GoogLeNet": 48}  # families that need more


def inputs(name: str, batch: int = 2, seed: int = 0):
    """Random inputs of a tiny model: numbers from 0 to 1, tokens from 0 to 4."""
    rng = np.random.default_rng(seed)
    most = SIDES.get(catalog.MODELS[name].module.__name__, SIDE)

    def draw(s):
        if np.issubdtype(s.dtype, np.integer):
            return rng.integers(0, 5, s.shape).astype(s.dtype)
        shape = s.shape
        if len(shape) == 4:
            shape = (shape[0], *(min(side, most) for side in shape[1:3]), shape[3])
        return rng.uniform(size=shape).astype(s.dtype)

    return jax.tree.map(draw, catalog.MODELS[name].inputs(batch))


def flat(outputs):
    """All that a model puts out for an example, side by side; logits as they are."""
    parts = [y.reshape(len(y), -1) for y in jax.tree.leaves(outputs)]
    return jnp.concatenate(parts, 1)


def flat_cross_entropy(outputs, batch):
    return cross_entropy(flat(outputs), batch)


def flat_accuracy(outputs, batch):
    return accuracy(flat(outputs), batch)
