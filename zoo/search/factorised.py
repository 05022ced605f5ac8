"""MnasNet's search: a factorised space, and a reward of accuracy and measured time.

    reward = accuracy (latency / target)^w,   w = alpha if latency <= target else beta

alpha = beta = -0.07 trades one for the other everywhere; alpha = 0, beta = -1 only
punishes what is too slow. w = -0.07 makes 5 % of accuracy, relatively, worth twice the
time: 2^-0.07 = 0.953.

The space decides a network stage by stage, and every block of a stage is the same:
expansion and kernel of its inverted residuals, squeeze-excite or none, how many blocks
and how many channels, relatively to a given network. So it has prod_i n_i members for
stages i, not the product over all blocks.

Differs from the paper: its plain and depthwise convolutions are here the expansion 1,
and its choice of a skip connection is left out; inverted residuals have one wherever
shapes allow.

References:
    Tan et al., "MnasNet: platform-aware neural architecture search for mobile", CVPR
    2019, https://arxiv.org/abs/1807.11626, equations 2 and 3, section 4.1
"""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.search.space import Space, describe, make_space
from zoo.vision.layers import divisible
from zoo.vision.mnasnet import B1, Stages

EXPANSIONS = ("1", "3", "6")
KERNELS = ("3", "5")
BLOCKS = ("-1", "0", "1")  # more than the given network has
CHANNELS = ("0.75", "1", "1.25")  # times those of the given network


def stage_space(stages: int = len(B1)) -> Space:
    """Five decisions for each stage.

    Raises:
        ValueError: no stage.
    """
    if stages < 1:
        raise ValueError(f"stages must be at least 1, got {stages}")
    decisions = {}
    for i in range(1, stages + 1):
        decisions |= {
            f"stage_{i}_expansion": EXPANSIONS,
            f"stage_{i}_kernel": KERNELS,
            f"stage_{i}_squeeze_excite": ("no", "yes"),
            f"stage_{i}_blocks": BLOCKS,
            f"stage_{i}_channels": CHANNELS,
        }
    return make_space(decisions)


def stages(tokens: np.ndarray, given: Stages = B1) -> Stages:
    """The network as `zoo.vision.mnasnet.MnasNet` builds it.

    Args:
        tokens: decisions [5 stages].
        given: the network relatively to which it is decided; strides are its own.

    Raises:
        ValueError: tokens of another number of stages, or out of range.
    """
    picked = list(describe(stage_space(len(given)), tokens).values())
    made = []
    for i, (_, _, channels, blocks, stride, _) in enumerate(given):
        times, kernel, excite, more, wider = picked[5 * i : 5 * i + 5]
        made.append(
            (
                int(times),
                int(kernel),
                divisible(channels * float(wider)),
                max(1, blocks + int(more)),
                stride,
                excite == "yes",
            )
        )
    return tuple(made)


def timed_reward(
    accuracy: jax.Array,
    latency: jax.Array,
    target: float,
    alpha: float = -0.07,
    beta: float = -0.07,
) -> jax.Array:
    """Accuracy, less where it takes longer than the target.

    Args:
        accuracy: [...].
        latency: seconds [...], above 0.
        target: seconds, above 0.
        alpha: exponent where latency is at most the target, not above 0.
        beta: exponent where it is more.

    Raises:
        ValueError: target not above 0, or an exponent above 0.

    >>> float(timed_reward(0.8, 0.2, 0.1, alpha=0, beta=-1))
    0.4000000059604645
    """
    if target <= 0 or alpha > 0 or beta > 0:
        raise ValueError(
            "target must be above 0, alpha and beta not, got "
            f"{target}, {alpha} and {beta}"
        )
    over = latency / target
    return accuracy * over ** jnp.where(over <= 1, alpha, beta)
