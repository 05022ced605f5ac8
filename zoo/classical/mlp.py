"""The multilayer perceptron, and without hidden layers softmax regression.

    h_0 = x flattened;  h_l = f(W_l h_{l-1} + b_l);  logits = W h_L + b

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating
    errors", Nature 1986, https://doi.org/10.1038/323533a0
    Cox, "The regression analysis of binary sequences", JRSS B 1958 (no hidden layer)
"""

import flax.linen as nn
import jax

from zoo.functional.dropout import Dropout

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh, "sigmoid": nn.sigmoid}
TINY = dict(widths=(8,), dropout=0.5)  # the size that the tests run


class MLP(nn.Module):
    """Classifier of images, or of anything that can be flattened.

    Attributes:
        num_classes: logits of an example (K).
        widths: units of each hidden layer; () is softmax regression.
        activation: `relu`, `tanh` or `sigmoid`.
        dropout: probability at which hidden units are zeroed in training.

    Raises:
        ValueError: an activation that is not listed, or a size that is not positive.
    """

    num_classes: int = 10
    widths: tuple[int, ...] = (128,)
    activation: str = "relu"
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, ...] -> [B, K]
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, "
                f"got {self.activation!r}"
            )
        if min(self.num_classes, *self.widths, 1) < 1:
            raise ValueError(
                f"num_classes and widths must be positive, got {self.num_classes} and "
                f"{self.widths}"
            )
        h = x.reshape(len(x), -1)  # [B, H, W, C] -> [B, H W C]
        for i, width in enumerate(self.widths):
            h = ACTIVATIONS[self.activation](nn.Dense(width, name=f"dense_{i}")(h))
            h = Dropout(self.dropout, name=f"dropout_{i}")(h, train=train, index=index)
        return nn.Dense(self.num_classes, name="head")(h)
