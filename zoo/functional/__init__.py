"""Pure functions of arrays."""

from zoo.functional import backprop as backprop
from zoo.functional.convolution import convolve as convolve
from zoo.functional.convolution_blocks import conv_by_blocks as conv_by_blocks
from zoo.functional.dropout import Dropout as Dropout
from zoo.functional.dropout import example_keys as example_keys
from zoo.functional.losses import cross_entropy as cross_entropy
from zoo.functional.losses import weighted as weighted
from zoo.functional.pooling import max_pool as max_pool
from zoo.functional.pooling import mean_pool as mean_pool
from zoo.functional.rows import put_rows as put_rows
from zoo.functional.rows import take_rows as take_rows
