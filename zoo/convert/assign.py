"""From the names and layouts of others to the variables of a model of ours.

A family has rules, tried in turn; the first whose pattern is all of a module's name
says where that module is here:

    (r"layer(\\d)\\.(\\d+)\\.conv(\\d)", r"stage_\\1/block_\\2/conv_\\3")    a path
    (r"classifier\\.1", "dense_0", (7, 7))    dense, after a flattened map of 7x7
    (r"fc_aux\\..*", None)                    left out
    (r"pooler", "?pooler")                    left out where the model has none
    (r"att\\.query", "att/qkv[0/3]")          the first of three, side by side
    (r"w_ih", "layer/w_x^T")                  its first two axes exchanged

A name without a dot is a leaf, and its rule's path is the leaf's.

The path may also be a function of the match. A pattern that is all of a tensor's name
says where that one leaf is: (r"class_token", "class_token"). The last part of a name
says which leaf:

    theirs                                    ours
    weight of a convolution, [O, C, h, w]     kernel [h, w, C, O]
    weight of a dense layer, [O, C]           kernel [C, O]
    the same, after a flattened map           kernel [h w C, O]: theirs is C, h, w
    weight, bias of a normalization           scale, bias; also gamma, beta
    weight of an embedding                    embedding
    running_mean, running_var                 mean, var, in `batch_stats`
    all four of a frozen normalization        the same, in `batch_stats`

A depthwise kernel [C, 1, h, w] is [h, w, 1, C] by the same rule; a convolution of 1x1
may stand for a dense layer, and the other way round. Files that `save` wrote have our
own names and need no rules.

Shapes: h, w window; C inputs, O outputs.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.convert.files import flat, nested

Rule = tuple  # (pattern, path or function or None[, (h, w)])
UNUSED = ("num_batches_tracked",)  # of PyTorch's normalizations
STATISTICS = {"running_mean": "mean", "running_var": "var"}
LEAVES = ("kernel", "embedding")  # that a weight may be; else a scale
TURNED = "^T"
PART = r"\[(\d)/(\d)\]"
OTHERS = {"gamma": "scale", "beta": "bias"}  # TensorFlow's


class WeightsError(ValueError):
    """Weights that are not those of the model; nothing was loaded.

    Attributes:
        missing: paths of ours for which there is no tensor.
        extra: names of tensors that have no place.
        misshapen: names of tensors of another shape.
    """

    def __init__(self, source, missing, extra, misshapen):
        self.missing = tuple(sorted(missing))
        self.extra, self.misshapen = tuple(extra), tuple(misshapen)
        parts = []
        if missing:
            parts.append(f"missing: {', '.join(self.missing)}")
        if extra:
            parts.append(f"no place for: {', '.join(extra)}")
        if misshapen:
            texts = [f"{name} {text}" for name, text in misshapen.items()]
            parts.append(f"of another shape: {', '.join(texts)}")
        super().__init__(
            f"{source}: not the weights of this model, and nothing was loaded; "
            + "; ".join(parts)
        )


def assign(
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[str, Any],
    rules: Sequence[Rule] = (),
    source: str = "weights",
) -> dict[str, Any]:
    """Variables of a model from tensors by their names elsewhere.

    Args:
        tensors: by their names, as `read` returns them.
        shapes: the model's variables, or their ShapeDtypeStructs.
        rules: of the model's family, see above.
        source: what the tensors are from, for the error.

    Returns:
        The variables, in the types of `shapes`.

    Raises:
        WeightsError: tensors that are missing, have no place or another shape, all of
            them by name.
    """
    wanted, extra, misshapen = flat(shapes), [], {}
    found: dict[str, dict[int, np.ndarray]] = {}  # path -> part -> tensor
    counts = dict.fromkeys(wanted, 1)  # path -> parts
    for name, tensor in tensors.items():
        place = (name, None) if name in wanted else _place(name, rules, wanted)
        if place is None:
            continue
        path, part, count = _of_part(place[0])
        if path.endswith(TURNED):
            path, tensor = path.removesuffix(TURNED), tensor.swapaxes(0, 1)
        if path not in wanted or part in found.get(path, ()):
            extra.append(name)
            continue
        leaf = wanted[path]
        value = _laid_out(tensor, name, path, leaf, place[1])
        found.setdefault(path, {})[part] = value
        counts[path] = count
        shape = leaf.shape
        if count > 1:
            shape = (*shape[:-1], shape[-1] // count)
        if value.shape != shape:
            misshapen[name] = f"{tensor.shape} for {path} {leaf.shape}"
    missing = {path for path in wanted if len(found.get(path, ())) < counts[path]}
    if missing or extra or misshapen:
        raise WeightsError(source, missing, extra, misshapen)
    whole = {path: _joined(parts) for path, parts in found.items()}
    return nested(
        {k: jnp.array(np.asarray(v).astype(wanted[k].dtype)) for k, v in whole.items()}
    )


def _of_part(path: str) -> tuple[str, int, int]:
    """A path, which part of its leaf is meant, and of how many."""
    match = re.search(PART, path)
    if match is None:
        return path, 0, 1
    return re.sub(PART, "", path), int(match[1]), int(match[2])


def _joined(parts: dict[int, np.ndarray]) -> np.ndarray:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([parts[i] for i in range(len(parts))], -1)


def _place(name: str, rules: Sequence[Rule], wanted: Mapping[str, Any]):
    """The path of a tensor and the window before it; None if it is left out."""
    module, _, last = name.rpartition(".")
    if last in UNUSED:
        return None
    for pattern, path, *window in rules:
        if match := re.fullmatch(pattern, module or last):
            if path is None:
                return None
            path = _meant(match, path)
            if path.startswith("?"):
                path = path[1:]
                top = f"params/{path.partition('/')[0]}/"
                if not any(name.startswith(top) for name in wanted):
                    return None
            if not module:
                return f"params/{path}", window[0] if window else None
            if f"params/{path}/{last}" not in wanted:
                last = OTHERS.get(last, last)
            if last in STATISTICS:
                return f"batch_stats/{path}/{STATISTICS[last]}", None
            if last == "weight":
                bare = _of_part(path)[0]
                known = [n for n in LEAVES if f"params/{bare}/{n}" in wanted]
                last = known[0] if known else "scale"
            if f"batch_stats/{path}/{last}" in wanted:  # frozen
                return f"batch_stats/{path}/{last}", None
            return f"params/{path}/{last}", window[0] if window else None
        if match := re.fullmatch(pattern, name):
            if path is None:
                return None
            return f"params/{_meant(match, path)}", window[0] if window else None
    return "", None


def _meant(match, path):
    return path(match) if callable(path) else match.expand(path)


def _laid_out(tensor, name, path, leaf, window):
    """A tensor in our layout, as far as its axes allow."""
    axes = len(leaf.shape)
    if not path.endswith("/kernel") or name == path:
        return tensor
    if window and tensor.ndim == 2 and tensor.shape[1] % (window[0] * window[1]) == 0:
        tensor = tensor.reshape(len(tensor), -1, *window).transpose(0, 2, 3, 1)
        tensor = tensor.reshape(len(tensor), -1)  # O, C h w -> O, h w C
    if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) and axes == 2:
        tensor = tensor[:, :, 0, 0]
    if tensor.ndim == 2 and axes == 4:
        tensor = tensor[:, :, None, None]
    if tensor.ndim < 2:
        return tensor
    return np.moveaxis(tensor, (0, 1), (-1, -2))  # O C h w -> h w C O
