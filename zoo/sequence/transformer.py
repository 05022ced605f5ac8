"""The Transformer: from a source to the logits of each next target token.

    encoder   a `zoo.sequence.stack` over the embedded source
    decoder   one over the embedded target so far, with the encoder's outputs as memory
    logits    E h, E the embedding, which source, target and head share

Embeddings are multiplied by sqrt(D); then positions are added, and dropout acts.

Shapes: B rows, S source tokens, T target tokens, D features, N heads, H hidden units,
V tokens of the vocabulary.
Differs from the paper: nothing in the defaults; its head, too, has no bias.

References:
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.dropout import Dropout
from zoo.functional.products import attend
from zoo.sequence.language import checked_tokens
from zoo.sequence.positions import added, too_long
from zoo.sequence.stack import Cache, Stack

TINY = dict(vocabulary=11, features=4, heads=2, hidden=5, layers=1, dropout=0.25)


class Transformer(nn.Module):
    """Encoder and decoder: from a source to the logits of each next target token.

    Called with a dict of `source`, int [B, S], `target`, int [B, T], the tokens before
    each one that is to be told, and optionally `source_mask`, bool [B, S], True where
    there is a token. Returns logits, [B, T, V].

    Attributes:
        vocabulary: V, of source and target, which share the embedding and the head.
        features: D.
        heads: N.
        hidden: H.
        layers: of the encoder, and of the decoder.
        dropout: see `Stack`; and of the embeddings.
        pre_norm: see `Stack`.
        positions: `sinusoidal`, `learned` or `rotary`.
        longest: positions that can be learned.

    Raises:
        ValueError: tokens that are not integers [B, T]; a field out of range; sequences
            longer than the learned positions.
    """

    vocabulary: int = 37_000
    features: int = 512
    heads: int = 8
    hidden: int = 2048
    layers: int = 6
    dropout: float = 0.1
    pre_norm: bool = False
    positions: str = "sinusoidal"
    longest: int = 512

    def setup(self):
        scale = nn.initializers.normal(self.features**-0.5)
        self.embed = nn.Embed(self.vocabulary, self.features, embedding_init=scale)
        self.source_dropout = Dropout(self.dropout)
        self.target_dropout = Dropout(self.dropout)
        fields = dict(
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            dropout=self.dropout,
            pre_norm=self.pre_norm,
            turned=self.positions == "rotary",
        )
        self.encoder = Stack(**fields)
        self.decoder = Stack(**fields, cross=True)
        if self.positions == "learned":
            small = nn.initializers.normal(0.02)
            self.places = self.param("places", small, (self.longest, self.features))

    def __call__(
        self,
        x: dict[str, jax.Array],
        *,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array:
        mask = x.get("source_mask")
        memory = self.encode(x["source"], mask, train=train, index=index)
        return self.decode(x["target"], memory, mask, train=train, index=index)

    def encode(self, source, mask=None, *, train=False, index=None) -> jax.Array:
        """The memory, [B, S, D]."""
        h = self._embedded(source, jnp.int32(0))
        h = self.source_dropout(h, train=train, index=index)
        return self.encoder(h, mask=_of_keys(mask), train=train, index=index)

    def decode(
        self, target, memory, mask=None, cache=None, *, train=False, index=None
    ):  # fmt: skip
        """Logits, [B, T, V]; with a cache of `initial_cache`, and the cache after."""
        before = jnp.int32(0) if cache is None else cache[0]
        h = self._embedded(target, before)
        h = self.target_dropout(h, train=train, index=index)
        given = dict(memory=memory, memory_mask=_of_keys(mask), train=train)
        if cache is None:
            h = self.decoder(h, causal=True, index=index, **given)
            return attend(self.embed, h)
        h, cache = self.decoder(h, cache=cache, index=index, **given)
        return attend(self.embed, h), cache

    @nn.nowrap
    def initial_cache(self, batch: int, longest: int) -> Cache:
        """An empty cache of the decoder, for targets of at most `longest` tokens.

        Raises:
            ValueError: more than the learned positions.
        """
        if self.positions == "learned" and longest > self.longest:
            raise too_long(longest, self.longest)
        stack = Stack(layers=self.layers, heads=self.heads)
        return stack.initial_cache(batch, longest, self.features)

    def _embedded(self, tokens, before):
        checked_tokens(tokens, self.vocabulary)
        h = self.embed(tokens) * self.features**0.5  # [B, T, D]
        places = None if self.positions != "learned" else self.places
        return h + added(self.positions, h, before, places)


def _of_keys(mask):  # [B, S] -> [B, 1, 1, S]
    return None if mask is None else mask[:, None, None, :]
