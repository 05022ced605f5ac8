"""Support vector machines: the classifier with the widest margin, through its dual.

For two classes s_n = 1, -1, f(x) = <w, phi(x)> + b and K = <phi, phi>:

    primal   min over w, b    P = |w|^2 / 2 + sum_n C_n xi_n
                              xi_n = max(0, 1 - s_n f(x_n))
    dual     max over alpha   D = sum_n alpha_n - |w|^2 / 2,   w = sum_n beta_n phi(x_n)
             0 <= alpha_n <= C_n,   sum_n beta_n = 0,   beta_n = s_n alpha_n

and f(x) = sum_n beta_n K(x_n, x) + b is a sum over the support vectors, alpha_n > 0.
`zoo.classical.lagrangian` says why, and has what can be read off a machine.

More classes, of which i < j are two:

    one_vs_one    K (K - 1) / 2 problems, of two classes each; f > 0 is a vote for i,
                  else for j; of the classes with most votes the first
    one_vs_rest   K problems; the greatest f

All problems are solved at once, by `jax.vmap`: a loop over pairs of examples is short
steps, whose costs are hardly higher for 45 problems than for one. For one_vs_one the
examples of a pair of classes are gathered first, padded to the largest pair by examples
with C_n = 0; where y is traced the sizes are not known, and each is padded to N.

What differs from LIBSVM: no shrinking and no cache of rows, since the Gram matrix is
held, in x's precision (LIBSVM: always in single); blocks (see `zoo.classical.smo`); of
equal candidates the first, not the last.
Two classes have f > 0 for class 1, as in scikit-learn.

Shapes: N examples, D features, K classes, P problems, Q queries. For two classes there
is no axis P.

References:
    Boser, Guyon and Vapnik, "A training algorithm for optimal margin classifiers",
    COLT 1992, https://doi.org/10.1145/130385.130401
    Cortes and Vapnik, "Support-vector networks", Machine Learning 1995,
    https://doi.org/10.1007/BF00994018
    Hsu and Lin, "A comparison of methods for multiclass support vector machines", IEEE
    Transactions on Neural Networks 2002, https://doi.org/10.1109/72.991427
    Chang and Lin, "LIBSVM: a library for support vector machines", ACM TIST 2011,
    https://doi.org/10.1145/1961189.1961199
"""

import functools
import numbers

import jax
import jax.numpy as jnp
import numpy as np

from optim.errors import check_count, check_range
from zoo.classical import checks, kernels, smo
from zoo.classical.lagrangian import SVM as SVM
from zoo.classical.lagrangian import complementary as complementary
from zoo.classical.lagrangian import duality_gap as duality_gap
from zoo.classical.lagrangian import machine
from zoo.classical.lagrangian import margin as margin
from zoo.classical.lagrangian import objectives as objectives
from zoo.classical.lagrangian import slack as slack
from zoo.classical.lagrangian import support as support
from zoo.classical.lagrangian import weights as weights
from zoo.errors import unknown
from zoo.learner import Learner

MULTICLASS = ("one_vs_one", "one_vs_rest")
ROWS = 4096  # queries whose kernels are held at a time


