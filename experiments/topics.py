"""LDA's topics of 395 news items read well; of their first five words they do not.

Run:    python -m experiments.topics
        python -m experiments.topics --data my.txt --topics 10 --alpha 5 --beta 0.1

Expect: with 20 topics log p(w, z) rises from -1,044,046 to -672,729 in 100 sweeps of
the sequential form, and to -685,049 of the parallel one, which needs about twice as
many. Held-out perplexity is 2,300 after 30 sweeps, and 1,677 by variational Bayes; of
documents of five words it is 3,870, with a coherence below 0 (seeds 0 to 4). It takes
90 seconds.

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
        sweeps: of each form on all documents.
        short: sweeps of each of the many runs that are compared by perplexity.
        counts: numbers of topics that are compared by perplexity.
        alphas: priors that are compared by perplexity.
        lengths: words to which documents are cut.
        run: the run folder.
    """

    data: str = "reuters"
    topics: int = 20
    alpha: float = 0.1
    beta: float = 0.01
    sweeps: int = 100
    short: int = 30
    counts: tuple[int, ...] = (5, 20, 40)
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
    runs = cfg.topics, cfg.sweeps, cfg.short
    sizes = (*runs, *cfg.counts, *cfg.lengths)
    if min(sizes) < 1 or not (cfg.counts and cfg.lengths):
        raise ValueError(
            "topics, sweeps, short, counts and lengths must be positive, "
            f"got {', '.join(map(str, runs))}, {cfg.counts} and {cfg.lengths}"
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
    numbers, lines, states = {}, {}, {}
    for form, batch in batches.items():
        state, path = _path(form, key, batch, sizes[form], cfg.sweeps, *priors)
        last, states[form] = float(lda.log_likelihood(state, *priors)), state
        lines[form] = np.arange(len(path) + 1), np.append(path, last)
        numbers[f"{form}/log_likelihood"] = last
    picked = {n for n in (0, 1, 3, 10, 30, 100, 300) if n < cfg.sweeps} | {cfg.sweeps}
    rows = [(n, *(f"{y[n]:,.0f}" for _, y in lines.values())) for n in sorted(picked)]
    report.show(("sweeps", *lines), rows, f"log p(w, z) of K = {k} topics")
    figure = figures.curves(lines, "sweeps", "log p(w, z), nats")
    report.figure(figure, "Both forms, from starts by chance.", "likelihood")
    return numbers | _topics(cfg, report, data, split, states["sequential"])


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


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _words(key, x, k, vocabulary, sweeps, alpha, beta):
    """phi, [K, V], of topics of these rows."""
    state = lda_parallel.fit(key, x, k, vocabulary, alpha, beta, sweeps)
    return lda.phi(state, beta)


@jax.jit
def _value(phi, told, asked, whole, alpha):
    """Perplexity of held-out words, and mean NPMI."""
    values = topics.completion(phi, told, asked, alpha)
    top = topics.top_words(phi, min(TOP, phi.shape[1]))
    npmi = topics.npmi(top, whole, phi.shape[1])
    return topics.perplexity(values, asked), npmi.mean()


def _judge(cfg, split, x, k, alpha, seeds=SEEDS):
    """Perplexities and coherences, [S, 2]."""
    found = []
    for seed in seeds:
        sizes = k, split.vocabulary, cfg.short
        phi = _words(jax.random.key(seed), x, *sizes, alpha, cfg.beta)
        found.append(_value(phi, split.told, split.asked, split.x, alpha))
    return np.array(found)


def _by_count(cfg, report, split) -> dict[str, float]:
    """Against numbers of topics and priors; and by variational Bayes."""
    numbers, rows = {}, []
    runs = [("topics", k, cfg.alpha) for k in cfg.counts]
    runs += [("alpha", cfg.topics, alpha) for alpha in cfg.alphas]
    known = {}
    for name, *pair in runs:
        k, alpha = pair = tuple(pair)
        if pair not in known:
            known[pair] = _judge(cfg, split, split.train, k, alpha, SEEDS[:1])[0]
            rows.append((k, f"{alpha:g}", *(f"{v:.4g}" for v in known[pair])))
        value = k if name == "topics" else f"{alpha:g}"
        numbers[f"{name}/{value}/perplexity"] = float(known[pair][0])
    counts = corpus.counts(split.train, split.vocabulary).astype(jnp.float32)
    priors = dict(alpha=cfg.alpha, beta=cfg.beta, turns=20, steps=20)
    state = lda_variational.fit(jax.random.key(0), counts, cfg.topics, **priors)
    phi = lda_variational.phi(state)
    value, npmi = _value(phi, split.told, split.asked, split.x, cfg.alpha)
    numbers["variational/perplexity"] = float(value)
    report.show(("K", "alpha", "perplexity", "NPMI"), rows, "Held-out words, seed 0")
    by_bayes = f"{value:.0f} and {npmi:.2f} after {int(state.step)} steps"
    print(f"by variational Bayes, K = {cfg.topics}: {by_bayes}")
    report.text(f"By variational Bayes, K = {cfg.topics}: {by_bayes}.")
    lines = {"": (cfg.counts, [numbers[f"topics/{k}/perplexity"] for k in cfg.counts])}
    figure = figures.curves(lines, "topics K", "perplexity of held-out words")
    report.figure(figure, "Against the number of topics.", "perplexity")
    return numbers


def _cut(cfg, report, split) -> dict[str, float]:
    """The same documents, cut to their first words."""
    numbers, rows = {}, []
    longest = min(max(cfg.lengths), split.train.shape[1])
    for n in (*cfg.lengths, 0):
        x = split.train
        if n:  # of one shape, so that they share a program
            x = jnp.where(jnp.arange(longest).reshape(1, -1) < n, x[:, :longest], -1)
        found = _judge(cfg, split, x, cfg.topics, cfg.alpha)
        for s, (p, c) in zip(SEEDS, found.tolist(), strict=True):
            numbers |= {f"{s}/{n}/perplexity": p, f"{s}/{n}/npmi": c}
        cells = (f"{p:.0f} ({c:.2f})" for p, c in found)
        rows.append((n or "all", int((x >= 0).sum()), *cells))
    heads = ("words", "in all", *(f"seed {s}" for s in SEEDS))
    title = "Topics of documents cut short: perplexity of held-out words (NPMI)"
    report.show(heads, rows, title)
    return numbers


if __name__ == "__main__":
    run(main, Config)
