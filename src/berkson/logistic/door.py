"""`logit`: from what the caller has to a fit with inference."""

from __future__ import annotations

import warnings
from dataclasses import fields
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np

from berkson.fit import Fit, fit
from berkson.formula import Formula, parse
from berkson.inference.bias_reduction import Method
from berkson.inference.estimates import Estimates, WeightKind
from berkson.inference.predictions import Policy, reading_of, refuse_other_policies
from berkson.logistic.inputs import Options, clusters_by, trials_of
from berkson.logistic.numbers import with_covariance
from berkson.logistic.reading import class_number, solved
from berkson.logistic.result import LogitFit
from berkson.notices import RankWarning, SeparationWarning
from berkson.table import listing, suggestion

if TYPE_CHECKING:
    from berkson.logistic.penalised import PenalisedFit
    from berkson.logistic.smooth import SmoothFit

PenaltyName = Literal["lasso", "ridge", "elastic net"]

USUAL = {"level": 0.95, "tol": 1e-8}


@overload
def logit(formula: Any, data: Any, *, penalty: None = None, **options: Any) -> LogitFit: ...
@overload
def logit(formula: Any, data: Any, *, penalty: PenaltyName, **options: Any) -> PenalisedFit: ...
def logit(
    formula: Any,
    data: Any,
    *,
    event: object | None = None,
    reference: object | None = None,
    weights: Any = None,
    weight_kind: WeightKind = "frequency",
    offset: Any = None,
    intercept: bool = True,
    missing: Literal["drop", "raise"] = "drop",
    covariance: str | None = None,
    cluster: Any = None,
    level: float = 0.95,
    bias_reduction: Literal["firth", "mean", "median"] | None = None,
    strength: float = 0.0,
    policy: Policy = "error",
    tol: float = 1e-8,
    max_iterations: int = 100,
    penalty: PenaltyName | None = None,
    lambda_: float | None = None,
    select: Literal["cv"] | None = None,
    rule: Literal["min", "1se"] = "min",
    **options: Any,
) -> LogitFit | PenalisedFit | SmoothFit:
    """Logistic regression by maximum likelihood, with inference: `logit("y ~ a + C(g)", data)` or `logit(y, X)`.

        log P(event) / P(no event) = intercept + x . coef + offset

    and, for a response of K > 2 classes, one such equation for each class against the reference class.

    formula, data   a formula and a table (pandas, polars, pyarrow, a dict of arrays); or y and X, an array or a table
                    of numbers, read as it lies.  y holds labels, booleans, shares in [0, 1], or, as two columns,
                    successes and failures.  With smooths, s(x), in the formula: a `SmoothFit`
    event           of two classes, the one whose probability is modelled: by default the last level, true, the larger
    reference       of more classes, the one that others are compared with: by default the first
    weights         name of a column, or values
    weight_kind     what a weight w of a row means.  "frequency": w rows like it were seen; a whole number.
                    "precision": one row whose log-likelihood counts w times, R's `weights`, and so the trials of a
                    share.  "sampling": it stands for w rows of a population.
    offset          a known part of the log-odds: name of a column, or values
    intercept       of arrays; in a formula write `+ 0` for none
    missing         "drop": rows that lack a value are left out, and counted in the summary; "raise"
    covariance      of the estimates: "model", "HC0" to "HC3", "robust", "CR0", "CR1", "CR1S", "CR2", "bootstrap"; by
                    default that of the model, with clusters CR1, and with sampling weights robust
    cluster         which rows belong together: name of a column (or two, in a list), or values
    level           of intervals
    bias_reduction  "firth" (the mean: Jeffreys' prior) or "median": estimates with less bias, finite on separated data
    strength        of a ridge penalty, strength / 2 |coef|^2; such a fit has estimates, but no standard errors.  Under
                    any penalty every level of a factor has a coefficient, so that answers do not depend on a reference,
                    but for contrasts that the formula names: C(g, treatment)
    policy          for new rows that lack a value, hold a level not seen, or have no offset: "error"; "missing": no
                    prediction; "baseline": the reference level, offset 0.  Of factors, in the fit and in new rows:
                    "own level": rows without a level have the level `missing`, as have levels not seen (where no row of
                    the fit lacks one: under a penalty "shrunken", else "error"); "shrunken", under a penalty: such rows
                    are 0 in all of the factor's columns, to where all levels are drawn.  Saved with the model
    tol             proved distance of the log-likelihood to its maximum, relative to the null model's
    penalty         "lasso", "ridge" or "elastic net" (l1_ratio=0.5), on the scale of `berkson.path`: a `PenalisedFit`,
                    with coefficients, predictions and a certificate, but no inference
    lambda_         how much the penalty weighs; or
    select          "cv": so much as cross-validation chooses, by `rule` "min" (the best mean) or "1se" (the largest
                    within one standard error of it)
    options         with a penalty, those of `berkson.path` (l1_ratio, unpenalised, ...), and with select="cv" those of
                    `berkson.cross_validate` (folds, groups, seed, measure)

    Arrays are read as they lie, for what is asked of the fit later, too: give copies of those that are written to.
    Raises ValueError (FormulaError, InputError, StatisticsError), one sentence, for what cannot be fitted, TypeError
    for what is no table.  Warns of estimates that are infinite (SeparationWarning) and of columns that are combinations
    of others (RankWarning).

    >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
    >>> round(fit.params["dose"], 4), round(fit.bse["dose"], 4)
    (1.214, 0.9126)
    """
    if penalty is not None:
        from berkson.logistic.selection import penalised

        unpenalised = {"covariance": covariance, "cluster": cluster, "bias_reduction": bias_reduction}
        _refuse_together(unpenalised | {"strength": strength or None, "level": None if level == 0.95 else level})
        shared = {"event": event, "weights": weights, "weight_kind": weight_kind, "offset": offset}
        shared |= {"intercept": intercept, "missing": missing, "policy": policy}
        shared |= {"tol": tol, "max_iterations": max_iterations}
        return penalised(formula, data, penalty, lambda_, select, rule, reference, shared | options)
    if options or lambda_ is not None or select is not None:
        _refuse_alone({"lambda_": lambda_, "select": select} | options)
    if missing not in ("drop", "raise"):
        raise ValueError(f"missing={missing!r} is neither 'drop' nor 'raise'")
    if bias_reduction not in (None, "firth", "mean", "median"):
        raise ValueError(f"bias_reduction={bias_reduction!r} is none of 'firth' (the same as 'mean') and 'median'")
    _check_numbers(level, strength, tol, max_iterations)
    if not isinstance(intercept, (bool, np.bool_)):
        raise ValueError(f"intercept={intercept!r} is neither True nor False")
    refuse_other_policies(policy)
    if weight_kind not in get_args(WeightKind):
        raise ValueError(f"weight_kind={weight_kind!r} is none of {listing(get_args(WeightKind))}")
    factors = reading_of(policy, symmetric=strength > 0.0)
    reading = Options(event, weights, offset, missing == "drop", strength, intercept, factors=factors)
    if isinstance(formula, (str, Formula)) and (parse(formula) if isinstance(formula, str) else formula).has_smooths:
        from berkson.logistic.smooth import smooth_fit

        _refuse_with_smooths({"covariance": covariance, "cluster": cluster, "bias_reduction": bias_reduction})
        _refuse_with_smooths({"strength": strength or None})
        shared = {"reference": reference, "weight_kind": weight_kind, "level": level, "policy": policy}
        return smooth_fit(formula, data, reading, **shared, tol=tol, max_iterations=int(max_iterations))
    prepared, result, frames = solved(
        formula,
        data,
        reading,
        weight_kind,
        lambda given: fit(given.problem, tol=tol, max_iterations=int(max_iterations)),
    )
    estimates = Estimates(result, class_number(reference, prepared), weight_kind, trials_of(prepared, weight_kind))
    method: Method | None = "mean" if bias_reduction == "firth" else bias_reduction
    _warn(result, method is not None)
    plain = LogitFit(prepared, estimates, method, frames, level, None, (), policy)
    return with_covariance(plain, covariance, clusters_by(cluster, prepared, frames.index))


