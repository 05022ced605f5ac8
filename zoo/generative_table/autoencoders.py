"""Autoencoders."""

from zoo.generative import autoencoder, conv_autoencoder, vae
from zoo.row import Row, image

HINTON = (
    "Hinton and Salakhutdinov, Science 2006, https://doi.org/10.1126/science.1127647"
)
KINGMA = "Kingma and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114"
MASCI = "Masci et al., ICANN 2011, https://doi.org/10.1007/978-3-642-21735-7_7"
DEEP = (1000, 500, 250, 30)

AUTOENCODERS: dict[str, Row] = {
    "autoencoder": Row(
        module=autoencoder.Autoencoder,
        task="reconstruction",
        inputs=image(28, 28, 1),
        paper=HINTON,
        parameters=2 * (784 * 128 + 128 * 32) + 128 + 32 + 128 + 784,
        convention="weights and biases, 784-128-32 and back",
        tiny=autoencoder.TINY,
        reference="torch.nn.Sequential of Linear and Sigmoid",
    ),
    "autoencoder_tied": Row(
        module=autoencoder.Autoencoder,
        task="reconstruction",
        inputs=image(28, 28, 1),
        paper=HINTON,
        parameters=784 * 128 + 128 * 32 + 128 + 32 + 128 + 784,
        convention="weights once, biases of both ways, 784-128-32 and back",
        fields={"tied": True},
        tiny={**autoencoder.TINY, "activation": "tanh"},
    ),
    "deep_autoencoder": Row(
        module=autoencoder.Autoencoder,
        task="reconstruction",
        inputs=image(28, 28, 1),
        paper=HINTON,
        parameters=2_837_314,
        convention="weights and biases, 784-1000-500-250-30 and back",
        fields={"widths": DEEP, "code": "identity"},
        tiny=autoencoder.TINY,
        figures="MNIST test, squared error of an image: 3.00, PCA 13.87 (the paper)",
        notes="Begun by Boltzmann machines, `zoo.generative.dbn`, in the paper.",
    ),
    "conv_autoencoder": Row(
        module=conv_autoencoder.ConvAutoencoder,
        task="reconstruction",
        inputs=image(28, 28, 1),
        paper=MASCI,
        parameters=111_521,
        convention="weights and biases, maps of 16 and 32, code of 32",
        tiny=conv_autoencoder.TINY,
    ),
    "vae": Row(
        module=vae.VAE,
        task="reconstruction",
        inputs=image(28, 28, 1),
        paper=KINGMA,
        parameters=815_824,
        convention="weights and biases, 784-500-20 and back, mean and variance",
        tiny=vae.TINY,
    ),
}
