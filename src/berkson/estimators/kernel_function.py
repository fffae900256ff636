"""Kernels k(a, b) of rows, and the kernel matrix of a table, of which only the blocks that are asked for exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Rows = Any  # (n, p): an array of float64, or compressed sparse rows of SciPy
Name = Literal["linear", "poly", "rbf", "precomputed"]

CELLS = 1 << 22  # of a block: 32 MB
NEAR = 1e-6  # of the sum of two rows' squares: from there on their squared distance has ten digits of it
SOME = 64  # rows whose kernel with each other is computed for its diagonal


@dataclass(frozen=True)
class Kernel:
    """k(a, b), as in scikit-learn's SVC:

        linear  a'b        poly  (gamma a'b + coef0)^degree        rbf  exp(-gamma |a - b|^2)

    or a function of two tables (n, p) and (m, p) to (n, m), or precomputed.  `center` (p,) is subtracted from dense
    rows before their distances are computed, which changes none and loses fewer digits.
    """

    name: Name | Callable[[Rows, Rows], Any]
    gamma: float
    degree: float
    coef0: float
    center: F64 | None

    @property
    def is_one(self) -> bool:
        """Whether it is known to be a kernel: symmetric, and positive semi-definite on any rows."""
        whole = self.degree == int(self.degree) and self.coef0 >= 0.0
        return self.name in ("linear", "rbf") or (self.name == "poly" and whole)

    def between(self, A: Rows, B: Rows) -> Array:
        """(n, m): k of each row of A with each of B.  InputError where it is no finite number."""
        if callable(self.name):
            values = self._called(A, B)
        elif self.name == "rbf":
            return self._rbf(A, B)
        else:
            values = _products(A, B)
            if self.name == "poly":
                values *= self.gamma
                values += self.coef0
                with np.errstate(invalid="ignore", over="ignore"):
                    values **= self.degree
        wrong = ~np.isfinite(values)
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            raise InputError(
                f"the kernel of two rows is {values[i, j]:g}, which is no finite number: rescale the columns or choose "
                "another kernel"
            )
        return values

    def _called(self, A: Rows, B: Rows) -> Array:
        assert callable(self.name)
        values = np.asarray(self.name(A, B))
        if values.shape != (A.shape[0], B.shape[0]) or values.dtype.kind not in "fiub":
            raise InputError(
                f"the kernel of {A.shape[0]} and {B.shape[0]} rows is {values.dtype} of shape {values.shape}: give a "
                f"function kernel(X, Y) of two tables to numbers of shape {(A.shape[0], B.shape[0])}, as for SVC"
            )
        return values if values.dtype.kind == "f" else values.astype(np.float64)

    def _rbf(self, A: Rows, B: Rows) -> Array:
        if self.center is not None:
            A, B = A - self.center, B - self.center
        values = _squared_distances(A, B)
        values *= -self.gamma
        return np.exp(values, out=values)


def _squared_distances(A: Rows, B: Rows) -> F64:
    """|a|^2 + |b|^2 - 2 a'b; from differences where that is rounding: of rows with themselves it is exactly 0."""
    values = _products(A, B)
    values *= -2.0
    of_a, of_b = _squares(A), _squares(B)
    for place in _runs(len(of_a), len(of_b)):
        part, sums = values[place], np.add.outer(of_a[place], of_b)
        part += sums
        sums *= NEAR
        i, j = np.nonzero(part <= sums)
        for some in _runs(len(i), A.shape[1]):
            part[i[some], j[some]] = _squares(A[place.start + i[some]] - B[j[some]])
    return values


def _products(A: Rows, B: Rows) -> F64:
    found = A @ B.T
    return found if isinstance(found, np.ndarray) else found.toarray()


def _squares(A: Rows) -> F64:
    if isinstance(A, np.ndarray):
        return np.einsum("ij,ij->i", A, A)  # type: ignore[no-any-return]
    return np.asarray(A.multiply(A).sum(axis=1)).ravel()


@dataclass(frozen=True)
class Gram:
    """The kernel matrix K (n, n) of the rows of X; where the kernel is precomputed, X is K."""

    kernel: Kernel
    X: Rows

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def block(self, rows: Array | slice, columns: Array | slice) -> Array:
        """K at these rows and columns; a copy."""
        if self.kernel.name == "precomputed":
            return np.array(self.X[rows][:, columns])
        return self.kernel.between(self.X[rows], self.X[columns])

    def diagonal(self) -> F64:
        """k of each row with itself (n,)."""
        if self.kernel.name == "precomputed":
            return self.X.diagonal().astype(np.float64)  # type: ignore[no-any-return]
        places = (slice(start, start + SOME) for start in range(0, len(self), SOME))
        return np.concatenate([self.block(place, place).diagonal() for place in places]).astype(np.float64)

    def runs(self, columns: int) -> Iterator[slice]:
        """Runs of rows, so many that a block of them with so many columns has at most CELLS cells."""
        return _runs(len(self), columns)


def _runs(count: int, columns: int) -> Iterator[slice]:
    step = max(1, CELLS // max(1, columns))
    return (slice(start, start + step) for start in range(0, count, step))
