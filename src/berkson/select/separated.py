"""Whether fits of a path tell the classes apart in every row, so that without a penalty there is no fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from berkson.rows.questions import Evaluate, Evaluation
from berkson.select.path import Path
from berkson.select.start import units
from berkson.select.uniqueness import doubt

CLEAR = 1e-6  # logits: beyond rounding
NAMED = 5  # columns in a sentence


def notes(found: Path) -> tuple[str, ...]:
    """What to know of a path, a sentence each; empty where there is nothing.  Costs a few readings."""
    return tuple(said for said in (separated(found), doubt(found, len(found.lambdas) - 1)) if said is not None)


def separated(found: Path) -> str | None:
    """The columns of an early fit that puts every row of positive weight on its own class's side, which proves complete
    separation, in a sentence, those of the largest effects first; None where the last fit does not.  Where columns
    outnumber rows there is nothing to say: they mostly do."""
    problem, first, last = found.problem, 0, len(found.lambdas) - 1
    if problem.X.shape[1] >= problem.X.shape[0] or not _apart(found, last):
        return None
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if _apart(found, middle) else (middle + 1, last)
    effect = np.abs(found.coef[last]).max(axis=0) * units(found.start.rows, standardize=True, intercept=True)
    used = [int(j) for j in np.argsort(-effect, kind="stable") if effect[j] > 0.0]
    names = [repr(problem.column(j)) for j in used[:NAMED]]
    by = ", ".join([*names, "others"] if len(used) > NAMED else names)
    return (
        f"the classes are separated by {by} (every row, by the fit at lambda {found.lambdas[last]:.4g}): without a "
        "penalty there is no fit, and coefficients grow without end as lambda falls; choose lambda for the "
        "probabilities that it gives, or drop what separates"
    )


def _apart(found: Path, i: int) -> bool:
    """Whether every row lies on its own class's side, without its offset, further than rounding reaches."""
    at: Evaluation = replace(found.start.rows, offset=None).answer_one(Evaluate(found.thetas[i], 0))
    return at.margin > CLEAR
