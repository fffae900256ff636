"""Penalties of a path, on the scale of glmnet, and what they are in a solver's coordinates.

    loss / total weight + lambda sum_j factor_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2)

with the coefficients of standardised columns where `standardize` (so that units do not matter), else of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from berkson.flat_penalty import FlatNet
from berkson.penalty import ElasticNet, elastic_net
from berkson.problem import InputError
from berkson.rows.coordinates import Coordinates

F64 = npt.NDArray[np.float64]

LEAST_RATIO = 1e-3  # of a ridge's largest lambda, as glmnet has it: with none of the lasso there is none
HELD = 1.0  # a ridge on coefficients that are zero, which only keeps matrices regular


@dataclass(frozen=True)
class Regularizer:
    """l1_ratio from 0 (ridge) to 1 (lasso); factor (p,) by which a column's penalty counts (0: free, inf: its
    coefficient is zero); unit (p,) what its coefficient is multiplied by: 1, or the column's standard deviation (0: it
    has none, and its coefficient is zero); flat (m, size): in theta, directions in which the loss does not change."""

    l1_ratio: float
    factor: F64
    unit: F64
    flat: F64 | None = field(default=None, kw_only=True)

    @property
    def waits(self) -> bool:
        """Whether nothing may happen on a path for a while, below the largest penalty."""
        return False

    def exact(self, coef: F64) -> F64:
        """Coefficients (..., p) without what the way from a solver's coordinates rounded."""
        return coef

    def penalty(self, amount: float, place: Coordinates) -> ElasticNet:
        """`amount`, which is lambda times the total weight, in theta: the constants are free."""
        per_theta = self._unit(place) / place.scale
        factor = self._factor(place)
        held = ~np.isfinite(factor)
        factor[held] = 0.0
        lasso = amount * factor * per_theta
        ridge, lasso = (1.0 - self.l1_ratio) * lasso * per_theta, self.l1_ratio * lasso
        ridge[held], lasso[held] = HELD, np.inf
        if self.flat is not None and self.l1_ratio == 1.0 and not (self.flat[:, held] != 0.0).any():
            return FlatNet(ridge, lasso, self.flat)
        return elastic_net(ridge, lasso, place)

    def without(self, place: Coordinates, *, columns: bool = False) -> ElasticNet:
        """What holds every penalised coefficient (with `columns`, every column's) at zero."""
        held = self._factor(place) > 0.0
        if columns:
            held = np.arange(place.columns) < (place.columns if place.kept is not None else place.columns - 1)
        ridge, lasso = np.where(held, HELD, 0.0), np.where(held, np.inf, 0.0)
        return elastic_net(ridge, lasso, place)

    def largest(self, gradient: F64, place: Coordinates) -> float:
        """The least amount at which every penalised coefficient is zero, given the loss's gradient (size,) where they
        are; of nearly a ridge, as glmnet has it, that of l1_ratio 0.001."""
        ratio = max(self.l1_ratio, LEAST_RATIO)
        threshold = Regularizer(ratio, self.factor, self.unit).penalty(1.0, place).threshold[: place.columns]
        slopes = gradient.reshape(-1, place.columns)
        if place.basis is not None:
            slopes = place.basis @ slopes  # of each class, also where contrasts are the unknowns
        penalised = np.isfinite(threshold) & (threshold > 0.0)
        return float((np.abs(slopes).max(axis=0)[penalised] / threshold[penalised]).max(initial=0.0))

    def gone(self, place: Coordinates) -> npt.NDArray[np.bool_]:
        """Which coordinates have columns of one value."""
        return np.asarray(self._unit(place) == 0.0)

    def _unit(self, place: Coordinates) -> F64:
        unit = np.ones(len(self.unit) + 1)
        unit[:-1] = self.unit
        return unit if place.kept is None else unit[place.kept]

    def _factor(self, place: Coordinates) -> F64:
        factor = np.zeros(len(self.unit) + 1)
        factor[:-1] = np.where(self.unit > 0.0, self.factor, np.inf)
        return factor if place.kept is None else factor[place.kept]


def factors_of(factors: npt.ArrayLike | None, p: int) -> F64:
    """Penalty factors as glmnet takes them: rescaled to sum to p; infinity (its column is left out) counts 1."""
    if factors is None:
        return np.ones(p)
    given = np.asarray(factors, dtype=np.float64)
    if given.shape != (p,) or np.isnan(given).any() or (given < 0.0).any():
        raise InputError(f"factors must be {p} numbers >= 0, one a column (0: not penalised, infinity: left out)")
    finite = np.where(np.isinf(given), 1.0, given)
    if not given.any():
        raise InputError("all factors are 0, so that nothing is penalised: give at least one column a factor above 0")
    return np.where(np.isinf(given), np.inf, finite * (p / finite.sum()))
