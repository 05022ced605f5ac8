"""Pure functions of arrays."""

from zoo.functional.arithmetic import channel_mix as channel_mix
from zoo.functional.arithmetic import conv_matrix as conv_matrix
from zoo.functional.arithmetic import conv_size as conv_size
from zoo.functional.arithmetic import conv_transpose_size as conv_transpose_size
from zoo.functional.arithmetic import im2col as im2col
from zoo.functional.arithmetic import layers_receptive_field as layers_receptive_field
from zoo.functional.arithmetic import same_padding as same_padding
from zoo.functional.convolution import conv_by_blocks as conv_by_blocks
from zoo.functional.dropout import Dropout as Dropout
from zoo.functional.dropout import example_keys as example_keys
from zoo.functional.losses import cross_entropy as cross_entropy
from zoo.functional.losses import weighted as weighted
from zoo.functional.pooling import max_pool as max_pool
from zoo.functional.pooling import mean_pool as mean_pool
from zoo.functional.resize import bilinear_deconvolution as bilinear_deconvolution
from zoo.functional.resize import bilinear_kernel as bilinear_kernel
from zoo.functional.resize import interpolation_matrix as interpolation_matrix
from zoo.functional.resize import resize as resize
from zoo.functional.rows import put_rows as put_rows
from zoo.functional.rows import take_rows as take_rows
from zoo.functional.sampling import affine_grid as affine_grid
from zoo.functional.sampling import bilinear_sample as bilinear_sample
from zoo.functional.sampling import grid_to_pixels as grid_to_pixels
