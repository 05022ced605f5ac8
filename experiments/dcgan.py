"""DCGAN draws clothes: all ten kinds, no copies, nearer to photos as it learns.

Run:    python -m experiments.dcgan
        python -m experiments.dcgan --data fashion_mnist --steps 45000 \\
            --ema 0.999 --judged 3000

Expect: with seed 0, of the embedded set,

    step        300     600     900     1200    1500
    distance    6.5     3.9     3.3     3.0     2.9

and shares of classes from 0.05 (sandals) to 0.15 (shirts); the nearest training photo
is 11.0 away, of test photos 8.7, and nowhere nearer than 5.2, of test photos 3.1.
Clothes have their outlines by then, and smears inside. Two minutes of a CPU core. Last
digits differ from run to run: threads add in another order, and players magnify it.

What samples are measured by, and none of it is known to the players:

    distance   the Frechet distance of features, the 500 hidden units of a LeNet
               20-50-500 of ours, which has learned to classify the training photos,
               between samples and one half of photos; as a multiple of that between the
               two halves. It is no FID: that is of the features of another network, and
               its numbers are others
    shares     of the classes among samples, as that LeNet calls them
    nearest    how far, in pixels from -1 to 1, the nearest training photo is: of
               samples, and of test photos, which are surely no copies

Photos are those of the test, or, where these are fewer than 2,000, of training; there
are as many samples as photos in one half. The generator that is measured is the moving
average of the one that learns. The distance of two halves falls with their size, so a
multiple on the whole of Fashion-MNIST, of 5,000 photos a half, asks for more than one
on the embedded set, of 1,000. On the whole, other photos of the training are at 1.0,
with noise of 0.1 they are at 2.4, and blurred by half a pixel at 5.0. What a multiple
means is the classifier's: by the 84 sums of LeNet-5's last hidden layer, before their
ReLU, such photos are at 0.6, 10.4 and 12.6, and an earlier run of DCGAN was at 24.9
after 18,000 steps. Units after a ReLU are what FID takes; this classifier was chosen
when the other was known to ask for more than 5.

On the whole set, by `python -m benchmarks.acceptance dcgan`, seed 0,

    step        9,000   18,000  27,000  36,000  45,000
    distance    5.8     4.8     4.2     4.1     4.0

with shares from 0.06 (shirts) to 0.14 (pullovers), in 2,200 seconds of the cores.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.metrics as M
from experiments._classifiers import of_run, positive, trained
from zoo.generative import dcgan, gan, gan_losses
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report
from zoo.vision import features

FULL = {"data": "fashion_mnist", "steps": 45_000, "ema": 0.999, "judged": 3000}
ENOUGH, MOST = 2000, 1000  # photos to be measured by; images that are compared
PIECES = 5  # of a run, after each of which samples are shown and measured
WHAT = ("nearest", "least")  # of distances to training photos: median, least
JUDGE, UNITS = zoo.create("lenet_caffe"), "dense_0"


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a data set of grey images of 28 x 28.
        width: channels of the outermost layers of both players.
        steps: of both players, a multiple of 5.
        batch_size: examples of a step.
        learning_rate: of Adam, of the generator; it falls to 0, as does the other.
        critic_rate: of the discriminator, which would win at the same rate.
        ema: decay of the moving average of the generator.
        judged: steps of the classifier, of 64 images.
        seed: of both players and the order of examples.
        run: the run folder.
    """

    data: str = "fashion_mnist_small"
    width: int = 32
    steps: int = 1500
    batch_size: int = 64
    learning_rate: float = 2e-3
    critic_rate: float = 5e-4
    ema: float = 0.99
    judged: int = 400
    seed: int = 0
    run: str = "runs/dcgan"


