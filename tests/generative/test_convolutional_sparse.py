"""Convolutional sparse coding: by loops, its optimality, and filters found again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.generative import convolutional_sparse as sparse

B, H, W, K, S, WEIGHT = 3, 6, 5, 4, 3, 0.2


def data(seed=0):
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(K, S, S))
    return d / np.linalg.norm(d, axis=(1, 2), keepdims=True), rng.normal(size=(B, H, W))


def spread(d, z):
    """sum_k z_k * d_k of one image, by loops."""
    image = np.zeros((H, W))
    for k, i, j in np.ndindex(len(d), H, W):
        for u, v in np.ndindex(S, S):
            image[(i + u) % H, (j + v) % W] += z[k, i, j] * d[k, u, v]
    return image


def slopes(d, off):
    """Of 1/2 |off|^2 by the codes, of one image, by loops."""
    found = np.zeros((len(d), H, W))
    for k, i, j in np.ndindex(*found.shape):
        for u, v in np.ndindex(S, S):
            found[k, i, j] += d[k, u, v] * off[(i + u) % H, (j + v) % W]
    return found


@pytest.fixture(scope="module")
def codes():
    d, x = data()
    with jax.enable_x64(True):
        find = jax.jit(lambda d, x: sparse.encode(d, x, WEIGHT, 3000, 1e-10))
        return np.asarray(find(d, x)), np.asarray(find(d, x[1:2]))


def test_codes_are_a_minimum_each_for_itself(codes):
    (d, x), (z, one) = data(), codes
    assert 0.1 < (z == 0).mean() < 0.9
    for image, code in zip(x, z, strict=True):
        slope = slopes(d, spread(d, code) - image)
        at_zero = np.maximum(np.abs(slope) - WEIGHT, 0)
        away = np.where(code == 0, at_zero, slope + WEIGHT * np.sign(code))
        assert np.abs(away).max() < 1e-8
    np.testing.assert_allclose(one, z[1:2], rtol=1e-9, atol=1e-12)


def test_decoding_and_the_objective_are_their_sums(codes):
    (d, x), (z, _) = data(), codes
    images = np.stack([spread(d, code) for code in z])
    value = 0.5 * ((x - images) ** 2).sum((1, 2)) + WEIGHT * np.abs(z).sum((1, 2, 3))
    with jax.enable_x64(True):
        np.testing.assert_allclose(sparse.decode(d, jnp.array(z)), images, atol=1e-12)
        found = sparse.objective(d, x, jnp.array(z), WEIGHT)
    np.testing.assert_allclose(found, value, rtol=1e-12)


def test_a_step_goes_down_the_slope_and_back_to_length_one():
    """Two rounds by loops; the third image counts twice, the first not at all."""
    d, x = data()
    count = np.array([0.0, 1, 2])
    with jax.enable_x64(True):
        made = sparse.learner(K, S, WEIGHT, steps=40, rounds=2)
        batch = {"x": jnp.array(x[..., None]), "weight": jnp.array(count)}
        state = made.init(jax.random.key(0), batch)._replace(filters=jnp.array(d))
        z = np.asarray(jax.jit(lambda d: sparse.encode(d, x, WEIGHT, 40))(d))
        new, metrics = jax.device_get(jax.jit(made.step)(state, batch))
    power = (count[:, None, None, None] * np.abs(np.fft.fft2(z)) ** 2).sum((0, 1))
    moved = d
    for _ in range(2):
        slope = np.zeros_like(d)
        for c, image, code in zip(count, x, z, strict=True):
            off = spread(moved, code) - image
            for k, i, j in np.ndindex(K, H, W):
                for u, v in np.ndindex(S, S):
                    place = off[(i + u) % H, (j + v) % W]
                    slope[k, u, v] += c * code[k, i, j] * place
        moved = moved - slope / power.max()
        length = np.linalg.norm(moved, axis=(1, 2), keepdims=True)
        moved = moved / np.maximum(length, 1)
    np.testing.assert_allclose(new.filters, moved, rtol=1e-9)
    active = count @ (z != 0).sum((1, 2, 3))
    np.testing.assert_allclose(metrics["active"], (active, 3))


def test_it_finds_the_filters_that_made_the_images():
    """Up to a shift within the larger filters that it has, and the sign."""
    rng = np.random.default_rng(0)
    made = np.zeros((2, 5, 5))
    made[0, 1:4, 2], made[1, 3, :4] = (1, -2, 1), (1, 1, -1, -1)
    made /= np.linalg.norm(made, axis=(1, 2), keepdims=True)
    z = rng.normal(size=(16, 2, 16, 16)) * (rng.uniform(size=(16, 2, 16, 16)) < 0.01)
    x = jax.jit(sparse.decode)(jnp.float32(made), jnp.float32(z))
    fit = sparse.learner(3, 5, 0.2, steps=20, rounds=20)

    def run(seed):
        state = fit.init(jax.random.key(seed), {"x": x})
        step = lambda _, state: fit.step(state, {"x": x})[0]
        return jax.lax.fori_loop(0, 50, step, state).filters

    found = np.asarray(jax.jit(jax.vmap(run))(jnp.arange(5)))  # [5, 3, 5, 5]
    transforms = [np.fft.fft2(a, (10, 10)) for a in (found, made)]
    alike = transforms[0][:, :, None] * np.conj(transforms[1])
    cosines = np.abs(np.fft.ifft2(alike).real).max((3, 4)).max(1).min(1)
    print(cosines)
    assert (cosines > 0.99).sum() >= 4


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sparse.learner(0, 3, 0.1), "filters must be a positive integer"),
        (lambda: sparse.learner(4, 3, -0.1), "weight must be >= 0, got -0.1"),
        (
            lambda: sparse.encode(np.ones((2, 7, 7)), np.ones((1, 6, 8)), 0.1),
            r"no smaller than filters \[K, S, S\], got \[1, 6, 8\] and \[2, 7, 7\]",
        ),
        (
            lambda: sparse.learner(2, 7, 0.1).init(
                jax.random.key(0), {"x": jnp.ones((1, 6, 8))}
            ),
            "no smaller than filters",
        ),
        (
            lambda: sparse.decode(np.ones((2, 3, 3)), np.ones((1, 3, 8, 8))),
            r"codes must be \[B, 2, H, W\], got \[1, 3, 8, 8\]",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
