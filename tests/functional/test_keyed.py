"""Values by key: against dicts and loops, where keys repeat, lack or are negative."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F


def by_key(keys, values):
    found = collections.defaultdict(list)
    for key, value in zip(keys.tolist(), values.tolist(), strict=True):
        found[key].append(value)
    return found


@pytest.fixture(params=[(1, 1, 1), (40, 30, 12)])
def two(request):
    """Keys of two sets, some of which the other has not."""
    n, m, kinds = request.param
    rng = np.random.default_rng(n)
    return rng.integers(-kinds, kinds, n), rng.integers(-kinds // 2, 2 * kinds, m)


def test_folds_in_order(two):
    """Affine maps put one into another: associative, and the order counts."""
    keys, _ = two
    a, b = np.random.default_rng(0).normal(size=(2, len(keys))).astype(np.float32)
    merge = lambda f, g: (f[0] * g[0], g[0] * f[1] + g[1])
    found = jax.jit(lambda k, v: F.combine_by_key(k, v, lambda v: v, merge))(
        jnp.array(keys), (jnp.array(a), jnp.array(b))
    )
    size = int(found.size)
    places = by_key(keys, np.arange(len(keys)))
    assert found.keys[:size].tolist() == sorted(places)
    rows = (a[:size] for a in (found.keys, *found.values))
    for k, slope, shift in zip(*rows, strict=True):
        expected = 1.0, 0.0
        for i in places[int(k)]:
            expected = merge(expected, (a[i], b[i]))
        np.testing.assert_allclose((slope, shift), expected, rtol=2e-4, atol=1e-5)
    for array in jax.tree.leaves(found[:2]):
        assert not array[size:].any()


def test_create_and_trees(two):
    """(sum, count, largest) of vectors."""
    keys, _ = two
    values = np.random.default_rng(1).integers(-9, 9, (len(keys), 2))
    create = lambda v: {"sum": v, "count": jnp.int32(1), "most": v.max()}
    merge = lambda a, b: {
        "sum": a["sum"] + b["sum"],
        "count": a["count"] + b["count"],
        "most": jnp.maximum(a["most"], b["most"]),
    }
    found = F.combine_by_key(jnp.array(keys), jnp.array(values), create, merge)
    for i, (k, some) in enumerate(sorted(by_key(keys, values).items())):
        assert found.keys[i] == k and found.values["count"][i] == len(some)
        assert found.values["sum"][i].tolist() == np.sum(some, 0).tolist()
        assert found.values["most"][i] == np.max(some)


def test_groups(two):
    left, right = two
    found = jax.jit(F.cogroup)(*map(jnp.array, two))
    places = [by_key(k, np.arange(len(k))) for k in two]
    size = int(found.size)
    assert found.keys[:size].tolist() == sorted({*left.tolist(), *right.tolist()})
    for i, key in enumerate(found.keys[:size].tolist()):
        for side, order in enumerate((found.left, found.right)):
            a, b = int(found.starts[i, side]), int(found.stops[i, side])
            assert order[a:b].tolist() == places[side][key]
    assert not found.keys[size:].any() and not found.stops[size:].any()


def test_joins(two):
    places = [by_key(k, np.arange(len(k))) for k in two]
    expected = [
        (key, i, j)
        for key in sorted({*places[0], *places[1]})
        for i in places[0].get(key, [-1])
        for j in places[1].get(key, [-1])
    ]
    join = jax.jit(F.full_outer_join, static_argnums=2)
    for rows in (len(expected) + 7, max(1, len(expected) - 1)):
        found = join(*map(jnp.array, two), rows)
        assert int(found.size) == len(expected)  # where there is no room, it is told
        got = list(zip(*(a.tolist() for a in found[:3]), strict=True))
        n = min(rows, len(expected))
        assert got[:n] == expected[:n] and set(got[n:]) <= {(0, -1, -1)}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda k: F.cogroup(k, jnp.ones(2)), "right must be integers .*float32"),
        (lambda k: F.cogroup(k[:0], k), "left must be integers .*at least 1, got"),
        (lambda k: F.full_outer_join(k, k, 0), "rows must be 1 or more, got 0"),
        (
            lambda k: F.combine_by_key(k, k[:1], jnp.negative, jnp.add),
            "values must be 2, one for each key",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.array([1, 2]))
