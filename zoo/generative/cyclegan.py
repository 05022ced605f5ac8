"""CycleGAN: a translation between two kinds of images of which no pairs are known.

    generators       G: x -> y and F: y -> x
    E_x[loss of D_y(G(x)) + w |F(G(x)) - x| + w v |F(x) - x|] +
    E_y[loss of D_x(F(y)) + w |G(F(y)) - y| + w v |G(y) - y|]
    discriminators   E[loss of D_y(y), D_y(pool of G(x))] / 2 + the same of D_x

w weighs the way there and back, v the identity; both generators step first, asked by
discriminators that stand, then these step, on samples of generators before their step
and on samples of earlier steps, see `zoo.generative.pool`. Images are normalized each
alone, so that several kinds may go through a network at once; networks with batch
statistics are refused.

A batch is one of zipped streams, {"x": {"x", "index"}, "y": {"x", "index"}}, and the
streams' epochs may differ. The mean over a domain is by its own weights.

Shapes: B examples of each domain, H height, W width, C channels of x, K of y.

References:
    Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using
    cycle-consistent adversarial networks", ICCV 2017, https://arxiv.org/abs/1703.10593
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.functional.losses import weighted
from zoo.generative import players
from zoo.generative.gan_losses import GANLoss
from zoo.generative.pix2pix import absolute
from zoo.generative.players import Player
from zoo.generative.pool import empty, exchange
from zoo.learner import Learner

OTHER = {"x": "y", "y": "x"}


class CycleState(NamedTuple):
    """Four networks as two players, and what the generators made earlier."""

    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    generators: Player  # parameters by the domain that is made: "y" is G, "x" is F
    discriminators: Player  # parameters by the domain that is judged
    pools: Any  # of the samples of each domain


def learner(
    generators: dict[str, nn.Module],
    discriminators: dict[str, nn.Module],
    loss: GANLoss,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    *,
    cycle: float = 10.0,
    identity: float = 0.5,
    places: int = 50,
    axis_name: str | None = None,
) -> Learner:
    """Two networks that translate, and two that judge them.

    Args:
        generators: by the domain that is made: "y": [B, H, W, C] -> [B, H, W, K] and
            "x": the other way.
        discriminators: by the domain that is judged, "x" and "y".
        loss: of `gan_losses`, one without balance; `least_squares()` as published.
        generator_optimizer, discriminator_optimizer: any optax transformations.
        cycle: w, >= 0.
        identity: v, >= 0; above 0 both domains have images of one shape.
        places: of each pool; 0: there is none.
        axis_name: the parallel axis over which the step reduces, if it has one.

    Returns:
        A learner of zipped batches. Metrics by domain: `generator/y` and
        `discriminator/y`, the losses; `cycle/x`, the mean |F(G(x)) - x|; where asked
        for, `identity/x`, the mean |F(x) - x|; and the same of the other.

    Raises:
        ValueError: an argument out of range; when traced, domains that do not fit.
    """
    for name, value in (("cycle", cycle), ("identity", identity)):
        if not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")
    for name, given in (("generators", generators), ("discriminators", discriminators)):
        if set(given) != {"x", "y"}:
            raise ValueError(f'{name} must be of "x" and "y", got {sorted(given)}')
    if loss.balance is not None:
        raise ValueError("loss must be one without balance, got BEGAN's")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def make(params, domain, x):
        return generators[domain].apply({"params": params[domain]}, x)

    def ask(params, domain, x):
        return discriminators[domain].apply({"params": params[domain]}, x)

    def together(tell, *xs):
        """What is told of each of several batches, by one call."""
        return jnp.split(tell(jnp.concatenate(xs)), len(xs))

    def init(key, batch):
        keys = jax.random.split(key, 5)
        images = {domain: batch[domain]["x"] for domain in OTHER}
        _check_images(images, identity)
        makers, judges = {}, {}
        for i, (domain, other) in enumerate(OTHER.items()):
            x = images[other]
            makers[domain] = _params(generators[domain], keys[2 * i], x)
            made = jax.eval_shape(lambda x, d=domain: make(makers, d, x), x)
            if made.shape != images[domain].shape:
                raise ValueError(
                    f"the generator of {domain} makes {list(made.shape)}, and the "
                    f"examples are {list(images[domain].shape)}"
                )
            judges[domain] = _params(
                discriminators[domain], keys[2 * i + 1], images[domain]
            )
        return CycleState(
            step=jnp.zeros((), jnp.int32),
            key=keys[4],
            generators=Player(makers, {}, generator_optimizer.init(makers)),
            discriminators=Player(judges, {}, discriminator_optimizer.init(judges)),
            pools={domain: empty(places, x) for domain, x in images.items()},
        )

    def weighed(values, batch):
        return {n: weighted(v, batch[_source(n)]) for n, v in values.items()}

    def judged(makers, judges, images, batch):
        """Metrics of the generators, and what they make, by domain."""
        fakes, same, values = {}, {}, {}
        for domain, other in OTHER.items():
            tell = lambda x, domain=domain: make(makers, domain, x)
            if identity:
                fakes[domain], same[domain] = together(
                    tell, images[other], images[domain]
                )
            else:
                fakes[domain] = tell(images[other])
        for domain, other in OTHER.items():
            told = ask(judges, domain, fakes[domain])
            values[f"generator/{domain}"] = loss.generator(told)
            again = make(makers, domain, fakes[other])
            values[f"cycle/{domain}"] = absolute(again, images[domain])
            if identity:
                apart = absolute(same[domain], images[domain])
                values[f"identity/{domain}"] = apart
        return weighed(values, batch), fakes

    def doubted(judges, images, samples, batch):
        """Metrics of the discriminators."""
        values = {}
        for domain in OTHER:
            tell = lambda x, domain=domain: ask(judges, domain, x)
            a, b = together(tell, images[domain], samples[domain])
            values[f"discriminator/{domain}"] = loss.discriminator(a, b) / 2
        return weighed(values, batch)

    factors = {"cycle": cycle, "identity": cycle * identity}

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)
        images = {domain: batch[domain]["x"] for domain in OTHER}
        _check_images(images, identity)
        ones = jnp.ones(len(images["x"]), images["x"].dtype)
        counts = {domain: total(weighted(ones, batch[domain])) for domain in OTHER}
        makers, judges = state.generators, state.discriminators

        def share(pairs):  # of this device, in the sum of all means
            return sum(
                factors.get(name.split("/")[0], 1.0)
                * pair[0]
                / players.divisor(counts[_source(name)])
                for name, pair in pairs.items()
            )

        def please(params):
            pairs, fakes = judged(params, judges.params, images, batch)
            return share(pairs), (pairs, fakes)

        grads, (pairs, fakes) = jax.grad(please, has_aux=True)(makers.params)
        makers = players.moved(generator_optimizer, makers, total(grads), {})
        pools, samples = {}, {}
        for i, (domain, other) in enumerate(OTHER.items()):
            pools[domain], samples[domain] = exchange(
                state.pools[domain],
                fakes[domain],
                jax.random.fold_in(key, i),
                batch[other]["index"],
                axis_name,
            )

        def doubt(params):
            pairs = doubted(params, images, samples, batch)
            return share(pairs), pairs

        grads, more = jax.grad(doubt, has_aux=True)(judges.params)
        judges = players.moved(discriminator_optimizer, judges, total(grads), {})
        new = CycleState(
            step=state.step + 1,
            key=state.key,
            generators=makers,
            discriminators=judges,
            pools=pools,
        )
        return new, total(pairs | more)

    def evaluate(state, batch):
        images = {domain: batch[domain]["x"] for domain in OTHER}
        makers, judges = state.generators.params, state.discriminators.params
        pairs, fakes = judged(makers, judges, images, batch)
        return total(pairs | doubted(judges, images, fakes, batch))

    return Learner(init, step, evaluate)


def translated(
    generators: dict[str, nn.Module], state: CycleState, x: jax.Array, to: str
) -> jax.Array:
    """Images of one domain as those of the other.

    Args:
        generators: the modules of `learner`.
        state: its state.
        x: images, [B, H, W, .].
        to: the domain that is made, "x" or "y".

    Returns:
        [B, H, W, .].
    """
    return generators[to].apply({"params": state.generators.params[to]}, x)


def _params(module, key, x):
    variables = dict(module.init(key, x))
    params = variables.pop("params")
    if variables:
        raise ValueError(
            f"{type(module).__name__} has {', '.join(variables)}: networks must "
            "normalize each image alone"
        )
    return params


def _source(name):
    """The domain whose examples a metric is of: a sample's is that it was made of."""
    kind, _, domain = name.partition("/")
    return OTHER[domain] if kind == "generator" else domain


def _check_images(images, identity):
    x, y = (list(images[domain].shape) for domain in OTHER)
    if x[:-1] != y[:-1] or (identity and x != y):
        same = "" if identity == 0 else " and, for the identity, as many channels"
        raise ValueError(
            f"x and y must be as many images of one size{same}, got {x} and {y}"
        )
