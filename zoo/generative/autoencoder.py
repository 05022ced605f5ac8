"""The autoencoder: examples through few numbers and back.

    h_0 = x flattened,  h_l = f(h_{l-1} W_l + b_l)            code: h_L
    g_L = h_L,          g_{l-1} = f(g_l V_l + a_l)            y: g_0, without f

With K < D the code cannot hold everything (under-complete): what the network learns is
what examples have in common. Linear, and with the squared error, it finds the plane of
the first K principal components, though not the components themselves. Tied weights are
V_l = W_l^T, half as many numbers.

Shapes: B examples, D values of an example, K numbers of a code.

References:
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural
    networks", Science 2006, https://doi.org/10.1126/science.1127647
    Baldi and Hornik, "Neural networks and principal component analysis", Neural
    Networks 1989, https://doi.org/10.1016/0893-6080(89)90014-2
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown

ACTIVATIONS = {
    "identity": lambda x: x,
    "sigmoid": nn.sigmoid,
    "tanh": nn.tanh,
    "relu": nn.relu,
}
TINY = dict(widths=(8, 3), code="identity")  # the size that the tests run


class Autoencoder(nn.Module):
    """Dense layers to a code and back.

    Attributes:
        shape: of an example.
        widths: units of each layer of the encoder; the last is the code (K). The
            decoder has them in reverse.
        activation: `identity`, `sigmoid`, `tanh` or `relu`; f.
        code: activation of the code; "" is `activation`.
        tied: the decoder's weights are the encoder's, transposed.

    Raises:
        ValueError: an unknown activation; no width, or a size that is not positive; x
            of another shape.
    """

    shape: tuple[int, ...] = (28, 28, 1)
    widths: tuple[int, ...] = (128, 32)
    activation: str = "sigmoid"
    code: str = ""
    tied: bool = False

    def setup(self):
        for name in (self.activation, self.code or self.activation):
            if name not in ACTIVATIONS:
                raise unknown("activation", name, ACTIVATIONS)
        if not self.widths or min(*self.widths, *self.shape) < 1:
            raise ValueError(
                "widths must hold a positive one, and shape be positive, got "
                f"{self.widths} and {self.shape}"
            )
        back = (*self.widths[-2::-1], math.prod(self.shape))
        self.encoder = [nn.Dense(width) for width in self.widths]
        if self.tied:
            zeros = nn.initializers.zeros
            self.bias = [
                self.param(f"decoder_bias_{i}", zeros, (width,))
                for i, width in enumerate(back)
            ]
        else:
            self.decoder = [nn.Dense(width) for width in back]

    def encode(self, x: jax.Array, layers: int | None = None) -> jax.Array:
        """The code, or what the first so many layers make of x: [B, ...] -> [B, K]."""
        if x.shape[1:] != tuple(self.shape):
            raise ValueError(f"x must be [B, *{self.shape}], got {list(x.shape)}")
        last = len(self.widths) - 1
        h = x.reshape(len(x), -1)
        for i, layer in enumerate(self.encoder[:layers]):
            f = self.code or self.activation if i == last else self.activation
            h = ACTIVATIONS[f](layer(h))
        return h

    def decode(self, code: jax.Array) -> jax.Array:  # [B, K] -> [B, ...]
        """What stands for the examples: means, or logits of them."""
        g, count = code, len(self.widths)
        for i in range(count):
            g = ACTIVATIONS[self.activation](g) if i else g
            if self.tied:
                kernel = self.encoder[count - 1 - i].variables["params"]["kernel"]
                bias = jnp.broadcast_to(self.bias[i], (len(g), len(self.bias[i])))
                g = g @ kernel.T + bias
            else:
                g = self.decoder[i](g)
        return g.reshape(len(g), *self.shape)

    def __call__(self, x: jax.Array) -> jax.Array:  # [B, ...] -> [B, ...]
        return self.decode(self.encode(x))
