"""EM finds iris's three species to 5 of 150 flowers, but BIC calls for two of them.

Run:    python -m experiments.em
        python -m experiments.em --data wine --components 3 --forms diagonal tied

Expect: with seeds 0 to 4 the likeliest mixture of three components with full
covariances has a log-likelihood of -180.1855 and a BIC of 580.839, and agrees with the
species to an adjusted Rand index of 0.9039. But two components have a BIC of 574.018,
the least of all forms and numbers on every seed: two of the species overlap. No step
of EM lowers the mean log-likelihood by more than 1e-9, which the floor of 1e-6 can do.

Each form and number is a program of its own; compiling them is what takes the minute.
A test holds a smaller run to it.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import zoo
from zoo import metrics
from zoo.classical import mixture, pca
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
SHOWN = 40  # steps of EM that are drawn


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a table of `zoo.data.tabular`, or the path of a CSV or npz file.
        standardize: whether each feature is divided by its standard deviation.
        components: of the mixture that is drawn.
        most: mixtures of 1 to this many components are compared by BIC.
        forms: of the covariances that are compared; the last one is drawn.
        starts: of each fit.
        floor: added to each variance.
        run: the run folder.
    """

    data: str = "iris"
    standardize: bool = False
    components: int = 3
    most: int = 5
    forms: tuple[str, ...] = mixture.FORMS
    starts: int = 5
    floor: float = 1e-6
    run: str = "runs/em"


def main(cfg: Config) -> dict[str, float]:
    """Fits the mixtures, prints the tables and writes the report.

    Returns:
        By seed s, `s/log_likelihood` of all examples and `s/bic` of the mixture that
        is drawn, and `s/ari` where classes are known; `s/best/components` and
        `s/best/bic` of the least BIC, and `s/best/form`, its place in the forms;
        `FORM/K/bic` of seed 0; `fall`, the largest that a step of EM lowered the mean
        log-likelihood by.

    Raises:
        ValueError: a flag out of range; a file that is no table.
    """
    for form in cfg.forms:
        if form not in mixture.FORMS:
            raise unknown("form", form, mixture.FORMS)
    if not cfg.forms or min(cfg.components, cfg.most, cfg.starts) < 1:
        raise ValueError(
            "forms must be given, and components, most and starts be positive, got "
            f"{cfg.forms}, {cfg.components}, {cfg.most} and {cfg.starts}"
        )
    table = zoo.data.tabular(cfg.data)
    x = table.x
    if cfg.standardize:
        x = zoo.functional.standardize(zoo.functional.feature_moments(x), x, eps=1e-12)
    report = Report("Gaussian mixtures", f"of {cfg.data}, by EM")
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        bic = _criteria(cfg, x)
        numbers = _choice(cfg, report, bic)
        states = [_fit(cfg, x, s, cfg.components, cfg.forms[-1]) for s in SEEDS]
        numbers |= _found(cfg, report, table, x, states)
        _ellipses(report, table, np.asarray(x), states[0])
        numbers |= _rise(cfg, report, x)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _fit(cfg, x, seed, components, form):
    options = dict(form=form, starts=cfg.starts, floor=cfg.floor)
    return mixture.fit(jax.random.key(seed), x, components, **options)


def _criteria(cfg, x):
    """BIC by form, K and seed."""
    counts = range(1, cfg.most + 1)

    def one(form, k, seed):
        return float(mixture.bic(_fit(cfg, x, seed, k, form), x))

    bic = [[[one(f, k, s) for s in SEEDS] for k in counts] for f in cfg.forms]
    return np.array(bic)  # [F, K, S]


def _choice(cfg, report, bic) -> dict[str, float]:
    counts, numbers = range(1, cfg.most + 1), {}
    rows = [
        (str(k), *(f"{bic[f, k - 1, 0]:.2f}" for f in range(len(cfg.forms))))
        for k in counts
    ]
    _show(report, "BIC, seed 0; the smaller the better", ("K", *cfg.forms), rows)
    rows = []
    for s in SEEDS:
        f, k = np.unravel_index(bic[..., s].argmin(), bic.shape[:2])
        numbers[f"{s}/best/components"], numbers[f"{s}/best/form"] = int(k) + 1, int(f)
        numbers[f"{s}/best/bic"] = bic[f, k, s]
        rows.append((str(s), cfg.forms[f], str(k + 1), f"{bic[f, k, s]:.3f}"))
    _show(report, "The least BIC by seed", ("seed", "form", "K", "BIC"), rows)
    for f, form in enumerate(cfg.forms):
        numbers |= {f"{form}/{k}/bic": bic[f, k - 1, 0] for k in counts}
    lines = {form: (counts, bic[f, :, 0]) for f, form in enumerate(cfg.forms)}
    figure = figures.curves(lines, "components K", "BIC")
    report.figure(figure, "BIC by number of components and form.", "bic")
    return numbers


