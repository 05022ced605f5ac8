"""Attention against loops and jax.nn; in blocks as at once, in less memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import functional as F

B, T, S, N, D, E = 2, 4, 7, 3, 5, 6


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in shapes)


def qkv():
    return arrays((B, T, N, D), (B, S, N, D), (B, S, N, E))


def loops(q, k, v, score, allowed=None):
    """A query at a time; score is of one query and one key."""
    o = np.zeros((B, T, N, E))
    for b, t, n in np.ndindex(B, T, N):
        keys = [s for s in range(S) if allowed is None or allowed[b, n, t, s]]
        if keys:
            p = np.exp([score(q[b, t, n], k[b, s, n]) for s in keys])
            o[b, t, n] = p / p.sum() @ v[b, keys, n]
    return o


def test_scores_are_the_papers():
    """q . k, scaled or not; q^T W k; v^T tanh(W q + U k)."""
    with jax.enable_x64(True):
        q, k, v = qkv()
        w, general, u, a = arrays((D, 8), (D, D), (D, 8), (8,), seed=1)
        cases = [
            ({}, lambda q, k: q @ k / np.sqrt(D)),
            ({"scale": 1.0}, lambda q, k: q @ k),
            ({"scale": 0.3}, lambda q, k: 0.3 * q @ k),
            (
                {"score": partial(F.general_scores, w=general)},
                lambda q, k: q @ np.asarray(general) @ k,
            ),
            (
                {"score": partial(F.additive_scores, w=w, u=u, v=a), "scale": 2.0},
                lambda q, k: (
                    2 * np.tanh(q @ np.asarray(w) + k @ np.asarray(u)) @ np.asarray(a)
                ),
            ),
        ]
        found = jax.jit(
            lambda *qkv: [
                [F.attention(*qkv, **options, block=block) for block in (None, 3)]
                for options, _ in cases
            ]
        )(q, k, v)
        for pair, (_, score) in zip(found, cases, strict=True):
            expected = loops(*map(np.asarray, (q, k, v)), score)
            for y in pair:
                np.testing.assert_allclose(y, expected, atol=1e-13)


MASKS = {
    "none": None,
    "padding": F.padding_mask(jnp.array([5, 0]), S),
    "queries": jnp.array([[True], [True], [False], [True]]),
    "keys": jnp.array([True, False, True, True, False, False, True]),
    "heads": jnp.asarray(np.random.default_rng(2).random((N, T, S)) < 0.4),
}
RULES = ["none", "none causal", "padding causal", "queries", "keys", "heads causal"]


@pytest.mark.parametrize("rule", RULES)
def test_masked_and_in_blocks(rule):
    """Values are the loop's. Blocks of three of the seven keys give the values and the
    gradients of all at once. Who reads nothing gets zeros, and gives none but zeros."""
    mask, causal = MASKS[rule.split()[0]], "causal" in rule
    allowed = np.ones((B, N, T, S), bool)
    allowed = allowed if mask is None else allowed & np.asarray(mask)
    allowed = allowed & (np.arange(S) <= np.arange(T)[:, None]) if causal else allowed

    @jax.jit
    def both(*qkv):
        found = []
        for block in (None, 3):
            f = partial(F.attention, mask=mask, causal=causal, block=block)
            y, back = jax.vjp(f, *qkv)
            found.append((y, *back(jnp.cos(1 + y))))
        return found

    with jax.enable_x64(True):
        args = qkv()
        plain, blocks = both(*args)
        score = lambda q, k: q @ k / np.sqrt(D)
        expected = loops(*map(np.asarray, args), score, allowed)
    np.testing.assert_allclose(plain[0], expected, atol=1e-13)
    for x, y in zip(plain, blocks, strict=True):
        assert np.isfinite(x).all()
        np.testing.assert_allclose(x, y, atol=1e-13)
    idle = ~allowed.any(3).transpose(0, 2, 1)  # [B, T, N]
    assert not np.asarray(plain[1])[idle].any()
    unread = ~allowed.any(2).transpose(0, 2, 1)  # [B, S, N]
    for grad in plain[2:]:
        assert not np.asarray(grad)[unread].any()


def test_weights_are_what_is_read():
    with jax.enable_x64(True):
        q, k, v = qkv()
        mask = F.padding_mask(jnp.array([5, 0]), S)
        p = np.asarray(F.attention_weights(q, k, mask, scale=0.7))
        y = F.attention(q, k, v, mask, scale=0.7)
        np.testing.assert_allclose(y, np.einsum("bnts,bsne->btne", p, v), atol=1e-14)
    assert p.shape == (B, N, T, S)
    np.testing.assert_allclose(p[0].sum(-1), 1)
    assert not p[0, ..., 5:].any() and not p[1].any()


@pytest.mark.parametrize("block", [None, 4])
def test_parameters_of_a_score_have_their_gradients(block):
    """Checked by differences: a score may hold what is trained."""
    with jax.enable_x64(True):
        q, k, v = qkv()
        w, u, a = arrays((D, 8), (D, 8), (8,), seed=1)
        step = arrays((D, 8), seed=3)[0]

        @jax.jit
        def total(w):
            score = partial(F.additive_scores, w=w, u=u, v=a)
            return jnp.sin(F.attention(q, k, v, score=score, block=block)).sum()

        slope = (jax.grad(total)(w) * step).sum()
        differences = (total(w + 1e-5 * step) - total(w - 1e-5 * step)) / 2e-5
        np.testing.assert_allclose(slope, differences, rtol=1e-7)


@pytest.mark.parametrize("block", [None, 4])
def test_large_scores_do_not_overflow(block):
    q, k, v = (x.astype(jnp.float32) for x in qkv())
    f = jax.jit(partial(F.attention, block=block))
    y, back = jax.vjp(f, 1e4 * q, k, v)
    best = np.einsum("btnd,bsnd->bnts", q, k).argmax(-1)  # the softmax is a maximum
    expected = np.take_along_axis(np.asarray(v), best.transpose(0, 2, 1)[..., None], 1)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    assert all(np.isfinite(g).all() for g in back(y))


@pytest.mark.parametrize("block", [None, 3])
def test_half_precision_is_summed_in_single(block):
    q, k, v = qkv()
    half = [x.astype(jnp.bfloat16) for x in (q, k, v)]
    y = F.attention(*half, block=block)
    assert y.dtype == jnp.bfloat16
    exact = F.attention(*(x.astype(jnp.float32) for x in half))
    np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=0.02)  # 8 bits


@pytest.mark.parametrize("causal", [False, True])
def test_is_jax_nn(causal):
    """Values and gradients, at once and in blocks."""
    args = [x.astype(jnp.float32) for x in arrays(*[(B, T, N, D)] + [(B, S, N, D)] * 2)]
    mask = np.random.default_rng(4).random((B, 1, T, S)) < 0.7
    mask[..., 0] = True
    mask = jnp.asarray(mask)
    theirs = partial(jax.nn.dot_product_attention, mask=mask, is_causal=causal)
    ours = partial(F.attention, mask=mask, causal=causal)

    @jax.jit
    def all_three(*qkv):
        found = []
        for f in (theirs, ours, partial(ours, block=3)):
            y, back = jax.vjp(f, *qkv)
            found.append((y, *back(jnp.cos(y))))
        return found

    expected, *found = all_three(*args)
    for each in found:
        for x, y in zip(each, expected, strict=True):
            np.testing.assert_allclose(x, y, atol=2e-6)  # sums of float32


def test_who_may_read_nothing_reads_nothing_but_in_jax_nn():
    q, k, v = (x.astype(jnp.float32) for x in qkv())
    nothing = jnp.zeros((1, 1, 1, S), bool)
    assert not F.attention(q, k, v, nothing).any()
    theirs = jax.nn.dot_product_attention(q, k, v[..., :D], mask=nothing)
    mean = np.broadcast_to(np.mean(v[..., :D], 1, keepdims=True), theirs.shape)
    np.testing.assert_allclose(theirs, mean, atol=1e-6)


def test_order_of_keys_and_of_queries():
    """Keys with their values may come in any order; queries keep theirs."""
    with jax.enable_x64(True):
        q, k, v = qkv()
        y = F.attention(q, k, v)
        s, t = jnp.array([3, 1, 6, 0, 2, 5, 4]), jnp.array([2, 0, 3, 1])
        moved = F.attention(q[:, t], k[:, s], v[:, s])
        np.testing.assert_allclose(moved, y[:, t], atol=1e-14)


def temporary(f, size):
    """Bytes that the compiled function takes besides arguments and results."""
    shapes = [jax.ShapeDtypeStruct((size, 1, 8), jnp.float32)] * 3
    return jax.jit(f).lower(*shapes).compile().memory_analysis().temp_size_in_bytes


def test_memory_grows_with_the_length_and_not_its_square():
    """Twice the tokens: four times the memory at once, twice in blocks."""
    total = lambda f: jax.grad(lambda *qkv: f(*qkv).sum(), argnums=(0, 1, 2))
    plain = partial(F.attention, causal=True)
    blocks = partial(F.attention, causal=True, block=64)
    for f, g in ((plain, blocks), (total(plain), total(blocks))):
        at_once = [temporary(f, size) for size in (2048, 4096)]
        in_blocks = [temporary(g, size) for size in (2048, 4096)]
        assert at_once[1] > 3.5 * at_once[0] and at_once[0] >= 4 * 2048**2
        assert in_blocks[1] < 2.6 * in_blocks[0]
        assert in_blocks[1] < at_once[1] / 8


def test_causal_masks():
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]
    np.testing.assert_array_equal(F.causal_mask(3, 4), expected)
    np.testing.assert_array_equal(F.causal_mask(1, 4, 3), [[1, 1, 1, 1]])
    np.testing.assert_array_equal(F.causal_mask(2, 4, 1), [[1, 1, 0, 0], [1, 1, 1, 0]])


def test_padding_masks():
    mask = F.padding_mask(jnp.array([[2, 0], [3, 1]]), 3)
    assert mask.shape == (2, 2, 1, 1, 3)
    expected = [[[1, 1, 0], [0, 0, 0]], [[1, 1, 1], [1, 0, 0]]]
    np.testing.assert_array_equal(mask[:, :, 0, 0], expected)


def test_without_keys_zeros_are_read():
    q, k, v = arrays((2, 1, 3), (0, 1, 3), (0, 1, 4))
    np.testing.assert_array_equal(F.attention(q, k, v), np.zeros((2, 1, 4)))


Q, K, V = jnp.zeros((2, 4, 3, 5)), jnp.zeros((2, 7, 3, 5)), jnp.zeros((2, 7, 3, 6))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.attention(Q[0, 0], K[0, 0], V), "q and k must be .* got"),
        (lambda: F.attention(Q, K[0], V[0]), "q and k must be .* got"),
        (lambda: F.attention(Q, K[:, :, :2], V), "q and k must agree in heads"),
        (lambda: F.attention(Q[:1], K, V), "q and k must agree in heads"),
        (lambda: F.attention(Q, K, V[:, :6]), r"v must be \[..., S, N, E\] .*got"),
        (lambda: F.attention(Q, K, V, jnp.ones((4, 7))), "mask must be bool.*float32"),
        (lambda: F.attention(Q, K, V, jnp.ones((7, 4), bool)), "mask must broadcast"),
        (lambda: F.attention_weights(Q, K, jnp.ones((1,) * 5, bool)), "mask must bro"),
        (
            lambda: F.attention(Q, K, V, block=0),
            "block must be an integer .*got 0",
        ),
        (lambda: F.attention(Q, K, V, block=2.0), "block must be"),
        (lambda: F.attention(Q, K, V, score=lambda q, k: q @ q.mT), "score must give"),
        (lambda: F.padding_mask(jnp.ones(2), 3), "lengths must be integers, got float"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
