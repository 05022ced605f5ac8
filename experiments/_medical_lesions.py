"""The task of the experiment `medical` that finds lesions, and has seen none."""

import numpy as np

import zoo
from experiments import _translation as T
from experiments._head_baselines import blurred
from experiments._heads import Outcome, auc, signed, with_lesions
from experiments._latent import searcher, variables_of

TASKS = ("lesion",)
SEARCH = 150  # steps in the space of latents


def outcomes(tasks, cfg, train, test):
    """("lesion", Outcome): how far a slice is from the nearest that DCGAN can draw."""
    known = signed(train.t1)
    stream = zoo.data.batches({"x": known}, 4 * cfg.batch_size, cfg.seed)
    state = T.fitter(T.drawn(cfg.learning_rate / 2))(stream, 2 * cfg.steps, cfg.seed)
    given, ill = with_lesions(test, cfg.seed)
    _, near = searcher(T.DRAWN)(variables_of(state), given, 1, SEARCH, cfg.seed)
    mean = np.broadcast_to(known.mean(0), given.shape)
    made = {"baseline": mean, "search": np.asarray(near)}
    score = lambda near: blurred(abs(given - near), 1.0).max((1, 2, 3))
    numbers = {f"{way}/auc": auc(score(near), ill) for way, near in made.items()}
    yield "lesion", Outcome(given, made, signed(test.t1), numbers)
