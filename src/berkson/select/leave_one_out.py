"""Approximate leave-one-out: what each row's loss would be without the row, for all penalties of a path, from the path.

With h_i = x_i' H^-1 x_i, H the objective's Hessian on the columns that have a coefficient (under a ridge, with it), v_i
the loss's curvature and w_i the row's weight, one Newton step for the fit without row i moves its linear predictor to

    eta_i + w_i (p_i - y_i) h_i / (1 - w_i v_i h_i)

(Rad & Maleki, Journal of the Royal Statistical Society B 82, 2020; of the lasso: Auddy, Zou, Rahnama Rad & Maleki,
Annals of Statistics 52, 2024).  Where lambda weighs against the mean of losses, it weighs w_i / W less against the sum
of those that are left, which adds  - w_i x_i' H^-1 g / W / (1 - w_i v_i h_i),  g the losses' gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.fit import penalty_of
from berkson.inverse import inverse_of
from berkson.kernels.reference import logistic_curvature_weight, sigmoid
from berkson.prepare import standardised
from berkson.problem import InputError
from berkson.rows.memory import PREDICTORS, InMemory
from berkson.rows.questions import Evaluate, Evaluation
from berkson.select.measures import Measure, least_loss
from berkson.select.path import Path
from berkson.select.wide import WideStart

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

FARTHEST, FULLEST = 0.5, 0.1  # of w v h, and of columns that a lasso chose to rows: beyond, supports change with rows
NEAR = 2.0  # standard errors of the best mean, or of the difference to it, within which a lambda is shortlisted
CELLS = 1 << 22  # of rows' losses that are held


@dataclass(frozen=True)
class LeaveOneOut:
    """Approximate leave-one-out along a path.

    mean (L,), se (L,)  of the rows' losses, each predicted without the row, by weight; NaN outside the range
    difference (L,)     standard error of a mean less the best one (of evenly spaced rows where they are many)
    leverage (L,)       the largest w_i v_i h_i
    chosen (L,)         columns that the lasso chose, by rows
    within (L,)         the range: leverage below 0.5 and chosen below 0.1
    """

    path: Path
    measure: Measure
    mean: F64
    se: F64
    difference: F64
    leverage: F64
    chosen: F64

    @cached_property
    def within(self) -> npt.NDArray[np.bool_]:
        """Where the approximation is offered (L,)."""
        return (self.leverage < FARTHEST) & (self.chosen < FULLEST)

    @property
    def best(self) -> int:
        """The place of the best mean within the range, of equal ones the largest lambda."""
        return int(np.nanargmin(self.mean))

    @property
    def one_se(self) -> int:
        """The place of the largest lambda whose mean is within one standard error of the best."""
        return int(np.argmax(self.mean <= self.mean[self.best] + self.se[self.best]))

    @property
    def shortlist(self) -> F64:
        """The lambdas among which folds are likely to choose: those whose mean less the best one is within 2 standard
        errors of the mean, and of the smaller ones only those within 2 standard errors of the difference."""
        above = self.mean - self.mean[self.best]
        first = int(np.argmax(above <= NEAR * self.se))
        return self.path.lambdas[first : int(np.flatnonzero(above <= NEAR * self.difference)[-1]) + 1]

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the approximation is not offered, and why; empty where it is throughout."""
        outside = np.flatnonzero(~self.within)
        if not len(outside):
            return ()
        i = int(outside[0])
        why = (
            f"the lasso chose {self.chosen[i]:.3g} columns a row, and from 0.1 on supports change with rows"
            if not self.chosen[i] < FULLEST
            else f"a row's own share in its prediction is {self.leverage[i]:.3g}, and from 0.5 on a step is no fit"
        )
        return (
            f"approximate leave-one-out is not offered at {len(outside)} of {len(self.mean)} lambdas, the largest "
            f"{self.path.lambdas[i]:.4g}, where {why}: use cross_validate there",
        )


