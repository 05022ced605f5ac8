"""Layers that enlarge: transposed convolutions of pixels, and of scores.

    Doubled   y[2 i + a, 2 j + b] = x[i, j] K[a, b] + bias      kernel 2x2, stride 2
    Enlarged  a transposed convolution of kernel 2 f and stride f that begins as
              bilinear interpolation: K[:, :, c, c] = the bilinear kernel, else 0

`Enlarged` without learning is the same interpolation for good, and has no parameters.

References:
    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015, https://arxiv.org/abs/1411.4038 (section 3.3)
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.convolution import convolve
from zoo.functional.initializers import he_normal
from zoo.functional.products import product
from zoo.functional.resize import bilinear_deconvolution, bilinear_kernel


class Doubled(nn.Module):
    """Twice as many rows and columns, by a transposed convolution of 2x2.

    Attributes:
        features: channels of its output.
        dtype: of the computation; None for that of the input.
    """

    features: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, 2H, 2W, F]
        kernel = self.param("kernel", he_normal(), (2, 2, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        b, h, w, c = x.shape
        flat = kernel.transpose(2, 0, 1, 3).reshape(c, -1)  # [C, 2 2 F]
        y = product(x, flat).reshape(b, h, w, 2, 2, self.features)
        y = y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, self.features)
        return y + bias.reshape(1, 1, 1, -1)


class Enlarged(nn.Module):
    """f times as many rows and columns, bilinear at first.

    Attributes:
        factor: f, even.
        learned: with a kernel that mixes channels; else bilinear for good.
        fast: compute by `zoo.functional.convolve`.
    """

    factor: int
    learned: bool = True
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, K] -> [B, fH, fW, K]
        if not self.learned:
            return bilinear_deconvolution(x, self.factor)
        size, channels = 2 * self.factor, x.shape[-1]

        def bilinear(key, shape, dtype=jnp.float32):
            del key
            kernel = jnp.asarray(bilinear_kernel(self.factor), dtype)
            eye = jnp.eye(channels, dtype=dtype)
            return kernel[:, :, None, None] * eye[None, None]

        kernel = self.param("kernel", bilinear, (size, size, channels, channels))
        conv = convolve if self.fast else jax.lax.conv_general_dilated
        pad = size - 1 - self.factor // 2
        return conv(
            x,
            kernel.astype(x.dtype),
            (1, 1),
            ((pad, pad), (pad, pad)),
            lhs_dilation=(self.factor, self.factor),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
