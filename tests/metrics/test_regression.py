"""R squared: by hand, its limits, and what it is where there is no spread."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.metrics as M


def of(truth, predicted, weight=None, origin=0.0):
    return M.r2(M.residuals(jnp.array(truth), jnp.array(predicted), weight, origin))


def test_by_hand():
    truth, predicted = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    # Errors 0.25, 0.25, 0, 1; squares about 2.875 add up to 29.1875.
    np.testing.assert_allclose(of(truth, predicted), 1 - 1.5 / 29.1875, rtol=1e-6)
    sums = M.residuals(jnp.array(truth), jnp.array(predicted), origin=1.0)
    np.testing.assert_allclose(sums, [4, 7.5, 43.25, 1.5], rtol=1e-6)


def test_limits():
    truth = [1.0, 2.0, 6.0]
    assert of(truth, truth) == 1
    np.testing.assert_allclose(of(truth, [3.0] * 3), 0, atol=1e-6)
    assert of(truth, [6.0, 2.0, 1.0]) < 0
    assert of([2.0, 2.0], [2.0, 2.0]) == 1 and of([0.0, 0.0], [0.0, 0.0]) == 1
    assert of([2.0, 2.0], [2.0, 3.0]) == -np.inf


def test_the_origin_does_not_matter_but_for_rounding():
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 1, 50).astype(np.float32)
    predicted = truth + rng.normal(0, 0.5, 50).astype(np.float32)
    wide = truth.astype(float)
    want = 1 - ((predicted - wide) ** 2).sum() / ((wide - wide.mean()) ** 2).sum()
    np.testing.assert_allclose(of(truth, predicted, origin=1000.0), want, rtol=1e-5)
    with jax.enable_x64(True):
        for origin in (0.0, 999.0):
            got = of(wide, predicted.astype(float), origin=origin)
            np.testing.assert_allclose(got, want, rtol=1e-7)


def test_a_weight_of_two_is_two_examples():
    truth, predicted = jnp.array([1.0, 2.0, 4.0]), jnp.array([1.5, 2.0, 3.0])
    twice = jnp.array([0, 1, 1, 2])
    got = of(truth, predicted, jnp.array([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(got, of(truth[twice], predicted[twice]), rtol=1e-6)


@pytest.mark.parametrize(
    "truth, predicted, message",
    [
        ([1.0, np.nan], [1.0, 1.0], "truth and predicted must be finite"),
        ([1.0, 1.0], [np.inf, 1.0], "truth and predicted must be finite"),
        ([1.0, 1.0], [1.0], "truth and predicted must be of one shape"),
        (1.0, 1.0, "truth and predicted must be of one shape"),
    ],
)
def test_refuses(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        of(truth, predicted)


def test_what_cannot_be_read_is_nan():
    sums = jax.jit(M.residuals)(jnp.array([1.0, jnp.nan]), jnp.zeros(2))
    assert all(np.isnan(s) for s in sums)
