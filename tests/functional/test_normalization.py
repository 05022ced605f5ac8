"""Normalizations: invariances, limits, moving averages, transcriptions as loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F

SHAPE = (2, 5, 4, 6)


def images(seed=0, shape=SHAPE):
    return 3 * np.random.default_rng(seed).normal(size=shape) + 1


def affine(shape=SHAPE[-1:]):
    rng = np.random.default_rng(9)
    return jnp.array(rng.normal(size=shape)), jnp.array(rng.normal(size=shape))


def batch(x, scale, bias, **options):
    zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
    return F.batch_norm(x, scale, bias, zero, one, train=True, **options)[0]


FOUR = {
    "batch": batch,
    "layer": F.layer_norm,
    "instance": F.instance_norm,
    "group": lambda x, scale, bias, **o: F.group_norm(x, scale, bias, 2, **o),
}
# What the factor and the shift that go unnoticed may differ by.
SEPARATE = {
    "batch": (1, 1, 1, 6),
    "layer": (2, 5, 4, 1),
    "instance": (2, 1, 1, 6),
    "group": (2, 1, 1, 2),
}
each = pytest.mark.parametrize("name", sorted(FOUR))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@each
def test_scale_and_shift_of_the_input_go_unnoticed(name):
    """Apart by whatever has statistics of its own; epsilon as good as 0."""
    rng, shape = np.random.default_rng(1), SEPARATE[name]
    a, b = rng.uniform(0.5, 3, shape), rng.normal(size=shape)
    a, b = (np.repeat(v, 3, -1) if name == "group" else v for v in (a, b))
    x, f = images(), jax.jit(lambda x: FOUR[name](x, *affine(), epsilon=1e-300))
    np.testing.assert_allclose(f(jnp.array(a * x + b)), f(jnp.array(x)), rtol=1e-10)
    each = np.abs(images(2))  # a factor of its own for each value is noticed
    assert np.abs(f(jnp.array(each * x)) - f(jnp.array(x))).max() > 0.1


@each
def test_mean_and_variance_are_0_and_1(name):
    one, zero = jnp.ones(6), jnp.zeros(6)
    y = np.asarray(FOUR[name](jnp.array(images()), one, zero, epsilon=1e-300))
    axes = tuple(i for i in range(4) if SEPARATE[name][i] < SHAPE[i])
    if name == "group":
        y, axes = y.reshape(2, 5, 4, 2, 3), (1, 2, 4)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axes), 1, rtol=1e-12)


@each
def test_epsilon_is_under_the_root(name):
    """Of a variance that is epsilon itself, half is left; what is flat gives bias."""
    one, zero = jnp.ones(6), jnp.zeros(6)
    y = np.asarray(FOUR[name](jnp.array(images()), one, zero, epsilon=1e-300))
    half = FOUR[name](jnp.array(y), one, zero, epsilon=1.0)
    np.testing.assert_allclose(half, y / np.sqrt(2), rtol=1e-10, atol=1e-14)
    scale, bias = affine()
    flat = FOUR[name](jnp.full(SHAPE, 3.0), scale, bias)
    np.testing.assert_array_equal(flat, np.broadcast_to(bias, SHAPE))


def test_limits():
    x, (scale, bias) = jnp.array(images()), affine()
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    instance = F.instance_norm(x, scale, bias)
    close(F.group_norm(x, scale, bias, 6), instance)
    wide = [jnp.broadcast_to(v, SHAPE[1:]) for v in (scale, bias)]
    close(F.group_norm(x, scale, bias, 1), F.layer_norm(x, *wide))
    close(jnp.concatenate([batch(x[i : i + 1], scale, bias) for i in (0, 1)]), instance)
    rows = x.reshape(-1, 6)  # of vectors: one group is all of one
    close(F.group_norm(rows, scale, bias, 1), F.layer_norm(rows, scale, bias))


@pytest.mark.parametrize("name", ["layer", "instance", "group"])
def test_the_other_examples_go_unseen(name):
    x, f = images(), lambda x: FOUR[name](jnp.array(x), *affine())
    np.testing.assert_allclose(f(x)[:1], f(x[:1]), rtol=1e-13)
    assert (abs(batch(jnp.array(x), *affine())[:1] - f(x[:1])) > 0.01).any()


def test_moving_averages():
    """momentum old + (1 - momentum) new; 40 values a channel; then in use."""
    x, (scale, bias) = images(), map(np.asarray, affine())
    mean, variance = np.arange(6.0), np.arange(1.0, 7)
    flat = x.reshape(-1, 6)
    for unbiased in (True, False):
        y, m, v = F.batch_norm(
            *map(jnp.array, (x, scale, bias, mean, variance)),
            train=True,
            momentum=0.7,
            unbiased=unbiased,
        )
        np.testing.assert_allclose(m, 0.7 * mean + 0.3 * flat.mean(0))
        of_batch = flat.var(0, ddof=int(unbiased))
        np.testing.assert_allclose(v, 0.7 * variance + 0.3 * of_batch)
        expected = (x - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5) * scale + bias
        np.testing.assert_allclose(y, expected, rtol=1e-11)
    m, v = np.asarray(m), np.asarray(v)
    args = map(jnp.array, (x, scale, bias, m, v))
    y, *kept = F.batch_norm(*args, train=False)
    np.testing.assert_allclose(y, (x - m) / np.sqrt(v + 1e-5) * scale + bias)
    np.testing.assert_array_equal(kept, [m, v])


def test_use_is_training_when_the_averages_are_those_of_the_batch():
    x, (scale, bias) = jnp.array(images()), affine()
    options = dict(momentum=0.0, unbiased=False)
    y, m, v = F.batch_norm(x, scale, bias, scale, scale, train=True, **options)
    again, *_ = F.batch_norm(x, scale, bias, m, v, train=False)
    np.testing.assert_allclose(y, again, rtol=1e-11)


@each
def test_sixteen_bits_are_computed_in_more(name):
    """Within the rounding of the result, far from 0, where sums in 16 bits are lost."""
    x = jnp.array(images() + 100, jnp.bfloat16)
    one = jnp.ones(6, jnp.bfloat16)
    y = FOUR[name](x, one, 0 * one)
    assert y.dtype == jnp.bfloat16
    exact = FOUR[name](x.astype(jnp.float64), jnp.ones(6), jnp.zeros(6))
    np.testing.assert_allclose(y.astype(jnp.float64), exact, rtol=2**-8, atol=1e-4)


def response(x, size, alpha, beta, k):
    y = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(0, c - size // 2) : c + size // 2 + 1]
        y[..., c] = x[..., c] / (k + alpha * (near**2).sum(-1)) ** beta
    return y


@pytest.mark.parametrize("size", [1, 3, 5, 13])
def test_local_response_is_the_paper(size):
    x = images()
    ours = F.local_response_norm(jnp.array(x), size=size, alpha=0.3, beta=0.6, k=1.5)
    np.testing.assert_allclose(ours, response(x, size, 0.3, 0.6, 1.5), rtol=1e-13)
    by_default = F.local_response_norm(jnp.array(10 * x))
    np.testing.assert_allclose(by_default, response(10 * x, 5, 1e-4, 0.75, 2))


def test_local_response_in_the_limits():
    x = jnp.array(images())
    ours = F.local_response_norm(x, alpha=0.0, beta=1.0, k=4.0)
    np.testing.assert_allclose(ours, x / 4)
    # A window over all channels, beta 1/2, k as good as 0: unit length.
    unit = F.local_response_norm(x, size=13, alpha=1.0, beta=0.5, k=1e-300)
    np.testing.assert_allclose((unit**2).sum(-1), 1)
    # Doubling x and the scale k doubles, less the exponent's share.
    ours = F.local_response_norm(2 * x, alpha=0.1, k=4.0)
    np.testing.assert_allclose(
        ours, 2 ** (1 - 1.5) * F.local_response_norm(x, alpha=0.1, k=1.0)
    )


def contrast(x, window, deviation):
    """Jarrett et al., position by position; weights are those inside of the image."""
    b, h, w, c = x.shape
    r, y = window // 2, np.empty_like(x)

    def around(image, i, j):
        total = weight = 0.0
        for p in range(max(0, i - r), min(h, i + r + 1)):
            for q in range(max(0, j - r), min(w, j + r + 1)):
                g = np.exp(-((p - i) ** 2 + (q - j) ** 2) / (2 * deviation**2))
                total, weight = total + g * image[p, q].sum(), weight + g * c
        return total / weight

    for n in range(b):
        mean = np.array([[around(x[n], i, j) for j in range(w)] for i in range(h)])
        v = x[n] - mean[..., None]
        sigma = np.array([[around(v**2, i, j) for j in range(w)] for i in range(h)])
        sigma = np.sqrt(sigma)
        y[n] = v / np.maximum(sigma.mean(), sigma)[..., None]
    return y


@pytest.mark.parametrize("window, deviation", [(9, None), (3, 0.8), (5, 2.0)])
def test_local_contrast_is_the_paper(window, deviation):
    x = images(shape=(2, 7, 6, 3))
    x[0, :3] *= 0.01  # below the mean deviation, and above
    ours = F.local_contrast_norm(jnp.array(x), window=window, deviation=deviation)
    expected = contrast(x, window, deviation or window / 4)
    np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-14)


def test_local_contrast_ignores_scale_and_shift():
    """Of each image for itself; but what it is made of counts."""
    x, a = images(), np.array([0.2, 30.0]).reshape(2, 1, 1, 1)
    f = jax.jit(F.local_contrast_norm)
    np.testing.assert_allclose(f(jnp.array(a * x - 5)), f(jnp.array(x)), rtol=1e-10)
    np.testing.assert_allclose(f(jnp.array(-x)), -f(jnp.array(x)), rtol=1e-10)


def test_local_contrast_of_a_flat_image_is_nothing():
    """And its gradient is finite, though sigma is 0 there."""
    flat = jnp.full((1, 6, 5, 2), 7.0)
    np.testing.assert_allclose(F.local_contrast_norm(flat), 0, atol=1e-8)
    grad = jax.grad(lambda x: (F.local_contrast_norm(x) ** 2).sum())(flat)
    assert np.isfinite(grad).all()
    # Where the rest is not flat, what is flat is left flat, not blown up to 1.
    x = np.zeros((1, 16, 16, 1))
    x[0, :6] = np.random.default_rng(0).normal(size=(6, 16, 1))
    x[0, 10:] = 1e-3 * np.random.default_rng(1).normal(size=(6, 16, 1))
    y = np.asarray(F.local_contrast_norm(jnp.array(x), window=5))
    assert y[0, :4].std() > 0.5 and abs(y[0, 13:]).max() < 0.02


ONE = jnp.ones


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: F.batch_norm(x[0, 0, 0], *4 * [ONE(6)], train=True), "have 2 axes"),
        (
            lambda x: F.batch_norm(x, ONE(6), ONE(6), ONE(5), ONE(6), train=True),
            r"mean must be .* 6 channels, got shape \(5,\)",
        ),
        (
            lambda x: F.batch_norm(x, *4 * [ONE(6)], train=True, momentum=1.5),
            "momentum must be from 0 to 1, got 1.5",
        ),
        (
            lambda x: F.batch_norm(x[:1, 0, 0], *4 * [ONE(6)], train=True),
            r"two values a channel .* got \(1, 6\)",
        ),
        (lambda x: F.layer_norm(x, ONE(()), ONE(())), r"scale must have .* got \(\)"),
        (lambda x: F.layer_norm(x, ONE(4), ONE(4)), r"scale must have .* got \(4,\)"),
        (lambda x: F.layer_norm(x, ONE(6), ONE(1)), r"bias must have .* got \(1,\)"),
        (lambda x: F.layer_norm(x, ONE(6), ONE(6), epsilon=0), "epsilon must be"),
        (lambda x: F.instance_norm(x[:, 0, 0], ONE(6), ONE(6)), "x must have 3 axes"),
        (lambda x: F.instance_norm(x, ONE(6), ONE(2)), "bias must be one number"),
        (lambda x: F.group_norm(x, ONE(6), ONE(6), 4), "groups .* 6 channels, got 4"),
        (lambda x: F.group_norm(x, ONE(6), ONE(6), 0), "groups must be .* got 0"),
        (lambda x: F.group_norm(x, ONE(6), ONE(6), 2.0), "groups must be .* got 2.0"),
        (lambda x: F.local_response_norm(x, size=4), "size must be .* odd .* got 4"),
        (lambda x: F.local_response_norm(x, k=0.0), "k > 0, got 0.0001 and 0.0"),
        (lambda x: F.local_response_norm(x, alpha=-1.0), "alpha must be >= 0"),
        (lambda x: F.local_contrast_norm(x[0]), "x must have 4 axes"),
        (lambda x: F.local_contrast_norm(x[None]), r"x must be \[B, H, W, C\]"),
        (lambda x: F.local_contrast_norm(x, window=0), "window must be .* got 0"),
        (lambda x: F.local_contrast_norm(x, deviation=-1.0), "deviation positive"),
        (lambda x: F.local_contrast_norm(x.astype(int)), "x must be floats, got int"),
    ],
)  # fmt: skip
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones(SHAPE))
