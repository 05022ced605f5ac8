"""Losses, as what the learner adds up: (outputs, batch) -> (sum, weight).

    cross entropy  -sum_k q_k log p_k,  p = softmax(z),  q = (1 - s) onehot(y) + s / K
    binary         -q log p - (1 - q) log(1 - p),  p = sigmoid(z),
                   q = (1 - s) y + s / 2

Both parts of the pair are sums over the examples of the batch; `batch["weight"]`, if
it is there, weighs each example, and 0 leaves one out, whatever its value: neither the
sum nor a gradient depends on it. The mean is their ratio, taken once, when devices and
micro-batches have been added up.

Settings are keywords, so `functools.partial(focal, gamma=1.0)` is a loss. Where an
example has several components (the pixels of an image, the labels that it may carry)
its loss is their sum, or with `components="mean"` their mean.

With `from_logits=False` the outputs are p itself. Then p = 0 counts as the smallest
normal number, so that the loss stays finite (87 in float32, 708 in float64), and the
gradient there is 0. PyTorch cuts log p off at -100 and scikit-learn p at the type's
epsilon; elsewhere all agree. Learning from logits has no such border: a class whose
logit is minus infinity (it is masked) counts as if it were not there, where the target
gives it nothing, in value and gradient; where it gives it something (so with smoothing,
always) the loss is infinite. So it is with plus and minus infinity in binary losses.

Shapes: B examples, K classes, s smoothing.

References:
    Szegedy et al., "Rethinking the Inception architecture for computer vision",
    CVPR 2016, https://arxiv.org/abs/1512.00567 (label smoothing, section 7)
"""

from typing import Any

import jax
import jax.numpy as jnp

Pair = tuple[jax.Array, jax.Array]


def cross_entropy(
    outputs: jax.Array,
    batch: dict[str, Any],
    label_smoothing: float = 0.0,
    from_logits: bool = True,
) -> Pair:
    """Cross-entropy of predicted classes against labels or distributions, in nats.

    Args:
        outputs: logits, [B, K].
        batch: `y`, integer labels in 0..K-1, [B], or floats, a distribution over the
            classes for each example, [B, K]; optionally `weight`, [B].
        label_smoothing: s, the share of the target that is spread over all classes.
        from_logits: if not, the outputs are probabilities that add up to 1.

    Returns:
        The weighted sum over the batch and the sum of the weights, scalars of float32
        or wider. A label of K or more makes the sum NaN, unless its weight is 0.

    Raises:
        ValueError: logits that are not [B, K] for labels [B] or distributions [B, K];
            weights that are not [B]; s outside [0, 1).
    """
    _check_smoothing(label_smoothing)
    y = batch["y"]
    log_p = log_probabilities(outputs, batch, from_logits)
    if jnp.issubdtype(y.dtype, jnp.floating):
        loss = -share(distributions(log_p, batch), log_p).sum(1)  # [B, K] -> [B]
    else:
        loss = -at_labels(log_p, y)
    if label_smoothing:  # else 0 times a log p of minus infinity would be NaN
        loss = (1 - label_smoothing) * loss - label_smoothing * log_p.mean(1)
    return weighted(loss, batch)


def binary_cross_entropy(
    outputs: jax.Array,
    batch: dict[str, Any],
    label_smoothing: float = 0.0,
    from_logits: bool = True,
    components: str = "sum",
) -> Pair:
    """Cross-entropy of answers between no and yes against the true ones, in nats.

    Args:
        outputs: logits, [B] or [B, ...].
        batch: `y` of that shape, 0 for no, 1 for yes, or a probability; optionally
            `weight`, [B].
        label_smoothing: s, the share of the target that is spread over no and yes.
        from_logits: if not, the outputs are probabilities.
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B]; s
            outside [0, 1); components that are neither word.
    """
    _check_smoothing(label_smoothing)
    x, y = outputs_and_targets(outputs, batch)
    q = (1 - label_smoothing) * y + label_smoothing / 2
    if from_logits:
        # Not q z taken from one softplus: where z is large and right, nothing is left.
        loss = share(q, jax.nn.softplus(-x)) + share(1 - q, jax.nn.softplus(x))
    else:
        loss = -q * _log(x) - (1 - q) * _log_of_rest(x)
    return weighted(over_components(loss, components), batch)


def share(q: jax.Array, values: jax.Array) -> jax.Array:
    """q times values, which may be infinite, and 0 where q is; elementwise."""
    return q * jnp.where(q == 0, 0, values)


