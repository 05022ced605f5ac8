"""The families of image classifiers against torchvision, timm and pytorchcv.

The reference is built with few blocks and filled with random numbers, running
statistics too; its state dict becomes ours by the rules of the family. In float64,
equal are: logits in use, the output of each stage, and the gradient of a loss for
every parameter. Ours is the published form: that the fast one is the same function is
tested at tiny size, and takes longer to compile.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import zoo
from tests.references import pytorchcv, randomize, timm, torch, torchvision
from zoo.functional.losses import cross_entropy
from zoo.vision import (
    alexnet,
    densenet,
    dpn,
    efficientnet,
    googlenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    spatial_transformer,
    squeezenet,
    vgg,
    vit,
)

models = torchvision.models
Y = np.array([7, 2])
RESNET = {
    "stem": "maxpool", "stage_1": "layer1", "stage_2": "layer2", "stage_3": "layer3",
    "stage_4": "layer4", "pooled": "avgpool",
}  # fmt: skip


class Case(NamedTuple):
    """A comparison.

    Attributes:
        name: of ours.
        theirs: makes the reference.
        rules: from its names to ours.
        outputs: ours -> the reference's module.
        fields: of ours.
        size: height and width of the images.
    """

    name: str
    theirs: Callable[[], Any]
    rules: tuple
    outputs: dict[str, str]
    fields: dict[str, Any] = {}
    size: tuple[int, int] = (32, 48)


def of_resnet(block, *blocks, **options):
    kind = getattr(models.resnet, block)
    return lambda: models.ResNet(kind, list(blocks), num_classes=10, **options)


def narrow(net, inputs, places):
    """The same network with hidden dense layers of 12 and of 8 units."""
    for place, *sizes in zip(places, (inputs, 12, 8), (12, 8, 10), strict=True):
        net.classifier[place] = torch.nn.Linear(*sizes)
    return net


def small_vgg(norm):
    with torch.device("meta"):  # its own dense layers have 120 million numbers
        net = models.VGG(torch.nn.Identity(), 10, init_weights=False)
    net.features = models.vgg.make_layers([4, "M", 8, 8, "M", 16, "M"], norm)
    return narrow(net, 16 * 49, (0, 3, 6))


V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 160, 1, 2))
V3_BLOCKS = (mobilenet_v3.SMALL[0], mobilenet_v3.LARGE[1], mobilenet_v3.LARGE[12])
B0_STAGES = ((1, 3, 16, 1, 1), (6, 5, 24, 2, 2), (6, 3, 40, 1, 2))


def small_v3():
    config = models.mobilenetv3.InvertedResidualConfig
    settings, inputs = [], 16
    for kernel, inner, channels, squeeze, hard, stride in V3_BLOCKS:
        act = "HS" if hard else "RE"
        settings.append(
            config(inputs, kernel, inner, channels, squeeze, act, stride, 1, 1.0)
        )
        inputs = channels
    return models.MobileNetV3(settings, 24, 10)


def small_b0():
    config, settings, inputs = models.efficientnet.MBConvConfig, [], 32
    for times, kernel, channels, count, stride in B0_STAGES:
        settings.append(config(times, kernel, stride, inputs, channels, count))
        inputs = channels
    return models.EfficientNet(settings, 0.2, num_classes=10, last_channel=24)


MNAS_STAGES = ((1, 3, 16, 1, 1, False), (3, 5, 24, 2, 2, False))
MNAS_SQUEEZED = ((1, 3, 16, 1, 1, False), (3, 5, 24, 2, 2, True))


def small_mnasnet():
    """Of the first stage, one more, and the last convolution."""
    net = models.MNASNet(1.0, 10)
    net.layers = torch.nn.Sequential(
        *net.layers[:8],
        models.mnasnet._stack(16, 24, 5, 2, 3, 2, 0.1),
        torch.nn.Conv2d(24, 12, 1, bias=False),
        torch.nn.BatchNorm2d(12),
        torch.nn.ReLU(),
    )
    net.classifier[1] = torch.nn.Linear(12, 10)
    return net


def of_timm(*stages, **options):
    """timm's network of inverted residuals, by its own words for stages."""
    builder = timm.models._efficientnet_builder
    return lambda: timm.models.EfficientNet(
        builder.decode_arch_def([[stage] for stage in stages]),
        num_classes=10,
        **options,
    )


