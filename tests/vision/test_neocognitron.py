"""The Neocognitron and its attention: the papers' formulas in loops, limits, errors.

No implementation is among the references; the transcriptions below are made from the
papers, one cell after another.
"""

import functools

import jax
import numpy as np
import pytest

from zoo.vision import neocognitron as neo
from zoo.vision import selective_attention

NET = neo.Net(
    (7, 6, 2),
    (
        neo.Stage(3, 3, 0.8, 50.0, 3, 2, 3),
        neo.Stage(4, 3, 0.5, 5000.0, 5, 3, 5, fall_c=0.7, fall_d=0.6),
    ),
)


def images(count=6, seed=0, net=NET):
    return np.random.default_rng(seed).uniform(size=(count, *net.image)) ** 3


def falling(side, base):
    """{(row, column) from the middle: base^distance}, with the sum 1."""
    half = side // 2
    places = [(i, j) for i in range(-half, half + 1) for j in range(-half, half + 1)]
    fall = {v: base ** np.sqrt(v[0] ** 2 + v[1] ** 2) for v in places}
    return {v: value / sum(fall.values()) for v, value in fall.items()}


def at(u, row, column):
    """A cell's value for all planes; beyond the edge 0."""
    inside = 0 <= row < u.shape[0] and 0 <= column < u.shape[1]
    return u[row, column] if inside else np.zeros(u.shape[2])


def v_cell(stage, u, row, column):
    total = 0.0
    for (i, j), c in falling(stage.field, stage.fall_c).items():
        for value in at(u, row + i, column + j):
            total += c / u.shape[2] * value**2
    return np.sqrt(total)


def s_layer(stage, a, b, u):
    half, r = stage.field // 2, stage.r
    s = np.zeros((*u.shape[:2], stage.planes))
    for row, column, k in np.ndindex(*s.shape):
        excited = 0.0
        for i, j in falling(stage.field, 1.0):
            excited += a[half + i, half + j, :, k] @ at(u, row + i, column + j)
        inhibited = r / (1 + r) * b[k] * v_cell(stage, u, row, column)
        s[row, column, k] = r * max((1 + excited) / (1 + inhibited) - 1, 0)
    return s


