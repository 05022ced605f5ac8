"""Classical learners."""

from zoo.classical import incremental_pca as incremental_pca
from zoo.classical import pca as pca
from zoo.classical.mlp import MLP as MLP
