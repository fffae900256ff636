"""Fits to ask effects of: real tables, and random data with numbers, a factor and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.fit import fit
from berkson.formula import Schema
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates
from berkson.inference.scenarios import Population, fitted_population
from berkson.kernels.reference import sigmoid
from berkson.model import prepare
from berkson.read import read_table
from berkson.table import Table, from_frame

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent


class Study(NamedTuple):
    """What effects are asked of, in the order of their arguments."""

    estimates: Estimates
    covariance: Covariance
    schema: Schema
    population: Population


def table_of(name: str) -> Table:
    return read_table(HERE / "data" / name)


def study(
    formula: str, data: Table | dict[str, Any], weight_kind: Any = "frequency", reference: int = 0, **columns: Any
) -> Study:
    prepared = prepare(formula, data if isinstance(data, Table) else from_frame(data), **columns)
    estimates = Estimates(fit(prepared.problem), reference, weight_kind)
    population = fitted_population(estimates, prepared.schema, prepared.complete)
    return Study(estimates, covariance(estimates), prepared.schema, population)


def random_data(n: int = 300, classes: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=n), rng.uniform(0.5, 3.0, size=n)
    g = rng.choice(["a", "b", "c"], size=n)
    eta = 0.7 * x - 0.5 * np.log(z) + 0.4 * (g == "b")
    y = rng.integers(0, classes, size=n)
    y[rng.uniform(size=n) < sigmoid(eta)] = classes - 1
    return {"y": np.array([f"class {k}" for k in y]), "x": x, "z": z, "g": g, "w": rng.integers(1, 5, size=n) * 1.0}
