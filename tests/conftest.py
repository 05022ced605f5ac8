"""What every test runs under: eight CPU devices, no rank promotion, no window.

Several devices share few cores here. A collective waits until all eight threads have
come to it, and XLA ends the process where one is kept waiting too long, so:

- the wait is set to minutes;
- a test that asks for the fixture `devices` joins the group "devices", and all tests
  of a group run in one worker, one after another (`--dist loadgroup`). A test that
  starts such work otherwise, in processes of its own say, says so itself:
  `@pytest.mark.xdist_group("devices")`.

Tests against references lie in tests/parity/ or in files test_parity_*.py. They carry
the mark `reference`, and with `--no-references` those files are not even imported, so
that nothing else asks for torch. Elsewhere a test marks itself `reference` and imports
the reference inside.

What can only be seen in a browser lies in a file that is collected where a Chromium is
installed; where none is, the end of each run says that it was not run. What needs
Spark likewise, where there is Java and PySpark: those tests ask for `spark_context`,
which they share, and run in one group.
"""

import gc
import itertools
import os
import shutil
from pathlib import Path

import pytest

# Read by XLA, JAX and matplotlib when they start, here and in processes started here.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["MPLBACKEND"] = "Agg"
# Tests compile the same small programs over and over, in several processes: half of
# their time. Kept beside pytest's own cache.
CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# They run on little data, and compiling is nearly all of their time: without LLVM's
# optimisation, and by XLA's older emitters, half of it. `OPTIMIZED=1` leaves that out.
QUICK = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
]
os.environ["XLA_FLAGS"] = " ".join(
    [
        *([] if os.environ.get("OPTIMIZED", "0") != "0" else QUICK),
        "--xla_cpu_collective_call_warn_stuck_timeout_seconds=120",
        "--xla_cpu_collective_call_terminate_timeout_seconds=600",
        os.environ.get("XLA_FLAGS", ""),
    ]
).strip()

import hypothesis  # noqa: E402
import jax  # noqa: E402

# Tracing makes millions of small objects; looking through all of them for cycles as
# often as Python does by itself takes a tenth of the time.
gc.set_threshold(50_000, 20, 50)

DEVICES = 8

GROUPS = {"devices": "devices", "spark_context": "spark"}  # of who asks for a fixture

collect_ignore = ["references.py"]  # support for tests, and it imports torch
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    collect_ignore.append("experiments/test_page_in_chromium.py")

from zoo.data import spark  # noqa: E402

NO_SPARK = spark.missing()
OF_SPARK = ["data/test_corpus_spark.py", "experiments/test_rdd_operations.py"]
if NO_SPARK:
    collect_ignore += OF_SPARK

jax.config.update("jax_num_cpu_devices", DEVICES)
jax.config.update("jax_numpy_rank_promotion", "raise")


# The same examples in each run, and no time limit: the first call compiles.
hypothesis.settings.register_profile(
    "zoo", derandomize=True, database=None, deadline=None, max_examples=25
)
hypothesis.settings.load_profile("zoo")


def is_parity(path: Path) -> bool:
    """Whether all of a test file is about references."""
    return "parity" in path.parent.parts or path.name.startswith("test_parity_")


def pytest_terminal_summary(terminalreporter) -> None:
    if CHROMIUM is None:
        text = (
            "no chromium here: tests/experiments/test_page_in_chromium.py was NOT run"
        )
        terminalreporter.write_line(text, yellow=True)
    if NO_SPARK:
        left_out = ", ".join(f"tests/{name}" for name in OF_SPARK)
        text = f"{NO_SPARK}: {left_out} and the notebook of Spark were NOT run"
        terminalreporter.write_line(text, yellow=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-references",
        action="store_true",
        help="leave out the tests that need torch, scikit-learn and the like",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--no-references"):
        return is_parity(collection_path.relative_to(config.rootpath)) or None
    return None


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    for item in items:
        if is_parity(item.path.relative_to(config.rootpath)):
            item.add_marker(pytest.mark.reference)
        grouped = item.get_closest_marker("xdist_group")
        for name in {"devices", "spark_context"} & set(
            getattr(item, "fixturenames", ())
        ):
            if not grouped:
                item.add_marker(pytest.mark.xdist_group(GROUPS[name]))
    if config.getoption("--no-references"):
        left_out = [item for item in items if item.get_closest_marker("reference")]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]


_ran = itertools.count(1)


def pytest_runtest_teardown() -> None:
    """Compiled programs are kept as long as the process: by and by, gigabytes."""
    if next(_ran) % 200 == 0:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def devices() -> list[jax.Device]:
    """The eight CPU devices; who asks for them runs in the group "devices"."""
    found = jax.devices("cpu")
    assert len(found) == DEVICES
    return found


@pytest.fixture(scope="session")
def spark_context():
    """Spark, on two threads; who asks for it runs in the group "spark"."""
    quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    found = spark.context("local[2]", {"spark.driver.extraJavaOptions": quick})
    yield found
    found.stop()
