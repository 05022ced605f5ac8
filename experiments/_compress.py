"""What the experiments on compression share: data by name, and runs from a start."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import zoo
from zoo.data import Dataset

DATA = ("fashion_mnist_small", "fashion_mnist", "mnist")
MODELS = ("lenet_300_100", "lenet_caffe")
BATCH = 64


def dataset(name: str, data_dir: str | None = None) -> Dataset:
    """A data set of 28x28 images; MNIST's 5,000 too, from their csv.gz.

    Args:
        name: of `DATA`.
        data_dir: where it is, see `zoo.data.load`; or a file `*.csv.gz` of rows of
            pixels with the label behind them, of which every fifth is for testing.

    Raises:
        ValueError: an unknown name, or a file that is none.
    """
    if name not in DATA:
        raise zoo.errors.unknown("data set", name, DATA)
    if not (data_dir and data_dir.endswith(".csv.gz")):
        return zoo.data.load(name, data_dir)
    with gzip.open(data_dir, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.float32).astype(np.uint8)
    parts = [
        {"x": part[:, :-1].reshape(-1, 28, 28, 1), "y": part[:, -1].astype(np.int32)}
        for part in (rows[np.arange(len(rows)) % 5 > 0], rows[::5])
    ]
    return Dataset(*parts, tuple(map(str, range(10))), data_dir)


class Bench:
    """Runs on one data set, each from a start and for a number of epochs."""

    def __init__(self, data: Dataset, progress: bool = False):
        self.data, self.progress = data, progress
        self.transform = zoo.data.standardize(data.train)
        self.epoch = -(-len(data.train["y"]) // BATCH)
        size = min(1000, len(data.test["y"]))
        self.tests = zoo.data.once(data.test, size, transform=self.transform)

    def images(self, count: int) -> np.ndarray:
        """Training images, as networks get them."""
        part = {name: value[:count] for name, value in self.data.train.items()}
        return self.transform(part, None)["x"]

    def run(
        self,
        model: Any,
        optimizer: Any,
        steps: int,
        seed: int = 0,
        start: Mapping[str, Any] | None = None,
        loss: Callable = zoo.functional.cross_entropy,
    ) -> tuple[Any, float]:
        """The last state, and the accuracy on the test set.

        Args:
            model: plain or reparameterised.
            optimizer: of optax's protocol.
            steps: of `BATCH` examples.
            seed: of fresh parameters and of the order of examples.
            start: variables to begin with, in place of fresh ones.
            loss: (outputs, batch) -> (sum, weight).
        """

        def build(axis_name=None):
            learner = zoo.supervised(
                model,
                loss,
                optimizer,
                metrics={"accuracy": zoo.metrics.accuracy},
                axis_name=axis_name,
            )
            if start is None:
                return learner
            return learner._replace(
                init=lambda key, batch: _begun(learner.init(key, batch), start)
            )

        result = zoo.training.fit(
            build,
            zoo.data.batches(
                self.data.train, BATCH, seed=seed, transform=self.transform
            ),
            steps,
            evaluation=self.tests,
            seed=seed,
            parallel="single",
            progress=self.progress,
        )
        return result.state, result.metrics["accuracy"]

    def accuracy(self, model: Any, variables: Any) -> float:
        """On the test set."""
        apply = jax.jit(model.apply)
        right = [
            apply(variables, batch["x"]).argmax(-1) == batch["y"]
            for batch in map(self.tests.at, range(self.tests.steps))
        ]
        return float(np.concatenate(right)[: self.tests.examples].mean())


def _begun(state, variables):
    """A fresh state, with other variables."""
    variables = dict(variables)
    return state._replace(params=variables.pop("params"), model_state=variables)


def written(folder: str, name: str) -> Path:
    """The path of a file in a run folder, which is made."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder, name)
