"""PyTorch modules of players, written from the papers, with the names of originals."""


def dcgan_generator(latents, width, channels):
    from torch import nn

    layers, inputs = [], latents
    for features in (8 * width, 4 * width, 2 * width, width):
        shape = (4, 2, 1) if layers else (4, 1, 0)
        layers += [
            nn.ConvTranspose2d(inputs, features, *shape, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        ]
        inputs = features
    layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return _named("main", nn.Sequential(*layers))


def dcgan_discriminator(latents, width, channels):
    from torch import nn

    del latents
    layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for features in (2 * width, 4 * width, 8 * width):
        layers += [
            nn.Conv2d(features // 2, features, 4, 2, 1, bias=False),
            nn.BatchNorm2d(features),
            nn.LeakyReLU(0.2),
        ]
    layers += [nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False)]
    return _named("main", nn.Sequential(*layers))


def random_everywhere(module, seed):
    """Every parameter and statistic random, variances positive."""
    import torch

    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.dtype.is_floating_point:
                value.normal_(0, 0.2)
    return module


def tensors(module):
    """name -> NumPy array."""
    return {name: value.numpy() for name, value in module.state_dict().items()}


def patch_discriminator(inputs, width, layers, norm):
    """pix2pix's, with the names of its code; `norm` is "batch" or "instance"."""
    from torch import nn

    bias = norm == "instance"
    made = nn.InstanceNorm2d if bias else nn.BatchNorm2d
    parts = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for i in range(1, layers + 1):
        before, after = (width * min(2**j, 8) for j in (i - 1, i))
        stride = 2 if i < layers else 1
        parts += [nn.Conv2d(before, after, 4, stride, 1, bias=bias), made(after)]
        parts += [nn.LeakyReLU(0.2)]
    parts += [nn.Conv2d(after, 1, 4, 1, 1)]
    return _named("model", nn.Sequential(*parts))


def unet_generator(inputs, outputs, width, depth):
    """pix2pix's, each level within the one around it; without dropout, whose draws are
    its own."""
    import torch
    from torch import nn

    class Level(nn.Module):
        def __init__(self, i):
            super().__init__()
            before = inputs if i == 1 else width * min(2 ** (i - 2), 8)
            inside = width * min(2 ** (i - 1), 8)
            down = nn.Conv2d(before, inside, 4, 2, 1, bias=False)
            up = lambda outputs, wide, bias: nn.ConvTranspose2d(
                wide * inside, outputs, 4, 2, 1, bias=bias
            )
            self.outermost = i == 1
            if i == 1:
                parts = [down, Level(2), nn.ReLU(), up(outputs, 2, True), nn.Tanh()]
            elif i == depth:
                parts = [nn.LeakyReLU(0.2), down, nn.ReLU(), up(before, 1, False)]
                parts += [nn.BatchNorm2d(before)]
            else:
                parts = [nn.LeakyReLU(0.2), down, nn.BatchNorm2d(inside), Level(i + 1)]
                parts += [nn.ReLU(), up(before, 2, False), nn.BatchNorm2d(before)]
            self.model = nn.Sequential(*parts)

        def forward(self, x):
            y = self.model(x)
            return y if self.outermost else torch.cat([x, y], 1)

    return _named("model", Level(1))


def residual_generator(inputs, outputs, width, blocks, halvings=2):
    """CycleGAN's."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, features):
            super().__init__()
            half = lambda: [
                nn.ReflectionPad2d(1),
                nn.Conv2d(features, features, 3),
                nn.InstanceNorm2d(features),
            ]
            self.conv_block = nn.Sequential(*half(), nn.ReLU(), *half())

        def forward(self, x):
            return x + self.conv_block(x)

    normed = lambda features: [nn.InstanceNorm2d(features), nn.ReLU()]
    parts = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7), *normed(width)]
    wide = width
    for _ in range(halvings):
        parts += [nn.Conv2d(wide, 2 * wide, 3, 2, 1), *normed(2 * wide)]
        wide *= 2
    parts += [Block(wide) for _ in range(blocks)]
    for _ in range(halvings):
        up = nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1)
        parts += [up, *normed(wide // 2)]
        wide //= 2
    parts += [nn.ReflectionPad2d(3), nn.Conv2d(wide, outputs, 7), nn.Tanh()]
    return _named("model", nn.Sequential(*parts))


def _named(name, part):
    """A module of one part, as the originals are."""
    from torch import nn

    whole = nn.Sequential()
    whole.add_module(name, part)
    return whole
