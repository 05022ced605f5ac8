"""Iteratively reweighted least squares: Newton's method for logistic regression.

    min over u   sum_n c_n (-log P(y_n | x_n)) + alpha |w|^2 / 2

with u = (w, b), a column of ones in X, and for two classes p = sigmoid(X u):

    g = X^T [c (p - y)] + alpha w
    H = X^T diag(c p (1 - p)) X + alpha           b, the last of u, is not penalised
    u = u - a H^+ g                               a by a line search (Armijo)

for K classes p = softmax(X U), and H has blocks X^T diag(c p_k (delta_kl - p_l)) X.
The step solves a least-squares problem whose weights p (1 - p) change with u, hence the
name. All of it is divided by sum c, also what the tolerance bounds.

The pseudo-inverse, taken where H has a diagonal of ones, leaves alone what does not
matter: features without variance if alpha = 0, and for K classes the mean over the
classes, which is kept at 0.

X^T X and X^T p are sums over examples: with `axis_name` each device adds its own.

Shapes: B examples, D features, K classes, M = D + 1 or (D + 1) K unknowns.

References:
    Green, "Iteratively reweighted least squares for maximum likelihood estimation",
    JRSS B 1984, https://doi.org/10.1111/j.2517-6161.1984.tb01288.x
    Bishop, "Pattern recognition and machine learning", 2006, Sections 4.3.3, 4.3.4
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from optim.errors import check_range
from optim.line_search import search_along
from zoo.functional.losses import binary_cross_entropy, cross_entropy
from zoo.learner import Learner, Pair


class IRLSState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    weights: jax.Array  # w, [D] for two classes, else [D, K]
    intercept: jax.Array  # b, [] or [K]
    gradient_norm: jax.Array  # |g| / N before the last step; inf at first


def learner(
    classes: int,
    alpha: float | jax.Array = 1.0,
    tolerance: float = 1e-5,
    axis_name: str | None = None,
) -> Learner:
    """Logistic regression with an l2 penalty, by Newton's method.

    Args:
        classes: K, >= 2.
        alpha: >= 0.
        tolerance: done when the norm of the gradient was at most this, > 0, before the
            last step; the point then stays.
        axis_name: the parallel axis over which sums over examples are added up.

    Returns:
        A learner without chance. Its batches hold `x`, [B, D], `y`, integers [B], and
        optionally `weight`, [B]. Metrics: `loss`, the cross-entropy before the step;
        `gradient_norm`, likewise; `step_size` (0 where the point stays). `evaluate`
        gives `loss` and `accuracy`.

    Raises:
        ValueError: classes, alpha or the tolerance is out of range.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError(f"classes must be an integer >= 2, got {classes!r}")
    alpha = check_range("alpha", alpha, 0, jnp.inf)
    tolerance = check_range("tolerance", tolerance, 0, jnp.inf, "()")
    binary = classes == 2

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def done(state):
        return state.gradient_norm <= tolerance

    def init(key, batch):
        del key
        x = batch["x"]
        shape = () if binary else (classes,)
        return IRLSState(
            step=jnp.zeros((), jnp.int32),
            weights=jnp.zeros((x.shape[1], *shape), x.dtype),
            intercept=jnp.zeros(shape, x.dtype),
            gradient_norm=jnp.full((), jnp.inf, x.dtype),
        )

    def step(state, batch):
        x = jnp.concatenate([batch["x"], jnp.ones_like(batch["x"][:, :1])], axis=1)
        u = jnp.concatenate([state.weights, state.intercept[None]])  # [D + 1(, K)]
        z = x @ u
        each = batch.get("weight", jnp.ones_like(x[:, 0]))
        value, pull = jax.value_and_grad(lambda z: loss(z, batch)[0])(z)
        sums = (value, each.sum(), x.T @ pull, _curvature(x, z, each))
        value, n, g, H = total(sums)
        n = jnp.where(n == 0, 1, n)
        strength = jnp.asarray(alpha).astype(x.dtype) / n
        # The intercept, the last row of u, is not penalised.
        decay = strength * jnp.ones_like(u).at[-1].set(0)  # [D + 1(, K)]
        g = g / n + decay * u
        H = H / n + jnp.diag(decay.ravel())
        norm = jnp.linalg.norm(g)
        p = _direction(H, g.ravel()).reshape(u.shape)
        dz = x @ p

        def phi(a):
            of = lambda a: loss(z + a * dz, batch)[0]
            value, slope = total(jax.jvp(of, (a,), (jnp.ones_like(a),)))
            v = u + a * p
            value = value / n + jnp.sum(decay * v**2) / 2
            return value, slope / n + jnp.sum(decay * v * p)

        a = search_along("armijo", phi, jnp.ones((), x.dtype))
        a = jnp.where(done(state), 0, a)
        u = u + a * p
        if not binary:
            u = u - u.mean(1, keepdims=True)
        one = jnp.ones_like(norm)
        state = IRLSState(
            step=state.step + 1, weights=u[:-1], intercept=u[-1], gradient_norm=norm
        )
        told = {"loss": (value, n), "gradient_norm": (norm, one), "step_size": (a, one)}
        return state, told

    def evaluate(state, batch):
        z = batch["x"] @ state.weights
        z = z + jnp.broadcast_to(state.intercept, z.shape)
        each = batch.get("weight", jnp.ones_like(batch["x"][:, 0]))
        hits = jnp.where(called(z, binary) == batch["y"], each, 0)
        return total({"loss": loss(z, batch), "accuracy": (hits.sum(), each.sum())})

    return Learner(init, step, evaluate, done)


def loss(z: jax.Array, batch: dict[str, jax.Array]) -> Pair:
    """Cross-entropy as a pair, of log odds, [B], or of logits, [B, K]."""
    if z.ndim == 1:
        return binary_cross_entropy(z, {**batch, "y": batch["y"].astype(z.dtype)})
    return cross_entropy(z, batch)


def _curvature(x, z, weight):  # [N, D + 1], [N] or [N, K], [N] -> [M, M]
    """The Hessian of the loss; unknowns in the order of u.ravel()."""
    if z.ndim == 1:
        p = jax.nn.sigmoid(z)
        return x.T @ ((weight * p * jax.nn.sigmoid(-z))[:, None] * x)
    n, k = z.shape
    p = jax.nn.softmax(z)
    weighted = x[:, :, None] * (weight[:, None] * p)[:, None]  # [N, D + 1, K]
    other = (x[:, :, None] * p[:, None]).reshape(n, -1).T @ weighted.reshape(n, -1)
    own = jnp.einsum("nik,nj->ikj", weighted, x)[..., None]
    own = own * jnp.eye(k, dtype=x.dtype).reshape(1, k, 1, k)  # [D + 1, K, D + 1, K]
    return own.reshape(other.shape) - other


def _direction(H, g):
    """-H^+ g, in units in which H has a diagonal of ones."""
    diagonal = jnp.diag(H)
    scale = jnp.where(diagonal > 0, diagonal, 1) ** -0.5
    values, vectors = jnp.linalg.eigh(scale[:, None] * H * scale[None])
    kept = values > len(g) * jnp.finfo(H.dtype).eps * values[-1]
    inverse = jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)
    return -scale * (vectors @ (inverse * (vectors.T @ (scale * g))))


def called(z: jax.Array, binary: bool) -> jax.Array:
    """The likeliest class, int32, by log odds or by logits."""
    return (z > 0).astype(jnp.int32) if binary else z.argmax(-1).astype(jnp.int32)
