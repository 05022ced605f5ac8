"""The command line: `python -m zoo list | card | data`."""

import argparse
import ast
import sys

import zoo


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns the exit status, 2 for input that is refused."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["data"]:
        from zoo.data import cli

        return cli.main(argv[1:])
    parser = argparse.ArgumentParser("python -m zoo", description=zoo.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    lister = commands.add_parser("list", help="the models, by pattern")
    lister.add_argument("pattern", nargs="?", default="*", help="such as 'lenet*'")
    lister.add_argument("--task", help="only models of this task")
    carder = commands.add_parser("card", help="what is known of one model")
    carder.add_argument("name")
    carder.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the model, such as num_classes=100",
    )
    commands.add_parser("data", help="the data sets: list, fetch NAME")
    args = parser.parse_args(argv)
    try:
        if args.command == "list":
            _list(args.pattern, args.task)
        else:
            _card(args.name, dict(map(_field, args.set)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _list(pattern: str, task: str | None) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from zoo.catalog import MODELS

    names = zoo.list_models(pattern, task)
    if not names:
        of_task = f" of the task {task!r}" if task else ""
        known = ", ".join(sorted(MODELS))
        raise ValueError(f"no model{of_task} matches {pattern!r}. Known: {known}")
    name_column = Column("model", no_wrap=True, min_width=max(map(len, names)))
    table = Table(name_column, "task", "input", "parameters", "paper", box=None)
    for name in names:
        row = MODELS[name]
        paper = row.paper.split(", http")[0]  # the card has the address
        size = "x".join(map(str, row.inputs(1).shape[1:]))
        table.add_row(name, row.task, size, f"{row.parameters:,}", paper)
    Console(markup=False).print(table)


def _card(name: str, fields: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for title, text in zoo.card(name, **fields).rows():
        table.add_row(title, text)
    Console(markup=False).print(table)


def _field(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes FIELD=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    sys.exit(main())
