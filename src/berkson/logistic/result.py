"""A fit with its inference: what statisticians ask of one, in the caller's kind of table."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.fit import Certificate, Fit
from berkson.inference.clusters import Clusters
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.goodness import Goodness, goodness
from berkson.inference.likelihood import likelihood
from berkson.inference.limiting import limit
from berkson.kernels.reference import sigmoid, softmax
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import clusters_by, plain_labels, predictors_table
from berkson.model import Model, Prepared, classes_of, model_of
from berkson.report.coefficients import Coefficients, coefficients
from berkson.report.page import Page
from berkson.report.summary import Findings, summary

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LogitFit:
    """A logistic regression with its inference; made by `logit`.

    Parameters are named by their columns, `class:column` for more than two classes, the intercept first.  Vectors and
    tables come in the caller's kind: pandas (labelled), polars, pyarrow; else a mapping, or a `Frame`.  Where the
    certificate does not hold there are no numbers: StatisticsError, one sentence, says why and what to do.
    """

    prepared: Prepared
    maximum: Estimates
    frames: Frames
    level: float
    kind: str | None
    clusters: tuple[Clusters, ...]

    # --- the fit ------------------------------------------------------------------------------------------------

    @property
    def fit(self) -> Fit:
        """The engine's fit: coefficients on the columns, certificate, how it was done."""
        return self.maximum.fit

    @property
    def certificate(self) -> Certificate:
        """What is proved of the estimates."""
        return self.fit.certificate

    @cached_property
    def model(self) -> Model:
        """The model without the data: predicts, and can be saved."""
        return model_of(self.prepared, self.fit)

    @property
    def classes(self) -> list[Any]:
        """The classes as they stand in the response, in order; of two, the event is the last."""
        return plain_labels(self.prepared.schema, classes_of(self.prepared.schema))

    @property
    def event(self) -> str | None:
        """The class whose probability is modelled; None for more than two."""
        assert self.prepared.schema.outcome is not None
        return self.prepared.schema.outcome.event

    @cached_property
    def estimates(self) -> Estimates:
        """The parameters and their information; of separated data, in the limit."""
        separated = self.certificate.separation is not None and self.fit.problem.strength == 0.0
        return limit(self.maximum) if separated else self.maximum

    @cached_property
    def covariance(self) -> Covariance:
        """Of the estimates, of the kind that was asked for."""
        return covariance(self.estimates, self.kind, self.clusters)

    def robust(self, kind: str | None = None, *, cluster: Any = None) -> LogitFit:
        """The same fit with another covariance; see `vcov`.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> round(fit.robust("HC1").bse["dose"], 4)
        0.5
        """
        ways = clusters_by(cluster, self.prepared)
        return replace(self, kind=kind or (None if ways else "HC1"), clusters=ways)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as JSON, for `berkson predict`, or `berkson.model_file.load`."""
        from berkson.model_file import save

        save(self.model, path)

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def coefficients(self) -> Coefficients:
        """The table of coefficients as arrays."""
        return coefficients(self.estimates, self.covariance, self.level)

    @property
    def params(self) -> Any:
        """Estimates on the scale of log-odds; +-inf where the data are separated, NaN of an aliased column."""
        return self._vector(proved(self.estimates).params)

    @property
    def bse(self) -> Any:
        """Standard errors."""
        return self._vector(self.covariance.std_error)

    @property
    def zvalues(self) -> Any:
        """params / bse."""
        return self._vector(self.coefficients.statistic)

    @property
    def pvalues(self) -> Any:
        """2 P(Z > |z|) for a standard normal Z: of the hypothesis that a parameter is 0."""
        return self._vector(self.coefficients.p_value)

    def conf_int(self, level: float | None = None) -> Any:
        """Wald intervals, params -+ z bse; see `confint` for others."""
        return self.confint(level=level)

    def confint(self, method: Literal["wald"] = "wald", *, level: float | None = None) -> Any:
        """Intervals of the parameters, a row each: conf.low and conf.high."""
        found = self._with_intervals(method, level)
        ends = {"conf.low": found.low, "conf.high": found.high}
        names = list(found.names)
        return self.frames.table(ends, names) if self.frames.labelled else self.frames.table({"term": names, **ends})

    def cov_params(self) -> Any:
        """The covariance of the parameters, rows and columns by name."""
        return self.frames.matrix(self.estimates.names, self.covariance.matrix)

    def vcov(self, kind: str | None = None, *, cluster: Any = None) -> Any:
        """The covariance of the parameters.

        kind     "model", "HC0" to "HC3", "robust", or with clusters "CR0", "CR1" (the default then), "CR1S", "CR2"
        cluster  name of a column, or values; two of them, in a list of names, for two ways
        """
        ways = clusters_by(cluster, self.prepared)
        same = kind is None and not ways
        found = self.covariance if same else covariance(self.estimates, kind, ways)
        return self.frames.matrix(self.estimates.names, found.matrix)

    # --- likelihood -----------------------------------------------------------------------------------------------

    @cached_property
    def goodness(self) -> Goodness:
        """Likelihoods, degrees of freedom, information criteria and the test of all terms, as numbers."""
        proved(self.estimates)
        if self.fit.problem.strength > 0.0:
            raise StatisticsError(
                "the likelihood of a penalised fit is no maximum, so it is no measure to compare models by; fit "
                "without a penalty"
            )
        objective = self.estimates.at.value if self._in_the_limit else None
        return goodness(self.estimates, likelihood(self.fit, self.maximum.trials, objective))

    @property
    def llf(self) -> float:
        """The log-likelihood; of grouped counts with their binomial coefficients, of separated data its supremum."""
        return self.goodness.likelihood.log_likelihood

    @property
    def llnull(self) -> float:
        """The log-likelihood of the model of intercept and offset alone."""
        return self.goodness.likelihood.null_log_likelihood

    @property
    def llr(self) -> float:
        """2 (llf - llnull), the likelihood-ratio statistic of all terms together."""
        return self.goodness.likelihood_ratio

    @property
    def llr_pvalue(self) -> float:
        """Of llr, chi-squared on df_model degrees of freedom."""
        return self.goodness.p_value

    @property
    def prsquared(self) -> float:
        """McFadden's 1 - llf / llnull."""
        return 1.0 - self.llf / self.llnull

    @property
    def deviance(self) -> float:
        """2 (largest possible log-likelihood - llf)."""
        return self.goodness.likelihood.deviance

    @property
    def null_deviance(self) -> float:
        """2 (largest possible log-likelihood - llnull)."""
        return self.goodness.likelihood.null_deviance

    @property
    def aic(self) -> float:
        """-2 llf + 2 parameters."""
        return self.goodness.aic

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) parameters."""
        return self.goodness.bic

    @property
    def nobs(self) -> float:
        """Observations: rows of positive weight, or the sum of frequency weights; a group of trials is one."""
        return self.maximum.n_obs

    @property
    def df_model(self) -> int:
        """Parameters, intercepts and aliased ones apart."""
        return self.goodness.df_model

    @property
    def df_resid(self) -> float:
        """Degrees of freedom of the deviance: (K - 1) nobs - parameters."""
        return self.goodness.df_residual

    # --- tables ---------------------------------------------------------------------------------------------------

    def tidy(
        self,
        exponentiate: bool = False,
        conf_int: bool = True,
        *,
        level: float | None = None,
        method: Literal["wald"] = "wald",
    ) -> Any:
        """A row for each parameter, in broom's columns: term, estimate, std.error, statistic, p.value, conf.low,
        conf.high; of more than two classes y.level first.  `exponentiate`: odds ratios and their intervals.
        """
        found = self._with_intervals(method, level) if conf_int else self.coefficients
        scale = np.exp if exponentiate else np.asarray
        columns: dict[str, Any] = {}
        if len(self.estimates.equations) > 1:
            q = len(self.estimates.columns)
            columns["y.level"] = [self.model.classes[k] for k in self.estimates.equations for _ in range(q)]
        columns["term"] = list(self.estimates.column_names) * len(self.estimates.equations)
        columns["estimate"] = scale(found.estimate)
        columns["std.error"] = found.std_error
        columns["statistic"] = found.statistic
        columns["p.value"] = found.p_value
        if conf_int:
            columns |= {"conf.low": scale(found.low), "conf.high": scale(found.high)}
        return self.frames.table(columns)

    def glance(self) -> Any:
        """One row on the fit, in broom's columns: null.deviance, df.null, logLik, AIC, BIC, deviance, df.residual,
        nobs."""
        row = {
            "null.deviance": self.null_deviance,
            "df.null": self.goodness.df_null,
            "logLik": self.llf,
            "AIC": self.aic,
            "BIC": self.bic,
            "deviance": self.deviance,
            "df.residual": self.df_resid,
            "nobs": self.nobs,
        }
        return self.frames.table({name: [value] for name, value in row.items()})

    def summary(self) -> Page:
        """The whole of it for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(summary(self.findings())))

    def findings(self) -> Findings:
        """What a summary shows, or why it does not."""
        estimates, shown, refusal, fitted = self.maximum, None, None, None
        try:
            estimates = self.estimates
            shown = self.coefficients
        except StatisticsError as error:
            refusal = str(error)
        with suppress(StatisticsError):
            fitted = self.goodness
        return Findings(self.model, estimates, self.prepared.table.source, shown, refusal, fitted)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    # --- prediction -----------------------------------------------------------------------------------------------

    def predict(self, new: Any = None, kind: Literal["probability", "link", "class"] = "probability") -> Any:
        """Of new rows (columns by name), or of the rows fitted: the probability of the event, its log-odds ("link"), or
        the class.  Of more than two classes a column for each; log-odds are then against the reference.

        NaN where a row lacks a value.  Raises ValueError for an absent column, UnseenLevelError for a new level.
        """
        estimates = proved(self.estimates)
        if new is None:
            eta, index = estimates.linear_predictor(), self.frames.index_of(self.prepared.used)
        else:
            if self._in_the_limit:
                raise StatisticsError(
                    "the data are separated, so the limit of the estimates predicts only the rows it was fitted to; "
                    "fit new data with bias reduction"
                )
            eta = self.model.linear_predictor(predictors_table(new, self.model.schema.names))
            index = getattr(new, "index", None)
        return _predictions(self, eta, kind, index)

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _in_the_limit(self) -> bool:
        return self.estimates is not self.maximum

    def _vector(self, values: F64) -> Any:
        return self.frames.vector(self.estimates.names, values)

    def _with_intervals(self, method: str, level: float | None) -> Coefficients:
        if method != "wald":
            raise ValueError(f"method={method!r} is no kind of interval; choose 'wald'")
        if level is None or level == self.level:
            return self.coefficients
        return coefficients(self.estimates, self.covariance, level)


