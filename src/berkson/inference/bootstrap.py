"""The bootstrap of the estimates: covariance and intervals that rest on resampled observations or clusters alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import CELLS, Estimates, StatisticsError
from berkson.inference.replicates import replicates
from berkson.inference.resampling import Resampling
from berkson.inference.scores import residuals, units

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Method = Literal["percentile", "basic", "bca"]

LEAST = 0.5  # share of the replicates that must have estimates


@dataclass(frozen=True)
class Bootstrap:
    """params (d,) of the whole and `replicates` (B, d) of the resampled, NaN in those without a proved optimum, whose
    reasons `failures` counts ("separated", "aliased", "one class", "not proved").  `samples` drew them.
    """

    estimates: Estimates
    samples: Resampling
    replicates: F64
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.estimates.names

    @property
    def fitted(self) -> F64:
        """The replicates that have estimates (B', d)."""
        return self.replicates[np.isfinite(self.replicates[:, self.estimates.estimable]).all(axis=1)]

    @property
    def note(self) -> str:
        """What was drawn, and which replicates have no estimates; empty where all have."""
        if not self.failures:
            return ""
        counts = ", ".join(f"{count:,} {reason}" for reason, count in self.failures.items())
        return (
            f"{sum(self.failures.values()):,} of {len(self.replicates):,} bootstrap replicates have no estimates "
            f"({counts}) and are left out, so what the others tell of large coefficients is too narrow"
        )


def bootstrap(
    estimates: Estimates, count: int = 999, *, seed: int = 0, cluster: Array | None = None, bayesian: bool = False
) -> Bootstrap:
    """Refit `count` samples of observations, or of clusters (integer codes (n,)), drawn with replacement; or all of
    them under the weights of the Bayesian bootstrap (see `Resampling`), whose replicates are draws of a posterior.

    Sample b is the same for the same seed, however many are drawn.  Its estimates are proved to lie within 1e-4
    standard errors of their optimum; of more than 8,192 rows of a dense table and two classes within 0.03, usually a
    tenth of it: chance leaves the spread of 1,000 samples uncertain by 0.02 of itself.  StatisticsError where fewer
    than half of the replicates have estimates, whose spread would be that of a choice among samples, or the fit has
    none.
    """
    if not isinstance(count, (int, np.integer)) or count < 2:
        raise StatisticsError(f"{count} bootstrap replicates tell nothing of a spread; 999 are usual")
    samples = Resampling(estimates, seed, cluster, bayesian)
    params, failures = np.full((count, len(estimates.names)), math.nan), dict[str, int]()
    for replicate in replicates(estimates, samples, range(count)):
        if replicate.theta is not None:
            params[replicate.number] = estimates.jacobian @ replicate.theta
        else:
            assert replicate.failure is not None
            failures[replicate.failure] = failures.get(replicate.failure, 0) + 1
    params[:, ~estimates.estimable] = math.nan
    found = Bootstrap(estimates, samples, params, failures)
    if len(found.fitted) < max(2, LEAST * count):
        counts = ", ".join(f"{count:,} {reason}" for reason, count in failures.items())
        raise StatisticsError(
            f"only {len(found.fitted):,} of {count:,} bootstrap replicates have estimates ({counts}), and such a "
            "choice of samples tells little of a spread; use intervals by profile likelihood, or bias reduction (Firth)"
        )
    return found


def bootstrap_covariance(found: Bootstrap) -> Covariance:
    """The covariance of the replicates, with their number less 1 for divisor; NaN where not estimable."""
    kept = found.fitted
    centred = kept - kept.mean(axis=0)
    return Covariance(
        f"bootstrap ({len(kept):,} samples of {found.samples.what})", centred.T @ centred / (len(kept) - 1)
    )


# --- intervals ------------------------------------------------------------------------------------------------------


def bootstrap_interval(found: Bootstrap, level: float = 0.95, method: Method = "bca") -> tuple[F64, F64]:
    """The ends (d,), (d,) of intervals for the parameters, as R's boot.ci: quantiles of the replicates are interpolated
    on the normal scale.

    percentile   the quantiles at (1 -+ level) / 2
    basic        twice the estimate less the opposite quantiles
    bca          quantiles moved by bias and acceleration (Efron, Journal of the American Statistical Association 82,
                 1987), the acceleration from the observations' infinitesimal influence

    NaN where a parameter is not estimable.  StatisticsError where the replicates are too few for the level, or are
    draws of a posterior, of which only the percentiles mean anything.
    """
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"the level {level:g} of an interval is not between 0 and 1; 0.95 is usual")
    if found.samples.bayesian and method != "percentile":
        raise StatisticsError(
            f"a {method} interval corrects for drawing samples, and the Bayesian bootstrap draws a posterior; use "
            "method='percentile'"
        )
    kept, params = found.fitted, found.estimates.params
    low, high = np.full(len(params), math.nan), np.full(len(params), math.nan)
    acceleration = _acceleration(found) if method == "bca" else np.zeros(len(params))
    for j in np.flatnonzero(found.estimates.estimable).tolist():
        low[j], high[j] = interval(kept[:, j], float(params[j]), level, method, float(acceleration[j]))
    return low, high


