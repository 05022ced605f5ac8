"""Fifteen operations of Spark's RDDs and the same on arrays give equal results.

Run:    python -m experiments.rdd_operations
        python -m experiments.rdd_operations --words 5000 --partitions 3 16

Expect: each operation gives the same on 1, 2 and 7 partitions, and the same on arrays:
sums of segments, sorted joins. Those that are folds or groups by key, seven of them,
are written once more with combineByKey alone, and are equal too. It takes about a
minute of two cores.

An RDD is a list in parts on many machines. What is done to it must not depend on where
it is cut: `aggregate` asks for two functions, one that takes a value in and one that
puts parts together, and the results agree if both are parts of one sum. Arrays ask the
same of a fold: that it is associative. `combineByKey` is the ancestor of all that go by
key: it says how a value begins an accumulator, how one takes a value in, and how two
are put together.

Two sets of data: the small ones of the printed results, and (letter, length) of words
of two chapters of Moby Dick.

References are in `zoo.functional.keyed`.
"""

import dataclasses
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo import functional
from zoo.data import spark, text
from zoo.data.words import tokenise
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        master: local[N], or spark://HOST:PORT.
        partitions: numbers of partitions that are compared.
        words: of each of two chapters.
        run: the run folder.
    """

    master: str = "local[2]"
    partitions: tuple[int, ...] = (1, 2, 7)
    words: int = 300
    run: str = "runs/rdd_operations"


class Data(NamedTuple):
    numbers: list[int]
    left: list[tuple[str, int]]
    right: list[tuple[str, int]]


class Results(NamedTuple):
    spark: Any
    arrays: Any
    combined: Any = None  # by combineByKey, where it is its child


grouped = jax.jit(functional.cogroup)
joined = jax.jit(functional.full_outer_join, static_argnums=2)
combined_by_key = jax.jit(functional.combine_by_key, static_argnums=(2, 3))
itself, last = (lambda value: value), (lambda a, b: b)

NOTES = Data([1, 2, 3, 4], [("a", 1), ("b", 4)], [("a", 2), ("c", 8)])


def keys(pairs) -> jax.Array:
    """Letters as numbers."""
    return jnp.array([ord(key) for key, _ in pairs])


def values(pairs) -> jax.Array:
    return jnp.array([value for _, value in pairs])


def named(found, of=lambda value: value) -> dict:
    """What `combine_by_key` found, by letter."""
    size = int(found.size)
    rows = jax.tree.map(lambda a: a[:size].tolist(), found.values)
    rows = list(zip(*rows, strict=True)) if isinstance(rows, tuple) else rows
    return {chr(k): of(v) for k, v in zip(found.keys.tolist(), rows, strict=False)}


def aggregate(sc, data, n) -> Results:
    """(sum, count): the first function takes a value in, the second adds parts."""
    take = lambda a, value: (a[0] + value, a[1] + 1)
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    rdd = sc.parallelize(data.numbers, n)
    x = jnp.array(data.numbers)
    alone = rdd.map(lambda value: (None, value))
    combined = alone.combineByKey(lambda v: (v, 1), take, add).values().collect()
    arrays = int(x.sum()), x.size
    return Results(rdd.aggregate((0, 0), take, add), arrays, combined[0])


def aggregate_by_key(sc, data, n) -> Results:
    """The same for each key."""
    take = lambda a, value: (a[0] + value, a[1] + 1)
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    rdd = sc.parallelize(data.left, n)
    found = dict(rdd.aggregateByKey((0, 0), take, add).collect())
    combined = rdd.combineByKey(lambda v: take((0, 0), v), take, add).collect()
    size = 128  # of the letters' numbers: sums of segments
    k, v = keys(data.left), values(data.left)
    sums, counts = (jax.ops.segment_sum(a, k, size) for a in (v, jnp.ones_like(v)))
    there = np.flatnonzero(counts)
    arrays = {chr(i): (int(sums[i]), int(counts[i])) for i in there}
    return Results(found, arrays, dict(combined))


def cache(sc, data, n) -> Results:
    """Computed once, used twice; what is counted is how often."""
    calls = sc.accumulator(0)

    def squared(value):
        calls.add(1)
        return value * value

    rdd = sc.parallelize(data.numbers, n).map(squared).cache()
    total, most = rdd.sum(), rdd.max()
    rdd.unpersist()
    x = jnp.array(data.numbers) ** 2  # an array is there once it is computed
    arrays = int(x.sum()), int(x.max()), x.size
    return Results((total, most, calls.value), arrays)


def cartesian(sc, data, n) -> Results:
    """Each of one with each of the other."""
    some = data.numbers[:12]
    rdd = sc.parallelize(some, n)
    x = jnp.array(some)
    rows = jnp.stack([jnp.repeat(x, len(x)), jnp.tile(x, len(x))], axis=1)
    return Results(
        sorted(rdd.cartesian(rdd).collect()), sorted(map(tuple, rows.tolist()))
    )


def coalesce_and_repartition(sc, data, n) -> Results:
    """Both into 2: neighbours put together, or all values dealt out again.

    The first moves nothing and cannot make more parts than there are.
    """
    rdd = sc.parallelize(data.numbers, n)
    fewer, dealt = rdd.coalesce(2), rdd.repartition(2)
    sizes = lambda parts: parts.glom().map(len).collect()
    found = sizes(fewer), dealt.getNumPartitions(), sorted(dealt.collect())
    groups = min(n, 2)
    first = jnp.arange(groups) * n // groups  # of the parts that are put together
    group = jnp.searchsorted(first, jnp.arange(n), side="right") - 1
    ours = jax.ops.segment_sum(jnp.array(sizes(rdd)), group, groups).tolist()
    return Results(found, (ours, 2, jnp.sort(jnp.array(data.numbers)).tolist()))


def cogroup(sc, data, n) -> Results:
    """Of each key the values of both sets, side by side."""
    left, right = sc.parallelize(data.left, n), sc.parallelize(data.right, n)
    lists = lambda pair: (pair[0], tuple(sorted(side) for side in pair[1]))
    found = dict(left.cogroup(right).map(lists).collect())
    first = left.map(lambda pair: (pair[0], ([pair[1]], [])))
    second = right.map(lambda pair: (pair[0], ([], [pair[1]])))
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    both = first.union(second).combineByKey(lambda v: v, add, add)
    return Results(found, _sides(data), dict(both.map(lists).collect()))


def _sides(data):
    found = grouped(keys(data.left), keys(data.right))
    sides = values(data.left)[found.left], values(data.right)[found.right]
    arrays = {}
    for k in range(int(found.size)):
        ends = zip(
            sides, found.starts[k].tolist(), found.stops[k].tolist(), strict=True
        )
        arrays[chr(found.keys[k])] = tuple(sorted(s[a:b].tolist()) for s, a, b in ends)
    return arrays


def collect(sc, data, n) -> Results:
    """All to one machine, in order."""
    rdd = sc.parallelize(data.numbers, n)
    return Results(rdd.collect(), jax.device_get(jnp.array(data.numbers)).tolist())


def collect_as_map(sc, data, n) -> Results:
    """A dict, in which the last value of a key counts."""
    rdd = sc.parallelize(data.left, n)
    found = combined_by_key(keys(data.left), values(data.left), itself, last)
    return Results(rdd.collectAsMap(), named(found))


def combine_by_key_to_lists(sc, data, n) -> Results:
    """Lists of each key's values; on arrays, a segment of the sorted values."""
    rdd = sc.parallelize(data.left + data.right, n)
    put = lambda a, value: a + [value]
    lists = rdd.combineByKey(lambda value: [value], put, operator.add)
    found = {key: sorted(value) for key, value in lists.collect()}
    together = Data([], data.left + data.right, data.left[:1])
    return Results(found, {k: a for k, (a, _) in _sides(together).items()})


