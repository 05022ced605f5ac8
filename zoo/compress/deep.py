"""Deep Compression: prune, share, Huffman-code; what is left at each stage.

    stage      bytes of a layer's weights: n of them, m not 0, told with fillers M
    float32    4 n
    pruned     M (32 + g) / 8                        values and gaps of g bits
    shared     M (b + g) / 8 + 4 (2^b - 1)           codes of b bits, and the codebook
    packed     the file itself: codes and gaps by Huffman's code, header and checksum

Biases and all else that is not compressed count as they are, 4 bytes a number, in each
stage. Stages are those of `zoo.training.fit_stages`: a learner whose optimizer is
`pruned(...)`, then one of `reparameterised(model, shared(...))`, whose `carry` begins
from the weights that are left.

References:
    Han, Mao and Dally, "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from zoo.compress import packed
from zoo.compress.reparameterise import (
    CODES,
    Reparameterised,
    flat,
    nested,
)
from zoo.compress.sparse import to_sparse

PyTree = Any
GAP = 5  # bits of a gap before it is Huffman-coded, as the paper's dense layers


def carried(model: Reparameterised) -> Callable[[Any, Any], Any]:
    """The `carry` of a stage: the weights of the stage before, by the model's rule.

    Args:
        model: of the stage that begins; the one before trained the plain model.

    Returns:
        (last state of the stage before, fresh state) -> first state. Statistics of
        normalizations are taken over too.
    """

    def carry(before, fresh):
        given = {"params": before.params, **before.model_state}
        begun = encoded(model, given)
        return fresh._replace(params=begun.pop("params"), model_state=begun)

    return carry


def encoded(model: Reparameterised, given: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """Variables of a reparameterised model, from those of the plain one."""
    floats, codes = model.rule.encode(jax.device_get(given["params"]))
    return jax.device_get({**given, "params": floats, CODES: codes})


def tensors(variables: Mapping[str, PyTree]) -> dict[str, np.ndarray]:
    """What a file must hold, by name: all leaves of all collections.

    Args:
        variables: of a reparameterised model, or of any.
    """
    leaves = {
        f"{collection}/{path}": np.asarray(leaf)
        for collection, tree in variables.items()
        for path, leaf in _leaves(tree).items()
    }
    return leaves


def variables(tensors: Mapping[str, np.ndarray]) -> dict[str, PyTree]:
    """The variables that `tensors` was given; codes are by path, as a rule has them."""
    made = {}
    for name, leaf in tensors.items():
        collection, _, path = name.partition("/")
        made.setdefault(collection, {})[path] = leaf
    return {
        collection: leaves if collection == CODES else nested(leaves)
        for collection, leaves in made.items()
    }


def stages(given: Mapping[str, PyTree], bits: int | Mapping[str, int]) -> dict:
    """Bytes at each stage.

    Args:
        given: variables of a model with the rule `shared(bits)`, pruned before.
        bits: of a code; by path, if layers differ.

    Returns:
        `float32`, `pruned`, `shared` and `packed`, in this order.
    """
    codes = given[CODES]
    rest = sum(x.size for p, x in flat(given["params"]).items() if p not in codes)
    rest += sum(x.size for c, t in given.items() if c not in ("params", CODES)
                for x in jax.tree.leaves(t))  # fmt: skip
    found = dict.fromkeys(("float32", "pruned", "shared"), 4 * rest)
    for path, code in codes.items():
        b = bits[path] if isinstance(bits, Mapping) else bits
        told = len(to_sparse(code, GAP).gaps)
        found["float32"] += 4 * np.size(code)
        found["pruned"] += -(-told * (32 + GAP) // 8)
        found["shared"] += -(-told * (b + GAP) // 8) + 4 * (2**b - 1)
    return {**found, "packed": len(packed.dumps(tensors(given)))}


def _leaves(tree: PyTree) -> dict[str, Any]:
    return flat(tree) if isinstance(tree, Mapping) else {"": tree}
