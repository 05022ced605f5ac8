"""Classical learners against scikit-learn: same data, same start, same objective.

Both sides take the same float32 arrays, and what they find is compared before anything
is timed: an objective, the answers themselves, or how many of them are right. How the
rows are measured: `benchmarks.rows`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from benchmarks.results import Figure
from benchmarks.rows import Row, Sides, compare, relative
from zoo.classical import (
    affinities,
    forest,
    kmeans,
    lasso,
    logistic,
    mixture,
    neighbors,
    pca,
    sne,
    sne_exact,
    sne_interpolation,
    svm,
)

MANY = 64  # starts or strengths in one call


def blobs(n: int, features: int, centres: int, spread: float = 1.0) -> np.ndarray:
    """Points about centres in a cube, float32 [n, features]."""
    rng = np.random.default_rng(0)
    middles = rng.uniform(-3, 3, (centres, features))
    noise = spread * rng.normal(size=(n, features))
    return (middles[rng.integers(0, centres, n)] + noise).astype(np.float32)


def _kmeans(n):
    from sklearn.cluster import KMeans

    x = blobs(n, 32, 50, spread=2.0)
    start, placed = x[:50], jnp.asarray(x)
    forced = dict(start=jnp.asarray(start), starts=1, steps=20, tolerance=0.0)
    theirs = KMeans(50, init=start, n_init=1, max_iter=20, tol=0)
    return Sides(
        lambda: kmeans.fit(jax.random.key(0), placed, 50, **forced).inertia,
        lambda: theirs.fit(x).inertia_,
        lambda a, b: abs(a - b) / b,
    )


def _starts(n):
    from sklearn.cluster import KMeans

    x = _digits(n)
    placed = jnp.asarray(x)
    theirs = KMeans(10, n_init=MANY, max_iter=100, tol=0, random_state=0)
    forced = dict(starts=MANY, steps=100, tolerance=0.0)
    return Sides(
        lambda: kmeans.fit(jax.random.key(0), placed, 10, **forced).inertia,
        lambda: theirs.fit(x).inertia_,
        relative,
    )


def _neighbors(n):
    from sklearn.neighbors import NearestNeighbors

    x, queries = blobs(n, 64, 50), blobs(n + n // 4, 64, 50)[n:]
    base, asked = jnp.asarray(x), jnp.asarray(queries)
    theirs = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(x)
    return Sides(
        lambda: neighbors.kneighbors(base, asked, 5)[1],
        lambda: theirs.kneighbors(queries)[1],
        lambda a, b: np.mean(np.asarray(a) != b),
    )


def _pca(n):
    from sklearn.decomposition import PCA

    x = blobs(n, 128, 50)
    placed = jnp.asarray(x)
    ours = jax.jit(lambda x: pca.fit(x, 32, method="eigen"))
    theirs = PCA(32)  # which takes the eigenvectors of the covariance too, at this size
    return Sides(
        lambda: ours(placed).variance,
        lambda: theirs.fit(x).explained_variance_,
        lambda a, b: np.max(np.abs(np.asarray(a) - b) / b),
    )


def _mixture(n):
    from sklearn.mixture import GaussianMixture

    x = blobs(n, 16, 10, spread=2.0)
    means, placed = jnp.asarray(x[:10]), jnp.asarray(x)
    forced = dict(tolerance=0.0, means=means)
    first = mixture.learner(10, **forced).init(jax.random.key(0), {"x": placed})
    weights = np.asarray(first.weights, np.float64)
    theirs = GaussianMixture(
        10,
        tol=0,
        max_iter=20,
        weights_init=weights / weights.sum(),
        means_init=np.asarray(first.means),
        precisions_init=np.linalg.inv(np.asarray(first.covariances, np.float64)),
    )

    def fit():
        return theirs.fit(x).lower_bound_

    return Sides(
        lambda: (
            mixture.fit(
                jax.random.key(0), placed, 10, steps=20, **forced
            ).log_likelihood
        ),
        fit,
        lambda a, b: abs(a - b) / abs(b),
    )


def _regression(n, features):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, features)).astype(np.float32)
    w = rng.normal(size=features) * (rng.uniform(size=features) < 0.2)
    y = (x @ w + rng.normal(size=n)).astype(np.float32)
    return x, y


def _objective(x, y, w, b, alpha):
    rest = y.astype(np.float64) - x @ np.asarray(w, np.float64) - float(b)
    return (rest**2).mean() / 2 + alpha * np.abs(w).sum()


def _lasso(n):
    from sklearn.linear_model import Lasso

    x, y = _regression(n, 200)
    places = jnp.asarray(x), jnp.asarray(y)
    theirs = Lasso(0.05, tol=1e-6)

    def fit():
        theirs.fit(x, y)
        return theirs.coef_, theirs.intercept_

    value = lambda found: _objective(x, y, *found, 0.05)
    return Sides(
        lambda: lasso.lasso(*places, 0.05, tolerance=1e-5)[:2],
        fit,
        lambda a, b: relative(value(a), value(b)),
    )


def _strengths(n):
    from sklearn.linear_model import Lasso

    x, y = _regression(n, 50)
    places, alphas = (jnp.asarray(x), jnp.asarray(y)), np.geomspace(1e-3, 1, MANY)
    one = lambda alpha, x, y: lasso.lasso(x, y, alpha, tolerance=1e-5)[:2]
    ours = jax.jit(jax.vmap(one, (0, None, None)))
    placed = jnp.asarray(alphas, jnp.float32)

    def fit():
        found = [Lasso(alpha, tol=1e-6).fit(x, y) for alpha in alphas]
        return np.array([f.coef_ for f in found]), [f.intercept_ for f in found]

    def apart(a, b):
        pairs = zip(alphas, *map(np.asarray, (*a, *b)), strict=True)
        value = functools.partial(_objective, x, y)
        return max(
            relative(value(w, c, alpha), value(v, d, alpha))
            for alpha, w, c, v, d in pairs
        )

    return Sides(lambda: ours(placed, *places), fit, apart)


def _logistic(n):
    from sklearn.linear_model import LogisticRegression

    x, scores = _regression(n, 20)
    y = (scores > 0).astype(np.int32)
    strengths = np.geomspace(1e-2, 1e2, MANY)
    one = lambda alpha, x, y: logistic.fit(x, y, alpha, classes=2, tolerance=1e-3)[:2]
    ours = jax.jit(jax.vmap(one, (0, None, None)))
    places = jnp.asarray(strengths, jnp.float32), jnp.asarray(x), jnp.asarray(y)

    def fit():
        made = (LogisticRegression(C=1 / a, tol=1e-3) for a in strengths)
        found = [model.fit(x, y) for model in made]
        return [f.coef_[0] for f in found], [f.intercept_[0] for f in found]

    def value(w, b, alpha):
        z = x.astype(np.float64) @ np.asarray(w, np.float64).ravel() + float(b)
        return np.logaddexp(0, np.where(y, -z, z)).sum() + alpha / 2 * (w**2).sum()

    def apart(a, b):
        pairs = zip(strengths, *map(np.asarray, (*a, *b)), strict=True)
        return max(
            relative(value(w, np.ravel(c)[0], s), value(v, d, s))
            for s, w, c, v, d in pairs
        )

    return Sides(lambda: ours(*places), fit, apart)


def _svm(n):
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 20)).astype(np.float32)
    y = np.int32(x[:, 0] * x[:, 1] + x[:, 2] + 0.5 * rng.normal(size=n) > 0)
    places = jnp.asarray(x), jnp.asarray(y)
    theirs = SVC(kernel="rbf", C=1.0, tol=1e-3, cache_size=1000)
    gamma = 1 / (20 * x.astype(np.float64).var())
    squares = (x.astype(np.float64) ** 2).sum(1)
    K = np.exp(-gamma * (squares[:, None] + squares - 2 * np.float64(x) @ x.T))

    def fit():
        theirs.fit(x, y)
        beta = np.zeros(n)
        beta[theirs.support_] = theirs.dual_coef_[0]
        return beta

    def missing(beta):  # - D
        beta = np.asarray(beta, np.float64)
        return beta @ K @ beta / 2 - np.abs(beta).sum()

    return Sides(
        lambda: svm.fit(*places, C=1.0, tolerance=1e-3).beta,
        fit,
        lambda a, b: relative(missing(a), missing(b)),
    )


def _tsne(x, method, kl):
    """Both maps of 1,000 steps from the same start; how far ours is above, by `kl`."""
    from sklearn.manifold import TSNE

    placed = jnp.asarray(x)
    theirs = TSNE(perplexity=30, init="pca", max_iter=1000, random_state=0, n_jobs=2)
    return Sides(
        lambda: sne.fit(jax.random.key(0), placed, method=method).positions,
        lambda: theirs.fit_transform(x),
        lambda a, b: relative(kl(jnp.asarray(a)), kl(jnp.asarray(b))),
    )


def _tsne_digits(n):
    x = _digits(n)
    batch = affinities.batch(jnp.asarray(x), 30.0)

    def kl(y):
        return sne_exact.objective(y, batch["p"], batch["plogp"])

    return _tsne(x, "exact", kl)


def _tsne_fashion(n):
    train = zoo.data.load("fashion_mnist").train
    x = np.float32(train["x"][:n]).reshape(n, -1) / 255
    batch = affinities.batch(jnp.asarray(x), 30.0, nearest=True)
    rest = *(batch[name] for name in ("p", "near", "row", "plogp")), 512

    def kl(y):
        return sne_interpolation.objective(y, *rest)

    return _tsne(x, "interpolation", kl)


def _digits(n):
    """The first n of the digits, from 0 to 1, float32 [n, 64]."""
    return (zoo.data.tabular("digits").x[:n] / 16).astype(np.float32)


def _forest(n):
    from sklearn.ensemble import RandomForestClassifier

    table = zoo.data.tabular("digits")
    x, y = np.float32(table.x), np.int32(table.y)
    rest, truth, x, y = x[1_400:], y[1_400:], x[:n], y[:n]
    places = jnp.asarray(x), jnp.asarray(y)
    key, placed = jax.random.key(0), jnp.asarray(rest)
    theirs = RandomForestClassifier(100, n_jobs=2, random_state=0)
    return Sides(
        lambda: forest.predict(forest.fit(key, *places, 100, num_classes=10), placed),
        lambda: theirs.fit(x, y).predict(rest),
        lambda a, b: max(0.0, np.mean(b == truth) - np.mean(a == truth)),
    )


def _forest_folds(n):
    from sklearn.ensemble import RandomForestClassifier

    table = zoo.data.tabular("iris")
    order = np.random.default_rng(0).permutation(len(table.x))[:n]
    x, y = np.float32(table.x[order]), np.int32(table.y[order])
    out = np.array([  # a third of the examples, by chance
        np.random.default_rng(k).permutation(n) < n // 3 for k in range(MANY)
    ])  # fmt: skip
    keys, weight = jax.random.split(jax.random.key(0), MANY), jnp.float32(~out)
    places = jnp.asarray(x), jnp.asarray(y)
    each = jax.jit(jax.vmap(forest.predict, (0, None)))

    def fit():
        found = np.zeros((MANY, n), int)
        for k, held in enumerate(out):
            theirs = RandomForestClassifier(10, random_state=k)
            found[k, held] = theirs.fit(x[~held], y[~held]).predict(x[held])
        return found

    def ours():
        options = dict(weight=weight, num_classes=3)
        return each(forest.fit(keys, *places, 10, **options), places[0])

    right = lambda called: np.mean((called == y)[out])
    return Sides(ours, fit, lambda a, b: max(0.0, right(b) - right(a)))


ROWS = {
    "kmeans": Row(
        "k-means, {n} x 32, 50 clusters, 20 rounds from the same start",
        *(_kmeans, 100_000, 1e-3),
    ),
    "kmeans_starts": Row(
        f"k-means of {{n}} digits, 10 clusters, the best of {MANY} starts",
        *(_starts, 1_796, 1e-2, 3.0),
    ),
    "neighbors": Row(
        "the 5 nearest of {n} x 64 to a quarter as many others",
        *(_neighbors, 20_000, 1e-3),
    ),
    "pca": Row("32 principal components of {n} x 128", *(_pca, 40_000, 1e-3)),
    "mixture": Row(
        "10 full Gaussians, {n} x 16, 20 rounds of EM from the same start",
        *(_mixture, 40_000, 1e-3),
    ),
    "lasso": Row("lasso, {n} x 200, alpha 0.05", *(_lasso, 40_000, 1e-4)),
    "lasso_strengths": Row(
        f"lasso, {{n}} x 50, {MANY} strengths in one call",
        *(_strengths, 8_000, 1e-4, 3.0),
    ),
    "logistic_strengths": Row(
        f"logistic regression, {{n}} x 20, {MANY} strengths in one call",
        *(_logistic, 2_000, 1e-3, 3.0),
    ),
    "svm": Row("a support vector machine, RBF, {n} x 20, C = 1", *(_svm, 2_000, 1e-3)),
    "tsne": Row(
        "t-SNE of {n} digits, 1,000 steps, every pair", *(_tsne_digits, 1_796, 0.05)
    ),
    "tsne_fashion": Row(
        "t-SNE of {n} images of Fashion-MNIST, 1,000 steps, by interpolation",
        *(_tsne_fashion, 10_000, 0.05, 1.0, 1),
    ),
    "forest": Row(
        "a forest of 100 trees on {n} digits, and what it says of 397 others",
        *(_forest, 1_400, 0.04),  # accuracies, which vary by chance
    ),
    "forest_folds": Row(
        f"{MANY} forests of 10 trees on parts of {{n}} irises, in one call",
        *(_forest_folds, 150, 0.04, 3.0),
    ),
}
NAMES = tuple(f"classical.{row}{kind}" for row in ROWS for kind in ("", ".growth"))


def measure(*names: str) -> list[Figure]:
    """Two figures for each row, or for each that is named."""
    return [
        figure
        for name in names or ROWS
        for figure in compare(
            f"classical.{name}", ROWS[name], "scikit-learn, all cores"
        )
    ]
