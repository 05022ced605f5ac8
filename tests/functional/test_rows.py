"""Rows of a table by their global numbers, whole and split; vmap is the devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.rows import put_rows, take_rows

N, DEVICES, BATCH = 12, 4, 3
SHAPES = [(), (5,), (2, 3)]
TYPES = [np.float32, np.int32, bool]


def arrays(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *sizes: (10 * rng.normal(size=sizes)).astype(dtype)
    index = rng.permutation(N)[: DEVICES * BATCH].astype(np.int32)
    return draw(N, *shape), index, draw(DEVICES * BATCH, *shape)


def cut(x):
    return x.reshape(DEVICES, -1, *x.shape[1:])


def over_devices(function):
    """Every argument cut along its first axis; what comes out put together."""

    def run(*args):
        out = jax.vmap(function, axis_name="d")(*map(cut, args))
        return out.reshape(-1, *out.shape[2:])

    return run


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_take_and_put_are_plain_indexing(shape, dtype):
    table, index, values = arrays(shape, dtype)
    expected = table.copy()
    expected[index] = values
    for axis_name, run in ((None, lambda f: f), ("d", over_devices)):
        took = run(lambda t, i, a=axis_name: take_rows(t, i, a))(
            jnp.array(table), index
        )
        put = run(lambda t, i, v, a=axis_name: put_rows(t, i, v, a))(
            jnp.array(table), index, values
        )
        np.testing.assert_array_equal(took, table[index])
        np.testing.assert_array_equal(put, expected)
        assert took.dtype == put.dtype == dtype


def test_rows_nobody_names_stay():
    table = jnp.arange(8.0)
    index, values = jnp.array([6, 1, 3, 0]), jnp.array([-1.0, -2.0, -3.0, -4.0])
    put = over_devices(lambda t, i, v: put_rows(t, i, v, "d"))
    np.testing.assert_array_equal(
        put(table, index, values), [-4, -2, 2, -3, 4, 5, -1, 7]
    )


def test_several_may_ask_for_one_row():
    table = jnp.arange(8.0)
    take = over_devices(lambda t, i: take_rows(t, i, "d"))
    np.testing.assert_array_equal(take(table, jnp.array([5, 5, 0, 5])), [5, 5, 0, 5])


def test_a_bad_row_is_seen_by_those_who_ask_for_it_only():
    table = jnp.arange(8.0).at[5].set(jnp.nan)
    take = over_devices(lambda t, i: take_rows(t, i, "d"))
    got = take(table, jnp.array([5, 4, 0, 7]))
    np.testing.assert_array_equal(got, [np.nan, 4, 0, 7])


def test_what_is_put_is_taken():
    table, index, values = arrays((2,), np.float32)

    def there_and_back(table, index, values):
        return take_rows(put_rows(table, index, values, "d"), index, "d")

    got = over_devices(there_and_back)(jnp.array(table), index, values)
    np.testing.assert_array_equal(got, values)
