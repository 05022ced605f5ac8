"""Faster R-CNN and its kin on a feature pyramid: proposals, and what they are.

    maps        Pyramid(ResNet(x))
    proposals   of an RPNHead on all maps; or given: Fast R-CNN
    classes     of a BoxHead, on the features under each proposal
    masks       of a MaskHead, on those under each box that is found: Mask R-CNN

    L = objectness + rpn_boxes + classes + boxes + masks      see `rpn` and `roi`

The module's methods share its variables: called, it gives what the heads put out,
`detect` what is found, `losses` what is learned by. Shapes depend on fields and images
alone; objects and proposals are padded lists with masks. Images are taken as they are:
who wants torchvision's mean and deviation takes them off before.

Shapes: B images [H, W]; N anchors, P proposals, G objects, D found; K classes, the
first of them the background; M x M a mask.
Differs from torchvision: see `rpn` and `roi`; in Fast R-CNN the backbone and RoIAlign
are the pyramid's, not VGG16 and RoIPool.

References:
    Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870
    Lin et al., "Feature pyramid networks for object detection", CVPR 2017,
    https://arxiv.org/abs/1612.03144
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.detection import heads, pyramid
from zoo.detection.anchors import cell_anchors, grid_anchors
from zoo.detection.roi import (
    Detections,
    Judging,
    choose,
    detections,
    mask_loss,
    mask_of,
    roi_losses,
)
from zoo.detection.rois import pyramid_align
from zoo.detection.rpn import Proposals, Proposing, propose, rpn_terms
from zoo.vision import resnet
from zoo.vision.layers import check

RATIOS = (0.5, 1.0, 2.0)
SIZES = ((32,), (64,), (128,), (256,), (512,))
TINY = dict(  # the size that the tests run
    **dict(num_classes=3, blocks=(1, 1), width=4, stem_width=4, bottleneck=False),
    **dict(frozen=False, features=4, extra="none", sizes=((12,), (24,))),
    **dict(ratios=(1.0,), hidden=8, bins=2, mask_bins=3, mask_layers=1, canonical=20),
    proposing=Proposing(samples=16, before=(24, 12), after=(12, 6)),
    judging=Judging(samples=8, share=0.5, most=4),
)
RULES = (  # torchvision's names
    *((rf"backbone\.body\.{p}", f"backbone/{path}") for p, path in resnet.RULES),
    *((rf"backbone\.{p}", path) for p, path in pyramid.RULES),
    *heads.RULES,
)


class FasterRCNN(nn.Module):
    """Finds objects in two stages.

    Attributes:
        num_classes: logits of a proposal (K), the background's first.
        blocks, width, stem_width, bottleneck: of the ResNet.
        frozen: its normalizations are constants.
        first: its first stage that the pyramid uses, from 1.
        features: channels of the pyramid.
        extra: the pyramid's, see `Pyramid`.
        sizes: of the anchors of each map.
        ratios: heights over widths of anchors.
        hidden: units of the box head.
        bins: P x P of the box head's features, and `mask_bins` of the mask head's.
        mask_layers: convolutions of the mask head.
        mask_width: channels of these; 0 for `features`.
        canonical: of `roi_levels`.
        proposing: how regions are proposed.
        judging: how they are judged.
        masks: with a mask head: Mask R-CNN.
        given: proposals are given: Fast R-CNN.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`.

    Raises:
        ValueError: an image that is too small; sizes that are not one for each map.
    """

    num_classes: int = 91
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    stem_width: int = 0
    bottleneck: bool = True
    frozen: bool = True
    first: int = 1
    features: int = 256
    extra: str = "pool"
    sizes: tuple[tuple[float, ...], ...] = SIZES
    ratios: tuple[float, ...] = RATIOS
    hidden: int = 1024
    bins: int = 7
    mask_bins: int = 14
    mask_layers: int = 4
    mask_width: int = 0
    canonical: float = 224
    proposing: Proposing = Proposing()
    judging: Judging = Judging()
    masks: bool = False
    given: bool = False
    axis_name: str | None = None
    fast: bool = True

    def setup(self):
        self.backbone = trunk(self)
        self.pyramid = pyramid.Pyramid(self.features, self.extra, self.fast)
        if not self.given:
            anchors = len(self.sizes[0]) * len(self.ratios)
            self.rpn_head = heads.RPNHead(anchors, self.fast)
        self.box_head = heads.BoxHead(self.num_classes, self.hidden)
        if self.masks:
            self.mask_head = heads.MaskHead(
                self.num_classes,
                self.mask_width or self.features,
                self.mask_layers,
                self.fast,
            )

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of what `losses` gives."""
        first = () if self.given else ("objectness", "rpn_boxes")
        return (*first, "classes", "boxes", *(("masks",) if self.masks else ()))

    def __call__(self, x: Any, *, train: bool = False) -> dict[str, Any]:
        """What the heads put out.

        Args:
            x: images, [B, H, W, C]; if proposals are given a dict of `x`, `proposals`
                [B, P, 4] and `proposed`, bool [B, P].
            train: normalize by the batch, and as many proposals as in training.

        Returns:
            `objectness` [B, N] and `rpn_boxes` [B, N, 4], unless proposals are given;
            `classes` [B, P, K], `boxes` [B, P, K, 4], and `masks` [B, D, M, M] of the
            boxes that are found, all of them before sigmoid or softmax.
        """
        return self._outputs(x, train)[0]

    def detect(self, x: Any) -> Detections:
        """What is found in images; `x` as above, each leaf [B, ...]."""
        outputs, found = self._outputs(x, False)
        if not self.masks:
            return found
        masks = jax.nn.sigmoid(outputs["masks"])
        return found._replace(masks=jnp.where(found.present[..., None, None], masks, 0))

    def proposals(self, x: jax.Array, many: bool = False) -> Proposals:
        """The proposals for images, [B, H, W, C]; `many`: as many as in training."""
        maps = self.maps(x, False)
        return self._proposed(maps, *self._rpn(maps), x.shape[1:3], many)

    def maps(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """The pyramid's maps, [B, h, w, features] each."""
        return pyramid_maps(self, x, train)

    def losses(
        self, batch: dict[str, jax.Array], keys: jax.Array, train: bool = True
    ) -> dict[str, jax.Array]:
        """The terms of the loss, for each image.

        Args:
            batch: `x` [B, H, W, C], `boxes` [B, G, 4], `labels` int [B, G] from 0,
                `present` bool [B, G]; with masks `instances` int [B, H, W], 0 or the
                number of an object from 1; `proposals` and `proposed` if given.
            keys: one for each image, [B].
            train: normalize by the batch. Proposals are as many as in training.

        Returns:
            By name, see `terms`, [B] each.
        """
        x, how, size = batch["x"], self.judging, batch["x"].shape[1:3]
        objects = batch["boxes"], batch["labels"], batch["present"]
        maps, found = self.maps(x, train), {}
        first, second = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        if self.given:
            proposals, proposed = batch["proposals"], batch["proposed"]
        else:
            objectness, t = self._rpn(maps)
            proposals, _, proposed = self._proposed(maps, objectness, t, size, True)
            anchors = jnp.concatenate(self._anchors(maps, size))
            of = lambda key, o, t, boxes, present: rpn_terms(
                key, o, t, anchors, boxes, present, self.proposing
            )
            found["objectness"], found["rpn_boxes"] = jax.vmap(of)(
                first,
                jnp.concatenate(objectness, 1),
                jnp.concatenate(t, 1),
                batch["boxes"],
                batch["present"],
            )
        chosen = jax.vmap(lambda *one: choose(*one, how))(
            second, proposals, proposed, *objects
        )
        logits, t = self.box_head(self._features(maps, chosen.boxes, self.bins))
        found["classes"], found["boxes"] = jax.vmap(lambda *one: roi_losses(*one, how))(
            logits, t, chosen, batch["boxes"]
        )
        if self.masks:
            most = max(1, int(how.share * how.samples))
            under = self._features(maps, chosen.boxes[:, :most], self.mask_bins)
            found["masks"] = jax.vmap(lambda *one: mask_loss(*one, most))(
                self.mask_head(under), chosen, batch["instances"]
            )
        return found

    def _outputs(self, x, train):
        proposed = None
        if self.given:
            x, proposals, proposed = x["x"], x["proposals"], x["proposed"]
        maps, outputs, size = self.maps(x, train), {}, x.shape[1:3]
        if not self.given:
            objectness, t = self._rpn(maps)
            outputs["objectness"] = jnp.concatenate(objectness, 1)
            outputs["rpn_boxes"] = jnp.concatenate(t, 1)
            proposals, _, proposed = self._proposed(maps, objectness, t, size, train)
        logits, t = self.box_head(self._features(maps, proposals, self.bins))
        outputs |= {"classes": logits, "boxes": t}
        found = jax.vmap(lambda *one: detections(*one, size, self.judging))(
            *jax.lax.stop_gradient((logits, t)), proposals, proposed
        )
        if self.masks:
            masks = self.mask_head(self._features(maps, found.boxes, self.mask_bins))
            outputs["masks"] = jax.vmap(mask_of)(masks, found.labels + 1)
        return outputs, found

    def _rpn(self, maps):
        outputs = [self.rpn_head(m) for m in maps]
        return [o for o, _ in outputs], [t for _, t in outputs]

    def _proposed(self, maps, objectness, t, size, train):
        anchors = self._anchors(maps, size)
        one = lambda o, t: propose(o, t, anchors, size, self.proposing, train)
        return jax.vmap(one)(objectness, t)

    def _anchors(self, maps, size):
        return map_anchors(maps, size, self.sizes, self.ratios)

    def _features(self, maps, boxes, bins):
        maps = maps[: len(self.blocks) - self.first + 1]  # not those beyond
        of = lambda maps, boxes: pyramid_align(
            maps, boxes, bins, self.first + 1, self.canonical
        )
        return jax.vmap(of)(maps, boxes)


def trunk(net: nn.Module) -> resnet.ResNet:
    """The ResNet of a detector that has its fields; it gives its stages."""
    return resnet.ResNet(
        blocks=net.blocks,
        bottleneck=net.bottleneck,
        width=net.width,
        stem_width=net.stem_width,
        head=False,
        frozen=net.frozen,
        axis_name=net.axis_name,
        fast=net.fast,
    )


def pyramid_maps(net: nn.Module, x: jax.Array, train: bool) -> tuple[jax.Array, ...]:
    """The maps of a detector's `backbone` and `pyramid`."""
    check(type(net).__name__, x, 4 * 2 ** (len(net.blocks) - 1))
    count = len(net.blocks) - net.first + 1 + pyramid.EXTRAS.get(net.extra, 0)
    if len(net.sizes) != count:
        raise ValueError(
            f"sizes must be {count}, one for each map, got {len(net.sizes)}"
        )
    return net.pyramid(net.backbone(x, train=train)[net.first - 1 :])


def map_anchors(
    maps: Sequence[jax.Array],
    size: tuple[int, int],
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float],
) -> list[jax.Array]:
    """The anchors of each map of images of a size, [n, 4] each."""
    found = []
    for m, s in zip(maps, sizes, strict=True):
        stride = size[0] // m.shape[1], size[1] // m.shape[2]
        grid = grid_anchors(cell_anchors(s, ratios), m.shape[1:3], stride)
        found.append(jnp.asarray(grid, m.dtype))
    return found
