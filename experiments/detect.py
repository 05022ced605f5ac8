"""A detector finds discs, triangles and squares before a photo.

Run:    python -m experiments.detect
        python -m experiments.detect --model mask_rcnn --steps 3000 --scenes 2000
        python -m experiments.detect --model retinanet
        python -m experiments.detect --model fast_rcnn
        python -m experiments.detect --model fast_rcnn --proposals search
        python -m experiments.detect --model alternating
        python -m experiments.detect --model rcnn --scenes 80
        python -m experiments.detect --model all --run runs/detectors

Expect: on the test's scenes average precision 0.56 by Faster R-CNN (seed 0): discs are
found best, 0.78; triangles and squares, 0.47 and 0.42, are mixed up where little is
seen of them. Over all overlaps it is 0.34. It takes 70 seconds of a CPU core, half of
them to compile. That is a tenth of a training: `make acceptance ARGS=detection` has
3,000 steps on 2,000 scenes, and there Faster R-CNN has 0.95 in four minutes of a core;
of Mask R-CNN the masks have 0.95 in seven.

In four turns (`alternating`) of 300 steps each it has 0.40, in 135 seconds of a core:
from the third turn on maps do not change, and what they are has been learned in 300
steps by Fast R-CNN alone, from nothing. The paper's turns begin at ImageNet.

The test's scenes are drawn with another seed than those of the training. Average
precision is COCO's, at an overlap of 0.5 (`ap`), and the mean over overlaps from 0.5 to
0.95 (`ap/coco`); of masks, too, with Mask R-CNN. R-CNN's proposals are by selective
search; it looks at each of them anew, and its time for an image counts the search. Fast
R-CNN's are given, too: 432 boxes of all sizes on a grid, or, as in the paper, 150 of
selective search, made once for a scene. After 300 steps on 100 scenes it has 0.27 with
the grid and 0.29 with the search, over all overlaps 0.14 and 0.19 (seed 0). Searching
takes 0.13 seconds of a core for an image, a minute for 400 of them, so that the grid is
the default. `all` trains the detectors one after another on the same
scenes, each into a folder of its own, and compares them.

References:
    Girshick et al., "Rich feature hierarchies for accurate object detection and
    semantic segmentation", CVPR 2014, https://arxiv.org/abs/1311.2524 (R-CNN)
    Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870
    Lin et al., "Focal loss for dense object detection", ICCV 2017,
    https://arxiv.org/abs/1708.02002
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.metrics as M
from experiments._classifiers import positive
from experiments._pixels import curve, fitted
from zoo import detection
from zoo.data import scenes as rendered
from zoo.data.stream import Stream
from zoo.detection import alternating, rcnn
from zoo.errors import unknown
from zoo.training import Machine, figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

MODELS = {  # by the names of the table
    "faster_rcnn": "faster_rcnn_small",
    "alternating": "faster_rcnn_small",
    "mask_rcnn": "mask_rcnn_small",
    "retinanet": "retinanet_small",
    "fast_rcnn": "fast_rcnn_small",
}
RCNN, ALTERNATING, ALL = "rcnn", "alternating", "all"
EVERY = (RCNN, "fast_rcnn", ALTERNATING, "faster_rcnn", "mask_rcnn", "retinanet")
COLOURS = np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.3, 0.5, 1]])
TEST = 1000  # its seed, beside that of the training
STRIDE, SIDES = 8, (18, 26, 38)  # of the grid of boxes
PROPOSALS = ("grid", "search")
SEARCHED = 150  # proposals of selective search for an image
OVERLAPS = tuple(np.linspace(0.5, 0.95, 10).tolist())
Found = detection.Detections
Propose = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
CLASSES = len(rendered.CLASSES)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        model: rcnn, fast_rcnn, alternating (Faster R-CNN in turns), faster_rcnn,
            mask_rcnn, retinanet, or all of them.
        proposals: of Fast R-CNN: grid or search.
        size: pixels of a side of the scenes.
        steps: of training; of each turn, if it is in turns.
        batch_size: scenes of a step.
        scenes: of the training, drawn once.
        learning_rate: of Adam, at its largest: it goes up and down once.
        test: scenes of the test.
        seed: of parameters, scenes and chance.
        run: the run folder.
        progress: show a progress bar.
        machine: devices and hosts.
    """

    model: str = "faster_rcnn"
    proposals: str = "grid"
    size: int = 96
    steps: int = 300
    batch_size: int = 8
    scenes: int = 400
    learning_rate: float = 2e-3
    test: int = 60
    seed: int = 0
    run: str = "runs/detect"
    progress: bool = True
    machine: Machine = Machine()


