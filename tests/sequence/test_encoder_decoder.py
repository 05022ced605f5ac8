"""The encoder-decoder with weights by g2p-en's names, against its NumPy form."""

import jax
import numpy as np

from zoo.convert import assign
from zoo.sequence import EncoderDecoder, encoder_decoder, greedy, plain_stepper

V, S, D, H = 11, 7, 3, 4


def checkpoint():
    draw = np.random.default_rng(0).normal
    shapes = {"enc_emb": (S, D), "dec_emb": (V, D), "fc_w": (V, H), "fc_b": (V,)}
    for part in ("enc", "dec"):
        shapes |= {f"{part}_w_ih": (3 * H, D), f"{part}_w_hh": (3 * H, H)}
        shapes |= {f"{part}_b_ih": (3 * H,), f"{part}_b_hh": (3 * H,)}
    return {name: draw(size=shape).astype(np.float32) for name, shape in shapes.items()}


def cell(w, part, x, h):
    """PyTorch's GRU, gates r, z, n, in float64."""
    a = w[f"{part}_w_ih"].astype(float) @ x + w[f"{part}_b_ih"]
    b = w[f"{part}_w_hh"].astype(float) @ h + w[f"{part}_b_hh"]
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    r, z = sigmoid(a[:H] + b[:H]), sigmoid(a[H : 2 * H] + b[H : 2 * H])
    n = np.tanh(a[2 * H :] + r * b[2 * H :])
    return (1 - z) * n + z * h


def test_words_one_by_one():
    """Logits for given tokens, and the tokens that greedy search writes."""
    w = checkpoint()
    fields = dict(sources=S, targets=V, width=D, features=H)
    model = EncoderDecoder(**fields)
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, S, (2, 5)), rng.integers(0, V, (2, 6))
    mask = np.arange(5) < np.array([[5], [3]])
    x = {"source": source, "target": target, "source_mask": mask}
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    variables = assign(w, shapes, encoder_decoder.RULES)

    @jax.jit
    def run(variables):
        begin = plain_stepper(model, variables, source, mask)
        return model.apply(variables, x), greedy(*begin, np.full(2, 2), 6, 3)[0]

    logits, written = run(variables)
    for b in range(2):
        state = np.zeros(H)
        for token in source[b][mask[b]]:
            state = cell(w, "enc", w["enc_emb"][token], state)
        h = state
        for t, token in enumerate(target[b]):
            h = cell(w, "dec", w["dec_emb"][token], h)
            expected = w["fc_w"] @ h + w["fc_b"]
            np.testing.assert_allclose(logits[b, t], expected, rtol=1e-4, atol=1e-5)
        h, token, row = state, 2, []
        while len(row) < 6 and token != 3:
            h = cell(w, "dec", w["dec_emb"][token], h)
            token = int(np.argmax(w["fc_w"] @ h + w["fc_b"]))
            row.append(token)
        assert written[b].tolist() == row + [3] * (6 - len(row))
