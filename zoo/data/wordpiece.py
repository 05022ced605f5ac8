"""Texts as WordPiece tokens, for networks such as `zoo.sequence.BERT`.

    words    split at spaces and punctuation; of an uncased vocabulary in small letters,
             without accents
    pieces   of each word, from its start on, the longest that the vocabulary has; those
             that go on within the word begin with ##; [UNK] if there is none
    row      [CLS] pieces [SEP], then padding

The library `tokenizers` does it; it is optional: pip install "zoo-jax[text]".

Shapes: B texts, T tokens of the longest.

References:
    Schuster and Nakajima, "Japanese and Korean voice search", ICASSP 2012,
    https://doi.org/10.1109/ICASSP.2012.6289079
    Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
    understanding", NAACL 2019, https://arxiv.org/abs/1810.04805
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.formats import DataError

Tokenize = Callable[[Sequence[str]], dict[str, np.ndarray]]


def wordpiece(path: str | Path, longest: int = 256, lower: bool = True) -> Tokenize:
    """A function from texts to tokens.

    Args:
        path: the vocabulary, `vocab.txt`, a token a line; or the whole `tokenizer.json`
            of Hugging Face.
        longest: tokens of a text at most, [CLS] and [SEP] included, from 3 on; the rest
            of it is cut off.
        lower: whether `vocab.txt` is uncased; a tokenizer.json says so itself.

    Returns:
        A function: texts -> a dict of `tokens`, int32 [B, T], 0 in the padding, and
        `mask`, bool [B, T], True where there is a token.

    Raises:
        ImportError: the library `tokenizers` is not installed.
        DataError: a file that is missing or no vocabulary.
        ValueError: `longest` out of range.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError(
            'WordPiece needs the library tokenizers: pip install "zoo-jax[text]", or '
            "pip install tokenizers"
        ) from error
    longest = whole_number("longest", longest, 3)
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: cannot be read (no such file)")
    try:
        if path.suffix == ".json":
            made = tokenizers.Tokenizer.from_file(str(path))
        else:
            made = tokenizers.BertWordPieceTokenizer(str(path), lowercase=lower)
    except Exception as error:  # the library raises bare ones, and TypeError
        raise DataError(f"{path}: no vocabulary of WordPiece: {error}") from error
    made.enable_truncation(longest)
    made.no_padding()

    def tokenize(texts: Sequence[str]) -> dict[str, np.ndarray]:
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"texts must be a sequence of texts, got {texts!r}")
        rows = [found.ids for found in made.encode_batch(list(texts))]
        width = max(map(len, rows))
        tokens = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
        counts = np.array([len(row) for row in rows])
        return {"tokens": tokens, "mask": np.arange(width) < counts[:, None]}

    return tokenize
