"""The dense CRF against NumPy, brute force over all labellings, and its limits."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.segmentation.crf import Pairwise, mean_field

H, W, K = 6, 7, 3
PAIRS = Pairwise(0.8, 0.3, 4.0, 0.4, 1.5)


def draw(seed=0, size=(H, W)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*size, K)), rng.uniform(size=(*size, 3))


def kernel(image, p):
    """[N, N], by a loop over pixels, without its diagonal."""
    places = [(i, j) for i in range(image.shape[0]) for j in range(image.shape[1])]
    k = np.zeros((len(places), len(places)))
    for a, b in itertools.permutations(range(len(places)), 2):
        far = sum((x - y) ** 2 for x, y in zip(places[a], places[b], strict=True))
        unlike = ((image[places[a]] - image[places[b]]) ** 2).sum()
        k[a, b] = p.appearance * np.exp(
            -far / (2 * p.place**2) - unlike / (2 * p.colour**2)
        ) + p.smoothness * np.exp(-far / (2 * p.near**2))
    return k


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def free_energy(q, u, k):
    pairs = (k * (1 - q @ q.T)).sum() / 2
    return (q * (u + np.log(q))).sum() + pairs


@pytest.mark.parametrize("own", [False, True])
def test_mean_field_is_numpys(own):
    unary, image = draw()
    k, u = kernel(image, PAIRS), unary.reshape(-1, K)
    if own:
        k += (PAIRS.appearance + PAIRS.smoothness) * np.eye(len(k))
    q = softmax(-u)
    energies = [free_energy(q, u, k)]
    for _ in range(4):
        q = softmax(k @ q - u)
        energies.append(free_energy(q, u, k))
    with jax.enable_x64(True):
        run = jax.jit(lambda u, x: mean_field(u, x, PAIRS, 4, own, block=16))
        got = run(unary, image)  # blocks that do not divide the pixels
        np.testing.assert_allclose(got.q.reshape(-1, K), q, rtol=1e-10)
        np.testing.assert_allclose(got.energies, energies, rtol=1e-10)


def test_its_energy_never_rises_if_pixels_hear_themselves():
    """Strong weights, with which the paper's step may go up and down."""
    strong = Pairwise(3.0, 2.0, 4.0, 0.4, 1.5)
    for seed in range(5):
        unary, image = draw(seed)
        run = jax.jit(lambda u, x: mean_field(u, x, strong, 12, True).energies)
        energies = np.asarray(run(np.float32(unary), np.float32(image)))
        assert (np.diff(energies) <= 1e-4 * abs(energies[0])).all(), energies
        assert energies[-1] < energies[0] - 1


def test_its_marginals_are_near_the_true_ones_where_ties_are_weak():
    unary, image = draw(1, (2, 4))
    weak = Pairwise(0.05, 0.03, 4.0, 0.4, 1.5)
    k, u = kernel(image, weak), unary.reshape(-1, K)
    total = np.zeros((8, K))
    for x in itertools.product(range(K), repeat=8):
        x = np.array(x)
        energy = u[np.arange(8), x].sum() + (k * (x[:, None] != x)).sum() / 2
        total[np.arange(8), x] += np.exp(-energy)
    want = total / total.sum(1, keepdims=True)
    got = mean_field(jnp.asarray(unary), jnp.asarray(image), weak, 10).q
    np.testing.assert_allclose(got.reshape(-1, K), want, atol=3e-3)
    assert abs(softmax(-u) - want).max() > 0.02


def test_without_ties_it_is_softmax_and_with_them_it_smooths():
    unary, image = (jnp.asarray(x, jnp.float32) for x in draw())
    alone = mean_field(unary, image, Pairwise(0.0, 0.0), 3).q
    np.testing.assert_allclose(alone, jax.nn.softmax(-unary), rtol=1e-5)
    image = jnp.where(jnp.arange(W)[None, :, None] < 3, 0.0, jnp.ones((H, W, 3)))
    wrong = jnp.zeros((H, W, 2)).at[:, :3, 0].set(-1.0).at[:, 3:, 1].set(-1.0)
    wrong = wrong.at[2, 1].set(jnp.array([0.5, -0.5]))  # one pixel that is not its own
    called = mean_field(wrong, image, Pairwise(1.0, 0.1, 10.0, 0.1, 1.0)).q.argmax(-1)
    want = np.broadcast_to(np.arange(W) >= 3, (H, W))
    np.testing.assert_array_equal(called, want)  # colours keep the border


def test_its_weights_have_gradients():
    unary, image = draw()
    with jax.enable_x64(True):
        u, x = jnp.asarray(unary), jnp.asarray(image)

        @jax.jit
        def loss(p):
            return -jnp.log(mean_field(u, x, p, 3, block=20).q[..., 0]).mean()

        at = Pairwise(*(jnp.float64(v) for v in PAIRS))
        slope = jax.jit(jax.grad(loss))(at)
        for i, g in enumerate(slope):
            step = lambda d, i=i: at._replace(**{at._fields[i]: at[i] + d})
            rise = (loss(step(1e-5)) - loss(step(-1e-5))) / 2e-5
            assert float(g) == pytest.approx(float(rise), rel=1e-4, abs=1e-8)
            assert abs(float(g)) > 1e-6


def test_refuses():
    unary, image = draw()
    with pytest.raises(ValueError, match=r"unary and image must be \[H, W, K\]"):
        mean_field(unary, image[:3])
    with pytest.raises(ValueError, match="steps must be from 0, got -1"):
        mean_field(unary, image, steps=-1)
