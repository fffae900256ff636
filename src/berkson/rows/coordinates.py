"""The linear map between a solver's unknowns and the coefficients that kernels use.

A solver's theta is (K-1 contrasts) x (q kept columns), flattened; each column is centred and divided by its scale, the
constant is the last.  A fit therefore does not depend on units or origins of columns, and X is never copied for it.

    coef (p+1, K) = scatter(theta / scale) @ basis'          eta = [X - center, 1] @ coef
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.loss import Multinomial

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coordinates:
    center: F64  # (p,) zero where the model has no intercept to absorb it
    scale: F64  # (q,) of the kept columns; 1 for the constant
    kept: npt.NDArray[np.intp] | None  # positions in (columns, constant) that are estimated; None: all p + 1
    basis: F64 | None  # (K, K-1) orthonormal contrasts, or (K, K): all equations; None for one logit

    @property
    def columns(self) -> int:
        return len(self.scale)

    @property
    def contrasts(self) -> int:
        return 1 if self.basis is None else self.basis.shape[1]

    @property
    def symmetric(self) -> bool:
        """Whether all K equations are unknowns, so that the loss does not change along class shifts."""
        return self.basis is not None and self.basis.shape[0] == self.basis.shape[1]

    @property
    def size(self) -> int:
        return self.columns * self.contrasts

    @property
    def between(self) -> F64:
        """(K, K-1) orthonormal contrasts between classes: a basis of what the loss depends on."""
        assert self.basis is not None
        return Multinomial(len(self.basis)).basis if self.symmetric else self.basis

    def on_contrasts(self, gradient: F64, hessian: F64) -> tuple[F64, F64]:
        """Both in coordinates where the loss has no flat directions: of all K equations, their contrasts."""
        if not self.symmetric:
            return gradient, hessian
        K, q, between = self.contrasts, self.columns, self.between
        turned = np.einsum("ka,kilj,lb->aibj", between, hessian.reshape(K, q, K, q), between, optimize=True)
        return (between.T @ gradient.reshape(K, q)).ravel(), turned.reshape((K - 1) * q, (K - 1) * q)

    def on_equations(self, inverse: F64) -> F64:
        """An inverse on contrasts as one that takes gradients of the unknowns, which sum to zero over classes."""
        if not self.symmetric:
            return inverse
        K, q, between = self.contrasts, self.columns, self.between
        blocks = inverse.reshape(K - 1, q, K - 1, q)
        turned: F64 = np.einsum("ka,aibj,lb->kilj", between, blocks, between, optimize=True)
        return turned.reshape(self.size, self.size)

    @cached_property
    def _scales(self) -> F64:
        """Products of two scales (q, q)."""
        return self.scale[:, None] * self.scale

    def some(self, places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], Coordinates]:
        """The columns among unknowns at some ascending places of theta, of one linear predictor; their coordinates."""
        at = places if self.kept is None else self.kept[places]
        columns = at[at < len(self.center)]
        kept = None if len(columns) < len(at) else np.arange(len(at))
        return columns, Coordinates(self.center[columns], self.scale[places], kept, None)

    def expand(self, theta: F64) -> F64:
        """theta -> kernel coefficients: (p+1,) for one logit, (p+1, K) for K."""
        if self.basis is None:
            scaled = theta / self.scale
            if self.kept is None:
                return scaled
            coef = np.zeros(len(self.center) + 1)
            coef[self.kept] = scaled
            return coef
        each = (theta.reshape(-1, self.columns) / self.scale).T @ self.basis.T
        if self.kept is None:
            return each
        coef = np.zeros((len(self.center) + 1, each.shape[1]))
        coef[self.kept] = each
        return coef

    def contract(self, coef: F64) -> F64:
        """The theta of kernel coefficients: the inverse of `expand` on its range (class shifts are dropped)."""
        each = coef if self.kept is None else coef[self.kept]
        if self.basis is None:
            return each * self.scale
        return ((each @ self.basis).T * self.scale).ravel()

    def gradient(self, gradient: F64) -> F64:
        """Derivatives by kernel coefficients -> derivatives by theta."""
        each = gradient if self.kept is None else gradient[self.kept]
        if self.basis is None:
            return each / self.scale
        return ((each @ self.basis).T / self.scale).ravel()

    def hessian(self, hessian: F64) -> F64:
        """(p+1, p+1) or (K, p+1, K, p+1) second derivatives -> (d, d)."""
        if self.basis is None:
            return self.gram(hessian)
        if self.kept is not None:
            hessian = hessian[:, self.kept][:, :, :, self.kept]
        K, q, both = hessian.shape[0], self.columns, hessian
        if not self.symmetric:
            half = np.tensordot(self.basis.T, hessian, axes=(1, 0))  # (K-1, q, K, q)
            both = np.matmul(self.basis.T, half.reshape((K - 1) * q, K, q)).reshape(K - 1, q, K - 1, q)
        both /= self.scale[:, None, None] * self.scale
        return np.reshape(both, (self.size, self.size))

    def gram(self, gram: F64) -> F64:
        """(p+1, p+1) of one linear predictor -> (q, q)."""
        if self.kept is not None:
            gram = gram[np.ix_(self.kept, self.kept)]
        return gram / self._scales

    def metric(self, metric: F64) -> F64:
        """A (q, q) quadratic form on scaled kept columns -> (p+1, p+1) on [X - center, 1]."""
        scaled = metric / self._scales
        if self.kept is None:
            return scaled
        full = np.zeros((len(self.center) + 1,) * 2)
        full[np.ix_(self.kept, self.kept)] = scaled
        return full

    def original(self, theta: F64) -> tuple[F64, F64]:
        """(coefficients (K, p) or (1, p), intercepts (K,) or (1,)) on the caller's columns."""
        coef = self.expand(theta)
        each = coef[None, :] if coef.ndim == 1 else coef.T
        slopes = np.ascontiguousarray(each[:, :-1])
        intercepts = each[:, -1] - slopes @ self.center
        return slopes, intercepts - intercepts.mean() if self.symmetric else intercepts

    def from_original(self, slopes: F64, intercepts: F64) -> F64:
        """The theta of coefficients on the caller's columns."""
        each = np.column_stack([slopes, intercepts + slopes @ self.center])
        return self.contract(each[0] if self.basis is None else each.T)
