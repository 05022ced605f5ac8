"""Objectives of autoencoders: each is its formula, and what it does to the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from zoo.classical import pca
from zoo.functional import example_keys
from zoo.generative import (
    autoencoder,
    contractive,
    denoising,
    objective,
    sparse_autoencoder,
)

B, D = 7, 6
KEYS = example_keys(jax.random.key(3), np.arange(B))


def net(widths=(4,), activation="sigmoid", seed=0, **fields):
    """A network at random parameters, none of them 0, in float64."""
    model = autoencoder.Autoencoder((D,), widths, activation, **fields)
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, D)))
    params = jax.tree.map(lambda s: rng.normal(size=s.shape), shapes["params"])
    return objective.bound(model, params)


def examples(seed=1):
    return np.random.default_rng(seed).uniform(size=(B, D))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("tied", [False, True])
def test_network_is_its_formula(tied):
    x = examples()
    with jax.enable_x64(True):
        own = net((5, 3), "tanh", code="identity", tied=tied)
        y, p = np.asarray(own.decode(own.encode(x))), own.params
    layer = lambda x, at: x @ p[at]["kernel"] + p[at]["bias"]
    code = layer(np.tanh(layer(x, "encoder_0")), "encoder_1")
    if tied:
        back = np.tanh(code @ p["encoder_1"]["kernel"].T + p["decoder_bias_0"])
        expected = back @ p["encoder_0"]["kernel"].T + p["decoder_bias_1"]
    else:
        expected = layer(np.tanh(layer(code, "decoder_0")), "decoder_1")
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_errors_are_their_formulas():
    x, y = examples(), examples(2) - 0.5
    p = sigmoid(y)
    with jax.enable_x64(True):
        squared = objective.error(x, y)
        nats = objective.error(x, y, "bernoulli")
        np.testing.assert_allclose(objective.mean(y, "bernoulli"), p)
    np.testing.assert_allclose(squared, ((x - y) ** 2).sum(1) / 2)
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    np.testing.assert_allclose(nats, expected)


def test_a_linear_one_finds_the_principal_plane():
    """Baldi and Hornik: the same plane, to the angle; not the same axes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, D)) @ np.diag([3, 2.5, 2, 0.5, 0.3, 0.2])
    x = x @ np.linalg.qr(rng.normal(size=(D, D)))[0]
    model = autoencoder.Autoencoder((D,), (3,), "identity")
    with jax.enable_x64(True):
        batch = {"x": jnp.array(x - x.mean(0)), "index": jnp.arange(64)}
        fit = objective.learner(model, objective.reconstruction(), optim.momentum(0.01))

        @jax.jit
        def run(key):
            body = lambda _, state: fit.step(state, batch)[0]
            state = jax.lax.fori_loop(0, 4000, body, fit.init(key, batch))
            return state.params, fit.evaluate(state, batch)["error"]

        params, error = run(jax.random.key(0))
        plane = pca.fit(batch["x"], 3)
        least = pca.reconstruction_error(plane, batch["x"]).sum() / 2
    axes = np.linalg.qr(np.asarray(params["decoder_0"]["kernel"]).T)[0]  # [D, K]
    cosines = np.linalg.svd(np.asarray(plane.components) @ axes)[1]
    assert cosines.min() > 1 - 1e-6
    np.testing.assert_allclose(error[0], least, rtol=1e-5)
    rotation = np.abs(np.asarray(plane.components) @ axes)
    assert np.abs(rotation - np.eye(3)).max() > 0.1


def test_l1_is_its_formula():
    x, w = examples(), 0.3
    with jax.enable_x64(True):
        own = net(activation="tanh")
        value = sparse_autoencoder.l1(w)(own, x, KEYS)
        h = np.asarray(own.encode(x))
    assert (h < 0).any()
    np.testing.assert_allclose(value.penalty, w * np.abs(h).sum(1))


def test_kl_is_its_formula_and_so_is_its_gradient():
    """By examples, though it is a function of their mean."""
    x, w, rho = examples(), 0.7, 0.2
    with jax.enable_x64(True):
        own, aim = net(), sparse_autoencoder.kl(w, rho)

        def by_examples(params):
            bound = objective.bound(own.model, params)
            return aim(bound, x, KEYS).penalty.mean()

        def whole(params):
            r = objective.bound(own.model, params).encode(x).mean(0)
            there = rho * jnp.log(rho / r)
            return w * (there + (1 - rho) * jnp.log((1 - rho) / (1 - r))).sum()

        found, expected = (
            jax.jit(jax.value_and_grad(f))(own.params) for f in (by_examples, whole)
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14),
        found,
        expected,
    )
    assert sparse_autoencoder.divergence(0.2, jnp.float32(0.2)) == 0


def test_hoyer_at_its_ends():
    h = jnp.array([[1.0, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0], [3, -4, 0, 0]])
    found = sparse_autoencoder.hoyer(h)
    np.testing.assert_allclose(found, [1, 0, 0, 2 - 7 / 5], atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "identity"])
