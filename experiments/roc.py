"""ROC by histograms: bins of the log odds find the area, bins of the share do not.

Run:    python -m experiments.roc
        python -m experiments.roc --positive Coat --model lenet5 --bins 5 50 500

Expect: with seeds 0 to 4, each trained for ten epochs, shirts are told from the other
clothes with an exact AUC of 0.936 0.930 0.930 0.929 0.921. Most softmax shares are near
0 and fall into one bin: by 10 bins of the share the AUC comes out too small by 0.065
0.062 0.056 0.057 0.072, by 10 of their log odds by 0.013 0.014 0.007 0.013 0.016. The
average precision hangs on the few highest scores, which bins of the share keep apart:
it is too small by 0.056 0.062 0.077 0.036 0.056, and by bins of the odds by 0.078 0.095
0.078 0.046 0.087. With 1000 bins no error is above 0.004. No error of an AUC is above
half the share of the pairs that are tied. 20 seconds of one core. A test holds a
smaller run to it.

A histogram's counts are summed batch by batch, with weight 0 for the padding of the
last one, and are all that is kept. The exact curve needs every score at once.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo import metrics
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.progress import Progress
from zoo.training.report import Report

KINDS = ("share", "odds")  # a histogram of softmax shares, or of their log odds
ODDS = 12.0  # bins of the log odds lie between -ODDS and ODDS
# Three positives and two negatives, to follow by hand.
SCORES, LABELS = (0.9, 0.8, 0.75, 0.72, 0.7), (1, 1, 0, 1, 0)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        model: a name of `python -m zoo list`.
        positive: the class that is told from the rest.
        bins: sizes of the histograms; the curves of the first are drawn.
        learning_rate: of Adam.
        epochs: passes over the training set.
        batch_size: examples of a step.
        seeds: trained models, with the seeds 0, 1, ...; figures are of the first.
        run: the run folder.
        progress: show a progress bar.
    """

    model: str = "mlp"
    positive: str = "Shirt"
    bins: tuple[int, ...] = (10, 20, 50, 100, 200, 1000)
    learning_rate: float = 1e-3
    epochs: int = 10
    batch_size: int = 64
    seeds: int = 5
    run: str = "runs/roc"
    progress: bool = True


def main(cfg: Config) -> dict[str, float]:
    """Trains, sums batch by batch what the metrics need, and writes the report.

    Returns:
        By seed s `s/auc` and `s/ap` (average precision), exact; by M bins of a kind,
        `share` or `odds`, `s/auc/share/M`, `s/ap/share/M` and `s/tied/share/M`, half
        the share of the pairs that are tied; `error_rate` and `f1`, the macro mean
        over the classes, of seed 0; `example/auc` of five scores.

    Raises:
        ValueError: a flag that names nothing or is out of range.
    """
    dataset = zoo.data.load("fashion_mnist_small")
    if cfg.positive not in dataset.classes:
        raise unknown("class", cfg.positive, dataset.classes)
    for name in ("epochs", "seeds", "batch_size", "learning_rate"):
        if not getattr(cfg, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    if not cfg.bins or min(cfg.bins) < 1:
        raise ValueError(f"bins must be positive integers, got {cfg.bins}")
    transform = zoo.data.standardize(dataset.train)
    tests = zoo.data.once(dataset.test, 2 * cfg.batch_size, transform=transform)
    measure, area = _measure(cfg, dataset, tests), jit_once(_area)
    numbers, measured = {}, []
    for seed, variables in enumerate(_train(cfg, dataset, transform)):
        tables, exact, called = measure(variables)
        measured.append((tables, exact, called))
        found = dict(zip(("auc", "ap"), area(exact), strict=False))
        for name in (f"{kind}/{m}" for kind in KINDS for m in cfg.bins):
            of = zip(("auc", "ap", "tied"), area(tables[name]), strict=True)
            found |= {f"{metric}/{name}": value for metric, value in of}
        numbers |= {f"{seed}/{name}": float(v) for name, v in found.items()}

    tables, exact, called = measured[0]
    report = Report("ROC", f"{cfg.positive} against the rest, by {cfg.model}")
    _errors(cfg, report, numbers)
    _draw(cfg, report, tables, exact)
    numbers |= _classes(report, tables["confusion"], dataset.classes)
    figure = figures.confusion(dataset.test["y"], called, dataset.classes)
    report.figure(figure, "What is taken for what.", "confusion")
    numbers |= _example(report)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run) / 'report.html')}")
    return numbers


