"""Vision Transformer: an image as a sequence of patches.

    x -> E x_p + e_p for each patch p of P x P pixels, and a token of its own before
      -> L layers, pre-norm:  z <- z + attention(norm(z));  z <- z + network(norm(z))
      -> norm -> the token's features, or the mean of all -> dense

E is one matrix for all patches, e_p learned for each position. Nothing else knows that
an image is flat: what is near is learned. The layers are `zoo.sequence.stack.Stack`'s.
Positions belong to a size: images of another one need other variables.

Outputs by name: stem (patches with positions), last (all tokens), pooled, and the paths
of submodules: `stack/layer_0`.

Shapes: B examples, H height, W width, C channels, P side of a patch, T tokens, D
features, K classes.
Differs from the paper: dropout acts on the embedded patches and on what each sublayer
gives, not within the network as well; it is 0 by default, as in torchvision.

References:
    Dosovitskiy et al., "An image is worth 16x16 words: transformers for image
    recognition at scale", ICLR 2021, https://arxiv.org/abs/2010.11929, table 1
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.dropout import Dropout
from zoo.sequence.stack import Stack
from zoo.vision.layers import Kit, check, output

POOLS = ("token", "mean")
TINY = dict(  # the size that the tests run
    **dict(patch=8, features=8, layers=1, heads=2, hidden=12, dropout=0.25),
    **dict(pool="token"),
)
_LAYER = r"encoder\.layers\.encoder_layer_(\d+)\."
_OURS = r"stack/layer_\1/"
RULES = (  # torchvision's names
    (r"conv_proj", "stem_conv"),
    (r"class_token", "class_token"),
    (r"encoder\.pos_embedding", "places"),
    (f"{_LAYER}ln_1", f"{_OURS}attention_norm"),
    (f"{_LAYER}self_attention\\.in_proj_weight", f"{_OURS}attention/qkv/kernel"),
    (f"{_LAYER}self_attention\\.in_proj_bias", f"{_OURS}attention/qkv/bias"),
    (f"{_LAYER}self_attention\\.out_proj", f"{_OURS}attention/out"),
    (f"{_LAYER}ln_2", f"{_OURS}network_norm"),
    (f"{_LAYER}mlp\\.0", f"{_OURS}network_in"),
    (f"{_LAYER}mlp\\.3", f"{_OURS}network_out"),
    (r"encoder\.ln", "stack/norm"),
    (r"heads\.head", "head"),
)


class VisionTransformer(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        patch: side of a patch in pixels (P), which divides H and W.
        features: of a token (D).
        layers: L.
        heads: of each attention; divides D.
        hidden: units of each layer's network.
        pool: `token` reads a token of its own, `mean` the mean of the patches.
        dropout: rate of the embedded patches, and of what each sublayer gives.
        fast: compute the first convolution by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image that is not made of patches; a field out of range.
    """

    num_classes: int = 1000
    patch: int = 16
    features: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    pool: str = "token"
    dropout: float = 0.0
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        p = self.patch
        check("VisionTransformer", x, p, pool=(self.pool, POOLS))
        if x.shape[1] % p or x.shape[2] % p:
            raise ValueError(f"patch must divide the sides of {x.shape}, got {p}")
        kit = Kit(train, fast=self.fast)
        x = kit.conv(x, self.features, p, p, padding="VALID", name="stem_conv")
        x = x.reshape(len(x), -1, self.features)  # -> [B, T, D]
        small = nn.initializers.normal(0.02)
        if self.pool == "token":
            shape = (1, 1, self.features)
            token = self.param("class_token", nn.initializers.zeros, shape)
            token = jnp.broadcast_to(token, (len(x), *shape[1:])).astype(x.dtype)
            x = jnp.concatenate([token, x], 1)
        x = x + self.param("places", small, (1, *x.shape[1:])).astype(x.dtype)
        x = Dropout(self.dropout, name="dropout")(x, train=train, index=index)
        x = Stack(
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            dropout=self.dropout,
            pre_norm=True,
            activation="gelu",
            epsilon=1e-6,
            name="stack",
        )(output(self, "stem", x), train=train, index=index)
        x = output(self, "last", x)
        x = x[:, 0] if self.pool == "token" else x.mean(1)  # -> [B, D]
        return kit.dense(output(self, "pooled", x), self.num_classes, "head")
