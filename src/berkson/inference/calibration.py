"""Calibration: do events happen as often as the probabilities say?  Recalibration, curves, tests, Brier's score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.fit import fit
from berkson.inference.covariance import covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.forecasts import Forecasts
from berkson.kernels.reference import sigmoid
from berkson.problem import Problem

F64 = npt.NDArray[np.float64]

KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)  # quantiles (Harrell, Regression Modeling Strategies, table 2.3)


# --- recalibration --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recalibration:
    """logit P(event) = intercept + slope logit(probability), fitted to the outcomes (Cox, Biometrika 45, 1958).

    slope      1 where probabilities are right, below 1 where they are too extreme.
    in_the_large   the intercept where the slope is held at 1: above 0 where events are more frequent than foretold.

    Each with its model-based standard error.
    """

    intercept: float
    intercept_std_error: float
    slope: float
    slope_std_error: float
    in_the_large: float
    in_the_large_std_error: float


def recalibration(forecasts: Forecasts) -> Recalibration:
    """Calibration slope, intercept and calibration in the large; two classes, weights that count outcomes.

    StatisticsError where a probability is 0 or 1, or where outcomes separate along the probabilities.
    """
    forecasts.require_counts("a standard error of calibration")
    logit = log_odds(forecasts)
    (b0, b1), (s0, s1) = _fitted(forecasts, logit[:, None], None)
    (large,), (error,) = _fitted(forecasts, logit[:, None][:, :0], logit)
    return Recalibration(float(b0), float(s0), float(b1), float(s1), float(large), float(error))


def log_odds(forecasts: Forecasts) -> F64:
    """logit(probability) (n,); StatisticsError where one is infinite."""
    forecasts.require_two()
    p = forecasts.probability
    certain = (p == 0.0) | (p == 1.0)
    if certain.any():
        row = int(np.argmax(certain))
        raise StatisticsError(
            f"the probability in row {row} is {p[row]:g}, whose log-odds are infinite, so calibration on the "
            "log-odds is not defined; judge probabilities strictly between 0 and 1"
        )
    return np.log(p) - np.log1p(-p)


def _fitted(forecasts: Forecasts, X: F64, offset: F64 | None) -> tuple[F64, F64]:
    """Estimates and standard errors of the outcomes' regression on [1, X]."""
    problem = Problem(X, forecasts.y, 2, forecasts.weight, offset, names=("logit(probability)",) * X.shape[1])
    estimates = Estimates(fit(problem))
    if estimates.fit.certificate.separation is not None:
        raise StatisticsError(
            "the outcomes are separated by the probabilities, so the slope of calibration is infinite; judge the "
            "model on rows that were held out"
        )
    estimates.require()
    return estimates.params, covariance(estimates).std_error


