"""Shares explained ("pseudo R^2")."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from berkson.inference.calibration import brier
from berkson.inference.estimates import Estimates
from berkson.inference.forecasts import forecasts
from berkson.inference.likelihood import likelihood


@dataclass(frozen=True)
class Explained:
    """Shares explained of single outcomes: a grouped count counts as its trials, a soft label as outcomes with its
    shares as weights.  l, l0: log-likelihood of the model and of the null model; n: total weight.

    mcfadden           1 - l / l0
    mcfadden_adjusted  1 - (l - parameters) / l0
    cox_snell          1 - exp(2 (l0 - l) / n)
    nagelkerke         cox_snell / (1 - exp(2 l0 / n)), 1 at best
    tjur               mean probability of events less that of others; NaN for K > 2 classes
    efron              1 - sum of squared errors / the same of the mean frequency; for K classes summed over classes
    """

    mcfadden: float
    mcfadden_adjusted: float
    cox_snell: float
    nagelkerke: float
    tjur: float
    efron: float


def explained(estimates: Estimates) -> Explained:
    """Shares explained; under precision weights n is the number of rows, else the total weight."""
    estimates.require()
    judged = forecasts(estimates)
    own, null = -estimates.at.value, likelihood(estimates.fit).null_log_likelihood
    n = estimates.n_obs if estimates.weight_kind == "precision" and estimates.trials is None else judged.total
    cox_snell = -math.expm1(2.0 * (null - own) / n)
    tjur = math.nan
    if judged.n_classes == 2:
        p, events, others = judged.probability, judged.events, judged.others
        tjur = float(events @ p) / float(events.sum()) - float(others @ p) / float(others.sum())
    return Explained(
        1.0 - own / null,
        1.0 - (own - int(np.count_nonzero(estimates.estimable))) / null,
        cox_snell,
        cox_snell / -math.expm1(2.0 * null / n),
        tjur,
        brier(judged).scaled,
    )
