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
    return _main(nn.Sequential(*layers))


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
    return _main(nn.Sequential(*layers))


def _main(layers):
    """A module of one part, `main`, as PyTorch's example has it."""
    from torch import nn

    whole = nn.Sequential()
    whole.add_module("main", layers)
    return whole


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
