"""What classical learners ask of their data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import checks


def test_finite_gives_floats_of_32_bits_or_more():
    for given, want in [
        ([1, 2], jnp.float32),
        (np.float16([1, 2]), jnp.float32),
        (jnp.bfloat16(3), jnp.float32),
        (np.array([True]), jnp.float32),
        (np.float64([1.5]), jnp.float32),
    ]:
        assert checks.finite("x", given).dtype == want
    with jax.enable_x64(True):
        assert checks.finite("x", np.float64([1.5])).dtype == jnp.float64
        assert checks.finite("x", np.array([1])).dtype == jnp.float64
    np.testing.assert_array_equal(checks.finite("x", [1, 2]), [1, 2])


def test_labels_are_integers_of_32_bits_or_more():
    for given in ([0, 1], np.uint8([0, 3]), np.array([True, False])):
        assert checks.labels("y", given).dtype == jnp.int32


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: checks.finite("x", [1, np.inf]), "x must be finite, got inf"),
        (
            lambda: checks.finite("x", np.zeros((0, 3))),
            r"x must not be empty.*\(0, 3\)",
        ),
        (lambda: checks.finite("x", [1j]), "x must be real numbers, got complex"),
        (lambda: checks.finite("x", ["a"]), "x must be real numbers, got <U1"),
        (lambda: checks.labels("y", [0.0, 1.0]), "y must be integers .*float64"),
        (lambda: checks.labels("y", [[0, 1]]), r"y must be integers .*\(1, 2\)"),
        (lambda: checks.labels("y", np.zeros(0, int)), "y must not be empty"),
        (lambda: checks.labels("y", [0, -1]), "y must be labels from 0 on, got -1"),
        (lambda: checks.labels("y", [2, 2]), "y must hold two classes or more, got 2"),
        (
            lambda: checks.at_most("k", 0, 3, "rows"),
            "k .* 1 to 3, .*rows, got 0",
        ),
        (lambda: checks.at_most("k", 4, 3, "rows"), "k must be .* got 4"),
        (lambda: checks.at_most("k", 1.0, 3, "rows"), "k must be .* got 1.0"),
        (lambda: checks.at_most("k", True, 3, "rows"), "k must be .* got True"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_values_that_cannot_be_read_pass():
    seen = jax.jit(lambda x, y: (checks.finite("x", x), checks.labels("y", y)))
    x, y = seen(jnp.array([jnp.nan]), jnp.array([1, 1]))
    assert np.isnan(x).all() and (np.asarray(y) == 1).all()
    assert checks.at_most("k", np.int64(3), 3, "rows") == 3
