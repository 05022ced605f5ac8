"""NASNet-A and PNASNet-5: networks of cells that a search found.

    cell   h_0 = P(outputs of the cell before the last), h_1 = N(conv1(f(last cell's)))
           h_k = a_k(h_i) + b_k(h_j)  for five pairs, i and j < k;  y = [h_..., h_...]

A cell is data: for each pair its two operations and what they read, then what is put
side by side (`CellPlan`). Operations are sep_k, twice a ReLU, a depthwise k x k, a 1x1
and a normalization N; the maximum and the mean of 3x3; and what is read as it is. In a
reduction cell all that read h_0 or h_1 have stride 2. P is as for h_1, or, where sizes
differ, two 1x1 of every second pixel, the second of the image moved by one.

    network   x -> conv 3x3 -> [two reduction cells] -> cells of three stages, a
                reduction cell between two -> f -> mean -> dropout -> dense

Stages have F, 2 F and 4 F channels in each pair. f is ReLU. Paddings are those of
TensorFlow: more at the end; a mean is over the pixels that are there.

    auxiliary   f -> mean 5x5/3 -> conv1 -> N -> f -> conv of all pixels -> N -> f
                  -> dense      of the stage before the last, two thirds of the way up

With `auxiliary` this head is there too, for training. Then, and only then
(`train=True`), the result is two arrays: the logits and those of the head.
`zoo.vision.googlenet.auxiliary_loss` adds their losses; the paper's weight is 0.4.

In training each branch of a pair, but what is read as it is, is left out for an example
as a whole, at a rate that grows from cell to cell (`drop_path`).

Outputs by name: stem, stage_1, stage_2, stage_3, pooled.

Shapes: B examples, H height, W width, C channels, F channels of a pair, K classes.
Differs from the paper: that rate does not grow in the course of training. The auxiliary
head is that of the authors' program; it fits images of one size.

References:
    Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures for scalable
    image recognition", CVPR 2018, https://arxiv.org/abs/1707.07012, figure 4
    Its program: https://github.com/tensorflow/models/tree/master/research/slim/nets
    Liu et al., "Progressive neural architecture search", ECCV 2018,
    https://arxiv.org/abs/1712.00559, figure 1
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import mean_pool
from zoo.vision.layers import Kit, large_stem, output
from zoo.vision.names import units

OPERATIONS = ("same", "max3", "mean3", "sep3", "sep5", "sep7")
PREVIOUS, LAST = 0, 1  # what a pair reads; 2 and more are the pairs before it


class CellPlan(NamedTuple):
    """A cell: its pairs, and what it puts out.

    Attributes:
        pairs: two of (operation, what it reads) each.
        outputs: numbers of what is put side by side.
    """

    pairs: tuple
    outputs: tuple[int, ...]


NORMAL = CellPlan(  # NASNet-A
    (
        (("sep5", LAST), ("sep3", PREVIOUS)),
        (("sep5", PREVIOUS), ("sep3", PREVIOUS)),
        (("mean3", LAST), ("same", PREVIOUS)),
        (("mean3", PREVIOUS), ("mean3", PREVIOUS)),
        (("sep3", LAST), ("same", LAST)),
    ),
    (PREVIOUS, 2, 3, 4, 5, 6),
)
REDUCTION = CellPlan(  # NASNet-A
    (
        (("sep5", LAST), ("sep7", PREVIOUS)),
        (("max3", LAST), ("sep7", PREVIOUS)),
        (("mean3", LAST), ("sep5", PREVIOUS)),
        (("same", 3), ("mean3", 2)),
        (("sep3", 2), ("max3", LAST)),
    ),
    (3, 4, 5, 6),
)
PROGRESSIVE = CellPlan(  # PNASNet-5, both
    (
        (("sep5", PREVIOUS), ("max3", PREVIOUS)),
        (("sep7", LAST), ("max3", LAST)),
        (("sep5", LAST), ("sep3", LAST)),
        (("sep3", 4), ("max3", LAST)),
        (("sep3", PREVIOUS), ("same", LAST)),
    ),
    (2, 3, 4, 5, 6),
)
_SMALL = CellPlan(
    (
        (("sep3", PREVIOUS), ("max3", PREVIOUS)),
        (("mean3", 2), ("same", LAST)),
    ),
    (2, 3),
)
TINY = dict(  # the size that the tests run
    **dict(blocks=(1,), width=8, stem_width=4, stem="imagenet", dropout=0.25),
    **dict(normal=_SMALL, reduction=_SMALL, skip=False),
)


class Cell(nn.Module):
    """A cell of two inputs.

    Attributes:
        kit: makes the layers.
        plan: what it does.
        width: channels of each pair.
        reduction: whether it halves the image.
        raw: h_0 is what is given, as it is; pairs change its channels.
        drop_path: rate at which a branch of a pair is left out, in [0, 1).
    """

    kit: Kit
    plan: CellPlan
    width: int
    reduction: bool = False
    raw: bool = False
    drop_path: float = 0.0

    @nn.compact
    def __call__(
        self, previous: jax.Array, last: jax.Array, index: jax.Array | None = None
    ) -> jax.Array:
        current = self._project(last, 1, "current")
        if not self.raw:
            if previous.shape[1:3] != last.shape[1:3]:
                previous = self._halved(previous)
            else:
                previous = self._project(previous, 1, "previous")
        states = [previous, current]
        for k, pair in enumerate(self.plan.pairs):
            parts = []
            for side, (operation, source) in zip(("left", "right"), pair, strict=True):
                stride = 2 if self.reduction and source <= LAST else 1
                name = f"pair_{k}_{side}"
                part = self._apply(operation, states[source], stride, name)
                if operation != "same" or stride > 1:
                    rate = self.drop_path
                    part = self.kit.drop_path(part, rate, index, f"{name}_drop_path")
                parts.append(part)
            states.append(sum(parts))
        return jnp.concatenate([states[i] for i in self.plan.outputs], -1)

    def _project(self, x, stride, name):
        return self.kit.unit(nn.relu(x), self.width, 1, stride, None, name=name)

    def _halved(self, x):
        """Every second pixel, and its neighbour towards the end."""
        x, half = nn.relu(x), self.width // 2
        moved = jnp.pad(x[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))
        parts = [
            self.kit.conv(y[:, ::2, ::2], half, 1, bias=False, name=f"previous_{i}")
            for i, y in enumerate((x, moved), 1)
        ]
        return self.kit.norm(jnp.concatenate(parts, -1), "previous_norm")

    def _apply(self, operation, x, stride, name):
        if operation == "same":
            return x if stride == 1 else self._project(x, stride, name)
        kind, size = operation[:-1], int(operation[-1])
        if kind == "sep":
            return self._separable(x, size, stride, name)
        window = (size, size), (stride, stride), "SAME"
        if kind == "mean":
            x = nn.avg_pool(x, *window, count_include_pad=False)
        else:
            x = nn.max_pool(x, *window)
        if x.shape[-1] != self.width:
            x = self.kit.unit(x, self.width, 1, 1, None, name=name)
        return x

    def _separable(self, x, kernel, stride, name):
        for i, step in enumerate((stride, 1), 1):
            x = self.kit.conv(
                *(nn.relu(x), x.shape[-1], kernel, step),
                groups=x.shape[-1],
                padding="SAME",
                bias=False,
                name=f"{name}_depthwise_{i}",
            )
            x = self.kit.unit(x, self.width, 1, 1, None, name=f"{name}_point_{i}")
        return x


class NASNet(nn.Module):
    """Classifier of images, of cells that a search found.

    Attributes:
        num_classes: logits of an example (K).
        normal: the cell.
        reduction: the cell that halves the image.
        blocks: normal cells of each stage.
        width: F, an even number; with the stem of ImageNet a multiple of 4.
        stem_width: channels of the first convolution.
        stem: `imagenet` (stride 2, and two reduction cells) or `cifar` (nothing is
            lost).
        skip: the cell behind a reduction cell reads what that one read as h_0, not
            as h_1.
        dropout: rate before the head.
        drop_path: cell i of n, from 1, leaves a branch out at i / n of this rate, in
            [0, 1).
        auxiliary: with another head, see above.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides, or than the auxiliary head's
            windows; a field out of range.
    """

    num_classes: int = 1000
    normal: CellPlan = NORMAL
    reduction: CellPlan = REDUCTION
    blocks: tuple[int, ...] = (6, 6, 6)
    width: int = 168
    stem_width: int = 96
    stem: str = "imagenet"
    skip: bool = True
    dropout: float = 0.5
    drop_path: float = 0.0
    auxiliary: bool = False
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> Any:  # [B, H, W, C] -> [B, K], or two of them
        large = large_stem("NASNet", x, self.stem, len(self.blocks) - 1, 8)
        normal, reduction = (
            _checked(name, getattr(self, name)) for name in ("normal", "reduction")
        )
        if self.width < 1 or self.width % (4 if large else 2):
            raise ValueError(
                f"width must be a multiple of {4 if large else 2}, got {self.width}"
            )
        if self.auxiliary and len(self.blocks) < 2:
            raise ValueError(
                f"auxiliary must have two stages or more, got blocks {self.blocks}"
            )
        kit = Kit(train, self.axis_name, self.dtype, self.fast, epsilon=1e-3)

        count = sum(self.blocks) + len(self.blocks) - 1 + (2 if large else 0)
        rates = (self.drop_path * i / count for i in range(1, count + 1))

        def cell(plan, previous, x, width, name, halves=False, raw=False):
            made = Cell(kit, plan, width, halves, raw, next(rates), name=name)
            return made(previous, x, index)

        def halved(previous, x, width, name, raw=False):
            return cell(reduction, previous, x, width, name, True, raw)

        if large:
            sizes = self.stem_width, 3, 2, None
            x = kit.unit(x, *sizes, padding="VALID", name="stem_conv")
            first = halved(x, x, self.width // 4, "stem_cell_0", raw=True)
            previous, x = first, halved(x, first, self.width // 2, "stem_cell_1")
        else:
            previous = x = kit.unit(x, self.stem_width, 3, 1, None, name="stem_conv")
        output(self, "stem", x)
        for i, cells in enumerate(self.blocks):
            width = self.width * 2**i
            if i:
                made = halved(previous, x, width, f"reduction_{i}")
                previous, x = previous if self.skip else x, made
            for j in range(cells):
                name = f"stage_{i + 1}_cell_{j}"
                previous, x = x, cell(normal, previous, x, width, name)
            output(self, f"stage_{i + 1}", x)
            if self.auxiliary and i == len(self.blocks) - 2:
                if train or self.is_initializing():
                    other = self._head(kit, x)
        x = output(self, "pooled", nn.relu(x).mean((1, 2)))  # -> [B, C]
        x = kit.dropout(x, self.dropout, index, "dropout")
        x = kit.dense(x, self.num_classes, "head")  # -> [B, K]
        return (x, other) if self.auxiliary and train else x

    def _head(self, kit, x):
        x = mean_pool(nn.relu(x), 5, 3)
        x = kit.unit(x, 128, 1, name="auxiliary_conv_1")
        sizes = 768, x.shape[1:3]
        x = kit.unit(x, *sizes, padding="VALID", name="auxiliary_conv_2")
        return kit.dense(x.reshape(len(x), -1), self.num_classes, "auxiliary_head")


def _checked(name, plan):
    plan, known = CellPlan(*plan), 2
    for pair in plan.pairs:
        for operation, source in pair:
            if operation not in OPERATIONS or not 0 <= source < known:
                raise ValueError(
                    f"{name} must be of {', '.join(OPERATIONS)} that read what comes "
                    f"before, 0 to {known - 1}, got {operation!r} of {source}"
                )
        known += 1
    if not plan.outputs or not all(0 <= i < known for i in plan.outputs):
        raise ValueError(
            f"{name} must put out numbers from 0 to {known - 1}, got {plan.outputs}"
        )
    return plan


def rules(blocks: tuple[int, ...], progressive: bool = False) -> tuple:
    """timm's names, and pytorchcv's of NASNet.

    Args:
        blocks: normal cells of each stage.
        progressive: whether of PNASNet, which numbers its reduction cells with others.
    """
    own = {"stem1_unit": "stem_cell_0", "stem2_unit": "stem_cell_1"}
    cells, number = {"cell_stem_0": "stem_cell_0", "cell_stem_1": "stem_cell_1"}, 0
    for i, count in enumerate(blocks, 1):
        if i > 1 and progressive:
            cells[f"cell_{number}"] = f"reduction_{i - 1}"
            number += 1
        elif i > 1:
            cells[f"reduction_cell_{i - 2}"] = f"reduction_{i - 1}"
        own[f"stage{i}.unit1"] = f"reduction_{i - 1}"  # but for the first stage
        for j in range(count):
            own[f"stage{i}.unit{j + 1 + (i > 1)}"] = f"stage_{i}_cell_{j}"
            cells[f"cell_{number}"] = f"stage_{i}_cell_{j}"
            number += 1
    pair, halves = r"comb_iter_(\d_\w+)\.", r"(?:conv_prev_1x1\.)?"
    layers = (
        (r"conv_1x1\.conv", "current"),
        (r"conv_1x1\.bn", "current_norm"),
        (r"conv_prev_1x1\.conv", "previous"),
        (r"conv_prev_1x1\.bn", "previous_norm"),
        (rf"{halves}path_(\d)\.conv", r"previous_\2"),
        (rf"{halves}final_path_bn", "previous_norm"),
        (rf"{pair}separable_(\d)\.depthwise_conv2d", r"pair_\2_depthwise_\3"),
        (rf"{pair}separable_(\d)\.pointwise_conv2d", r"pair_\2_point_\3"),
        (rf"{pair}bn_sep_(\d)", r"pair_\2_point_\3_norm"),
        (rf"{pair}conv", r"pair_\2"),
        (rf"{pair}bn", r"pair_\2_norm"),
    )
    branch, ours = r"comb(\d_\w+)\.conv(\d)\.", r"pair_\2_point_\3"
    own_layers = (
        (r"conv1x1\.conv", "current"),
        (r"conv1x1\.bn", "current_norm"),
        (r"conv1x1_prev\.conv", "previous"),
        (r"conv1x1_prev\.bn", "previous_norm"),
        (r"path\.path(\d)\.conv", r"previous_\2"),
        (r"path\.bn", "previous_norm"),
        (rf"{branch}conv\.dw_conv", r"pair_\2_depthwise_\3"),
        (rf"{branch}conv\.pw_conv", ours),
        (rf"{branch}bn", f"{ours}_norm"),
    )
    return (
        *units("stage_{}_cell_{}", {}),
        (r"conv_?0\.conv", "stem_conv"),
        (r"conv_?0\.bn", "stem_conv_norm"),
        (r"last_linear", "head"),
        *(
            (
                rf"{prefix}({'|'.join(names)})\.{theirs}",
                lambda m, ours=ours, names=names: f"{names[m[1]]}/{m.expand(ours)}",
            )
            for prefix, names, parts in (
                ("", cells, layers),
                (r"features\.", own, own_layers),
            )
            for theirs, ours in parts
        ),
    )