def main(cfg: Config) -> dict[str, float]:
    """Trains, tests, and writes the report.

    Returns:
        On the test: `ap` at 0.5, `ap/coco`, `ap/CLASS` at 0.5, the first two of masks
        as `mask_ap` and `mask_ap/coco` if there are any, and `ms` for an image. Of all
        models, each by MODEL/NAME.

    Raises:
        ValueError: a flag that names nothing or is out of range.
    """
    positive(cfg, "steps", "batch_size", "scenes", "learning_rate", "test")
    if cfg.model not in (*EVERY, ALL):
        raise unknown("model", cfg.model, (*EVERY, ALL))
    if cfg.proposals not in PROPOSALS:
        raise unknown("kind of proposals", cfg.proposals, PROPOSALS)
    if cfg.model == ALL:
        return _compared(cfg)
    cfg.machine.start()
    how = rendered.Shapes(size=cfg.size)
    scenes = max(cfg.scenes, cfg.batch_size)
    stream = rendered.shapes("detection", cfg.batch_size, cfg.seed, how, scenes)
    truth = [rendered.scene(how, TEST + cfg.seed, i) for i in range(cfg.test)]
    test = rendered.detection(truth, how.most)
    if cfg.model == RCNN:
        return _by_regions(cfg, how, test)
    propose = proposer(cfg) if cfg.model == "fast_rcnn" else None
    if cfg.model == ALTERNATING:
        state, curves = _in_turns(cfg, stream)
    else:
        state, curves = _at_once(cfg, with_proposals(stream, propose))
    model = zoo.create(MODELS[cfg.model])
    found, ms = detected(model, zoo.eval_variables(state), test["x"], propose)
    numbers = {**measured(test, found), "ms": ms}
    if jax.process_index() == 0:
        _report(cfg, numbers, test, found, curves)
    return numbers


def _learns(cfg, learner):
    """(optimizer, axis_name=...) -> what `learner` makes of the flags' model."""

    def of(optimizer, axis_name=None):
        model = zoo.create(MODELS[cfg.model], axis_name=axis_name)
        return learner(model, optimizer, axis_name=axis_name)

    return of


def _at_once(cfg, stream):
    """All terms together: the last state, and the curve of each."""
    result = fitted(cfg, (_learns(cfg, detection.learner), stream))
    names = "loss", *zoo.create(MODELS[cfg.model]).terms
    return result.state, {name: curve(result.history, name) for name in names}


def _in_turns(cfg, stream):
    """Turn by turn: the last state, and the curve of each turn's loss."""
    first, *rest = (
        _learns(cfg, functools.partial(alternating.learner, turn=turn))
        for turn in alternating.TURNS
    )
    begun = fitted(cfg, (first, stream), run=f"{cfg.run}/first")
    propose = network(zoo.create(MODELS[cfg.model]), zoo.eval_variables(begun.state))
    streams = with_proposals(stream, propose), stream, stream
    result = fitted(cfg, *zip(rest, streams, strict=True), carry=alternating.carry)
    curves = {f"turn {2 + i}": curve(result.history, stage=i) for i in range(3)}
    return result.state, {"turn 1": curve(begun.history)} | curves


