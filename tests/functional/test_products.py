"""Products of rows with a matrix, against NumPy and XLA's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=s) for s in ((3, 4, 5, 6), (6, 7), (3, 4, 5, 7)))


def test_values_and_gradients_are_numpys(data):
    x, w, dy = (jnp.asarray(a, jnp.float32) for a in data)
    y, pull = jax.vjp(F.product, x, w)
    dx, dw = pull(dy)
    for found, sums, given in (
        (y, "bijc,co->bijo", (x, w)),
        (dx, "bijo,co->bijc", (dy, w)),
        (dw, "bijc,bijo->co", (x, dy)),
    ):
        np.testing.assert_allclose(found, np.einsum(sums, *given), rtol=1e-5, atol=1e-6)
    # Forwards, too, and of a vector and of a matrix.
    _, tangent = jax.jvp(F.product, (x, w), (2 * x, 3 * w))
    np.testing.assert_allclose(tangent, 5 * y, rtol=1e-5, atol=1e-6)
    for rows in (x[0, 0, 0], x[0, 0]):
        np.testing.assert_allclose(F.product(rows, w), rows @ w, rtol=1e-5, atol=1e-6)


def test_the_gradient_transposes_nothing(data):
    x, w, dy = (jnp.asarray(a, jnp.float32) for a in data)
    of = lambda f: jax.jit(jax.grad(lambda w, x, dy: (f(x, w) * dy).sum()))
    text = of(F.product).lower(w, x, dy).compile().as_text()
    assert " dot(" in text
    assert not any(f" {moved}(" in text for moved in ("transpose", "copy"))


@pytest.mark.parametrize(
    "shapes, axes",
    [
        (((2, 3, 4), (2, 4, 5)), (((2,), (1,)), ((0,), (0,)))),
        (((2, 3, 4), (3, 4)), (((1, 2), (0, 1)), ((), ()))),
        (((2, 3, 4), (5, 3)), (((1,), (1,)), ((), ()))),
        (((2, 3, 4), (4, 5)), ([[2], [0]], ([], []))),
    ],
)
def test_contractions_of_all_kinds_are_xlas(shapes, axes):
    rng = np.random.default_rng(1)
    x, w = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)
    np.testing.assert_allclose(
        F.contract(x, w, axes), jax.lax.dot_general(x, w, axes), rtol=1e-6
    )


def test_types_are_those_that_are_asked_for(data):
    x, w = (jnp.asarray(a, jnp.bfloat16) for a in data[:2])
    assert F.product(x, w).dtype == jnp.bfloat16
    last = (((3,), (0,)), ((), ()))
    wide = F.contract(x, w, last, preferred_element_type=jnp.float32)
    assert wide.dtype == jnp.float32


def test_dense_has_the_parameters_of_linen(data):
    x = jnp.asarray(data[0], jnp.float32)
    ours, theirs = (module(7) for module in (F.Dense, nn.Dense))
    variables = ours.init(jax.random.key(0), x)
    np.testing.assert_allclose(
        ours.apply(variables, x), theirs.apply(variables, x), rtol=1e-6
    )


def test_scores_of_an_embedding_are_linens(data):
    embed, x = nn.Embed(7, 6), jnp.asarray(data[0], jnp.float32)
    variables = embed.init(jax.random.key(0), x, method="attend")
    bound = embed.bind(variables)
    np.testing.assert_allclose(F.attend(bound, x), bound.attend(x), rtol=1e-5)


@pytest.mark.parametrize("shapes", [((3, 4), (5, 6)), ((3, 4), (4,)), ((), (4, 5))])
def test_shapes_that_do_not_fit(shapes):
    x, w = map(jnp.zeros, shapes)
    with pytest.raises(ValueError, match=r"x must be \[..., C\] and w \[C, O\], got"):
        F.product(x, w)
