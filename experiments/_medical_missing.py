"""The task of the experiment `medical` that tells whether the last slices of a head are
missing, from few answers, by what a semi-coupled GAN has learned without any.

A stack of slices ends at the top and at the bottom; where slices are missing, its ends
are larger than the true ends of a head. Ends lie anywhere near the middle, and their
brightness is any: what tells is their size. Each end has a generator and a
discriminator of its own: of the generators the first layers are one and the same, and
of the discriminators the last ones. A linear classifier is given features of these.

Shapes: B heads, S pixels of a side; the two channels of an image are the two ends.

References:
    Zhang, Gooya and Frangi, "Semi-supervised assessment of incomplete LV coverage in
    cardiac MRI using generative adversarial nets", SASHIMI 2017,
    https://doi.org/10.1007/978-3-319-68127-6_7 (two GANs, half of them shared)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.functional as F
from experiments import _translation as T
from experiments._heads import NOISE, Outcome, signed
from zoo.generative import gan, gan_losses
from zoo.generative.patch import conv
from zoo.generative.transposed import Transposed
from zoo.training.parallel import jit_once
from zoo.vision import features

TASKS = ("missing",)
WHOLE, CUT = (0.35, 0.55), (0.5, 0.75)  # size of an end, by that of the middle
MOVED = 0.25  # how far from the middle of the image, at most, of half of its side
FLATTER = 0.8  # ends at the bottom are less high
GAIN = 0.4  # the least brightness of an end, by that of the head; 1 is the most
ANSWERS, SETS = 20, 10  # heads of which it is known; how often others are taken
LAYER = "layer_1"  # whose features, the mean and the greatest of each, are given
PENALTIES = tuple(10.0**i for i in range(-2, 6))
WIDTH = 16


class Ends(nn.Module):
    """Latents to both ends; the last layers differ.

    Attributes:
        latents: Z.
        width: channels before the last layers.
        axis_name: of the devices over which the batch's statistics are taken.
    """

    latents: int = 16
    width: int = WIDTH
    axis_name: str | None = None

    @nn.compact
    def __call__(self, z: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, Z] -> [B, 32, 32, 2]."""
        x = z[:, None, None]
        for i, shape in enumerate([(4, 1, 0), (4, 2, 1), (4, 2, 1)]):
            made = Transposed(
                self.width << 2 - i, *shape, bias=False, name=f"layer_{i}"
            )
            norm = nn.BatchNorm(
                not train, momentum=0.9, axis_name=self.axis_name, name=f"norm_{i}"
            )
            x = nn.relu(norm(made(x)))
        ends = [Transposed(1, name=name)(x) for name in ("top", "bottom")]
        return nn.tanh(jnp.concatenate(ends, -1))


class Critic(nn.Module):
    """Both ends to a number each; the first layers differ.

    Attributes:
        width: channels of the first layers.
    """

    width: int = WIDTH

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, 32, 32, 2] -> [B, 2]."""
        ends = [
            conv(x[..., i : i + 1], self.width, 4, 2, name)
            for i, name in enumerate(("top", "bottom"))
        ]
        x = nn.leaky_relu(jnp.concatenate(ends), 0.2)  # -> [2 B, 16, 16, width]
        for i in (1, 2):
            x = nn.leaky_relu(conv(x, self.width << i, 4, 2, f"layer_{i}"), 0.2)
        x = conv(x, 1, 4, 1, "layer_3", padding=0)
        return x.reshape(2, -1).T


def build(rate: float):
    """A builder of the learner."""
    return lambda axis_name=None: gan.learner(
        Ends(axis_name=axis_name), Critic(), gan_losses.non_saturating(),
        T.adam(rate), T.adam(rate), axis_name=axis_name,
    )  # fmt: skip


def stacks(t1: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of each head, [N, S, S, 2], noisy, and which are cut, [N, 2]."""
    rng = np.random.default_rng([15, seed])
    cut = rng.uniform(size=(len(t1), 2)) < 0.5
    low, high = (np.where(cut, CUT[i], WHOLE[i]) for i in (0, 1))
    size = rng.uniform(low, high)
    sizes = np.stack([size, size * np.array([1, FLATTER])], -1)
    at = rng.uniform(-MOVED, MOVED, sizes.shape)
    x = np.asarray(_shrunk(t1, np.float32(sizes), np.float32(at)))
    gain = rng.uniform(GAIN, 1, (len(x), 1, 1, 2))
    return signed(gain * x + rng.normal(0, NOISE, x.shape)), cut


