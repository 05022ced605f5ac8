"""LeNet-5 of 1998, against a transcription of section II.B in loops, in float64.

The transcription is independent: it follows Table I and the paper's text, shares no
code with the model, and its sizes reproduce what the paper prints, 60,000 parameters
and 340,908 connections.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.catalog import create
from zoo.vision.lenet5_1998 import LeNet51998, bitmaps, map_criterion

# Table I as printed: a row for each map of S2, a column for each map of C3.
PRINTED = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""
# The paper's numbers: trainable parameters and connections of each layer.
LAYERS = {
    "c1": (156, 122_304),
    "s2": (12, 5_880),
    "c3": (1_516, 151_600),
    "s4": (32, 2_000),
    "c5": (48_120, 48_120),
    "f6": (10_164, 10_164),
}
X = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype(np.float32)


def table():
    return np.array([row.split() for row in PRINTED.split("\n") if row]) == "X"


def random_params(seed=0):
    shapes = jax.eval_shape(LeNet51998().init, jax.random.key(0), X)["params"]
    rng = np.random.default_rng(seed)
    # By fan-in, so that no unit saturates.
    scale = {"c1": 0.2, "s2": 0.5, "c3": 0.1, "s4": 0.5, "c5": 0.05, "f6": 0.1}
    return {
        layer: {
            name: (scale[layer] * rng.normal(size=s.shape)).astype(np.float32)
            for name, s in leaves.items()
        }
        for layer, leaves in shapes.items()
    }


def by_the_paper(params, image):
    """One image, [28, 28], through the layers; all that they put out, and counts."""
    p = jax.tree.map(np.float64, params)
    f = lambda a: 1.7159 * np.tanh(2 / 3 * a)
    x = np.full((32, 32), -0.1)
    x[2:30, 2:30] = -0.1 + (1.175 + 0.1) * image
    connections = dict.fromkeys(LAYERS, 0)

    def convolve(name, maps, kernels, bias, size):
        """kernels: for each map put out, {map it sees: 5x5}."""
        out = np.zeros((len(kernels), size, size))
        for m, seen in enumerate(kernels):
            for i, j in itertools.product(range(size), repeat=2):
                a = bias[m]
                connections[name] += 1
                for source, kernel in seen.items():
                    a += (maps[source][i : i + 5, j : j + 5] * kernel).sum()
                    connections[name] += 25
                out[m, i, j] = f(a)
        return out

    def subsample(name, maps):
        size = len(maps[0]) // 2
        out = np.zeros((len(maps), size, size))
        for m, i, j in np.ndindex(out.shape):
            four = maps[m][2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum()
            out[m, i, j] = f(four * p[name]["coefficient"][m] + p[name]["bias"][m])
            connections[name] += 5
        return out

    k = p["c1"]["kernel"]
    c1 = convolve(
        "c1", [x], [{0: k[:, :, 0, m]} for m in range(6)], p["c1"]["bias"], 28
    )
    s2 = subsample("s2", c1)
    stored = iter(np.moveaxis(p["c3"]["kernel"], 2, 0))  # 60, map by map of C3
    kernels = [
        {source: next(stored) for source in range(6) if table()[source, m]}
        for m in range(16)
    ]
    c3 = convolve("c3", s2, kernels, p["c3"]["bias"], 10)
    s4 = subsample("s4", c3)
    k = p["c5"]["kernel"]
    kernels = [{s: k[:, :, s, m] for s in range(16)} for m in range(120)]
    c5 = convolve("c5", s4, kernels, p["c5"]["bias"], 1)[:, 0, 0]
    f6 = f(c5 @ p["f6"]["kernel"] + p["f6"]["bias"])
    connections["f6"] = 84 * (120 + 1)
    y = [sum((f6[j] - bitmaps()[i][j]) ** 2 for j in range(84)) for i in range(10)]
    layers = {"c1": c1, "s2": s2, "c3": c3, "s4": s4, "c5": c5, "f6": f6}
    return np.array(y), layers, connections


def test_is_the_paper():
    params = random_params()
    model = LeNet51998()
    outputs, more = model.apply({"params": params}, X, capture_intermediates=True)
    f = lambda a: 1.7159 * np.tanh(2 / 3 * a)
    for i, image in enumerate(X[..., 0]):
        y, layers, connections = by_the_paper(params, image)
        np.testing.assert_allclose(-outputs[i], y, rtol=1e-5)
        for name, expected in layers.items():
            got = np.asarray(more["intermediates"][name]["__call__"][0][i], np.float64)
            got = got if name.startswith("s") else f(got)  # the rest is squashed later
            got = np.moveaxis(got, -1, 0).reshape(expected.shape)
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert connections == {name: n for name, (_, n) in LAYERS.items()}
    assert sum(connections.values()) + 840 == 340_908  # with the 10 x 84 distances


def test_has_the_printed_parameters():
    params = random_params()
    counts = {k: sum(x.size for x in v.values()) for k, v in params.items()}
    assert counts == {name: n for name, (n, _) in LAYERS.items()}
    assert sum(counts.values()) == 60_000


def test_the_printed_form_is_the_fast_form():
    variables = {"params": random_params()}
    loss = lambda model: lambda v: jnp.sin(model.apply(v, X)).sum()
    with jax.enable_x64(True):
        variables = jax.tree.map(jnp.float64, variables)
        forms = [jax.jit(jax.value_and_grad(loss(LeNet51998(dense=d)))) for d in (0, 1)]
        printed, fast = (form(variables) for form in forms)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9),
        printed,
        fast,
    )


def test_initial_weights_are_uniform_by_fan_in():
    params = LeNet51998().init(jax.random.key(0), X)["params"]
    bounds = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, fan_in in bounds.items():
        for leaf in params[name].values():
            assert abs(leaf).max() <= 2.4 / fan_in
    for name in ("c1", "c5", "f6"):
        kernel = params[name]["kernel"]
        assert abs(kernel).max() > 0.9 * 2.4 / bounds[name]
        # Of a uniform in +-a the standard deviation is a / sqrt(3).
        np.testing.assert_allclose(
            kernel.std(), 2.4 / bounds[name] / np.sqrt(3), rtol=0.15
        )
    seen = table().sum(0)
    kernels = np.split(params["c3"]["kernel"], np.cumsum(seen)[:-1], axis=2)
    for n, kernel in zip(seen, kernels, strict=True):
        assert 0.9 < abs(kernel).max() * 25 * n / 2.4 <= 1


def test_targets_are_ten_pictures():
    targets = bitmaps()
    assert targets.shape == (10, 84)
    assert set(targets.ravel()) == {-1, 1}
    differ = (targets[:, None] != targets[None]).sum(-1)
    assert differ[~np.eye(10, dtype=bool)].min() >= 3
    seven = targets[7].reshape(12, 7)  # a bar on top, then one stroke
    assert (seven[0] == 1).all()
    assert ((seven[1:10] == 1).sum(1) == 1).all()


def test_a_perfect_code_is_at_distance_zero():
    """With f6's bias alone at arctanh(target / A) / S, the output is minus zero."""
    params = jax.tree.map(np.zeros_like, random_params())
    params["f6"]["bias"] = np.float32(1.5 * np.arctanh(bitmaps()[3] / 1.7159))
    outputs = LeNet51998().apply({"params": params}, X)
    np.testing.assert_allclose(outputs[:, 3], 0, atol=1e-9)
    assert (outputs.argmax(1) == 3).all()


