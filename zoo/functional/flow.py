"""Optical flow: where each pixel of one image is in the next, from their brightness.

    second(x + u, y + v) = first(x, y), to first order:  Ix u + Iy v + It = 0

Horn and Schunck ask the field to be smooth, and minimise over the whole image

    sum (Ix u + Iy v + It)^2 + alpha^2 (|grad u|^2 + |grad v|^2)

The minimum is where alpha^2 (w - mean w) + g (g . w + It) = 0 for w = (u, v) and
g = (Ix, Iy); mean w weighs the four neighbours with 1/6 and the four at the corners
with 1/12. Their iteration, Jacobi's on blocks of two:

    w <- mean w - g (g . mean w + It) / (alpha^2 + |g|^2)

Lucas and Kanade ask the field to be constant in a window around each pixel:

    A w = -b,  A = sum of k g g^T,  b = sum of k g It,  k the window's weights, sum 1

where A's smaller eigenvalue is above a threshold; elsewhere (flat parts, edges, along
which the brightness does not tell the motion) the flow stays what it was, at first 0.

Both see motions of about a pixel. For larger ones they are repeated coarse to fine: on
each level of a Gaussian pyramid (1 4 6 4 1, every second pixel) the second image is
warped by the flow so far, w0, and the equations are solved again for all of w with
It = warped - first - g . w0. One level and one warp is the method as it was published.

Choices that the papers leave open or make otherwise: Ix and Iy are the mean of both
images' differences (1 -8 0 8 -1) / 12, centred at the pixel (Horn and Schunck: first
differences in a cube of 2x2x2); beyond the border the image repeats its last pixel; a
pixel whose flow leads out of the image has no equation of its own. Brightness from 0 to
1 is meant by the defaults; alpha and the threshold's root scale with it.

The derivative of Horn and Schunck's flow is that of the exact minimum (by solving the
same system once more), so it is as good as the iteration has come near to that.

Shapes: H height, W width; images are grey.

References:
    Horn and Schunck, "Determining optical flow", Artificial Intelligence 17, 1981,
    https://doi.org/10.1016/0004-3702(81)90024-2
    Lucas and Kanade, "An iterative image registration technique with an application
    to stereo vision", IJCAI 1981, https://www.ijcai.org/Proceedings/81-2/Papers/017.pdf
    Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", Intel,
    2000, http://robots.stanford.edu/cs223b04/algo_tracking.pdf
    Barron, Fleet and Beauchemin, "Performance of optical flow techniques", IJCV 12,
    1994, https://doi.org/10.1007/BF01420984 (the differences, the angular error)
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.functional.warping import warp

DIFFERENCE = (1 / 12, -8 / 12, 0, 8 / 12, -1 / 12)
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
WINDOWS = ("box", "gaussian")


class LocalFlow(NamedTuple):
    """What `lucas_kanade` finds."""

    flow: jax.Array  # (u, v) in pixels, [H, W, 2]
    eigenvalue: jax.Array  # the smaller one of A, [H, W]; compare it with the threshold


def horn_schunck(
    first: jax.Array,
    second: jax.Array,
    alpha: float = 0.05,
    iterations: int = 500,
    tolerance: float = 1e-4,
    levels: int = 1,
    warps: int = 1,
) -> jax.Array:
    """The smooth flow from one image to the next.

    Args:
        first: floats, [H, W].
        second: floats, [H, W].
        alpha: weight of smoothness, in units of brightness per pixel.
        iterations: at most so many, for each warp.
        tolerance: stop when no displacement changes by more, in pixels.
        levels: of the pyramid; each halves the motion that is to be found.
        warps: on each level.

    Returns:
        (u, v) in pixels, u to the right and v down, [H, W, 2].

    Raises:
        ValueError: images that are not floats [H, W] of one size; alpha that is not
            above 0; a tolerance below 0; other counts that are not positive; a
            coarsest image of less than 2 pixels.
    """
    _check_pair(first, second, levels, warps)
    if alpha <= 0:
        raise ValueError(f"alpha must be above 0, got {alpha}")
    if tolerance < 0 or iterations < 1:
        raise ValueError(
            "iterations must be positive and tolerance 0 or more, got "
            f"{iterations} and {tolerance}"
        )

    def solve(gradient, difference, start):
        system = (gradient, difference, start)
        return _smooth_flow(*system, alpha**2, iterations, tolerance), None

    return _coarse_to_fine(first, second, levels, warps, solve)[0]


def lucas_kanade(
    first: jax.Array,
    second: jax.Array,
    window: int = 15,
    weights: str = "gaussian",
    threshold: float = 1e-5,
    levels: int = 1,
    warps: int = 1,
) -> LocalFlow:
    """The flow of each pixel, from a window around it.

    Args:
        first: floats, [H, W].
        second: floats, [H, W].
        window: side of the window in pixels, odd.
        weights: "box", all equal, or "gaussian" with a deviation of a sixth of the
            window.
        threshold: the least smaller eigenvalue of A, in squares of brightness per
            pixel, at which the window is believed.
        levels: of the pyramid; each halves the motion that is to be found.
        warps: on each level.

    Returns:
        The flow, and the smaller eigenvalue on the finest level.

    Raises:
        ValueError: images that are not floats [H, W] of one size; a window that is
            not odd; no such weights; a threshold that is not above 0; counts that are
            not positive; a coarsest image of less than 2 pixels.
    """
    _check_pair(first, second, levels, warps)
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive, got {window}")
    if weights not in WINDOWS:
        raise ValueError(f"weights must be one of {', '.join(WINDOWS)}, got {weights}")
    if threshold <= 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    kernel = _window(window, weights)

    def solve(gradient, difference, start):
        return _local_flow(gradient, difference, start, kernel, threshold)

    flow, eigenvalues = _coarse_to_fine(first, second, levels, warps, solve)
    return LocalFlow(flow=flow, eigenvalue=eigenvalues[-1])


def endpoint_error(flow: jax.Array, truth: jax.Array) -> jax.Array:
    """Distance between where a pixel is said to go and where it goes.

        sqrt((u - u')^2 + (v - v')^2)

    Args:
        flow: [..., 2].
        truth: [..., 2].

    Returns:
        In pixels, [...].

    Raises:
        ValueError: fields that are not [..., 2] of one shape.
    """
    _check_fields(flow, truth)
    return _norm(flow - truth)


def angular_error(flow: jax.Array, truth: jax.Array) -> jax.Array:
    """Angle between the directions (u, v, 1) in space and time.

    It is arccos((u u' + v v' + 1) / (|(u, v, 1)| |(u', v', 1)|)), taken by the
    arctangent of cross and dot product, which keeps its digits at small angles.

    Args:
        flow: [..., 2].
        truth: [..., 2].

    Returns:
        In degrees, [...].

    Raises:
        ValueError: fields that are not [..., 2] of one shape.
    """
    _check_fields(flow, truth)
    u, v = flow[..., 0], flow[..., 1]
    p, q = truth[..., 0], truth[..., 1]
    cross = jnp.stack([v - q, p - u, u * q - v * p], axis=-1)
    return jnp.rad2deg(jnp.arctan2(_norm(cross), u * p + v * q + 1))


def _coarse_to_fine(first, second, levels, warps, solve):
    """The flow, and what else each warp of the finest level gave, [warps, ...]."""
    pyramid = [(first, second)]
    for _ in range(levels - 1):
        pyramid.append(tuple(_filter(x, BINOMIAL)[::2, ::2] for x in pyramid[-1]))
    flow = jnp.zeros((*pyramid[-1][0].shape, 2), first.dtype)
    for level, (first, second) in enumerate(reversed(pyramid)):
        flow = _finer(flow, first.shape) if level else flow
        again = lambda flow, _, pair=(first, second): solve(*_linear(*pair, flow), flow)
        flow, others = jax.lax.scan(again, flow, length=warps)
    return flow, others


def _linear(first, second, flow):
    """g and It of the equation g . w + It = 0, brightness linear around `flow`."""
    warped = warp(second[..., None], flow, method="cubic")[..., 0]
    mean = (first + warped) / 2
    flat = (1.0,)
    gradient = jnp.stack(
        [_filter(mean, flat, DIFFERENCE), _filter(mean, DIFFERENCE, flat)], axis=-1
    )  # (Ix, Iy), [H, W, 2]
    gradient = jnp.where(_inside(flow)[..., None], gradient, 0)
    difference = jnp.where(_inside(flow), warped - first, 0)
    return gradient, difference - (gradient * flow).sum(-1)


def _smooth_flow(gradient, difference, start, alpha2, iterations, tolerance):
    """Horn and Schunck's linear system, by their iteration from `start`."""

    def left(flow):
        along = (gradient * flow).sum(-1, keepdims=True)
        return alpha2 * (flow - _neighbours(flow)) + gradient * along

    square = alpha2 + (gradient * gradient).sum(-1, keepdims=True)

    def step(flow, right):
        flow = _neighbours(flow) + right / alpha2
        return flow - gradient * (gradient * flow).sum(-1, keepdims=True) / square

    def iterate(_, right):
        def unfinished(state):
            _, change, i = state
            return (i < iterations) & (change > tolerance)

        def update(state):
            flow, _, i = state
            new = step(flow, right)
            return new, jnp.abs(new - flow).max(), i + 1

        zeros = jnp.zeros_like(right)
        state = (zeros, jnp.array(jnp.inf, right.dtype), 0)
        return jax.lax.while_loop(unfinished, update, state)[0]

    # Solved for the change since `start`: as it is linear, the iteration is the same.
    start = jax.lax.stop_gradient(start)
    right = -gradient * difference[..., None] - left(start)
    return start + jax.lax.custom_linear_solve(left, right, iterate, symmetric=True)