def at_labels(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Each example's output of its own class.

    Args:
        outputs: [B, K].
        y: integer labels, [B].

    Returns:
        [B]; NaN at a label of K or more.

    Raises:
        ValueError: outputs that are not [B, K] for labels [B].
    """
    if outputs.ndim != 2 or outputs.shape[:1] != y.shape:
        raise ValueError(
            f"outputs must be logits [B, K] for labels [B], got {outputs.shape} "
            f"for labels {y.shape}"
        )
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"labels must be integers, got {y.dtype}")
    return jnp.take_along_axis(outputs, y[:, None], axis=1)[:, 0]  # [B, K] -> [B]


def without_labels(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Outputs, [B, K], with minus infinity in the place of the label, int [B]."""
    own = jax.nn.one_hot(y, outputs.shape[1], dtype=bool)
    return jnp.where(own, -jnp.inf, outputs)


def weighted(each: jax.Array, batch: dict[str, Any]) -> Pair:
    """A value for each example, as a pair.

    Args:
        each: [B].
        batch: optionally `weight`, [B].

    Returns:
        The weighted sum and the sum of the weights (without them, B), scalars of
        float32 or wider.

    Raises:
        ValueError: values or weights that are not [B].
    """
    each = wide(each)
    if each.ndim != 1:
        raise ValueError(f"each must be one value an example, [B], got {each.shape}")
    weight = _weight(each, batch)
    if weight is None:
        return each.sum(), jnp.asarray(len(each), each.dtype)
    weight = jnp.asarray(weight).astype(each.dtype)
    return jnp.where(weight == 0, 0, each * weight).sum(), weight.sum()


def counted(x: jax.Array, batch: dict[str, Any]) -> jax.Array:
    """Outputs or targets, [B, ...], with 0 for those of examples of weight 0.

    `weighted` alone keeps a NaN out of the sum, but not out of the gradient: 0 times
    the derivative at a NaN is NaN.
    """
    x, weight = jnp.asarray(x), _weight(x, batch)
    if weight is None:
        return x
    weight = weight.reshape(-1, *(1,) * (x.ndim - 1))  # [B] -> [B, 1, ...]
    return jnp.where(weight == 0, 0, x)


def outputs_and_targets(outputs: jax.Array, batch: dict[str, Any]) -> Pair:
    """Outputs and `y` of one shape, [B, ...], and one type; of weight 0, zeros.

    Raises:
        ValueError: their shapes differ, or there is no axis of examples.
    """
    y = batch["y"]
    if outputs.shape != y.shape or not y.ndim:  # [B, 1] and [B] would make [B, B]
        raise ValueError(
            f"outputs and y must have one shape, [B] or [B, ...], got {outputs.shape} "
            f"and {y.shape}"
        )
    outputs = wide(counted(outputs, batch))
    return outputs, counted(y, batch).astype(outputs.dtype)


def log_probabilities(
    outputs: jax.Array, batch: dict[str, Any], from_logits: bool
) -> jax.Array:
    """log p of each class, [B, K], from logits or from p; of weight 0, finite."""
    if not outputs.ndim:
        raise ValueError("outputs must be [B, K], got a scalar")
    outputs = wide(counted(outputs, batch))
    return jax.nn.log_softmax(outputs) if from_logits else _log(outputs)


def distributions(log_p: jax.Array, batch: dict[str, Any]) -> jax.Array:
    """`y` as a distribution for each example, [B, K], in the type of log p.

    Raises:
        ValueError: `y` is not of floats, or not [B, K].
    """
    y = batch["y"]
    if log_p.ndim != 2 or y.shape != log_p.shape:
        raise ValueError(
            f"outputs and distributions y must both be [B, K], got {log_p.shape} and "
            f"{y.shape}"
        )
    if not jnp.issubdtype(y.dtype, jnp.floating):
        raise ValueError(f"distributions y must be of floats, got {y.dtype}")
    return counted(y, batch).astype(log_p.dtype)


def over_components(each: jax.Array, components: str) -> jax.Array:
    """One value an example: the `sum` or `mean` of its components, [B, ...] -> [B]."""
    if components not in ("sum", "mean"):
        raise ValueError(f"components must be 'sum' or 'mean', got {components!r}")
    axes = tuple(range(1, each.ndim))
    return each.sum(axes) if components == "sum" else each.mean(axes)


def wide(x: jax.Array) -> jax.Array:
    """As floats of at least 32 bits: bfloat16 counts to 256 only."""
    x = jnp.asarray(x)
    enough = jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits >= 32
    return x if enough else x.astype(jnp.float32)


def _weight(x, batch):
    weight = batch.get("weight")
    if weight is not None and weight.shape != x.shape[:1]:
        raise ValueError(
            f"weight must be one number for each of the {len(x)} examples, got "
            f"shape {weight.shape}"
        )
    return weight


def _check_smoothing(label_smoothing):
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")


def _log(p):
    return jnp.log(jnp.where(p == 0, jnp.finfo(p.dtype).tiny, p))


def _log_of_rest(p):  # log(1 - p), exact where p is small
    sure = p == 1
    least = jnp.log(jnp.finfo(p.dtype).tiny).astype(p.dtype)
    return jnp.where(sure, least, jnp.log1p(-jnp.where(sure, 0, p)))
