"""A flow as a picture: direction is hue, length is saturation.

Around the wheel stand 55 colours, in which neighbours look about equally far apart:

    red -15- yellow -6- green -4- cyan -11- blue -13- magenta -6- red

    angle      a = atan2(-v, -u) / pi in [-1, 1],  at the colour 54 (a + 1) / 2
    length     r = |(u, v)| / longest;  1 - r (1 - colour) to r = 1, beyond 3/4 colour

No motion is white; to the right is red, down yellow, left cyan, up blue-violet.
Between two colours it is linear. The authors' program cuts colours to whole bytes,
on the wheel and in the picture; here they are exact, so that the two differ by up to
two 255ths.

Shapes: H height, W width.

References:
    Baker, Scharstein, Lewis, Roth, Black and Szeliski, "A database and evaluation
    methodology for optical flow", ICCV 2007 and IJCV 92, 2011,
    https://vision.middlebury.edu/flow/ (colorcode.cpp)
"""

import jax
import jax.numpy as jnp
import numpy as np

# How many colours lead from each corner to the next: from red to yellow 15, and so on.
STEPS = (15, 6, 4, 11, 13, 6)
CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1))


def color_wheel() -> jax.Array:
    """The 55 colours, red first.

    Returns:
        Red, green and blue in [0, 1], float32 or, where that is enabled, float64,
        [55, 3].
    """
    corners = np.array((*CORNERS, CORNERS[0]), float)
    wheel = [
        corners[i] + (corners[i + 1] - corners[i]) * k / steps
        for i, steps in enumerate(STEPS)
        for k in range(steps)
    ]
    return jnp.asarray(np.array(wheel))


def flow_to_color(flow: jax.Array, longest: float | None = None) -> jax.Array:
    """The picture of a flow by the colour wheel.

    Args:
        flow: (u, v), u to the right and v down, floats [H, W, 2]; what is not finite
            is unknown.
        longest: the length that is drawn in full colour; None for the longest known.

    Returns:
        Red, green and blue in [0, 1], [H, W, 3]; black where the flow is unknown.

    Raises:
        ValueError: a flow that is not floats [H, W, 2]; longest not above 0.
    """
    floating = jnp.issubdtype(flow.dtype, jnp.floating)
    if flow.ndim != 3 or flow.shape[2] != 2 or not floating:
        raise ValueError(f"flow must be floats [H, W, 2]: {flow.dtype} {flow.shape}")
    if longest is not None and longest <= 0:
        raise ValueError(f"longest must be above 0, got {longest}")
    known = jnp.isfinite(flow).all(-1)
    # Where there is no direction, one is put in, so that the slope is finite there too.
    moving = known & (flow != 0).any(-1)
    u = jnp.where(moving, flow[..., 0], 1)
    v = jnp.where(moving, flow[..., 1], 0)
    length = jnp.where(moving, jnp.sqrt(u * u + v * v), 0)
    if longest is None:
        top = length.max()
        longest = jnp.where(top > 0, top, 1)
    length = length / longest
    wheel = color_wheel().astype(flow.dtype)
    place = (jnp.arctan2(-v, -u) / jnp.pi + 1) / 2 * (len(wheel) - 1)
    below = jnp.floor(place).astype(jnp.int32)
    share = (place - jnp.floor(place))[..., None]
    color = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]
    inner = 1 - length[..., None] * (1 - color)
    color = jnp.where(length[..., None] <= 1, inner, 0.75 * color)
    return jnp.where(known[..., None], color, 0)
