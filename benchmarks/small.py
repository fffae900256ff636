"""What a user waits for when the data are small: imports, a fit of 200 x 5, the command on a small file.

python -m benchmarks.small REPEATS        prints one line of JSON; each number is the median of so many processes
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.process import ROOT, environment

IMPORTS = (
    "import berkson",
    "import numpy",
    "import berkson.fit",
    "from berkson import LogisticRegression",
    "from sklearn.linear_model import LogisticRegression",
    "import glum",
    "import statsmodels.api",
    "import skglm",
)
LATENCIES = (
    ("berkson LogisticRegression().fit(X, y)", "from berkson import LogisticRegression"),
    ("sklearn LogisticRegression().fit(X, y)", "from sklearn.linear_model import LogisticRegression"),
)
LATENCY = """
import time, statistics
import numpy as np
{imports}
rng = np.random.default_rng(0)
X = rng.standard_normal((200, 5))
y = (rng.random(200) < 1 / (1 + np.exp(-X @ np.ones(5)))).astype(int)
seconds = []
for _ in range(1000):
    began = time.perf_counter()
    LogisticRegression().fit(X, y)
    seconds.append(time.perf_counter() - began)
print(statistics.median(seconds))
"""
IMPORT = "import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"


@dataclass(frozen=True, slots=True)
class Wait:
    """What was waited for, and the median seconds; None where its package is absent."""

    what: str
    seconds: float | None


def waits(repeats: int) -> list[Wait]:
    found = [Wait(statement, _import(statement, repeats)) for statement in IMPORTS]
    for what, imports in LATENCIES:
        found.append(Wait(f"{what}, 200 x 5", _printed(LATENCY.format(imports=imports))))
    found.append(Wait("berkson fit FILE.csv FORMULA, 200 rows x 5 columns, the whole process", _command(repeats)))
    return found


def _import(statement: str, repeats: int) -> float | None:
    package = statement.split()[1].split(".")[0]
    if find_spec(package) is None:
        return None
    return statistics.median(_printed(IMPORT.format(statement=statement)) for _ in range(repeats))


def _printed(code: str) -> float:
    """The number that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(), cwd=ROOT
    )
    return float(done.stdout)


def _command(repeats: int) -> float:
    """Seconds of the whole process that fits, prints and saves."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    y = rng.random(200) < 1.0 / (1.0 + np.exp(-X.sum(axis=1)))
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "small.csv"
        with file.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["y", "a", "b", "c", "d", "e"])
            rows.writerows([int(label), *map(float, row)] for label, row in zip(y, X, strict=True))
        command = [sys.executable, "-m", "berkson", "fit", str(file), "y ~ a + b + c + d + e"]
        for _ in range(repeats):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True, env=environment(), cwd=directory)
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    print(json.dumps([asdict(wait) for wait in waits(int(sys.argv[1]))]))


if __name__ == "__main__":
    main()
