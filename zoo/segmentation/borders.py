"""Cross-entropy of pixels, and weights for those between objects that touch.

    loss    sum over pixels of w(x) (- log p_{y(x)}(x)),  over  sum of w(x)
    w(x) =  w_c(x) + w_0 exp(-(d_1(x) + d_2(x))^2 / (2 sigma^2))    on the background,
            w_c(x)                                                  elsewhere

d_1 and d_2 are the distances to the nearest and to the second nearest object, so that w
is large in the narrow gaps by which alone objects are told apart. The distance
transform is exact: a row's nearest pixel, then the best of all rows, O(H W (H + W)).

Labels below 0, or of K or more, are of pixels that do not count. Dice's loss of pixels
is `zoo.functional.dice`.

Shapes: B images, H height, W width, K classes, G objects.

References:
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015, https://arxiv.org/abs/1505.04597 (equations 1 and 2)
    Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of
    Computing 2012, https://doi.org/10.4086/toc.2012.v008a019
"""

from typing import Any

import jax
import jax.numpy as jnp

FAR = 1e6  # pixels; of a mask without any


def pixel_cross_entropy(
    outputs: jax.Array, batch: dict[str, Any]
) -> tuple[jax.Array, jax.Array]:
    """Mean cross-entropy of the pixels that count, in nats, as a pair.

    Args:
        outputs: logits, [B, H, W, K].
        batch: `y`, int [B, H, W]; optionally `pixels`, a weight for each, [B, H, W],
            and `weight`, one for each image, [B].

    Returns:
        The weighted sum and the sum of the weights, over pixels.

    Raises:
        ValueError: shapes that do not fit.
    """
    weight, label = pixel_labels(outputs, batch)
    log_p = jax.nn.log_softmax(outputs.astype(weight.dtype))
    own = jnp.take_along_axis(log_p, label[..., None], -1)[..., 0]
    return jnp.where(weight == 0, 0, -own * weight).sum(), weight.sum()


def pixel_labels(
    outputs: jax.Array, batch: dict[str, Any]
) -> tuple[jax.Array, jax.Array]:
    """Weights of pixels, [B, H, W], 0 where there is no label, and labels in range.

    Raises:
        ValueError: shapes that do not fit.
    """
    y = batch["y"]
    if outputs.ndim != 4 or outputs.shape[:3] != y.shape:
        raise ValueError(
            f"outputs must be logits [B, H, W, K] for labels [B, H, W], got "
            f"{outputs.shape} for {y.shape}"
        )
    weight = ((y >= 0) & (y < outputs.shape[3])).astype(jnp.float32)
    for name, shape in (("pixels", y.shape), ("weight", y.shape[:1])):
        given = batch.get(name)
        if given is None:
            continue
        if given.shape != shape:
            raise ValueError(f"{name} must be {list(shape)}, got {given.shape}")
        given = given.reshape(*given.shape, *(1,) * (3 - given.ndim))
        weight = weight * given.astype(weight.dtype)
    return weight, jnp.where(weight == 0, 0, y)


def distances(mask: jax.Array) -> jax.Array:
    """How far each pixel is from the nearest of a mask, between centres.

    Args:
        mask: bool, [H, W].

    Returns:
        float32 [H, W], in pixels; FAR or more where the mask is empty.

    Raises:
        ValueError: a mask that is not [H, W].
    """
    if mask.ndim != 2:
        raise ValueError(f"mask must be [H, W], got {mask.shape}")

    def between(n):  # [n, n], squared
        at = jnp.arange(n, dtype=jnp.float32)
        return (at[:, None] - at[None]) ** 2

    height, width = mask.shape
    square = jnp.where(mask, 0, jnp.float32(FAR) ** 2)
    row = (square[:, None, :] + between(width)[None]).min(2)  # [H, W]
    return jnp.sqrt((row[None] + between(height)[..., None]).min(1))


def border_weights(
    instances: jax.Array,
    most: int,
    w0: float = 10.0,
    sigma: float = 5.0,
    balanced: bool = True,
) -> jax.Array:
    """The weight map of one image; `jax.vmap` it over a batch.

    Args:
        instances: int [H, W], 0 for the background, objects from 1 to `most`.
        most: G.
        w0: the weight in a gap of no width.
        sigma: how wide a gap may be, in pixels.
        balanced: w_c is such that background and objects weigh the same together,
            and 1 in the mean; else it is 1.

    Returns:
        float32 [H, W].

    Raises:
        ValueError: instances that are not [H, W]; numbers out of range.
    """
    if instances.ndim != 2 or most < 1 or not w0 >= 0 or not sigma > 0:
        raise ValueError(
            "instances must be [H, W], most at least 1, w0 not negative and sigma "
            f"positive, got {instances.shape}, {most}, {w0} and {sigma}"
        )
    number = jnp.arange(1, most + 1, dtype=instances.dtype)[:, None, None]
    each = jax.vmap(distances)(instances[None] == number)  # [G, H, W]
    first = each.min(0)
    nearest = jnp.arange(most)[:, None, None] == each.argmin(0)[None]
    second = jnp.where(nearest, FAR, each).min(0)
    gap = jnp.where(instances > 0, jnp.float32(FAR), first + second)
    weight = jnp.ones(instances.shape, jnp.float32)
    if balanced:
        share = (instances > 0).mean(dtype=jnp.float32)
        both = (share > 0) & (share < 1)
        of = jnp.where(instances > 0, share, 1 - share)
        weight = jnp.where(both, 0.5 / jnp.where(both, of, 1), weight)
    return weight + w0 * jnp.exp(-(gap**2) / (2 * sigma**2))
