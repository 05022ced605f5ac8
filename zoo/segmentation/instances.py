"""From regions to single objects: components, and a watershed where objects touch.

    components   pixels that a path inside the mask joins have one number
    watershed    from markers, numbers spread over the pixels of a mask in the order of
                 their height: on level 0 first, ring by ring, until no pixel of that
                 level is reached; then on level 1 too; and so on. A pixel takes the
                 number of the neighbour that had one first.
    split        heights: minus how deep a pixel lies inside the mask
                 markers: where that depth, smoothed, is largest nearby

All of it is whole-image operations of static shape inside `while_loop`. Components run
in rounds: each pixel takes the least index seen beside it, then the index that this one
has itself taken, so that the rounds are few however long a path winds.

Differs from scikit-image: heights are rounded to levels, and of two neighbours that had
their numbers in one ring the lower number is taken; there the earlier in its queue.

Shapes: H height, W width, D and G objects at most.

References:
    Vincent and Soille, "Watersheds in digital spaces: an efficient algorithm based on
    immersion simulations", PAMI 1991, https://doi.org/10.1109/34.87344
    Meyer, "Topographic distance and watershed lines", Signal Processing 1994,
    https://doi.org/10.1016/0165-1684(94)90060-4
"""

import jax
import jax.numpy as jnp

from zoo.segmentation.borders import distances

SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def components(mask: jax.Array, diagonal: bool = False) -> jax.Array:
    """Numbers of the parts that hang together.

    Args:
        mask: bool, [H, W].
        diagonal: pixels that share a corner hang together too.

    Returns:
        int32 [H, W]: 0 outside, parts from 1 in the order of their first pixels.

    Raises:
        ValueError: a mask that is not [H, W].
    """
    _flat("mask", mask)
    mask = jnp.asarray(mask, bool)
    none = mask.size
    index = jnp.arange(none, dtype=jnp.int32).reshape(mask.shape)
    steps = SIDES + (CORNERS if diagonal else ())

    def take(carry):
        root, _ = carry
        least = root
        for step in steps:
            least = jnp.minimum(least, _moved(root, step, none))
        least = jnp.where(mask, least, none)
        further = jnp.append(least.reshape(-1), none)[least]
        return further, (further != root).any()

    start = jnp.where(mask, index, none), jnp.bool_(True)
    root, _ = jax.lax.while_loop(lambda carry: carry[1], take, start)
    number = jnp.cumsum((root == index).reshape(-1), dtype=jnp.int32)
    return jnp.where(mask, jnp.append(number, 0)[root], 0)


def watershed(
    height: jax.Array, markers: jax.Array, mask: jax.Array, levels: int = 64
) -> jax.Array:
    """Numbers of markers, spread over a mask from low to high.

    Args:
        height: floats, [H, W].
        markers: int [H, W]: numbers from 1, 0 where there is none.
        mask: bool, [H, W]: the pixels that may have a number.
        levels: to which heights inside the mask are rounded, at least 1.

    Returns:
        int32 [H, W]; 0 outside of the mask, and where no marker can come.

    Raises:
        ValueError: arrays of several shapes; fewer levels than one.
    """
    _flat("height", height)
    if height.shape != markers.shape or height.shape != mask.shape or levels < 1:
        raise ValueError(
            "height, markers and mask must be of one shape, and levels from 1, got "
            f"{height.shape}, {markers.shape}, {mask.shape} and {levels}"
        )
    mask = jnp.asarray(mask, bool)
    low = jnp.where(mask, height, jnp.inf).min()
    high = jnp.where(mask, height, -jnp.inf).max()
    share = (height - low) / jnp.where(high > low, high - low, 1)
    level = jnp.round(share * (levels - 1)).astype(jnp.int32)
    late = jnp.iinfo(jnp.int32).max
    number = jnp.where(mask, jnp.maximum(markers, 0), 0).astype(jnp.int32)

    def ring(carry):
        now, time, number, came = carry
        first, taken = jnp.full_like(came, late), number
        for step in SIDES:
            at, of = _moved(came, step, late), _moved(number, step, 0)
            better = (at < first) | ((at == first) & (of < taken))
            first, taken = jnp.where(better, at, first), jnp.where(better, of, taken)
        new = mask & (number == 0) & (level <= now) & (first < late)
        number, came = jnp.where(new, taken, number), jnp.where(new, time, came)
        # Nothing more on this level: the next.
        return jnp.where(new.any(), now, now + 1), time + 1, number, came

    # A marker is as late as its level: who is beside two takes that of the lower.
    came = jnp.where(number > 0, level - levels, late)
    start = jnp.int32(0), jnp.int32(0), number, came
    return jax.lax.while_loop(lambda carry: carry[0] < levels, ring, start)[2]


