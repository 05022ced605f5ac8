"""Classical learners."""

from zoo.classical import features as features
from zoo.classical import lasso as lasso
from zoo.classical import linear as linear
from zoo.classical.mlp import MLP as MLP
