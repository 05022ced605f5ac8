"""Self-paced fine-tuning: which layers to adapt, and when.

    r_l = |gradient of the loss by layer l| / |parameters of layer l|     at the start

The layers are ranked by r_l, the largest first: that is where a small step, relative to
what is there, lowers the loss most. The first of the ranking learns alone, until the
loss stalls: its mean over `patience` steps is not less, by the share `least`, than over
those before. Then the next one learns too, and so on. The net itself sets the pace; a
task that one layer can solve leaves the others, and what they know, as they were.

This joins two ideas: relative gradients choose the layers once and for all in Lee et
al.; layers are freed one by one in Howard and Ruder, but from the top and by the clock.
(Self-paced learning, of Kumar et al., orders examples; here layers are ordered.)

Shapes: L layers: the entries of the parameters' uppermost dict.

References:
    Lee, Chen, Tajwar, Kumar, Yao, Liang and Finn, "Surgical fine-tuning improves
    adaptation to distribution shifts", ICLR 2023, https://arxiv.org/abs/2210.11466
    Howard and Ruder, "Universal language model fine-tuning for text classification",
    ACL 2018, https://arxiv.org/abs/1801.06146 (gradual unfreezing)
    Kumar, Packer and Koller, "Self-paced learning for latent variable models",
    NeurIPS 2010
"""

import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optim.errors import check_count, check_range
from zoo.learner import Batch, Learner, PyTree, mean
from zoo.meta.adapted import Loss


class PacedState(NamedTuple):
    """A net that is tuned layer by layer, and how far that is."""

    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    params: PyTree
    opt_state: PyTree
    order: jax.Array  # int32 [L]: layers in the order in which they begin to learn
    open: jax.Array  # int32 scalar: how many of them learn
    current: jax.Array  # sum of the losses of this window of `patience` steps
    before: jax.Array  # of the window before


def relative(params: PyTree, grads: PyTree) -> jax.Array:
    """r_l, [L], in the order of the layers' names.

    Args:
        params: a dict of layers.
        grads: of the loss by them.
    """
    length = optax.tree.norm
    each = [
        length(grads[name]) / jnp.maximum(length(params[name]), 1e-12)
        for name in sorted(params)
    ]
    return jnp.stack(each)


def learner(
    model,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    params: PyTree,
    *,
    patience: int = 5,
    least: float = 0.05,
    metrics: dict[str, Loss] | None = None,
    axis_name: str | None = None,
) -> Learner:
    """Fine-tunes a net, layer by layer, at its own pace.

    Args:
        model: a linen module without other variables than parameters; called as
            `model(x)`, with `train` and `index` if its `__call__` has them.
        loss: (outputs, batch) -> (sum, weight).
        optimizer: any optax transformation; it sees zeros for what does not learn yet,
            and its update there is not used.
        params: where to begin, a dict of layers; they are copied.
        patience: steps of a window, >= 1.
        least: the share by which a window's loss must fall, in [0, 1].
        metrics: more functions as the loss.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner with `PacedState`. Metrics of a step: `loss`, those given, and `open`,
        how many layers learned in it.

    Raises:
        ValueError: a number out of range; parameters that are no dict of layers.
    """
    patience = check_count("patience", patience)
    least = check_range("least", least, 0, 1, "[]")
    if not isinstance(params, dict) or not params:
        raise ValueError(f"params must be a dict of layers, got {params!r:.80}")
    reported = {"loss": loss, **(metrics or {})}
    optimizer = optax.with_extra_args_support(optimizer)
    keywords = inspect.signature(type(model).__call__).parameters
    names = sorted(params)

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def pairs(params, batch, key=None):
        given = {"train": key is not None, "index": batch.get("index")}
        given = {k: v for k, v in given.items() if k in keywords}
        rngs = {} if key is None else {"dropout": key}
        outputs = model.apply({"params": params}, batch["x"], rngs=rngs, **given)
        return {name: f(outputs, batch) for name, f in reported.items()}

    def init(key, batch: Batch):
        del batch
        start = jax.tree.map(jnp.copy, params)
        return PacedState(
            step=jnp.int32(0),
            key=jax.random.fold_in(key, 0),
            params=start,
            opt_state=optimizer.init(start),
            order=jnp.arange(len(names), dtype=jnp.int32),
            open=jnp.int32(1),
            current=jnp.float32(0),
            before=jnp.float32(jnp.inf),
        )

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)

        def local_sum(params):
            found = pairs(params, batch, key)
            return found["loss"][0], found

        grads, found = total(jax.grad(local_sum, has_aux=True)(state.params))
        weight = jnp.maximum(found["loss"][1], 1e-12)
        grads = jax.tree.map(lambda g: g / weight.astype(g.dtype), grads)
        value = mean(found["loss"])
        ranked = jnp.argsort(-relative(state.params, grads)).astype(jnp.int32)
        order = jnp.where(state.step == 0, ranked, state.order)
        rank = jnp.argsort(order)  # of each layer
        learns = dict(zip(names, rank < state.open, strict=True))
        only = lambda tree: {
            name: jax.tree.map(lambda a, m=learns[name]: jnp.where(m, a, 0), part)
            for name, part in tree.items()
        }
        updates, opt_state = optimizer.update(
            only(grads), state.opt_state, state.params, value=value
        )
        current = state.current + value.astype(jnp.float32)
        ends = (state.step + 1) % patience == 0
        stalled = ends & (current > (1 - least) * state.before)
        new = PacedState(
            step=state.step + 1,
            key=state.key,
            params=optax.apply_updates(state.params, only(updates)),
            opt_state=opt_state,
            order=order,
            open=jnp.minimum(state.open + stalled, len(names)).astype(jnp.int32),
            current=jnp.where(ends, 0, current),
            before=jnp.where(ends, current, state.before),
        )
        opened = state.open.astype(jnp.float32), jnp.float32(1)
        return new, {**found, "open": opened}

    def evaluate(state, batch):
        return total(pairs(state.params, batch))

    return Learner(init, step, evaluate)
