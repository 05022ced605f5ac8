"""What a network without labels learns by: for each example an error and a penalty.

    loss = (1/B) sum over b of  error(x_b) + penalty(x_b)

An objective is a function of three things: the network, as a pair of functions; the
examples; and a key for each example, from which all of its chance comes. So the step is
`zoo.supervised`'s, with all that it can do, and the same on one device and on eight.

    gaussian    error = 1/2 sum over d of (x_d - y_d)^2
    bernoulli   error = -sum over d of x_d log s(y_d) + (1 - x_d) log(1 - s(y_d))

Here y is what the decoder puts out, and s the logistic function: of the second kind the
outputs are logits, and the pixels are shares from 0 to 1.

Shapes: B examples, D values of an example.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.errors import unknown
from zoo.functional.dropout import example_keys
from zoo.functional.losses import weighted
from zoo.learner import Learner, supervised


class Net(NamedTuple):
    """A network at its parameters.

    Attributes:
        encode: x -> code; [B, ...] -> whatever the decoder takes.
        decode: code -> y, [B, ...], of the examples' shape.
        model: the module itself.
        params: its parameters.
    """

    encode: Callable[[jax.Array], Any]
    decode: Callable[[Any], jax.Array]
    model: nn.Module
    params: Any


class Value(NamedTuple):
    error: jax.Array  # of the reconstruction, [B]
    penalty: jax.Array  # what else the loss has, already weighed, [B]


Objective = Callable[[Net, jax.Array, jax.Array], Value]  # net, x, keys [B]


def _gaussian(x, y):
    return 0.5 * jnp.square(x - y)


def _bernoulli(x, y):
    return jax.nn.softplus(y) - x * y


ERRORS = {"gaussian": _gaussian, "bernoulli": _bernoulli}
MEANS = {"gaussian": lambda y: y, "bernoulli": jax.nn.sigmoid}


def known(likelihood: str) -> None:
    """Refuses a likelihood where an objective is made, not at its first step.

    Raises:
        ValueError: an unknown likelihood.
    """
    if likelihood not in ERRORS:
        raise unknown("likelihood", likelihood, ERRORS)


def error(x: jax.Array, y: jax.Array, likelihood: str = "gaussian") -> jax.Array:
    """The error of a reconstruction, for each example.

    Args:
        x: examples, [B, ...].
        y: what the decoder put out for them, of the same shape.
        likelihood: "gaussian" or "bernoulli".

    Returns:
        [B], the sum over an example's values; of bernoulli in nats.

    Raises:
        ValueError: an unknown likelihood; shapes that differ.
    """
    known(likelihood)
    if x.shape != y.shape:
        raise ValueError(f"y must be {list(x.shape)}, as x, got {list(y.shape)}")
    return ERRORS[likelihood](x, y).reshape(len(x), -1).sum(1)


def mean(y: jax.Array, likelihood: str = "gaussian") -> jax.Array:
    """The reconstruction that the decoder's output stands for.

    Raises:
        ValueError: an unknown likelihood.
    """
    known(likelihood)
    return MEANS[likelihood](y)


def reconstruction(likelihood: str = "gaussian") -> Objective:
    """The plain autoencoder's: the error, and no penalty.

    Raises:
        ValueError: an unknown likelihood.
    """
    known(likelihood)

    def value(net, x, keys):
        del keys
        found = error(x, net.decode(net.encode(x)), likelihood)
        return Value(error=found, penalty=jnp.zeros_like(found))

    return value


def bound(model: nn.Module, params: Any) -> Net:
    """A module that has methods `encode` and `decode`, as a pair of functions."""

    def method(name):
        return lambda *args: model.apply({"params": params}, *args, method=name)

    return Net(method("encode"), method("decode"), model, params)


def learner(
    model: nn.Module,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
    **options: Any,
) -> Learner:
    """A network that learns by an objective.

    Evaluation draws its chance from a key of its own, the same each time.

    Args:
        model: a module with methods `encode` and `decode`, without batch statistics.
        objective: such as `reconstruction()`.
        optimizer: any optax transformation.
        axis_name: the parallel axis over which the step reduces, if it has one.
        **options: of `zoo.supervised`: `ema`, `dtype`, `accumulate`.

    Returns:
        A learner of batches with `x` and `index`, and perhaps `weight`. Metrics:
        `loss`, and its parts `error` and `penalty`.

    Raises:
        ValueError: as `zoo.supervised`.
    """

    def loss(value, batch):
        return weighted(value.error + value.penalty, batch)

    parts = {
        name: lambda value, batch, name=name: weighted(getattr(value, name), batch)
        for name in Value._fields
    }
    told = _Told(model, objective)
    return supervised(
        told, loss, optimizer, metrics=parts, axis_name=axis_name, **options
    )


@dataclasses.dataclass(frozen=True)
class _Told:
    """An objective's value as the output of a model, as `supervised` calls one."""

    model: nn.Module
    objective: Objective

    def init(self, key, x, train):
        del train
        return self.model.init(key, x)

    def __call__(self, variables, x, *, train, index, mutable, rngs):
        del train, mutable
        index = jnp.arange(len(x)) if index is None else index
        key = rngs.get("dropout", None)
        keys = example_keys(jax.random.key(0) if key is None else key, index)
        net = bound(self.model, variables["params"])
        return self.objective(net, x, keys), {}

    apply = __call__