NIN_STAGES = ((5, 2, 0, (8, 6)), (5, 1, 2, (6, 7)), (3, 1, 1, (5,)))


def small_nin():
    """As Caffe's: a ReLU behind each convolution, pooling with the rest."""
    layers, inputs = [], 3
    pools = torch.nn.MaxPool2d, torch.nn.AvgPool2d
    for i, (kernel, stride, padding, widths) in enumerate(NIN_STAGES):
        if i:
            layers.append(pools[i - 1](3, 2, ceil_mode=True))
        for j, width in enumerate((*widths, *[10] * (i == 2))):
            options = (1,) if j else (kernel, stride, padding)
            layers += [torch.nn.Conv2d(inputs, width, *options), torch.nn.ReLU()]
            inputs = width
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


class TutorialSTN(torch.nn.Module):
    """As in PyTorch's tutorial but for dropout, for images of 28x32."""

    def __init__(self):
        super().__init__()
        layers = torch.nn
        stage = lambda *sizes: (
            layers.Conv2d(*sizes),
            layers.MaxPool2d(2),
            layers.ReLU(),
        )
        self.localization = layers.Sequential(*stage(3, 8, 7), *stage(8, 10, 5))
        self.fc_loc = layers.Sequential(
            layers.Linear(10 * 3 * 4, 32), layers.ReLU(), layers.Linear(32, 6)
        )
        self.conv1, self.conv2 = layers.Conv2d(3, 10, 5), layers.Conv2d(10, 20, 5)
        self.fc1, self.fc2 = layers.Linear(20 * 4 * 5, 50), layers.Linear(50, 10)
        self.transformed = layers.Identity()  # so that it has a name

    def forward(self, x):
        f = torch.nn.functional
        theta = self.fc_loc(self.localization(x).flatten(1)).reshape(-1, 2, 3)
        grid = f.affine_grid(theta, list(x.shape), align_corners=False)
        x = self.transformed(f.grid_sample(x, grid, align_corners=False))
        for conv in (self.conv1, self.conv2):
            x = f.relu(f.max_pool2d(conv(x), 2))
        return self.fc2(f.relu(self.fc1(x.flatten(1))))


