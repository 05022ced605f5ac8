"""What every optimizer in the table promises.

`every` walks the table; `every_but(name="reason")` leaves out those that cannot keep a
promise, each with its reason.
"""

import ast
import inspect
import math
import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim
from optim.table import OPTIMIZERS
from tests.optim.formulas import follow, formulas, told

FOLDER = Path(optim.__file__).parent
DTYPES = ("float32", "bfloat16", "float64")
# The rates with which 200 steps lead downhill, where 0.02 creeps.
RATES = {
    "adadelta": 10.0,
    "adagrad": 0.5,
    "adamax": 0.1,
    "lars": 2.0,  # a thousandth of the norm, times the rate
    "radam": 0.1,  # shortened until v has seen many gradients
}
PARTS = {  # transformations that are no optimizers; tests/optim/test_parts.py has them
    "averaging.with_ema": "wraps an optimizer that is handed over",
    "averaging.with_polyak": "wraps an optimizer that is handed over",
    "averaging.with_swa": "wraps an optimizer that is handed over",
    "clipping.clip_by_global_norm": "a link of a chain, without a rate",
    "clipping.clip_by_norm": "a link of a chain, without a rate",
    "clipping.clip_by_value": "a link of a chain, without a rate",
    "clipping.clip_weights": "a link of a chain, without a rate",
    "decay.add_l1": "a link of a chain, without a rate",
    "decay.add_l2": "a link of a chain, without a rate",
    "decay.with_decay": "built of a transformation that is handed over",
    "plateau.reduce_on_plateau": "a link of a chain, without a rate",
}


def every_but(**reasons):
    """A test for every optimizer but those named, each with its reason."""
    assert set(reasons) <= set(optim.names())
    kept = [name for name in optim.names() if name not in reasons]
    return pytest.mark.parametrize("name", kept)


every = every_but()
SLOW = {  # steps to the bottom of the bowl, where 200 are too few
    "lookahead": 400,  # every fifth step takes back half the way
    "schedule_free_adamw": 800,  # an average of all steps lags behind the last
    "schedule_free_sgd": 400,
}


def schedule(step):
    return jnp.where(step < 5, 0.1, 0.01)


def parameters(dtype):
    return {
        "w": jnp.linspace(-1.0, 2.0, 6, dtype=dtype).reshape(2, 3),
        "b": (jnp.asarray(0.5, dtype), jnp.ones((3,), dtype)),
    }


def bowl(params):
    """The sum of (x - 1)^2, in float32 or wider."""
    total = 0.0
    for x in jax.tree.leaves(params):
        x = x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x
        total = total + jnp.sum((x - 1) ** 2)
    return total


def gradient(params):
    return jax.grad(bowl)(params)


def update(tx, grads, state, params):
    """An update with all that a learner tells; the gradient is what is given."""

    def line(p):  # its gradient is `grads` everywhere
        pairs = zip(jax.tree.leaves(p), jax.tree.leaves(grads), strict=True)
        return sum(jnp.sum(x * g.astype(x.dtype)).astype(jnp.float32) for x, g in pairs)

    tx = optax.with_extra_args_support(tx)
    extra = told(line, params) | {"grad": grads}
    return tx.update(grads, state, params, **extra)


def run(tx, params, steps=10):
    """Steps down sum (x - 1)^2: traced once, both arguments donated."""
    params = jax.tree.map(jnp.copy, params)
    state, traces = tx.init(params), []

    def step(params, state):
        traces.append(1)  # Python runs this line only when jax traces
        grads = gradient(params)
        extra = told(bowl, params)
        updates, new = tx.update(grads, state, params, not_an_argument=0, **extra)
        chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
        assert jax.tree.map(jax.typeof, new) == jax.tree.map(jax.typeof, state)
        return optax.apply_updates(params, updates), new

    step = jax.jit(step, donate_argnums=(0, 1))
    for _ in range(steps):
        params, state = step(params, state)
    assert len(traces) == 1
    return params, state


@pytest.mark.parametrize("rate", [0.01, schedule], ids=["number", "schedule"])
@pytest.mark.parametrize("dtype", DTYPES)
@every
def test_runs_donated_traced_once_in_strict_promotion(name, dtype, rate):
    with jax.enable_x64(dtype == "float64"), jax.numpy_dtype_promotion("strict"):
        params, _ = run(optim.get(name, learning_rate=rate), parameters(dtype))
        chex.assert_tree_all_finite(params)
        chex.assert_trees_all_equal_shapes_and_dtypes(params, parameters(dtype))


@every_but(prodigy="its rate is a multiplier, and 1 its base: see test_prodigy.py")
def test_goes_downhill(name):
    tx = optim.get(name, learning_rate=RATES.get(name, 0.02))
    params, _ = run(tx, parameters("float32"), SLOW.get(name, 200))
    chex.assert_trees_all_close(params, jax.tree.map(jnp.ones_like, params), atol=0.1)


