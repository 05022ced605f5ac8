"""By Spark the same, to the byte; and what goes wrong there is said in a line.

These and the other tests of Spark share one context, `spark_context` of conftest.py.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_corpus import digests
from zoo.data import DataError, corpus, spark, text

ROOT = Path(__file__).parents[2]
SETTINGS = corpus.Settings(least=2, shard_bytes=2000)
MASTER = "local[2]"
# Of Java, and of all that it starts: short runs spend most of their time compiling.
QUICK = os.environ | {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files, of which one is cut."""
    found = tmp_path_factory.mktemp("corpus") / "text"
    found.mkdir()
    (found / "a.txt").write_text(text("moby_dick")[:40_000])
    (found / "b.txt").write_text("Der Wal, das Meer.\n\n\n3 4\n\nEnde.\n")
    return found


@pytest.fixture(scope="module")
def local(folder):
    corpus.write(folder, folder.parent / "local", SETTINGS)
    return folder.parent / "local"


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_the_same_bytes(spark_context, folder, local, tmp_path, partitions):
    given = dict(engine="spark", master=MASTER, partitions=partitions)
    made = corpus.write(folder, tmp_path / "out", SETTINGS, **given)
    assert digests(tmp_path / "out") == digests(local)
    assert len(made.shards("pairs")) == 21
    assert len(made.shards("cooccurrence")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_same_counts(spark_context, folder):
    given = corpus.Settings(documents="line", least=3, shard_bytes=1000)
    found = corpus.count(folder, given, "spark", MASTER, 3)
    for a, b in zip(found, corpus.count(folder, given), strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.documents > 600 and found.tokens > 7000


def test_bad_text_is_told(spark_context, tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_bytes(b"the sea\n" * 30 + b"the s\xe9a\n")
    settings = corpus.Settings(shard_bytes=50)
    with pytest.raises(DataError, match=r"a\.txt: byte 245 is not UTF-8 .*iconv"):
        corpus.write(tmp_path / "text", tmp_path / "out", settings, "spark", MASTER, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


def test_a_failure_of_spark_is_one_line(spark_context):
    def breaks(task, shared):
        raise TypeError("not of the data")

    with pytest.raises(spark.SparkError, match="Spark's job failed: ") as caught:
        with corpus.engine_of("spark", MASTER, 1) as runs:
            runs.map(breaks, [1], {})
    assert "\n" not in str(caught.value)


def test_masters_that_are_not_there(spark_context, folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # nobody listens
        for master, message in {
            f"spark://127.0.0.1:{port}": "cannot be reached: .*refused.*is it running",
            "sparks://a:1": "must be local.* or spark://HOST:PORT, got 'sparks://a:1'",
            "spark://a": "must be local",
            "local[3]": "has a Spark context of master local.2. already",
        }.items():
            with pytest.raises(spark.SparkError, match=message):
                corpus.write(folder, tmp_path / "o", SETTINGS, "spark", master)
    assert not list(tmp_path.iterdir())


class Cluster:
    """A master and two workers of one core, on loopback, each a group of processes."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.master = f"spark://127.0.0.1:{self.port}"
        self._start("master.Master", "--port", str(self.port))
        self._wait(lambda: socket.create_connection(("127.0.0.1", self.port)).close())
        for name in ("one", "two"):
            where = ("--work-dir", str(folder / name))
            self._start("worker.Worker", "-c", "1", "-m", "1g", *where, self.master)

    def _start(self, name, *words):
        import pyspark

        home = Path(pyspark.__file__).parent
        command = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}"]
        command += ["--host", "127.0.0.1", "--webui-port", "0", *words]
        log = open(self.folder / f"{name}.log", "ab")
        env = QUICK | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
        with log:
            self.processes.append(
                subprocess.Popen(
                    command, stdout=log, stderr=log, env=env, start_new_session=True
                )
            )

    def _wait(self, ready, seconds=120):
        end = time.monotonic() + seconds
        while True:
            try:
                return ready()
            except OSError:
                assert time.monotonic() < end, (self.folder / "master.log").read_text()
                time.sleep(0.1)

    def kill(self, number):
        """A worker, and what it has started: its executor and Python."""
        os.killpg(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()

    def stop(self):
        for number, process in enumerate(self.processes):
            if process.poll() is None:
                self.kill(number)


def killed(folder):
    """A worker is killed while shards are being written.

    Returns:
        How many shards were there then, of how many; and the digests of what Spark
        wrote in the end, and of what one process writes.
    """
    (folder / "cluster").mkdir()
    (folder / "text").mkdir()
    (folder / "text" / "a.txt").write_text(text("moby_dick"))
    settings = corpus.Settings(shard_bytes=1000)
    corpus.write(folder / "text", folder / "local", settings)
    total = len(list((folder / "local").glob("tokens*")))
    found = Cluster(folder / "cluster")
    command = [sys.executable, "-m", "experiments.count_corpus"]
    command += ["--text", folder / "text", "--run", folder / "run"]
    command += ["--engine", "spark", "--master", found.master, "--partitions", "20"]
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    command += ["--shard-bytes", "1000"]
    driver = subprocess.Popen(command, cwd=ROOT, env=QUICK, **options)
    try:
        writing = folder / "run" / "corpus.writing"
        end = time.monotonic() + 240
        while not (written := len(list(writing.glob("shard-*")))):
            assert driver.poll() is None, driver.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.002)
        assert list((folder / "cluster" / "one").glob("app-*/*/stderr"))  # it worked
        found.kill(1)
        said, _ = driver.communicate(timeout=240)
    finally:
        driver.kill()
        driver.wait()
        found.stop()
    assert driver.returncode == 0, said
    return written, total, digests(folder / "run" / "corpus"), digests(folder / "local")


@pytest.mark.slow
@pytest.mark.xdist_group("spark")
def test_a_worker_is_killed(tmp_path):
    """The other one writes what is missing."""
    written, total, found, expected = killed(tmp_path)
    assert 0 < written < total / 2 and found == expected
