"""Data: batches as a pure function of (seed, step), and data sets by name."""

from zoo.data.bags import Bags as Bags
from zoo.data.bags import bags as bags
from zoo.data.fetch import FetchError as FetchError
from zoo.data.fetch import fetch as fetch
from zoo.data.formats import DataError as DataError
from zoo.data.gather import Batch as Batch
from zoo.data.grain_stream import from_grain as from_grain
from zoo.data.grain_stream import grain_batches as grain_batches
from zoo.data.pictures import Pair as Pair
from zoo.data.pictures import motorcycle as motorcycle
from zoo.data.pictures import photo as photo
from zoo.data.prefetch import prefetch as prefetch
from zoo.data.sources import Dataset as Dataset
from zoo.data.sources import list_datasets as list_datasets
from zoo.data.sources import load as load
from zoo.data.stream import Stream as Stream
from zoo.data.stream import batches as batches
from zoo.data.stream import constant as constant
from zoo.data.stream import once as once
from zoo.data.stream import standardize as standardize
from zoo.data.stream import to_float as to_float
from zoo.data.stream import zipped as zipped
from zoo.data.tabular import Table as Table
from zoo.data.tabular import tabular as tabular
