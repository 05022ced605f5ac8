"""What the rosters of functions and of metrics share: cases and their promises.

A roster is a table, name -> case; a case says in `without` which promise it cannot
keep, and why. "function/what is particular" is one more case of a function.
"""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def written_in(module: ModuleType, kind: Callable = inspect.isroutine) -> set[str]:
    """Names of what a module or package shows and that is written there."""
    return {
        name
        for name, f in inspect.getmembers(module, kind)
        if getattr(f, "__module__", "").startswith(module.__name__)
    }


def functions(cases: Mapping[str, Any]) -> set[str]:
    """Names of the functions that a roster lists."""
    return {name.split("/")[0] for name in cases}


def kept(cases: Mapping[str, Any], promise: str) -> pytest.MarkDecorator:
    """A test of the promise, for each case that keeps it."""
    names = sorted(name for name, case in cases.items() if promise not in case.without)
    return pytest.mark.parametrize("name", names)


def assert_exemptions_have_reasons(cases: Mapping[str, Any], promises: tuple) -> None:
    for name, case in cases.items():
        assert set(case.without) <= set(promises), name
        assert all(len(reason) > 10 for reason in case.without.values()), name


def cast(tree: Any, dtype: Any = jnp.float32) -> Any:
    """Floats of NumPy in a dtype; integers as 32 bits; all else as it is."""

    def one(x):
        if not isinstance(x, np.ndarray):
            return x
        if np.issubdtype(x.dtype, np.floating):
            return jnp.asarray(x, dtype)
        return jnp.asarray(x, jnp.int32 if x.dtype.kind == "i" else None)

    return jax.tree.map(one, tree)


def assert_closer(low: Any, high: Any, rtol: float, atol: float, grid: int = 1) -> None:
    """A result in float32, and in float64: near it, and not computed in float32.

    Values that are whole, in units of 1 / grid, are exact in both types.
    """
    high = np.asarray(high)
    np.testing.assert_allclose(low, high, rtol=rtol, atol=atol)
    fractions = high[grid * high != np.round(grid * high)]
    assert not fractions.size or (np.float32(fractions) != fractions).any(), (
        "computed in float32 on the way"
    )
