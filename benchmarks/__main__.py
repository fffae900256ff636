"""The benchmark's door from the root of the clone: `python -m benchmarks --help`."""

from __future__ import annotations

import sys

from benchmarks.main import main

sys.exit(main())
