"""The table of figures: its columns, its names, its claims, and who quotes it."""

import dataclasses
import re

import pytest

import optim
from benchmarks import optimizers, results
from benchmarks.command import ACCEPTANCE, BENCHMARKS, known_names, main
from benchmarks.isolated import ROOT
from benchmarks.results import COLUMNS, Figure, append, latest, read

FIGURE = Figure(
    name="loop.lenet5",
    what='with "quotes", commas\nand lines',
    value=0.123456789,
    ratio=0.98,
    claim="ratio >= 0.97",
    seed=3,
)


def put(path, *figures, **about):
    given = dict(kind="benchmark", commit="abc+", wall_seconds=1.25, path=path)
    append(figures, **{**given, **about})


def test_rows_are_added_and_read_back(tmp_path):
    path = tmp_path / "results.csv"
    assert read(path) == []
    put(path, FIGURE)
    put(path, dataclasses.replace(FIGURE, ratio=0.96), FIGURE, kind="acceptance")
    rows = read(path)
    assert path.read_text().startswith(",".join(COLUMNS) + "\n")
    assert [row["passed"] for row in rows] == ["yes", "no", "yes"]
    assert [row["kind"] for row in rows] == ["benchmark", "acceptance", "acceptance"]
    row = rows[0]
    assert row["what"] == FIGURE.what and row["value"] == "0.123457"
    assert (row["commit"], row["seed"], row["wall_seconds"]) == ("abc+", "3", "1.2")
    assert "jax " in row["versions"] and "cores" in row["device"]
    assert row["reference_value"] == row["unit"] == ""
    assert latest(path)["acceptance", "loop.lenet5", "3"]["passed"] == "yes"
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]


def test_what_is_not_measured_is_not_kept():
    figure = Figure("a.b", "the data set is missing", None, claim="value >= 0.5")
    assert figure.passed is False
    assert Figure("a.b", "only measured", 0.1).passed is None


@pytest.mark.parametrize("claim", ["0.97", "value > 1", "speed >= 1", "value >= fast"])
def test_a_claim_that_cannot_be_checked_is_refused(claim):
    with pytest.raises(ValueError, match="claim must be .*got " + repr(claim)):
        Figure("a.b", "", 1.0, claim=claim)


def test_another_table_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "results.csv"
    for text, said in (
        ("a,b\n1,2\n", "columns"),
        (",".join(COLUMNS) + "\n1\n", "row 2"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            put(path, FIGURE)
        assert path.read_text() == text
    with pytest.raises(ValueError, match="kind must be one of benchmark, acceptance"):
        put(path, FIGURE, kind="test")


def test_an_unknown_name_is_refused(capsys):
    assert main("acceptance", ACCEPTANCE, "", ["lop"]) == 2
    assert "did you mean 'loop'?" in capsys.readouterr().err


def test_a_part_is_measured_alone(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        "benchmarks.optimizers.measure", lambda *names: asked.append(names) or []
    )
    words = ["optimizers:adam", "--results", str(tmp_path / "results.csv")]
    assert main("acceptance", ACCEPTANCE, "", words) == 0 and asked == [("adam",)]
    for word, message in {
        "optimizers:adan": "unknown part of optimizers 'adan'; did you mean 'adam'",
        "loop:adam": "loop has no parts, got 'loop:adam'",
    }.items():
        assert main("acceptance", ACCEPTANCE, "", [word]) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_claim_that_fails_is_the_exit_status(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.csv"
    for ratio, status in ((0.98, 0), (0.5, 1)):
        figure = dataclasses.replace(FIGURE, ratio=ratio)
        monkeypatch.setattr("benchmarks.loop.measure", lambda figure=figure: [figure])
        words = ["loop", "--results", str(path)]
        assert main("benchmark", BENCHMARKS, "", words) == status
    assert [row["passed"] for row in read(path)] == ["yes", "no"]
    assert "NOT KEPT" in capsys.readouterr().out

    def fail():
        raise AssertionError("the two sides differ")

    monkeypatch.setattr("benchmarks.loop.measure", fail)
    assert main("benchmark", BENCHMARKS, "", words) == 1
    assert len(read(path)) == 2 and "the two sides differ" in capsys.readouterr().err


def test_committed_rows_have_known_names():
    names = known_names()
    for number, row in enumerate(read(), 2):
        assert row["name"] in names, f"results.csv, row {number}: {row['name']}"
        assert row["kind"] in results.KINDS and row["commit"] and row["date"]


def test_the_readme_quotes_rows_that_are_there():
    """A figure is quoted by its name in backquotes, such as `loop.lenet5`."""
    readme, there = ROOT / "README.md", {row["name"] for row in read()}
    text = readme.read_text() if readme.exists() else ""
    families = "|".join(sorted({name.split(".")[0] for name in known_names()}))
    for name in re.findall(rf"`((?:{families})\.[a-z0-9_.]+)`", text):
        if not name.endswith(".py"):
            assert name in there, f"README.md quotes `{name}`, of which there is no row"


def test_every_optimizer_has_a_rival_or_a_reason():
    rivals, alone = set(optimizers.RIVALS), set(optimizers.ALONE)
    assert rivals | alone == set(optim.names()) and not rivals & alone
    assert set(optimizers.FEW) <= rivals
