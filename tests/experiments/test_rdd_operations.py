"""The experiment on RDDs: the printed results, and equal ones by arrays."""

import pytest

from experiments.rdd_operations import NOTES, OPERATIONS, Config, Data, main

LETTERS = Data([], [("a", 1), ("b", 1)], [("a", 2)])


def test_equal_results(spark_context, tmp_path, capsys):
    cfg = Config(partitions=(3,), words=40, run=str(tmp_path))
    numbers = main(cfg)
    children = {name for name in numbers if "/" in name}
    assert {name.split("/")[0] for name in numbers} == set(OPERATIONS)
    assert len(OPERATIONS) == 15 and len(children) == 7
    assert set(numbers.values()) == {2.0}  # two data sets
    assert "combineByKey" in capsys.readouterr().out
    assert (tmp_path / "figures" / "partitions.png").stat().st_size > 5_000


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_printed_results(spark_context, n):
    of = lambda name, data=NOTES: OPERATIONS[name](spark_context, data, n)
    found = of("aggregate")
    assert found.spark == found.arrays == (10, 4)
    take = lambda a, value: (a[0] + value, a[1] + 1)
    add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    none = spark_context.parallelize([], n)
    assert none.aggregate((0, 0), take, add) == (0, 0)
    pairs = Data([], NOTES.left, [("a", 2)])
    found = of("cogroup", pairs)
    assert found.spark == found.arrays == {"a": ([1], [2]), "b": ([4], [])}
    found = of("combineByKey", LETTERS)
    assert found.spark == found.arrays == {"a": [1, 2], "b": [1]}
    found = of("fullOuterJoin")
    expected = [("a", (1, 2)), ("b", (4, None)), ("c", (None, 8))]
    assert found.spark == found.arrays == expected
    assert of("flatMap").spark == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]


@pytest.mark.parametrize(
    "flags", [{"partitions": (0,)}, {"partitions": ()}, {"words": 0}]
)
def test_flags(spark_context, flags, tmp_path):
    with pytest.raises(ValueError, match="partitions and words must be 1 or more"):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