def c_places(stage, shape):
    rows, columns = (range((stage.stride - 1) // 2, n, stage.stride) for n in shape[:2])
    return {(i, j): (r, c) for i, r in enumerate(rows) for j, c in enumerate(columns)}


def c_layer(stage, s, alpha):
    places = c_places(stage, s.shape)
    u = np.zeros((*(1 + max(i[n] for i in places) for n in (0, 1)), stage.planes))
    for place, (row, column) in places.items():
        pooled = np.zeros(stage.planes)
        for (i, j), d in falling(stage.pool, stage.fall_d).items():
            pooled += d * at(s, row + i, column + j)
        x = (1 + pooled) / (1 + pooled.mean()) - 1
        u[place] = np.where(x > 0, x / (alpha + np.maximum(x, 0)), 0)
    return u


def answers(net, weights, x, gains=None):
    found = []
    for i, (stage, (a, b)) in enumerate(zip(net.stages, weights, strict=True)):
        s = s_layer(stage, a, b, x)
        x = c_layer(stage, s, net.alpha) * (1 if gains is None else gains[i])
        found.append((s, x))
    return found


def seeds(s, column):
    """plane -> place: candidates of all columns, and of each plane the strongest."""
    half, best = column // 2, {}
    for row, col in np.ndindex(*s.shape[:2]):
        cells = [
            (s[r, c, k], r, c, k)
            for r in range(max(row - half, 0), min(row + half + 1, s.shape[0]))
            for c in range(max(col - half, 0), min(col + half + 1, s.shape[1]))
            for k in range(s.shape[2])
        ]
        value, r, c, k = max(cells, key=lambda cell: cell[0])
        if value > 0 and value > best.get(k, (0,))[0]:
            best[k] = (value, r, c)
    return {k: cell[1:] for k, cell in best.items()}


def learn(stage, a, b, u, chosen):
    """The seeds' planes, reinforced in place."""
    half = stage.field // 2
    for k, (row, column) in chosen.items():
        for (i, j), c in falling(stage.field, stage.fall_c).items():
            part = c / u.shape[2] * at(u, row + i, column + j)
            a[half + i, half + j, :, k] += stage.q * part
        b[k] += stage.q * v_cell(stage, u, row, column)


def numpy(weights):
    return [(np.array(a), np.array(b)) for a, b in weights]


@functools.cache
def learned():
    """Weights that began, and after two batches; in float64, with what was reported."""
    with jax.enable_x64(True):
        learner = neo.learner(NET)
        state = begun = learner.init(jax.random.key(0), {"x": images()})
        step, losses = jax.jit(learner.step), []
        for seed in (0, 1):
            state, metrics = step(state, {"x": images(seed=seed)})
            losses.append(jax.device_get(metrics["loss"]))
    return begun.weights, state, losses


def test_learning_is_the_papers():
    begun, state, losses = learned()
    weights = numpy(begun)
    for seed, loss in zip((0, 1), losses, strict=True):
        novelty = 0.0
        for x in images(seed=seed):
            layers = answers(NET, weights, x)
            novelty += 1 - layers[-1][0].max()
            for stage, (a, b), (s, _), u in zip(
                NET.stages, weights, layers, (x, layers[0][1]), strict=True
            ):
                learn(stage, a, b, u, seeds(s, stage.column))
        np.testing.assert_allclose(loss, (novelty, 6), rtol=1e-10)
    assert state.step == 2
    for ours, theirs in zip(state.weights, weights, strict=True):
        assert (theirs[1] > 0).sum() >= 2  # more planes than one have learned
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-14)


def test_answers_are_the_papers():
    _, state, _ = learned()
    x = images(2, 5)
    with jax.enable_x64(True):
        ours = jax.jit(neo.respond, static_argnums=0)(NET, state.weights, x)
    assert [layer.c.shape for layer in ours] == [(2, 4, 3, 3), (2, 1, 1, 4)]
    for n in range(2):
        theirs = answers(NET, numpy(state.weights), x[n])
        for layer, (s, c) in zip(ours, theirs, strict=True):
            assert s.max() > 0.01
            np.testing.assert_allclose(layer.s[n], s, rtol=1e-10, atol=1e-13)
            np.testing.assert_allclose(layer.c[n], c, rtol=1e-10, atol=1e-13)


def test_a_plane_that_learned_one_pattern_measures_a_cosine():
    """And its answer to what it has learned is 1."""
    stage = neo.Stage(1, 3, 1.5, 1e9, 1, 1, 7)
    net = neo.Net((3, 3, 2), (stage,))
    x = images(8, net=net)
    with jax.enable_x64(True):
        learner = neo.learner(net, 0, taught=True)
        batch = {"x": x[:1], "plane": np.array([0]), "place": np.array([[1, 1]])}
        state = learner.init(jax.random.key(0), batch)
        state, _ = jax.jit(learner.step)(state, batch)
        found = neo.respond(net, state.weights, x)[0].s[:, 1, 1, 0]
    root = np.sqrt([*falling(3, stage.fall_c).values()]).reshape(3, 3, 1)
    flat = (x * root).reshape(8, -1)
    s = flat @ flat[0] / np.linalg.norm(flat, axis=1) / np.linalg.norm(flat[0])
    threshold = 1.5 / 2.5
    expected = np.maximum(s - threshold, 0) / (1 - threshold)
    assert ((0 < expected) & (expected < 1)).any() and found[0] == pytest.approx(1)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_a_teacher_names_plane_and_place():
    with jax.enable_x64(True):
        batch = {"x": images(2), "plane": [2, 1], "place": [[6, 0], [3, 4]]}
        batch = jax.tree.map(np.asarray, batch, is_leaf=lambda v: isinstance(v, list))
        learner = neo.learner(NET, 0, taught=True)
        state = learner.init(jax.random.key(1), batch)
        weights = numpy(state.weights)
        state, _ = jax.jit(learner.step)(state, batch)
    for x, chosen in zip(batch["x"], ({2: (6, 0)}, {1: (3, 4)}), strict=True):
        learn(NET.stages[0], *weights[0], x, chosen)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-12),
        [tuple(w) for w in state.weights],  # the second stage has not learned
        weights,
    )


def test_classes_own_planes_of_the_last_stage():
    _, state, _ = learned()
    with jax.enable_x64(True):
        learner = neo.learner(NET, 1, classes=2, start=state.weights)
        batch = {"x": images(), "y": np.zeros(6, int)}
        other = learner.init(jax.random.key(0), batch)
        other, _ = jax.jit(learner.step)(other, batch)
    more = np.subtract(other.weights[1].b, state.weights[1].b)
    assert (more[:2] > 0).any() and (more[2:] == 0).all()
    np.testing.assert_array_equal(other.weights[0].a, state.weights[0].a)


def test_a_shift_by_the_strides_shifts_all_cells():
    """Away from the edges: all cells of a plane look for the same."""
    net = neo.Net((17, 17, 1), (neo.Stage(3, 3, 2.0, 1.0, 3, 2, 3),))
    x = np.zeros((2, 17, 17, 1), np.float32)
    x[0, 4:9, 4:9] = images(1)[0, :5, :5, :1]
    x[1] = np.roll(x[0], (2, 4), (0, 1))
    learner = neo.learner(net)
    state = learner.init(jax.random.key(0), {"x": x})
    state, _ = jax.jit(learner.step)(state, {"x": x[:1]})
    (layer,) = neo.respond(net, state.weights, x)
    assert layer.c.max() > 0.01
    np.testing.assert_allclose(layer.s[1], np.roll(layer.s[0], (2, 4), (0, 1)), 1e-5)
    np.testing.assert_allclose(layer.c[1], np.roll(layer.c[0], (1, 2), (0, 1)), 1e-5)


