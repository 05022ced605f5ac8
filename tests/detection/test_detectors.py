"""What detectors promise as learners, and what they refuse; see tests/parity, too."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from tests.models import tiny
from tests.test_catalog import assert_close, steps
from zoo import detection
from zoo.data import scenes
from zoo.detection import roi, rpn
from zoo.detection.heads import DenseHead
from zoo.learner import TrainState

S, G = 32, 4


def objects(count, seed=0):
    """A batch of images with from 0 to 3 of two classes, padded to 4."""
    cfg = scenes.Shapes(size=S, least=0, most=3, radius=(0.15, 0.25))
    drawn = [scenes.scene(cfg, seed, i) for i in range(count)]
    batch = scenes.detection(drawn, G)
    batch["present"][0] = False  # an image without objects
    batch["boxes"][0], batch["labels"] = 0, batch["labels"] % 2
    batch["instances"][0] = 0
    rng = np.random.default_rng(seed)
    return batch | {"index": rng.permutation(count).astype(np.int32)}


def test_a_dense_head_begins_by_calling_nearly_all_background():
    """A chance in a hundred for each class (RetinaNet, section 4.1); boxes stay."""
    head = DenseHead(anchors=3, num_classes=2, layers=1)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 8))
    (logits, t), _ = jax.jit(head.init_with_output)(jax.random.key(1), x)
    assert logits.shape == (1, 48, 2) and t.shape == (1, 48, 4)
    assert abs(jax.nn.sigmoid(logits) - 0.01).max() < 0.003
    assert 0 < abs(t).max() < 0.3


@pytest.mark.parametrize("name", ["maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn"])
def test_learners(name, devices):
    """Traced once, whatever the number of objects, and one device equals eight."""
    traces, weights = [], dict.fromkeys(tiny(name).terms, 1.0) | {"boxes": 0.5}

    def build(axis_name=None):
        learner = detection.learner(
            *(tiny(name, axis_name=axis_name), optim.sgd(0.1)),
            **dict(terms=weights, axis_name=axis_name),
        )

        def step(state, batch):
            traces.append(axis_name)
            return learner.step(state, batch)

        return learner._replace(step=step)

    at = lambda step: objects(8, step)
    single = steps(build, "single", None, at)
    assert traces == [None]
    assert all(np.isfinite(total) and total >= 0 for total, _ in single[2].values())
    assert single[2]["loss"][1] == 8
    total = sum(w * single[2][term][0] for term, w in weights.items())
    assert single[2]["loss"][0] == pytest.approx(total, rel=1e-5)
    moved = jax.tree.map(lambda a, b: np.any(a != b), *single[:2])
    assert all(jax.tree.leaves(moved))
    assert_close(steps(build, "pmap", devices, at), single)


def test_in_turns():
    """What a turn does not teach stays bit by bit, statistics too; all else learns."""
    batch, tx, rng = objects(4), optim.adamw(0.01), np.random.default_rng(0)
    model, key = tiny("fasterrcnn_resnet50_fpn", masks=False), jax.random.key(0)
    draw = lambda s: np.float32(rng.normal(0, 0.1, s.shape))
    last, terms = None, {3: ("objectness", "rpn_boxes"), 4: ("classes", "boxes")}
    for turn, learns in ((3, "rpn_head"), (4, "box_head")):
        learner = detection.alternating.learner(model, tx, turn)
        fresh = jax.eval_shape(learner.init, key, batch)
        drawn = [jax.tree.map(draw, part) for part in (fresh.params, fresh.model_state)]
        drawn[1] = jax.tree.map(lambda a: 1 + a**2, drawn[1])
        none = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), fresh.opt_state)
        fresh = TrainState(jnp.int32(0), key, *drawn, none, None)
        if last is None:  # as the second turn's, which has no such head
            params = jax.tree.map(draw, {**fresh.params})
            del params["rpn_head"]
            last = fresh._replace(params=params, model_state=drawn[1])
        first = detection.alternating.carry(last, fresh)
        for name, part in first.params.items():
            chex.assert_trees_all_equal(part, {**fresh.params, **last.params}[name])
        shown = batch if turn == 4 else batch | {"present": 0 * batch["present"] > 0}
        new, found = jax.jit(learner.step)(first, shown)
        # Without objects there are no boxes to learn, nor any to be learned of.
        learned = [float(found[name][0]) > 0 for name in model.terms]
        assert learned == [True, turn == 4, True, turn == 4], found
        for name, part in new.params.items():
            same = jax.tree.map(np.array_equal, part, first.params[name])
            assert set(jax.tree.leaves(same)) == {name != learns}, name
        chex.assert_trees_all_equal(new.model_state, last.model_state)
        total = sum(found[name][0] for name in terms[turn])
        assert float(found["loss"][0]) == pytest.approx(float(total), rel=1e-5)
        last = new
    with pytest.raises(ValueError, match="turn must be from 1 to 4, got 5"):
        detection.alternating.learner(model, tx, 5)
    with pytest.raises(ValueError, match="propose by itself"):
        detection.alternating.learner(tiny("fast_rcnn_small"), tx, 1)
    wrong = detection.learner(model, tx, learns=("rpn_heads",))
    with pytest.raises(ValueError, match="unknown part 'rpn_heads'; did you mean 'rpn"):
        jax.eval_shape(wrong.init, key, batch)


def test_images_without_objects():
    """All that is learned from is background; padding is never drawn."""
    low = np.float32(np.random.default_rng(0).uniform(0, 16, (5, 2)))
    boxes, nothing = np.concatenate([low, low + 9], 1), np.zeros(G, bool)
    how = detection.Judging(samples=8, share=0.5)
    labels, none = np.zeros(G, np.int32), np.zeros((G, 4), np.float32)

    @jax.jit
    def of(key, o, t):
        first = rpn.rpn_terms(key, o, t, boxes, none, nothing, detection.Proposing())
        chosen = roi.choose(key, boxes, np.arange(5) < 4, none, labels, nothing, how)
        return first, chosen

    t = np.ones((5, 4), np.float32)
    (score, box), chosen = of(jax.random.key(0), t[:, 0], t)
    assert score == pytest.approx(np.log1p(np.e)) and box == 0
    assert chosen.present.sum() == 4 and not chosen.positive.any()
    assert not chosen.label.any()
    drawn = np.sort(np.asarray(chosen.boxes)[np.asarray(chosen.present)], 0)
    np.testing.assert_array_equal(drawn, np.sort(boxes[:4], 0))


def test_what_proposals_are_learned_from():
    """By hand: who is on an object, how many of them, and of which map."""
    box, far = [0, 0, 20, 20], [40, 40, 60, 60]
    anchors = np.float32([box] * 4 + [[0, 0, 20, 10]] * 12 + [far] * 8)
    objects, there = np.float32([box, far]), np.array([True, False])
    how = detection.Proposing(samples=8, share=0.25, after=(4, 4))
    o = np.float32([3] * 4 + [50] * 12 + [0] * 8)  # those between do not count

    @jax.jit
    def of(o, t):
        maps = [o[:1], o[1:2]], [t[:1], t[1:2]], [anchors[:1], anchors[1:2]]
        proposed = rpn.propose(*maps, (60, 60), how)
        terms = rpn.rpn_terms(jax.random.key(0), o, t, anchors, objects, there, how)
        return proposed, terms

    proposed, (score, boxes) = of(o, np.zeros((24, 4), np.float32))
    assert proposed.present.tolist() == [True, True, False, False]  # of two maps
    want = (2 * np.log1p(np.exp(-3)) + 6 * np.log(2)) / 8
    assert score == pytest.approx(want, rel=1e-5) and boxes == 0


def test_what_the_second_stage_learns_from():
    """By hand, over several draws: two of three on objects, and both that are not."""
    objects = np.float32([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    near, half = [0, 0, 10, 8], [20, 20, 30, 24]  # an IoU of 0.8, and of 0.4
    proposals = np.float32([near, half, [20, 20, 30, 30], [50, 0, 60, 10]])
    proposed, there = np.arange(4) != 2, np.arange(3) < 2  # not all are there
    labels = np.int32([1, 0, 1])
    how = detection.Judging(samples=8, share=0.25)

    def of(proposals, key):
        args = key, proposals, proposed, objects, labels, there, how
        chosen = roi.choose(*args)
        return chosen.boxes.sum(), chosen

    keys = jax.random.split(jax.random.key(0), 8)
    both = jax.jit(jax.vmap(jax.grad(of, has_aux=True), (None, 0)))
    slope, chosen = both(proposals, keys)
    assert not np.asarray(slope).any()
    assert (chosen.present.sum(1) == 4).all() and (chosen.positive.sum(1) == 2).all()
    rows = np.concatenate(
        [chosen.boxes, *(np.asarray(part)[..., None] for part in chosen[1:4])], -1
    )
    found = {tuple(row) for row in rows[np.asarray(chosen.present)].tolist()}
    assert found == {
        (*near, 0, 2, 1),
        (*objects[0].tolist(), 0, 2, 1),
        (*objects[1].tolist(), 1, 1, 1),
        (*half, 0, 0, 0),
        (50, 0, 60, 10, 0, 0, 0),
    }


def test_regions_are_not_seen_on_the_maps_beyond():
    """A box too large for the last stage is on its map, not on the pooled one."""
    model = tiny("fasterrcnn_resnet50_fpn", extra="pool")
    rng = np.random.default_rng(0)
    maps = [np.float32(rng.normal(size=(1, n, n, 4))) for n in (8, 4, 2)]
    boxes = np.float32([[[0, 0, 31, 30], [3, 4, 9, 9]]])

    @jax.jit
    def both(maps, boxes):
        stages = [m[0] for m in maps[:2]]
        want = detection.pyramid_align(stages, boxes[0], 2, 2, model.canonical)
        return model.apply({}, maps, boxes, 2, method="_features")[0], want

    np.testing.assert_allclose(*both(maps, boxes), rtol=1e-6)


def test_objects_that_are_refused():
    model = zoo.create("mask_rcnn_small")
    good = objects(2, 1)
    detection.check_objects(model, good)
    first = int(good["present"][1].argmax())

    def bad(name, value):
        batch = {k: np.array(v) for k, v in good.items()}
        batch["present"][1, first] = True
        batch[name][1, first] = value
        return batch

    cases = {
        "x1 < x2 and y1 < y2 within 32 rows and 32 columns, got .5": [
            bad("boxes", [5, 5, 5, 9]),
            bad("boxes", [5, 9, 9, 5]),
            bad("boxes", [5, 5, 9, 33]),
        ],
        "labels must be from 0 to 2, got 3": [bad("labels", 3)],
        "instances must be .2, 32, 32., as x, got .2, 30": [
            {**good, "instances": good["instances"][:, 2:]}
        ],
        "labels must be .2, 4. for 2 images, got .2, 3": [
            {**good, "labels": good["labels"][:, 1:]}
        ],
        "x must be images .* got .2, 0": [{**good, "x": good["x"][:, :0]}],
    }
    for message, batches in cases.items():
        for batch in batches:
            with pytest.raises(ValueError, match=message):
                detection.check_objects(model, batch)


def test_refuses():
    with pytest.raises(ValueError, match="unknown term 'clases'; did you mean 'classe"):
        detection.learner(zoo.create("retinanet_small"), None, terms={"clases": 1.0})
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    model = zoo.create("retinanet_small", sizes=((8,),))
    with pytest.raises(ValueError, match="sizes must be 2, one for each map, got 1"):
        jax.eval_shape(model.init, jax.random.key(0), x)
    with pytest.raises(ValueError, match="extra must be one of none, pool, convs"):
        detection.Pyramid(extra="more").init(jax.random.key(0), [])
    boxes = jnp.ones((2, 4))
    with pytest.raises(ValueError, match="maps must be .H, W, C. with cells"):
        detection.pyramid_align([jnp.ones((3, 3))], boxes, 2)
    with pytest.raises(ValueError, match="form must be one of products, gather"):
        detection.pyramid_align([jnp.ones((3, 3, 1))], boxes, 2, form="sums")
    with pytest.raises(ValueError, match="it must be 0 <= first <= last"):
        detection.roi_levels(boxes, 3, 2)
