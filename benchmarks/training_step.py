"""A training step of MLP and LeNet-5, against PyTorch eager.

Batch 64 of 28x28 Fashion-MNIST images, Adam 1e-3, float32. Both sides start from the
same weights, take the same batches, and end at the same parameters. PyTorch runs in
the fastest of six forms on the machine: one or two threads, and Adam as foreach, fused
or for-loop.
"""

import itertools
import time

import jax
import numpy as np

import optim
import zoo
from benchmarks.results import Figure
from benchmarks.timing import compiling, interleaved

NAMES = ("training_step.mlp", "training_step.lenet5")
BATCH, STEPS, PAIRS, RATE = 64, 20, 15, 1e-3
# Adam divides by the root of the squared gradient: where that is as small as rounding,
# so is what is left of agreement; a step is RATE long.
TOLERANCE = RATE / 10


def measure() -> list[Figure]:
    """Both models; see the module."""
    return [_model(name) for name in ("mlp", "lenet5")]


def _model(name: str) -> Figure:
    from benchmarks import torch_models as theirs  # late: a reference

    data = zoo.data.load("fashion_mnist_small")
    to_float = zoo.data.to_float(data.scale)
    stream = zoo.data.batches(data.train, BATCH, transform=to_float)

    def build(axis_name=None):
        model = zoo.create(name)
        return zoo.supervised(model, zoo.functional.cross_entropy, optim.adam(RATE))

    run = zoo.training.engine(build, "single")
    host = run.init(jax.random.key(0), stream.at(0))
    batches = [run.put_batch(stream.at(step)) for step in range(STEPS)]

    def ours():
        state = run.put_state(host)
        began = time.perf_counter()
        for batch in batches:
            state, metrics = run.step(state, batch)
        jax.block_until_ready(state)
        return time.perf_counter() - began, state, metrics["loss"]

    make = {"mlp": lambda: theirs.mlp((784, 128, 10)), "lenet5": theirs.lenet5}[name]
    tensors = [theirs.tensors(stream.at(step)) for step in range(STEPS)]

    def torch_run(form):
        threads, adam = form
        theirs.torch.set_num_threads(threads)
        module = theirs.copy(host.params, make())
        parameters = module.parameters()
        optimizer = theirs.torch.optim.Adam(parameters, RATE, **theirs.FORMS[adam])
        began = time.perf_counter()
        loss = theirs.train(module, optimizer, tensors)
        return time.perf_counter() - began, module, loss

    with compiling() as compiled:
        _, state, (total, weight) = ours()
    forms = list(itertools.product((1, 2), theirs.FORMS))
    for form in forms:  # PyTorch's first optimizer step imports much
        torch_run(form)
    fastest = {form: min(torch_run(form)[0] for _ in range(3)) for form in forms}
    best = min(fastest, key=fastest.get)
    _, module, loss = torch_run(best)
    np.testing.assert_allclose(float(total / weight), loss, rtol=1e-4)
    distance = theirs.difference(state.params, module)
    assert distance < TOLERANCE, f"{name}: parameters differ by {distance}"
    pairs = interleaved(lambda: ours()[0], lambda: torch_run(best)[0], PAIRS)
    return Figure(
        name=f"training_step.{name}",
        what=f"step of {name}, batch {BATCH}, Adam, float32; "
        f"compiled in {compiled.seconds:.1f} s; parameters after {STEPS} steps differ "
        f"by {distance:.0e}",
        value=1e3 * pairs.ours / STEPS,
        unit="ms",
        reference=f"PyTorch eager, {best[0]} thread(s), {best[1]} Adam",
        reference_value=1e3 * pairs.theirs / STEPS,
        ratio=pairs.ratio,
        seed=0,
    )
