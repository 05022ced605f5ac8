"""Runs in processes of their own: killed at any moment, or joined over loopback."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.training.worker import ROOT, finish, joined, killed, result, start

STEPS, KILLS = 300, 4  # benchmarks/processes.py kills ten times


def test_killed_again_and_again_it_ends_bit_identical(tmp_path):
    """SIGKILL at random moments while it trains, saves and reports."""
    finish(start(tmp_path / "whole", STEPS, "single", 1))
    folder = tmp_path / "killed"
    reached = killed(folder, STEPS, KILLS)
    assert reached == sorted(reached) and len(reached) == KILLS
    assert reached[0] < STEPS, "it ended before it was killed"
    finish(start(folder, STEPS, "single", 1))
    expected, got = result(tmp_path / "whole"), result(folder)
    assert expected.keys() == got.keys()
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What twenty steps in one process give."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    finish(start(folder, 20, "single", 1))
    return result(folder)


@pytest.mark.xdist_group("devices")
@pytest.mark.parametrize(
    "form, stops",
    [("pmap", (10, 20)), ("shard_map", (20,)), ("sharded", (20,))],
    ids=["pmap", "shard_map", "sharded"],
)
def test_two_processes_equal_one(alone, tmp_path, form, stops):
    """Two processes of two devices each, joined by gloo."""
    folder = tmp_path / "two"
    for steps in stops:  # a second time, both resume from the first one's folder
        joined(folder, steps, form)
    expected, got = alone, result(folder)
    for name in expected:
        np.testing.assert_allclose(
            got[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name
        )
    files = sorted(p.name for p in folder.iterdir())
    assert files == sorted({*files}) and "metrics.jsonl" in files
    shutil.rmtree(folder)


def test_a_full_disk_is_said_and_leaves_the_folder_whole(tmp_path):
    """A limit on the size of files, as the kernel enforces it, stands for the disk."""
    code = (
        "import resource, runpy, sys;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        f"sys.argv = ['worker', {str(tmp_path / 'run')!r}, '20', 'single', '1'];"
        "runpy.run_module('tests.training.worker', run_name='__main__')"
    )
    finish(start(tmp_path / "run", 5, "single", 1))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "could not write checkpoint" in done.stderr, done.stderr
    assert "newest before it: 000000005" in done.stderr
    names = [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()]
    assert names == ["000000005"]
    finish(start(tmp_path / "run", 20, "single", 1))
