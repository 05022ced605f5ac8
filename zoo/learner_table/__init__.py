"""The rows of the learners, a group of kinds a file."""

from zoo.learner_table.table import LEARNERS as LEARNERS
