"""How well a model fits: likelihoods with their degrees of freedom, information criteria, the test of all terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from berkson.inference.estimates import Estimates
from berkson.inference.likelihood import Likelihood


@dataclass(frozen=True)
class Goodness:
    """likelihood  log-likelihoods and deviances
    n_obs       observations: rows of positive weight, or the sum of frequency weights; a group of trials is one
    parameters  estimated, aliased ones apart; `intercepts` of them are those of the null model
    equations   K - 1
    pseudo      the likelihood is that of sampling weights: information criteria and p values are NaN
    """

    likelihood: Likelihood
    n_obs: float
    parameters: int
    intercepts: int
    equations: int
    pseudo: bool = False

    @property
    def aic(self) -> float:
        """-2 log-likelihood + 2 parameters."""
        return self._penalised(2.0)

    @property
    def aicc(self) -> float:
        """AIC + 2 k (k + 1) / (n_obs - k - 1) for k parameters; NaN where there are too few observations."""
        k, room = self.parameters, self.n_obs - self.parameters - 1.0
        return self.aic + 2.0 * k * (k + 1.0) / room if room > 0.0 else math.nan

    @property
    def bic(self) -> float:
        """-2 log-likelihood + log(n_obs) parameters."""
        return self._penalised(math.log(self.n_obs))

    def _penalised(self, each: float) -> float:
        return math.nan if self.pseudo else -2.0 * self.likelihood.log_likelihood + each * self.parameters

    @property
    def df_model(self) -> int:
        """Parameters beyond those of the null model."""
        return self.parameters - self.intercepts

    @property
    def df_residual(self) -> float:
        """Degrees of freedom of the deviance: (K - 1) n_obs - parameters."""
        return self.equations * self.n_obs - self.parameters

    @property
    def df_null(self) -> float:
        """Degrees of freedom of the null deviance."""
        return self.equations * self.n_obs - self.intercepts

    @property
    def likelihood_ratio(self) -> float:
        """2 (log-likelihood - null log-likelihood): chi-squared on `df_model` degrees of freedom where no column has an
        effect."""
        return 2.0 * (self.likelihood.log_likelihood - self.likelihood.null_log_likelihood)

    @property
    def p_value(self) -> float:
        """Of the likelihood ratio; NaN of a model without columns, and of a pseudo-likelihood."""
        if self.pseudo or not self.df_model:
            return math.nan
        return chi_squared_tail(max(0.0, self.likelihood_ratio), self.df_model)


def chi_squared_tail(statistic: float, df: int) -> float:
    """P(chi-squared on a whole number of degrees of freedom > statistic), by the finite sum that it is then

        erfc(sqrt(h)) [odd df] + e^-h sum_j h^j / Gamma(j + 1),   h = statistic / 2, j = df / 2 - 1, df / 2 - 2, ...

    (Abramowitz & Stegun 26.4.4 and 26.4.5), so that a summary need not wait for SciPy.
    """
    h = statistic / 2.0
    if h <= 0.0:
        return 1.0
    powers = (0.5 * df - 1.0 - k for k in range((df - 1) // 2 if df % 2 else df // 2))
    terms = (math.exp(j * math.log(h) - h - math.lgamma(j + 1.0)) for j in powers)
    return math.fsum([math.erfc(math.sqrt(h)) if df % 2 else 0.0, *terms])


def goodness(estimates: Estimates, likelihood: Likelihood) -> Goodness:
    """The record of estimates with their likelihood."""
    equations = len(estimates.equations)
    return Goodness(
        likelihood,
        estimates.n_obs,
        estimates.rows.coordinates.size,
        equations * estimates.problem.intercept,
        equations,
        estimates.weight_kind == "sampling" and estimates.problem.weight is not None,
    )
