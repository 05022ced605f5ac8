"""Language models: the next token from those before it, and texts drawn from them.

    p(x_1 .. x_T) = prod_t p(x_t | x_1 .. x_{t-1}),   p(. | ...) = softmax(logits)
    bits of a character = -log2 p, its mean over a text

A model of this kind is called with tokens, [B, T], and gives the logits of each next
one, [B, T, V]. Called with a state as well, it goes on from there and gives the state
after; what the state is, of a recurrent network its own and of a Transformer the keys
and values that it has seen, is the model's affair:

    logits, state = model.apply(variables, x, model.initial_state(B, longest))

Drawing divides the logits by a temperature (0: the likeliest token), and may leave out
all but the k likeliest. It runs as one scan: a program for each length.

Shapes: B rows, T tokens of a row, V tokens of the vocabulary.

References:
    Mikolov et al., "Recurrent neural network based language model", Interspeech 2010,
    https://doi.org/10.21437/Interspeech.2010-343
    Graves, "Generating sequences with recurrent neural networks", 2013,
    https://arxiv.org/abs/1308.0850 (characters)
    Fan, Lewis and Dauphin, "Hierarchical neural story generation", ACL 2018,
    https://arxiv.org/abs/1805.04833 (top-k sampling)
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.dropout import Dropout
from zoo.functional.losses import Pair, cross_entropy
from zoo.functional.products import Dense
from zoo.sequence.recurrent import Recurrent, State

TINY = dict(vocabulary=11, width=3, cell="lstm", features=4, layers=2, dropout=0.25)


class RecurrentLM(nn.Module):
    """A recurrent language model.

    Called with tokens, int [B, T], it gives logits, [B, T, V]; with a state as well,
    the logits and the state after.

    Attributes:
        vocabulary: tokens that it knows (V).
        width: numbers that stand for a token.
        cell: `rnn`, `lstm` or `gru`.
        features: units of each layer.
        layers: how many.
        dropout: probability at which inputs of each layer, and of the head, are zeroed
            in training.

    Raises:
        ValueError: tokens that are not integers [B, T]; a field out of range.
    """

    vocabulary: int = 82
    width: int = 64
    cell: str = "lstm"
    features: int = 256
    layers: int = 1
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        state: State | None = None,
        *,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> jax.Array | tuple[jax.Array, State]:
        checked_tokens(x, self.vocabulary)
        h = nn.Embed(self.vocabulary, self.width, name="embed")(x)  # [B, T, width]
        drop = lambda name, h: Dropout(self.dropout, name=name)(
            h, train=train, index=index
        )
        net = Recurrent(
            self.features,
            self.cell,
            layers=self.layers,
            dropout=self.dropout,
            name="recurrent",
        )
        h = drop("dropout_in", h)
        h, final = net(h, initial=state, train=train, index=index)  # [B, T, features]
        h = drop("dropout_out", h)
        logits = Dense(self.vocabulary, name="head")(h)  # [B, T, V]
        return logits if state is None else (logits, final)

    @nn.nowrap
    def initial_state(self, batch: int, longest: int = 0) -> State:
        """The state of so many rows before the first token, whatever their length."""
        del longest
        net = Recurrent(self.features, self.cell, self.layers)
        return net.initial_state(batch)


def token_cross_entropy(
    outputs: jax.Array, batch: dict[str, Any], label_smoothing: float = 0.0
) -> Pair:
    """Cross-entropy of the next tokens, in nats, over all that count.

    Args:
        outputs: logits, [B, T, V].
        batch: `y`, the true tokens, int [B, T]; optionally `mask`, bool [B, T], True
            where a token counts, and `weight`, [B].
        label_smoothing: share of the target that is spread over the vocabulary.

    Returns:
        The sum over tokens, and their (weighted) number.

    Raises:
        ValueError: shapes that do not fit.
    """
    y = batch["y"]
    if outputs.ndim != 3 or y.shape != outputs.shape[:2]:
        raise ValueError(
            f"outputs must be [B, T, V] and y [B, T], got {outputs.shape} and {y.shape}"
        )
    weight = jnp.ones(y.shape, jnp.float32)
    if "mask" in batch:
        if batch["mask"].shape != y.shape:
            raise ValueError(f"mask must be {y.shape}, got {batch['mask'].shape}")
        weight = jnp.asarray(batch["mask"]).astype(jnp.float32)
    if "weight" in batch:
        weight = weight * batch["weight"].astype(jnp.float32)[:, None]
    flat = {"y": y.reshape(-1), "weight": weight.reshape(-1)}
    tokens = outputs.reshape(-1, outputs.shape[2])  # [B, T, V] -> [B T, V]
    return cross_entropy(tokens, flat, label_smoothing)


def bits(outputs: jax.Array, batch: dict[str, Any]) -> Pair:
    """Bits of each true token under the model, as `token_cross_entropy`."""
    value, count = token_cross_entropy(outputs, batch)
    return value / math.log(2), count


def token_accuracy(outputs: jax.Array, batch: dict[str, Any]) -> Pair:
    """How many of the tokens that count are the likeliest ones, and their number."""
    right = outputs.argmax(-1) == batch["y"]
    counts = jnp.asarray(batch.get("mask", True)) & jnp.ones(right.shape, bool)
    weight = counts.astype(jnp.float32)
    if "weight" in batch:
        weight = weight * batch["weight"].astype(jnp.float32)[:, None]
    return jnp.where(right, weight, 0).sum(), weight.sum()


def sample(
    model: nn.Module,
    variables: Any,
    key: jax.Array,
    prompt: jax.Array,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> jax.Array:
    """Tokens drawn one after another, each given all before it.

    Args:
        model: a language model as of this module.
        variables: its variables.
        key: of the draws; each row has draws of its own.
        prompt: tokens to begin with, int [B, P], P at least 1.
        length: tokens to draw.
        temperature: of the logits; 0 takes the likeliest token.
        top_k: how many of the likeliest tokens may be drawn; None for all.

    Returns:
        The tokens drawn, int32 [B, length].

    Raises:
        ValueError: a size, temperature or top_k out of range.
    """
    if prompt.ndim != 2 or prompt.shape[1] < 1 or length < 1:
        raise ValueError(
            "prompt must be [B, P] with P >= 1 and length positive, got "
            f"{prompt.shape} and {length}"
        )
    state = model.initial_state(len(prompt), prompt.shape[1] + length)
    logits, state = model.apply(variables, prompt, state)

    def step(carry, key):
        logits, state = carry
        token = draw(key, logits, temperature, top_k)  # [B]
        logits, state = model.apply(variables, token[:, None], state)
        return (logits[:, -1], state), token

    keys = jax.random.split(key, length)
    _, tokens = jax.lax.scan(step, (logits[:, -1], state), keys)
    return tokens.T  # [length, B] -> [B, length]


def draw(
    key: jax.Array,
    logits: jax.Array,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> jax.Array:
    """A token for each row of logits, [B, V] -> int32 [B].

    Args:
        key: of the draw.
        logits: [B, V].
        temperature: at least 0; 0 takes the likeliest token.
        top_k: how many of the likeliest may be drawn, from 1 to V; None for all.

    Raises:
        ValueError: a temperature below 0; a top_k out of range.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be 0 or more, got {temperature}")
    if top_k is not None and not 1 <= top_k <= logits.shape[1]:
        raise ValueError(f"top_k must be from 1 to {logits.shape[1]}, got {top_k}")
    if temperature == 0:
        return logits.argmax(1).astype(jnp.int32)
    if top_k is not None:
        least = jax.lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits / temperature).astype(jnp.int32)


def checked_tokens(x: jax.Array, vocabulary: int) -> None:
    """Refuses what is no row of tokens; where values are known, those out of range.

    Args:
        x: tokens, int [B, T] with T of at least 1.
        vocabulary: V; tokens are from 0 to V - 1.

    Raises:
        ValueError: it is not.
    """
    if x.ndim != 2 or x.shape[1] < 1 or not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(
            f"tokens must be integers [B, T] with T >= 1, got {x.dtype} {x.shape}"
        )
    if vocabulary < 1:
        raise ValueError(f"vocabulary must be positive, got {vocabulary}")
    if not isinstance(x, jax.core.Tracer) and x.size:
        known = np.asarray(x)  # a constant of a traced function is known as well
        low, high = int(known.min()), int(known.max())
        if low < 0 or high >= vocabulary:
            raise ValueError(
                f"tokens must be from 0 to {vocabulary - 1}, got {low} to {high}"
            )
