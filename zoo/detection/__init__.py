"""Detection: boxes, anchors, and what picks among them, all of static shape."""

from zoo.detection.anchors import cell_anchors as cell_anchors
from zoo.detection.anchors import grid_anchors as grid_anchors
from zoo.detection.anchors import pyramid_anchors as pyramid_anchors
from zoo.detection.boxes import area as area
from zoo.detection.boxes import clip as clip
from zoo.detection.boxes import giou as giou
from zoo.detection.boxes import iou as iou
from zoo.detection.boxes import large as large
from zoo.detection.codec import decode as decode
from zoo.detection.codec import encode as encode
from zoo.detection.graph_segmentation import graph_segmentation as graph_segmentation
from zoo.detection.matching import BELOW as BELOW
from zoo.detection.matching import BETWEEN as BETWEEN
from zoo.detection.matching import Sample as Sample
from zoo.detection.matching import match as match
from zoo.detection.matching import sample as sample
from zoo.detection.proposals import Proposals as Proposals
from zoo.detection.proposals import propose as propose
from zoo.detection.rcnn import RCNN as RCNN
from zoo.detection.rcnn import Found as Found
from zoo.detection.rcnn import Recipe as Recipe
from zoo.detection.regions import roi_align as roi_align
from zoo.detection.regions import roi_pool as roi_pool
from zoo.detection.suppression import Kept as Kept
from zoo.detection.suppression import nms as nms
