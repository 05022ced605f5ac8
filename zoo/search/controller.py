"""A recurrent controller that writes architectures and is paid for them (REINFORCE).

    h_t = LSTM(embedding of token_{t-1}, h_{t-1});  p(token_t) = softmax(W_t h_t)
    grad J = mean over m of (R - b) grad sum_t log p(token_t | those before)
    b <- decay b + (1 - decay) mean R

Decision t has embeddings and a softmax of its own. A decision whether layer j reads
layer i is made by their hidden states, at the last plain decision of each:

    p(read) = sigmoid(v . tanh(W_prev h_i + W_curr h_j))

With `clip` the gradient is that of proximal policy optimization, `epochs` times on the
same m architectures, as in NASNet and MnasNet:

    min(r A, clip(r, 1 - clip, 1 + clip) A),   r = p / p when they were written

The gradient is as in the paper of the policy alone; `entropy` adds that many times the
entropy of the decisions to J, which the paper does not.

Limits, tested: rewards that are all the same leave what is written as it is, once b has
come to them.

Shapes: m architectures of a step, T decisions.

References:
    Zoph and Le, "Neural architecture search with reinforcement learning", ICLR 2017,
    https://arxiv.org/abs/1611.01578, sections 3.2 and 3.3
    Williams, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", Machine Learning 1992, https://doi.org/10.1007/BF00992696
    Schulman et al., "Proximal policy optimization algorithms", 2017,
    https://arxiv.org/abs/1707.06347, equation 7
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import optim
from zoo.search.searcher import Searcher
from zoo.search.space import Space

PyTree = Any
FORBIDDEN = -1e9  # a logit; an infinite one has no gradient


def _uniform(key, shape, dtype=jnp.float32):  # as in the paper, there to 0.08
    return jax.random.uniform(key, shape, dtype, -0.1, 0.1)


class ControllerState(NamedTuple):
    params: PyTree
    opt_state: PyTree
    baseline: jax.Array  # float32 scalar
    steps: jax.Array  # int32 scalar


class Controller(nn.Module):
    """Writes the decisions of a space one after another.

    Attributes:
        space: what is decided.
        hidden: units of the LSTM, and of an embedding.
    """

    space: Space
    hidden: int = 32

    @nn.compact
    def __call__(
        self, key: jax.Array, given: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Tokens [T], their log probability, and the entropy of what was decided.

        Args:
            key: for the draws.
            given: tokens [T] to be scored in place of draws.
        """
        sizes = self.space.sizes
        total, most = len(sizes), int(sizes.max())

        def parameter(name, *shape):
            return self.param(name, _uniform, shape)

        embedding = parameter("embedding", total, most, self.hidden)
        start = parameter("start", self.hidden)
        head = parameter("head", total, self.hidden, most)
        before = parameter("previous_layer", self.hidden, self.hidden)
        now = parameter("current_layer", self.hidden, self.hidden)
        voice = parameter("voice", self.hidden)
        # Not orthogonal: two batches of QR at once can wait for each other for ever on
        # a CPU of two cores, in jaxlib 0.10.
        init = dict(kernel_init=_uniform, recurrent_kernel_init=_uniform)
        cell = nn.OptimizedLSTMCell(self.hidden, **init, name="lstm")
        allowed = np.arange(most) < sizes[:, None]
        state = jax.tree.map(jnp.zeros_like, (start, start))
        x, tokens, score, entropy, seen = start, [], 0.0, 0.0, []
        for t, (draw, link) in enumerate(
            zip(jax.random.split(key, total), self.space.links, strict=True)
        ):
            state, h = cell(state, x)
            seen.append(h)
            if link is None:
                logits = jnp.where(allowed[t], h @ head[t], FORBIDDEN)
            else:
                layer, reads = (seen[place] for place in link)
                yes = voice @ jnp.tanh(layer @ before + reads @ now)
                logits = jnp.full(most, FORBIDDEN).at[:2].set(jnp.stack([0 * yes, yes]))
            token = jax.random.categorical(draw, logits) if given is None else given[t]
            logs = jax.nn.log_softmax(logits)
            score += logs[token]
            entropy -= jnp.sum(jnp.exp(logs) * jnp.where(allowed[t], logs, 0))
            tokens.append(token.astype(jnp.int32))
            x = embedding[t, token]
        return jnp.stack(tokens), score, entropy


def reinforce(
    of: Space,
    *,
    optimizer: optax.GradientTransformation | None = None,
    hidden: int = 32,
    decay: float = 0.9,
    entropy: float = 0.0,
    clip: float | None = None,
    epochs: int = 1,
) -> Searcher:
    """A controller taught by REINFORCE, or with `clip` by proximal policy optimization.

    Args:
        of: the space.
        optimizer: of the controller; by default Adam at 0.01.
        hidden: units of the LSTM.
        decay: of the baseline, in [0, 1). It begins as the first step's mean.
        entropy: weight of the entropy, at least 0.
        clip: how far from 1 the ratio of probabilities counts, above 0.
        epochs: gradient steps on the same architectures.

    Raises:
        ValueError: decay, entropy, clip or epochs out of range.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be in [0, 1), got {decay}")
    if entropy < 0 or epochs < 1 or (clip is not None and clip <= 0):
        raise ValueError(
            "entropy must be at least 0, epochs at least 1 and clip above 0, got "
            f"{entropy}, {epochs} and {clip}"
        )
    model = Controller(of, hidden)
    optimizer = optim.adam(0.01) if optimizer is None else optimizer

    def init(key):
        params = model.init(key, key)
        return ControllerState(
            params, optimizer.init(params), jnp.float32(0), jnp.int32(0)
        )

    def propose(state, key, i):
        del i
        return model.apply(state.params, key)[0]

    def scores(params, tokens):
        unused = jax.random.key(0)  # where tokens are given nothing is drawn
        score = lambda row: model.apply(params, unused, row)[1:]
        return jax.vmap(score)(tokens)  # log probabilities [m], entropies [m]

    def learn(state, key, tokens, rewards):
        del key
        mean = rewards.mean()
        baseline = jnp.where(state.steps == 0, mean, state.baseline)
        advantage = rewards - baseline
        written = jax.lax.stop_gradient(scores(state.params, tokens)[0])

        def loss(params):
            logs, entropies = scores(params, tokens)
            gain = advantage * logs
            if clip is not None:
                ratio = jnp.exp(logs - written)
                near = jnp.clip(ratio, 1 - clip, 1 + clip)
                gain = jnp.minimum(ratio * advantage, near * advantage)
            return -jnp.mean(gain + entropy * entropies)

        params, opt_state = state.params, state.opt_state
        for _ in range(epochs):
            grads = jax.grad(loss)(params)
            updates, opt_state = optimizer.update(grads, opt_state, params)
            params = optax.apply_updates(params, updates)
        baseline = decay * baseline + (1 - decay) * mean
        return ControllerState(params, opt_state, baseline, state.steps + 1)

    return Searcher(init, propose, learn)
