"""Losses of two players: transcriptions, and what theory says of the best one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from zoo.generative import gan_losses as L

RNG = np.random.default_rng(0)
A, B = RNG.normal(0, 3, 7), RNG.normal(0, 3, 7)
LOGITS = RNG.normal(size=(2, 6))
P, Q = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)  # two laws on six points
JSD = 0.5 * (P * np.log(2 * P / (P + Q)) + Q * np.log(2 * Q / (P + Q))).sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


LOG = -np.log(sigmoid(A)) - np.log(1 - sigmoid(B))
FORMULAS = {  # discriminator and generator, at A and B, and k = 0.3
    "minimax": (LOG, np.log(1 - sigmoid(B))),
    "non_saturating": (LOG, -np.log(sigmoid(B))),
    "least_squares": (((A - 1) ** 2 + B**2) / 2, (B - 1) ** 2 / 2),
    "hinge": (np.maximum(0, 1 - A) + np.maximum(0, 1 + B), -B),
    "wasserstein": (B - A, -B),
    "began": (A - 0.3 * B, B),
}


@pytest.mark.parametrize("name", L.LOSSES)
def test_losses_are_their_formulas(name):
    loss = L.LOSSES[name]()
    with jax.enable_x64(True):
        found = loss.discriminator(jnp.array(A), jnp.array(B), 0.3)
        told = loss.generator(jnp.array(B))
        patches = jnp.array(B).reshape(7, 1, 1, 1) + jnp.zeros((7, 2, 3, 1))
        of_patches = loss.generator(patches)
    np.testing.assert_allclose(found, FORMULAS[name][0], rtol=1e-12)
    np.testing.assert_allclose(told, FORMULAS[name][1], rtol=1e-12)
    np.testing.assert_allclose(of_patches, told, rtol=1e-12)
    assert loss.divergence and set(L.LOSSES) == set(FORMULAS)


def expected(loss, d):
    """The discriminator's loss in expectation over P and Q, at D = d of each point."""
    pairs = loss.discriminator(jnp.repeat(d, 6), jnp.tile(d, 6))
    return (np.outer(P, Q).ravel() * pairs).sum()


def least(loss, d, moves=400):
    """That no move away from d lowers the loss."""
    there = expected(loss, jnp.array(d))
    for _ in range(moves):
        step = RNG.normal(size=6) * RNG.choice([1e-3, 0.1, 1])
        assert expected(loss, jnp.array(d + step)) >= there - 1e-12
    return float(there)


def test_value_at_the_best_discriminator_is_the_divergence():
    with jax.enable_x64(True):
        ratio = np.log(P / Q)  # s(log p / q) = p / (p + q)
        np.testing.assert_allclose(sigmoid(ratio), P / (P + Q))
        value = -least(L.minimax(), ratio, 20)
        np.testing.assert_allclose(value, 2 * JSD - np.log(4), rtol=1e-12)

        coded = L.least_squares(1.0, -1.0, 0.0)
        best = (P - Q) / (P + Q)
        least(coded, best, 20)
        aim = 2 * (P @ coded.generator(jnp.array(best)))
        aim += 2 * (Q @ coded.generator(jnp.array(best)))
        np.testing.assert_allclose(aim, ((P - Q) ** 2 / (P + Q)).sum(), rtol=1e-12)

        value = 2 - least(L.hinge(), np.sign(P - Q), 20)
        np.testing.assert_allclose(value, np.abs(P - Q).sum(), rtol=1e-12)
    assert value > 0.1  # the two laws are not alike


def test_best_critic_of_slope_one_tells_the_wasserstein_distance():
    x = np.array([0.0, 0.5, 1.7, 2.0, 3.1, 4.5])
    i, j = np.nonzero(~np.eye(6, dtype=bool))
    slope = np.eye(6)[i] - np.eye(6)[j]
    bounds = [(0, 0)] + 5 * [(None, None)]
    lp = linprog(Q - P, slope, np.abs(x[i] - x[j]), bounds=bounds)
    with jax.enable_x64(True):
        value = -expected(L.wasserstein(), jnp.array(lp.x))
    exact = (np.abs(np.cumsum(P - Q))[:-1] * np.diff(x)).sum()
    np.testing.assert_allclose(value, exact, rtol=1e-9)


