"""A sparse table by rows as it lies in memory: only stored cells are read, nothing is made dense and nothing copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.design.part import Part, multinomial_hessian
from berkson.kernels.sparse_reference import Cells, dense_rows

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Sums = tuple[float, float, F64 | None, F64 | None]

BLOCK = 1 << 20  # stored cells that are looked at together


@dataclass(frozen=True)
class Sparse:
    """[X - center, 1] as an operator, X of stored cells: the same methods as `Dense`, and the same answers.

    Centres stay implicit.  With s the stored cells of a row, eta = s coef + (constant - center' coef), and a sum over
    rows of r (s - center) is that of r s less center times that of r: rounding of what is stored, times center /
    spread, is all that it costs: nothing, where most cells are 0.  Squares lose twice as many digits.
    """

    cells: Cells

    @classmethod
    def of(cls, values: Array, columns: Array, indptr: Array, n_columns: int) -> Sparse:
        """From the three arrays of compressed rows: cells indptr[i] <= at < indptr[i + 1] of row i, each in
        column columns[at] and there once.  int32 or int64 numbers of places; they are checked here, once, and nothing
        is copied that lies side by side in native byte order.

        Raises ValueError where they are no table of n_columns columns.
        """
        values, columns, indptr = (np.ascontiguousarray(each) for each in (values, columns, indptr))
        if columns.dtype not in (np.int32, np.int64) or indptr.dtype not in (np.int32, np.int64):
            raise ValueError("X has indices or indptr that are not int32 or int64: convert them")
        if len(values) != len(columns) or len(indptr) == 0:
            raise ValueError("X has data, indices and indptr whose lengths do not fit: build it anew from its cells")
        if indptr[0] < 0 or indptr[-1] > len(values) or (np.diff(indptr) < 0).any():
            raise ValueError("X has an indptr that does not rise from 0 to the number of its cells: build it anew")
        if len(columns) and (columns.min() < 0 or columns.max() >= n_columns):
            raise ValueError(f"X has indices outside its {n_columns:,} columns: build it anew from its cells")
        return cls(Cells(values, columns, indptr[:-1], indptr[1:], n_columns))

    @property
    def shape(self) -> tuple[int, int]:
        return self.cells.n, self.cells.p

    def __len__(self) -> int:
        return self.cells.n

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored values."""
        return self.cells.values.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a stored cell and its column number."""
        return self.cells.values.itemsize + self.cells.columns.itemsize

    @cached_property
    def size(self) -> int:
        """Stored cells."""
        return int(self.cells.stop.sum(dtype=np.int64) - self.cells.start.sum(dtype=np.int64))

    @property
    def filled(self) -> float:
        """The share of all cells that are stored."""
        n, p = self.shape
        return self.size / max(1, n * p)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def run_of(self, place: slice | Array) -> Sparse:
        """Any rows, as a view."""
        if isinstance(place, slice) and place == slice(None, None, 1):
            return self  # and what is known of it
        return Sparse(self.cells._replace(start=self.cells.start[place], stop=self.cells.stop[place]))

    def columns(self, index: Array) -> Sparse:
        """Some of the columns, gathered: the stored cells that lie in them."""
        place = np.full(self.cells.p, -1, dtype=np.int32)
        place[index] = np.arange(len(index), dtype=np.int32)
        return Sparse(kernels.sparse.columns(self.cells, place, len(index), kernels.threads()))

    def few_rows(self, rows: slice | Array) -> F64:
        """A few rows of X with all their cells."""
        return dense_rows(self.cells, np.arange(len(self))[rows])

    def dense_rows(self, rows: Array, center: F64) -> F64:
        """A few rows of [X - center, 1] with all their cells."""
        return np.column_stack([dense_rows(self.cells, rows) - center, np.ones(len(rows))])

    def evenly_spaced(self, count: int) -> F64:
        """About `count` rows of X with all their cells; fewer, where columns are very many."""
        n, p = self.shape
        count = max(1, min(count, BLOCK // max(1, p)))
        return dense_rows(self.cells, np.arange(0, n, max(1, n // count)))

    def rows_gram(self, rows: Array, center: F64, inverse: F64) -> F64:
        """x_i' diag(inverse) x_k for a few rows of [X - center, 1], inverse (p+1,): (m, m)."""
        chosen = Sparse(self.cells._replace(start=self.cells.start[rows], stop=self.cells.stop[rows]))
        row, column, value = (np.concatenate(each) for each in zip(*chosen.stored(), strict=True))
        columns, place = np.unique(column, return_inverse=True)
        few = np.zeros((len(rows), len(columns)))
        np.add.at(few, (row, place), value)
        few -= center[columns]  # and all other columns are -center in each of these rows
        elsewhere = np.delete(center * center * inverse[:-1], columns).sum() + inverse[-1]
        products: F64 = (few * inverse[columns]) @ few.T + float(elsewhere)
        return products

    def stored(self) -> Iterator[tuple[Array, Array, F64]]:
        """Stored cells by blocks of rows: row numbers, column numbers and values."""
        cells, n = self.cells, len(self)
        step = max(1, BLOCK * n // max(1, self.size))
        for first in range(0, max(1, n), step):
            start, stop = cells.start[first : first + step], cells.stop[first : first + step]
            count = (stop - start).astype(np.int64)
            row = np.repeat(np.arange(len(count)), count)
            at = np.arange(len(row)) + (start - (np.cumsum(count) - count))[row]
            yield row + first, cells.columns[at], cells.values[at].astype(np.float64)

    # --- what a loss may ask: formulas in `kernels/sparse_reference.py`, centres subtracted here ----------------------

    def moments(self, rows: Array | None, weight: F64 | None, threads: int) -> tuple[float, F64, F64, F64, F64]:
        if rows is None and weight is None:
            return self._moments
        return kernels.sparse.moments(self.cells, rows, weight, threads)

    @cached_property
    def _moments(self) -> tuple[float, F64, F64, F64, F64]:
        return kernels.sparse.moments(self.cells, None, None, kernels.threads())

    def linear_predictor(self, rows: Array | None, center: F64, coef: F64, threads: int) -> F64:
        return kernels.sparse.linear_predictor(self.cells, rows, _shifted(coef, center), None, threads)

    def logistic(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        shifted = _shifted(coef, center)[:, None]
        if order < 2:
            value, margin, gradient = kernels.sparse.logistic(
                self.cells, rows, shifted, y, weight, offset, order, threads
            )
            return (
                float(value[0]),
                float(margin[0]),
                None if gradient is None else _centred(gradient[:, 0], center),
                None,
            )
        value, margin, residual, curvature = self.residuals(part, coef[:, None], curved=True)
        assert curvature is not None
        hessian = self.gram(rows, center, curvature[:, 0], threads)
        sums = kernels.sparse.transposed(self.cells, rows, residual, threads)
        return float(value[0]), float(margin[0]), _centred(sums[:, 0], center), hessian

    def residuals(self, part: Part, coef: F64, *, curved: bool) -> tuple[F64, F64, F64, F64 | None]:
        """Of M models of two classes, coef (p+1, M): values and margins (M,), and the derivatives of weighted losses by
        their linear predictors (m, M), first and, where they are wanted, second."""
        rows, center, y, weight, offset, threads = part
        return kernels.sparse.residuals(self.cells, rows, _shifted(coef, center), y, weight, offset, curved, threads)

    def transposed(self, residual: F64, center: F64, threads: int) -> F64:
        """[X - center, 1]' residual, (n, M): (p+1, M)."""
        return _centred(kernels.sparse.transposed(self.cells, None, residual, threads), center)

    def logistic_many(self, part: Part, coef: F64) -> tuple[F64, F64, F64]:
        rows, center, y, weight, offset, threads = part
        value, margin, gradient = kernels.sparse.logistic(
            self.cells, rows, _shifted(coef, center), y, weight, offset, 1, threads
        )
        assert gradient is not None
        return value, margin, _centred(gradient, center)

    def multinomial(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        shifted = _shifted(coef, center)
        value, margin, gradient = kernels.sparse.multinomial(
            self.cells, rows, shifted, y, weight, offset, min(order, 1), threads
        )
        hessian = None
        if order >= 2:
            eta = kernels.sparse.linear_predictor(self.cells, rows, shifted, offset, threads)
            hessian = multinomial_hessian(self, part, eta)
        return value, margin, None if gradient is None else _centred(gradient, center), hessian

    def logistic_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        coef, direction = _shifted(coef, center), _shifted(direction, center)
        product = kernels.sparse.logistic_curvature(self.cells, rows, coef, direction, weight, offset, threads)
        return _centred(product, center)

    def multinomial_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        coef, direction = _shifted(coef, center), _shifted(direction, center)
        product = kernels.sparse.multinomial_curvature(self.cells, rows, coef, direction, weight, offset, threads)
        return _centred(product, center)

    def gram(self, rows: Array | None, center: F64, weight: F64 | None, threads: int) -> F64:
        gram = kernels.sparse.gram(self.cells, rows, weight, threads)
        if center.any():
            shift = np.append(center, 0.0)
            sums = gram[-1] - 0.5 * gram[-1, -1] * shift  # sum w (s - c)(s - c)' = S - c t' - t c' + W c c'
            gram -= shift[:, None] * sums + sums[:, None] * shift
        return gram

    def quadratic_form(self, rows: Array | None, center: F64, metric: F64, threads: int) -> F64:
        forms = kernels.sparse.quadratic_form(self.cells, rows, metric, threads)
        if center.any():
            pull = metric @ np.append(center, 0.0)
            along = kernels.sparse.linear_predictor(self.cells, rows, pull[:, None], None, threads)[:, 0]
            forms += float(pull[:-1] @ center) - 2.0 * along
        return forms


def _shifted(coef: F64, center: F64) -> F64:
    """The coefficients of uncentred columns with the same linear predictors."""
    if not center.any():
        return coef
    shifted = coef.copy()
    shifted[-1] -= center @ coef[:-1]
    return shifted


def _centred(sums: F64, center: F64) -> F64:
    """Sums of r [X - center, 1] from those of r [X, 1], (p+1,) or (p+1, K), in place."""
    if center.any():
        sums[:-1] -= np.multiply.outer(center, sums[-1])
    return sums
