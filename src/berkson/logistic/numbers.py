"""The numbers of a fit by the names that statsmodels and broom have for them, in the caller's kind of table."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from berkson.fit import Certificate, Fit
from berkson.inference.bias_reduction import BiasReducedEstimates, Method, reduce_bias
from berkson.inference.clusters import Clusters
from berkson.inference.covariance import Covariance, covariance, refuse_kind
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.goodness import Goodness, goodness
from berkson.inference.likelihood import likelihood
from berkson.inference.limiting import limit
from berkson.inference.profile import profile_intervals, profile_roots
from berkson.logistic.fitted import Fitted
from berkson.logistic.frames import Frames
from berkson.logistic.reduced import reduced
from berkson.model import Model, Prepared, model_of
from berkson.report.coefficients import Coefficients, coefficients
from berkson.report.page import Page, Shown
from berkson.report.summary import Findings, summary

if TYPE_CHECKING:
    from berkson.inference.bootstrap import Bootstrap
    from berkson.inference.predictions import Policy

F64 = npt.NDArray[np.float64]
Interval = Literal["wald", "profile", "bootstrap", "percentile", "basic"]
Kind = TypeVar("Kind", bound="Numbers")


@dataclass(frozen=True, repr=False)
class Numbers(Fitted, Shown):
    """What a fit is in numbers; `LogitFit` adds what can be asked of it.

    prepared   the caller's data as a problem
    maximum    the maximum-likelihood (or ridge) estimates
    method     of bias reduction, or None
    frames     makes tables of the caller's kind
    level      of intervals
    kind       of covariance, None for the default; `clusters` are those it is robust to
    policy     for what new rows lack
    """

    prepared: Prepared
    maximum: Estimates
    method: Method | None
    frames: Frames
    level: float
    kind: str | None
    clusters: tuple[Clusters, ...]
    policy: Policy = "error"

    # --- the fit ------------------------------------------------------------------------------------------------

    @property
    def fit(self) -> Fit:
        """The engine's fit: coefficients on the columns, certificate, how it was done."""
        return self.maximum.fit

    @property
    def certificate(self) -> Certificate:
        """What is proved of the estimates."""
        return self.fit.certificate

    @property
    def reference(self) -> int:
        """The class, of more than two, that the others are compared with."""
        return self.maximum.reference

    @cached_property
    def model(self) -> Model:
        """The model without the data: predicts, and can be saved."""
        model = replace(model_of(self.prepared, self.fit), policy=self.policy)
        estimates = self.estimates if self.method else None
        return reduced(model, estimates) if isinstance(estimates, BiasReducedEstimates) else model

    @cached_property
    def estimates(self) -> Estimates:
        """The parameters and their information: bias-reduced if that was asked for; of separated data, in the limit."""
        if self.method is not None:
            return reduce_bias(self.maximum, self.method)
        separated = self.certificate.separation is not None and self.fit.problem.strength == 0.0
        return limit(self.maximum) if separated else self.maximum

    @cached_property
    def covariance(self) -> Covariance:
        """Of the estimates, of the kind that was asked for."""
        return covariance_of(self, self.kind, self.clusters)

    def bootstrap(self, count: int = 999, *, seed: int = 0, bayesian: bool = False) -> Bootstrap:
        """Refits of `count` samples of the observations, or of the clusters, drawn with replacement; the same for the
        same seed.  Its intervals are those of method="bootstrap", its covariance that of kind "bootstrap".  With
        `bayesian`, all observations under weights from a flat Dirichlet distribution (Rubin 1981)."""
        from berkson.inference.bootstrap import bootstrap

        if len(self.clusters) > 1:
            raise StatisticsError("the bootstrap draws clusters of one kind; name one column in cluster=")
        codes = self.clusters[0].codes if self.clusters else None
        return bootstrap(self.estimates, count, seed=seed, cluster=codes, bayesian=bayesian)

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def coefficients(self) -> Coefficients:
        """The table of coefficients as arrays."""
        return coefficients(self.estimates, self.covariance, self.level)

    @property
    def params(self) -> Any:
        """Estimates on the scale of log-odds; +-inf where the data are separated, NaN of an aliased column."""
        self.estimates.require_optimum()
        return self._vector(self.estimates.params)

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

    def confint(self, method: Interval = "wald", *, level: float | None = None) -> Any:
        """Intervals of the parameters, a row each: conf.low and conf.high; `method` as of `tidy`.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.confint("profile")
        term          conf.low  conf.high
        (Intercept)  -15.12        0.5779
        dose          -0.06582     4.159
        """
        found = self._with_intervals(method, level)
        ends = {"conf.low": found.low, "conf.high": found.high}
        names = list(found.names)
        return self.frames.table(ends, names) if self.frames.labelled else self.frames.table({"term": names, **ends})

    def cov_params(self) -> Any:
        """The covariance of the parameters, rows and columns by name.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.cov_params()
        term         (Intercept)     dose
        (Intercept)       11.48   -2.915
        dose              -2.915   0.8328
        """
        return self.frames.matrix(self.estimates.names, self.covariance.matrix)

    # --- likelihood -----------------------------------------------------------------------------------------------

    @cached_property
    def goodness(self) -> Goodness:
        """Likelihoods, degrees of freedom, information criteria and the test of all terms, as numbers."""
        self.estimates.require_optimum()
        if self.fit.problem.strength > 0.0:
            raise StatisticsError(
                "the likelihood of a penalised fit is no maximum, so it is no measure to compare models by; fit "
                "without a penalty"
            )
        objective = None if self.estimates is self.maximum else self.estimates.at.value
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
        method: Interval = "wald",
    ) -> Any:
        """A row for each parameter, in broom's columns: term, estimate, std.error, statistic, p.value, conf.low,
        conf.high; of more than two classes y.level first.  `exponentiate`: odds ratios and their intervals.
        `method`: "wald"; "profile" (likelihood, of bias-reduced estimates the penalised one); "bootstrap" (BCa),
        "percentile" or "basic" (of the same samples).

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.tidy()
        term         estimate  std.error  statistic  p.value  conf.low  conf.high
        (Intercept)    -4.249     3.388      -1.254   0.2098  -10.89        2.391
        dose            1.214     0.9126      1.330   0.1834   -0.5746      3.003
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
        """One row on the fit, in broom's columns: null.deviance, df.null, logLik, AIC, BIC, deviance, df.residual and
        nobs.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.glance()
        null.deviance  df.null  logLik    AIC    BIC  deviance  df.residual   nobs
        8.318            5.000  -2.478  8.956  8.539     4.956        4.000  6.000
        """
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

    def summary(self, method: Interval = "wald", *, level: float | None = None) -> Page:
        """The whole of it for people: `print` shows text, a notebook HTML; to_markdown(), to_latex().

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> print(fit.summary())  # doctest: +ELLIPSIS
        case ~ dose
        P(case = 1): 3 of 6 rows
        6 rows of data frame, none dropped
        <BLANKLINE>
                     log-odds  std. error      z      p  odds ratio   95% from     to
        (Intercept)    -4.249      3.388   -1.25  0.210     0.01428  1.866e-05  10.92  odds at 0
        dose            1.214      0.9126   1.33  0.183     3.367    0.5629     20.14  per unit of dose
        ...
        """
        return Page(tuple(summary(self.findings(method, level))))

    def findings(self, method: Interval = "wald", level: float | None = None) -> Findings:
        """What a summary shows, or why it does not."""
        estimates, shown, refusal, fitted = self.maximum, None, None, None
        try:
            estimates = self.estimates
            shown = self._with_intervals(method, level)
            if method == "profile":  # intervals and tests of one kind, so that they do not contradict each other
                shown = shown.with_test(profile_roots(estimates), "likelihood ratio")
        except StatisticsError as error:
            refusal = str(error)
        with suppress(StatisticsError):
            fitted = self.goodness
        level = self.level if level is None else level
        return Findings(self.model, estimates, self.prepared.table.source, shown, refusal, fitted, level)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _vector(self, values: F64) -> Any:
        return self.frames.vector(self.estimates.names, values)

    def _with_intervals(self, method: Interval, level: float | None) -> Coefficients:
        level = self.level if level is None else level
        if method == "wald":
            return self.coefficients if level == self.level else coefficients(self.estimates, self.covariance, level)
        if method in ("bootstrap", "percentile", "basic"):
            from berkson.inference.bootstrap import bootstrap_interval

            samples = self.bootstrap()
            if samples.note:
                warnings.warn(samples.note, UserWarning, stacklevel=3)
            kind: Any = "bca" if method == "bootstrap" else method
            low, high = bootstrap_interval(samples, level, kind)
            said = "BCa" if method == "bootstrap" else method
            return self.coefficients.with_interval(low, high, level, f"bootstrap ({said})")
        if method != "profile":
            raise ValueError(
                f"method={method!r} is no kind of interval; choose 'wald', 'profile', 'bootstrap', 'percentile' or "
                "'basic'"
            )
        if not self.covariance.of_the_likelihood:
            raise StatisticsError(
                f"a profile interval believes the likelihood, which the covariance {self.covariance.text} does not; "
                "ask for Wald intervals"
            )
        found = profile_intervals(self.estimates, level)
        return self.coefficients.with_interval(found.lower, found.upper, level, "profile likelihood")


def with_covariance(fit: Kind, kind: str | None, clusters: tuple[Clusters, ...]) -> Kind:
    """The same fit with another covariance; StatisticsError for a kind that is none."""
    if kind is not None and kind != "bootstrap":
        refuse_kind(kind, clusters)
    return replace(fit, kind=kind, clusters=clusters)


def covariance_of(fit: Numbers, kind: str | None, clusters: tuple[Clusters, ...]) -> Covariance:
    """The covariance of a kind; see `LogitFit.vcov`."""
    if kind != "bootstrap":
        return covariance(fit.estimates, kind, clusters)
    from berkson.inference.bootstrap import bootstrap_covariance

    found = replace(fit, clusters=clusters).bootstrap()
    return replace(bootstrap_covariance(found), notes=(found.note,) if found.note else ())
