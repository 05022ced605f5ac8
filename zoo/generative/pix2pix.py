"""pix2pix: a translation of images learned from pairs, with a learned loss.

    D's parameters -= its optimizer's step on E[loss of D(x, y), D(x, G(x))] / 2
    G's parameters -= its optimizer's step on E[loss of D(x, G(x)) + w d(G(x), y)]

G is asked by the discriminator that has just stepped. d is the mean absolute difference
as published, or another distance: cross-entropy makes it a segmentation with an
adversarial loss. A discriminator that is not conditional sees no x, and judges y alone:
with outlines as y it is a critic of shapes. G's chance is its dropout.

Batch normalization is as in `zoo.generative.gan`: examples and samples apart, each kind
with its own moving averages.

Shapes: B examples, H height, W width, C channels of x, K of y.

References:
    Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial
    networks", CVPR 2017, https://arxiv.org/abs/1611.07004
    Luc, Couprie, Chintala and Verbeek, "Semantic segmentation using adversarial
    networks", 2016, https://arxiv.org/abs/1611.08408
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.functional.losses import weighted
from zoo.generative import players
from zoo.generative.gan_losses import GANLoss, each
from zoo.generative.players import Player
from zoo.learner import Learner


class PairState(NamedTuple):
    """Both players."""

    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    generator: Player
    discriminator: Player


def absolute(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Mean absolute difference of each example, [B, ...] -> [B]."""
    return each(jnp.abs(outputs - y))


def learner(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: GANLoss,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    *,
    weight: float = 100.0,
    distance: Callable[[jax.Array, jax.Array], jax.Array] = absolute,
    conditional: bool = True,
    axis_name: str | None = None,
) -> Learner:
    """A network that translates, and one that judges it.

    Args:
        generator: a module, [B, H, W, C] -> [B, H, W, K]; it may have keywords `train`
            and `index`.
        discriminator: a module, [B, H, W, C + K] -> [B, ...]; not conditional,
            [B, H, W, K] -> [B, ...].
        loss: of `gan_losses`, one without balance.
        generator_optimizer, discriminator_optimizer: any optax transformations.
        weight: w, >= 0.
        distance: d, (outputs, y) -> [B].
        conditional: whether the discriminator sees x.
        axis_name: the parallel axis over which the step reduces, if it has one.

    Returns:
        A learner of batches with images `x` and `y`, `index`, and perhaps `weight`.
        Metrics: `discriminator` and `generator`, the losses without the distance;
        `real` and `fake`, the discriminator's outputs; `distance`, without its weight.

    Raises:
        ValueError: an argument out of range; when traced, translations of another shape
            than y, or images x and y of different sizes.
    """
    if not weight >= 0:
        raise ValueError(f"weight must be >= 0, got {weight}")
    if loss.balance is not None:
        raise ValueError("loss must be one without balance, got BEGAN's")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def average(tree):  # of statistics, over devices
        return jax.lax.pmean(tree, axis_name) if axis_name else tree

    def seen(x, y):
        return jnp.concatenate([x, y], -1) if conditional else y

    def tell(params, model_state, y, batch, train=True):
        variables = {"params": params, **model_state}
        given = seen(batch["x"], y)
        return players.outputs(discriminator, variables, given, batch, train)

    def translate(params, model_state, batch, key):
        variables = {"params": params, **model_state}
        return players.outputs(generator, variables, batch["x"], batch, True, key)

    def init(key, batch):
        keys = jax.random.split(key, 3)
        x, y = batch["x"], batch["y"]
        if x.shape[:-1] != y.shape[:-1]:
            raise ValueError(
                "x and y must be images of one size, as many, got "
                f"{list(x.shape)} and {list(y.shape)}"
            )
        variables = players.start(generator, keys[0], x, batch)
        params = variables.pop("params")
        made = jax.eval_shape(lambda: translate(params, variables, batch, keys[0])[0])
        if made.shape != y.shape:
            raise ValueError(
                f"generator makes {list(made.shape)} of x, and y are {list(y.shape)}"
            )
        first = Player(params, variables, generator_optimizer.init(params))
        variables = players.start(discriminator, keys[1], seen(x, y), batch)
        params = variables.pop("params")
        both = {"real": variables, "fake": jax.tree.map(jnp.copy, variables)}
        return PairState(
            step=jnp.zeros((), jnp.int32),
            key=keys[2],
            generator=first,
            discriminator=Player(params, both, discriminator_optimizer.init(params)),
        )

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)
        first, second = state.generator, state.discriminator
        fakes, pull, made = jax.vjp(
            lambda params: translate(params, first.model_state, batch, key),
            first.params,
            has_aux=True,
        )
        kinds = second.model_state

        def doubt(params):
            a, real = tell(params, kinds["real"], batch["y"], batch)
            b, fake = tell(params, kinds["fake"], fakes, batch)
            pairs = {
                "discriminator": weighted(loss.discriminator(a, b) / 2, batch),
                "real": weighted(each(a), batch),
                "fake": weighted(each(b), batch),
            }
            return pairs["discriminator"][0], (pairs, {"real": real, "fake": fake})

        grads, (pairs, states) = jax.grad(doubt, has_aux=True)(second.params)
        grads, pairs = total((grads, pairs))
        grads = players.over(grads, pairs["discriminator"])
        second = players.moved(discriminator_optimizer, second, grads, average(states))

        def please(fakes):
            b, _ = tell(second.params, kinds["fake"], fakes, batch)
            told = weighted(loss.generator(b), batch)
            apart = weighted(distance(fakes, batch["y"]), batch)
            return told[0] + weight * apart[0], {"generator": told, "distance": apart}

        slope, more = jax.grad(please, has_aux=True)(fakes)
        grads, more = total((pull(slope)[0], more))
        grads = players.over(grads, more["generator"])
        first = players.moved(generator_optimizer, first, grads, average(made))
        new = PairState(
            step=state.step + 1, key=state.key, generator=first, discriminator=second
        )
        return new, pairs | more

    def evaluate(state, batch):
        fakes = translated(generator, state, batch["x"])
        params, kinds = state.discriminator.params, state.discriminator.model_state
        a, _ = tell(params, kinds["real"], batch["y"], batch, False)
        b, _ = tell(params, kinds["fake"], fakes, batch, False)
        found = {
            "discriminator": loss.discriminator(a, b) / 2,
            "generator": loss.generator(b),
            "real": each(a),
            "fake": each(b),
            "distance": distance(fakes, batch["y"]),
        }
        return total({name: weighted(value, batch) for name, value in found.items()})

    return Learner(init, step, evaluate)


def translated(generator: nn.Module, state: PairState, x: jax.Array) -> jax.Array:
    """What the generator makes of images in use, by its moving averages.

    Args:
        generator: the module of `learner`.
        state: its state.
        x: images, [B, H, W, C].

    Returns:
        [B, H, W, K].
    """
    player = state.generator
    variables = {"params": player.params, **player.model_state}
    return players.outputs(generator, variables, x, {}, False)[0]
