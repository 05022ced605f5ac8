"""Image classification, one family a file."""

from zoo.vision.alexnet import AlexNet as AlexNet
from zoo.vision.densenet import DenseNet as DenseNet
from zoo.vision.efficientnet import EfficientNet as EfficientNet
from zoo.vision.googlenet import GoogLeNet as GoogLeNet
from zoo.vision.layers import features as features
from zoo.vision.lenet import LeNet as LeNet
from zoo.vision.lenet5_1998 import LeNet51998 as LeNet51998
from zoo.vision.mnasnet import MnasNet as MnasNet
from zoo.vision.mobilenet_v1 import MobileNetV1 as MobileNetV1
from zoo.vision.mobilenet_v2 import MobileNetV2 as MobileNetV2
from zoo.vision.mobilenet_v3 import MobileNetV3 as MobileNetV3
from zoo.vision.resnet import ResNet as ResNet
from zoo.vision.shufflenet_v1 import ShuffleNetV1 as ShuffleNetV1
from zoo.vision.shufflenet_v2 import ShuffleNetV2 as ShuffleNetV2
from zoo.vision.squeezenet import SqueezeNet as SqueezeNet
from zoo.vision.vgg import VGG as VGG
