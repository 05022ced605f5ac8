"""t-SNE by interpolation: near to the exact gradient, order four, devices, errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import affinities, sne, sne_exact, sne_interpolation
from zoo.data import tabular


@functools.partial(jax.jit, static_argnums=1)
def repulsion(y, nodes=256):
    return sne_interpolation.repulsion(y, nodes)


def by_grid(y, nodes=256, dtype=np.float64):
    """The same by the grid, on the host."""
    with jax.enable_x64(True):
        return jax.device_get(repulsion(y.astype(dtype), nodes))


def exact(y):
    """Sums over j of w^2 (y_i - y_j), and Z, as they are written."""
    apart = y[:, None] - y[None]
    w = 1 / (1 + np.square(apart).sum(2))
    np.fill_diagonal(w, 0)
    return (np.square(w)[..., None] * apart).sum(1), w.sum()


def error(a, b):
    return np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b)


def places(scale, e=2, n=300):
    return scale * np.random.default_rng(0).normal(size=(n, e))


@pytest.mark.parametrize(
    "scale, bound", [(1e-4, 2e-5), (1, 1e-5), (10, 2e-3), (15, 2e-2)]
)
def test_repulsion_is_near_to_the_sums(scale, bound):
    """Maps about 7 scales wide: nodes at 0.05, 0.11, 0.27 and 0.41 units."""
    y = places(scale)
    force, z = by_grid(y)
    expected, total = exact(y)
    assert error(force, expected) < bound and abs(z / total - 1) < bound


def test_repulsion_along_a_line():
    y = places(20, e=1)
    force, z = by_grid(y, 1024)
    expected, total = exact(y)
    assert error(force, expected) < 2e-3 and abs(z / total - 1) < 1e-4


def test_the_error_falls_with_the_fourth_power():
    y = places(10)
    expected, total = exact(y)
    errors = []
    for nodes in (200, 397):  # twice as near; half of them would be too far apart
        force, z = by_grid(y, nodes)
        errors.append(error(force, expected))
        assert abs(z / total - 1) < 1e-4
    coarse, fine = errors
    assert 12 < coarse / fine < 40, errors


def test_points_on_nodes_are_exact():
    """There nothing is interpolated: four points on the corners of a square."""
    y = np.array([[0.0, 0], [0, 9], [9, 0], [9, 9]])
    force, z = by_grid(y, 12)  # 9 = nodes - 3
    expected, total = exact(y)
    np.testing.assert_allclose(force, expected, rtol=1e-10)
    np.testing.assert_allclose(z, total, rtol=1e-10)


@pytest.fixture(scope="module")
def digits():
    """Of 200 digits a sparse batch, the same P as a matrix, and a map on its way."""
    x = np.float32(tabular("digits").x[:200])
    batch = jax.device_get(affinities.batch(x, 10.0, nearest=True))
    p = np.zeros((200, 200))
    np.add.at(p, (batch["row"][:, None], batch["near"]), batch["p"])
    y = sne.fit(jax.random.key(0), x, perplexity=10.0, steps=300).positions
    return batch, p, np.asarray(y)


def test_the_gradient_is_the_exact_one_of_the_same_p(digits):
    batch, p, y = digits
    assert np.ptp(y, 0).max() > 20

    @jax.jit
    def both(y, p, few, near, row, plogp, much):
        return (
            (
                sne_interpolation.gradient(y, few, near, row, much),
                sne_interpolation.objective(y, few, near, row, plogp),
            ),
            (sne_exact.gradient(y, p, "tsne", much), sne_exact.objective(y, p, plogp)),
        )

    few, near, row, plogp = (batch[name] for name in ("p", "near", "row", "plogp"))
    with jax.enable_x64(True):
        y64, p64, few64, plogp64 = map(np.float64, (y, p, few, plogp))
        for much in (1.0, 12.0):
            (slope, value), (expected, wanted) = jax.device_get(
                both(y64, p64, few64, near, row, plogp64, much)
            )
            assert error(slope, expected) < 0.01
            np.testing.assert_allclose(value, wanted, rtol=1e-3)
    low, _ = jax.jit(both)(y, np.float32(p), few, near, row, plogp, 12.0)
    assert low[0].dtype == jnp.float32
    assert error(low[0], expected) < 0.01


def test_a_small_map_takes_few_nodes(monkeypatch):
    """Of 256 there are 64 while they are near to each other, then 128, then all."""
    taken = []

    def by_grid(y, nodes, **_):
        taken.append(nodes)
        return y, jnp.float32(nodes)

    monkeypatch.setattr(sne_interpolation, "_by_grid", by_grid)
    used = jax.jit(lambda y: sne_interpolation.repulsion(y)[1])
    widths = jnp.array([0.1, 15.2, 15.3, 31.2, 31.3, 1000.0])
    found = [int(used(width * jnp.eye(2))) for width in widths]
    assert taken == [64, 128, 256]
    assert found == [64, 64, 128, 128, 256, 256]


def test_fit_is_as_good_as_the_exact_one(digits):
    """At the end of both: on the way two maps differ by chance."""
    batch, p, _ = digits
    kl = jax.jit(sne_exact.objective)
    values = []
    for options in (dict(method="interpolation", nodes=128), dict(method="exact")):
        options |= dict(perplexity=10.0, steps=500)
        y = sne.fit(jax.random.key(0), batch["x"], **options).positions
        values.append(float(kl(y, np.float32(p), batch["plogp"])))
    assert values[0] < 1.05 * values[1] < 1.05 * 0.3, values


def test_one_device_equals_eight(devices):
    with jax.enable_x64(True):
        x = np.random.default_rng(1).normal(size=(32, 4))
        batch = affinities.batch(x, 4.0, nearest=True)

        def run(axis_name=None):
            made = sne.learner(
                start=places(3, n=32), method="interpolation", nodes=32,
                axis_name=axis_name,
            )  # fmt: skip
            state = made.init(jax.random.key(0), batch)
            three = lambda batch: jax.lax.scan(
                lambda s, _: made.step(s, batch), state, length=3
            )
            if axis_name is None:
                return jax.jit(three)(batch)
            auto = (jax.sharding.AxisType.Auto,)
            mesh = jax.make_mesh((8,), (axis_name,), axis_types=auto)
            spec = jax.sharding.PartitionSpec
            return jax.jit(
                jax.shard_map(
                    three, mesh=mesh, in_specs=spec(axis_name), out_specs=spec(),
                    check_vma=False,
                )
            )(batch)  # fmt: skip

        one, eight = jax.device_get((run(), run("rows")))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-10)
    jax.tree.map(close, one, eight)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda y, p, near: sne_interpolation.repulsion(jnp.zeros((5, 3))),
            r"y must be \[N, 1\] or \[N, 2\], got \[5, 3\]",
        ),
        (
            lambda y, p, near: sne_interpolation.repulsion(y, 3),
            "nodes must be an integer of 4 or more, got 3",
        ),
        (
            lambda y, p, near: sne_interpolation.gradient(y, p, near, near[:4, 0]),
            r"of one shape \[M, C\], and row \[M\], got \[8, 3\], \[8, 3\] and \[4\]",
        ),
        (
            lambda y, p, near: sne_interpolation.objective(
                y, p, near[:, :1], near[:, 0], p[:, 0]
            ),
            r"of one shape \[M, C\], and row \[M\], got \[8, 3\], \[8, 1\] and \[8\]",
        ),
    ],
)
def test_refused(call, message):
    arguments = jnp.zeros((8, 2)), jnp.zeros((8, 3)), jnp.zeros((8, 3), jnp.int32)
    with pytest.raises(ValueError, match=message):
        call(*arguments)
