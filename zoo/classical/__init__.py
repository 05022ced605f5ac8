"""Classical learners."""

from zoo.classical import neighbors as neighbors
from zoo.classical.mlp import MLP as MLP