def main(cfg: Config) -> dict[str, float]:
    """Learns, measures five times on the way, and writes the report.

    Returns:
        `distance/STEP`, as a multiple; `halves`, the distance that is the unit;
        `share/CLASS`; of samples and test photos `nearest/KIND`, the median distance
        to a training photo, and `least/KIND`; `judge`, the classifier's accuracy.

    Raises:
        ValueError: a flag out of range, an unknown data set.
    """
    rates = "learning_rate", "critic_rate"
    positive(cfg, "width", "steps", "batch_size", *rates, "judged")
    if cfg.steps % PIECES:
        raise ValueError(f"steps must be a multiple of {PIECES}, got {cfg.steps}")
    data = zoo.data.load(cfg.data)
    train, test = ({**part, "x": scaled(part["x"])} for part in data[:2])
    accuracy, judge = classifier(cfg, train, test)
    photos = test["x"] if len(test["x"]) >= ENOUGH else train["x"]
    told, _ = judge(photos)
    halves = [M.moments(told[i::2]) for i in (0, 1)]
    unit = float(M.frechet_distance(*halves))
    numbers = {"halves": unit, "judge": accuracy}
    pictures = {}
    for step, x in learn(cfg, train, len(photos) // 2):
        found, logits = judge(x)
        apart = float(M.frechet_distance(M.moments(found), halves[0])) / unit
        numbers[f"distance/{step}"] = apart
        pictures[step] = x[:10]
        print(f"step {step}: {apart:.1f} times the distance of two halves of photos")
    shares = np.bincount(logits.argmax(1), minlength=len(data.classes)) / len(x)
    numbers |= {f"share/{c}": float(s) for c, s in enumerate(shares)}
    near, at = nearest(x[:MOST], train["x"])
    true, _ = nearest(test["x"][:MOST], train["x"])
    for kind, apart in (("samples", near), ("test", true)):
        numbers[f"nearest/{kind}"] = float(np.median(apart))
        numbers[f"least/{kind}"] = float(apart.min())
    _report(cfg, numbers, data.classes, pictures, x, train["x"][at])
    return numbers


def scaled(x: np.ndarray) -> np.ndarray:
    """Pixels from -1 to 1, [N, 28, 28, 1]."""
    return np.float32(x.reshape(len(x), 28, 28, 1) / 127.5 - 1)


def classifier(cfg: Config, train, test):
    """Its accuracy, and images -> features and logits, as NumPy arrays."""
    result = trained(
        JUDGE, train, test,
        steps=cfg.judged, batch_size=64, rates=(1e-3,), seeds=(0,),
    )  # fmt: skip
    variables = of_run(result.states, 0)

    def told(x):
        inner = features(JUDGE, variables, x, [UNITS])[UNITS]
        return jax.nn.relu(inner), JUDGE.apply(variables, x)

    told = jit_once(told)
    accuracy = float(np.ravel(result.final["accuracy"])[0])

    def parts(x):
        found = [jax.device_get(told(x[i : i + MOST])) for i in range(0, len(x), MOST)]
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))

    return accuracy, parts


def generator(cfg: Config, axis_name: str | None = None) -> dcgan.DCGenerator:
    """Of grey images of 28 pixels."""
    return dcgan.DCGenerator(side=28, channels=1, width=cfg.width, axis_name=axis_name)


def build(cfg: Config):
    """A builder of the learner."""

    def of(axis_name=None):
        made = generator(cfg, axis_name)
        asked = dcgan.DCDiscriminator(28, cfg.width, axis_name=axis_name)
        adam = lambda rate: optim.adam(optim.cosine_schedule(rate, cfg.steps), b1=0.5)
        return gan.learner(
            made, asked, gan_losses.non_saturating(),
            adam(cfg.learning_rate), adam(cfg.critic_rate),
            ema=cfg.ema, axis_name=axis_name,
        )  # fmt: skip

    return of


def learn(cfg: Config, train, count: int):
    """(step, samples) after each piece; the latents are the same each time."""
    made = generator(cfg)
    engine = zoo.training.engine(build(cfg), "single")
    stream = zoo.data.batches(train, cfg.batch_size, seed=cfg.seed)
    state = engine.put_state(engine.init(jax.random.key(cfg.seed), stream.at(0)))
    z = jax.random.normal(jax.random.key(cfg.seed + 1), (count, made.latents))
    draw = jit_once(lambda state: gan.samples(made, state, z))
    for step in range(cfg.steps):
        state, _ = engine.step(state, engine.put_batch(stream.at(step)))
        if (step + 1) % (cfg.steps // PIECES) == 0:
            yield step + 1, np.array(draw(state))


def nearest(x: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest images, and which they are; pixels from -1 to 1."""
    flat = lambda a: jnp.asarray(a.reshape(len(a), -1))
    found = jit_once(lambda x, y: zoo.functional.nearest("euclidean", x, y))
    near, at = found(flat(x), flat(base))
    return np.asarray(near)[:, 0], np.asarray(at)[:, 0]


def _report(cfg, numbers, classes, pictures, x, photos) -> None:
    report = Report("DCGAN", f"{cfg.data}, {cfg.steps} steps, seed {cfg.seed}")
    rows = [(step, numbers[f"distance/{step}"]) for step in pictures]
    title = "Frechet distance of features, by that between two halves of the photos"
    report.show(("step", "times"), rows, title)
    rows = [(name, numbers[f"share/{c}"]) for c, name in enumerate(classes)]
    report.show(("class", "share"), rows, "Classes of samples, as the LeNet calls them")
    rows = [(k, *(numbers[f"{w}/{k}"] for w in WHAT)) for k in ("samples", "test")]
    report.show(
        ("of", "median", "least"), rows, "Distance to the nearest training photo"
    )
    grey = lambda x: (np.asarray(x) + 1) / 2
    tiles = np.concatenate(list(pictures.values()))
    titles = [f"step {step}" for step in pictures for _ in range(10)]
    figure = figures.gallery(grey(tiles), titles, 10)
    report.figure(figure, "The same ten latents, as the generator learns.", "time")
    figure = figures.gallery(grey(x[:60]), [""] * len(x[:60]), 10)
    report.figure(figure, "Samples at the end, not chosen.", "samples")
    pairs = np.stack([x[:20], photos[:20]], 1).reshape(-1, 28, 28, 1)
    titles = ["sample", "nearest"] * (len(pairs) // 2)
    figure = figures.gallery(grey(pairs), titles, 10)
    report.figure(figure, "Samples, each beside the nearest training photo.", "nearest")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
