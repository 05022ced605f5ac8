"""pix2pix and CycleGAN against PyTorch: networks, whole steps, the pool, refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from tests.generative import torch_players
from tests.generative.torch_players import random_everywhere, tensors
from zoo import convert
from zoo.functional import example_keys
from zoo.generative import (
    cyclegan,
    gan_losses,
    patch,
    pix2pix,
    pool,
    residual_generator,
    unet_generator,
)
from zoo.receptive import receptive_field

KEY = jax.random.key(0)
RATES = 0.3, 0.2


def theirs_to_ours(module, ours, x, rules):
    """Variables of ours from a module of PyTorch's."""
    shapes = jax.eval_shape(ours.init, KEY, x)
    return convert.assign(tensors(module), shapes, rules)


def torch_images(x):
    import torch

    return torch.tensor(np.asarray(x).transpose(0, 3, 1, 2))


ASKED = patch.PatchDiscriminator
RESIDUAL = residual_generator.ResidualGenerator
UNET = unet_generator.UNetGenerator
NETS = {
    "patch_batch": (
        lambda: torch_players.patch_discriminator(5, 3, 3, "batch"),
        ASKED(3, 3, "batch"),
        patch.RULES,
        (2, 24, 32, 5),
    ),
    "patch_instance": (
        lambda: torch_players.patch_discriminator(3, 2, 2, "instance"),
        ASKED(2, 2),
        patch.RULES,
        (2, 16, 12, 3),
    ),
    "unet": (
        lambda: torch_players.unet_generator(3, 2, 2, 4),
        UNET(2, 2, 4),
        unet_generator.RULES,
        (2, 16, 32, 3),
    ),
    "residual": (
        lambda: torch_players.residual_generator(3, 2, 2, 2),
        RESIDUAL(2, 2, 2),
        residual_generator.rules(2),
        (2, 8, 12, 3),
    ),
}


@pytest.mark.reference
@pytest.mark.parametrize("name", NETS)
def test_networks_are_pytorchs(name):
    """By weights of the originals' layout, all of them random; in training too."""
    import torch

    make, ours, rules, shape = NETS[name]
    module = random_everywhere(make(), 1)
    x = np.random.default_rng(0).normal(size=shape).astype("f")
    variables = theirs_to_ours(module, ours, x, rules)
    trained = {"train": True, "mutable": ["batch_stats"]} if len(variables) > 1 else {}
    for train in (False, True) if trained else (False,):
        module.train(train)
        with torch.no_grad():
            expected = module(torch_images(x)).numpy().transpose(0, 2, 3, 1)
        found = jax.jit(functools.partial(ours.apply, **trained if train else {}))
        found = found(variables, x)[0] if train else found(variables, x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_patches_are_of_16_34_and_70_pixels():
    for layers, seen in ((1, 16), (2, 34), (3, 70)):
        net = ASKED(1, layers, "batch", fast=False)
        x = jax.ShapeDtypeStruct((1, 96, 96, 1), jnp.float32)
        assert receptive_field(net, x) == (seen, seen)


def doubles(tree):
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), tree)


def stepped(value, modules, rate):
    """A step of plain gradient descent of modules of PyTorch's."""
    import torch

    params = [p for module in modules for p in module.parameters()]
    grads = torch.autograd.grad(value, params)
    with torch.no_grad():
        for p, g in zip(params, grads, strict=True):
            p -= rate * g


def close(ours, module, player, rules):
    """Parameters are those of PyTorch's after the same steps, to float32."""
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), ours)
    expected = convert.assign(tensors(module), shapes, rules)["params"]
    equal = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-8)
    jax.tree.map(equal, player, expected)


