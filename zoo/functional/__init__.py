"""Pure functions of arrays."""

from zoo.functional.convolution import conv_by_blocks as conv_by_blocks
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
from zoo.functional.divergence_losses import jensen_shannon_loss as jensen_shannon_loss
from zoo.functional.divergence_losses import kl_loss as kl_loss
from zoo.functional.dropout import Dropout as Dropout
from zoo.functional.dropout import example_keys as example_keys
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
from zoo.functional.losses import binary_cross_entropy as binary_cross_entropy
from zoo.functional.losses import cross_entropy as cross_entropy
from zoo.functional.losses import weighted as weighted
from zoo.functional.margin_losses import hinge as hinge
from zoo.functional.margin_losses import multiclass_hinge as multiclass_hinge
from zoo.functional.pooling import max_pool as max_pool
from zoo.functional.pooling import mean_pool as mean_pool
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
from zoo.functional.rows import put_rows as put_rows
from zoo.functional.rows import take_rows as take_rows
