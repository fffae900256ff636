"""Tests of whether a model fits: Pearson's chi^2 of grouped counts, the unweighted sum of squares of single outcomes.

Hosmer and Lemeshow's test, which needs probabilities alone, is in `calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import CELLS, Estimates, StatisticsError
from berkson.inference.residuals import of_rows, rows_of
from berkson.kernels.reference import sigmoid, softmax_terms

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pearson:
    """Pearson's chi^2 = sum w (y - mu)^2 / (mu (1 - mu)), for classes sum w (y_k - mu_k)^2 / mu_k, its degrees of
    freedom (K - 1) n_obs - parameters, and their ratio, the dispersion: about 1 where counts vary as the model says.
    Of rows that are single outcomes neither tells anything of the fit.
    """

    statistic: float
    df: float
    dispersion: float

    @property
    def p_value(self) -> float:
        """Where expected counts are not small."""
        from scipy.special import chdtrc  # type: ignore[import-untyped]

        return float(chdtrc(self.df, self.statistic)) if self.df > 0 else math.nan


def pearson(estimates: Estimates) -> Pearson:
    """Pearson's chi^2; StatisticsError under sampling weights, which do not tell how precise a row is."""
    estimates.require()
    if estimates.weight_kind == "sampling" and estimates.problem.weight is not None:
        raise StatisticsError(
            "sampling weights do not tell how precise a row is, so Pearson's chi^2 tells nothing; look at residuals"
        )
    total = 0.0
    for run in _runs(estimates):
        rows = rows_of(estimates, run)
        if rows.eta.ndim == 1:
            residual = of_rows(rows, "pearson")
            total += float(residual @ residual)
        else:
            squares, mu = of_rows(rows, "response") ** 2, softmax_terms(rows.eta)[1]
            parts = np.divide(squares, mu, out=np.zeros_like(mu), where=mu > 0.0).sum(axis=1)  # 0 in the limit mu -> 0
            total += float(parts.sum() if rows.weight is None else rows.weight @ parts)
    df = estimates.n_obs * len(estimates.equations) - int(np.count_nonzero(estimates.estimable))
    return Pearson(total, df, total / df if df > 0.0 else math.nan)


@dataclass(frozen=True)
class SumOfSquares:
    """The sum of squared errors, what the model expects of it with its standard deviation, z and the two-sided p."""

    sum_of_squares: float
    expected: float
    std_deviation: float
    z: float
    p_value: float


def unweighted_sum_of_squares(estimates: Estimates) -> SumOfSquares:
    """The test of fit of le Cessie & van Houwelingen (Biometrics 47, 1991) and Copas in the form of Hosmer, Hosmer, le
    Cessie & Lemeshow (Statistics in Medicine 16, 1997), as rms::residuals(type = "gof"); two classes.

        (sum (y - p)^2 - sum v) / sqrt(min_b sum v (1 - 2 p - x'b)^2),  v = p (1 - p),  is standard normal

    It needs no groups.  Frequency weights and grouped counts are taken as single outcomes; StatisticsError for other
    kinds of weight.  Three readings of X.
    """
    estimates.require()
    if estimates.problem.n_classes > 2:
        raise StatisticsError(
            f"the test of the sum of squares is for two classes, and the response has {estimates.problem.n_classes}; "
            "use Hosmer and Lemeshow's"
        )
    if not estimates.counts_outcomes:
        raise StatisticsError(
            f"the test of the sum of squares needs independent outcomes, which {estimates.weight_kind} weights do not "
            "count; fit without weights, or with frequency weights"
        )
    moment, total, expected = np.zeros(estimates.problem.X.shape[1] + 1), 0.0, 0.0
    for run, y, p, complement, weight in _probabilities(estimates):
        v = weight * p * complement
        X = estimates.rows.design.run_of(run).dense_rows(np.arange(len(p)), estimates.rows.coordinates.center)
        moment += (v * (complement - p)) @ X
        total += float(weight @ (y * complement**2 + (1.0 - y) * p**2))
        expected += float(v.sum())
    deviation = math.sqrt(_unexplained(estimates, moment))
    if not deviation > 1e-8 * math.sqrt(expected):  # rounding
        raise StatisticsError(
            "the model explains the variance of its squared errors in full, so this test says nothing; use Hosmer and "
            "Lemeshow's, or a test of added terms"
        )
    z = (total - expected) / deviation
    return SumOfSquares(total, expected, deviation, z, math.erfc(abs(z) / math.sqrt(2.0)))


def _unexplained(estimates: Estimates, moment: F64) -> float:
    """min_b sum v (1 - 2 p - x'b)^2, given sum v (1 - 2 p) x in the kernel's coordinates."""
    place = estimates.rows.coordinates
    best = place.expand(estimates.inverse @ place.gradient(moment))[:, None]
    total = 0.0
    for run, _, p, complement, weight in _probabilities(estimates):
        rest = estimates.rows.design.run_of(run).linear_predictor(None, place.center, best, 1)[:, 0]
        rest = complement - p - rest
        total += float((weight * p * complement) @ (rest * rest))
    return total


def _probabilities(estimates: Estimates) -> Iterator[tuple[slice, F64, F64, F64, F64]]:
    """(run of rows, outcome, probability, its complement, weight)"""
    for run in _runs(estimates):
        eta, y, weight = rows_of(estimates, run)
        w = np.ones(len(y)) if weight is None else weight
        yield run, y.astype(np.float64, copy=False), sigmoid(eta), sigmoid(-eta), w


def _runs(estimates: Estimates) -> Iterator[slice]:
    n, p = estimates.problem.X.shape
    step = max(1, CELLS // (p + 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
