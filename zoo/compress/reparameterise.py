"""A network whose weights are made from others: what trains, and what is held fixed.

    params = decode(floats, codes)        floats train as any parameters do
    codes                                 integers, masks, assignments: model state

`reparameterised(model, rule)` has the `init` and `apply` of a model, so whatever learns
with a model learns with this: parallel forms, checkpoints, sweeps know nothing of it.
Its parameters are the rule's floats, its model state holds one collection more,
`codes`, which no step changes. What the floats get for a gradient is what autodiff
makes of `decode`: a centroid that stands for many weights gets the sum of theirs.

    rule                          floats                       codes
    pruning.masked                the weights                  which of them stay
    sharing.shared                centroids                    of which a weight is
    quantize.quantization_aware   the weights                  ranges of what layers get
    integer.post_training         biases                       integers, scales, ranges
    binary.binary                 the weights                  none
    incremental.incremental       the weights not yet powers   powers of two

A rule may also stand between a layer and what it is given: `layer` is called in place
of every convolution and dense layer of the network, whichever of the catalogue it is.

A weight is named by its path in the parameters, `conv_0/kernel`; by default all leaves
that are called kernel are compressed and all others (biases, normalizations) are not.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from flax import traverse_util

PyTree = Any
Weights = dict[str, jax.Array]  # by path
Select = Callable[[str], bool]
CODES = "codes"  # the collection of the model state


class Rule(NamedTuple):
    """How weights are made from what trains.

    Attributes:
        encode: params -> (floats, codes); traced, to begin with, on fresh parameters.
        decode: (floats, codes, key) -> params; the key is None outside training.
        layer: (call, x, path, module, codes) -> y, in place of the convolution or dense
            layer `module` at `path`, whose own result is call(x). None: the layers'.
    """

    encode: Callable[[PyTree], tuple[PyTree, PyTree]]
    decode: Callable[[PyTree, PyTree, jax.Array | None], PyTree]
    layer: Callable[..., jax.Array] | None = None


def is_kernel(path: str) -> bool:
    """Whether a leaf is the kernel of a layer."""
    return path.rpartition("/")[2] == "kernel"


def flat(params: PyTree) -> Weights:
    """The leaves by path, `conv_0/kernel`."""
    return traverse_util.flatten_dict(params, sep="/")


def nested(weights: Mapping[str, Any]) -> PyTree:
    """The tree that `flat` was given."""
    return traverse_util.unflatten_dict(dict(weights), sep="/")


def selected(params: PyTree, select: Select = is_kernel) -> Weights:
    """The weights to compress, by path.

    Raises:
        ValueError: there are none.
    """
    leaves = flat(params)
    found = {path: leaf for path, leaf in leaves.items() if select(path)}
    if not found:
        raise ValueError(
            f"select must choose a parameter at least, got none of {', '.join(leaves)}"
        )
    return found


def replaced(params: PyTree, weights: Mapping[str, jax.Array]) -> PyTree:
    """The parameters with some leaves, named by path, in place of theirs."""
    return nested({**flat(params), **weights})


def only(*paths: str) -> Select:
    """A choice of weights by their paths."""
    return lambda path: path in paths


def reparameterised(model: Any, rule: Rule) -> "Reparameterised":
    """A model whose parameters are the rule's floats.

    Args:
        model: a linen module.
        rule: of one of the modules of this package.
    """
    return Reparameterised(model, rule)


@dataclasses.dataclass(frozen=True)
class Reparameterised:
    """See `reparameterised`; used through `init` and `apply`, as a linen module is."""

    model: Any
    rule: Rule

    def __call__(self, x, *, train: bool = False, index: jax.Array | None = None):
        """Tells learners the keywords; those that the model has not are left out."""
        raise TypeError("a model is used through its init and apply")

    def init(self, rngs: Any, *inputs: Any, **given: Any) -> dict[str, PyTree]:
        """The floats and codes of fresh parameters."""
        variables = dict(self.model.init(rngs, *inputs, **self._known(given)))
        variables["params"], variables[CODES] = self.rule.encode(variables["params"])
        return variables

    def apply(
        self,
        variables: Mapping[str, PyTree],
        *inputs: Any,
        mutable: Any = False,
        rngs: Any = None,
        **given: Any,
    ) -> Any:
        """The model's outputs; `codes` are given back as they came, if mutable."""
        variables = dict(variables)
        codes = variables.pop(CODES)
        key = rngs.get("dropout") if isinstance(rngs, Mapping) else rngs
        variables["params"] = self.rule.decode(variables["params"], codes, key)
        names = [mutable] if isinstance(mutable, str) else mutable
        listed = isinstance(names, list | tuple)
        asked = [name for name in names if name != CODES] if listed else names
        run = lambda: self.model.apply(
            variables, *inputs, mutable=asked, rngs=rngs, **self._known(given)
        )
        if self.rule.layer is None:
            result = run()
        else:
            with nn.intercept_methods(_between(self.rule.layer, codes)):
                result = run()
        if mutable is False:
            return result
        outputs, state = result
        kept = CODES in names if listed else mutable is True
        return outputs, {**state, CODES: codes} if kept else state

    def _known(self, given: dict) -> dict:
        """The keywords that the model has, of those that a learner may give."""
        names = inspect.signature(type(self.model).__call__).parameters
        own = {"train", "index"} - set(names)
        return {name: value for name, value in given.items() if name not in own}


def variables_of(model: Reparameterised, variables: Mapping[str, PyTree]) -> dict:
    """The variables of the plain model that computes the same.

    Args:
        model: a reparameterised one.
        variables: its own; `zoo.eval_variables` of a state.
    """
    plain = {name: tree for name, tree in variables.items() if name != CODES}
    plain["params"] = model.rule.decode(plain["params"], variables[CODES], None)
    return plain


def layers(model: Any, variables: Mapping[str, PyTree], *inputs: Any) -> Weights:
    """What every convolution and dense layer is given, by the layer's path.

    Args:
        model: a linen module.
        variables: its own.
        *inputs: of the model.
    """
    found = {}

    def note(call, x, path, module, codes):
        found[path] = x
        return call(x)

    with nn.intercept_methods(_between(note, None)):
        model.apply(variables, *inputs)
    return found


def _between(layer: Callable, codes: PyTree) -> Callable:
    def interceptor(call, given, kwargs, context):
        module = context.module
        plain = type(module) in (nn.Conv, nn.Dense) and context.method_name in (
            "__call__",
        )
        if not plain:
            return call(*given, **kwargs)
        (x,) = given
        return layer(call, x, "/".join(module.path), module, codes)

    return interceptor
