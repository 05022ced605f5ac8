"""Classical learners."""

from zoo.classical import binning as binning
from zoo.classical import boosting as boosting
from zoo.classical import features as features
from zoo.classical import forest as forest
from zoo.classical import gaussians as gaussians
from zoo.classical import growth as growth
from zoo.classical import incremental_pca as incremental_pca
from zoo.classical import irls as irls
from zoo.classical import kmeans as kmeans
from zoo.classical import lasso as lasso
from zoo.classical import linear as linear
from zoo.classical import logistic as logistic
from zoo.classical import mixture as mixture
from zoo.classical import neighbors as neighbors
from zoo.classical import pca as pca
from zoo.classical import perceptron as perceptron
from zoo.classical import pruning as pruning
from zoo.classical import queue as queue
from zoo.classical import seeding as seeding
from zoo.classical import som as som
from zoo.classical import splits as splits
from zoo.classical import tree as tree
from zoo.classical.mlp import MLP as MLP