# --- groups ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """Rows of similar probability (g,): the ends of each group, its weight, and the mean probability and the share of
    events in it."""

    low: F64
    high: F64
    weight: F64
    probability: F64
    observed: F64


def calibration_groups(forecasts: Forecasts, groups: int = 10) -> Groups:
    """The calibration curve in `groups` of equal weight, cut at quantiles of the probability, fewer where those
    coincide; two classes, any weights."""
    forecasts.require_two()
    cuts, cell = _quantile_groups(forecasts.probability, forecasts.weight, groups)
    events, others = (_sums(cell, w, len(cuts) - 1) for w in (forecasts.events, forecasts.others))
    weight = events + others
    expected = _sums(cell, (forecasts.events + forecasts.others) * forecasts.probability, len(cuts) - 1)
    with np.errstate(invalid="ignore"):
        return Groups(cuts[:-1], cuts[1:], weight, expected / weight, events / weight)


def _quantile_groups(score: F64, weight: F64 | None, groups: int) -> tuple[F64, npt.NDArray[np.intp]]:
    """Cuts at the distinct quantiles k / groups, and the group (cut below, cut] of each row; the first holds its cut.

    Quantiles interpolate between order statistics as R's do (type 7); weights count rows like it.
    """
    if not isinstance(groups, (int, np.integer)) or groups < 2:
        raise StatisticsError(f"{groups} groups are too few to compare; 10 are usual")
    order = np.argsort(score, kind="stable")
    above = None if weight is None else np.cumsum(weight[order])

    def statistic(at: F64) -> F64:
        """The order statistics with these numbers, counted from 0."""
        place = at.astype(np.intp) if above is None else np.searchsorted(above, at, side="right")
        return score[order[np.minimum(place, len(score) - 1)]]

    count = float(len(score) if above is None else above[-1])
    place = (count - 1.0) * np.minimum(np.arange(groups + 1) * (1.0 / groups), 1.0)
    below, beyond, part = statistic(np.floor(place)), statistic(np.ceil(place)), place - np.floor(place)
    cuts = np.where(beyond == below, below, (1.0 - part) * below + part * beyond)  # in R's order of operations
    cuts = np.unique(cuts)
    if len(cuts) < 2:
        raise StatisticsError("all probabilities are the same, so there are no groups to compare")
    return cuts, np.clip(np.searchsorted(cuts, score, side="left") - 1, 0, len(cuts) - 2)


def _sums(cell: npt.NDArray[np.intp], weight: F64, groups: int) -> F64:
    return np.bincount(cell, weights=weight, minlength=groups).astype(np.float64, copy=False)


@dataclass(frozen=True)
class HosmerLemeshow:
    """chi^2 = sum over groups and classes of (observed - expected)^2 / expected, its degrees of freedom and p value.

    weight (g,), observed and expected (g, K): of each group and class.
    """

    statistic: float
    df: int
    p_value: float
    weight: F64
    observed: F64
    expected: F64


def hosmer_lemeshow(forecasts: Forecasts, groups: int = 10) -> HosmerLemeshow:
    """Hosmer & Lemeshow's test of fit (1980), and its like for K classes (Fagerland, Hosmer & Bofin, Statistics in
    Medicine 27, 2008), of probabilities fitted to these outcomes.

    Groups are cut at quantiles of 1 - P(class 0), the probability of the event for two classes, as in R's
    ResourceSelection and generalhoslem; df = (groups - 2) (K - 1).  Where ties leave fewer groups than were asked for,
    df counts those that there are (ResourceSelection keeps the number asked for, and so a p value that is too large).
    Weights count outcomes; StatisticsError for other kinds.
    """
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    forecasts.require_counts("the test of Hosmer and Lemeshow")
    P = forecasts.probability
    P = np.column_stack([1.0 - P, P]) if P.ndim == 1 else P
    score = forecasts.probability if forecasts.n_classes == 2 else 1.0 - P[:, 0]
    cuts, cell = _quantile_groups(score, forecasts.weight, groups)
    g, K = len(cuts) - 1, forecasts.n_classes
    if g < 3:
        raise StatisticsError(f"{g} groups leave the test no degree of freedom; ask for more, or look at the ties")
    seen = np.column_stack([forecasts.others, forecasts.events]) if K == 2 else forecasts.indicators()
    weight = seen.sum(axis=1)
    size = _sums(cell, weight, g)
    if not size.all():
        raise StatisticsError(f"{groups:,} groups are more than {len(weight):,} rows can fill; ask for fewer")
    observed = np.column_stack([_sums(cell, seen[:, k], g) for k in range(K)])
    expected = np.column_stack([_sums(cell, weight * P[:, k], g) for k in range(K)])
    statistic = float(((observed - expected) ** 2 / expected).sum())
    df = (g - 2) * (K - 1)
    return HosmerLemeshow(statistic, df, float(chdtrc(df, statistic)), size, observed, expected)


# --- curves ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CalibrationCurve:
    """A smooth calibration curve: `observed` (m,) is the estimated frequency of events where the probability is
    `probability`; over the rows, the mean of |observed - probability| (the integrated calibration index), its median
    and its largest value (Austin & Steyerberg, Statistics in Medicine 38, 2019)."""

    probability: F64
    observed: F64
    mean_error: float
    median_error: float
    largest_error: float


def calibration_curve(forecasts: Forecasts, points: int = 101) -> CalibrationCurve:
    """The curve of a logistic regression of the outcomes on a natural cubic spline of logit(probability), 5 knots; two
    classes, any weights."""
    logit = log_odds(forecasts)
    used = slice(None) if forecasts.weight is None else forecasts.weight > 0.0
    knots = np.unique(np.quantile(logit[used], KNOTS))
    grid = np.linspace(logit[used].min(), logit[used].max(), points)
    estimates = Estimates(fit(Problem(_natural_spline(logit, knots), forecasts.y, 2, forecasts.weight)))
    estimates.require()
    params = np.where(estimates.estimable, estimates.params, 0.0)
    predictor = params[0] + _natural_spline(grid, knots) @ params[1:]
    fitted = sigmoid(estimates.linear_predictor()[:, 0])
    error, weight = np.abs(fitted - forecasts.probability), forecasts.events + forecasts.others
    order = np.argsort(error)
    middle = int(np.searchsorted(np.cumsum(weight[order]), 0.5 * forecasts.total))
    return CalibrationCurve(
        sigmoid(grid),
        sigmoid(predictor),
        float(weight @ error) / forecasts.total,
        float(error[order[middle]]),
        float(error[used].max()),
    )


def _natural_spline(x: F64, knots: F64) -> F64:
    """x and the truncated cubes that are linear beyond the outer knots (n, knots - 1); x alone for few knots."""
    if len(knots) < 3:
        return x[:, None]
    last, before = knots[-1], knots[-2]
    scale = (last - knots[0]) ** 2

    def cube(knot: float) -> F64:
        return np.maximum(x - knot, 0.0) ** 3 / scale  # type: ignore[no-any-return]

    bends = [
        cube(knot) - cube(before) * (last - knot) / (last - before) + cube(last) * (before - knot) / (last - before)
        for knot in knots[:-2]
    ]
    return np.column_stack([x, *bends])


# --- Brier's score --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brier:
    """Brier's score and its parts.

    score        mean of (outcome - probability)^2, for K classes summed over classes
    scaled       1 - score / uncertainty: 1 for certainty that is right, 0 for the mean frequency
    uncertainty  the score of the mean frequency, share (1 - share) summed over the classes counted
    reliability, resolution, within   (two classes, else NaN) score = reliability - resolution + uncertainty + within,
                 over groups of equal weight: squared distance of mean probability and frequency (0 is best), variance
                 of the frequency between groups, and what probabilities that differ inside a group add
    spiegelhalter_z, p_value   (two classes, weights that count, else NaN) whether the score is what the probabilities
                 themselves expect (Spiegelhalter, Statistics in Medicine 5, 1986); p two-sided
    """

    score: float
    scaled: float
    uncertainty: float
    reliability: float
    resolution: float
    within: float
    spiegelhalter_z: float
    p_value: float


def brier(forecasts: Forecasts, groups: int = 10) -> Brier:
    """Brier's score (Monthly Weather Review 78, 1950) with Murphy's decomposition; any weights."""
    total, nothing = forecasts.total, math.nan
    if forecasts.n_classes > 2:
        seen, P = forecasts.indicators(), forecasts.probability
        weight = seen.sum(axis=1)
        # a row's sum over classes of y (1 - p)^2 + (1 - y) p^2
        score = float((seen * (1.0 - P) ** 2 + (weight[:, None] - seen) * P**2).sum()) / total
        share = seen.sum(axis=0) / total
        uncertainty = float((share * (1.0 - share)).sum())
        scaled = 1.0 - score / uncertainty
        return Brier(score, scaled, uncertainty, nothing, nothing, nothing, nothing, nothing)
    p, events, others = forecasts.probability, forecasts.events, forecasts.others
    score = float(events @ (1.0 - p) ** 2 + others @ p**2) / total
    share = float(events.sum()) / total
    uncertainty = share * (1.0 - share)
    reliability, resolution = 0.0, 0.0
    if p.min() < p.max():
        found = calibration_groups(forecasts, groups)
        held = found.weight > 0.0
        part = found.weight[held] / total
        reliability = float(part @ (found.probability[held] - found.observed[held]) ** 2)
        resolution = float(part @ (found.observed[held] - share) ** 2)
    else:
        reliability = (float(p[0]) - share) ** 2
    z = nothing
    if forecasts.weight is None or forecasts.weight_kind == "frequency":
        z = _spiegelhalter(forecasts)
    return Brier(
        score,
        1.0 - score / uncertainty if uncertainty > 0.0 else nothing,
        uncertainty,
        reliability,
        resolution,
        score - reliability + resolution - uncertainty,
        z,
        math.erfc(abs(z) / math.sqrt(2.0)),
    )


def _spiegelhalter(forecasts: Forecasts) -> float:
    p, weight = forecasts.probability, forecasts.events + forecasts.others
    variance = float(weight @ ((1.0 - 2.0 * p) ** 2 * p * (1.0 - p)))
    excess = float((forecasts.events - weight * p) @ (1.0 - 2.0 * p))
    return excess / math.sqrt(variance) if variance > 0.0 else math.nan