class TorchDirac(torch.nn.Module):
    """A layer of DiracNet V2, in training's form."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.alpha = torch.nn.Parameter(torch.empty(outputs))
        self.beta = torch.nn.Parameter(torch.empty(outputs))
        self.norm = torch.nn.BatchNorm2d(outputs)

    def forward(self, x):
        outputs, inputs, *_ = self.weight.shape
        delta = torch.nn.init.dirac_(self.weight.new_empty(inputs, inputs, 3, 3))
        delta = delta.repeat(outputs // inputs, 1, 1, 1)
        normal = torch.nn.functional.normalize(self.weight.flatten(1))
        each = lambda a: a[:, None, None, None]
        weight = each(self.alpha) * delta
        weight = weight + each(self.beta) * normal.view_as(self.weight)
        return self.norm(torch.nn.functional.conv2d(x.relu(), weight, padding=1))


def small_diracnet():
    layers = torch.nn
    return layers.Sequential(
        *(layers.Conv2d(3, 4, 7, 2, 3, bias=False), layers.BatchNorm2d(4)),
        *(layers.MaxPool2d(3, 2, 1), TorchDirac(4, 4), TorchDirac(4, 4)),
        *(layers.MaxPool2d(2), TorchDirac(4, 8), layers.ReLU()),
        *(layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Linear(8, 10)),
    )


class SmallNAS(torch.nn.Module):
    """A cell, a reduction cell and a cell behind timm's stem; 8 channels a pair.

    timm's strided means count the zeros of the padding, though they are told not to;
    TensorFlow's, for which its weights are made, do not.
    """

    class Mean(torch.nn.Module):
        def forward(self, x):
            pad = lambda x: timm.layers.pad_same(x, (3, 3), (2, 2))
            mean = lambda x: torch.nn.functional.avg_pool2d(pad(x), 3, 2)
            return mean(x) / mean(torch.ones_like(x))

    def __init__(self):
        super().__init__()
        own = timm.models.nasnet
        self.conv0 = timm.layers.ConvNormAct(
            *(3, 6, 3, 2, 0),
            norm_layer=lambda n, **options: torch.nn.BatchNorm2d(n, 1e-3),
            apply_act=False,
        )
        self.cell_stem_0 = own.CellStem0(6, 2, "same")
        self.cell_stem_1 = own.CellStem1(6, 4, "same")
        self.cell_0 = own.FirstCell(8, 4, 16, 8, "same")
        self.reduction_cell_0 = own.ReductionCell0(16, 16, 48, 16, "same")
        self.cell_1 = own.FirstCell(16, 8, 64, 16, "same")
        for cell in (self.cell_stem_0, self.cell_stem_1, self.reduction_cell_0):
            cell.comb_iter_2_left = self.Mean()
        self.last_linear = torch.nn.Linear(96, 10)

    def forward(self, x):
        x = self.conv0(x)
        first = self.cell_stem_0(x)
        second = self.cell_stem_1(x, first)
        x = self.cell_0(second, first)
        x = self.cell_1(self.reduction_cell_0(x, second), second)
        return self.last_linear(x.relu().mean((2, 3)))


class SmallPNAS(torch.nn.Module):
    """The same of PNASNet's cells."""

    def __init__(self):
        super().__init__()
        cell = functools.partial(timm.models.pnasnet.Cell, pad_type="same")
        self.conv_0 = SmallNAS().conv0
        self.cell_stem_0 = timm.models.pnasnet.CellStem0(6, 2, 6, 2, "same")
        halved = dict(match_prev_layer_dims=True)
        self.cell_stem_1 = cell(6, 4, 10, 4, is_reduction=True, **halved)
        self.cell_0 = cell(10, 8, 20, 8, **halved)
        self.cell_1 = cell(20, 16, 40, 16, is_reduction=True)
        self.cell_2 = cell(40, 16, 80, 16, **halved)
        self.last_linear = torch.nn.Linear(80, 10)

    def forward(self, x):
        previous = self.conv_0(x)
        x = self.cell_stem_0(previous)
        for cell in (self.cell_stem_1, self.cell_0, self.cell_1, self.cell_2):
            previous, x = x, cell(previous, x)
        return self.last_linear(x.relu().mean((2, 3)))


NAS_FIELDS = {"blocks": (1, 1), "width": 8, "stem_width": 6}
TIMM = {"stem": "bn1", "stage_1": "blocks.0", "stage_2": "blocks.1"}


def small_shufflenet():
    """pytorchcv's of two stages, for images of any size."""
    kind = type(pytorchcv("shufflenet", groups=3, width_scale=0.25))
    net = kind([[12, 12], [24, 24]], 6, groups=3, num_classes=10)
    net.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return net


def small_preresnet():
    """pytorchcv's of two blocks in the second stage, for images of any size."""
    kind = type(pytorchcv("preresnet_cifar", num_classes=10, blocks=8, bottleneck=0))
    net = kind([[16], [32, 32]], 8, bottleneck=True)
    net.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return net


OWN_STAGES = {  # of pytorchcv
    name: f"features.{name.replace('_', '')}" for name in ("stage_1", "stage_2")
}