def peaks(x: jax.Array, reach: int, least: float = 0.0) -> jax.Array:
    """Where a map is nowhere larger nearby.

    Args:
        x: floats, [H, W].
        reach: how many pixels to each side are nearby, at least 1.
        least: peaks must be above.

    Returns:
        bool [H, W]; pixels of a plateau that is largest are all peaks.

    Raises:
        ValueError: a map that is not [H, W]; a reach below 1.
    """
    _flat("x", x)
    if reach < 1:
        raise ValueError(f"reach must be from 1, got {reach}")
    window, none = (2 * reach + 1,) * 2, jnp.asarray(-jnp.inf, x.dtype)
    largest = jax.lax.reduce_window(x, none, jax.lax.max, window, (1, 1), "SAME")
    return (x == largest) & (x > least)


def split(
    mask: jax.Array, sigma: float = 1.5, reach: int = 3, levels: int = 64
) -> jax.Array:
    """Objects of a mask that may touch, told apart by how deep they are.

    Args:
        mask: bool, [H, W].
        sigma: deviation of the Gaussian that smooths the depth, in pixels.
        reach: two peaks of depth are so far apart at least.
        levels: of the watershed.

    Returns:
        int32 [H, W]: 0 outside, objects from 1.

    Raises:
        ValueError: a mask that is not [H, W]; numbers out of range.
    """
    _flat("mask", mask)
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    mask = jnp.asarray(mask, bool)
    # Beyond the image it is not known whether an object ends: it does not.
    depth = jnp.where(mask, jnp.minimum(distances(~mask), sum(mask.shape)), 0)
    depth = _smoothed(depth, sigma)
    # Without a plateau: one of equal depths would be several markers.
    markers = components(peaks(jnp.where(mask, depth, 0), reach), diagonal=True)
    return watershed(-depth, markers, mask, levels)


def instance_iou(found: jax.Array, truth: jax.Array, d: int, g: int) -> jax.Array:
    """How much of what two objects cover both cover, for all pairs.

    Args:
        found: int [H, W], 0 the background, objects from 1.
        truth: likewise.
        d: D; higher numbers of `found` do not count.
        g: G; likewise of `truth`.

    Returns:
        float32 [D, G], for objects 1 to D and 1 to G; 0 for those that are not there.

    Raises:
        ValueError: images of two sizes; D or G below 1.
    """
    _flat("found", found)
    if found.shape != truth.shape or d < 1 or g < 1:
        raise ValueError(
            "found and truth must be of one size, d and g from 1, got "
            f"{found.shape}, {truth.shape}, {d} and {g}"
        )
    a = jnp.where((found < 0) | (found > d), d + 1, found).reshape(-1)
    b = jnp.where((truth < 0) | (truth > g), g + 1, truth).reshape(-1)
    both = jnp.zeros((d + 2, g + 2), jnp.float32).at[a, b].add(1)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return (both / jnp.maximum(either, 1))[1:-1, 1:-1]


def _smoothed(x, sigma):
    """By a Gaussian along both axes, the border's pixels repeated."""
    reach = int(3 * sigma + 1)
    at = jnp.arange(-reach, reach + 1, dtype=x.dtype)
    weight = jnp.exp(-(at**2) / (2 * sigma**2))
    weight = weight / weight.sum()
    for axis in (0, 1):
        at = jnp.arange(x.shape[axis])
        near = [jnp.clip(at + i, 0, len(at) - 1) for i in range(-reach, reach + 1)]
        x = sum(w * jnp.take(x, i, axis) for w, i in zip(weight, near, strict=True))
    return x


def _moved(x, step, fill):
    """The neighbour of each pixel, `fill` beyond the image; [H, W] -> [H, W]."""
    padded = jnp.pad(x, 1, constant_values=fill)
    rows, columns = (
        slice(1 + s, 1 + s + n) for s, n in zip(step, x.shape, strict=True)
    )
    return padded[rows, columns]


def _flat(name, x):
    if jnp.ndim(x) != 2 or 0 in jnp.shape(x):
        raise ValueError(f"{name} must be [H, W] with pixels, got {jnp.shape(x)}")
