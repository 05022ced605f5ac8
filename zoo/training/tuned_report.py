"""Tables and figures of methods that were tuned side by side (`zoo.training.tuned`)."""

from collections.abc import Mapping

import numpy as np

from zoo.training import figures
from zoo.training.report import Report
from zoo.training.tuned import Tuned

HEADERS = ("method", "best rate", "final loss", "test accuracy", "seconds")
SPREAD = "± half the range over the seeds; the lowest loss first"


def rows(methods: Mapping[str, Tuned]) -> list[tuple[str, ...]]:
    """The cells of a table with `HEADERS`, the lowest final loss first.

    Args:
        methods: name -> what it did with one model.
    """

    def spread(x):
        return f"{x.mean():.3f} ± {(x.max() - x.min()) / 2:.3f}"

    def loss(item):
        return np.nan_to_num(item[1].loss.mean(), nan=np.inf)

    return [
        (
            name,
            f"{each.rate:.2g}",
            spread(each.loss),
            spread(each.accuracy),
            f"{each.seconds:.1f}",
        )
        for name, each in sorted(methods.items(), key=loss)
    ]


def add_figures(
    report: Report, model: str, methods: Mapping[str, Tuned], ground: str
) -> None:
    """Adds curves, sensitivity to the rate, and the ways in their planes.

    Args:
        report: grows by three figures, named MODEL_curves, MODEL_sensitivity and
            MODEL_planes.
        model: its name.
        methods: name -> what it did with the model, all on one grid of rates.
        ground: what the surfaces are the loss of, for the caption.
    """
    label = {name: f"{name} {each.rate:.2g}" for name, each in methods.items()}
    curves = {
        label[name]: (
            each.steps,
            *np.quantile(each.curve, (0.5, 0.1, 0.9), axis=0),
        )
        for name, each in methods.items()
    }
    report.figure(
        figures.curves(curves, "step", "training loss", log=True),
        f"{model}: training loss at each method's best rate, median over the seeds; "
        "the band is from the first decile to the ninth.",
        f"{model}_curves",
    )
    (rates, *_) = (each.rates for each in methods.values())
    losses = {name: (each.losses,) * 3 for name, each in methods.items()}
    start = max(each.curve[:, 0].mean() for each in methods.values())
    report.figure(
        figures.sensitivity(rates, losses, top=1.5 * start),
        f"{model}: final training loss by learning rate. A run that ends far above the "
        "loss at the start leaves the picture; one that is not a number has no point.",
        f"{model}_sensitivity",
    )
    panels = {
        label[name]: dict(
            x=each.x,
            y=each.y,
            values=each.surface,
            path=each.path,
            xlabel=f"{each.explained[0]:.0%} of the way",
            ylabel=f"{each.explained[1]:.0%} of the way",
        )
        for name, each in methods.items()
    }
    report.figure(
        figures.landscapes(panels),
        f"{model}: the way of the first run from square to star, in the plane where it "
        f"moves most, over the loss of {ground} there.",
        f"{model}_planes",
    )
