"""Pruning whole filters, after which the arrays are smaller.

    norm_j = sum |w[..., j]|           of filter (or unit) j; the least go

What a filter gives feeds the next layer: its inputs from there go too. Where a filter
and its bias are 0, so is what comes of it, if f(0) = 0 (ReLU, tanh, pooling): the small
network's outputs equal those of the large one with the filters masked.

For networks in a line, such as LeNet, MLP and VGG without normalization.

Shapes: h, w kernel; C inputs, O outputs of a layer.

References:
    Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters for efficient ConvNets",
    ICLR 2017, https://arxiv.org/abs/1608.08710
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.errors import unknown

PyTree = Any


def filter_masks(
    params: PyTree, fractions: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Which filters stay, of each layer that is pruned.

    Args:
        params: of a network.
        fractions: by layer, the share of its filters that goes, in [0, 1).

    Returns:
        bool [O], by layer; round(fraction O) go.

    Raises:
        ValueError: an unknown layer, a fraction out of range, or one at which no filter
            would be left.
    """
    masks = {}
    for name, fraction in fractions.items():
        if name not in params:
            raise unknown("layer", name, params)
        kernel = np.asarray(params[name]["kernel"])
        norms = np.abs(kernel).sum(tuple(range(kernel.ndim - 1)))
        gone = round(fraction * len(norms))
        if not (0 <= fraction < 1 and gone < len(norms)):
            raise ValueError(
                f"fractions must be in [0, 1) and leave a filter, got {fraction} of "
                f"{len(norms)} for {name}"
            )
        masks[name] = np.ones(len(norms), bool)
        masks[name][np.argsort(norms, kind="stable")[:gone]] = False
    return masks


def without_filters(params: PyTree, masks: Mapping[str, np.ndarray]) -> PyTree:
    """The parameters with the filters that go, and their biases, at 0."""
    return {
        name: {key: np.asarray(leaf) * masks[name] for key, leaf in layer.items()}
        if name in masks
        else layer
        for name, layer in params.items()
    }


def shrunk(
    params: PyTree, masks: Mapping[str, np.ndarray], order: Sequence[str]
) -> PyTree:
    """The parameters of the small network.

    Args:
        params: of the large one: kernels [h, w, C, O] and [C, O], and biases.
        masks: of `filter_masks`; not of the last layer.
        order: all layers, from the input on.

    Raises:
        ValueError: a layer that has other parameters, is in no order, or is the last.
    """
    if sorted(order) != sorted(params):
        raise ValueError(f"order must name {', '.join(params)}, got {', '.join(order)}")
    if order[-1] in masks:
        raise ValueError(f"masks must leave the outputs, got one for {order[-1]}")
    made, before = {}, None
    for name in order:
        layer = {key: np.asarray(leaf) for key, leaf in params[name].items()}
        if set(layer) - {"kernel", "bias"}:
            raise ValueError(
                f"params of {name} must be kernel and bias, got {[*layer]}"
            )
        kernel = layer["kernel"]
        if before is not None:
            # A dense layer behind images sees each channel once for each pixel.
            kernel = kernel[..., np.resize(before, kernel.shape[-2]), :]
        stays = masks.get(name)
        if stays is None:
            stays = np.ones(kernel.shape[-1], bool)
        made[name] = {"kernel": kernel[..., stays]}
        if "bias" in layer:
            made[name]["bias"] = layer["bias"][stays]
        before = stays
    return made