CASES = {
    "mobilenet_v1": Case(
        "mobilenet_v1",
        of_timm(
            *("dsa_r1_k3_s1_c16", "dsa_r2_k3_s2_c16"),
            num_features=0,
            act_layer=torch.nn.ReLU6,
        ),
        mobilenet_v1.RULES,
        TIMM,
        {"stages": ((16, 1, 1), (16, 2, 2))},
    ),
    "mnasnet": Case(
        "mnasnet1_0",
        small_mnasnet,
        mnasnet.rules(MNAS_STAGES),
        {
            **{"stem": "layers.2", "stage_1": "layers.7", "stage_2": "layers.8"},
            "last": "layers.11",
        },
        {"stages": MNAS_STAGES, "last": 12},
    ),
    "mnasnet, squeeze-excite": Case(
        "mnasnet_a1",
        of_timm(
            *("ds_r1_k3_s1_e1_c16_noskip", "ir_r2_k5_s2_e3_c24_se0.25"),
            num_features=12,
        ),
        mnasnet.rules(MNAS_SQUEEZED),
        TIMM | {"last": "bn2"},
        {"stages": MNAS_SQUEEZED, "last": 12},
    ),
    "mobilenet_v2": Case(
        "mobilenet_v2",
        lambda: models.MobileNetV2(
            10, inverted_residual_setting=list(map(list, V2_STAGES)), width_mult=0.5
        ),
        mobilenet_v2.rules(V2_STAGES),
        {
            **{"stem": "features.0", "stage_1": "features.1", "stage_2": "features.3"},
            **{"stage_3": "features.4", "last": "features.5"},
        },
        {"stages": V2_STAGES, "width": 0.5},
    ),
    "mobilenet_v3": Case(
        "mobilenet_v3_small",
        small_v3,
        mobilenet_v3.rules(V3_BLOCKS),
        {
            **{"stem": "features.0", "stage_1": "features.1", "stage_2": "features.2"},
            **{"stage_3": "features.3", "last": "features.4"},
        },
        {"blocks": V3_BLOCKS, "last": 24},
    ),
    "efficientnet": Case(
        "efficientnet_b0",
        small_b0,
        efficientnet.RULES,
        {
            "stem": "features.0",
            **{f"stage_{i}": f"features.{i}" for i in (1, 2, 3)},
            "last": "features.4",
        },
        {"stages": B0_STAGES, "last": 24},
    ),
    **{
        f"vgg{', norm' if norm else ''}": Case(
            "vgg11_bn" if norm else "vgg11",
            lambda norm=norm: small_vgg(norm),
            vgg.rules((1, 2, 1), norm),
            {"stage_3": "features.14" if norm else "features.10"},
            {"blocks": (1, 2, 1), "width": 4, "widths": (12, 8)},
        )
        for norm in (False, True)
    },
    "alexnet": Case(
        "alexnet_weird_trick",
        lambda: narrow(models.AlexNet(10), 9216, (1, 4, 6)),
        alexnet.RULES,
        {
            **{"stage_1": "features.2", "stage_2": "features.5"},
            **{"conv_3": "features.7", "conv_4": "features.9"},
            **{"stage_3": "features.12", "dense_0": "classifier.2"},
        },
        {"widths": (12, 8)},
        size=(63, 95),
    ),
    "squeezenet 1.1": Case(
        "squeezenet1_1",
        lambda: models.SqueezeNet("1_1", 10),
        squeezenet.rules((0, 2, 4)),
        {
            **{"stem": "features.1", "stage_1": "features.4"},
            **{"stage_2": "features.7", "stage_3": "features.12"},
            "maps": "classifier.2",
        },
        size=(40, 53),
    ),
    "shufflenet_v2": Case(
        "shufflenet_v2_x1_0",
        lambda: models.ShuffleNetV2([2, 1, 2], [6, 8, 12, 8, 10], num_classes=10),
        shufflenet_v2.RULES,
        {
            "stem": "maxpool",
            **{f"stage_{i}": f"stage{i + 1}" for i in (1, 2, 3)},
            "last": "conv5",
        },
        {"blocks": (2, 1, 2), "widths": (8, 12, 8), "stem_width": 6, "last": 10},
    ),
    "densenet": Case(
        "densenet121",
        lambda: models.DenseNet(4, (2, 1), 6, num_classes=10),
        densenet.RULES,
        {
            "stem": "features.pool0",
            **{f"stage_{i}": f"features.denseblock{i}" for i in (1, 2)},
        },
        {"blocks": (2, 1), "growth": 4, "stem_width": 6},
    ),
    "googlenet": Case(
        "googlenet_bn_auxiliary",
        lambda: models.GoogLeNet(10, aux_logits=False, init_weights=False),
        googlenet.RULES,
        {
            **{"stem": "maxpool2", "stage_3": "inception3b"},
            **{"stage_4": "inception4e", "stage_5": "inception5b", "pooled": "avgpool"},
        },
        {"auxiliary": False},
    ),
    "nin": Case(
        "nin_cifar10",
        small_nin,
        (
            (r"([02])", lambda m: f"stage_1_conv_{int(m[1]) // 2}"),
            (r"([57])", lambda m: f"stage_2_conv_{int(m[1]) // 2 - 2}"),
            (r"10", "stage_3_conv_0"),
            (r"12", "stage_3_conv_1"),
        ),
        {"stage_1": "3", "stage_2": "8", "maps": "13"},
        {"stages": NIN_STAGES},
        size=(32, 41),  # so that both poolings have a rest
    ),
    "diracnet": Case(
        "diracnet18",
        small_diracnet,
        (
            *((r"0", "stem_conv"), (r"1", "stem_conv_norm"), (r"10", "head")),
            *(
                (rf"{number}{theirs}", f"stage_{stage}_layer_{layer}{ours}")
                for number, stage, layer in ((3, 1, 0), (4, 1, 1), (6, 2, 0))
                for theirs, ours in (("", ""), (r"\.norm", "_norm"))
            ),
        ),
        {"stem": "2", "stage_1": "4", "stage_2": "6"},
        {"blocks": (2, 1), "width": 4, "stem_width": 4},
    ),
    "shufflenet_v1": Case(
        "shufflenet_v1_g3",
        small_shufflenet,
        shufflenet_v1.RULES,
        {"stem": "features.init_block", **OWN_STAGES},
        dict(blocks=(2, 2), base=12, stem_width=6, given_first=False),
    ),
    "preresnet": Case(
        "preresnet164_cifar",
        small_preresnet,
        resnet.RULES,
        {"stem": "features.init_block", **OWN_STAGES},
        dict(blocks=(1, 2), width=4, stem_width=8),
    ),
    "dpn": Case(
        "dpn68",
        lambda: timm.models.DPN(
            *((1, 2, 1, 1), (2, 3, 2, 4), 4, 2, 10),
            **dict(small=True, num_init_features=4),
        ),
        dpn.RULES,
        {
            "stem": "features.conv1_pool",
            **{"stage_1": "features.conv2_1", "stage_2": "features.conv3_2"},
            **{"stage_3": "features.conv4_1", "stage_4": "features.conv5_1"},
        },
        {
            **dict(blocks=(1, 2, 1, 1), growth=(2, 3, 2, 4), inner=4, groups=2),
            **dict(width=64, stem_width=4),
        },
    ),
    "spatial transformer": Case(
        "stn_mnist",
        TutorialSTN,
        spatial_transformer.rules((3, 4), (4, 5)),
        {"transformed": "transformed"},
        size=(28, 32),
    ),
    "nasnet": Case(
        "nasnet_a_large",
        SmallNAS,
        nasnet.rules((1, 1)),
        {"stem": "cell_stem_1", "stage_1": "cell_0", "stage_2": "cell_1"},
        NAS_FIELDS,
    ),
    "pnasnet": Case(
        "pnasnet_5_large",
        SmallPNAS,
        nasnet.rules((1, 1), progressive=True),
        {"stem": "cell_stem_1", "stage_1": "cell_0", "stage_2": "cell_2"},
        NAS_FIELDS,
    ),
    "vit": Case(
        "vit_b_16",
        lambda: models.VisionTransformer(24, 8, 2, 2, 8, 12, num_classes=10),
        vit.RULES,
        {"stem": "encoder.dropout", "last": "encoder.ln"},
        dict(patch=8, features=8, layers=2, heads=2, hidden=12),
        size=(24, 24),  # it takes squares only
    ),
    "resnet, basic": Case(
        "resnet18",
        of_resnet("BasicBlock", 2, 1, 1, 1),
        *(resnet.RULES, RESNET, {"blocks": (2, 1, 1, 1)}),
    ),
    "resnet, bottleneck": Case(
        "resnet50",
        of_resnet("Bottleneck", 1, 2, 1, 1),
        *(resnet.RULES, RESNET, {"blocks": (1, 2, 1, 1)}),
    ),
    "resnext": Case(
        "resnext50_32x4d",
        of_resnet("Bottleneck", 1, 1, 1, 1, groups=2, width_per_group=32),
        *(resnet.RULES, RESNET),
        {"blocks": (1, 1, 1, 1), "groups": 2, "base_width": 32},
    ),
}


