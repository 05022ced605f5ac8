"""Rademacher complexity: by hand, by enumeration, by chance, by ascent, its bounds."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
EVERY = np.array(list(itertools.product([1.0, -1.0], repeat=8)), np.float32)
part = functools.partial


@functools.cache
def complexity(norm, radius=1.0):
    f = lambda x, s: F.rademacher_complexity(
        part(F.linear_supremum, x, radius=radius, norm=norm), s
    )
    return jax.jit(f)


def test_every_sign_is_there_once():
    ours = np.asarray(F.every_sign(8))
    assert set(map(tuple, ours)) == set(map(tuple, EVERY)) and len(ours) == 256
    np.testing.assert_array_equal(F.every_sign(1), [[1], [-1]])


@pytest.mark.parametrize("norm, dual", [(2, 2), (1, np.inf)])
def test_linear_classes_by_enumeration(norm, dual):
    expected = np.mean(np.linalg.norm(EVERY @ X, dual, axis=1)) * 3 / 8
    value, _ = complexity(norm, 3.0)(X, F.every_sign(8))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert value <= F.linear_bound(jnp.asarray(X), 3.0, norm)


def test_bounds_by_the_formula():
    x = jnp.asarray(X)
    lengths = np.linalg.norm(X, axis=0)
    of_2 = 3 * np.sqrt((X**2).sum()) / 8
    of_1 = 3 * max(lengths) * np.sqrt(2 * np.log(6)) / 8
    ours = F.linear_bound(x, 3.0, 2), F.linear_bound(x, 3.0, 1)
    np.testing.assert_allclose(ours, [of_2, of_1], rtol=1e-6)


def test_one_point_and_orthogonal_points():
    """On one point it is W |x|; on orthogonal ones it is the bound."""
    value, _ = complexity(2)(np.float32([[3, 4]]), F.every_sign(1))
    assert value == 5
    points = jnp.diag(jnp.array([1.0, 2.0, 2.0]))
    value, _ = complexity(2)(points, F.every_sign(3))
    np.testing.assert_allclose(value, F.linear_bound(points), rtol=1e-6)
    assert value == 1
    value, _ = complexity(1)(points, F.every_sign(3))
    np.testing.assert_allclose(value, 2 / 3, rtol=1e-6)


def test_draws_come_within_their_error():
    """On 4 of 5 seeds, at least, within two standard errors of the exact mean."""
    exact, _ = complexity(2)(X, F.every_sign(8))
    off, errors = [], []
    for seed in range(5):
        signs = F.random_signs(jax.random.key(seed), 500, 8)
        value, error = complexity(2)(X, signs)
        off.append(abs(value - exact) / error)
        errors.append(error)
    print("standard errors off, seeds 0 to 4:", off)
    assert sum(o < 2 for o in off) >= 4
    spread = np.std(np.linalg.norm(EVERY @ X, axis=1)) / 8
    np.testing.assert_allclose(errors, spread / math.sqrt(500), rtol=0.1)  # by chance


def test_finite_classes():
    """All of {-1, 1}^n follow any signs; one function alone follows none."""
    everything = jnp.asarray(EVERY)
    f = jax.jit(lambda h: F.rademacher_complexity(
        part(F.finite_supremum, h), F.every_sign(8)
    ))  # fmt: skip
    assert f(everything)[0] == 1 <= F.massart_bound(everything)
    assert f(everything[5:6])[0] == 0 == F.massart_bound(everything[5:6])
    some = everything[::37]
    expected = np.mean(np.max(EVERY @ np.asarray(some).T, 1)) / 8
    np.testing.assert_allclose(f(some)[0], expected, rtol=1e-6)
    bound = math.sqrt(2 * math.log(len(some)) / 8)
    np.testing.assert_allclose(F.massart_bound(some), bound, rtol=1e-6)
    assert expected < bound


def in_ball(w):
    return w / jnp.maximum(1, jnp.sqrt((w**2).sum()))


def test_ascent_reaches_the_closed_form_from_below():
    start = jnp.float32([0.3, -0.2, 0.1])
    apply = lambda w, x: x @ w
    f = lambda signs: F.supremum_by_ascent(apply, start, X, signs, in_ball)
    found = jax.jit(jax.vmap(f))(EVERY[::8])
    exact = jax.vmap(part(F.linear_supremum, X))(EVERY[::8])
    assert (found <= exact * (1 + 1e-5)).all()
    np.testing.assert_allclose(found, exact, rtol=1e-3)  # the last steps are short


def test_ascent_in_a_class_without_a_closed_form():
    """Nets tanh(a.x) with |a| <= 4 follow less than all there is, more than linear
    functions of the small norm that makes them tanh's lower bound."""
    start = jnp.float32([0.3, -0.2, 0.1])
    ball = lambda w: 4 * in_ball(w / 4)
    apply = lambda w, x: jnp.tanh(x @ w)
    f = lambda s: F.supremum_by_ascent(apply, start, X, s, ball, rate=0.5, steps=100)
    value, _ = jax.jit(lambda s: F.rademacher_complexity(f, s))(EVERY[::8])
    grid = np.random.default_rng(1).normal(size=(20_000, 3))
    grid = 4 * grid / np.linalg.norm(grid, axis=1, keepdims=True)
    best = np.mean(np.max(np.tanh(grid @ X.T) @ EVERY[::8].T, 0)) / 8
    # A local maximum is where some ascents end.
    assert 0.8 * best < value < best * 1.001 < 1


