"""word2vec: vectors of words from the words around them; skip-gram and CBOW.

    h        the input vector of a word (skip-gram), or the mean of those around (CBOW)
    negative   loss = -log s(o_y . h) - sum_k log s(-o_k . h),  s the sigmoid, k of K
               words drawn with p(k) ~ count^0.75; those that are y itself do not count
    hierarchical   loss = -sum over nodes n on the way to y of log s(+-o_n . h), + left
                   and - right in Huffman's tree: the probabilities of all y sum to 1
    step     g_j = 1 or 0 - s(o_j . h), 1 where the sign above is +;
             o_j += rate g_j h,  input vectors += rate sum_j g_j o_j

A step reads and writes the rows of its words alone: it costs the same whatever V is.
All rows of a batch are seen at the vectors before the step, and their updates add up,
so at a batch of one it is the authors' program. Take some hundreds of rows, and no more
than an eighth of the words: what a frequent word gets in one step grows with them, and
where it is too much, vectors diverge.

Devices share the rows of a batch, and tell each other which they were; the state is
the same everywhere. What is drawn belongs to the row, by the step's key and `index`.

Shapes: B rows, C words that h is the mean of, M outputs of a row (K + 1, or the depth
of the tree), D features, V words.
Differs from the paper: as in the authors' program each word of a CBOW mean gets the
whole of the update, not its 1 / C; `mean_gradient` is the gradient.

References:
    Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in
    vector space", 2013, https://arxiv.org/abs/1301.3781
    Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words
    and phrases and their compositionality", NeurIPS 2013,
    https://arxiv.org/abs/1310.4546
    Morin and Bengio, "Hierarchical probabilistic neural network language model",
    AISTATS 2005, https://proceedings.mlr.press/r5/morin05a.html
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.errors import unknown
from zoo.functional.dropout import example_keys
from zoo.learner import Learner
from zoo.sequence.huffman import huffman

OBJECTIVES = ("negative", "hierarchical")
Schedule = float | Callable[[jax.Array], jax.Array]


class Word2VecState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    inputs: jax.Array  # [V, D]: the vectors of the words
    outputs: jax.Array  # [V, D], or of the tree's inner nodes [V - 1, D]


class Outputs(NamedTuple):
    """What each row is scored against, [B, M]; see `negatives` and `way`."""

    rows: jax.Array  # int32: rows of the outputs
    labels: jax.Array  # float: 1 or 0
    mask: jax.Array  # float: 0 where there is nothing


def learner(
    counts: np.ndarray,
    features: int = 100,
    rate: Schedule = 0.025,
    objective: str = "negative",
    negative: int = 5,
    power: float = 0.75,
    mean_gradient: bool = False,
    axis_name: str | None = None,
) -> Learner:
    """Vectors of words that learn from batches.

    Args:
        counts: how often each word is in the text, positive, [V].
        features: D.
        rate: of the step, a number or a schedule of the steps taken.
        objective: `negative` or `hierarchical`.
        negative: words that are drawn for a row (K).
        power: of the counts, of the words that are drawn.
        mean_gradient: whether a word of a mean gets its 1 / C of the update.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, int [B, C], -1 where there is no word, `y`, int
        [B], `index`, int [B], and optionally `weight`, [B], as
        `zoo.data.contexts` makes them. Metrics: `loss`, of the batch before the step.

    Raises:
        ValueError: an unknown objective; a number out of range; when traced, x or y of
            other shapes.
    """
    counts = np.asarray(counts)
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    if counts.ndim != 1 or len(counts) < 2 or not (counts > 0).all():
        raise ValueError(
            f"counts must be positive [V] with V >= 2, got {counts.dtype} "
            f"{counts.shape}"
        )
    if features < 1 or negative < 1:
        raise ValueError(
            f"features and negative must be positive, got {features} and {negative}"
        )
    if not callable(rate) and not 0 <= rate < np.inf:
        raise ValueError(f"rate must be 0 or positive, got {rate}")
    words = len(counts)
    if objective == "negative":
        cumulative, tree = table(counts, power), None
    else:
        cumulative, tree = None, huffman(counts)

    def init(key, batch):
        _check(batch)
        params_key, key = jax.random.split(key)
        shape = (words, features)
        inputs = jax.random.uniform(params_key, shape, minval=-0.5, maxval=0.5)
        rows = words if tree is None else words - 1
        return Word2VecState(
            step=jnp.int32(0),
            key=key,
            inputs=inputs / features,
            outputs=jnp.zeros((rows, features)),
        )

    def asked(key, batch, dtype):
        if tree is None:
            drawn = draw(key, batch["index"], cumulative, negative)
            found = negatives(batch["y"], drawn)
        else:
            found = way(batch["y"], jnp.asarray(tree.nodes), jnp.asarray(tree.turns))
        mask = found.mask
        if "weight" in batch:
            mask = mask * batch["weight"].astype(mask.dtype).reshape(-1, 1)
        labels, mask = found.labels.astype(dtype), mask.astype(dtype)
        return Outputs(found.rows, labels, mask)

    def counted(losses, batch):
        weight = batch.get("weight", jnp.ones(losses.shape, losses.dtype))
        pair = losses.sum(), weight.astype(losses.dtype).sum()
        return jax.lax.psum(pair, axis_name) if axis_name else pair

    def step(state, batch):
        _check(batch)
        key = jax.random.fold_in(state.key, state.step)
        found = asked(key, batch, state.inputs.dtype)
        losses, g, h, back = pulls(state.inputs, state.outputs, batch["x"], found)
        sent = batch["x"], found.rows, g, h, back
        if axis_name:  # all rows, in their order
            gather = lambda a: jax.lax.all_gather(a, axis_name, tiled=True)
            sent = jax.tree.map(gather, sent)
        at = rate(state.step) if callable(rate) else rate
        at = jnp.asarray(at).astype(state.inputs.dtype)
        inputs, outputs = moved(state.inputs, state.outputs, *sent, at, mean_gradient)
        new = Word2VecState(state.step + 1, state.key, inputs, outputs)
        return new, {"loss": counted(losses, batch)}

    def evaluate(state, batch):
        _check(batch)
        key = jax.random.fold_in(state.key, jnp.uint32(2**32 - 1))  # no step's
        found = asked(key, batch, state.inputs.dtype)
        losses, *_ = pulls(state.inputs, state.outputs, batch["x"], found)
        return {"loss": counted(losses, batch)}

    return Learner(init=init, step=step, evaluate=evaluate)


def pulls(
    inputs: jax.Array, outputs: jax.Array, x: jax.Array, found: Outputs
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Losses of the rows, and what pulls at the vectors.

    Args:
        inputs: [V, D].
        outputs: [V, D] or [V - 1, D].
        x: int [B, C], -1 where there is no word.
        found: rows of the outputs, labels and mask, [B, M].

    Returns:
        The losses, [B]; g, [B, M]; h, [B, D]; and sum_j g_j o_j, [B, D], which is
        minus the gradient of the losses by h.
    """
    h = hidden(inputs, x)
    o = outputs[found.rows]  # [B, M, D]
    scores = jnp.einsum("bd,bmd->bm", h, o)
    signed = jnp.where(found.labels > 0, scores, -scores)
    losses = -(jax.nn.log_sigmoid(signed) * found.mask).sum(1)
    g = (found.labels - jax.nn.sigmoid(scores)) * found.mask
    return losses, g, h, jnp.einsum("bm,bmd->bd", g, o)


