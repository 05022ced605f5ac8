"""Gradients through time: what the tables say, and what is measured there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.vanishing_gradients import Config, main, measure, network
from zoo.functional import backprop


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cfg = Config(
        radii=(0.7, 1.3), forget_biases=(0.0, 5.0), units=24, images=8, run=str(folder)
    )
    return cfg, folder, main(cfg)


def test_the_factors_of_a_step(ran):
    cfg, folder, numbers = ran
    for radius in cfg.radii:
        of = {k: numbers[f"{k}/{radius}"] for k in ("relu", "tanh", "lstm 0", "lstm 5")}
        assert numbers[f"linear/{radius}"] == pytest.approx(radius, rel=1e-6)
        assert 0.6 * radius < of["relu"] < 0.85 * radius  # half of the units at work
        assert 0.4 * radius < of["tanh"] < 0.8 * radius
        assert 0.95 < of["lstm 5"] < 1.08
        assert 0.7 < of["lstm 0"] < 0.9
    # Bounds of the worst of ten networks; those of 24 units scatter more than of 64.
    assert abs(numbers["linear: s - log r"]) < 1e-6
    assert abs(numbers["relu: s - log r - log(share) / 2"]) < 0.15
    assert numbers["tanh: s - log r"] < -0.2
    assert abs(numbers["lstm 5: s"]) < 0.12
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 2


@pytest.mark.parametrize("kind", ["tanh", "lstm"])
def test_the_norm_at_the_start_is_that_of_the_whole_network(kind):
    """Step by step it is what the backward pass over all steps gives."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)), jnp.float32)
    norms, _ = jax.jit(lambda: measure(kind, x, 4, 1.2, 3.0, 7))()
    assert norms.shape == (6,) and abs(norms[-1]) < 1e-6
    end = jax.random.normal(jax.random.fold_in(jax.random.key(7), 1), (2, 4))
    end = end / jnp.linalg.norm(end, axis=1, keepdims=True)
    cell = network(kind, 1.2, 3.0, jax.random.fold_in(jax.random.key(7), 0), 3, 4)

    def last(*state):
        for t in range(x.shape[1]):
            state = cell(state, x[:, t])
        return (state[0] * end).sum()

    start = [jnp.zeros((2, 4))] * (1 if kind == "tanh" else 2)
    grads = jax.jit(jax.grad(last, tuple(range(len(start)))))(*start)
    expected = np.log(np.linalg.norm(np.concatenate(grads, axis=1), axis=1)).mean()
    np.testing.assert_allclose(norms[0], expected, rtol=1e-5)


def test_the_matrix_has_the_radius(monkeypatch):
    """Each gate's is orthogonal times the radius; the forget bias is the second's."""
    given = {}

    def spy(x, h, c, w_x, w_h, b):
        given.update(w_x=w_x, w_h=w_h, b=b)
        return h[:, None], c

    monkeypatch.setattr(backprop, "lstm", spy)
    cell = network("lstm", 0.8, 5.0, jax.random.key(0), 3, 4)
    cell((jnp.zeros((2, 4)), jnp.zeros((2, 4))), jnp.zeros((2, 3)))
    for w in np.split(given["w_h"], 4, axis=1):
        np.testing.assert_allclose(w @ w.T, 0.64 * np.eye(4), atol=1e-6)
        assert np.abs(np.linalg.eigvals(w)) == pytest.approx(0.8, rel=1e-5)
    np.testing.assert_array_equal(given["b"], [0] * 4 + [5] * 4 + [0] * 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radii": ()}, "radii must be positive"),
        ({"radii": (1.0, 0.0)}, "radii must be positive"),
        ({"forget_biases": ()}, "forget_biases must have"),
        ({"units": 0}, "units must be positive, got 0"),
        ({"seeds": 0}, "seeds must be positive, got 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        main(Config(**options))
