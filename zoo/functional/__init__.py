"""Pure functions of arrays."""

from zoo.functional.convolution import conv_by_blocks as conv_by_blocks
from zoo.functional.distances import chebyshev_distance as chebyshev_distance
from zoo.functional.distances import cosine_distance as cosine_distance
from zoo.functional.distances import euclidean_distance as euclidean_distance
from zoo.functional.distances import hamming_distance as hamming_distance
from zoo.functional.distances import kullback_leibler as kullback_leibler
from zoo.functional.distances import lp_norm as lp_norm
from zoo.functional.distances import mahalanobis_distance as mahalanobis_distance
from zoo.functional.distances import minkowski_distance as minkowski_distance
from zoo.functional.distances import pearson_distance as pearson_distance
from zoo.functional.distances import squared_euclidean as squared_euclidean
from zoo.functional.distances import whiten as whiten
from zoo.functional.dropout import Dropout as Dropout
from zoo.functional.dropout import example_keys as example_keys
from zoo.functional.losses import cross_entropy as cross_entropy
from zoo.functional.losses import weighted as weighted
from zoo.functional.network_simplex import EarthMover as EarthMover
from zoo.functional.network_simplex import (
    KantorovichRubinstein as KantorovichRubinstein,
)
from zoo.functional.network_simplex import c_transform as c_transform
from zoo.functional.network_simplex import earth_mover as earth_mover
from zoo.functional.network_simplex import (
    kantorovich_rubinstein as kantorovich_rubinstein,
)
from zoo.functional.pairs import nearest as nearest
from zoo.functional.pairs import pairwise as pairwise
from zoo.functional.pairs import pairwise_reduce as pairwise_reduce
from zoo.functional.pooling import max_pool as max_pool
from zoo.functional.pooling import mean_pool as mean_pool
from zoo.functional.rows import put_rows as put_rows
from zoo.functional.rows import take_rows as take_rows
from zoo.functional.transport import Sinkhorn as Sinkhorn
from zoo.functional.transport import sinkhorn as sinkhorn
from zoo.functional.transport import wasserstein_1d as wasserstein_1d
