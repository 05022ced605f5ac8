"""The wheel: what is in it, what is not, and that it works away from this folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("zoo", "optim", "experiments")

pytestmark = pytest.mark.xdist_group("packaging")  # one worker, so one build


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy: a build leaves folders beside its source."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    junk = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "runs")
    shutil.copytree(ROOT, source, ignore=junk)
    run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"),
        *(
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--wheel-dir",
            str(folder),
        ),
        str(source),
    )
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_packages_and_their_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    shipped = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix == ".py" or "assets" in path.relative_to(ROOT).parts
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.startswith("zoo/data/assets/") for name in shipped)
    assert names - metadata == shipped
    assert any(name.endswith("/LICENSE") for name in metadata)


def test_wheel_works_away_from_the_source(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import zoo.data; print(zoo.__file__);"
        "print(*(len(zoo.data.load(name).test['y'])"
        " for name in ('digits', 'fashion_mnist_small')))"
    )
    out = run(
        *(sys.executable, "-W", "error", "-c", code),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
    )
    file, sizes = out.splitlines()
    assert tmp_path in Path(file).parents
    assert sizes == "360 500"