def fit(
    x: jax.Array,
    y: jax.Array,
    *,
    kernel: str = "rbf",
    C: float | jax.Array = 1.0,
    gamma: float | str | jax.Array = "scale",
    coef0: float | jax.Array = 0.0,
    degree: int = 3,
    multiclass: str = "one_vs_one",
    weight: jax.Array | None = None,
    classes: int | None = None,
    tolerance: float | jax.Array = 1e-3,
    gap: float | jax.Array = jnp.inf,
    steps: int = 10_000_000,
    block: int | None = None,
) -> SVM:
    """The whole way to the optimum, in one call.

    May be mapped over C, gamma, coef0, weight and y: 64 machines cost one call,

        jax.vmap(lambda C: svm.fit(x, y, C=C))(jnp.logspace(-2, 4, 64))

    and a fold that is left out has weight 0.

    Args:
        x: [N, D].
        y: labels 0 .. K-1, integers [N].
        kernel: "linear", "polynomial", "rbf" or "sigmoid", as in
            `zoo.classical.kernels`.
        C: the price of an example inside the margin, > 0.
        gamma: >= 0; "scale", 1 / (D var x), or "auto", 1 / D.
        coef0: of the polynomial and the sigmoid.
        degree: of the polynomial.
        multiclass: "one_vs_one" or "one_vs_rest".
        weight: C_n = C weight_n, [N], >= 0; None for ones.
        classes: K; None reads it off y.
        tolerance: done when the violation of the conditions of optimality is at most
            this, > 0; the outputs f are then right to about as much.
        gap: and when the duality gap P - D is at most this share of P, > 0.
        steps: pairs of examples to be changed in a problem, at most, >= 1.
        block: examples among which pairs are chosen, see `zoo.classical.smo`; None
            chooses. From N on, all.

    Returns:
        The machine. Its `violation` tells whether the tolerance was met: in float32 one
        below some 1e-6 of the greatest |f| cannot be.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; labels that are
            no integers from 0 to K-1, or of one class only; a class without examples of
            positive weight; an unknown kernel or scheme; a number out of range; y is
            traced, and no classes are given.
    """
    x, labels = checks.finite("x", x), checks.labels("y", y)
    if x.ndim != 2 or len(labels) != len(x):
        raise ValueError(
            f"x must be [N, D] and y [N], got {x.shape} and {labels.shape}"
        )
    if multiclass not in MULTICLASS:
        raise unknown("multiclass", multiclass, MULTICLASS)
    classes, most = _sizes(y, weight, classes)
    weight = jnp.ones_like(x[:, 0]) if weight is None else _weight(weight, x)
    C = check_range("C", C, 0, jnp.inf, "()")
    tolerance = check_range("tolerance", tolerance, 0, jnp.inf, "()")
    gap = check_range("gap", gap, 0, jnp.inf, "(]")
    steps, block = _counts(steps, block)
    shape = kernels.kernel(kernel, x, gamma, coef0, degree)
    C, tolerance, gap = (jnp.asarray(v).astype(x.dtype) for v in (C, tolerance, gap))
    options = (classes, multiclass, most, block)
    return _fit(x, labels, shape, C * weight, (tolerance, steps, gap), *options)


@functools.partial(jax.jit, static_argnums=(5, 6, 7, 8))
def _fit(x, y, kernel, upper, until, classes, multiclass, most, block):
    def one(x, signs, upper):
        problem = smo.dual(kernel, x, signs, upper, block)
        return smo.solve(problem, *until)

    codes = _codes(classes, multiclass)
    signs = jnp.asarray(codes, x.dtype)[..., y]  # [P, N]
    if classes == 2:
        beta, slopes, count = one(x, signs, upper)
    elif multiclass == "one_vs_rest":
        beta, slopes, count = jax.vmap(one, (None, 0, None))(x, signs, upper)
    else:
        # The examples of each pair of classes, and as many others as are missing.
        gather = lambda s: jnp.nonzero(s, size=most, fill_value=0)[0]
        at = jax.vmap(gather)(signs)  # [P, M]
        real = jnp.arange(most)[None] < (signs != 0).sum(1, keepdims=True)
        part = jnp.where(real, jnp.take_along_axis(signs, at, 1), 0)
        few = jax.vmap(one)(x[at], part, upper[at])
        back = jax.vmap(lambda at, v: jnp.zeros_like(x[:, 0]).at[at].add(v))
        beta, slopes = (back(at, jnp.where(part == 0, 0, v)) for v in few[:2])
        count = few[2]
    return machine(x, kernel, codes, signs, upper, beta, slopes, count)


