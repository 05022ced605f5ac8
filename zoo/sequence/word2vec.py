"""word2vec: vectors of words from the words around them; skip-gram and CBOW.

    h        the input vector of a word (skip-gram), or the mean of those around (CBOW)
    negative   loss = -log s(o_y . h) - sum_k log s(-o_k . h),  s the sigmoid, k of K
               words drawn with p(k) ~ count^0.75; those that are y itself do not count
    shared     the same loss, but G rows that follow each other share their K words:
               the same on the mean, and three products of matrices
    hierarchical   loss = -sum over nodes n on the way to y of log s(+-o_n . h), + left
                   and - right in Huffman's tree: the probabilities of all y sum to 1
    step     g_j = 1 or 0 - s(o_j . h), 1 where the sign above is +;
             o_j += rate g_j h,  input vectors += rate sum_j g_j o_j

A step reads and writes the rows of its words alone: it costs the same whatever V is.
All rows of a batch are seen at the vectors before the step, and their updates add up,
so at a batch of one it is the authors' program. Take some hundreds of rows, and no more
than an eighth of the words: what a frequent word gets in one step grows with them, and
where it is too much, vectors diverge. On a CPU give XLA one thread, `NPROC=1` in the
environment: its steps are of microseconds, and threads wait for each other as long.

Devices share the rows of a batch, and tell each other which they were; the state is
the same everywhere. What is drawn belongs to the row, by the step's key and `index`;
what is shared, to the first row of the group. Devices have whole groups.

Shapes: B rows, C words that h is the mean of, M outputs of a row (K + 1, or the depth
of the tree), D features, V words, G rows of a group.
Differs from the papers: as in the authors' program each word of a CBOW mean gets the
whole of the update, not its 1 / C; `mean_gradient` is the gradient. `shared` is another
algorithm than `negative`: G rows push a word at once, so the same mean scatters more.
Shuffle its rows: neighbours in a text are rows of one word, which then sees K words in
all. Ji et al. share among the words around one; here a group is any G rows, and a word
does not count in a row whose y it is.

References:
    Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in
    vector space", 2013, https://arxiv.org/abs/1301.3781
    Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words
    and phrases and their compositionality", NeurIPS 2013,
    https://arxiv.org/abs/1310.4546
    Ji, Satish, Li and Dubey, "Parallelizing word2vec in shared and distributed memory",
    2016, https://arxiv.org/abs/1604.04661 (`shared`)
    Morin and Bengio, "Hierarchical probabilistic neural network language model",
    AISTATS 2005, https://proceedings.mlr.press/r5/morin05a.html
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.errors import unknown
from zoo.learner import Learner
from zoo.sequence.huffman import huffman
from zoo.sequence.word2vec_outputs import Outputs, draw, negatives, table, way

OBJECTIVES = ("negative", "hierarchical", "shared")
Schedule = float | Callable[[jax.Array], jax.Array]


class Word2VecState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    inputs: jax.Array  # [V, D]: the vectors of the words
    outputs: jax.Array  # [V, D], or of the tree's inner nodes [V - 1, D]


def learner(
    counts: np.ndarray,
    features: int = 100,
    rate: Schedule = 0.025,
    objective: str = "negative",
    negative: int = 5,
    power: float = 0.75,
    group: int = 16,
    mean_gradient: bool = False,
    axis_name: str | None = None,
) -> Learner:
    """Vectors of words that learn from batches.

    Args:
        counts: how often each word is in the text, positive, [V].
        features: D.
        rate: of the step, a number or a schedule of the steps taken.
        objective: `negative`, `hierarchical` or `shared`.
        negative: words that are drawn for a row, or for a group of rows (K).
        power: of the counts, of the words that are drawn.
        group: rows that share the words that are drawn (G), of `shared`; of 256 rows
            at a rate of 0.1, 16 learn as well as 1 shuffled, and diverge in the order
            of a text.
        mean_gradient: whether a word of a mean gets its 1 / C of the update.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, int [B, C], -1 where there is no word, `y`, int
        [B], `index`, int [B], and optionally `weight`, [B], as
        `zoo.data.contexts` makes them. Metrics: `loss`, of the batch before the step.

    Raises:
        ValueError: an unknown objective; a number out of range; when traced, x or y of
            other shapes, or rows, of a device, that are no whole groups.
    """
    counts = np.asarray(counts)
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    if counts.ndim != 1 or len(counts) < 2 or not (counts > 0).all():
        raise ValueError(
            f"counts must be positive [V] with V >= 2, got {counts.dtype} "
            f"{counts.shape}"
        )
    if min(features, negative, group) < 1:
        raise ValueError(
            "features, negative and group must be positive, got "
            f"{features}, {negative} and {group}"
        )
    if not callable(rate) and not 0 <= rate < np.inf:
        raise ValueError(f"rate must be 0 or positive, got {rate}")
    words = len(counts)
    hierarchical, sharing = (objective == name for name in OBJECTIVES[1:])
    cumulative, tree = table(counts, power), huffman(counts) if hierarchical else None

    def check(batch):
        _check(batch)
        if sharing and len(batch["y"]) % group:
            raise ValueError(
                f"rows of a device must be groups of {group}, got {len(batch['y'])}"
            )

    def init(key, batch):
        check(batch)
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
        if hierarchical:
            found = way(batch["y"], jnp.asarray(tree.nodes), jnp.asarray(tree.turns))
        else:
            number = 0 if sharing else negative
            drawn = draw(key, batch["index"], cumulative, number)
            found = negatives(batch["y"], drawn)
        mask = found.mask
        if "weight" in batch:
            mask = mask * batch["weight"].astype(mask.dtype).reshape(-1, 1)
        labels, mask = found.labels.astype(dtype), mask.astype(dtype)
        return Outputs(found.rows, labels, mask)

    def counted(losses, batch):
        weight = batch.get("weight", jnp.ones(losses.shape, losses.dtype))
        pair = losses.sum(), weight.astype(losses.dtype).sum()
        return jax.lax.psum(pair, axis_name) if axis_name else pair

    def seen(state, key, batch):
        """Losses, what `moved` needs of each row, and of the words of groups."""
        check(batch)
        x, outputs = batch["x"], state.outputs
        found = asked(key, batch, outputs.dtype)
        losses, g, h, back = pulls(state.inputs, outputs, x, found)
        if not sharing:
            return losses, (x, found.rows, g, h, back), None
        drawn = draw(key, batch["index"][::group], cumulative, negative)  # [B / G, K]
        grouped = lambda a: a.reshape(-1, 1, group)
        other = drawn[..., None] != grouped(batch["y"])  # [B / G, K, G]
        mask = jnp.where(other, grouped(found.mask), 0)
        of_groups = h.reshape(-1, group, h.shape[1])
        more, towards, pull = pushes(outputs[drawn], of_groups, mask)
        back += towards.reshape(h.shape)
        return losses + more.reshape(-1), (x, found.rows, g, h, back), (drawn, pull)

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)
        losses, *sent = seen(state, key, batch)
        if axis_name:  # all rows, in their order
            gather = lambda a: jax.lax.all_gather(a, axis_name, tiled=True)
            sent = jax.tree.map(gather, sent)
        at = rate(state.step) if callable(rate) else rate
        at = jnp.asarray(at).astype(state.inputs.dtype)
        of_rows, shared = sent
        inputs, outputs = moved(
            state.inputs, state.outputs, *of_rows, at, mean_gradient, shared
        )
        new = Word2VecState(state.step + 1, state.key, inputs, outputs)
        return new, {"loss": counted(losses, batch)}

    def evaluate(state, batch):
        key = jax.random.fold_in(state.key, jnp.uint32(2**32 - 1))  # no step's
        losses, *_ = seen(state, key, batch)
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


def pushes(
    o: jax.Array, h: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Losses of rows by the words that groups of them share, in three products.

    Args:
        o: the words' vectors of n groups, [n, K, D].
        h: [n, G, D].
        mask: what each word counts in each row, [n, K, G].

    Returns:
        The losses, [n, G]; minus their gradient by h, [n, G, D], and by o, [n, K, D].
    """
    scores = jnp.einsum("nkd,ngd->nkg", o, h)
    losses = -(jax.nn.log_sigmoid(-scores) * mask).sum(1)
    g = -jax.nn.sigmoid(scores) * mask
    across = jax.lax.optimization_barrier(g.swapaxes(1, 2))  # else strided: 3 times
    towards = jnp.einsum("ngk,nkd->ngd", across, o)
    return losses, towards, jnp.einsum("nkg,ngd->nkd", g, h)


