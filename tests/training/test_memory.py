"""A process that keeps its memory does not fault it in again."""

import platform
import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
from zoo.training import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(9_000_000, np.float32)  # more than glibc would ever keep
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

np.ones(10)
first = faults()
print(memory.keep(), first, (faults(), faults())[1])
"""


def test_memory_is_kept():
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    kept, before, after = told.stdout.split()
    assert kept == str(platform.libc_ver()[0] == "glibc")
    if kept == "True":
        assert 10 * int(after) < int(before), told.stdout
