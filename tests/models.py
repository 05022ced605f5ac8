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


def tiny(name, **more):
    """A model of the table at its smallest size that has every branch."""
    return catalog.create(name, **catalog.MODELS[name].tiny, **more)


def distinct():
    """Names of the table's models, without those whose smallest size is another's."""
    seen = {}
    for name in catalog.MODELS:
        seen.setdefault(tiny(name), name)
    return list(seen.values())


def inputs(name, batch=2, seed=0):
    """Random inputs of a model: numbers from 0 to 1, tokens from 0 to 4."""
    rng = np.random.default_rng(seed)

    def draw(s):
        if np.issubdtype(s.dtype, np.integer):
            return rng.integers(0, 5, s.shape).astype(s.dtype)
        return rng.uniform(size=s.shape).astype(s.dtype)

    return jax.tree.map(draw, catalog.MODELS[name].inputs(batch))


def flat(outputs):
    """All that a model puts out for an example, side by side; logits as they are."""
    parts = [y.reshape(len(y), -1) for y in jax.tree.leaves(outputs)]
    return jnp.concatenate(parts, 1)


def flat_cross_entropy(outputs, batch):
    return cross_entropy(flat(outputs), batch)


def flat_accuracy(outputs, batch):
    return accuracy(flat(outputs), batch)
