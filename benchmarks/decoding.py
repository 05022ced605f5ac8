"""Writing N tokens with a cache of keys and values, against computing all of them anew.

A GPT of four layers of 128, four rows, the likeliest token at each place. Without a
cache each token costs a forward pass over all N places, which is one program too. Both
write the same tokens. See benchmarks/rows.py for the growth: with a cache the time of N
tokens grows as N, as long as reading the keys is little; without, as N squared or more.
"""

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from benchmarks.results import Figure
from benchmarks.rows import Row, Sides, compare
from zoo.sequence import sample

NAMES = ("decoding.gpt", "decoding.gpt.growth")
BATCH, PROMPT, LONGEST = 4, 8, 256


def measure() -> list[Figure]:
    """Time and growth; see the module."""
    what = f"char_gpt, {BATCH} rows, {{n}} tokens, the likeliest, with a cache"
    row = Row(what, _sides, LONGEST - PROMPT, within=0)
    return compare(NAMES[0], row, "the same network without a cache, one program")


def _sides(n: int) -> Sides:
    model = zoo.create("char_gpt", longest=LONGEST)
    prompt = np.random.default_rng(0).integers(0, model.vocabulary, (BATCH, PROMPT))
    prompt = jnp.asarray(prompt, jnp.int32)
    # Larger than at the start: text that goes on, not the last token for ever.
    variables = jax.tree.map(lambda p: 3 * p, model.init(jax.random.key(0), prompt))
    write = lambda v: sample(model, v, jax.random.key(0), prompt, n, temperature=0)

    def anew(variables):
        def step(tokens, at):  # what is after `at` is not looked at
            logits = model.apply(variables, tokens)
            told = jax.lax.dynamic_index_in_dim(logits, at, 1, keepdims=False)
            found = told.argmax(1).astype(jnp.int32)
            return jax.lax.dynamic_update_index_in_dim(tokens, found, at + 1, 1), found

        first = jnp.pad(prompt, ((0, 0), (0, n)))
        places = jnp.arange(PROMPT - 1, PROMPT + n - 1)
        return jax.lax.scan(step, first, places)[1].T

    cached, uncached = jax.jit(write), jax.jit(anew)
    return Sides(
        ours=lambda: cached(variables),
        theirs=lambda: uncached(variables),
        apart=lambda a, b: float((np.asarray(a) != np.asarray(b)).mean()),
    )
