"""Augmentation: an example changed by chance in ways that leave its class as it is.

    crop      a window of h x w, each offset equally likely; padded first if so told
    flip      image[:, ::-1] with probability p
    shift     by (dy, dx), each uniform in [-m, m]
    rotation  by an angle uniform in [-m, m]
    PCA jitter  pixel + sum_k alpha_k l_k a_k,  alpha_k ~ N(0, deviation^2)
    colour jitter  brightness, contrast, saturation: f x + (1 - f) z with z = 0, the
              image's mean grey, the pixel's grey; f uniform in [1 - m, 1 + m]
    cutout    a square filled with a value; its centre is any pixel, equally likely
    mixup     x = lambda x_i + (1 - lambda) x_j, y likewise;
              lambda ~ Beta(alpha, alpha)

Each is a function of (key, image) for one example. Map it over a batch with a key for
each example:

    keys = example_keys(key, batch["index"])
    x = jax.vmap(random_flip)(keys, x)

Chance then belongs to the example, not to its place: cut over any number of devices
the batch is changed in the same way. Chance is drawn in float32 whatever the image is,
so it does not depend on the precision either. Sizes and ranges are static.

Where a mixup partner comes from must not depend on the devices: `mixup` is given it,
and `mixup_batch` draws a permutation of the whole batch from the step's key, the same
on every device, and fetches the partner from the device that holds it.

AlexNet's l_k and a_k are those of the 3x3 covariance of the training set's colours:
`principal_axes(pixels)` for pixels [N, 3]. The jitter grows with the square of the
pixels' unit, because l_k does; the paper's 0.1 suits pixels from 0 to 1.

Cutout's square has the size asked for, less what falls outside; the authors' program
cuts one row and one column less where the size is odd.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012, https://doi.org/10.1145/3065386 (section 4.1)
    DeVries and Taylor, "Improved regularization of convolutional neural networks with
    cutout", 2017, https://arxiv.org/abs/1708.04552
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization",
    ICLR 2018, https://arxiv.org/abs/1710.09412
"""

import jax
import jax.numpy as jnp

from zoo.functional.dropout import example_keys
from zoo.functional.rows import take_rows
from zoo.functional.warping import rotate, shift
from zoo.functional.whitening import PrincipalAxes

FLIPS = {"horizontal": 1, "vertical": 0}
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def random_crop(
    key: jax.Array,
    image: jax.Array,
    size: tuple[int, int],
    padding: int = 0,
    border: str = "zeros",
) -> jax.Array:
    """A window of the image, each offset equally likely.

    Args:
        key: of the example.
        image: of any dtype, [H, W, C].
        size: height and width of the window, h and w.
        padding: rows and columns added on each side before.
        border: what they hold: "zeros", "edge" or "reflect".

    Returns:
        [h, w, C].

    Raises:
        ValueError: no image; a window larger than the padded image or empty; padding
            below 0; a border that there is not.
    """
    _check_image(image)
    modes = {"zeros": "constant", "edge": "edge", "reflect": "reflect"}
    if border not in modes:
        raise ValueError(f"border must be one of {', '.join(modes)}, got {border!r}")
    if padding < 0:
        raise ValueError(f"padding must be 0 or more, got {padding}")
    most = [n + 2 * padding for n in image.shape[:2]]
    if len(size) != 2 or not all(1 <= s <= n for s, n in zip(size, most, strict=True)):
        raise ValueError(f"size must be two of 1 to {most} pixels, got {size}")
    pad = ((padding, padding), (padding, padding), (0, 0))
    image = jnp.pad(image, pad, mode=modes[border])
    top, left = _place(key, [n - s + 1 for n, s in zip(most, size, strict=True)])
    return jax.lax.dynamic_slice(
        image, (top, left, jnp.zeros_like(top)), (*size, image.shape[2])
    )


def random_flip(
    key: jax.Array,
    image: jax.Array,
    probability: float = 0.5,
    direction: str = "horizontal",
) -> jax.Array:
    """The image or, with a probability, its mirror image.

    Args:
        key: of the example.
        image: of any dtype, [H, W, C].
        probability: of the mirror image.
        direction: "horizontal" exchanges left and right, "vertical" top and bottom.

    Returns:
        [H, W, C].

    Raises:
        ValueError: no image; a probability outside [0, 1]; no such direction.
    """
    _check_image(image)
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be in [0, 1], got {probability}")
    if direction not in FLIPS:
        allowed = ", ".join(FLIPS)
        raise ValueError(f"direction must be one of {allowed}, got {direction!r}")
    mirrored = jnp.flip(image, FLIPS[direction])
    draw = jax.random.uniform(key, (), jnp.float32)
    return jnp.where(draw < probability, mirrored, image)


