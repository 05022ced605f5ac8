"""What the families of image classifiers share: layers, and outputs by their names.

`Kit` makes the layers of a network, all in one way: convolutions padded on both sides
by half of their kernel, normalization that knows the parallel axis, the forms of
`zoo.functional.convolve`. Its methods are called inside a module's `__call__`, and what
they make is a submodule of that module: `kit.unit(x, 64, 3, name="conv_1")` has the
parameters `conv_1` and `conv_1_norm`.

Intermediate outputs have names: each family calls `output(self, "stage_1", x)` where
one ends, and `features` gives those that are asked for. Nothing is stored otherwise,
and under `jax.jit` what is not needed for them is not computed. A submodule's output
has a name too, its path: `stage_1_block_0`.

    squeeze-excite    y = x s(W2 f(W1 mean(x)))    mean over pixels, a gate a channel
    channel shuffle   channel g C/G + i  ->  i G + g

Differs from PyTorch's BatchNorm: the running variance is the batch's own, biased one.
Frozen, it is y = (x - mean) g / sqrt(var + e) + b with constants of `batch_stats`, as
in detectors, whose batches are small.

Shapes: B examples, H height, W width, C channels, G groups.

References:
    Ioffe and Szegedy, "Batch normalization", ICML 2015,
    https://arxiv.org/abs/1502.03167
    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018,
    https://arxiv.org/abs/1709.01507
    Zhang, Zhou, Lin and Sun, "ShuffleNet", CVPR 2018,
    https://arxiv.org/abs/1707.01083 (shuffle)
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.convolution import convolve
from zoo.functional.dropout import Dropout
from zoo.functional.initializers import he_normal

Act = Callable[[jax.Array], jax.Array] | None
Pair = int | tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Kit:
    """How the layers of a network are made.

    Attributes:
        train: normalize by the batch.
        axis_name: of the devices over which the batch's statistics are taken.
        dtype: of the computation; None for that of the input.
        fast: convolutions by `zoo.functional.convolve`; the results are the same.
        momentum: the share of the old running average.
        epsilon: is added to the variance.
        bias: convolutions with a normalization behind them have a bias too.
        normalize: False leaves normalizations out.
        frozen: normalizations are constants.
    """

    train: bool = False
    axis_name: str | None = None
    dtype: Any = None
    fast: bool = True
    momentum: float = 0.9
    epsilon: float = 1e-5
    bias: bool = False
    normalize: bool = True
    frozen: bool = False

    def conv(
        self,
        x: jax.Array,
        features: int,
        kernel: Pair = 3,
        stride: int = 1,
        *,
        name: str,
        groups: int = 1,
        padding: Any = None,
        dilation: int = 1,
        bias: bool = True,
        init: Callable | None = None,
        bias_init: Callable = nn.initializers.zeros,
    ) -> jax.Array:  # [B, H, W, C] -> [B, H / stride, W / stride, features]
        """A convolution; padded by half of its kernel unless `padding` says more."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        if padding is None:
            padding = tuple((dilation * (k // 2),) * 2 for k in kernel)
        return nn.Conv(
            features,
            kernel,
            stride,
            padding,
            kernel_dilation=dilation,
            feature_group_count=groups,
            use_bias=bias,
            dtype=self.dtype,
            kernel_init=init or he_normal(),
            bias_init=bias_init,
            conv_general_dilated=convolve if self.fast else None,
            name=name,
        )(x)

    def norm(self, x: jax.Array, name: str) -> jax.Array:
        """Batch normalization."""
        if not self.normalize:
            return x
        if self.frozen:
            return FrozenBatchNorm(self.epsilon, self.dtype, name=name)(x)
        return nn.BatchNorm(
            use_running_average=not self.train,
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype,
            axis_name=self.axis_name,
            name=name,
        )(x)

    def unit(
        self,
        x: jax.Array,
        features: int,
        kernel: Pair = 3,
        stride: int = 1,
        act: Act = nn.relu,
        *,
        name: str,
        **options: Any,
    ) -> jax.Array:
        """Convolution, normalization, activation."""
        options = {"bias": self.bias, **options}
        x = self.conv(x, features, kernel, stride, name=name, **options)
        x = self.norm(x, f"{name}_norm")
        return act(x) if act else x

    def dense(self, x: jax.Array, features: int, name: str) -> jax.Array:
        """A dense layer with a bias."""
        return nn.Dense(features, dtype=self.dtype, name=name)(x)

    def squeeze_excite(
        self,
        x: jax.Array,
        features: int,
        act: Callable = nn.relu,
        gate: Callable = nn.sigmoid,
        *,
        name: str,
    ) -> jax.Array:
        """Each channel times a number that all pixels together choose."""
        y = x.mean((1, 2), keepdims=True)  # [B, H, W, C] -> [B, 1, 1, C]
        y = act(self.conv(y, features, 1, name=f"{name}_1"))
        return x * gate(self.conv(y, x.shape[-1], 1, name=f"{name}_2"))

    def dropout(self, x: jax.Array, rate: float, index: Any, name: str) -> jax.Array:
        """Dropout by the numbers of the examples."""
        return Dropout(rate, name=name)(x, train=self.train, index=index)

    def drop_path(self, x: jax.Array, rate: float, index: Any, name: str) -> jax.Array:
        """A branch of the network, left out for an example as a whole."""
        return Dropout(rate, whole=True, name=name)(x, train=self.train, index=index)


class FrozenBatchNorm(nn.Module):
    """Batch normalization that does not learn: no parameters, four constants a channel.

    Attributes:
        epsilon: is added to the variance.
        dtype: of the computation; None for that of the input.
    """

    epsilon: float = 1e-5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [..., C] -> [..., C]
        def constant(name, make):
            return self.variable("batch_stats", name, make, x.shape[-1:]).value

        mean, bias = constant("mean", jnp.zeros), constant("bias", jnp.zeros)
        var, scale = constant("var", jnp.ones), constant("scale", jnp.ones)
        slope = scale * jax.lax.rsqrt(var + self.epsilon)
        shape = (1,) * (x.ndim - 1) + (-1,)
        dtype = self.dtype or x.dtype
        slope, shift = (
            c.reshape(shape).astype(dtype) for c in (slope, bias - mean * slope)
        )
        return x.astype(dtype) * slope + shift


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """Channels of all groups by turns, so that the next grouped layer mixes them.

    Args:
        x: [B, H, W, C].
        groups: G, divides C.

    Returns:
        The same channels in another order.

    Raises:
        ValueError: a number of groups that does not divide the channels.
    """
    if groups < 1 or x.shape[-1] % groups:
        raise ValueError(f"groups must divide the {x.shape[-1]} channels, got {groups}")
    shape = (*x.shape[:-1], groups, x.shape[-1] // groups)
    return x.reshape(shape).swapaxes(-1, -2).reshape(x.shape)


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple, but never less than nine tenths of what was asked for.

    >>> divisible(32 * 0.75), divisible(10), divisible(1)
    (24, 16, 8)
    """
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * channels else nearest


def check(who: str, x: jax.Array, least: int, **choices: tuple[Any, Sequence]) -> None:
    """Refuses images that are too small, and fields that are none of their choices.

    Args:
        who: the model, for the error.
        x: images.
        least: pixels of a side.
        **choices: a field's value, and what it may be.

    Raises:
        ValueError: naming what is wrong.
    """
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}"
            )
    if x.ndim != 4 or min(x.shape[1:3]) < least:
        raise ValueError(
            f"{who} takes images [B, H, W, C] with H and W of at least {least}, "
            f"got {x.shape}"
        )


STEMS = ("imagenet", "cifar")


def large_stem(
    who: str, x: jax.Array, stem: str, halvings: int, before: int = 4, **choices: Any
) -> bool:
    """Whether a stem is that of large images; refuses what `check` refuses.

    Args:
        who: the model, for the error.
        x: images.
        stem: `imagenet`, which divides a side by `before`, or `cifar`, which keeps it.
        halvings: how often a side is halved behind the stem.
        before: see `stem`.
        **choices: as for `check`.
    """
    large = stem == "imagenet"
    least = 2**halvings * (before if large else 1)
    check(who, x, least, stem=(stem, STEMS), **choices)
    return large


def output(module: nn.Module, name: str, x: jax.Array) -> jax.Array:
    """Gives an intermediate output a name; returns it unchanged."""
    module.sow("intermediates", name, x)
    return x


def features(
    model: nn.Module, variables: Mapping[str, Any], x: jax.Array, names: Sequence[str]
) -> dict[str, jax.Array]:
    """Intermediate outputs of a model in use, by their names.

    Args:
        model: of a family of `zoo.vision`.
        variables: its variables.
        x: images, [B, H, W, C].
        names: `stem`, `stage_1`, ..., `pooled`, as the family's docstring says, or
            paths of submodules, such as `stage_1_block_0`.

    Returns:
        The output of each name.

    Raises:
        ValueError: a name that the model does not have; the known ones are listed.

    >>> import zoo, jax, jax.numpy as jnp
    >>> model, x = zoo.create("resnet20_cifar"), jnp.ones((1, 32, 32, 3))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> of = lambda v: features(model, v, x, ["stage_2"])
    >>> jax.eval_shape(of, variables)["stage_2"].shape
    (1, 16, 16, 32)
    """
    _, found = model.apply(
        variables, x, mutable=["intermediates"], capture_intermediates=True
    )
    known = _flat(found["intermediates"])
    for name in names:
        if name not in known:
            raise unknown("output", name, known)
    return {name: known[name] for name in names}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Outputs by path: those with a name, and the first one of each submodule."""
    found = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        else:
            path = prefix + name
            found[path.removesuffix("/__call__")] = value[0]
    return found
