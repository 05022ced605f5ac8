"""K-means: K centres such that the points lie near to theirs; Lloyd's algorithm.

    inertia  J = sum over x of min over k of |x - m_k|^2
    assign   c(x) = argmin over k of |x - m_k|^2           of equal ones the lowest k
    update   m_k  = mean of the x with c(x) = k

Neither step raises J. It is done when the centres stand still: when the sum of
|m_k - m_k(before)|^2 is at most `tolerance` times the mean variance of a feature.

Empty clusters: the j-th cluster without points takes over the j-th farthest point from
its centre, which leaves its own cluster. Where all points lie on centres (there are
fewer different points than K), or that left its own cluster empty, the centre stays.

The start is drawn by `zoo.classical.seeding`: k-means++, greedy as in scikit-learn. Of
several starts the one with the least inertia is kept.

Mini-batches (`minibatch`): n_k counts the points that centre k ever got, and

    n_k = n_k + b_k,   m_k = m_k + (sum of the batch's b_k points - b_k m_k) / n_k

which is what Sculley's rate 1 / n_k for each point comes to at the batch's end. A
centre that got none stands still; scikit-learn sets it anew now and then, unless
`reassignment_ratio=0`.

Distances are |m|^2 - 2 <x, m>, one product of matrices, counted from the mean of the
data, without which they would lose the digits that the points have in common. Memory
is N K numbers for each start.

Shapes: N points (B of a batch), D features, K clusters, S starts.

References:
    Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information
    Theory, 1982, https://doi.org/10.1109/TIT.1982.1056489
    Sculley, "Web-scale k-means clustering", WWW 2010,
    https://doi.org/10.1145/1772690.1772862
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import checks, race
from zoo.classical.seeding import STARTS, positive
from zoo.errors import unknown
from zoo.functional.distances import real
from zoo.learner import Learner

# On a CPU, of 100,000 x 32 points and 50 clusters: a comparison written out for each
# cluster runs over the points in one go, 3 ms where argmin takes 8; adding up by index
# takes 1 ms where a product with the one-hot members, and making these, takes 8. Of few
# points the product is as fast, and faster for many starts at once.
UNROLLED = 64  # clusters up to which the comparisons are written out
SCATTERED = 2**20  # N K from which points are added up by index


class KMeansState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    centres: jax.Array  # [K, D]
    origin: jax.Array  # [D], the mean of the first batch, from which all is counted
    scale: jax.Array  # mean variance of a feature, the unit of the tolerance
    shift: jax.Array  # sum of |m_k - m_k(before)|^2 of the last step; inf at first
    inertia: jax.Array  # before the last step (inf at first); of `fit`, now


class MiniBatchState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    centres: jax.Array  # [K, D]
    origin: jax.Array  # [D], the mean of the first batch, from which all is counted
    counts: jax.Array  # [K], points that each centre got so far; floats


def learner(
    k: int,
    tolerance: float = 1e-4,
    start: str | jax.Array = "k-means++",
    trials: int | None = None,
    axis_name: str | None = None,
) -> Learner:
    """Lloyd's algorithm; its batch is the whole data set, the same in each step.

    Args:
        k: clusters, K, at most the points.
        tolerance: done at this shift, in units of the mean variance, >= 0.
        start: "k-means++", "random" (K different points), or centres, [K, D].
        trials: points drawn for each centre of k-means++; None: 2 + floor(log K).
        axis_name: the axis over which the points are split, or None.

    Returns:
        A learner with done, of batches with `x` [N, D]. Metrics before the step: `loss`
        (the inertia and the number of points) and `empty` (clusters without points);
        and `shift`. A step after done changes nothing.

    Raises:
        ValueError: a k, tolerance, start or trials out of range; at init, fewer points
            than k, a value that is not finite, or centres of another shape.
    """
    _check(k, start, trials, tolerance)
    return _lloyd(k, tolerance, start, trials, axis_name)


def _lloyd(k, tolerance, start, trials, axis_name=None, origin=None):
    """`learner`; an origin that is given stands for that of all states.

    Else, mapped over starts, a step would move all points for each of them.
    """

    def init(key, batch):
        x, centres, origin = _first(key, batch, k, start, trials)
        return KMeansState(
            step=jnp.zeros((), jnp.int32),
            centres=centres,
            origin=origin,
            scale=jnp.var(x, 0).mean(),
            shift=jnp.full((), jnp.inf, x.dtype),
            inertia=jnp.full((), jnp.inf, x.dtype),
        )

    def step(state, batch):
        middle = (state.origin if origin is None else origin).reshape(1, -1)
        x = real(batch["x"]) - middle
        found, near = _assign(x, state.centres - middle)
        sums, counts, inertia = _total(_sums(x, found, near, k), axis_name)
        empty = (counts == 0).sum()

        def fill(carry):
            filled = _filled(x, found, near, *carry[:2], axis_name)
            return *filled, jnp.zeros_like(empty)

        # One round at most. Mapped over starts, a `cond` would always fill.
        some_empty = lambda carry: carry[2] > 0
        sums, counts, _ = jax.lax.while_loop(some_empty, fill, (sums, counts, empty))
        some = (counts > 0).reshape(-1, 1)
        means = sums / jnp.where(some, counts.reshape(-1, 1), 1)
        centres = jnp.where(some, means + middle, state.centres)
        # Of these, not of what is counted from the origin: so it comes to exactly 0.
        shift = jnp.square(centres - state.centres).sum()
        new = state._replace(
            step=state.step + 1, centres=centres, shift=shift, inertia=inertia
        )
        # Once it is done it stays so, whenever that is noticed.
        new = jax.tree.map(lambda a, b: jnp.where(done(state), a, b), state, new)
        one = jnp.ones_like(shift)
        metrics = {
            "loss": (inertia, _total(one * len(x), axis_name)),
            "empty": (empty.astype(x.dtype), one),
            "shift": (shift, one),
        }
        return new, metrics

    def done(state):
        return state.shift <= tolerance * state.scale

    return Learner(init=init, step=step, done=done)


def minibatch(
    k: int,
    start: str | jax.Array = "k-means++",
    trials: int | None = None,
    axis_name: str | None = None,
) -> Learner:
    """K-means of a stream: each centre is the mean of all points that it ever got.

    Args:
        k: clusters, K, at most the points of the first batch.
        start: "k-means++" or "random", among the first batch; or centres, [K, D].
        trials: points drawn for each centre of k-means++; None: 2 + floor(log K).
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x` [B, D]. Metrics: `loss`, the inertia of the batch
        before the step and its number of points.

    Raises:
        ValueError: as `learner`.
    """
    _check(k, start, trials)

    def init(key, batch):
        x, centres, origin = _first(key, batch, k, start, trials)
        return MiniBatchState(
            step=jnp.zeros((), jnp.int32),
            centres=centres,
            origin=origin,
            counts=jnp.zeros(k, x.dtype),
        )

    def step(state, batch):
        x = real(batch["x"]) - state.origin.reshape(1, -1)
        old = state.centres - state.origin.reshape(1, -1)
        found, near = _assign(x, old)
        sums, more, inertia = _total(_sums(x, found, near, k), axis_name)
        counts = state.counts + more
        rate = 1 / jnp.where(counts == 0, 1, counts)
        moved = (sums - more.reshape(-1, 1) * old) * rate.reshape(-1, 1)
        state = MiniBatchState(
            step=state.step + 1,
            centres=state.centres + moved,
            origin=state.origin,
            counts=counts,
        )
        weight = _total(jnp.ones_like(inertia) * len(x), axis_name)
        return state, {"loss": (inertia, weight)}

    return Learner(init=init, step=step)


def fit(
    key: jax.Array,
    x: jax.Array,
    k: int,
    starts: int = 10,
    steps: int = 300,
    tolerance: float = 1e-4,
    start: str | jax.Array = "k-means++",
    trials: int | None = None,
) -> KMeansState:
    """The best of several starts, all run side by side.

    Args:
        key: for the starts.
        x: [N, D].
        k: clusters, K, from 1 to N.
        starts: S; 1 where centres are given.
        steps: at most so many for each.
        tolerance: as in `learner`.
        start: as in `learner`; or centres of each start, [S, K, D].
        trials: as in `learner`.

    Returns:
        The state with the least inertia, which is that of its centres. In float32 two
        starts are told apart where these differ by more than about 1e-6 of what one
        cluster would have.

    Raises:
        ValueError: as `learner`; starts or steps below 1; x that is not [N, D].
    """
    _check(k, start, trials, tolerance)
    x = _points(x, k)
    given = not isinstance(start, str)
    if given:
        start = checks.finite("start", start).astype(x.dtype)
        start = start[None] if start.ndim == 2 else start
        if start.shape[1:] != (k, x.shape[1]):
            raise ValueError(
                f"start must be [{k}, {x.shape[1]}], or several of these, got "
                f"{list(start.shape)}"
            )
    for name, value in (("starts", starts), ("steps", steps)):
        positive(name, value)
    keys = jax.random.split(key, len(start) if given else starts)
    options = (k, steps, float(tolerance), None if given else start, trials)
    return _fit(keys, x, start if given else None, *options)


@functools.partial(jax.jit, static_argnums=(3, 4, 5, 6, 7))
def _fit(keys, x, centres, k, steps, tolerance, start, trials):
    batch = {"x": x}

    def first(key, given):
        lloyd = _lloyd(k, tolerance, start if given is None else given, trials)
        return lloyd.init(key, batch)

    states = jax.vmap(first, (0, None if centres is None else 0))(keys, centres)
    lloyd = _lloyd(k, tolerance, start, trials, origin=states.origin[0])
    states = race.run(lloyd, states, batch, steps)
    origin = states.origin[:1]
    within = jax.vmap(lambda m: _assign(x - origin, m - origin)[1].sum())
    best = within(states.centres).argmin()
    state = jax.tree.map(lambda leaf: leaf[best], states)
    return state._replace(inertia=inertia(state, x))


def predict(state: KMeansState | MiniBatchState, x: jax.Array) -> jax.Array:
    """The nearest centre of each point; of equal ones the lowest.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].

    Returns:
        int32 [N].

    Raises:
        ValueError: x that is not [N, D] with the centres' D, or not finite.
    """
    x, centres = _about_origin(state, x)
    return _assign(x, centres)[0]


def transform(state: KMeansState | MiniBatchState, x: jax.Array) -> jax.Array:
    """The distance of each point to each centre.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].

    Returns:
        [N, K]. In float32 a distance d near 0 is known to about 4e-4 times the
        distance of the point to the mean of the data.

    Raises:
        ValueError: as `predict`.
    """
    x, centres = _about_origin(state, x)
    squares = jnp.square(x).sum(1, keepdims=True) + _scores(x, centres).T
    return jnp.sqrt(jnp.maximum(squares, 0))


def inertia(state: KMeansState | MiniBatchState, x: jax.Array) -> jax.Array:
    """The sum of squared distances to the nearest centres; without cancellation.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].

    Returns:
        A scalar.

    Raises:
        ValueError: as `predict`.
    """
    x, centres = _about_origin(state, x)
    found, _ = _assign(x, centres)
    return jnp.square(x - centres[found]).sum()


def _scores(x, centres):  # [N, D], [K, D] -> [K, N]: squared distances less |x|^2
    product = jnp.matmul(centres, x.T, precision="highest")
    return jnp.square(centres).sum(1, keepdims=True) - 2 * product


def _assign(x, centres):
    """Each point's centre, [N], and its squared distance to it, [N]."""
    scores = _scores(x, centres)
    if len(centres) <= UNROLLED and jax.default_backend() == "cpu":
        least, found = scores[0], jnp.zeros(len(x), jnp.int32)
        for k in range(1, len(centres)):
            nearer = scores[k] < least
            least = jnp.where(nearer, scores[k], least)
            found = jnp.where(nearer, k, found)
    else:
        least, found = scores.min(0), scores.argmin(0).astype(jnp.int32)
    return found, jnp.maximum(least + jnp.square(x).sum(1), 0)


def _sums(x, found, near, k):
    """Sums of the clusters' points, [K, D], their numbers, [K], and the inertia."""
    if len(x) * k >= SCATTERED and jax.default_backend() == "cpu":
        counts = jnp.zeros(k, x.dtype).at[found].add(1)
        return jax.ops.segment_sum(x, found, k), counts, near.sum()
    member = jax.nn.one_hot(found, k, dtype=x.dtype, axis=0)  # [K, N]
    counted = jnp.concatenate([x, jnp.ones((len(x), 1), x.dtype)], axis=1)
    sums = jnp.matmul(member, counted, precision="highest")
    return sums[:, :-1], sums[:, -1], near.sum()


def _filled(x, found, near, sums, counts, axis_name):
    """Sums and counts when each empty cluster has taken over a far point."""
    few = min(len(counts), len(x))
    far, at = jax.lax.top_k(near, few)  # of equal ones the lowest index
    points, theirs = x[at], found[at]
    if axis_name:  # all devices choose among the farthest of each
        gather = lambda a: jax.lax.all_gather(a, axis_name, tiled=True)
        far, points, theirs = map(gather, (far, points, theirs))
        far, at = jax.lax.top_k(far, min(len(counts), len(far)))
        points, theirs = points[at], theirs[at]
    empty = counts == 0
    # The j-th empty cluster first, then the others, which take nothing.
    order = jnp.argsort(~empty, stable=True)[: len(far)]
    takes = (empty[order] & (far > 0)).astype(x.dtype)
    points = points * takes.reshape(-1, 1)
    sums = sums.at[order].add(points).at[theirs].add(-points)
    return sums, counts.at[order].add(takes).at[theirs].add(-takes)


def _first(key, batch, k, start, trials):
    """The batch's points, the first centres, and the mean of the points."""
    x = _points(batch["x"], k)
    origin = x.mean(0)
    if isinstance(start, str):
        at = STARTS[start](key, x - origin.reshape(1, -1), k, trials)
        return x, x[at], origin
    centres = jnp.array(start, x.dtype)
    if centres.shape != (k, x.shape[1]):
        raise ValueError(
            f"start must be [{k}, {x.shape[1]}], got {list(centres.shape)}"
        )
    return x, centres, origin


def _about_origin(state, x):
    x = checks.finite("x", x)
    if x.ndim != 2 or x.shape[1] != len(state.origin):
        raise ValueError(
            f"x must be [N, {len(state.origin)}], as the centres, got {list(x.shape)}"
        )
    origin = state.origin.reshape(1, -1)
    return x - origin, state.centres - origin


def _total(tree, axis_name):
    return jax.lax.psum(tree, axis_name) if axis_name else tree


def _points(x, k):
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be [N, D], got {list(x.shape)}")
    checks.at_most("k", k, len(x), "points")
    return x


def _check(k, start, trials, tolerance=0.0):
    positive("k", k)
    if isinstance(start, str) and start not in STARTS:
        raise unknown("start", start, STARTS)
    if trials is not None:
        positive("trials", trials)
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance must be finite and >= 0, got {tolerance!r}")
