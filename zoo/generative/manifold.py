"""Editing on the image manifold: pictures are moved by moving their latents.

    project   z* = argmin over z of  |G(z) - x|^2 + pull |z|^2
    edit      z' = argmin over z of  |G(z) - c|^2 where strokes of colour are
                                     + edges |step G(z) - e|^2 where edges are drawn
                                     + pull |z - z0|^2,   from z = z0

Each |.|^2 is a mean: of a picture's values, of those that a mask holds, of the latents.
step x is the differences of a pixel and the one to its right, and the one below.
Both descend by gradients of z, each picture for itself; where that begins decides where
it ends, and an encoder's guess is the best start (`hybrid` of the paper).

With a linear G all of it is least squares, which tests hold it to.

Between two latents of a normal prior lies the arc, not the chord: in the middle of the
chord latents are shorter than any that G has learned from.

    spherical   sin((1 - t) w) / sin w  a  +  sin(t w) / sin w  b,   w their angle

Differs from the paper: edges are differences of pixels in the place of histograms of
oriented gradients, and no discriminator is asked during an edit.

Shapes: B pictures, Z latents, H height, W width, C channels.

References:
    Zhu, Krahenbuhl, Shechtman and Efros, "Generative visual manipulation on the natural
    image manifold", ECCV 2016, https://arxiv.org/abs/1609.03552
    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985,
    https://doi.org/10.1145/325334.325242
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.generative.gan_losses import each

Generate = Callable[[jax.Array], jax.Array]


class Strokes(NamedTuple):
    """What is drawn onto pictures."""

    colour: jax.Array  # c, [B, H, W, C]
    painted: jax.Array  # where, from 0 to 1, [B, H, W, 1]
    steps: jax.Array  # e, [B, H, W, 2 C], as of `steps_of`
    drawn: jax.Array  # where, from 0 to 1, [B, H, W, 1]


def project(
    generate: Generate,
    x: jax.Array,
    z: jax.Array,
    optimizer: optax.GradientTransformation,
    steps: int,
    pull: jax.Array | float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Latents of pictures.

    Args:
        generate: G, [B, Z] -> [B, H, W, C], each for itself.
        x: pictures, [B, H, W, C].
        z: where to begin, [B, Z].
        optimizer: any whose step of a number is by that number alone, or row.
        steps: of it, 0 at least.
        pull: towards 0; a number, or one for each picture [B].

    Returns:
        Latents [B, Z], and what was minimized, before each step, [steps, B].

    Raises:
        ValueError: shapes that do not fit; a negative number of steps or pull.
    """
    _check(generate, z, x.shape, pull, steps)
    target = {"x": x, "pull": _column(pull, z)}

    def energy(z, target):
        apart = each(jnp.square(generate(z) - target["x"]))
        return apart + each(target["pull"] * jnp.square(z))

    return _descend(energy, z, target, optimizer, steps)


def edit(
    generate: Generate,
    strokes: Strokes,
    z: jax.Array,
    optimizer: optax.GradientTransformation,
    steps: int,
    pull: jax.Array | float = 0.1,
    edges: float = 1.0,
) -> tuple[jax.Array, jax.Array]:
    """Latents of pictures that follow strokes and stay near to what they were.

    Args:
        generate: G, as for `project`.
        strokes: what is drawn.
        z: latents of the pictures as they are, [B, Z].
        optimizer: as for `project`.
        steps: of it, 0 at least.
        pull: towards z; a number, or one for each picture [B].
        edges: weight of the edges, >= 0.

    Returns:
        As `project`.

    Raises:
        ValueError: shapes that do not fit; a number below 0.
    """
    if not edges >= 0:
        raise ValueError(f"edges must be >= 0, got {edges}")
    _check(generate, z, strokes.colour.shape, pull, steps)
    *place, channels = strokes.colour.shape
    shapes = ((*place, 1), (*place, 2 * channels), (*place, 1))
    for name, shape in zip(Strokes._fields[1:], shapes, strict=True):
        if getattr(strokes, name).shape != shape:
            raise ValueError(
                f"strokes.{name} must be {list(shape)}, got "
                f"{list(getattr(strokes, name).shape)}"
            )
    target = {"strokes": strokes, "start": z, "pull": _column(pull, z)}

    def energy(z, target):
        colour, edge = missed(generate(z), target["strokes"])
        back = each(target["pull"] * jnp.square(z - target["start"]))
        return colour + edges * edge + back

    return _descend(energy, z, target, optimizer, steps)


