"""Optimism: how much better a model looks on the data it was fitted to than on new data, by the bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.fit import fit
from berkson.inference.calibration import brier
from berkson.inference.discrimination import concordance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.forecasts import Forecasts
from berkson.inference.replicates import replicates
from berkson.inference.resampling import Resampling
from berkson.kernels.reference import sigmoid
from berkson.problem import Problem

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class Measures(NamedTuple):
    """c: area under the ROC curve; brier: Brier's score; nagelkerke: R^2 of the recalibrated linear predictor;
    intercept and slope: of the outcomes' logistic regression on the linear predictor."""

    c: float
    brier: float
    nagelkerke: float
    intercept: float
    slope: float


@dataclass(frozen=True)
class Optimism:
    """Of each measure: `apparent` on the data fitted to; over `count` bootstrap samples, the mean of models fitted to a
    sample and judged on it (`training`) and on the data (`test`); optimism = training - test; corrected = apparent -
    optimism.  `failures` counts the samples that had no estimates, and are left out.
    """

    apparent: Measures
    training: Measures
    test: Measures
    optimism: Measures
    corrected: Measures
    count: int
    failures: dict[str, int]


def optimism(estimates: Estimates, count: int = 200, *, seed: int = 0, cluster: Array | None = None) -> Optimism:
    """Optimism-corrected measures (Harrell, Lee & Mark, Statistics in Medicine 15, 1996; as rms::validate) of a fit of
    two classes; `seed` and `cluster` as in `bootstrap`.  Nothing but the coefficients is fitted anew: a choice of
    columns that the outcomes led to has optimism of its own, which this does not see.
    """
    if estimates.problem.n_classes > 2:
        raise StatisticsError(
            f"optimism is measured for two classes, and the response has {estimates.problem.n_classes}; judge the "
            "model on rows that were held out"
        )
    estimates.require()
    problem = estimates.problem
    if not np.isfinite(estimates.params[~estimates.aliased]).all():
        raise StatisticsError(
            "some estimates are infinite, so samples have none either; judge the model on rows that were held out"
        )
    apparent = measures(estimates.linear_predictor()[:, 0], problem.y, problem.weight)
    training, test, failures = [], [], dict[str, int]()
    samples = Resampling(estimates, seed, cluster)
    for sample in replicates(estimates, samples, range(count)):
        reason: str | None = sample.failure
        if sample.theta is not None:
            eta = _predictor(estimates, sample.theta)
            try:
                on_sample, on_data = (
                    measures(eta, problem.y, samples.weight(sample.number)),
                    measures(eta, problem.y, problem.weight),
                )
                training.append(on_sample)
                test.append(on_data)
                continue
            except StatisticsError:  # outcomes that a single predictor separates
                reason = "separated"
        assert reason is not None
        failures[reason] = failures.get(reason, 0) + 1
    if not training:
        raise StatisticsError(
            f"none of {count} bootstrap samples has finite estimates, so there is no optimism to measure; leave out "
            "columns, or use a penalty and judge it on rows that were held out"
        )
    fitted, judged = np.mean(training, axis=0), np.mean(test, axis=0)
    return Optimism(
        apparent,
        Measures(*fitted.tolist()),
        Measures(*judged.tolist()),
        Measures(*(fitted - judged).tolist()),
        Measures(*(np.array(apparent) - fitted + judged).tolist()),
        len(training),
        failures,
    )


def measures(eta: F64, y: Array, weight: F64 | None) -> Measures:
    """The measures of linear predictors (n,), offset included; weights as in `Forecasts`."""
    judged = Forecasts(sigmoid(eta), y, weight)
    recalibrated = Estimates(fit(Problem(eta[:, None], y, 2, weight, names=("linear predictor",))))
    if recalibrated.fit.certificate.separation is not None:
        raise StatisticsError(
            "the model separates the outcomes it was fitted to, so the slope of calibration is infinite; judge it on "
            "rows that were held out"
        )
    recalibrated.require()
    intercept, slope = recalibrated.params.tolist()
    certificate, n = recalibrated.fit.certificate, judged.total
    cox_snell = -math.expm1(2.0 * (certificate.objective - certificate.null_objective) / n)
    best = -math.expm1(-2.0 * certificate.null_objective / n)
    return Measures(concordance(judged).c, brier(judged).score, cox_snell / best, intercept, slope)


def _predictor(estimates: Estimates, theta: F64) -> F64:
    """The linear predictor at theta (n,), offset included."""
    rows, offset = estimates.rows, estimates.problem.offset
    coef = rows.coordinates.expand(theta)[:, None]
    eta = rows.design.linear_predictor(None, rows.coordinates.center, coef, rows.whole.threads)[:, 0]
    return eta if offset is None else eta + offset
