"""Nets: the claim, at a reduced size. Staircases: the bound, exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.universal_approximation import (
    SEEDS,
    SLOPES,
    TARGETS,
    Config,
    bound,
    main,
    staircase,
)

WIDTHS = (2, 32)


def test_the_wider_the_smaller_the_error(tmp_path):
    """Of the widest less than half of the narrowest's, on 4 of 5 seeds at least."""
    numbers = main(Config(widths=WIDTHS, steps=600, points=65, run=str(tmp_path)))
    for name in TARGETS:
        few, many = (
            [numbers[f"{name}/{width}/{seed}"] for seed in SEEDS]
            for width in (WIDTHS[0], WIDTHS[-1])
        )
        print(name, few, many)
        assert sum(b < a / 2 for a, b in zip(few, many, strict=True)) >= 4
    for name in SLOPES:
        for width in WIDTHS:
            assert numbers[f"{name}/stairs/{width}"] <= numbers[f"{name}/bound/{width}"]
    assert (tmp_path / "report.html").read_text().count("<figure") == 1 + 3 + 1


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("steepness", [1.0, 20.0])
def test_no_staircase_is_off_by_more_than_its_bound(name, steepness):
    f, x = TARGETS[name], jnp.linspace(0, 1, 1001)
    slope = np.abs(np.diff(f(x)) * 1000).max()
    assert slope <= SLOPES[name] * 1.001  # to rounding
    for steps in (1, 3, 50):
        stairs = jax.jit(staircase, static_argnums=(0, 2))(f, x, steps, steepness)
        off = np.abs(stairs - f(x)).max()
        assert off <= bound(SLOPES[name], steps, steepness)


def test_a_staircase_of_a_line_is_known():
    """It is off by half a step where a stair begins, and by nothing in its middle."""
    with jax.enable_x64(True):
        line = lambda x: x
        x = jnp.array([1 / 8 - 1e-9, 1 / 8, 1 / 4, 3 / 8])
        stairs = staircase(line, x, 4, 1e11)
    np.testing.assert_allclose(stairs, [0, 1 / 8, 1 / 4, 3 / 8], atol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"widths": (8,)}, "widths must be two positive ones or more"),
        ({"widths": (0, 8)}, "widths must be two positive ones or more"),
        ({"steps": 0}, "steps must be at least 1 and points 2, got 0 and 129"),
        ({"steepness": 0.0}, "learning_rate and steepness must be positive"),
    ],
)
def test_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        main(Config(run=str(tmp_path / "run"), **options))
    assert not (tmp_path / "run").exists()
