"""Tasks of the experiment `medical` without pairs: t2 of t1 by CycleGAN, and what a
network that knows t2 alone makes of that."""

import zoo
from experiments import _translation as T
from experiments._head_baselines import in_order
from experiments._heads import mask, of_images, of_masks, outcome, signed

TASKS = ("unpaired", "domain")


def outcomes(tasks, cfg, train, test):
    """(task, Outcome) of each of these, by one CycleGAN of t1 of one half of the heads
    and t2 of the other."""
    half = len(train.t1) // 2
    x, y = signed(train.t1[:half]), signed(train.t2[half:])
    of = lambda x, seed: zoo.data.batches({"x": x}, cfg.batch_size, seed)
    stream = zoo.data.zipped(x=of(x, 2 * cfg.seed), y=of(y, 2 * cfg.seed + 1))
    fit = T.fitter(T.unpaired(cfg.learning_rate))
    state = fit(stream, cfg.steps, cfg.seed)
    given = signed(test.t1)
    as_t2 = T.by_cycle(state.generators.params["y"], given)
    if "unpaired" in tasks:
        made = {"baseline": in_order(given, x, y), "cyclegan": as_t2}
        yield "unpaired", outcome(given, made, signed(test.t2), of_images)
    if "domain" in tasks:
        known = {"x": y, "y": mask(train.tissue[half:])}
        stream = zoo.data.batches(known, cfg.batch_size, cfg.seed)
        state = T.fitter(T.alone(cfg.learning_rate))(stream, cfg.steps, cfg.seed)
        variables = T.variables_of(state)
        ways = {"baseline": given, "cyclegan": as_t2}
        made = {way: T.by_unet(variables, x) for way, x in ways.items()}
        yield "domain", outcome(given, made, mask(test.tissue), of_masks)
