"""All rows of learners, one of each kind, small; `zoo.catalog` lists them."""

from zoo.learner_table.adversarial import ADVERSARIAL
from zoo.learner_table.classical import CLASSICAL
from zoo.learner_table.compressing import COMPRESSING
from zoo.learner_table.generative import GENERATIVE
from zoo.learner_table.networks import NETWORKS
from zoo.learner_table.row import LearnerRow
from zoo.learner_table.searching import SEARCHING

LEARNERS: dict[str, LearnerRow] = {
    **CLASSICAL,
    **NETWORKS,
    **GENERATIVE,
    **ADVERSARIAL,
    **COMPRESSING,
    **SEARCHING,
}
