"""The plane of a path, against what is known of planes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim


@pytest.fixture
def flat():
    """Points of a known plane in 40 dimensions, the last of them its origin."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(40, 2)))[0].T
    inside = np.concatenate([rng.normal(size=(11, 2)) * [3, 1], np.zeros((1, 2))])
    return basis, inside, inside @ basis + rng.normal(size=40)


def test_a_flat_path_is_found_whole(flat):
    basis, inside, points = flat
    with jax.enable_x64(True):
        found = jax.device_get(optim.plane(jnp.asarray(points)))
    np.testing.assert_allclose(found.explained.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(found.coordinates @ found.axes + points[-1], points)
    # The same plane: projecting the basis onto it loses nothing.
    np.testing.assert_allclose(
        np.linalg.svd(basis @ found.axes.T)[1], np.ones(2), rtol=1e-12
    )
    assert found.explained[0] > found.explained[1]
    assert (found.coordinates[0] >= 0).all() and (found.coordinates[-1] == 0).all()


def test_the_axes_are_those_of_the_scatter_about_the_last_point(flat):
    """Eigenvectors of the second moment; centred at the mean they would be others."""
    points = np.random.default_rng(1).normal(size=(9, 6)) * np.arange(1, 7)
    with jax.enable_x64(True):
        found = jax.device_get(optim.plane(jnp.asarray(points)))
    away = points - points[-1]
    values, vectors = np.linalg.eigh(away.T @ away)
    np.testing.assert_allclose(
        np.abs(np.sum(found.axes * vectors.T[:-3:-1], 1)), np.ones(2), rtol=1e-10
    )
    np.testing.assert_allclose(found.explained, values[:-3:-1] / values.sum())


def test_surface_is_the_function_over_the_plane(flat):
    _, _, points = flat
    like = {"a": jnp.zeros((4, 5)), "b": jnp.zeros(20)}
    f = lambda p: jnp.sum(p["a"] ** 2) + jnp.sum(p["b"])
    found = optim.plane(jnp.float32(points))
    x, y, values = optim.surface(f, like, found, side=5, margin=0.5)
    assert values.shape == (5, 5)
    for i, j in ((0, 0), (1, 3), (4, 2)):
        point = found.origin + x[j] * found.axes[0] + y[i] * found.axes[1]
        want = jnp.sum(point[:20] ** 2) + jnp.sum(point[20:])
        np.testing.assert_allclose(values[i, j], want, rtol=1e-4)
    low, high = found.coordinates.min(0), found.coordinates.max(0)
    np.testing.assert_allclose(x[0], low[0] - 0.5 * (high - low)[0], rtol=1e-5)
    np.testing.assert_allclose(y[-1], high[1] + 0.5 * (high - low)[1], rtol=1e-5)


def test_a_function_is_compiled_once_for_all_surfaces(flat):
    _, _, points = flat
    traced = []

    @jax.jit
    def f(params):
        traced.append(params)
        return jnp.sum(params["a"])

    for path in (points, points[2:]):
        found = optim.plane(jnp.float32(path))
        optim.surface(f, {"a": jnp.zeros((5, 8))}, found, side=2)
    assert len(traced) == 1


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (5,), (3, 2, 2)])
def test_refuses_what_spans_no_plane(shape):
    with pytest.raises(ValueError, match="points must be .* got shape"):
        optim.plane(jnp.ones(shape))
