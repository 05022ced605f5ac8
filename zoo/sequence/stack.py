"""Stacks of layers of attention and of a small network for each token.

    attention   heads side by side, each softmax(q k^T / sqrt(D / N)) v; then a product
    network     W_2 f(W_1 x + b_1) + b_2, f ReLU, or GELU as in GPT
    post-norm   x <- norm(x + sublayer(x))          the paper's
    pre-norm    x <- x + sublayer(norm(x)), and a norm at the end

An encoder's layers read the whole sequence; a decoder's read what came before, and
then, if it has a memory, the encoder's outputs. `Stack` is any of these.

Decoding token by token keeps the keys and values of the tokens so far (the cache), and
of the memory: a step then costs as much as the tokens are long, not their square.
Places that are not filled yet are masked, so the outputs are those of the whole.

Shapes: B rows, T tokens, S tokens of the memory, D features, N heads, H hidden units,
L tokens that a cache can hold.
Differs from the paper: nothing in the defaults. Dropout acts on what each sublayer
gives, as its section 5.4 says; many libraries drop attention weights as well.

References:
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762
    Xiong et al., "On layer normalization in the Transformer architecture", ICML 2020,
    https://arxiv.org/abs/2002.04745 (pre-norm)
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.attention import attention
from zoo.functional.dropout import Dropout
from zoo.functional.products import Dense, product
from zoo.sequence.positions import rotary

ACTIVATIONS = {
    "relu": nn.relu,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),  # GPT-2's
}

Cache = tuple[jax.Array, tuple]  # tokens so far, int32, and keys and values by layer


class Attention(nn.Module):
    """Multi-head attention of x to itself or to a memory.

    Attributes:
        heads: N.
        cross: whether keys and values come from a memory.
        turned: whether queries and keys are turned by their positions (rotary).
    """

    heads: int = 8
    cross: bool = False
    turned: bool = False

    @nn.compact
    def __call__(self, x, memory=None, mask=None, causal=False, cache=None):
        width = x.shape[2]
        split = lambda y: y.reshape(*y.shape[:2], self.heads, -1)  # [B, T, N, D / N]
        if self.cross:
            q = split(Dense(width, name="query")(x))
            if not isinstance(memory, tuple):  # else it is projected already
                both = Dense(2 * width, name="key_value")(memory)
                memory = tuple(map(split, jnp.split(both, 2, axis=2)))
            k, v = memory
        else:
            qkv = Dense(3 * width, name="qkv")(x)
            q, k, v = map(split, jnp.split(qkv, 3, axis=2))
            before = jnp.int32(0) if cache is None else cache[0]
            if self.turned:
                places = before + jnp.arange(x.shape[1], dtype=jnp.int32)
                q, k = rotary(q, places), rotary(k, places)
            if cache is not None:
                k, v = (
                    jax.lax.dynamic_update_slice_in_dim(kept, new, before, axis=1)
                    for kept, new in zip(cache[1], (k, v), strict=True)
                )
                # Query t is token before + t; places after it are not filled yet.
                mask = jnp.arange(k.shape[1], dtype=jnp.int32)[None] <= (
                    before + jnp.arange(x.shape[1], dtype=jnp.int32)[:, None]
                )
                mask, causal = mask[None, None], False
        y = attention(q, k, v, mask, causal=causal)
        y = Dense(width, name="out")(y.reshape(x.shape))  # [B, T, D]
        return y if cache is None else (y, (k, v))


class Layer(nn.Module):
    """A layer: attention, attention to the memory if there is one, and the network.

    Attributes:
        heads: N.
        hidden: H.
        cross: whether there is a memory.
        dropout: probability at which what a sublayer gives is zeroed in training.
        pre_norm: whether the norms stand before the sublayers.
        activation: f: `relu`, `gelu` or `gelu_tanh`.
        turned: rotary positions.
        epsilon: is added to the variance by norms.
    """

    heads: int = 8
    hidden: int = 2048
    cross: bool = False
    dropout: float = 0.1
    pre_norm: bool = False
    activation: str = "relu"
    turned: bool = False
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x, memory=None, mask=None, memory_mask=None, causal=False, cache=None,
        train=False, index=None,
    ):  # fmt: skip
        kept = None

        def sublayer(name, x, f):
            norm = _norm(self.epsilon, f"{name}_norm")
            drop = Dropout(self.dropout, name=f"{name}_dropout")
            if self.pre_norm:
                return x + drop(f(norm(x)), train=train, index=index)
            return norm(x + drop(f(x), train=train, index=index))

        def to_itself(x):
            nonlocal kept
            part = Attention(self.heads, turned=self.turned, name="attention")
            y = part(x, mask=mask, causal=causal, cache=cache)
            if cache is not None:
                y, kept = y
            return y

        def to_memory(x):
            part = Attention(self.heads, cross=True, name="cross")
            return part(x, memory, memory_mask)

        def network(x):
            h = Dense(self.hidden, name="network_in")(x)  # [B, T, H]
            return Dense(x.shape[2], name="network_out")(
                ACTIVATIONS[self.activation](h)
            )

        x = sublayer("attention", x, to_itself)
        if self.cross:
            x = sublayer("cross", x, to_memory)
        return sublayer("network", x, network), kept


class Stack(nn.Module):
    """Layers of one kind, one after another, [B, T, D] -> [B, T, D].

    Called with x and, as keywords, `mask`, bool that broadcasts to [B, N, T, T], True
    where a token may read another; `causal`; `memory`, [B, S, D], with `memory_mask`;
    and `cache`. With a cache it returns the outputs and the cache after; it is causal
    then, and a mask is refused.

    Attributes:
        layers: how many.
        heads: N, which divides D.
        hidden: H.
        cross: whether there is a memory.
        dropout: probability at which what a sublayer gives is zeroed in training.
        pre_norm: whether the norms stand before the sublayers.
        final_norm: a norm at the end; None: with pre_norm.
        activation: `relu`, `gelu` or `gelu_tanh`.
        turned: rotary positions.
        epsilon: is added to the variance by norms.

    Raises:
        ValueError: a field out of range; heads that do not divide D; a memory that is
            missing or not asked for; a mask beside a cache.
    """

    layers: int = 6
    heads: int = 8
    hidden: int = 2048
    cross: bool = False
    dropout: float = 0.1
    pre_norm: bool = False
    final_norm: bool | None = None
    activation: str = "relu"
    turned: bool = False
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        causal: bool = False,
        memory: Any = None,
        memory_mask: jax.Array | None = None,
        cache: Cache | None = None,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array | tuple[jax.Array, Cache]:
        self._check(x, memory, mask, cache)
        kept = []
        for i in range(self.layers):
            layer = Layer(
                heads=self.heads,
                hidden=self.hidden,
                cross=self.cross,
                dropout=self.dropout,
                pre_norm=self.pre_norm,
                activation=self.activation,
                turned=self.turned,
                epsilon=self.epsilon,
                name=f"layer_{i}",
            )
            x, own = layer(
                x,
                memory[i] if isinstance(memory, tuple) else memory,
                mask,
                memory_mask,
                causal,
                None if cache is None else (cache[0], cache[1][i]),
                train,
                index,
            )
            kept.append(own)
        final = self.pre_norm if self.final_norm is None else self.final_norm
        x = _norm(self.epsilon, "norm")(x) if final else x
        if cache is None:
            return x
        return x, (cache[0] + jnp.int32(x.shape[1]), tuple(kept))

    @nn.nowrap
    def initial_cache(
        self, batch: int, longest: int, features: int, dtype=jnp.float32
    ) -> Cache:
        """An empty cache for so many rows of at most `longest` tokens (L)."""
        shape = (batch, longest, self.heads, features // self.heads)
        empty = lambda: (jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))
        return jnp.int32(0), tuple(empty() for _ in range(self.layers))

    def _check(self, x, memory, mask, cache):
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)
        if min(self.layers, self.heads, self.hidden) < 1:
            raise ValueError(
                "layers, heads and hidden must be positive, got "
                f"{self.layers}, {self.heads} and {self.hidden}"
            )
        if x.ndim != 3 or x.shape[1] < 1:
            raise ValueError(f"x must be [B, T, D] with T >= 1, got {x.shape}")
        if x.shape[2] % self.heads:
            raise ValueError(
                f"heads must divide the features, got {self.heads} of {x.shape[2]}"
            )
        if self.cross != (memory is not None):
            raise ValueError(
                "memory must be given to a stack with cross=True, and to no other"
            )
        if mask is not None and cache is not None:
            raise ValueError("mask must be None with a cache: it is causal")


def remember(params: dict[str, Any], memory: jax.Array, heads: int) -> tuple:
    """Keys and values of a memory for each layer of a decoder, projected once.

    Args:
        params: of a `Stack` with cross=True.
        memory: [B, S, D].
        heads: N.

    Returns:
        What `Stack` takes as `memory`: a pair of [B, S, N, D / N] for each layer.
    """

    def one(layer):
        own = layer["cross"]["key_value"]
        both = product(memory, own["kernel"]) + own["bias"][None, None]
        split = lambda y: y.reshape(*y.shape[:2], heads, -1)
        return tuple(map(split, jnp.split(both, 2, axis=2)))

    count = sum(name.startswith("layer_") for name in params)
    return tuple(one(params[f"layer_{i}"]) for i in range(count))


def _norm(epsilon, name):
    return nn.LayerNorm(epsilon=epsilon, use_fast_variance=False, name=name)
