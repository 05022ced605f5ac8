"""Sinusoids: regression tasks that are alike but for two numbers.

    y = A sin(x - phi)    A in [0.1, 5], phi in [0, pi], x in [-5, 5], all evenly drawn

The mean over tasks at an x is 0 but for the phase's half circle: (A's mean 2.55)
(2 / pi) (-cos x); its square error is the least that a net can have which does not
adapt. `BEST_UNADAPTED` is half of that, as `zoo.functional.quadratic` counts it:

    E[y^2] / 2 - E[(E[y | x])^2] / 2 = (E[A^2] / 2 - (5.1 / pi)^2 E[cos^2 x]) / 2

Shapes: T tasks of a batch, S and Q examples of a task.

References:
    Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep
    networks", ICML 2017, https://arxiv.org/abs/1703.03400, Section 5.1
"""

import math

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.episodes import of_tasks
from zoo.data.gather import Batch
from zoo.data.stream import Stream

AMPLITUDES, PHASES, WITHIN = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)
_SQUARE = (5.0**3 - 0.1**3) / (3 * 4.9)  # E[A^2]
_COSINE = 0.5 + math.sin(10) / 20  # E[cos^2 x]
BEST_UNADAPTED = (_SQUARE / 2 - (5.1 / math.pi) ** 2 * _COSINE) / 2


def sinusoids(
    batch_size: int = 25,
    shots: int = 10,
    queries: int = 10,
    seed: int = 0,
    steps: int | None = None,
) -> Stream:
    """Batches of sinusoids, a few points of each.

    Args:
        batch_size: tasks of a global batch (T).
        shots: points of a task's support (S).
        queries: and of its query (Q).
        seed: from 0 to 2**64 - 1; with a task's number it decides the task.
        steps: how many batches there are; None is without end.

    Returns:
        A Stream of `support` and `query`, dicts of `x` and `y`, float32 [T, S or Q, 1];
        and `index` [T].

    Raises:
        ValueError: a number out of range.

    >>> batch = sinusoids(2, shots=3).at(0)
    >>> batch["support"]["x"].shape, batch["index"].tolist()
    ((2, 3, 1), [0, 1])
    """
    shots = whole_number("shots", shots, 1)
    queries = whole_number("queries", queries, 1)

    def make(rng: np.random.Generator) -> Batch:
        amplitude, phase = rng.uniform(*AMPLITUDES), rng.uniform(*PHASES)
        x = rng.uniform(*WITHIN, (shots + queries, 1))
        y = amplitude * np.sin(x - phase)
        x, y = x.astype(np.float32), y.astype(np.float32)
        return {
            "support": {"x": x[:shots], "y": y[:shots]},
            "query": {"x": x[shots:], "y": y[shots:]},
        }

    return of_tasks(make, batch_size, seed, steps)
