"""What chance does to an image, and that it belongs to the example."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import zoo.functional as F

IMAGE = np.random.default_rng(0).uniform(0.1, 1, (6, 8, 3)).astype(np.float32)
COLORS = F.PrincipalAxes(
    mean=np.zeros(3, np.float32),
    axes=np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].astype("f4"),
    variance=np.array([2, 0.5, 0.1], np.float32),
)
MANY = 2000


def draws(f, count=MANY):
    """f of many keys, [count, ...]."""
    keys = F.example_keys(jax.random.key(0), jnp.arange(count))
    return np.asarray(jax.jit(jax.vmap(f))(keys))


def assert_uniform(counts):
    assert scipy.stats.chisquare(counts).pvalue > 0.01, counts


def test_each_offset_of_a_crop_is_equally_likely():
    numbers = jnp.arange(6 * 8).reshape(6, 8, 1)  # a pixel's number is its place
    crops = draws(lambda key: F.random_crop(key, numbers, (4, 5)))[..., 0]
    first = crops[:, :1, :1]
    window = np.arange(4)[:, None] * 8 + np.arange(5)
    np.testing.assert_array_equal(crops, first + window)  # consecutive pixels
    places, counts = np.unique(first, return_counts=True)
    np.testing.assert_array_equal(
        places, [8 * i + j for i in range(3) for j in range(4)]
    )
    assert_uniform(counts)


@pytest.mark.parametrize(
    "border, mode", [("zeros", "constant"), ("edge", "edge"), ("reflect", "reflect")]
)
def test_crop_of_a_padded_image_is_a_window_of_it(border, mode):
    pad = [(2, 2), (2, 2), (0, 0)]
    padded = np.pad(IMAGE, pad, mode=mode)
    windows = {
        padded[i : i + 6, j : j + 8].tobytes(): (i, j)
        for i in range(5)
        for j in range(5)
    }
    crops = draws(lambda key: F.random_crop(key, IMAGE, (6, 8), 2, border), 500)
    found = [windows[crop.tobytes()] for crop in crops]
    assert len(set(found)) == 25


@pytest.mark.parametrize("direction, axis", [("horizontal", 1), ("vertical", 0)])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flip(direction, axis, probability):
    flip = lambda key: F.random_flip(key, jnp.array(IMAGE), probability, direction)
    images = draws(flip)
    mirrored = (images == np.flip(IMAGE, axis)).all((1, 2, 3))
    assert (mirrored | (images == IMAGE).all((1, 2, 3))).all()
    assert scipy.stats.binomtest(mirrored.sum(), MANY, probability).pvalue > 0.01


def test_shift_is_uniform_in_both_directions():
    """Read off a plane, of which a shift by (dy, dx) takes dy a + dx b."""
    y, x = np.mgrid[:21, :21].astype(np.float32)
    planes = jnp.stack([y, x], axis=-1)
    moved = draws(lambda key: F.random_shift(key, planes, 3.0))
    offset = 10 - moved[:, 10, 10]  # (dy, dx)
    assert 2.9 < np.abs(offset).max() <= 3
    for line in offset.T:
        assert scipy.stats.kstest(line, "uniform", (-3, 6)).pvalue > 0.01
    assert abs(np.corrcoef(offset.T)[0, 1]) < 0.08
    expected = jax.jit(F.shift)(planes, offset[0])
    # A difference of numbers of size 10 in float32, times up to 20 at the border.
    np.testing.assert_allclose(moved[0], expected, atol=20 * 10 * 2**-23 * 2)


def test_rotation_is_uniform():
    y, x = np.mgrid[:21, :21].astype(np.float32)
    planes = jnp.stack([y, x], axis=-1)
    turned = draws(lambda key: F.random_rotation(key, planes, 30.0))
    dy, dx = (turned[:, 10, 15] - turned[:, 10, 5]).T
    angle = np.rad2deg(np.arctan2(-dy, dx))  # the turn of the row through the centre
    assert 29 < np.abs(angle).max() <= 30.001
    assert scipy.stats.kstest(-angle, "uniform", (-30, 60)).pvalue > 0.01
    expected = jax.jit(F.rotate)(planes, -angle[0])
    # An angle read off pixels in float32.
    np.testing.assert_allclose(turned[0], expected, atol=1e-3)


def test_pca_jitter_is_alpha_times_eigenvalue():
    jitter = lambda key: F.pca_jitter(key, jnp.array(IMAGE), COLORS) - IMAGE
    added = draws(jitter)
    np.testing.assert_allclose(added, added[:, :1, :1] + 0 * added, atol=1e-6)
    alpha = added[:, 0, 0] @ COLORS.axes.T / COLORS.variance  # [N, 3]
    for line in alpha.T:
        assert scipy.stats.kstest(line, "norm", (0, 0.1)).pvalue > 0.01
    assert np.abs(np.corrcoef(alpha.T) - np.eye(3)).max() < 0.08


def test_colour_jitter_factors_are_uniform():
    image = jnp.full((2, 2, 3), 0.5, jnp.float32)
    brightness = draws(lambda key: F.color_jitter(key, image, 0.4, 0, 0))[:, 0, 0, 0]
    assert scipy.stats.kstest(brightness, "uniform", (0.3, 0.4)).pvalue > 0.01
    same = F.color_jitter(jax.random.key(3), jnp.array(IMAGE), 0, 0, 0)
    np.testing.assert_allclose(same, IMAGE, atol=1e-6)


@pytest.mark.parametrize("size", [3, 4])
def test_cutout_centres_are_uniform_and_squares_whole(size):
    cut = draws(lambda key: F.cutout(key, jnp.array(IMAGE), size, -1.0))
    gone = (cut == -1).all(-1)
    np.testing.assert_array_equal(cut[~gone], np.broadcast_to(IMAGE, cut.shape)[~gone])
    squares = {}
    for i in range(6):
        for j in range(8):
            square = np.zeros((6, 8), bool)
            top, left = i - size // 2, j - size // 2
            rows, columns = (
                slice(max(top, 0), top + size),
                slice(max(left, 0), left + size),
            )
            square[rows, columns] = True
            squares.setdefault(square.tobytes(), []).append((i, j))
    counts = dict.fromkeys(squares, 0)
    for square in gone:
        counts[square.tobytes()] += 1
    expected = [MANY * len(places) / 48 for places in squares.values()]
    assert scipy.stats.chisquare(list(counts.values()), expected).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_share_is_beta(alpha):
    one, zero = jnp.ones(3), jnp.zeros(3)

    def mixed(key):
        return jnp.stack(F.mixup(key, one, one, zero, zero, alpha))

    share = draws(mixed)
    np.testing.assert_array_equal(share, share[:, :1, :1] + 0 * share)  # x as y
    test = scipy.stats.kstest(share[:, 0, 0], "beta", (alpha, alpha))
    assert test.pvalue > 0.01


def test_mixup_lies_between_example_and_partner():
    rng = np.random.default_rng(0)
    x, y, u, v = (jnp.array(rng.normal(size=4)) for _ in range(4))
    key = jax.random.key(5)
    mixed_x, mixed_y = F.mixup(key, x, y, u, v)
    share = np.asarray((mixed_x - u) / (x - u))
    np.testing.assert_allclose(share, share[0], rtol=1e-4)
    np.testing.assert_allclose(mixed_y, share[0] * y + (1 - share[0]) * v, rtol=1e-4)
    again, _ = F.mixup(key, u, v, x, y)
    np.testing.assert_allclose(mixed_x + again, x + u, rtol=1e-5)


def test_partners_of_a_batch_are_a_permutation():
    size = 64
    x, y = jnp.zeros((size, 1)), jnp.eye(size)
    mix = jax.jit(F.mixup_batch)
    _, mixed = mix(jax.random.key(0), jnp.arange(size), x, y)
    mixed = np.asarray(mixed)
    own = np.diag(mixed)
    others = mixed - np.diag(own)
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
    assert ((others > 0).sum(1) <= 1).all() and ((others > 0).sum(0) <= 1).all()
    assert (others.sum(1) > 0).sum() > 55
    # lambda belongs to the example's number, not to its place.
    _, moved = mix(jax.random.key(0), jnp.arange(size) + 7, x, y)
    here, there = own[7:], np.diag(moved)[:-7]
    alone = (here == 1) | (there == 1)  # who is his own partner stays whole
    assert (here == there)[~alone].all() and alone.sum() < 5


def augmented(key, index, x, y, axis_name=None):
    """All of them one after another, as a step would do it."""
    keys = F.example_keys(key, index)

    def one(key, image):
        steps = (
            functools.partial(F.random_crop, size=(5, 6), padding=1),
            F.random_flip,
            functools.partial(F.random_shift, most=1.0),
            functools.partial(F.random_rotation, most=20.0),
            functools.partial(F.pca_jitter, colors=COLORS),
            F.color_jitter,
            functools.partial(F.cutout, size=2),
        )
        for i, step in enumerate(steps):
            image = step(jax.random.fold_in(key, i), image)
        return image

    return F.mixup_batch(key, index, jax.vmap(one)(keys, x), y, axis_name=axis_name)


def test_one_device_equals_eight(devices):
    rng = np.random.default_rng(0)
    x = jnp.array(rng.uniform(size=(16, 6, 8, 3)), jnp.float32)
    y, index = jnp.eye(16), jnp.array(rng.permutation(100)[:16])
    key = jax.random.key(2)
    whole = jax.jit(augmented)(key, index, x, y)
    cut = jax.tree.map(lambda a: a.reshape(8, 2, *a.shape[1:]), (index, x, y))
    parts = jax.pmap(
        functools.partial(augmented, axis_name="batch"),
        axis_name="batch",
        in_axes=(None, 0, 0, 0),
        devices=devices,
    )(key, *cut)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b.reshape(a.shape), atol=1e-6)
    assert len({row.tobytes() for row in np.asarray(whole[0])}) == 16


K = jax.random.key(0)
X = jnp.array(IMAGE)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.random_crop(K, X[0], (1, 1)), r"image must be \[H, W, C\]"),
        (lambda: F.random_crop(K, X, (7, 8)), r"size must be two of 1 to \[6, 8\]"),
        (lambda: F.random_crop(K, X, (0, 8)), "size must be two of 1 to"),
        (lambda: F.random_crop(K, X, (6, 8, 3)), "size must be two of 1 to"),
        (lambda: F.random_crop(K, X, (2, 2), -1), "padding must be 0 or more"),
        (lambda: F.random_crop(K, X, (2, 2), 1, "x"), "border must be one of zeros"),
        (lambda: F.random_flip(K, X, 1.5), r"probability must be in \[0, 1\], got 1.5"),
        (lambda: F.random_flip(K, X, 0.5, "up"), "direction must be one of horizontal"),
        (lambda: F.random_shift(K, X, -1.0), "most must be 0 or more, got -1.0"),
        (lambda: F.random_shift(K, X.astype(int), 1.0), "image must be floats"),
        (lambda: F.random_rotation(K, X, -1.0), "most must be 0 or more"),
        (lambda: F.random_rotation(K, X[0], 1.0), r"image must be \[H, W, C\]"),
        (
            lambda: F.pca_jitter(K, X[..., :2], COLORS),
            "colors must be of the image",
        ),
        (lambda: F.pca_jitter(K, X, COLORS, -0.1), "deviation must be 0 or more"),
        (lambda: F.color_jitter(K, X[..., :2]), "image must have 3 channels"),
        (lambda: F.color_jitter(K, X, 0.1, 1.1), r"contrast must be in \[0, 1\]"),
        (lambda: F.cutout(K, X, 0), "size must be 1 or more, got 0"),
        (lambda: F.cutout(K, X[0], 1), r"image must be \[H, W, C\]"),
        (lambda: F.mixup(K, X, X, X, X, 0), "alpha must be above 0, got 0"),
        (lambda: F.mixup(K, X, X, X[1:], X), "partner_x must be"),
        (lambda: F.mixup(K, X, X, X, X[1:]), "partner_y must be"),
        (lambda: F.mixup(K, X, jnp.arange(2), X, X), "y must be floats, got int32"),
        (lambda: F.mixup_batch(K, jnp.arange(5), X, X), "must be of one length"),
        (lambda: F.mixup_batch(K, jnp.arange(6), X, X[1:]), "must be of one length"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
