"""Starting values of weights: each a function (key, shape, dtype) -> array.

With n and m the values that one output reads and that one input feeds (`fans`):

    gaussian(0.01)    normal, deviation 0.01               AlexNet, VGG
    constant(c)       c everywhere                         biases; never weights
    lecun_normal      variance 1 / n                       linear, SELU
    lecun_uniform     on [-r, r], r = sqrt(3 / n)          the same variance
    xavier_normal     variance 2 / (n + m)                 tanh, near 0
    xavier_uniform    on [-r, r], r = sqrt(6 / (n + m))    the same variance
    he_normal         variance 2 / n                       ReLU
    he_uniform        on [-r, r], r = sqrt(6 / n)          the same variance
    orthogonal(g)     g Q, Q^T Q = 1 or Q Q^T = 1          deep linear nets, recurrence

Why 1 / n: a sum of n products of independent weights and inputs has n times the
variance of one, so a linear layer keeps its input's. ReLU halves the second moment of
what is symmetric, hence He's 2. Backwards the same holds with m, and Xavier's is the
mean of both demands. It is the variance that is 2 / n; the deviation is sqrt(2 / n).

These are those of jax.nn.initializers, by the field's names. Called without arguments
(`he_normal()`) they read n from a kernel [..., C, O]: the last two axes times the
window before them. `INITIALIZERS` lists them, ready to use.

Differs from the papers: the normal ones of LeCun, Xavier and He are cut at twice their
deviation and widened so that the variance is that of the table. PyTorch's are not cut,
and its kernels are [O, C, h, w]. `orthogonal` makes the columns orthonormal of the
kernel as a matrix [h w C, O], or the rows if there are more columns than rows; with
PyTorch it is a matrix [O, C h w].

Shapes: h, w window; C input and O output channels.

References:
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998,
    http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    (by its first author's first name: Xavier)
    He et al., "Delving deep into rectifiers", ICCV 2015,
    https://arxiv.org/abs/1502.01852
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014,
    https://arxiv.org/abs/1312.6120 (orthogonal)
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012,
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    (Gaussian of deviation 0.01)
"""

from collections.abc import Callable, Sequence
from math import prod

import jax
from jax.nn.initializers import constant as constant
from jax.nn.initializers import he_normal as he_normal
from jax.nn.initializers import he_uniform as he_uniform
from jax.nn.initializers import lecun_normal as lecun_normal
from jax.nn.initializers import lecun_uniform as lecun_uniform
from jax.nn.initializers import normal as gaussian
from jax.nn.initializers import orthogonal as orthogonal
from jax.nn.initializers import xavier_normal as xavier_normal
from jax.nn.initializers import xavier_uniform as xavier_uniform


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many values an output reads, and how many outputs an input feeds.

    Args:
        shape: of a kernel, [..., C, O]; the axes before the last two are its window.

    Returns:
        n = C times the window, and m = O times the window.

    Raises:
        ValueError: a shape of fewer than two axes.

    >>> fans((784, 10)), fans((3, 3, 64, 128))
    ((784, 10), (576, 1152))
    """
    if len(shape) < 2:
        raise ValueError(f"shape must be that of a kernel, [..., C, O], got {shape}")
    *window, inputs, outputs = shape
    return inputs * prod(window), outputs * prod(window)


INITIALIZERS: dict[str, Callable[..., jax.Array]] = {
    "constant": constant(0.01),
    "gaussian": gaussian(0.01),
    "lecun_normal": lecun_normal(),
    "lecun_uniform": lecun_uniform(),
    "xavier_normal": xavier_normal(),
    "xavier_uniform": xavier_uniform(),
    "he_normal": he_normal(),
    "he_uniform": he_uniform(),
    "orthogonal": orthogonal(),
}
