"""What experiments on classifiers share: images, and models that are trained alike."""

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import numpy as np
import optax

import optim
import zoo
from zoo.data import Dataset
from zoo.training import SweepResult
from zoo.training.parallel import jit_once


def positive(cfg, *names: str) -> None:
    """Refuses flags that are not above 0, or, of several values, one that is not.

    Raises:
        ValueError: naming the flag.
    """
    for name in names:
        value = getattr(cfg, name)
        if not np.size(value) or not np.min(value) > 0:
            raise ValueError(f"{name} must be positive, got {value}")


def images(data: Dataset, count: int | None = None) -> tuple[dict, dict]:
    """Training and test set, pixels with the training set's mean 0 and deviation 1.

    Args:
        data: of `zoo.data.load`.
        count: training images, the first ones of an order by chance; None for all.
    """
    transform = zoo.data.standardize(data.train)
    train, test = (transform(part, None) for part in (data.train, data.test))
    order = np.random.default_rng(0).permutation(len(train["y"]))[:count]
    return {name: value[order] for name, value in train.items()}, test


def small_images(side: int, count: int | None = None) -> tuple[dict, dict]:
    """The embedded clothes, with fewer pixels.

    Args:
        side: pixels of an image's side, from 8 to 28.
        count: see `images`.

    Raises:
        ValueError: a side out of range.
    """
    if not 8 <= side <= 28:
        raise ValueError(f"side must be from 8 to 28, got {side}")
    small = jit_once(lambda x: zoo.functional.resize(x, (side, side), "bilinear"))
    parts = images(zoo.data.load("fashion_mnist_small"), count)
    return tuple({**part, "x": np.asarray(small(part["x"]))} for part in parts)


def trained(
    model: nn.Module,
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    *,
    steps: int,
    batch_size: int,
    rates: Sequence[float],
    seeds: Sequence[int],
    optimizer: Callable[..., optax.GradientTransformation] = optim.adam,
    augment: Callable | None = None,
) -> SweepResult:
    """A classifier from each seed at each rate, by one compiled step.

    Args:
        model: see `zoo.supervised`, as for the rest.
        train: x and y.
        test: likewise.
        steps: of each run.
        batch_size: examples of a step.
        rates: learning rates.
        seeds: of parameters and chance; all runs see the same batches.
        optimizer: learning rate -> optimizer.
        augment: (key, image) -> image, in training.

    Returns:
        Runs in the order of the rates, and of the seeds in each; `final` are loss and
        accuracy on the test set, `history` those of training.
    """

    def build(axis_name=None, learning_rate=1e-3):
        return zoo.supervised(
            model,
            zoo.functional.cross_entropy,
            optimizer(learning_rate),
            metrics={"accuracy": zoo.metrics.accuracy},
            axis_name=axis_name,
            augment=augment,
        )

    return zoo.training.sweep(
        build,
        zoo.data.batches(train, batch_size),
        steps,
        grid={"learning_rate": list(rates)},
        seeds=list(seeds),
        evaluation=zoo.data.once(test, min(len(test["y"]), 500)),
    )


def judge(x: np.ndarray, y: np.ndarray, steps: int = 600):
    """What pictures are, by a classifier of one hidden layer.

    Args:
        x: pictures, [N, H, W, C].
        y: classes, int [N].
        steps: that it learns.

    Returns:
        Two functions: pictures -> its hidden units, [B, 128], and -> classes, [B].
    """
    model = zoo.create("mlp", num_classes=int(y.max()) + 1)
    fit = zoo.supervised(model, zoo.functional.cross_entropy, optim.adam(1e-3))
    stream = zoo.data.batches({"x": np.arange(len(x))}, 64)
    index = np.array([stream.at(i)["index"] for i in range(steps)])

    @jit_once
    def learned(x, y, index):  # a product of matrices may be looped
        batch = lambda i: {"x": x[i], "y": y[i], "index": i}
        state = fit.init(jax.random.key(0), batch(index[0]))
        step = lambda state, i: (fit.step(state, batch(i))[0], None)
        return jax.lax.scan(step, state, index)[0].params

    params = learned(x, y, index)

    @jax.jit
    def features(x):
        first = params["dense_0"]
        rows = x.reshape(len(x), -1) @ first["kernel"]
        return jax.nn.relu(rows + first["bias"][None])

    return features, jax.jit(lambda x: model.apply({"params": params}, x).argmax(1))


def by_rate(values: np.ndarray, rates: Sequence[float]) -> np.ndarray:
    """A figure of a sweep's runs, [runs] -> [rates, seeds]."""
    return np.asarray(values).reshape(len(rates), -1)


def of_run(states, run: int):
    """The variables of one run of a sweep."""
    return zoo.eval_variables(jax.tree.map(lambda leaf: leaf[run], states))