@every
def test_params_of_several_dtypes_and_gradients_of_another(name):
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones(3, jnp.float32)}
    grads = {"a": jnp.ones(3, jnp.float32), "b": jnp.ones(3, jnp.bfloat16)}
    tx = optim.get(name, learning_rate=0.01)
    with jax.numpy_dtype_promotion("strict"):
        updates, state = update(tx, grads, tx.init(params), params)
        chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)


@every
def test_what_it_needs_is_asked_for(name):
    """Without params, the updates keep the dtype of the gradients; or an error."""
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones(3, jnp.float32)}
    grads = {"a": jnp.ones(3, jnp.float32), "b": jnp.ones(3, jnp.bfloat16)}
    tx = optim.get(name, learning_rate=0.01)
    state = tx.init(params)
    try:
        updates, _ = tx.update(grads, state)
    except ValueError as error:
        assert re.search("needs (params|value|grad|value_fn|grad_fn)", str(error))
        update(tx, grads, state, params)
    else:
        chex.assert_trees_all_equal_shapes_and_dtypes(updates, grads)


@every
def test_bfloat16_follows_float32(name):
    """Also over many steps: averages in bfloat16 would stall."""
    tx = optim.get(name, learning_rate=0.01)

    def path(dtype):  # constant gradients, so that only the state can go wrong
        params = jnp.ones(4, dtype)
        grads = jnp.asarray([1.0, -0.5, 0.25, 2.0], dtype)

        def step(state, t):
            g = grads * jnp.cos(t / 9).astype(dtype)
            updates, state = update(tx, g, state, params)
            return state, updates.astype(jnp.float32)

        return jax.lax.scan(step, tx.init(params), jnp.arange(300.0))[1]

    # 2^-8 is bfloat16's rounding; the cosine, the step and the rate round once each.
    scale = float(jnp.abs(path(jnp.float32)).max())
    np.testing.assert_allclose(
        path(jnp.bfloat16), path(jnp.float32), rtol=2**-5, atol=scale * 2**-5
    )


@every
def test_state_holds_no_buffer_of_the_params(name):
    for rate in (0.1, schedule):
        tx, params = optim.get(name, learning_rate=rate), parameters("float32")
        leaves = [*jax.tree.leaves(params), *jax.tree.leaves(tx.init(params))]
        places = [leaf.unsafe_buffer_pointer() for leaf in leaves]
        assert len(set(places)) == len(places)


@every
def test_traced_rate_under_vmap_equals_numbers(name):
    params = parameters("float32")
    rates = (0.0, 0.001, 0.01)

    def walk(rate):  # the optimizer is built inside the traced function
        tx = optim.get(name, learning_rate=rate)

        def step(carry, _):
            params, state = carry
            updates, state = update(tx, gradient(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        carry = (params, tx.init(params))
        return jax.lax.scan(step, carry, length=5)[0][0]

    with jax.numpy_dtype_promotion("strict"):
        together = jax.jit(jax.vmap(walk))(jnp.asarray(rates))
    for i, rate in enumerate(rates):
        alone = walk(rate)
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: x[i], together), alone, rtol=1e-6
        )
    still = jax.tree.map(lambda x: x[0], together)  # rate 0
    if name.startswith("schedule_free"):  # means of equal numbers, which are rounded
        chex.assert_trees_all_close(still, params, rtol=2.0**-22)
    else:
        chex.assert_trees_all_equal(still, params)


@every
def test_every_number_may_be_traced_in_any_float(name):
    """A sweep may map over any number, and its array may be wider than the params."""
    given = {
        parameter.name: 0.01 if parameter.name == "learning_rate" else parameter.default
        for parameter in inspect.signature(OPTIMIZERS[name]).parameters.values()
        if not isinstance(parameter.default, str | bool | tuple | type(None))
        and not isinstance(parameter.default, int)  # counts: they shape the program
    }

    def one(given):
        params = parameters("float32")
        tx = optim.get(name, **given)
        updates, new = update(tx, gradient(params), tx.init(params), params)
        chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
        chex.assert_trees_all_equal_shapes_and_dtypes(new, tx.init(params))
        return updates

    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float32, jnp.float64):
            traced = jax.tree.map(lambda x, dtype=dtype: jnp.asarray(x, dtype), given)
            # float32(0.999) itself is off by 1e-8, a part in 1e5 of 1 - 0.999.
            chex.assert_trees_all_close(jax.jit(one)(traced), one(given), rtol=1e-4)


@every_but(
    sam="its gradient is grad_fn's, which no link before it touches",
    steepest_descent="its length is that along value_fn, a line in the other walk",
)
def test_chains_with_optax(name):
    tx = optax.chain(
        optax.clip(0.5),
        optim.get(name, learning_rate=0.01),
        optax.masked(optax.add_decayed_weights(0.0), True),
    )
    ours, _ = run(tx, parameters("float32"))
    clipped = optim.get(name, learning_rate=0.01)
    params = parameters("float32")
    state = clipped.init(params)
    for _ in range(10):
        grads = jax.tree.map(lambda g: jnp.clip(g, -0.5, 0.5), gradient(params))
        updates, state = update(clipped, grads, state, params)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_close(ours, params, rtol=1e-6)


