"""The two commands: what each runs, what they print, what they keep."""

import argparse
import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import isolated, results
from benchmarks.results import Figure
from zoo.errors import unknown
from zoo.training.run import commit


class Entry(NamedTuple):
    """What a name of the command line runs.

    Attributes:
        module: of this package; its `NAMES` are the figures that it may report.
        function: of the module; takes nothing and returns figures.
        cpu_devices: None runs it in this process; else in one of its own.
        parts: the module's table of what can be measured alone, as ENTRY:PART; the
            function takes the names of parts.
        threads: of XLA, in a process of its own; None: as many as cores.
    """

    module: str
    function: str = "measure"
    cpu_devices: int | None = None
    parts: str = ""
    threads: int | None = None


LOOP, SWEEP = Entry("loop"), Entry("sweep", cpu_devices=2)
OPTIMIZERS, PATHS = Entry("optimizers", parts="RIVALS"), Entry("paths")
CONVOLUTION = Entry("convolution", parts="LAYERS")
CONVNETS = Entry("convnets", parts="NETWORKS")
CLASSICAL = Entry("classical", parts="ROWS")
CORPUS = Entry("corpus")
BENCHMARKS = {
    "training_step": Entry("training_step"),
    "loop": LOOP,
    "sweep": SWEEP,
    "startup": Entry("startup"),
    "optimizers": OPTIMIZERS,
    "paths": PATHS,
    "convolution": CONVOLUTION,
    "convnets": CONVNETS,
    "classifiers": Entry("classifiers", parts="NETWORKS"),
    "classical": CLASSICAL,
    "recurrent": Entry("recurrent", parts="ROWS"),
    "recurrent_split": Entry("recurrent", "split", cpu_devices=2, parts="ROWS"),
    "adversarial": Entry("adversarial", parts="PARTS"),
    "adversarial_split": Entry("adversarial", "split", cpu_devices=2),
    "pixels": Entry("pixels", parts="PARTS"),
    "vectors": Entry("vectors", cpu_devices=1, threads=1),
    "decoding": Entry("decoding"),
    "corpus": CORPUS,
}
ACCEPTANCE = {
    "fashion_mnist": Entry("accuracy", "full"),
    "fashion_mnist_small": Entry("accuracy", "embedded"),
    "small_images": Entry("accuracy", "cifar"),
    "parallel": Entry("parallel", "forms", 8),
    "collectives": Entry("parallel", "collectives", 8),
    "layouts": Entry("parallel", "layouts", 8),
    "two_processes": Entry("processes", "two"),
    "killed": Entry("processes", "kills"),
    "lda": Entry("topics"),
    "mobilenet_v2": Entry("pretrained"),
    "minilm": Entry("sentences"),
    "g2p": Entry("spelling"),
    "spelling": Entry("spelling", "whole"),
    "char_lm": Entry("characters"),
    "word_similarity": Entry("vectors", "similarity"),
    "rbm": Entry("boltzmann"),
    "compressed": Entry("compressed", parts="PARTS"),
    "searching": Entry("searching"),
    "segmentation": Entry("segmentation", parts="MODELS"),
    "nuclei": Entry("nuclei"),
    "detection": Entry("detection", parts="MODELS"),
    "dcgan": Entry("generation"),
    "claims": Entry("claims", parts="CLAIMS"),
    "parity": Entry("parity", parts="MODELS_COMPARED"),
    "loop": LOOP,
    "sweep": SWEEP,
    "optimizers": OPTIMIZERS,
    "paths": PATHS,
    "classical": CLASSICAL,
    "corpus": CORPUS,
    "corpus_killed": Entry("corpus", "killed"),
}


def known_names() -> set[str]:
    """The names of all figures, of both commands."""
    modules = {entry.module for entry in (BENCHMARKS | ACCEPTANCE).values()}
    return {
        name
        for module in modules
        for name in importlib.import_module(f"benchmarks.{module}").NAMES
    }


