"""Learners of small nets: pruned, shared, of few bits."""

import optim
from zoo.classical import mlp
from zoo.compress import binary, incremental, pruning, quantize, sharing
from zoo.compress.reparameterise import Rule, reparameterised
from zoo.functional.losses import cross_entropy
from zoo.learner import Learner, supervised
from zoo.learner_table.row import LearnerRow, labelled


def _compressed(rule: Rule | None = None) -> LearnerRow:
    """A row of a network with a rule; None: of one whose optimizer prunes."""
    model, tx = mlp.MLP(**mlp.TINY, num_classes=3), optim.momentum(0.1)
    if rule is not None:
        model = reparameterised(model, rule)
    else:
        tx = pruning.pruned(tx, 0.5, 1, 4, every=2)

    def build(axis_name: str | None = None) -> Learner:
        return supervised(model, cross_entropy, tx, axis_name=axis_name)

    return LearnerRow(build, labelled)


COMPRESSING: dict[str, LearnerRow] = {
    "binary": _compressed(binary.binary("stochastic", "xnor")),
    "incremental_powers": _compressed(incremental.incremental()),
    "pruned": _compressed(),
    "quantization_aware": _compressed(
        quantize.quantization_aware(4, inputs={"dense_0": (-3.0, 3.0)})
    ),
    "shared_weights": _compressed(sharing.shared(3)),
}
