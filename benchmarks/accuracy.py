"""What LeNet-5 learns on Fashion-MNIST, and ResNet-20 on a part of CIFAR-10.

LeNet-5: Adam 1e-3, batch 64, one device. The whole data set: one run of ten epochs. The
embedded part (2,000 training and 500 test images): five runs of thirty epochs; a claim
about chance holds if it holds on at least four of the seeds 0 to 4, and each seed has
its row.

ResNet-20: one run of `experiments.small_images` with the flags of its docstring, on
4,000 training and 1,000 test images of CIFAR-10: an npz that does not ship, and is
found as any data set is, by $ZOO_DATA say. Half an hour on two cores.
"""

import tempfile

import optim
import zoo
from benchmarks.results import Figure
from experiments import small_images

FULL = "accuracy.fashion_mnist"
SMALL = "accuracy.fashion_mnist_small"
CIFAR = "accuracy.cifar10_5000"
CIFAR_BOUND = 0.76
SEEDS = (0, 1, 2, 3, 4)
SMALL_BOUND = 0.80
NAMES = (
    *(f"{FULL}.{n}_epochs" for n in (5, 10)),
    CIFAR,
    *(f"{SMALL}.{n}_epochs{what}" for n in (10, 30) for what in ("", ".seeds")),
)


def full() -> list[Figure]:
    """After five and after ten epochs of the whole data set."""
    bounds = {5: 0.875, 10: 0.885}
    try:
        data = zoo.data.load("fashion_mnist")
    except zoo.data.DataError:
        said = (
            "not measured: the data set was not found or cannot be read; get it by "
            "`python -m zoo data fetch fashion_mnist`"
        )
        accuracy = dict.fromkeys(bounds)
    else:
        said, accuracy = "test accuracy of lenet5", _accuracy(data, 0, 1, 10)
    return [
        Figure(
            name=f"{FULL}.{epochs}_epochs",
            what=f"{said}, {epochs} epochs" if accuracy[epochs] else said,
            value=accuracy[epochs],
            claim=f"value >= {bound}",
            seed=0,
        )
        for epochs, bound in bounds.items()
    ]


def embedded() -> list[Figure]:
    """After ten and after thirty epochs of the embedded part, five seeds."""
    data = zoo.data.load("fashion_mnist_small")
    runs = {seed: _accuracy(data, seed, 10, 30) for seed in SEEDS}
    figures = []
    for epochs in (10, 30):
        values = [runs[seed][epochs] for seed in SEEDS]
        figures += [
            Figure(
                name=f"{SMALL}.{epochs}_epochs",
                what=f"test accuracy of lenet5, {epochs} epochs",
                value=value,
                seed=seed,
            )
            for seed, value in zip(SEEDS, values, strict=True)
        ]
        figures.append(
            Figure(
                name=f"{SMALL}.{epochs}_epochs.seeds",
                what=f"seeds of five with a test accuracy of {SMALL_BOUND} or more",
                value=sum(value >= SMALL_BOUND for value in values),
                unit="seeds",
                claim="value >= 4",
            )
        )
    return figures


def cifar() -> list[Figure]:
    """One run on 4,000 images, told by 1,000 others."""
    try:
        sizes = [len(part["y"]) for part in zoo.data.load("cifar10")[:2]]
    except zoo.data.DataError:
        sizes = []
    if sizes == [4000, 1000]:
        with tempfile.TemporaryDirectory() as folder:
            cfg = small_images.Config(**small_images.CIFAR, run=folder, progress=False)
            accuracy = small_images.main(cfg)["accuracy"]
        what = f"test accuracy of {cfg.model}, 4,000 images, {cfg.epochs} epochs"
    else:
        accuracy = None
        what = "not measured: the npz of 4,000 and 1,000 images was not found"
    return [Figure(*(CIFAR, what, accuracy), claim=f"value >= {CIFAR_BOUND}", seed=0)]


def _accuracy(data, seed: int, every: int, epochs: int) -> dict[int, float]:
    """Test accuracy after each `every` epochs."""
    transform = zoo.data.standardize(data.train)
    stream = zoo.data.batches(data.train, 64, seed=seed, transform=transform)
    steps = -(-every * stream.examples // 64)
    metrics = {"accuracy": zoo.metrics.accuracy}

    def build(axis_name=None):
        return zoo.supervised(
            zoo.create("lenet5"),
            zoo.functional.cross_entropy,
            optim.adam(1e-3),
            metrics=metrics,
            axis_name=axis_name,
        )

    result = zoo.training.fit(
        build,
        stream,
        steps * (epochs // every),
        evaluation=zoo.data.once(data.test, 500, transform=transform),
        eval_every=steps,
        seed=seed,
        parallel="single",
    )
    tests = [row for row in result.history if row["split"] == "test"]
    return {row["step"] // steps * every: row["accuracy"] for row in tests}
