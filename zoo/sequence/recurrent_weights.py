"""Weights of recurrent layers from the layouts of PyTorch and of Keras.

PyTorch, layer l, `_reverse` for the direction backward in time; g gates, in our order
(i, f, g, o and r, z, n):

    weight_ih_l [g H, D] = w_x^T,  weight_hh_l [g H, H] = w_h^T,  bias_ih_l, bias_hh_l

Keras, a list for each layer (of a Bidirectional: forward, then backward):

    kernel [D, g H] = w_x,  recurrent_kernel [H, g H] = w_h,  bias [g H] or [2, g H]

with our order of gates for an LSTM (i, f, c, o), and z, r, h for a GRU. A GRU has two
rows of biases with reset_after=True, its default, and else one.

Shapes: D input features, H units, g gates.

References:
    PyTorch, torch.nn.LSTM and GRU, https://docs.pytorch.org/docs/stable/nn.html
    Keras, layers.LSTM and GRU, https://keras.io/api/layers/recurrent_layers/
"""

import re
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

NAME = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")
OURS = {
    **{"weight_ih": "w_x", "weight_hh": "w_h"},
    **{"bias_ih": "b_x", "bias_hh": "b_h"},
}


def params_from_torch(
    weights: Mapping[str, np.ndarray], prefix: str = ""
) -> dict[str, dict[str, jax.Array]]:
    """Parameters of `Recurrent` with two biases, from a state_dict as arrays.

    Args:
        weights: name -> array, of a torch.nn.RNN, LSTM or GRU.
        prefix: what stands before the layer's own names, as in `encoder.rnn.`.

    Returns:
        The parameters, of the arrays' types. A layer without biases gets zeros.

    Raises:
        ValueError: no such name; a name that is none of a recurrent layer's, as of a
            projected LSTM.
    """
    params: dict[str, dict[str, jax.Array]] = {}
    for name, array in weights.items():
        if not name.startswith(prefix):
            continue
        found = NAME.fullmatch(name.removeprefix(prefix))
        if found is None:
            raise ValueError(
                f"{name!r} is no weight of an RNN, LSTM or GRU; names must be like "
                "weight_ih_l0 and bias_hh_l1_reverse"
            )
        kind, side, layer, reverse = found.groups()
        array = np.asarray(array)
        ours = params.setdefault(f"layer_{layer}{reverse or ''}", {})
        ours[OURS[f"{kind}_{side}"]] = jnp.asarray(array.T)
    if not params:
        raise ValueError(
            f"weights must have names that begin with {prefix!r}, got none"
        )
    for layer in params.values():
        for name in ("b_x", "b_h"):
            wide = layer["w_h"].shape[1]
            layer.setdefault(name, jnp.zeros(wide, layer["w_h"].dtype))
    return params


def params_from_keras(
    weights: Sequence[Sequence[np.ndarray]], cell: str, bidirectional: bool = False
) -> dict[str, dict[str, jax.Array]]:
    """Parameters of `Recurrent`, from `get_weights()` of Keras's layers.

    Args:
        weights: for each layer kernel, recurrent kernel and bias; of a Bidirectional
            the three forward and the three backward.
        cell: `rnn`, `lstm` or `gru`.
        bidirectional: whether each layer reads both ways.

    Returns:
        The parameters, of the arrays' types: with biases=2 if the biases are of two
        rows (reset="after"), else 1 (of a GRU: reset="before").

    Raises:
        ValueError: another number of arrays in a layer; a bias of another shape.
    """
    params = {}
    for i, arrays in enumerate(weights):
        if len(arrays) != 3 * (1 + bidirectional):
            raise ValueError(
                f"layer {i} must have {3 * (1 + bidirectional)} arrays, kernel, "
                f"recurrent kernel and bias, got {len(arrays)}"
            )
        for way in range(1 + bidirectional):
            w_x, w_h, b = (
                _reordered(array, cell) for array in arrays[3 * way : 3 * way + 3]
            )
            if b.shape not in ((w_x.shape[1],), (2, w_x.shape[1])):
                raise ValueError(
                    f"bias of layer {i} must be [{w_x.shape[1]}] or "
                    f"[2, {w_x.shape[1]}], got {b.shape}"
                )
            ours = {"b_x": b[0], "b_h": b[1]} if b.ndim == 2 else {"b": b}
            name = f"layer_{i}" + ("_reverse" if way else "")
            params[name] = {"w_x": w_x, "w_h": w_h, **ours}
    return params


def _reordered(array, cell):  # z, r, h -> r, z, n along the last axis
    array = jnp.asarray(array)
    if cell != "gru":
        return array
    z, r, n = jnp.split(array, 3, axis=-1)
    return jnp.concatenate([r, z, n], axis=-1)
