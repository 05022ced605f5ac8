"""A caption becomes a picture: what, of which colour, and where, is as it says.

Run:    python -m experiments.text_to_image
        python -m experiments.text_to_image --steps 8000

Expect: with seed 0, of the words of captions,

                real     made     shuffled
    shape       0.850    0.888    0.360
    colour      0.986    0.978    0.337
    place       0.952    0.972    0.240
    all         0.796    0.850    0.020

What is made is read as easily as what is rendered, a little more so, since it keeps
away from what lies between two words. Corners are blunt: of so few pixels, at any
angle, a shape is told by how large it is more than by these. A hundred and forty
seconds of a CPU core.

Rendered shapes, one a picture, before black: a disc, a triangle or a square of any
angle and size, of a pure colour with a shade, anywhere. Its caption has three words,
for what it is, for which of red, green and blue is strongest, and for the corner in
which its middle lies: "disc, red, upper left". An encoder of words, learned with the
rest, is the mean of their vectors, which stands beside the latents of the generator,
and beside each pixel before the discriminator; both are DCGAN's.

Captions that are drawn anew become pictures, and classifiers of the three words, which
have learned from other rendered shapes, read them:

    real        of test pictures: what classifiers can
    made        of what is made of captions
    shuffled    the same pictures, held against each other's captions: chance
    apart       mean absolute difference of two pictures of one caption, over that of
                two pictures of any: 0 if there is one picture to a caption

References:
    Reed et al., "Generative adversarial text to image synthesis", ICML 2016,
    https://arxiv.org/abs/1605.05396

Tests hold its parts, a slow one the claim, and `python -m benchmarks.acceptance
claims:text_to_image` the seeds 0 to 4.
"""

