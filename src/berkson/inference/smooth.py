"""Estimates of a fit with smooths: what penalties hold counts as drawn from a prior, and errors are those of Bayes.

The covariance given the smoothing parameters is (H + S)^-1, by which intervals of a curve have about their coverage on
average along it (Nychka 1988, JASA 83; Marra & Wood 2012, Scandinavian Journal of Statistics 39).  That the smoothing
parameters are estimates, too, is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.formula.smooth_terms import SmoothTerm
from berkson.formula.smooths import Smooth
from berkson.inference.estimates import Estimates
from berkson.inference.likelihood import Likelihood, likelihood
from berkson.select.smoothing import Smoothing

F64 = npt.NDArray[np.float64]

ANGLES, NODES = 64, 200  # of the integrals of a tail: about 10 digits of it
RANK = 2.0**-47  # of the largest eigenvalue: mgcv's .Machine$double.eps^.9


@dataclass(frozen=True)
class SmoothEstimates(Estimates):
    """The parameters of a fit with smooths, which have a covariance, but no likelihood to be tested by."""

    smoothing: Smoothing | None = None

    @property
    def chosen(self) -> Smoothing:
        """The smoothing parameters, and what was found with them."""
        assert self.smoothing is not None
        return self.smoothing

    @cached_property
    def inverse(self) -> F64:
        """(H + S)^-1 in theta (size, size).  StatisticsError where the optimum is not proved."""
        self.require_optimum()
        return self.chosen.inverse

    @cached_property
    def likelihood(self) -> Likelihood:
        """Of the coefficients, without the penalty."""
        return likelihood(self.fit, self.trials, self.chosen.loss)

    @property
    def freedom(self) -> float:
        """The effective degrees of freedom of all coefficients: the trace of (H + S)^-1 H."""
        return float(self.chosen.freedom.sum())

    @property
    def aic(self) -> float:
        """-2 log-likelihood + 2 effective degrees of freedom (conditional; Hastie & Tibshirani 1990)."""
        return 2.0 * self.freedom - 2.0 * self.likelihood.log_likelihood


@dataclass(frozen=True)
class SmoothTest:
    """Of the hypothesis that a smooth is 0 everywhere: its effective degrees of freedom, those of the test, and the
    statistic with its tail."""

    freedom: float
    df: float
    statistic: float
    p_value: float


def smooth_tests(estimates: SmoothEstimates, smooths: Sequence[SmoothTerm]) -> tuple[SmoothTest, ...]:
    """Wood's test (2013, Biometrika 100) of each smooth, that of mgcv's summary.

    With f its columns' part of the predictors, weighted by curvature, and V their covariance: f'V^-f, of a rank that is
    the smooth's edf1 = tr(2F - FF), F = (H + S)^-1 H; its fraction counts by two weights of chi-squareds.  Of the two
    ways in which that can be done statistic and p are means (mgcv shows the statistic of one).  The p is approximate,
    and takes smoothing parameters for known.
    """
    estimates.require_optimum()
    inverse, hessian = estimates.inverse, estimates.at.hessian
    assert hessian is not None
    influence = inverse @ hessian
    both = 2.0 * influence.diagonal() - (influence * influence.T).sum(axis=1)
    found = []
    for smooth in smooths:
        own = list(smooth.columns)
        freedom, rank = float(influence.diagonal()[own].sum()), min(float(both[own].sum()), float(len(own)))
        block = np.ix_(own, own)
        statistic, p_value = _wald(estimates.theta[own], hessian[block], inverse[block], rank)
        found.append(SmoothTest(freedom, rank, statistic, p_value))
    return tuple(found)


@dataclass(frozen=True)
class Curve:
    """A smooth of one variable, on the scale of log-odds, at points x (m,), with its standard errors (m,)."""

    x: F64
    estimate: F64
    std_error: F64


def curve_of(estimates: SmoothEstimates, smooth: SmoothTerm, basis: Smooth, points: int) -> Curve:
    """A smooth over the range of what it was learned from; its mean over those rows is 0."""
    x = np.linspace(*basis.range, points)
    columns, at = basis.evaluate(x), estimates.positions(smooth.columns)
    covariance = estimates.from_theta(estimates.inverse)[np.ix_(at, at)]
    variance = ((columns @ covariance) * columns).sum(axis=1)
    return Curve(x, columns @ estimates.params[at], np.sqrt(np.maximum(variance, 0.0)))


def _wald(theta: F64, hessian: F64, covariance: F64, rank: float) -> tuple[float, float]:
    """(statistic, p) of theta = 0, by the part of so many dimensions that varies most."""
    values, vectors = np.linalg.eigh(hessian)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T  # root'root is the Hessian, as R'R in the paper
    spread, axes = np.linalg.eigh(root @ covariance @ root.T)
    spread, axes = spread[::-1], axes[:, ::-1]
    along = axes.T @ (root @ theta)
    whole, most = math.floor(rank), int((spread > spread[0] * RANK).sum())
    part = rank - whole
    if most < whole + (part > 0.0):
        whole, part = most, 0.0
    if whole == 0 or part == 0.0:
        whole = max(whole, 1)
        statistic = float((along[:whole] ** 2 / spread[:whole]).sum())
        return statistic, _tail(statistic, whole, None)
    fixed = float((along[: whole - 1] ** 2 / spread[: whole - 1]).sum())
    last, mixed = (
        along[whole - 1 : whole + 1] / np.sqrt(spread[whole - 1 : whole + 1]),
        math.sqrt(part * (1 - part) / 2),
    )
    ways = [fixed + last[0] ** 2 + part * last[1] ** 2 + sign * 2.0 * mixed * last[0] * last[1] for sign in (1.0, -1.0)]
    larger = 0.5 * (part + 1.0 + math.sqrt((1.0 + part) * (1.0 - part)))
    p_values = [_tail(float(way), whole - 1, (larger, part + 1.0 - larger)) for way in ways]
    return float(0.5 * sum(ways)), 0.5 * sum(p_values)


def _tail(statistic: float, whole: int, parts: tuple[float, float] | None) -> float:
    """P(chi-squared_whole + a chi-squared_1 + b chi-squared_1 > statistic), (a, b) `parts`.

    In polar coordinates the two are c(angle) = a cos^2 + b sin^2 times a chi-squared of 2 df, whose tail is e^(-t / 2).
    """
    from scipy.special import chdtrc, gammaln  # type: ignore[import-untyped]

    if parts is None:
        return float(chdtrc(whole, statistic))
    angle = np.pi * (np.arange(ANGLES) + 0.5) / ANGLES  # of a periodic function
    c = parts[0] * np.cos(angle) ** 2 + parts[1] * np.sin(angle) ** 2
    if whole == 0:
        return float(np.exp(-0.5 * statistic / c).mean())
    node, weight = np.polynomial.legendre.leggauss(NODES)
    s = 0.5 * (node + 1.0)  # the first chi-squared is statistic s^2
    t = statistic * s * s
    with np.errstate(divide="ignore"):
        log_density = (0.5 * whole - 1.0) * np.log(t) - 0.5 * t - 0.5 * whole * math.log(2.0) - gammaln(0.5 * whole)
    log_density = log_density + np.log(2.0 * statistic * s) + np.log(0.5 * weight)
    over = np.exp(log_density[:, None] - 0.5 * (statistic - t)[:, None] / c).sum(axis=0).mean()
    return float(chdtrc(whole, statistic) + over)
