"""BERT: padding, the mean of tokens, and what is refused.

With the weights of transformers: tests/parity/test_bert.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.sequence import BERT, bert, mean_of_tokens


def test_padding_is_not_read():
    model = BERT(**bert.TINY, output="mean")
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 11, (2, 5)).astype(np.int32)
    mask = np.arange(5) < np.array([[5], [3]])
    variables = jax.jit(model.init)(jax.random.key(0), {"tokens": tokens})
    run = jax.jit(
        lambda tokens: model.apply(variables, {"tokens": tokens, "mask": mask})
    )
    y = run(tokens)
    np.testing.assert_array_equal(run(np.where(mask, tokens, 7)), y)
    assert abs(run(np.where(mask, 7, tokens)) - y).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, rtol=1e-6)


def test_the_mean_of_nothing_is_zero():
    h = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    mask = jnp.array([[True, False, True], [False] * 3])

    def first(h):
        y = mean_of_tokens(h, mask)
        return y[:, 0].sum(), y

    grads, y = jax.grad(first, has_aux=True)(jnp.asarray(h))
    m = (h[0, 0] + h[0, 2]) / 2
    np.testing.assert_allclose(y[0], m / np.linalg.norm(m), rtol=1e-6)
    np.testing.assert_array_equal(y[1], 0)
    assert np.isfinite(grads).all() and not grads[1].any()


TOKENS = np.zeros((2, 5), np.int32)


@pytest.mark.parametrize(
    "x, fields, message",
    [
        ({"tokens": TOKENS}, {"output": "logits"}, "unknown output 'logits'"),
        ({"tokens": TOKENS}, {"longest": 4}, "at most 4 tokens, got 5"),
        ({"tokens": TOKENS[0]}, {}, "tokens must be integers"),
        ({"tokens": TOKENS + 11}, {}, "tokens must be from 0 to 10, got 11 to 11"),
        ({"tokens": TOKENS, "mask": TOKENS}, {}, r"mask must be bool \(2, 5\)"),
        ({"tokens": TOKENS, "types": TOKENS[:1]}, {}, r"types must be \(2, 5\)"),
        ({"tokens": TOKENS, "types": TOKENS + 2}, {}, "tokens must be from 0 to 1"),
    ],
)
def test_refuses(x, fields, message):
    with pytest.raises(ValueError, match=message):
        BERT(**{**bert.TINY, **fields}).init(jax.random.key(0), x)
