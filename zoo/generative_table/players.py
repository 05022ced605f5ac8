"""Generators from latents, and their discriminators."""

import jax
import jax.numpy as jnp

from zoo.generative import began, dcgan, mlp_gan
from zoo.row import Row, image

BERTHELOT = "Berthelot, Schumm and Metz, 2017, https://arxiv.org/abs/1703.10717"
GOODFELLOW = "Goodfellow et al., NeurIPS 2014, https://arxiv.org/abs/1406.2661"
RADFORD = "Radford, Metz and Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434"
MIRZA = "Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784"
TINY_SEEN = {"side": 32, "width": 4, "outputs": 10}  # of images that tests draw


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


PLAYERS: dict[str, Row] = {
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
}
