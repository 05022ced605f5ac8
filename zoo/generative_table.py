"""Rows of autoencoders, and of the players of adversarial nets."""

import jax
import jax.numpy as jnp

from zoo.generative import (
    autoencoder,
    began,
    conv_autoencoder,
    dcgan,
    mlp_gan,
    patch,
    residual_generator,
    unet_generator,
    vae,
)
from zoo.row import Row, image

HINTON = (
    "Hinton and Salakhutdinov, Science 2006, https://doi.org/10.1126/science.1127647"
)
KINGMA = "Kingma and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114"
MASCI = "Masci et al., ICANN 2011, https://doi.org/10.1007/978-3-642-21735-7_7"
BERTHELOT = "Berthelot, Schumm and Metz, 2017, https://arxiv.org/abs/1703.10717"
GOODFELLOW = "Goodfellow et al., NeurIPS 2014, https://arxiv.org/abs/1406.2661"
RADFORD = "Radford, Metz and Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434"
MIRZA = "Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784"
ISOLA = "Isola, Zhu, Zhou and Efros, CVPR 2017, https://arxiv.org/abs/1611.07004"
ZHU = "Zhu, Park, Isola and Efros, ICCV 2017, https://arxiv.org/abs/1703.10593"
ORIGINAL = "the authors' PyTorch code"
TINY_SEEN = {"side": 32, "width": 4, "outputs": 10}  # of images that tests draw
DEEP = (1000, 500, 250, 30)


def latents(size: int):
    """The input of a generator, as a function of the batch size."""
    return lambda batch: jax.ShapeDtypeStruct((batch, size), jnp.float32)


def labelled(inputs):
    """That, with labels: the input of a conditional player."""
    label = lambda batch: jax.ShapeDtypeStruct((batch,), jnp.int32)
    return lambda batch: {"x": inputs(batch), "y": label(batch)}


def dense(*widths: int) -> int:
    """Weights and biases of dense layers."""
    return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))


