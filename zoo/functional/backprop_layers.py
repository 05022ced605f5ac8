"""Backward passes by hand: dense layer, sigmoid, softmax, batch normalization.

dense       y = x W + b
            dx = dy W^T,   dW = x^T dy,   db = sum of dy over the examples

sigmoid     y = 1 / (1 + exp(-x))
            dx = dy y (1 - y)

softmax with cross-entropy
            a_k = exp(z_k) / sum_j exp(z_j),   L = - sum_k y_k log a_k
            dz = (a - y) dL,   dy = -log a dL          for a target that sums to 1

batch normalization, over the m values of a feature
            x^ = (x - mean) / sqrt(var + eps),   y = gamma x^ + beta
            dx^    = dy gamma
            dvar   = sum dx^ (x - mean) (-1/2) (var + eps)^(-3/2)
            dmean  = - sum dx^ / sqrt(var + eps) - dvar (2/m) sum (x - mean)
            dx     = dx^ / sqrt(var + eps) + dvar (2/m) (x - mean) + dmean / m
            dgamma = sum dy x^,   dbeta = sum dy
            (the last sum of dmean is 0 where mean is the mean of x)

Shapes: B examples, D input features, O outputs, K classes, C features.
Differs from the papers: a target that sums to s, as zeros for an example to be left
out, has the residual s a - y; eps of batch normalization is 1e-6 unless given.

References:
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating
    errors", Nature 1986, https://doi.org/10.1038/323533a0
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML 2015, https://arxiv.org/abs/1502.03167
    (section 3, the equations before Algorithm 2)
"""

import functools

import jax
import jax.numpy as jnp


@jax.custom_vjp
def dense(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    """A dense layer, x W + b.

    Args:
        x: [..., D].
        w: [D, O].
        b: [O].

    Returns:
        [..., O].

    Raises:
        ValueError: shapes that do not fit.
    """
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"x must be [..., D] for w of [D, O], got {x.shape} and {w.shape}"
        )
    if b.shape != w.shape[1:]:
        raise ValueError(f"b must be {w.shape[1:]} for w of {w.shape}, got {b.shape}")
    return x @ w + _row(b, x)


