"""Several starts side by side come to what each comes to alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import race
from zoo.learner import Learner


class Count(NamedTuple):
    step: jax.Array
    left: jax.Array  # steps until it is done
    sums: jax.Array


def counter():
    """Adds its batch's x until it is done; a step after that would spoil it."""

    def step(state, batch):
        return Count(state.step + 1, state.left - 1, state.sums + batch["x"]), {}

    return Learner(None, step, done=lambda state: state.left == 0)


@pytest.mark.parametrize("count", [1, 3, 4, 21])
@pytest.mark.parametrize("steps", [6, 100])
def test_each_ends_where_it_would_alone(count, steps):
    left = np.random.default_rng(count).permutation(3 * np.arange(count) % 17)
    states = Count(jnp.zeros(count, int), jnp.array(left), jnp.zeros((count, 2)))
    batch = {"x": jnp.array([1.0, 2.0])}
    found = jax.jit(lambda states: race.run(counter(), states, batch, steps))(states)
    taken = np.minimum(left, steps)
    np.testing.assert_array_equal(found.step, taken)
    np.testing.assert_array_equal(found.left, left - taken)
    np.testing.assert_array_equal(found.sums, taken[:, None] * [[1, 2]])


def test_few_steps_are_as_wide_as_all(monkeypatch):
    """The widths of the loops: all, a half, a half of that, and so on to one."""
    widths = []
    loop = jax.lax.while_loop

    def spy(more, step, states):
        widths.append(states.step.shape)
        return loop(more, step, states)

    monkeypatch.setattr(jax.lax, "while_loop", spy)
    states = Count(jnp.zeros(64, int), jnp.arange(64), jnp.zeros((64, 2)))
    race.run(counter(), states, {"x": jnp.ones(2)}, 100)
    assert widths == [(64,), (32,), (16,), (8,), (4,), (2,), ()]