def _by_regions(cfg, how, test):
    """R-CNN, whose stages follow each other."""
    recipe = detection.Recipe(
        steps=cfg.steps, batch_size=max(4, 8 * cfg.batch_size), classes=CLASSES
    )
    scenes = [rendered.scene(how, cfg.seed, i) for i in range(cfg.scenes)]
    tell = lambda text: print(text, flush=True)
    batch = rendered.detection(scenes, how.most)
    model = rcnn.train(
        batch, recipe, cfg.seed, tell if cfg.progress else lambda _: None
    )
    rcnn.predict(model, test["x"][:1], recipe)  # compiled
    began = time.perf_counter()
    found = jax.device_get(rcnn.predict(model, test["x"], recipe, cfg.seed))
    ms = 1000 * (time.perf_counter() - began) / len(test["x"])
    found = Found(found.boxes, found.scores, found.labels, found.present)
    numbers = {**measured(test, found), "ms": ms}
    _report(cfg, numbers, test, found, {})
    return numbers


def _compared(cfg):
    """Each of them, and how far the field came."""
    numbers, rows = {}, []
    for model in EVERY:
        print(f"{model}:", flush=True)
        run = f"{cfg.run}/{model}"
        found = main(dataclasses.replace(cfg, model=model, run=run))
        numbers |= {f"{model}/{name}": value for name, value in found.items()}
        shown = [found.get(name) for name in ("ap", "ap/coco", "mask_ap", "ms")]
        rows.append((model, *("" if v is None else f"{v:.3g}" for v in shown)))
    report = Report("Detectors", "on the same rendered scenes", vars(cfg))
    heads = ("model", "AP at 0.5", "AP", "of masks at 0.5", "ms for an image")
    report.show(heads, rows, "Scenes of another seed")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


@functools.cache
def grid(size: int) -> np.ndarray:
    """Boxes of all sizes everywhere: proposals without looking; [P, 4]."""
    at = np.arange(STRIDE / 2, size, STRIDE)
    x, y, side = (a.ravel() for a in np.meshgrid(at, at, SIDES))
    boxes = np.stack([x - side / 2, y - side / 2, x + side / 2, y + side / 2], 1)
    return np.clip(boxes, 0, size).astype(np.float32)


def proposer(cfg: Config) -> Propose:
    """Fast R-CNN's proposals: (image) -> boxes [P, 4] and which there are."""
    if cfg.proposals == "search":
        return lambda x: detection.propose(x, SEARCHED)
    boxes = grid(cfg.size)
    return lambda x: (boxes, np.ones(len(boxes), bool))


def network(model: detection.FasterRCNN, variables: Any) -> Propose:
    """Proposals of a network that has learned to propose."""
    of = jit_once(lambda v, x: model.apply(v, x[None], True, method="proposals"))

    def propose(x):
        boxes, _, present = jax.device_get(of(variables, x))
        return boxes[0], present[0]

    return propose


def with_proposals(stream: Stream, propose: Propose | None) -> Stream:
    """The stream with proposals for each scene, which are made once; or as it is."""
    if propose is None:
        return stream
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def more(batch):
        for i, x in zip(batch["index"].tolist(), batch["x"], strict=True):
            kept[i] = kept[i] if i in kept else propose(x)
        return batch | _stacked([kept[i] for i in batch["index"].tolist()])

    return dataclasses.replace(
        stream,
        at=lambda step: more(stream.at(step)),
        rows=lambda *where: more(stream.rows(*where)),
    )


def _stacked(proposals):
    boxes, present = map(np.stack, zip(*proposals, strict=True))
    return {"proposals": boxes, "proposed": present}


def detected(
    model, variables, x, propose: Propose | None = None, batch: int = 20
) -> tuple[Found, float]:
    """What is found in images, and milliseconds for one, compiling apart."""
    of = jit_once(lambda v, x: model.apply(v, x, method="detect"))
    padded = np.concatenate([x, np.repeat(x[:1], -len(x) % batch, 0)])
    parts, first = padded.reshape(-1, batch, *x.shape[1:]), None
    found, seconds = [], []
    for part in (parts[0], *parts):
        began = time.perf_counter()
        shown: Any = jnp.asarray(part)
        if propose is not None:
            shown = {"x": shown, **_stacked([propose(image) for image in part])}
        found.append(jax.device_get(of(variables, shown)))
        if first is not None:
            seconds.append(time.perf_counter() - began)
        first = found[0]
    joined = jax.tree.map(lambda *a: np.concatenate(a)[: len(x)], *found[1:])
    return joined, 1000 * float(np.median(seconds)) / batch