@pytest.mark.reference
def test_a_step_of_pix2pix_is_pytorchs():
    import torch

    rng = np.random.default_rng(1)
    batch = {
        "x": rng.normal(size=(3, 8, 12, 2)),
        "y": rng.uniform(-1, 1, (3, 8, 12, 1)),
        "index": np.arange(3, dtype=np.int32),
    }
    first = random_everywhere(torch_players.unet_generator(2, 1, 2, 2), 2).double()
    second = torch_players.patch_discriminator(3, 2, 1, "batch")
    second = random_everywhere(second, 3).double()
    made = UNET(1, 2, 2)
    asked = ASKED(2, 1, "batch")
    rates = (optim.sgd(rate) for rate in RATES)
    learner = pix2pix.learner(
        made, asked, gan_losses.non_saturating(), *rates, weight=7
    )
    with jax.enable_x64(True):
        state = jax.jit(learner.init)(KEY, batch)
        both = np.concatenate([batch["x"], batch["y"]], -1)
        g = doubles(theirs_to_ours(first, made, batch["x"], unet_generator.RULES))
        d = doubles(theirs_to_ours(second, asked, both, patch.RULES))
        stats = {"batch_stats": d["batch_stats"]}
        state = state._replace(
            generator=state.generator._replace(
                params=g["params"], model_state={"batch_stats": g["batch_stats"]}
            ),
            discriminator=state.discriminator._replace(
                params=d["params"], model_state={"real": stats, "fake": stats}
            ),
        )
        new, metrics = jax.jit(learner.step)(state, batch)
    x, y = torch_images(batch["x"]), torch_images(batch["y"])
    cross = torch.nn.functional.binary_cross_entropy_with_logits
    one = lambda told: cross(told, torch.ones_like(told))
    zero = lambda told: cross(told, torch.zeros_like(told))
    fake = first(x)
    seen = lambda y: second(torch.cat([x, y], 1))
    value = (one(seen(y)) + zero(seen(fake.detach()))) / 2
    stepped(value, [second], RATES[1])
    apart = (fake - y).abs().mean()
    stepped(one(seen(fake)) + 7 * apart, [first], RATES[0])
    close(g, first, new.generator.params, unet_generator.RULES)
    close(d, second, new.discriminator.params, patch.RULES)
    ratio = lambda name: float(metrics[name][0] / metrics[name][1])
    np.testing.assert_allclose(ratio("distance"), float(apart.detach()), rtol=1e-6)
    np.testing.assert_allclose(ratio("discriminator"), float(value.detach()), rtol=1e-6)


def drawn(key, index, places):
    """Whether samples are exchanged, and where, by their numbers."""
    for one in example_keys(key, jnp.asarray(index)):
        swap = jax.random.bernoulli(jax.random.fold_in(one, 0))
        place = jax.random.randint(jax.random.fold_in(one, 1), (), 0, places)
        yield bool(swap), int(place)


def exchanged(kept, samples, draws, places):
    """The pool of the paper, in turn."""
    given = []
    for sample, (swap, place) in zip(samples, draws, strict=True):
        if len(kept) < places:
            kept.append(sample)
            given.append(sample)
        elif swap:
            given.append(kept[place])
            kept[place] = sample
        else:
            given.append(sample)
    return given


def test_pool():
    """In turn, a batch straddling the moment in which it is full."""
    state = pool.empty(4, jnp.ones((3, 2)))
    exchange = jax.jit(pool.exchange)
    kept, swaps = [], 0
    for step in range(12):
        x = np.arange(3 * step, 3 * step + 3)
        key, index = jax.random.key(step), x % 5
        state, found = exchange(state, jnp.stack([x, x], 1) * 1.0, key, index)
        given = exchanged(kept, list(x), drawn(key, index, 4), 4)
        swaps += sum(a != b for a, b in zip(given, x, strict=True))
        np.testing.assert_array_equal(found, np.stack([given, given], 1))
        np.testing.assert_array_equal(state.kept[: len(kept), 0], kept)
    assert 10 <= swaps <= 26 and int(state.count) == 4
    none = pool.empty(0, jnp.ones((3, 2)))
    np.testing.assert_array_equal(pool.exchange(none, found, key, index)[1], found)


