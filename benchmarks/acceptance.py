"""The figures that the project promises, as rows of benchmarks/results.csv.

    python -m benchmarks.acceptance [NAME ...]

The exit status is 1 if one is not kept. All of it takes hours on two cores: name a
part.
"""

import sys

from benchmarks.command import ACCEPTANCE, main

if __name__ == "__main__":
    sys.exit(main("acceptance", ACCEPTANCE, __doc__))