def main(
    kind: str,
    table: dict[str, Entry],
    description: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Runs what the command line names, or all of a table.

    Args:
        kind: of the rows; one of `results.KINDS`.
        table: what there is, by name.
        description: the help text.
        argv: the command line; None for this process's.

    Returns:
        The exit status: 1 if a figure does not keep its claim or an entry failed, 2
        for a name that is not known.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks{'' if kind == 'benchmark' else '.' + kind}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        help=f"any of {', '.join(table)}; or all; or a part, as in convnets:resnet20",
    )
    parser.add_argument("--results", type=Path, default=results.PATH, help="the table")
    given = parser.parse_args(argv)
    console, errors = Console(), Console(stderr=True)
    try:
        chosen = [_chosen(kind, name, table) for name in given.names or table]
    except ValueError as error:
        errors.print(f"error: {error}", highlight=False)
        return 2
    found, failed, code = [], [], commit()  # before anything is written
    for name, entry, parts in chosen:
        errors.print(f"{name} ...", highlight=False)
        began = time.perf_counter()
        try:
            figures = _run(entry, parts)
        except (AssertionError, RuntimeError, ValueError) as error:
            failed.append(name)
            errors.print(f"{name} failed: {error}", highlight=False, markup=False)
            continue
        results.append(
            figures,
            kind=kind,
            commit=code,
            wall_seconds=time.perf_counter() - began,
            path=given.results,
        )
        found += figures
        for figure in figures:
            console.print(_line(figure), highlight=False, markup=False, soft_wrap=True)
    console.print(_table(found))
    console.print(f"rows added to {given.results}", highlight=False)
    for name in failed:
        console.print(f"failed: {name}", style="red", highlight=False)
    return int(bool(failed) or any(figure.passed is False for figure in found))


def _chosen(kind, name, table) -> tuple[str, Entry, tuple[str, ...]]:
    first, colon, part = name.partition(":")
    if first not in table:
        raise unknown(kind, first, table)
    entry = table[first]
    if not colon:
        return name, entry, ()
    if not entry.parts:
        raise ValueError(f"{first} has no parts, got {name!r}")
    parts = getattr(importlib.import_module(f"benchmarks.{entry.module}"), entry.parts)
    if part not in parts:
        raise unknown(f"part of {first}", part, parts)
    return name, entry, (part,)


def _run(entry: Entry, parts: tuple[str, ...]) -> list[Figure]:
    module = f"benchmarks.{entry.module}"
    if entry.cpu_devices:
        given = module, entry.function, entry.cpu_devices, *parts
        figures = isolated.figures(*given, threads=entry.threads)
    else:
        figures = getattr(importlib.import_module(module), entry.function)(*parts)
    names = importlib.import_module(module).NAMES
    for figure in figures:
        assert figure.name in names, f"{figure.name} is not in {module}.NAMES"
    return figures


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "none"
    return f"{figure.value:.4g} {figure.unit}".strip()


def _line(figure: Figure) -> str:
    seed = "" if figure.seed is None else f", seed {figure.seed}"
    reference = f"; reference: {figure.reference}" if figure.reference else ""
    said = f"{figure.what}{reference}"
    return f"  {figure.name}{seed}: {_value(figure)} ({said})"


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(box=None, show_edge=False, pad_edge=False)
    for title in ("figure", "seed", "value", "reference", "ratio", "claim", ""):
        first = title == "figure"  # the one that may be folded
        table.add_column(title, "", justify="left" if first else "right",
                         no_wrap=not first, overflow="fold")  # fmt: skip
    for f in figures:
        passed = {True: "[green]kept[/]", False: "[red]NOT KEPT[/]", None: ""}
        reference = "" if f.reference_value is None else f"{f.reference_value:.4g}"
        table.add_row(
            f.name,
            "" if f.seed is None else str(f.seed),
            _value(f),
            reference,
            "" if f.ratio is None else f"{f.ratio:.2f}",
            f.claim,
            passed[f.passed],
        )
    return table
