"""Two players as one learner: a step improves both.

    z ~ the prior, a draw for each example              keys from its index
    n times:  D's parameters -= its optimizer's step on E[loss of D(x), D(G(z))]
    once:     G's parameters -= its optimizer's step on E[loss of D(G(z))]

A batch is cut into n parts, and each step of the discriminator takes one: no example is
seen twice. The generator's step is on the samples of the last part, which are computed
once for both players. Alternately it asks the discriminator that has just stepped,
simultaneously the one before.

Batch normalization, by player and by kind of batch. Examples and samples go through the
discriminator apart, each kind normalized by its own batch, and each has its own moving
averages, by which that kind is normalized in evaluation; the generator's step leaves
them. The generator normalizes by the batch of latents, and its moving averages are of
the samples on which it has stepped. Over devices all of it is synchronised if the
modules have the axis name.

What holds the slope of a critic: `clip` cuts all its parameters after each of its
steps; `penalty` adds that times `gan_losses.gradient_penalty`, at points between each
example and its sample; `spectral` divides kernels by their largest singular value.

Shapes: B examples, Z latents of a sample.

References:
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661, algorithm 1
    Arjovsky, Chintala and Bottou, "Wasserstein GAN", ICML 2017,
    https://arxiv.org/abs/1701.07875, algorithm 1 (clipping)
    Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017,
    https://arxiv.org/abs/1704.00028, algorithm 1
    Mirza and Osindero, "Conditional generative adversarial nets", 2014,
    https://arxiv.org/abs/1411.1784
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.errors import unknown
from zoo.functional.dropout import example_keys
from zoo.functional.losses import weighted
from zoo.generative import players
from zoo.generative import spectral as singular
from zoo.generative.gan_losses import GANLoss, each, gradient_penalty
from zoo.generative.players import Player
from zoo.learner import Batch, Learner

PRIORS = {
    "normal": lambda key, n: jax.random.normal(key, (n,)),
    "uniform": lambda key, n: jax.random.uniform(key, (n,), minval=-1),
}


class GANState(NamedTuple):
    """Both players, and what options of `learner` keep; None where not asked for."""

    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    generator: Player
    discriminator: Player
    ema: Any  # moving average of the generator's parameters, or None
    vectors: Any  # of spectral normalization, or None
    balance: jax.Array | None  # k, where the loss has one


def learner(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: GANLoss,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    *,
    critic_steps: int = 1,
    simultaneous: bool = False,
    clip: float | None = None,
    penalty: float | None = None,
    spectral: bool = False,
    ema: float | None = None,
    prior: str = "normal",
    axis_name: str | None = None,
) -> Learner:
    """Two networks that learn against each other.

    Args:
        generator: a module with a field `latents`, Z; [B, Z] -> samples, of the shape
            of the examples.
        discriminator: a module, [B, ...] -> [B, ...]. Either may have a keyword
            `train`. One whose field `classes` is above 0 takes a dict of `x`, and of
            labels `y` from the batch.
        loss: of `gan_losses`.
        generator_optimizer, discriminator_optimizer: any optax transformations.
        critic_steps: n; divides the batch of each device.
        simultaneous: both players step from where both stand; needs n = 1.
        clip: the largest size of a parameter of the discriminator.
        penalty: weight of the gradient penalty; needs a discriminator without batch
            statistics, else an example has no gradient of its own.
        spectral: spectral normalization of the discriminator.
        ema: decay of a moving average of the generator's parameters, in (0, 1), used
            in evaluation; min(ema, (1 + n) / (10 + n)) at step n.
        prior: of latents: "normal", or "uniform" from -1 to 1.
        axis_name: the parallel axis over which the step reduces, if it has one.

    Returns:
        A learner of batches with `x` and `index`, perhaps `y`, and perhaps `weight`,
        which counts for an example and for its sample. Metrics: `discriminator` and
        `generator`, the losses; `real` and `fake`, the discriminator's outputs;
        `penalty`, without its weight, in training; `balance`, k before the step.

    Raises:
        ValueError: an argument out of range; when traced, a batch that critic_steps
            does not divide, a penalty where there are batch statistics, samples of
            another shape than the examples, or a batch without labels.
    """
    _check(critic_steps, simultaneous, clip, penalty, ema, prior)

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def average(tree):  # of statistics, over devices
        return jax.lax.pmean(tree, axis_name) if axis_name else tree

    def latents(keys):
        return jax.vmap(lambda key: PRIORS[prior](key, generator.latents))(keys)

    def tell(params, model_state, x, batch, train):
        variables = {"params": params, **model_state}
        return players.outputs(discriminator, variables, x, batch, train)

    def normalized(params, vectors):
        return singular.normalize(params, vectors) if spectral else params

    def init(key, batch):
        keys = jax.random.split(key, 4)
        z = latents(example_keys(keys[0], jnp.arange(len(batch["x"]))))
        variables = players.start(generator, keys[0], z, batch)
        params = variables.pop("params")
        whole = {"params": params, **variables}
        fakes = jax.eval_shape(
            lambda: players.outputs(generator, whole, z, batch, True)[0]
        )
        if fakes.shape != batch["x"].shape:
            raise ValueError(
                f"generator makes samples {list(fakes.shape)}, and the examples are "
                f"{list(batch['x'].shape)}"
            )
        first = Player(params, variables, generator_optimizer.init(params))
        variables = players.start(discriminator, keys[1], batch["x"], batch)
        there = variables.pop("params")
        if penalty is not None and variables:
            raise ValueError(
                "penalty needs a discriminator in which examples do not see each "
                f"other, got one with {', '.join(variables)}"
            )
        both = {"real": variables, "fake": jax.tree.map(jnp.copy, variables)}
        return GANState(
            step=jnp.zeros((), jnp.int32),
            key=keys[3],
            generator=first,
            discriminator=Player(there, both, discriminator_optimizer.init(there)),
            ema=None if ema is None else jax.tree.map(jnp.copy, params),
            vectors=singular.start(keys[2], there) if spectral else None,
            balance=None if loss.balance is None else jnp.zeros(()),
        )

    def critic_step(player, vectors, k, fakes, batch, keys):
        def local_sum(params):
            params = normalized(params, vectors)
            states = player.model_state
            a, real = tell(params, states["real"], batch["x"], batch, True)
            b, fake = tell(params, states["fake"], fakes, batch, True)
            value = loss.discriminator(a, b, 0.0 if k is None else k)
            pairs = {"real": weighted(each(a), batch), "fake": weighted(each(b), batch)}
            if penalty is not None:
                epsilon = jax.vmap(jax.random.uniform)(keys)
                critic = lambda x: tell(params, states["real"], x, batch, True)[0]
                steep = gradient_penalty(critic, batch["x"], fakes, epsilon)
                pairs["penalty"] = weighted(steep, batch)
                value = value + penalty * steep
            pairs["discriminator"] = weighted(value, batch)
            states = {"real": real, "fake": fake}
            return pairs["discriminator"][0], (pairs, states)

        grads, (pairs, states) = jax.grad(local_sum, has_aux=True)(player.params)
        grads, pairs = total((grads, pairs))
        grads = players.over(grads, pairs["discriminator"])
        player = players.moved(discriminator_optimizer, player, grads, average(states))
        if clip is not None:
            cut = jax.tree.map(lambda p: jnp.clip(p, -clip, clip), player.params)
            player = player._replace(params=cut)
        return player, pairs

    def draws(key, i, part):
        """Keys for the latents and for the penalty's points of a part's examples."""
        index = part["index"]
        return [example_keys(jax.random.fold_in(key, 2 * i + j), index) for j in (0, 1)]

    def generate(params, model_state, z, part):
        return players.outputs(
            generator, {"params": params, **model_state}, z, part, True
        )

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)
        first, k = state.generator, state.balance

        def ask(carry, fakes, part, keys):
            player, vectors = carry
            if spectral:
                vectors = singular.iterate(player.params, vectors)
            player, pairs = critic_step(player, vectors, k, fakes, part, keys)
            return (player, vectors), pairs

        def body(carry, numbered):
            i, part = numbered
            keys = draws(key, i, part)
            z = latents(keys[0])
            fakes, _ = generate(first.params, first.model_state, z, part)
            return ask(carry, fakes, part, keys[1])

        carry, last = (state.discriminator, state.vectors), critic_steps - 1
        parts = _parts(batch, critic_steps)
        part = jax.tree.map(lambda x: x[last], parts)
        if last:
            numbered = jnp.arange(last), jax.tree.map(lambda x: x[:last], parts)
            unroll = last if _in_loops_slow(carry[0].params) else 1
            carry, sums = jax.lax.scan(body, carry, numbered, unroll=unroll)
        keys = draws(key, last, part)
        z = latents(keys[0])
        fakes, pull, states = jax.vjp(
            lambda params: generate(params, first.model_state, z, part),
            first.params,
            has_aux=True,
        )
        before = carry[0]
        (second, vectors), pairs = ask(carry, fakes, part, keys[1])
        if last:
            pairs = jax.tree.map(lambda a, b: a + b.sum(0), pairs, sums)
        asked = before if simultaneous else second

        def local_sum(fakes):
            params = normalized(asked.params, vectors)
            b, _ = tell(params, before.model_state["fake"], fakes, part, True)
            pair = weighted(loss.generator(b), part)
            return pair[0], pair

        slope, pair = jax.grad(local_sum, has_aux=True)(fakes)
        grads, pair = total((pull(slope)[0], pair))
        first = players.moved(
            generator_optimizer, first, players.over(grads, pair), average(states)
        )
        pairs |= {"generator": pair}
        balance = k
        if loss.balance is not None:
            weight = players.divisor(pairs["real"])
            pairs["balance"] = (balance * weight, weight)
            means = (pairs[name][0] / weight for name in ("real", "fake"))
            balance = loss.balance(balance, *means)
        new = GANState(
            step=state.step + 1,
            key=state.key,
            generator=first,
            discriminator=second,
            ema=None if ema is None else _average(ema, state, first.params),
            vectors=vectors,
            balance=balance,
        )
        return new, pairs

    def evaluate(state, batch):
        z = latents(example_keys(jax.random.key(0), batch["index"]))
        fakes = samples(generator, state, z, batch.get("y"))
        player = state.discriminator
        params, states = normalized(player.params, state.vectors), player.model_state
        a, _ = tell(params, states["real"], batch["x"], batch, False)
        b, _ = tell(params, states["fake"], fakes, batch, False)
        k = 0.0 if state.balance is None else state.balance
        found = {
            "discriminator": loss.discriminator(a, b, k),
            "generator": loss.generator(b),
            "real": each(a),
            "fake": each(b),
        }
        return total({name: weighted(value, batch) for name, value in found.items()})

    return Learner(init, step, evaluate)


def samples(
    generator: nn.Module, state: GANState, z: jax.Array, y: jax.Array | None = None
) -> jax.Array:
    """What the generator makes in use: by moving averages, of its parameters too if
    there is one.

    Args:
        generator: the module of `learner`.
        state: its state.
        z: latents, [B, Z].
        y: labels, [B], of a conditional one.

    Returns:
        [B, ...].
    """
    player = state.generator
    params = player.params if state.ema is None else state.ema
    variables = {"params": params, **player.model_state}
    return players.outputs(generator, variables, z, {"y": y}, False)[0]


def _average(decay, state, params):
    n = state.step.astype(jnp.float32)
    d = jnp.minimum(decay, (1 + n) / (10 + n))
    return jax.tree.map(
        lambda a, p: (d * a + (1 - d) * p).astype(p.dtype), state.ema, params
    )


def _parts(batch: Batch, count: int) -> Batch:  # [B, ...] -> [count, B / count, ...]
    """Every count-th example, so that a sharded batch keeps rows on their device."""

    def cut(x):
        if len(x) % count:
            raise ValueError(
                f"critic_steps must divide the batch of each device: {len(x)} examples "
                f"cannot be cut into {count} parts"
            )
        return jnp.moveaxis(x.reshape(-1, count, *x.shape[1:]), 1, 0)

    return jax.tree.map(cut, batch)


def _in_loops_slow(params):
    """Convolutions on a CPU, which are fifty times slower in a loop."""
    some = any(leaf.ndim > 2 for leaf in jax.tree.leaves(params))
    return some and jax.default_backend() == "cpu"


def _check(critic_steps, simultaneous, clip, penalty, ema, prior):
    if not isinstance(critic_steps, int) or critic_steps < 1:
        raise ValueError(f"critic_steps must be an integer >= 1, got {critic_steps!r}")
    if simultaneous and critic_steps > 1:
        raise ValueError(
            f"simultaneous needs critic_steps of 1, got {critic_steps}: the generator "
            "would be asked by a discriminator that has stepped"
        )
    for name, value in (("clip", clip), ("penalty", penalty)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema must be in (0, 1), got {ema}")
    if prior not in PRIORS:
        raise unknown("prior", prior, PRIORS)
