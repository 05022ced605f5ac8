"""The experiment on autoencoders keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.autoencoders import MEASURES, SEEDS, Config, main

SMALL = dict(rates=(0.01,), batch_size=32, hidden=24, measured=60)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("autoencoders")
    kinds = ("plain", "tied", "sparse_l1", "sparse_kl", "masking", "contractive")
    return main(Config(kinds=kinds, steps=800, run=str(folder), **SMALL)), folder


@pytest.mark.parametrize(
    "kind, rival, measure, sign",
    [
        ("masking", "plain", "masked", 1),
        ("plain", "masking", "psnr", 1),  # what denoising costs
        ("sparse_l1", "plain", "sparsity", 1),
        ("sparse_kl", "plain", "sparsity", 1),
        ("contractive", "tied", "jacobian", -1),
    ],
)
def test_each_is_better_at_its_own(ran, kind, rival, measure, sign):
    of = lambda kind: np.array([ran[0][f"{kind}/{measure}/{s}"] for s in SEEDS])
    print(measure, kind, of(kind), rival, of(rival))
    decibels = measure in ("psnr", "masked")
    margin = 0.3 if decibels else 0.15 * of(rival)
    assert (sign * (of(kind) - of(rival)) > margin).sum() >= 4


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1
    middle = np.median([numbers[f"plain/psnr/{s}"] for s in SEEDS])
    assert f"{middle:.3f}" in page
    for figure in ("images", "masked"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_stages_and_convolutions_run_too(tmp_path):
    kinds = ("stacked", "conv")
    numbers = main(Config(kinds=kinds, steps=4, run=str(tmp_path), **SMALL))
    for kind in kinds:
        for measure in MEASURES:
            found = [numbers[f"{kind}/{measure}/{s}"] for s in SEEDS]
            assert np.isfinite(found).all() and len(set(found)) == 5, (kind, measure)


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"kinds": ("plane",)}, "unknown kind 'plane'; did you mean 'plain'"),
        ({"hidden": 0}, "hidden, steps, batch_size, measured, kinds and rates must be"),
        ({"rates": (0.1, 0.0)}, "rates must be positive"),
        ({"data": "digit"}, "unknown data set 'digit'; did you mean 'digits'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