def _train(cfg, dataset, transform):
    """The variables of each seed's trained model; all see the same batches."""
    stream = zoo.data.batches(dataset.train, cfg.batch_size, transform=transform)

    def build(axis_name=None):
        model = zoo.create(
            cfg.model, num_classes=len(dataset.classes), axis_name=axis_name
        )
        adam = optim.adam(cfg.learning_rate)
        loss = zoo.functional.cross_entropy
        return zoo.supervised(model, loss, adam, axis_name=axis_name)

    steps = -(-stream.examples // cfg.batch_size) * cfg.epochs
    with Progress(cfg.progress) as progress:
        states = zoo.training.sweep(
            build, stream, steps, grid={}, seeds=range(cfg.seeds),
            devices=jax.devices()[:1], progress=progress,
        ).states  # fmt: skip
    variables = zoo.eval_variables(states)
    return [jax.tree.map(lambda v, i=i: v[i], variables) for i in range(cfg.seeds)]


def _measure(cfg, dataset, tests):
    """variables -> the tables summed over batches, the exact counts, the answers."""
    model = zoo.create(cfg.model, num_classes=len(dataset.classes))
    exact = jit_once(metrics.score_counts)
    positive = dataset.classes.index(cfg.positive)

    @jax.jit
    def of_batch(variables, batch):
        y, weight = batch["y"], batch["weight"]
        logits = model.apply(variables, batch["x"])
        share, called = jax.nn.softmax(logits)[:, positive], logits.argmax(1)
        others = jax.nn.logsumexp(jnp.delete(logits, positive, axis=1), axis=1)
        odds = logits[:, positive] - others  # log(share / (1 - share))
        inside, limits = jnp.clip(odds, -ODDS, ODDS), (-ODDS, ODDS)
        histogram, hit = metrics.score_histogram, y == positive
        tables = {
            "confusion": metrics.confusion_matrix(y, called, logits.shape[1], weight)
        }
        for m in cfg.bins:
            tables[f"share/{m}"] = histogram(share, hit, m, weight)
            tables[f"odds/{m}"] = histogram(inside, hit, m, weight, limits)
        return tables, odds, called

    def measure(variables):
        parts = [of_batch(variables, tests.at(i)) for i in range(tests.steps)]
        tables, odds, called = zip(*jax.device_get(parts), strict=True)
        tables = jax.tree.map(lambda *parts: sum(parts), *tables)
        odds, called = (np.concatenate(x)[: tests.examples] for x in (odds, called))
        return tables, exact(odds, dataset.test["y"] == positive), called

    return measure


def _area(table):
    negatives, positives = table
    pairs = negatives.sum() * positives.sum()
    tied = (negatives * positives).sum() / pairs / 2
    return metrics.auc(table), metrics.average_precision(table), tied


def _errors(cfg, report, numbers) -> None:
    """By the number of bins, the mean over the seeds; by seed, with the fewest."""
    few, seeds = cfg.bins[0], range(cfg.seeds)

    def error(seed, metric, kind, m):
        return numbers[f"{seed}/{metric}/{kind}/{m}"] - numbers[f"{seed}/{metric}"]

    columns = [(metric, kind) for metric in ("auc", "ap") for kind in KINDS]
    names = [f"{metric.upper()} by {kind}" for metric, kind in columns]
    rows = []
    for m in cfg.bins:
        means = [np.mean([error(s, *c, m) for s in seeds]) for c in columns]
        rows.append((m, *(f"{mean:.4f}" for mean in means)))
    title = f"Error of the histograms, mean over {cfg.seeds} seeds"
    report.show(["bins", *names], rows, title)
    rows = [
        (s, *(f"{numbers[f'{s}/{x}']:.4f}" for x in ("auc", "ap")),
         *(f"{error(s, *c, few):.4f}" for c in columns))
        for s in seeds
    ]  # fmt: skip
    title = f"Exact areas of {cfg.positive} against the rest, and errors of {few} bins"
    report.show(["seed", "AUC", "AP", *names], rows, title)


def _draw(cfg, report, tables, exact) -> None:
    few, share = cfg.bins[0], float(exact[1].sum() / exact.sum())
    tables = {f"{few} bins of {kind}": tables[f"{kind}/{few}"] for kind in KINDS}
    both = metrics.roc_curve, metrics.precision_recall_curve
    drawn = jit_once(
        lambda tables: {k: [f(t) for f in both] for k, t in tables.items()}
    )
    roc, curves = {}, {}
    for name, found in drawn({"exact": exact, **tables}).items():
        roc[name], (precision, recall) = found[0], map(np.asarray, found[1])
        called = (recall > 0) | (precision < 1)  # the others are a convention
        curves[name] = recall[called], precision[called]
    roc["chance"], curves["chance"] = ([0, 1], [0, 1]), ([0, 1], [share, share])
    figure = figures.curves(roc, "false positive rate", "true positive rate")
    report.figure(figure, "ROC. Few bins have few thresholds.", "roc")
    figure = figures.curves(curves, "recall", "precision")
    report.figure(figure, "Precision against recall.", "precision_recall")


def _classes(report, confusion, classes) -> dict[str, float]:
    scores = (metrics.precision, metrics.recall, metrics.f1)
    averages = ("macro", "micro")
    every = lambda table: [
        jnp.stack([*score(table), *(score(table, average) for average in averages)])
        for score in scores
    ]
    each = np.transpose(jit_once(every)(confusion))  # [classes + 2, 3]
    names = (*classes, *(f"{average} mean" for average in averages))
    rows = [
        (name, *(f"{v:.3f}" for v in row))
        for name, row in zip(names, each, strict=True)
    ]
    headers = ("class", "precision", "recall", "F1")
    report.show(headers, rows, "Every class against the rest")
    f1 = each[len(classes), scores.index(metrics.f1)]
    return {"error_rate": float(metrics.error_rate(confusion)), "f1": float(f1)}


def _example(report) -> dict[str, float]:
    table = metrics.score_counts(jnp.array(SCORES), jnp.array(LABELS))
    curves = lambda t: (*metrics.roc_curve(t), *metrics.precision_recall_curve(t))
    points = jit_once(curves)(table)
    texts = [[f"{v:.3f}" for v in point] for point in zip(*points, strict=True)]
    steps = [("", ""), *zip(SCORES, ("-+"[y] for y in LABELS), strict=True)]
    rows = [(*step, *text) for step, text in zip(steps, texts, strict=True)]
    headers = ("threshold", "of a", "FPR", "TPR", "precision", "recall")
    auc = float(metrics.auc(table))
    report.show(headers, rows, f"Five scores by hand: AUC {auc:.4f}")
    return {"example/auc": auc}


if __name__ == "__main__":
    run(main, Config)
