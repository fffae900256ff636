"""A dense table as it lies in memory: any layout, any real dtype, read natively and never copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.design.part import Part

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Sums = tuple[float, float, F64 | None, F64 | None]

CELLS = 1 << 17  # cells that are looked at together


@dataclass(frozen=True, slots=True)
class Dense:
    """[X - center, 1] as an operator: sums over all rows or over `rows`, one reading of X each.

    Its methods are the questions that a loss may put to any design; the formulas stand in `kernels/reference.py`.
    """

    X: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def itemsize(self) -> int:
        return self.X.itemsize

    @property
    def nbytes(self) -> int:
        return self.X.size * self.X.itemsize

    @property
    def filled(self) -> float:
        """The share of cells that are read."""
        return 1.0

    def run_of(self, place: slice | Array) -> Dense:
        """Consecutive or evenly spaced rows as a view, or any rows, gathered."""
        return Dense(self.X[place])

    def columns(self, index: Array) -> Dense:
        """Some of the columns, gathered."""
        return Dense(np.take(self.X, index, axis=1))

    def few_rows(self, rows: slice | Array) -> Array:
        """A few rows of X with all their cells."""
        return self.X[rows]

    def dense_rows(self, rows: Array, center: F64) -> F64:
        """A few rows of [X - center, 1] themselves."""
        return np.column_stack([self.X[rows] - center, np.ones(len(rows))])

    def rows_gram(self, rows: Array, center: F64, inverse: F64) -> F64:
        """x_i' diag(inverse) x_k for a few rows of [X - center, 1], inverse (p+1,): (m, m)."""
        few = self.dense_rows(rows, center)
        products: F64 = (few * inverse) @ few.T
        return products

    def evenly_spaced(self, count: int, columns: slice = slice(None)) -> F64:
        """About `count` rows of X themselves, or of some of its columns."""
        return self.X[:: max(1, len(self.X) // count), columns].astype(np.float64)

    def stored(self) -> Iterator[tuple[Array, Array, F64]]:
        """All cells by blocks of rows: row numbers, column numbers and values."""
        n, p = self.X.shape
        step = max(1, CELLS // max(1, p))
        for start in range(0, n, step):
            block = np.asarray(self.X[start : start + step], dtype=np.float64)
            rows, columns = np.divmod(np.arange(block.size), max(1, p))
            yield rows + start, columns, block.ravel()

    def moments(self, rows: Array | None, weight: F64 | None, threads: int) -> tuple[float, F64, F64, F64, F64]:
        return kernels.moments(self.X, rows, weight, threads)

    def linear_predictor(self, rows: Array | None, center: F64, coef: F64, threads: int) -> F64:
        return kernels.linear_predictor(self.X, rows, center, coef, None, threads)

    def logistic(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        return kernels.logistic(self.X, rows, center, coef, y, weight, offset, order, threads)

    def logistic_rounded(self, part: Part, coef: F64, unit: F64) -> tuple[float, float, F64, F64, float]:
        rows, center, y, weight, offset, threads = part
        return kernels.rough.logistic(self.X, rows, center, unit, coef, y, weight, offset, threads)

    def longest(self, part: Part, unit: F64) -> float:
        return kernels.rough.longest(self.X, part.rows, part.center, unit, part.weight, part.threads)

    def logistic_many(self, part: Part, coef: F64) -> tuple[F64, F64, F64]:
        rows, center, y, weight, offset, threads = part
        return kernels.logistic_many(self.X, rows, center, coef, y, weight, offset, threads)

    def gradients_at_point(
        self,
        rows: Array | None,
        center: F64,
        residual: F64,
        seed: int,
        numbers: Sequence[int],
        drawn: npt.NDArray[np.int32],
        kept: npt.NDArray[np.uint8] | None,
        threads: int,
    ) -> F64:
        return kernels.replicates.gradients_at_point(
            self.X, rows, center, residual, seed, numbers, drawn, kept, threads
        )

    def changes_of_gradients(
        self,
        rows: Array | None,
        center: F64,
        scale: F64,
        step: F64,
        curvature: F64,
        mean: F64,
        seed: int,
        numbers: Sequence[int],
        drawn: npt.NDArray[np.int32],
        kept: npt.NDArray[np.uint8] | None,
        slots: npt.NDArray[np.int64] | None,
        threads: int,
    ) -> F64:
        return kernels.replicates.changes_of_gradients(
            self.X, rows, center, scale, step, curvature, mean, seed, numbers, drawn, kept, slots, threads
        )

    def multinomial(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        return kernels.multinomial(self.X, rows, center, coef, y, weight, offset, order, threads)

    def logistic_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        return kernels.logistic_curvature(self.X, rows, center, coef, direction, weight, offset, threads)

    def multinomial_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        return kernels.multinomial_curvature(self.X, rows, center, coef, direction, weight, offset, threads)

    def gram(self, rows: Array | None, center: F64, weight: F64 | None, threads: int) -> F64:
        return kernels.gram(self.X, rows, center, weight, threads)

    def quadratic_form(self, rows: Array | None, center: F64, metric: F64, threads: int) -> F64:
        return kernels.quadratic_form(self.X, rows, center, metric, threads)
