"""Networks of pixels against torchvision's, and plain PyTorch where it has none.

Every parameter and buffer is random; float64. Equal are the logits and the outputs of
the backbone; gradients of the parts are compared in test_vision.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.references import randomize, torch, torchvision
from zoo import convert
from zoo.segmentation import FCN, DeepLabV3, FCNResNet, UNet, deeplab, fcn_resnet
from zoo.vision.layers import features

B, H, W = 2, 32, 48
BLOCKS = (1, 1, 2, 1)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def image(channels=3):
    return np.random.default_rng(0).normal(size=(B, H, W, channels))


def tensors(net):
    return {name: t.numpy() for name, t in net.state_dict().items()}


def ours(model, given, rules, x):
    """Variables of the model, in float64, from tensors of PyTorch."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    wide = lambda s: jax.ShapeDtypeStruct(s.shape, jnp.float64)
    return convert.assign(given, jax.tree.map(wide, shapes), rules)


def backbone():
    net = torchvision.models.ResNet(
        torchvision.models.resnet.Bottleneck,
        list(BLOCKS),
        replace_stride_with_dilation=[False, True, True],
        width_per_group=64,
    )
    layers = {"layer3": "aux", "layer4": "out"}
    return torchvision.models._utils.IntermediateLayerGetter(net, layers)


def theirs(kind):
    part = getattr(torchvision.models.segmentation, kind)
    aux = torchvision.models.segmentation.fcn.FCNHead(1024, 3)
    if kind == "fcn":
        return part.FCN(backbone(), part.FCNHead(2048, 3), aux)
    return part.DeepLabV3(backbone(), part.DeepLabHead(2048, 3, (2, 3, 5)), aux)


@pytest.mark.parametrize("kind", ["fcn", "deeplabv3"])
def test_torchvisions_weights_convert(kind):
    net = theirs(kind).double().eval()
    randomize(net)
    common = dict(num_classes=3, blocks=BLOCKS, fast=False)
    model, rules = {
        "fcn": (FCNResNet(**common), fcn_resnet.RULES),
        "deeplabv3": (DeepLabV3(rates=(2, 3, 5), **common), deeplab.rules()),
    }[kind]
    x = image()
    variables = ours(model, tensors(net), rules, x)
    with torch.no_grad():
        at = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
        want, stages = net(at), net.backbone(at)
    names = {"backbone/stage_3": "aux", "backbone/stage_4": "out"}

    of = lambda v, x: features(model, v, x, [*names, "__call__"])
    found = jax.jit(of)(variables, x)
    for name, key in names.items():
        assert close(found[name], stages[key])
    assert close(found["__call__"], want["out"])


def close(a, b):
    b = b.detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())
    return True


class TorchUNet(torch.nn.Module):
    """As drawn in the paper, with padding; two halvings."""

    def __init__(self, width=4):
        super().__init__()
        twice = lambda a, b: torch.nn.Sequential(
            *(torch.nn.Conv2d(a, b, 3, padding=1), torch.nn.ReLU()),
            *(torch.nn.Conv2d(b, b, 3, padding=1), torch.nn.ReLU()),
        )
        self.down = torch.nn.ModuleList([twice(1, width), twice(width, 2 * width)])
        self.bottom = twice(2 * width, 4 * width)
        double = lambda a: torch.nn.ConvTranspose2d(a, a // 2, 2, 2)
        self.larger = torch.nn.ModuleList([double(4 * width), double(2 * width)])
        self.up = torch.nn.ModuleList(
            [twice(4 * width, 2 * width), twice(2 * width, width)]
        )
        self.head = torch.nn.Conv2d(width, 2, 1)

    def forward(self, x):
        kept = []
        for part in self.down:
            kept.append(part(x))
            x = torch.nn.functional.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for double, part in zip(self.larger, self.up, strict=True):
            x = part(torch.cat([kept.pop(), double(x)], 1))
        return self.head(x)


def test_unet_is_the_drawing():
    net = TorchUNet().double()
    randomize(net)
    place = {"0": "1", "2": "2"}
    rules = (
        (r"down\.(\d)\.(\d)", lambda m: f"down_{int(m[1]) + 1}_{place[m[2]]}"),
        (r"bottom\.(\d)", lambda m: f"bottom_{place[m[1]]}"),
        (r"up\.(\d)\.(\d)", lambda m: f"up_{int(m[1]) + 1}_{place[m[2]]}"),
        (r"larger\.(\d)", lambda m: f"up_{int(m[1]) + 1}_double"),
        (r"head", "head"),
    )
    model, x, given = UNet(width=4, depth=2), image(1), tensors(net)
    for i in (0, 1):  # a transposed convolution has its inputs first
        name = f"larger.{i}.weight"
        given[name] = given[name].swapaxes(0, 1)
    variables = ours(model, given, rules, x)
    y = jax.jit(model.apply)(variables, x)
    assert close(y, net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())))


def test_fcn_is_the_papers_net():
    """FCN-8s of one convolution a stage, by PyTorch's functions; odd sides."""
    model = FCN(3, blocks=(1, 1, 1, 1, 1), width=4, hidden=6)
    x = image()[:, :, :40]
    variables = jax.jit(model.init)(jax.random.key(0), x)
    rng = np.random.default_rng(2)
    variables = jax.tree.map(lambda p: rng.normal(size=p.shape) / 9, variables)
    params, f = variables["params"], torch.nn.functional

    def weights(name):
        return torch.from_numpy(params[name]["kernel"].transpose(3, 2, 0, 1).copy())

    def conv(x, name):
        w = weights(name)
        return f.conv2d(x, w, torch.from_numpy(params[name]["bias"]), padding="same")

    def enlarge(x, name):
        w = weights(name).swapaxes(0, 1).flip(2, 3)  # a convolution, turned round
        factor = w.shape[2] // 2
        return f.conv_transpose2d(x, w, stride=factor, padding=factor // 2)

    t, stages = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), []
    for i in range(1, 6):
        t = f.max_pool2d(conv(t, f"conv_{i}_0").relu(), 2, ceil_mode=True)
        stages.append(t)
    t = conv(conv(conv(t, "conv_6").relu(), "conv_7").relu(), "scores_5")
    for i in (4, 3):
        more = conv(stages[i - 1], f"scores_{i}")
        t = more + enlarge(t, f"double_{i}")[:, :, : more.shape[2], : more.shape[3]]
    want = enlarge(t, "enlarge")[:, :, :H, :40]
    assert close(jax.jit(model.apply)(variables, x), want)
