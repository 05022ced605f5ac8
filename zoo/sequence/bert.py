"""BERT: an encoder that reads to both sides; words, sentences and masked words.

    h_0    = dropout(norm(E x + positions + types))
    h      = stack(h_0), post-norm, GELU
    mean   = m / |m|,  m = sum_t mask_t h_t / sum_t mask_t       a sentence, of length 1
    pooled = tanh(W h_[CLS] + b), [CLS] the first token
    tokens = E norm(gelu(W h + b)) + c, logits of the masked tokens; E is the embedding

Trained with some tokens masked, of which it tells what they were, it sees the words
on both sides, as a language model cannot. Sentence encoders (Reimers and Gurevych) are
the same network, trained on pairs of sentences, with the mean.

Shapes: B rows, T tokens, D features, N heads, H hidden units, V tokens of the
vocabulary.
Differs from the paper: dropout does not act on attention weights (see
`zoo.sequence.stack`); the next-sentence head is left out.

References:
    Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
    understanding", NAACL 2019, https://arxiv.org/abs/1810.04805
    Reimers and Gurevych, "Sentence-BERT: sentence embeddings using siamese
    BERT-networks", EMNLP 2019, https://arxiv.org/abs/1908.10084 (the mean)
    Wang et al., "MiniLM: deep self-attention distillation for task-agnostic
    compression of pre-trained transformers", NeurIPS 2020,
    https://arxiv.org/abs/2002.10957
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.dropout import Dropout
from zoo.functional.products import Dense, attend
from zoo.sequence.language import checked_tokens
from zoo.sequence.positions import too_long
from zoo.sequence.stack import Stack

OUTPUTS = ("hidden", "mean", "pooled", "tokens")
EPS = 1e-12  # of the norms
TINY = dict(vocabulary=11, features=4, heads=2, hidden=5, layers=1, dropout=0.25)


class BERT(nn.Module):
    """From tokens to what `output` names.

    Called with a dict of `tokens`, int [B, T], and optionally `mask`, bool [B, T], True
    where there is a token, and `types`, int [B, T], the sentence that a token is of.

    Returns `hidden`, [B, T, D]; or `mean` or `pooled`, [B, D]; or of `tokens` the
    logits, [B, T, V].

    Attributes:
        vocabulary: V.
        features: D.
        heads: N.
        hidden: H.
        layers: how many.
        dropout: see `Stack`; and of the embeddings.
        longest: positions that are learned.
        types: kinds of sentences.
        output: `hidden`, `mean`, `pooled` or `tokens`.

    Raises:
        ValueError: tokens that are not integers [B, T]; mask or types of another shape;
            more tokens than `longest`; a field out of range.
    """

    vocabulary: int = 30_522
    features: int = 768
    heads: int = 12
    hidden: int = 3072
    layers: int = 12
    dropout: float = 0.1
    longest: int = 512
    types: int = 2
    output: str = "pooled"

    @nn.compact
    def __call__(
        self,
        x: dict[str, jax.Array],
        *,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array:
        tokens, mask = x["tokens"], x.get("mask")
        self._check(tokens, mask, x.get("types"))
        types = x.get("types", jnp.zeros(tokens.shape, jnp.int32))
        places = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
        embed = self._embed(self.vocabulary, "embed")
        h = embed(tokens) + self._embed(self.longest, "places")(places)  # [B, T, D]
        h = _norm("norm")(h + self._embed(self.types, "types")(types))
        h = Dropout(self.dropout, name="dropout")(h, train=train, index=index)
        h = Stack(
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            dropout=self.dropout,
            activation="gelu",
            epsilon=EPS,
            name="stack",
        )(
            h,
            mask=None if mask is None else mask[:, None, None, :],
            train=train,
            index=index,
        )
        if self.output == "mean":
            return mean_of_tokens(h, mask)
        if self.output == "pooled":
            return nn.tanh(Dense(self.features, name="pooler")(h[:, 0]))
        return _Head(name="head")(h, embed) if self.output == "tokens" else h

    def _embed(self, count, name):
        small = nn.initializers.normal(0.02)
        return nn.Embed(count, self.features, embedding_init=small, name=name)

    def _check(self, tokens, mask, types):
        checked_tokens(tokens, self.vocabulary)
        if self.output not in OUTPUTS:
            raise unknown("output", self.output, OUTPUTS)
        if tokens.shape[1] > self.longest:
            raise too_long(tokens.shape[1], self.longest)
        if mask is not None and (mask.shape != tokens.shape or mask.dtype != bool):
            raise ValueError(
                f"mask must be bool {tokens.shape}, got {mask.dtype} {mask.shape}"
            )
        if types is not None and types.shape != tokens.shape:
            raise ValueError(f"types must be {tokens.shape}, got {types.shape}")
        if types is not None:
            checked_tokens(types, self.types)


class _Head(nn.Module):  # the logits of masked tokens, by the embedding
    @nn.compact
    def __call__(self, h, embed):  # [B, T, D] -> [B, T, V]
        h = nn.gelu(Dense(h.shape[2], name="dense")(h), approximate=False)
        zero = nn.initializers.zeros_init()
        bias = self.param("bias", zero, (embed.num_embeddings,))
        return attend(embed, _norm("norm")(h)) + bias[None, None]


def mean_of_tokens(h: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """m / |m|, m the mean of the tokens that there are; without any, zeros.

    Args:
        h: [B, T, D].
        mask: bool [B, T], or None.

    Returns:
        [B, D], of length 1.
    """
    there = jnp.ones(h.shape[:2], h.dtype) if mask is None else mask.astype(h.dtype)
    count = jnp.maximum(there.sum(1), 1)[:, None]
    m = jnp.einsum("btd,bt->bd", h, there) / count
    square = (m * m).sum(1, keepdims=True)
    # Of zeros the gradient is zero too, which that of the root is not.
    return jnp.where(square > 0, m * jax.lax.rsqrt(jnp.maximum(square, 1e-24)), 0)


def _norm(name):
    return nn.LayerNorm(epsilon=EPS, use_fast_variance=False, name=name)


def _part(match):
    kind = ("query", "key", "value").index(match[2])
    return f"stack/layer_{match[1]}/attention/qkv[{kind}/3]"


_LAYER = r"(?:bert\.)?encoder\.layer\.(\d+)\."
RULES = (  # of transformers' BertModel and BertForMaskedLM
    (r"(?:bert\.)?embeddings", None),  # the numbers of the positions
    (r"(?:bert\.)?embeddings\.word_embeddings", "embed"),
    (r"(?:bert\.)?embeddings\.position_embeddings", "places"),
    (r"(?:bert\.)?embeddings\.token_type_embeddings", "types"),
    (r"(?:bert\.)?embeddings\.LayerNorm", "norm"),
    (_LAYER + r"attention\.self\.(query|key|value)", _part),
    (_LAYER + r"attention\.output\.dense", r"stack/layer_\1/attention/out"),
    (_LAYER + r"attention\.output\.LayerNorm", r"stack/layer_\1/attention_norm"),
    (_LAYER + r"intermediate\.dense", r"stack/layer_\1/network_in"),
    (_LAYER + r"output\.dense", r"stack/layer_\1/network_out"),
    (_LAYER + r"output\.LayerNorm", r"stack/layer_\1/network_norm"),
    (r"(?:bert\.)?pooler\.dense", "?pooler"),
    (r"cls\.predictions", "?head"),
    (r"cls\.predictions\.transform\.dense", "?head/dense"),
    (r"cls\.predictions\.transform\.LayerNorm", "?head/norm"),
    (r"cls\.predictions\.decoder", None),  # the embedding, and the head's bias
    (r"cls\.seq_relationship", None),
)