def _local_flow(gradient, difference, start, kernel, threshold):
    """Lucas and Kanade's 2x2 systems, in closed form."""
    gx, gy = gradient[..., 0], gradient[..., 1]
    products = (gx * gx, gx * gy, gy * gy, gx * difference, gy * difference)
    a, b, c, p, q = (_filter(x, kernel, mode="constant") for x in products)
    # The smaller root; the square root's slope at 0 is not wanted.
    apart = ((a - c) / 2) ** 2 + b * b
    root = jnp.where(apart > 0, jnp.sqrt(jnp.where(apart > 0, apart, 1)), 0)
    eigenvalue = (a + c) / 2 - root
    sure = eigenvalue > threshold
    determinant = jnp.where(sure, a * c - b * b, 1)
    flow = jnp.stack([b * q - c * p, b * p - a * q], axis=-1) / determinant[..., None]
    return jnp.where(sure[..., None], flow, start), eigenvalue


def _neighbours(flow):
    """The mean over the eight neighbours, 1/6 each and 1/12 at the corners."""
    x = jnp.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    x = x[:-2] + 2 * x[1:-1] + x[2:]
    return (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:] - 4 * flow) / 12


def _finer(flow, shape):
    """A flow on the level below: pixel i of the coarse one is pixel 2 i of the fine."""
    rows, columns = (jnp.arange(n, dtype=flow.dtype) for n in shape)
    here = jnp.stack(jnp.meshgrid(columns, rows), axis=-1)  # (x, y), [H, W, 2]
    wide = tuple((0, n - m) for n, m in zip(shape, flow.shape[:2], strict=True))
    return 2 * warp(jnp.pad(flow, (*wide, (0, 0)), mode="edge"), -here / 2)