GENERATIVE: dict[str, Row] = {
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
    "mlp_generator": Row(
        module=mlp_gan.MLPGenerator,
        task="generation",
        inputs=latents(100),
        paper=GOODFELLOW,
        parameters=dense(100, 256, 512, 784),
        convention="weights and biases, 100-256-512-784",
        tiny={**mlp_gan.TINY_GENERATOR, "latents": 100, "shape": (5, 2, 1)},
    ),
    "mlp_generator_conditional": Row(
        module=mlp_gan.MLPGenerator,
        task="generation",
        inputs=labelled(latents(100)),
        paper=MIRZA,
        parameters=dense(110, 256, 512, 784),
        convention="weights and biases, (100 + 10)-256-512-784",
        fields={"classes": 10},
        tiny={**mlp_gan.TINY_GENERATOR, "latents": 100, "shape": (5, 2, 1)},
    ),
    "mlp_discriminator": Row(
        module=mlp_gan.MLPDiscriminator,
        task="discrimination",
        inputs=image(28, 28, 1),
        paper=GOODFELLOW,
        parameters=dense(784, 512, 256, 1),
        convention="weights and biases, 784-512-256-1",
        tiny=mlp_gan.TINY_DISCRIMINATOR,
    ),
    "mlp_autoencoder_discriminator": Row(
        module=mlp_gan.MLPAutoencoder,
        task="discrimination",
        inputs=image(28, 28, 1),
        paper=BERTHELOT,
        parameters=dense(784, 256, 64, 256, 784),
        convention="weights and biases, 784-256-64-256-784",
        tiny=mlp_gan.TINY_AUTOENCODER,
        notes="Dense, for the losses to be compared by one net; the paper's has maps.",
    ),
    "began_generator": Row(
        module=began.BEGANGenerator,
        task="generation",
        inputs=latents(64),
        paper=BERTHELOT,
        parameters=563_395,
        convention="weights and biases; 64 numbers to 8x8x64 to 64x64x3",
        tiny=began.TINY_GENERATOR,
        notes="Latents of a uniform prior from -1 to 1.",
    ),
    "began_discriminator": Row(
        module=began.BEGANDiscriminator,
        task="discrimination",
        inputs=image(64, 64, 3),
        paper=BERTHELOT,
        parameters=3_495_171,
        convention="weights and biases; an autoencoder, 64x64x3 to 64 numbers and back",
        tiny=began.TINY_DISCRIMINATOR,
        notes="Each size's second convolution halves; the counts are ours.",
    ),
    "began_28_generator": Row(
        module=began.BEGANGenerator,
        task="generation",
        inputs=latents(32),
        paper=BERTHELOT,
        parameters=39_937,
        convention="weights and biases; 32 numbers to 7x7x16 to 28x28x1",
        fields={"latents": 32, "side": 28, "channels": 1, "width": 16},
        tiny={**began.TINY_GENERATOR, "latents": 32},
    ),
    "began_28_discriminator": Row(
        module=began.BEGANDiscriminator,
        task="discrimination",
        inputs=image(28, 28, 1),
        paper=BERTHELOT,
        parameters=168_577,
        convention="weights and biases; an autoencoder, 28x28x1 to 32 numbers and back",
        fields={"side": 28, "width": 16, "code": 32},
        tiny=began.TINY_DISCRIMINATOR,
    ),
    "dcgan_generator": Row(
        module=dcgan.DCGenerator,
        task="generation",
        inputs=latents(100),
        paper=RADFORD,
        parameters=3_576_704,
        convention="kernels, and scales and shifts of norms; 4x4 to 64x64x3",
        tiny=dcgan.TINY,
        reference="PyTorch's DCGAN tutorial",
        rules=dcgan.GENERATOR_RULES,
    ),
    "dcgan_discriminator": Row(
        module=dcgan.DCDiscriminator,
        task="discrimination",
        inputs=image(64, 64, 3),
        paper=RADFORD,
        parameters=2_765_568,
        convention="kernels, and scales and shifts of norms; 64x64x3 to 1",
        tiny=TINY_SEEN,
        reference="PyTorch's DCGAN tutorial",
        rules=dcgan.DISCRIMINATOR_RULES,
    ),
    "dcgan_32_generator": Row(
        module=dcgan.DCGenerator,
        task="generation",
        inputs=latents(100),
        paper=RADFORD,
        parameters=1_068_928,
        convention="kernels, and scales and shifts of norms; 4x4 to 32x32x3",
        fields={"side": 32},
        tiny=dcgan.TINY,
        rules=dcgan.GENERATOR_RULES,
    ),
    "dcgan_32_discriminator": Row(
        module=dcgan.DCDiscriminator,
        task="discrimination",
        inputs=image(32, 32, 3),
        paper=RADFORD,
        parameters=663_296,
        convention="kernels, and scales and shifts of norms; 32x32x3 to 1",
        fields={"side": 32},
        tiny=TINY_SEEN,
        rules=dcgan.DISCRIMINATOR_RULES,
    ),
    "dcgan_28_generator": Row(
        module=dcgan.DCGenerator,
        task="generation",
        inputs=latents(100),
        paper=RADFORD,
        parameters=347_072,
        convention="kernels, and scales and shifts of norms; 7x7 to 28x28x1",
        fields={"side": 28, "channels": 1, "width": 32},
        tiny={**dcgan.TINY, "channels": 3},
        rules=dcgan.GENERATOR_RULES,
    ),
    "dcgan_28_discriminator": Row(
        module=dcgan.DCDiscriminator,
        task="discrimination",
        inputs=image(28, 28, 1),
        paper=RADFORD,
        parameters=36_544,
        convention="kernels, and scales and shifts of norms; 28x28x1 to 1",
        fields={"side": 28, "width": 32},
        tiny=TINY_SEEN,
        rules=dcgan.DISCRIMINATOR_RULES,
    ),
    "patchgan_70": Row(
        module=patch.PatchDiscriminator,
        task="discrimination",
        inputs=image(256, 256, 3),
        paper=ZHU,
        parameters=2_764_737,
        convention="kernels and biases; instance norms have no parameters",
        tiny=patch.TINY,
        published={"fast": False},
        reference=ORIGINAL,
        rules=patch.RULES,
    ),
    "patchgan_70_pairs": Row(
        module=patch.PatchDiscriminator,
        task="discrimination",
        inputs=image(256, 256, 6),
        paper=ISOLA,
        parameters=2_768_705,
        convention="kernels, biases, and scales and shifts of norms",
        fields={"norm": "batch"},
        tiny=patch.TINY,
        published={"fast": False},
        reference=ORIGINAL,
        rules=patch.RULES,
        notes="Of an image and its translation, side by side.",
    ),
    "patchgan_16": Row(
        module=patch.PatchDiscriminator,
        task="discrimination",
        inputs=image(32, 32, 1),
        paper=ISOLA,
        parameters=134_337,
        convention="kernels and biases; instance norms have no parameters",
        fields={"layers": 1},
        tiny=patch.TINY,
        published={"fast": False},
        reference=ORIGINAL,
        rules=patch.RULES,
    ),
    "pix2pix_256": Row(
        module=unet_generator.UNetGenerator,
        task="translation",
        inputs=image(256, 256, 3),
        paper=ISOLA,
        parameters=54_413_955,
        convention="kernels, biases, and scales and shifts of norms",
        tiny=unet_generator.TINY,
        reference=ORIGINAL,
        rules=unet_generator.RULES,
    ),
    "pix2pix_64": Row(
        module=unet_generator.UNetGenerator,
        task="translation",
        inputs=image(64, 64, 3),
        paper=ISOLA,
        parameters=7_314_755,
        convention="kernels, biases, and scales and shifts of norms",
        fields={"depth": 6, "width": 32},
        tiny=unet_generator.TINY,
        reference=ORIGINAL,
        rules=unet_generator.RULES,
    ),
    "pix2pix_32": Row(
        module=unet_generator.UNetGenerator,
        task="translation",
        inputs=image(32, 32, 1),
        paper=ISOLA,
        parameters=1_042_081,
        convention="kernels, biases, and scales and shifts of norms",
        fields={"depth": 5, "width": 16, "channels": 1},
        tiny=unet_generator.TINY,
        reference=ORIGINAL,
        rules=unet_generator.RULES,
    ),
    "cyclegan_9": Row(
        module=residual_generator.ResidualGenerator,
        task="translation",
        inputs=image(256, 256, 3),
        paper=ZHU,
        parameters=11_378_179,
        convention="kernels and biases; instance norms have no parameters",
        tiny=residual_generator.TINY,
        reference=ORIGINAL,
        rules=residual_generator.rules(9),
    ),
    "cyclegan_6": Row(
        module=residual_generator.ResidualGenerator,
        task="translation",
        inputs=image(128, 128, 3),
        paper=ZHU,
        parameters=7_837_699,
        convention="kernels and biases; instance norms have no parameters",
        fields={"depth": 6},
        tiny=residual_generator.TINY,
        reference=ORIGINAL,
        rules=residual_generator.rules(6),
    ),
    "cyclegan_32": Row(
        module=residual_generator.ResidualGenerator,
        task="translation",
        inputs=image(32, 32, 1),
        paper=ZHU,
        parameters=269_377,
        convention="kernels and biases; instance norms have no parameters",
        fields={"depth": 3, "width": 16, "channels": 1},
        tiny=residual_generator.TINY,
        reference=ORIGINAL,
        rules=residual_generator.rules(3),
    ),
}
