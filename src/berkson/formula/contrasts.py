"""Contrasts of a factor's levels: the columns that stand for it beside an intercept, as R codes them.

    treatment   each level but the reference against the reference          C(g)[b]
    sum         each level but the last against the mean of all             C(g)[sum.1]       contr.sum
    helmert     each level against the mean of those before                 C(g)[helmert.1]   contr.helmert
    poly        orthogonal polynomials in the number of the level           C(g)[poly.L]      contr.poly
    diff        each level against the one before                           C(g)[b-a]         MASS::contr.sdif

For poly the columns are poly.L, poly.Q, poly.C, poly^4, ...: linear, quadratic, cubic and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from berkson.formula.errors import FormulaError

F64 = npt.NDArray[np.float64]

CONTRASTS = ("treatment", "sum", "helmert", "poly", "diff")
ALIASES = {**{f"contr.{name}": name for name in CONTRASTS[:-1]}, "contr.sdif": "diff"}

MAX_LEVELS = {"sum": 1000, "helmert": 1000, "poly": 95, "diff": 1000}  # 95: R's limit, for accuracy


def contrast_matrix(contrasts: str, levels: int) -> F64:
    """(levels, levels - 1): what each level is in each column, for all contrasts but treatment."""
    number = np.arange(levels)[:, None]
    column = np.arange(levels - 1)
    if contrasts == "sum":
        return np.where(number == levels - 1, -1.0, np.where(number == column, 1.0, 0.0))
    if contrasts == "helmert":
        return np.where(number <= column, -1.0, np.where(number == column + 1, column + 1.0, 0.0))
    if contrasts == "diff":
        return (column + 1.0 - np.where(number <= column, levels, 0.0)) / levels
    assert contrasts == "poly"
    return _orthogonal_polynomials(levels)


def _orthogonal_polynomials(levels: int) -> F64:
    """Orthonormal polynomials of degrees 1, 2, ... at 1, 2, ..., levels, made orthogonal twice against rounding."""
    score = np.arange(levels) - (levels - 1) / 2.0
    found = np.full((levels, 1), levels**-0.5)
    for _ in range(levels - 1):
        following = score * found[:, -1]
        for _ in range(2):
            following -= found @ (found.T @ following)
        found = np.column_stack([found, following / np.linalg.norm(following)])
    return found[:, 1:]


def contrast_labels(contrasts: str, levels: Sequence[str]) -> list[str]:
    """What the columns of `contrast_matrix` are called."""
    if contrasts == "diff":
        return [f"{after}-{before}" for before, after in pairwise(levels)]
    if contrasts == "poly":
        return [f"poly.{'LQC'[k]}" if k < 3 else f"poly^{k + 1}" for k in range(len(levels) - 1)]
    return [f"{contrasts}.{k + 1}" for k in range(len(levels) - 1)]


def refuse_many(name: str, contrasts: str, levels: int) -> None:
    """FormulaError where a factor has too many levels for its contrasts."""
    most = MAX_LEVELS.get(contrasts, levels)
    if levels > most:
        raise FormulaError(
            f"{name} has {levels} levels, and {contrasts} contrasts are for {most} at most; use treatment contrasts"
        )
