"""Backpropagation through time by hand: against autodiff of a loop, and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from zoo.functional import backprop

B, T, D, H = 2, 4, 3, 5
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def arguments(name, seed=0):
    """All random, the states before the first step and the biases too."""
    rng = np.random.default_rng(seed)
    width = GATES[name] * H
    states = [(B, H)] * (2 if name == "lstm" else 1)
    biases = [(width,)] + ([(H,)] if name == "gru" else [])
    shapes = [(B, T, D), *states, (D, width), (H, width), *biases]
    return tuple(rng.normal(size=shape) for shape in shapes)


MASK = np.array([[True, False, True, True], [True, True, True, False]])


def rnn_cell(x, h, w_x, w_h, b, f):
    return f(x @ w_x + h @ w_h + b[None])


def lstm_cell(x, h, c, w_x, w_h, b):
    i, f, g, o = jnp.split(x @ w_x + h @ w_h + b[None], 4, axis=1)
    sig = lambda z: 1 / (1 + jnp.exp(-z))
    c = sig(f) * c + sig(i) * jnp.tanh(g)
    return sig(o) * jnp.tanh(c), c


def gru_cell(x, h, w_x, w_h, b, b_n):
    u, v = jnp.split(x @ w_x + b[None], 3, axis=1), jnp.split(h @ w_h, 3, axis=1)
    sig = lambda z: 1 / (1 + jnp.exp(-z))
    r, z = sig(u[0] + v[0]), sig(u[1] + v[1])
    return (1 - z) * jnp.tanh(u[2] + r * (v[2] + b_n[None])) + z * h


def loop(cell, x, state, *weights, mask=None):
    """The cell, step by step; a step that is masked out keeps the state."""
    outputs = []
    for t in range(x.shape[1]):
        new = cell(x[:, t], *state, *weights)
        new = new if isinstance(new, tuple) else (new,)
        if mask is not None:
            m = mask[:, t, None]
            new = tuple(jnp.where(m, a, b) for a, b in zip(new, state, strict=True))
        state = new
        outputs.append(state[0])
    return jnp.stack(outputs, axis=1), *state[1:]


def plain_rnn(f):
    def run(x, h, w_x, w_h, b, mask=None):
        cell = lambda *args: rnn_cell(*args, f)
        return loop(cell, x, (h,), w_x, w_h, b, mask=mask)[0]

    return run


def plain_lstm(x, h, c, *weights, mask=None):
    return loop(lstm_cell, x, (h, c), *weights, mask=mask)


def plain_gru(x, h, *weights, mask=None):
    return loop(gru_cell, x, (h,), *weights, mask=mask)[0]


def rnn_of(activation):
    return lambda *args, **options: backprop.rnn(
        *args, activation=activation, **options
    )


CASES = {
    "rnn": (backprop.rnn, plain_rnn(jnp.tanh)),
    "rnn/relu": (rnn_of("relu"), plain_rnn(jax.nn.relu)),
    "rnn/linear": (rnn_of("linear"), plain_rnn(lambda z: z)),
    "lstm": (backprop.lstm, plain_lstm),
    "gru": (backprop.gru, plain_gru),
}
both = pytest.mark.parametrize("mask", [None, MASK], ids=["all", "mask"])


def case(name):
    return *CASES[name], arguments(name.split("/")[0])


def vjp(f):
    """Outputs, and the gradient of a random projection of each; compiled."""

    @jax.jit
    def run(*args):
        y, back = jax.vjp(f, *args)
        wave = lambda y: jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return y, back(jax.tree.map(wave, y))

    return run


@both
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_a_loop(name, mask):
    f, plain, args = case(name)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        ours = vjp(lambda *args: f(*args, mask=mask))(*args)
        theirs = vjp(lambda *args: plain(*args, mask=mask))(*args)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12),
        *(ours, theirs),
    )
    assert all(np.abs(grad).max() > 1e-2 for grad in ours[1])


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_that_of_differences(name):
    f, _, args = case(name)
    with jax.enable_x64(True):
        masked = jax.jit(lambda *args: f(*args, mask=MASK))
        check_grads(masked, args, order=1, modes=["rev"], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_padding_at_the_end_is_not_there(name):
    """The second sequence has two steps: as if it were run alone, and the gradient of
    what lies beyond is 0."""
    f, _, args = case(name)
    mask = np.array([[True] * T, [True, True, False, False]])
    first = 3 if name == "lstm" else 2
    (x, *first), weights = args[:first], args[first:]

    def last(mask, x, *rest):  # all that is left at the end, as one number
        y = f(x, *rest, *weights, mask=mask)
        h, *c = y if isinstance(y, tuple) else (y,)
        return jnp.sin(h[:, -1]).sum() + sum(jnp.sin(2 * c).sum() for c in c)

    def run(mask, x, *rest):
        wanted = range(1 + len(rest))
        grad = jax.value_and_grad(lambda *args: last(mask, *args), wanted)
        return jax.jit(grad)(x, *rest)

    with jax.enable_x64(True):
        padded, (dx, *states) = run(mask, x, *first)
        whole, (dx1, *states1) = run(None, x[:1], *(s[:1] for s in first))
        short, (dx2, *states2) = run(None, x[1:, :2], *(s[1:] for s in first))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    close(padded, whole + short)
    close(dx[:1], dx1)
    close(dx[1:, :2], dx2)
    assert not np.asarray(dx)[1, 2:].any()
    for d, d1, d2 in zip(states, states1, states2, strict=True):
        close(d, np.concatenate([d1, d2]))


def test_two_steps_by_hand():
    """y0 = tanh(x0 Wx + b), y1 = tanh(y0 Wy + x1 Wx + b): four sequences, 5 units."""
    x0 = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 0, 1.0]])
    x1 = np.array([[9, 8, 7], [0, 0, 0], [6, 5, 4], [3, 2, 1.0]])
    rng = np.random.default_rng(0)
    w_x, w_y, b = (0.3 * rng.normal(size=s) for s in ((3, 5), (5, 5), (5,)))
    y0 = np.tanh(x0 @ w_x + b)
    y1 = np.tanh(y0 @ w_y + x1 @ w_x + b)
    d1 = 1 - y1 * y1  # of the sum of y1
    d0 = d1 @ w_y.T * (1 - y0 * y0)
    with jax.enable_x64(True):
        x = np.stack([x0, x1], axis=1)
        y, back = jax.vjp(jax.jit(backprop.rnn), x, np.zeros((4, 5)), w_x, w_y, b)
        dx, dh, dw_x, dw_y, db = back(np.stack([np.zeros((4, 5)), np.ones((4, 5))], 1))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    close(y, np.stack([y0, y1], axis=1))
    close(dx, np.stack([d0 @ w_x.T, d1 @ w_x.T], axis=1))
    close(dh, d0 @ w_y.T)
    close(dw_x, x0.T @ d0 + x1.T @ d1)
    close(dw_y, y0.T @ d1)
    close(db, (d0 + d1).sum(0))


def products(jaxpr, inside=False):
    """(inside a scan?, output shape) of each dot_general."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield inside, eqn.outvars[0].aval.shape
        for value in eqn.params.values():
            if hasattr(value, "jaxpr"):  # a closed jaxpr
                yield from products(value.jaxpr, inside or eqn.primitive.name == "scan")
            elif hasattr(value, "eqns"):
                yield from products(value, inside or eqn.primitive.name == "scan")


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_weights_get_one_matmul_for_all_steps(name):
    """Backward: inside the scan the residual goes back through W_h, and no more; beyond
    it, one product each for W_h, W_x and x. Autodiff of a scan has W_h's inside."""
    f, _, args = case(name)
    args = tuple(a.astype(np.float32) for a in args)
    y, back = jax.vjp(f, *args)
    found = sorted(products(jax.make_jaxpr(back)(y).jaxpr))
    width = GATES[name] * H
    outside = sorted([(H, width), (D, width), (T, B, D)])
    assert found == [(False, shape) for shape in outside] + [(True, (B, H))]

    def by_scan(x, h, w_x, w_h, b):
        step = lambda h, x: (rnn_cell(x, h, w_x, w_h, b, jnp.tanh),) * 2
        return jax.lax.scan(step, h, jnp.swapaxes(x, 0, 1))[1]

    if name == "rnn":
        y, back = jax.vjp(by_scan, *args)
        assert (True, (H, H)) in products(jax.make_jaxpr(back)(y).jaxpr)


