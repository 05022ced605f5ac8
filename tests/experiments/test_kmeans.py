"""The experiment on k-means keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.kmeans import Config, main


def test_claim(tmp_path, capsys):
    numbers = main(Config(elbow=(10,), side=60, run=str(tmp_path)))
    by_seed = {
        name: np.array([numbers[f"{seed}/{name}"] for seed in range(5)])
        for name in ("inertia", "homogeneity", "ari")
    }
    for name, values in by_seed.items():
        print(name, *values)
    assert (by_seed["inertia"] <= 1_165_188.89 * 1.001).sum() >= 4
    assert (abs(by_seed["homogeneity"] - 0.738) < 0.01).sum() >= 4
    assert (abs(by_seed["ari"] - 0.666) < 0.01).sum() >= 4
    np.testing.assert_allclose(numbers["elbow/10"], 0.540, atol=0.002)
    np.testing.assert_allclose(numbers["plane/share"], 0.14891 + 0.13619, atol=1e-5)
    assert f"{numbers['0/homogeneity']:.4f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 3
    for name in ("centres", "cells", "elbow"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


def test_a_table_without_classes(tmp_path):
    """And without pictures of its centres: ten features are no square."""
    cfg = Config(
        data="diabetes", standardize=True, k=2, starts=2, seeds=1, elbow=(2,), side=20,
        run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    assert "0/ari" not in numbers and 0.5 < numbers["elbow/2"] < 1
    assert not (tmp_path / "figures" / "centres.png").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"seeds": 0}, "seeds and the number of elbow's values must be at least 1"),
        ({"k": 2000}, "k must be an integer from 1 to 1797"),
        ({"elbow": (0,)}, "elbow must be from 1 to 1797 clusters, got 0"),
        ({"starts": 0}, "starts must be a positive integer, got 0"),
        ({"data": "iri"}, "unknown table 'iri'; did you mean 'iris'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