def learner(
    C: float | jax.Array = 1.0,
    *,
    kernel: str = "rbf",
    gamma: float | str | jax.Array = "scale",
    coef0: float | jax.Array = 0.0,
    degree: int = 3,
    tolerance: float | jax.Array = 1e-3,
    pairs: int = 256,
    block: int | None = None,
    axis_name: str | None = None,
) -> Learner:
    """The dual for two classes, some pairs of examples at a time.

    A machine is made of its examples: init takes the first batch whole, and a step goes
    on with these, whatever its own batch. So each device makes the whole step.

    Args:
        C, kernel, gamma, coef0, degree, tolerance, block: as of `fit`.
        pairs: changed in a step, at most.
        axis_name: the axis over which a batch is split; only `evaluate` needs it.

    Returns:
        A learner without chance, whose state is an `SVM`. Its batches hold `x`, [N, D],
        `y`, 0 or 1, [N], and optionally `weight`, [N]. Metrics, before the step:
        `primal`, `dual`, `gap` and `violation`; `evaluate` gives `accuracy`.
        A step after `done` changes nothing.

    Raises:
        ValueError: an unknown kernel or a number out of range; at init as `fit`.
    """
    C = check_range("C", C, 0, jnp.inf, "()")
    tolerance = check_range("tolerance", tolerance, 0, jnp.inf, "()")
    pairs, block = _counts(pairs, block, "pairs")

    def init(key, batch):
        del key
        x, y = checks.finite("x", batch["x"]), checks.labels("y", batch["y"])
        _sizes(batch["y"], batch.get("weight"), 2)
        weight = _weight(batch["weight"], x) if "weight" in batch else 1
        signs = jnp.where(y > 0, 1, -1).astype(x.dtype)
        shape = kernels.kernel(kernel, x, gamma, coef0, degree)
        upper = jnp.broadcast_to(C * weight, signs.shape).astype(x.dtype)
        nothing, count = jnp.zeros_like(signs), jnp.zeros((), jnp.int32)
        x, slopes = jnp.array(x), jnp.array(signs)  # copies: the state is donated
        codes = _codes(2, None)
        return machine(x, shape, codes, signs, upper, nothing, slopes, count)

    def step(state, batch):
        del batch
        told = dict(zip(("primal", "dual"), objectives(state), strict=True))
        told |= {"gap": state.gap, "violation": state.violation}
        signs, upper = state.signs, state.upper
        problem = smo.dual(state.kernel, state.x, signs, upper, block)
        enough = jnp.asarray(tolerance).astype(state.x.dtype)
        beta, taken = problem.improve(state.beta, state.slopes, enough, pairs)
        slopes = jnp.where(taken > 0, signs - problem.times(beta), state.slopes)
        start = state.x, state.kernel, state.codes, signs, upper
        new = machine(*start, beta, slopes, state.steps + taken)
        one = jnp.ones_like(state.gap)
        return new, {name: (value, one) for name, value in told.items()}

    def evaluate(state, batch):
        found = _called(state, batch["x"])
        counts = batch.get("weight", jnp.ones_like(batch["x"][:, 0]))
        hits = jnp.where(found == batch["y"].astype(found.dtype), counts, 0)
        pair = hits.sum(), counts.sum()
        return {"accuracy": jax.lax.psum(pair, axis_name) if axis_name else pair}

    def done(state):
        return state.violation <= tolerance

    return Learner(init, step, evaluate, done)


def decision(state: SVM, x: jax.Array) -> jax.Array:
    """f, one for each problem.

    Args:
        state: of `fit` or of the learner.
        x: [Q, D].

    Returns:
        [Q], above 0 for class 1; of more classes [Q, P]: one_vs_rest in their order,
        one_vs_one for (0, 1), (0, 2), ..., (1, 2), ..., above 0 for the first of each.

    Raises:
        ValueError: x that is not [Q, D] with the examples' D, or not finite.
    """
    return _values(state, _queries(state, x))


def predict(state: SVM, x: jax.Array) -> jax.Array:
    """The class of each query, int32 [Q].

    Args:
        state: of `fit` or of the learner.
        x: [Q, D].

    Raises:
        ValueError: as `decision`.
    """
    return _called(state, _queries(state, x))


