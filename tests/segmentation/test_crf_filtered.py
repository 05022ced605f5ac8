"""The filtered CRF against all pairs: equal at full rank, bounded below it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.data import Shapes, scene
from zoo.segmentation import Pairwise, colour_factor, filtered_mean_field, mean_field

TIES = Pairwise(0.3, 0.2, 6.0, 0.15, 1.5)


@pytest.fixture(scope="module")
def drawn():
    """A scene of 32x40 pixels, and its classes under noise."""
    one = scene(Shapes(size=40, least=2), 3, 1)
    image, y = one.x[:32], np.append(0, one.labels + 1)[one.instances][:32]
    noise = np.random.default_rng(0).normal(size=(*y.shape, 4))
    return np.float32(noise - 2 * np.eye(4)[y]), image


@pytest.mark.parametrize("own", [False, True])
def test_it_is_the_exact_field_where_nothing_is_left_out(own):
    """As many colours and places as pixels; float64, so that only JITTER is left."""
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        unary, image = (
            jnp.array(rng.normal(size=(6, 9, 3))),
            jnp.array(rng.random((6, 9, 3))),
        )
        both = jax.jit(
            lambda u, x: (
                filtered_mean_field(u, x, TIES, 4, own, colours=54),
                mean_field(u, x, TIES, 4, own, block=54),
            )
        )
        got, want = both(unary, image)
    np.testing.assert_allclose(got.q, want.q, atol=3e-4)
    np.testing.assert_allclose(got.energies, want.energies, rtol=3e-4)
    assert np.asarray(got.missing).max() < 1e-4


@pytest.mark.parametrize("own", [False, True])
def test_its_kernel_is_what_its_factor_says(own):
    """Five colours for 54, in NumPy; a pixel and itself exactly."""
    rng = np.random.default_rng(2)
    with jax.enable_x64(True):
        unary, image = (jnp.array(rng.random((6, 9, 3))) for _ in range(2))
        run = jax.jit(lambda u, x: filtered_mean_field(u, x, TIES, 3, own, colours=5))
        got = run(unary, image).q
        factor = colour_factor(image.reshape(54, 3), TIES.colour, 5)[0]
    y, x = np.mgrid[:6, :9].reshape(2, -1)
    far = (y[:, None] - y[None]) ** 2 + (x[:, None] - x[None]) ** 2
    k = TIES.appearance * np.exp(-far / (2 * TIES.place**2)) * _pairs(factor)
    k = k + TIES.smoothness * np.exp(-far / (2 * TIES.near**2))
    np.fill_diagonal(k, own * (TIES.appearance + TIES.smoothness))
    u = np.asarray(unary).reshape(54, 3)
    q = _softmax(-u)
    for _ in range(3):
        q = _softmax(k @ q - u)
    np.testing.assert_allclose(np.asarray(got).reshape(54, 3), q, atol=3e-4)
    assert (np.asarray(factor) ** 2).sum(1).min() < 0.5  # most is left out


def test_fewer_colours_are_near_it(drawn):
    """On a photo and noise; 1,280 pixels, a colour for each 10 and for each 40."""
    unary, image = drawn
    want = mean_field(unary, image, TIES, 5)
    apart = []
    for colours in (32, 128):
        got = filtered_mean_field(unary, image, TIES, 5, colours=colours)
        apart.append(float(abs(got.q - want.q).mean()))
        same = got.q.argmax(-1) == want.q.argmax(-1)
        assert same.mean() > 0.995, same.mean()
    rise = np.asarray(got.energies - want.energies)
    assert (abs(rise) < 0.01 * (want.energies[0] - want.energies[-1])).all(), rise
    print(apart)
    assert apart[1] < min(1e-3, apart[0] / 3)
    moved = (want.q.argmax(-1) != unary.argmin(-1)).mean()
    assert moved > 0.05  # the field has done something


def test_what_is_missing_bounds_the_error(drawn):
    pixels = drawn[1].reshape(-1, 3)
    factor, missing = jax.jit(lambda x: colour_factor(x, 0.15, 40))(pixels)
    square = ((pixels[:, None].astype(np.float64) - pixels[None]) ** 2).sum(-1)
    error = abs(np.exp(-square / (2 * 0.15**2)) - np.asarray(factor @ factor.T))
    bound = np.sqrt(np.asarray(missing)[:, None] * np.asarray(missing)[None])
    assert (error <= bound + 1e-4).all()
    assert 0.02 < missing.max() < 0.9 and (missing < 1e-3).sum() >= 40
    few = colour_factor(pixels, 0.15, 8)[1]
    assert few.mean() > missing.mean()


def test_its_energy_never_rises_if_pixels_hear_themselves(drawn):
    unary, image = drawn
    strong = Pairwise(3.0, 2.0, 6.0, 0.2, 1.5)
    got = filtered_mean_field(unary, image, strong, 10, own=True, colours=24)
    energies = np.asarray(got.energies)
    assert (np.diff(energies) <= 1e-5 * abs(energies[0])).all(), energies
    assert energies[-1] < energies[0] - 100


def test_its_weights_have_gradients():
    rng = np.random.default_rng(2)
    with jax.enable_x64(True):
        u, x = jnp.array(rng.normal(size=(5, 7, 2))), jnp.array(rng.random((5, 7, 3)))

        @jax.jit
        def loss(p):
            got = filtered_mean_field(u, x, p, 2, colours=9, places=5)
            return -jnp.log(got.q[..., 0]).mean()

        at = Pairwise(*(jnp.float64(v) for v in TIES))
        slope = jax.jit(jax.grad(loss))(at)
        for i, g in enumerate(slope):
            step = lambda d, i=i: at._replace(**{at._fields[i]: at[i] + d})
            rise = (loss(step(1e-5)) - loss(step(-1e-5))) / 2e-5
            assert float(g) == pytest.approx(float(rise), rel=1e-4, abs=1e-8)
            assert abs(float(g)) > 1e-6


def test_refuses(drawn):
    unary, image = drawn
    with pytest.raises(ValueError, match=r"unary and image must be \[H, W, K\]"):
        filtered_mean_field(unary, image[:3])
    with pytest.raises(ValueError, match="colours and places .* got 0 and 32"):
        filtered_mean_field(unary, image, colours=0)
    with pytest.raises(ValueError, match="rank from 1 to N, got .* and 7"):
        colour_factor(image[0, :5], 0.1, 7)


def _pairs(factor):
    return np.asarray(factor) @ np.asarray(factor).T


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
