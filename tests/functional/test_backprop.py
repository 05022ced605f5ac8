"""Backward passes by hand: against autodiff of the plain forms, and differences.

At awkward values: batch 2, height unlike width, every parameter random. The plain forms
are written here with what JAX differentiates by itself.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from zoo.functional import backprop


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def convolved(x, k, b, stride):
    y = jax.lax.conv_general_dilated(
        x, k, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + b.reshape(1, 1, 1, -1)


def normalized(x, gamma, beta, eps):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axes, keepdims=True)
    row = (1,) * (x.ndim - 1) + (-1,)
    normal = (x - mean) / jnp.sqrt(var + eps)
    return normal * gamma.reshape(row) + beta.reshape(row)


def pooled(x, window, reduce):
    """Slices of windows, one for each place in them, and their reduction."""
    h, w = (n - n % window for n in x.shape[1:3])
    places = [
        x[:, i:h:window, j:w:window] for i in range(window) for j in range(window)
    ]
    return reduce(jnp.stack(places))


def softmax_loss(z, y):
    e = jnp.exp(z)
    return -(y * jnp.log(e / e.sum(1, keepdims=True))).sum(1)


def norm(p):
    return lambda x: (jnp.abs(x) ** p).sum(0) ** (1 / p)


def targets(logits):
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


# name: (by hand, plain form, arguments)
CASES = {
    "dense": (
        backprop.dense,
        lambda x, w, b: x @ w + b[None],
        lambda: draw(0, (2, 3), (3, 4), (4,)),
    ),
    "dense/pixels": (
        backprop.dense,
        lambda x, w, b: jnp.einsum("bhwd,do->bhwo", x, w) + b.reshape(1, 1, 1, -1),
        lambda: draw(1, (2, 3, 5, 4), (4, 2), (2,)),
    ),
    "sigmoid": (
        backprop.sigmoid,
        lambda x: 1 / (1 + jnp.exp(-x)),
        lambda: (3 * draw(2, (2, 5))[0],),
    ),
    "softmax_cross_entropy": (
        backprop.softmax_cross_entropy,
        softmax_loss,
        lambda: (2 * draw(3, (3, 4))[0], targets(draw(4, (3, 4))[0])),
    ),
    "softmax_cross_entropy/any sum": (
        backprop.softmax_cross_entropy,
        softmax_loss,
        lambda: draw(5, (3, 4), (3, 4)),
    ),
    "batch_norm": (
        lambda *args: backprop.batch_norm(*args, eps=0.3),
        lambda *args: normalized(*args, 0.3),
        lambda: draw(6, (5, 3), (3,), (3,)),
    ),
    "batch_norm/images": (
        backprop.batch_norm,
        lambda *args: normalized(*args, 1e-6),
        lambda: draw(7, (2, 3, 4, 2), (2,), (2,)),
    ),
    **{
        f"conv/{stride}": (
            lambda *args, s=stride: backprop.conv(*args, stride=s),
            lambda *args, s=stride: convolved(*args, s),
            lambda: draw(8, (2, 6, 9, 3), (3, 2, 3, 4), (4,)),
        )
        for stride in (1, 2, 3)
    },
    **{
        f"{name}/{window}": (
            lambda x, f=f, w=window, o=options: f(x, w, **o),
            lambda x, w=window, r=reduce: pooled(x, w, r),
            lambda: draw(9, (2, 6, 7, 2)),
        )
        for window in (1, 2, 3)
        for name, f, options, reduce in (
            ("mean_pool", backprop.mean_pool, {}, lambda x: x.mean(0)),
            ("max_pool", backprop.max_pool, {}, lambda x: x.max(0)),
            ("lp_pool 1", backprop.lp_pool, {"p": 1.0}, norm(1)),
            ("lp_pool 2", backprop.lp_pool, {}, norm(2)),
            ("lp_pool 3.5", backprop.lp_pool, {"p": 3.5}, norm(3.5)),
        )
    },
}


def vjp(f):
    """Value and gradient of a random projection, compiled."""

    @jax.jit
    def run(*args):
        y, back = jax.vjp(f, *args)
        return y, back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    return run


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_plain_form(name):
    f, plain, args = CASES[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        args = args()
        (y, grads), (expected, theirs) = vjp(f)(*args), vjp(plain)(*args)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    for grad, other in zip(grads, theirs, strict=True):
        np.testing.assert_allclose(grad, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_that_of_differences(name):
    f, _, args = CASES[name]
    with jax.enable_x64(True):
        check_grads(jax.jit(f), args(), order=1, modes=["rev"], rtol=1e-6, atol=1e-7)


def test_second_derivatives_differentiate_the_equations():
    """Gradient of a norm of the gradient, by hand and plain."""
    twice = lambda f: jax.jit(
        jax.grad(
            lambda x, *rest: (
                jax.grad(lambda x: jnp.sin(f(x, *rest)).sum())(x) ** 2
            ).sum()
        )
    )
    with jax.enable_x64(True):
        for name in ("sigmoid", "batch_norm", "conv/2"):
            f, plain, args = CASES[name]
            ours, theirs = twice(f)(*args()), twice(plain)(*args())
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_softmax_of_large_logits_and_of_minus_infinity():
    """Taken from the largest: no overflow; a class of target 0 may be impossible."""
    z = jnp.array([[1000.0, 999.0, -jnp.inf], [-2000.0, -2001.0, -jnp.inf]])
    y = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    loss, back = jax.vjp(jax.jit(lambda z: backprop.softmax_cross_entropy(z, y)), z)
    a = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(loss, [-np.log(a), 1 - np.log(a)], rtol=1e-6)
    expected = [[a - 1, 1 - a, 0], [a, -a, 0]]
    np.testing.assert_allclose(back(jnp.ones(2))[0], expected, rtol=1e-6)


def test_the_residual_of_softmax_is_a_minus_y_and_sums_to_zero():
    z, y = np.float32(draw(0, (4, 5))[0]), np.eye(5, dtype=np.float32)[[3, 0, 4, 1]]
    grad = jax.grad(jax.jit(lambda z: backprop.softmax_cross_entropy(z, y).sum()))(z)
    e = np.exp(z)
    np.testing.assert_allclose(grad, e / e.sum(1, keepdims=True) - y, atol=1e-6)
    np.testing.assert_allclose(grad.sum(1), 0, atol=1e-6)


def test_the_equations_of_batch_norm_are_the_closed_form():
    """dx = gamma / root (dy - mean dy - x^ mean(dy x^)), orthogonal to 1 and to x^."""
    x, gamma, beta, dy = draw(1, (7, 3), (3,), (3,), (7, 3))
    x = 5 + 0.1 * x
    with jax.enable_x64(True):
        f = lambda *args: jax.vjp(lambda *a: backprop.batch_norm(*a, eps=0.0), *args)
        y, dx = jax.jit(lambda *a: (f(*a)[0], f(*a)[1](dy)[0]))(x, gamma, beta)
    y, dx = np.asarray(y), np.asarray(dx)
    normal = (x - x.mean(0)) / x.std(0)
    closed = gamma / x.std(0) * (dy - dy.mean(0) - normal * (dy * normal).mean(0))
    np.testing.assert_allclose(dx, closed, rtol=1e-9)
    np.testing.assert_allclose(dx.sum(0), 0, atol=1e-9)
    np.testing.assert_allclose((dx * normal).sum(0), 0, atol=1e-9)
    np.testing.assert_allclose(y.mean(0), beta, rtol=1e-9)
    np.testing.assert_allclose(y.std(0), abs(gamma), rtol=1e-9)


def test_every_term_of_batch_norm_where_the_mean_is_moved():
    """About mean + 0.7 no sum of the equations is 0, and they still hold."""
    x, gamma, dy = draw(10, (7, 3), (3,), (7, 3))

    def plain(x):
        centred = x - x.mean(0, keepdims=True) - 0.7
        var = (centred * centred).mean(0, keepdims=True)
        return (dy * gamma[None] * centred / jnp.sqrt(var + 0.1)).sum()

    mean = x.mean(0) + 0.7
    var = ((x - mean) ** 2).mean(0)
    with jax.enable_x64(True):
        backward = jax.jit(lambda *a: backprop.batch_norm_backward(*a, eps=0.1))
        dx, _, _ = backward(x, mean, var, gamma, dy)
        expected = jax.jit(jax.grad(plain))(x)
    np.testing.assert_allclose(dx, expected, rtol=1e-11, atol=1e-13)


def test_eps_of_batch_norm_is_one_millionth():
    for f in (backprop.batch_norm, backprop.batch_norm_backward):
        assert inspect.signature(f).parameters["eps"].default == 1e-6
    with jax.enable_x64(True):
        x = jnp.array([[1e-3], [-1e-3]])
        y = backprop.batch_norm(x, jnp.ones(1), jnp.zeros(1))
        np.testing.assert_allclose(y, x / np.sqrt(2e-6), rtol=1e-12)


def test_the_input_of_a_convolution_sees_the_kernel_turned():
    """A single residual stamps the kernel into dx; the forward pass sees k as it is."""
    k = draw(2, (2, 3, 1, 1))[0].astype(np.float32)
    x = jnp.zeros((1, 5, 6, 1))
    dy = jnp.zeros((1, 4, 4, 1)).at[0, 1, 2, 0].set(1.0)
    dx, dk, db = jax.jit(backprop.conv_backward)(x.at[0, 2, 4, 0].set(1.0), k, dy)
    np.testing.assert_allclose(dx[0, 1:3, 2:5], k[..., 0], rtol=1e-6)
    assert dx[0, :, :, 0].astype(bool).sum() == k.size
    expected = np.zeros(k.shape)
    expected[1, 2] = 1  # pixel (2, 4) is seen from (1, 2) by the weight (1, 2)
    np.testing.assert_array_equal(dk, expected)
    assert db == 1


def test_the_shapes_of_a_small_network():
    """28x28x3 -> 24x24x6 -> 12x12x6 -> 8x8x12 -> 4x4x12 -> 192 -> 10."""
    x, k1, k2, w = draw(3, (2, 28, 28, 3), (5, 5, 3, 6), (5, 5, 6, 12), (192, 10))
    shapes = []

    def f(x, k1, k2, w):
        layers = (
            lambda x: backprop.conv(x, k1, jnp.zeros(6)),
            backprop.mean_pool,
            lambda x: backprop.conv(x, k2, jnp.zeros(12)),
            backprop.mean_pool,
            lambda x: x.reshape(2, -1),
            lambda x: backprop.dense(x, w, jnp.zeros(10)),
        )
        for layer in layers:
            x = layer(x)
            shapes.append(x.shape[1:])
        return backprop.sigmoid(x).sum()

    grads = jax.eval_shape(jax.grad(f, argnums=(0, 1, 2, 3)), x, k1, k2, w)
    assert shapes == [(24, 24, 6), (12, 12, 6), (8, 8, 12), (4, 4, 12), (192,), (10,)]
    assert [g.shape for g in grads] == [x.shape, k1.shape, k2.shape, w.shape]
    assert np.prod(k1.shape[2:]) + np.prod(k2.shape[2:]) == 3 * 6 + 6 * 12


def test_equal_maxima_give_all_to_the_first():
    x = jnp.array([[3.0, 1, 5, 5], [3, 3, 5, 0]]).reshape(1, 2, 4, 1)
    dx = jax.grad(lambda x: (2 * backprop.max_pool(x)).sum())(x)
    np.testing.assert_array_equal(dx.reshape(2, 4), [[2, 0, 2, 0], [0, 0, 0, 0]])


def test_the_gradient_of_the_lp_pool_has_the_sign_of_x():
    x = jnp.array([3.0, -4.0, 0.0, 0.0]).reshape(1, 2, 2, 1)
    y, back = jax.vjp(backprop.lp_pool, x)
    assert y.item() == pytest.approx(5)
    np.testing.assert_allclose(back(y / 5)[0].ravel(), [0.6, -0.8, 0, 0], rtol=1e-6)


def test_limits_of_the_lp_pool():
    """A window of zeros is harmless; large powers give the largest, and no overflow."""
    grad = lambda x, p: jax.jit(jax.grad(lambda x: backprop.lp_pool(x, 2, p).sum()))(x)
    zeros = jnp.zeros((1, 2, 2, 1))
    for p in (1.0, 1.5, 2.0, 7.0):
        np.testing.assert_array_equal(grad(zeros, p), zeros)
    x = 1e20 * draw(4, (2, 4, 6, 3))[0].astype(np.float32)
    largest = backprop.max_pool(jnp.abs(x))
    np.testing.assert_allclose(backprop.lp_pool(x, p=1000.0), largest, rtol=2e-3)
    assert np.isfinite(grad(x, 1000.0)).all()
    np.testing.assert_allclose(
        backprop.lp_pool(x, p=1.0), 4 * backprop.mean_pool(jnp.abs(x)), rtol=1e-5
    )


def test_pixels_that_no_window_covers_have_gradient_zero():
    x = draw(5, (1, 5, 7, 2))[0].astype(np.float32)
    for pool in (backprop.mean_pool, backprop.max_pool, backprop.lp_pool):
        dx = np.array(jax.grad(jax.jit(lambda x, f=pool: f(x, 3).sum()))(x))
        assert dx[:, :3, :6].any()
        dx[:, :3, :6] = 0
        assert not dx.any()


Z = np.zeros


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: backprop.dense(Z((2, 3)), Z((4, 5)), Z(5)),
            r"x must be \[\.\.\., D\]",
        ),
        (lambda: backprop.dense(Z((2, 3)), Z((3, 5)), Z(4)), r"b must be \(5,\) .*\(4"),
        (lambda: backprop.softmax_cross_entropy(Z((2, 3)), Z(2)), "z and y must both"),
        (lambda: backprop.batch_norm(Z((2, 3)), Z(3), Z(2)), "gamma and beta must be"),
        (
            lambda: backprop.batch_norm(Z((2, 3)), Z(3), Z(3), -1.0),
            "eps must not be negative, got -1.0",
        ),
        (
            lambda: backprop.conv(Z((1, 4, 4, 2)), Z((3, 3, 1, 2)), Z(2)),
            r"x must be \[B, H, W, C\] for k",
        ),
        (
            lambda: backprop.conv(Z((1, 4, 2, 1)), Z((3, 3, 1, 2)), Z(2)),
            "k must fit into x",
        ),
        (
            lambda: backprop.conv(Z((1, 4, 4, 1)), Z((3, 3, 1, 2)), Z(1)),
            r"b must be \(2,\)",
        ),
        (
            lambda: backprop.conv(Z((1, 4, 4, 1)), Z((3, 3, 1, 2)), Z(2), 0),
            "stride must be a positive integer, got 0",
        ),
        (lambda: backprop.lp_pool(Z((1, 4, 4, 1)), 2, 0.5), "p must be at least 1"),
        (lambda: backprop.max_pool(Z((4, 4, 1))), r"x must be images \[B, H, W, C\]"),
        (lambda: backprop.mean_pool(Z((1, 4, 3, 1)), 4), "window must be .* 3 .*got 4"),
        (
            lambda: backprop.dense_backward(Z((2, 3)), Z((3, 5)), Z((2, 4))),
            r"dy must be \(2, 5\), got \(2, 4\)",
        ),
        (lambda: backprop.sigmoid_backward(Z((2, 3)), Z(3)), r"dy must be \(2, 3\)"),
        (
            lambda: backprop.softmax_cross_entropy_backward(Z((2, 3)), Z((2, 3)), Z(3)),
            r"dloss must be \(2,\)",
        ),
        (
            lambda: backprop.softmax_cross_entropy_backward(Z((2, 3)), Z((3, 3)), Z(2)),
            r"y must be \(2, 3\)",
        ),
        (
            lambda: backprop.batch_norm_backward(
                Z((2, 3)), Z(3), Z(3), Z(3), Z((1, 3))
            ),
            r"dy must be \(2, 3\)",
        ),
        (
            lambda: backprop.conv_backward(
                Z((1, 6, 9, 1)), Z((3, 2, 1, 4)), Z((1, 3, 4, 4)), 2
            ),
            r"dy must be \(1, 2, 4, 4\), got \(1, 3, 4, 4\)",
        ),
        (
            lambda: backprop.max_pool_backward(Z((1, 4, 4, 1)), Z((1, 2, 1, 1))),
            r"x must be \(1, 4, 2, 1\), got \(1, 4, 4, 1\)",
        ),
        (
            lambda: backprop.lp_pool_backward(
                Z((1, 2, 2, 1)), Z((1, 2, 2, 1)), Z((1, 1, 1, 1))
            ),
            r"y must be \(1, 1, 1, 1\)",
        ),
        (
            lambda: backprop.lp_pool_backward(
                Z((1, 2, 3, 1)), Z((1, 1, 1, 1)), Z((1, 1, 1, 1))
            ),
            r"x must be \(1, 2, 2, 1\)",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
