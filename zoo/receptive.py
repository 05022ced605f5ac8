"""Receptive fields, found by poisoning pixels.

A unit sees a pixel if a NaN there comes out of the unit as a NaN. Sums, products and
smooth functions pass a NaN on; a maximum may lose it (XLA's on a CPU does), so here
every maximum and minimum of the jaxpr is run as a sum, which sees the same pixels.
All variables are as small as they are many, so that no depth of layers overflows: a
difference of infinities would be a NaN that no pixel has caused.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def receptive_field(model: nn.Module, inputs: Any) -> tuple[int, int] | None:
    """What the middle unit of the last feature map sees of the input.

    The last feature map is the last output of a submodule that has height and width.

    Args:
        model: of images, [B, H, W, C].
        inputs: ShapeDtypeStruct of one example, or a pytree of them.

    Returns:
        Height and width in pixels, within the input; None without a feature map, and
        of detectors, which look at several.
    """
    if hasattr(model, "detect") or len(getattr(inputs, "shape", ())) != 4:
        return None
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
    variables = jax.tree.map(
        lambda s: np.full(s.shape, 1 / max(1, math.prod(s.shape)), s.dtype), shapes
    )

    def last_map(x):
        maps = []

        def watch(next_function, args, kwargs, context):
            output = next_function(*args, **kwargs)
            if context.module.path and getattr(output, "ndim", 0) == 4:
                maps.append(output)
            return output

        with nn.intercept_methods(watch):
            model.apply(variables, x)
        return maps[-1] if maps else None

    if jax.eval_shape(last_map, inputs) is None:
        return None
    closed = jax.make_jaxpr(last_map)(inputs)

    @jax.jit
    def middle_hears(mask):  # [H, W] -> whether any pixel of the mask is seen
        x = jnp.where(mask[None, :, :, None], jnp.nan, jnp.ones(inputs.shape))
        (y,) = _linear(closed.jaxpr, closed.consts, x)
        return jnp.isnan(y[0, y.shape[1] // 2, y.shape[2] // 2]).any()

    def extent(axis):
        size = inputs.shape[1 + axis]
        place = np.arange(size).reshape((-1, 1) if axis == 0 else (1, -1))
        place = np.broadcast_to(place, inputs.shape[1:3])
        last = _largest(size, lambda i: middle_hears(place >= i))
        first = size - 1 - _largest(size, lambda i: middle_hears(place < size - i))
        return last - first + 1

    return extent(0), extent(1)


def _largest(size: int, holds: Callable[[int], bool]) -> int:
    """The largest i below size for which `holds`, given that it holds up to some i."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _linear(jaxpr: Any, consts: Any, *args: Any) -> list[Any]:
    """Runs a jaxpr with sums in the place of maxima and minima."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom):
        return atom.val if hasattr(atom, "val") else values[atom]

    for equation in jaxpr.eqns:
        outputs = _run(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _run(equation: Any, args: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name in ("max", "min"):
        return [args[0] + args[1]]
    if name in ("reduce_max", "reduce_min"):
        return [args[0].sum(params["axes"])]
    if name in ("reduce_window_max", "reduce_window_min"):
        geometry = [params["window_dimensions"], params["window_strides"]]
        geometry += [params["padding"], params["base_dilation"]]
        zero = np.zeros((), args[0].dtype)
        return [
            jax.lax.reduce_window(
                args[0], zero, jax.lax.add, *geometry, params["window_dilation"]
            )
        ]
    if name == "clamp":
        return [args[0] + args[1] + args[2]]
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if inner is not None:  # a closed jaxpr, or (of remat) an open one
        jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
        if name == "scan":
            return _scan(jaxpr, consts, params, args)
        return _linear(jaxpr, consts, *args)
    outputs = equation.primitive.bind(*args, **params)
    return outputs if equation.primitive.multiple_results else [outputs]


def _scan(jaxpr: Any, consts: Any, params: Any, args: list[Any]) -> list[Any]:
    shared, carried = params["num_consts"], params["num_carry"]

    def body(carry, xs):
        outputs = _linear(jaxpr, consts, *args[:shared], *carry, *xs)
        return outputs[:carried], outputs[carried:]

    carry, ys = args[shared : shared + carried], args[shared + carried :]
    options = {k: params[k] for k in ("length", "reverse")}
    carry, ys = jax.lax.scan(body, carry, ys, **options)
    return [*carry, *ys]
