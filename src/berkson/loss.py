"""Losses: the cross-entropy of one logit (binary) and of K logits (softmax), each tied to its kernels.

A loss says how many linear predictors a row has and asks the kernels for sums over rows.  The solver's unknowns are
identified: softmax's K classes are written in an orthonormal basis of the K - 1 contrasts that sum to zero over classes
(under a ridge that is the exact optimum of the symmetric parametrisation; without one it fixes its free shift).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Design, Part

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Sums = tuple[float, float, F64 | None, F64 | None]


@dataclass(frozen=True, slots=True)
class Logistic:
    """P(y = 1) = 1 / (1 + e^-eta): loss -y eta + log(1 + e^eta)."""

    outputs: int = 1

    @property
    def basis(self) -> F64 | None:
        return None

    def evaluate(self, design: Design, part: Part, coef: F64, order: int) -> Sums:
        """(value, margin, gradient (p+1,), hessian (p+1, p+1)) of the sum over the part's rows."""
        return design.logistic(part, coef, order)

    def curvature(self, design: Design, part: Part, coef: F64, direction: F64) -> F64:
        """Hessian times direction (p+1,)."""
        return design.logistic_curvature(part, coef, direction)


@dataclass(frozen=True, slots=True)
class Multinomial:
    """P(y = k) = e^eta_k / sum_l e^eta_l: loss -sum_k y_k log P(y = k)."""

    outputs: int

    @property
    def basis(self) -> F64:
        """(K, K-1), orthonormal columns that each sum to zero (Helmert contrasts)."""
        K = self.outputs
        basis = np.zeros((K, K - 1))
        for j in range(1, K):
            basis[:j, j - 1] = 1.0
            basis[j, j - 1] = -j
            basis[:, j - 1] /= np.sqrt(j * (j + 1.0))
        return basis

    def evaluate(self, design: Design, part: Part, coef: F64, order: int) -> Sums:
        """(value, margin, gradient (p+1, K), hessian (K, p+1, K, p+1)) of the sum over the part's rows."""
        return design.multinomial(part, coef, order)

    def curvature(self, design: Design, part: Part, coef: F64, direction: F64) -> F64:
        """Hessian times direction (p+1, K)."""
        return design.multinomial_curvature(part, coef, direction)


Loss = Logistic | Multinomial
