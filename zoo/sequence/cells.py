"""Recurrent forms that no library's fast path has: two older ones, by a plain scan.

GRU, reset gate before the matmul, as it was published:

    r, z = sig of two thirds of x_t W_x + h_{t-1} W_h + b
    n = tanh(x_t W_xn + b_xn + (r h_{t-1}) W_n)
    h_t = (1 - z) n + z h_{t-1}

`zoo.functional.backprop.gru` has the form with r after the matmul, which serves all
gates by one product.

Output to hidden, Jordan's network: what comes back is the output, not the state.

    h_t = f(x_t W_x + y_{t-1} W_y + b),   y_t = g(h_t V + c)

The output is all that this network remembers, so it can do less than one that feeds
its state back; but where the true outputs are known, they may take the place of
y_{t-1} (teacher forcing), and then no step waits for another: no scan at all.

The inputs of all steps are projected by one matmul before the scan. Gradients are
JAX's own; the fast forms, with backward passes by hand, are in `functional.backprop`.

Shapes: B examples, T steps, D input features, H units, O outputs.
Differs from the papers: z keeps the old state, as in PyTorch and Keras; in Cho et al.
as well, in Chung et al. 1 - z does.

References:
    Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP 2014, https://arxiv.org/abs/1406.1078
    Jordan, "Serial order: a parallel distributed processing approach", ICS report
    8604, UC San Diego 1986, https://doi.org/10.1016/S0166-4115(97)80111-2
    Goodfellow, Bengio and Courville, "Deep learning", MIT Press 2016, section 10.2.1,
    https://www.deeplearningbook.org (teacher forcing)
"""

import jax
import jax.numpy as jnp

from zoo.functional.products import product


def gru_reset_before(
    x: jax.Array,
    h: jax.Array,
    w_x: jax.Array,
    w_h: jax.Array,
    b: jax.Array,
    mask: jax.Array | None = None,
) -> jax.Array:
    """The states of a network of GRUs whose reset gate stands before the matmul.

    Args:
        x: inputs, [B, T, D].
        h: the state before the first step, [B, H].
        w_x: [D, 3 H], for the gates r, z, n.
        w_h: [H, 3 H].
        b: [3 H].
        mask: bool [B, T], False where there is no step; None for all.

    Returns:
        The states after each step, [B, T, H].
    """
    units = h.shape[1]
    w_rz, w_n = w_h[:, : 2 * units], w_h[:, 2 * units :]

    def step(h, inputs):
        u, m = inputs  # u: what the input gives, [B, 3 H]
        r, z = jnp.split(jax.nn.sigmoid(u[:, : 2 * units] + h @ w_rz), 2, axis=1)
        n = jnp.tanh(u[:, 2 * units :] + (r * h) @ w_n)
        new = (1 - z) * n + z * h
        h = new if m is None else jnp.where(m[:, None], new, h)
        return h, h

    u = jnp.swapaxes(product(x, w_x) + b[None, None], 0, 1)  # [T, B, 3 H]
    _, states = jax.lax.scan(step, h, (u, None if mask is None else mask.T))
    return jnp.swapaxes(states, 0, 1)


def output_to_hidden(
    x: jax.Array,
    y: jax.Array,
    w_x: jax.Array,
    w_y: jax.Array,
    b: jax.Array,
    v: jax.Array,
    c: jax.Array,
    activation=jnp.tanh,
    readout=lambda y: y,
) -> jax.Array:
    """The outputs of Jordan's network, each fed back to the next step.

    Args:
        x: inputs, [B, T, D].
        y: the output before the first step, [B, O]; or, for teacher forcing, the true
            output before each step, [B, T, O].
        w_x: [D, H].
        w_y: [O, H].
        b: [H].
        v: [H, O].
        c: [O].
        activation: f, elementwise.
        readout: g, over the last axis.

    Returns:
        The outputs of each step, [B, T, O].
    """
    u = product(x, w_x) + b[None, None]  # [B, T, H]
    if y.ndim == 3:
        return readout(product(activation(u + product(y, w_y)), v) + c[None, None])

    def step(y, u):
        y = readout(activation(u + y @ w_y) @ v + c[None])
        return y, y

    _, outputs = jax.lax.scan(step, y, jnp.swapaxes(u, 0, 1))
    return jnp.swapaxes(outputs, 0, 1)
