"""Covariances of the estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import Estimates

F64 = npt.NDArray[np.float64]
Kind = Literal["model"]


@dataclass(frozen=True)
class Covariance:
    """matrix (d, d) of the parameters, NaN where one is not estimable; `kind` says in words what it rests on."""

    kind: str
    matrix: F64

    @property
    def std_error(self) -> F64:
        """(d,)"""
        return np.sqrt(self.matrix.diagonal())


def covariance(estimates: Estimates, kind: Kind = "model") -> Covariance:
    """The covariance of the parameters: "model" is the inverse of the information."""
    return Covariance(kind, estimates.from_theta(estimates.inverse))