def _found(cfg, report, table, x, states) -> dict[str, float]:
    numbers, rows, k = {}, [], cfg.components
    for s, state in zip(SEEDS, states, strict=True):
        value = float(mixture.log_likelihood(state, x).sum())
        numbers[f"{s}/log_likelihood"] = value
        numbers[f"{s}/bic"] = float(mixture.bic(state, x))
        cells = [f"{value:.4f}", f"{numbers[f'{s}/bic']:.3f}"]
        if table.classes:
            called = mixture.predict(state, x)
            counts = metrics.contingency(table.y, called, len(table.classes), k)
            numbers[f"{s}/ari"] = float(metrics.adjusted_rand_index(counts))
            cells.append(f"{numbers[f'{s}/ari']:.4f}")
        rows.append((str(s), *cells))
    heads = ("seed", "log-likelihood", "BIC", *["ARI"] * bool(table.classes))
    title = f"{k} components, {cfg.forms[-1]}, the best of {cfg.starts} starts"
    _show(report, title, heads, rows)
    return numbers


def _ellipses(report, table, x, state) -> None:
    """On the plane of the first two principal components, where marginals are exact."""
    from matplotlib.patches import Ellipse

    plane = pca.fit(x, min(2, *x.shape))
    z, means = (np.asarray(pca.transform(plane, a)) for a in (x, state.means))
    if z.shape[1] < 2:
        return
    k, d = state.means.shape
    c = state.covariances
    if c.ndim == 2:
        c = jax.vmap(jnp.diag)(jnp.broadcast_to(c, (k, d)))
    v = plane.components
    spreads = np.broadcast_to(np.asarray(v @ c @ v.T), (k, 2, 2))
    figure = figures.curves({}, "first component", "second component")
    axes, called = figure.axes[0], np.asarray(mixture.predict(state, x))
    y = table.y if table.classes else np.zeros(len(z), int)
    for j in range(k):
        colour = figures.COLOURS[j % 7]
        for label in range(len(table.classes) or 1):
            mine = (called == j) & (y == label)
            marker = "o^sDvP*"[label % 7]
            axes.scatter(*z[mine].T, s=22, color=colour, marker=marker, alpha=0.6,
                         linewidths=0)  # fmt: skip
        values, vectors = np.linalg.eigh(spreads[j])
        angle = np.degrees(np.arctan2(*vectors[::-1, 1]))
        for deviations in (1, 2):
            size = 2 * deviations * np.sqrt(values[::-1])
            axes.add_patch(
                Ellipse(means[j], *size, angle=angle, fill=False, color=colour, lw=1.6)
            )
    for label, name in enumerate(table.classes):
        axes.scatter([], [], color=figures.INK, marker="o^sDvP*"[label % 7], label=name)
    if table.classes:
        figure.legend(loc="outside right upper", frameon=False)
    caption = "One and two standard deviations. Colour: component; mark: known class."
    report.figure(figure, caption, "ellipses")


@functools.partial(jax.jit, static_argnums=(2, 3))
def _paths(keys, x, components, form, floor):
    em = mixture.learner(components, form=form, floor=floor)

    def path(key):
        body = lambda state, _: (em.step(state, {"x": x})[0],) * 2
        state = em.init(key, {"x": x})
        return jax.lax.scan(body, state, None, SHOWN)[1].log_likelihood

    return jax.vmap(path)(keys)


def _rise(cfg, report, x) -> dict[str, float]:
    keys = jax.random.split(jax.random.key(0), cfg.starts)
    paths = np.asarray(_paths(keys, x, cfg.components, cfg.forms[-1], cfg.floor))
    steps = np.arange(1, SHOWN + 1)
    lines = {f"start {i}": (steps, path) for i, path in enumerate(paths[:6])}
    figure = figures.curves(lines, "step", "mean log-likelihood, nats")
    report.figure(figure, "EM from several starts.", "log_likelihood")
    fall = float(max(0, -np.diff(paths, axis=1).min()))
    print(f"the largest fall of the mean log-likelihood in a step: {fall:.1e}")
    return {"fall": fall}


def _show(report, title, headers, rows) -> None:
    table = Table(*headers, box=None)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(f"\n{title}", table)
    report.table(headers, rows, title)


if __name__ == "__main__":
    run(main, Config)
