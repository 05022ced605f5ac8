"""Generative models, and codes learned without labels."""

from zoo.generative import autoencoder as autoencoder
from zoo.generative import contractive as contractive
from zoo.generative import conv_autoencoder as conv_autoencoder
from zoo.generative import convolutional_sparse as convolutional_sparse
from zoo.generative import dbn as dbn
from zoo.generative import dcgan as dcgan
from zoo.generative import denoising as denoising
from zoo.generative import gan as gan
from zoo.generative import gan_losses as gan_losses
from zoo.generative import mlp_gan as mlp_gan
from zoo.generative import objective as objective
from zoo.generative import predictability as predictability
from zoo.generative import predictive_sparse as predictive_sparse
from zoo.generative import rbm as rbm
from zoo.generative import recirculation as recirculation
from zoo.generative import sparse_autoencoder as sparse_autoencoder
from zoo.generative import sparse_coding as sparse_coding
from zoo.generative import spectral as spectral
from zoo.generative import stacked as stacked
from zoo.generative import transposed as transposed
from zoo.generative import vae as vae
