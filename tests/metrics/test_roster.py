"""What every metric promises, each listed once with an example.

A metric is two functions: from data to sums, and from the sums to a number.

- jit: compiled, both give what they give as written, and are traced once;
- merge: the sums of two halves, and of eight parts of which one is empty and one
  weighs nothing, add up to the sums of the whole, and give its number;
- devices: so do the sums of eight devices, under `pmap` and `jax.shard_map`;
- padding: an example of weight 0 is left out, whatever its values are;
- dtypes: float32 in, float32 out; float64 in, float64 out, and closer; without an
  implicit promotion on the way;
- refusal: no example at all is an error where it can be read, else NaN.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import zoo.metrics as M
from tests.rosters import (
    assert_closer,
    assert_exemptions_have_reasons,
    cast,
    functions,
    kept,
    written_in,
)

PROMISES = ("jit", "merge", "devices", "padding", "dtypes", "refusal")
B = 56  # examples of a draw: two halves, seven parts, eight devices


class Case(NamedTuple):
    """A metric, and an example of its data."""

    sums: Callable  # data (each [B, ...]; the last are the weights) -> sums
    number: Callable  # sums -> number
    data: tuple[Callable[[np.random.Generator], np.ndarray], ...]  # floats: float64
    without: dict[str, str] = {}  # promise: the reason why it cannot be kept


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.normal(size=(B, *shape))


def uniform(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.uniform(size=(B, *shape))


def labels(classes: int, *shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, classes, (B, *shape))


def weights(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Among them 0 and 1."""
    return lambda rng: np.round(4 * rng.uniform(size=(B, *shape))) / 4


confusion = lambda t, p, w: M.confusion_matrix(t, p, 3, w)
histogram = lambda s, p, w: M.score_histogram(s, p, 10, w)
table = lambda t, f, w: M.contingency(t, f, 3, 4, w)


def of_labels(number: Callable) -> Case:
    """Three classes, of pixels of small images."""
    return Case(confusion, number, (labels(3, 2), labels(3, 2), weights(2)))


def of_bins(number: Callable) -> Case:
    return Case(histogram, number, (uniform(), labels(2), weights()))


ALL_AT_ONCE = dict.fromkeys(("merge", "devices"), "a function of all scores at once")


def of_scores(number: Callable) -> Case:
    data = (normal(), labels(2), weights())
    return Case(M.score_counts, number, data, ALL_AT_ONCE)


def of_clusters(number: Callable) -> Case:
    return Case(table, number, (labels(3), labels(4), weights()))


def of_images(number: Callable) -> Case:
    data = (uniform(3, 4, 2), uniform(3, 4, 2), weights())
    return Case(M.squared_error, number, data)


def of_numbers(number: Callable) -> Case:
    """Two outputs of each example."""
    sums = lambda t, p, w: M.residuals(t, p, w, 0.25)
    return Case(sums, number, (normal(2), normal(2), weights()))


def of_windows(window: str) -> Case:
    sums = lambda x, y, w: M.ssim(x, y, 1.0, window, w)
    return Case(sums, M.ratio, (uniform(11, 12, 2), uniform(11, 12, 2), weights()))


def of_texts(number: Callable) -> Case:
    """Texts of up to seven tokens, of which a quarter ends them."""
    sums = lambda t, r, w: M.ngrams(t, r, 0, 2, w)
    return Case(sums, number, (labels(4, 7), labels(4, 7), weights()))


def of_borders(number: Callable) -> Case:
    sums = lambda t, p, w: M.boundary_overlap(t, p, 3, 1, w)
    return Case(sums, number, (labels(3, 6, 5), labels(3, 6, 5), weights()))


def of_detections(number: Callable, **without: str) -> Case:
    """Five detections and four objects of an image."""

    def sums(overlap, scores, found, truth, w):
        here = jnp.broadcast_to((w > 0)[:, None], scores.shape)
        match = lambda u, s, f, t, p: M.detection_matches(
            u, s, f, t, 3, present=p, there=p[:4], thresholds=(0.4, 0.6)
        )
        return number(jax.vmap(match)(overlap, scores, found, truth, here))

    data = (uniform(5, 4), uniform(5), labels(3, 5), labels(3, 4), weights())
    nothing = {"refusal": "the matches of nothing are nothing; see test_detection.py"}
    return Case(sums, same, data, ALL_AT_ONCE | nothing | without)


same = lambda sums: sums


def of_modes(number: Callable) -> Case:
    """Three modes of two values."""
    sums = lambda x, w: M.modes(x, jnp.asarray(CENTERS[:3, :2], x.dtype), 1.0, w)
    return Case(sums, number, (normal(2), weights()))


def of_sets(measure: Callable) -> Case:
    without = {**ALL_AT_ONCE, "padding": "it takes no weights: pairs of points count"}
    return Case(measure, same, (normal(3), normal(3)), without)


def of_samples(measure: Callable) -> Case:
    without = {**ALL_AT_ONCE, "padding": "it takes no weights: pairs of numbers count"}
    return Case(measure, same, (normal(), normal()), without)


CENTERS = np.random.default_rng(5).normal(size=(4, 3))

