"""The Gram matrix of centred columns, in one pass over the examples.

    sum_n (x_n - m) (x_n - m)^T = sum_n x_n x_n^T - N m m^T        m = sum_n x_n / N

The right side needs no centred copy of the examples, which costs as much time as a
third of the product. It loses digits where a mean is large beside the spread about it:
one bit at most while N m_d^2 is at most the left side's diagonal for every column d.
Where one is above it, the left side is taken.

Shapes: N examples, D columns of all parts together.

Reference:
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance: analysis
    and recommendations", The American Statistician 37(3), 1983,
    https://doi.org/10.1080/00031305.1983.10483115
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def about_mean(
    parts: tuple[jax.Array, ...],
    exact: Callable[[], tuple[tuple[jax.Array, ...], jax.Array]],
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sums of products of centred columns.

    Args:
        parts: columns of the same examples, each [N, D_i].
        exact: gives the parts less their means, and the means [D], where the quick way
            would lose digits.
        axis_name: the parallel axis over which the examples are split, or None.

    Returns:
        [D, D] and the means [D].
    """
    total = lambda a: jax.lax.psum(a, axis_name) if axis_name else a
    count = total(jnp.asarray(len(parts[0]), parts[0].dtype))
    mean = total(jnp.concatenate([part.sum(0) for part in parts])) / count
    offset = count * mean[:, None] * mean[None]
    quick = total(products(parts)) - offset

    def careful():
        centred, mean = exact()
        return total(products(centred)), mean

    enough = jnp.all(jnp.diag(offset) <= jnp.diag(quick))
    return jax.lax.cond(enough, lambda: (quick, mean), careful)


def products(parts: tuple[jax.Array, ...]) -> jax.Array:
    """[a b]^T [a b], without putting a and b side by side: [D, D]."""
    multiply = lambda a, b: jnp.einsum("nd,ne->de", a, b, precision="highest")
    return jnp.block([[multiply(a, b) for b in parts] for a in parts])
