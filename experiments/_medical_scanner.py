"""The task of the experiment `medical` that takes a network to another scanner, whose
brightness is another, by gradient reversal: masks are known for the first one alone."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from experiments import _translation as T
from experiments._heads import mask, of_masks, outcome, signed
from zoo.functional import gradient_reversal
from zoo.functional.losses import weighted
from zoo.generative.gan_losses import each
from zoo.generative.patch import conv
from zoo.training.parallel import jit_once

TASKS = ("scanner",)
CURVE, DARKER = 0.4, 0.9  # of the other scanner: DARKER x^CURVE
SCALE = 0.01  # of the reversed gradient
WIDTH = 16


class Adapted(nn.Module):
    """A network for masks, and one that tells scanners apart by its features.

    Attributes:
        scale: of the gradient that comes back from the second one, reversed.
        width: channels of the first layer.
    """

    scale: float
    width: int = WIDTH

    @nn.compact
    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """[B, S, S, 1] -> `mask` [B, S, S, 1], from -1 to 1, and `scanner` [B]."""
        near = nn.relu(conv(x, self.width, 3, 1, "near"))
        far = nn.relu(conv(near, 2 * self.width, 4, 2, "down"))
        far = nn.relu(conv(far, 2 * self.width, 3, 1, "far"))
        wide = jnp.repeat(jnp.repeat(far, 2, 1), 2, 2)  # [B, S / 2, ...] -> [B, S, ...]
        both = jnp.concatenate([near, wide], -1)
        seen = nn.relu(conv(both, self.width, 3, 1, "seen"))
        told = gradient_reversal(seen, self.scale)
        for i in range(2):
            told = nn.leaky_relu(conv(told, 2 * self.width, 4, 2, f"told_{i}"), 0.2)
        return {
            "mask": nn.tanh(conv(seen, 1, 3, 1, "mask")),
            "scanner": nn.Dense(1, name="scanner")(told.mean((1, 2)))[:, 0],
        }


def loss(outputs, batch):
    """Of masks where they are known, and of scanners."""
    apart = each(abs(outputs["mask"] - batch["y"])) * batch["known"]
    told = jax.nn.softplus(outputs["scanner"]) - batch["known"] * outputs["scanner"]
    return weighted(2 * apart + told, batch)


def build(scale: float, rate: float):
    """A builder of the learner."""
    return lambda axis_name=None: zoo.supervised(
        Adapted(scale), loss, optim.adam(rate), axis_name=axis_name
    )


def other(x: np.ndarray) -> np.ndarray:
    """Slices by the other scanner, of brightness from 0 to 1."""
    return np.float32(DARKER * np.clip(x, 0, 1) ** CURVE)


def outcomes(tasks, cfg, train, test):
    """("scanner", Outcome): with the gradient reversed, and without it."""
    half = len(train.t1) // 2
    known = np.arange(2 * half) < half
    x = np.where(known[:, None, None, None], train.t1, other(train.t1))[: 2 * half]
    y = mask(train.tissue)[: 2 * half]
    data = {"x": signed(x), "y": y, "known": np.float32(known)}
    given = signed(other(test.t1))
    made = {}
    for way, scale in (("baseline", 0.0), ("reversed", SCALE)):
        stream = zoo.data.batches(data, 2 * cfg.batch_size, cfg.seed)
        state = T.fitter(build(scale, cfg.learning_rate))(stream, cfg.steps, cfg.seed)
        apply = jit_once(lambda v, x, scale=scale: Adapted(scale).apply(v, x)["mask"])
        made[way] = apply(zoo.eval_variables(state), given)
    yield "scanner", outcome(given, made, mask(test.tissue), of_masks)
