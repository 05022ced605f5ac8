"""Inverted residuals, and the networks that are chains of them.

    block     y = x + m N(conv1(e(f(N(depthwise(f(N(conv1(x)))))))))
    network   x -> unit 3x3 -> blocks of all stages -> unit 1x1 -> mean -> [dense -> f]
                -> dropout -> dense

A block is wide inside and narrow at its ends: 1x1 to many channels, depthwise, and 1x1
back without activation. In training m leaves the branch out for an example, with a rate
that grows from block to block up to `drop_path`, else it is 1 / (1 - rate); in use it
is 1. e is squeeze-excite, if any; unit is convolution, normalization
N and activation f. MobileNet, MnasNet and EfficientNet differ in their blocks, in f and
in what stands before the head: each says so in its `chain`.

Outputs by name: stem, stage_1, ..., last (if there is one), pooled.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018,
    https://arxiv.org/abs/1801.04381
    Huang et al., "Deep networks with stochastic depth", ECCV 2016,
    https://arxiv.org/abs/1603.09382 (m)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from zoo.vision.layers import Act, Kit, check, output

Stage = tuple[int, int, int, int, int, float]


class InvertedResidual(nn.Module):
    """Wide inside: 1x1 to many channels, depthwise, and 1x1 back without activation.

    The sum is taken where shapes agree; the first layer is left out where it would not
    widen. Its layers are `expand`, `depthwise`, `squeeze` and `project`.

    Attributes:
        kit: makes the layers.
        expanded: channels inside.
        features: channels of its output.
        kernel: of the depthwise convolution.
        stride: of the depthwise convolution.
        act: f.
        squeeze: channels of the squeeze-excite's inner layer; 0 for none.
        squeeze_act, gate: of squeeze-excite.
        project_act: of the output, before the sum; None for none.
        skip: whether there is a sum.
        drop_path: rate at which the branch beside the sum is left out, in [0, 1).
    """

    kit: Kit
    expanded: int
    features: int
    kernel: int = 3
    stride: int = 1
    act: Callable = nn.relu6
    squeeze: int = 0
    squeeze_act: Callable = nn.relu
    gate: Callable = nn.sigmoid
    project_act: Act = None
    skip: bool = True
    drop_path: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, index: jax.Array | None = None) -> jax.Array:
        kit, given = self.kit, x
        if self.expanded != x.shape[-1]:
            x = kit.unit(x, self.expanded, 1, 1, self.act, name="expand")
        x = kit.unit(
            *(x, self.expanded, self.kernel, self.stride, self.act),
            groups=self.expanded,
            name="depthwise",
        )
        if self.squeeze:
            x = kit.squeeze_excite(
                x, self.squeeze, self.squeeze_act, self.gate, name="squeeze"
            )
        x = kit.unit(x, self.features, 1, 1, self.project_act, name="project")
        if not self.skip or x.shape != given.shape:
            return x
        return given + kit.drop_path(x, self.drop_path, index, "drop_path")


class Chain(NamedTuple):
    """What a network of inverted residuals is made of.

    Attributes:
        stem: channels of the first convolution.
        stages: name of each block -> fields of `InvertedResidual`, a mapping a stage.
        last: channels of the last convolution; 0 for none.
        act: f, outside of the blocks.
        hidden: units of a dense layer before the head; 0 for none.
        kit: options of `Kit`.
    """

    stem: int
    stages: list[dict[str, dict[str, Any]]]
    last: int
    act: Callable = nn.relu6
    hidden: int = 0
    kit: Mapping[str, Any] = {}


def repeated(
    inputs: int, stages: Iterable[Stage], **shared: Any
) -> list[dict[str, dict[str, Any]]]:
    """Stages of a `Chain`, of blocks that are alike.

    Args:
        inputs: channels of the stem.
        stages: (t, k, c, n, s, q) each: n blocks with kernels k x k, of c channels, t
            times as wide inside; the first has stride s; q is the share of a block's
            input channels that squeeze-excite has inside, 0 for none.
        **shared: fields of all blocks.
    """
    made = []
    for i, (times, kernel, channels, count, stride, share) in enumerate(stages, 1):
        blocks = {}
        for j in range(count):
            blocks[f"stage_{i}_block_{j}"] = dict(
                expanded=times * inputs,
                features=channels,
                kernel=kernel,
                stride=1 if j else stride,
                squeeze=max(1, int(inputs * share)) if share else 0,
                **shared,
            )
            inputs = channels
        made.append(blocks)
    return made


class InvertedNet(nn.Module):
    """Classifier of images: a subclass has a `chain`.

    Attributes:
        num_classes: logits of an example (K).
        stem_stride: of the first convolution.
        dropout: rate before the head.
        drop_path: block i of n leaves its branch out at i / n of this rate, in [0, 1).
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides.
    """

    num_classes: int = 1000
    stem_stride: int = 2
    dropout: float = 0.2
    drop_path: float = 0.0
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.nowrap
    def chain(self) -> Chain:
        """What the network is made of."""
        raise NotImplementedError

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        stem, stages, last, act, hidden, options = self.chain()
        least = self.stem_stride
        for stage in stages:
            for block in stage.values():
                least *= block["stride"]
        check(type(self).__name__, x, least)
        kit = Kit(train, self.axis_name, self.dtype, self.fast, **options)
        x = kit.unit(x, stem, 3, self.stem_stride, act, name="stem_conv")
        output(self, "stem", x)
        rates = self._rates(sum(map(len, stages)))
        for i, stage in enumerate(stages, 1):
            for name, block in stage.items():
                block = {**block, "drop_path": next(rates)}
                x = InvertedResidual(kit, **block, name=name)(x, index)
            output(self, f"stage_{i}", x)
        if last:
            x = output(self, "last", kit.unit(x, last, 1, 1, act, name="last_conv"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        if hidden:
            x = act(kit.dense(x, hidden, "hidden"))
        x = kit.dropout(x, self.dropout, index, "dropout")
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]

    @nn.nowrap
    def _rates(self, count: int) -> Iterator[float]:
        """Of the blocks, in their order."""
        return (self.drop_path * i / count for i in range(count))


def timm_rules(times: Iterable[int]) -> tuple:
    """timm's names, whatever the family.

    Args:
        times: how many times as wide inside the blocks of each stage are.
    """
    made = []
    for i, wide in enumerate(times, 1):
        theirs, ours = rf"blocks\.{i - 1}\.(\d+)\.", rf"stage_{i}_block_\1/"
        layers = {"pw": "expand", "dw": "depthwise", "pwl": "project"}
        if wide == 1:
            layers = {"dw": "depthwise", "pw": "project"}
        for k, (layer, part) in enumerate(layers.items(), 1):
            made.append((f"{theirs}conv_{layer}", f"{ours}{part}"))
            made.append((f"{theirs}bn{k}", f"{ours}{part}_norm"))
        made.append((rf"{theirs}se\.conv_reduce", f"{ours}squeeze_1"))
        made.append((rf"{theirs}se\.conv_expand", f"{ours}squeeze_2"))
    return (
        *made,
        (r"conv_stem", "stem_conv"),
        (r"bn1", "stem_conv_norm"),
        (r"conv_head", "last_conv"),
        (r"bn2", "last_conv_norm"),
        (r"classifier", "head"),
    )
