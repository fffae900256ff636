"""How much single rows move a fit of two classes, to first order: Cook's distance, DFFITS, dfbeta.

In R's conventions (influence.glm): the row's deviance residual stands in for the one of a linear model, and the
leave-one-out `sigma` for its scale, although the dispersion of a binomial is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import ALL, Estimates, StatisticsError
from berkson.inference.likelihood import likelihood
from berkson.inference.residuals import leverage_of, of_rows, refuse_sampling, rows_of
from berkson.kernels.reference import logistic_curvature_weight

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Influence:
    """(n,) each, NaN where the leverage is 1.

    leverage        as `residuals.leverage`
    cooks_distance  (pearson / (1 - leverage))^2 leverage / parameters: the squared distance that the estimates move
                    when the row is left out, in the metric of the information, for each parameter
    dffits          deviance residual sqrt(leverage) / (sigma (1 - leverage))
    sigma           sqrt((deviance - deviance residual^2 / (1 - leverage)) / (rows - parameters - 1))
    """

    leverage: F64
    cooks_distance: F64
    dffits: F64
    sigma: F64


def influence(estimates: Estimates) -> Influence:
    """The influence of each row; StatisticsError for more than two classes and for sampling weights."""
    _require(estimates)
    rows = rows_of(estimates)
    h, deviance = leverage_of(estimates, rows, ALL), of_rows(rows, "deviance")
    rest = np.where(h < 1.0, 1.0 - h, np.nan)
    sigma = _sigma(estimates, deviance, rest, float(deviance @ deviance))
    with np.errstate(divide="ignore", invalid="ignore"):  # sigma is 0 where one row is all that does not fit
        cooks = (of_rows(rows, "pearson") / rest) ** 2 * h / np.count_nonzero(estimates.estimable)
        return Influence(h, cooks, deviance * np.sqrt(h) / (sigma * rest), sigma)


def dfbeta(estimates: Estimates, place: slice = ALL, *, residual: Literal["deviance", "pearson"] = "deviance") -> F64:
    """The change of the parameters (m, d) when a row is left out, to first order, for each row of the slice:

        (X'WX)^-1 x_i sqrt(w_i mu_i (1 - mu_i)) residual_i / (1 - leverage_i),  estimate - estimate without the row

    With the deviance residual it is R's dfbeta; with Pearson's it is one step of Newton's method from the full fit,
    which is nearer the truth (Pregibon, Annals of Statistics 9, 1981).  NaN where a parameter is not estimable, or the
    leverage is 1.  The array is as large as the rows of X asked for: of long tables, ask for runs of rows.
    """
    _require(estimates)
    rows = rows_of(estimates, place)
    h = leverage_of(estimates, rows, place)
    root = rows.scaled(np.sqrt(logistic_curvature_weight(rows.eta)))
    each = root * of_rows(rows, residual) / np.where(h < 1.0, 1.0 - h, np.nan)
    change = _standardised(estimates, place) @ (estimates.jacobian @ estimates.inverse).T
    return np.where(estimates.estimable, change * each[:, None], np.nan)


def dfbetas(estimates: Estimates, place: slice = ALL) -> F64:
    """R's dfbetas (m, d): dfbeta divided by `sigma` of the row and the parameter's model-based standard error."""
    changes, rows = dfbeta(estimates, place), rows_of(estimates, place)
    h, deviance = leverage_of(estimates, rows, place), of_rows(rows, "deviance")
    whole = likelihood(estimates.fit, objective=estimates.at.value).deviance
    sigma = _sigma(estimates, deviance, np.where(h < 1.0, 1.0 - h, np.nan), whole)
    scale = np.sqrt(estimates.from_theta(estimates.inverse).diagonal())
    with np.errstate(divide="ignore", invalid="ignore"):
        return changes / (sigma[:, None] * scale)


def _require(estimates: Estimates) -> None:
    estimates.require()
    if estimates.problem.n_classes > 2:
        raise StatisticsError(
            f"the influence of a row is defined for two classes, and the response has {estimates.problem.n_classes}; "
            "look at leverages, or compare fits with and without the row"
        )
    refuse_sampling(estimates, "measures of influence")


def _sigma(estimates: Estimates, deviance: F64, rest: F64, whole: float) -> F64:
    weight = estimates.problem.weight
    rows = len(estimates.problem.y) if weight is None else np.count_nonzero(weight)
    left = rows - np.count_nonzero(estimates.estimable) - 1
    if left < 1:
        return np.full(len(deviance), np.nan)
    return np.sqrt(np.maximum(whole - deviance * deviance / rest, 0.0) / left)


def _standardised(estimates: Estimates, place: slice) -> F64:
    """Rows of the design in the coordinates of theta (m, size)."""
    rows = estimates.rows
    coordinates = rows.coordinates
    X = rows.design.dense_rows(np.arange(*place.indices(rows.n_rows)), coordinates.center)
    return (X if coordinates.kept is None else X[:, coordinates.kept]) / coordinates.scale
