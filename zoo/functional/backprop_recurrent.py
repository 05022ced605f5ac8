"""Backpropagation through time by hand: the simple RNN, the LSTM and the GRU.

All steps' inputs are projected by one matmul before the scan. The scan backward in time
computes only the residuals d_t = dL/dz_t of the pre-activations z_t; the gradient of a
weight is then one matmul over all steps and examples. A sum of products inside the
scan, which is what JAX derives, costs a matmul and an addition of the weight's size at
every step. Below, dh_t and dc_t are all that reaches h_t and c_t: from the loss and
from step t + 1.

RNN     z_t = x_t W_x + h_{t-1} W_h + b,   h_t = f(z_t)
        d_t = dh_t f'(z_t)
        f' = 1 - h_t^2 for tanh, [h_t > 0] for ReLU, 1 for f(z) = z

LSTM    i, f, g, o = the four quarters of z_t = x_t W_x + h_{t-1} W_h + b
        c_t = sig(f) c_{t-1} + sig(i) tanh(g),   h_t = sig(o) tanh(c_t)
        With the activated gates in the same letters:
        dc_t += dh_t o (1 - tanh(c_t)^2)
        d_i = dc_t g i (1 - i),            d_f = dc_t c_{t-1} f (1 - f)
        d_g = dc_t i (1 - g^2),            d_o = dh_t tanh(c_t) o (1 - o)
        dc_{t-1} += dc_t f

GRU     r, z = sig of two thirds of x_t W_x + h_{t-1} W_h + b
        s = h_{t-1} W_n + b_n,   n = tanh(x_t W_xn + b_xn + r s)
        h_t = (1 - z) n + z h_{t-1}
        d_n = dh_t (1 - z) (1 - n^2)
        d_r = d_n s r (1 - r),             d_z = dh_t (h_{t-1} - n) z (1 - z)
        dh_{t-1} += dh_t z; towards W_h the third residual is d_n r, not d_n

all     dh_{t-1} += d_t W_h^T,   dx_t = d_t W_x^T
        dW_x = sum_t x_t^T d_t,   dW_h = sum_t h_{t-1}^T d_t,   db = sum_t d_t

Where the mask is 0, a step leaves the state as it was and passes its gradient on. With
padding at the end, the last state is then that of each sequence's own last step.

Shapes: B examples, T steps, D input features, H units.
Layout: gates side by side in PyTorch's order, i, f, g, o and r, z, n; weights are the
transposes of PyTorch's. One bias where PyTorch has two, the sum of both, but for the
GRU's b_n, which stands within the product with r.
Differs from the papers: the LSTM has no peepholes; the GRU multiplies by r after the
matmul, as PyTorch and cuDNN do, so that one matmul serves all gates.

References:
    Werbos, "Backpropagation through time: what it does and how to do it", Proceedings
    of the IEEE 1990, https://doi.org/10.1109/5.58337
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735
    Gers, Schmidhuber and Cummins, "Learning to forget: continual prediction with
    LSTM", Neural Computation 2000, https://doi.org/10.1162/089976600300015015
    Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP 2014, https://arxiv.org/abs/1406.1078
"""

import functools

import jax
import jax.numpy as jnp

from zoo.functional.products import product

ACTIVATIONS = {
    "tanh": (jnp.tanh, lambda h: 1 - h * h),  # f, and f' in terms of the output
    "relu": (jax.nn.relu, lambda h: (h > 0).astype(h.dtype)),
    "linear": (lambda z: z, jnp.ones_like),
}


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def rnn(
    x: jax.Array,
    h: jax.Array,
    w_x: jax.Array,
    w_h: jax.Array,
    b: jax.Array,
    mask: jax.Array | None = None,
    activation: str = "tanh",
) -> jax.Array:
    """The states of a simple recurrent network.

    Args:
        x: inputs, [B, T, D].
        h: the state before the first step, [B, H].
        w_x: [D, H].
        w_h: [H, H].
        b: [H].
        mask: bool [B, T], False where there is no step; None for all.
        activation: tanh, relu or linear.

    Returns:
        The states after each step, [B, T, H].

    Raises:
        ValueError: shapes that do not fit, or an unknown activation.
    """
    return _rnn_forward(x, h, w_x, w_h, b, mask, activation)[0]


def _rnn_forward(x, h, w_x, w_h, b, mask, activation):
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}"
        )
    _check(x, mask, gates=1, h=h, w_x=w_x, w_h=w_h, b=b)
    f = ACTIVATIONS[activation][0]

    def step(h_old, inputs):
        z, m = inputs
        h = _choose(m, f(z + h_old @ w_h), h_old)
        return h, h

    _, states = jax.lax.scan(step, h, (_project(x, w_x, b), _by_time(mask)))
    return _by_example(states), (x, h, w_x, w_h, mask, states)


