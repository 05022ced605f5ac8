"""What every function of arrays promises, each listed once with an example.

- jit: compiled, it gives what it gives as written, and it is traced once;
- vmap: mapped over two examples, it gives both;
- dtypes: float32 in, float32 out; float64 in, float64 out, and closer; without an
  implicit promotion on the way;
- gradients: finite everywhere and not all zero, in each argument of floats.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import zoo.functional as F
from tests.rosters import (
    assert_closer,
    assert_exemptions_have_reasons,
    cast,
    functions,
    kept,
    written_in,
)

LAYOUT = ("NHWC", "HWIO", "NHWC")

PROMISES = ("jit", "vmap", "dtypes", "gradients")


class Case(NamedTuple):
    """A function, and an example of its arguments."""

    f: Callable  # of arrays, and of nothing else
    args: Callable[[np.random.Generator], tuple]  # floats as float64
    without: dict[str, str] = {}  # promise: the reason why it cannot be kept


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.normal(size=shape)


def draw(*parts: Any) -> Callable[[np.random.Generator], tuple]:
    """Arguments of a case: each is drawn if it can be, else taken as it is."""
    return lambda rng: tuple(p(rng) if callable(p) else p for p in parts)


def labels(size: int, classes: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, classes, size)


def recurrent(gates: int, states: int = 1) -> list:
    """Inputs, first states, both weights and the bias of five units."""
    weights = [normal(3, 5 * gates), normal(5, 5 * gates), normal(5 * gates)]
    return [normal(2, 4, 3), *[normal(2, 5)] * states, *weights]


MASK = lambda rng: rng.integers(0, 2, (2, 4)) == 1  # of two sequences of four steps


def simplex(size: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.dirichlet(np.ones(size))


def covariance(size: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: np.cov(rng.normal(size=(size, 4 * size)))


# Of attention: batch 2, 3 queries, 5 keys, 2 heads.
QUERIES, KEYS, VALUES = normal(2, 3, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 3)

HALF_LOG_2_PI = 0.9189385332046727


def chances(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Probabilities, not near 0 or 1."""
    return lambda rng: rng.uniform(0.05, 0.95, shape)


