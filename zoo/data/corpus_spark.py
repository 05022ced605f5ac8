"""Counting a corpus by Spark: the methods of `corpus_local.Local` on RDDs.

    count   map, cache; collect of the summaries; flatMap, combineByKey of the words,
            whose counts are then filtered, coalesced (few are left) and collectAsMap
    map     a broadcast of what is shared; map, collect
    merge   flatMap, aggregateByKey by bucket; map, collect

Workers need Python and NumPy, and not this package: its functions travel whole. Counts
are integers, so that the order in which they are added up does not matter, and a task
that is lost with its machine is run again elsewhere.
"""

import contextlib
import sys
from collections.abc import Callable, Sequence

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.corpus_counts import added, summed
from zoo.data.formats import DataError
from zoo.data.spark import SparkError, context, reason

TRAVEL = ("corpus_counts", "corpus_input", "corpus_shards", "corpus_spark")
TRAVEL = (*TRAVEL, "formats", "words")
EACH = 4  # tasks for each core: some are done when others begin


class Spark:
    """The engine of Apache Spark.

    Args:
        master: as of `spark.context`.
        partitions: of RDDs; None: 4 for each core, at least 8. The results do not
            depend on it.

    Raises:
        SparkError: as `spark.context`.
    """

    def __init__(self, master: str = "local[*]", partitions: int | None = None):
        if partitions is not None:
            partitions = whole_number("partitions", partitions, 1)
        self.master, self.partitions = master, partitions

    def __enter__(self):
        self.context = context(self.master)
        from pyspark import cloudpickle

        for name in TRAVEL:
            cloudpickle.register_pickle_by_value(sys.modules[f"zoo.data.{name}"])
        return self

    def __exit__(self, *_):
        pass  # the context stays for the next use; it ends with the process

    def count(
        self, function: Callable, tasks: Sequence, shared: dict, least: int
    ) -> tuple[list, dict[str, tuple[int, int]], int]:
        """As `Local.count`."""
        size = self._size(tasks)
        with _failures():
            counted = self._parallel(function, tasks, shared).cache()
            summaries = [s for s, _ in _unless(counted.map(_summary).collect())]
            words = counted.flatMap(lambda result: result[1][1])
            totals = words.combineByKey(lambda counts: counts, added, added, size)
            distinct = totals.count()
            frequent = totals.filter(lambda pair: pair[1][0] >= least)
            found = frequent.coalesce(max(1, size // EACH)).collectAsMap()
            counted.unpersist()
        return summaries, found, distinct

    def map(self, function: Callable, tasks: Sequence, shared: dict) -> list:
        """As `Local.map`."""
        with _failures():
            return _unless(self._parallel(function, tasks, shared).collect())

    def merge(
        self, function: Callable, tasks: Sequence, finish: Callable, shared: dict
    ) -> list:
        """As `Local.merge`; the counts are kept in Spark's shuffle."""
        none = np.zeros(0, np.int64), np.zeros(0, np.int64)
        common = self.context.broadcast(shared)
        last = lambda pair: _guarded(lambda p, s: finish(*p, s), pair, common.value)
        with _failures():
            parts = self.context.parallelize(tasks, self._size(tasks))
            keyed = parts.flatMap(lambda task: function(task, common.value))
            size = min(self._size(tasks), len(shared["missing"]))
            whole = keyed.aggregateByKey(none, summed, summed, size)
            by_bucket = whole.map(lambda pair: (pair[0], last(pair))).collectAsMap()
        return _unless([by_bucket[bucket] for bucket in sorted(by_bucket)])

    def _size(self, tasks):
        wanted = self.partitions or max(8, EACH * self.context.defaultParallelism)
        return max(1, min(wanted, len(tasks)))

    def _parallel(self, function, tasks, shared):
        common = self.context.broadcast(shared)
        each = self.context.parallelize(tasks, self._size(tasks))
        return each.map(lambda task: _guarded(function, task, common.value))


def _guarded(function, task, shared):
    """What is wrong with the data goes back as a message: it is no failure of Spark."""
    try:
        return None, function(task, shared)
    except (ValueError, OSError) as error:
        return str(error), (None, ())


def _summary(result):
    return result[0], (result[1][0], None)


def _unless(results):
    for error, _ in results:
        if error is not None:
            raise DataError(error)
    return [result for _, result in results]


@contextlib.contextmanager
def _failures():
    """Spark's own exceptions in one line."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith(("py4j", "pyspark")):
            raise SparkError(f"Spark's job failed: {reason(error)}") from error
        raise
