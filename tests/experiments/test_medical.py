"""The experiment on slices of heads: its parts, and its claim where it is slow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import _head_baselines as plain
from experiments import _heads as heads
from experiments import _medical_missing as missing
from experiments import _medical_outline as outline
from experiments import _medical_scanner as scanner
from experiments import medical
from experiments.medical import Config, main
from zoo.data.phantoms import phantoms

WAYS = {  # the figure of each task, and the way that is the best
    "noise": ("alone", "psnr"),
    "lines": ("alone", "psnr"),
    "contrast": ("alone", "psnr"),
    "white": ("alone", "dice"),
    "unpaired": ("cyclegan", "psnr"),
    "domain": ("cyclegan", "dice"),
    "lesion": ("search", "auc"),
    "scanner": ("reversed", "dice"),
    "outline": ("alone", "dice"),
    "missing": ("coupled", "accuracy"),
}


@pytest.mark.slow  # minutes; compiling the learners is most of it
def test_each_task_is_done_better_than_by_its_baseline(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    assert set(WAYS) == set(medical.TASKS)
    for task, (way, what) in WAYS.items():
        better = numbers[f"{task}/{way}/{what}"] > numbers[f"{task}/baseline/{what}"]
        assert better, task
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == len(WAYS) and page.count("<table") == 1


def test_a_task_is_run_and_reported(tmp_path):
    tasks = ("scanner",)
    numbers = main(Config(tasks, train=16, test=6, steps=2, run=str(tmp_path)))
    ways = ("baseline", "reversed")
    assert list(numbers) == [f"scanner/{way}/dice" for way in ways]
    assert all(0 <= value <= 1 for value in numbers.values())
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_what_is_given(monkeypatch):
    slices = phantoms(6, 1)
    noisy = heads.pair("noise", slices, 0)
    assert 0.1 < np.std(noisy["x"] - noisy["y"]) < 2 * heads.NOISE
    again = heads.pair("white", slices, 0)
    np.testing.assert_array_equal(again["x"], noisy["x"])
    np.testing.assert_array_equal(again["y"][..., 0] == 1, slices.tissue == 4)
    lines = lambda: heads.of_lines(slices.t1, np.random.default_rng(0))[..., 0]
    energy = lambda x: np.square(x).sum((1, 2))
    part = energy(lines()) / energy(slices.t1[..., 0])
    assert (part < 1).all() and (part > 0.5).all()  # most of it is in the middle
    monkeypatch.setattr(heads, "LINES", 32)
    np.testing.assert_allclose(lines(), slices.t1[..., 0], atol=1e-5)


def test_baselines():
    rng = np.random.default_rng(0)
    y = rng.uniform(-1, 1, (4, 32, 32, 1)).astype("f")
    known = {"x": y, "y": -y}
    np.testing.assert_allclose(plain.table(known, y), -y, atol=0.02)
    np.testing.assert_allclose(plain.in_order(y, y, y / 2), y / 2, atol=0.01)
    np.testing.assert_allclose(plain.blurred(y, 0.1), y, atol=1e-6)
    flat = np.repeat(np.repeat(y[:, ::8, ::8], 8, 1), 8, 2)
    inside = np.float32(2 * ((flat > -0.5) & (flat < 0.3)) - 1)
    found = plain.best_band({"x": flat, "y": inside}, flat)
    assert heads.dice(found, inside) > 0.9
    assert heads.dice(inside, inside) == 1 and heads.dice(-inside, inside) == 0


def test_lesions():
    slices = phantoms(6, 1)
    given, ill = heads.with_lesions(slices, 0)
    apart = given - heads.signed(slices.t1)
    assert (apart >= 0).all() and ill.tolist() == [True, False] * 3
    assert ((apart > 0).sum((1, 2, 3)) > 5).tolist() == ill.tolist()
    score = np.array([3.0, 1, 2, 2, 0, 0])
    np.testing.assert_allclose(heads.auc(score, ill), (3 + 2.5 + 0.5) / 9)


def test_features_do_not_learn_what_tells_scanners_apart():
    """Behind the reversal the domain's loss is climbed, at `scale` times its slope."""
    slices = phantoms(4, 1, 16)
    known = np.array([1, 1, 0, 0], "f")
    y = heads.mask(slices.tissue)
    batch = {"x": heads.signed(slices.t1), "y": y, "known": known}
    params = scanner.Adapted(0.0, 4).init(jax.random.key(0), batch["x"])["params"]
    params = jax.tree.map(lambda p: 8 * p, params)  # slopes that can be told from 0

    @jax.jit
    def slopes(params):
        def total(params, scale, share):
            outputs = scanner.Adapted(scale, 4).apply({"params": params}, batch["x"])
            none = {**batch, "y": jnp.where(share > 0, y, outputs["mask"])}
            return scanner.loss(outputs, none)[0]

        of = jax.grad(total)
        return of(params, 0.0, 1), of(params, 0.5, 1), of(params, 1.0, 0)

    own, both, told = slopes(params)
    for name in ("near", "far", "seen"):
        wanted = own[name]["kernel"] + 0.5 * told[name]["kernel"]
        np.testing.assert_allclose(both[name]["kernel"], wanted, rtol=1e-3, atol=1e-4)
        assert abs(told[name]["kernel"]).max() > 1e-2, name
    np.testing.assert_array_equal(both["told_0"]["kernel"], own["told_0"]["kernel"])
    x = np.linspace(0, 1, 9, dtype="f")
    assert (np.diff(scanner.other(x)) > 0).all()


def test_outlines():
    slices = phantoms(5, 1)
    known = outline.pairs(slices, 0)
    lost = (known["x"] == -1).reshape(5, -1).sum(1)
    assert (lost >= outline.LOST**2).all()
    np.testing.assert_array_equal(known["y"][..., 0] > 0, slices.tissue >= 2)
    assert outline.measure(known["y"], known["y"]) == {"dice": 1.0, "rough": 1.0}
    square = np.full((1, 8, 8, 1), -1.0)
    square[:, 2:5, 2:6] = 1
    assert outline.steps(square) == 14  # pixels around 3 by 4


def test_ends_of_heads():
    slices = phantoms(60, 1)
    x, cut = missing.stacks(slices.t1, 0)
    assert x.shape == (60, 32, 32, 2) and cut.shape == (60, 2)
    mass = (x > -0.5).sum((1, 2))
    for end in (0, 1):
        assert mass[cut[:, end], end].mean() > 1.2 * mass[~cut[:, end], end].mean()
    assert mass[:, 1].mean() < mass[:, 0].mean()  # flatter
    rng = np.random.default_rng(0)
    known, held = rng.normal(size=(40, 60)), rng.normal(size=(200, 60))
    known[:, 0] *= 5
    held[:, 0] *= 5
    right = missing.by_ridge(known, known[:, 0] > 0, held) == (held[:, 0] > 0)
    assert right.mean() > 0.6
    assert missing.accuracy(missing.pixels, x, cut, x, cut) > 0.6
    variables = jax.eval_shape(missing.Critic().init, jax.random.key(0), x[:2])
    kernels = {k: v["kernel"].shape for k, v in variables["params"].items()}
    assert kernels["top"] == kernels["bottom"] == (4, 4, 1, 16)  # own; others are one


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"tasks": ("nose",)}, "unknown task 'nose'; did you mean 'noise'"),
        ({"steps": 0}, "steps must be positive, got 0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
