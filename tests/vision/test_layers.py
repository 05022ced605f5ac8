"""What the families share, and what each of them refuses."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
import zoo.catalog
from tests.models import inputs
from zoo.card import multiply_adds
from zoo.functional.losses import cross_entropy
from zoo.vision import googlenet, layers, resnet


def tiny(name, **fields):
    model = zoo.create(name, **{**zoo.catalog.MODELS[name].tiny, **fields})
    x = inputs(name)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    return model, variables, x


def test_outputs_by_name():
    model, variables, x = tiny("resnet20_cifar")
    names = ["stem", "stage_1", "stage_1_block_0/conv_1", "stage_1_block_0", "pooled"]
    both = lambda v: (layers.features(model, v, x, names), model.apply(v, x))
    got, expected = jax.jit(both)(variables)
    assert set(got) == set(names)
    np.testing.assert_array_equal(got["stage_1"], got["stage_1_block_0"])
    assert got["stage_1_block_0/conv_1"].shape == (2, 32, 32, 4)
    head = variables["params"]["head"]
    logits = got["pooled"] @ head["kernel"] + head["bias"][None]
    np.testing.assert_allclose(expected, logits, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="unknown output 'stage_9'.*'stage_1'"):
        layers.features(model, variables, x, ["stage_9"])


def test_nothing_is_stored_unless_asked_for():
    model, variables, x = tiny("resnet20_cifar")
    assert set(variables) == {"params", "batch_stats"}
    train = lambda v: model.apply(v, x, train=True, mutable=["batch_stats"])
    _, state = jax.eval_shape(train, variables)
    assert set(state) == {"batch_stats"}


def test_channel_shuffle():
    x = jnp.arange(6).reshape(1, 1, 1, 6)
    got = layers.channel_shuffle(x, 2)
    assert got.reshape(-1).tolist() == [0, 3, 1, 4, 2, 5]
    again = layers.channel_shuffle(got, 3)  # turned back
    np.testing.assert_array_equal(again, x)
    for groups in (4, 0):
        with pytest.raises(ValueError, match=f"groups must divide .*got {groups}"):
            layers.channel_shuffle(x, groups)


@pytest.mark.parametrize(
    "channels, expected", [(1, 8), (12, 16), (11.9, 16), (20, 24), (84, 88), (90, 88)]
)
def test_divisible(channels, expected):
    assert layers.divisible(channels) == expected
    assert expected >= 0.9 * channels


def test_without_a_branch_a_residual_network_passes_its_stem_on():
    """The last convolution of each block 0: the identity and option A remain."""
    model, variables, x = tiny("resnet20_cifar")
    for name, block in variables["params"].items():
        if "block" in name:
            block["conv_2"]["kernel"] *= 0
    names = ["stem", "stage_1", "stage_2"]
    got = jax.jit(lambda v: layers.features(model, v, x, names))(variables)
    np.testing.assert_allclose(got["stage_1"], got["stem"], atol=1e-6)
    stem, stage = got["stem"], got["stage_2"]
    np.testing.assert_allclose(stage[..., :4], stem[:, ::2, ::2], atol=1e-6)
    assert not stage[..., 4:].any()


def test_plain_is_the_residual_network_without_its_sums():
    """With the same parameters: another function, of the same shapes."""
    model, variables, x = tiny("resnet20_cifar")
    plain, other, _ = tiny("plain20_cifar")
    same = lambda a, b: a.shape == b.shape
    assert jax.tree.all(jax.tree.map(same, variables, other))
    for name, block in variables["params"].items():
        if "block" in name:
            block["conv_2"]["kernel"] *= 0
    got = jax.jit(lambda v: layers.features(plain, v, x, ["stage_1"]))(variables)
    assert not got["stage_1"].any()


def test_the_stride_of_a_bottleneck_may_be_in_front():
    """As printed: the same parameters, fewer multiply-adds, another function."""
    row = zoo.catalog.MODELS["resnet50"]
    shapes, macs = [], []
    for first in (False, True):
        model = zoo.create("resnet50", **row.published, stride_first=first)
        shape = jax.eval_shape(model.init, jax.random.key(0), row.inputs(1))
        shapes.append(shape)
        macs.append(multiply_adds(model.apply, shape, row.inputs(1)))
    assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape, *shapes))
    assert [f"{count / 1e9:.3f}" for count in macs] == ["4.089", "3.858"]


def test_dropout_draws_in_training_only():
    model, variables, x = tiny("mobilenet_v2", dropout=0.5)

    @functools.partial(jax.jit, static_argnums=1)
    def run(seed, train):
        rngs = {"dropout": jax.random.key(seed)}
        return model.apply(
            variables, x, train=train, mutable=["batch_stats"], rngs=rngs
        )[0]

    one, two, three = run(0, True), run(1, True), run(0, True)
    np.testing.assert_array_equal(one, three)
    assert (np.asarray(one) != np.asarray(two)).any()
    np.testing.assert_array_equal(run(0, False), run(1, False))


def test_half_precision_is_a_field():
    model, variables, x = tiny("resnet20_cifar", dtype=jnp.bfloat16)
    assert jax.eval_shape(model.apply, variables, x).dtype == jnp.bfloat16
    assert all(v.dtype == jnp.float32 for v in jax.tree.leaves(variables))


def test_auxiliary_loss_of_plain_logits_is_cross_entropy():
    logits = jnp.array([[1.0, 2.0, 0.5]])
    batch = {"y": jnp.array([2])}
    assert googlenet.auxiliary_loss(logits, batch) == cross_entropy(logits, batch)
    total, weight = googlenet.auxiliary_loss((logits, logits, logits), batch)
    np.testing.assert_allclose(total, 1.6 * cross_entropy(logits, batch)[0], 1e-6)
    assert weight == 1


@pytest.mark.parametrize(
    "name, fields, shape, message",
    [
        ("resnet18", {}, (1, 31, 64, 3), "ResNet takes .* at least 32, got"),
        ("resnet20_cifar", {}, (1, 32, 3, 3), "ResNet takes .* at least 4, got"),
        ("resnet18", {"stem": "7x7"}, (1, 64, 64, 3), "stem must be one of imagenet"),
        ("resnet18", {"shortcut": "A"}, (1, 64, 64, 3), "shortcut must be one of proj"),
        ("mobilenet_v1", {}, (1, 31, 32, 3), "MobileNetV1 takes .* at least 32"),
        ("mnasnet_a1", {}, (1, 31, 32, 3), "MnasNet takes .* at least 32"),
        ("mobilenet_v2", {}, (1, 31, 31, 3), "MobileNetV2 takes .* at least 32"),
        ("vgg16", {}, (1, 224, 31, 3), "VGG takes .* at least 32"),
        ("alexnet", {}, (1, 62, 224, 3), "AlexNet takes .* at least 63"),
        ("alexnet", {"maps": (1, 2)}, (1, 64, 64, 3), "maps must be five numbers"),
        ("shufflenet_v1_g3", {}, (1, 31, 32, 3), "ShuffleNetV1 takes .* at least 32"),
        ("shufflenet_v1_g3", {"groups": 5}, (1, 32, 32, 3), "groups must be one of 1,"),
        ("shufflenet_v1_g3", {"base": 28}, (1, 32, 32, 3), "groups must divide a quar"),
        (
            "shufflenet_v1_g3",
            {"groups": 5, "base": 60},
            (1, 32, 32, 3),
            "groups must divide the new",
        ),
        ("shufflenet_v2_x1_0", {}, (1, 31, 32, 3), "ShuffleNetV2 takes .* at least 32"),
        ("shufflenet_v2_x1_0", {"stem": "x"}, (1, 64, 64, 3), "stem must be one of"),
        (
            *("shufflenet_v2_x1_0", {"widths": (8, 7, 8)}, (1, 64, 64, 3)),
            "widths must be 3 even numbers",
        ),
        ("squeezenet1_0", {}, (1, 28, 60, 3), "SqueezeNet takes .* at least 29"),
        ("squeezenet1_1", {}, (1, 60, 24, 3), "SqueezeNet takes .* at least 25"),
        ("densenet121", {}, (1, 31, 32, 3), "DenseNet takes .* at least 32"),
        ("densenet121", {"compression": 0.0}, (1, 32, 32, 3), "compression must be in"),
        ("densenet121", {"stem": "x"}, (1, 32, 32, 3), "stem must be one of"),
        ("deformable_mnist", {}, (1, 7, 8, 1), "DeformableNet takes .* at least 8"),
        ("deformable_mnist", {"kind": "x"}, (1, 8, 8, 1), "kind must be one of deform"),
        (
            *("deformable_mnist", {"offset_groups": 3}, (1, 8, 8, 1)),
            "offset_groups must divide maps .*got 3",
        ),
        ("stn_mnist", {}, (1, 17, 18, 1), "STN takes .* at least 18"),
        ("diracnet18", {}, (1, 31, 32, 3), "DiracNet takes .* at least 32"),
        ("diracnet18", {"stem": "x"}, (1, 32, 32, 3), "stem must be one of"),
        ("dpn92", {}, (1, 31, 32, 3), "DPN takes .* at least 32"),
        ("dpn92", {"stem": "x"}, (1, 32, 32, 3), "stem must be one of"),
        ("dpn92", {"growth": (1, 2)}, (1, 32, 32, 3), "growth must be 4 numbers"),
        ("dpn92", {"groups": 7}, (1, 32, 32, 3), "groups must divide inner 96, got 7"),
        ("nasnet_a_mobile", {}, (1, 31, 32, 3), "NASNet takes .* at least 32"),
        (
            *("nasnet_a_mobile", {"normal": (((("sep3", 2),),), (0,))}),
            *((1, 32, 32, 3), "normal must be of .*0 to 1, got 'sep3' of 2"),
        ),
        (
            *("nasnet_a_mobile", {"reduction": (((("sep9", 0),),), (0,))}),
            *((1, 32, 32, 3), "reduction must be of same, max3.*got 'sep9' of 0"),
        ),
        (
            *("nasnet_a_mobile", {"normal": (((("sep3", 0),),), (3,))}),
            *((1, 32, 32, 3), r"normal must put out .*0 to 2, got \(3,\)"),
        ),
        ("nasnet_a_mobile", {"width": 42}, (1, 32, 32, 3), "width must be a multiple"),
        ("nin", {}, (1, 54, 60, 3), "NiN takes .* at least 55"),
        ("nin_cifar10", {}, (1, 5, 8, 3), "NiN takes .* at least 6"),
        ("nin_cifar10", {"pools": ("max",)}, (1, 8, 8, 3), "pools must be 2 names"),
        ("nin_cifar10", {"pools": ("max", "x")}, (1, 8, 8, 3), "must be one of max"),
        ("googlenet", {}, (1, 46, 64, 3), "GoogLeNet takes .* at least 47"),
        ("googlenet", {"modules": ("3",)}, (1, 64, 64, 3), "modules must be of 3a, 3b"),
        ("googlenet_bn", {}, (1, 31, 32, 3), "GoogLeNet takes .* at least 32"),
        ("vit_b_16", {}, (1, 15, 16, 3), "VisionTransformer takes .* at least 16"),
        ("vit_b_16", {}, (1, 32, 40, 3), "patch must divide the sides .*40.*got 16"),
        ("vit_b_16", {"pool": "x"}, (1, 32, 32, 3), "pool must be one of token, mean"),
        ("vit_b_16", {"heads": 5}, (1, 32, 32, 3), "heads must divide the features"),
        ("vgg16", {}, (224, 224, 3), r"VGG takes images \[B, H, W, C\]"),
    ],
)
def test_refuses(name, fields, shape, message):
    model = zoo.create(name, **fields)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(model.init, jax.random.key(0), x)


@pytest.mark.parametrize(
    "name, side",
    [
        *(("alexnet", 63), ("googlenet", 47), ("squeezenet1_0", 29)),
        *(("nin", 55), ("nin_cifar10", 6), ("stn_mnist", 18)),
        *(("squeezenet1_1", 25), ("squeezenet_cifar", 12), ("vgg16", 32)),
    ],
)
def test_the_smallest_image_is_large_enough(name, side):
    model = zoo.create(name, num_classes=7)
    x = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    output, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), x)
    assert output.shape == (1, 7)


def test_other_channels_than_the_variables_have_are_refused():
    model, variables, x = tiny("resnet20_cifar")
    with pytest.raises(Exception, match="kernel"):
        model.apply(variables, x[..., :1])


def test_the_reference_s_names_of_another_depth_are_refused():
    """All that is missing and all that has no place is named."""
    of = lambda **fields: resnet.ResNet(num_classes=3, width=4, **fields)
    x = jnp.zeros((1, 32, 32, 3))
    shapes = jax.eval_shape(of(blocks=(1, 1)).init, jax.random.key(0), x)
    tensors = {
        "conv1.weight": np.ones((4, 3, 7, 7)),
        "layer1.1.conv1.weight": np.ones((4, 4, 3, 3)),
        "fc.weight": np.ones((2, 8)),
    }
    with pytest.raises(zoo.convert.WeightsError) as caught:
        zoo.convert.assign(tensors, shapes, resnet.RULES)
    assert caught.value.extra == ("layer1.1.conv1.weight",)
    assert caught.value.misshapen == ("fc.weight",)
    assert "params/stage_1_block_0/conv_1/kernel" in caught.value.missing