def count(sc, data, n) -> Results:
    """How many."""
    rdd = sc.parallelize(data.numbers, n)
    one = rdd.map(lambda value: (None, value)).combineByKey(
        lambda value: 1, lambda a, value: a + 1, operator.add
    )
    return Results(rdd.count(), len(jnp.array(data.numbers)), one.values().sum())


def count_by_key(sc, data, n) -> Results:
    """How many of each key."""
    rdd = sc.parallelize(data.left, n)
    one, more = (lambda value: 1), (lambda a, value: a + 1)
    combined = rdd.combineByKey(one, more, operator.add).collectAsMap()
    ones = jnp.ones(len(data.left), jnp.int32)
    arrays = combined_by_key(keys(data.left), ones, itself, jnp.add)
    return Results(dict(rdd.countByKey()), named(arrays), combined)


def count_by_value(sc, data, n) -> Results:
    """How many of each value."""
    rdd = sc.parallelize(data.numbers, n)
    one, more = (lambda value: 1), (lambda a, value: a + 1)
    alone = rdd.map(lambda value: (value, None))
    combined = alone.combineByKey(one, more, operator.add).collectAsMap()
    found = jnp.unique(jnp.array(data.numbers), return_counts=True)
    arrays = dict(zip(*(a.tolist() for a in found), strict=True))
    return Results(dict(rdd.countByValue()), arrays, combined)


def flat_map(sc, data, n) -> Results:
    """Of each value several or none: here those from 0 to before it."""
    rdd = sc.parallelize(data.numbers, n)
    x = jnp.array(data.numbers)
    ends = jnp.repeat(jnp.cumsum(x) - x, x)  # where each value's begin
    return Results(
        rdd.flatMap(range).collect(), (jnp.arange(len(ends)) - ends).tolist()
    )


