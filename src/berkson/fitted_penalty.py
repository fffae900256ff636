"""The penalty of a saved fit of a path, and the proof of the fit under it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.problem import Problem
from berkson.proof import Proof
from berkson.select.start import Options, Scale

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Penalty:
    """The penalty of a fit of a path, see `select.path`: from ridge (l1_ratio 0) to lasso (1), on coefficients in units
    of columns' standard deviations where `standardize`, against the losses' mean or sum (`scale`).  `chosen`: all
    of it, and how lambda_ was found, in words.  factors, groups, lower and upper: a number a column, or None; gamma: of
    a blend with the fit without a penalty, 1 is none."""

    l1_ratio: float
    lambda_: float
    standardize: bool
    scale: Scale
    chosen: str
    factors: tuple[float, ...] | None = None
    groups: tuple[int, ...] | None = None
    share: float = 0.0
    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    gamma: float = 1.0


BY_COLUMN = {"factors": math.inf, "lower": -math.inf, "upper": math.inf}  # and what null stands for in a file


def penalty_to_dict(penalty: Penalty) -> dict[str, Any]:
    """As plain data of JSON, without what is as usual."""
    return {
        "l1_ratio": float(penalty.l1_ratio),
        "lambda": float(penalty.lambda_),
        "standardize": penalty.standardize,
        "scale": penalty.scale,
        "chosen": penalty.chosen,
        **({} if penalty.share == 0.0 else {"share": float(penalty.share)}),
        **({} if penalty.gamma == 1.0 else {"gamma": float(penalty.gamma)}),
        **({} if penalty.groups is None else {"groups": list(penalty.groups)}),
        **{
            name: [value if math.isfinite(value) else None for value in given]
            for name in BY_COLUMN
            if (given := getattr(penalty, name)) is not None
        },
    }


def proof_under(penalty: Penalty, problem: Problem, coef: F64, intercept: F64, tol: float) -> Proof:
    """What is proved of coefficients (1, p), or (K, p), and intercepts under a penalty: nothing is fitted.  Raises
    ValueError for a blend, whose coefficients minimise nothing."""
    if penalty.gamma < 1.0:
        raise ValueError(
            f"the model is relaxed (gamma {penalty.gamma:g}): a blend of two fits, each of which was proved, is the "
            "optimum of nothing that a check could prove; fit again instead"
        )
    from berkson.select.judge import judge

    known = ("l1_ratio", "standardize", "scale", "factors", "groups", "share", "lower", "upper")
    options = Options(**{name: getattr(penalty, name) for name in known}, lambdas=[penalty.lambda_], tol=tol)
    found = judge(problem, coef, intercept, penalty.lambda_, options)
    gaps = found.gap * found.null_objective, found.gap, math.inf
    return Proof(found.certified, True, found.status, *gaps, found.objective, found.null_objective, tol, (), (), ())
