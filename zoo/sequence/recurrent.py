"""Recurrent networks: simple, LSTM and GRU; stacked, both ways, in pieces.

    layer 1 reads x, layer l the outputs of layer l - 1; both ways, the outputs of the
    two directions side by side

The cells' formulas, and their backward passes by hand, are those of
`zoo.functional.backprop` (`rnn`, `lstm`, `gru`); the GRU with the reset gate before
the matmul and Jordan's output-to-hidden network are in `zoo.sequence.cells`. All steps'
inputs are projected by one matmul, and the gradient of a recurrent weight is one.

A state goes in and a state comes out, so that a long sequence can be run in pieces:
the outputs are those of the whole. Where the mask is False there is no step: the state
passes on, and the output is 0. With padding at the end, the last state is that of each
sequence's own last step, and the direction backward in time begins there.

A network has one bias for each gate, or two of which the sum counts (PyTorch's and
Keras's way); of the GRU's two, with the reset gate after the matmul, the second of n
stands within the product with r, so that they are two indeed.

Shapes: B examples, T steps, D input features, H units of a layer and direction.
Differs from the papers: LSTMs have no peepholes; all weights begin uniform between
-1 / sqrt(H) and 1 / sqrt(H), as PyTorch's do, and biases at 0, but for the forget
gate's, which begins at 1 so that a fresh cell remembers (Gers et al.).

References:
    Elman, "Finding structure in time", Cognitive Science 1990,
    https://doi.org/10.1207/s15516709cog1402_1
    Schuster and Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions
    on Signal Processing 1997, https://doi.org/10.1109/78.650093
    Gers, Schmidhuber and Cummins, "Learning to forget: continual prediction with
    LSTM", Neural Computation 2000, https://doi.org/10.1162/089976600300015015
    Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP 2014, https://arxiv.org/abs/1406.1078
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional import backprop
from zoo.functional.dropout import Dropout
from zoo.sequence.cells import gru_reset_before, output_to_hidden

GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # cell -> pre-activations of a unit
ACTIVATIONS = ("tanh", "relu", "linear")
RESETS = ("after", "before")
TINY = dict(
    features=3, cell="gru", layers=1, bidirectional=True, biases=2, reset="after"
)

State = tuple[tuple[jax.Array, ...], ...]  # by layer and direction: (h,) or (h, c)


class Recurrent(nn.Module):
    """A recurrent network of one or more layers.

    Called with x, [B, T, D], and as keywords `mask`, bool [B, T], False where there is
    no step, and `initial`, the state before the first step (None: zeros).

    Returns the outputs of the last layer, [B, T, H] or, both ways, [B, T, 2 H], and the
    final state: for each layer, and within it each direction, a tuple of h, and of an
    LSTM c, each [B, H].

    Attributes:
        features: units of each layer and direction (H).
        cell: `rnn`, `lstm` or `gru`.
        layers: how many.
        bidirectional: whether each layer reads both ways.
        biases: 1 or 2 for each gate.
        activation: of `rnn`: `tanh`, `relu` or `linear`.
        reset: of `gru`: the reset gate `after` the matmul or `before` it.
        forget_bias: of `lstm`: where the forget gate's bias begins.
        dropout: probability at which inputs of the layers after the first are zeroed
            in training.

    Raises:
        ValueError: a field out of range; x that is not [B, T, D] with T of at least 1;
            a mask or state that does not fit.
    """

    features: int = 256
    cell: str = "lstm"
    layers: int = 1
    bidirectional: bool = False
    biases: int = 1
    activation: str = "tanh"
    reset: str = "after"
    forget_bias: float = 1.0
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        initial: State | None = None,
        train: bool = False,
        index: jax.Array | None = None,
    ) -> tuple[jax.Array, State]:
        self._check(x, mask)
        zeros = self.initial_state(len(x), x.dtype)
        initial = zeros if initial is None else initial
        _same_shapes(initial, zeros)
        ways, final = 1 + self.bidirectional, []
        for i in range(self.layers):
            if i:
                x = Dropout(self.dropout, name=f"dropout_{i}")(
                    x, train=train, index=index
                )
            outputs = []
            for way in range(ways):
                name = f"layer_{i}" + ("_reverse" if way else "")
                layer = _Layer(**self._fields(), backward=bool(way), name=name)
                y, state = layer(x, mask, initial[ways * i + way])
                outputs.append(y)
                final.append(state)
            x = jnp.concatenate(outputs, axis=2) if ways > 1 else outputs[0]
        return x, tuple(final)

    @nn.nowrap
    def initial_state(self, batch: int, dtype=jnp.float32) -> State:
        """Zeros: the state of so many examples before the first step."""
        zeros = (jnp.zeros((batch, self.features), dtype),)
        one = zeros * 2 if self.cell == "lstm" else zeros
        return (one,) * (self.layers * (1 + self.bidirectional))

    def _fields(self):
        names = ("features", "cell", "biases", "activation", "reset", "forget_bias")
        return {name: getattr(self, name) for name in names}

    def _check(self, x, mask):
        for field, allowed in (
            ("cell", GATES),
            ("activation", ACTIVATIONS),
            ("reset", RESETS),
        ):
            if getattr(self, field) not in allowed:
                raise unknown(field, getattr(self, field), allowed)
        if min(self.features, self.layers) < 1 or self.biases not in (1, 2):
            raise ValueError(
                "features and layers must be positive and biases 1 or 2, got "
                f"{self.features}, {self.layers} and {self.biases}"
            )
        if x.ndim != 3 or x.shape[1] < 1:
            raise ValueError(f"x must be [B, T, D] with T >= 1, got {x.shape}")
        if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != bool):
            raise ValueError(
                f"mask must be bool {x.shape[:2]}, got {mask.dtype} {mask.shape}"
            )


class _Layer(nn.Module):  # one layer in one direction
    features: int
    cell: str
    biases: int
    activation: str
    reset: str
    forget_bias: float
    backward: bool

    @nn.compact
    def __call__(self, x, mask, state):  # [B, T, D] -> [B, T, H]
        units, wide = self.features, GATES[self.cell] * self.features
        uniform = _uniform(units**-0.5)
        w_x = self.param("w_x", uniform, (x.shape[2], wide))
        w_h = self.param("w_h", uniform, (units, wide))
        b = self.param("b_x" if self.biases == 2 else "b", self._first_bias, (wide,))
        zero = nn.initializers.zeros_init()
        b_h = self.param("b_h", zero, (wide,)) if self.biases == 2 else None
        if self.backward:
            x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
        if self.cell == "gru" and self.reset == "after":
            b_n = jnp.zeros((units,), b.dtype)
            if b_h is not None:  # that of n apart
                b_n = b_h[2 * units :]
                b = b + jnp.concatenate([b_h[: 2 * units], jnp.zeros_like(b_n)])
            y = backprop.gru(x, *state, w_x, w_h, b, b_n, mask)
        else:
            b = b if b_h is None else b + b_h
            weights = (w_x, w_h, b, mask)
            if self.cell == "lstm":
                y, c = backprop.lstm(x, *state, *weights)
            elif self.cell == "gru":
                y = gru_reset_before(x, *state, *weights)
            else:
                y = backprop.rnn(x, *state, *weights, self.activation)
        last = (y[:, -1], c) if self.cell == "lstm" else (y[:, -1],)
        if mask is not None:  # the state passes on, the output is none
            y = jnp.where(mask[:, :, None], y, 0)
        return y[:, ::-1] if self.backward else y, last

    def _first_bias(self, key, shape):
        del key
        b = jnp.zeros(shape)
        if self.cell == "lstm":
            b = b.at[self.features : 2 * self.features].set(self.forget_bias)
        return b


class Jordan(nn.Module):
    """The network that feeds its output back, [B, T, D] -> [B, T, O].

    Called with x and, as keywords, `first`, the output before the first step, [B, O]
    (None: zeros), or `forced`, the true output before each step, [B, T, O].

    Attributes:
        outputs: O.
        features: hidden units (H).

    Raises:
        ValueError: shapes that do not fit; both `first` and `forced`.
    """

    outputs: int = 10
    features: int = 64

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        first: jax.Array | None = None,
        forced: jax.Array | None = None,
        train: bool = False,
    ) -> jax.Array:
        del train
        if x.ndim != 3 or x.shape[1] < 1:
            raise ValueError(f"x must be [B, T, D] with T >= 1, got {x.shape}")
        if first is not None and forced is not None:
            raise ValueError("either first or forced may be given, got both")
        batch, time, width = x.shape
        y = jnp.zeros((batch, self.outputs), x.dtype) if first is None else first
        y = y if forced is None else forced
        if y.shape not in ((batch, self.outputs), (batch, time, self.outputs)):
            raise ValueError(
                f"first must be {(batch, self.outputs)} and forced "
                f"{(batch, time, self.outputs)}, got {y.shape}"
            )
        uniform, zero = _uniform(self.features**-0.5), nn.initializers.zeros_init()
        return output_to_hidden(
            x,
            y,
            self.param("w_x", uniform, (width, self.features)),
            self.param("w_y", uniform, (self.outputs, self.features)),
            self.param("b", zero, (self.features,)),
            self.param("v", uniform, (self.features, self.outputs)),
            self.param("c", zero, (self.outputs,)),
        )


def _uniform(limit):
    return lambda key, shape: jax.random.uniform(
        key, shape, minval=-limit, maxval=limit
    )


def _same_shapes(state, zeros):
    """Refuses a state of another network, or of another number of examples."""
    if jax.tree.structure(state) != jax.tree.structure(zeros):
        raise ValueError(
            f"initial must be {len(zeros)} tuples of {len(zeros[0])} arrays, as the "
            f"final state is, got {jax.tree.structure(state)}"
        )
    for given, zero in zip(jax.tree.leaves(state), jax.tree.leaves(zeros), strict=True):
        if given.shape != zero.shape:
            raise ValueError(
                f"initial must be arrays of {zero.shape}, got {given.shape}"
            )
