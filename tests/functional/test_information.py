"""Information: identities, limits, and what the borders of the simplex do."""

import heapq
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo.functional as F

rng = np.random.default_rng(0)
P, Q = jnp.asarray(rng.dirichlet(np.ones(5), (2, 6)), jnp.float32)


def test_units():
    """A coin is a bit, eight equal values are three; a bit is log 2 nats."""
    assert F.entropy(jnp.array([0.5, 0.5]), base=2) == 1
    np.testing.assert_allclose(F.entropy(jnp.full(8, 1 / 8), base=2), 3, rtol=1e-6)
    assert F.self_information(jnp.float32(0.25), base=2) == 2
    for f, args in (
        (F.entropy, (P,)),
        (F.self_information, (P,)),
        (F.cross_entropy_between, (P, Q)),
        (F.relative_entropy, (P, Q)),
        (F.jensen_shannon, (P, Q)),
        (F.mutual_information, (P / 6,)),
    ):
        bits = math.log(2) * f(*args, base=2)
        np.testing.assert_allclose(bits, f(*args), rtol=1e-5)
        with pytest.raises(ValueError, match="base must be above 1, such as 2 or e"):
            f(*args, base=1)


def test_relative_entropy_is_what_cross_entropy_has_more_than_entropy():
    more = F.cross_entropy_between(P, Q) - F.entropy(P)
    np.testing.assert_allclose(F.relative_entropy(P, Q), more, rtol=1e-4)
    assert (F.relative_entropy(P, Q) > 0).all()
    np.testing.assert_array_equal(F.relative_entropy(P, P), 0)


def test_it_is_not_symmetric_but_jensen_shannon_is():
    assert (abs(F.relative_entropy(P, Q) - F.relative_entropy(Q, P)) > 1e-3).all()
    ours = F.jensen_shannon(P, Q)
    np.testing.assert_allclose(ours, F.jensen_shannon(Q, P), rtol=1e-6)
    mixed = F.entropy((P + Q) / 2) - (F.entropy(P) + F.entropy(Q)) / 2
    np.testing.assert_allclose(ours, mixed, rtol=1e-4)
    apart = F.jensen_shannon(jnp.array([1.0, 0, 0]), jnp.array([0, 0.5, 0.5]), base=2)
    assert apart == 1


def test_entropy_is_the_mean_of_self_information_and_greatest_where_all_are_alike():
    mean = (P * F.self_information(P)).sum(1)
    np.testing.assert_allclose(F.entropy(P), mean, rtol=1e-6)
    assert (F.entropy(P) < math.log(5)).all()
    np.testing.assert_allclose(F.entropy(jnp.full(5, 0.2)), math.log(5), rtol=1e-6)
    assert F.entropy(jnp.array([0.0, 1.0, 0.0])) == 0


def test_mutual_information():
    x, y = P[0], Q[0, :4] / Q[0, :4].sum()
    np.testing.assert_allclose(F.mutual_information(jnp.outer(x, y)), 0, atol=1e-6)
    np.testing.assert_allclose(F.mutual_information(jnp.diag(x)), F.entropy(x), 1e-6)
    joint = P[:3] / 3
    sums = F.entropy(joint.sum(0)) + F.entropy(joint.sum(1)) - F.entropy(joint.ravel())
    np.testing.assert_allclose(F.mutual_information(joint), sums, rtol=1e-4)
    np.testing.assert_allclose(
        F.mutual_information(joint), F.mutual_information(joint.T), rtol=1e-5
    )
    rare = jnp.diag(jnp.array([1e-25, 1.0]))  # the product of its sums is 0
    assert np.isfinite(F.mutual_information(rare))


def test_the_objective_of_a_gan_is_a_log_likelihood():
    """That of a discriminator D which is told from where each example is. At D =
    p / (p + q), and nowhere else, it is 2 J(p, q) - 2 log 2."""
    p, q = P[0], Q[0]
    labels = jnp.concatenate([jnp.ones(5), jnp.zeros(5)])
    batch = {"y": labels, "weight": jnp.concatenate([p, q])}

    def objective(d):  # of D at each of the five values
        by_hand = p @ jnp.log(d) + q @ jnp.log1p(-d)
        loss, total = F.binary_cross_entropy(jnp.tile(d, 2), batch, from_logits=False)
        np.testing.assert_allclose(-loss, by_hand, rtol=1e-6)
        np.testing.assert_allclose(total, 2, rtol=1e-6)
        return by_hand

    best = p / (p + q)
    greatest = 2 * F.jensen_shannon(p, q) - 2 * math.log(2)
    np.testing.assert_allclose(objective(best), greatest, rtol=1e-6)
    for side in (0.0, 1.0):
        assert objective(0.95 * best + 0.05 * side) < greatest - 1e-3
    np.testing.assert_allclose(objective(jnp.full(5, 0.5)), -2 * math.log(2), rtol=1e-6)


