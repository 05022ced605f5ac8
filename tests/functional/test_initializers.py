"""Initializers: the variance of each formula, fans of kernels, orthogonality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import zoo.functional as F

SHAPES = [(300, 200), (3, 5, 20, 60)]  # dense; convolution, height unlike width
FANS = {(300, 200): (300, 200), (3, 5, 20, 60): (300, 900)}
VARIANCES = {
    "gaussian": lambda n, m: 0.01**2,
    "lecun_normal": lambda n, m: 1 / n,
    "lecun_uniform": lambda n, m: 1 / n,
    "xavier_normal": lambda n, m: 2 / (n + m),
    "xavier_uniform": lambda n, m: 2 / (n + m),
    "he_normal": lambda n, m: 2 / n,
    "he_uniform": lambda n, m: 2 / n,
}
DRAWN = sorted(VARIANCES)


def draw(name, shape, seed=0, dtype=jnp.float32):
    return np.asarray(F.INITIALIZERS[name](jax.random.key(seed), shape, dtype))


def test_all_are_tested():
    assert {*DRAWN, "constant", "orthogonal"} == set(F.INITIALIZERS)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fans(shape):
    assert F.fans(shape) == FANS[shape]
    for fan, mode in zip(FANS[shape], ("fan_in", "fan_out"), strict=True):
        by_jax = jax.nn.initializers.variance_scaling(3.0, mode, "uniform")
        largest = abs(by_jax(jax.random.key(0), shape)).max()
        np.testing.assert_allclose(largest, 3 / np.sqrt(fan), rtol=1e-3)


def test_fans_need_two_axes():
    with pytest.raises(ValueError, match=r"shape must be .*, got \(3,\)"):
        F.fans((3,))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", DRAWN)
def test_variance_and_distribution(name, shape):
    """60,000 or 18,000 draws: a standard error of 0.6 % or 1.1 %; held to four."""
    x, variance = draw(name, shape), VARIANCES[name](*F.fans(shape))
    bound = 4 * np.sqrt(2 / x.size)
    np.testing.assert_allclose(x.var(), variance, rtol=bound)
    assert abs(x.mean()) < 4 * np.sqrt(variance / x.size)
    if name.endswith("uniform"):
        r = np.sqrt(3 * variance)
        law = scipy.stats.uniform(-r, 2 * r)
    elif name == "gaussian":
        law = scipy.stats.norm(0, 0.01)
    else:  # cut at twice its deviation, and widened to make up for it
        wide = np.sqrt(variance) / scipy.stats.truncnorm(-2, 2).std()
        law = scipy.stats.truncnorm(-2, 2, scale=wide)
        assert abs(x).max() < 2 * wide
    assert scipy.stats.kstest(x.ravel(), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonal(shape):
    """Columns of the kernel as a matrix; rows if those are fewer."""
    q = draw("orthogonal", shape).reshape(-1, shape[-1])
    np.testing.assert_allclose(q.T @ q, np.eye(shape[-1]), atol=1e-5)
    wide = draw("orthogonal", shape[-1:] + (300,))
    np.testing.assert_allclose(wide @ wide.T, np.eye(len(wide)), atol=1e-5)
    twice = F.orthogonal(2.0)(jax.random.key(0), shape).reshape(q.shape)
    np.testing.assert_allclose(twice, 2 * q, atol=1e-6)


def test_constant():
    assert (draw("constant", (3, 4)) == np.float32(0.01)).all()
    assert (F.constant(2.0)(jax.random.key(0), (3,)) == 2).all()


@pytest.mark.parametrize("name", sorted(F.INITIALIZERS))
def test_key_and_type(name):
    a, b = draw(name, (4, 3)), draw(name, (4, 3), seed=1)
    np.testing.assert_array_equal(a, draw(name, (4, 3)))
    assert (a != b).any() == (name != "constant")
    with jax.enable_x64(True):
        assert draw(name, (4, 3), dtype=jnp.float64).dtype == np.float64


@pytest.mark.parametrize(
    "name, f, expected",
    [
        ("lecun_normal", lambda x: x, 1.0),
        ("he_normal", F.relu, 1.0),
        ("xavier_normal", F.relu, 0.5),  # a factor of two a layer short
        ("lecun_normal", F.selu, 1.0),
    ],
)
def test_what_a_layer_makes_of_unit_variance(name, f, expected):
    """The second moment after weights and f, over that before: the reason for each."""
    x = jax.random.normal(jax.random.key(1), (500, 400))
    if f is F.selu:  # enters as it comes out of a layer: already through f
        y = f(x @ F.INITIALIZERS[name](jax.random.key(2), (400, 400)))
        assert abs(float(y.mean())) < 0.05
    else:  # what f keeps of symmetric input comes before the weights
        y = f(x) @ F.INITIALIZERS[name](jax.random.key(2), (400, 400))
    # Weights of 160,000 draws: about 1 %, and SELU's tails the same again.
    np.testing.assert_allclose((y**2).mean(), expected, rtol=0.05)