def _rnn_backward(activation, saved, dy):
    x, h, w_x, w_h, mask, states = saved

    def step(dh, inputs):
        dy, slope, m = inputs
        dh, passed = _split(m, dh + dy)
        d = dh * slope
        return d @ w_h.T + passed, d

    slopes = ACTIVATIONS[activation][1](states)  # [T, B, H]
    inputs = (_by_time(dy), slopes, _by_time(mask))
    dh, d = jax.lax.scan(step, jnp.zeros_like(h), inputs, reverse=True)
    dx, dw_x, db = _input_gradients(x, w_x, d)
    return dx, dh, dw_x, _over_steps(_before(h, states), d), db, None


rnn.defvjp(_rnn_forward, _rnn_backward)


@jax.custom_vjp
def lstm(
    x: jax.Array,
    h: jax.Array,
    c: jax.Array,
    w_x: jax.Array,
    w_h: jax.Array,
    b: jax.Array,
    mask: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The outputs of a network of LSTM cells, and its last cell state.

    Args:
        x: inputs, [B, T, D].
        h: the output before the first step, [B, H].
        c: the cell state before the first step, [B, H].
        w_x: [D, 4 H], for the gates i, f, g, o.
        w_h: [H, 4 H].
        b: [4 H].
        mask: bool [B, T], False where there is no step; None for all.

    Returns:
        h after each step, [B, T, H], and c after the last, [B, H].

    Raises:
        ValueError: shapes that do not fit.
    """
    return _lstm_forward(x, h, c, w_x, w_h, b, mask)[0]


def _lstm_forward(x, h, c, w_x, w_h, b, mask):
    _check(x, mask, gates=4, h=h, c=c, w_x=w_x, w_h=w_h, b=b)

    def step(state, inputs):
        (h_old, c_old), (z, m) = state, inputs
        i, f, g, o = jnp.split(z + h_old @ w_h, 4, axis=1)
        i, f, g, o = (
            jax.nn.sigmoid(i),
            jax.nn.sigmoid(f),
            jnp.tanh(g),
            jax.nn.sigmoid(o),
        )
        c = f * c_old + i * g
        h = _choose(m, o * jnp.tanh(c), h_old)
        c = _choose(m, c, c_old)
        return (h, c), (h, c, jnp.concatenate([i, f, g, o], axis=1))

    inputs = (_project(x, w_x, b), _by_time(mask))
    (_, c_last), (hs, cs, gates) = jax.lax.scan(step, (h, c), inputs)
    return (_by_example(hs), c_last), (x, h, c, w_x, w_h, mask, hs, cs, gates)


def _lstm_backward(saved, residuals):
    x, h, c, w_x, w_h, mask, hs, cs, gates = saved
    dy, dc_last = residuals
    # What multiplies dc and dh does not depend on them: for all steps at once.
    i, f, g, o = jnp.split(gates, 4, axis=2)
    tanh_c = jnp.tanh(cs)
    slopes = jnp.concatenate(  # of c in i, f, g, and of h in o
        [
            g * i * (1 - i),
            _before(c, cs) * f * (1 - f),
            i * (1 - g * g),
            tanh_c * o * (1 - o),
        ],
        axis=2,
    )

    def step(state, inputs):
        dh, dc = state
        dy, slopes, h_in_c, f, m = inputs
        dh, passed_h = _split(m, dh + dy)
        dc, passed_c = _split(m, dc)
        dc = dc + dh * h_in_c
        d = jnp.concatenate([dc, dc, dc, dh], axis=1) * slopes
        return (d @ w_h.T + passed_h, dc * f + passed_c), d

    inputs = (_by_time(dy), slopes, o * (1 - tanh_c * tanh_c), f, _by_time(mask))
    start = (jnp.zeros_like(h), dc_last)
    (dh, dc), d = jax.lax.scan(step, start, inputs, reverse=True)
    dx, dw_x, db = _input_gradients(x, w_x, d)
    return dx, dh, dc, dw_x, _over_steps(_before(h, hs), d), db, None


lstm.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def gru(
    x: jax.Array,
    h: jax.Array,
    w_x: jax.Array,
    w_h: jax.Array,
    b: jax.Array,
    b_n: jax.Array,
    mask: jax.Array | None = None,
) -> jax.Array:
    """The states of a network of gated recurrent units.

    Args:
        x: inputs, [B, T, D].
        h: the state before the first step, [B, H].
        w_x: [D, 3 H], for the gates r, z, n.
        w_h: [H, 3 H].
        b: [3 H].
        b_n: the bias within the product with r, [H].
        mask: bool [B, T], False where there is no step; None for all.

    Returns:
        The states after each step, [B, T, H].

    Raises:
        ValueError: shapes that do not fit.
    """
    return _gru_forward(x, h, w_x, w_h, b, b_n, mask)[0]


def _gru_forward(x, h, w_x, w_h, b, b_n, mask):
    _check(x, mask, gates=3, h=h, w_x=w_x, w_h=w_h, b=b, b_n=b_n)
    units = h.shape[1]

    def step(h_old, inputs):
        u, m = inputs  # u: what the input gives, [B, 3 H]
        v = h_old @ w_h
        r, z = jnp.split(jax.nn.sigmoid(u + v)[:, : 2 * units], 2, axis=1)
        s = v[:, 2 * units :] + b_n[None]
        n = jnp.tanh(u[:, 2 * units :] + r * s)
        h = _choose(m, (1 - z) * n + z * h_old, h_old)
        return h, (h, jnp.concatenate([r, z, n, s], axis=1))

    inputs = (_project(x, w_x, b), _by_time(mask))
    _, (hs, gates) = jax.lax.scan(step, h, inputs)
    return _by_example(hs), (x, h, w_x, w_h, mask, hs, gates)


def _gru_backward(saved, dy):
    x, h, w_x, w_h, mask, hs, gates = saved
    before = _before(h, hs)
    r, z, n, s = jnp.split(gates, 4, axis=2)
    in_n = (1 - z) * (1 - n * n)
    slopes = jnp.concatenate(  # of h in r, z, and in n on the side of W_h
        [in_n * s * r * (1 - r), (before - n) * z * (1 - z), in_n * r], axis=2
    )

    def step(dh, inputs):
        dy, slopes, z, m = inputs
        dh, passed = _split(m, dh + dy)
        d = jnp.concatenate([dh, dh, dh], axis=1) * slopes
        return d @ w_h.T + dh * z + passed, dh

    inputs = (_by_time(dy), slopes, z, _by_time(mask))
    dh, dhs = jax.lax.scan(step, jnp.zeros_like(h), inputs, reverse=True)
    d = jnp.concatenate([dhs, dhs, dhs], axis=2) * slopes
    d_r, d_z, d_nr = jnp.split(d, 3, axis=2)
    d_x = jnp.concatenate([d_r, d_z, dhs * in_n], axis=2)
    dx, dw_x, db = _input_gradients(x, w_x, d_x)
    return dx, dh, dw_x, _over_steps(before, d), db, d_nr.sum((0, 1)), None


gru.defvjp(_gru_forward, _gru_backward)


def _check(x, mask, gates, **arrays):
    """Every array against the shape that x and h ask for."""
    h = arrays["h"]
    if x.ndim != 3 or h.ndim != 2 or x.shape[0] != h.shape[0]:
        raise ValueError(
            f"x must be [B, T, D] and h [B, H], got {x.shape} and {h.shape}"
        )
    (batch, time, width), units = x.shape, h.shape[1]
    allowed = {
        "h": h.shape,
        "c": h.shape,
        "w_x": (width, gates * units),
        "w_h": (units, gates * units),
        "b": (gates * units,),
        "b_n": (units,),
    }
    for name, array in arrays.items():
        if array.shape != allowed[name]:
            raise ValueError(
                f"{name} must be {allowed[name]} for x of {x.shape} and h of "
                f"{h.shape}, got {array.shape}"
            )
    if mask is not None and (mask.shape != (batch, time) or mask.dtype != bool):
        raise ValueError(
            f"mask must be bool {(batch, time)}, got {mask.dtype} {mask.shape}"
        )


def _project(x, w_x, b):  # [B, T, D] -> [T, B, gates H]
    return product(_by_time(x), w_x) + b[None, None]


def _by_time(x):  # [B, T, ...] -> [T, B, ...]
    return None if x is None else jnp.swapaxes(x, 0, 1)


_by_example = _by_time  # and back


def _before(first, states):  # the states before each step, [T, B, H]
    return jnp.concatenate([first[None], states[:-1]])


def _choose(mask, new, old):
    return new if mask is None else jnp.where(mask[:, None], new, old)


def _split(mask, d):
    """A residual: what enters the step, and what passes it by."""
    if mask is None:
        return d, jnp.zeros_like(d)
    return jnp.where(mask[:, None], d, 0), jnp.where(mask[:, None], 0, d)


def _over_steps(a, d):  # [T, B, M], [T, B, N] -> [M, N]
    return a.reshape(-1, a.shape[2]).T @ d.reshape(-1, d.shape[2])


def _input_gradients(x, w_x, d):
    return _by_example(d @ w_x.T), _over_steps(_by_time(x), d), d.sum((0, 1))
