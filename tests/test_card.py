"""Cards: counts by hand, and the rules on functions of which they are known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from zoo.card import multiply_adds
from zoo.catalog import MODELS, card, create
from zoo.receptive import receptive_field


def gpt_macs(time, width, hidden, layers, vocabulary):
    """Four projections, scores and their sums, and the network; the head."""
    layer = 4 * width**2 + 2 * time * width + 2 * width * hidden
    return time * (layers * layer + width * vocabulary)


def translation_macs(time, width, hidden):
    """Source and target of one length; a decoder's layer attends twice."""
    attends = 4 * width**2 + 2 * time * width
    return time * (6 * (3 * attends + 2 * 2 * width * hidden) + width * 37_000)


# Multiply-adds by hand: output elements times inputs of each, layer by layer.
MACS = {
    "linear_softmax": 784 * 10,
    "mlp": 784 * 128 + 128 * 10,
    "mlp_500": 784 * 500 + 500 * 10,
    # C1, C3 (60 connections of 5x5), C5, F6; sums and distances do not count.
    "lenet5_1998": 28 * 28 * 6 * 25 + 10 * 10 * 60 * 25 + 120 * 400 + 84 * 120,
    "lenet5": 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10,
    "lenet_caffe": 24 * 24 * 20 * 25 + 8 * 8 * 50 * 500 + 800 * 500 + 500 * 10,
    # 50 steps: the gates of 256 units from 100 inputs and from the units.
    "rnn": 50 * 256 * 356,
    "lstm": 50 * 4 * 256 * 356,
    "lstm_two_biases": 50 * 4 * 256 * 356,
    "gru": 50 * 3 * 256 * 356,
    "gru_two_biases": 50 * 3 * 256 * 356,
    "jordan": 50 * (64 * 110 + 10 * 64),
    "char_lstm": 64 * (4 * 256 * 320 + 256 * 82),
    "char_gru": 64 * (3 * 256 * 320 + 256 * 82),
    "char_gpt": gpt_macs(64, 128, 512, 4, 82),
    "gpt2": gpt_macs(64, 768, 3072, 12, 50_257),
    # Both directions and the decoder; what attention and its sum take; three layers.
    "seq2seq": (2 * 18 + 11) * 3 * 128 * (64 + 128)
    + (11 * 128 + 18 * 256) * 128
    + 11 * 18 * (128 + 256)
    + 256 * 128
    + 11 * (384 * 128 + 128 * 64),
    "transformer_base": translation_macs(32, 512, 2048),
    "transformer_big": translation_macs(32, 1024, 4096),
}
ACTIVATIONS = {
    "linear_softmax": 10,
    "mlp": 138,
    "mlp_500": 510,
    "lenet5_1998": 28 * 28 * 6 + 14 * 14 * 6 + 10 * 10 * 16 + 5 * 5 * 16 + 120 + 84,
    "lenet5": 28 * 28 * 6 + 10 * 10 * 16 + 120 + 84 + 10,
    "lenet_caffe": 24 * 24 * 20 + 8 * 8 * 50 + 500 + 10,
    # The outputs of 50 steps, and the final state.
    "rnn": 50 * 256 + 256,
    "lstm": 50 * 256 + 2 * 256,
    "lstm_two_biases": 50 * 256 + 2 * 256,
    "gru": 50 * 256 + 256,
    "gru_two_biases": 50 * 256 + 256,
    "jordan": 50 * 10,
    "char_lstm": 64 * (64 + 256 + 82) + 2 * 256,
    "char_gru": 64 * (64 + 256 + 82) + 256,
    # Embeddings, norms, and of each layer the projections and the network.
    "char_gpt": 64 * (128 + 4 * (7 * 128 + 512) + 128 + 82),
    "gpt2": 64 * (768 + 12 * (7 * 768 + 3072) + 768 + 50_257),
    # Embeddings; outputs and states of the layers; the dense ones; the logits again.
    "seq2seq": (18 + 11) * 64
    + (2 * 18 + 11 + 3) * 128
    + 128
    + 11 * (128 + 64)
    + 11 * 64,
    "transformer_base": 32 * (2 * 512 + 6 * (19 * 512 + 2 * 2048)),
    "transformer_big": 32 * (2 * 1024 + 6 * (19 * 1024 + 2 * 4096)),
}
# In units of 1e9, as torchvision counts them: its table of each model's weights.
GIGA_MACS = {
    **{"alexnet_weird_trick": "0.714", "vgg16": "15.470", "squeezenet1_1": "0.349"},
    **{"resnet18": "1.814", "mobilenet_v2": "0.301", "googlenet_bn": "1.498"},
    **{"densenet121": "2.834", "resnext50_32x4d": "4.230"},
}
# 5, after pooling 6, after the second convolution 6 + 4 * 2; C5 sees everything.
FIELDS = {"lenet5": (14, 14), "lenet_caffe": (14, 14), "lenet5_1998": (28, 28)}

INPUTS = dict.fromkeys(
    ("rnn", "lstm", "lstm_two_biases", "gru", "gru_two_biases", "jordan"), (50, 100)
) | dict.fromkeys(("char_lstm", "char_gru", "char_gpt", "gpt2"), (64,))
INPUTS |= dict.fromkeys(
    ("transformer_base", "transformer_big"), {"source": (32,), "target": (32,)}
)
INPUTS["seq2seq"] = {"source": (18,), "target": (11,)}


