"""Recurrent networks: counts, pieces, masks, both forms of the reset gate, weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.card import count
from zoo.sequence import Jordan, Recurrent, params_from_keras, params_from_torch
from zoo.sequence.cells import output_to_hidden

B, T, D, H = 3, 5, 2, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"cell": "lstm"}, 365_568),
        ({"cell": "lstm", "biases": 2}, 366_592),
        ({"cell": "gru"}, 274_176),
        ({"cell": "gru", "biases": 2}, 274_944),
        ({"cell": "gru", "reset": "before"}, 274_176),
        ({"cell": "rnn"}, 100 * 256 + 256 * 256 + 256),
        (
            {"cell": "lstm", "layers": 2, "bidirectional": True},
            2 * 365_568 + 2 * 4 * 256 * (512 + 256 + 1),
        ),
    ],
)
def test_parameters(fields, expected):
    x = jax.ShapeDtypeStruct((1, 7, 100), jnp.float32)
    model = Recurrent(256, **fields)
    assert count(jax.eval_shape(model.init, jax.random.key(0), x)["params"]) == expected


def test_a_cell_by_hand():
    """The notes' two steps of five tanh units, y1 = tanh(y0 Wy + x1 Wx + b)."""
    x = np.array(
        [
            [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 0, 1]],
            [[9, 8, 7], [0, 0, 0], [6, 5, 4], [3, 2, 1]],
        ],
        np.float32,
    ).swapaxes(0, 1)
    w_x, w_y, b = draw((3, 5), (5, 5), (5,))
    params = {"layer_0": {"w_x": w_x, "w_h": w_y, "b": b}}
    y, final = Recurrent(5, cell="rnn").apply({"params": params}, x)
    y0 = np.tanh(x[:, 0] @ w_x + b)
    y1 = np.tanh(y0 @ w_y + x[:, 1] @ w_x + b)
    np.testing.assert_allclose(y, np.stack([y0, y1], 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(final[0][0], y[:, 1])


@pytest.mark.parametrize(
    "fields",
    [
        {"cell": "rnn", "activation": "relu"},
        {"cell": "lstm", "layers": 2},
        {"cell": "gru", "biases": 2},
        {"cell": "gru", "reset": "before"},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_pieces_are_the_whole(fields):
    """State in, state out; with unequal lengths, one of which ends in each piece."""
    model, (x,) = Recurrent(H, **fields), draw((B, T, D))
    mask = np.arange(T) < np.array([[5], [2], [4]])
    variables = model.init(jax.random.key(0), x)

    @jax.jit
    def both(x):
        whole = model.apply(variables, x, mask=mask)
        first, state = model.apply(variables, x[:, :3], mask=mask[:, :3])
        second, state = model.apply(
            variables, x[:, 3:], mask=mask[:, 3:], initial=state
        )
        return whole, (jnp.concatenate([first, second], 1), state)

    whole, pieces = both(x)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    jax.tree.map(close, pieces, whole)
    alone, state = model.apply(variables, x[1:2, :2])
    close(whole[0][1:2, :2], alone)
    assert not np.asarray(whole[0])[~mask].any()
    jax.tree.map(lambda a, b: close(a[1:2], b), whole[1], state)
    jax.tree.map(close, both(np.where(mask[:, :, None], x, 7))[0], whole)


def test_both_ways_is_two_networks():
    """The second reads each sequence from its own end, and stands beside the first."""
    model, (x,) = Recurrent(H, cell="gru", bidirectional=True), draw((B, T, D))
    params = model.init(jax.random.key(0), x)["params"]
    mask = np.arange(T) < np.array([[5], [2], [4]])
    y, (forward, backward) = model.apply({"params": params}, x, mask=mask)
    one = lambda name, x: Recurrent(H, cell="gru").apply(
        {"params": {"layer_0": params[name]}}, x
    )
    for i, n in enumerate((5, 2, 4)):
        ours, last = one("layer_0", x[i : i + 1, :n])
        back, first = one("layer_0_reverse", x[i : i + 1, :n][:, ::-1])
        both = np.concatenate([ours, back[:, ::-1]], axis=2)
        np.testing.assert_allclose(y[i : i + 1, :n], both, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(forward[0][i], last[0][0][0], rtol=1e-5)
        np.testing.assert_allclose(backward[0][i], first[0][0][0], rtol=1e-5)


def keras_gru(x, kernel, recurrent, bias, reset_after):
    """Keras's equations, gates z, r, h; x [T, D]."""
    units, h, states = recurrent.shape[0], np.zeros(recurrent.shape[0]), []
    b, b_h = bias if reset_after else (bias, np.zeros(3 * units))
    z_, r_, n_ = (slice(i * units, (i + 1) * units) for i in range(3))
    for t in range(len(x)):
        u, v = x[t] @ kernel + b, h @ recurrent + b_h
        z, r = sigmoid(u[z_] + v[z_]), sigmoid(u[r_] + v[r_])
        inner = r * v[n_] if reset_after else (r * h) @ recurrent[:, n_]
        h = z * h + (1 - z) * np.tanh(u[n_] + inner)
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("reset", ["after", "before"])
def test_a_gru_of_keras(reset):
    x, kernel, recurrent, bias = draw((B, T, D), (D, 3 * H), (H, 3 * H), (2, 3 * H))
    bias = bias if reset == "after" else bias[0]
    params = params_from_keras([[kernel, recurrent, bias]], "gru")
    biases = 2 if reset == "after" else 1
    y, _ = Recurrent(H, cell="gru", reset=reset, biases=biases).apply(
        {"params": params}, x
    )
    expected = [keras_gru(one, kernel, recurrent, bias, reset == "after") for one in x]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_an_lstm_of_keras_both_ways():
    """Its gates i, f, c, o are ours; the backward arrays follow the forward ones."""
    arrays = draw((D, 4 * H), (H, 4 * H), (4 * H,)) * 2
    arrays[3] = arrays[3] + 1
    params = params_from_keras([arrays], "lstm", bidirectional=True)
    np.testing.assert_array_equal(params["layer_0"]["w_x"], arrays[0])
    np.testing.assert_array_equal(params["layer_0_reverse"]["w_x"], arrays[3])
    (x,) = draw((1, 1, D))
    y, (state, _) = Recurrent(H, bidirectional=True).apply({"params": params}, x)
    i, _, c, o = np.split(x[0, 0] @ arrays[0] + arrays[2], 4)
    cell = sigmoid(i) * np.tanh(c)
    np.testing.assert_allclose(state[1][0], cell, rtol=1e-5)
    np.testing.assert_allclose(y[0, 0, :H], sigmoid(o) * np.tanh(cell), rtol=1e-5)


def test_fresh_lstms_remember():
    params = Recurrent(H, biases=2).init(jax.random.key(0), draw((1, 2, D))[0])
    b = np.split(np.asarray(params["params"]["layer_0"]["b_x"]), 4)
    np.testing.assert_array_equal(b, np.eye(4)[1][:, None] * np.ones((4, H)))
    assert abs(np.asarray(params["params"]["layer_0"]["w_h"])).max() <= H**-0.5


def test_the_output_comes_back():
    """Against a loop; forced by its own outputs, the same in one product."""
    model, (x, first) = Jordan(3, 4), draw((B, T, D), (B, 3))
    params = model.init(jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda p: np.asarray(p) + np.float32(0.1), params)
    y = model.apply({"params": params}, x, first=first)
    expected, last = [], first
    for t in range(T):
        hidden = np.tanh(x[:, t] @ params["w_x"] + last @ params["w_y"] + params["b"])
        last = np.asarray(hidden @ params["v"] + params["c"])
        expected.append(last)
    np.testing.assert_allclose(y, np.stack(expected, 1), rtol=1e-5, atol=1e-6)
    forced = np.concatenate([first[:, None], y[:, :-1]], 1)
    again = model.apply({"params": params}, x, forced=forced)
    np.testing.assert_allclose(again, y, rtol=1e-5, atol=1e-6)
    weights = [params[name] for name in ("w_x", "w_y", "b", "v", "c")]
    soft = output_to_hidden(x, first, *weights, readout=jax.nn.softmax)
    np.testing.assert_allclose(soft.sum(2), 1, rtol=1e-6)


X = np.zeros((B, T, D), np.float32)


@pytest.mark.parametrize(
    "fields, options, message",
    [
        ({"cell": "lstn"}, {}, "unknown cell 'lstn'; did you mean 'lstm'"),
        ({"reset": "between"}, {}, "unknown reset 'between'"),
        ({"activation": "sine"}, {}, "unknown activation 'sine'"),
        ({"layers": 0}, {}, "must be positive .* got 4, 0 and 1"),
        ({"biases": 3}, {}, "biases 1 or 2, got 4, 1 and 3"),
        ({}, {"x": X[:, :0]}, r"T >= 1, got \(3, 0, 2\)"),
        ({}, {"x": X[0]}, r"\[B, T, D\] with T >= 1"),
        ({}, {"mask": np.ones((B, T))}, r"mask must be bool \(3, 5\), got float64"),
        ({}, {"initial": ((X[:, 0],),)}, "initial must be 1 tuples of 2 arrays"),
        ({}, {"initial": ((X[:, 0], X[:, 0]),)}, r"arrays of \(3, 4\), got \(3, 2\)"),
    ],
)
def test_refuses(fields, options, message):
    given = {"x": X, **options}
    with pytest.raises(ValueError, match=message):
        Recurrent(**{"features": H, **fields}).init(jax.random.key(0), **given)


def test_jordan_refuses():
    y = np.zeros((B, T, 3), np.float32)
    for options, message in (
        ({"x": X[0]}, "T >= 1"),
        ({"x": X, "first": y[:, 0], "forced": y}, "either first or forced"),
        ({"x": X, "forced": y[:, 1:]}, "forced .*3, 5, 3.*got .3, 4, 3"),
    ):
        with pytest.raises(ValueError, match=message):
            Jordan(3, 4).init(jax.random.key(0), **options)


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="'weight_hr_l0' is no weight of an RNN"):
        params_from_torch({"weight_hr_l0": X[0]})
    with pytest.raises(ValueError, match="begin with 'encoder.', got none"):
        params_from_torch({"weight_hh_l0": X[0]}, "encoder.")
    with pytest.raises(ValueError, match="layer 0 must have 6 arrays, .*got 3"):
        params_from_keras([[X, X, X]], "lstm", bidirectional=True)
    with pytest.raises(ValueError, match=r"bias of layer 0 must be \[2\] or \[2, 2\]"):
        params_from_keras([[X[0], X[0], X[0]]], "lstm")
