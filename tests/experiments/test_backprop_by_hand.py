"""A network trained by hand-derived gradients: the same as by autodiff."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.backprop_by_hand import (
    Config,
    backward,
    by_autodiff,
    by_hand,
    forward,
    init,
    main,
    train,
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cfg = Config(steps=10, epochs=2, run=str(folder))
    return folder, main(cfg)


def test_it_is_autodiff_and_learns(ran):
    folder, numbers = ran
    assert numbers["difference/float64"] < 1e-14
    assert 0 < numbers["difference/float32"] < 1e-6
    assert numbers["loss"] < 3.0  # 3.25 is that of always saying 1/10
    assert 0.4 < numbers["accuracy"] < 0.7  # after ten epochs it is higher
    for figure in ("difference", "loss", "kernels"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 2_000


def test_no_autodiff_takes_part(monkeypatch):
    """With every entrance to it shut, a step by hand still goes; the other does not."""

    def shut(*args, **kwargs):
        raise AssertionError("autodiff")

    names = ("grad", "value_and_grad", "vjp", "jvp", "linearize", "jacrev", "jacfwd")
    for name in names:
        monkeypatch.setattr(jax, name, shut)

    class Stream:
        def at(step):
            x = np.random.default_rng(step).normal(size=(2, 28, 28, 1))
            return {"x": x.astype(np.float32), "y": np.array([3, 5])}

    start = init(jax.random.key(0))
    losses = [loss for loss, _ in train(by_hand, start, Stream, 3, 0.3)]
    assert losses[2] < losses[0]
    with pytest.raises(AssertionError, match="autodiff"):
        next(train(by_autodiff, start, Stream, 3, 0.3))


def test_colour_images_and_random_biases():
    """Every parameter random, three channels: each gradient is autodiff's."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda p: jnp.asarray(0.3 * rng.normal(size=p.shape)),
            init(jax.random.key(0), channels=3),
        )
        x, y = rng.normal(size=(2, 28, 28, 3)), rng.uniform(size=(2, 10))
        (loss, grads), (expected, theirs) = (
            jax.jit(f)(params, x, y) for f in (by_hand, by_autodiff)
        )
        t = jax.eval_shape(forward, params, x)
    shapes = [a.shape[1:] for a in t[1:5]]
    assert shapes == [(24, 24, 6), (12, 12, 6), (8, 8, 12), (192,)]
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    for name, grad in grads._asdict().items():
        other = getattr(theirs, name)
        assert np.abs(other).max() > 1e-4, name
        np.testing.assert_allclose(grad, other, rtol=1e-10, atol=1e-14, err_msg=name)


def test_a_wrong_gradient_is_noticed(monkeypatch, tmp_path):
    import experiments.backprop_by_hand as module

    def wrong(p, t, y):
        grads = backward(p, t, y)
        return grads._replace(b1=1.001 * grads.b1)

    monkeypatch.setattr(module, "backward", wrong)
    with pytest.raises(FloatingPointError, match="by hand and by autodiff part by"):
        main(Config(steps=2, epochs=1, run=str(tmp_path)))


def test_refuses():
    for name in ("steps", "epochs", "batch_size", "learning_rate"):
        cfg = dataclasses.replace(Config(), **{name: 0})
        with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
            main(cfg)
