"""Image classifiers of `benchmarks/classifiers.py`, as torchvision builds them.

torchvision's own classes, with the stems and stages of images of 32x32. Their weights
become ours by the rules of each family.
"""

import os
import time

import numpy as np

from benchmarks.torch_models import lenet5
from tests.references import torch, torchvision
from zoo.vision import densenet, mobilenet_v2, resnet

torch.set_num_threads(os.cpu_count())  # tests have one
nn, models = torch.nn, torchvision.models


class Pad(nn.Module):
    """Shortcut A: every second pixel, and zeros for the new channels."""

    def forward(self, x):
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def _residual(net, widths: int):
    """A network of torchvision with a stem of 3x3, and without the fourth stage."""
    net.conv1 = nn.Conv2d(3, net.conv1.out_channels, 3, 1, 1, bias=False)
    net.maxpool, net.layer4 = nn.Identity(), nn.Identity()
    net.fc = nn.Linear(widths, 10)
    return net


def resnet20():
    block = models.resnet.BasicBlock
    net = _residual(models.ResNet(block, [1, 1, 1, 1], num_classes=10), 64)
    net.conv1, net.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
    first = block(16, 16)
    net.layer1 = nn.Sequential(first, block(16, 16), block(16, 16))
    for stage, width in (("layer2", 32), ("layer3", 64)):
        down = block(width // 2, width, 2, Pad())
        setattr(
            net, stage, nn.Sequential(down, block(width, width), block(width, width))
        )
    return net


def resnext29():
    block = models.resnet.Bottleneck
    net = models.ResNet(block, [3, 3, 3, 1], groups=32, width_per_group=4)
    return _residual(net, 1024)


def mobilenet():
    stages = [list(stage) for stage in mobilenet_v2.CIFAR]
    net = models.MobileNetV2(10, inverted_residual_setting=stages, dropout=0.0)
    net.features[0][0].stride = (1, 1)
    return net


def densenet_bc():
    net = models.DenseNet(12, (6, 6, 6), 24, num_classes=10)
    net.features.conv0 = nn.Conv2d(3, 24, 3, 1, 1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        setattr(net.features, name, nn.Identity())
    return net


LENET = tuple(
    (rf"{place}", name, *window)
    for place, name, *window in (
        *(("0", "conv_0"), ("3", "conv_1"), ("7", "dense_0", (5, 5))),
        *(("9", "dense_1"), ("11", "head")),
    )
)
NETS = {  # ours -> what makes theirs, and the rules from its names to ours
    "lenet5": (lenet5, LENET),
    "resnet20_cifar": (resnet20, resnet.RULES),
    "mobilenet_v2_cifar": (mobilenet, mobilenet_v2.rules(mobilenet_v2.CIFAR)),
    "resnext29_32x4d_cifar": (resnext29, resnet.RULES),
    "densenet_bc40_12_cifar": (densenet_bc, densenet.RULES),
}


class Side:
    """A network of theirs, with its batch, in one memory layout.

    Args:
        net: the module.
        x: [B, H, W, C].
        y: labels, [B].
        rate: of gradient descent.
        channels_last: the memory layout.
    """

    def __init__(self, net, x, y, rate: float, channels_last: bool):
        kind = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net.to(memory_format=kind)
        x = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
        self.x, self.y = x.to(memory_format=kind), torch.from_numpy(y.copy()).long()
        self.optimizer = torch.optim.SGD(net.parameters(), rate)

    def step(self) -> float:
        """The loss of a training step."""
        self.net.train()
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.net(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def logits(self) -> np.ndarray:
        self.net.eval()
        with torch.inference_mode():
            return self.net(self.x).numpy()


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
