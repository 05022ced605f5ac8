"""Two players: steps against PyTorch's, statistics by kind of batch, and refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.functional import example_keys
from zoo.generative import gan, gan_losses, mlp_gan, predictability, spectral

B, D, Z, H = 8, 5, 3, 6
RATES = 0.3, 0.2
MADE = mlp_gan.MLPGenerator(Z, (D,), (H,), norm=True)
ASKED = mlp_gan.MLPDiscriminator((H,))
RNG = np.random.default_rng(0)
BATCH = {"x": RNG.normal(size=(B, D)), "index": RNG.permutation(B).astype(np.int32)}


def fit(loss="non_saturating", asked=ASKED, made=MADE, **options):
    rates = (optim.sgd(rate) for rate in RATES)
    return gan.learner(made, asked, gan_losses.LOSSES[loss](), *rates, **options)


def at_random(learner, batch=BATCH):
    """A state with every parameter random, in float64."""
    state = jax.jit(learner.init)(jax.random.key(1), batch)
    rng = np.random.default_rng(2)
    moved = lambda player: player._replace(
        params=jax.tree.map(lambda p: rng.normal(size=p.shape), player.params)
    )
    return state._replace(
        generator=moved(state.generator), discriminator=moved(state.discriminator)
    )


def theirs(state, loss, n, simultaneous=False, clip=None, penalty=None):
    """A step by PyTorch: the two players' parameters after it."""
    import torch

    tensor = lambda a: torch.tensor(np.asarray(a), requires_grad=True)
    g, d = (
        jax.tree.map(tensor, dict(player.params))
        for player in (state.generator, state.discriminator)
    )
    layer = lambda p, h: h @ p["kernel"] + p["bias"]

    def make(z):
        h = layer(g["dense_0"], z)
        h = (h - h.mean(0)) / torch.sqrt(h.var(0, unbiased=False) + 1e-5)
        h = torch.relu(h * g["norm_0"]["scale"] + g["norm_0"]["bias"])
        return torch.tanh(layer(g["last"], h))

    def ask(x, d):
        h = torch.nn.functional.leaky_relu(layer(d["dense_0"], x), 0.2)
        return layer(d["last"], h)[:, 0]

    def stepped(value, tree, rate):
        leaves, treedef = jax.tree.flatten(tree)
        grads = torch.autograd.grad(value, leaves, retain_graph=True)
        new = [(p - rate * q).detach() for p, q in zip(leaves, grads, strict=True)]
        return jax.tree.unflatten(treedef, [p.requires_grad_() for p in new])

    cross = torch.nn.functional.binary_cross_entropy_with_logits
    key = jax.random.fold_in(state.key, state.step)
    for i in range(n):
        x, index = torch.tensor(BATCH["x"][i::n]), BATCH["index"][i::n]
        keys = [example_keys(jax.random.fold_in(key, 2 * i + j), index) for j in (0, 1)]
        z = [np.asarray(jax.random.normal(key, (Z,))) for key in keys[0]]
        made = make(torch.tensor(np.stack(z)))
        fake = made.detach()
        a, b = ask(x, d), ask(fake, d)
        if loss == "wasserstein":
            value = b.mean() - a.mean()
        else:
            value = cross(a, torch.ones_like(a)) + cross(b, torch.zeros_like(b))
        if penalty is not None:
            e = torch.tensor([[float(jax.random.uniform(key))] for key in keys[1]])
            point = (e * x + (1 - e) * fake).requires_grad_()
            told = ask(point, d).sum()
            (slope,) = torch.autograd.grad(told, point, create_graph=True)
            value = value + penalty * ((slope.norm(dim=1) - 1) ** 2).mean()
        before, d = d, stepped(value, d, RATES[1])
        if clip is not None:
            d = jax.tree.map(lambda p: p.detach().clamp(-clip, clip), d)
            d = jax.tree.map(lambda p: p.requires_grad_(), d)
    b = ask(made, before if simultaneous else d)
    aims = {
        "wasserstein": lambda: -b.mean(),
        "non_saturating": lambda: cross(b, torch.ones_like(b)),
        "minimax": lambda: -cross(b, torch.zeros_like(b)),
    }
    g = stepped(aims[loss](), g, RATES[0])
    return jax.tree.map(lambda p: p.detach().numpy(), (g, d))