def test_what_does_not_occur_stays_out_also_of_the_gradient():
    p, q = jnp.array([0.0, 0.25, 0.75, 0.0]), jnp.array([0.0, 0.5, 0.25, 0.25])
    for f, args in (
        (F.entropy, (p,)),
        (F.cross_entropy_between, (p, q)),
        (F.relative_entropy, (p, q)),
        (F.jensen_shannon, (p, q)),
        (F.jensen_shannon, (q, p)),
        (F.mutual_information, (jnp.diag(p),)),
    ):
        which = tuple(range(len(args)))
        value, grads = jax.jit(jax.value_and_grad(f, which))(*args)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in grads)
    np.testing.assert_allclose(
        jax.grad(F.entropy)(p), [0, -1 - np.log(0.25), -1 - np.log(0.75), 0], rtol=1e-6
    )
    assert jnp.isinf(F.relative_entropy(q, p)) and jnp.isinf(
        F.cross_entropy_between(q, p)
    )
    assert jnp.isinf(F.self_information(jnp.float32(0)))


def test_half_of_the_smallest_number_is_not_an_infinite_divergence():
    tiny = jnp.finfo(jnp.float32).tiny
    p, q = jnp.array([tiny, 1.0]), jnp.array([0.0, 1.0])
    value, grad = jax.value_and_grad(F.jensen_shannon)(p, q)
    assert abs(value) < 1e-30 and np.isfinite(grad).all()


def huffman(p):
    """Lengths of the best code: the two rarest groups become one, a letter longer."""
    lengths = np.zeros(len(p))
    groups = [(float(x), [i]) for i, x in enumerate(p)]
    heapq.heapify(groups)
    while len(groups) > 1:
        (a, left), (b, right) = heapq.heappop(groups), heapq.heappop(groups)
        lengths[left + right] += 1
        heapq.heappush(groups, (a + b, left + right))
    return lengths


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8))
def test_no_code_is_shorter_than_the_entropy_and_some_are_within_a_bit(counts):
    p = np.array(counts) / np.sum(counts)
    best, lengths = huffman(p), np.asarray(F.shannon_code_lengths(p))
    least = float(F.entropy(p, base=2))
    huffmans, shannons = F.average_code_length(
        np.stack([p, p]), np.stack([best, lengths])
    )
    assert least - 1e-5 <= huffmans <= shannons + 1e-5 and shannons < least + 1
    np.testing.assert_allclose(float(F.kraft_sum(best)), 1, rtol=1e-5)
    assert float(F.kraft_sum(lengths)) <= 1 + 1e-6
    np.testing.assert_array_equal(lengths, np.ceil(np.round(-np.log2(p), 10)))


def test_codes_of_powers_of_two_are_exact():
    p = jnp.array([0.5, 0.25, 0.125, 0.125, 0.0])
    np.testing.assert_array_equal(F.shannon_code_lengths(p), [1, 2, 3, 3, np.inf])
    assert F.shannon_code_lengths(jnp.ones(1)) == 0
    lengths = F.shannon_code_lengths(p)
    assert F.average_code_length(p, lengths) == F.entropy(p, base=2) == 1.75
    np.testing.assert_allclose(F.kraft_sum(lengths), 1, rtol=1e-6)
    np.testing.assert_allclose(F.kraft_sum(jnp.ones(3), base=3), 1, rtol=1e-6)
    assert F.kraft_sum(jnp.array([1.0, 1.0, 2.0])) == 1.25  # no code


def test_the_right_lengths_for_the_wrong_distribution_are_the_cross_entropy():
    ours = F.average_code_length(P, F.self_information(Q, base=2))
    np.testing.assert_allclose(ours, F.cross_entropy_between(P, Q, base=2), rtol=1e-5)


def test_refuses():
    for f in (F.relative_entropy, F.cross_entropy_between, F.jensen_shannon):
        with pytest.raises(ValueError, match="p and q must have one shape"):
            f(P, Q[:, :4])
    with pytest.raises(ValueError, match="p and lengths must have one shape"):
        F.average_code_length(P, jnp.ones(5))
    with pytest.raises(ValueError, match="joint must be"):
        F.mutual_information(jnp.ones(3) / 3)
    with pytest.raises(ValueError, match="base must be above 1"):
        F.kraft_sum(jnp.ones(3), base=1)
