"""What experiments claim that take minutes: on how many of the seeds 0 to 4 it holds.

Each runs as it does from the command line, with its defaults. Tests run the same
experiments shorter, or are marked slow.
"""

import tempfile

from benchmarks.results import Figure
from experiments import spatial_transformer

SEEDS = range(5)


def turned_digits(run: str) -> Figure:
    """The net with a Spatial Transformer against both without, by 0.05 at least."""
    found = spatial_transformer.main(spatial_transformer.Config(run=run))
    nets = ("with transformer", "without", "without, wider")
    each = [[found[f"{net}/{seed}"] for net in nets] for seed in SEEDS]
    told = "; ".join(" ".join(f"{value:.3f}" for value in row) for row in each)
    return Figure(
        name="claims.spatial_transformer",
        what="seeds of five on which digits turned and moved are read better by 0.05 "
        f"({', '.join(nets)}: {told})",
        value=sum(row[0] > max(row[1:]) + 0.05 for row in each),
        unit="seeds",
        claim="value >= 4",
    )


CLAIMS = {"spatial_transformer": turned_digits}
NAMES = tuple(f"claims.{name}" for name in CLAIMS)


def measure(*names: str) -> list[Figure]:
    """A figure for each experiment, or for each that is named."""
    figures = []
    for name in names or CLAIMS:
        with tempfile.TemporaryDirectory() as folder:
            figures.append(CLAIMS[name](folder))
    return figures
