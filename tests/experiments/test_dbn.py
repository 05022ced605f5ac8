"""The experiment on deep belief networks keeps what its docstring promises, reduced."""

import numpy as np
import pytest
from PIL import Image

from experiments import dbn
from experiments.dbn import SEEDS, Config, images, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_momentum_learns_from_the_machines_only(tmp_path, monkeypatch):
    monkeypatch.setattr(dbn, "RATES", {"momentum": (0.03,)})
    short = dict(widths=(48, 32, 24, 16), machine_epochs=20, epochs=15)
    numbers = main(Config(**short, run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{s}"] for s in SEEDS])
    machines, random = of("machines/momentum"), of("random/momentum")
    print(machines, random, of("machines"))
    assert (machines < random - 0.2).sum() >= 4
    np.testing.assert_allclose(random, 1, atol=0.03)  # the mean image


def test_runs_to_its_report(tmp_path, monkeypatch):
    """Two layers learn by any start and any optimizer."""
    monkeypatch.setattr(dbn, "RATES", {"momentum": (0.03,), "adam": (0.01,)})
    short = dict(widths=(32, 8), machine_epochs=2, epochs=4, batch_size=16)
    numbers = main(Config(**short, run=str(tmp_path)))
    for start in dbn.STARTS:
        missed = [numbers[f"{start}/adam/{s}"] for s in SEEDS]
        assert max(missed) < 0.9, missed
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1
    assert f"{numbers['random/adam/4']:.3f}" in page


def test_faces_by_folder(tmp_path):
    """Every fifth person is for the test; pictures are averaged to the side."""
    for person in range(5):
        folder = tmp_path / f"s{person}"
        folder.mkdir()
        for i in range(2):
            pixels = np.full((12, 8), 40 * person + i, np.uint8)
            pixels[:, :4] += 2
            Image.fromarray(pixels).save(folder / f"{i}.pgm")
    train, test = images(Config(data=str(tmp_path), side=4))
    assert train.shape == (8, 4, 4, 1) and test.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(test[1, :, :, 0] * 255, [[163, 163, 161, 161]] * 4)
    (tmp_path / "s4" / "0.pgm").unlink(), (tmp_path / "s4" / "1.pgm").unlink()
    with pytest.raises(ValueError, match="in 5 folders or more"):
        images(Config(data=str(tmp_path)))


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"widths": ()}, "widths, .* must be positive"),
        ({"epochs": 0}, "must be positive"),
        ({"widths": (64,)}, "widths must end below 64"),
        ({"data": "digit"}, "digit"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
