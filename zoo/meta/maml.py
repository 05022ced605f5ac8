"""MAML: where to begin, so that few steps on few examples of a task go far.

    theta_K(task) = K steps of gradient descent from theta on the task's support
    theta         = theta - outer optimizer's step on grad sum over tasks of
                    L(theta_K(task); the task's query)

Second order differentiates through the inner steps; first order (FOMAML) takes the
gradient at theta_K for that at theta. With an inner rate of 0 both are joint training
on the queries. If only the head adapts this is ANIL; the body is learned outside.

The outer loss is the mean over all query examples of all tasks, each by its weight: of
tasks with equally many, the mean of the paper's sum.

References:
    Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep
    networks", ICML 2017, https://arxiv.org/abs/1703.03400
    Raghu, Raghu, Bengio and Vinyals, "Rapid learning or feature reuse? Towards
    understanding the effectiveness of MAML", ICLR 2020,
    https://arxiv.org/abs/1909.09157 (ANIL)
    Li, Zhou, Chen and Li, "Meta-SGD: learning to learn quickly for few-shot learning",
    2017, https://arxiv.org/abs/1707.09835 (a rate for each parameter; here given)
"""

from typing import Any

import optax

from zoo.learner import Learner
from zoo.meta import adapted
from zoo.meta.inner import Adapts, inner


def learner(
    model,
    loss: adapted.Loss,
    optimizer: optax.GradientTransformation,
    *,
    rate: Any = 0.01,
    steps: int = 1,
    eval_rate: Any = None,
    eval_steps: int | None = None,
    order: int = 2,
    adapts: Adapts = None,
    unroll: bool = False,
    **options,
) -> Learner:
    """MAML, on batches of tasks (see `zoo.meta.adapted`).

    Args:
        model: a linen module, without an axis name.
        loss: (outputs, batch of one task) -> (sum, weight), inside and outside.
        optimizer: the outer one; any optax transformation.
        rate: of the inner steps: a number >= 0, or a prefix tree of the parameters
            with numbers or arrays.
        steps: inner ones, K >= 1.
        eval_rate: of evaluation; None: as in training.
        eval_steps: likewise.
        order: 1 or 2.
        adapts: which parameters the inner steps move: a predicate on paths, such as
            `lambda path: path.startswith("head/")`, or a prefix tree of bools; None
            for all.
        unroll: write tasks and steps out, for nets that convolve; else tasks are
            mapped and steps scanned.
        **options: `axis_name`, `metrics`, `ema`, `dtype` and `accumulate`, as of
            `zoo.supervised`; a micro-batch is of tasks.

    Returns:
        A learner with `zoo.TrainState`. Its metrics are those of the queries after
        adaptation; so are `evaluate`'s.

    Raises:
        ValueError: a rate, order or count out of range; when traced, no parameter that
            adapts, rates that do not fit, or a batch that is not of tasks.
    """
    training = inner(rate, steps, adapts, order, unroll)
    evaluation = inner(
        rate if eval_rate is None else eval_rate,
        steps if eval_steps is None else eval_steps,
        adapts,
        order,
        unroll,
    )
    model = adapted.Adapted(model, loss, training, evaluation)
    return adapted.learner(model, optimizer, **options)
