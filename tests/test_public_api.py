"""The house rules that can be read off the source: who may import what.

Every file of ours is parsed, none is run: so an import inside a function counts too.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("zoo", "optim", "experiments")
OURS = (*SHIPPED, "benchmarks", "tests")
FILES = sorted(
    path
    for package in OURS
    for path in (ROOT / package).rglob("*.py")
    if "__pycache__" not in path.parts
)
CODE = [path for path in FILES if path.relative_to(ROOT).parts[0] != "tests"]

# Not public, though without an underscore.
ECOSYSTEM = ("jax", "jaxlib", "flax", "optax", "chex", "orbax", "grain")
PRIVATE = ("jax.interpreters", "jax.lib", "jaxlib.xla_client", "jaxlib.mlir")
# References, for tests and benchmarks only.
REFERENCES = (
    *("torch", "torchvision", "timm", "pytorchcv", "tensorflow", "keras"),
    *(
        "sklearn",
        "skimage",
        "cv2",
        "ot",
        "pycocotools",
        "gensim",
        "lda",
        "nltk",
        "transformers",
    ),
)

# Rooms and arrows: room -> the rooms that it may import, besides itself and
# zoo.errors. A file directly in zoo/ is a room of its own. A new room gets a row.
LEARNING = {"zoo.functional", "zoo.metrics", "zoo.learner", "optim"}
FAMILIES = {
    "zoo.classical": LEARNING,
    "zoo.compress": LEARNING | {"zoo.vision"},
    "zoo.convert": LEARNING | {"zoo.data"},  # the reader of pickles
    "zoo.detection": LEARNING | {"zoo.vision", "zoo.classical", "zoo.segmentation"},
    "zoo.generative": LEARNING | {"zoo.vision", "zoo.segmentation"},  # U-Net
    "zoo.meta": LEARNING,
    "zoo.search": LEARNING | {"zoo.vision"},
    "zoo.segmentation": LEARNING | {"zoo.vision"},
    "zoo.sequence": LEARNING,
    "zoo.vision": LEARNING | {"zoo.sequence"},  # the stack of ViT
}
ZOO = {
    *FAMILIES,
    *("zoo", "zoo.catalog", "zoo.errors", "zoo.functional", "zoo.learner"),
    *("zoo.metrics", "zoo.data", "zoo.training"),
}
ARROWS = FAMILIES | {
    "optim": set(),
    "zoo.errors": set(),
    "zoo.functional": set(),
    "zoo.metrics": set(),
    "zoo.data": set(),
    "zoo.learner": {"zoo.functional", "zoo.metrics", "optim"},
    "zoo.training": {"zoo.learner", "zoo.data", "optim"},
    "zoo.receptive": set(),
    "zoo.card": {"zoo.receptive"},
    "zoo.row": set(),
    "zoo.detection_table": {"zoo.row", "zoo.detection"},
    "zoo.generative_table": {"zoo.row", "zoo.generative"},
    "zoo.segmentation_table": {"zoo.row", "zoo.segmentation"},
    "zoo.sequence_table": {"zoo.row", "zoo.sequence"},
    "zoo.vision_table": {"zoo.row", "zoo.vision"},
    "zoo.learner_table": {*FAMILIES, *LEARNING},
    "zoo.catalog": {*FAMILIES, *LEARNING, "zoo.card", "zoo.row", "zoo.learner_table"}
    | {"zoo.generative_table", "zoo.segmentation_table", "zoo.sequence_table"}
    | {"zoo.vision_table", "zoo.detection_table"},
    "zoo": ZOO | {"optim"},  # zoo/__init__.py, the public face
    "zoo.__main__": ZOO | {"optim", "zoo.card", "zoo.tables"},
    "zoo.tables": ZOO
    | {"optim", "experiments", "zoo.card"},  # writes what the README shows
    "experiments": ZOO | {"optim"},
    "benchmarks": ZOO | {"optim", "experiments", "tests"},
}


def name_of(path: Path) -> str:
    """zoo/data/stream.py -> zoo.data.stream; zoo/__init__.py -> zoo."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path) for path in FILES}


def room_of(module: str) -> str:
    """zoo.data.stream -> zoo.data; optim.adam -> optim; zoo -> zoo."""
    parts = module.split(".")
    return ".".join(parts[:2] if parts[0] == "zoo" else parts[:1])


