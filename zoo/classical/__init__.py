"""Classical learners."""

from zoo.classical import conjugate as conjugate
from zoo.classical import corpus as corpus
from zoo.classical import features as features
from zoo.classical import gaussians as gaussians
from zoo.classical import incremental_pca as incremental_pca
from zoo.classical import irls as irls
from zoo.classical import kmeans as kmeans
from zoo.classical import lasso as lasso
from zoo.classical import lda as lda
from zoo.classical import lda_parallel as lda_parallel
from zoo.classical import lda_variational as lda_variational
from zoo.classical import linear as linear
from zoo.classical import logistic as logistic
from zoo.classical import markov as markov
from zoo.classical import mixture as mixture
from zoo.classical import neighbors as neighbors
from zoo.classical import pca as pca
from zoo.classical import perceptron as perceptron
from zoo.classical import seeding as seeding
from zoo.classical import som as som
from zoo.classical import topics as topics
from zoo.classical.mlp import MLP as MLP
