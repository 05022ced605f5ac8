"""GPT: a language model of a decoder alone.

    h_0 = E x + positions,  h = stack(h_0), causal, pre-norm, GELU;  logits = E h

The head shares the embedding E. See `zoo.sequence.language` for what language models
have in common, and `zoo.sequence.stack` for the layers and the cache.

Shapes: B rows, T tokens, D features, N heads, H hidden units, V tokens of the
vocabulary.
Differs from GPT-2: rotary and sinusoidal positions can be had; biases and weights
begin as linen's do, but for the embedding and the positions.

References:
    Radford et al., "Language models are unsupervised multitask learners", OpenAI 2019,
    https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.dropout import Dropout
from zoo.functional.products import attend
from zoo.sequence.language import checked_tokens
from zoo.sequence.positions import added, too_long
from zoo.sequence.stack import Cache, Stack

TINY = dict(
    vocabulary=11, features=4, heads=2, hidden=5, layers=1, dropout=0.25, longest=70
)


class GPT(nn.Module):
    """A language model of a decoder alone; see `zoo.sequence.language`.

    Called with tokens, int [B, T], it gives logits, [B, T, V]; with a cache as well,
    the logits and the cache after.

    Attributes:
        vocabulary: V.
        features: D.
        heads: N.
        hidden: H.
        layers: how many.
        dropout: see `Stack`; and of the embeddings.
        positions: `learned`, `rotary` or `sinusoidal`.
        longest: tokens that it can see at once, and positions that can be learned.

    Raises:
        ValueError: tokens that are not integers [B, T]; a field out of range; more
            tokens than `longest`.
    """

    vocabulary: int = 82
    features: int = 128
    heads: int = 4
    hidden: int = 512
    layers: int = 4
    dropout: float = 0.0
    positions: str = "learned"
    longest: int = 256

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        state: Cache | None = None,
        *,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array | tuple[jax.Array, Cache]:
        checked_tokens(x, self.vocabulary)
        if x.shape[1] > self.longest:
            raise too_long(x.shape[1], self.longest)
        small = nn.initializers.normal(0.02)
        embed = nn.Embed(
            self.vocabulary, self.features, embedding_init=small, name="embed"
        )
        before = jnp.int32(0) if state is None else state[0]
        h, places = embed(x), None  # [B, T, D]
        if self.positions == "learned":
            places = self.param("places", small, (self.longest, self.features))
        h = h + added(self.positions, h, before, places)
        h = Dropout(self.dropout, name="dropout")(h, train=train, index=index)
        stack = self._stack(name="stack")
        if state is None:
            return attend(embed, stack(h, causal=True, train=train, index=index))
        h, state = stack(h, cache=state, train=train, index=index)
        return attend(embed, h), state

    @nn.nowrap
    def initial_state(self, batch: int, longest: int = 0) -> Cache:
        """An empty cache for so many rows of at most `longest` tokens; 0: the model's.

        Raises:
            ValueError: more than the model's.
        """
        if longest > self.longest:
            raise too_long(longest, self.longest)
        return self._stack(parent=None).initial_cache(
            batch, longest or self.longest, self.features
        )

    def _stack(self, **options):
        return Stack(
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            dropout=self.dropout,
            pre_norm=True,
            activation="gelu_tanh",
            turned=self.positions == "rotary",
            **options,
        )