@pytest.mark.reference
@pytest.mark.parametrize(
    "loss, options",
    [
        ("non_saturating", {}),
        ("minimax", {"simultaneous": True}),
        ("wasserstein", {"critic_steps": 2, "penalty": 10.0}),
        ("wasserstein", {"critic_steps": 4, "clip": 0.5}),
    ],
)
def test_a_step_is_pytorchs(loss, options):
    with jax.enable_x64(True):
        learner = fit(loss, **options)
        state = at_random(learner)
        new, metrics = jax.jit(learner.step)(state, BATCH)
        others = {k: v for k, v in options.items() if k != "critic_steps"}
        g, d = theirs(state, loss, options.get("critic_steps", 1), **others)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11)
    jax.tree.map(close, dict(new.generator.params), g)
    jax.tree.map(close, dict(new.discriminator.params), d)
    assert ("penalty" in metrics) == ("penalty" in options)
    assert float(metrics["real"][1]) == B
    if "clip" in options:
        sizes = [np.abs(p).max() for p in jax.tree.leaves(new.discriminator.params)]
        assert max(sizes) == 0.5


def test_statistics_are_by_player_and_by_kind():
    asked = mlp_gan.MLPDiscriminator((H,), norm=True)
    with jax.enable_x64(True):
        learner = fit(asked=asked)
        state = at_random(learner)
        new, _ = jax.jit(learner.step)(state, BATCH)
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), 0)
        z = jax.vmap(lambda key: jax.random.normal(key, (Z,)))(
            example_keys(key, BATCH["index"])
        )
        player = state.generator
        variables = {"params": player.params, **player.model_state}
        fakes = MADE.apply(variables, z, train=True, mutable=["batch_stats"])[0]
        told = jax.jit(learner.evaluate)(new, BATCH)
        p, kinds = new.discriminator.params, new.discriminator.model_state
        a = np.asarray(asked.apply({"params": p, **kinds["real"]}, BATCH["x"]))
    inner = state.discriminator.params["dense_0"]
    of = lambda x: np.asarray(x) @ np.asarray(inner["kernel"]) + inner["bias"]
    for kind, x in (("real", BATCH["x"]), ("fake", fakes)):
        moving = kinds[kind]["batch_stats"]["norm_0"]
        np.testing.assert_allclose(moving["mean"], 0.1 * of(x).mean(0), rtol=1e-9)
        # The average begins as 1 in float32.
        np.testing.assert_allclose(moving["var"], 0.9 + 0.1 * of(x).var(0), rtol=1e-7)
    first = player.params["dense_0"]
    h = np.asarray(z) @ first["kernel"] + first["bias"]
    moving = new.generator.model_state["batch_stats"]["norm_0"]
    np.testing.assert_allclose(moving["mean"], 0.1 * h.mean(0), rtol=1e-9)
    np.testing.assert_allclose(told["real"][0], a.sum(), rtol=1e-9)


def test_balance_average_and_samples():
    """The loss's k, and a generator's moving average, in two steps."""
    loss = gan_losses.began(0.7, 0.1)
    rates = (optim.sgd(rate) for rate in RATES)
    asked = mlp_gan.MLPAutoencoder((H,), 2)
    made = mlp_gan.MLPGenerator(Z, (D,), (H,))
    with jax.enable_x64(True):
        learner = gan.learner(made, asked, loss, *rates, ema=0.15, prior="uniform")
        state = at_random(learner)._replace(balance=jnp.array(0.3))
        step, averages = jax.jit(learner.step), state.ema
        for n in range(2):
            new, metrics = step(state, BATCH)
            a, b = (float(metrics[name][0]) / B for name in ("real", "fake"))
            told = float(metrics["discriminator"][0]) / B
            np.testing.assert_allclose(told, a - state.balance * b, rtol=1e-9)
            k = np.clip(state.balance + 0.1 * (0.7 * a - b), 0, 1)
            np.testing.assert_allclose(new.balance, k, rtol=1e-9)
            decay = min(0.15, (1 + n) / (10 + n))
            averages = jax.tree.map(
                lambda m, p, decay=decay: decay * m + (1 - decay) * p,
                averages,
                new.generator.params,
            )
            state = new
        z = jnp.array(RNG.normal(size=(4, Z)))
        found = gan.samples(made, state, z)
        expected = made.apply({"params": averages}, z)
    np.testing.assert_allclose(found, expected, atol=1e-6)  # decays are float32


