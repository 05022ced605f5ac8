"""Metrics of clusterings and of embeddings.

Of a clustering against known classes, from the contingency table n_ck of class c and
cluster k, with row sums a_c, column sums b_k and the sum n; p = n_ck / n and so on:

    H(C) = -sum_c a_c/n log a_c/n       H(K) likewise from b_k            nats
    I    = sum_ck n_ck/n log( n n_ck / (a_c b_k) )
    homogeneity   I / H(C): 1 where each cluster is of one class
    completeness  I / H(K): 1 where each class is in one cluster
    V             (1 + beta) h c / (beta h + c)
    NMI           I / a mean of H(C) and H(K); the arithmetic one gives V, beta = 1

    ARI = (R - E) / (M - E),   R = sum_ck n_ck (n_ck - 1) / (n (n - 1))
          A = sum_c a_c (a_c - 1) / (n (n - 1)),  B likewise,  E = A B,  M = (A + B) / 2

R is the share of pairs that are together in both, E what chance would give. ARI is 1
for equal partitions, near 0 for random ones, and may be negative.

With no classes known:

    inertia  sum over the points x of min over the centres m of |x - m|^2

The table and the inertia are sums that add over batches and devices.

Of an embedding, with U_i the k points nearest to i in the embedding and r(i, j) the
rank of j among the points nearest to i in the data (1 is the nearest):

    trustworthiness = 1 - 2 / (n k (2n - 3k - 1)) *
                      sum_i sum_{j in U_i} max(0, r(i, j) - k)

It needs all points at once, and memory for n^2 numbers.

Conventions: homogeneity is 1 where there is one class only, completeness where there is
one cluster, ARI and NMI where both partitions are all in one or (ARI) all apart; V is 0
where homogeneity and completeness are.

Shapes: B points, D dimensions, E dimensions of the embedding, R classes, K clusters.

References:
    Rosenberg and Hirschberg, "V-measure: a conditional entropy-based external cluster
    evaluation measure", EMNLP-CoNLL 2007, https://aclanthology.org/D07-1043
    Hubert and Arabie, "Comparing partitions", Journal of Classification 1985,
    https://doi.org/10.1007/BF01908075
    Strehl and Ghosh, "Cluster ensembles", JMLR 2002,
    https://jmlr.org/papers/v3/strehl02a.html (NMI, with the geometric mean)
    Venna and Kaski, "Neighborhood preservation in nonlinear projection methods",
    ICANN 2001, https://doi.org/10.1007/3-540-44668-0_68 (trustworthiness)
"""

import jax
import jax.numpy as jnp

from zoo.metrics import checks, counts

MEANS = {
    "arithmetic": lambda a, b: (a + b) / 2,
    "geometric": lambda a, b: jnp.sqrt(a * b),
    "max": jnp.maximum,
    "min": jnp.minimum,
}


def contingency(
    truth: jax.Array,
    found: jax.Array,
    classes: int,
    clusters: int,
    weight: jax.Array | None = None,
) -> jax.Array:
    """How often each class is in each cluster: the sums of the metrics with classes.

    Args:
        truth: classes, integers in 0..R-1, [...].
        found: clusters, integers in 0..K-1, [...].
        classes: R.
        clusters: K.
        weight: [...]; 0 leaves a point out, whatever its labels are. ARI counts
            pairs, so its weights should be whole numbers.

    Returns:
        [R, K]; of the weights' type, else of JAX's own float. All NaN for a label out
        of range that cannot be read.

    Raises:
        ValueError: labels of unequal shapes, that are no integers or out of range;
            weights of another shape, negative or not finite.
    """
    return counts.pairs(
        ("truth", truth, "classes", classes),
        ("found", found, "clusters", clusters),
        weight,
    )


def homogeneity(table: jax.Array) -> jax.Array:
    """How far each cluster is of one class.

    Args:
        table: [R, K], from `contingency`.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: a table that is not [R, K], counts nothing, or has a count that is
            negative or not finite (traced: NaN).
    """
    information, classes, _, several, _ = _entropies(table)
    return _share(information, classes, several)


def completeness(table: jax.Array) -> jax.Array:
    """How far each class is in one cluster: the homogeneity of the table transposed.

    Args:
        table: [R, K], from `contingency`.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: as `homogeneity`.
    """
    information, _, clusters, _, several = _entropies(table)
    return _share(information, clusters, several)


