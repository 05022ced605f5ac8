"""What every function of arrays promises, each listed once with an example.

- jit: compiled, it gives what it gives as written, and it is traced once;
- vmap: mapped over two examples, it gives both;
- dtypes: float32 in, float32 out; float64 in, float64 out, and closer; without an
  implicit promotion on the way;
- gradients: finite everywhere and not all zero, in each argument of floats.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F

PROMISES = ("jit", "vmap", "dtypes", "gradients")


class Case(NamedTuple):
    """A function, and an example of its arguments."""

    f: Callable  # of arrays, and of nothing else
    args: Callable[[np.random.Generator], tuple]  # floats as float64
    without: dict[str, str] = {}  # promise: the reason why it cannot be kept


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.normal(size=shape)


def draw(*parts: Any) -> Callable[[np.random.Generator], tuple]:
    """Arguments of a case: each is drawn if it can be, else taken as it is."""
    return lambda rng: tuple(p(rng) if callable(p) else p for p in parts)


def labels(size: int, classes: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, classes, size)


# "function" or "function/what is particular", by module.
CASES = {
    # activations; those of jax.nn are not ours
    "hard_sigmoid": Case(F.hard_sigmoid, draw(normal(4, 3))),
    "maxout": Case(lambda x: F.maxout(x, 3), draw(normal(4, 6))),
    "prelu": Case(F.prelu, draw(normal(4, 3), normal(3))),
    "prelu/one slope": Case(F.prelu, draw(normal(4, 3), normal())),
    "sign": Case(
        F.sign,
        draw(normal(4, 3)),
        {"dtypes": "values are 1 and -1, exact in every type"},
    ),
    # convolution
    "conv_by_blocks": Case(
        lambda x, k: F.conv_by_blocks(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        draw(normal(2, 5, 6, 3), normal(3, 2, 3, 4)),
    ),
    # dropout
    "example_keys": Case(
        lambda index: jax.random.key_data(F.example_keys(jax.random.key(0), index)),
        draw(labels(5, 100)),
        {"dtypes": "keys are integers", "gradients": "keys are integers"},
    ),
    # initializers; those of jax.nn are not ours
    "fans": Case(
        lambda kernel: F.fans(kernel.shape),
        draw(normal(3, 2, 5, 4)),
        {
            "vmap": "reads a shape alone",
            "dtypes": "counts are integers",
            "gradients": "counts are integers",
        },
    ),
    # losses
    "cross_entropy": Case(
        lambda z, y, w: F.cross_entropy(z, {"y": y, "weight": w}, 0.1),
        draw(normal(5, 3), labels(5, 3), lambda rng: rng.uniform(size=5)),
    ),
    "weighted": Case(
        lambda x, w: F.weighted(x, {"weight": w}),
        draw(normal(5), lambda rng: rng.uniform(size=5)),
    ),
    # normalization
    "batch_norm": Case(
        lambda *args: F.batch_norm(*args, train=True),
        draw(normal(2, 4, 3, 5), *4 * [lambda rng: rng.uniform(1, 2, 5)]),
    ),
    "batch_norm/in use": Case(
        lambda *args: F.batch_norm(*args, train=False),
        draw(normal(2, 4, 3, 5), *4 * [lambda rng: rng.uniform(1, 2, 5)]),
    ),
    "group_norm": Case(
        lambda *args: F.group_norm(*args, 2),
        draw(normal(2, 4, 3, 6), normal(6), normal(6)),
    ),
    "instance_norm": Case(
        F.instance_norm, draw(normal(2, 4, 3, 5), normal(5), normal(5))
    ),
    "layer_norm": Case(F.layer_norm, draw(normal(4, 5), normal(5), normal(5))),
    "local_contrast_norm": Case(
        lambda x: F.local_contrast_norm(x, window=3), draw(normal(2, 5, 4, 3))
    ),
    "local_response_norm": Case(F.local_response_norm, draw(normal(2, 4, 3, 6))),
    # pooling
    "max_pool": Case(F.max_pool, draw(normal(2, 4, 6, 3))),
    "max_pool/rest": Case(F.max_pool, draw(normal(2, 5, 6, 3))),
    "mean_pool": Case(F.mean_pool, draw(normal(2, 4, 6, 3))),
    # rows
    "put_rows": Case(
        F.put_rows,
        draw(normal(6, 2), lambda rng: rng.permutation(6)[:3], normal(3, 2)),
    ),
    "take_rows": Case(F.take_rows, draw(normal(6, 2), labels(3, 6))),
}


def ours() -> set[str]:
    """Functions that `zoo.functional` shows and that are written there."""
    return {
        name
        for name, f in inspect.getmembers(F, inspect.isroutine)
        if getattr(f, "__module__", "").startswith("zoo.functional")
    }


def cast(args: tuple, dtype: Any) -> tuple:
    """Floats in a dtype; integers as 32 bits."""

    def one(x):
        if not isinstance(x, np.ndarray):
            return x
        if np.issubdtype(x.dtype, np.floating):
            return jnp.asarray(x, dtype)
        return jnp.asarray(x, jnp.int32 if x.dtype.kind == "i" else None)

    return jax.tree.map(one, args)


def floats(tree: Any) -> list[jax.Array]:
    return [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]


def kept(promise: str) -> pytest.MarkDecorator:
    assert promise in PROMISES
    names = sorted(name for name, case in CASES.items() if promise not in case.without)
    return pytest.mark.parametrize("name", names)


def test_every_function_is_listed():
    assert ours() == {name.split("/")[0] for name in CASES}


def test_exemptions_have_reasons():
    for name, case in CASES.items():
        assert set(case.without) <= set(PROMISES), name
        assert all(len(reason) > 10 for reason in case.without.values()), name


@kept("jit")
def test_compiled_it_is_the_same_and_traced_once(name):
    case, traces = CASES[name], []

    def f(*args):
        traces.append(1)  # Python runs this line only when jax traces
        return case.f(*args)

    compiled = jax.jit(f)
    for seed in (0, 1):
        args = cast(case.args(np.random.default_rng(seed)), jnp.float32)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5),
            compiled(*args),
            case.f(*args),
        )
    assert len(traces) == 1


@kept("vmap")
def test_mapped_it_gives_both(name):
    case = CASES[name]
    both = [
        cast(case.args(np.random.default_rng(seed)), jnp.float32) for seed in (0, 1)
    ]
    one_by_one = [jax.jit(case.f)(*args) for args in both]
    stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    mapped = jax.jit(jax.vmap(case.f))(*stack(both))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5),
        mapped,
        stack(one_by_one),
    )


@kept("dtypes")
def test_dtypes_are_kept(name):
    case, results = CASES[name], {}
    args = case.args(np.random.default_rng(0))
    for dtype in (jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64), jax.numpy_dtype_promotion("strict"):
            results[dtype] = floats(jax.jit(case.f)(*cast(args, dtype)))
        assert results[dtype], "no output of floats"
        for y in results[dtype]:
            assert y.dtype == dtype
    for low, high in zip(*results.values(), strict=True):
        high = np.asarray(high)
        np.testing.assert_allclose(low, high, rtol=2e-3, atol=2e-4)
        fractions = high[high != np.round(high)]
        assert not fractions.size or (np.float32(fractions) != fractions).any(), (
            "computed in float32 on the way"
        )


@kept("gradients")
def test_gradients_are_finite_and_not_all_zero(name):
    case = CASES[name]
    args = cast(case.args(np.random.default_rng(0)), jnp.float32)
    which = [
        i
        for i, arg in enumerate(args)
        if floats(jax.tree.map(jnp.asarray, arg)) and not isinstance(arg, float)
    ]
    assert which, "no argument of floats"

    def total(*args):
        return sum(jnp.sin(1 + jnp.arange(y.size, dtype=y.dtype)) @ y.ravel()
                   for y in floats(case.f(*args)))  # fmt: skip

    grads = jax.jit(jax.grad(total, argnums=tuple(which)))(*args)
    for i, grad in zip(which, grads, strict=True):
        leaves = [np.asarray(g) for g in jax.tree.leaves(grad)]
        assert all(np.isfinite(g).all() for g in leaves), f"argument {i}"
        assert any(g.any() for g in leaves), f"argument {i}"