def dense_backward(
    x: jax.Array, w: jax.Array, dy: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Backward pass of `dense`.

    Args:
        x: its input, [..., D].
        w: its weight, [D, O].
        dy: dL/dy, [..., O].

    Returns:
        dL/dx, dL/dw and dL/db, of the shapes of x, w and b.

    Raises:
        ValueError: a residual that has not the shape of the output.
    """
    _match("dy", dy, (*x.shape[:-1], w.shape[1]))
    rows, residuals = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ w.T, rows.T @ residuals, residuals.sum(0)


dense.defvjp(
    lambda x, w, b: (dense(x, w, b), (x, w)),
    lambda saved, dy: dense_backward(*saved, dy),
)


@jax.custom_vjp
def sigmoid(x: jax.Array) -> jax.Array:
    """The logistic function of each element, 1 / (1 + exp(-x)).

    Args:
        x: of any shape.
    """
    return jax.nn.sigmoid(x)


def sigmoid_backward(y: jax.Array, dy: jax.Array) -> jax.Array:
    """Backward pass of `sigmoid`, which needs the output only.

    Args:
        y: its output.
        dy: dL/dy, of the same shape.

    Returns:
        dL/dx.

    Raises:
        ValueError: a residual that has not the shape of the output.
    """
    _match("dy", dy, y.shape)
    return dy * y * (1 - y)


def _sigmoid_forward(x):
    y = sigmoid(x)
    return y, y


sigmoid.defvjp(_sigmoid_forward, lambda y, dy: (sigmoid_backward(y, dy),))


@jax.custom_vjp
def softmax_cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of the softmax of each row against a target, in nats.

    Args:
        z: logits, [B, K].
        y: targets, [B, K]: a distribution over the classes, such as a one-hot row.

    Returns:
        One loss for each example, [B]. A class of target 0 counts for nothing, even
        where its logit is minus infinity.

    Raises:
        ValueError: logits and targets that are not both [B, K].
    """
    return _softmax_cross_entropy_forward(z, y)[0]


def softmax_cross_entropy_backward(
    log_a: jax.Array, y: jax.Array, dloss: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Backward pass of `softmax_cross_entropy`: a - y.

    Args:
        log_a: logarithm of the softmax of the logits, [B, K].
        y: targets, [B, K].
        dloss: dL/dloss, [B].

    Returns:
        dL/dz and dL/dy, [B, K].

    Raises:
        ValueError: a residual that has not the shape of the output.
    """
    _match("y", y, log_a.shape)
    _match("dloss", dloss, log_a.shape[:1])
    dloss = dloss[:, None]
    residual = jnp.exp(log_a) * y.sum(1, keepdims=True) - y
    return dloss * residual, -dloss * log_a


def _softmax_cross_entropy_forward(z, y):
    if z.ndim != 2 or z.shape != y.shape:
        raise ValueError(f"z and y must both be [B, K], got {z.shape} and {y.shape}")
    log_a = jax.nn.log_softmax(z)
    return -jnp.where(y == 0, 0, y * log_a).sum(1), (log_a, y)


softmax_cross_entropy.defvjp(
    _softmax_cross_entropy_forward,
    lambda saved, dloss: softmax_cross_entropy_backward(*saved, dloss),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(
    x: jax.Array, gamma: jax.Array, beta: jax.Array, eps: float = 1e-6
) -> jax.Array:
    """Each feature with mean beta and deviation gamma over all examples (and pixels).

    Args:
        x: [B, ..., C].
        gamma: scale, [C].
        beta: shift, [C].
        eps: added to the variance, which is that of the batch (divided by m).

    Returns:
        Of the shape of x.

    Raises:
        ValueError: shapes that do not fit, or a negative eps.
    """
    return _batch_norm_forward(x, gamma, beta, eps)[0]


def batch_norm_backward(
    x: jax.Array,
    mean: jax.Array,
    var: jax.Array,
    gamma: jax.Array,
    dy: jax.Array,
    eps: float = 1e-6,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Backward pass of `batch_norm`.

    Args:
        x: its input, [B, ..., C].
        mean: of x over all axes but the last, [C].
        var: likewise the variance, [C].
        gamma: scale, [C].
        dy: dL/dy, of the shape of x.
        eps: as in the forward pass.

    Returns:
        dL/dx, dL/dgamma and dL/dbeta, of the shapes of x, gamma and beta.

    Raises:
        ValueError: a residual that has not the shape of the output.
    """
    _match("dy", dy, x.shape)
    axes, m = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
    centred = x - _row(mean, x)
    root = jnp.sqrt(var + eps)
    dnormal = dy * _row(gamma, x)
    dvar = (dnormal * centred).sum(axes) * -0.5 / (root * root * root)
    dmean = -dnormal.sum(axes) / root - dvar * (2 / m) * centred.sum(axes)
    dx = (
        dnormal / _row(root, x) + _row(dvar, x) * (2 / m) * centred + _row(dmean / m, x)
    )
    return dx, (dy * centred / _row(root, x)).sum(axes), dy.sum(axes)


def _batch_norm_forward(x, gamma, beta, eps):
    if x.ndim < 2 or gamma.shape != x.shape[-1:] or beta.shape != x.shape[-1:]:
        raise ValueError(
            f"gamma and beta must be [C] for x of [B, ..., C], got {gamma.shape} and "
            f"{beta.shape} for x of {x.shape}"
        )
    if eps < 0:
        raise ValueError(f"eps must not be negative, got {eps}")
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes), x.var(axes)
    normal = (x - _row(mean, x)) / _row(jnp.sqrt(var + eps), x)
    return normal * _row(gamma, x) + _row(beta, x), (x, mean, var, gamma)


batch_norm.defvjp(
    _batch_norm_forward,
    lambda eps, saved, dy: batch_norm_backward(*saved, dy, eps),
)


def _match(name: str, array: jax.Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} must be {shape}, got {array.shape}")


def _row(v: jax.Array, x: jax.Array) -> jax.Array:  # [C] -> [1, ..., 1, C]
    return v.reshape((1,) * (x.ndim - 1) + v.shape)
