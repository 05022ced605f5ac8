"""The experiment on t-SNE keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest
from PIL import Image

from experiments.tsne import Config, main

FIGURES = ("maps", "divergence", "crowding")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("tsne")
    cfg = Config(examples=400, steps=400, frames=8, run=str(folder))
    return main(cfg), folder


def test_claim(ran):
    """Its neighbours are right where those of SNE are not."""
    numbers, _ = ran
    for measure in ("trust", "nearest"):
        by = {name: numbers[f"{name}/{measure}"] for name in ("pca", "sne", "tsne")}
        assert by["pca"] < by["sne"] < by["tsne"], by
    assert numbers["tsne/nearest"] > 0.93 and numbers["tsne/trust"] > 0.98
    assert numbers["pca/nearest"] < 0.75


def test_crowding(ran):
    numbers, _ = ran
    assert numbers["dimensions/3"] == 2 and numbers["dimensions/11"] == 10
    gaps = {kind: numbers[f"{kind}/gap"] for kind in ("data", "sne", "tsne")}
    assert gaps["tsne"] > 1.5 * gaps["data"] and gaps["tsne"] > 2 * gaps["sne"], gaps


def test_report(ran):
    numbers, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 4 and page.count("<table") == 3
    assert f"{numbers['tsne/trust']:.4f}" in page and "data:image/gif" in page
    for figure in FIGURES:
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000
    with Image.open(folder / "figures" / "film.gif") as film:
        assert film.n_frames == 9


def test_interpolation_of_a_table_without_classes(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) + 8 * np.eye(3)[np.arange(60) % 3]
    np.savez(tmp_path / "own.npz", x=x, y=rng.normal(size=60))
    cfg = Config(
        data=str(tmp_path / "own.npz"), method="interpolation", perplexity=8, steps=150,
        exaggerated=80, frames=2, run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    assert "tsne/nearest" not in numbers
    assert numbers["tsne/trust"] > 0.95 and numbers["tsne/kl"] < 0.5


def test_autoencoder(tmp_path):
    """Fashion-MNIST by way of 32 numbers."""
    cfg = Config(
        pipeline="autoencoder", examples=300, epochs=120, steps=200, exaggerated=100,
        frames=3, run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    assert numbers["error"] < 0.35
    assert numbers["codes/nearest"] > numbers["pca/nearest"] + 0.05
    assert abs(numbers["codes/nearest"] - numbers["pixels/nearest"]) < 0.1
    assert numbers["codes/trust"] > 0.93


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"pipeline": "autoencode"}, "unknown pipeline 'autoencode'; did you mean"),
        ({"method": "fast"}, "unknown method 'fast'"),
        ({"steps": 0}, "steps must be positive, got 0"),
        ({"frames": 0}, "frames must be positive, got 0"),
        ({"epochs": 0}, "epochs must be positive, got 0"),
        ({"examples": 0}, "examples must be positive, got 0"),
        ({"examples": 11}, "perplexity must be from 1 to the examples less one"),
        ({"exaggerated": -1}, "exaggerated must be 0 or more, got -1"),
        ({"perplexity": 1000}, "perplexity must be from 1 to the examples less one"),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