def _inside(flow):
    """Whether the pixel's flow ends within the image, [H, W]."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + jnp.arange(width, dtype=flow.dtype)[None, :]
    y = flow[..., 1] + jnp.arange(height, dtype=flow.dtype)[:, None]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def _window(size, weights):
    if weights == "box":
        return (1 / size,) * size
    bell = [math.exp(-(((i - size // 2) / (size / 6)) ** 2) / 2) for i in range(size)]
    return tuple(value / sum(bell) for value in bell)


def _filter(x, rows, columns=None, mode="edge"):
    """Correlation of [H, W] with the product of two kernels, down and across."""
    for axis, kernel in enumerate((rows, rows if columns is None else columns)):
        kernel = jnp.asarray(kernel, x.dtype)
        reach = len(kernel) // 2
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        wide = jnp.pad(x, pad, mode=mode)
        slide = lambda line, kernel=kernel: jnp.correlate(
            line, kernel, mode="valid", precision="highest"
        )
        x = jax.vmap(slide, in_axes=1 - axis, out_axes=1 - axis)(wide)
    return x


def _norm(x):  # over the last axis; its derivative at 0 is 0
    square = (x * x).sum(-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def _check_pair(first, second, levels, warps):
    for name, image in (("first", first), ("second", second)):
        floating = jnp.issubdtype(image.dtype, jnp.floating)
        if image.ndim != 2 or not floating or image.shape != first.shape:
            raise ValueError(
                f"{name} must be floats [H, W], both of one size, got {image.dtype} "
                f"{image.shape}"
            )
    if levels < 1 or warps < 1:
        raise ValueError(f"levels and warps must be positive: {levels} and {warps}")
    least = -(-min(first.shape) // 2 ** (levels - 1))
    if least < 2:
        raise ValueError(f"levels must leave 2 pixels or more, got {levels}")


def _check_fields(flow, truth):
    if flow.shape != truth.shape or flow.shape[-1:] != (2,):
        raise ValueError(
            f"flow and truth must be [..., 2] alike, got {flow.shape} and {truth.shape}"
        )