@pytest.mark.reference
def test_steps_of_cyclegan_are_pytorchs():
    """Two steps; in the second the pools are full."""
    import torch

    rng = np.random.default_rng(2)
    draw = lambda: rng.uniform(-1, 1, (2, 8, 12, 2))
    batches = [
        {
            "x": {"x": draw(), "index": np.int32([3, 1]), "weight": np.float64([1, 3])},
            "y": {"x": draw(), "index": np.int32([0, 2])},
        }
        for _ in range(2)
    ]
    makers, judges = {}, {}
    for i, domain in enumerate("xy"):
        net = torch_players.residual_generator(2, 2, 2, 1, 0)
        makers[domain] = random_everywhere(net, i).double()
        net = torch_players.patch_discriminator(2, 2, 1, "instance")
        judges[domain] = random_everywhere(net, 2 + i).double()
    made, asked = RESIDUAL(2, 2, 1, 0), ASKED(2, 1)
    learner = cyclegan.learner(
        dict.fromkeys("xy", made), dict.fromkeys("xy", asked),
        gan_losses.least_squares(), *(optim.sgd(r / 30) for r in RATES),
        cycle=4.0, identity=0.3, places=2,
    )  # fmt: skip
    rules = residual_generator.rules(1, 0)
    mean = lambda values, w: (values.mean((1, 2, 3)) * w).sum() / w.sum()
    with jax.enable_x64(True):
        state = jax.jit(learner.init)(KEY, batches[0])
        x = batches[0]["x"]["x"]
        first = {d: theirs_to_ours(makers[d], made, x, rules) for d in "xy"}
        second = {d: theirs_to_ours(judges[d], asked, x, patch.RULES) for d in "xy"}
        of = lambda nets: {d: doubles(nets[d]["params"]) for d in "xy"}
        state = state._replace(
            generators=state.generators._replace(params=of(first)),
            discriminators=state.discriminators._replace(params=of(second)),
        )
        step, kept = jax.jit(learner.step), {"x": [], "y": []}
        for n, batch in enumerate(batches):
            state, metrics = step(state, batch)
            key = jax.random.fold_in(state.key, n)
            images = {d: torch_images(batch[d]["x"]) for d in "xy"}
            weights = {"x": torch.tensor([1.0, 3.0]), "y": torch.ones(2)}
            fakes, value = {}, 0
            for d, other in ("xy", "yx"):
                fakes[d] = makers[d](images[other])
                told = judges[d](fakes[d])
                value = value + mean((told - 1) ** 2 / 2, weights[other])
                same = makers[d](images[d])
                value = value + 1.2 * mean((same - images[d]).abs(), weights[d])
            for d, other in ("xy", "yx"):
                again = (makers[d](fakes[other]) - images[d]).abs()
                value = value + 4 * mean(again, weights[d])
            stepped(value, makers.values(), RATES[0] / 30)
            doubt = 0
            for i, (d, other) in enumerate(("xy", "yx")):
                draws = drawn(jax.random.fold_in(key, i), batch[other]["index"], 2)
                samples = exchanged(kept[d], list(fakes[d].detach()), draws, 2)
                a, b = judges[d](images[d]), judges[d](torch.stack(samples))
                doubt = doubt + mean((a - 1) ** 2 / 4 + b**2 / 4, weights[d])
            stepped(doubt, judges.values(), RATES[1] / 30)
    names = ("generator", "cycle", "identity", "discriminator")
    assert set(metrics) == {f"{name}/{d}" for name in names for d in "xy"}
    ratio = lambda name: float(metrics[name][0] / metrics[name][1])
    found = ratio("discriminator/x") + ratio("discriminator/y")
    np.testing.assert_allclose(found, float(doubt.detach()), rtol=1e-5)
    for d in "xy":
        close(first[d], makers[d], state.generators.params[d], rules)
        close(second[d], judges[d], state.discriminators.params[d], patch.RULES)


