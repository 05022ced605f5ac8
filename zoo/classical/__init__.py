"""Classical learners."""

from zoo.classical import kmeans as kmeans
from zoo.classical import neighbors as neighbors
from zoo.classical import seeding as seeding
from zoo.classical import som as som
from zoo.classical.mlp import MLP as MLP