@pytest.mark.parametrize("j", [0.1, 3.0])
def test_map_criterion_is_equation_9(j):
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 5, size=(4, 10))
    labels, weight = np.array([1, 9, 0, 4]), np.array([1, 0.5, 2, 0])
    each = [
        y[p, d] + np.log(np.exp(-j) + sum(np.exp(-y[p, i]) for i in range(10)))
        for p, d in enumerate(labels)
    ]
    with jax.enable_x64(True):
        batch = {"y": jnp.asarray(labels)}
        value, total = map_criterion(jnp.asarray(-y), batch, j)
        batch["weight"] = jnp.asarray(weight)
        part, part_total = map_criterion(jnp.asarray(-y), batch, j)
    np.testing.assert_allclose([value, total], [sum(each), 4], rtol=1e-12)
    np.testing.assert_allclose([part, part_total], [each @ weight, 3.5], rtol=1e-12)


def test_32_pixels_are_taken_as_they_are():
    variables = {"params": random_params()}
    wide = np.pad(X, ((0, 0), (2, 2), (2, 2), (0, 0)))
    model = create("lenet5_1998")
    np.testing.assert_array_equal(
        model.apply(variables, wide), model.apply(variables, X)
    )


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 28, 28, 3), (2, 784)])
def test_refuses_images(shape):
    with pytest.raises(ValueError, match=r"LeNet-5 of 1998 takes images .* got \(2"):
        create("lenet5_1998").init(jax.random.key(0), jnp.zeros(shape))


def test_refuses_an_eleventh_class():
    model = create("lenet5_1998", num_classes=11)
    with pytest.raises(ValueError, match="num_classes must be 1 to 10, got 11"):
        model.init(jax.random.key(0), X)
