"""Penalties on the solver's coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.rows.questions import Evaluation

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """1/2 sum_j strength_j theta_j^2; strength 0 leaves a coordinate free.  All zero is no penalty at all."""

    strength: F64

    @cached_property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all."""
        return not self.strength.any()

    def add(self, theta: F64, at: Evaluation) -> Evaluation:
        """The objective's evaluation from that of the loss."""
        if self.is_zero:
            return at
        with np.errstate(over="ignore"):  # of coefficients far out: infinite, which no solver steps to
            pull = self.strength * theta
            half = 0.5 * float(pull @ theta)
        hessian = at.hessian
        if hessian is not None:
            hessian = hessian.copy()
            hessian.reshape(-1)[:: len(hessian) + 1] += self.strength  # its diagonal
        gradient = None if at.gradient is None else at.gradient + pull
        return Evaluation(at.value + half, at.margin, gradient, hessian)
