"""Clusterings and embeddings: limits, symmetries, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import metrics

NUMBERS = {
    "homogeneity": metrics.homogeneity,
    "completeness": metrics.completeness,
    "v_measure": metrics.v_measure,
    "ari": metrics.adjusted_rand_index,
    "nmi": metrics.normalized_mutual_information,
    "nmi/geometric": lambda t: metrics.normalized_mutual_information(t, "geometric"),
    "nmi/max": lambda t: metrics.normalized_mutual_information(t, "max"),
    "nmi/min": lambda t: metrics.normalized_mutual_information(t, "min"),
}
compiled = jax.jit(lambda table: {name: f(table) for name, f in NUMBERS.items()})
trustworthiness = jax.jit(metrics.trustworthiness, static_argnums=2)
some_tables = st.lists(st.integers(0, 6), min_size=12, max_size=12).map(
    lambda counts: np.float32([1, *counts[1:]]).reshape(3, 4)  # not empty
)


def of(table):
    """Every number; classes and clusters that do not occur change nothing."""
    padded = np.zeros((4, 4), np.float32)
    padded[: len(table), : len(table[0])] = table
    return {name: float(number) for name, number in compiled(padded).items()}


def labels_of(table):
    cells = np.repeat(np.arange(table.size), np.ravel(table).astype(int))
    return np.divmod(cells, table.shape[1])


def test_equal_partitions_are_one_whatever_the_names():
    numbers = of([[0, 5, 0, 0], [3, 0, 0, 0], [0, 0, 0, 9]])
    np.testing.assert_allclose(list(numbers.values()), 1, rtol=1e-6)


def test_a_finer_partition_is_homogeneous_and_not_complete():
    numbers = of([[2, 2, 0, 0], [0, 0, 4, 0], [0, 0, 0, 4]])
    assert numbers["homogeneity"] == pytest.approx(1, rel=1e-6)
    # H(C) = ln 3, H(K) = ln 3 + (1/3) ln 2 and I = H(C).
    complete = np.log(3) / (np.log(3) + np.log(2) / 3)
    assert numbers["completeness"] == pytest.approx(complete, rel=1e-6)
    assert numbers["v_measure"] == pytest.approx(2 * complete / (1 + complete))
    # A large beta leaves completeness alone, a small one homogeneity.
    table = jnp.array([[2, 2, 0, 0], [0, 0, 4, 0], [0, 0, 0, 4]])
    for beta, limit in ((1e6, complete), (1e-6, 1)):
        assert metrics.v_measure(table, beta) == pytest.approx(limit, rel=1e-5)


def test_independent_partitions_tell_nothing():
    numbers = of(np.outer([1, 2, 3], [4, 4, 2, 2]))
    for name in ("homogeneity", "completeness", "v_measure", "nmi"):
        assert numbers[name] == pytest.approx(0, abs=1e-6)
    # Nor less than nothing, by rounding.
    a, b = np.random.default_rng(0).integers(1, 9, (2, 200, 4))
    many = jax.jit(jax.vmap(metrics.homogeneity))(
        np.float32(a[:, :, None] * b[:, None])
    )
    assert (many >= 0).all() and (many < 1e-6).all()
    assert abs(numbers["ari"]) < 0.05  # 0 for a draw by chance, not for its mean


def test_all_in_one_and_all_apart():
    everything = of([[7]])
    assert everything == dict.fromkeys(NUMBERS, 1.0)
    assert of([[1]]) == everything  # a single point: no pairs
    assert of(np.eye(4)) == pytest.approx(dict.fromkeys(NUMBERS, 1), rel=1e-6)
    # One class in two clusters: homogeneous, nothing known of the clusters.
    lone = dict.fromkeys(NUMBERS, 0) | {"homogeneity": 1}
    assert of([[3, 4]]) == pytest.approx(lone)


def test_two_crossed_pairs_are_worse_than_chance():
    assert of([[1, 1], [1, 1]])["ari"] == pytest.approx(-0.5)


@given(some_tables)
def test_ari_counts_pairs(table):
    """(R - E) / (M - E) with every pair of points looked at."""
    classes, clusters = labels_of(table)
    pairs = list(itertools.combinations(range(len(classes)), 2))
    i, j = np.array(pairs, int).reshape(-1, 2).T
    a, b = classes[i] == classes[j], clusters[i] == clusters[j]
    chance = a.mean() * b.mean() if len(pairs) else 1.0
    most = (a.mean() + b.mean()) / 2 if len(pairs) else 1.0
    ari = 1.0 if most == chance else ((a & b).mean() - chance) / (most - chance)
    np.testing.assert_allclose(of(table)["ari"], ari, rtol=1e-4, atol=1e-5)


@given(some_tables)
def test_symmetries(table):
    numbers, other = of(table), of(table[::-1, [2, 0, 3, 1]])
    assert other == pytest.approx(numbers, rel=1e-4, abs=1e-5)  # names do not count
    turned = of(table.T)
    for name in NUMBERS:
        other = {"homogeneity": "completeness", "completeness": "homogeneity"}
        expected = turned[other.get(name, name)]
        assert numbers[name] == pytest.approx(expected, rel=1e-4, abs=1e-5), name
    assert all(0 <= numbers[n] <= 1 + 1e-5 for n in NUMBERS if n != "ari")


def test_counts_of_millions_do_not_overflow():
    table = np.float32([[3e9, 1e9], [1e9, 3e9]])
    small = np.float64(table) / 1e3
    with jax.enable_x64(True):
        expected = metrics.adjusted_rand_index(jnp.asarray(small))
    np.testing.assert_allclose(of(table)["ari"], expected, rtol=1e-5)


@pytest.mark.parametrize("number", [*NUMBERS.values()], ids=[*NUMBERS])
def test_tables_are_checked(number):
    with pytest.raises(ValueError, match=r"table must be \[R, K\], got shape \[3\]"):
        number(jnp.ones(3))
    with pytest.raises(ValueError, match="table must be finite and >= 0, got -1"):
        number(jnp.array([[1.0, -1.0]]))
    with pytest.raises(ValueError, match="table must hold an example, got none"):
        number(jnp.zeros((2, 2)))


def test_options_are_checked():
    table = jnp.eye(2)
    with pytest.raises(ValueError, match="average must be one of .*, got 'mean'"):
        metrics.normalized_mutual_information(table, "mean")
    with pytest.raises(ValueError, match="beta must be positive, got 0"):
        metrics.v_measure(table, 0)
    labels = jnp.array([0, 4])
    with pytest.raises(ValueError, match="found must be labels from 0 to 3, got 4"):
        metrics.contingency(labels, labels, 5, 4)
    with pytest.raises(ValueError, match="truth must be labels from 0 to 3, got 4"):
        metrics.contingency(labels, labels, 4, 5)
    with pytest.raises(ValueError, match="clusters must be an integer >= 1, got -2"):
        metrics.contingency(labels, labels, 5, -2)


def test_inertia_by_hand():
    points = jnp.array([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    centers = jnp.array([[0.0, 1.0], [10.0, 2.0]])
    value, weight = metrics.inertia(points, centers, jnp.array([1.0, 2.0, 0.5]))
    assert (float(value), float(weight)) == (1 + 2 * 18 + 0.5 * 4, 3.5)


def test_inertia_far_from_the_origin():
    """|x|^2 - 2 x m + |m|^2 would lose all of it."""
    rng = np.random.default_rng(0)
    points = np.float32(1e4 + rng.integers(0, 8, (20, 3)))
    value, _ = jax.jit(metrics.inertia)(points, points[:4])
    each = ((points[:, None] - points[:4]) ** 2).sum(2).min(1)
    assert value == each.sum() > 0


@pytest.mark.parametrize(
    "points, centers, message",
    [
        ((4, 3), (2, 2), r"\[B, D\] and \[K, D\], got \[4, 3\] and \[2, 2\]"),
        ((4,), (2,), r"\[B, D\] and \[K, D\], got \[4\] and \[2\]"),
        ((4, 3), (0, 3), "centers must be at least one, got none"),
    ],
)
def test_inertia_refuses(points, centers, message):
    with pytest.raises(ValueError, match=message):
        metrics.inertia(jnp.zeros(points), jnp.zeros(centers))


def test_points_that_are_not_finite():
    x, bad = jnp.zeros((4, 2)), jnp.zeros((4, 2)).at[1, 1].set(jnp.nan)
    for f, name in (
        (lambda b: metrics.inertia(b, x)[0], "points"),
        (lambda b: metrics.inertia(x, b)[0], "centers"),
        (lambda b: metrics.trustworthiness(b, x, 1), "points"),
        (lambda b: metrics.trustworthiness(x, b, 1), "embedding"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be finite, got nan"):
            f(bad)
        assert np.isnan(jax.jit(f)(bad))


def by_the_definition(x, y, k):
    """Trustworthiness, one pair at a time."""
    n, total = len(x), 0
    for i in range(n):
        near = lambda z, i=i: [
            j for j in np.argsort(((z - z[i]) ** 2).sum(1)) if j != i
        ]
        rank = {j: r for r, j in enumerate(near(x), 1)}
        total += sum(max(0, rank[j] - k) for j in near(y)[:k])
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * total


@pytest.mark.parametrize("k", [1, 3, 7])
def test_trustworthiness_is_the_definition(k):
    rng = np.random.default_rng(k)
    x, y = np.float32(rng.normal(size=(17, 4))), np.float32(rng.normal(size=(17, 2)))
    value = trustworthiness(x, y, k)
    np.testing.assert_allclose(value, by_the_definition(x, y, k), rtol=1e-6)


def test_trustworthiness_of_the_data_itself_and_of_the_worst():
    x = np.float32(np.random.default_rng(0).normal(size=(20, 3)))
    assert trustworthiness(x, x, 5) == 1
    assert trustworthiness(x, 3 - 2 * x, 5) == 1  # distances in the same order
    # On a circle of 9 points the farthest as neighbours: all ranks are the last.
    angle = 2 * np.pi * np.arange(9) / 9
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    # Twice around, points 4 apart come to lie side by side.
    far = np.stack([np.cos(2 * angle), np.sin(2 * angle)], 1)
    assert abs(trustworthiness(np.float32(circle), np.float32(far), 2)) < 1e-6


@pytest.mark.parametrize(
    "x, y, k, message",
    [
        ((6, 2), (5, 2), 2, r"\[B, D\] and \[B, E\], got \[6, 2\] and \[5, 2\]"),
        ((6, 2), (6, 2), 3, "neighbors must be below half of 6 points, got 3"),
        ((6, 2), (6, 2), 0, "neighbors must be an integer >= 1, got 0"),
    ],
)
def test_trustworthiness_refuses(x, y, k, message):
    with pytest.raises(ValueError, match=message):
        metrics.trustworthiness(jnp.zeros(x), jnp.zeros(y), k)
