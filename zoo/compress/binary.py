"""Weights of one bit: BinaryConnect, binarized nets, XNOR nets.

    sign         w_b = sign(w)                   1 at 0; dL/dw = dL/dw_b where |w| <= 1
    stochastic   w_b = 1 with probability hard_sigmoid(w), else -1     in training
    scaled       w_b = a sign(w)                 a = mean |w| of an output channel

    binarized    layer(sign(x))                  dL/dx where |x| <= 1 (of hard tanh)
    xnor         layer(sign(x)) K                K = mean |x| of what an output sees

Weights train as floats; keep them within [-1, 1] by `optax.chain(tx,
optim.clip_weights(-1, 1))`, or those that leave it are stuck. With both sides of a
product 1 or -1 it takes no multiplication: n - 2 popcount(x xor w), `xnor_matmul`.

Differs from the papers: the gradient of a scaled weight is autodiff's, in which all
weights of a channel take part in that of the scale; for stochastic weights it is that
of `sign`. Whether normalization stands before a binarized layer is up to the network.

Shapes: B examples, D inputs, O outputs.

References:
    Courbariaux, Bengio and David, "BinaryConnect", NeurIPS 2015,
    https://arxiv.org/abs/1511.00363
    Courbariaux et al., "Binarized neural networks", NeurIPS 2016,
    https://arxiv.org/abs/1602.02830
    Rastegari, Ordonez, Redmon and Farhadi, "XNOR-Net", ECCV 2016,
    https://arxiv.org/abs/1603.05279
"""

import zlib

import jax
import jax.numpy as jnp

from zoo.compress.reparameterise import Rule, Select, is_kernel, replaced, selected
from zoo.errors import unknown
from zoo.functional.activations import hard_sigmoid, sign

WEIGHTS = ("sign", "stochastic", "scaled")
INPUTS = ("float", "binarized", "xnor")
WORD = 32


def binarize(
    w: jax.Array, weights: str = "sign", key: jax.Array | None = None
) -> jax.Array:
    """Weights of one bit.

    Args:
        w: [..., O].
        weights: of `WEIGHTS`.
        key: of the draws, for `stochastic`; None for its most likely weights.

    Raises:
        ValueError: unknown weights.
    """
    if weights not in WEIGHTS:
        raise unknown("kind of weights", weights, WEIGHTS)
    signs = sign(w)
    if weights == "scaled":
        return signs * jnp.abs(w).mean(tuple(range(w.ndim - 1)), keepdims=True)
    if weights == "stochastic" and key is not None:
        up = jax.random.uniform(key, w.shape) < hard_sigmoid(w)
        drawn = jnp.where(up, 1, -1).astype(w.dtype)
        return signs + jax.lax.stop_gradient(drawn - signs)
    return signs


def binary(
    weights: str = "scaled", inputs: str = "float", select: Select = is_kernel
) -> Rule:
    """A rule: the selected weights have one bit, and what their layers are given too.

    Args:
        weights: `sign`, `stochastic` or `scaled`.
        inputs: `float`, `binarized` or `xnor`.
        select: which weights; the papers leave the first and last layer as they are.

    Raises:
        ValueError: unknown weights or inputs.
    """
    if weights not in WEIGHTS:
        raise unknown("kind of weights", weights, WEIGHTS)
    if inputs not in INPUTS:
        raise unknown("kind of inputs", inputs, INPUTS)

    def encode(params):
        selected(params, select)
        return params, {}

    def decode(floats, codes, key):
        made = {}
        for path, w in selected(floats, select).items():
            own = key
            if key is not None:  # of each weight, whatever others there are
                own = jax.random.fold_in(key, zlib.crc32(path.encode()))
            made[path] = binarize(w, weights, own)
        return replaced(floats, made)

    def layer(call, x, path, module, codes):
        if not select(f"{path}/kernel"):
            return call(x)
        y = call(sign(x))
        if inputs == "binarized":
            return y
        if not module.use_bias:
            return y * seen(x, module)
        bias = module.get_variable("params", "bias")
        bias = jnp.expand_dims(bias, tuple(range(y.ndim - 1)))
        return (y - bias) * seen(x, module) + bias

    return Rule(encode, decode, layer if inputs != "float" else None)


def seen(x: jax.Array, module) -> jax.Array:
    """K: the mean of |x| over what each output of a layer sees, [..., 1].

    Args:
        x: what the layer is given, [..., D] or [B, H, W, C].
        module: a dense layer, or a convolution; padding counts as zeros.
    """
    mean = jnp.abs(x).mean(-1, keepdims=True)
    if not hasattr(module, "kernel_size"):
        return mean
    h, w = module.kernel_size
    box = jnp.full((h, w, 1, 1), 1 / (h * w), x.dtype)
    strides = module.strides or (1, 1)
    strides = (strides, strides) if isinstance(strides, int) else strides
    return jax.lax.conv_general_dilated(
        *(mean, box, strides, module.padding),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def packed_signs(x: jax.Array) -> jax.Array:
    """Signs as bits, 32 in a word: [..., D] -> uint32 [..., ceil(D / 32)]."""
    bits = (x >= 0).astype(jnp.uint32)
    bits = jnp.pad(bits, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % WORD)])
    bits = bits.reshape(*x.shape[:-1], -1, WORD)
    place = jnp.arange(WORD, dtype=jnp.uint32).reshape((1,) * x.ndim + (-1,))
    return (bits << place).sum(-1, dtype=jnp.uint32)


def xnor_matmul(x: jax.Array, w: jax.Array, size: int) -> jax.Array:
    """sign(x) @ sign(w).T from packed signs, without a multiplication.

    Args:
        x: of `packed_signs`, [B, ceil(D / 32)].
        w: likewise, [O, ceil(D / 32)].
        size: D.

    Returns:
        int32 [B, O].
    """
    unlike = jax.lax.population_count(x[:, None] ^ w[None]).sum(-1)
    return size - 2 * unlike.astype(jnp.int32)
