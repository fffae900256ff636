"""What a penalty chosen by cross-validation cannot be trusted for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

from berkson.estimators.choices import Choice, end_of_grid
from berkson.estimators.folds import FoldFits, Grid
from berkson.fit import Fit, fit
from berkson.notices import SeparationWarning
from berkson.problem import InputError, Problem
from berkson.rows.questions import Evaluate, Evaluation
from berkson.select.start import units

NAMED = 5  # columns in a sentence
HARDLY, LOOSE = 1e-9, 1e-6  # a ridge, and how well its fit need be known
CLEAR = 1.0  # logits: beyond rounding


def doubts(
    problem: Problem, grid: Grid, fits: FoldFits, choice: Choice, scoring: Any
) -> Iterator[tuple[type[Warning], str]]:
    """A category and a sentence each; `problem` is that of all rows, without a penalty."""
    count = len(fits.absent)
    for fold, absent in enumerate(fits.absent):
        if len(absent):
            yield (
                UserWarning,
                f"fold {fold} of {count} trains on no row of class {problem.class_name(int(absent[0]))}, whose "
                "probability is 0 there: use folds that are drawn with equal shares of the classes (StratifiedKFold)",
            )
    if not choice.judged.all():
        yield (
            UserWarning,
            f"{scoring} has no value in {count - int(choice.judged.sum())} of {count} folds, which are left out of its "
            "mean: use fewer folds",
        )
    separated = fits.separated.any(axis=(1, 2))
    if separated.any():
        yield (
            SeparationWarning,
            f"without a penalty (C=inf) the rows that train {int(separated.sum())} of {count} folds are separated: "
            "their coefficients are infinite, and their scores those of where the fit stopped",
        )
    open_ = ~(fits.gap <= grid.tol) & ~fits.separated
    if open_.any():
        C = grid.Cs[np.flatnonzero(open_.any(axis=(0, 1)))].min()
        yield (
            ConvergenceWarning,
            f"in {int(open_.any(axis=(1, 2)).sum())} of {count} folds some fits are not proved to within "
            f"{grid.tol:.1g} (fold_gaps_ has what is), the first at C={C:.4g}: raise max_iter, or try no larger C",
        )
    end = end_of_grid(choice, grid.Cs)
    if end:
        yield UserWarning, _at_the_end(end, float(grid.Cs[choice.C]), problem)


def _at_the_end(end: str, C: float, problem: Problem) -> str:
    if end == "smallest":
        return f"the best C, {C:.4g}, is the smallest tried, so a smaller one may be better: extend Cs downwards"
    best = f"the best C, {C:.4g}, is the largest tried"
    columns = _of_complete_separation(problem)
    if columns is None:
        try:
            separation = fit(problem).certificate.separation
        except InputError:  # more columns than a fit without a penalty can tell apart
            separation = None
        if separation is None:
            return f"{best}, so a larger one may be better: extend Cs upwards (np.inf: no penalty)"
        columns = [each.column for each in separation.infinite]
    names = list(dict.fromkeys(repr(problem.column(j)) for j in columns))
    by = ", ".join([*names[:NAMED], "others"] if len(names) > NAMED else names)
    return (
        f"{best}, and coefficients grow with C without end, since the classes are separated by {by}: choose C for the "
        "probabilities that it gives, or drop what separates"
    )


def _of_complete_separation(problem: Problem) -> list[int] | None:
    """Columns that tell the classes apart in every row, the fewest of those that say most, or all; None where not even
    all are seen to.  Whoever puts every row clearly on its side proves it, without a linear programme."""
    if not isinstance(problem.X, np.ndarray):
        return None
    fitted = fit(replace(problem, strength=HARDLY), tol=LOOSE)
    if not _apart(fitted):
        return None
    spread = units(fitted.rows, standardize=True, intercept=problem.intercept)
    order = np.argsort(-np.abs(fitted.coef).max(axis=0) * spread, kind="stable")
    for many in range(1, min(NAMED + 1, len(order))):
        few = replace(problem, X=problem.X[:, order[:many]], names=(), strength=HARDLY)
        if _apart(fit(few, tol=LOOSE)):
            return [int(j) for j in order[:many]]
    return [int(j) for j in order]


def _apart(fitted: Fit) -> bool:
    """Whether every row lies on its own class's side, further than rounding reaches."""
    at: Evaluation = fitted.rows.answer_one(Evaluate(fitted.theta, 0))
    return at.margin > CLEAR
