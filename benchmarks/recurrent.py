"""A training step of LSTM, GRU and a small Transformer, against PyTorch eager.

LSTM and GRU: 64 rows of 50 steps, 64 numbers to 128 units. Transformer: an encoder of
two layers of 128 features, 4 heads and 512 hidden units, post-norm, without dropout,
over 64 rows of 64 steps. The loss is the mean square of the outputs; the step is of
SGD at 0.01, float32. Both sides start from the same weights and take the same input;
loss and gradients are asserted equal. PyTorch runs with one thread or two, whichever is
faster on the machine.

`split`, in a process of its own, has the CPU in two devices: `pmap` gives each half of
the rows and means the gradients. XLA runs a small product, and a batch of small ones,
on one core, PyTorch on both; two devices use both.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.results import Figure
from benchmarks.timing import compiling, interleaved
from zoo.sequence import Recurrent, Stack, params_from_torch, stack_from_torch

STEPS, PAIRS, RATE = 20, 15, 0.01
CELLS = {"lstm": (64, 50, 64, 128), "gru": (64, 50, 64, 128)}
ROWS = {**CELLS, "transformer": (64, 64, 128, 128)}
DEVICES = 2  # of `split`
NAMES = tuple(f"recurrent.{name}{part}" for name in ROWS for part in ("", ".split"))


def measure(*names: str) -> list[Figure]:
    """The nets that are named, or all; see the module."""
    return [_row(name, 1) for name in names or ROWS]


def split(*names: str) -> list[Figure]:
    """The same on two devices of the CPU, which must be there."""
    return [_row(name, DEVICES) for name in names or ROWS]


def _sides(torch, name: str) -> tuple[Any, Callable, Callable]:
    """PyTorch's module, our parameters from its weights, and x, params -> outputs."""
    batch, time, width, units = ROWS[name]
    torch.manual_seed(0)
    if name == "transformer":
        layer = torch.nn.TransformerEncoderLayer(
            width, 4, 512, dropout=0.0, batch_first=True
        )
        module = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        model = Stack(2, 4, 512, dropout=0.0)
        return module, stack_from_torch, lambda p, x: model.apply({"params": p}, x)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name]
    module = kind(width, units, batch_first=True)
    model = Recurrent(units, name, biases=2)
    return module, params_from_torch, lambda p, x: model.apply({"params": p}, x)[0]


def _step(apply: Callable, x: np.ndarray, devices: int) -> tuple[Callable, Callable]:
    """(params -> params and loss), and how the parameters are placed for it."""

    def step(params, x):
        loss = lambda p: jnp.mean(apply(p, x) ** 2)
        found = jax.value_and_grad(loss)(params)
        value, grads = jax.lax.pmean(found, "batch") if devices > 1 else found
        return jax.tree.map(lambda p, g: p - RATE * g, params, grads), value

    if devices == 1:
        step = jax.jit(step, donate_argnums=0)
        return lambda params: step(params, x), lambda tree: jax.tree.map(jnp.copy, tree)
    step = jax.pmap(step, "batch", donate_argnums=0)
    parts = jax.pmap(lambda x: x)(x.reshape(devices, -1, *x.shape[1:]))
    place = jax.pmap(lambda tree, _: tree, in_axes=(None, 0))
    return lambda params: step(params, parts), lambda p: place(p, np.arange(devices))


def _row(name: str, devices: int) -> Figure:
    import torch  # late: a reference

    batch, steps_in_time, width, units = ROWS[name]
    x = np.random.default_rng(0).normal(size=(batch, steps_in_time, width))
    x = x.astype(np.float32)
    module, convert, apply = _sides(torch, name)
    first = {k: v.detach().clone() for k, v in module.state_dict().items()}
    arrays = lambda tree: {k: v.numpy() for k, v in tree.items()}

    step, place = _step(apply, x, devices)

    def ours():
        params = place(convert(arrays(first)))
        jax.block_until_ready(params)
        began = time.perf_counter()
        for _ in range(STEPS):
            params, value = step(params)
        jax.block_until_ready(params)
        took = time.perf_counter() - began
        if devices > 1:  # the devices have the same
            params, value = jax.tree.map(lambda a: a[0], (params, value))
        return took, params, float(value)

    tensor = torch.from_numpy(x)

    def theirs(threads):
        torch.set_num_threads(threads)
        module.load_state_dict(first)
        optimizer = torch.optim.SGD(module.parameters(), RATE)
        began = time.perf_counter()
        for _ in range(STEPS):
            optimizer.zero_grad()
            y = module(tensor)
            value = ((y if name == "transformer" else y[0]) ** 2).mean()
            value.backward()
            optimizer.step()
        return time.perf_counter() - began, float(value.detach())

    with compiling() as compiled:
        _, params, value = ours()
    for threads in (1, 2):
        theirs(threads)
    fastest = {n: min(theirs(n)[0] for _ in range(3)) for n in (1, 2)}
    best = min(fastest, key=fastest.get)
    _, other = theirs(best)
    np.testing.assert_allclose(value, other, rtol=1e-4)
    after = convert(arrays({k: v.detach() for k, v in module.state_dict().items()}))
    distance = max(
        float(abs(a - b).max())
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(after), strict=True)
    )
    assert distance < 1e-5, f"{name}: parameters differ by {distance}"
    pairs = interleaved(lambda: ours()[0], lambda: theirs(best)[0], PAIRS)
    return Figure(
        name=f"recurrent.{name}{'.split' * (devices > 1)}",
        what=f"step of {name}, {batch} x {steps_in_time}, {width} to {units}, SGD, "
        f"float32{', on two CPU devices' * (devices > 1)}; compiled in "
        f"{compiled.seconds:.1f} s; parameters after {STEPS} "
        f"steps differ by {distance:.0e}",
        value=1e3 * pairs.ours / STEPS,
        unit="ms",
        reference=f"PyTorch eager, {best} thread(s)",
        reference_value=1e3 * pairs.theirs / STEPS,
        ratio=pairs.ratio,
        seed=0,
    )
