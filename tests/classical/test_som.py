"""The self-organizing map: the paper's rule, its limits, errors, devices, bad input.

No implementation of it is among the references; the transcriptions below are made from
the papers.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.spatial.distance import cdist

import zoo
from zoo.classical import kmeans, som
from zoo.data import tabular

# In float64, as all that is compared; optax's schedules are of float32.
RATE = lambda t: 0.5 - 0.012 * t.astype(jnp.float64)
RADIUS = lambda t: 2 * 0.95 ** t.astype(jnp.float64)


def points(n=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


def grid_places(rows, columns, grid):
    """Coordinates of the units, one by one."""
    found = []
    for r in range(rows):
        for c in range(columns):
            aside = 0.5 if grid == "hexagonal" and r % 2 else 0
            down = np.sqrt(0.75) if grid == "hexagonal" else 1
            found.append((r * down, c + aside))
    return np.array(found)


def neighbourhood(name, squares, sigma):
    if name == "bubble":
        return (np.sqrt(squares) <= sigma + 1e-9).astype(float)
    return np.exp(-squares / (2 * sigma**2))


@pytest.mark.parametrize(
    "name, grid",
    [
        ("gaussian", "rectangular"),
        ("gaussian", "hexagonal"),
        ("bubble", "rectangular"),
        ("bubble", "hexagonal"),
    ],
)
def test_online_is_the_papers_rule(name, grid):
    """Kohonen 1990, one example after another, rate and radius falling."""
    batches = [points(seed=i) for i in range(3)]
    units = points(8, seed=9)
    with jax.enable_x64(True):
        start = units.copy()
        radius = (
            (lambda t: jnp.where(t < 15, 1.0, 1.75)) if name == "bubble" else RADIUS
        )
        learner = som.learner(
            2, 4, RATE, radius, neighbourhood=name, grid=grid, start=start
        )
        state, step = learner.init(None, {"x": batches[0]}), jax.jit(learner.step)
        losses = []
        for x in batches:
            state, metrics = step(state, {"x": x})
            losses.append(jax.device_get(metrics["loss"]))
    at, t = grid_places(2, 4, grid), 0
    for x, loss in zip(batches, losses, strict=True):
        expected = cdist(x, units).min(1).sum(), len(x)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        for point in x:
            c = ((point - units) ** 2).sum(1).argmin()
            sigma = 2 * 0.95**t if name == "gaussian" else 1.0 if t < 15 else 1.75
            h = neighbourhood(name, ((at - at[c]) ** 2).sum(1), sigma)
            units = units + (0.5 - 0.012 * t) * h[:, None] * (point - units)
            t += 1
    np.testing.assert_allclose(state.units, units, rtol=1e-12, atol=1e-14)
    assert state.t == t == 36


@pytest.mark.parametrize("name", som.NEIGHBOURHOODS)
def test_batch_form_is_the_weighted_mean(name):
    x, units = points(20), points(6, seed=9)
    with jax.enable_x64(True):
        learner = som.learner(
            2, 3, radius=RADIUS, form="batch", neighbourhood=name, start=units
        )
        state, step = learner.init(None, {"x": x}), jax.jit(learner.step)
        for _ in range(3):
            state, _ = step(state, {"x": x})
    at = grid_places(2, 3, "rectangular")
    for sigma in (2, 1.9, 1.805):
        winners = cdist(x, units).argmin(1)
        squares = cdist(at[winners], at, "sqeuclidean")  # [N, U]
        h = neighbourhood(name, squares, sigma)
        units = h.T @ x / h.sum(0)[:, None]
    np.testing.assert_allclose(state.units, units, rtol=1e-11)
    assert state.t == 3


@pytest.mark.parametrize("name", som.NEIGHBOURHOODS)
def test_radius_0_is_online_kmeans(name):
    """Competitive learning: the winner moves, and no other. With a rate 1 / n_c, which
    a map does not have, it would be the mean."""
    x, units = points(30), points(4, seed=9)
    with jax.enable_x64(True):
        learner = som.learner(2, 2, 0.1, 0.0, neighbourhood=name, start=units)
        state, _ = jax.jit(learner.step)(learner.init(None, {"x": x}), {"x": x})
    for point in x:
        c = ((point - units) ** 2).sum(1).argmin()
        units[c] += 0.1 * (point - units[c])
    np.testing.assert_allclose(state.units, units, rtol=1e-12)


def test_by_batches_radius_0_is_lloyds_kmeans():
    x, units = points(30), points(4, seed=9)
    units = np.concatenate([units[:3], [[99.0, 99, 99]]])  # the last wins nothing
    with jax.enable_x64(True):
        learner = som.learner(2, 2, radius=0.0, form="batch", start=units)
        state, step = learner.init(None, {"x": x}), jax.jit(learner.step)
        lloyd = kmeans.learner(3, start=units[:3], tolerance=0.0)
        other, move = lloyd.init(None, {"x": x}), jax.jit(lloyd.step)
        for _ in range(3):
            state, _ = step(state, {"x": x})
            other, _ = move(other, {"x": x})
    np.testing.assert_allclose(state.units[:3], other.centres, rtol=1e-12)
    np.testing.assert_array_equal(state.units[3], units[3])


def test_rate_1_puts_the_winner_on_the_example():
    x = points(1)
    with jax.enable_x64(True):
        learner = som.learner(1, 5, 1.0, 0.0, start=points(5, seed=9))
        state, _ = jax.jit(learner.step)(learner.init(None, {"x": x}), {"x": x})
        assert learner.evaluate(state, {"x": x})["loss"][0] < 1e-7
        assert som.predict(state, x) == cdist(x, points(5, seed=9)).argmin()


@pytest.mark.parametrize("grid", som.GRIDS)
def test_places_and_their_neighbours(grid):
    at = som.places(3, 4, grid)
    np.testing.assert_allclose(at, grid_places(3, 4, grid))
    apart = cdist(at, at)
    reach = {"rectangular": 1.5, "hexagonal": 1.01}[grid]
    inside = 5  # row 1, column 1 is not at the edge
    assert (apart[inside] < reach).sum() - 1 == {"rectangular": 8, "hexagonal": 6}[grid]


@pytest.mark.parametrize("grid", som.GRIDS)
def test_errors(grid):
    x, units = points(40), points(12, seed=9)
    with jax.enable_x64(True):
        learner = som.learner(3, 4, grid=grid, start=units)
        state = learner.init(None, {"x": x})
        found = jax.device_get(jax.jit(learner.evaluate)(state, {"x": x}))
    distances = cdist(x, units)
    two = distances.argsort(1)[:, :2]
    at = grid_places(3, 4, grid)
    far = np.linalg.norm(at[two[:, 0]] - at[two[:, 1]], axis=1)
    torn = (far > {"rectangular": 1.45, "hexagonal": 1.05}[grid]).sum()
    assert 0 < torn < 40
    np.testing.assert_allclose(found["loss"], (distances.min(1).sum(), 40), rtol=1e-12)
    assert found["topographic_error"] == (torn, 40)


def test_starts_on_the_plane_of_the_principal_axes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)) * [1, 5, 0.1, 3] + 7
    with jax.enable_x64(True):
        units = np.asarray(som.learner(3, 5).init(None, {"x": x}).units)
        line = np.asarray(som.learner(4, 1).init(None, {"x": x[:, :1]}).units)
    units = units.reshape(3, 5, 4)
    np.testing.assert_allclose(units[1, 2], x.mean(0))
    centred = x - x.mean(0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(x))
    along, across = units[1, 4] - units[1, 2], units[2, 2] - units[1, 2]
    for step, i in ((along, -1), (across, -2)):
        np.testing.assert_allclose(step @ step, variances[i])
        np.testing.assert_allclose(abs(step @ axes[:, i]), np.sqrt(variances[i]))
        assert step[abs(step).argmax()] > 0
    np.testing.assert_allclose(
        line[:, 0], x[:, 0].mean() + x[:, 0].std() * np.linspace(-1, 1, 4)
    )


@pytest.mark.parametrize("form", som.FORMS)
def test_it_unfolds_over_iris(form):
    """Ordered and near to the data: both errors fall from a start by chance."""
    x = np.float32(tabular("iris").x)
    start = x[np.random.default_rng(0).permutation(len(x))[:48]]
    examples = len(x) if form == "online" else 1
    radius = optax.exponential_decay(3.0, 10 * examples, 0.3, end_value=0.5)
    learner = som.learner(6, 8, 0.2, radius, form, start=start)
    state, step = learner.init(None, {"x": x}), jax.jit(learner.step)
    evaluate = jax.jit(learner.evaluate)
    mean = lambda pair: float(pair[0] / pair[1])
    before = jax.tree.map(
        float, {k: mean(v) for k, v in evaluate(state, {"x": x}).items()}
    )
    rng = np.random.default_rng(1)
    for _ in range(20):
        state, _ = step(state, {"x": x[rng.permutation(len(x))]})
    after = {k: mean(v) for k, v in evaluate(state, {"x": x}).items()}
    print(form, before, after)
    assert after["topographic_error"] < 0.15 < 0.7 < before["topographic_error"]
    assert after["loss"] < 0.4


@pytest.mark.parametrize("form", som.FORMS)
def test_one_device_equals_eight(form, devices):
    """In evaluation; the table's roster has the steps."""
    x = np.float32(points(16))

    def build(axis_name=None):
        start = np.float32(points(6, seed=9))
        return som.learner(2, 3, 0.3, 0.8, form, start=start, axis_name=axis_name)

    results = {}
    for name, where in (("single", None), ("pmap", devices)):
        run = zoo.training.engine(build, name, where)
        state = run.put_state(run.init(jax.random.key(0), {"x": x}))
        batch = run.put_batch({"x": x})
        state, _ = run.step(state, batch)
        results[name] = jax.device_get((run.evaluate(state, batch), state.units))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        *results.values(),
    )


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"rows": 0}, "rows must be a positive integer, got 0"),
        ({"columns": 1.5}, "columns must be a positive integer, got 1.5"),
        ({"rate": 1.1}, "rate must be from 0 to 1, got 1.1"),
        ({"radius": -1.0}, "radius must be from 0 to inf, got -1.0"),
        ({"form": "onlin"}, "unknown form 'onlin'; did you mean 'online'"),
        ({"neighbourhood": "gauss"}, "unknown neighbourhood 'gauss'; did you mean"),
        ({"grid": "hexagon"}, "unknown grid 'hexagon'; did you mean 'hexagonal'"),
        ({"start": np.ones((4, 3))}, r"start must be \[6, 3\], got \[4, 3\]"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        learner = som.learner(**{"rows": 2, "columns": 3, **fields})
        learner.init(None, {"x": np.float32(points())})


def test_refuses_points():
    learner = som.learner(2, 3, start=np.float32(points(6)))
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        learner.init(None, {"x": np.full((3, 3), np.nan)})
    with pytest.raises(ValueError, match=r"x must be \[N, D\], got \[3\]"):
        learner.init(None, {"x": np.ones(3)})
    state = learner.init(None, {"x": np.float32(points())})
    with pytest.raises(
        ValueError, match=r"x must be \[N, 3\], as the units, got \[2, 2"
    ):
        som.predict(state, np.ones((2, 2)))
    with pytest.raises(ValueError, match="units, of the map's 6, got 3 and 3"):
        som.topographic_error(state, np.float32(points()), 3, 3)