@every_but(
    sam="grad_fn takes all parameters, also those that are masked",
    sophia="grad_fn takes all parameters, also those that are masked",
    steepest_descent="value_fn takes all parameters, also those that are masked",
)
def test_masked_parameters_and_injected_rates(name):
    params = {"w": jnp.ones(3), "table": jnp.arange(3)}
    grads = {"w": jnp.ones(3), "table": jnp.zeros(3, int)}
    tx = optim.get(name, learning_rate=0.01)
    masked = optax.masked(tx, {"w": True, "table": False})
    updates, _ = masked.update(grads, masked.init(params), params)
    want, _ = update(tx, jnp.ones(3), tx.init(jnp.ones(3)), jnp.ones(3))
    np.testing.assert_array_equal(updates["w"], want)

    injected = optax.inject_hyperparams(OPTIMIZERS[name])(learning_rate=0.01)
    state = injected.init(jnp.ones(3))
    got, _ = jax.jit(lambda g, s: update(injected, g, s, g))(jnp.ones(3), state)
    np.testing.assert_allclose(got, want, rtol=1e-4)  # its numbers are float32


BAD_RATES = [-0.1, math.nan, math.inf, "0.1", None, True, 1j, jnp.ones(2), -1]


@pytest.mark.parametrize("rate", [*BAD_RATES, np.float32(-1), jnp.asarray(math.nan)])
@every
def test_refuses_a_bad_learning_rate(name, rate):
    allowed = r"a finite number >= 0 or a schedule \(step -> number\)"
    message = f"learning_rate must be {allowed}, got {re.escape(repr(rate))}"
    with pytest.raises(ValueError, match=message):
        optim.get(name, learning_rate=rate)


@every
def test_accepts_every_kind_of_number(name):
    params = parameters("float32")
    for one in (1, 1.0, np.float32(1), np.float64(1), np.asarray(1), jnp.asarray(1)):
        tx = optim.get(name, learning_rate=one)
        got = update(tx, gradient(params), tx.init(params), params)[0]
        want = optim.get(name, learning_rate=1.0)
        want = update(want, gradient(params), want.init(params), params)[0]
        chex.assert_trees_all_equal(got, want)


@every
def test_refuses_a_traced_rate_that_is_no_scalar(name):
    with pytest.raises(ValueError, match="learning_rate must be"):
        jax.eval_shape(lambda r: optim.get(name, learning_rate=r).init(r), jnp.ones(2))


@every
def test_formula_of_the_docstring(name):
    with jax.enable_x64(True):
        tx = optim.get(name, learning_rate=0.1)
        got, _ = run(tx, jnp.asarray([-1.0, 3.0, 0.5]))
    np.testing.assert_allclose(got, follow(formulas(name)[0], name), rtol=1e-12)


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem
)
def test_every_constructor_is_in_the_table(path):
    """A public function that gives a transformation, its scale_by_ half aside."""
    listed = {(f.__module__, f.__name__) for f in OPTIMIZERS.values()}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef) or path.stem == "table":
            continue
        returns = ast.unparse(node.returns) if node.returns else ""
        first = [argument.arg for argument in node.args.args][:1]
        constructor = "GradientTransformation" in returns or first == ["learning_rate"]
        part = f"{path.stem}.{node.name}" in PARTS
        if constructor and not part and not node.name.startswith(("_", "scale_by_")):
            assert (f"optim.{path.stem}", node.name) in listed, node.name
        half = node.name.removeprefix("scale_by_")
        if half != node.name and half != "learning_rate":
            assert half in OPTIMIZERS and hasattr(optim, node.name)


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_no_optimizers_but_are_exported(part):
    name = part.split(".")[1]
    assert name not in OPTIMIZERS
    assert getattr(optim, name).__module__ == f"optim.{part.split('.')[0]}"


@every
def test_is_named_for_its_file_and_exported(name):
    constructor = OPTIMIZERS[name]
    assert constructor.__name__ == name == constructor.__module__.split(".")[-1]
    assert getattr(optim, name) is constructor


def test_init_reexports_sorted_and_nothing_else():
    text = (FOLDER / "__init__.py").read_text()
    lines = [line for line in text.splitlines() if line.startswith("from ")]
    kinds = {type(node) for node in ast.parse(text).body[1:]}
    assert kinds == {ast.ImportFrom}
    assert all(re.fullmatch(r"from optim\.\w+ import (\w+) as \1", x) for x in lines)
    assert [x.split()[1] for x in lines] == sorted(x.split()[1] for x in lines)
