"""Doors to penalties: `path`, `cross_validate`, and what `logit(..., penalty=)` does."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from berkson.inference.predictions import Policy
from berkson.logistic.asked import FOLDS, Asked, Progress, asked_of
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import index_of
from berkson.logistic.paths import LogitCrossValidation, LogitPath, Rule
from berkson.logistic.penalised import PenalisedFit
from berkson.logistic.penalties import l1_ratio_of, numbers, one_lambda
from berkson.logistic.reading import class_number, codes_by, solved
from berkson.logistic.stability import LogitStability
from berkson.model import Prepared
from berkson.notices import RankWarning
from berkson.problem import InputError
from berkson.select import cross_validation, stability
from berkson.select import path as paths
from berkson.select.measures import MEASURES, Measure
from berkson.select.start import Scale
from berkson.select.uniqueness import doubt
from berkson.table import listing

FINE = 1e-18  # of the null objective: where fits of small tables go, whose coefficients then have six digits
SMALL = 5e8  # multiplications of a Hessian, of columns or of rows, up to which the way there takes no second


def path(
    formula: Any,
    data: Any,
    *,
    l1_ratio: float = 1.0,
    lambdas: Any = None,
    count: int = 100,
    smallest: float | None = None,
    unpenalised: str | Iterable[str] = (),
    factors: Any = None,
    column_groups: Any = None,
    share: float = 0.0,
    lower: Any = None,
    upper: Any = None,
    standardize: bool = True,
    scale: Scale = "mean",
    complete: bool = False,
    event: object | None = None,
    weights: Any = None,
    offset: Any = None,
    intercept: bool = True,
    missing: Literal["drop", "raise"] = "drop",
    policy: Policy = "error",
    tol: float = 1e-6,
    max_iterations: int = 100,
    progress: Progress | None = None,
) -> LogitPath:
    """Logistic regression under many penalties, on glmnet's scale: `path("y ~ a + C(g)", data)` or `path(y, X)`.

        losses / total weight + lambda sum_j factor_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2)

    formula, data   as of `logit`, or y and a sparse X (SciPy), whose columns are centred and standardised without being
                    made dense; as of `logit` are event, weights, offset, intercept, missing, policy and
                    max_iterations, too.  A weight counts a row's loss so many times.
    l1_ratio        from 0 (ridge) to 1 (lasso, the default); glmnet's alpha
    lambdas         the penalties; else `count` (100) of them, from the least that leaves no penalised column, down to
                    `smallest` times it (1e-4; 1e-2 where columns outnumber rows), evenly on the scale of logarithms
    unpenalised     names of columns or terms that are always in the model
    factors         by which the penalty of a column counts: numbers by name (others 1) or one a column; 0 is
                    unpenalised, infinity leaves it out.  They are rescaled to sum to the number of columns.
    column_groups   columns that come and go together (the group lasso): "terms", the columns of each term; a mapping of
                    names to groups; or a code a column.  `share` (0) of the penalty stays each column's own.
    lower, upper    bounds of coefficients that contain 0: one number, numbers by name, or one a column; without groups
    standardize     the penalty counts a coefficient in units of its column's standard deviation (default), so that it
                    does not depend on the column's units; coefficients are per unit of the column in any case
    scale           lambda weighs against the "mean" of losses (default; by weight) or their "sum" (1/C)
    complete        go on to the smallest automatic lambda; else stop where 99.9 % of the deviance is explained or a
                    step explains less than 1e-5 of it more
    tol             proved distance of each objective to its minimum, relative to the null model's (1e-6); fits of small
                    tables go as far as rounding lets them
    progress        told, after each penalty, the part of them that is done

    A name means a design column (`race[2]`), a term (`C(race)`), or a column of the table (`race`).  Each level of a
    factor is a column of its own (one column tells two levels apart), so that nothing depends on a reference, and the
    lasso takes or leaves it by itself; but for factors that are not penalised, and contrasts that the formula names:
    `C(race, treatment)` leaves out the reference, as R's model.matrix does.  Raises ValueError, one sentence.

    >>> data = {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]}
    >>> path("case ~ dose", data, lambdas=[0.2, 0.1], tol=1e-10).coef
    lambda  (Intercept)    dose
    0.2000       -1.219  0.3482
    0.1000       -2.325  0.6644
    """
    asked = Asked(
        l1_ratio=l1_ratio,
        lambdas=lambdas,
        count=count,
        smallest=smallest,
        unpenalised=unpenalised,
        factors=factors,
        column_groups=column_groups,
        share=share,
        lower=lower,
        upper=upper,
        standardize=standardize,
        scale=scale,
        complete=complete,
        event=event,
        weights=weights,
        offset=offset,
        intercept=intercept,
        missing=missing,
        policy=policy,
        tol=tol,
        max_iterations=max_iterations,
        progress=progress,
    )
    asked.check()
    prepared, found, frames = _solved(formula, data, asked)
    return LogitPath(prepared, frames, found, asked.policy)


def cross_validate(
    formula: Any,
    data: Any,
    *,
    folds: Any = 10,
    groups: Any = None,
    seed: int = 0,
    measure: Measure = "log_loss",
    relax: Any = None,
    **options: Any,
) -> LogitCrossValidation:
    """A path, and how well its fits predict rows that did not train them; `options` are those of `path`.

    folds    how many, drawn with equal shares of the classes; or the fold of each row: name of a column, or values
    groups   rows that stay together in the drawing of folds: name of a column, or values
    seed     of the drawing
    measure  by which lambdas are chosen: "log_loss", "deviance", "brier", "accuracy" or "auc" (two classes)
    relax    gammas from 0 to 1, such as (0, 0.25, 0.5, 0.75, 1): choose among blends, gamma times each fit and
             1 - gamma times that of its columns without a penalty; the answer has gamma_min and gamma_1se, too

    Every fit of every fold has its own proof; rows are never copied.  A row of weight w is in one fold as a whole.
    `.` in a formula does not stand for the columns of folds and groups, and rows that lack one are left out.  Raises
    ValueError, one sentence; what to know of the choice, such as a best lambda at the end of the path, is in `notes`.
    """
    asked = asked_of("cross_validate", options, FOLDS)
    if not _is_count(seed) or seed < 0:
        raise ValueError(f"seed={seed!r} is no whole number from 0 on")
    if measure not in MEASURES:
        raise ValueError(f"measure={measure!r} is none of {listing(map(repr, MEASURES))}")
    named = tuple(name for name in (folds, groups) if isinstance(name, str))
    if named and not isinstance(formula, str) and not hasattr(formula, "right"):
        raise ValueError(f"{named[0]!r} names a column, and there is no table with y and X: give the values")
    index = index_of(data)

    def solve(given: Prepared) -> cross_validation.CrossValidation:
        if measure == "auc" and given.problem.n_classes > 2:
            raise InputError(
                f"auc is for two classes, and the response has {given.problem.n_classes}: choose another measure"
            )
        found = cross_validation.cross_validate(
            given.problem,
            int(folds) if _is_count(folds) else codes_by(folds, "folds", given, index),
            groups=None if groups is None else codes_by(groups, "groups", given, index),
            seed=seed,
            measure=measure,
            own_columns=relax is not None,
            **asked.of_path(given, "column_groups"),
        )
        if not _is_small(given):
            return found
        whole = _path(given, replace(asked, lambdas=found.path.lambdas, progress=None))
        return replace(found, path=replace(whole, ended=found.path.ended))

    prepared, found, frames = solved(formula, data, asked.reading(named), asked.weight_kind, solve)
    found.chosen  # noqa: B018  # raises where the measure has no value
    whole = LogitPath(prepared, frames, found.path, asked.policy)
    if relax is None:
        return LogitCrossValidation(whole, found)
    from berkson.logistic.relaxed_choice import LogitRelaxedCrossValidation
    from berkson.select.relaxed import cross_validate_relaxed

    blends = cross_validate_relaxed(found, numbers(relax, "relax"))
    return LogitRelaxedCrossValidation(whole, found, blends)


STABILITY = ("pairs", "threshold", "false_selections", "unimodal", "seed")  # options besides those of a path
NO_PART = ("lambdas", "column_groups", "share", "lower", "upper", "scale", "complete")  # of a path's in it


def stability_selection(
    formula: Any,
    data: Any,
    *,
    pairs: int = 50,
    threshold: float = 0.75,
    false_selections: float = 1.0,
    unimodal: bool = False,
    seed: int = 0,
    **options: Any,
) -> LogitStability:
    """Columns that a lasso chooses on most half-samples of the rows, with a bound on how many of them are there by
    chance (Meinshausen & Buehlmann 2010; Shah & Samworth 2013); `options` are those of `path`.

    pairs             of disjoint half-samples (50)
    threshold         the share of half-samples that must choose a column, above 0.5
    false_selections  of the p columns each half chooses the q that come into its path first, q the largest number for
                      which q^2 / ((2 threshold - 1) p) is no more than this
    unimodal          use the sharper bound of Shah & Samworth's theorem 2, about half of that, which assumes that the
                      chances of columns that are rarely chosen are unimodal over pairs of halves
    seed              of the drawing

    The bound is on the columns that a half-sample chooses with probability q / p or less, and holds whatever the data
    are.  Each fit has its proof.  Raises ValueError, one sentence.
    """
    for name in NO_PART:
        if name in options:
            raise ValueError(f"{name}= has no part in stability selection: leave it out")
    for name, value in (("threshold", threshold), ("false_selections", false_selections)):
        if not isinstance(value, (int, float, np.number)):
            raise ValueError(f"{name}={value!r} is no number")
    asked = asked_of("stability_selection", options, STABILITY)

    def solve(given: Prepared) -> stability.StabilitySelection:
        engine = {name: value for name, value in asked.of_path(given, "groups").items() if name not in NO_PART}
        return stability.stability_selection(
            given.problem,
            pairs=pairs,
            threshold=float(threshold),
            false_selections=float(false_selections),
            unimodal=bool(unimodal),
            seed=seed,
            **engine,
        )

    prepared, found, frames = solved(formula, data, asked.reading(), asked.weight_kind, solve)
    return LogitStability(prepared, frames, found)


def penalised(
    formula: Any,
    data: Any,
    penalty: str,
    lambda_: float | None,
    select: str | None,
    rule: Rule,
    reference: object | None,
    options: dict[str, Any],
) -> PenalisedFit:
    """The fit of `logit(..., penalty=)`: at lambda_, or at the one that cross-validation chooses, whose notes are
    warnings."""
    asked_of("logit", {name: value for name, value in options.items() if name not in FOLDS}, FOLDS)
    options = options | {"l1_ratio": l1_ratio_of(penalty, options.get("l1_ratio"))}
    if (lambda_ is None) == (select is None):
        raise ValueError("how strong is the penalty to be: give lambda_=, or select='cv', one of them")
    if select is not None:
        if select != "cv":
            raise ValueError(f"select={select!r} is no way to choose the penalty: give 'cv' (cross-validation)")
        if rule not in ("min", "1se"):
            raise ValueError(f"rule={rule!r} is neither 'min' nor '1se'")
        found = cross_validate(formula, data, **options)
        for note in found.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        fit = found.best(rule)
    else:
        for name in (*FOLDS, "lambdas", "count", "smallest", "complete"):
            if name in options:
                raise ValueError(
                    f"{name}= is for select='cv'; with lambda_= there is one penalty, and nothing is chosen"
                )
        asked = asked_of("logit", options | {"lambdas": [one_lambda(lambda_)]})
        prepared, engine, frames = _solved(formula, data, asked)
        fit = PenalisedFit(prepared, frames, engine, "as asked", asked.policy)
        if (said := doubt(engine, 0)) is not None:
            warnings.warn(said, RankWarning, stacklevel=3)
    return replace(fit, reference=class_number(reference, fit.prepared))


def _solved(formula: Any, data: Any, asked: Asked) -> tuple[Prepared, paths.Path, Frames]:
    return solved(formula, data, asked.reading(), asked.weight_kind, lambda given: _path(given, asked))


def _path(given: Prepared, asked: Asked) -> paths.Path:
    """The path, its fits judged by the tolerance asked; those of a small table go as far as they can."""
    options = asked.of_path(given, "groups")
    if not _is_small(given):
        return paths.path(given.problem, **options)
    found = paths.path(given.problem, **options | {"tol": min(FINE, options["tol"])})
    return replace(found, options=replace(found.options, tol=options["tol"]))


def _is_small(given: Prepared) -> bool:
    n, size = len(given.problem.y), given.problem.unknowns
    return n * float(size) * min(n, size) <= SMALL


def _is_count(given: Any) -> bool:
    return isinstance(given, (int, np.integer)) and not isinstance(given, bool)
