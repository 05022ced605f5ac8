"""Linear quantization: real numbers as integers of a few bits, times a scale.

    symmetric   q = clip(round(x / s), -(2^(b-1) - 1), 2^(b-1) - 1)     s = max|x| / ..
    affine      q = clip(round(x / s) + z, 0, 2^b - 1)
                s = (high - low) / (2^b - 1),  z = round(-low / s)
    back        x ~ s (q - z)                        z = 0 if symmetric

A scale belongs to a whole tensor or to each output channel (the last axis). Zero is
always met exactly: a range is widened until it holds 0. Rounding is half to even.

Quantization-aware training computes with what quantization leaves of each weight, and
for the gradient takes it for the weight itself: 1 within the range, 0 outside
(straight-through). After training (`integer.post_training`) codes take the weights'
place.

Shapes: b bits, s scale, z zero point; O output channels.

References:
    Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018, https://arxiv.org/abs/1712.05877
    Bengio, Leonard and Courville, "Estimating or propagating gradients through
    stochastic neurons", 2013, https://arxiv.org/abs/1308.3432
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.compress.reparameterise import Rule, Select, is_kernel, replaced, selected
from zoo.errors import unknown

FORMS = ("symmetric", "affine")


class Grid(NamedTuple):
    """The numbers that there are: scale times integers less the zero point."""

    scale: jax.Array  # [] or [1, ..., O], above 0
    zero: jax.Array  # likewise, int32; 0 if symmetric


def limits(bits: int, form: str = "symmetric") -> tuple[int, int]:
    """The least and the largest code.

    Raises:
        ValueError: bits outside 2 to 16, or an unknown form.
    """
    if not (isinstance(bits, int) and 2 <= bits <= 16):
        raise ValueError(f"bits must be an integer from 2 to 16, got {bits!r}")
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    most = 2 ** (bits - 1) - 1
    return (-most, most) if form == "symmetric" else (0, 2**bits - 1)


def ranges(x: jax.Array, per_channel: bool = False) -> tuple[jax.Array, jax.Array]:
    """The least and the largest number, of all or of each channel.

    Args:
        x: [..., O].
        per_channel: [1, ..., O] in place of [].
    """
    if not per_channel:
        return jnp.min(x), jnp.max(x)
    axes = tuple(range(x.ndim - 1))
    return jnp.min(x, axes, keepdims=True), jnp.max(x, axes, keepdims=True)


def grid(
    low: jax.Array, high: jax.Array, bits: int = 8, form: str = "symmetric"
) -> Grid:
    """The grid that covers a range; of a range of 0 alone, any.

    Args:
        low: where it begins.
        high: where it ends, of the same shape.
        bits: of a code, from 2 to 16.
        form: `symmetric` or `affine`.

    Raises:
        ValueError: bits out of range, or an unknown form.
    """
    least, most = limits(bits, form)
    low, high = jnp.minimum(low, 0), jnp.maximum(high, 0)
    if form == "symmetric":
        scale = jnp.maximum(-low, high) / most
        scale = jnp.where(scale > 0, scale, jnp.ones_like(scale))
        return Grid(scale, jnp.zeros(scale.shape, jnp.int32))
    scale = (high - low) / (most - least)
    scale = jnp.where(scale > 0, scale, jnp.ones_like(scale))
    return Grid(scale, jnp.round(-low / scale).astype(jnp.int32))


def quantize(
    x: jax.Array, grid: Grid, bits: int = 8, form: str = "symmetric"
) -> jax.Array:
    """The codes; int8 or uint8 for up to 8 bits, else int16 or uint16.

    Args:
        x: [...].
        grid: of `grid`.
        bits: that it was made for.
        form: likewise.

    Raises:
        ValueError: bits out of range, or an unknown form.
    """
    least, most = limits(bits, form)
    whole = jnp.round(x / grid.scale) + grid.zero.astype(x.dtype)
    kind = f"{'' if form == 'symmetric' else 'u'}int{8 if bits <= 8 else 16}"
    return jnp.clip(whole, least, most).astype(kind)


def dequantize(codes: jax.Array, grid: Grid) -> jax.Array:
    """The numbers that codes stand for."""
    whole = codes.astype(jnp.int32) - grid.zero
    return whole.astype(grid.scale.dtype) * grid.scale


def fake_quantize(
    x: jax.Array, grid: Grid, bits: int = 8, form: str = "symmetric"
) -> jax.Array:
    """What quantization leaves of x; its gradient is 1 where x is in range, else 0.

    Args:
        x: [...].
        grid: of `grid`; gets no gradient.
        bits: that it was made for.
        form: likewise.

    Raises:
        ValueError: bits out of range, or an unknown form.
    """
    least, most = limits(bits, form)
    grid = jax.lax.stop_gradient(grid)
    whole = jnp.round(x / grid.scale) + grid.zero.astype(x.dtype)
    within = (whole >= least) & (whole <= most)
    there = jnp.where(within, x, jnp.zeros_like(x))
    back = dequantize(jnp.clip(whole, least, most), grid)
    # Exactly what quantization leaves: the last two terms are the same number.
    return jax.lax.stop_gradient(back) + (there - jax.lax.stop_gradient(there))


def quantization_aware(
    bits: int = 8,
    form: str = "symmetric",
    per_channel: bool = True,
    inputs: Mapping[str, tuple[float, float]] | None = None,
    input_bits: int = 8,
    select: Select = is_kernel,
) -> Rule:
    """A rule: weights train as floats, and the network computes with their codes.

    The weights' grid is that of their range now; the inputs' is held fixed.

    Args:
        bits: of a weight, from 2 to 16.
        form: of the weights' grid.
        per_channel: whether each output channel has a scale of its own.
        inputs: by layer, the range of what it is given (`calibrate.input_ranges`);
            these layers get their input quantized too, by an affine grid.
        input_bits: of an input.
        select: which weights.

    Raises:
        ValueError: bits out of range, or an unknown form.
    """
    limits(bits, form)
    limits(input_bits, "affine")

    def encode(params):
        selected(params, select)
        return params, {name: jnp.array(ends) for name, ends in (inputs or {}).items()}

    def decode(floats, codes, key):
        del codes, key
        made = {}
        for path, w in selected(floats, select).items():
            there = grid(*ranges(w, per_channel), bits, form)
            made[path] = fake_quantize(w, there, bits, form)
        return replaced(floats, made)

    def layer(call, x, path, module, codes):
        if path not in codes:
            return call(x)
        ends: Any = codes[path].astype(x.dtype)
        there = grid(ends[0], ends[1], input_bits, "affine")
        return call(fake_quantize(x, there, input_bits, "affine"))

    return Rule(encode, decode, layer if inputs else None)
