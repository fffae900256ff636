"""Penalties of a path, on the scale of glmnet, and what they are in a solver's coordinates.

    loss / total weight + lambda sum_j factor_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2)

with the coefficients of standardised columns where `standardize` (so that units do not matter), else of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.penalty import ElasticNet
from berkson.rows.coordinates import Coordinates

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regularizer:
    """l1_ratio from 0 (ridge) to 1 (lasso); weight (p,) >= 0 by which a column's coefficient counts: its factor times,
    where columns are standardised, its standard deviation (for the ridge part the square of that)."""

    l1_ratio: float
    factor: F64
    unit: F64  # (p,) what |coef_j| is multiplied by: 1, or the standard deviation of the column

    def penalty(self, amount: float, place: Coordinates) -> ElasticNet:
        """lambda times the total weight, in theta: the constants are free."""
        kept = np.arange(len(self.factor) + 1) if place.kept is None else place.kept
        factor, unit = np.append(self.factor, 0.0)[kept], np.append(self.unit, 0.0)[kept]
        per_theta = unit / place.scale
        ridge = amount * (1.0 - self.l1_ratio) * factor * per_theta * per_theta
        lasso = amount * self.l1_ratio * factor * per_theta
        return ElasticNet(np.tile(ridge, place.contrasts), np.tile(lasso, place.contrasts))

    def largest(self, gradient: F64, place: Coordinates) -> float:
        """The least amount at which every penalised coefficient is zero, given the loss's gradient (size,) where they
        are; of a pure ridge, as glmnet has it, that of l1_ratio 0.001."""
        ratio = max(self.l1_ratio, 1e-3)
        threshold = Regularizer(ratio, self.factor, self.unit).penalty(1.0, place).threshold
        penalised = threshold > 0.0
        return float((np.abs(gradient[penalised]) / threshold[penalised]).max(initial=0.0))