def random_shift(
    key: jax.Array, image: jax.Array, most: float, border: str = "zeros"
) -> jax.Array:
    """The image moved by fractions of pixels, as far as `most` in y and in x.

    Args:
        key: of the example.
        image: floats, [H, W, C].
        most: the largest shift, in pixels.
        border: what comes in: "zeros", "edge" or "reflect".

    Returns:
        [H, W, C].

    Raises:
        ValueError: no image of floats; most below 0; a border that there is not.
    """
    _check_floats(image)
    return shift(image, _symmetric(key, (2,), most, image.dtype), border)


def random_rotation(
    key: jax.Array, image: jax.Array, most: float, border: str = "zeros"
) -> jax.Array:
    """The image turned about its centre, as far as `most` either way.

    Args:
        key: of the example.
        image: floats, [H, W, C].
        most: the largest angle, in degrees.
        border: what comes in: "zeros", "edge" or "reflect".

    Returns:
        [H, W, C].

    Raises:
        ValueError: no image of floats; most below 0; a border that there is not.
    """
    _check_floats(image)
    return rotate(image, _symmetric(key, (), most, image.dtype), border)


def pca_jitter(
    key: jax.Array, image: jax.Array, colors: PrincipalAxes, deviation: float = 0.1
) -> jax.Array:
    """AlexNet's: one random colour added to all pixels, along the colours' variance.

    Args:
        key: of the example.
        image: floats, [H, W, C].
        colors: `principal_axes` of the training set's pixels, [N, C], in the unit of
            the image.
        deviation: of alpha.

    Returns:
        [H, W, C].

    Raises:
        ValueError: no image of floats; axes of another number of channels; deviation
            below 0.
    """
    _check_floats(image)
    if colors.axes.shape[1] != image.shape[2]:
        raise ValueError(
            f"colors must be of the image's {image.shape[2]} channels, "
            f"got axes {colors.axes.shape}"
        )
    if deviation < 0:
        raise ValueError(f"deviation must be 0 or more, got {deviation}")
    alpha = deviation * jax.random.normal(key, colors.variance.shape, jnp.float32)
    color = (alpha.astype(image.dtype) * colors.variance) @ colors.axes  # [C]
    return image + color[None, None]


def color_jitter(
    key: jax.Array,
    image: jax.Array,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
) -> jax.Array:
    """Brightness, contrast and saturation changed, in this order.

    Args:
        key: of the example.
        image: red, green and blue in [0, 1], [H, W, 3].
        brightness, contrast, saturation: m: each factor is uniform in
            [1 - m, 1 + m]; 0 leaves it as it is.

    Returns:
        [H, W, 3]; values are cut to [0, 1] after each.

    Raises:
        ValueError: no image of floats in three channels; an m outside [0, 1].
    """
    _check_floats(image)
    if image.shape[2] != 3:
        raise ValueError(f"image must have 3 channels, got {image.shape}")
    most = dict(brightness=brightness, contrast=contrast, saturation=saturation)
    for name, m in most.items():
        if not 0 <= m <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {m}")
    unit = jax.random.uniform(key, (3,), jnp.float32, -1.0, 1.0).astype(image.dtype)
    factor = [1 + m * unit[i] for i, m in enumerate(most.values())]
    blend = lambda x, z, f: jnp.clip(f * x + (1 - f) * z, 0, 1)
    image = blend(image, jnp.zeros_like(image), factor[0])
    image = blend(image, _grey(image).mean(keepdims=True), factor[1])
    return blend(image, _grey(image), factor[2])