def test_ascent_keeps_the_best_that_it_passes():
    """A first step of length 3 leaves the summit of a cosine for its valley."""
    f = lambda w, x: jnp.cos(w) * jnp.ones(len(x))
    up = jnp.ones(8)
    found = F.supremum_by_ascent(f, jnp.float32(0.1), X, up, rate=3.0, steps=2)
    assert found >= np.cos(0.1) - 1e-6


def test_ascent_does_not_move_without_a_slope():
    f = lambda w, x: x[:, 0] * w**3
    found = F.supremum_by_ascent(f, jnp.float32(0), X, EVERY[0], steps=3)
    assert found == 0


def test_complexity_falls_as_the_root_of_the_points():
    """Four times as many points, half of the complexity: exactly so in the bound."""
    x = jax.random.normal(jax.random.key(0), (400, 5))
    signs = F.random_signs(jax.random.key(1), 2000, 400)
    many, error = complexity(2)(x, signs)
    few, _ = complexity(2)(x[:100], signs[:, :100])
    np.testing.assert_allclose(few / many, 2, rtol=0.06)  # points and signs by chance
    twice = jnp.concatenate([x, x, x, x])
    bounds = F.linear_bound(x) / F.linear_bound(twice)
    np.testing.assert_allclose(bounds, 2, rtol=1e-6)
    assert error < 0.02 * many


def test_gap():
    np.testing.assert_allclose(
        F.generalization_gap(jnp.float32(0.1), 200, 0.05),
        0.2 + 3 * math.sqrt(math.log(40) / 400),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.every_sign(21), "points must be from 1 to 20, got 21"),
        (lambda: F.linear_supremum(X, EVERY[0, :7]), "x must have a value for each"),
        (lambda: F.linear_supremum(X, EVERY[0], norm=3), "norm must be 1 or 2, got 3"),
        (lambda: F.linear_bound(X, radius=0.0), "radius must be positive, got 0.0"),
        (lambda: F.linear_bound(X[0]), "x must be points"),
        (lambda: F.finite_supremum(X, EVERY[0]), "outputs must have a value for each"),
        (lambda: F.massart_bound(X[0]), "outputs must be"),
        (lambda: F.rademacher_complexity(jnp.sum, EVERY[0]), "signs must be"),
        (lambda: F.rademacher_complexity(jnp.sum, EVERY[:1]), "signs must be"),
        (lambda: F.supremum_by_ascent(lambda w, x: x @ w, jnp.ones((3, 1)), X,
                                      EVERY[0]), "outputs of apply must have a value"),
        (lambda: F.supremum_by_ascent(jnp.dot, X[0], X, EVERY[0], rate=0),
         "rate must be positive, got 0"),
        (lambda: F.supremum_by_ascent(jnp.dot, X[0], X, EVERY[0], steps=0),
         "steps must be positive, got 0"),
        (lambda: F.generalization_gap(0.1, 10, 1.0), "delta must be in"),
        (lambda: F.generalization_gap(0.1, 0), "points must be positive, got 0"),
    ],
)  # fmt: skip
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
