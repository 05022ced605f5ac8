"""Incremental PCA: the stack of the paper, what is not forgotten, one device and eight.

`tests/parity/test_pca.py` holds it to scikit-learn.
"""

import jax
import numpy as np
import pytest

from zoo.classical import incremental_pca, pca


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def cloud(shape=(40, 6), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 1.5 ** -np.arange(shape[1])
    return x @ rng.normal(size=(shape[1], shape[1])) + 3


@pytest.mark.parametrize("size", [3, 7, 40, 100])
def test_with_all_components_it_is_pca(size):
    x = cloud()
    got = jax.jit(lambda x: incremental_pca.fit(x, 6, batch_size=size))(x)
    whole = pca.fit(x)
    for a, b in zip(got, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_the_stack_of_the_paper():
    """With fewer components, line by line in NumPy."""
    x = cloud()
    learner = incremental_pca.learner(2)
    kept, mean, n = np.zeros((2, 6)), np.zeros(6), 0
    step = jax.jit(learner.step)
    state = learner.init(None, {"x": x})
    for batch in np.split(x, 4):
        state, metrics = step(state, {"x": batch})
        b, new = len(batch), batch.mean(0)
        row = np.sqrt(n * b / (n + b)) * (mean - new)
        _, s, v = np.linalg.svd(np.vstack([kept, batch - new, row]))
        kept, mean, n = s[:2, None] * v[:2], (n * mean + b * new) / (n + b), n + b
        np.testing.assert_allclose(state.mean, mean, rtol=1e-12)
        np.testing.assert_allclose(state.singular, s[:2], rtol=1e-12)
        seen = x[:n] - x[:n].mean(0)
        np.testing.assert_allclose(state.scatter, (seen**2).sum(), rtol=1e-12)
        cosines = (np.asarray(state.components) * v[:2]).sum(1)
        np.testing.assert_allclose(abs(cosines), 1, rtol=1e-12)
        away = batch - mean
        left = (away**2).sum() - ((away @ v[:2].T) ** 2).sum()
        np.testing.assert_allclose(metrics["error"][0], left, rtol=1e-9)
        assert metrics["error"][1] == 10 and state.count == n
    result = incremental_pca.result(state)
    np.testing.assert_allclose(result.variance, s[:2] ** 2 / 39, rtol=1e-12)
    np.testing.assert_allclose(result.total, x.var(0, ddof=1).sum(), rtol=1e-12)


def test_one_device_equals_eight(devices):
    x = cloud((64, 5)).astype(np.float32)
    single = incremental_pca.learner(3)
    split = incremental_pca.learner(3, axis_name="batch")
    options = dict(axis_name="batch", devices=devices, in_axes=(None, 0))
    step = jax.pmap(split.step, out_axes=None, **options)
    evaluate = jax.pmap(split.evaluate, out_axes=None, **options)
    a = b = single.init(None, {"x": x})
    for batch in np.split(x, 2):
        a, told = jax.jit(single.step)(a, {"x": batch})
        b, metrics = step(b, {"x": batch.reshape(8, 4, 5)})
        for of in (metrics, evaluate(b, {"x": batch.reshape(8, 4, 5)})):
            np.testing.assert_allclose(of["error"], told["error"], rtol=1e-4)
        for left, right in zip(a, b, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


X = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: incremental_pca.fit(X[0], 1), r"x must be \[N, D\], got \[3\]"),
        (lambda: incremental_pca.fit(X[:1], 1), r"x must be \[N, D\] with N >= 2"),
        (lambda: incremental_pca.fit(X * np.nan, 1), "x must be finite, got nan"),
        (lambda: incremental_pca.fit(X, 4), "components must be .*1 to 3, .* features"),
        (
            lambda: incremental_pca.fit(X, 1, batch_size=0),
            "batch_size must be a positive integer, got 0",
        ),
        (
            lambda: incremental_pca.learner(4).init(None, {"x": X}),
            "components must be an integer from 1 to 3, .* features, got 4",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