def channels_last(tensor):
    """[B, C, H, W] -> [B, H, W, C]; of one pixel, and already flat -> [B, C]."""
    array = tensor.detach().numpy()
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    return array[:, 0, 0] if array.shape[1:3] == (1, 1) else array


def run_theirs(case, x):
    """State dict, gradients by the same names, logits and outputs."""
    net = case.theirs().double().eval()
    randomize(net)
    outputs = {}

    def keep(name):
        def hook(module, given, output):
            outputs[name] = channels_last(output.clone())  # a ReLU may be in place

        return hook

    for name, path in case.outputs.items():
        net.get_submodule(path).register_forward_hook(keep(name))
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    logits = net(images)
    torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(Y), reduction="sum"
    ).backward()
    state = {name: t.detach().numpy() for name, t in net.state_dict().items()}
    learned = dict(net.named_parameters())
    grads = {n: learned[n].grad.numpy() if n in learned else state[n] for n in state}
    return state, grads, logits.detach().numpy(), outputs


SLOW = ("googlenet",)  # fifty-seven convolutions: half a minute of compiling
ROSTER = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name in CASES
]


@pytest.mark.parametrize("case", ROSTER)
def test_outputs_intermediates_and_gradients(case):
    case = CASES[case]
    x = np.random.default_rng(0).normal(size=(2, *case.size, 3))
    state, their_grads, logits, outputs = run_theirs(case, x)
    model = zoo.create(case.name, **{"num_classes": 10, "fast": False, **case.fields})
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    shapes = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, "float64"), shapes)

    def loss(params, rest):
        y, more = model.apply({"params": params, **rest}, x, mutable=["intermediates"])
        return cross_entropy(y, {"y": Y})[0], (y, more["intermediates"])

    with jax.enable_x64(True):
        variables = zoo.convert.assign(state, shapes, case.rules)
        expected = zoo.convert.assign(their_grads, shapes, case.rules)["params"]
        params = variables.pop("params")
        run = jax.jit(jax.grad(loss, has_aux=True))
        grads, (y, found) = run(params, variables)
    np.testing.assert_allclose(y, logits, rtol=1e-8, atol=1e-8 * abs(logits).max())
    for name, theirs in outputs.items():
        ours = found[name][0]
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-8, atol=1e-9 * abs(theirs).max(), err_msg=name
        )

    def close(ours, theirs):
        assert np.abs(theirs).max() > 0
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8 * scale)

    jax.tree.map(close, grads, expected)


