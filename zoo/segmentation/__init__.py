"""Segmentation: a class for each pixel."""

from zoo.segmentation.borders import border_weights as border_weights
from zoo.segmentation.borders import distances as distances
from zoo.segmentation.borders import pixel_cross_entropy as pixel_cross_entropy
from zoo.segmentation.borders import pixel_labels as pixel_labels
from zoo.segmentation.crf import MeanField as MeanField
from zoo.segmentation.crf import Pairwise as Pairwise
from zoo.segmentation.crf import mean_field as mean_field
from zoo.segmentation.deeplab import DeepLabV3 as DeepLabV3
from zoo.segmentation.fcn import FCN as FCN
from zoo.segmentation.fcn import DilatedVGG as DilatedVGG
from zoo.segmentation.fcn_resnet import FCNResNet as FCNResNet
from zoo.segmentation.unet import UNet as UNet