def test_spectral_normalization():
    """Against singular values; of a convolution, of its kernel as a matrix."""
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        params = {"a": rng.normal(size=(2, 3, 4, 5)), "b": np.ones(5), "c": np.eye(3)}
        params["c"] = params["c"] * [[3.0], [2.0], [1.0]]
        vectors = spectral.start(jax.random.key(0), params)
        body = lambda _, vectors: spectral.iterate(params, vectors)
        vectors = jax.lax.fori_loop(0, 200, body, vectors)
        found = spectral.normalize(params, vectors)
        top = np.linalg.svd(params["a"].reshape(-1, 5))[1][0]
        np.testing.assert_allclose(found["a"], params["a"] / top, rtol=1e-9)
        np.testing.assert_allclose(found["c"], np.diag([1, 2 / 3, 1 / 3]), atol=1e-9)
        np.testing.assert_array_equal(found["b"], params["b"])
        weights = jnp.array(rng.normal(size=(3, 3)))

        def ours(w):
            return (spectral.normalize({"w": w}, vectors[1:])["w"] * weights).sum()

        def exact(w):
            return (w / jnp.linalg.svd(w)[1][0] * weights).sum()

        given = jnp.array(params["c"])
        np.testing.assert_allclose(
            jax.grad(ours)(given), jax.grad(exact)(given), rtol=1e-6, atol=1e-9
        )
        learner = fit("hinge", spectral=True)
        state = at_random(learner)
        new = jax.jit(learner.step)(state, BATCH)[0]
        state = state._replace(vectors=new.vectors)
        p = spectral.normalize(state.discriminator.params, state.vectors)
        a = np.asarray(ASKED.apply({"params": p}, BATCH["x"]))
        told = jax.jit(learner.evaluate)(state, BATCH)["real"][0]
    np.testing.assert_allclose(told, a.sum(), rtol=1e-9)


def test_labels_reach_both_players():
    made = mlp_gan.MLPGenerator(Z, (D,), (H,), classes=3)
    asked = mlp_gan.MLPDiscriminator((H,), classes=3)
    learner = fit(made=made, asked=asked)
    batch = BATCH | {"x": BATCH["x"].astype("f"), "y": np.arange(B) % 3}
    state = learner.init(jax.random.key(0), batch)
    assert state.generator.params["dense_0"]["kernel"].shape == (Z + 3, H)
    step = jax.jit(learner.step)
    one, other = (
        step(state, batch | {"y": y})[0] for y in (batch["y"], 0 * batch["y"])
    )
    differ = lambda a, b: float(abs(a - b).max())
    for name in ("generator", "discriminator"):
        a, b = (getattr(s, name).params["last"]["kernel"] for s in (one, other))
        assert differ(a, b) > 1e-4, name
    z = jnp.ones((2, Z))
    x = gan.samples(made, one, z, jnp.array([0, 1]))
    assert differ(x[0], x[1]) > 1e-3


def refused(batch=BATCH, **options):
    learner = fit(**options)
    jax.eval_shape(learner.step, jax.eval_shape(learner.init, KEY, batch), batch)


KEY = jax.random.key(0)
NORMED = mlp_gan.MLPDiscriminator((H,), norm=True)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"critic_steps": 0}, "critic_steps must be an integer >= 1, got 0"),
        ({"critic_steps": 3}, "critic_steps must divide .* 8 examples cannot be cut"),
        ({"critic_steps": 2, "simultaneous": True}, "simultaneous needs critic_steps"),
        ({"clip": 0.0}, "clip must be > 0, got 0.0"),
        ({"penalty": -1.0}, "penalty must be > 0, got -1.0"),
        ({"ema": 1.0}, r"ema must be in \(0, 1\), got 1.0"),
        ({"prior": "norml"}, "unknown prior 'norml'; did you mean 'normal'"),
        ({"penalty": 1.0, "asked": NORMED}, "penalty needs a discriminator in which"),
        (
            {"made": mlp_gan.MLPGenerator(Z, (D + 1,), (H,))},
            r"generator makes samples \[8, 6\], and the examples are \[8, 5\]",
        ),
        (
            {"made": mlp_gan.MLPGenerator(Z, (D,), (H,), classes=2)},
            "MLPGenerator has classes, got no labels y",
        ),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        refused(**options)