def leave_one_out(path: Path, measure: Measure = "log_loss") -> LeaveOneOut:
    """The loss of each row without the row, to the first order of what the row changes, for all fits of a path.

    measure  "log_loss", "deviance" or "brier", each a mean over rows by weight.  Accuracy has no derivative, and an AUC
             over rows that were each predicted by another fit is biased: both are refused.

    Two readings a lambda of the columns that have a coefficient, the first for the Hessian.  Within the range means of
    log loss were found within 0.01 and 0.25 standard errors of exact leave-one-out, of a ridge within 0.004 and 0.15,
    at small leverages far closer (n from 100 to 300; `tests/test_leave_one_out.py`).  At the largest lambda of a lasso
    nearly all rows are predicted alike without themselves, and the error, up to 0.005, may be standard errors.  Columns
    are standardised by all rows.  Outside the range means are NaN.

    Raises InputError, one sentence, for more than two classes, groups, bounds, and where no lambda is in the range.
    """
    _refuse(path, measure)
    n = len(path.problem.y)
    judged = []
    every = max(1, n * len(path.lambdas) // CELLS)
    with one_thread(path.problem.unknowns):
        for rows, theta, ridge, selected in _blocks(path):
            one = _judge(rows, theta, ridge, measure, path.options.scale == "mean", every)
            judged.append((*one, float(selected)))
    mean, se, leverage, losses, counts = (np.array(values) for values in zip(*judged, strict=True))
    weight = np.ones(n) if path.problem.weight is None else path.problem.weight
    of_weight = int(np.count_nonzero(weight))
    found = LeaveOneOut(path, measure, mean, se, np.zeros(len(mean)), leverage, counts / of_weight)
    if not found.within.any():
        raise InputError(found.notes[0])
    mean[~found.within], se[~found.within] = math.nan, math.nan
    return replace(found, difference=_paired(losses - losses[found.best], weight[::every], of_weight))


def _paired(less: F64, weight: F64, count: int) -> F64:
    """Standard errors (L,) of means over `count` rows, from the differences (L, m) of some."""
    mean = less @ weight / weight.sum()
    square: F64 = (less - mean[:, None]) ** 2 @ weight / weight.sum()
    return np.sqrt(square / max(count - 1, 1))


def _refuse(path: Path, measure: Measure) -> None:
    options, instead = path.options, "use cross_validate"
    if measure == "auc":
        raise InputError(
            "an AUC over rows that were each predicted without themselves is biased, since each fit lacks a row of the "
            f"class it predicts: {instead}, whose folds have an AUC each"
        )
    if measure not in ("log_loss", "deviance", "brier"):
        raise InputError(f"approximate leave-one-out has log_loss, deviance and brier, not {measure!r}: {instead}")
    if path.problem.n_classes > 2:
        raise InputError(f"approximate leave-one-out is for two classes, not {path.problem.n_classes}: {instead}")
    if options.groups is not None or options.lower is not None or options.upper is not None:
        raise InputError(f"approximate leave-one-out is not made for groups and bounds of columns: {instead}")


def _blocks(path: Path) -> Iterator[tuple[InMemory, F64, F64, int]]:
    """Of each fit the columns with a coefficient: rows, theta and ridge of those, how many of them the lasso chose."""
    start = path.start
    if isinstance(start, WideStart):
        yield from _wide_blocks(path, start)
        return
    for lambda_, theta in zip(path.lambdas.tolist(), path.thetas, strict=True):
        penalty = start.penalty(lambda_)
        places = np.flatnonzero((theta != 0.0) | (penalty.threshold == 0.0))
        rows = start.rows if len(places) == len(theta) else start.rows.gathered(places)
        count = int(np.count_nonzero(penalty.threshold[places]))
        yield rows, theta[places], penalty.strength[places], count


def _wide_blocks(path: Path, start: WideStart) -> Iterator[tuple[InMemory, F64, F64, int]]:
    """The same in the row space of a wide table under a ridge."""
    space, problem = start.space, path.problem
    inner = replace(problem, X=space.rows, names=())
    rows = standardised(inner)
    gamma, constant = space.gamma(path.coef[:, 0]), path.intercept[:, 0] + path.coef[:, 0] @ space.center
    for i, lambda_ in enumerate(path.lambdas.tolist()):
        theta = rows.coordinates.from_original(gamma[i : i + 1], constant[i : i + 1])
        ridge = replace(inner, strength=path.options.amount(lambda_, start.class_weight))
        yield rows, theta, penalty_of(ridge, rows.coordinates).strength, 0


def _judge(
    rows: InMemory, theta: F64, ridge: F64, measure: Measure, of_mean: bool, every: int
) -> tuple[float, float, float, F64]:
    """Mean and standard error of the rows' losses without themselves, the largest w v h, the losses of some rows."""
    at: Evaluation = rows.answer_one(Evaluate(theta, 2))
    assert at.gradient is not None
    assert at.hessian is not None
    inverse = inverse_of(at.hessian + np.diag(ridge))
    if inverse is None:  # nothing is known of the fit without a row
        return math.nan, math.nan, math.inf, np.zeros(len(rows.y[::every]))
    total = float(rows.n_rows if rows.weight is None else rows.weight.sum())
    drift = inverse @ at.gradient / total if of_mean else np.zeros(len(theta))
    sums, largest, count, losses = np.zeros(2), 0.0, 0, []
    for eta, step, leverage, y, weight in _without(rows, theta, drift, inverse):
        loss, moved = _loss(eta + step, y, measure), weight > 0.0
        losses.append(loss)
        sums += weight[moved] @ np.column_stack([loss, loss * loss])[moved]
        largest, count = max(largest, float(leverage.max(initial=0.0))), count + int(moved.sum())
    mean, square = (sums / total).tolist()
    return mean, math.sqrt(max(square - mean * mean, 0.0) / max(count - 1, 1)), largest, np.concatenate(losses)[::every]


def _without(rows: InMemory, theta: F64, drift: F64, inverse: F64) -> Iterator[tuple[F64, F64, F64, F64, F64]]:
    """By runs of rows: linear predictor, its step without the row, w v h, label, weight."""
    place, design = rows.coordinates, rows.design
    coef, metric = np.column_stack([place.expand(theta), place.expand(drift)]), place.metric(inverse)
    for first in range(0, rows.n_rows, PREDICTORS):
        run = slice(first, min(first + PREDICTORS, rows.n_rows))
        part, threads = design.run_of(run), rows.whole.threads
        eta, drifted = part.linear_predictor(None, place.center, coef, threads).T
        if rows.offset is not None:
            eta = eta + rows.offset[run]
        y = rows.y[run].astype(np.float64)
        weight = np.ones(len(y)) if rows.weight is None else rows.weight[run]
        form = part.quadratic_form(None, place.center, metric, threads)
        leverage = weight * logistic_curvature_weight(eta) * form
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = weight * ((sigmoid(eta) - y) * form - drifted) / (1.0 - leverage)
        yield eta, step, leverage, y, weight


def _loss(eta: F64, y: F64, measure: Measure) -> F64:
    if measure == "brier":
        squared: F64 = (y - sigmoid(eta)) ** 2
        return squared
    loss: F64 = np.logaddexp(0.0, eta) - y * eta
    return loss if measure == "log_loss" else 2.0 * (loss - least_loss(y))
