"""The self-organizing map: a grid of units that unfolds over the data, by Kohonen.

    winner   c = argmin over units i of |x - m_i|^2          of equal ones the lowest
    online   m_i = m_i + alpha(t) h_ci(t) (x - m_i)          for each x, one by one
    batch    m_i = sum over x of h_c(x)i(t) x / sum over x of h_c(x)i(t)

    gaussian h_ci = exp(-|r_c - r_i|^2 / (2 sigma(t)^2))     r_i: the unit's place
    bubble   h_ci = 1 where |r_c - r_i| <= sigma(t), else 0

Rate alpha and radius sigma are numbers or schedules (functions of t); they fall, so
that the map orders first and settles then. t counts the examples seen, online, and the
steps taken, by batches. A unit whose weights in a batch are all 0 stays.

Limits, tested: with radius 0 only the winner moves. Online, this is competitive
learning (online k-means); by batches of all data, Lloyd's k-means.

Online, the examples of a batch come one after another in its order, also where it is
split over devices: each device then does the work of all. The batch form splits it.

    quantization error  mean of |x - m_c|
    topographic error   share of x whose two nearest units are no neighbours on the grid

Neighbours on a rectangular grid are the 8 around a unit, on a hexagonal one the 6.

Shapes: N points (B of a batch), D features, H rows and W columns of units, U = H W.

References:
    Kohonen, "Self-organized formation of topologically correct feature maps",
    Biological Cybernetics, 1982, https://doi.org/10.1007/BF00337288
    Kohonen, "The self-organizing map", Proceedings of the IEEE, 1990,
    https://doi.org/10.1109/5.58325 (the online rule)
    Kohonen, "Essentials of the self-organizing map", Neural Networks, 2013,
    https://doi.org/10.1016/j.neunet.2012.09.018 (the batch form)
    Kiviluoto, "Topology preservation in self-organizing maps", ICNN 1996,
    https://doi.org/10.1109/ICNN.1996.548907 (the topographic error)
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import checks
from zoo.classical.seeding import positive
from zoo.errors import unknown
from zoo.functional.distances import real
from zoo.learner import Learner

FORMS = ("online", "batch")
GRIDS = ("rectangular", "hexagonal")
Schedule = float | Callable[[jax.Array], jax.Array]


class SOMState(NamedTuple):
    t: jax.Array  # int32 scalar: examples seen (online) or steps taken (batch)
    units: jax.Array  # m, [U, D], row by row of the grid


def places(rows: int, columns: int, grid: str = "rectangular") -> np.ndarray:
    """Where the units lie: next ones at distance 1.

    Args:
        rows: H.
        columns: W.
        grid: "rectangular", or "hexagonal": every other row is half a step aside.

    Returns:
        [U, 2], (row, column) row by row; float64.

    Raises:
        ValueError: rows or columns below 1, or an unknown grid.
    """
    positive("rows", rows)
    positive("columns", columns)
    if grid not in GRIDS:
        raise unknown("grid", grid, GRIDS)
    row, column = np.divmod(np.arange(rows * columns), columns)
    if grid == "rectangular":
        return np.stack([row, column], 1).astype(float)
    return np.stack([row * math.sqrt(3) / 2, column + 0.5 * (row % 2)], 1)


def gaussian(squares: jax.Array, radius: jax.Array) -> jax.Array:
    """exp(-d^2 / (2 sigma^2)) of squared distances d^2; the winner alone for 0."""
    spread = 2 * jnp.square(radius)
    some = spread > 0
    fall = jnp.exp(-squares / jnp.where(some, spread, 1))
    return jnp.where(some, fall, (squares == 0).astype(squares.dtype))


def bubble(squares: jax.Array, radius: jax.Array) -> jax.Array:
    """1 up to the distance sigma, 0 beyond it."""
    near = squares <= jnp.square(radius) * (1 + 1e-5)  # places are rounded
    return near.astype(squares.dtype)


NEIGHBOURHOODS = {"gaussian": gaussian, "bubble": bubble}


def learner(
    rows: int,
    columns: int,
    rate: Schedule = 0.1,
    radius: Schedule = 1.0,
    form: str = "online",
    neighbourhood: str = "gaussian",
    grid: str = "rectangular",
    start: jax.Array | None = None,
    axis_name: str | None = None,
) -> Learner:
    """A map that learns from batches.

    Args:
        rows: H.
        columns: W.
        rate: alpha, in [0, 1]; the batch form has none.
        radius: sigma, in steps of the grid, >= 0.
        form: "online" or "batch".
        neighbourhood: "gaussian" or "bubble".
        grid: "rectangular" or "hexagonal".
        start: the first units, [U, D]; None: a plane through the mean of the first
            batch, along its two principal axes, as far as their standard deviations.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x` [B, D]. Metrics: `loss`, the distances to the
        winners before the step (their mean is the quantization error). Its evaluation
        adds `topographic_error`.

    Raises:
        ValueError: an unknown name; sizes, a rate or radius out of range; at init,
            values that are not finite or a start of another shape.
    """
    at = places(rows, columns, grid)
    apart = np.square(at[:, None] - at[None]).sum(2)  # [U, U]
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if neighbourhood not in NEIGHBOURHOODS:
        raise unknown("neighbourhood", neighbourhood, NEIGHBOURHOODS)
    for name, value, high in (("rate", rate, 1.0), ("radius", radius, math.inf)):
        if not callable(value) and not 0 <= value <= high:
            raise ValueError(f"{name} must be from 0 to {high:g}, got {value!r}")

    def h(winner, t, dtype):  # [...] -> [..., U]
        squares = jnp.asarray(apart, dtype)[winner]
        return NEIGHBOURHOODS[neighbourhood](squares, _at(radius, t, dtype))

    def init(key, batch):
        del key
        x = checks.finite("x", batch["x"])
        if x.ndim != 2:
            raise ValueError(f"x must be [N, D], got {list(x.shape)}")
        units = _plane(x, rows, columns) if start is None else jnp.array(start, x.dtype)
        if units.shape != (len(at), x.shape[1]):
            raise ValueError(
                f"start must be [{len(at)}, {x.shape[1]}], got {list(units.shape)}"
            )
        return SOMState(t=jnp.zeros((), jnp.int32), units=units)

    def online(state, x):
        if axis_name:
            x = jax.lax.all_gather(x, axis_name, tiled=True)  # all, in their order

        def one(carry, point):
            t, units = carry
            squares = jnp.square(point.reshape(1, -1) - units).sum(1)
            winner = squares.argmin()
            step = _at(rate, t, x.dtype) * h(winner, t, x.dtype)
            units = units + step.reshape(-1, 1) * (point.reshape(1, -1) - units)
            return (t + 1, units), None

        (t, units), _ = jax.lax.scan(one, tuple(state), x)
        return SOMState(t=t, units=units)

    def batched(state, x):
        origin = state.units.mean(0, keepdims=True)  # digits in common are not lost
        x = x - origin
        winners = _squares(x, state.units - origin).argmin(1)
        won = jax.nn.one_hot(winners, len(at), dtype=x.dtype)  # [B, U]
        sums = jnp.matmul(won.T, x, precision="highest"), won.sum(0)
        sums, counts = _total(sums, axis_name)  # [U, D], [U]
        weights = h(jnp.arange(len(at)), state.t, x.dtype)  # [U, U], symmetric
        top = jnp.matmul(weights, sums, precision="highest")
        below = jnp.matmul(weights, counts, precision="highest").reshape(-1, 1)
        means = top / jnp.where(below > 0, below, 1) + origin
        units = jnp.where(below > 0, means, state.units)
        return SOMState(t=state.t + 1, units=units)

    def step(state, batch):
        x = real(batch["x"])
        loss = _total(quantization_error(state, x), axis_name)
        new = online(state, x) if form == "online" else batched(state, x)
        return new, {"loss": loss}

    def evaluate(state, batch):
        x = real(batch["x"])
        metrics = {
            "loss": quantization_error(state, x),
            "topographic_error": topographic_error(state, x, rows, columns, grid),
        }
        return _total(metrics, axis_name)

    return Learner(init=init, step=step, evaluate=evaluate)


def predict(state: SOMState, x: jax.Array) -> jax.Array:
    """The winner of each point; of equal ones the lowest.

    Args:
        state: of a learner.
        x: [N, D].

    Returns:
        int32 [N], numbers of units, row by row.

    Raises:
        ValueError: x that is not [N, D] with the units' D, or not finite.
    """
    return _distances(state, x).argmin(1).astype(jnp.int32)


def quantization_error(state: SOMState, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The distances of the points to their winners, as a pair (sum, number).

    Args:
        state: of a learner.
        x: [N, D].

    Returns:
        Two scalars, in the unit of x and without one.

    Raises:
        ValueError: as `predict`.
    """
    least = _distances(state, x).min(1)
    return least.sum(), jnp.ones_like(least).sum()


def topographic_error(
    state: SOMState,
    x: jax.Array,
    rows: int,
    columns: int,
    grid: str = "rectangular",
) -> tuple[jax.Array, jax.Array]:
    """Points whose two nearest units are no neighbours, as a pair (sum, number).

    Args:
        state: of a learner.
        x: [N, D].
        rows: H.
        columns: W.
        grid: "rectangular" or "hexagonal".

    Returns:
        Two scalars; their ratio is in [0, 1].

    Raises:
        ValueError: as `predict` and `places`; fewer than two units, or rows and
            columns that are not theirs.
    """
    at = places(rows, columns, grid)
    if len(at) < 2 or len(at) != len(state.units):
        raise ValueError(
            f"rows and columns must be those of at least 2 units, of the map's "
            f"{len(state.units)}, got {rows} and {columns}"
        )
    apart = np.square(at[:, None] - at[None]).sum(2)
    reach = 2.1 if grid == "rectangular" else 1.1  # of squares: 1 or 2, and 1
    distances = _distances(state, x)
    _, two = jax.lax.top_k(-distances, 2)
    torn = jnp.asarray(apart > reach)[two[:, 0], two[:, 1]].astype(distances.dtype)
    return torn.sum(), jnp.ones_like(torn).sum()


def _distances(state, x):  # [N, D] -> [N, U]
    x = checks.finite("x", x)
    if x.ndim != 2 or x.shape[1] != state.units.shape[1]:
        raise ValueError(
            f"x must be [N, {state.units.shape[1]}], as the units, got {list(x.shape)}"
        )
    origin = state.units.mean(0, keepdims=True)
    return jnp.sqrt(_squares(x - origin, state.units - origin))


def _squares(x, units):  # [N, D], [U, D] -> [N, U], by one product of matrices
    product = jnp.matmul(x, units.T, precision="highest")
    norms = functools.partial(jnp.sum, axis=1)
    squares = norms(x * x).reshape(-1, 1) + norms(units * units).reshape(1, -1)
    return jnp.maximum(squares - 2 * product, 0)


def _plane(x, rows, columns):
    """The mean and up to one standard deviation along the two principal axes."""
    mean = x.mean(0, keepdims=True)
    spread = jnp.matmul((x - mean).T, x - mean, precision="highest") / len(x)
    variances, axes = jnp.linalg.eigh(spread)  # rising
    variances, axes = variances[::-1][:2], axes[:, ::-1][:, :2]
    # The sign of an axis is the solver's; the largest component shall be positive.
    largest = jnp.take_along_axis(axes, abs(axes).argmax(0)[None], 0)
    deviations = jnp.sqrt(jnp.maximum(variances, 0)).reshape(1, -1)
    axes = jnp.where(largest < 0, -axes, axes) * deviations  # [D, 2]
    line = lambda n: np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    long, short = (columns, rows) if columns >= rows else (rows, columns)
    grid = np.meshgrid(line(rows), line(columns), indexing="ij")
    pair = grid[::-1] if long == columns else grid  # the longer side, the first axis
    weights = np.stack(pair, -1).reshape(-1, 2)[:, : axes.shape[1]]
    return mean + jnp.matmul(jnp.asarray(weights, x.dtype), axes.T, precision="highest")


def _at(schedule, t, dtype):
    value = schedule(t) if callable(schedule) else schedule
    return jnp.asarray(value).astype(dtype)


def _total(tree, axis_name):
    return jax.lax.psum(tree, axis_name) if axis_name else tree
