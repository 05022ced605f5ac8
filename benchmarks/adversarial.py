"""A step of two players, against the same in PyTorch eager, and what a penalty costs.

`gan.mlp`: dense players for 28x28 images, 100-256-512-784 and 784-512-256-1, batch 64.
`gan.dcgan`: DCGAN of 28 pixels and width 32, batch 64. Both by the non-saturating loss
and plain gradient steps, alternately, on the same samples for both players. Both sides
start from the same weights and take the same examples. PyTorch draws its own latents,
so what is asserted equal is without chance: what both players make of the same latents
and examples, in training; tests hold a whole step to PyTorch's. PyTorch runs with one
thread or two, whichever is faster.

`gan.penalty`: the step of a dense critic with gradient penalty, second derivatives and
all, over the same without it, forty steps of it for one of the generator.
"""

import time

import jax
import numpy as np

import optim
import zoo
from benchmarks.results import Figure
from benchmarks.timing import interleaved
from zoo.generative import gan, gan_losses, mlp_gan

BATCH, STEPS, PAIRS, RATE = 64, 10, 5, 0.01
NETS = ("mlp", "dcgan")
NAMES = ("gan.penalty", *(f"gan.{name}" for name in NETS), "gan.dcgan.split")
DEVICES = 2  # of `split`
MOST = 3.5  # plain steps that a penalised one may cost
CRITICS = 40  # steps of the critic in one call


def measure(*names: str) -> list[Figure]:
    """The figures that are named, or all: penalty, mlp, dcgan."""
    chosen = names or PARTS
    return [_penalty() if name == "penalty" else _net(name) for name in chosen]


def split() -> list[Figure]:
    """DCGAN on two devices of the CPU, which must be there."""
    return [_net("dcgan", DEVICES)]


PARTS = ("penalty", *NETS)


def _penalty() -> Figure:
    """Many steps of the critic for one of the generator, which so hardly counts."""
    made, asked = mlp_gan.MLPGenerator(), mlp_gan.MLPDiscriminator()
    rng = np.random.default_rng(0)
    size = CRITICS * BATCH
    x = rng.normal(size=(size, 28, 28, 1)).astype(np.float32)
    batch = jax.device_put({"x": x, "index": np.arange(size, dtype=np.int32)})

    def seconds_of(penalty):
        learner = gan.learner(
            made, asked, gan_losses.wasserstein(), optim.sgd(RATE), optim.sgd(RATE),
            critic_steps=CRITICS, penalty=penalty,
        )  # fmt: skip
        state = jax.jit(learner.init)(jax.random.key(0), batch)
        step = jax.jit(learner.step)
        jax.block_until_ready(step(state, batch))

        def run():
            began = time.perf_counter()
            jax.block_until_ready(step(state, batch))
            return (time.perf_counter() - began) / CRITICS

        return run

    pairs = interleaved(seconds_of(10.0), seconds_of(None), PAIRS)
    return Figure(
        name="gan.penalty",
        what=f"step of a critic with gradient penalty, 784-512-256-1, batch {BATCH}",
        value=1e3 * pairs.ours,
        unit="ms",
        reference="the same without penalty",
        reference_value=1e3 * pairs.theirs,
        ratio=pairs.ratio,
        claim=f"ratio >= {1 / MOST:.3f}",
        seed=0,
    )


def _ours(name, axis_name=None):
    """Both players."""
    if name == "mlp":
        return mlp_gan.MLPGenerator(), mlp_gan.MLPDiscriminator()
    kinds = "generator", "discriminator"
    return tuple(zoo.create(f"dcgan_28_{k}", axis_name=axis_name) for k in kinds)


def _theirs(name):
    """The same in PyTorch."""
    from torch import nn

    if name == "mlp":
        first = nn.Sequential(
            nn.Linear(100, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(),
            nn.Linear(512, 784), nn.Tanh(),
        )  # fmt: skip
        second = nn.Sequential(
            nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256),
            nn.LeakyReLU(0.2), nn.Linear(256, 1),
        )  # fmt: skip
        return first, second
    first = nn.Sequential(
        nn.ConvTranspose2d(100, 64, 7, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    second = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 7, 1, 0, bias=False),
    )  # fmt: skip
    return first, second


