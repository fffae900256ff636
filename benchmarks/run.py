"""The benchmark's door: `python benchmarks/run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # `benchmarks` is a package here, and is not installed
    from benchmarks.main import main

    sys.exit(main())
