"""Diagnostics of a fit: what each row does, whether the model fits, how well it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from berkson.inference.calibration import (
    Brier,
    HosmerLemeshow,
    Recalibration,
    brier,
    calibration_curve,
    calibration_groups,
    hosmer_lemeshow,
    recalibration,
)
from berkson.inference.collinearity import condition, inflation
from berkson.inference.discrimination import (
    Area,
    Concordance,
    Confusion,
    auc,
    concordance,
    confusion,
    hand_till,
    one_vs_rest,
    roc,
)
from berkson.inference.explained import Explained, explained
from berkson.inference.fit_tests import Pearson, SumOfSquares, pearson, unweighted_sum_of_squares
from berkson.inference.forecasts import Forecasts, forecasts
from berkson.inference.influence import dfbetas, influence
from berkson.inference.residuals import ResidualKind, leverage, quantile_residuals, residuals
from berkson.logistic.inputs import free
from berkson.logistic.numbers import Numbers

if TYPE_CHECKING:
    from berkson.inference.optimism import Optimism

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of a fit, computed when asked for: tables and Series in the caller's kind; tests as records."""

    of: Numbers

    @cached_property
    def forecasts(self) -> Forecasts:
        """The fitted probabilities with the outcomes."""
        return forecasts(self.of.estimates)

    # --- rows -----------------------------------------------------------------------------------------------------

    def residuals(self, kind: ResidualKind | str = "deviance", *, seed: int = 0) -> Any:
        """Of each row: "deviance", "pearson", "response", "working", "standardised_deviance", "standardised_pearson",
        "studentised", or "quantile" (randomised; `seed`)."""
        estimates = self.of.estimates
        values = quantile_residuals(estimates, seed) if kind == "quantile" else residuals(estimates, kind)  # type: ignore[arg-type]
        if values.ndim == 2:
            return self._rows(dict(zip(self.of.model.classes, values.T, strict=True)))
        return self.of.frames.series(kind, values, self._index)

    def leverage(self) -> Any:
        """The diagonal of the hat matrix; for K classes the trace of a row's block of it."""
        return self.of.frames.series("leverage", leverage(self.of.estimates), self._index)

    def influence(self) -> Any:
        """Of each row, as R's influence.measures: leverage, cooks_distance, dffits, sigma."""
        found = influence(self.of.estimates)
        return self._rows(
            {
                "leverage": found.leverage,
                "cooks_distance": found.cooks_distance,
                "dffits": found.dffits,
                "sigma": found.sigma,
            }
        )

    def dfbetas(self) -> Any:
        """The change of each parameter, in standard errors, when a row is left out; a column for each parameter."""
        values = dfbetas(self.of.estimates)
        return self._rows(dict(zip(self.of.estimates.names, values.T, strict=True)))

    # --- columns --------------------------------------------------------------------------------------------------

    def vif(self) -> Any:
        """Generalised variance inflation of each term: gvif, df, and gvif^(1 / (2 df))."""
        of = self.of
        found = inflation(of.estimates, of.covariance, of.prepared.schema.term_columns)
        return of.frames.table({"term": list(found.terms), "gvif": found.gvif, "df": found.df, "scaled": found.scaled})

    def condition(self) -> Any:
        """Condition indices, and the share of each parameter's variance that is due to each."""
        found = condition(self.of.estimates)
        shares = dict(zip(found.names, found.proportions.T, strict=True))
        return self.of.frames.table({free("index", shares): found.indices, **shares})

    # --- fit ------------------------------------------------------------------------------------------------------

    def hosmer_lemeshow(self, groups: int = 10) -> HosmerLemeshow:
        """Hosmer and Lemeshow's test; for K classes that of Fagerland, Hosmer and Bofin."""
        return hosmer_lemeshow(self.forecasts, groups)

    def sum_of_squares(self) -> SumOfSquares:
        """The test of fit of le Cessie and van Houwelingen."""
        return unweighted_sum_of_squares(self.of.estimates)

    def pearson(self) -> Pearson:
        """Pearson's chi-squared and the dispersion."""
        return pearson(self.of.estimates)

    def explained(self) -> Explained:
        """Shares explained: McFadden, Cox and Snell, Nagelkerke, Tjur, Efron."""
        return explained(self.of.estimates)

    # --- calibration ----------------------------------------------------------------------------------------------

    def recalibration(self) -> Recalibration:
        """Calibration slope and intercept."""
        return recalibration(self.forecasts)

    def calibration(self, groups: int | None = None) -> Any:
        """The calibration curve, smooth or in groups: probability and observed frequency."""
        if groups is None:
            curve = calibration_curve(self.forecasts)
            return self.of.frames.table({"probability": curve.probability, "observed": curve.observed})
        found = calibration_groups(self.forecasts, groups)
        return self.of.frames.table(
            {
                "low": found.low,
                "high": found.high,
                "weight": found.weight,
                "probability": found.probability,
                "observed": found.observed,
            }
        )

    def brier(self) -> Brier:
        """Brier's score and its parts."""
        return brier(self.forecasts)

    # --- discrimination -------------------------------------------------------------------------------------------

    def auc(self, level: float | None = None) -> Area | tuple[Area, ...]:
        """The area under the ROC curve with DeLong's interval; of K classes that of each against the rest."""
        level = self.of.level if level is None else level
        two = self.forecasts.n_classes == 2
        return auc(self.forecasts, level) if two else one_vs_rest(self.forecasts, level)

    def hand_till(self) -> float:
        """Hand and Till's M for K classes."""
        return hand_till(self.forecasts)

    def concordance(self) -> Concordance:
        """c, Somers' D, gamma and tau-a."""
        return concordance(self.forecasts)

    def roc(self) -> Any:
        """The ROC curve: threshold, sensitivity, specificity."""
        return self._calls(roc(self.forecasts))

    def confusion(self, *thresholds: float) -> Any:
        """Calls of an event where its probability is at least a threshold (0.5), and their shares."""
        return self._calls(confusion(self.forecasts, np.array(thresholds or (0.5,), dtype=np.float64)))

    def optimism(self, count: int = 200, *, seed: int = 0) -> Optimism:
        """Measures of discrimination and calibration, corrected for optimism by the bootstrap."""
        from berkson.inference.optimism import optimism

        return optimism(self.of.estimates, count, seed=seed)

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _index(self) -> Any:
        return self.of.frames.index_of(self.of.prepared.used)

    def _rows(self, columns: dict[str, Any]) -> Any:
        return self.of.frames.table(columns, self._index)

    def _calls(self, found: Confusion) -> Any:
        names = ("threshold", "sensitivity", "specificity", "ppv", "npv", "accuracy", "youden")
        cells = ("true_positive", "false_positive", "true_negative", "false_negative")
        return self.of.frames.table({name: getattr(found, name) for name in (*names, *cells)})
