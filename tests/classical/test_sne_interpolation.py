"""t-SNE by interpolation: near to the exact gradient, order four, devices, bad input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import affinities, sne, sne_exact, sne_interpolation
from zoo.data import tabular


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


@pytest.mark.parametrize("scale, bound", [(1e-4, 1e-6), (1, 1e-6), (10, 1e-3), (20, 1e-2)])
def test_repulsion_is_near_to_the_sums(scale, bound):
    """Maps about 6 scales wide: nodes at 0.05, ..., 0.5 units."""
    y = places(scale)
    with jax.enable_x64(True):
        force, z = jax.jit(sne_interpolation.repulsion)(y)
    expected, total = exact(y)
    assert error(force, expected) < bound and abs(z / total - 1) < bound


def test_repulsion_along_a_line():
    y = places(20, e=1)
    with jax.enable_x64(True):
        force, z = jax.jit(sne_interpolation.repulsion, static_argnums=1)(y, 1024)
    expected, total = exact(y)
    assert error(force, expected) < 1e-3 and abs(z / total - 1) < 1e-4


def test_the_error_falls_with_the_fourth_power():
    y = places(8)
    expected, total = exact(y)
    errors = []
    with jax.enable_x64(True):
        for nodes in (131, 259):  # twice as near
            force, z = sne_interpolation.repulsion(jnp.asarray(y), nodes)
            errors.append((error(force, expected), abs(z / total - 1)))
    (coarse, coarse_z), (fine, fine_z) = errors
    assert 9 < coarse / fine < 30 and 9 < coarse_z / fine_z < 30, errors


def test_points_on_nodes_are_exact():
    """There nothing is interpolated: four points on the corners of a square."""
    y = np.array([[0.0, 0], [0, 9], [9, 0], [9, 9]])
    with jax.enable_x64(True):
        force, z = sne_interpolation.repulsion(jnp.asarray(y), 12)  # 9 = nodes - 3
    expected, total = exact(y)
    np.testing.assert_allclose(force, expected, rtol=1e-10)
    np.testing.assert_allclose(z, total, rtol=1e-10)


@pytest.fixture(scope="module")
def digits():
    """Of 300 digits a sparse batch, the same P as a matrix, and a map, in float64."""
    x = tabular("digits").x[:300]
    with jax.enable_x64(True):
        batch = affinities.batch(x, 10.0, nearest=True)
        p = np.zeros((300, 300))
        rows = np.arange(300)[:, None]
        np.add.at(p, (rows, np.asarray(batch["near"])), np.asarray(batch["p"]))
        y = sne.fit(jax.random.key(0), x, perplexity=10.0, steps=300).positions
        return batch, p, np.asarray(y)


@pytest.mark.parametrize("much", [1.0, 12.0])
def test_the_gradient_is_the_exact_one_of_the_same_p(digits, much):
    batch, p, y = digits
    assert np.ptp(y, 0).max() > 20
    with jax.enable_x64(True):
        slope = jax.jit(sne_interpolation.gradient)(y, batch["p"], batch["near"], much)
        expected = np.asarray(sne_exact.gradient(jnp.asarray(y), p, "tsne", much))
        value = sne_interpolation.objective(
            jnp.asarray(y), batch["p"], batch["near"], batch["plogp"]
        )
        wanted = sne_exact.objective(y, p, batch["plogp"])
    assert error(slope, expected) < 0.01
    np.testing.assert_allclose(value, wanted, rtol=1e-3)


def test_blocks_of_rows_change_nothing(digits, monkeypatch):
    batch, _, y = digits
    arguments = (jnp.asarray(y, jnp.float32), *(batch[k] for k in ("p", "near")))
    arguments = jax.tree.map(
        lambda a: jnp.asarray(a, jnp.int32 if a.dtype.kind == "i" else jnp.float32),
        arguments,
    )
    whole = sne_interpolation.gradient(*arguments)
    monkeypatch.setattr(sne_exact, "PAIRS", 5_000)
    part = sne_interpolation.gradient(*arguments)
    np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-7)


def test_float32_is_enough(digits):
    batch, _, y = digits
    with jax.enable_x64(True):
        wide = sne_interpolation.gradient(jnp.asarray(y), batch["p"], batch["near"])
    low = sne_interpolation.gradient(
        jnp.asarray(y, jnp.float32),
        jnp.asarray(np.float32(batch["p"])),
        jnp.asarray(np.int32(batch["near"])),
    )
    assert low.dtype == jnp.float32
    assert error(low, np.asarray(wide)) < 1e-3  # Fourier transforms of the whole map


def test_fit_is_as_good_as_the_exact_one():
    x = np.float32(tabular("digits").x[:300])
    options = dict(perplexity=10.0, steps=400)
    kl = jax.jit(sne.learner().evaluate)
    batch = affinities.batch(x, 10.0)
    values = {
        method: float(
            kl(sne.fit(jax.random.key(0), x, method=method, **options), batch)["kl"][0]
        )
        for method in sne.METHODS
    }
    assert values["interpolation"] < 1.05 * values["exact"], values


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
            lambda y, p, near: sne_interpolation.gradient(y, p[:4], near[:4]),
            r"p and near must be of one shape \[8, M\]",
        ),
        (
            lambda y, p, near: sne_interpolation.objective(y, p, near[:, :1], p[:, 0]),
            r"p and near must be of one shape \[8, M\]",
        ),
    ],
)
def test_refused(call, message):
    arguments = jnp.zeros((8, 2)), jnp.zeros((8, 3)), jnp.zeros((8, 3), jnp.int32)
    with pytest.raises(ValueError, match=message):
        call(*arguments)
