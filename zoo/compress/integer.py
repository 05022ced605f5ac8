"""Inference in integers: products of int8, sums of int32, one scale at the end.

    y = s_x s_w (q_x q_w - z_x sum q_w) + bias          sum over the inputs of an output

Codes of the weights (symmetric, each output channel with a scale of its own) are model
state; what a layer is given is quantized as it comes, by a range that was found before
(`calibrate.input_ranges`). Here that is symmetric too, so z_x = 0 and zeros are right
as padding; `matmul` takes any zero point.

`post_training` without ranges quantizes the weights alone, and computes in floats.

Shapes: N rows, D inputs, O outputs.

References:
    Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018, https://arxiv.org/abs/1712.05877
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from zoo.compress.quantize import (
    Grid,
    dequantize,
    grid,
    limits,
    quantize,
    ranges,
)
from zoo.compress.reparameterise import (
    Rule,
    Select,
    flat,
    is_kernel,
    nested,
    replaced,
    selected,
)

EIGHT = 8


def matmul(x: jax.Array, x_grid: Grid, w: jax.Array, w_grid: Grid) -> jax.Array:
    """x @ w, from the codes of both.

    Args:
        x: codes, int8 or uint8, [N, D].
        x_grid: of the whole tensor.
        w: codes, int8, [D, O]; symmetric.
        w_grid: of the whole tensor or of each output.

    Returns:
        [N, O], floats: what the numbers that the codes stand for give, to rounding.
    """
    if x.dtype != w.dtype:
        x, w = x.astype(jnp.int32), w.astype(jnp.int32)
    inner = (((1,), (0,)), ((), ()))
    sums = jax.lax.dot_general(x, w, inner, preferred_element_type=jnp.int32)
    ones = w.astype(jnp.int32).sum(0, keepdims=True)  # [1, O]
    sums = sums - x_grid.zero * ones
    return sums.astype(jnp.float32) * (x_grid.scale * w_grid.scale.reshape(1, -1))


def post_training(
    bits: int = EIGHT,
    inputs: Mapping[str, tuple[float, float]] | None = None,
    form: str = "symmetric",
    per_channel: bool = True,
    select: Select = is_kernel,
) -> Rule:
    """A rule: the weights are codes; biases and the rest still train.

    Args:
        bits: of a weight, from 2 to 16.
        inputs: by layer, the range of what it is given; these layers compute in
            integers, others in floats.
        form: of the weights' grid.
        per_channel: whether each output channel has a scale of its own.
        select: which weights.

    Raises:
        ValueError: bits out of range or an unknown form; inputs with more than 8 bits
            or with an affine grid of the weights.
    """
    limits(bits, form)
    inputs = dict(inputs or {})
    if inputs and (bits > EIGHT or form != "symmetric"):
        raise ValueError(
            f"bits must be at most {EIGHT} and form symmetric where layers compute in "
            f"integers, got {bits} and {form}"
        )

    def encode(params):
        codes = {}
        for path, w in selected(params, select).items():
            there = grid(*ranges(w, per_channel), bits, form)
            codes[path] = quantize(w, there, bits, form)
            codes[f"{path}/scale"] = there.scale
            if form == "affine":
                codes[f"{path}/zero"] = there.zero
        for name, ends in inputs.items():
            codes[f"{name}/inputs"] = jnp.array(ends, jnp.float32)
        rest = {path: leaf for path, leaf in flat(params).items() if path not in codes}
        return nested(rest), codes

    def decode(floats, codes, key):
        del key
        paths = [path for path in codes if f"{path}/scale" in codes]
        made = {path: dequantize(codes[path], _grid(codes, path)) for path in paths}
        return replaced(floats, made)

    def layer(call, x, path, module, codes):
        if path not in inputs or f"{path}/kernel" not in codes:
            return call(x)
        ends = codes[f"{path}/inputs"]
        there = grid(ends[0], ends[1], EIGHT)
        x = quantize(x, there)
        kernel = codes[f"{path}/kernel"]
        scales = _grid(codes, f"{path}/kernel")
        if kernel.ndim == 2:
            lead = x.shape[:-1]
            y = matmul(x.reshape(-1, x.shape[-1]), there, kernel, scales)
            y = y.reshape(*lead, -1)
        else:
            y = _convolution(module, x, kernel).astype(jnp.float32)
            y = y * (there.scale * scales.scale)
        if not module.use_bias:
            return y
        return y + jnp.expand_dims(
            module.get_variable("params", "bias"), tuple(range(y.ndim - 1))
        )

    return Rule(encode, decode, layer if inputs else None)


def _convolution(module, x, kernel):
    """The sums of a layer of images, [B, H, W, C] -> int32 [B, H', W', O]."""
    pairs = lambda n: (n, n) if isinstance(n, int) else tuple(n or (1, 1))
    padding = module.padding
    if isinstance(padding, int):
        padding = ((padding, padding),) * 2
    return jax.lax.conv_general_dilated(
        *(x, kernel, pairs(module.strides), padding),
        lhs_dilation=pairs(module.input_dilation),
        rhs_dilation=pairs(module.kernel_dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=module.feature_group_count,
        preferred_element_type=jnp.int32,
    )


def _grid(codes, path) -> Grid:
    scale = codes[f"{path}/scale"]
    return Grid(scale, codes.get(f"{path}/zero", jnp.zeros(scale.shape, jnp.int32)))