NAMED = {  # ours -> its fields, pytorchcv's module and options
    "densenet_bc40_12_cifar": (
        {"blocks": (1, 1, 1), "growth": 4},
        "densenet_cifar",
        {"num_classes": 10, "blocks": 10, "growth_rate": 4, "bottleneck": True},
    ),
    "nin_cifar10": ({"pool_padding": 1}, "nin_cifar", {"num_classes": 10}),
    "diracnet18_folded": ({}, "diracnetv2", {"blocks": 18}),
    "nasnet_a_mobile": (
        {"blocks": (1, 1, 1), "width": 4, "stem_width": 4},
        "nasnet",
        {
            **{"repeat": 1, "penultimate_filters": 96, "init_block_channels": 4},
            **{"final_pool_size": 7, "extra_padding": True, "in_size": (224, 224)},
            "skip_reduction_layer_input": False,
        },
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_of_pytorchcv_have_their_places(name):
    """That outputs agree too is measured: rows `parity` of benchmarks/results.csv."""
    fields, module, options = NAMED[name]
    with torch.device("meta"):
        state = pytorchcv(module, **options).state_dict()
    tensors = {n: np.zeros(t.shape, "float32") for n, t in state.items()}
    model = zoo.create(name, **fields)
    x = jax.ShapeDtypeStruct((1, 64, 64, 3), "float32")
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    found = zoo.convert.assign(tensors, shapes, zoo.catalog.MODELS[name].rules)
    assert jax.tree.structure(found) == jax.tree.structure(shapes)


def test_googlenet_in_training_with_its_three_heads():
    """Normalized by the batch; dropout, which draws otherwise, is left out."""
    theirs = models.GoogLeNet(10, init_weights=False, dropout=0.0, dropout_aux=0.0)
    theirs = theirs.double().train()
    randomize(theirs)
    state = {name: t.detach().numpy().copy() for name, t in theirs.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(2, 64, 48, 3))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    model = zoo.create(
        "googlenet_bn_auxiliary",
        **dict(num_classes=10, dropout=0.0, auxiliary_dropout=0.0, fast=False),
    )
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    shapes = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, "float64"), shapes)
    apply = lambda v: model.apply(v, x, train=True, mutable=["batch_stats"])[0]
    with jax.enable_x64(True):
        variables = zoo.convert.assign(state, shapes, googlenet.RULES)
        logits, one, two = jax.jit(apply)(variables)
        loss, weight = googlenet.auxiliary_loss((logits, one, two), {"y": Y})
    mine = expected.logits, expected.aux_logits1, expected.aux_logits2
    for ours, reference in zip((logits, one, two), mine, strict=True):
        np.testing.assert_allclose(ours, reference.numpy(), rtol=1e-7, atol=1e-7)
    losses = [
        torch.nn.functional.cross_entropy(z, torch.from_numpy(Y), reduction="sum")
        for z in mine
    ]
    np.testing.assert_allclose(loss, losses[0] + 0.3 * (losses[1] + losses[2]), 1e-9)
    assert float(weight) == 2