def test_forward_projects_all_inputs_at_once():
    for name in GATES:
        f, _, args = case(name)
        args = tuple(a.astype(np.float32) for a in args)
        width = GATES[name] * H
        found = sorted(products(jax.make_jaxpr(f)(*args).jaxpr))
        assert found == [(False, (T * B, width)), (True, (B, width))]


@pytest.mark.parametrize("name", CASES)
def test_one_step_at_a_time_is_the_whole(name):
    """The state that comes out goes in again: decoding, or a long sequence in parts."""
    f, _, args = case(name)
    states = 2 if name == "lstm" else 1
    x, state, weights = args[0], args[1 : states + 1], args[states + 1 :]
    f = jax.jit(f)
    with jax.enable_x64(True):
        whole = f(*args)
        parts = []
        for part in (x[:, :1], x[:, 1:]):
            y = f(part, *state, *weights)
            h, *c = y if isinstance(y, tuple) else (y,)
            state = (h[:, -1], *c)
            parts.append(h)
    whole = whole[0] if isinstance(whole, tuple) else whole
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rnn", {0: (B, D)}, r"x must be \[B, T, D\] and h \[B, H\]"),
        ("rnn", {1: (B + 1, H)}, r"x must be \[B, T, D\] and h"),
        ("rnn", {3: (H, H + 1)}, r"w_h must be \(5, 5\) .* got \(5, 6\)"),
        ("lstm", {2: (B, 1)}, r"c must be \(2, 5\)"),
        ("lstm", {3: (D, H)}, r"w_x must be \(3, 20\)"),
        ("lstm", {5: (H,)}, r"b must be \(20,\)"),
        ("gru", {5: (3 * H,)}, r"b_n must be \(5,\)"),
        ("gru", {6: (B, T + 1)}, r"mask must be bool \(2, 4\), got bool \(2, 5\)"),
    ],
)
def test_refuses(name, changes, message):
    args = [*arguments(name), np.ones((B, T), bool)]
    for i, shape in changes.items():
        args[i] = np.zeros(shape, args[i].dtype)
    with pytest.raises(ValueError, match=message):
        CASES[name][0](*args)


def test_refuses_a_mask_of_numbers_and_an_unknown_activation():
    args = arguments("rnn")
    with pytest.raises(ValueError, match="mask must be bool .* got float"):
        backprop.rnn(*args, mask=np.ones((B, T)))
    with pytest.raises(
        ValueError, match="activation must be one of tanh, relu, linear, got 's"
    ):
        backprop.rnn(*args, activation="sigmoid")