def hidden(inputs: jax.Array, x: jax.Array) -> jax.Array:
    """h: the mean of the input vectors of x, [B, C] -> [B, D]."""
    there = (x >= 0).astype(inputs.dtype)
    rows = inputs[jnp.maximum(x, 0)]  # [B, C, D]
    return jnp.einsum("bcd,bc->bd", rows, there) / _number(there)


def moved(inputs, outputs, x, rows, g, h, back, rate, mean_gradient=False):
    """The vectors after a step, of what `pulls` gave; only their rows are touched.

    Args:
        inputs: [V, D].
        outputs: [V, D] or [V - 1, D].
        x: int [B, C].
        rows: int [B, M].
        g: [B, M].
        h: [B, D].
        back: [B, D].
        rate: scalar.
        mean_gradient: see `learner`.

    Returns:
        Inputs and outputs.
    """
    width = inputs.shape[1]
    far = jnp.einsum("bm,bd->bmd", rate * g, h).reshape(-1, width)
    outputs = outputs.at[rows.reshape(-1)].add(far)
    there = (x >= 0).astype(inputs.dtype)
    share = there / _number(there) if mean_gradient else there
    near = jnp.einsum("bc,bd->bcd", rate * share, back).reshape(-1, width)
    return inputs.at[jnp.maximum(x, 0).reshape(-1)].add(near), outputs


def table(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    """The bounds of the words in 0 .. 2^32 - 1, in proportion to count^power.

    Args:
        counts: [V].
        power: of the counts.

    Returns:
        uint32 [V]: word w is drawn by numbers from bound w - 1 up to bound w, without
        it.
    """
    weights = np.asarray(counts, float) ** power
    bounds = np.cumsum(weights) / weights.sum() * 2.0**32
    return np.minimum(np.round(bounds), 2**32 - 1).astype(np.uint32)


def draw(
    key: jax.Array, index: jax.Array, cumulative: np.ndarray, number: int
) -> jax.Array:
    """Words by chance, the same wherever a row is computed.

    Args:
        key: of the step.
        index: numbers of the rows, int [B].
        cumulative: of `table`, [V].
        number: K.

    Returns:
        int32 [B, K].
    """
    keys = example_keys(key, index)
    bits = jax.vmap(lambda key: jax.random.bits(key, (number,)))(keys)
    found = jnp.searchsorted(jnp.asarray(cumulative), bits, side="right")
    return jnp.minimum(found, len(cumulative) - 1).astype(jnp.int32)


def negatives(y: jax.Array, drawn: jax.Array) -> Outputs:
    """y with label 1, and what was drawn with label 0; not counted where it is y."""
    own = y.reshape(-1, 1).astype(jnp.int32)
    rows = jnp.concatenate([own, drawn], 1)  # [B, K + 1]
    first = jnp.arange(rows.shape[1])[None] == 0
    labels = jnp.broadcast_to(first, rows.shape).astype(jnp.float32)
    return Outputs(rows, labels, (first | (rows != own)).astype(jnp.float32))


def way(y: jax.Array, nodes: jax.Array, turns: jax.Array) -> Outputs:
    """The nodes on the way to y, with label 1 where it turns left."""
    rows, turns = nodes[y], turns[y]  # [B, L]
    labels = (turns == 0).astype(jnp.float32)
    return Outputs(jnp.maximum(rows, 0), labels, (rows >= 0).astype(jnp.float32))


def _number(there):  # [B, C] -> [B, 1]
    return jnp.maximum(there.sum(1, keepdims=True), 1)


def _check(batch):
    x, y = batch["x"], batch["y"]
    whole = all(jnp.issubdtype(a.dtype, jnp.integer) for a in (x, y))
    if x.ndim != 2 or y.shape != x.shape[:1] or not whole:
        raise ValueError(
            f"x must be int [B, C] and y int [B], got {x.dtype} {x.shape} and "
            f"{y.dtype} {y.shape}"
        )
