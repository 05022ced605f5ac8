"""The rows of the models of sequences; `zoo.catalog` has them all."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.row import Row
from zoo.sequence import (
    bert,
    encoder_decoder,
    gpt,
    language,
    recurrent,
    seq2seq,
    transformer,
)

HOCHREITER = (
    "Hochreiter and Schmidhuber, Neural Computation 1997, "
    "https://doi.org/10.1162/neco.1997.9.8.1735"
)
CHO = "Cho et al., EMNLP 2014, https://arxiv.org/abs/1406.1078"
ELMAN = "Elman, Cognitive Science 1990, https://doi.org/10.1207/s15516709cog1402_1"
JORDAN = "Jordan, ICS report 8604 1986, https://doi.org/10.1016/S0166-4115(97)80111-2"
GRAVES = "Graves 2013, https://arxiv.org/abs/1308.0850"
BAHDANAU = "Bahdanau et al., ICLR 2015, https://arxiv.org/abs/1409.0473"
VASWANI = "Vaswani et al., NeurIPS 2017, https://arxiv.org/abs/1706.03762"
RADFORD = (
    "Radford et al., OpenAI 2019, "
    "https://cdn.openai.com/better-language-models/"
    "language_models_are_unsupervised_multitask_learners.pdf"
)

DEVLIN = "Devlin et al., NAACL 2019, https://arxiv.org/abs/1810.04805"
TURC = "Turc et al. 2019, https://arxiv.org/abs/1908.08962"
REIMERS = "Reimers and Gurevych, EMNLP 2019, https://arxiv.org/abs/1908.10084"


def series(length: int, width: int) -> Callable[[int], Any]:
    """The input of a model of sequences of numbers."""
    return lambda batch: jax.ShapeDtypeStruct((batch, length, width), jnp.float32)


def tokens(length: int) -> Callable[[int], Any]:
    """The input of a model of tokens."""
    return lambda batch: jax.ShapeDtypeStruct((batch, length), jnp.int32)


def pair(source: int, target: int) -> Callable[[int], Any]:
    """The input of a model from tokens to tokens."""
    return lambda batch: {
        "source": jax.ShapeDtypeStruct((batch, source), jnp.int32),
        "target": jax.ShapeDtypeStruct((batch, target), jnp.int32),
    }


def masked(length: int) -> Callable[[int], Any]:
    """The input of a model that reads to both sides; a mask may be added."""
    return lambda batch: {"tokens": tokens(length)(batch)}


def _recurrent(
    cell: str, paper: str, parameters: int, reference: str, biases: int = 1
) -> Row:
    """A row of recurrent layers, 100 to 256."""
    before = {"reset": "before"} if cell == "gru" and biases == 1 else {}
    two = "one bias" if biases == 1 else "two biases"
    return Row(
        module=recurrent.Recurrent,
        task="sequence encoding",
        inputs=series(50, 100),
        paper=paper,
        parameters=parameters,
        convention=f"100 to 256, {two} for each gate",
        fields={"cell": cell, "biases": biases, **before},
        tiny=recurrent.TINY,
        reference=reference,
    )


def _characters(cell: str, paper: str, parameters: int) -> Row:
    """A row of a language model of characters."""
    return Row(
        module=language.RecurrentLM,
        task="language",
        inputs=tokens(64),
        paper=GRAVES,
        parameters=parameters,
        convention="82 characters, 64 numbers each, 256 units, one bias for each gate",
        fields={"cell": cell},
        tiny=language.TINY,
        notes=f"The cell: {paper.split(chr(44))[0]}. Learned by experiments.char_lm.",
    )


SEQUENCE: dict[str, Row] = {
    "rnn": _recurrent("rnn", ELMAN, 91_392, "torch.nn.RNN"),
    "lstm": _recurrent("lstm", HOCHREITER, 365_568, "keras.layers.LSTM"),
    "lstm_two_biases": _recurrent("lstm", HOCHREITER, 366_592, "torch.nn.LSTM", 2),
    "gru": _recurrent("gru", CHO, 274_176, "keras.layers.GRU(reset_after=False)"),
    "gru_two_biases": _recurrent("gru", CHO, 274_944, "torch.nn.GRU", 2),
    "jordan": Row(
        module=recurrent.Jordan,
        task="sequence encoding",
        inputs=series(50, 100),
        paper=JORDAN,
        parameters=100 * 64 + 10 * 64 + 64 + 64 * 10 + 10,
        convention="weights and biases, 100 to 10 by way of 64 units",
        tiny=dict(outputs=3, features=4),
        notes="The output comes back, not the state.",
    ),
    "char_lstm": _characters("lstm", HOCHREITER, 355_026),
    "char_gru": _characters("gru", CHO, 272_850),
    "char_gpt": Row(
        module=gpt.GPT,
        task="language",
        inputs=tokens(64),
        paper=RADFORD,
        parameters=836_608,
        convention="82 characters, 256 learned positions, 4 layers of 128; shared head",
        tiny=gpt.TINY,
        notes="GPT-2, small. Learned by experiments.char_lm.",
    ),
    "gpt2": Row(
        module=gpt.GPT,
        task="language",
        inputs=tokens(64),
        paper=RADFORD,
        parameters=124_439_808,
        convention="50,257 tokens, 1,024 learned positions; shared head",
        fields=dict(
            **{"vocabulary": 50_257, "features": 768, "heads": 12, "hidden": 3072},
            **{"layers": 12, "longest": 1024, "dropout": 0.1},
        ),
        tiny=gpt.TINY,
        reference="transformers.GPT2LMHeadModel",
    ),
    "seq2seq": Row(
        module=seq2seq.Seq2Seq,
        task="translation",
        inputs=pair(18, 11),
        paper=BAHDANAU,
        parameters=370_240,
        convention="64 tokens, 64 numbers each, 128 units, additive attention",
        tiny=seq2seq.TINY,
        notes="Attention after the recurrent layer. Learned by experiments.alignment.",
    ),
    "bert_base": Row(
        module=bert.BERT,
        task="language",
        inputs=masked(32),
        paper=DEVLIN,
        parameters=109_514_298,
        convention="30,522 tokens, 512 positions, head of masked tokens, no pooler",
        fields={"output": "tokens"},
        tiny=bert.TINY,
        figures="GLUE 79.6, with the pooler (the paper)",
        reference="transformers.BertForMaskedLM",
        notes="bert-base-uncased; with output='pooled' 109,482,240, as BertModel.",
        rules=bert.RULES,
    ),
    "bert_tiny": Row(
        module=bert.BERT,
        task="sequence encoding",
        inputs=masked(32),
        paper=TURC,
        parameters=4_385_920,
        convention="30,522 tokens, 512 positions, pooler",
        fields={"features": 128, "heads": 2, "hidden": 512, "layers": 2},
        tiny=bert.TINY,
        figures="GLUE 64.2 (the authors)",
        reference="transformers.BertModel",
        rules=bert.RULES,
    ),
    "minilm": Row(
        module=bert.BERT,
        task="sequence encoding",
        inputs=masked(32),
        paper=REIMERS,
        parameters=22_565_376,
        convention="30,522 tokens, 512 positions, no pooler",
        fields=dict(
            **{"features": 384, "heads": 12, "hidden": 1536, "layers": 6},
            **{"output": "mean"},
        ),
        tiny=bert.TINY,
        reference="sentence-transformers/all-MiniLM-L6-v2",
        notes="Vectors of length 1; see experiments.sentence_similarity.",
        rules=bert.RULES,
    ),
    "g2p": Row(
        module=encoder_decoder.EncoderDecoder,
        task="translation",
        inputs=pair(8, 8),
        paper=CHO,
        parameters=834_890,
        convention="29 letters to 74 phonemes, 256 units, two biases for each gate",
        tiny=encoder_decoder.TINY,
        reference="the package g2p-en, whose weights it takes",
        notes="See zoo.sequence.encoder_decoder for its tokens.",
        rules=encoder_decoder.RULES,
    ),
    "transformer_base": Row(
        module=transformer.Transformer,
        task="translation",
        inputs=pair(32, 32),
        paper=VASWANI,
        parameters=63_082_496,
        convention="shared vocabulary of 37,000, all biases, none of the head",
        tiny=transformer.TINY,
        figures="WMT 2014 English-German BLEU 27.3 (the paper)",
        reference="torch.nn.Transformer (which has two norms more)",
    ),
    "transformer_big": Row(
        module=transformer.Transformer,
        task="translation",
        inputs=pair(32, 32),
        paper=VASWANI,
        parameters=214_245_376,
        convention="shared vocabulary of 37,000, all biases, none of the head",
        fields={"features": 1024, "heads": 16, "hidden": 4096, "dropout": 0.3},
        tiny=transformer.TINY,
        figures="WMT 2014 English-German BLEU 28.4 (the paper)",
        reference="torch.nn.Transformer (which has two norms more)",
    ),
}