def distributions(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Along the last axis; with values that are not rare."""

    def one(rng):
        p = rng.uniform(0.2, 1, shape)
        return p / p.sum(-1, keepdims=True)

    return one


def covariances(n: int, size: int) -> Callable[[np.random.Generator], np.ndarray]:
    def some(rng):
        a = rng.normal(size=(n, size, size))
        return a @ a.swapaxes(1, 2) + np.eye(size)

    return some


def log_normal(mean: Any, scale: Any) -> Callable[[Any], Any]:
    return lambda x: -(((x - mean) / scale) ** 2) / 2 - jnp.log(scale) - HALF_LOG_2_PI


# "function" or "function/what is particular", by module.
CASES = {
    # activations; those of jax.nn are not ours
    "hard_sigmoid": Case(F.hard_sigmoid, draw(normal(4, 3))),
    "maxout": Case(lambda x: F.maxout(x, 3), draw(normal(4, 6))),
    "prelu": Case(F.prelu, draw(normal(4, 3), normal(3))),
    "prelu/one slope": Case(F.prelu, draw(normal(4, 3), normal())),
    "sign": Case(
        F.sign,
        draw(normal(4, 3)),
        {"dtypes": "values are 1 and -1, exact in every type"},
    ),
    # arithmetic; sizes are Python's, read from shapes while a function is traced
    "channel_mix": Case(
        lambda x, k: F.channel_mix(x, k, 2), draw(normal(2, 5, 6, 3), normal(3, 4))
    ),
    "conv_matrix": Case(
        lambda k: F.conv_matrix(k, (5, 4), 2, "SAME"), draw(normal(3, 2, 2, 3))
    ),
    "conv_size": Case(lambda x: x[: F.conv_size(len(x), 3, 2)], draw(normal(9))),
    "conv_transpose_size": Case(
        lambda x: jnp.resize(x, F.conv_transpose_size(len(x), 4, 2)), draw(normal(5))
    ),
    "im2col": Case(lambda x: F.im2col(x, (3, 2), 2, "SAME"), draw(normal(2, 5, 6, 3))),
    "layers_receptive_field": Case(
        lambda x: x[: F.layers_receptive_field([(3, 2, 1), (3, 1, 1)])],
        draw(normal(9)),
    ),
    "same_padding": Case(
        lambda x: jnp.pad(x, F.same_padding(len(x), 4)), draw(normal(9))
    ),
    # attention
    "additive_scores": Case(
        F.additive_scores,
        draw(
            *(normal(2, 3, 2, 4), normal(2, 5, 2, 3)),
            *(normal(4, 6), normal(3, 6), normal(6)),
        ),
    ),
    "attention": Case(F.attention, draw(QUERIES, KEYS, VALUES)),
    "attention/blocks": Case(
        lambda *qkv: F.attention(*qkv, block=2), draw(QUERIES, KEYS, VALUES)
    ),
    "attention/causal": Case(
        lambda *qkv: F.attention(*qkv, causal=True, block=3),
        draw(QUERIES, KEYS, VALUES),
    ),
    "attention/padded": Case(
        lambda q, k, v, n: F.attention(q, k, v, F.padding_mask(n, 5)),
        draw(QUERIES, KEYS, VALUES, np.array([4, 0])),
    ),
    "attention_weights": Case(F.attention_weights, draw(QUERIES, KEYS)),
    "causal_mask": Case(
        lambda x: jnp.where(F.causal_mask(3, 4, 1), x, 0), draw(normal(3, 4))
    ),
    "dot_scores": Case(F.dot_scores, draw(QUERIES, KEYS)),
    "general_scores": Case(
        F.general_scores, draw(QUERIES, normal(2, 5, 2, 3), normal(4, 3))
    ),
    "padding_mask": Case(
        lambda x, n: jnp.where(F.padding_mask(n, 4), x, 0),
        draw(normal(2, 1, 1, 4), labels(2, 4)),
    ),
    # augmentation
    "color_jitter": Case(
        lambda x: F.color_jitter(jax.random.key(0), x),
        draw(lambda rng: rng.uniform(0.3, 0.5, (5, 6, 3))),
    ),
    "cutout": Case(lambda x: F.cutout(jax.random.key(0), x, 3), draw(normal(5, 6, 3))),
    "mixup": Case(
        lambda *args: F.mixup(jax.random.key(0), *args, alpha=0.5),
        draw(normal(4, 3), normal(2), normal(4, 3), normal(2)),
    ),
    "mixup_batch": Case(
        lambda *args: F.mixup_batch(jax.random.key(0), *args),
        draw(labels(5, 100), normal(5, 3), normal(5, 2)),
    ),
    "pca_jitter": Case(
        lambda x, pixels: F.pca_jitter(jax.random.key(0), x, F.principal_axes(pixels)),
        draw(normal(4, 5, 3), normal(9, 3)),
    ),
    "random_crop": Case(
        lambda x: F.random_crop(jax.random.key(0), x, (3, 5), 1),
        draw(normal(4, 5, 3)),
    ),
    "random_flip": Case(
        lambda x: F.random_flip(jax.random.key(0), x), draw(normal(4, 5, 3))
    ),
    "random_rotation": Case(
        lambda x: F.random_rotation(jax.random.key(0), x, 30.0),
        draw(normal(4, 5, 3)),
    ),
    "random_shift": Case(
        lambda x: F.random_shift(jax.random.key(0), x, 2.0), draw(normal(4, 5, 3))
    ),
    # backprop
    "backprop.batch_norm": Case(
        F.backprop.batch_norm, draw(normal(2, 3, 4, 2), normal(2), normal(2))
    ),
    "backprop.batch_norm_backward": Case(
        F.backprop.batch_norm_backward,
        draw(
            normal(5, 2),
            normal(2),
            lambda rng: rng.uniform(1, 2, 2),
            normal(2),
            normal(5, 2),
        ),
    ),
    "backprop.conv": Case(
        F.backprop.conv, draw(normal(2, 5, 6, 3), normal(3, 2, 3, 4), normal(4))
    ),
    "backprop.conv_backward": Case(
        F.backprop.conv_backward,
        draw(normal(2, 5, 6, 3), normal(3, 2, 3, 4), normal(2, 3, 5, 4)),
    ),
    "backprop.dense": Case(
        F.backprop.dense, draw(normal(2, 3), normal(3, 4), normal(4))
    ),
    "backprop.dense_backward": Case(
        F.backprop.dense_backward, draw(normal(2, 3), normal(3, 4), normal(2, 4))
    ),
    "backprop.gru": Case(F.backprop.gru, draw(*recurrent(3), normal(5), MASK)),
    "backprop.lp_pool": Case(
        lambda x: F.backprop.lp_pool(x, p=3.0), draw(normal(2, 4, 6, 3))
    ),
    "backprop.lp_pool_backward": Case(
        lambda x, y, dy: F.backprop.lp_pool_backward(x, y, dy, p=3.0),
        draw(
            normal(2, 4, 6, 3),
            lambda rng: rng.uniform(1, 2, (2, 2, 3, 3)),
            normal(2, 2, 3, 3),
        ),
    ),
    "backprop.lstm": Case(F.backprop.lstm, draw(*recurrent(4, states=2), MASK)),
    "backprop.max_pool": Case(F.backprop.max_pool, draw(normal(2, 5, 6, 3))),
    "backprop.max_pool_backward": Case(
        lambda dy: F.backprop.max_pool_backward(
            jnp.arange(48, dtype=dy.dtype).reshape(2, 4, 6, 1), dy
        ),
        draw(normal(2, 2, 3, 1)),
    ),
    "backprop.mean_pool": Case(F.backprop.mean_pool, draw(normal(2, 5, 6, 3))),
    "backprop.mean_pool_backward": Case(
        F.backprop.mean_pool_backward, draw(normal(2, 2, 3, 1))
    ),
    "backprop.rnn": Case(F.backprop.rnn, draw(*recurrent(1), MASK)),
    "backprop.rnn/relu": Case(
        lambda *args: F.backprop.rnn(*args, activation="relu"), draw(*recurrent(1))
    ),
    "backprop.sigmoid": Case(F.backprop.sigmoid, draw(normal(2, 3))),
    "backprop.sigmoid_backward": Case(
        F.backprop.sigmoid_backward, draw(normal(2, 3), normal(2, 3))
    ),
    "backprop.softmax_cross_entropy": Case(
        F.backprop.softmax_cross_entropy, draw(normal(5, 3), normal(5, 3))
    ),
    "backprop.softmax_cross_entropy_backward": Case(
        F.backprop.softmax_cross_entropy_backward,
        draw(normal(5, 3), normal(5, 3), normal(5)),
    ),
    # colorwheel
    "color_wheel": Case(
        lambda x: x.sum() * F.color_wheel().astype(x.dtype), draw(normal(2))
    ),
    "flow_to_color": Case(F.flow_to_color, draw(normal(4, 5, 2))),
    # convolution
    "convolve": Case(
        lambda x, k: F.convolve(x, k, (1, 1), "SAME", dimension_numbers=LAYOUT),
        draw(normal(2, 5, 6, 3), normal(3, 2, 3, 4)),
    ),
    "convolve/depthwise": Case(
        lambda x, k: F.convolve(
            x, k, (2, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=3
        ),
        draw(normal(2, 5, 6, 3), normal(3, 2, 1, 6)),
    ),
    # differential_information
    "differential_cross_entropy": Case(
        lambda m, s: F.differential_cross_entropy(
            log_normal(m, s), log_normal(s, s), m - 12, m + 12
        ),
        draw(normal(), chances()),
    ),
    "differential_entropy": Case(
        lambda m, s: F.differential_entropy(log_normal(m, s), m - 9, m + 9, 2),
        draw(normal(), chances()),
    ),
    "differential_relative_entropy": Case(
        lambda m, s: F.differential_relative_entropy(
            log_normal(m, s), log_normal(s, s), m - 12, m + 12
        ),
        draw(normal(), chances()),
    ),
    "gaussian_entropy": Case(F.gaussian_entropy, draw(covariances(4, 3))),
    "gaussian_mutual_information": Case(
        lambda s: F.gaussian_mutual_information(s, 1), draw(covariances(4, 3))
    ),
    "gaussian_relative_entropy": Case(
        F.gaussian_relative_entropy,
        draw(normal(4, 3), covariances(4, 3), normal(4, 3), covariances(4, 3)),
    ),
    # distances
    "chebyshev_distance": Case(F.chebyshev_distance, draw(normal(6), normal(6))),
    "cosine_distance": Case(F.cosine_distance, draw(normal(6), normal(6))),
    "euclidean_distance": Case(F.euclidean_distance, draw(normal(6), normal(6))),
    "hamming_distance": Case(
        F.hamming_distance,
        draw(normal(6), lambda rng: rng.normal(size=6).round()),
        {"gradients": "it counts: its gradient is zero"},
    ),
    "lp_norm": Case(F.lp_norm, draw(normal(4, 3))),
    "lp_norm/1.5": Case(lambda x: F.lp_norm(x, 1.5, (0, 2)), draw(normal(4, 3, 2))),
    "mahalanobis_distance": Case(
        F.mahalanobis_distance, draw(normal(3), normal(3), covariance(3))
    ),
    "minkowski_distance": Case(F.minkowski_distance, draw(normal(6), normal(6))),
    "minkowski_distance/0.5": Case(
        lambda x, y: F.minkowski_distance(x, y, 0.5), draw(normal(6), normal(6))
    ),
    "pearson_distance": Case(F.pearson_distance, draw(normal(6), normal(6))),
    "squared_euclidean": Case(F.squared_euclidean, draw(normal(6), normal(6))),
    "mahalanobis_coordinates": Case(
        F.mahalanobis_coordinates, draw(normal(5, 3), covariance(3))
    ),
    # divergence_losses
    "jensen_shannon_loss": Case(
        lambda z, y, w: F.jensen_shannon_loss(z, {"y": y, "weight": w}),
        draw(normal(5, 3), distributions(5, 3), chances(5)),
    ),
    "kl_loss": Case(
        lambda z, y, w: F.kl_loss(z, {"y": y, "weight": w}),
        draw(normal(5, 3), distributions(5, 3), chances(5)),
    ),
    "kl_loss/probabilities": Case(
        lambda p, y: F.kl_loss(p, {"y": y}, from_logits=False),
        draw(distributions(5, 3), distributions(5, 3)),
    ),
    # dropout
    "example_keys": Case(
        lambda index: jax.random.key_data(F.example_keys(jax.random.key(0), index)),
        draw(labels(5, 100)),
        {"dtypes": "keys are integers", "gradients": "keys are integers"},
    ),
    # emd
    "c_transform": Case(F.c_transform, draw(normal(4, 3), normal(3))),
    "earth_mover": Case(F.earth_mover, draw(normal(4, 3), simplex(4), simplex(3))),
    "kantorovich_rubinstein": Case(
        lambda x, y, a, b: F.kantorovich_rubinstein(
            abs(x[:, None] - y[None]), abs(y[:, None] - y[None]), a, b
        ),
        draw(normal(4), normal(3), simplex(4), simplex(3)),
        {"gradients": "it is the certificate of earth_mover, which has them"},
    ),
    # flow
    "angular_error": Case(F.angular_error, draw(normal(4, 2), normal(4, 2))),
    "endpoint_error": Case(F.endpoint_error, draw(normal(4, 2), normal(4, 2))),
    "horn_schunck": Case(
        lambda a, b: F.horn_schunck(a, b, 0.5, 300, 0.0),
        draw(normal(6, 7), normal(6, 7)),
    ),
    "lucas_kanade": Case(
        lambda a, b: F.lucas_kanade(a, b, 7), draw(normal(6, 7), normal(6, 7))
    ),
    # imbalance_losses
    "binary_focal": Case(
        lambda z, y, w: F.binary_focal(z, {"y": y, "weight": w}),
        draw(normal(6), labels(6, 2), chances(6)),
    ),
    "dice": Case(
        lambda z, y, w: F.dice(z, {"y": y, "weight": w}),
        draw(normal(3, 4, 5), chances(3, 4, 5), chances(3)),
    ),
    "dice/classes": Case(
        lambda z, y: F.dice(z, {"y": y}, squared=True),
        draw(normal(3, 4, 5), lambda rng: rng.integers(0, 5, (3, 4))),
    ),
    "focal": Case(
        lambda z, y, w: F.focal(z, {"y": y, "weight": w}, 0.5, (0.5, 1.0, 0.2)),
        draw(normal(5, 3), labels(5, 3), chances(5)),
    ),
    # information
    "average_code_length": Case(
        F.average_code_length, draw(distributions(4, 3), normal(4, 3))
    ),
    "cross_entropy_between": Case(
        F.cross_entropy_between, draw(distributions(4, 3), distributions(4, 3))
    ),
    "entropy": Case(F.entropy, draw(distributions(4, 3))),
    "jensen_shannon": Case(
        F.jensen_shannon, draw(distributions(4, 3), distributions(4, 3))
    ),
    "kraft_sum": Case(F.kraft_sum, draw(chances(4, 3))),
    "mutual_information": Case(
        lambda x: F.mutual_information(x, base=2), draw(distributions(2, 3, 4))
    ),
    "relative_entropy": Case(
        F.relative_entropy, draw(distributions(4, 3), distributions(4, 3))
    ),
    "self_information": Case(F.self_information, draw(chances(4, 3))),
    "shannon_code_lengths": Case(
        F.shannon_code_lengths,
        draw(distributions(4, 3)),
        {"gradients": "a length is a step of the probability"},
    ),
    # initializers; those of jax.nn are not ours
    "fans": Case(
        lambda kernel: F.fans(kernel.shape),
        draw(normal(3, 2, 5, 4)),
        {
            "vmap": "reads a shape alone",
            "dtypes": "counts are integers",
            "gradients": "counts are integers",
        },
    ),
    # keyed
    "cogroup": Case(
        F.cogroup,
        draw(labels(6, 4), labels(5, 4)),
        {"dtypes": "keys and places are integers", "gradients": "as its types"},
    ),
    "combine_by_key": Case(
        lambda k, v: F.combine_by_key(k, v, lambda x: x, jnp.add),
        draw(labels(6, 4), normal(6, 3)),
    ),
    "full_outer_join": Case(
        lambda k, m: F.full_outer_join(k, m, 20),
        draw(labels(6, 4), labels(5, 4)),
        {"dtypes": "keys and places are integers", "gradients": "as its types"},
    ),
    # losses
    "binary_cross_entropy": Case(
        lambda z, y, w: F.binary_cross_entropy(z, {"y": y, "weight": w}, 0.1),
        draw(normal(5, 3), chances(5, 3), chances(5)),
    ),
    "binary_cross_entropy/probabilities": Case(
        lambda p, y: F.binary_cross_entropy(p, {"y": y}, from_logits=False),
        draw(chances(5), chances(5)),
    ),
    "cross_entropy": Case(
        lambda z, y, w: F.cross_entropy(z, {"y": y, "weight": w}, 0.1),
        draw(normal(5, 3), labels(5, 3), lambda rng: rng.uniform(size=5)),
    ),
    "cross_entropy/distributions": Case(
        lambda z, y, w: F.cross_entropy(z, {"y": y, "weight": w}),
        draw(normal(5, 3), distributions(5, 3), chances(5)),
    ),
    "cross_entropy/probabilities": Case(
        lambda p, y: F.cross_entropy(p, {"y": y}, from_logits=False),
        draw(distributions(5, 3), labels(5, 3)),
    ),
    "weighted": Case(
        lambda x, w: F.weighted(x, {"weight": w}),
        draw(normal(5), lambda rng: rng.uniform(size=5)),
    ),
    # margin_losses
    "hinge": Case(
        lambda z, y, w: F.hinge(z, {"y": y, "weight": w}, power=2),
        draw(normal(6), labels(6, 2), chances(6)),
    ),
    "multiclass_hinge": Case(
        lambda z, y, w: F.multiclass_hinge(z, {"y": y, "weight": w}),
        draw(normal(6, 4), labels(6, 4), chances(6)),
    ),
    # normalization
    "batch_norm": Case(
        lambda *args: F.batch_norm(*args, train=True),
        draw(normal(2, 4, 3, 5), *4 * [lambda rng: rng.uniform(1, 2, 5)]),
    ),
    "batch_norm/in use": Case(
        lambda *args: F.batch_norm(*args, train=False),
        draw(normal(2, 4, 3, 5), *4 * [lambda rng: rng.uniform(1, 2, 5)]),
    ),
    "group_norm": Case(
        lambda *args: F.group_norm(*args, 2),
        draw(normal(2, 4, 3, 6), normal(6), normal(6)),
    ),
    "instance_norm": Case(
        F.instance_norm, draw(normal(2, 4, 3, 5), normal(5), normal(5))
    ),
    "layer_norm": Case(F.layer_norm, draw(normal(4, 5), normal(5), normal(5))),
    "local_contrast_norm": Case(
        lambda x: F.local_contrast_norm(x, window=3), draw(normal(2, 5, 4, 3))
    ),
    "local_response_norm": Case(F.local_response_norm, draw(normal(2, 4, 3, 6))),
    # pairs
    "nearest": Case(
        lambda x, y: F.nearest("euclidean", x, y, 3, block=4),
        draw(normal(4, 3), normal(9, 3)),
    ),
    "product": Case(F.product, draw(normal(2, 4, 3), normal(3, 5))),
    "attend": Case(
        lambda x, w: F.attend(nn.Embed(5, 3).bind({"params": {"embedding": w}}), x),
        draw(normal(2, 4, 3), normal(5, 3)),
    ),
    "contract": Case(
        lambda x, w: F.contract(x, w, (((2,), (0,)), ((), ()))),
        draw(normal(2, 4, 3), normal(3, 5)),
    ),
    "pairwise": Case(
        lambda x, y: F.pairwise("cosine", x, y, block=4),
        draw(normal(5, 3), normal(9, 3)),
    ),
    "pairwise/function": Case(
        lambda x, y: F.pairwise(F.chebyshev_distance, x, y, block=4),
        draw(normal(5, 3), normal(9, 3)),
    ),
    "pairwise_reduce": Case(
        lambda x, y: F.pairwise_reduce(
            "pearson", x, y, lambda s, d, _: s + d.sum(), 0 * x[0, 0], block=4
        ),
        draw(normal(5, 3), normal(9, 3)),
    ),
    # pooling
    "adaptive_max_pool": Case(
        lambda x: F.adaptive_max_pool(x, (3, 2)), draw(normal(2, 5, 7, 3))
    ),
    "adaptive_mean_pool": Case(
        lambda x: F.adaptive_mean_pool(x, (3, 2)), draw(normal(2, 5, 7, 3))
    ),
    "global_max_pool": Case(F.global_max_pool, draw(normal(2, 5, 7, 3))),
    "global_mean_pool": Case(F.global_mean_pool, draw(normal(2, 5, 7, 3))),
    "lp_pool": Case(F.lp_pool, draw(normal(2, 4, 6, 3))),
    "lp_pool/overlapping": Case(
        lambda x: F.lp_pool(x, 3, 1.5, 2, 1), draw(normal(2, 5, 6, 3))
    ),
    "max_pool": Case(F.max_pool, draw(normal(2, 4, 6, 3))),
    "max_pool/overlapping": Case(
        lambda x: F.max_pool(x, 3, 2, 1, ceil=True), draw(normal(2, 6, 7, 3))
    ),
    "max_pool/rest": Case(F.max_pool, draw(normal(2, 5, 6, 3))),
    "mean_pool": Case(F.mean_pool, draw(normal(2, 4, 6, 3))),
    "mean_pool/overlapping": Case(
        lambda x: F.mean_pool(x, 3, 2, 1, True, False), draw(normal(2, 6, 7, 3))
    ),
    # rademacher
    "every_sign": Case(lambda x: F.every_sign(3, x.dtype) * x, draw(normal(8, 3))),
    "finite_supremum": Case(F.finite_supremum, draw(normal(6, 4), normal(4))),
    "generalization_gap": Case(lambda r: F.generalization_gap(r, 50), draw(chances(3))),
    "linear_bound": Case(F.linear_bound, draw(normal(6, 3))),
    "linear_bound/norm 1": Case(
        lambda x: F.linear_bound(x, norm=1), draw(normal(6, 3))
    ),
    "linear_supremum": Case(F.linear_supremum, draw(normal(6, 3), normal(6))),
    "linear_supremum/norm 1": Case(
        lambda x, s: F.linear_supremum(x, s, norm=1), draw(normal(6, 3), normal(6))
    ),
    "massart_bound": Case(F.massart_bound, draw(normal(6, 4))),
    "rademacher_complexity": Case(
        lambda x, s: F.rademacher_complexity(
            functools.partial(F.linear_supremum, x), s
        ),
        draw(normal(6, 3), normal(4, 6)),
    ),
    "random_signs": Case(
        lambda x: F.random_signs(jax.random.key(0), 4, 3, x.dtype) * x,
        draw(normal(4, 3)),
    ),
    "supremum_by_ascent": Case(
        lambda w, x, s: F.supremum_by_ascent(
            lambda w, x: jnp.tanh(x @ w), w, x, s, steps=3
        ),
        draw(normal(3), normal(6, 3), normal(6)),
    ),
    # regression_losses
    "absolute": Case(
        lambda x, y, w: F.absolute(x, {"y": y, "weight": w}),
        draw(normal(5, 2), normal(5, 2), chances(5)),
    ),
    "quadratic": Case(
        lambda x, y, w: F.quadratic(x, {"y": y, "weight": w}),
        draw(normal(5, 2), normal(5, 2), chances(5)),
    ),
    "smooth_l1": Case(
        lambda x, y, w: F.smooth_l1(x, {"y": y, "weight": w}),
        draw(normal(5, 2), normal(5, 2), chances(5)),
    ),
    # resize; kernels and matrices are NumPy's, made while a function is traced
    "bilinear_deconvolution": Case(F.bilinear_deconvolution, draw(normal(2, 3, 4, 2))),
    "bilinear_kernel": Case(
        lambda x: x * jnp.asarray(F.bilinear_kernel(3), x.dtype), draw(normal(5, 5))
    ),
    "interpolation_matrix": Case(
        lambda x: jnp.asarray(F.interpolation_matrix(len(x), 7), x.dtype) @ x,
        draw(normal(5)),
    ),
    "resize": Case(lambda x: F.resize(x, (7, 3)), draw(normal(2, 4, 5, 2))),
    "resize/bicubic": Case(
        lambda x: F.resize(x, (7, 3), "bicubic", "aligned"), draw(normal(4, 5, 2))
    ),
    "resize/nearest": Case(
        lambda x: F.resize(x, (7, 3), "nearest"), draw(normal(4, 5, 2))
    ),
    # reversal
    "gradient_reversal": Case(
        lambda x: F.gradient_reversal(x, 0.5), draw(normal(4, 3))
    ),
    # rows
    "put_rows": Case(
        F.put_rows,
        draw(normal(6, 2), lambda rng: rng.permutation(6)[:3], normal(3, 2)),
    ),
    "take_rows": Case(F.take_rows, draw(normal(6, 2), labels(3, 6))),
    # sampling; the points of "edge" lie within, of the others beyond the border too
    "affine_grid": Case(lambda theta: F.affine_grid(theta, (3, 4)), draw(normal(2, 3))),
    "bilinear_sample": Case(
        F.bilinear_sample,
        draw(normal(4, 5, 2), lambda rng: rng.uniform(-2, 6, (3, 7, 2))),
    ),
    "bilinear_sample/edge": Case(
        lambda x, at: F.bilinear_sample(x, at, "edge"),
        draw(normal(4, 5, 2), lambda rng: rng.uniform(0, 3, (7, 2))),
    ),
    "bilinear_sample/reflect": Case(
        lambda x, at: F.bilinear_sample(x, at, "reflect"),
        draw(normal(4, 5, 2), lambda rng: rng.uniform(-9, 9, (7, 2))),
    ),
    "bilinear_sample/symmetric": Case(
        lambda x, at: F.bilinear_sample(x, at, "symmetric"),
        draw(normal(4, 5, 2), lambda rng: rng.uniform(-9, 9, (7, 2))),
    ),
    "grid_to_pixels": Case(
        lambda grid: F.grid_to_pixels(grid, (4, 7)), draw(normal(3, 2))
    ),
    # transport
    "sinkhorn": Case(
        lambda *args: F.sinkhorn(*args, epsilon=0.5, tolerance=1e-5)[:5],
        draw(normal(4, 3), simplex(4), simplex(3)),
    ),
    "wasserstein_1d": Case(F.wasserstein_1d, draw(normal(5), normal(4))),
    "wasserstein_1d/2": Case(
        lambda x, y, a, b: F.wasserstein_1d(x, y, 2, a, b),
        draw(normal(5), normal(4), simplex(5), simplex(4)),
    ),
    # warping
    "rotate": Case(lambda x: F.rotate(x, 33.0), draw(normal(5, 6, 2))),
    "shift": Case(F.shift, draw(normal(5, 6, 2), lambda rng: rng.uniform(0.1, 0.9, 2))),
    "warp": Case(F.warp, draw(normal(5, 6, 2), normal(5, 6, 2))),
    "warp/cubic": Case(
        lambda *args: F.warp(*args, method="cubic"),
        draw(normal(5, 6, 2), normal(5, 6, 2)),
    ),
    # whitening
    "feature_moments": Case(F.feature_moments, draw(normal(6, 3))),
    "principal_axes": Case(F.principal_axes, draw(normal(6, 3))),
    "standardize": Case(
        lambda x: F.standardize(F.feature_moments(x), x, 0.1), draw(normal(6, 3))
    ),
    "unstandardize": Case(
        lambda x, y: F.unstandardize(F.feature_moments(x), y, 0.1),
        draw(normal(6, 3), normal(2, 3)),
    ),
    "unwhiten": Case(
        lambda x, y: F.unwhiten(F.principal_axes(x), y, "zca", 0.1),
        draw(normal(6, 3), normal(2, 3)),
    ),
    "whiten": Case(
        lambda x, y: F.whiten(F.principal_axes(x), y, "pca", 0.1),
        draw(normal(6, 3), normal(2, 3)),
    ),
    "zero_center": Case(
        lambda x, y: F.zero_center(F.feature_moments(x), y),
        draw(normal(6, 3), normal(2, 3)),
    ),
}


def ours() -> set[str]:
    """Functions that `zoo.functional` shows and that are written there."""
    # A function with a gradient of its own is an object that can be called.
    by_hand = written_in(F.backprop, callable)
    return written_in(F) | {f"backprop.{name}" for name in by_hand}


def floats(tree: Any) -> list[jax.Array]:
    return [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]


def example(name: str, seed: int = 0, dtype: Any = jnp.float32) -> tuple:
    return cast(CASES[name].args(np.random.default_rng(seed)), dtype)


@functools.cache
def compiled(name: str) -> tuple[Callable, list]:
    """Compiled without implicit promotions; and a list that grows with each trace.

    The promises share it, so that each example is compiled once.
    """
    traces = []

    def f(*args):
        traces.append(1)  # Python runs this line only when jax traces
        with jax.numpy_dtype_promotion("strict"):
            return CASES[name].f(*args)

    return jax.jit(f), traces


def assert_close(a: Any, b: Any) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), a, b
    )


def test_every_function_is_listed():
    assert ours() == functions(CASES)


def test_exemptions_have_reasons():
    assert_exemptions_have_reasons(CASES, PROMISES)


@kept(CASES, "jit")
def test_compiled_it_is_the_same_and_traced_once(name):
    f, traces = compiled(name)
    before = len(traces)
    f(*example(name, 0))
    args = example(name, 1)
    assert_close(f(*args), CASES[name].f(*args))
    assert len(traces) - before <= 1  # 0 where another promise has traced it


@kept(CASES, "vmap")
def test_mapped_it_gives_both(name):
    both = [example(name, seed) for seed in (0, 1)]
    stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    mapped = jax.jit(jax.vmap(CASES[name].f))(*stack(both))
    assert_close(mapped, stack([compiled(name)[0](*args) for args in both]))


@kept(CASES, "dtypes")
def test_dtypes_are_kept(name):
    results = {}
    for dtype in (jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64):
            results[dtype] = floats(compiled(name)[0](*example(name, 0, dtype)))
        assert results[dtype], "no output of floats"
        assert all(y.dtype == dtype for y in results[dtype])
    for low, high in zip(*results.values(), strict=True):
        assert_closer(low, high, rtol=2e-3, atol=2e-4)


@kept(CASES, "gradients")
def test_gradients_are_finite_and_not_all_zero(name):
    case, args = CASES[name], example(name)
    which = [
        i
        for i, arg in enumerate(args)
        if floats(jax.tree.map(jnp.asarray, arg)) and not isinstance(arg, float)
    ]
    assert which, "no argument of floats"

    def total(*args):
        return sum(jnp.sin(1 + jnp.arange(y.size, dtype=y.dtype)) @ y.ravel()
                   for y in floats(case.f(*args)))  # fmt: skip

    grads = jax.jit(jax.grad(total, argnums=tuple(which)))(*args)
    for i, grad in zip(which, grads, strict=True):
        leaves = [np.asarray(g) for g in jax.tree.leaves(grad)]
        assert all(np.isfinite(g).all() for g in leaves), f"argument {i}"
        assert any(g.any() for g in leaves), f"argument {i}"
