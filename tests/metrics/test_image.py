"""Image quality: by hand, by windows one at a time, and limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import metrics

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(2, 2, 13, 15, 3))  # two images and their references
ssim = jax.jit(metrics.ssim, static_argnums=(2, 3))
squared_error = jax.jit(metrics.squared_error)


def by_windows(x, y, peak, kernel, correction):  # [H, W], [H, W], [n, n]
    """SSIM from each window's own means and centred moments."""
    n, values = len(kernel), []
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    for i in range(x.shape[0] - n + 1):
        for j in range(x.shape[1] - n + 1):
            a, b = x[i : i + n, j : j + n], y[i : i + n, j : j + n]
            ma, mb = (kernel * a).sum(), (kernel * b).sum()
            va, vb = (kernel * (a - ma) ** 2).sum(), (kernel * (b - mb) ** 2).sum()
            cov = (kernel * (a - ma) * (b - mb)).sum()
            va, vb, cov = (correction * v for v in (va, vb, cov))
            top = (2 * ma * mb + c1) * (2 * cov + c2)
            values.append(top / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(values)


def windows():
    r = np.arange(-5, 6)
    gauss = np.exp(-(r[:, None] ** 2 + r**2) / (2 * 1.5**2))
    return {
        "gaussian": (gauss / gauss.sum(), 1.0),
        "uniform": (np.full((7, 7), 1 / 49), 49 / 48),
    }


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_is_the_mean_over_windows(window):
    each = [
        np.mean([by_windows(x[..., c], y[..., c], 2.0, *windows()[window])
                 for c in range(3)])
        for x, y in zip(X, Y, strict=True)
    ]  # fmt: skip
    with jax.enable_x64(True):
        value, weight = ssim(jnp.asarray(X), jnp.asarray(Y), 2.0, window)
        both = ssim(jnp.asarray(X), jnp.asarray(Y), 2.0, window, jnp.array([0.5, 3.0]))
    np.testing.assert_allclose(value, sum(each), rtol=1e-11)
    np.testing.assert_allclose(both, [0.5 * each[0] + 3 * each[1], 3.5], rtol=1e-11)
    assert float(weight) == 2


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_identities(window):
    x, y = np.float32(X), np.float32(Y)
    of = lambda x, y, peak=1.0: metrics.ratio(ssim(x, y, peak, window))
    np.testing.assert_allclose(of(x, x), 1, rtol=1e-6)
    np.testing.assert_allclose(of(x, y), of(y, x), rtol=1e-5)
    np.testing.assert_allclose(of(x, y), of(255 * x, 255 * y, 255), rtol=2e-5)
    turned = of(x.transpose(0, 2, 1, 3), y.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(of(x, y), turned, rtol=1e-5)
    assert of(x, 1 - x) < 0 < of(x, 0.9 * x) < 1
    # Two flat images differ in luminance only.
    a, b = np.full_like(x, 0.2), np.full_like(x, 0.6)
    light = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    np.testing.assert_allclose(of(a, b), light, rtol=1e-4)  # c2 / (variance + c2)


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_gradient_of_ssim(window):
    """Against differences, and finite where images are equal and flat."""
    mean = jax.jit(lambda x, y: metrics.ratio(ssim(x, y, 1.0, window)))
    gradient = jax.jit(jax.grad(mean, argnums=(0, 1)))
    with jax.enable_x64(True):
        x, y = jnp.asarray(X), jnp.asarray(Y)
        grads = gradient(x, y)
        directions = np.random.default_rng(1).normal(size=(2, *X.shape))
        for i, along in enumerate(directions):
            h = 1e-5 * along
            up, down = [(x, y + s * h) if i else (x + s * h, y) for s in (1, -1)]
            difference = (mean(*up) - mean(*down)) / 2e-5
            np.testing.assert_allclose((grads[i] * along).sum(), difference, rtol=1e-7)
        flat = jnp.full_like(x, 0.5)
        for pair in ((flat, flat), (0 * flat, 0 * flat), (x, x)):
            for grad in gradient(*pair):  # the largest value: nothing is steeper
                np.testing.assert_allclose(grad, 0, atol=1e-12)


def test_what_weighs_nothing_has_no_gradient():
    bad = jnp.asarray(np.float32(X)).at[1].set(jnp.nan)
    weight = jnp.array([1.0, 0.0])
    for f in (
        lambda x: metrics.ssim(x, jnp.float32(Y), 1.0, weight=weight)[0],
        lambda x: metrics.mse(metrics.squared_error(x, jnp.float32(Y), weight)),
    ):
        grad = jax.jit(jax.grad(f))(bad)
        assert np.isfinite(grad[0]).all() and grad[0].any() and not grad[1].any()


def test_mse_snr_and_psnr_by_hand():
    reference = np.float32([10, 0, 0, 20]).reshape(1, 2, 2, 1)
    noise = np.float32([1, -2, 2, -1]).reshape(1, 2, 2, 1)
    sums = squared_error(reference + noise, reference)
    assert [float(x) for x in sums] == [10, 500, 4]
    assert metrics.mse(sums) == 2.5
    np.testing.assert_allclose(metrics.snr(sums), 10 * np.log10(50), rtol=1e-6)
    np.testing.assert_allclose(
        metrics.psnr(sums, 255), 10 * np.log10(255**2 / 2.5), rtol=1e-6
    )


def test_the_error_of_all_is_not_the_mean_of_decibels():
    x, y = np.float32(X), np.float32(Y)
    y[1] = x[1] + (y[1] - x[1]) / 10
    whole = metrics.psnr(squared_error(x, y), 1.0)
    one = lambda x, y: metrics.psnr(metrics.squared_error(x[None], y[None]), 1.0)
    each = jax.jit(jax.vmap(one))(x, y)
    errors = ((np.float64(x) - y) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(each, -10 * np.log10(errors), rtol=1e-5)
    np.testing.assert_allclose(whole, -10 * np.log10(errors.mean()), rtol=1e-5)
    assert whole + 1 < each.mean()


def test_equal_images_are_infinitely_good():
    sums = squared_error(np.float32(X), np.float32(X))
    assert (metrics.mse(sums), metrics.psnr(sums, 1), metrics.snr(sums)) == (
        0,
        np.inf,
        np.inf,
    )


def test_bytes_do_not_wrap_around():
    low, high = np.full((1, 11, 11, 1), 3, np.uint8), np.full((1, 11, 11, 1), 250, "u1")
    assert metrics.mse(squared_error(low, high)) == 247**2
    as_floats = ssim(np.float32(low), np.float32(high), 255)
    assert ssim(low, high, 255)[0] == as_floats[0]


@pytest.mark.parametrize("f", [metrics.squared_error, lambda x, y: ssim(x, y, 1.0)])
def test_images_are_checked(f):
    x, y = jnp.float32(X), jnp.float32(Y)
    message = r"images and reference must be of one shape \[B, H, W, C\], got"
    for bad in (y[..., :1], y[:1], y[0]):
        with pytest.raises(ValueError, match=message):
            f(x, bad)
    with pytest.raises(ValueError, match=message):
        f(x[0], y[0])


def test_values_are_checked():
    x, y = jnp.float32(X), jnp.float32(Y)
    for value, text in ((jnp.nan, "nan"), (jnp.inf, "inf")):
        bad = x.at[1, 2, 3, 0].set(value)
        for f in (metrics.squared_error, lambda x, y: metrics.ssim(x, y, 1.0)):
            with pytest.raises(ValueError, match=f"images must be finite, got {text}"):
                f(bad, y)
            with pytest.raises(
                ValueError, match=f"reference must be finite, got {text}"
            ):
                f(x, bad)
            assert np.isnan(jax.jit(f)(bad, y)[0])
    with pytest.raises(ValueError, match="weight must be finite and >= 0, got -1"):
        metrics.squared_error(x, y, jnp.array([1, -1]))
    with pytest.raises(ValueError, match="each of the 2 examples"):
        metrics.squared_error(x, y, jnp.ones(3))


def test_options_are_checked():
    x = jnp.float32(X)
    with pytest.raises(ValueError, match="window must be one of .*, got 'box'"):
        metrics.ssim(x, x, 1.0, "box")
    for peak in (0, -1.0, np.inf):
        with pytest.raises(ValueError, match="peak must be positive"):
            metrics.ssim(x, x, peak)
        with pytest.raises(ValueError, match="peak must be positive"):
            metrics.psnr(squared_error(x, x), peak)
    with pytest.raises(ValueError, match="images must be at least 11 pixels high and"):
        metrics.ssim(x[:, :10], x[:, :10], 1.0)
    assert np.isfinite(ssim(x[:, :10], x[:, :10], 1.0, "uniform")[0])
    none = squared_error(x[:0], x[:0])
    for number in (metrics.mse, metrics.snr, lambda s: metrics.psnr(s, 1.0)):
        with pytest.raises(ValueError, match="sums must be of an image at least"):
            number(none)