def _refuse_together(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"{name}= and penalty= do not go together: a penalised fit has no inference; leave one out"
            )


def _refuse_with_smooths(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"{name}= and smooths do not go together: a smooth has a penalty of its own, and its errors are of "
                f"that; leave {name}= out, or give splines without a penalty, as in ns(x, df=4)"
            )


def _refuse_alone(options: dict[str, Any]) -> None:
    """TypeError for options that there are not, ValueError for those of penalties."""
    from berkson.logistic.asked import FOLDS, Asked

    known = [field.name for field in fields(Asked)]
    for name, value in options.items():
        if name in ("lambda_", "select", *FOLDS, *known):
            if value is not None:
                raise ValueError(f"{name}= is for penalised fits: say which, penalty='lasso', 'ridge' or 'elastic net'")
        else:
            raise TypeError(
                f"logit() has no option {name!r}{suggestion(name, [*signature(logit).parameters, *FOLDS, *known])}"
            )


def _check_numbers(level: object, strength: object, tol: object, max_iterations: object) -> None:
    """ValueError where one of these is no number, or not in its range."""
    for name, value in (("level", level), ("strength", strength), ("tol", tol), ("max_iterations", max_iterations)):
        if not isinstance(value, (int, float, np.number)):
            raise ValueError(f"{name}={value!r} is no number")
        if name in ("level", "tol") and not 0.0 < float(value) < 1.0:
            usual = "no confidence level" if name == "level" else "no distance relative to the null model's objective"
            raise ValueError(f"{name}={value:g} is {usual}: give a number between 0 and 1, such as {USUAL[name]}")
        if name == "strength" and not 0.0 <= float(value) < np.inf:
            raise ValueError(f"strength={value:g} is no ridge: give a finite number, 0 (none) or more")
        if name == "max_iterations" and not (float(value).is_integer() and value > 0):
            raise ValueError(f"max_iterations={value:g} is no number of iterations: give a whole number, such as 100")


def _warn(result: Fit, finite: bool) -> None:
    certificate, problem = result.certificate, result.problem
    if certificate.separation is not None and not finite:
        warnings.warn(certificate.separation.sentence(problem), SeparationWarning, stacklevel=3)
    about_rank = certificate.rank.sentence(problem)
    if about_rank is not None:
        warnings.warn(about_rank, RankWarning, stacklevel=3)
