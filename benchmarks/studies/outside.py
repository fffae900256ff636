"""Programs that need an interpreter of their own: glmnet in R, adelie in an environment that has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import environment
from benchmarks.studies.data import F64, Data

HERE = Path(__file__).parent
LADDERS = {
    "glmnet": tuple({"thresh": 10.0**-k} for k in (7, 9, 11, 13)),
    "adelie": tuple({"tol": 10.0**-k} for k in (7, 9, 11)),
}
OUTSIDE = ("glmnet", "cv.glmnet", "glmnet ridge folds", "adelie", "cv.adelie")
RIDGE_FOLDS = " ridge folds"


@dataclass(frozen=True, slots=True)
class Interpreters:
    """R's Rscript and a Python that has adelie; None: absent."""

    rscript: str | None
    adelie: str | None

    @classmethod
    def found(cls, adelie: str | None) -> Interpreters:
        program = shutil.which("Rscript")
        if program is not None:
            asked = subprocess.run([program, "-e", "library(glmnet)"], capture_output=True, check=False)
            program = None if asked.returncode else program
        return cls(program, adelie)

    def absent(self, name: str) -> str | None:
        """Why a program cannot run, None where it can."""
        if "glmnet" in name:
            return None if self.rscript else "absent: R with glmnet is not installed"
        return None if self.adelie else "absent: name a Python that has adelie with --adelie"


def write_raw(data: Data, directory: Path) -> None:
    """What R reads."""
    data.X.T.tofile(directory / "X.f64")
    data.l1.tofile(directory / "l1.f64")
    data.l2.tofile(directory / "l2.f64")
    for name, values in (("y", data.y), ("fold", data.fold)):
        if values is not None:
            values.astype(np.float64).tofile(directory / f"{name}.f64")


def ladder(name: str) -> tuple[dict[str, Any], ...]:
    settings = LADDERS[name.removeprefix("cv.").removesuffix(RIDGE_FOLDS)]
    return settings[:2] if name.startswith("cv.") else settings  # its path says how exact a setting is


def run_outside(
    name: str, setting: dict[str, Any], data: Data, directory: Path, who: Interpreters, limit: float
) -> tuple[float, F64, dict[str, Any]]:
    """Seconds, coefficients of the path, and what it says; TimeoutExpired where it outlasts the limit."""
    ridge = name.endswith(RIDGE_FOLDS)
    folds = str(int(data.fold.max()) + 1) if data.fold is not None and (ridge or name.startswith("cv.")) else "0"
    n, p = data.X.shape
    command = list(_command(name, setting, directory, (n, p), folds, who))
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), timeout=4 * limit + 60, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    seconds = float(done.stdout.split()[-1])
    if name.endswith("adelie"):
        return seconds, np.load(directory / "coefs.npy"), {}
    coefs = np.fromfile(directory / "coefs.f64").reshape(-1, p + 1)
    if ridge:
        return seconds, coefs.reshape(int(folds), -1, p + 1), {}
    curve = directory / "curve.f64"
    return seconds, coefs, {"curve": np.fromfile(curve).tolist()} if folds != "0" else {}


def _command(
    name: str, setting: dict[str, Any], directory: Path, size: tuple[int, int], folds: str, who: Interpreters
) -> Iterator[str]:
    if name.endswith("adelie"):
        yield from (str(who.adelie), str(HERE / "adelie_path.py"), str(directory), str(setting["tol"]), folds)
        return
    yield from (str(who.rscript), "--vanilla", str(HERE / "glmnet.R"), str(directory))
    yield from (str(size[0]), str(size[1]), str(setting["thresh"]), folds, str(int(name.endswith(RIDGE_FOLDS))))
