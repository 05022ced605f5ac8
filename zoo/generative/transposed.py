"""The transposed convolution as a layer: each pixel is spread by the kernel.

    y[s p + i - d, s q + j - d, o] = sum over p, q, i, j, c of x[p, q, c] k[i, j, o, c]

The kernel is that of the convolution, from O channels to C, of which this is the
transpose, as in PyTorch: k[i, j] is where a pixel goes, and not what a pixel sees. It
is computed as a convolution of x with zeros between its pixels, by `convolve` of
`zoo.functional`, which on a CPU computes the phases of the output apart and multiplies
no zero; of one pixel, as a product.

Shapes: B examples, H height, W width, C channels, O outputs; s stride, d padding.

References:
    Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010,
    https://doi.org/10.1109/CVPR.2010.5539957
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
    https://arxiv.org/abs/1603.07285 (chapter 4)
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.convolution import convolve


class Transposed(nn.Module):
    """A transposed convolution with square kernels.

    Attributes:
        features: O.
        side: of the kernel.
        stride: s.
        padding: d, cut off on each side.
        extra: rows and columns added at the end, below the stride.
        bias: whether one is added.
        kernel_init: of the kernel.
    """

    features: int
    side: int = 4
    stride: int = 2
    padding: int = 1
    extra: int = 0
    bias: bool = True
    kernel_init: Callable = nn.initializers.normal(0.02)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, s H, s W, O]
        shape = (self.side, self.side, self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape)
        if x.shape[1:3] == (1, 1) and self.padding == self.extra == 0:
            y = jnp.einsum("bc,ijoc->bijo", x[:, 0, 0], kernel)
        else:
            before = self.side - 1 - self.padding
            y = convolve(
                x,
                kernel[::-1, ::-1].swapaxes(2, 3),  # [i, j, O, C] -> [i, j, C, O]
                (1, 1),
                ((before, before + self.extra),) * 2,
                lhs_dilation=(self.stride,) * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        if self.bias:
            y += self.param("bias", nn.initializers.zeros, (self.features,))[
                None, None, None
            ]
        return y
