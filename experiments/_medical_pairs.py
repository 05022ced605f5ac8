"""Tasks of the experiment `medical` that are learned from pairs, by pix2pix's U-Net."""

import zoo
from experiments import _head_baselines as plain
from experiments import _translation as T
from experiments._heads import of_images, of_masks, outcome, pair

BASELINES = {
    "noise": plain.best_blur,
    "lines": lambda known, x: x,
    "contrast": plain.table,
    "white": plain.best_band,
}
TASKS = tuple(BASELINES)


def outcomes(tasks, cfg, train, test):
    """(task, Outcome) of each of these, by the absolute difference alone, and with a
    discriminator of patches."""
    builders = {
        "alone": T.alone(cfg.learning_rate),
        "judged": T.judged(cfg.learning_rate, cfg.weight),
    }
    fitters = {way: T.fitter(build) for way, build in builders.items()}
    for task in tasks:
        known, held = (
            pair(task, part, 2 * cfg.seed + i) for i, part in enumerate((train, test))
        )
        made = {"baseline": BASELINES[task](known, held["x"])}
        for way, fit in fitters.items():
            stream = zoo.data.batches(known, cfg.batch_size, cfg.seed)
            state = fit(stream, cfg.steps, cfg.seed)
            made[way] = T.by_unet(T.variables_of(state), held["x"])
        measure = of_masks if task == "white" else of_images
        yield task, outcome(held["x"], made, held["y"], measure)
