"""scikit-learn's own test file of logistic regression, with the name LogisticRegression patched to ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

SUITE = Path(__file__).parent / "sklearn_suite"


@pytest.mark.skipif(not sklearn.__version__.startswith("1.9."), reason="the exceptions are those of scikit-learn 1.9")
def test_sklearn_suite(tmp_path: Path) -> None:
    """Every test passes but those in `sklearn_suite/exceptions.txt`, and every one of those fails."""
    options = ["-q", "--no-header", "--tb=line", "-c", os.devnull, "--rootdir", str(tmp_path)]
    options += ["-p", "sklearn_suite_plugin", "-p", "no:cacheprovider"]
    # one thread: the data are tiny, and scikit-learn's solvers start more than help them
    environment = os.environ | {"PYTHONPATH": str(SUITE), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--pyargs", "sklearn.linear_model.tests.test_logistic"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
