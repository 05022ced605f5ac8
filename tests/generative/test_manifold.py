"""Projection and edits: least squares if the generator is linear; starts; refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.generative import manifold

B, Z, H, W, C = 3, 4, 5, 6, 2
RNG = np.random.default_rng(0)
A = RNG.normal(size=(Z, H * W * C)) / 3
PICTURES = RNG.normal(size=(B, H, W, C))
START = RNG.normal(size=(B, Z))
PULLS = np.array([0.0, 0.2, 1.5])
STROKES = manifold.Strokes(
    RNG.normal(size=(B, H, W, C)),
    RNG.uniform(size=(B, H, W, 1)),  # of any weight
    RNG.normal(size=(B, H, W, 2 * C)),
    np.float64(RNG.uniform(size=(B, H, W, 1)) < 0.3),
)


def linear(z):
    return (z @ A).reshape(-1, H, W, C)


def least_squares(rows, values, weights, pull, start):
    """argmin of sum of weights (rows z - values)^2 + pull mean (z - start)^2."""
    normal = rows.T @ (weights[:, None] * rows) + pull / Z * np.eye(Z)
    return np.linalg.solve(normal, rows.T @ (weights * values) + pull / Z * start)


def steps_matrix():
    """The map from pixels to steps, pixel by pixel."""
    found = np.zeros((H, W, 2 * C, H, W, C))
    for i, j, c in np.ndindex(H, W, C):
        for k, (p, q) in enumerate(((i, j + 1), (i + 1, j))):
            if p < H and q < W:
                found[i, j, k * C + c, p, q, c] = 1
                found[i, j, k * C + c, i, j, c] = -1
    return found.reshape(H * W * 2 * C, H * W * C)


def test_a_projection_is_least_squares():
    with jax.enable_x64(True):
        pulls = jnp.array(PULLS)
        z, path = manifold.project(
            linear, jnp.array(PICTURES), jnp.array(START), optim.sgd(1.0), 800, pulls
        )
        none, empty = manifold.project(
            linear, jnp.array(PICTURES), jnp.array(START), optim.sgd(1.0), 0
        )
    n = H * W * C
    for i in range(B):
        rows, values = A.T, PICTURES[i].ravel()
        best = least_squares(rows, values, np.ones(n) / n, PULLS[i], np.zeros(Z))
        np.testing.assert_allclose(z[i], best, rtol=1e-6)
        first = np.mean((rows @ START[i] - values) ** 2)
        first += PULLS[i] * np.mean(START[i] ** 2)
        np.testing.assert_allclose(path[0, i], first, rtol=1e-6)
    assert path.shape == (800, B) and (np.diff(path, axis=0) <= 1e-12).all()
    np.testing.assert_array_equal(none, START)
    assert empty.shape == (0, B)


def test_an_edit_is_least_squares():
    """Of colours, of edges and of the way back to the start."""
    edges = 0.7
    with jax.enable_x64(True):
        strokes = jax.tree.map(jnp.array, STROKES)
        z, _ = manifold.edit(
            linear, strokes, jnp.array(START), optim.sgd(1.0), 1500, jnp.array(PULLS),
            edges,
        )  # fmt: skip
    steps = steps_matrix()
    for i in range(B):
        colour, painted, step, drawn = (part[i] for part in STROKES)
        rows = np.concatenate([A.T, steps @ A.T])
        values = np.concatenate([colour.ravel(), step.ravel()])
        weights = np.concatenate([
            np.repeat(painted.ravel(), C) / painted.sum() / C,
            edges * np.repeat(drawn.ravel(), 2 * C) / drawn.sum() / 2 / C,
        ])  # fmt: skip
        best = least_squares(rows, values, weights, PULLS[i], START[i])
        np.testing.assert_allclose(z[i], best, rtol=1e-5, atol=1e-8)


def test_a_guess_is_the_better_start_at_any_budget():
    """Of a generator of two layers, which is not convex; each seed another one."""

    def of(seed, budget):
        keys = jax.random.split(jax.random.key(seed), 5)
        first = jax.random.normal(keys[0], (8, 32)) * 8**-0.5
        second = jax.random.normal(keys[1], (32, 48)) * 32**-0.5
        make = lambda z: jnp.tanh(jax.nn.relu(2 * z @ first) @ second).reshape(
            -1, 4, 4, 3
        )
        z = jax.random.normal(keys[2], (264, 8))
        x = make(z)
        # The encoder: ridge regression of latents on pictures.
        rows, seen = x[64:].reshape(200, -1), z[64:]
        fit = jnp.linalg.solve(rows.T @ rows + jnp.eye(48), rows.T @ seen)
        guess, x = x[:64].reshape(64, -1) @ fit, x[:64]
        error = lambda z: jnp.square(make(z) - x).mean()
        starts = jnp.concatenate([guess, jax.random.normal(keys[3], (64, 8))])
        found, _ = manifold.project(
            make, jnp.concatenate([x, x]), starts, optim.adam(0.05), budget
        )
        return error(guess), error(found[64:]), error(found[:64])

    found = np.array([of(seed, 40) for seed in range(5)])
    print(found)
    encoder, descent, hybrid = found.T
    assert (hybrid < 0.7 * np.minimum(encoder, descent)).sum() >= 4


def test_the_arc():
    a, b = jnp.eye(3)[:1], 2 * jnp.eye(3)[1:2]
    t = jnp.linspace(0, 1, 5)
    found = manifold.spherical(a, b, t)[:, 0]
    angle = np.pi / 2 * np.linspace(0, 1, 5)
    expected = np.stack([np.cos(angle), 2 * np.sin(angle), 0 * angle], 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    same = manifold.spherical(a, 3 * a, t)[:, 0, 0]  # no arc: the chord
    np.testing.assert_allclose(same, 1 + 2 * np.linspace(0, 1, 5), rtol=1e-6)


def test_nothing_drawn_is_missed_by_nothing():
    none = STROKES._replace(painted=0 * STROKES.painted, drawn=0 * STROKES.drawn)
    for part in manifold.missed(jnp.ones((B, H, W, C)), none):
        np.testing.assert_array_equal(part, 0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"steps": -1}, "steps must be an integer >= 0, got -1"),
        ({"pull": -0.1}, "pull must be >= 0"),
        ({"pull": np.ones(2)}, "one for each of 3 pictures"),
        ({"edges": -1.0}, "edges must be >= 0, got -1.0"),
        ({"z": START[:2]}, r"makes of z \[2, 4\], \[2, 5, 6, 2\], got \[3, 5, 6, 2\]"),
        (
            {"strokes": STROKES._replace(drawn=np.ones((B, H, W, C)))},
            r"strokes.drawn must be \[3, 5, 6, 1\], got \[3, 5, 6, 2\]",
        ),
    ],
)
def test_refuses(change, message):
    given = {"strokes": STROKES, "z": START, "optimizer": optim.sgd(1.0), "steps": 1}
    with pytest.raises(ValueError, match=message):
        manifold.edit(linear, **{**given, **change})
    with pytest.raises(ValueError, match=r"a and b must be \[B, Z\]"):
        manifold.spherical(jnp.ones((2, 3)), jnp.ones((2, 2)), jnp.ones(1))
