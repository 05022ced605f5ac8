"""Image classification, one family a file."""

from zoo.vision.lenet import LeNet as LeNet
from zoo.vision.lenet5_1998 import LeNet51998 as LeNet51998
