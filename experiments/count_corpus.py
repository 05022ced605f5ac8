"""A folder of text becomes the same counts and shards on one machine and by Spark.

Run:    python -m experiments.count_corpus
        python -m experiments.count_corpus --text FOLDER --documents line --least 2
        python -m experiments.count_corpus --text FOLDER --engine spark
        python -m experiments.count_corpus --text FOLDER --engine spark \\
            --master spark://HOST:7077

Expect: half of Moby Dick, 1,339 paragraphs of 116,650 words, has 12,705 different ones,
of which 2,557 are met five times or more; how often falls with their rank to the power
-1.05 (Zipf's law). Its shards hold 100,230 tokens, 64,523 counts of words in documents,
402,808 training pairs (seed 0) and 308,145 co-occurrences. It takes a second; by Spark
some ten more, most of them its start, and the files are the same, to the byte.

What is written can be read by others as it is, here into `runs/count_corpus/corpus`:

        python -m experiments.topics --data runs/count_corpus/corpus
        python -m experiments.word_vectors --text runs/count_corpus/corpus

Both hold all tokens in memory. Of a corpus that is larger than that, training reads the
shards: `zoo.data.grain_batches(zoo.data.PairsSource(corpus), batch_size)`, and likewise
`CountsSource` of documents. What the files are is told in `zoo.data.corpus`.

References:
    Zipf, "Human behavior and the principle of least effort", Addison-Wesley 1949
"""

import dataclasses
import time
from pathlib import Path

import numpy as np

from zoo.data import corpus, text
from zoo.data.text import NAMES
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

TOP = 12  # words that are shown


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        text: moby_dick, or a folder of text files.
        out: the folder that is written; empty: `corpus` in the run folder.
        engine: local, or spark.
        master: of Spark: local[N], or spark://HOST:PORT.
        partitions: of Spark's RDDs; by default by the number of cores.
        settings: what is counted.
        run: the run folder.
    """

    text: str = "moby_dick"
    out: str = ""
    engine: str = "local"
    master: str = "local[*]"
    partitions: int | None = None
    settings: corpus.Settings = corpus.Settings()
    run: str = "runs/count_corpus"


def main(cfg: Config) -> dict[str, float]:
    """Counts, writes, prints the tables and writes the report.

    Returns:
        `documents`, `words` in all, `distinct` ones and those of the `vocabulary`; rows
        by kind, as `tokens` and `pairs`; `seconds`; and `slope`, of log counts against
        log ranks, about -1 by Zipf.

    Raises:
        DataError: no text, bytes that are not UTF-8, an `out` that holds another one.
        SparkError: no Java, no PySpark, a master that cannot be reached.
        ValueError: a flag out of range.
    """
    corpus.engine_of(cfg.engine, cfg.master, cfg.partitions)
    folder = Path(cfg.text).expanduser()
    if cfg.text in NAMES:
        folder = Path(cfg.run, "text")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{cfg.text}.txt").write_text(text(cfg.text), encoding="utf-8")
    out = cfg.out or Path(cfg.run, "corpus")
    began = time.perf_counter()
    engine = cfg.engine, cfg.master, cfg.partitions
    found = corpus.write(folder, out, cfg.settings, *engine)
    numbers = {
        "documents": float(found.documents),
        "words": float(found.manifest["tokens"]),
        "distinct": float(found.manifest["distinct"]),
        "vocabulary": float(len(found.names)),
        "seconds": time.perf_counter() - began,
    }
    for kind in found.manifest["settings"]["kinds"]:
        numbers[kind] = float(sum(record["rows"] for record in found.shards(kind)))
    rank = np.arange(1, len(found.names) + 1)
    numbers["slope"] = float(np.polyfit(np.log(rank), np.log(found.counts), 1)[0])
    _report(cfg, found, out, rank, numbers)
    return numbers


def _report(cfg, found, out, rank, numbers) -> None:
    report = Report("A corpus, counted", f"{cfg.text}, by the engine {cfg.engine}")
    rows = [(name, f"{value:,.4g}" if value < 100 else f"{value:,.0f}")
            for name, value in numbers.items()]  # fmt: skip
    report.show(("what", "how many"), rows, f"{out}")
    columns = found.names, found.counts, found.document_frequency
    rows = list(zip(*(column[:TOP] for column in columns), strict=True))
    report.show(("word", "times", "documents"), rows, "The most frequent words")
    lines = {"words": (rank, found.counts), "1 / rank": (rank, found.counts[0] / rank)}
    figure = figures.curves(lines, "rank", "times", log=True)
    figure.axes[0].set_xscale("log")
    report.figure(figure, "How often the word of each rank is met.", "zipf")
    settings = dataclasses.asdict(cfg)
    settings |= settings.pop("settings")
    report.table(["setting", "value"], list(settings.items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
