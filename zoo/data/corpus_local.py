"""Counting a corpus in this process, a piece at a time.

Held at once: the vocabulary, one piece's arrays, and of co-occurrences one bucket's.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zoo.data.corpus_counts import added, summed


class Local:
    """The engine of plain Python and NumPy.

    `corpus_spark.Spark` has the same methods, which give the same.
    """

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def count(
        self, function: Callable, tasks: Sequence, shared: dict, least: int
    ) -> tuple[list, dict[str, tuple[int, int]], int]:
        """Adds up what tasks count.

        Args:
            function: (task, shared) -> (a summary, [(word, (times, documents))]).
            tasks: in order.
            shared: what they have in common.
            least: words met less often are left out of the result.

        Returns:
            The tasks' summaries, the words' counts, and how many words there are.
        """
        summaries, found = [], {}
        for task in tasks:
            summary, items = function(task, shared)
            summaries.append(summary)
            for word, counts in items:
                found[word] = added(found[word], counts) if word in found else counts
        frequent = {w: counts for w, counts in found.items() if counts[0] >= least}
        return summaries, frequent, len(found)

    def map(self, function: Callable, tasks: Sequence, shared: dict) -> list:
        """(task, shared) -> a result, of each task in order."""
        return [function(task, shared) for task in tasks]

    def merge(
        self, function: Callable, tasks: Sequence, finish: Callable, shared: dict
    ) -> list:
        """Adds up arrays of counts by bucket.

        Args:
            function: (task, shared) -> [(bucket, (keys, counts))].
            tasks: in order.
            finish: (bucket, (keys, counts), shared) -> a result, for each bucket.
            shared: what they have in common; its `folder` has room for the counts of
                all tasks, which are kept there in the meantime.

        Returns:
            The results, by bucket.
        """
        with tempfile.TemporaryDirectory(dir=shared["folder"]) as scratch:
            where = {}  # bucket -> [(task's number, from, to)]
            for number, task in enumerate(tasks):
                parts, end = function(task, shared), 0
                for bucket, (keys, _) in parts:
                    where.setdefault(bucket, []).append((number, end, end + len(keys)))
                    end += len(keys)
                rows = [np.stack(pair, axis=1) for _, pair in parts]
                np.save(Path(scratch, f"{number}.npy"), np.concatenate(rows))
            results = []
            for bucket in sorted(where):
                held = []
                for number, start, stop in where[bucket]:
                    rows = np.load(Path(scratch, f"{number}.npy"), mmap_mode="r")
                    held.append(tuple(np.array(rows[start:stop]).T))
                results.append(finish(bucket, summed(*held), shared))
            return results