def interval(
    replicated: F64, estimate: float, level: float, method: Method, acceleration: float
) -> tuple[float, float]:
    """The interval of one quantity from its replicates (B,); see `bootstrap_interval`."""
    from scipy.special import ndtr, ndtri  # type: ignore[import-untyped]

    ends = np.array([0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    if method == "bca":
        below = np.count_nonzero(replicated < estimate) / len(replicated)
        if not 0.0 < below < 1.0:
            raise StatisticsError(
                "every replicate lies on the same side of the estimate, so bias cannot be corrected; draw more, or ask "
                "for percentile intervals"
            )
        bias = float(ndtri(below))
        shifted = bias + ndtri(ends)
        ends = ndtr(bias + shifted / (1.0 - acceleration * shifted))
    found = _quantiles(replicated, ends)
    if method == "basic":
        return 2.0 * estimate - float(found[1]), 2.0 * estimate - float(found[0])
    return float(found[0]), float(found[1])


def _quantiles(values: F64, at: F64) -> F64:
    """Order statistics number (B + 1) at, between two of them interpolated on the normal scale (Davison & Hinkley,
    Bootstrap Methods and their Application, 1997, equation 5.8)."""
    from scipy.special import ndtri

    ordered, count = np.sort(values), len(values)
    place = (count + 1) * at
    if place.min() < 1.0 or place.max() > count:
        needed = math.ceil(1.0 / min(at.min(), 1.0 - at.max())) - 1
        raise StatisticsError(
            f"{count:,} replicates are too few for an interval that reaches to the quantile "
            f"{float(at[np.argmin(np.minimum(at, 1.0 - at))]):.3g}; draw at least {needed:,}, or ask for "
            "another kind of interval"
        )
    k = np.minimum(np.floor(place).astype(int), count - 1)
    below, above = ndtri(k / (count + 1)), ndtri((k + 1) / (count + 1))
    part = (ndtri(at) - below) / (above - below)
    return np.asarray(ordered[k - 1] + part * (ordered[k] - ordered[k - 1]))


def _acceleration(found: Bootstrap) -> F64:
    """sum l^3 / (6 (sum l^2)^(3/2)) over what is drawn, l its influence on each parameter to first order (d,)."""
    estimates, codes = found.estimates, found.samples.codes
    to_params = estimates.jacobian @ estimates.inverse
    if codes is None:
        squares, cubes = np.zeros(len(to_params)), np.zeros(len(to_params))
        for _, scores, copies in _scores(estimates):
            moved = scores @ to_params.T
            squares += copies @ moved**2
            cubes += copies @ moved**3
    else:
        sums = np.zeros((int(codes.max()) + 1, to_params.shape[1]))
        for run, scores, copies in _scores(estimates):
            np.add.at(sums, codes[run], scores * copies[:, None])
        moved = sums @ to_params.T
        squares, cubes = (moved**2).sum(axis=0), (moved**3).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return cubes / (6.0 * squares**1.5)


def _scores(estimates: Estimates) -> Any:
    """(run of rows, score of one observation of each row in theta (m, size), how many observations it is (m,))"""
    rows = estimates.rows
    place, (n, p) = rows.coordinates, rows.design.shape
    coef = place.expand(estimates.theta).reshape(p + 1, -1)
    step = max(1, CELLS // (place.size + 1))
    for start in range(0, n, step):
        run = slice(start, min(start + step, n))
        design = rows.design.run_of(run)
        eta = design.linear_predictor(None, place.center, coef, 1)
        prior, copies = units(estimates, run)
        X = design.dense_rows(np.arange(len(eta)), place.center)
        X = (X if place.kept is None else X[:, place.kept]) / place.scale
        each = residuals(estimates, run, eta) * np.broadcast_to(prior, len(eta))[:, None]
        yield run, (each[:, :, None] * X[:, None, :]).reshape(len(eta), -1), np.broadcast_to(copies, len(eta))