import dataclasses
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from experiments._classifiers import positive
from experiments._translation import fitter
from zoo.data.scenes import CLASSES, Scene, Shapes, scene
from zoo.functional.losses import weighted
from zoo.generative import dcgan, gan, gan_losses
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SIDE = 16  # pixels, of scenes of twice as many
SCENES = Shapes(size=2 * SIDE, least=1, most=1, radius=(0.22, 0.3), noise=0.02)
PARTS = {
    "shape": CLASSES,
    "colour": ("red", "green", "blue"),
    "place": ("upper left", "upper right", "lower left", "lower right"),
}
WORDS = tuple(word for words in PARTS.values() for word in words)
CODE = 32  # numbers of an encoded caption
SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        scenes: pictures that are learned from.
        latents: beside the caption.
        width: channels of the players' outer layers.
        steps: of both players.
        batch_size: pictures of a step.
        learning_rate: of Adam, of both players.
        reader_steps: of the classifier.
        captions: from which is made what is measured.
        seeds: of parameters, batches and captions.
        run: the run folder.
    """

    scenes: int = 4000
    latents: int = 16
    width: int = 24
    steps: int = 2500
    batch_size: int = 64
    learning_rate: float = 1e-3
    reader_steps: int = 1000
    captions: int = 600
    seeds: tuple[int, ...] = (0,)
    run: str = "runs/text_to_image"


class Encoder(nn.Module):
    """The mean of a caption's words' vectors, [B, L] -> [B, CODE]."""

    @nn.compact
    def __call__(self, words: jax.Array) -> jax.Array:
        return nn.Embed(len(WORDS), CODE, name="embed")(words).mean(1)


class Painter(nn.Module):
    """Latents and a caption to a picture.

    Attributes:
        latents: Z.
        width: channels of the layer before the last.
        classes: words; above 0, so that the learner gives the captions too.
        axis_name: of the devices over which the batch's statistics are taken.
    """

    latents: int = 16
    width: int = 24
    classes: int = len(WORDS)
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Any, *, train: bool = False) -> jax.Array:
        z = jnp.concatenate([x["x"], Encoder(name="encoder")(x["y"])], 1)
        inner = dcgan.DCGenerator(
            self.latents + CODE, SIDE, 3, self.width, self.axis_name, name="inner"
        )
        return inner(z, train=train)


class Reader(nn.Module):
    """A picture, with a caption at each of its pixels, to whether they go together.

    Attributes:
        width: channels of the first layer.
        classes: words.
        axis_name: of the devices over which the batch's statistics are taken.
    """

    width: int = 24
    classes: int = len(WORDS)
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Any, *, train: bool = False) -> jax.Array:
        code = Encoder(name="encoder")(x["y"])[:, None, None]
        planes = jnp.broadcast_to(code, (*x["x"].shape[:3], CODE))
        inner = dcgan.DCDiscriminator(
            SIDE, self.width, axis_name=self.axis_name, name="inner"
        )
        return inner(jnp.concatenate([x["x"], planes], -1), train=train)


def main(cfg: Config) -> dict[str, float]:
    """Learns with each seed, prints the table and writes the report.

    Returns:
        `PART/WHAT/SEED` for part of shape, colour and place, and what of real, made and
        shuffled; `all/WHAT/SEED`, all three right; `apart/SEED`.

    Raises:
        ValueError: a flag out of range.
    """
    positive(
        cfg, "scenes", "latents", "width", "steps", "batch_size", "learning_rate",
        "captions", "reader_steps",
    )  # fmt: skip
    if not cfg.seeds or cfg.scenes < cfg.batch_size:
        raise ValueError(
            "seeds must be one or more and scenes as many as batch_size, got "
            f"{cfg.seeds}, {cfg.scenes} and {cfg.batch_size}"
        )
    train, test = pictures(0, cfg.scenes), pictures(1, 500)
    read = classifier(pictures(2, cfg.scenes), cfg.reader_steps)
    game = Game(cfg)
    report = Report("Text to image", f"{cfg.steps} steps, seeds {cfg.seeds}")
    numbers = {}
    for seed in cfg.seeds:
        paint = game.learn(train, seed)
        rng = np.random.default_rng([3, seed])
        words = spoken(rng, cfg.captions)
        z = rng.normal(size=(2, cfg.captions, cfg.latents)).astype(np.float32)
        made, again = (np.asarray(paint(part, words)) for part in z)
        for what, x, y in (
            ("real", test["x"], test["y"]),
            ("made", made, words),
            ("shuffled", made, np.roll(words, 1, 0)),
        ):
            right = np.asarray(read(x)) == y  # [N, 3]
            for i, part in enumerate(PARTS):
                numbers[f"{part}/{what}/{seed}"] = float(right[:, i].mean())
            numbers[f"all/{what}/{seed}"] = float(right.all(1).mean())
        ratio = np.abs(made - again).mean() / np.abs(made - np.roll(made, 1, 0)).mean()
        numbers[f"apart/{seed}"] = float(ratio)
        print(seed, *(f"{p} {numbers[f'{p}/made/{seed}']:.3f}" for p in PARTS))
        if seed == cfg.seeds[0]:
            figure = _painted(paint, cfg, rng)
            report.figure(figure, "Captions, six pictures of each.", "captions")
    mean = lambda name: float(np.mean([numbers[f"{name}/{s}"] for s in cfg.seeds]))
    kinds = ("real", "made", "shuffled")
    rows = [(p, *(mean(f"{p}/{k}") for k in kinds)) for p in (*PARTS, "all")]
    report.show(("words read right", *kinds), rows, "Accuracy, the mean of the seeds")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def pictures(seed: int, count: int) -> dict[str, np.ndarray]:
    """Rendered shapes x, [N, 16, 16, 3] from -1 to 1, and captions y, int32 [N, 3]."""
    found = [scene(SCENES, seed, i) for i in range(count)]
    return {
        "x": np.stack([picture(s) for s in found]),
        "y": np.stack([caption(s) for s in found]),
    }


def picture(s: Scene) -> np.ndarray:
    """The object of a scene before black, its colour made pure, at half of the size."""
    inside = s.instances > 0
    mean = s.x[inside].mean(0)
    pure = np.square((mean - mean.min()) / max(mean.max() - mean.min(), 1e-3))
    shade = np.clip(0.9 * s.x.mean(-1) / max(mean.mean(), 1e-3), 0, 1)
    x = np.float32(np.where(inside, shade, 0))[..., None] * np.float32(pure)
    return 2 * x.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3)) - 1


def caption(s: Scene) -> np.ndarray:
    """Words of a scene's object by their numbers: shape, colour, place."""
    colour = int(s.x[s.instances > 0].mean(0).argmax())
    x1, y1, x2, y2 = s.boxes[0]
    right, low = (x1 + x2) / 2 > SIDE, (y1 + y2) / 2 > SIDE
    return numbered(np.array([[s.labels[0], colour, 2 * low + right]]))[0]