def test_dropout_is_by_the_number_of_the_example():
    net = UNET(1, 1, 3, first_dropout=2)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).repeat(3, 0).astype("f")
    variables = jax.jit(net.init)(KEY, x)
    apply = jax.jit(
        lambda index: net.apply(
            variables, x, train=True, index=index, mutable=["batch_stats"],
            rngs={"dropout": KEY},
        )[0]
    )  # fmt: skip
    y = apply(jnp.array([4, 5, 4]))
    np.testing.assert_array_equal(y[0], y[2])
    assert abs(y[0] - y[1]).max() > 1e-4


def pairs_of(x, y):
    return {"x": jnp.ones(x), "y": jnp.ones(y), "index": jnp.arange(x[0])}


def refused_pairs(made=None, loss="non_saturating", x=(2, 8, 8, 1), y=None, **options):
    made = made or UNET(1, 1, 2)
    asked, loss = ASKED(1, 1), gan_losses.LOSSES[loss]()
    fit = pix2pix.learner(made, asked, loss, optim.sgd(1), optim.sgd(1), **options)
    jax.eval_shape(fit.init, KEY, pairs_of(x, y or x))


def refused_domains(made=None, x=(2, 8, 8, 1), y=None, **options):
    made = made or RESIDUAL(1, 1, 1)
    asked, loss = ASKED(1, 1), gan_losses.least_squares()
    domains = options.pop("domains", "xy")
    fit = cyclegan.learner(
        dict.fromkeys(domains, made), dict.fromkeys("xy", asked), loss,
        optim.sgd(1), optim.sgd(1), **options,
    )  # fmt: skip
    index = {"index": jnp.arange(2)}
    batch = {"x": {"x": jnp.ones(x), **index}, "y": {"x": jnp.ones(y or x), **index}}
    jax.eval_shape(fit.init, KEY, batch)


@pytest.mark.parametrize(
    "refused, options, message",
    [
        (refused_pairs, {"weight": -1.0}, "weight must be >= 0, got -1.0"),
        (refused_pairs, {"loss": "began"}, "loss must be one without balance"),
        (refused_pairs, {"y": (2, 8, 4, 1)}, "x and y must be images of one size"),
        (refused_pairs, {"y": (2, 8, 8, 3)}, r"makes \[2, 8, 8, 1\] of x, and y are"),
        (refused_pairs, {"x": (2, 8, 10, 1)}, r"sides that 4 divides, got \[2, 8, 10"),
        (refused_domains, {"cycle": -1.0}, "cycle must be >= 0, got -1.0"),
        (refused_domains, {"identity": -1.0}, "identity must be >= 0, got -1.0"),
        (refused_domains, {"places": -1}, "places must be an integer >= 0, got -1"),
        (refused_domains, {"domains": "xz"}, 'generators must be of "x" and "y", got'),
        (refused_domains, {"y": (2, 8, 12, 1)}, "as many images of one size"),
        (refused_domains, {"y": (2, 8, 8, 2)}, "and, for the identity, as many"),
        (
            refused_domains,
            {"y": (2, 8, 8, 2), "identity": 0.0},
            r"the generator of y makes \[2, 8, 8, 1\], and the examples are",
        ),
        (
            refused_domains,
            {"made": UNET(1, 1, 2)},
            "UNetGenerator has batch_stats: networks must normalize each image alone",
        ),
    ],
)
def test_refuses(refused, options, message):
    with pytest.raises(ValueError, match=message):
        refused(**options)


@pytest.mark.parametrize(
    "net, shape, message",
    [
        (
            ASKED(norm="layer"),
            (1, 64, 64, 1),
            "unknown norm 'layer'",
        ),
        (ASKED(), (1, 16, 32, 1), "of at least 24, got"),
        (RESIDUAL(), (1, 10, 12, 1), "sides that 4 divides, of at least 8"),
        (
            UNET(depth=1),
            (1, 8, 8, 1),
            "depth must be 2 or more",
        ),
        (
            UNET(last="relu"),
            (1, 8, 8, 1),
            "unknown last 'relu'",
        ),
    ],
)
def test_networks_refuse(net, shape, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(net.init, KEY, jnp.ones(shape))
