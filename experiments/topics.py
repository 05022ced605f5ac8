"""LDA's topics of 395 news items read well; of their first five words they do not.

Run:    python -m experiments.topics
        python -m experiments.topics --data my.txt --topics 10 --alpha 5 --beta 0.1

Expect: @@

Held-out documents are a fifth of all: their topics are told from half of their words,
and the perplexity is of the other half. Words of a bag have no order, so each document
is shuffled once; its first words are then any of its words.

References are in `zoo.classical.lda`, `lda_parallel`, `lda_variational` and `topics`.
"""

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import corpus, lda, lda_parallel, lda_variational, topics
from zoo.data import bags
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
TOP = 8  # words of a topic that are shown, and whose coherence is measured


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a corpus of `zoo.data.bags`, or the path of an .ldac or a text file.
        topics: K, of all but the comparison of numbers of topics.
        alpha: of the prior of a document's topics.
        beta: of the prior of a topic's words.
        sweeps: of each run of Gibbs sampling.
        sequential: sweeps of the form that goes token by token, for comparison.
        counts: numbers of topics that are compared by perplexity.
        alphas: priors that are compared by perplexity.
        lengths: words to which documents are cut.
        run: the run folder.
    """

    data: str = "reuters"
    topics: int = 20
    alpha: float = 0.1
    beta: float = 0.01
    sweeps: int = 200
    sequential: int = 50
    counts: tuple[int, ...] = (2, 5, 10, 20, 40)
    alphas: tuple[float, ...] = (0.01, 0.1, 0.5, 2.5)
    lengths: tuple[int, ...] = (5, 20, 80)
    run: str = "runs/topics"


class Split(NamedTuple):
    x: jax.Array  # all documents, each shuffled, [D, L]
    train: jax.Array  # four fifths of them
    told: jax.Array  # of the others the places 0, 2, ...
    asked: jax.Array  # and 1, 3, ...
    vocabulary: int  # V


def main(cfg: Config) -> dict[str, float]:
    """Samples topics in all these ways, prints the tables and writes the report.

    Returns:
        `FORM/log_likelihood` of words and topics after the last sweep, of the forms
        `sequential` and `parallel`; `npmi` and `umass`, means over the topics;
        `topics/K/perplexity`, `alpha/A/perplexity` and `variational/perplexity`; and
        by seed s and length N (0: not cut) `s/N/perplexity`, `s/N/npmi`.

    Raises:
        ValueError: a flag out of range; a file that is no corpus.
    """
    sizes = (cfg.topics, cfg.sweeps, cfg.sequential, *cfg.counts, *cfg.lengths)
    if min(sizes) < 1 or not (cfg.counts and cfg.lengths):
        raise ValueError(
            "topics, sweeps, sequential, counts and lengths must be positive, got "
            f"{cfg.topics}, {cfg.sweeps}, {cfg.sequential}, {cfg.counts} and "
            f"{cfg.lengths}"
        )
    for alpha in cfg.alphas:
        lda.priors(cfg.topics, alpha, cfg.beta)
    lda.priors(cfg.topics, cfg.alpha, cfg.beta)
    data = bags(cfg.data)
    split = _split(data)
    title = f"{cfg.data}: {len(data.titles):,} documents, {len(data.word):,} words"
    report = Report("Topics", title)
    numbers = _forms(cfg, report, data, split)
    numbers |= _by_count(cfg, report, split)
    numbers |= _cut(cfg, report, split)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _split(data):
    documents = len(data.titles)
    if documents < 5:
        raise ValueError(f"data must have at least 5 documents, got {documents}")
    x = corpus.rows(data.word, data.document, documents)
    x = np.asarray(corpus.shuffled(jax.random.key(0), jnp.asarray(x)))
    order = np.random.default_rng(0).permutation(documents)
    held, train = order[: documents // 5], order[documents // 5 :]
    put = jnp.asarray
    return Split(put(x), put(x[train]), put(x[held, ::2]), put(x[held, 1::2]),
                 len(data.vocabulary))  # fmt: skip


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _path(form, key, batch, sizes, sweeps, alpha, beta):
    """The last state, and log p(w, z) before each sweep."""
    build = {"sequential": lda, "parallel": lda_parallel}[form].learner
    gibbs = build(*sizes, alpha=alpha, beta=beta)

    def step(state, _):
        state, told = gibbs.step(state, batch)
        return state, told["log_likelihood"][0]

    return jax.lax.scan(step, gibbs.init(key, batch), None, sweeps)


def _forms(cfg, report, data, split) -> dict[str, float]:
    """All documents, by both forms: likelihoods, and the topics of one of them."""
    k, v, d = cfg.topics, split.vocabulary, len(data.titles)
    priors, key = (cfg.alpha, cfg.beta), jax.random.key(0)
    batches = {
        "sequential": {"word": data.word, "document": data.document},
        "parallel": {"x": split.x, "index": jnp.arange(d)},
    }
    sizes = {"sequential": (k, v, d), "parallel": (k, v)}
    sweeps = {"sequential": cfg.sequential, "parallel": cfg.sweeps}
    numbers, lines = {}, {}
    for form, batch in batches.items():
        state, path = _path(form, key, batch, sizes[form], sweeps[form], *priors)
        last = float(lda.log_likelihood(state, *priors))
        lines[form] = np.arange(len(path) + 1), np.append(path, last)
        numbers[f"{form}/log_likelihood"] = last
    picked = sorted({0, 1, 3, 10, 30, cfg.sequential, 100, 300, cfg.sweeps})
    rows = [
        (n, *(f"{y[n]:,.0f}" if n < len(y) else "" for _, y in lines.values()))
        for n in picked
        if n <= max(cfg.sequential, cfg.sweeps)
    ]
    report.show(("sweeps", *lines), rows, f"log p(w, z) of K = {k} topics")
    figure = figures.curves(lines, "sweeps", "log p(w, z), nats")
    report.figure(figure, "Both forms, from starts by chance.", "likelihood")
    return numbers | _topics(cfg, report, data, split, state)


def _topics(cfg, report, data, split, state) -> dict[str, float]:
    phi = lda.phi(state, cfg.beta)
    top = topics.top_words(phi, min(TOP, phi.shape[1]))
    # Words that no document has may be among the likeliest of an empty topic.
    seen = np.asarray(corpus.counts(split.x, split.vocabulary).sum(0) > 0)
    share = np.asarray(state.word_topic.sum(0) / state.word_topic.sum())
    used = [k for k in np.argsort(-share) if seen[np.asarray(top[k])].all()]
    given = top[np.array(used)], split.x, split.vocabulary
    npmi, umass = topics.npmi(*given), topics.umass(*given)
    rows = [
        (f"{share[k]:.3f}", f"{n:.2f}", f"{u:.1f}",
         " ".join(data.vocabulary[w] for w in top[k].tolist()))
        for k, n, u in zip(used, npmi, umass, strict=True)
    ]  # fmt: skip
    heads = ("share", "NPMI", "UMass", "likeliest words")
    report.show(heads, rows, "Topics, the largest first")
    return {"npmi": float(npmi.mean()), "umass": float(umass.mean())}


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _judged(keys, x, judges, k, vocabulary, sweeps, alpha, beta):
    """Perplexity of held-out words, and mean NPMI, by key, of topics of these rows."""
    told, asked, whole = judges

    def one(key):
        state = lda_parallel.fit(key, x, k, vocabulary, alpha, beta, sweeps)
        phi = lda.phi(state, beta)
        values = topics.completion(phi, told, asked, alpha)
        top = topics.top_words(phi, min(TOP, vocabulary))
        return topics.perplexity(values, asked), topics.npmi(
            top, whole, vocabulary
        ).mean()

    return jax.vmap(one)(keys)


def _judge(cfg, split, x, k, alpha, seeds=SEEDS):
    """[S] perplexities and [S] coherences."""
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    judges = split.told, split.asked, split.x
    sizes = k, split.vocabulary, cfg.sweeps
    found = _judged(keys, x, judges, *sizes, alpha, cfg.beta)
    return np.asarray(found)


def _by_count(cfg, report, split) -> dict[str, float]:
    """Against numbers of topics and priors; and by variational Bayes."""
    numbers, rows = {}, []
    for k in cfg.counts:
        perplexity, npmi = _judge(cfg, split, split.train, k, cfg.alpha, SEEDS[:1])
        numbers[f"topics/{k}/perplexity"] = float(perplexity[0])
        rows.append((k, cfg.alpha, float(perplexity[0]), float(npmi[0])))
    for alpha in cfg.alphas:
        if alpha != cfg.alpha or cfg.topics not in cfg.counts:
            found = _judge(cfg, split, split.train, cfg.topics, alpha, SEEDS[:1])
            rows.append((cfg.topics, alpha, *map(float, found[:, 0])))
        else:
            rows.append(rows[cfg.counts.index(cfg.topics)])
        numbers[f"alpha/{alpha:g}/perplexity"] = rows[-1][2]
    counts = corpus.counts(split.train, split.vocabulary).astype(jnp.float32)
    priors = dict(alpha=cfg.alpha, beta=cfg.beta)
    state = lda_variational.fit(jax.random.key(0), counts, cfg.topics, **priors)
    phi = lda_variational.phi(state)
    values = topics.completion(phi, split.told, split.asked, cfg.alpha)
    numbers["variational/perplexity"] = float(topics.perplexity(values, split.asked))
    report.show(("K", "alpha", "perplexity", "NPMI"), rows, "Held-out words, seed 0")
    line = f"{numbers['variational/perplexity']:.0f} after {int(state.step)} steps"
    print(f"by variational Bayes, K = {cfg.topics}: {line}")
    report.text(f"By variational Bayes, K = {cfg.topics}: {line}.")
    lines = {"": (cfg.counts, [numbers[f"topics/{k}/perplexity"] for k in cfg.counts])}
    figure = figures.curves(lines, "topics K", "perplexity of held-out words")
    report.figure(figure, "Against the number of topics.", "perplexity")
    return numbers


def _cut(cfg, report, split) -> dict[str, float]:
    """The same documents, cut to their first words."""
    numbers, rows = {}, []
    for n in (*cfg.lengths, 0):
        x = split.train[:, : n or split.train.shape[1]]
        perplexity, npmi = _judge(cfg, split, x, cfg.topics, cfg.alpha)
        for s, p, c in zip(SEEDS, perplexity, npmi, strict=True):
            numbers |= {f"{s}/{n}/perplexity": float(p), f"{s}/{n}/npmi": float(c)}
        cells = (f"{p:.0f} ({c:.2f})" for p, c in zip(perplexity, npmi, strict=True))
        rows.append((n or "all", int((x >= 0).sum()), *cells))
    heads = ("words", "in all", *(f"seed {s}" for s in SEEDS))
    title = "Topics of documents cut short: perplexity of held-out words (NPMI)"
    report.show(heads, rows, title)
    return numbers


if __name__ == "__main__":
    run(main, Config)