def numbered(choices: np.ndarray) -> np.ndarray:
    """Choices in each part, [N, 3], as numbers of `WORDS`."""
    sizes = [len(words) for words in PARTS.values()]
    return np.int32(choices + np.cumsum([0, *sizes[:-1]]))


def spoken(rng: np.random.Generator, count: int) -> np.ndarray:
    """Captions by chance, int32 [N, 3]."""
    sizes = [len(words) for words in PARTS.values()]
    return numbered(rng.integers(0, sizes, (count, len(sizes))))


class Game:
    """Both players, compiled once for all seeds."""

    def __init__(self, cfg: Config):
        self.cfg, self.painter = cfg, Painter(cfg.latents, cfg.width)
        adam = lambda: optim.adam(cfg.learning_rate, b1=0.5)
        self.play = fitter(
            lambda axis_name=None: gan.learner(
                self.painter.clone(axis_name=axis_name),
                Reader(cfg.width, axis_name=axis_name),
                gan_losses.non_saturating(),
                adam(),
                adam(),
                ema=0.99,
                axis_name=axis_name,
            )  # fmt: skip
        )

    def learn(self, train: dict[str, np.ndarray], seed: int):
        """A generator in use: (latents, captions) -> pictures."""
        stream = zoo.data.batches(train, self.cfg.batch_size, seed)
        state = self.play(stream, self.cfg.steps, seed)
        return jax.jit(lambda z, words: gan.samples(self.painter, state, z, words))


def classifier(train: dict[str, np.ndarray], steps: int):
    """Pictures to the likeliest word of each part, [B, 3]."""
    ends = np.cumsum([len(words) for words in PARTS.values()])

    def loss(logits, batch):
        parts = jnp.split(logits, ends[:-1], 1)
        shares = jnp.concatenate([jax.nn.log_softmax(part) for part in parts], 1)
        told = jnp.take_along_axis(shares, batch["y"], 1)
        return weighted(-told.sum(1), batch)

    model = dcgan.DCDiscriminator(SIDE, 32, len(WORDS))
    fit = fitter(
        lambda axis_name=None: zoo.supervised(
            model.clone(axis_name=axis_name),
            loss,
            optim.adam(2e-3),
            axis_name=axis_name,
        )  # fmt: skip
    )
    variables = zoo.eval_variables(fit(zoo.data.batches(train, 64), steps, 0))

    @jax.jit
    def read(x):
        parts = jnp.split(model.apply(variables, x), ends[:-1], 1)
        return jnp.stack(
            [p.argmax(1) + e - p.shape[1] for p, e in zip(parts, ends, strict=True)], 1
        )

    return read


def _painted(paint, cfg, rng):
    words = spoken(rng, SHOWN)
    names = [", ".join(WORDS[i] for i in row) for row in words]
    words = np.repeat(words, SHOWN, 0)
    z = rng.normal(size=(len(words), cfg.latents)).astype(np.float32)
    x = np.clip((np.asarray(paint(z, words)) + 1) / 2, 0, 1)
    titles = [name if not i else "" for name in names for i in range(SHOWN)]
    return figures.gallery(x, titles, SHOWN)


if __name__ == "__main__":
    run(main, Config)
