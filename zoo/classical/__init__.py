"""Classical learners."""

from zoo.classical.mlp import MLP as MLP