@pytest.mark.parametrize("name", MACS)
def test_counts_are_those_by_hand(name):
    found = card(name)
    assert found.parameters == found.published_parameters == MODELS[name].parameters
    assert found.macs == MACS[name]
    assert found.activations == ACTIVATIONS[name]
    assert found.receptive_field == FIELDS.get(name)
    assert found.input == INPUTS.get(name, (28, 28, 1))


@pytest.mark.parametrize("name", GIGA_MACS)
def test_multiply_adds_are_those_of_others(name):
    row = MODELS[name]
    model = create(name, **row.published)
    variables = jax.eval_shape(model.init, jax.random.key(0), row.inputs(1))
    found = multiply_adds(model.apply, variables, row.inputs(1))
    assert f"{found / 1e9:.3f}" == GIGA_MACS[name]


@pytest.mark.parametrize(
    "name, fields", [("lenet5", {"fast": True}), ("lenet5_1998", {"dense": True})]
)
def test_the_published_form_is_counted_whatever_runs(name, fields):
    assert card(name, **fields).macs == MACS[name]


def test_overrides_are_counted():
    found = card("mlp", widths=(3,), num_classes=2)
    assert found.macs == 784 * 3 + 3 * 2
    assert found.parameters == 784 * 3 + 3 + 3 * 2 + 2
    assert found.published_parameters is None


def test_text_says_it_all():
    text = str(card("lenet5_1998"))
    for part in ("60,000", "325,680", "8,084", "28x28 pixels", "doi.org", "0.95 %"):
        assert part in text


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def convolve(x, k, **options):
    layout = ("NHWC", "HWIO", "NHWC")
    options = {"window_strides": (1, 1), "padding": "SAME", **options}
    return jax.lax.conv_general_dilated(x, k, dimension_numbers=layout, **options)


@pytest.mark.parametrize(
    "function, shapes, expected",
    [
        (jnp.matmul, [(3, 4), (4, 5)], 3 * 4 * 5),
        (jnp.matmul, [(7, 3, 4), (7, 4, 5)], 7 * 3 * 4 * 5),
        (lambda x: jnp.tanh(x).sum() * 2, [(3, 4)], 0),
        (convolve, [(1, 8, 6, 3), (3, 3, 3, 5)], 8 * 6 * 5 * 27),
        (
            lambda x, k: convolve(x, k, window_strides=(2, 2)),
            [(1, 8, 6, 3), (3, 3, 3, 5)],
            4 * 3 * 5 * 27,
        ),
        (
            lambda x, k: convolve(x, k, feature_group_count=3),
            [(1, 8, 6, 3), (3, 3, 1, 6)],
            8 * 6 * 6 * 9,
        ),
        (  # dilated: as many; the zeros between have no multiplication
            lambda x, k: convolve(x, k, rhs_dilation=(2, 2), padding="VALID"),
            [(1, 8, 7, 3), (3, 3, 3, 5)],
            4 * 3 * 5 * 27,
        ),
        (  # transposed: each pixel meets each number of the kernel
            lambda x, k: jax.lax.conv_transpose(x, k, (2, 2), "SAME"),
            [(1, 8, 6, 3), (4, 4, 3, 5)],
            8 * 6 * 3 * 16 * 5,
        ),
        (  # the same, along the height only
            lambda x, k: jax.lax.conv_transpose(x, k, (2, 1), "SAME"),
            [(1, 8, 6, 3), (4, 3, 3, 5)],
            8 * 6 * 5 * 36,
        ),
        (jax.jit(jax.checkpoint(lambda x, w: x @ w)), [(3, 4), (4, 5)], 60),
        (
            lambda x, w: jax.lax.scan(lambda c, _: (c @ w, None), x, None, 6)[0],
            [(3, 4), (4, 4)],
            6 * 3 * 4 * 4,
        ),
        (
            lambda x, w: jax.lax.scan(
                lambda c, _: (
                    jax.lax.scan(lambda d, _: (jax.nn.relu(d @ w), None), c, None, 2)[
                        0
                    ],
                    None,
                ),
                x,
                None,
                length=3,
            )[0],
            [(3, 4), (4, 4)],
            2 * 3 * 3 * 4 * 4,
        ),
    ],
    ids=(
        "matmul batched none conv strided grouped dilated transposed high inner scan "
        "nested"
    ).split(),
)
def test_rule_of_multiply_adds(function, shapes, expected):
    assert multiply_adds(function, *(shape(*s) for s in shapes)) == expected


class Net(nn.Module):
    layers: tuple

    @nn.compact
    def __call__(self, x):
        for kind, size, stride in self.layers:
            if kind == "pool":
                x = nn.max_pool(x, (size, size), (stride, stride))
            else:
                d = 2 if kind == "dilated" else 1
                x = nn.relu(
                    nn.Conv(2, (size, size), stride, "VALID", kernel_dilation=d)(x)
                )
        return x.mean((1, 2))


@pytest.mark.parametrize(
    "layers, expected",
    [
        ([("conv", 3, 1)], 3),
        ([("conv", 3, 1)] * 3, 7),
        ([("conv", 3, 2)] * 3, 3 + 2 * 2 + 2 * 4),
        ([("conv", 5, 1), ("pool", 2, 2), ("conv", 5, 1)], 14),
        ([("pool", 3, 2), ("conv", 3, 1)], 3 + 2 * 2),
        ([("dilated", 3, 1), ("conv", 3, 1)], 7),
    ],
    ids=str,
)
def test_receptive_fields(layers, expected):
    found = receptive_field(Net(tuple(layers)), shape(1, 41, 48, 1))
    assert found == (expected, expected)


def test_no_feature_map_no_receptive_field():
    assert receptive_field(nn.Dense(3), shape(1, 4)) is None
