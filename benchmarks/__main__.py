"""Timings side by side with their references, as rows of benchmarks/results.csv.

    python -m benchmarks [NAME ...]

Both sides run in one process, by turns, warm; ratio is how many times better ours is.
"""

import sys

from benchmarks.command import BENCHMARKS, main

if __name__ == "__main__":
    sys.exit(main("benchmark", BENCHMARKS, __doc__))
