"""Experiments on small nets run to their report; what they claim takes minutes.

The claims are rows of `benchmarks.claims` and tests that are marked slow.
"""

import importlib

import numpy as np
import pytest

SHORT = dict(steps=10, seeds=2)
NARROW = dict(width=4, side=8, batch_size=8)
SMALLEST = {
    "batch_normalization": dict(rates=(0.01, 0.1), **NARROW),
    "degradation": dict(blocks=(1, 2), rates=(0.01,), count=100, **NARROW),
    "dirac": dict(layers=1, rates=(0.01,), **NARROW),
    "model_averaging": dict(batch_size=8),
    "overfitting": dict(width=2, hidden=8, count=20, batch_size=10),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_runs_to_its_report(name, tmp_path, capsys):
    module = importlib.import_module(f"experiments.{name}")
    cfg = module.Config(**SHORT, **SMALLEST[name], run=str(tmp_path))
    numbers = module.main(cfg)
    assert numbers and all(np.isfinite(value) for value in numbers.values()), numbers
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") >= 1
    assert "report.html" in capsys.readouterr().out