def test_gradient_of_non_saturating_is_of_kl_minus_two_js():
    """Theorem 2.5 of Arjovsky and Bottou, of a law q = softmax(t)."""

    def samples(t, loss):  # the discriminator stands still
        return jax.nn.softmax(t) @ loss.generator(jnp.array(np.log(P / Q)))

    def divergences(t):
        q = jax.nn.softmax(t)
        m = (P + q) / 2
        js = 0.5 * (P @ jnp.log(P / m) + q @ jnp.log(q / m))
        return jnp.stack([q @ jnp.log(q / P) - 2 * js, 2 * js])

    with jax.enable_x64(True):
        t = jnp.array(LOGITS[1])
        both = jax.jacobian(divergences)(t)
        pairs = (L.non_saturating(), both[0]), (L.minimax(), both[1])
        for loss, told in pairs:
            np.testing.assert_allclose(jax.grad(samples)(t, loss), told, rtol=1e-9)


def test_only_minimax_saturates():
    """Where the discriminator is sure of a sample, s(b) = 5e-5."""
    b = jnp.full((1,), -10.0)
    slope = lambda loss: float(jax.grad(lambda b: loss.generator(b).sum())(b)[0])
    assert -1e-4 < slope(L.minimax()) < 0
    np.testing.assert_allclose(slope(L.non_saturating()), -1, rtol=1e-4)


def test_balance_of_began():
    """k rises while samples are the better reconstructed, and stays from 0 to 1."""
    balance = L.began(0.7, 0.1).balance
    a, b, k = 2.0, 0.5, 0.0
    for _ in range(4):
        k = min(max(k + 0.1 * (0.7 * a - b), 0), 1)
    ours = 0.0
    for _ in range(4):
        ours = balance(ours, a, b)
    np.testing.assert_allclose(ours, k, rtol=1e-6)
    assert k == pytest.approx(0.36)
    assert balance(0.99, 10.0, 0.0) == 1 and balance(0.01, 0.0, 10.0) == 0
    np.testing.assert_allclose(L.convergence(a, b, 0.7), 2 + 0.9, rtol=1e-6)
    assert balance(0.5, 1.0, 0.7) == pytest.approx(0.5)  # at b = gamma a it rests


def test_points_between():
    """The worked example of the notes."""
    x, other = np.array([[1.0, 2, 3]]), np.array([[4.0, 5, 6]])
    found = L.interpolate(x, other, np.array([1 / 3]))
    np.testing.assert_allclose(found, [[3, 4, 5]], rtol=1e-6)


def test_penalty_is_that_of_each_gradient():
    rng = np.random.default_rng(1)
    w, v = rng.normal(size=(6, 5)), rng.normal(size=5)
    real, fake = rng.normal(size=(2, 4, 2, 3))
    e = rng.uniform(size=4)
    critic = lambda x: jnp.tanh(x.reshape(len(x), -1) @ w) @ v
    with jax.enable_x64(True):
        found = jax.jit(lambda e: L.gradient_penalty(critic, real, fake, e, 0.7))(e)
        flat = L.slopes(lambda x: 0 * critic(x), jnp.array(real))
        kink = jax.grad(lambda s: L.slopes(lambda x: s * critic(x), real).sum())(0.0)
    for i in range(4):
        x = (e[i] * real[i] + (1 - e[i]) * fake[i]).ravel()
        grad = w @ (v * (1 - np.tanh(x @ w) ** 2))
        np.testing.assert_allclose(found[i], (np.linalg.norm(grad) - 0.7) ** 2)
    assert not flat.any() and np.isfinite(kink)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: L.least_squares(1, 1), "real and fake must differ, got 1 and 1"),
        (lambda: L.began(0.0), r"gamma must be in \(0, 1\] and rate > 0, got 0.0"),
        (lambda: L.began(rate=0), "rate > 0, got 0.5 and 0"),
        (
            lambda: L.interpolate(A[:, None], B[:6, None], A),
            r"real and fake must be of one shape .* got \[7, 1\], \[6, 1\] and \[7\]",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