def proved(estimates: Estimates) -> Estimates:
    """The estimates, if their certificate holds; StatisticsError where not.  A ridge has estimates too."""
    if estimates.problem.strength == 0.0:
        estimates.require()
    elif not estimates.fit.certificate.certified:
        raise StatisticsError(f"there are no estimates without a proved optimum: {estimates.fit.certificate.status}")
    return estimates


def _predictions(fit: LogitFit, eta: F64, kind: str, index: Any) -> Any:
    """Of linear predictors (n, 1) or (n, K), for the caller."""
    estimates, frames = fit.estimates, fit.frames
    two = eta.shape[1] == 1
    absent = np.isnan(eta).any(axis=1)
    if kind == "link":
        if two:
            return frames.series("link", eta[:, 0], index)
        equations = list(estimates.equations)
        against = eta[:, equations] - eta[:, [estimates.reference]]
        names = [f"{fit.model.classes[k]}:{fit.model.classes[estimates.reference]}" for k in equations]
        return frames.table(dict(zip(names, against.T, strict=True)), index)
    if kind == "probability":
        if two:
            return frames.series("probability", sigmoid(eta[:, 0]), index)
        probability = np.full(eta.shape, math.nan)
        probability[~absent] = softmax(eta[~absent])
        return frames.table(dict(zip(fit.model.classes, probability.T, strict=True)), index)
    if kind != "class":
        raise ValueError(f"kind={kind!r} is no kind of prediction; choose 'probability', 'link' or 'class'")
    assert fit.prepared.schema.outcome is not None
    if not fit.prepared.schema.outcome.levels:
        raise ValueError("the response is a share, which has no classes; ask for probabilities")
    best: npt.NDArray[np.intp] = np.where(eta[:, 0] >= 0.0, 1, 0) if two else eta.argmax(axis=1)
    chosen = np.array(fit.classes, dtype=object)[best]
    chosen[absent] = None
    return frames.series("class", np.array(chosen.tolist()) if frames.library is None else chosen.tolist(), index)
