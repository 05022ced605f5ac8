"""Weights of torch.nn.Transformer, and of its encoder and decoder, for `Stack`.

PyTorch keeps the three projections of an attention in one matrix, in_proj_weight
[3 D, D], queries first; ours is its transpose, for the memory cut into queries and the
rest. norm1, norm2, norm3 stand in the order of the sublayers. Its encoder and decoder
end with a norm whether the layers' norms stand before or after (`final_norm=True`).

Shapes: D features, H hidden units.

References:
    PyTorch, torch.nn.Transformer,
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np


def stack_from_torch(
    weights: Mapping[str, np.ndarray], prefix: str = ""
) -> dict[str, Any]:
    """Parameters of a `Stack`, from a state_dict as arrays.

    Args:
        weights: name -> array, of a torch.nn.TransformerEncoder or Decoder.
        prefix: what stands before its own names, as `encoder.` in a Transformer.

    Returns:
        The parameters, of the arrays' types.

    Raises:
        ValueError: no layer under that prefix; a layer without biases.
    """
    own = {
        name.removeprefix(prefix): np.asarray(array)
        for name, array in weights.items()
        if name.startswith(prefix)
    }
    count = len({name.split(".")[1] for name in own if name.startswith("layers.")})
    if not count:
        raise ValueError(
            f"weights must have names that begin with {prefix + 'layers.'!r}, got none"
        )
    params = {f"layer_{i}": _layer(own, f"layers.{i}.") for i in range(count)}
    if "norm.weight" in own:
        params["norm"] = _norm(own, "norm.")
    return params


def _layer(own, at):
    cross = f"{at}multihead_attn.in_proj_weight" in own
    if f"{at}linear1.bias" not in own:
        raise ValueError(f"{at}linear1.bias must be there: layers without biases")
    w, b = (own[f"{at}self_attn.in_proj_{kind}"] for kind in ("weight", "bias"))
    layer = {
        "attention": {
            "qkv": _dense(w, b),
            "out": _named(own, f"{at}self_attn.out_proj."),
        },
        "attention_norm": _norm(own, f"{at}norm1."),
        "network_in": _named(own, f"{at}linear1."),
        "network_out": _named(own, f"{at}linear2."),
        "network_norm": _norm(own, f"{at}norm{3 if cross else 2}."),
    }
    if cross:
        w, b = (
            own[f"{at}multihead_attn.in_proj_{kind}"] for kind in ("weight", "bias")
        )
        width = w.shape[1]
        layer["cross"] = {
            "query": _dense(w[:width], b[:width]),
            "key_value": _dense(w[width:], b[width:]),
            "out": _named(own, f"{at}multihead_attn.out_proj."),
        }
        layer["cross_norm"] = _norm(own, f"{at}norm2.")
    return layer


def _dense(weight, bias):
    return {"kernel": jnp.asarray(weight.T), "bias": jnp.asarray(bias)}


def _named(own, at):
    return _dense(own[f"{at}weight"], own[f"{at}bias"])


def _norm(own, at):
    scale, bias = (jnp.asarray(own[f"{at}{kind}"]) for kind in ("weight", "bias"))
    return {"scale": scale, "bias": bias}
