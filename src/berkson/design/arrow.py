"""Symmetric matrices that are diagonal in most of their coordinates: the Hessian where a factor has many levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

BLOCK = 1 << 17  # cells of `beside` that are scaled at a time


@dataclass(frozen=True)
class Arrow:
    """[[diag(spread), beside], [beside', rest]], coordinates `outer` (m,) first and then `inner` (r,); without `beside`
    it is 0.

    No row has two levels of one factor, so that the outer block is diagonal and elimination leaves a matrix of order r:

        rest - beside' diag(spread)^-1 beside.
    """

    outer: Indices
    inner: Indices
    spread: F64
    beside: F64 | None
    rest: F64

    def diagonal(self) -> F64:
        """(m + r,)"""
        out = np.empty(len(self.outer) + len(self.inner))
        out[self.outer], out[self.inner] = self.spread, self.rest.diagonal()
        return out

    def lifted(self, by: F64) -> Arrow:
        """The same plus a diagonal matrix, `by` (m + r,)."""
        rest = self.rest.copy()
        rest.flat[:: len(rest) + 1] += by[self.inner]
        return replace(self, spread=self.spread + by[self.outer], rest=rest)

    def within(self, kept: Indices | None) -> Arrow:
        """Of all coordinates but the last, where that is not kept."""
        if kept is None or len(kept) == len(self.outer) + len(self.inner):
            return self
        beside = None if self.beside is None else self.beside[:, :-1]
        return replace(self, inner=self.inner[:-1], beside=beside, rest=self.rest[:-1, :-1])

    def scaled(self, scale: F64) -> Arrow:
        """In coordinates that are `scale` (m + r,) times as long."""
        outer, inner = scale[self.outer], scale[self.inner]
        beside = None
        if self.beside is not None:
            beside = self.beside / outer[:, None]
            beside /= inner
        rest = self.rest / (inner[:, None] * inner)
        return replace(self, spread=self.spread / (outer * outer), beside=beside, rest=rest)

    @cached_property
    def _left(self) -> F64:
        """The inverse of what elimination leaves."""
        left = self.rest.copy()
        if self.beside is not None:
            step = max(1, BLOCK // max(1, len(left)))
            for start in range(0, len(self.beside), step):
                root = self.beside[start : start + step] / np.sqrt(self.spread[start : start + step, None])
                left -= root.T @ root
        return np.asarray(np.linalg.inv(left), dtype=np.float64)

    def solve(self, right: F64) -> F64:
        """This inverse times a vector.  Raises LinAlgError where the matrix is not positive definite."""
        if not self.spread.min(initial=1.0) > 0.0:
            raise np.linalg.LinAlgError("a level has no curvature")
        outer, inner = right[self.outer] / self.spread, right[self.inner]
        if self.beside is not None:
            inner = inner - self.beside.T @ outer
        out = np.empty(len(right))
        out[self.inner] = inner = self._left @ inner
        out[self.outer] = outer if self.beside is None else outer - (self.beside @ inner) / self.spread
        return out