def test_closed_form_is_the_jacobian(activation):
    x = examples()
    with jax.enable_x64(True):
        own = net(activation=activation)
        one = lambda x: own.encode(x[None])[0]
        jacobians = jax.jit(jax.vmap(jax.jacfwd(one)))(x)  # [B, K, D]
        found = contractive.closed(own, x)
        value = contractive.contractive(0.3)(own, x, KEYS)
    expected = (np.asarray(jacobians) ** 2).sum((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(value.penalty, 0.3 * expected, rtol=1e-12)


def test_hutchinson_is_right_in_expectation():
    """Over all signs exactly: of three units there are eight."""
    x = examples()
    with jax.enable_x64(True):
        own = net((5, 3), "tanh")
        one = lambda x: own.encode(x[None])[0]
        jacobians = np.asarray(jax.jit(jax.vmap(jax.jacfwd(one)))(x))
        few = jax.jit(lambda keys: contractive.hutchinson(own, x, keys, 4))(KEYS)
        many = jax.jit(lambda keys: contractive.hutchinson(own, x, keys, 4000))(KEYS)
        few, many = np.asarray(few), np.asarray(many)
    expected = (jacobians**2).sum((1, 2))
    every = 1 - 2.0 * (np.arange(8)[:, None] >> np.arange(3) & 1)  # [8, K]
    each = (np.einsum("sk,bkd->bsd", every, jacobians) ** 2).sum(2)
    np.testing.assert_allclose(each.mean(1), expected)
    spread = each.std(1) / np.sqrt(4000)
    assert (np.abs(many - expected) < 4 * spread).all()
    # A draw is one of the eight: the mean of four lies between the extremes.
    assert (few <= each.max(1) + 1e-9).all() and (few >= each.min(1) - 1e-9).all()


def test_damage_belongs_to_the_example():
    x = np.float32(examples() + 1)
    damage = jax.jit(jax.vmap(denoising.masking(0.5)))
    damaged = np.asarray(damage(KEYS, x))
    assert ((damaged == 0).sum(1) == D // 2).all()
    assert ((damaged == x) | (damaged == 0)).all()
    assert len({tuple(row) for row in damaged == 0}) > 3
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    np.testing.assert_array_equal(damage(KEYS[order], x[order]), damaged[order])
    np.testing.assert_array_equal(denoising.masking(0.0)(KEYS[0], x[0]), x[0])
    wide = denoising.gaussian(0.5)(KEYS[0], jnp.ones(100_000))
    np.testing.assert_allclose([wide.mean(), wide.std()], [1, 0.5], atol=0.01)


def test_denoising_compares_with_the_whole_example():
    x, shift = examples(), 0.25
    with jax.enable_x64(True):
        own = net()
        aim = denoising.denoising(lambda key, x: x + shift, "bernoulli")
        found = aim(own, x, KEYS).error
        expected = objective.error(x, own.decode(own.encode(x + shift)), "bernoulli")
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        clean = denoising.denoising(denoising.gaussian(0.0))(own, x, KEYS)
        plain = objective.reconstruction()(own, x, KEYS)
    np.testing.assert_allclose(clean.error, plain.error, rtol=1e-12)
    assert not clean.penalty.any()


def test_metrics_weights_and_the_options_of_supervised():
    model = autoencoder.Autoencoder((D,), (3,))
    x = np.float32(examples())
    batch = {"x": x, "index": np.arange(B), "weight": np.float32([1, 1, 0, 2, 1, 1, 1])}
    fit = objective.learner(
        model, sparse_autoencoder.l1(0.1), optim.sgd(0.1), ema=0.9, accumulate=7
    )
    state = jax.jit(fit.init)(jax.random.key(0), batch)
    found = jax.device_get(jax.jit(fit.evaluate)(state, batch))
    own = objective.bound(model, state.params)
    error = np.asarray(objective.error(x, own.decode(own.encode(x))))
    penalty = 0.1 * np.asarray(own.encode(x)).sum(1)
    w = batch["weight"]
    np.testing.assert_allclose(found["error"], ((w * error).sum(), 7), rtol=1e-5)
    np.testing.assert_allclose(found["penalty"], ((w * penalty).sum(), 7), rtol=1e-5)
    np.testing.assert_allclose(found["loss"][0], (w * (error + penalty)).sum(), 1e-5)
    new, metrics = jax.jit(fit.step)(state, batch)
    np.testing.assert_allclose(metrics["loss"][0], found["loss"][0], rtol=1e-5)
    assert new.ema is not None


def test_convolutions_keep_odd_shapes():
    model = zoo.create("conv_autoencoder", shape=(9, 6, 2), maps=(3, 4, 5), code=2)
    x = np.float32(np.random.default_rng(0).normal(size=(2, 9, 6, 2)))
    both = lambda model, x: (model(x), model.encode(x))
    make = lambda key: model.init_with_output(key, x, method=both)[0]
    y, code = jax.eval_shape(make, jax.random.key(0))
    assert (y.shape, code.shape) == (x.shape, (2, 2))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: objective.reconstruction("gauss"), "unknown likelihood 'gauss'; did"),
        (lambda: sparse_autoencoder.l1(-1), "weight must be >= 0, got -1"),
        (lambda: sparse_autoencoder.kl(1, 1.0), r"rho must be in \(0, 1\), got 1.0"),
        (lambda: sparse_autoencoder.hoyer(jnp.ones(3)), r"h must be \[B, K\] with"),
        (lambda: denoising.masking(0.6), "share must be from 0 to 0.5, got 0.6"),
        (lambda: denoising.gaussian(-0.1), "deviation must be >= 0, got -0.1"),
        (lambda: contractive.contractive(1, "exact"), "unknown method 'exact'"),
        (lambda: contractive.contractive(1, probes=0), "probes must be a positive"),
        (lambda: contractive.contractive(-1.0), "weight must be >= 0, got -1.0"),
        (lambda: contractive.closed(net((3, 2)), 0), "method must be 'hutchinson'"),
        (lambda: net((0,)), "widths must hold a positive one"),
        (lambda: net(activation="sigmod"), "unknown activation 'sigmod'; did you"),
        (lambda: net().encode(np.ones((2, 5))), r"x must be \[B, \*\(6,\)\], got"),
        (lambda: objective.error(jnp.ones((2, 3)), jnp.ones((2, 4))), "y must be"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
