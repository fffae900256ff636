"""Rank deficiency: which columns are combinations of earlier ones, by name and with the combination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.problem import Problem
from berkson.rows.coordinates import Coordinates

F64 = npt.NDArray[np.float64]

SURE = (
    1e-9  # of a column's variance left over by the others: above it nothing is in doubt, below it the pivoting decides
)


@dataclass(frozen=True, slots=True)
class Alias:
    """Column `column` = sum of coefficient * column over `combination` (p stands for the constant), to rounding."""

    column: int
    combination: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Rank:
    """Columns that are combinations of earlier ones, and those that nearly are (estimable, but ill-conditioned)."""

    aliased: tuple[Alias, ...]
    nearly: tuple[Alias, ...] = ()


def full_rank(gram: F64) -> bool:
    """Whether a Gram matrix is of full rank beyond doubt."""
    diagonal = gram.diagonal()
    if not diagonal.min() > 0:
        return False
    scale = np.sqrt(diagonal)
    try:
        factor = np.linalg.cholesky(gram / (scale[:, None] * scale))
    except np.linalg.LinAlgError:
        return False
    return float(factor.diagonal().min()) ** 2 > SURE


def examine(problem: Problem, gram: F64, place: Coordinates) -> Rank:
    raise NotImplementedError
