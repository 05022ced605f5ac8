"""Recirculation: an autoencoder that learns by what changes when activity goes round.

    x_0 = x            h_1 = s(x_0 W + c)                      time 0 and 1
    x_2 = r x_0 + (1 - r) s(h_1 V + b)                         time 2
    h_3 = r h_1 + (1 - r) s(x_2 W + c)                         time 3

    V, b += rate * h_1^T (x_0 - x_2),  mean over b of (x_0 - x_2)
    W, c += rate * x_2^T (h_1 - h_3),  mean over b of (h_1 - h_3)

Each unit changes by its input times the change of its own activity: no derivative goes
backwards. Where V = W^T, the visible units are linear and r is near 1, both updates
point along the gradient of half the squared error: h_1 - h_3 is then a difference
quotient of the backward pass. They do not have its lengths: that of V has a factor of
1 - r, that of W its square. In learning, V comes to be near to W^T by itself if weights
decay.

Differs from the paper: a batch at a time, and the update of W decays as that of V does.

Shapes: B examples, D visible units, K hidden units.

References:
    Hinton and McClelland, "Learning representations by recirculation", NIPS 1987
    (published 1988)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.losses import weighted
from zoo.generative.autoencoder import ACTIVATIONS
from zoo.generative.objective import error
from zoo.learner import Learner

VISIBLE = ("identity", "sigmoid")


class RecirculationState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    params: Any  # W [D, K], V [K, D], b [D], c [K]


def learner(
    hidden: int,
    rate: float = 0.1,
    regression: float = 0.75,
    visible: str = "sigmoid",
    decay: float = 0.0,
    axis_name: str | None = None,
) -> Learner:
    """An autoencoder of one sigmoid layer that learns by recirculation.

    Args:
        hidden: K.
        rate: of the updates, >= 0.
        regression: r, in [0, 1): how much of its activity a unit keeps.
        visible: activation of the reconstruction, "identity" or "sigmoid".
        decay: share of the weights that a step takes away, >= 0.
        axis_name: the parallel axis over which the updates are summed.

    Returns:
        A learner of batches with `x`, floats [B, ...], and perhaps `weight`. Metric:
        `loss`, half the squared error of the reconstruction s(h_1 V + b).

    Raises:
        ValueError: a hidden, rate, regression or decay out of range, an unknown
            activation.
    """
    if not isinstance(hidden, int) or hidden < 1:
        raise ValueError(f"hidden must be a positive integer, got {hidden!r}")
    for name, value in (("rate", rate), ("decay", decay)):
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")
    if not isinstance(regression, jax.core.Tracer) and not 0 <= regression < 1:
        raise ValueError(f"regression must be in [0, 1), got {regression}")
    if visible not in VISIBLE:
        raise unknown("activation of visible units", visible, VISIBLE)

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x = jnp.asarray(batch["x"])
        d = x.reshape(len(x), -1).shape[1]
        there, back = jax.random.split(key)
        glorot = jax.nn.initializers.glorot_normal()
        params = {
            "W": glorot(there, (d, hidden), x.dtype),
            "V": glorot(back, (hidden, d), x.dtype),
            "b": jnp.zeros(d, x.dtype),
            "c": jnp.zeros(hidden, x.dtype),
        }
        return RecirculationState(step=jnp.zeros((), jnp.int32), params=params)

    def step(state, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        change, y = updates(state.params, x, regression, visible, batch.get("weight"))
        loss = weighted(error(x, y), batch)
        change, loss = total((change, loss))
        count = jnp.where(loss[1] == 0, 1, loss[1])
        moved = {k: p + rate * change[k] / count for k, p in state.params.items()}
        shrunk = {k: (1 - decay) * moved[k] for k in ("W", "V")}
        state = RecirculationState(step=state.step + 1, params={**moved, **shrunk})
        return state, {"loss": loss}

    def evaluate(state, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        _, y = updates(state.params, x, regression, visible)
        return total({"loss": weighted(error(x, y), batch)})

    return Learner(init=init, step=step, evaluate=evaluate)


def updates(
    params: Any,
    x: jax.Array,
    regression: float,
    visible: str = "sigmoid",
    weight: jax.Array | None = None,
) -> tuple[dict[str, jax.Array], jax.Array]:
    """What recirculation adds to the parameters, summed over the examples.

    Args:
        params: W, V, b, c.
        x: examples, [B, D].
        regression: r.
        visible: activation of the reconstruction.
        weight: of each example, [B], or None.

    Returns:
        A change for each parameter, and the reconstruction s(h_1 V + b), [B, D].
    """
    f, w, v, r = ACTIVATIONS[visible], params["W"], params["V"], regression
    up = lambda x: jax.nn.sigmoid(x @ w + params["c"][None])
    hidden = up(x)
    y = f(hidden @ v + params["b"][None])
    again = r * x + (1 - r) * y
    later = r * hidden + (1 - r) * up(again)
    off, moved = x - again, hidden - later
    if weight is not None:
        off, moved = off * weight[:, None], moved * weight[:, None]
    change = {
        "W": again.T @ moved,
        "V": hidden.T @ off,
        "b": off.sum(0),
        "c": moved.sum(0),
    }
    return change, y