def score(state: SVM, x: jax.Array, y: jax.Array) -> jax.Array:
    """The share of examples that are called by their class.

    Args:
        state: of `fit` or of the learner.
        x: [Q, D].
        y: integers, [Q].

    Raises:
        ValueError: as `decision`; y is not [Q].
    """
    found, y = predict(state, x), jnp.asarray(y)
    if y.shape != found.shape:
        raise ValueError(f"y must be of shape {found.shape}, got {y.shape}")
    return jnp.mean((found == y.astype(found.dtype)).astype(state.x.dtype))


def _codes(classes, multiclass):  # [P, K]; [K] for two classes
    if classes == 2:
        return np.array([-1, 1])
    one = np.eye(classes, dtype=int)
    if multiclass == "one_vs_rest":
        return 2 * one - 1
    first, second = np.triu_indices(classes, 1)
    return one[first] - one[second]


@jax.jit
def _values(state, x):
    def some(x):
        values = kernels.gram(state.kernel, x, state.x) @ state.beta.T  # [Q] or [Q, P]
        return values + jnp.broadcast_to(state.intercept, values.shape)

    if len(x) <= ROWS:
        return some(x)
    return jax.lax.map(lambda point: some(point[None])[0], x, batch_size=ROWS)


@jax.jit
def _called(state, x):
    values, codes = _values(state, x), state.codes
    if codes.ndim == 1:
        return (values >= 0).astype(jnp.int32)
    share = lambda calls, code: (
        calls.astype(values.dtype) @ (codes == code).astype(values.dtype)
    )
    votes = share(values > 0, 1) + share(values <= 0, -1)  # [Q, K]
    count = codes.shape[1]
    greatest = values[:, :count].argmax(-1)
    several = (codes == 0).any()  # one against the rest leaves no class out
    return jnp.where(several, votes.argmax(-1), greatest).astype(jnp.int32)


def _queries(state, x):
    x = checks.finite("x", x)
    if x.ndim != 2 or x.shape[1] != state.x.shape[1]:
        raise ValueError(f"x must be [Q, {state.x.shape[1]}], got {x.shape}")
    return x.astype(state.x.dtype)


def _weight(weight, x):
    weight = checks.finite("weight", weight)
    if weight.shape != x.shape[:1]:
        raise ValueError(f"weight must be [{len(x)}], got {weight.shape}")
    if not isinstance(weight, jax.core.Tracer) and weight.min() < 0:
        raise ValueError(f"weight must be >= 0, got {weight.min()}")
    return weight.astype(x.dtype)


def _sizes(y, weight, classes):
    """K, and the most examples of two classes (N where y cannot be read)."""
    if classes is not None and (
        isinstance(classes, bool)
        or not isinstance(classes, numbers.Integral)
        or classes < 2
    ):
        raise ValueError(f"classes must be an integer >= 2, got {classes!r}")
    if isinstance(y, jax.core.Tracer):
        if classes is None:
            raise ValueError("classes must be given where y is traced, got None")
        return int(classes), len(y)
    y = np.asarray(y)
    count = np.bincount(y, minlength=classes or 0)
    if classes is not None and len(count) > classes:
        raise ValueError(f"y must be labels from 0 to {classes - 1}, got {y.max()}")
    if not isinstance(weight, jax.core.Tracer):
        some = None if weight is None else np.asarray(weight) > 0
        if some is not None and some.shape != y.shape:
            raise ValueError(f"weight must be [{len(y)}], got {some.shape}")
        if not (own := np.bincount(y, some, len(count))).all():
            raise ValueError(
                "y must have examples of each class, of weight > 0, got none of class "
                f"{own.argmin()}"
            )
    return len(count), int(np.sort(count)[-2:].sum())


def _counts(count, block, name="steps"):
    count = check_count(name, count)
    return count, None if block is None else check_count("block", block, 2)
