"""The deep belief network: its levels, what they unroll to, and what it dreams."""

import jax
import jax.numpy as jnp
import numpy as np

import optim
from zoo.functional import example_keys
from zoo.generative import autoencoder, dbn, objective, rbm

WIDTHS = (5, 4, 3)


def machines(seed=0, sizes=(6, *WIDTHS), scale=1.0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.float32(scale * rng.normal(size=shape))
    pairs = zip(sizes, sizes[1:], strict=False)
    return tuple(rbm.RBM(draw(d, h), draw(d), draw(h)) for d, h in pairs)


def test_unrolled_it_is_the_way_up_and_down():
    stack = machines()
    x = np.float32(np.random.default_rng(1).uniform(size=(7, 2, 3)))
    model = autoencoder.Autoencoder((2, 3), WIDTHS)
    params = dbn.unrolled(stack)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda s: s.shape, shapes)
    net = objective.bound(model, params)
    code, y = jax.jit(lambda x: (net.encode(x), net.decode(net.encode(x))))(x)
    h = x.reshape(7, 6)
    for p in stack:
        h = 1 / (1 + np.exp(-(h @ np.asarray(p.W) + np.asarray(p.c))))
    np.testing.assert_allclose(code, h, rtol=1e-5)
    np.testing.assert_allclose(dbn.up(stack, x), h, rtol=1e-5)
    for p in stack[::-1]:
        h = 1 / (1 + np.exp(-(h @ np.asarray(p.W).T + np.asarray(p.b))))
    mean = objective.mean(y, "bernoulli").reshape(7, 6)
    np.testing.assert_allclose(mean, h, rtol=1e-5)


def test_levels_learn_on_what_those_below_give_and_carry_on():
    x = np.float32(np.random.default_rng(1).uniform(size=(8, 6)))
    batch = {"x": x, "index": np.arange(8)}
    tx, key = optim.sgd(0.1), jax.random.key(0)
    first = dbn.level(WIDTHS, 0, tx)
    state, _ = jax.jit(first.step)(jax.jit(first.init)(key, batch), batch)
    second = dbn.level(WIDTHS, 1, tx)
    fresh = jax.jit(second.init)(key, batch)
    state = dbn.carry(state, fresh)
    jax.tree.map(np.testing.assert_array_equal, state.below, dbn.layers(state)[:1])
    new, _ = jax.jit(second.step)(state, batch)
    inner = rbm.learner(WIDTHS[1], tx)
    codes = {**batch, "x": dbn.up(state.below, x)}
    expected, _ = jax.jit(inner.step)(state.top, codes)
    for got, wanted in zip(new.top.params, expected.params, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)
    jax.tree.map(np.testing.assert_array_equal, new.below, state.below)
    # The unrolled network begins with these machines.
    model = autoencoder.Autoencoder((6,), WIDTHS[:2])
    whole = objective.learner(model, objective.reconstruction("bernoulli"), tx)
    tuned = dbn.tuning(tx)(new, jax.jit(whole.init)(key, batch))
    np.testing.assert_array_equal(
        tuned.params["decoder_0"]["kernel"], new.top.params.W.T
    )
    np.testing.assert_array_equal(tuned.params["encoder_0"]["kernel"], state.below[0].W)


def test_dreams_have_the_right_means():
    """Of three machines: sums over all states of the top one and of the layer below."""
    stack, n = machines(sizes=(3, 3, 3, 2)), 20_000
    keys = example_keys(jax.random.key(0), np.arange(n))
    found = np.asarray(jax.jit(lambda keys: dbn.generate(stack, keys, 40))(keys))
    states = 1.0 * ((np.arange(8)[:, None] >> np.arange(3)) & 1)
    low, middle, top = (rbm.RBM(*map(np.float64, p)) for p in stack)
    down = lambda p, h: 1 / (1 + np.exp(-(h @ p.W.T + p.b)))
    log_p = states @ top.b + np.logaddexp(0, states @ top.W + top.c).sum(1)
    p = np.exp(log_p) / np.exp(log_p).sum()  # of the layer that the top one sees
    bits = down(middle, states)[:, None]  # [8, 1, 3], given each state of that layer
    given = np.where(states[None] == 1, bits, 1 - bits).prod(2)  # [8, 8]
    np.testing.assert_allclose(found.mean(0), p @ given @ down(low, states), atol=0.01)
    assert found.std(0).min() > 0.01
