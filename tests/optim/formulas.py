"""Runs the formulas that stand in docstrings, so that text and code cannot part."""

import ast
import importlib
import inspect
import re
import textwrap

import jax
import numpy as np

from optim.table import OPTIMIZERS


def formulas(name):
    """The formulas in the docstring of the optimizer's file: its indented blocks."""
    return blocks(importlib.import_module(OPTIMIZERS[name].__module__).__doc__)


def blocks(text):
    """The indented blocks of a docstring, before its references."""
    text = text.split("References:")[0]
    found = re.findall(r"(?:^    \S.*\n)+", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def told(f, params):
    """The extra arguments that a learner hands an optimizer, of the objective f."""

    def value_fn(params, grad_fn=None):
        del grad_fn
        return f(params)

    value, grad = jax.value_and_grad(value_fn)(params)
    return dict(value=value, grad=grad, value_fn=value_fn, grad_fn=jax.grad(value_fn))


def follow(formula, name, steps=10, start=(-1.0, 3.0, 0.5), dialect="paper"):
    """Steps down (theta - 1)^2 as the docstring says, its lines run as Python.

    The formula begins a step with `theta`, `g` (the gradient there) and `t` (from 1).
    It may use `f`, the function, `grad`, its gradient as a function of the point,
    `jvp(grad, theta, u)`, the derivative of that along u, and NumPy's functions by
    their names, `norm` among them.
    Every other name begins at zero.
    A keyword that is None has the number that the file's NUMBERS say for the dialect.
    """
    keywords = inspect.signature(OPTIMIZERS[name]).parameters
    scope = {k: p.default for k, p in keywords.items()}
    module = importlib.import_module(OPTIMIZERS[name].__module__)
    own = dict(getattr(module, "NUMBERS", {})).get(dialect, {})
    scope |= {k: own[k] for k, value in scope.items() if value is None and k in own}
    names = {node.id for node in ast.walk(ast.parse(formula)) if hasattr(node, "id")}
    scope |= dict.fromkeys(names - scope.keys(), 0.0)  # m, v, ... begin at zero
    scope |= {name: getattr(np, name) for name in names if hasattr(np, name)}
    scope |= {rate: 0.1 for rate in ("eta", "alpha") if rate not in keywords}
    scope |= dict(norm=np.linalg.norm, theta=np.array(start))
    scope |= dict(f=lambda theta: ((theta - 1) ** 2).sum())
    scope |= dict(grad=lambda theta: 2 * (theta - 1))
    scope |= dict(jvp=lambda f, x, u: np.imag(f(x + 1e-200j * u)) / 1e-200)
    lines = compile(formula, name, "exec")
    for t in range(1, steps + 1):
        scope |= dict(t=t, g=scope["grad"](scope["theta"]))
        exec(lines, scope)
    return scope["theta"]
