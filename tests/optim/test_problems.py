"""Problems have the minima they claim, and their docstring's formulas."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import optim.problems as problems

PROBLEMS = [p for p in vars(problems).values() if isinstance(p, optim.Problem)]
every = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)


def test_all_are_exported_under_their_names():
    assert len(PROBLEMS) == 3
    for problem in PROBLEMS:
        assert getattr(optim, problem.name) is problem


@every
def test_minimum(problem):
    with jax.enable_x64(True):
        at = jnp.asarray(problem.minimum)
        np.testing.assert_allclose(problem(at), 0, atol=1e-12)
        np.testing.assert_allclose(jax.grad(problem)(at), 0, atol=1e-12)
        assert jnp.all(jnp.linalg.eigvalsh(jax.hessian(problem)(at)) > 0)
        (left, right), (bottom, top) = problem.bounds
        grid = jnp.meshgrid(
            jnp.linspace(left, right, 401), jnp.linspace(bottom, top, 401)
        )
        assert jnp.all(problem(jnp.stack(grid, axis=-1)) >= 0)


@every
def test_start_and_minimum_are_in_the_picture(problem):
    for point in (problem.start, problem.minimum):
        for value, (low, high) in zip(point, problem.bounds, strict=True):
            assert low < value < high
    assert problem(jnp.asarray(problem.start)) > problem(jnp.asarray(problem.minimum))


@every
def test_formula_of_the_docstring(problem):
    pattern = rf"^    {problem.name}\(x, y\) = (.*)$"
    (formula,) = re.findall(pattern, problems.__doc__, re.MULTILINE)
    points = np.random.default_rng(0).uniform(-3, 3, (5, 7, 2))
    scope = dict(x=points[..., 0], y=points[..., 1], cos=np.cos, pi=np.pi)
    with jax.enable_x64(True):
        got = problem(points)
    np.testing.assert_allclose(got, eval(formula, scope), rtol=1e-12)


def test_known_values():
    with jax.enable_x64(True):
        assert optim.rosenbrock(jnp.asarray(optim.rosenbrock.start)) == 162.5
        np.testing.assert_allclose(optim.rastrigin(jnp.asarray([1.0, 2.0])), 5.0)
        np.testing.assert_allclose(optim.beale(jnp.zeros(2)), 14.203125)
