"""The plain encoder-decoder: all that was read passes through one state.

    encoder  h_s = GRU(E x_s, h_{s-1}) from zeros; its last state is the decoder's first
    decoder  h_t = GRU(F y_{t-1}, h_{t-1});  logits = W h_t + b

A GRU here has two biases, PyTorch's way; see `zoo.sequence.recurrent`. With attention
it is `zoo.sequence.seq2seq`.

The row `g2p` takes the weights of the package g2p-en, which tells how English words are
spoken. Its source ends with token 2; of its target 2 begins and 3 ends it.

Shapes: B rows, S source tokens, T target tokens, H units, V tokens of the target.

References:
    Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP 2014, https://arxiv.org/abs/1406.1078
    Park and Kim, "g2pE: a simple Python module for English grapheme to phoneme
    conversion", 2019, https://github.com/Kyubyong/g2p
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.functional.products import Dense
from zoo.sequence.language import checked_tokens
from zoo.sequence.recurrent import Recurrent, State
from zoo.sequence.search import Step

TINY = dict(sources=7, targets=11, width=3, features=4)
RULES = (  # of g2p-en's checkpoint
    (r"enc_emb", "source_embed/embedding"),
    (r"dec_emb", "target_embed/embedding"),
    (r"enc_w_ih", "encoder/layer_0/w_x^T"),
    (r"enc_w_hh", "encoder/layer_0/w_h^T"),
    (r"enc_b_ih", "encoder/layer_0/b_x"),
    (r"enc_b_hh", "encoder/layer_0/b_h"),
    (r"dec_w_ih", "decoder/layer_0/w_x^T"),
    (r"dec_w_hh", "decoder/layer_0/w_h^T"),
    (r"dec_b_ih", "decoder/layer_0/b_x"),
    (r"dec_b_hh", "decoder/layer_0/b_h"),
    (r"fc_w", "head/kernel"),
    (r"fc_b", "head/bias"),
)


class EncoderDecoder(nn.Module):
    """From a source to the logits of each next target token.

    Called with a dict of `source`, int [B, S], `target`, int [B, T], the tokens before
    each one that is to be told, and optionally `source_mask`, bool [B, S], True where
    there is a token. Returns logits, [B, T, V].

    Attributes:
        sources: tokens of the source.
        targets: V.
        width: numbers that stand for a token.
        features: H.

    Raises:
        ValueError: tokens that are not integers [B, T]; a field out of range.
    """

    sources: int = 29
    targets: int = 74
    width: int = 256
    features: int = 256

    def setup(self):
        self.source_embed = nn.Embed(self.sources, self.width)
        self.target_embed = nn.Embed(self.targets, self.width)
        fields = dict(features=self.features, cell="gru", biases=2)
        self.encoder, self.decoder = Recurrent(**fields), Recurrent(**fields)
        self.head = Dense(self.targets)

    def __call__(self, x: dict[str, jax.Array], *, train: bool = False) -> jax.Array:
        del train
        state = self.encode(x["source"], x.get("source_mask"))
        return self.decode(x["target"], state)[0]

    def encode(self, source, mask=None) -> State:
        """The encoder's last state."""
        checked_tokens(source, self.sources)
        return self.encoder(self.source_embed(source), mask=mask)[1]

    def decode(self, target, state) -> tuple[jax.Array, State]:
        """Logits, [B, T, V], and the decoder's state after."""
        checked_tokens(target, self.targets)
        h, state = self.decoder(self.target_embed(target), initial=state)
        return self.head(h), state


def plain_stepper(
    model: EncoderDecoder,
    variables: Any,
    source: jax.Array,
    mask: jax.Array | None = None,
) -> tuple[Step, Any]:
    """What `zoo.sequence.search` needs to write the target of a source.

    Args:
        model: an `EncoderDecoder`.
        variables: its variables.
        source: int [B, S].
        mask: bool [B, S], or None.

    Returns:
        The step, (tokens [B], state) -> (logits [B, V], state), and the first state.
    """

    def step(tokens, state):
        args = (tokens[:, None], state)
        logits, state = model.apply(variables, *args, method="decode")
        return logits[:, 0], state

    return step, model.apply(variables, source, mask, method="encode")
