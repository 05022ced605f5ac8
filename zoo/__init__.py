"""Classic machine learning as pure JAX functions."""

from zoo import convert as convert
from zoo import data as data
from zoo import functional as functional
from zoo import metrics as metrics
from zoo import training as training
from zoo.catalog import card as card
from zoo.catalog import create as create
from zoo.catalog import list_learners as list_learners
from zoo.catalog import list_models as list_models
from zoo.learner import Learner as Learner
from zoo.learner import TrainState as TrainState
from zoo.learner import eval_variables as eval_variables
from zoo.learner import supervised as supervised