def missed(x: jax.Array, strokes: Strokes) -> tuple[jax.Array, jax.Array]:
    """How far pictures are from strokes: mean squared errors of colours and of edges.

    Args:
        x: pictures, [B, H, W, C].
        strokes: for each.

    Returns:
        Two arrays [B]; 0 where nothing is drawn.
    """
    colour = _within(jnp.square(x - strokes.colour), strokes.painted)
    return colour, _within(jnp.square(steps_of(x) - strokes.steps), strokes.drawn)


def steps_of(x: jax.Array) -> jax.Array:
    """What the next pixel to the right, and below, has more; 0 at the last.

    [B, H, W, C] -> [B, H, W, 2 C].
    """
    right = jnp.diff(x, axis=2, append=x[:, :, -1:])
    down = jnp.diff(x, axis=1, append=x[:, -1:])
    return jnp.concatenate([right, down], -1)


def spherical(a: jax.Array, b: jax.Array, t: jax.Array) -> jax.Array:
    """Points on the arc from a to b.

    Args:
        a, b: latents, [B, Z].
        t: from 0 to 1, [T].

    Returns:
        [T, B, Z]; the chord where a and b are parallel.

    Raises:
        ValueError: shapes that do not fit.
    """
    if a.ndim != 2 or a.shape != b.shape or t.ndim != 1:
        raise ValueError(
            f"a and b must be [B, Z] and t [T], got {list(a.shape)}, {list(b.shape)} "
            f"and {list(t.shape)}"
        )
    length = lambda z: jnp.linalg.norm(z, axis=1, keepdims=True)
    cosine = (a * b).sum(1, keepdims=True) / jnp.maximum(length(a) * length(b), 1e-12)
    w = jnp.arccos(jnp.clip(cosine, -1, 1))[None]  # [1, B, 1]
    t, flat = t[:, None, None], jnp.sin(w) < 1e-4
    sine = jnp.where(flat, 1, jnp.sin(w))
    of = lambda s: jnp.where(flat, s, jnp.sin(s * w) / sine)
    return of(1 - t) * a[None] + of(t) * b[None]


def _within(values, mask):  # [B, H, W, K], [B, H, W, 1] -> [B]
    count = mask.sum((1, 2, 3)) * values.shape[-1]
    return (values * mask).sum((1, 2, 3)) / jnp.where(count == 0, 1, count)


def _column(pull, z):  # number or [B] -> [B, 1]
    return jnp.broadcast_to(jnp.asarray(pull, z.dtype), (len(z),))[:, None]


def _descend(energy, z, target, optimizer, steps):
    """A loop of Python: convolutions in a compiled one are slow on a CPU."""

    def step(carry, target):
        z, opt_state = carry

        def total(z):
            energies = energy(z, target)
            return energies.sum(), energies

        grads, energies = jax.grad(total, has_aux=True)(z)
        updates, opt_state = optimizer.update(grads, opt_state, z)
        return (optax.apply_updates(z, updates), opt_state), energies

    carry, path = (z, optimizer.init(z)), []
    step = jax.jit(step)
    for _ in range(steps):
        carry, energies = step(carry, target)
        path.append(energies)
    return carry[0], jnp.stack(path) if path else jnp.zeros((0, len(z)), z.dtype)


def _check(generate: Any, z, shape, pull, steps):
    made = jax.eval_shape(generate, z).shape
    if z.ndim != 2 or made != shape:
        raise ValueError(
            f"pictures must be what generate makes of z {list(z.shape)}, "
            f"{list(made)}, got {list(shape)}"
        )
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps must be an integer >= 0, got {steps!r}")
    pull = jnp.asarray(pull)
    if pull.shape not in ((), (len(z),)) or not bool((pull >= 0).all()):
        raise ValueError(
            f"pull must be >= 0, a number or one for each of {len(z)} pictures, got "
            f"{pull}"
        )
