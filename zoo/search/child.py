"""Training a candidate: what a search pays for each architecture that it asks about.

Everything is inside one compiled function of a key and an architecture: the batches are
drawn by the key, the rate falls as a half cosine, and what comes out is the accuracy on
images that were not trained on, twice: on those by which the search may choose, and on
those that it never sees.

Shapes: N images for training, V for choosing, T for the report.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optim
from zoo.functional.losses import cross_entropy
from zoo.learner import mean, supervised
from zoo.metrics.classification import accuracy
from zoo.search.small_net import Choice, SmallNet


class Images(NamedTuple):
    """Images in three parts.

    Attributes:
        x, y: images float32 [N, H, W, C] and classes int32 [N] to train on.
        x_valid, y_valid: those by which to choose [V, ...].
        x_test, y_test: those for the report [T, ...].
    """

    x: np.ndarray
    y: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def halves(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Images:
    """Half of the images to train on, a quarter to choose by, a quarter to report.

    Args:
        x: float32 [n, H, W, C].
        y: classes [n].
        seed: of the order.

    Raises:
        ValueError: fewer than four images, or another number of classes.
    """
    if len(x) != len(y) or len(x) < 4:
        raise ValueError(
            f"x and y must be at least four examples each, got {len(x)} and {len(y)}"
        )
    order = np.random.default_rng(seed).permutation(len(x))
    parts = np.split(order, [len(x) // 2, 3 * len(x) // 4])
    return Images(*(of for at in parts for of in (x[at], y[at].astype(np.int32))))


def trainer(
    images: Images,
    *,
    model: SmallNet | None = None,
    steps: int = 500,
    batch_size: int = 32,
    learning_rate: float = 0.02,
) -> Callable[[jax.Array, Choice], tuple[jax.Array, jax.Array]]:
    """What trains a candidate.

    Args:
        images: to train on, to choose by and to report.
        model: called with images and an architecture.
        steps: of Adam, whose rate falls from `learning_rate` to 0.
        batch_size: examples of a step, drawn with replacement.

    Returns:
        (key, choice) -> accuracies on V and on T, float32 scalars. Not compiled.

    Raises:
        ValueError: steps or batch_size below 1.
    """
    if steps < 1 or batch_size < 1:
        raise ValueError(
            f"steps and batch_size must be at least 1, got {steps} and {batch_size}"
        )
    learner = supervised(
        model or SmallNet(int(images.y.max()) + 1),
        cross_entropy,
        optim.adam(optim.cosine_schedule(learning_rate, steps)),
        metrics={"accuracy": accuracy},
    )
    x, y = jnp.asarray(images.x), jnp.asarray(images.y)

    def train(key, choice):
        start, draws = jax.random.split(key)

        def batch(at):
            return {"x": (x[at], choice), "y": y[at], "index": at}

        def step(i, state):
            shape = (batch_size,)
            at = jax.random.randint(jax.random.fold_in(draws, i), shape, 0, len(x))
            return learner.step(state, batch(at))[0]

        state = learner.init(start, batch(jnp.zeros(1, jnp.int32)))
        state = jax.lax.fori_loop(0, steps, step, state)

        def score(x, y):
            held_out = {"x": (jnp.asarray(x), choice), "y": jnp.asarray(y)}
            return mean(learner.evaluate(state, held_out)["accuracy"])

        valid = score(images.x_valid, images.y_valid)
        return valid, score(images.x_test, images.y_test)

    return train