ROOMS = {room_of(module) for module in MODULES}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports, `import a.b` and `from a import b`
    alike; relative imports by their absolute name."""
    own = name_of(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])


def attributes(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each dotted use of an imported name: `jnp.linalg.norm`
    after `import jax.numpy as jnp` gives jax.numpy.linalg.norm."""
    tree = ast.parse(path.read_text())
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in known:
            yield node.lineno, ".".join([known[inner.id], *reversed(parts)])


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(p + ".") for p in prefixes)


def is_private(name: str) -> bool:
    if not within(name, ECOSYSTEM):
        return False
    hidden = any(
        part.startswith("_") and not part.endswith("__") for part in name.split(".")
    )
    return hidden or within(name, PRIVATE)


def report(path: Path, found: list[tuple[int, str]]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in found]


@pytest.mark.parametrize(
    "name, private",
    [
        ("jax._src.core.Jaxpr", True),
        ("jax.interpreters.ad", True),
        ("optax._src.base", True),
        ("flax.linen.Module", False),
        ("jax.extend.core.Jaxpr", False),
        ("jax.__version__", False),
        ("numpy._core", False),
    ],
)
def test_private_names_are_told_from_public_ones(name, private):
    assert is_private(name) == private


def test_imports_and_dotted_uses_are_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "zoo" / "data" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import jax.numpy as jnp\n"
        "from jax import lax\n"
        "from .stream import Stream\n"
        "def f():\n"
        "    from zoo import errors\n"
        "    return jnp.linalg.norm, lax._private\n"
    )
    assert [name for _, name in imports(path)] == [
        "jax.numpy",
        "jax.lax",
        "zoo.data.stream.Stream",
        "zoo.errors",
    ]
    assert (6, "jax.lax._private") in list(attributes(path))
    assert (6, "jax.numpy.linalg.norm") in list(attributes(path))


def test_only_public_names_of_jax_and_its_libraries():
    bad = []
    for path in FILES:
        names = [*imports(path), *attributes(path)]
        bad += report(path, [(line, name) for line, name in names if is_private(name)])
    assert not bad


def test_references_are_for_tests_and_benchmarks_only():
    bad = []
    for path in CODE:
        if path.relative_to(ROOT).parts[0] in SHIPPED:
            found = [(i, name) for i, name in imports(path) if within(name, REFERENCES)]
            bad += report(path, found)
    assert not bad


def test_rooms_import_along_the_arrows_only():
    bad = []
    for path in CODE:
        room = room_of(name_of(path))
        assert room in ARROWS, f"{room}: give it a row in ARROWS"
        allowed = ARROWS[room] | {room, "zoo.errors"}
        if room == "optim":
            allowed.remove("zoo.errors")
        for line, name in imports(path):
            if not within(name, OURS):
                continue
            other = room_of(name)
            if other.startswith("zoo.") and other not in ROOMS:
                other = "zoo"  # `from zoo import create`: a name of the public face
            if other not in allowed:
                bad.append(f"{path.relative_to(ROOT)}:{line}: {room} imports {name}")
    assert not bad


def is_re_export(node: ast.stmt) -> bool:
    """A docstring, an import, or the value of `__all__` or `__version__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        names = {getattr(target, "id", None) for target in node.targets}
        return names <= {"__all__", "__version__"}
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_init_only_re_exports():
    bad = []
    for path in (path for path in CODE if path.name == "__init__.py"):
        body = ast.parse(path.read_text()).body
        others = [node for node in body if not is_re_export(node)]
        bad += report(path, [(node.lineno, ast.unparse(node)) for node in others])
    assert not bad


def test_folders_are_two_levels_deep_and_packages():
    folders = {path.parent.relative_to(ROOT) for path in FILES}
    assert not [str(folder) for folder in folders if len(folder.parts) > 2]
    shipped = [folder for folder in folders if folder.parts[0] in SHIPPED]
    missing = [f for f in shipped if not (ROOT / f / "__init__.py").exists()]
    assert not missing, f"no __init__.py, so not in the wheel: {missing}"


def test_import_loads_no_reference():
    code = (
        f"import sys, zoo, optim;print(*sorted(set({REFERENCES!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.stdout.split(), done.returncode) == ([], 0), done.stderr
