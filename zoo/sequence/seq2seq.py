"""Sequence to sequence: an encoder, a decoder, and attention between them.

    memory   m_s, the encoder's outputs, read both ways
    decoder  h_t from h_{t-1} and the token before; h_0 = tanh(B last states + b)
    context  c_t = sum_s p_ts m_s,  p_ts = softmax over s of score(h_t, m_s)
             additive  v^T tanh(W h_t + U m_s)
             general   h_t^T W m_s                     multiplicative
             scaled    (Q h_t) . (K m_s) / sqrt(H)
             none      c_t is left out: all goes through h_0
    logits   W_o tanh(W_c [c_t; h_t] + b_c) + b_o

In training the decoder is told the true token before (teacher forcing); as attention
comes after the recurrent layer, all steps of each layer are one call of the fast path.
Searching is by `zoo.sequence.search`.

Shapes: B rows, S source tokens, T target tokens, H units, V tokens of the vocabulary.
Differs from the papers: attention stands after the recurrent layer, as in Luong et al.,
for all scores, where Bahdanau et al. have it before, and nothing of it is fed back.

References:
    Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks",
    NeurIPS 2014, https://arxiv.org/abs/1409.3215
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align
    and translate", ICLR 2015, https://arxiv.org/abs/1409.0473
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015, https://arxiv.org/abs/1508.04025
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.attention import (
    additive_scores,
    attention_weights,
    dot_scores,
    general_scores,
)
from zoo.functional.dropout import Dropout
from zoo.functional.products import Dense
from zoo.sequence.language import checked_tokens
from zoo.sequence.recurrent import Recurrent, State
from zoo.sequence.search import Step

SCORES = ("additive", "general", "scaled", "none")
TINY = dict(vocabulary=11, width=3, features=4, dropout=0.25)


class Seq2Seq(nn.Module):
    """From a source to the logits of each next target token.

    Called with a dict of `source`, int [B, S], `target`, int [B, T], the tokens before
    each one that is to be told, and optionally `source_mask`, bool [B, S], True where
    there is a token. Returns logits, [B, T, V]; the weights of attention, [B, T, S],
    are sown as `intermediates/attention`.

    Attributes:
        vocabulary: V, of source and target.
        width: numbers that stand for a token.
        features: units of a layer; the encoder has as many for each direction (H).
        cell: `gru`, `lstm` or `rnn`.
        layers: of the encoder, and of the decoder.
        score: `additive`, `general`, `scaled` or `none`.
        dropout: probability at which embeddings and inputs of layers are zeroed in
            training.

    Raises:
        ValueError: tokens that are not integers [B, T]; a field out of range.
    """

    vocabulary: int = 64
    width: int = 64
    features: int = 128
    cell: str = "gru"
    layers: int = 1
    score: str = "additive"
    dropout: float = 0.0

    def setup(self):
        if self.score not in SCORES:
            raise unknown("score", self.score, SCORES)
        fields = dict(features=self.features, cell=self.cell, layers=self.layers)
        self.source_embed = nn.Embed(self.vocabulary, self.width)
        self.target_embed = nn.Embed(self.vocabulary, self.width)
        self.source_dropout = Dropout(self.dropout)
        self.target_dropout = Dropout(self.dropout)
        self.encoder = Recurrent(**fields, bidirectional=True, dropout=self.dropout)
        self.decoder = Recurrent(**fields, dropout=self.dropout)
        parts = self.layers * (2 if self.cell == "lstm" else 1)
        self.bridge = [Dense(self.features) for _ in range(parts)]
        self.combine = Dense(self.features)
        self.head = Dense(self.vocabulary)
        h, m = self.features, 2 * self.features
        normal = nn.initializers.lecun_normal()
        if self.score == "additive":
            self.w = self.param("w", normal, (h, h))
            self.u = self.param("u", normal, (m, h))
            self.v = self.param("v", nn.initializers.normal(h**-0.5), (h,))
        elif self.score == "general":
            self.w = self.param("w", normal, (h, m))
        elif self.score == "scaled":
            self.q = Dense(h, use_bias=False)
            self.k = Dense(h, use_bias=False)

    def __call__(
        self,
        x: dict[str, jax.Array],
        *,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array:
        mask, given = x.get("source_mask"), dict(train=train, index=index)
        memory, state = self.encode(x["source"], mask, **given)
        return self.decode(x["target"], memory, state, mask, **given)[0]

    def encode(
        self, source, mask=None, *, train=False, index=None
    ) -> tuple[jax.Array, State]:
        """The memory, [B, S, 2 H], and the decoder's first state."""
        checked_tokens(source, self.vocabulary)
        h = self.source_embed(source)  # [B, S, width]
        h = self.source_dropout(h, train=train, index=index)
        memory, final = self.encoder(h, mask=mask, train=train, index=index)
        bridges = iter(self.bridge)
        state = tuple(
            tuple(
                nn.tanh(next(bridges)(jnp.concatenate(both, 1)))
                for both in zip(final[2 * i], final[2 * i + 1], strict=True)
            )
            for i in range(self.layers)
        )
        return memory, state

    def decode(
        self, target, memory, state, mask=None, *, train=False, index=None
    ) -> tuple[jax.Array, State]:
        """Logits, [B, T, V], and the decoder's state after."""
        checked_tokens(target, self.vocabulary)
        h = self.target_embed(target)  # [B, T, width]
        h = self.target_dropout(h, train=train, index=index)
        h, state = self.decoder(h, initial=state, train=train, index=index)
        if self.score != "none":
            p = self._weights(h, memory, mask)  # [B, T, S]
            self.sow("intermediates", "attention", p)
            h = jnp.concatenate([jnp.einsum("bts,bsm->btm", p, memory), h], 2)
        return self.head(nn.tanh(self.combine(h))), state

    def _weights(self, h, memory, mask):
        """One head of `attention_weights`, [B, T, S]."""
        q, k = h, memory
        score, scale = dot_scores, self.features**-0.5
        if self.score == "additive":
            score = functools.partial(additive_scores, w=self.w, u=self.u, v=self.v)
            scale = 1.0
        elif self.score == "general":
            score, scale = functools.partial(general_scores, w=self.w), 1.0
        else:
            q, k = self.q(h), self.k(memory)
        keys = None if mask is None else mask[:, None, None, :]
        p = attention_weights(
            q[:, :, None], k[:, :, None], keys, score=score, scale=scale
        )
        return p[:, 0]  # [B, 1, T, S] -> [B, T, S]


def stepper(
    model: Seq2Seq, variables: Any, source: jax.Array, mask: jax.Array | None = None
) -> tuple[Step, Any]:
    """What `zoo.sequence.search` needs to write the target of a source.

    Args:
        model: a `Seq2Seq`.
        variables: its variables.
        source: int [B, S].
        mask: bool [B, S], or None.

    Returns:
        The step, (tokens [B], state) -> (logits [B, V], state), and the first state.
    """
    memory, carry = model.apply(variables, source, mask, method="encode")
    mask = jnp.ones(source.shape, bool) if mask is None else jnp.asarray(mask)

    def step(tokens, state):
        memory, mask, carry = state
        logits, carry = model.apply(
            variables, tokens[:, None], memory, carry, mask, method="decode"
        )
        return logits[:, 0], (memory, mask, carry)

    return step, (memory, mask, carry)
