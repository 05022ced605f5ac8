"""Quantization against PyTorch's, scikit-learn, NumPy, and float arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.compress import binary, calibrate, incremental, integer, quantize, sharing
from zoo.compress.deep import encoded
from zoo.compress.reparameterise import CODES, only, reparameterised, variables_of


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.reference
@pytest.mark.parametrize("form", quantize.FORMS)
@pytest.mark.parametrize("bits, per_channel", [(2, False), (4, True), (8, True)])
def test_fake_quantization_and_its_gradient_are_pytorchs(form, bits, per_channel):
    import torch

    x, g = draw(6, 5, 7), draw(6, 5, 7, seed=1)
    least, most = quantize.limits(bits, form)
    low, high = (0.5 * end for end in quantize.ranges(jnp.array(x), per_channel))
    grid = quantize.grid(low, high, bits, form)  # some numbers are out of range
    ours, back = jax.vjp(lambda x: quantize.fake_quantize(x, grid, bits, form), x)
    t = torch.tensor(x, requires_grad=True)
    if per_channel:
        scale, zero = (torch.tensor(np.array(a).ravel()) for a in grid)
        theirs = torch.fake_quantize_per_channel_affine(t, scale, zero, 2, least, most)
    else:
        theirs = torch.fake_quantize_per_tensor_affine(
            t, float(grid.scale), int(grid.zero), least, most
        )
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(back(g)[0], t.grad)
    assert 0 < (np.asarray(back(g)[0]) == 0).mean() < 0.9
    codes = quantize.quantize(x, grid, bits, form)
    assert codes.dtype == (jnp.int8 if form == "symmetric" else jnp.uint8)
    np.testing.assert_allclose(quantize.dequantize(codes, grid), ours, rtol=1e-6)


def test_zero_is_exact_and_the_error_is_half_a_step():
    x = np.concatenate([draw(99) + 2, [0]]).astype(np.float32)
    for form in quantize.FORMS:
        grid = quantize.grid(x.min(), x.max(), 6, form)
        back = quantize.dequantize(quantize.quantize(x, grid, 6, form), grid)
        assert back[-1] == 0
        assert np.abs(back - x).max() <= 0.5001 * float(grid.scale)


def test_calibration_by_entropy_is_the_least_of_all_widths():
    from scipy.stats import entropy

    x = np.concatenate([draw(5000), 30 * draw(10)])  # a few are far out
    counts, edges = np.histogram(np.abs(x), calibrate.BINS, (0, np.abs(x).max()))

    def reference(width, levels):
        p = counts[:width].astype(float)
        q = np.zeros(width)
        for level in range(levels):
            bins = [i for i in range(width) if i * levels // width == level]
            full = [i for i in bins if p[i] > 0]
            for i in full:
                q[i] = sum(p[i] for i in bins) / len(full)
        p[-1] += counts[width:].sum()
        some = p > 0
        return entropy(p[some] / p.sum(), np.maximum(q[some] / q.sum(), 1e-12)), q

    for width in (8, 100, 1000):
        p = counts[:width] / counts.sum()
        expected, q = reference(width, 8)
        got = calibrate.divergence(counts, width, 8)
        if q[-1]:  # else scipy would normalize what we hold at 1e-12
            assert got == pytest.approx(expected, rel=1e-6), (width, p)
    low, high = calibrate.calibrated(x, "entropy", bits=4)
    assert low == -high and 2 < high < np.abs(x).max() / 3
    widths = range(8, calibrate.BINS + 1, 97)
    least = min(calibrate.divergence(counts, w, 8) for w in widths)
    at = int(np.argmin(np.abs(edges - high)))
    assert calibrate.divergence(counts, at, 8) <= least
    assert calibrate.calibrated(np.abs(x), "percentile", percentile=99)[0] < 0.1
    assert calibrate.calibrated(x) == (x.min(), x.max())
    behind = np.concatenate([np.abs(x), np.zeros(3 * x.size)])  # a ReLU
    assert calibrate.calibrated(behind, "entropy", bits=4) == (0, high)


def test_integers_give_what_the_floats_of_their_codes_give():
    """A network in int8 equals one that computes in floats with the same codes."""
    model = zoo.create("lenet_caffe", maps=(3, 5), widths=(7,))
    x = draw(4, 20, 24, 1)
    variables = jax.device_get(jax.jit(model.init)(jax.random.key(0), x))
    ranges = calibrate.input_ranges(model, variables, x)
    assert sorted(ranges) == ["conv_0", "conv_1", "dense_0", "head"]
    assert ranges["conv_0"] == (x.min(), x.max())
    net = reparameterised(model, integer.post_training(8, ranges))
    given = encoded(net, variables)
    assert given[CODES]["conv_1/kernel"].dtype == np.int8
    assert sorted(given["params"]["conv_1"]) == ["bias"]

    def by_hand(call, x, path, module, codes):
        ends = max(abs(end) for end in ranges[path]) / 127
        return call(np.float32(ends) * jnp.clip(jnp.round(x / ends), -127, 127))

    plain = reparameterised(model, net.rule._replace(layer=by_hand))
    ours, floats = (jax.jit(n.apply)(given, x) for n in (net, plain))
    np.testing.assert_allclose(ours, floats, rtol=1e-4, atol=1e-4 * np.abs(ours).max())
    exact = jax.jit(model.apply)(variables, x)
    assert 1e-5 < np.abs(ours - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("form", quantize.FORMS)
def test_what_was_aware_of_quantization_is_what_its_codes_say(form):
    model = zoo.create("linear_softmax", num_classes=6)
    params = {"head": {"kernel": draw(9, 6), "bias": draw(6)}}
    rules = quantize.quantization_aware(3, form), integer.post_training(3, form=form)
    aware, codes = (
        variables_of(net, encoded(net, {"params": params}))["params"]["head"]
        for net in (reparameterised(model, rule) for rule in rules)
    )
    jax.tree.map(np.testing.assert_array_equal, aware, codes)
    assert len(np.unique(aware["kernel"][:, 0])) <= 8


def test_matmul_knows_the_zero_point():
    x, w = draw(3, 11) + 1, draw(11, 4)
    x_grid = quantize.grid(x.min(), x.max(), 8, "affine")
    w_grid = quantize.grid(*quantize.ranges(jnp.array(w), True))
    q, v = quantize.quantize(x, x_grid, 8, "affine"), quantize.quantize(w, w_grid)
    expected = quantize.dequantize(q, x_grid) @ quantize.dequantize(v, w_grid)
    assert int(x_grid.zero) > 0
    np.testing.assert_allclose(
        integer.matmul(q, x_grid, v, w_grid), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.reference
def test_sharing_is_kmeans_and_a_centroids_gradient_the_sum():
    from sklearn import cluster

    w = draw(30, 40)
    w[np.abs(w) < 0.5] = 0
    book, codes = sharing.cluster(w, 7)
    some = w[w != 0].astype(np.float64)[:, None]
    start = np.linspace(some.min(), some.max(), 7)[:, None]
    theirs = cluster.KMeans(7, init=start, n_init=1, tol=0, max_iter=300).fit(some)
    np.testing.assert_allclose(book, np.sort(theirs.cluster_centers_[:, 0]), rtol=1e-4)
    back = sharing.looked_up(jnp.array(book), codes)
    assert ((w == 0) == (codes == 0)).all()
    nearest = np.abs(w[..., None] - book).min(-1)
    assert (np.abs(back - w) <= nearest + 1e-6)[w != 0].all()
    g = draw(30, 40, seed=1)
    grads = jax.grad(lambda b: (sharing.looked_up(b, codes) * g).sum())(book)
    sums = [g[codes == k].sum() for k in range(1, 8)]
    np.testing.assert_allclose(grads, sums, rtol=1e-4, atol=1e-4)
    even, _ = jax.jit(lambda w: sharing.cluster(w, 7))(w)
    np.testing.assert_allclose(even, start[:, 0], rtol=1e-5, atol=1e-6)


def test_powers_of_two_are_the_nearest_by_the_papers_rule():
    w = np.concatenate([draw(500), [0, 0.75, 1.5, 1.4999, -0.3749, 0.375]]).astype("f")
    for bits in (2, 3, 5):
        n1 = int(np.floor(np.log2(4 * np.abs(w).max() / 3)))
        n2 = n1 + 1 - 2 ** (bits - 1) // 2
        assert int(incremental.largest_power(w)) == n1
        expected = np.zeros_like(w)
        for n in range(n1, n2 - 1, -1):
            there = (np.abs(w) >= 0.75 * 2.0**n) & (np.abs(w) < 1.5 * 2.0**n)
            expected[there] = np.sign(w[there]) * 2.0**n
        codes = incremental.to_codes(w, jnp.int32(n1), bits)
        assert len(np.unique(codes)) <= 2 ** (bits - 1) + 1
        np.testing.assert_array_equal(
            incremental.from_codes(codes, jnp.int32(n1)), expected
        )


def test_incremental_fixes_the_largest_and_keeps_them():
    net = reparameterised(
        zoo.create("linear_softmax", num_classes=6), incremental.incremental()
    )
    first = draw(9, 6)
    params = {"head": {"kernel": first, "bias": draw(6)}}
    given = encoded(net, {"params": params})
    kernel = lambda given: np.asarray(
        variables_of(net, jax.device_get(given))["params"]["head"]["kernel"]
    )
    np.testing.assert_array_equal(kernel(given), first)
    half = incremental.advance(given, 0.5)
    fixed, sizes = np.asarray(half[CODES]["head/kernel/fixed"]), np.abs(first)
    assert fixed.sum() == 27 and sizes[fixed].min() > sizes[~fixed].max()
    outputs = lambda params: net.apply({**half, "params": params}, draw(2, 9)).sum()
    grads = jax.jit(jax.grad(outputs))(params)["head"]["kernel"]
    np.testing.assert_array_equal(grads == 0, fixed)
    moved = {"head": {**params["head"], "kernel": 0.3 * first}}  # also what is fixed
    last = incremental.advance({**half, "params": moved}, 1.0)
    np.testing.assert_array_equal(kernel(last)[fixed], kernel(half)[fixed])
    powers = np.log2(np.abs(kernel(last)[kernel(last) != 0]))
    assert (powers == np.round(powers)).all()
    with pytest.raises(ValueError, match="portion must be 1 at least"):
        incremental.advance(last, 0.5)


def test_one_bit_is_the_sign_its_scale_the_mean_and_its_gradient_straight():
    w = draw(3, 3, 4, 5)
    np.testing.assert_array_equal(binary.binarize(w), np.where(w >= 0, 1, -1))
    scaled = binary.binarize(w, "scaled")
    np.testing.assert_allclose(
        scaled, np.where(w >= 0, 1, -1) * np.abs(w).mean((0, 1, 2)), rtol=1e-6
    )
    inside = jax.grad(lambda w: binary.binarize(w).sum())(w)
    np.testing.assert_array_equal(inside, np.abs(w) <= 1)
    keys = jax.random.split(jax.random.key(0), 4000)
    draws = jax.vmap(lambda k: binary.binarize(jnp.float32([-2, -0.5, 0.2, 3]),
                                               "stochastic", k))(keys)  # fmt: skip
    np.testing.assert_allclose((draws == 1).mean(0), [0, 0.25, 0.6, 1], atol=0.03)


def test_xnor_layers_are_signs_times_what_an_output_sees():
    """The second convolution by loops, with padding; and the bits of a dense layer."""
    import flax.linen as nn

    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(3, (3, 2), strides=(2, 1), padding="VALID", name="conv")(x)

    x = draw(2, 6, 5, 4)
    net = reparameterised(Two(), binary.binary("scaled", "xnor", only("conv/kernel")))
    variables = net.init(jax.random.key(0), x)
    w, bias = draw(3, 2, 4, 3, seed=1), draw(3, seed=2)
    variables["params"] = {"conv": {"kernel": w, "bias": bias}}
    got = np.asarray(net.apply(variables, x))
    signs, alpha = np.where(w >= 0, 1, -1), np.abs(w).mean((0, 1, 2))
    for b, i, j in np.ndindex(got.shape[:3]):
        patch = x[b, 2 * i : 2 * i + 3, j : j + 2]
        k = np.abs(patch).mean()
        dot = np.tensordot(np.where(patch >= 0, 1, -1), signs, 3)
        np.testing.assert_allclose(got[b, i, j], dot * alpha * k + bias, rtol=1e-4)
    a, c = draw(5, 70), draw(6, 70, seed=1)
    bits = binary.xnor_matmul(binary.packed_signs(a), binary.packed_signs(c), 70)
    np.testing.assert_array_equal(bits, np.sign(a) @ np.sign(c).T)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: quantize.limits(1), "bits must be an integer from 2 to 16, got 1"),
        (lambda: quantize.limits(8, "linear"), "unknown form 'linear'"),
        (lambda: sharing.shared(0), "bits must be an integer from 1 to 12, got 0"),
        (lambda: incremental.incremental(9), "from 2 to 8, got 9"),
        (lambda: integer.post_training(16, {"head": (0, 1)}), "bits must be at most 8"),
        (lambda: binary.binary("signs"), "unknown kind of weights 'signs'"),
        (lambda: binary.binary(inputs="bits"), "unknown kind of inputs 'bits'"),
        (lambda: calibrate.calibrated([1.0, np.inf]), "x must be finite"),
        (lambda: calibrate.calibrated([1.0], "kl"), "unknown method 'kl'"),
        (lambda: calibrate.calibrated([1.0], percentile=10), r"percentile must be in"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