def test_nasnet_in_training_with_its_auxiliary_head():
    """The head, of what our first stage puts out, in PyTorch's layers."""
    small = nasnet.TINY | {"stem": "cifar", "dropout": 0.0, "blocks": (1, 1)}
    model = nasnet.NASNet(10, **small, auxiliary=True, fast=False)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 17, 14, 3)), np.arange(4)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda s: rng.normal(0, 0.3, s.shape), shapes)

    def loss(params):
        made = ["intermediates", "batch_stats"]
        outputs, more = model.apply({"params": params}, x, train=True, mutable=made)
        total, count = googlenet.auxiliary_loss(outputs, {"y": y}, 0.4)
        return total, (outputs, more["intermediates"]["stage_1"][0])

    with jax.enable_x64(True):
        run = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (total, ((logits, other), stage)), grads = run(params)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(grads))
    layers = torch.nn
    head = layers.Sequential(
        *(layers.ReLU(), layers.AvgPool2d(5, 3)),
        *(layers.Conv2d(stage.shape[-1], 128, 1, bias=False),),
        *(layers.BatchNorm2d(128, 1e-3), layers.ReLU()),
        *(layers.Conv2d(128, 768, (5, 4), bias=False),),
        *(layers.BatchNorm2d(768, 1e-3), layers.ReLU()),
        *(layers.Flatten(), layers.Linear(768, 10)),
    ).double()
    names = {"2": "conv_1", "3": "conv_1_norm", "5": "conv_2", "6": "conv_2_norm"}
    for place, name in {**names, "9": "head"}.items():
        own = params[f"auxiliary_{name}"]
        weight = own.get("kernel", own.get("scale"))
        weight = np.moveaxis(weight, (-1, -2), (0, 1)) if weight.ndim > 1 else weight
        module = head.get_submodule(place)
        module.weight.data = torch.from_numpy(weight.copy())
        if "bias" in own:
            module.bias.data = torch.from_numpy(own["bias"])
    with torch.no_grad():
        expected = head(torch.from_numpy(np.array(stage.transpose(0, 3, 1, 2))))
    np.testing.assert_allclose(other, expected.numpy(), rtol=1e-8, atol=1e-8)
    each = [
        torch.nn.functional.cross_entropy(
            torch.from_numpy(np.array(z)), torch.from_numpy(y), reduction="sum"
        )
        for z in (logits, other)
    ]
    np.testing.assert_allclose(total, each[0] + 0.4 * each[1], rtol=1e-9)
    with pytest.raises(ValueError, match="auxiliary must have two stages or more"):
        jax.eval_shape(model.clone(blocks=(1,)).init, jax.random.key(0), x)
