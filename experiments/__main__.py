"""Lists the experiments with their one-line claims: `python -m experiments`."""

import ast
import sys
from pathlib import Path

from zoo.errors import unknown


def claims() -> dict[str, str]:
    """The first line of each experiment's docstring, by module name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        found[path.stem] = docstring.splitlines()[0]
    return found


def main(argv: list[str]) -> int:
    """Prints the table; a name that is no experiment gets the nearest ones."""
    from rich.console import Console
    from rich.table import Table

    if argv and argv[0] not in ("-h", "--help"):
        known = claims()
        if argv[0] in known:
            print(f"run it with: python -m experiments.{argv[0]}", file=sys.stderr)
        else:
            print(f"error: {unknown('experiment', argv[0], known)}", file=sys.stderr)
        return 2
    table = Table("experiment", "what it shows", box=None, pad_edge=False)
    for name, claim in claims().items():
        table.add_row(name, claim)
    console = Console(markup=False)
    console.print(table)
    console.print("\npython -m experiments.NAME --help says how to run one.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