def _hand_over(params, module):
    """Our weights into PyTorch's layers, in the order in which they stand."""
    import torch

    names = sorted(params, key=lambda n: (n == "last", n.rpartition("_")[2], n))
    with torch.no_grad():
        layers = [m for m in module if next(m.parameters(), None) is not None]
        for name, layer in zip(names, layers, strict=True):
            leaf = params[name]
            if "kernel" not in leaf:
                layer.weight.copy_(torch.tensor(np.array(leaf["scale"])))
                layer.bias.copy_(torch.tensor(np.array(leaf["bias"])))
                continue
            kernel = np.moveaxis(np.array(leaf["kernel"]), (-1, -2), (0, 1))
            layer.weight.copy_(torch.tensor(kernel.copy()))
            if "bias" in leaf:
                layer.bias.copy_(torch.tensor(np.array(leaf["bias"])))


def _net(name: str, devices: int = 1) -> Figure:
    import torch  # late: a reference

    (made, asked), (first, second) = _ours(name), _theirs(name)

    def build(axis_name=None):
        return gan.learner(
            *_ours(name, axis_name), gan_losses.non_saturating(),
            optim.sgd(RATE), optim.sgd(RATE), axis_name=axis_name,
        )  # fmt: skip

    engine = zoo.training.engine(build, "single" if devices == 1 else "pmap")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, 28, 28, 1)).astype(np.float32)
    batch = {"x": x, "index": np.arange(BATCH, dtype=np.int32)}
    start = engine.init(jax.random.key(0), batch)
    batch = engine.put_batch(batch)
    _hand_over(start.generator.params, first)
    _hand_over(start.discriminator.params, second)
    torch_x = torch.tensor(x.transpose(0, 3, 1, 2))
    flat = name == "mlp"
    torch_x = torch_x.reshape(BATCH, -1) if flat else torch_x
    _assert_equal(made, asked, start, (first, second), x, torch_x, flat)
    states = [
        {k: v.clone() for k, v in m.state_dict().items()} for m in (first, second)
    ]

    def ours():
        state = engine.put_state(start)
        jax.block_until_ready(state)
        began = time.perf_counter()
        for _ in range(STEPS):
            state, metrics = engine.step(state, batch)
        jax.block_until_ready((state.generator, metrics))
        return time.perf_counter() - began

    cross = torch.nn.functional.binary_cross_entropy_with_logits
    one, zero = torch.ones(BATCH), torch.zeros(BATCH)
    shape = (BATCH, 100) if flat else (BATCH, 100, 1, 1)

    def theirs(threads):
        torch.set_num_threads(threads)
        for module, state in zip((first, second), states, strict=True):
            module.load_state_dict(state)
        optimizers = [torch.optim.SGD(m.parameters(), RATE) for m in (first, second)]
        began = time.perf_counter()
        for _ in range(STEPS):
            fake = first(torch.randn(shape))
            optimizers[1].zero_grad()
            a, b = second(torch_x), second(fake.detach())
            (cross(a.flatten(), one) + cross(b.flatten(), zero)).backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            cross(second(fake).flatten(), one).backward()
            optimizers[0].step()
        return time.perf_counter() - began

    ours()
    fastest = {n: min(theirs(n) for _ in range(3)) for n in (1, 2)}
    best = min(fastest, key=fastest.get)
    pairs = interleaved(ours, lambda: theirs(best), PAIRS)
    return Figure(
        name=f"gan.{name}{'.split' * (devices > 1)}",
        what=f"step of both players, {name} of 28x28, batch {BATCH}, SGD, float32"
        + ", on two CPU devices" * (devices > 1),
        value=1e3 * pairs.ours / STEPS,
        unit="ms",
        reference=f"PyTorch eager, {best} thread(s)",
        reference_value=1e3 * pairs.theirs / STEPS,
        ratio=pairs.ratio,
        seed=0,
    )


def _assert_equal(made, asked, start, modules, x, torch_x, flat):
    """Both players tell the same of the same, in training."""
    import torch

    z = np.random.default_rng(1).normal(size=(BATCH, 100)).astype(np.float32)
    told = []
    for module, player, given in zip(
        (made, asked), (start.generator, start.discriminator), (z, x), strict=True
    ):
        stats = player.model_state.get("real", player.model_state)
        train = {"train": True} if stats else {}
        variables = {"params": player.params, **stats}
        told.append(module.apply(variables, given, mutable=list(stats), **train)[0])
    with torch.no_grad():
        z = torch.tensor(z)
        fake = modules[0](z if flat else z[:, :, None, None]).reshape(BATCH, 28, 28, 1)
        asks = modules[1](torch_x).reshape(BATCH, 1)
    np.testing.assert_allclose(told[0], fake.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(told[1], asks.numpy(), rtol=1e-3, atol=1e-4)