def test_nets_refuse():
    made = mlp_gan.MLPGenerator(Z, (D,), (H,))
    with pytest.raises(ValueError, match=r"takes latents \[B, 3\], got \[2, 4\]"):
        made.init(KEY, jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="x must be an array with classes of 0, got"):
        ASKED.init(KEY, {"x": jnp.ones((2, 4)), "y": jnp.ones(2)})
    with pytest.raises(ValueError, match="outputs must be from 1 to the example's 4"):
        mlp_gan.MLPAutoencoder(outputs=5).init(KEY, jnp.ones((2, 4)))


def test_predictors_are_their_formula_and_do_not_see_their_unit():
    k, h = 3, 4
    rng = np.random.default_rng(4)
    p = predictability.Predictors(
        rng.normal(size=(k, k, h)), rng.normal(size=(k, h)), rng.normal(size=(k, h)),
        rng.normal(size=k),
    )  # fmt: skip
    y = rng.uniform(size=(5, k))
    with jax.enable_x64(True):
        found = np.asarray(predictability.predict(p, jnp.array(y)))
        total = np.asarray(predictability.unpredicted(p, jnp.array(y)))
    for unit in range(k):
        others = [j for j in range(k) if j != unit]
        hidden = np.tanh(y[:, others] @ p.W[unit][others] + p.b[unit])
        guess = 1 / (1 + np.exp(-(hidden @ p.v[unit] + p.c[unit])))
        np.testing.assert_allclose(found[:, unit], guess, rtol=1e-9)
    np.testing.assert_allclose(total, ((found - y) ** 2).sum(1), rtol=1e-9)
    with pytest.raises(ValueError, match="units must be an integer >= 2, got 1"):
        predictability.learner(1, 2, optim.sgd(0.1), optim.sgd(0.1))


def test_best_predictors_leave_the_conditional_variances():
    """Of a code of bits that stands still: two are independent, the third is nearly
    their exclusive or."""
    bits = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]], float)
    p = np.array([2, 2, 2, 1, 1]) / 8
    left = 0
    for k in range(3):
        for others in {tuple(np.delete(b, k)) for b in bits}:
            same = [tuple(np.delete(b, k)) == others for b in bits]
            q = p[same]
            left += q.sum() * (q @ bits[same][:, k] / q.sum()) * (
                1 - q @ bits[same][:, k] / q.sum()
            )  # fmt: skip
    fit = predictability.learner(3, 8, optim.sgd(0.0), optim.adam(0.05))
    weight = jnp.float32(8 * p)
    batch = {"x": jnp.eye(5), "weight": weight}

    def run(key):
        state = fit.init(key, batch)
        sure = predictability.Encoder(
            W=jnp.arctanh(0.9 * jnp.eye(5)), b=jnp.zeros(5), c=jnp.zeros(3),
            V=20 * jnp.float32(2 * bits - 1),
        )  # fmt: skip
        state = state._replace(encoder=sure)
        body = lambda _, state: fit.step(state, batch)[0]
        state = jax.lax.fori_loop(0, 600, body, state)
        found = fit.evaluate(state, batch)["error"]
        y = predictability.encode(state.encoder, batch["x"])
        return y, found[0] / found[1]

    y, found = jax.jit(run)(jax.random.key(0))
    np.testing.assert_allclose(y, bits, atol=1e-3)
    np.testing.assert_allclose(found, left, atol=3e-3)
    assert left < 0.65  # 3/4, were all three independent


def test_the_encoder_raises_what_predictors_lower():
    batch = {"x": jnp.eye(4)}
    fit = lambda a, b: predictability.learner(2, 8, optim.sgd(a), optim.sgd(b))
    state = fit(0.0, 0.0).init(jax.random.key(0), batch)
    error = lambda state: float(fit(0.0, 0.0).evaluate(state, batch)["error"][0])
    assert error(fit(0.1, 0.0).step(state, batch)[0]) > error(state) + 1e-4
    assert error(fit(0.0, 0.1).step(state, batch)[0]) < error(state) - 1e-4