def backward(net, weights, i, s, w, amplify):
    """w_C of the stage before, cell by cell."""
    stage, (a, b) = net.stages[i], weights[i]
    asked = np.zeros_like(s)
    for place, (row, column) in c_places(stage, s.shape).items():
        for (y, x), d in falling(stage.pool, stage.fall_d).items():
            if 0 <= row + y < s.shape[0] and 0 <= column + x < s.shape[1]:
                asked[row + y, column + x] += d * w[place]
    gated = np.minimum(s, amplify * asked)
    half, excited = stage.field // 2, np.zeros((*s.shape[:2], a.shape[2]))
    for row, column, k in np.ndindex(*s.shape):
        for (y, x), c in falling(stage.field, stage.fall_c).items():
            if 0 <= row + y < s.shape[0] and 0 <= column + x < s.shape[1]:
                inhibited = stage.r / (1 + stage.r) * c / a.shape[2] * b[k]
                path = a[half + y, half + x, :, k] - inhibited
                excited[row + y, column + x] += path * gated[row, column, k]
    excited = np.maximum(excited, 0)
    return excited / (net.alpha + excited)


@pytest.mark.parametrize("rounds", [1, 2])
def test_attention_is_its_formula(rounds):
    """Where nothing is recognized, as in the last image, nothing is attended."""
    _, state, _ = learned()
    weights, x = numpy(state.weights), images(3, 9)
    x = np.concatenate([x, np.zeros((1, *NET.image))])
    with jax.enable_x64(True):
        found = jax.jit(
            lambda w: selective_attention.attend(
                NET, w, x, rounds=rounds, half=0.3, amplify=5.0
            )
        )(state.weights)
    for n in range(4):
        gains = [np.ones(1)] * 3
        for _ in range(rounds):
            layers = answers(NET, weights, gains[0] * x[n], gains[1:])
            top = layers[-1][1]
            w = [top * (top == top.max())]
            for i in (1, 0):
                w.insert(0, backward(NET, weights, i, layers[i][0], w[0], 5.0))
            gains = [1.3 * v / (0.3 * (v.max() or 1) + v) for v in w]
        assert found.plane[n] == top.max((0, 1)).argmax()
        assert (top.max() > 0) == (n < 3) == bool(found.gains[0][n].any())
        np.testing.assert_allclose(found.strength[n], top.max(), rtol=1e-9)
        np.testing.assert_allclose(found.seen[n], w[0], rtol=1e-9, atol=1e-13)
        for mine, other in zip(found.gains, gains, strict=True):
            np.testing.assert_allclose(mine[n], other, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"planes": 0}, "planes of a stage must be 1 or more, got 0"),
        ({"field": 4}, "field of a stage must be an odd number, got 4"),
        ({"r": 0.0}, "r of a stage must be above 0, got 0"),
        ({"fall_d": 1.5}, "fall_d of a stage must be above 0 and at most 1, got 1.5"),
    ],
)
def test_stages_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        neo.learner(neo.Net((5, 5, 1), (neo.Stage()._replace(**change),)))


def test_bad_input():
    for options, message in (
        ({"trained": 2}, "trained must be from 0 to 1, got 2"),
        ({"taught": True}, "taught must come with a stage that is trained"),
        ({"classes": 3}, "classes must divide 4 planes, got 3"),
    ):
        with pytest.raises(ValueError, match=message):
            neo.learner(NET, **options)
    init = neo.learner(NET).init
    with pytest.raises(ValueError, match=r"x must be \[B, 7, 6, 2\], got \(1, 6, 7, 2"):
        init(jax.random.key(0), {"x": np.ones((1, 6, 7, 2))})
    with pytest.raises(ValueError, match="x must be 0 or more"):
        init(jax.random.key(0), {"x": -np.ones((1, 7, 6, 2))})
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        selective_attention.attend(NET, (), np.ones((1, 7, 6, 2)), rounds=0)
    with pytest.raises(ValueError, match="stages must not be empty"):
        neo.learner(neo.Net((5, 5, 1), ()))
    with pytest.raises(ValueError, match="alpha must be above 0"):
        neo.learner(NET._replace(alpha=0.0))
    with pytest.raises(ValueError, match="image must be H, W, C"):
        neo.learner(NET._replace(image=(5, 5)))