def cutout(key: jax.Array, image: jax.Array, size: int, fill: float = 0.0) -> jax.Array:
    """The image with a square filled; each pixel is equally likely its centre.

    Args:
        key: of the example.
        image: of any dtype, [H, W, C].
        size: the square's side in pixels; it may reach beyond the image.
        fill: the value in the square, that of the mean colour say.

    Returns:
        [H, W, C].

    Raises:
        ValueError: no image; a size below 1.
    """
    _check_image(image)
    if size < 1:
        raise ValueError(f"size must be 1 or more, got {size}")
    height, width = image.shape[:2]
    top, left = _place(key, (height, width)) - size // 2
    rows = jnp.arange(height, dtype=jnp.int32) - top
    columns = jnp.arange(width, dtype=jnp.int32) - left
    inside = lambda i: (0 <= i) & (i < size)
    square = inside(rows)[:, None] & inside(columns)[None, :]  # [H, W]
    return jnp.where(square[..., None], jnp.asarray(fill, image.dtype), image)


def mixup(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    partner_x: jax.Array,
    partner_y: jax.Array,
    alpha: float = 1.0,
) -> tuple[jax.Array, jax.Array]:
    """A point on the line between an example and its partner.

    Args:
        key: of the example.
        x: floats of any shape.
        y: the example's target as probabilities, one-hot say, [K].
        partner_x: as x.
        partner_y: as y.
        alpha: of Beta(alpha, alpha); 1 is uniform, towards 0 nothing is mixed.

    Returns:
        The mixed x and y.

    Raises:
        ValueError: a partner of another shape; x or y that are not floats; alpha that
            is not above 0.
    """
    if alpha <= 0:
        raise ValueError(f"alpha must be above 0, got {alpha}")
    for name, a, b in (("x", x, partner_x), ("y", y, partner_y)):
        if not jnp.issubdtype(a.dtype, jnp.floating):
            raise ValueError(f"{name} must be floats, got {a.dtype}")
        if a.shape != b.shape:
            raise ValueError(f"partner_{name} must be {a.shape} as {name}: {b.shape}")
    if alpha == 1:  # seconds less to compile than a beta distribution
        share = jax.random.uniform(key, dtype=jnp.float32)
    else:
        share = jax.random.beta(key, alpha, alpha, dtype=jnp.float32)
    mix = lambda a, b: b + share.astype(a.dtype) * (a - b)
    return mix(x, partner_x), mix(y, partner_y)


def mixup_batch(
    key: jax.Array,
    index: jax.Array,
    x: jax.Array,
    y: jax.Array,
    alpha: float = 1.0,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Each example of a batch mixed with another of it.

    The partners are a permutation of the whole batch; an example may be its own.

    Args:
        key: of the step, the same on every device.
        index: global numbers of the examples, int [B].
        x: floats, [B, ...].
        y: targets as probabilities, [B, K].
        alpha: of Beta(alpha, alpha).
        axis_name: the axis over which the batch is cut into consecutive parts, or
            None where it is whole.

    Returns:
        The mixed x and y.

    Raises:
        ValueError: parts that are not of one length; else as `mixup`.
    """
    b = len(x)
    if index.shape != (b,) or len(y) != b:
        raise ValueError(
            f"index, x and y must be of one length, got {index.shape}, {x.shape} "
            f"and {y.shape}"
        )
    devices = jax.lax.axis_size(axis_name) if axis_name else 1
    first = jax.lax.axis_index(axis_name) * b if axis_name else 0
    draw_partner, draw_share = jax.random.split(key)
    partners = jax.random.permutation(draw_partner, devices * b)
    mine = jax.lax.dynamic_slice(partners, (first,), (b,))
    others = (take_rows(part, mine, axis_name) for part in (x, y))
    mix = lambda *example: mixup(*example, alpha=alpha)
    return jax.vmap(mix)(example_keys(draw_share, index), x, y, *others)


def _place(key, ends):  # (y, x), each place below the ends equally likely
    return jax.random.randint(key, (2,), 0, jnp.array(ends, jnp.int32), jnp.int32)


def _symmetric(key, shape, most, dtype):
    if most < 0:
        raise ValueError(f"most must be 0 or more, got {most}")
    return most * jax.random.uniform(key, shape, jnp.float32, -1.0, 1.0).astype(dtype)


def _grey(image):  # [H, W, 3] -> [H, W, 1]
    weights = jnp.array(GREY, image.dtype)
    return (image * weights[None, None]).sum(-1, keepdims=True)


def _check_image(image):
    if image.ndim != 3:
        raise ValueError(f"image must be [H, W, C], got {image.shape}")


def _check_floats(image):
    _check_image(image)
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image must be floats, got {image.dtype}")
