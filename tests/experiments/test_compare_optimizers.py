"""The comparison keeps to its protocol, and its runs can be replayed to the bit."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.compare_optimizers import Config, main


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A small run: its config and what it returned."""
    cfg = Config(
        models=("mlp",),
        rates=7,
        least_rate=1e-4,
        largest_rate=1e2,
        seeds=2,
        steps=30,
        path_steps=5,
        side=4,
        run=str(tmp_path_factory.mktemp("run")),
        progress=False,
    )
    return cfg, main(cfg)


@pytest.fixture
def kept(compared):
    with np.load(Path(compared[0].run, "runs.npz")) as arrays:
        yield arrays


def test_each_is_at_its_best_with_one_budget(compared):
    cfg, numbers = compared
    of = {name: numbers[f"mlp/{name}/loss"] for name in ("sgd", "momentum", "adam")}
    # At equal budgets, each with its best rate; the grid is too coarse for more.
    assert of["adam"] < of["sgd"] < 2.0
    assert of["momentum"] < 2.0
    assert numbers["mlp/adam/rate"] < numbers["mlp/sgd/rate"]
    assert numbers["mlp/adam/accuracy"] > 0.6
    folder = Path(cfg.run)
    assert json.loads((folder / "numbers.json").read_text()) == numbers
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 + 2 and page.count("<table") == 2
    assert "http" not in page.replace("http://www.w3.org", "")


def test_on_lenet5_too_and_always_with_sgd_and_adam(tmp_path, capsys):
    grid = dict(rates=2, least_rate=1e-3, largest_rate=0.1, seeds=1, side=2)
    cfg = Config(
        optimizers=(), models=("lenet5",), steps=25, path_steps=0, **grid,
        run=str(tmp_path), progress=False,
    )  # fmt: skip
    numbers = main(cfg)
    assert numbers["lenet5/adam/loss"] < numbers["lenet5/sgd/loss"] < 2.3
    assert "lenet5/momentum/loss" not in numbers
    assert f"{numbers['lenet5/adam/accuracy']:.3f}" in capsys.readouterr().out
    assert (tmp_path / "report.html").read_text().count("<figure") == 3


def test_runs_are_kept_as_data(compared, kept):
    _, numbers = compared
    line = {k: kept[f"mlp/adam/{k}"] for k in ("rates", "losses", "rate", "loss")}
    assert np.allclose(line["rates"], 10.0 ** np.arange(-4, 3))
    assert line["rates"][line["losses"].argmin()] == line["rate"]
    assert line["loss"].shape == (2,) and line["loss"][0] != line["loss"][1]
    assert line["loss"].mean() == pytest.approx(numbers["mlp/adam/loss"])
    curve = kept["mlp/adam/curve"]  # [2, 30]; its last tenth is the loss
    np.testing.assert_allclose(curve[:, -3:].mean(1), line["loss"])


def test_all_begin_at_the_same_place(kept):
    """Before a step is taken the loss of the first batch hangs on the seed alone."""
    first = [kept[f"mlp/{name}/curve"][:, 0] for name in ("sgd", "momentum", "adam")]
    np.testing.assert_allclose(first[1:], first[:1] * 2, rtol=1e-6)


def test_the_way_is_in_its_plane(kept):
    """It ends at the plane's origin, and goes down on the surface."""
    for name in ("sgd", "momentum", "adam"):
        path, surface = kept[f"mlp/{name}/path"], kept[f"mlp/{name}/surface"]
        assert path.shape == (31, 2) and np.allclose(path[-1], 0)
        assert kept[f"mlp/{name}/explained"].sum() > 0.5
        x, y = kept[f"mlp/{name}/x"], kept[f"mlp/{name}/y"]
        assert surface.shape == (4, 4)

        def near(point, x=x, y=y, surface=surface):
            return surface[np.abs(y - point[1]).argmin(), np.abs(x - point[0]).argmin()]

        assert near(path[-1]) < near(path[0])


def test_it_replays_to_the_bit(compared, capsys):
    cfg, before = compared
    folder = {file: file.stat().st_mtime_ns for file in Path(cfg.run).rglob("*")}
    numbers = main(dataclasses.replace(cfg, replay=True))
    assert "the same to the bit" in capsys.readouterr().out
    apart = {name for name in before if numbers[name] != before[name]}
    assert all(name.endswith("/seconds") for name in apart)
    assert {file: file.stat().st_mtime_ns for file in folder} == folder


def test_a_replay_that_differs_says_in_what(compared, kept, tmp_path, monkeypatch):
    cfg, _ = compared
    module = __import__("experiments.compare_optimizers", fromlist=["_same"])
    arrays = dict(kept) | {"mlp/adam/seconds": np.float64(0)}
    file = Path(cfg.run, "runs.npz")
    assert "the same to the bit" in module._same(arrays, file)
    arrays["mlp/adam/curve"] = np.nextafter(arrays["mlp/adam/curve"], 0)
    with pytest.raises(ValueError, match="differs from .* in mlp/adam/curve"):
        module._same(arrays, file)


def test_a_replay_needs_the_run_and_its_flags(compared, tmp_path):
    cfg = dataclasses.replace(compared[0], replay=True)
    with pytest.raises(ValueError, match="steps was 30, got 31"):
        main(dataclasses.replace(cfg, steps=31))
    with pytest.raises(ValueError, match="replay needs a run: there is no"):
        main(dataclasses.replace(cfg, run=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ("mlp", "lenet6")}, "unknown model 'lenet6'"),
        ({"models": ()}, "models must have at least one value"),
        ({"least_rate": -1.0}, "least_rate must be positive"),
        ({"rates": 0}, "rates must be at least 1, got 0"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"path_steps": -3}, "path_steps must be at least 0, got -3"),
        ({"optimizers": ("adam", "sdg")}, "unknown optimizer 'sdg'"),
        ({"data": "fashion"}, "unknown data set 'fashion'"),
    ],
)
def test_refuses_before_it_works(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        main(Config(run=str(tmp_path / "run"), **options))
    assert not (tmp_path / "run").exists()
