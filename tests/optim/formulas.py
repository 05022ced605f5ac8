"""Runs the formulas that stand in docstrings, so that text and code cannot part."""

import ast
import importlib
import inspect
import re
import textwrap

import numpy as np

from optim.table import OPTIMIZERS


def formulas(name):
    """The formulas in the docstring of the optimizer's file: its indented blocks."""
    text = importlib.import_module(OPTIMIZERS[name].__module__).__doc__
    text = text.split("References:")[0]
    blocks = re.findall(r"(?:^    \S.*\n)+", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


def follow(formula, name, steps=10):
    """Ten steps as the docstring says, its lines run as Python."""
    keywords = inspect.signature(OPTIMIZERS[name]).parameters
    scope = {k: p.default for k, p in keywords.items()}
    names = {node.id for node in ast.walk(ast.parse(formula)) if hasattr(node, "id")}
    scope |= dict.fromkeys(names - scope.keys(), 0.0)  # m, v, ... begin at zero
    scope |= dict(eta=0.1, alpha=0.1, sqrt=np.sqrt, theta=np.array([-1.0, 3.0, 0.5]))
    lines = compile(formula, name, "exec")
    for t in range(1, steps + 1):
        scope |= dict(t=t, g=2 * (scope["theta"] - 1))
        exec(lines, scope)
    return scope["theta"]