# "function" or "function/what is particular", by module.
CASES = {
    # bleu
    "bleu": of_texts(M.bleu),
    "ngrams": of_texts(same),
    # boundary
    "boundary_iou": of_borders(M.boundary_iou),
    "boundary_overlap": of_borders(same),
    # classification
    "accuracy": Case(
        lambda z, y, w: M.accuracy(z, {"y": y, "weight": w}),
        M.ratio,
        (normal(3), labels(3), weights()),
    ),
    "class_iou": of_labels(M.class_iou),
    "confusion_matrix": of_labels(same),
    "error_rate": of_labels(M.error_rate),
    "f1": of_labels(M.f1),
    "f1/macro": of_labels(lambda c: M.f1(c, "macro")),
    "f1/micro": of_labels(lambda c: M.f1(c, "micro")),
    "mean_iou": of_labels(M.mean_iou),
    "precision": of_labels(M.precision),
    "precision/nan": of_labels(lambda c: M.precision(c, "macro", float("nan"))),
    "precision/weighted": of_labels(lambda c: M.precision(c, "weighted")),
    "recall": of_labels(M.recall),
    "recall/binary": Case(
        lambda t, p, w: M.confusion_matrix(t, p, 2, w),
        lambda c: M.recall(c, "binary"),
        (labels(2), labels(2), weights()),
    ),
    # clustering
    "adjusted_rand_index": of_clusters(M.adjusted_rand_index),
    "completeness": of_clusters(M.completeness),
    "contingency": of_clusters(same),
    "homogeneity": of_clusters(M.homogeneity),
    "inertia": Case(
        lambda x, w: M.inertia(x, jnp.asarray(CENTERS, x.dtype), w),
        M.ratio,
        (normal(3), weights()),
    ),
    "normalized_mutual_information": of_clusters(M.normalized_mutual_information),
    "normalized_mutual_information/geometric": of_clusters(
        lambda t: M.normalized_mutual_information(t, "geometric")
    ),
    "trustworthiness": Case(
        lambda x, y: M.trustworthiness(x, y, 3),
        same,
        (normal(3), normal(2)),
        {
            **dict.fromkeys(("merge", "devices"), "a function of all points at once"),
            "padding": "it takes no weights: a point has no rank without the others",
        },
    ),
    "v_measure": of_clusters(lambda t: M.v_measure(t, 2.0)),
    # detection
    "average_precisions": of_detections(lambda m: M.average_precisions(m, "area")),
    "detection_matches": of_detections(
        lambda m: jnp.where(m.counted & m.hit, m.scores[:, None], 0),
        padding="a table as long as the data",
    ),
    "mean_average_precision": of_detections(
        lambda m: M.mean_average_precision(m, "area")
    ),
    "mean_average_precision/coco": of_detections(
        M.mean_average_precision,
        dtypes="whether a recall is just one of the points is decided by rounding",
    ),
    # generation
    "frechet_distance": Case(
        lambda x, y, w: (M.moments(x, w), M.moments(y, w)),
        lambda both: M.frechet_distance(*both),
        (normal(3), normal(3), weights()),
    ),
    "good_share": of_modes(M.good_share),
    "maximum_mean_discrepancy": of_sets(M.maximum_mean_discrepancy),
    "modes": of_modes(same),
    "modes_covered": of_modes(lambda found: M.modes_covered(found) / 3),
    "moments": Case(M.moments, same, (normal(3), weights())),
    "sample_precision_recall": of_sets(
        lambda x, y: M.sample_precision_recall(x, y)[1] / 3
    ),
    "sliced_wasserstein": of_sets(
        lambda x, y: M.sliced_wasserstein(x, y, jnp.asarray(CENTERS, x.dtype))
    ),
    # image
    "mse": of_images(M.mse),
    "psnr": of_images(lambda s: M.psnr(s, 1.0)),
    "snr": of_images(M.snr),
    "squared_error": of_images(same),
    "ssim": of_windows("gaussian"),
    "ssim/uniform": of_windows("uniform"),
    # pairs
    "ratio": Case(
        lambda x, w: (jnp.where(w == 0, 0, x) @ w, w.sum()),
        M.ratio,
        (normal(), weights()),
    ),
    # ranking
    "auc": of_bins(M.auc),
    "auc/exact": of_scores(M.auc),
    "average_precision": of_bins(M.average_precision),
    "average_precision/exact": of_scores(M.average_precision),
    "precision_recall_curve": of_bins(M.precision_recall_curve),
    "precision_recall_curve/exact": of_scores(M.precision_recall_curve),
    "roc_curve": of_bins(M.roc_curve),
    "roc_curve/exact": of_scores(M.roc_curve),
    "score_counts": of_scores(same),
    "score_histogram": of_bins(same),
    # ranks
    "rank_correlation": of_samples(M.rank_correlation),
    "ranks": of_samples(lambda a, b: M.ranks(a) / 64),
    "superiority": of_samples(M.superiority),
    # regression
    "r2": of_numbers(M.r2),
    "residuals": of_numbers(same),
}


compiled = functools.cache(jax.jit)  # many cases share their sums


