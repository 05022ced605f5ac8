"""The rows of autoencoders and of players of adversarial nets, a group a file."""

from zoo.generative_table.table import GENERATIVE as GENERATIVE
