"""Search spaces: an architecture is a row of decisions, and the space is their list.

    tokens [T], 0 <= tokens_t < n_t;  the space has prod_t n_t members

Every method of search here knows no more of an architecture than this. What the
decisions mean is told by who made the space: the blocks of a cell (`cells`), the
layers of a whole network (`layers`), the mergers of a pyramid (`pyramid`). Spaces are
built so that every row is a network that can be built; none has to be refused.

Shapes: N architectures, T decisions.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Space(NamedTuple):
    """What can be decided.

    Attributes:
        names: what is decided, one name for each decision [T].
        choices: what each decision can be, by name.
        links: for a decision whether one layer reads another, the places of the
            decisions that stand for the two, the one that is read first; None for
            any other. A controller may use it; the choices are ("no", "yes").
    """

    names: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    links: tuple[tuple[int, int] | None, ...]

    @property
    def sizes(self) -> np.ndarray:
        """Number of choices of each decision, int32 [T]."""
        return np.array([len(of) for of in self.choices], np.int32)

    @property
    def members(self) -> int:
        """Number of architectures; some may be the same network."""
        return math.prod(len(of) for of in self.choices)


def make_space(
    decisions: dict[str, tuple[str, ...]],
    links: dict[str, tuple[str, str]] | None = None,
) -> Space:
    """A space of named decisions, in their order.

    Args:
        decisions: name -> choices.
        links: name -> the two decisions before it that stand for the layers.

    Raises:
        ValueError: nothing is to decide, a decision has no choice or one twice, or a
            link is not between decisions that come before it.

    >>> make_space({"kernel": ("3", "5"), "width": ("8", "16", "32")}).members
    6
    """
    if not decisions:
        raise ValueError("decisions must name at least one, got none")
    for name, of in decisions.items():
        if not of or len(set(of)) < len(of):
            raise ValueError(f"choices of {name!r} must be distinct and some, got {of}")
    names, linked = tuple(decisions), dict(links or {})
    for name, pair in linked.items():
        known = names[: names.index(name)] if name in names else ()
        if not set(pair) <= set(known) or len(decisions[name]) != 2:
            raise ValueError(
                f"links[{name!r}] must be a decision of two choices, linked to two "
                f"before it; got {pair}"
            )
    places = {name: tuple(map(names.index, pair)) for name, pair in linked.items()}
    return Space(
        names,
        tuple(tuple(of) for of in decisions.values()),
        tuple(places.get(name) for name in names),
    )


def sample(of: Space, key: jax.Array) -> jax.Array:
    """An architecture, each with the same probability: int32 [T]."""
    return jax.random.randint(key, (len(of.names),), 0, of.sizes)


def mutate(of: Space, key: jax.Array, tokens: jax.Array) -> jax.Array:
    """The architecture with one decision changed to another choice: int32 [T].

    The decision is drawn among those that have two choices or more.

    Raises:
        ValueError: no decision has.
    """
    sizes = of.sizes
    (free,) = np.nonzero(sizes > 1)
    if not len(free):
        raise ValueError("the space must have two members, got one")
    where, by = jax.random.split(key)
    at = jax.random.choice(where, free)
    size = jnp.asarray(sizes)[at]
    moved = (tokens[at] + jax.random.randint(by, (), 1, size)) % size
    return tokens.at[at].set(moved)


def describe(of: Space, tokens: np.ndarray) -> dict[str, str]:
    """What is decided, by name.

    Args:
        tokens: integers [T].

    Raises:
        ValueError: another number of decisions, or a choice that there is not.
    """
    tokens = np.asarray(tokens)
    if tokens.shape != of.sizes.shape or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"tokens must be {len(of.names)} integers, got {tokens.dtype} "
            f"{list(tokens.shape)}"
        )
    if (wrong := (tokens < 0) | (tokens >= of.sizes)).any():
        t = int(np.argmax(wrong))
        raise ValueError(
            f"{of.names[t]} must be in [0, {of.sizes[t]}), got {tokens[t]}"
        )
    picked = (of.choices[t][token] for t, token in enumerate(tokens))
    return dict(zip(of.names, picked, strict=True))
