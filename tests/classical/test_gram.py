"""The Gram matrix about the means against NumPy's in float64, near 0 and far."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import gram


def table(offset):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) * [1, 10, 0.1] + offset * np.array([1, 0, 0])
    return x.astype(np.float32), rng.normal(size=(400, 2)).astype(np.float32)


def centred(parts):
    return tuple(part - part.mean(0)[None] for part in parts)


@pytest.mark.parametrize("offset", [0.0, 0.5, 1e4])
def test_is_the_product_of_centred_columns(offset):
    parts = table(offset)
    both = np.concatenate(parts, axis=1).astype(np.float64)
    want = np.cov(both.T, bias=True) * len(both)
    size = np.sqrt(np.outer(np.diag(want), np.diag(want)))

    @jax.jit
    def found(*parts):
        mean = jnp.concatenate([part.mean(0) for part in parts])
        return gram.about_mean(parts, lambda: (centred(parts), mean))

    got, mean = found(*parts)
    np.testing.assert_allclose(got / size, want / size, atol=1e-6)
    np.testing.assert_allclose(mean, both.mean(0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("offset, quick", [(0.0, True), (0.5, True), (2.0, False)])
def test_takes_the_quick_way_where_a_mean_is_below_the_spread(offset, quick):
    parts = table(offset)
    nothing = lambda: (tuple(jnp.full_like(p, jnp.nan) for p in parts), jnp.zeros(5))
    got, _ = gram.about_mean(parts, nothing)
    assert jnp.isfinite(got).all() == quick


def test_parts_need_not_be_put_together():
    x, y = table(3.0)
    whole = np.concatenate([x, y], axis=1).astype(np.float64)
    np.testing.assert_allclose(
        gram.products((x, y)), whole.T @ whole, rtol=1e-5, atol=1e-4
    )
