"""What the experiments on learning to learn claim, with fewer steps and seeds."""

import numpy as np
import pytest

from experiments import maml, self_paced


def test_a_learned_start_adapts_in_five_steps(tmp_path, capsys):
    cfg = dict(steps=300, inner_rate=0.02, rates=(0.01, 0.02), data=(), seeds=2)
    cfg["kinds"] = ("maml", "joint", "scratch")
    numbers = maml.main(maml.Config(**cfg, run=str(tmp_path)))
    of = lambda kind: np.array([numbers[f"{kind}/{seed}"] for seed in range(2)])
    assert (of("maml") < 0.75 * of("joint")).all(), numbers
    assert (of("joint") < of("scratch")).all(), numbers
    assert f"{of('maml')[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 1


def test_which_layer_to_adapt_depends_on_what_changed(tmp_path, capsys):
    cfg = dict(changes=("mirrored", "renamed"), rates=(0.1, 0.3), seeds=2, steps=40)
    numbers = self_paced.main(self_paced.Config(**cfg, run=str(tmp_path)))

    def of(change, kind):
        return np.array([numbers[f"{change}/{kind}/{seed}"] for seed in range(2)])

    assert (of("mirrored", "first") > of("mirrored", "last") + 0.02).all(), numbers
    assert (of("renamed", "last") > of("renamed", "first") + 0.02).all(), numbers
    for change, worst in (("mirrored", "last"), ("renamed", "first")):
        assert (of(change, "tried") > of(change, worst) + 0.02).all(), numbers
        assert (of(change, "self-paced") > of(change, "before") + 0.2).all()
    largest = [of("renamed", f"{layer}/ratio") for layer in self_paced.LAYERS]
    assert (np.argmax(largest, 0) == 2).all()  # the head, if names changed
    assert f"{of('renamed', 'last')[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_flags(tmp_path):
    for module, options, message in (
        (maml, {"steps": -1}, "steps must be at least 0, got -1"),
        (maml, {"tasks": 0}, "tasks must be positive, got 0"),
        (
            maml,
            {"data": ("digit",)},
            "unknown image data 'digit'; did you",
        ),
        (maml, {"kinds": ("mam",)}, "unknown start 'mam'; did you mean 'maml'"),
        (self_paced, {"data": "cloth"}, "unknown image data 'cloth'; did you mean"),
        (self_paced, {"changes": ("dim",)}, "unknown change 'dim'; did you mean"),
        (self_paced, {"shots": 51}, "shots must be at most 50, got 51"),
        (self_paced, {"rates": (0.0,)}, "rates must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            module.main(module.Config(**options, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
