"""Kernels: inner products of features that are never computed.

    linear       <x, y>
    polynomial   (gamma <x, y> + coef0)^degree
    rbf          exp(-gamma |x - y|^2)
    sigmoid      tanh(gamma <x, y> + coef0)

K(x, y) = <phi(x), phi(y)> for some map phi if and only if every matrix of K between
points is positive semidefinite (Mercer). The first two (for coef0 >= 0) and the third
are; the sigmoid is not, for most gamma and coef0.

|x - y|^2 is |x|^2 + |y|^2 - 2 <x, y>, counted from the mean of y, so that all are one
product of matrices.

Shapes: N and M points, D features.

References:
    Boser, Guyon and Vapnik, "A training algorithm for optimal margin classifiers",
    COLT 1992, https://doi.org/10.1145/130385.130401
    Lin and Lin, "A study on sigmoid kernels for SVM and the training of non-PSD kernels
    by SMO-type methods", 2003, https://www.csie.ntu.edu.tw/~cjlin/papers/tanh.pdf
"""

import dataclasses
import functools
import numbers

import jax
import jax.numpy as jnp

from optim.errors import check_range
from zoo.errors import unknown


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["gamma", "coef0"],
    meta_fields=["name", "degree"],
)
@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel with its numbers; a pytree, of which the name and degree are static.

    Attributes:
        name: one of `FORMS`.
        gamma: scale of the inner product or of the squared distance.
        coef0: what is added to the inner product.
        degree: of the polynomial.
    """

    name: str
    gamma: jax.Array
    coef0: jax.Array
    degree: int


def kernel(
    name: str,
    x: jax.Array,
    gamma: float | str | jax.Array = "scale",
    coef0: float | jax.Array = 0.0,
    degree: int = 3,
) -> Kernel:
    """A kernel for data such as x.

    Args:
        name: "linear", "polynomial", "rbf" or "sigmoid".
        x: [N, D], floats.
        gamma: >= 0; "scale" is 1 / (D var), var that of all numbers of x (1 where they
            are all the same); "auto" is 1 / D.
        coef0: finite.
        degree: an integer >= 1.

    Returns:
        The kernel, its numbers in x's dtype.

    Raises:
        ValueError: an unknown name, or a number out of range.
    """
    x = jnp.asarray(x)
    if name not in FORMS:
        raise unknown("kernel", name, FORMS)
    whole = isinstance(degree, numbers.Integral) and not isinstance(degree, bool)
    if not whole or degree < 1:
        raise ValueError(f"degree must be an integer >= 1, got {degree!r}")
    if isinstance(gamma, str):
        if gamma not in ("scale", "auto"):
            raise unknown("gamma", gamma, ("scale", "auto"))
        spread = x.var() if gamma == "scale" else jnp.ones((), x.dtype)
        gamma = 1 / (x.shape[1] * jnp.where(spread > 0, spread, 1))
    gamma = check_range("gamma", gamma, 0, jnp.inf)
    coef0 = check_range("coef0", coef0, -jnp.inf, jnp.inf, "()")
    return Kernel(
        name=name,
        gamma=jnp.asarray(gamma).astype(x.dtype),
        coef0=jnp.asarray(coef0).astype(x.dtype),
        degree=int(degree),
    )


def gram(kernel: Kernel, x: jax.Array, y: jax.Array) -> jax.Array:
    """The kernel of each x with each y.

    Args:
        kernel: of `kernel`.
        x: [N, D], floats.
        y: [M, D], of x's dtype.

    Returns:
        [N, M].

    Raises:
        ValueError: points that are not [N, D] and [M, D].
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"x and y must be [N, D] and [M, D], got {x.shape} and {y.shape}"
        )
    return FORMS[kernel.name](kernel, x, y)


def _products(x, y):  # [N, D], [M, D] -> [N, M]
    return jnp.matmul(x, y.T, precision="highest")


def _affine(kernel, x, y):
    return kernel.gamma * _products(x, y) + kernel.coef0


def _rbf(kernel, x, y):
    centre = y.mean(0, keepdims=True)
    x, y = x - centre, y - centre
    squares = lambda a: jnp.square(a).sum(1)
    apart = squares(x)[:, None] + squares(y)[None] - 2 * _products(x, y)
    return jnp.exp(-kernel.gamma * jnp.maximum(apart, 0))


FORMS = {
    "linear": lambda kernel, x, y: _products(x, y),
    "polynomial": lambda kernel, x, y: _affine(kernel, x, y) ** kernel.degree,
    "rbf": _rbf,
    "sigmoid": lambda kernel, x, y: jnp.tanh(_affine(kernel, x, y)),
}
