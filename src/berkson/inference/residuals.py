"""Residuals and leverages of the rows, in R's conventions for a glm.

A row of weight w counts as R's prior weights count: its residual is that of w trials with the share y, so that squared
deviance residuals add up to the deviance, and squared Pearson residuals to Pearson's chi^2.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import ALL, Estimates, StatisticsError
from berkson.kernels.reference import (
    log1p_exp,
    logistic_curvature_weight,
    logistic_loss,
    logistic_residual,
    multinomial_loss,
    sigmoid,
    soft_labels,
    softmax,
    softmax_terms,
)

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
ResidualKind = Literal[
    "response", "working", "pearson", "deviance", "standardised_pearson", "standardised_deviance", "studentised"
]

ONE = 1e-10  # below 1: a leverage that is 1 but for the rounding of the inverse information


class Rows(NamedTuple):
    """Some of the rows: linear predictors (m,) or (m, K), y as the problem has it, weight (m,) or None."""

    eta: F64
    y: Array
    weight: F64 | None

    def scaled(self, values: F64) -> F64:
        """Values (m,) or (m, K) times the root of the weight."""
        if self.weight is None:
            return values
        root = np.sqrt(self.weight)
        return values * (root if values.ndim == 1 else root[:, None])


def rows_of(estimates: Estimates, place: slice = ALL) -> Rows:
    """The rows of a slice, at the estimates."""
    problem, eta = estimates.problem, estimates.linear_predictor(place)
    weight = None if problem.weight is None else problem.weight[place]
    return Rows(eta[:, 0] if eta.shape[1] == 1 else eta, problem.y[place], weight)


def residuals(estimates: Estimates, kind: ResidualKind = "deviance", place: slice = ALL) -> F64:
    """Residuals (n,), of the rows of a slice; response and Pearson of K > 2 classes are (n, K).

    response               y - mu
    working                (y - mu) / (mu (1 - mu))
    pearson                sqrt(w) (y - mu) / sqrt(mu (1 - mu)), for each of K classes likewise
    deviance               sign(y - mu) sqrt(2 w (loss - least loss)); without a sign for K classes
    standardised_pearson, standardised_deviance    divided by sqrt(1 - leverage): R's rstandard
    studentised            sign(y - mu) sqrt(deviance^2 + leverage pearson^2 / (1 - leverage)): R's rstudent

    NaN where the leverage is 1.  Raises StatisticsError where the fit or its weights do not support the kind.
    """
    if kind not in get_args(ResidualKind):
        raise StatisticsError(f"there are no residuals {kind!r}; ask for one of {', '.join(get_args(ResidualKind))}")
    estimates.require()
    two = estimates.problem.n_classes == 2
    if kind in ("response", "pearson", "deviance") or (kind == "working" and two):
        return of_rows(rows_of(estimates, place), kind)
    if not two:
        raise StatisticsError(
            f"{kind} residuals are for two classes, and the response has {estimates.problem.n_classes}; ask for "
            "response, pearson or deviance"
        )
    refuse_sampling(estimates, f"{kind} residuals")
    rows = rows_of(estimates, place)
    h = leverage_of(estimates, rows, place)
    rest = np.where(h < 1.0, 1.0 - h, np.nan)
    if kind == "standardised_pearson":
        return of_rows(rows, "pearson") / np.sqrt(rest)
    deviance = of_rows(rows, "deviance")
    if kind == "standardised_deviance":
        return deviance / np.sqrt(rest)
    pearson = of_rows(rows, "pearson")
    return np.copysign(np.sqrt(deviance * deviance + h * pearson * pearson / rest), deviance)


def of_rows(rows: Rows, kind: Literal["response", "working", "pearson", "deviance"]) -> F64:
    """The residuals that need no leverage."""
    if rows.eta.ndim == 2:
        return _of_classes(rows, kind)
    eta, y = rows.eta, rows.y.astype(np.float64, copy=False)
    residual = -logistic_residual(eta, y)
    if kind == "response":
        return residual
    if kind == "deviance":
        return np.copysign(rows.scaled(np.sqrt(2.0 * _excess(eta, y))), residual)
    curvature = logistic_curvature_weight(eta)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # beyond log-odds of 700
        if kind == "working":
            return residual / curvature
        return rows.scaled(np.where(residual == 0.0, 0.0, residual / np.sqrt(curvature)))


def _excess(eta: F64, y: F64) -> F64:
    """loss - least possible loss of each row, not negative."""
    loss = logistic_loss(eta, y)
    inside = np.flatnonzero((y > 0.0) & (y < 1.0))
    if len(inside):
        share = y[inside]
        loss[inside] -= logistic_loss(np.log(share) - np.log1p(-share), share)
    return np.maximum(loss, 0.0)


def _of_classes(rows: Rows, kind: str) -> F64:
    y = soft_labels(rows.y, rows.eta.shape[1])
    if kind == "deviance":
        entropy = -(y * np.log(np.where(y > 0.0, y, 1.0))).sum(axis=1)
        return rows.scaled(np.sqrt(2.0 * np.maximum(multinomial_loss(rows.eta, y) - entropy, 0.0)))
    _, mu, complement = softmax_terms(rows.eta)
    residual = y * complement - (1.0 - y) * mu
    if kind == "response":
        return residual
    with np.errstate(divide="ignore", invalid="ignore"):
        return rows.scaled(np.where(residual == 0.0, 0.0, residual / np.sqrt(mu * complement)))


def leverage(estimates: Estimates, place: slice = ALL) -> F64:
    """Leverages (n,), of the rows of a slice: the diagonal of W^1/2 X (X'WX)^-1 X' W^1/2, for K classes the trace of
    the row's block of it.  In [0, 1] (K - 1 for K classes), they add up to the number of parameters; 0 where a row has
    no weight.
    """
    return leverage_of(estimates, rows_of(estimates, place), place)


def leverage_of(estimates: Estimates, rows: Rows, place: slice) -> F64:
    """The leverages of rows that are at hand."""
    answerer = estimates.rows
    design, center = answerer.design.run_of(place), answerer.whole.center
    inverse, coordinates = estimates.inverse, answerer.coordinates

    def forms(metric: F64) -> F64:
        return design.quadratic_form(None, center, coordinates.metric(metric), answerer.whole.threads)

    if rows.eta.ndim == 1:
        found = logistic_curvature_weight(rows.eta) * forms(inverse)
    else:
        q, basis = coordinates.columns, coordinates.basis
        assert basis is not None
        mu = softmax(rows.eta)
        found = np.zeros(len(mu))
        for a in range(coordinates.contrasts):
            for b in range(a + 1):  # twice the blocks below the diagonal: tr(V_i x_i' inverse x_i)
                block = inverse[a * q : (a + 1) * q, b * q : (b + 1) * q]
                between = mu @ (basis[:, a] * basis[:, b]) - (mu @ basis[:, a]) * (mu @ basis[:, b])
                found += (1.0 if a == b else 2.0) * between * forms(0.5 * (block + block.T))
    if rows.weight is not None:
        found = np.where(rows.weight > 0.0, rows.weight * found, 0.0)
    return np.where(found > 1.0 - ONE, 1.0, found) if rows.eta.ndim == 1 else found


def quantile_residuals(estimates: Estimates, seed: int = 0) -> F64:
    """Randomised quantile residuals (n,): z with Phi(z) uniform between P(Y < y) and P(Y <= y); exactly standard normal
    where the model is true.  The same for the same seed.  For two classes: outcomes 0 and 1 (of which weights do not
    enter) and grouped counts.  (Dunn & Smyth, Journal of Computational and Graphical Statistics 5, 1996.)
    """
    from scipy.special import betainc, ndtri  # type: ignore[import-untyped]

    estimates.require()
    problem, trials = estimates.problem, estimates.trials
    if problem.n_classes > 2:
        raise StatisticsError(
            f"quantile residuals need outcomes in order, and the response has {problem.n_classes} classes; ask for "
            "pearson residuals"
        )
    rows = rows_of(estimates)
    y = rows.y.astype(np.float64, copy=False)
    events = y if trials is None else np.rint(y * trials)
    if ((y > 0.0) & (y < 1.0)).any() if trials is None else (np.abs(events - y * trials) > 1e-6 * trials).any():
        raise StatisticsError(
            "quantile residuals need whole outcomes, 0 or 1 or counts of trials, and a label here is a share; give "
            "counts, or ask for deviance residuals"
        )
    mu, complement = sigmoid(rows.eta), sigmoid(-rows.eta)
    if trials is None:
        low, high = np.where(y == 1.0, complement, 0.0), np.where(y == 1.0, 0.0, mu)
        within = np.where(y == 1.0, mu, complement)
    else:
        failures = np.maximum(trials - events, 0.0)
        low = np.where(events > 0.0, betainc(failures + 1.0, np.maximum(events, 1.0), complement), 0.0)
        high = np.where(failures > 0.0, betainc(events + 1.0, np.maximum(failures, 1.0), mu), 0.0)
        within = np.exp(_log_binomial(events, trials, rows.eta))
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise StatisticsError(f"the seed {seed} is no whole number from 0 on; give another")
    part = np.random.default_rng(seed).random(len(y))
    below, above = low + part * within, high + (1.0 - part) * within  # both tails carried: neither cancels
    return np.where(below < above, ndtri(below), -ndtri(above))  # type: ignore[no-any-return]


def _log_binomial(events: F64, trials: F64, eta: F64) -> F64:
    """log of the probability of so many events."""
    from scipy.special import gammaln

    choose = gammaln(trials + 1.0) - gammaln(events + 1.0) - gammaln(trials - events + 1.0)
    return choose - events * log1p_exp(-eta) - (trials - events) * log1p_exp(eta)  # type: ignore[no-any-return]


def refuse_sampling(estimates: Estimates, what: str) -> None:
    """StatisticsError for weights that say nothing of how precise a row is."""
    if estimates.weight_kind == "sampling" and estimates.problem.weight is not None:
        raise StatisticsError(
            f"sampling weights do not tell how precise a row is, so there are no {what}; use response or quantile "
            "residuals, or fit without weights"
        )
