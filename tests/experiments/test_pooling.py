"""What the experiment on pooling claims; trained at full length where slow."""

import numpy as np
import pytest

from experiments.pooling import ANGLES, Config, images, main


@pytest.mark.slow  # a minute of a core; also a row of `benchmarks.claims`
def test_each_pooling_is_best_at_its_own(tmp_path):
    numbers = main(Config(sizes=(32,), run=str(tmp_path)))
    better = {}
    for kind in ("texture", "strokes"):
        mean, most = (
            np.array([numbers[f"{kind}/32/{pool}/{seed}"] for seed in range(5)])
            for pool in ("average", "maximum")
        )
        better[kind] = mean - most
    assert sum(better["texture"] > 0.05) >= 4, better
    assert sum(better["strokes"] < -0.05) >= 4, better


def test_runs_to_its_report(tmp_path, capsys):
    small = dict(sizes=(12,), steps=2, rates=(0.03,), count=40, batch_size=8, maps=2)
    numbers = main(Config(**small, seeds=1, run=str(tmp_path)))
    assert len(numbers) == 4 and f"{numbers['texture/12/average/0']:.3f}" in (
        capsys.readouterr().out
    )
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


@pytest.mark.parametrize("kind, best", [("texture", "mean"), ("strokes", "max")])
def test_why_each_pooling_is_best_at_its_own(kind, best):
    """With the filter that fits, what is told apart: its response's mean or maximum."""
    cfg, size = Config(count=200, faint=0.15), 32
    made = images(cfg, kind, size, 0)
    row, column = np.mgrid[-3:4, -3:4].astype(float)
    across = row * np.cos(ANGLES[1]) - column * np.sin(ANGLES[1])
    along = column * np.cos(ANGLES[1]) + row * np.sin(ANGLES[1])
    fits = {
        "texture": np.sin(np.pi * across / 2),
        "strokes": (abs(along) <= 3.5) & (abs(across) <= 0.6),
    }[kind]
    view = np.lib.stride_tricks.sliding_window_view
    windows = view(made["x"][..., 0], (7, 7), (1, 2))
    response = np.maximum(np.einsum("bijhw,hw->bij", windows, fits), 0)
    own = made["y"] == 1

    def apart(values):  # share of pairs in order
        return (values[own][:, None] > values[~own]).mean()

    pooled = {
        "mean": apart(response.mean((1, 2))),
        "max": apart(response.max((1, 2))),
    }
    other = {"mean": "max", "max": "mean"}[best]
    assert pooled[best] > 0.9 and pooled[best] > pooled[other] + 0.1, pooled


def test_images_are_noise_and_a_signal_of_their_direction():
    cfg = Config(count=400)
    for kind in ("texture", "strokes"):
        made = images(cfg, kind, 16, 0)
        assert made["x"].shape == (400, 16, 16, 1) and set(made["y"]) == {0, 1, 2, 3}
        plain = images(Config(count=400, faint=1e-9, strong=1e-9), kind, 16, 0)["x"]
        signal = (made["x"] - plain)[..., 0]
        flat = signal[made["y"] == 0]  # along a row nothing changes in a grating
        along, across = (np.abs(np.diff(flat, axis=axis)).sum() for axis in (2, 1))
        assert along < (0.05 if kind == "texture" else 0.5) * across


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="sizes must be 12 or more"):
        main(Config(sizes=(8,), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