def flat_map_values(sc, data, n) -> Results:
    """The same under the key of the value."""
    rdd = sc.parallelize(data.left, n)
    v = values(data.left)
    ends = jnp.repeat(jnp.cumsum(v) - v, v)
    rows = (
        jnp.repeat(keys(data.left), v).tolist(),
        (jnp.arange(len(ends)) - ends).tolist(),
    )
    arrays = [(chr(k), i) for k, i in zip(*rows, strict=True)]
    return Results(rdd.flatMapValues(range).collect(), arrays)


def full_outer_join_of_two(sc, data, n) -> Results:
    """Each pair of values of one key, and None beside those that have no other."""
    left, right = sc.parallelize(data.left, n), sc.parallelize(data.right, n)
    order = lambda rows: sorted(rows, key=repr)
    found = order(left.fullOuterJoin(right).collect())
    tagged = left.mapValues(lambda v: ([v], [])).union(
        right.mapValues(lambda v: ([], [v]))
    )
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    pairs = lambda ab: [(a, b) for a in ab[0] or [None] for b in ab[1] or [None]]
    both = tagged.combineByKey(lambda v: v, add, add).flatMapValues(pairs)
    k, m = keys(data.left), keys(data.right)
    size = int(joined(k, m, 1).size)  # how much room it needs
    rows = joined(k, m, size)
    value = lambda pairs, i: None if i < 0 else pairs[i][1]
    columns = (a.tolist() for a in rows[:3])
    arrays = [
        (chr(key), (value(data.left, i), value(data.right, j)))
        for key, i, j in zip(*columns, strict=True)
    ]
    return Results(found, order(arrays), order(both.collect()))


OPERATIONS: dict[str, Callable] = {
    "aggregate": aggregate,
    "aggregateByKey": aggregate_by_key,
    "cache": cache,
    "cartesian": cartesian,
    "coalesce": coalesce_and_repartition,
    "cogroup": cogroup,
    "collect": collect,
    "collectAsMap": collect_as_map,
    "combineByKey": combine_by_key_to_lists,
    "count": count,
    "countByKey": count_by_key,
    "countByValue": count_by_value,
    "flatMap": flat_map,
    "flatMapValues": flat_map_values,
    "fullOuterJoin": full_outer_join_of_two,
}


def of_text(words: int) -> Data:
    """(first letter, length) of the first words of two chapters."""
    chapters = text("moby_dick").split("CHAPTER ")[1:3]
    found = [tokenise(chapter)[:words] for chapter in chapters]
    left, right = ([(word[0], len(word)) for word in chapter] for chapter in found)
    return Data([length for _, length in left], left, right)


def main(cfg: Config) -> dict[str, float]:
    """Runs each operation in all these ways, prints the table and writes the report.

    Returns:
        By operation, how many of the data sets and partitions gave the same by Spark
        and by arrays, as `cogroup`; and by combineByKey, as `cogroup/combined`.

    Raises:
        SparkError: no Java, no PySpark, or a master that cannot be reached.
        ValueError: a number below 1.
    """
    if min((*cfg.partitions, cfg.words), default=0) < 1 or not cfg.partitions:
        raise ValueError(
            f"partitions and words must be 1 or more, got {cfg.partitions}, {cfg.words}"
        )
    sc = spark.context(cfg.master)
    sets = {"notes": NOTES, "text": of_text(cfg.words)}
    numbers, rows = {}, []
    for name, operation in OPERATIONS.items():
        found = {
            (data, n): operation(sc, sets[data], n)
            for data in sets
            for n in cfg.partitions
        }
        same = [r.spark == r.arrays for r in found.values()]
        numbers[name] = float(sum(same))
        child = [
            r.combined == r.spark for r in found.values() if r.combined is not None
        ]
        if child:
            numbers[f"{name}/combined"] = float(sum(child))
        shown = str(found["notes", cfg.partitions[-1]].spark)
        of = lambda hits: f"{sum(hits)} of {len(hits)}" if hits else ""
        rows.append((name, shown[:60], of(same), of(child)))
    _report(cfg, sc, rows)
    return numbers


def _report(cfg, sc, rows) -> None:
    report = Report("Operations of RDDs", f"Spark on {cfg.master}, and arrays")
    heads = ("operation", "of the small data", "equal on arrays", "by combineByKey")
    title = "Equal results, of two data sets and "
    report.show(heads, rows, f"{title}{', '.join(map(str, cfg.partitions))} partitions")
    rdd = sc.parallelize(range(1000), 10).filter(lambda i: i < 250)  # few are left
    parts = {"10 partitions": rdd, "coalesce(4)": rdd.coalesce(4)}
    parts["repartition(4)"] = rdd.repartition(4)
    lines = {}
    for name, part in parts.items():
        sizes = part.glom().map(len).collect()
        lines[name] = (np.arange(len(sizes)), sizes)
    figure = figures.curves(lines, "partition", "values in it")
    for line in figure.axes[0].lines:
        line.set_marker("o")
    caption = "250 of 1,000 values are left by a filter: coalesce puts neighbours "
    caption += "together, repartition deals out anew."
    report.figure(figure, caption, "partitions")
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