def hidden(inputs: jax.Array, x: jax.Array) -> jax.Array:
    """h: the mean of the input vectors of x, [B, C] -> [B, D]."""
    there = (x >= 0).astype(inputs.dtype)
    rows = inputs[jnp.maximum(x, 0)]  # [B, C, D]
    if x.shape[1] == 1:  # skip-gram: no mean to take
        return rows[:, 0] * there
    return jnp.einsum("bcd,bc->bd", rows, there) / _number(there)


def moved(inputs, outputs, x, rows, g, h, back, rate, mean_gradient=False, shared=None):
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
        shared: words that groups of rows share, int [n, K], and what `pushes` gave for
            them, [n, K, D]; or None.

    Returns:
        Inputs and outputs.
    """
    width = inputs.shape[1]
    far = jnp.einsum("bm,bd->bmd", rate * g, h).reshape(-1, width)
    rows = rows.reshape(-1)
    if shared is not None:  # in one: a second one would copy the whole table
        drawn, pull = shared
        rows = jnp.concatenate([rows, drawn.reshape(-1)])
        far = jnp.concatenate([far, rate * pull.reshape(-1, width)])
    outputs = outputs.at[rows].add(far)
    there = (x >= 0).astype(inputs.dtype)
    share = there / _number(there) if mean_gradient else there
    near = jnp.einsum("bc,bd->bcd", rate * share, back).reshape(-1, width)
    return inputs.at[jnp.maximum(x, 0).reshape(-1)].add(near), outputs


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
