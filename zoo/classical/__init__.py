"""Classical learners."""

from zoo.classical import gaussians as gaussians
from zoo.classical import incremental_pca as incremental_pca
from zoo.classical import mixture as mixture
from zoo.classical import pca as pca
from zoo.classical import seeding as seeding
from zoo.classical.mlp import MLP as MLP
