"""What benchmarks of pixels and boxes are measured against: PyTorch and NumPy."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class UNet(nn.Module):
    """U-Net without batch normalization, padded."""

    def __init__(self, channels: int, classes: int, width: int, depth: int):
        super().__init__()
        twice = lambda a, b: nn.Sequential(
            *(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(b, b, 3, padding=1), nn.ReLU()),
        )
        widths = [width * 2**i for i in range(depth + 1)]
        down = zip([channels, *widths], widths, strict=False)
        *firsts, self.bottom = (twice(a, b) for a, b in down)
        self.down = nn.ModuleList(firsts)
        up = widths[:0:-1]
        self.larger = nn.ModuleList(nn.ConvTranspose2d(a, a // 2, 2, 2) for a in up)
        self.up = nn.ModuleList(twice(a, a // 2) for a in up)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for part in self.down:
            kept.append(part(x))
            x = functional.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for double, part in zip(self.larger, self.up, strict=True):
            x = part(torch.cat([kept.pop(), double(x)], 1))
        return self.head(x)


def with_weights(net: UNet, params: dict) -> UNet:
    """The network with ours, in place."""

    def put(layer, leaf, axes):
        kernel = np.array(leaf["kernel"]).transpose(axes).copy()
        layer.weight.copy_(torch.from_numpy(kernel))
        layer.bias.copy_(torch.from_numpy(np.array(leaf["bias"])))

    conv = (3, 2, 0, 1)
    with torch.no_grad():
        parts = {f"down_{i + 1}": part for i, part in enumerate(net.down)}
        parts |= {f"up_{i + 1}": part for i, part in enumerate(net.up)}
        for name, part in (parts | {"bottom": net.bottom}).items():
            put(part[0], params[f"{name}_1"], conv)
            put(part[2], params[f"{name}_2"], conv)
        for i, layer in enumerate(net.larger):  # inputs first
            put(layer, params[f"up_{i + 1}_double"], (2, 3, 0, 1))
        put(net.head, params["head"], conv)
    return net


def nms(
    boxes: np.ndarray, scores: np.ndarray, count: int, threshold: float
) -> np.ndarray:
    """Numbers of the boxes that are kept, in NumPy: what is left gets shorter."""
    low, high = boxes[:, :2], boxes[:, 2:]
    area = (high - low).prod(1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order) and len(kept) < count:
        m, order = order[0], order[1:]
        kept.append(m)
        sides = np.minimum(high[m], high[order]) - np.maximum(low[m], low[order])
        both = np.maximum(sides, 0).prod(1)
        order = order[both <= threshold * (area[m] + area[order] - both)]
    return np.array(kept)


def roi_align(x: np.ndarray, boxes: np.ndarray, size: int, points: int) -> np.ndarray:
    """In PyTorch, as four gathered corners and their weights; aligned, [N, C, P, P].

    Args:
        x: [C, H, W].
        boxes: inside the map, [N, 4], in its cells.
        size: P.
        points: along each axis of a bin.
    """
    x, boxes = torch.from_numpy(x), torch.from_numpy(boxes)
    steps = (torch.arange(size * points) + 0.5) / (size * points)
    sides = boxes[:, 2:] - boxes[:, :2]
    at = lambda i: boxes[:, i, None] - 0.5 + sides[:, i, None] * steps
    ends = []
    for p, n in ((at(1), x.shape[1]), (at(0), x.shape[2])):
        p = p.clamp(0, n - 1)
        low = p.floor().long().clamp(max=n - 2)
        ends.append((low, p - low))
    (row, down), (column, right) = ends
    total = 0
    for i, a in ((0, 1 - down), (1, down)):
        for j, b in ((0, 1 - right), (1, right)):
            corner = x[:, (row + i)[:, :, None], (column + j)[:, None]]  # [C, N, S, S]
            total = total + corner * (a[:, :, None] * b[:, None])[None]
    c, n = x.shape[0], len(boxes)
    total = total.reshape(c, n, size, points, size, points).mean((3, 5))
    return total.transpose(0, 1)
