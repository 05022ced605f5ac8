"""The dense CRF of large images: kernels in factors, in place of all pairs.

    smoothness   G(y_i, y_j) G(x_i, x_j): two products with small matrices, exact
    appearance   G(y_i, y_j) G(x_i, x_j) c(I_i, I_j)
                 ~ sum over m of [A A^T](y_i, y_j) [A A^T](x_i, x_j) L_im L_jm

with G(a, b) = exp(-(a - b)^2 / 2 t^2), t = t_s or t_a, and c likewise of
colours, with t_b.

L, [N, M], is Nystroem's factor of c for M of the image's own colours, each the one that
those before describe worst (the pivots of a Cholesky decomposition); A likewise of G,
for evenly spaced places. What L leaves out of c is positive semidefinite, so that, with
d_i = 1 - |L_i|^2,

    |c(I_i, I_j) - L_i . L_j| <= sqrt(d_i d_j)

tells the error from the image alone: d is returned. A step takes O(N M K R), and no
pixels meet in pairs; R are the places along an axis. As the kernel stays positive
semidefinite, with `own` F, of the kernel as it is here, never rises, as in
`zoo.segmentation.crf`. The sum j = i is left out, or with `own` taken, exactly.

Differs from the paper: there a permutohedral lattice holds places and colours, whose
error is not known beforehand. Its hash table has no static shape.

Shapes: H height, W width, N = H W, C channels, K classes, M colours, R places.

References:
    Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs with Gaussian
    edge potentials", NeurIPS 2011, https://arxiv.org/abs/1210.5644
    Harbrecht, Peters and Schneider, "On the low-rank approximation by the pivoted
    Cholesky decomposition", Applied Numerical Mathematics 2012,
    https://doi.org/10.1016/j.apnum.2011.10.001
    Adams, Baek and Davis, "Fast high-dimensional filtering using the permutohedral
    lattice", Eurographics 2010, https://doi.org/10.1111/j.1467-8659.2009.01645.x
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.segmentation.crf import DEFAULT, Pairwise, check, inferred

JITTER = 1e-5  # on the diagonal of what is inverted; the error is as large


class Filtered(NamedTuple):
    """The outcome.

    Attributes:
        q: probabilities, [H, W, K].
        energies: F at the start and after each step, [steps + 1].
        missing: d, how much of each colour is not described, [H, W], from 0 to 1.
    """

    q: jax.Array
    energies: jax.Array
    missing: jax.Array


def filtered_mean_field(
    unary: jax.Array,
    image: jax.Array,
    pairwise: Pairwise = DEFAULT,
    steps: int = 5,
    own: bool = False,
    colours: int = 64,
    places: int = 32,
) -> Filtered:
    """Probabilities of each pixel's class, in time that is linear in the pixels.

    Args:
        unary: u, [H, W, K].
        image: I, floats, [H, W, C].
        pairwise: weights and deviations; they may be traced, and have gradients.
        steps: of mean field, from softmax(-u).
        own: a pixel hears itself too.
        colours: M; more where `missing` is large.
        places: R, along each axis, evenly; one for each deviation `place` and more.

    Returns:
        The probabilities, how the free energy fell, and what the colours leave out.

    Raises:
        ValueError: shapes that do not fit; steps, colours or places out of range.
    """
    check(unary, image, steps)
    if colours < 1 or places < 2:
        raise ValueError(
            f"colours and places must be from 1 and 2, got {colours} and {places}"
        )
    (height, width, classes), dtype = unary.shape, jnp.result_type(unary)
    p = Pairwise(*(jnp.asarray(value, dtype) for value in pairwise))
    pixels = jnp.asarray(image, dtype).reshape(height * width, -1)
    factor, missing = colour_factor(pixels, p.colour, min(colours, len(pixels)))
    factor = factor.reshape(height, width, -1)
    far = [_along(n, p.place, places, dtype) for n in (height, width)]
    near = [
        _gaussian(_line(n, dtype), _line(n, dtype), p.near) for n in (height, width)
    ]
    # What the factors say of a pixel and itself, which is not 1 throughout.
    rows, columns = ((a**2).sum(1) for a in far)
    own_share = rows[:, None] * columns[None] * (factor**2).sum(-1)
    itself = p.appearance * own_share + p.smoothness
    wanted = p.appearance + p.smoothness if own else 0

    def hear(q):
        q = q.reshape(height, width, -1)
        wide = jnp.einsum("hwm,hwk,wr->hrmk", factor, q, far[1])
        wide = jnp.einsum("hrmk,hs->srmk", wide, far[0])  # [R, R, M, K + 1]
        wide = jnp.einsum("srmk,hs->hrmk", wide, far[0])
        wide = jnp.einsum("hrmk,wr,hwm->hwk", wide, far[1], factor)
        smooth = jnp.einsum("hi,wj,ijk->hwk", near[0], near[1], q)
        told = p.appearance * wide + p.smoothness * smooth
        return (told + (wanted - itself)[..., None] * q).reshape(height * width, -1)

    q, energies = inferred(jnp.asarray(unary).reshape(-1, classes), hear, steps)
    return Filtered(q.reshape(unary.shape), energies, missing.reshape(height, width))


def colour_factor(
    image: jax.Array, deviation: float | jax.Array, rank: int
) -> tuple[jax.Array, jax.Array]:
    """L with L L^T near the kernel of colours, and what it leaves of the diagonal.

    Args:
        image: colours, floats, [N, C].
        deviation: t_b.
        rank: M, from 1 to N.

    Returns:
        L, [N, M], and d = 1 - |L_i|^2, [N].

    Raises:
        ValueError: colours that are not [N, C]; a rank out of range.
    """
    if image.ndim != 2 or not 1 <= rank <= len(image):
        raise ValueError(
            f"image must be colours [N, C] and rank from 1 to N, got {image.shape} and "
            f"{rank}"
        )
    image = jnp.asarray(image)
    fixed = jax.lax.stop_gradient((image, jnp.asarray(deviation, image.dtype)))

    def add(m, carry):
        factor, left, pivots = carry
        i = left.argmax().astype(jnp.int32)
        column = _gaussian(fixed[0], fixed[0][i][None], fixed[1])[:, 0]
        column = column - factor @ factor[i]
        column = column / jnp.sqrt(jnp.maximum(left[i], JITTER))
        left = jnp.maximum(left - column**2, 0).at[i].set(0)
        return factor.at[:, m].set(column), left, pivots.at[m].set(i)

    # Which colours; nothing is differentiated by that, and the factor is made anew.
    none = jnp.zeros((len(image), rank), image.dtype)
    start = none, jnp.ones_like(none[:, 0]), jnp.zeros(rank, jnp.int32)
    pivots = jax.lax.fori_loop(0, rank, add, start)[2]
    factor = _nystroem(image, image[pivots], deviation)
    return factor, jnp.maximum(1 - (factor**2).sum(1), 0)


def _along(n, deviation, places, dtype):
    """A with A A^T near G along an axis of n pixels, [n, R]."""
    if n <= places:
        nodes = _line(n, dtype)
    else:
        nodes = jnp.linspace(0, n - 1, places, dtype=dtype)[:, None]
    return _nystroem(_line(n, dtype), nodes, deviation)


def _nystroem(x, nodes, deviation):
    """k(x, nodes) k(nodes, nodes)^(-1/2), for some root; [N, M]."""
    among = _gaussian(nodes, nodes, deviation)
    root = jnp.linalg.cholesky(among + JITTER * jnp.eye(len(nodes), dtype=x.dtype))
    across = _gaussian(x, nodes, deviation)
    return jax.scipy.linalg.solve_triangular(root, across.T, lower=True).T


def _gaussian(a, b, deviation):
    """exp(-|a_i - b_j|^2 / 2 t^2), [N, C] and [M, C] -> [N, M]."""
    square = sum((a[:, c][:, None] - b[:, c][None]) ** 2 for c in range(a.shape[1]))
    return jnp.exp(-square / (2 * deviation**2))


def _line(n, dtype):
    return jnp.arange(n, dtype=dtype)[:, None]
