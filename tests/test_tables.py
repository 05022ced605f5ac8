"""The README: its tables are the code's, and what it tells people to do works."""

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments.__main__ import main as list_experiments
from zoo import tables
from zoo.__main__ import main as zoo_command
from zoo.training import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
COLUMNS = "kind,name,what,value,unit,reference,reference_value,ratio,claim,passed,seed"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """The shell commands of the README, as words, without the environment's name."""
    text = "\n".join(blocks("sh")).replace("\\\n", "")
    words = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in words if line]


def test_the_readme_is_what_the_command_writes():
    assert tables.main(["--check"]) == 0, "run `make tables`"


def test_every_table_has_its_place():
    assert {match[2] for match in tables.MARKED.finditer(README)} == set(tables.TABLES)


def test_a_stale_readme_is_found_and_written(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "README.md"
    copy.write_text(README.replace("`lenet5`", "`lenet6`"))
    monkeypatch.setattr(tables, "README", copy)
    assert tables.main(["--check"]) == 1
    assert "make tables" in capsys.readouterr().err
    assert "`lenet6`" in copy.read_text()  # a check writes nothing
    assert tables.main([]) == 0
    assert copy.read_text() == README


@pytest.mark.parametrize(
    "text, said",
    [
        ("<!-- table: modles -->\n<!-- end -->", "unknown table 'modles'; did you"),
        (None, "No such file"),
    ],
)
def test_a_readme_that_cannot_be_filled_is_left_alone(
    text, said, tmp_path, monkeypatch, capsys
):
    copy = tmp_path / "README.md"
    if text:
        copy.write_text(text)
    monkeypatch.setattr(tables, "README", copy)
    assert tables.main([]) == 2
    assert said in capsys.readouterr().err
    assert not text or copy.read_text() == text


def test_a_bar_in_a_cell_does_not_end_it():
    assert tables.markdown(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"


@pytest.mark.parametrize(
    "reference, cited",
    [
        (
            'Polyak, "Some methods of 1900\nand more", USSR, 1964,\n  https://x.y/(64)7-5',
            "[Polyak 1964](https://x.y/(64)7-5)",
        ),
        (
            'Rumelhart, Hinton and Williams, "Learning", Nature, 1986, http://x.y/z.',
            "[Rumelhart et al. 1986](http://x.y/z)",
        ),
        (
            "LeCun et al., Proceedings 1998, https://x.y",
            "[LeCun et al. 1998](https://x.y)",
        ),
        ('Robbins and Monro, "A method"', "Robbins and Monro"),
    ],
)
def test_a_reference_is_cited_by_authors_and_year(reference, cited):
    assert tables.cite(reference) == cited


def test_results_are_the_newest_of_each_figure_with_its_seeds(tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    path.write_text(
        f"{COLUMNS}\n"
        "acceptance,net,accuracy,0.1,,,,,value >= 0.8,no,0\n"
        "acceptance,net,accuracy,0.81,,,,,value >= 0.8,yes,0\n"
        "acceptance,net,accuracy,0.79,,,,,value >= 0.8,no,1\n"
        "benchmark,step,a step; compiled in 1 s,1.5,ms,Theirs,3000,2000,,,0\n"
        "benchmark,gone,no images,,,,,,,,\n"
    )
    monkeypatch.setattr(tables, "RESULTS", path)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tables.results().splitlines()[2:]
    ]
    assert rows == [
        ["no images", "not measured", "", "", ""],
        ["accuracy", "0.79 to 0.81", "", "", "`value >= 0.8`, **not kept**"],
        ["a step", "1.5 ms", "Theirs: 3,000 ms", "2,000", ""],
    ]


def test_comparisons_with_references_have_a_table_of_their_own(tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    monkeypatch.setattr(tables, "RESULTS", path)
    assert tables.parity().startswith("Nothing is compared yet")
    rows = [
        "acceptance,parity.resnet18,x,0.5,,torchvision resnet18,,,,,0",
        "acceptance,parity.resnet18,x,2e-06,,torchvision resnet18,,,,,0",
        "acceptance,loop,steps,3,,,,,,,0",
    ]
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    (line,) = tables.parity().splitlines()[2:]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["`resnet18`", "torchvision resnet18", "2e-06"]
    assert "resnet18" not in tables.results()


def test_the_picture_is_two_figures_side_by_side(tmp_path):
    (tmp_path / "figures").mkdir()
    sizes = [(30, 20), (50, 40)]  # width, height
    for name, size in zip(tables.PANELS, sizes, strict=True):
        Image.new("RGB", size, "red").save(tmp_path / "figures" / name)
    made = tables.picture(tmp_path, tmp_path / "pictures" / "both.png")
    with Image.open(made) as whole:
        assert whole.size == (30 + 25, 20)


def test_a_picture_of_another_run_is_refused(tmp_path, capsys):
    assert tables.main(["--picture", str(tmp_path)]) == 2
    assert "compare_optimizers" in capsys.readouterr().err


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "pictures/compare_optimizers.png" in links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_pictures_are_small():
    for path in (ROOT / "pictures").iterdir():
        assert path.stat().st_size < 200_000, path.name


def test_the_readme_s_python_runs(devices, tmp_path, monkeypatch):
    """All blocks in their order, in one namespace, with a few steps."""
    del devices  # who runs on all of them joins their group
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python"))
    small, changed = re.subn(r"\bsteps=\d+", "steps=3", code)
    assert changed == 3
    names = {"__name__": "readme"}
    exec(compile(small, "README.md", "exec"), names)
    assert (tmp_path / "path.png").exists()
    assert (tmp_path / "runs" / "first" / "metrics.jsonl").exists()
    assert set(names["result"].metrics) == {"loss", "accuracy"}
    assert names["logits"].shape == (256, 10)
    assert names["swept"].final["accuracy"].shape == (6,)


def test_the_readme_s_commands_are_understood(monkeypatch, capsys):
    """Flags are parsed and names are looked up; nothing is trained or fetched."""
    seen, parsed = set(), []
    for words in commands():
        monkeypatch.setattr(sys, "argv", words[2:])
        said = " ".join(words)
        if words[0] == "make":
            target = words[1] if len(words) > 1 else "help"
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), said
        elif words[2] == "zoo" and words[3:5] != ["data", "fetch"]:
            assert zoo_command(words[3:]) == 0, said
        elif words[2] == "experiments":
            assert list_experiments(words[3:]) == 0, said
        elif words[2].startswith("experiments."):
            config = importlib.import_module(words[2]).Config
            try:
                cli.run(lambda given: parsed.append(given), config)
            except SystemExit as stop:
                assert stop.code == 0 and words[-1] == "--help", said
        seen.add(words[0] if words[0] == "make" else words[2])
    capsys.readouterr()
    assert len(parsed) >= 5
    assert {"make", "zoo", "experiments", "experiments.small_images"} <= seen


def test_the_data_set_that_the_readme_fetches_can_be_fetched():
    from zoo.data.fetch import REMOTES

    fetched = [words[5] for words in commands() if words[3:5] == ["data", "fetch"]]
    assert fetched and set(fetched) <= set(REMOTES)
