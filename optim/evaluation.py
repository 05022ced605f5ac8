"""The parameters at which to evaluate, where an optimizer has its own idea of them.

Most optimizers train and evaluate the same parameters. Averaging ones (Schedule-Free,
Polyak's) train at one point and are right at another, which they alone can compute:
the NamedTuple in their state then has a method `eval_params(params)`.
"""

import jax
import optax
import optax.contrib

from optim.moments import cast


def eval_params(opt_state: optax.OptState, params: optax.Params) -> optax.Params:
    """The parameters to evaluate with.

    Args:
        opt_state: the optimizer's state, wrapped by chains and the like or not.
        params: the parameters being trained.

    Returns:
        `params`, unless a node of the state says otherwise: one with a method
        `eval_params(params)`, or optax.contrib's `ScheduleFreeState`. The dtypes are
        those of `params`.

    Raises:
        ValueError: more than one node of the state says otherwise.
    """
    nodes = [n for n in jax.tree.leaves(opt_state, is_leaf=_speaks) if _speaks(n)]
    if len(nodes) > 1:
        found = ", ".join(type(node).__name__ for node in nodes)
        raise ValueError(
            f"opt_state must hold at most one state with eval_params, got {found}"
        )
    if not nodes:
        return params
    if isinstance(nodes[0], optax.contrib.ScheduleFreeState):
        at = optax.contrib.schedule_free_eval_params(nodes[0], params)
    else:
        at = nodes[0].eval_params(params)
    return cast(at, params)


def _speaks(node: object) -> bool:
    schedule_free = isinstance(node, optax.contrib.ScheduleFreeState)
    return schedule_free or callable(getattr(node, "eval_params", None))
