"""Pure functions of arrays."""

from zoo.functional import backprop as backprop
from zoo.functional.activations import ACTIVATIONS as ACTIVATIONS
from zoo.functional.activations import DERIVATIVES as DERIVATIVES
from zoo.functional.activations import JACOBIANS as JACOBIANS
from zoo.functional.activations import KINKS as KINKS
from zoo.functional.activations import elu as elu
from zoo.functional.activations import gelu as gelu
from zoo.functional.activations import hard_sigmoid as hard_sigmoid
from zoo.functional.activations import hard_tanh as hard_tanh
from zoo.functional.activations import leaky_relu as leaky_relu
from zoo.functional.activations import maxout as maxout
from zoo.functional.activations import prelu as prelu
from zoo.functional.activations import relu as relu
from zoo.functional.activations import relu6 as relu6
from zoo.functional.activations import selu as selu
from zoo.functional.activations import sigmoid as sigmoid
from zoo.functional.activations import sign as sign
from zoo.functional.activations import silu as silu
from zoo.functional.activations import softmax as softmax
from zoo.functional.activations import softplus as softplus
from zoo.functional.activations import tanh as tanh
from zoo.functional.arithmetic import channel_mix as channel_mix
from zoo.functional.arithmetic import conv_matrix as conv_matrix
from zoo.functional.arithmetic import conv_size as conv_size
from zoo.functional.arithmetic import conv_transpose_size as conv_transpose_size
from zoo.functional.arithmetic import im2col as im2col
from zoo.functional.arithmetic import layers_receptive_field as layers_receptive_field
from zoo.functional.arithmetic import same_padding as same_padding
from zoo.functional.attention import additive_scores as additive_scores
from zoo.functional.attention import attention as attention
from zoo.functional.attention import attention_weights as attention_weights
from zoo.functional.attention import causal_mask as causal_mask
from zoo.functional.attention import dot_scores as dot_scores
from zoo.functional.attention import general_scores as general_scores
from zoo.functional.attention import padding_mask as padding_mask
from zoo.functional.augmentation import color_jitter as color_jitter
from zoo.functional.augmentation import cutout as cutout
from zoo.functional.augmentation import mixup as mixup
from zoo.functional.augmentation import mixup_batch as mixup_batch
from zoo.functional.augmentation import pca_jitter as pca_jitter
from zoo.functional.augmentation import random_crop as random_crop
from zoo.functional.augmentation import random_flip as random_flip
from zoo.functional.augmentation import random_rotation as random_rotation
from zoo.functional.augmentation import random_shift as random_shift
from zoo.functional.colorwheel import color_wheel as color_wheel
from zoo.functional.colorwheel import flow_to_color as flow_to_color
from zoo.functional.convolution import convolve as convolve
from zoo.functional.differential_information import (
    differential_cross_entropy as differential_cross_entropy,
)
from zoo.functional.differential_information import (
    differential_entropy as differential_entropy,
)
from zoo.functional.differential_information import (
    differential_relative_entropy as differential_relative_entropy,
)
from zoo.functional.differential_information import gaussian_entropy as gaussian_entropy
from zoo.functional.differential_information import (
    gaussian_mutual_information as gaussian_mutual_information,
)
from zoo.functional.differential_information import (
    gaussian_relative_entropy as gaussian_relative_entropy,
)
from zoo.functional.distances import chebyshev_distance as chebyshev_distance
from zoo.functional.distances import cosine_distance as cosine_distance
from zoo.functional.distances import euclidean_distance as euclidean_distance
from zoo.functional.distances import hamming_distance as hamming_distance
from zoo.functional.distances import lp_norm as lp_norm
from zoo.functional.distances import (
    mahalanobis_coordinates as mahalanobis_coordinates,
)
from zoo.functional.distances import mahalanobis_distance as mahalanobis_distance
from zoo.functional.distances import minkowski_distance as minkowski_distance
from zoo.functional.distances import pearson_distance as pearson_distance
from zoo.functional.distances import squared_euclidean as squared_euclidean
from zoo.functional.divergence_losses import jensen_shannon_loss as jensen_shannon_loss
from zoo.functional.divergence_losses import kl_loss as kl_loss
from zoo.functional.dropout import Dropout as Dropout
from zoo.functional.dropout import example_keys as example_keys
from zoo.functional.emd import EarthMover as EarthMover
from zoo.functional.emd import KantorovichRubinstein as KantorovichRubinstein
from zoo.functional.emd import c_transform as c_transform
from zoo.functional.emd import earth_mover as earth_mover
from zoo.functional.emd import kantorovich_rubinstein as kantorovich_rubinstein
from zoo.functional.flow import LocalFlow as LocalFlow
from zoo.functional.flow import angular_error as angular_error
from zoo.functional.flow import endpoint_error as endpoint_error
from zoo.functional.flow import horn_schunck as horn_schunck
from zoo.functional.flow import lucas_kanade as lucas_kanade
from zoo.functional.imbalance_losses import binary_focal as binary_focal
from zoo.functional.imbalance_losses import dice as dice
from zoo.functional.imbalance_losses import focal as focal
from zoo.functional.information import average_code_length as average_code_length
from zoo.functional.information import cross_entropy_between as cross_entropy_between
from zoo.functional.information import entropy as entropy
from zoo.functional.information import jensen_shannon as jensen_shannon
from zoo.functional.information import kraft_sum as kraft_sum
from zoo.functional.information import mutual_information as mutual_information
from zoo.functional.information import relative_entropy as relative_entropy
from zoo.functional.information import self_information as self_information
from zoo.functional.information import shannon_code_lengths as shannon_code_lengths
from zoo.functional.initializers import INITIALIZERS as INITIALIZERS
from zoo.functional.initializers import constant as constant
from zoo.functional.initializers import fans as fans
from zoo.functional.initializers import gaussian as gaussian
from zoo.functional.initializers import he_normal as he_normal
from zoo.functional.initializers import he_uniform as he_uniform
from zoo.functional.initializers import lecun_normal as lecun_normal
from zoo.functional.initializers import lecun_uniform as lecun_uniform
from zoo.functional.initializers import orthogonal as orthogonal
from zoo.functional.initializers import xavier_normal as xavier_normal
from zoo.functional.initializers import xavier_uniform as xavier_uniform
from zoo.functional.keyed import Combined as Combined
from zoo.functional.keyed import Grouped as Grouped
from zoo.functional.keyed import Joined as Joined
from zoo.functional.keyed import cogroup as cogroup
from zoo.functional.keyed import combine_by_key as combine_by_key
from zoo.functional.keyed import full_outer_join as full_outer_join
from zoo.functional.losses import binary_cross_entropy as binary_cross_entropy
from zoo.functional.losses import cross_entropy as cross_entropy
from zoo.functional.losses import weighted as weighted
from zoo.functional.margin_losses import hinge as hinge
from zoo.functional.margin_losses import multiclass_hinge as multiclass_hinge
from zoo.functional.normalization import batch_norm as batch_norm
from zoo.functional.normalization import group_norm as group_norm
from zoo.functional.normalization import instance_norm as instance_norm
from zoo.functional.normalization import layer_norm as layer_norm
from zoo.functional.normalization import local_contrast_norm as local_contrast_norm
from zoo.functional.normalization import local_response_norm as local_response_norm
from zoo.functional.pairs import nearest as nearest
from zoo.functional.pairs import pairwise as pairwise
from zoo.functional.pairs import pairwise_reduce as pairwise_reduce
from zoo.functional.pooling import adaptive_max_pool as adaptive_max_pool
from zoo.functional.pooling import adaptive_mean_pool as adaptive_mean_pool
from zoo.functional.pooling import global_max_pool as global_max_pool
from zoo.functional.pooling import global_mean_pool as global_mean_pool
from zoo.functional.pooling import lp_pool as lp_pool
from zoo.functional.pooling import max_pool as max_pool
from zoo.functional.pooling import mean_pool as mean_pool
from zoo.functional.products import Dense as Dense
from zoo.functional.products import attend as attend
from zoo.functional.products import contract as contract
from zoo.functional.products import product as product
from zoo.functional.rademacher import every_sign as every_sign
from zoo.functional.rademacher import finite_supremum as finite_supremum
from zoo.functional.rademacher import generalization_gap as generalization_gap
from zoo.functional.rademacher import linear_bound as linear_bound
from zoo.functional.rademacher import linear_supremum as linear_supremum
from zoo.functional.rademacher import massart_bound as massart_bound
from zoo.functional.rademacher import rademacher_complexity as rademacher_complexity
from zoo.functional.rademacher import random_signs as random_signs
from zoo.functional.rademacher import supremum_by_ascent as supremum_by_ascent
from zoo.functional.regression_losses import absolute as absolute
from zoo.functional.regression_losses import quadratic as quadratic
from zoo.functional.regression_losses import smooth_l1 as smooth_l1
from zoo.functional.resize import bilinear_deconvolution as bilinear_deconvolution
from zoo.functional.resize import bilinear_kernel as bilinear_kernel
from zoo.functional.resize import interpolation_matrix as interpolation_matrix
from zoo.functional.resize import resize as resize
from zoo.functional.reversal import gradient_reversal as gradient_reversal
from zoo.functional.rows import put_rows as put_rows
from zoo.functional.rows import take_rows as take_rows
from zoo.functional.sampling import affine_grid as affine_grid
from zoo.functional.sampling import bilinear_sample as bilinear_sample
from zoo.functional.sampling import grid_to_pixels as grid_to_pixels
from zoo.functional.transport import Sinkhorn as Sinkhorn
from zoo.functional.transport import sinkhorn as sinkhorn
from zoo.functional.transport import wasserstein_1d as wasserstein_1d
from zoo.functional.warping import rotate as rotate
from zoo.functional.warping import shift as shift
from zoo.functional.warping import warp as warp
from zoo.functional.whitening import Moments as Moments
from zoo.functional.whitening import PrincipalAxes as PrincipalAxes
from zoo.functional.whitening import feature_moments as feature_moments
from zoo.functional.whitening import principal_axes as principal_axes
from zoo.functional.whitening import standardize as standardize
from zoo.functional.whitening import unstandardize as unstandardize
from zoo.functional.whitening import unwhiten as unwhiten
from zoo.functional.whitening import whiten as whiten
from zoo.functional.whitening import zero_center as zero_center