def v_measure(table: jax.Array, beta: float = 1.0) -> jax.Array:
    """The weighted harmonic mean of homogeneity and completeness.

    Args:
        table: [R, K], from `contingency`.
        beta: above 1 completeness weighs more, below 1 homogeneity.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: as `homogeneity`; a beta that is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    h, c = homogeneity(table), completeness(table)
    none = h + c == 0
    return (1 + beta) * h * c / jnp.where(none, 1, beta * h + c)


def normalized_mutual_information(
    table: jax.Array, average: str = "arithmetic"
) -> jax.Array:
    """Mutual information over a mean of the two entropies.

    Args:
        table: [R, K], from `contingency`.
        average: `arithmetic`, `geometric`, `max` or `min`.

    Returns:
        A scalar in [0, 1]; 0 where one partition alone is all in one.

    Raises:
        ValueError: as `homogeneity`; an average that is not listed.
    """
    if average not in MEANS:
        raise ValueError(f"average must be one of {tuple(MEANS)}, got {average!r}")
    information, classes, clusters, *several = _entropies(table)
    mean = MEANS[average](classes, clusters)
    none = ~(several[0] & several[1])  # then I = 0, and the mean may be
    nmi = information / jnp.where(none, 1, mean)
    return jnp.where(several[0] | several[1], nmi, 1 + nmi)


def adjusted_rand_index(table: jax.Array) -> jax.Array:
    """The share of pairs on which two partitions agree, corrected for chance.

    Args:
        table: [R, K], from `contingency`.

    Returns:
        A scalar in [-0.5, 1].

    Raises:
        ValueError: as `homogeneity`.
    """
    table, n = _checked(table)

    def together(counts):  # shares first: n^2 would overflow where n does not
        return (counts / n * (counts - 1)).sum() / jnp.where(n == 1, 1, n - 1)

    both = together(table)
    classes, clusters = together(table.sum(1)), together(table.sum(0))
    chance, most = classes * clusters, (classes + clusters) / 2
    equal = most == chance  # both all in one, or both all apart
    index = (both - chance) / jnp.where(equal, 1, most - chance)
    return jnp.where(equal, 1, index)


def inertia(
    points: jax.Array, centers: jax.Array, weight: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Squared distances to the nearest centres, as a pair.

    Args:
        points: [B, D].
        centers: [K, D].
        weight: [B]; 0 leaves a point out, whatever its values are.

    Returns:
        The inertia, a weighted sum in the square of the points' unit, and the sum of
        the weights, scalars of float32 or wider. NaN for a value that is not finite
        and cannot be read.

    Raises:
        ValueError: arrays that are not [B, D] and [K, D], or no centre; a value that
            is not finite; weights that are not [B], negative or not finite.
    """
    points, centers = checks.floats("points", points), checks.floats("centers", centers)
    shapes = points.shape, centers.shape
    if points.ndim != 2 or centers.ndim != 2 or shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            f"points and centers must be [B, D] and [K, D], got {list(shapes[0])} and "
            f"{list(shapes[1])}"
        )
    if not len(centers):
        raise ValueError("centers must be at least one, got none")
    weight = checks.weights(weight, shapes[0][:1], points.dtype)
    spoil = _finite("centers", centers) | _finite("points", points, weight != 0)
    points = jnp.where((weight != 0)[:, None], points, 0)
    nearest = _squared_distances(points, centers).min(1)
    return jnp.where(spoil, jnp.nan, nearest @ weight), weight.sum()


def trustworthiness(
    points: jax.Array, embedding: jax.Array, neighbors: int = 5
) -> jax.Array:
    """How far neighbours in an embedding are neighbours in the data.

    Exchange the first two arguments for the continuity: how far neighbours in the
    data are neighbours in the embedding. Of points at equal distance the one listed
    first counts as nearer.

    Args:
        points: [B, D].
        embedding: [B, E].
        neighbors: k, below B / 2.

    Returns:
        A scalar in [0, 1]. NaN for a value that is not finite and cannot be read.

    Raises:
        ValueError: arrays that are not [B, D] and [B, E]; neighbors that are no
            integer from 1 to below B / 2; a value that is not finite.
    """
    points = checks.floats("points", points)
    embedding = checks.floats("embedding", embedding)
    if points.ndim != 2 or embedding.ndim != 2 or len(points) != len(embedding):
        raise ValueError(
            f"points and embedding must be [B, D] and [B, E], got "
            f"{list(points.shape)} and {list(embedding.shape)}"
        )
    n, k = len(points), checks.size("neighbors", neighbors)
    if 2 * k >= n:
        raise ValueError(f"neighbors must be below half of {n} points, got {k}")
    spoil = _finite("points", points) | _finite("embedding", embedding)

    def order(x):  # the others from near to far, each point itself last
        distances = _squared_distances(x, x)
        itself = jnp.eye(n, dtype=bool)
        return jnp.argsort(jnp.where(itself, jnp.inf, distances), axis=1)

    ranks = jnp.argsort(order(points), axis=1)  # 0 is the nearest
    near = jnp.take_along_axis(ranks, order(embedding)[:, :k], axis=1)  # [B, k]
    excess = jnp.maximum(0, near + 1 - k).astype(points.dtype)
    value = 1 - excess.sum() * (2 / (n * k * (2 * n - 3 * k - 1)))
    return jnp.where(spoil, jnp.nan, value)


def _squared_distances(x, y):  # [B, D], [K, D] -> [B, K], without cancellation
    return ((x[:, None] - y[None]) ** 2).sum(2)


def _finite(name, values, kept=None):
    bad = ~jnp.isfinite(values)
    bad = bad if kept is None else bad & kept[:, None]
    return checks.refuse(
        bad, lambda: f"{name} must be finite, got {checks.first(values, bad)}"
    )


def _checked(table):
    if len(jnp.shape(table)) != 2:
        raise ValueError(f"table must be [R, K], got shape {list(jnp.shape(table))}")
    return counts.total("table", table)


def _entropies(table):
    """I, H(C), H(K), and whether there are several classes, and several clusters."""
    table, n = _checked(table)
    joint, a, b = table / n, table.sum(1) / n, table.sum(0) / n

    def entropy(p):
        return -(p * jnp.log(jnp.where(p == 0, 1, p))).sum()

    expected = a[:, None] * b[None]
    ratio = jnp.where(joint == 0, 1, joint) / jnp.where(joint == 0, 1, expected)
    information = jnp.maximum((joint * jnp.log(ratio)).sum(), 0)  # less by rounding
    several = ((a != 0).sum() > 1, (b != 0).sum() > 1)
    return information, entropy(a), entropy(b), *several


def _share(information, entropy, several):
    """I / H, and 1 where H = 0."""
    share = information / jnp.where(several, entropy, 1)
    return jnp.where(several, share, 1 + 0 * share)