def drawn(name: str, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [part(rng) for part in CASES[name].data]


def assert_close(a: Any, b: Any, tolerance: float = 2e-6) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, tolerance, tolerance, True), a, b
    )


def add(parts: list) -> Any:
    return jax.tree.map(lambda *sums: sum(sums), *parts)


def test_every_function_is_listed():
    assert written_in(M) == functions(CASES)


def test_exemptions_have_reasons():
    assert_exemptions_have_reasons(CASES, PROMISES)


@kept(CASES, "jit")
def test_compiled_it_is_the_same_and_traced_once(name):
    case, traces = CASES[name], []

    def sums(*data):
        traces.append("sums")  # Python runs this line only when jax traces
        return case.sums(*data)

    def number(sums):
        traces.append("number")
        return case.number(sums)

    sums, number = jax.jit(sums), jax.jit(number)
    for seed in (1, 0):
        data = cast(drawn(name, seed))
        result = sums(*data), number(sums(*data))
    eager = case.sums(*data)
    assert_close(result, (eager, case.number(eager)))
    assert sorted(traces) == ["number", "sums"]


@kept(CASES, "merge")
def test_parts_add_up_to_the_whole(name):
    case, data = CASES[name], drawn(name)
    sums, number = compiled(case.sums), compiled(case.number)
    eighth = B // 7  # and one part without examples
    data[-1][eighth : 2 * eighth] = 0  # a part that weighs nothing
    whole = sums(*cast(data))
    sevenths = [slice(i, i + eighth) for i in range(0, B, eighth)]
    halves = [slice(0, B // 2), slice(B // 2, B)]
    for parts in (halves, [*sevenths, slice(0, 0)]):
        merged = add([sums(*cast([x[part] for x in data])) for part in parts])
        assert_close(merged, whole)
        assert_close(number(merged), number(whole))


@functools.cache
def over_devices(sums: Callable) -> tuple[Callable, Callable]:
    """The sums of this device's data, added up over the devices."""
    local = lambda *data: jax.lax.psum(sums(*data), "d")
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((len(jax.devices()),), ("d",), axis_types=auto)
    sharded = jax.shard_map(local, mesh=mesh, in_specs=P("d"), out_specs=P())
    return jax.pmap(local, "d", out_axes=None), jax.jit(sharded)


@kept(CASES, "devices")
def test_devices_add_up_to_the_whole(name, devices):
    sums, data = CASES[name].sums, cast(drawn(name))
    whole = compiled(sums)(*data)
    pmapped, sharded = over_devices(sums)
    cut = [x.reshape(len(devices), -1, *x.shape[1:]) for x in data]
    assert_close(jax.device_get(pmapped(*cut)), whole)
    assert_close(jax.device_get(sharded(*data)), whole)


@kept(CASES, "padding")
def test_what_weighs_nothing_is_left_out(name):
    case, (*data, weight) = CASES[name], drawn(name)
    sums, number = compiled(case.sums), compiled(case.number)
    weight[[3, B - 1]] = 0
    weight.reshape(B, -1)[5, 0] = 0
    results = []
    for junk in ((0.5, 0), (np.nan, -1), (np.inf, 255)):
        spoiled = [x.copy() for x in data]
        for x in spoiled:
            x[weight == 0] = junk[0] if x.dtype.kind == "f" else junk[1]
        total = sums(*cast((*spoiled, weight)))
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(number(total)))
        results.append(total)
    for total in results[1:]:
        assert_close(total, results[0])
    weighs = (weight != 0).reshape(B, -1).any(1)
    if case.sums is not M.score_counts:  # its table is as long as the data
        assert_close(sums(*cast([x[weighs] for x in (*data, weight)])), results[0])


@kept(CASES, "dtypes")
def test_dtypes_are_kept(name):
    case, results = CASES[name], {}
    for dtype in (jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64), jax.numpy_dtype_promotion("strict"):
            both = jax.jit(lambda *d: (sums := case.sums(*d), case.number(sums)))
            results[dtype] = jax.tree.leaves(both(*cast(drawn(name), dtype)))
        assert [y.dtype for y in results[dtype]] == [dtype] * len(results[dtype])
    for low, high in zip(*results.values(), strict=True):
        # Quarters are exact in both types: counts, and what follows from few.
        assert_closer(low, high, rtol=1e-5, atol=1e-6, grid=64)


@kept(CASES, "refusal")
def test_no_example_is_an_error_where_it_can_be_read(name):
    case, nothing = CASES[name], [x[:0] for x in cast(drawn(name))]
    if case.sums is M.score_counts or "padding" in case.without:
        refused = "got none|half of 0 points|points at least, got 0|one size"
        with pytest.raises(ValueError, match=refused):
            case.sums(*nothing)
        return
    zeros = compiled(case.sums)(*nothing)
    assert not any(np.any(x) for x in jax.tree.leaves(zeros))  # what adds nothing
    if case.number is not same:
        with pytest.raises(ValueError, match="got none|got 0: no example"):
            case.number(zeros)
        numbers = compiled(case.number)(zeros)
        assert all(np.isnan(x).any() for x in jax.tree.leaves(numbers))
