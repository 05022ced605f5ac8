"""Gradient boosting: trees added one by one, each to what the others leave.

    F_0(x) = the best constant
    F_r(x) = F_{r-1}(x) + rate * (value of the leaf of tree r that x comes to)

With g and h the first and second derivative of the loss by F at F_{r-1}, which are in
`zoo.classical.boosting_losses`, each round grows one tree, for softmax one for each
class, at most `max_depth` deep:

    residual   splits by the squared error of -g; values -c sum g / sum h, where
               c = (K - 1) / K for softmax, else 1 (Friedman)
    newton     splits by the gain of G^2 / (H + penalty), with G = sum g, H = sum h,
               values -G / (H + penalty) (Friedman, Hastie and Tibshirani; XGBoost)

For the squared loss both are the same if the penalty is 0. A Newton split is one by the
squared error of -g / h under weights h: one routine grows both. A leaf has a value of 0
if all its h are, as after many rounds.

With subsample < 1 a tree is grown on a part of the examples: each is in it with that
chance, drawn by its index, where Friedman draws a part of a fixed size.

Against scikit-learn 1.9.1: predictions are those of its gradient boosting where no two
splits gain the same, and of its histogram boosting as far as that holds g and h in
float32. It places thresholds between values of all data, here of the node: new examples
may differ then. Its importances are, like these, sums of the gains.

The learner's batch is the whole data set, the same in each step. F of each example and
the bins of its features stand in the state, by its index.

Shapes: N examples, D features, K trees of a round (classes for softmax, else 1), R
rounds, M nodes of a tree, B bins.

References:
    Friedman, "Greedy function approximation: a gradient boosting machine", Annals of
    Statistics, 2001, https://doi.org/10.1214/aos/1013203451
    Friedman, Hastie and Tibshirani, "Additive logistic regression: a statistical view
    of boosting", Annals of Statistics, 2000, https://doi.org/10.1214/aos/1016218223
    Friedman, "Stochastic gradient boosting", Computational Statistics & Data Analysis,
    2002, https://doi.org/10.1016/S0167-9473(01)00065-2
    Chen and Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016,
    https://arxiv.org/abs/1603.02754
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from optim.errors import check_range
from zoo.classical import binning, checks, growth
from zoo.classical import boosting_losses as losses
from zoo.classical.tree import points
from zoo.errors import unknown
from zoo.functional.distances import real
from zoo.functional.rows import put_rows, take_rows
from zoo.learner import Learner

FORMS = ("residual", "newton")


class Ensemble(NamedTuple):
    """The trees of all rounds; those of rounds to come are single leaves of value 0."""

    feature: jax.Array  # int32 [R, K, M]; -1 where the node is a leaf
    threshold: jax.Array  # [R, K, M], left if x <= threshold; inf at a leaf
    left: jax.Array  # int32 [R, K, M], the left child; at a leaf the node itself
    value: jax.Array  # [R, K, M], times the rate
    gain: jax.Array  # [R, K, M], by the split, in the splits' criterion
    depth: jax.Array  # int32 [R, K], splits from the root to the farthest leaf


class BoostingState(NamedTuple):
    """What a round changes, and the binned examples that it reads."""

    step: jax.Array  # int32 scalar: rounds done
    key: jax.Array  # never advanced; a round's own key is fold_in(key, step)
    start: jax.Array  # [K], F_0
    trees: Ensemble
    low: jax.Array  # [D, B], the least value in each bin
    high: jax.Array  # [D, B], the largest
    codes: jax.Array  # int32 [N, D], bins of the examples; split over devices
    scores: jax.Array  # [N, K], F of the examples; split over devices


def learner(
    loss: str = "squared",
    num_classes: int | None = None,
    rounds: int = 100,
    rate: float | jax.Array = 0.1,
    max_depth: int = 3,
    form: str = "residual",
    penalty: float | jax.Array = 0.0,
    subsample: float | jax.Array = 1.0,
    min_samples_split: int = 2,
    min_samples_leaf: int = 1,
    max_features: int | None = None,
    bins: int = 256,
    axis_name: str | None = None,
) -> Learner:
    """Boosting, a round in each step.

    Args:
        loss: "squared" for numbers, "logistic" for classes 0 and 1, "softmax" for more.
        num_classes: K for softmax; else left out.
        rounds: R, after which it is done.
        rate: the factor of each tree, in (0, 1].
        max_depth: of the trees, >= 1.
        form: "residual" or "newton".
        penalty: of the newton form, >= 0.
        subsample: chance of an example to be in a round, in (0, 1].
        min_samples_split: examples of a node that is split, at least; >= 2.
        min_samples_leaf: examples of a leaf, at least.
        max_features: tried in each node, drawn anew; None: all.
        bins: of a feature, at most.
        axis_name: the axis over which the examples are split, or None.

    Returns:
        A learner with done, whose batch is the whole data set, the same in each step:
        `x` [N, D], `y` [N], `index` [N], the examples' numbers from 0 to N - 1, and
        optionally `weight` [N]. Metrics: `loss`, before the step. Its evaluation, of
        any examples, gives `loss` and for classes `accuracy`. A step after done changes
        nothing.

    Raises:
        ValueError: an unknown loss or form; an argument out of range; at init, values
            that are not finite, labels out of range or of one class only.
    """
    for name, value, known in (("loss", loss, losses.LOSSES), ("form", form, FORMS)):
        if value not in known:
            raise unknown(name, value, known)
    if (loss == "softmax") != (num_classes is not None):
        raise ValueError(
            "num_classes must be given for softmax, and for it only, got "
            f"{num_classes!r} for {loss}"
        )
    for name, value, low in (
        ("num_classes", num_classes or 2, 2),
        ("rounds", rounds, 1),
        ("max_depth", max_depth, 1),
        ("min_samples_split", min_samples_split, 2),
        ("min_samples_leaf", min_samples_leaf, 1),
        ("bins", bins, 2),
    ):
        checks.at_least(name, value, low)
    rate = check_range("rate", rate, 0, 1, "(]")
    subsample = check_range("subsample", subsample, 0, 1, "(]")
    penalty = check_range("penalty", penalty, 0, math.inf)
    k = num_classes or 1
    rules = growth.Rules(
        criterion="squared_error",
        max_depth=max_depth,
        min_samples_split=max(min_samples_split, 2 * min_samples_leaf),
        min_samples_leaf=min_samples_leaf,
        axis_name=axis_name,
    )

    def init(key, batch):
        x = points(batch["x"])
        y = losses.targets(loss, k, batch["y"], x)
        n, d = x.shape
        if max_features is not None:
            checks.at_most("max_features", max_features, d, "features")
        start = losses.start(loss, k, y, batch.get("weight", jnp.ones_like(x[:, 0])))
        binned = binning.cut(x, bins)
        m = 2 * rules.at_most(n // min_samples_leaf, 0) - 1
        fill = lambda value, dtype=x.dtype: jnp.full((rounds, k, m), value, dtype)
        own = jnp.arange(m, dtype=jnp.int32).reshape(1, 1, -1)
        return BoostingState(
            step=jnp.zeros((), jnp.int32),
            key=jax.random.fold_in(key, 0),
            start=start,
            trees=Ensemble(
                feature=fill(-1, jnp.int32),
                threshold=fill(jnp.inf),
                left=jnp.broadcast_to(own, (rounds, k, m)),
                value=fill(0),
                gain=fill(0),
                depth=jnp.zeros((rounds, k), jnp.int32),
            ),
            low=binned.low,
            high=binned.high,
            codes=jnp.zeros_like(binned.codes).at[batch["index"]].set(binned.codes),
            scores=jnp.broadcast_to(start.reshape(1, -1), (n, k)),
        )

    def step(state, batch):
        x = real(batch["x"])
        n, d = x.shape
        index = batch["index"]
        codes = take_rows(state.codes, index, axis_name)
        before = take_rows(state.scores, index, axis_name)  # [N, K]
        given = batch.get("weight")
        key = jax.random.fold_in(state.key, state.step)
        g, h = losses.slopes(loss, before, batch["y"])  # [K, N]
        each = None if given is None else given.astype(x.dtype)
        if isinstance(subsample, jax.core.Tracer) or subsample < 1:
            drawn = (_draws(key, index) < subsample).astype(x.dtype)
            each = drawn if each is None else each * drawn
        if each is not None:
            each = jnp.broadcast_to(each.reshape(1, -1), (k, n))
        keys = None
        if max_features is not None:
            keys = jax.random.split(jax.random.fold_in(key, 2**32 - 1), k)
        newton = form == "newton"
        h = jnp.maximum(h, jnp.finfo(h.dtype).tiny ** 0.5) if newton else h
        hessian = h if each is None else each * h
        grown = growth.grow(
            keys,
            binning.Bins(codes, state.low, state.high),
            -g / h if newton else -g,
            hessian if newton else each,
            jnp.zeros((), x.dtype),
            jnp.asarray(penalty if newton else 0, x.dtype),
            dataclasses.replace(rules, features=max_features or d),
        )  # [K, M]
        at = growth.route(grown.feature, grown.threshold, grown.left, max_depth, x)
        below, above = grown.sums[..., 0], grown.sums[..., 1]  # [K, M]
        if newton:
            below = below + jnp.asarray(penalty, x.dtype)
        elif loss != "squared":
            below = jax.vmap(lambda at, h: jnp.zeros_like(below[0]).at[at].add(h))(
                at, hessian
            )
            below = jax.lax.psum(below, axis_name) if axis_name else below
            above = above * ((k - 1) / k if loss == "softmax" else 1)
        small = below <= jnp.finfo(x.dtype).tiny
        value = jnp.where(small, 0, above / jnp.where(small, 1, below))
        value = value * jnp.asarray(rate, x.dtype)
        after = before + jnp.take_along_axis(value, at, 1).T
        made = Ensemble(
            feature=grown.feature,
            threshold=grown.threshold,
            left=grown.left,
            value=value,
            gain=grown.gain,
            depth=grown.depth,
        )
        new = state._replace(
            step=state.step + 1,
            trees=jax.tree.map(
                lambda whole, part: whole.at[state.step].set(part, mode="drop"),
                state.trees,
                made,
            ),
            scores=put_rows(
                state.scores, index, jnp.where(done(state), before, after), axis_name
            ),
        )
        new = new._replace(step=jnp.minimum(new.step, rounds))
        value = losses.total(loss, before, batch)
        return new, {"loss": jax.lax.psum(value, axis_name) if axis_name else value}

    def evaluate(state, batch):
        found = _scores(state, real(batch["x"]))
        metrics = {"loss": losses.total(loss, found, batch)}
        if loss != "squared":
            weight = batch.get("weight", jnp.ones_like(found[:, 0]))
            hits = jnp.where(losses.called(loss, found) == batch["y"], weight, 0)
            metrics["accuracy"] = hits.sum(), weight.sum()
        return jax.lax.psum(metrics, axis_name) if axis_name else metrics

    def done(state):
        return state.step >= rounds

    split = BoostingState(*[-1] * 6, codes=0, scores=0)
    return Learner(init, step, evaluate, done, split)


def fit(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    loss: str = "squared",
    num_classes: int | None = None,
    weight: jax.Array | None = None,
    **settings,
) -> BoostingState:
    """All rounds at once.

    Args:
        key: for the draws, if there are any.
        x: [N, D].
        y: [N], numbers or classes 0, 1, ...
        loss: as in `learner`.
        num_classes: K for softmax; None counts up to the largest label, which must be
            concrete.
        weight: of the examples, >= 0, [N]; None: 1.
        **settings: the others of `learner`, all static.

    Returns:
        The state after the last round.

    Raises:
        ValueError: as `learner`.
    """
    x = points(x)
    if loss == "softmax":
        num_classes = checks.classes(checks.labels("y", y), num_classes)
    learner(loss, num_classes, **settings)  # checks them
    y = losses.targets(loss, num_classes or 1, y, x)
    # Read from the values, which the compiled program cannot.
    settings["bins"] = binning.count(x, settings.get("bins", 256))
    options = tuple(sorted(settings.items()))
    return _fit(key, x, y, weight, loss, num_classes, options)


@functools.partial(jax.jit, static_argnames=("loss", "num_classes", "options"))
def _fit(key, x, y, weight, loss, num_classes, options):
    boosting = learner(loss, num_classes, **dict(options))
    batch = {"x": x, "y": y, "index": jnp.arange(len(x), dtype=jnp.int32)}
    if weight is not None:
        batch["weight"] = weight
    return jax.lax.while_loop(
        lambda state: ~boosting.done(state),
        lambda state: boosting.step(state, batch)[0],
        boosting.init(key, batch),
    )


def scores(state: BoostingState, x: jax.Array, staged: bool = False) -> jax.Array:
    """F: the predicted number, the log odds, or the logits.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].
        staged: F after each round.

    Returns:
        [N, K]; staged [R, N, K].

    Raises:
        ValueError: x that is not finite or not [N, D].
    """
    x = points(x)
    if x.shape[1] != len(state.high):
        raise ValueError(f"x must be [N, {len(state.high)}], got {list(x.shape)}")
    return _scores(state, x, staged)


def predict(state: BoostingState, x: jax.Array, loss: str = "squared") -> jax.Array:
    """The number, or the likeliest class.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].
        loss: that of the state.

    Returns:
        [N], floats for the squared loss, else int32.

    Raises:
        ValueError: as `scores`; an unknown loss, or one of another number of trees.
    """
    return losses.called(_fits(state, loss), scores(state, x))


def predict_probability(state: BoostingState, x: jax.Array, loss: str) -> jax.Array:
    """The probability of each class.

    Args:
        state: of `fit` or of a learner.
        x: [N, D].
        loss: that of the state, "logistic" or "softmax".

    Returns:
        [N, K], K = 2 for the logistic loss.

    Raises:
        ValueError: as `predict`; the squared loss.
    """
    if _fits(state, loss) == "squared":
        raise ValueError("loss must be of classes, got 'squared'")
    found = scores(state, x)
    if loss == "softmax":
        return jax.nn.softmax(found)
    return jax.nn.sigmoid(jnp.concatenate([-found, found], 1))


def importances(state: BoostingState) -> jax.Array:
    """The gain by the splits of each feature in all trees, scaled to add up to 1.

    Args:
        state: of `fit` or of a learner.

    Returns:
        [D]; zeros if there is no split.
    """
    feature, gain = state.trees.feature, state.trees.gain
    found = jnp.zeros(len(state.high), gain.dtype)
    found = found.at[jnp.maximum(feature, 0).reshape(-1)].add(gain.reshape(-1))
    total = found.sum()
    return found / jnp.where(total > 0, total, 1)


@functools.partial(jax.jit, static_argnames="staged")
def _scores(state, x, staged=False):
    def add(before, trees):
        at = growth.route(
            trees.feature, trees.threshold, trees.left, trees.depth.max(), x
        )
        after = before + jnp.take_along_axis(trees.value, at, 1).T
        return after, after if staged else None

    start = jnp.broadcast_to(state.start.reshape(1, -1), (len(x), len(state.start)))
    last, every = jax.lax.scan(add, start, state.trees)
    return every if staged else last


def _draws(key, index):
    """A number in [0, 1) for each example, by its index."""
    one = lambda i: jax.random.uniform(jax.random.fold_in(key, i), (), jnp.float32)
    return jax.vmap(one)(index)


def _fits(state, loss):
    if loss not in losses.LOSSES:
        raise unknown("loss", loss, losses.LOSSES)
    if (loss == "softmax") != (len(state.start) > 1):
        raise ValueError(
            f"loss must be that of the state with {len(state.start)} tree(s) a round, "
            f"got {loss!r}"
        )
    return loss
