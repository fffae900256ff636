"""The row space of a wide table: n coordinates hold all that p columns can do under a ridge.

With Z = [X - center] diag(scale) and K = Z Z' = V diag(l) V', whatever minimises  sum of losses(Z b + constant) +
strength / 2 |b|^2  is a sum of Z's rows, since what is orthogonal to them changes no loss and only adds to |b|:

    b = Q gamma,   Q = Z' V l^(-1/2) with orthonormal columns,   Z b = R gamma,   R = V l^(1/2),   |b| = |gamma|.

So the table R (n, r) under the same ridge has the same fits, for any labels, weights, offsets, classes and strengths; X
is read once for K and once for any number of b.  (Hastie and Tibshirani, Biostatistics 5, 2004.)
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

BLOCK = 1 << 20  # cells of X that a thread copies at a time
NARROWEST = 64  # columns of a block
UNIT = 2.0**-52  # twice what one operation rounds off
ROUNDING = 2.3e-16  # of the largest eigenvalue of K, for each row: below it a direction is rounding of others


@dataclass(frozen=True)
class RowSpace:
    """X (n, p) as it lies in memory, center and scale (p,); K (n, n), its values l (r,) and vectors V (n, r) without
    directions that are lost in rounding."""

    X: Array
    center: F64
    scale: F64
    kernel: F64
    values: F64
    vectors: F64
    threads: int

    @classmethod
    def of(cls, X: Array, center: F64, scale: F64, threads: int) -> RowSpace:
        """One reading of X, n^2 p multiplications and an eigen-decomposition of order n.

        Raises FloatingPointError where K is not finite.
        """
        kernel = np.zeros((len(X), len(X)))
        for product in _by_blocks(X, center, scale, threads, lambda block, _: block @ block.T):
            kernel += product
        if not np.isfinite(kernel.diagonal()).all():  # a cell that is not finite shows in its row's length
            raise FloatingPointError
        values, vectors = np.linalg.eigh(kernel)
        used = values > ROUNDING * len(X) * values[-1]
        return cls(X, center, scale, kernel, values[used], np.ascontiguousarray(vectors[:, used]), threads)

    @cached_property
    def rows(self) -> F64:
        """R (n, r)."""
        return self.vectors * np.sqrt(self.values)

    @property
    def rounding(self) -> float:
        """Entry (i, j) of K, and what is computed with it or with Z, are off by at most this times |z_i| |z_j|."""
        step = _step(len(self.X))
        return float(step + self.X.shape[1] / step + 2 * len(self.X) + 8) * UNIT

    @property
    def largest(self) -> float:
        """Above the largest eigenvalue of K."""
        return (float(self.values[-1]) if len(self.values) else 0.0) * (1.0 + 1e-6)

    def dual(self, gamma: F64) -> F64:
        """a (..., n) with Z' a = Q gamma, from coefficients gamma (..., r) of R."""
        dual: F64 = (gamma / np.sqrt(self.values)) @ self.vectors.T
        return dual

    def coef(self, gamma: F64) -> F64:
        """On the columns of X (..., p), from coefficients gamma (..., r) of R: one reading of X."""
        return self.coef_of(self.dual(gamma))

    def coef_of(self, dual: F64, out: F64 | None = None) -> F64:
        """On the columns of X (..., p), from sums over rows (..., n), into `out` where that is given: one reading."""
        shape = (*dual.shape[:-1], self.X.shape[1])
        on_rows = dual.reshape(-1, len(self.X))
        coef = np.empty(shape) if out is None else out
        each = coef.reshape(len(on_rows), shape[-1], copy=False)

        def of_block(block: F64, place: slice) -> None:
            np.multiply(on_rows @ block, self.scale[place], out=each[:, place])

        for _ in _by_blocks(self.X, self.center, self.scale, self.threads, of_block):
            pass
        return coef

    def predictor(self, coef: F64) -> F64:
        """[X - center] coef' (n, m) for coefficients (m, p) on the columns of X: one reading of X."""
        eta, ones = np.zeros((len(self.X), len(coef))), np.ones_like(self.scale)
        for product in _by_blocks(self.X, self.center, ones, self.threads, lambda block, at: block @ coef[:, at].T):
            eta += product
        return eta

    def gamma(self, coef: F64) -> F64:
        """What of coefficients coef (m, p) of X's columns lies in the row space, on those of R (m, r): Q' b."""
        gamma: F64 = (self.predictor(coef).T @ self.vectors) / np.sqrt(self.values)
        return gamma

    def squared_lengths(self, coef: F64) -> F64:
        """|b|^2 (m,) of coefficients (m, p) on the columns of X."""
        return np.asarray((self._in_ridge(coef, self.scale) ** 2).sum(axis=1))

    @staticmethod
    def _in_ridge(coef: F64, scale: F64) -> F64:
        """b of coefficients on the columns of X; columns of scale 0 have none."""
        return np.divide(coef, scale, out=np.zeros_like(coef), where=scale > 0.0)

    def squared_gradients(self, residual: F64, coef: F64, strength: F64) -> F64:
        """|Z' residual + strength b|^2 (m,) for residuals (n, m), coefficients (m, p) on the columns of X and strengths
        (m,): one reading of X."""

        def of_block(block: F64, at: slice) -> F64:
            gradient = residual.T @ block + strength[:, None] * self._in_ridge(coef[:, at], self.scale[at])
            return np.asarray((gradient * gradient).sum(axis=1))

        total = np.zeros(len(coef))
        for squares in _by_blocks(self.X, self.center, self.scale, self.threads, of_block):
            total += squares
        return total


def _step(n: int) -> int:
    """Columns of a block."""
    return max(NARROWEST, BLOCK // max(1, n))


def _by_blocks(X: Array, center: F64, scale: F64, threads: int, work: Any) -> Iterator[Any]:
    """work(block of Z's columns, their place), in order whatever the number of threads; no copy but of blocks."""
    n, p = X.shape
    step = _step(n)
    scaled = not (scale == 1.0).all()

    def one(place: slice) -> Any:
        block = X[:, place] - center[place]
        if scaled:
            block *= scale[place]
        return work(block, place)

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(one, (slice(start, start + step) for start in range(0, p, step)))
