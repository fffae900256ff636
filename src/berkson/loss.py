"""Losses: the cross-entropy of one logit (binary) and of K logits (softmax), each tied to its kernels.

A loss says how many linear predictors a row has and asks the kernels for sums over rows.  The solver's unknowns are
identified: softmax's K classes are written in an orthonormal basis of the K - 1 contrasts that sum to zero over classes
(under a ridge that is the exact optimum of the symmetric parametrisation; without one it fixes its free shift).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.design import Design

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Sums = tuple[float, float, F64 | None, F64 | None]


class Part(NamedTuple):
    """What a kernel reads: the design, which rows of it, and their labels, weights and offsets in that order."""

    design: Design
    rows: Array | None
    center: F64
    y: Array
    weight: F64 | None
    offset: F64 | None
    threads: int


@dataclass(frozen=True, slots=True)
class Logistic:
    """P(y = 1) = 1 / (1 + e^-eta): loss -y eta + log(1 + e^eta)."""

    outputs: int = 1

    @property
    def basis(self) -> F64 | None:
        return None

    def evaluate(self, part: Part, coef: F64, order: int) -> Sums:
        """(value, margin, gradient (p+1,), hessian (p+1, p+1)) of the sum over the part's rows."""
        return part.design.logistic(part.rows, part.center, coef, part.y, part.weight, part.offset, order, part.threads)

    def curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        """Hessian times direction (p+1,)."""
        return part.design.logistic_curvature(
            part.rows, part.center, coef, direction, part.weight, part.offset, part.threads
        )


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

    def evaluate(self, part: Part, coef: F64, order: int) -> Sums:
        """(value, margin, gradient (p+1, K), hessian (K, p+1, K, p+1)) of the sum over the part's rows."""
        return part.design.multinomial(
            part.rows, part.center, coef, part.y, part.weight, part.offset, order, part.threads
        )

    def curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        """Hessian times direction (p+1, K)."""
        return part.design.multinomial_curvature(
            part.rows, part.center, coef, direction, part.weight, part.offset, part.threads
        )


Loss = Logistic | Multinomial