def measured(test: dict[str, np.ndarray], found: Found) -> dict[str, float]:
    """The numbers of a test."""
    size = test["x"].shape[1:3]

    def matches(overlap, found, labels, there):
        return M.detection_matches(
            *(overlap, found.scores, found.labels, labels, CLASSES),
            **dict(present=found.present, there=there, thresholds=OVERLAPS),
        )

    @jax.jit
    def of_boxes(found, boxes, labels, there):
        one = lambda f, b, y, t: matches(detection.iou(f.boxes, b), f, y, t)
        return jax.vmap(one)(found, boxes, labels, there)

    @jax.jit
    def of_masks(found, instances, labels, there):
        def one(f, numbers, y, t):
            laid = detection.paste_masks(f.masks, f.boxes, size) >= 0.5
            own = numbers[None] == 1 + jnp.arange(len(y), dtype=numbers.dtype).reshape(
                -1, 1, 1
            )
            laid, own = (m.reshape(len(m), -1).astype("float32") for m in (laid, own))
            both = laid @ own.T
            either = laid.sum(1)[:, None] + own.sum(1)[None] - both
            return matches(both / jnp.maximum(either, 1), f, y, t)

        return jax.vmap(one)(found, instances, labels, there)

    objects = test["labels"], test["present"]
    each = np.asarray(
        M.average_precisions(of_boxes(found, test["boxes"], *objects), "coco")
    )
    numbers = {"ap": np.nanmean(each[:, 0]), "ap/coco": np.nanmean(each)}
    numbers |= {f"ap/{name}": each[i, 0] for i, name in enumerate(rendered.CLASSES)}
    if found.masks is not None:
        instances = test["instances"].astype(np.int32)
        each = M.average_precisions(of_masks(found, instances, *objects), "coco")
        numbers |= {"mask_ap": np.nanmean(each[:, 0]), "mask_ap/coco": np.nanmean(each)}
    return {name: float(value) for name, value in numbers.items()}


def overlay(x: np.ndarray, found: Found, least: float = 0.5) -> np.ndarray:
    """An image with the borders of boxes, and masks, in their classes' colours."""
    shown = x.copy()
    masks = None
    if found.masks is not None:
        masks = np.asarray(detection.paste_masks(found.masks, found.boxes, x.shape[:2]))
    for i in np.flatnonzero(found.present & (found.scores >= least))[::-1]:
        colour = COLOURS[found.labels[i]]
        if masks is not None:
            inside = masks[i] >= 0.5
            shown[inside] = 0.4 * shown[inside] + 0.6 * colour
        x1, y1, x2, y2 = np.round(found.boxes[i]).astype(int)
        x2, y2 = min(x2, x.shape[1]) - 1, min(y2, x.shape[0]) - 1
        shown[y1 : y2 + 1, [x1, x2]] = colour
        shown[[y1, y2], x1 : x2 + 1] = colour
    return shown


def _report(cfg, numbers, test, found, curves) -> None:
    report = Report("Detection", f"{cfg.model} on rendered shapes", vars(cfg))
    report.show(("on the test", "value"), numbers.items(), "Scenes of another seed")
    if curves:
        figure = figures.curves(curves, "step", "loss", log=True)
        report.figure(figure, "The loss and its terms.", "loss")
    few = min(6, len(test["x"]))
    truth = Found(
        boxes=test["boxes"],
        scores=test["present"].astype(float),
        labels=test["labels"],
        present=test["present"],
    )
    part = lambda tree, i: jax.tree.map(lambda a: a[i], tree)
    x = [test["x"][i] for i in range(few)]
    shown = [overlay(x[i], part(truth, i)) for i in range(few)]
    shown += [overlay(x[i], part(found, i)) for i in range(few)]
    titles = [f"{what} {i}" for what in ("truth", "found") for i in range(few)]
    figure = figures.gallery(np.stack(shown), titles, few)
    names = "red discs, green triangles, blue squares"
    report.figure(figure, f"Test scenes, and what scores above 0.5: {names}.", "found")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
