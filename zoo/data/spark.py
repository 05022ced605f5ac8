"""Apache Spark, where it is installed: a context, or what is missing, in words.

PySpark is the extra `spark`; it needs a Java of version 17 or newer. What the engine
itself prints goes into a file, whose end is shown if it does not start.

References:
    Zaharia et al., "Resilient distributed datasets: a fault-tolerant abstraction for
    in-memory cluster computing", NSDI 2012,
    https://www.usenix.org/conference/nsdi12/technical-sessions/presentation/zaharia
"""

import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
import warnings
from typing import Any


class SparkError(ValueError):
    """Spark is not installed, cannot be reached, or failed."""


def missing() -> str:
    """What is not installed that Spark needs, and what to do; empty if nothing."""
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(os.path.join(home, "bin", "java") if home else "java"):
        where = (
            f"in JAVA_HOME={home}" if home else "on the PATH, and JAVA_HOME is empty"
        )
        return (
            f"Spark needs Java 17 or newer, and there is none {where}; install one, "
            "such as Debian's openjdk-17-jre-headless"
        )
    if importlib.util.find_spec("pyspark") is None:
        return "Spark needs PySpark; install it by `pip install 'zoo-jax[spark]'`"
    return ""


def context(master: str = "local[*]", settings: dict[str, str] | None = None) -> Any:
    """A SparkContext; the one that this process has already, if it has one.

    Args:
        master: `local[N]` for N cores of this machine, or `spark://HOST:PORT`. On a
            cluster, files are read and written at the same paths on all machines, and
            Python and NumPy are there ($PYSPARK_PYTHON, else this Python's path).
        settings: more of Spark's own, by name.

    Raises:
        SparkError: no Java, no PySpark, a master that cannot be reached or is none.
            A context of another master in this process.
    """
    if message := missing():
        raise SparkError(message)
    from pyspark import SparkConf, SparkContext

    _reachable(master)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf(loadDefaults=True).setMaster(master).setAppName("zoo")
    conf.set("spark.ui.enabled", "false").set("spark.ui.showConsoleProgress", "false")
    if master.startswith(("local", "spark://127.", "spark://localhost")):
        conf.set("spark.driver.host", "127.0.0.1")
        conf.set("spark.driver.bindAddress", "127.0.0.1")
    for name, value in (settings or {}).items():
        conf.set(name, value)
    with tempfile.TemporaryFile() as log:
        try:
            with _stderr_to(log), warnings.catch_warnings():
                # JAX warns of a fork; this one becomes Java at once.
                warnings.filterwarnings("ignore", r"os\.fork\(\) was called")
                found = SparkContext.getOrCreate(conf)
                found.setLogLevel("OFF")
        except Exception as error:  # of Java, of its gateway, of the network
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-3:]
            raise SparkError(
                f"Spark did not start with master {master}: {_first_line(error)}; "
                f"it said: {' '.join(said)}"
            ) from error
    if found.master != master:
        raise SparkError(
            f"this process has a Spark context of master {found.master} already; "
            f"stop it before one of {master}"
        )
    return found


def reason(error: Exception) -> str:
    """The cause of a job's failure, in one line."""
    cause = getattr(error, "java_exception", None)
    return _first_line(cause.getMessage() if cause is not None else error)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _reachable(master):
    """Refuses a master that nobody answers for; Spark itself tries for a minute."""
    if master.startswith("local"):
        return
    address, _, port = master.removeprefix("spark://").rpartition(":")
    if not master.startswith("spark://") or not address or not port.isdigit():
        raise SparkError(
            f"master must be local[N], local[*] or spark://HOST:PORT, got {master!r}"
        )
    try:
        socket.create_connection((address, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise SparkError(
            f"master {master} cannot be reached: {error}; is it running, and is the "
            "port that of the master, not of its web page?"
        ) from error


@contextlib.contextmanager
def _stderr_to(file):
    """Also of processes started meanwhile: Java, for all its life."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
