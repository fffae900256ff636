"""The fit of a formula with smooths, s(x): curves as smooth as the data will have them, with intervals and tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from berkson.fit import Certificate
from berkson.formula import Formula
from berkson.formula.smooth_terms import penalties_of
from berkson.formula.smooths import Smooth
from berkson.inference.covariance import Covariance
from berkson.inference.estimates import StatisticsError, WeightKind
from berkson.inference.smooth import SmoothEstimates, SmoothTest, curve_of, smooth_tests
from berkson.logistic.averages import Averages
from berkson.logistic.fitted import Fitted
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import Options, trials_of
from berkson.logistic.reading import class_number, solved
from berkson.model import Model, Prepared, model_of
from berkson.report.coefficients import Coefficients, coefficients, normal_quantile
from berkson.report.figure import Figure
from berkson.report.page import Page, Shown
from berkson.report.smooths import doubts, smooth_figure
from berkson.report.summary import Findings, summary
from berkson.select.smoothing import Smoothing, choose_smoothing

if TYPE_CHECKING:
    from berkson.inference.predictions import Policy

F64 = npt.NDArray[np.float64]

GIVEN = "given the smoothing parameters"
REFUSED = {
    *("robust", "bootstrap", "test", "drop1", "anova", "compare", "diagnostics", "augment", "goodness"),
    *("llr", "llr_pvalue", "prsquared", "bic", "df_resid"),
}


@dataclass(frozen=True, repr=False)
class SmoothFit(Fitted, Averages, Shown):
    """A logistic regression with smooths; made by `logit("y ~ s(x) + ...", data)`.

    Smoothing parameters maximise the restricted likelihood (REML, Laplace's approximation: mgcv's method="REML"), and
    the certificate is of the penalised likelihood at these.  Standard errors, intervals and tests take them for known,
    and count penalties as prior distributions: (H + S)^-1, mgcv's Vp.
    """

    prepared: Prepared
    estimates: SmoothEstimates
    frames: Frames
    level: float
    policy: Policy = "error"

    # --- the fit ------------------------------------------------------------------------------------------------------

    @property
    def smoothing(self) -> Smoothing:
        """The choice of the smoothing parameters."""
        return self.estimates.chosen

    @property
    def certificate(self) -> Certificate:
        """What is proved of the coefficients at the smoothing parameters chosen."""
        return self.estimates.fit.certificate

    @property
    def reference(self) -> int:
        """The class that is not the event."""
        return self.estimates.reference

    @cached_property
    def model(self) -> Model:
        """The model without the data: predicts, and can be saved."""
        return replace(model_of(self.prepared, self.estimates.fit), policy=self.policy, smoothing=self.parameters)

    # --- smooths ------------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, float]:
        """The smoothing parameters by the names of their penalties: infinite in effect where `smoothing.at_end`."""
        names = penalties_of(self.prepared.schema.smooths)
        return dict(zip(names, self.smoothing.strengths.tolist(), strict=True))

    @property
    def edf(self) -> dict[str, float]:
        """The effective degrees of freedom of each smooth: 1 for a straight line."""
        freedom = self.smoothing.freedom
        return {smooth.name: float(freedom[list(smooth.columns)].sum()) for smooth in self.prepared.schema.smooths}

    @cached_property
    def tests(self) -> tuple[SmoothTest, ...]:
        """Of each smooth: that it is 0 everywhere (Wood 2013)."""
        return smooth_tests(self.estimates, self.prepared.schema.smooths)

    @property
    def smooths(self) -> Any:
        """A row for each smooth: term, edf, ref.df, statistic and the approximate p.value that it is 0 everywhere."""
        tests = self.tests
        return self.frames.table(
            {
                "term": [smooth.name for smooth in self.prepared.schema.smooths],
                "edf": np.array([test.freedom for test in tests]),
                "ref.df": np.array([test.df for test in tests]),
                "statistic": np.array([test.statistic for test in tests]),
                "p.value": np.array([test.p_value for test in tests]),
            }
        )

    def curves(self, points: int = 101, *, level: float | None = None) -> Any:
        """Each smooth of one variable on the scale of log-odds, its mean over the rows 0: term, x (the variable, or the
        arithmetic that is smoothed), estimate, std.error, conf.low, conf.high."""
        if not isinstance(points, int) or points < 2:
            raise ValueError(f"points={points!r} is no number of points: give a whole number from 2 on, such as 101")
        half = normal_quantile(self.level if level is None else level)
        parts: list[tuple[str, Any]] = [(name, curve_of(self.estimates, s, b, points)) for name, s, b in self._single()]
        if not parts:
            raise ValueError("the formula has no smooth of one variable, so there are no curves: ask for predictions")
        value = np.concatenate([curve.estimate for _, curve in parts])
        error = np.concatenate([curve.std_error for _, curve in parts])
        columns = {"term": [name for name, _ in parts for _ in range(points)]}
        numbers = {"x": np.concatenate([curve.x for _, curve in parts]), "estimate": value, "std.error": error}
        return self.frames.table(
            {**columns, **numbers, "conf.low": value - half * error, "conf.high": value + half * error}
        )

    def plot(self) -> Figure:
        """The smooths of one variable with their pointwise intervals, a panel each; a notebook shows it, `save` writes
        it."""
        curves = [(name, curve_of(self.estimates, s, b, 201), self.edf[s.name]) for name, s, b in self._single()]
        if not curves:
            raise ValueError(
                "the formula has no smooth of one variable, so there is nothing to draw: ask for predictions"
            )
        return smooth_figure(str(self.prepared.formula), curves, self.level)

    def _single(self) -> list[tuple[str, Any, Smooth]]:
        schema = self.prepared.schema
        found = []
        for smooth in schema.smooths:
            basis = schema.bases[smooth.variables[0]]
            if len(smooth.variables) == 1 and isinstance(basis, Smooth) and len(smooth.columns) == basis.width:
                found.append((smooth.name, smooth, basis))
        return found

    # --- numbers ------------------------------------------------------------------------------------------------------

    @cached_property
    def covariance(self) -> Covariance:
        """(H + S)^-1 of the coefficients."""
        return Covariance(GIVEN, self.estimates.from_theta(self.estimates.inverse))

    @cached_property
    def coefficients(self) -> Coefficients:
        """The table of all coefficients as arrays; those of smooths say nothing, one by one."""
        return coefficients(self.estimates, self.covariance, self.level)

    @property
    def params(self) -> Any:
        """Coefficients by name."""
        self.estimates.require_optimum()
        return self.frames.vector(self.estimates.names, self.estimates.params)

    @property
    def bse(self) -> Any:
        """Standard errors by name."""
        return self.frames.vector(self.estimates.names, self.covariance.std_error)

    def vcov(self) -> Any:
        """(H + S)^-1 of the coefficients, rows and columns by name."""
        return self.frames.matrix(self.estimates.names, self.covariance.matrix)

    @property
    def llf(self) -> float:
        """The log-likelihood, without the penalty."""
        return self.estimates.likelihood.log_likelihood

    @property
    def deviance(self) -> float:
        """2 (largest possible log-likelihood - llf)."""
        return self.estimates.likelihood.deviance

    @property
    def null_deviance(self) -> float:
        """2 (largest possible log-likelihood - that of the model of intercept and offset alone)."""
        return self.estimates.likelihood.null_deviance

    @property
    def aic(self) -> float:
        """-2 llf + 2 effective degrees of freedom, smoothing parameters taken for known."""
        return self.estimates.aic

    @property
    def nobs(self) -> float:
        """Observations."""
        return self.estimates.n_obs

    def tidy(self, exponentiate: bool = False, *, level: float | None = None) -> Any:
        """A row for each coefficient that is not of a smooth, in broom's columns; see `smooths` for the others."""
        found = coefficients(self.estimates, self.covariance, self.level if level is None else level)
        inside = {place for s in self.prepared.schema.smooths for place in self.estimates.positions(s.columns)}
        own = [k for k in range(len(found.names)) if k not in inside]
        scale = np.exp if exponentiate else np.asarray
        return self.frames.table(
            {
                "term": [found.names[k] for k in own],
                "estimate": scale(found.estimate[own]),
                "std.error": found.std_error[own],
                "statistic": found.statistic[own],
                "p.value": found.p_value[own],
                "conf.low": scale(found.low[own]),
                "conf.high": scale(found.high[own]),
            }
        )

    def glance(self) -> Any:
        """One row on the fit: null.deviance, deviance, logLik, AIC, edf, nobs and certified."""
        row = {
            "null.deviance": self.null_deviance,
            "deviance": self.deviance,
            "logLik": self.llf,
            "AIC": self.aic,
            "edf": self.estimates.freedom,
            "nobs": self.nobs,
            "certified": self.certificate.certified,
        }
        return self.frames.table({name: [value] for name, value in row.items()})

    # --- the rest -----------------------------------------------------------------------------------------------------

    def summary(self, *, level: float | None = None) -> Page:
        """The fit for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(summary(self.findings(level=level))))

    def findings(self, method: str = "wald", level: float | None = None) -> Findings:
        """What a summary shows, or why it does not."""
        if method != "wald":
            raise StatisticsError(f"a fit with smooths has no {method} intervals: its penalised likelihood is none")
        shown, refusal, wanted = None, None, self.level if level is None else level
        try:
            shown = coefficients(self.estimates, self.covariance, wanted)
        except StatisticsError as error:
            refusal = str(error)
        return Findings(self.model, self.estimates, self.prepared.table.source, shown, refusal, None, wanted)

    def __getattr__(self, name: str) -> Any:
        if name in REFUSED:
            raise StatisticsError(
                f"a fit with smooths has no {name}, which is of a likelihood at its maximum; choose splines without a "
                "penalty, as in ns(x, df=4), for that"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def smooth_fit(
    formula: str | Formula,
    data: Any,
    reading: Options,
    *,
    reference: object | None,
    weight_kind: WeightKind,
    level: float,
    policy: Policy,
    tol: float,
    max_iterations: int,
) -> SmoothFit:
    """`logit` of a formula with smooths; see there."""
    if weight_kind == "sampling":
        raise StatisticsError(
            "sampling weights have no likelihood that could choose how smooth a smooth is; say "
            "weight_kind='precision', or give splines without a penalty, as in ns(x, df=4)"
        )

    def solve(given: Prepared) -> Smoothing:
        penalties = list(penalties_of(given.schema.smooths).values())
        return choose_smoothing(given.problem, penalties, tol=tol, max_iterations=max_iterations)

    prepared, found, frames = solved(formula, data, replace(reading, smooths=True), weight_kind, solve)
    for doubt in doubts(found):
        warnings.warn(doubt, UserWarning, stacklevel=3)
    trials, classes = trials_of(prepared, weight_kind), class_number(reference, prepared)
    return SmoothFit(prepared, SmoothEstimates(found.fit, classes, weight_kind, trials, found), frames, level, policy)