@jit_once
def _shrunk(x, sizes, at):  # [N, S, S, 1], (x, y) [N, 2, 2] twice -> [N, S, S, 2]
    def one(x, size, at):
        theta = jnp.concatenate([jnp.diag(1 / size), -(at / size)[:, None]], 1)
        points = F.grid_to_pixels(F.affine_grid(theta, x.shape[:2]), x.shape[:2])
        return F.bilinear_sample(x, points)[..., 0]

    ends = jax.vmap(jax.vmap(one, (None, 0, 0)))(x, sizes, at)  # [N, 2, S, S]
    return jnp.moveaxis(ends, 1, -1)


def by_ridge(x: np.ndarray, cut: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Answers to `held`, learned from those to `x`; the penalty is the one that leaves
    out each of x with the least error."""
    mean, spread = x.mean(0), x.std(0) + 1e-3
    x, held = (x - mean) / spread, (held - mean) / spread
    y = 2.0 * cut - 1
    found = []
    for penalty in PENALTIES:
        inner = x @ x.T + penalty * np.eye(len(x)) + 1  # 1: the intercept
        dual = np.linalg.solve(inner, y)
        left_out = dual / np.diag(np.linalg.inv(inner))
        found.append((np.square(left_out).mean(), penalty, dual))
    return (held @ x.T + 1) @ min(found, key=lambda f: f[0])[2] > 0


def accuracy(of, x, cut, held, true) -> float:
    """Of the classifier of features `of`, the mean of both ends and of the sets."""
    known, asked = of(x), of(held)
    right = []
    for i in range(0, min(len(x), SETS * ANSWERS), ANSWERS):
        few = slice(i, i + ANSWERS)
        for end in (0, 1):
            told = by_ridge(known[end, few], cut[few, end], asked[end])
            right.append((told == true[:, end]).mean())
    return float(np.mean(right))


def pixels(x):  # [N, S, S, 2] -> [2, N, S S]
    return np.moveaxis(x, -1, 0).reshape(2, len(x), -1)


def pooled(x):  # [2, N, P, C] -> [2, N, 2 C]
    return np.concatenate([x.mean(2), x.max(2)], -1)


def outcomes(tasks, cfg, train, test):
    """("missing", Outcome): by pixels, by the mean and the greatest of them, and by
    features untrained and learned."""
    (x, cut), (held, true) = (
        stacks(part.t1, 2 * cfg.seed + i) for i, part in enumerate((train, test))
    )
    stream = zoo.data.batches({"x": x}, 4 * cfg.batch_size, cfg.seed)
    fit = T.fitter(build(cfg.learning_rate))
    tell = jit_once(
        lambda params, x: features(Critic(), {"params": params}, x, [LAYER])
    )

    def deep(params):
        def of(x):
            found = np.asarray(tell(params, x)[LAYER])
            found = np.maximum(found, 0.2 * found)
            return pooled(found.reshape(2, len(x), -1, found.shape[-1]))

        return of

    first, last = (fit(stream, steps, cfg.seed) for steps in (0, cfg.steps))
    ways = {
        "baseline": pixels,
        "two": lambda x: pooled(pixels(x)[..., None]),
        "untrained": deep(first.discriminator.params),
        "coupled": deep(last.discriminator.params),
    }
    numbers = {
        f"{way}/accuracy": accuracy(of, x, cut, held, true) for way, of in ways.items()
    }
    z = jax.random.normal(jax.random.key(cfg.seed), (len(held), Ends().latents))
    drawn = np.asarray(jit_once(lambda s: gan.samples(Ends(), s, z))(last))
    ends = {"bottom": held, "drawn, top": drawn, "drawn, bottom": drawn}
    made = {k: x[..., [int("bottom" in k)]] for k, x in ends.items()}
    yield "missing", Outcome(held[..., :1], made, None, numbers)
