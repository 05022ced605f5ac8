"""The rows of the image classifiers, a group of families a file."""

from zoo.vision_table.table import VISION as VISION
