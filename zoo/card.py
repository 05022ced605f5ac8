"""Cards: what a model costs and sees, counted by rule and without running it.

    parameters       elements of the collection `params`, by shapes alone
    multiply-adds    over the jaxpr of the published form, for one example:
                     dot_general: output elements x contracted elements
                     convolution: output elements x kernel elements of one output;
                     where it is transposed, input elements x those of one input
                     times the length where a scan repeats them; nothing else counts
    activations      elements that modules with parameters of their own put out
    receptive field  see `zoo.receptive`

The jaxpr is that of the model as published, never of what a backend made of it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from zoo.receptive import receptive_field


class Card(NamedTuple):
    """What is known of a model, and what is counted on it; `str` is for people.

    Attributes:
        name: in the table.
        task: what it is for.
        input: shape of one example; of inputs in several parts, by name.
        parameters: how many it has.
        published_parameters: how many it should have; None if fields were overridden.
        convention: what the published count counts.
        macs: multiply-adds for one example.
        activations: elements put out by layers with parameters, for one example.
        receptive_field: (height, width) in pixels, within the input; None where there
            is no feature map.
        paper, figures, reference, notes: see the row of the table.
    """

    name: str
    task: str
    input: Any
    parameters: int
    published_parameters: int | None
    convention: str
    macs: int
    activations: int
    receptive_field: tuple[int, int] | None
    paper: str
    figures: str
    reference: str
    notes: str

    def rows(self) -> list[tuple[str, str]]:
        """What there is to say, as pairs of a title and a text."""
        published = ""
        if self.published_parameters is not None:
            published = (
                f" (published: {self.published_parameters:,}; {self.convention})"
            )
        sees = self.receptive_field
        rows = [
            ("model", self.name),
            ("task", self.task),
            ("input", shapes(self.input)),
            ("parameters", f"{self.parameters:,}{published}"),
            ("multiply-adds", f"{self.macs:,} an example"),
            ("activations", f"{self.activations:,} an example"),
            ("receptive field", f"{sees[0]}x{sees[1]} pixels" if sees else ""),
            ("paper", self.paper),
            ("results", self.figures),
            ("reference", self.reference),
            ("notes", self.notes),
        ]
        return [row for row in rows if row[1]]

    def __str__(self) -> str:
        return "\n".join(f"{title:16} {text}" for title, text in self.rows())


def describe(
    name: str, model: nn.Module, published: nn.Module, inputs: Any, **known
) -> Card:
    """Counts a model.

    Args:
        name: in the table.
        model: as it runs.
        published: as it was published; the same but for how it is computed.
        inputs: ShapeDtypeStruct of one example, with the batch axis, or a dict of
            them.
        **known: the other fields of the card.
    """
    variables = jax.eval_shape(model.init, jax.random.key(0), inputs)
    return Card(
        name=name,
        input=jax.tree.map(lambda s: s.shape[1:], inputs),
        parameters=count(variables["params"]),
        macs=multiply_adds(published.apply, variables, inputs),
        activations=activations(published, variables, inputs),
        receptive_field=receptive_field(published, inputs),
        **known,
    )


def shapes(tree: Any) -> str:
    """Shapes as text: 28x28x1, or source 50, target 50.

    Args:
        tree: a tuple of sizes, or a dict of them.

    >>> shapes({"source": (50,), "target": (49, 2)})
    'source 50, target 49x2'
    """
    if isinstance(tree, Mapping):
        return ", ".join(f"{name} {shapes(part)}" for name, part in tree.items())
    return "x".join(map(str, tree))


def count(tree: Any) -> int:
    """Elements of all leaves."""
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def multiply_adds(function: Callable, *args) -> int:
    """Multiply-adds of the matrix products and convolutions of a function.

    Args:
        function: anything that can be traced.
        *args: arrays or ShapeDtypeStructs.
    """
    return sum(times * _macs(e) for times, e in _equations(function, *args))


def activations(model: nn.Module, variables: Any, inputs: Any) -> int:
    """Elements that the modules with parameters of their own put out."""
    found = []

    def watch(next_function, args, kwargs, context):
        output = next_function(*args, **kwargs)
        own = context.module.variables.get("params", {}).values()
        if context.method_name == "__call__" and not all(
            isinstance(v, Mapping) for v in own
        ):
            found.append(count(output))
        return output

    with nn.intercept_methods(watch):
        jax.eval_shape(model.apply, variables, inputs)
    return sum(found)


def _equations(function, *args) -> Iterator[tuple[int, Any]]:
    """Equations of the jaxpr with how often they run, inner ones instead of outer."""

    def walk(jaxpr, times):
        for equation in jaxpr.eqns:
            inner = list(_inner(equation.params))
            repeat = equation.params.get("length", 1)
            repeat = repeat if equation.primitive.name == "scan" else 1
            for sub in inner:
                yield from walk(sub, times * repeat)
            if not inner:
                yield times, equation

    yield from walk(jax.make_jaxpr(function)(*args).jaxpr, 1)


def _inner(value: Any) -> Iterator[Any]:
    """The jaxprs among an equation's parameters."""
    for item in value.values() if isinstance(value, dict) else value:
        if hasattr(item, "eqns"):
            yield item
        elif hasattr(item, "jaxpr"):
            yield item.jaxpr
        elif isinstance(item, tuple | list):
            yield from _inner(item)


def _macs(equation: Any) -> int:
    shape = equation.outvars[0].aval.shape
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return math.prod(shape) * math.prod(left[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        numbers, shape = equation.params["dimension_numbers"], list(shape)
        image, kernel = (atom.aval.shape for atom in equation.invars)
        sizes = zip(numbers.lhs_spec[2:], numbers.out_spec[2:], strict=True)
        dilation = equation.params["lhs_dilation"]
        for (before, after), step in zip(sizes, dilation, strict=True):
            if step > 1:  # zeros stand between the pixels: nothing to multiply
                shape[after] = image[before]
        return math.prod(shape) * math.prod(kernel) // kernel[numbers.rhs_spec[0]]
    return 0
