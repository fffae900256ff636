"""The linear predictors of any rows, in the solver's coordinates: nothing is lost to a column's units or origin."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.assemble import coded, is_coded
from berkson.blas import one_thread
from berkson.formula import Schema
from berkson.inference.derivative import design_and_offset, design_derivative
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.limiting import LimitingEstimates
from berkson.rows.memory import threads_for
from berkson.table import Table

F64 = npt.NDArray[np.float64]

CELLS = 1 << 18  # of a run of rows in each of the few arrays that are held of it
OFF = 1e-6  # of its parts: a row that misses an alias's combination by more is not in the space of the fit's rows


class Rows(NamedTuple):
    """Rows in the coordinates of theta (m, q), the formula's offset (m,) or None, and whether their linear predictors
    are estimable (m,)."""

    Z: F64
    offset: F64 | None
    estimable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Predictor:
    """What estimates and a schema say of a row z in the coordinates of theta: eta = basis @ (theta . z) + offset.

    StatisticsError for estimates without a proved optimum, and for infinite ones; with `limits`, of more than two
    classes alone: of two, the linear predictor of a row that they move is infinite too (`limit_of`).
    """

    estimates: Estimates
    schema: Schema
    limits: bool = False

    def __post_init__(self) -> None:
        self.estimates.require_optimum()
        if self.limits and self.estimates.problem.n_classes == 2:
            return
        aliased = {alias.column for alias in self.estimates.fit.certificate.rank.aliased}
        expected = [column not in aliased for column in self.estimates.columns] * len(self.estimates.equations)
        if (self.estimates.estimable != expected).any():
            raise StatisticsError(
                "some estimates are infinite, so this has no finite variance; use bias reduction, "
                "or drop the columns that separate the classes"
            )

    @cached_property
    def theta(self) -> F64:
        """(C, q): a row for each contrast of the classes."""
        place = self.estimates.rows.coordinates
        return self.estimates.theta.reshape(place.contrasts, place.columns)

    @cached_property
    def basis(self) -> F64:
        """(L, C): logits from contrasts."""
        basis = self.estimates.rows.coordinates.basis
        return np.ones((1, 1)) if basis is None else basis

    @property
    def logits(self) -> int:
        """L: 1 for two classes, else their number."""
        return len(self.basis)

    @property
    def step(self) -> int:
        """Rows to hold at a time."""
        return max(1, CELLS // max(len(self.schema.names) + 1, self.logits**2))

    def threads(self, n: int) -> AbstractContextManager[None]:
        """Within it, BLAS uses one thread where n rows are more than a run: its products are long and thin."""
        return one_thread(self.step) if n > self.step else nullcontext()

    def rows(self, table: Table) -> Rows:
        """The rows of a table.  Raises as `Schema.design`."""
        return self._rows(design_and_offset(self.schema, table), 1.0)

    def slopes(self, table: Table, column: str, middle: float, spread: float) -> Rows:
        """Their derivatives by a column of numbers; see `design_derivative`."""
        return self._rows(design_derivative(self.schema, table, column, middle, spread), 0.0)

    def linear_predictor(self, rows: Rows, offset: F64 | None = None) -> F64:
        """(m, L), with an offset (m,) or (m, L) beside that of the formula."""
        eta = rows.Z @ self.theta.T @ self.basis.T
        if rows.offset is not None:
            eta += rows.offset[:, None]
        return eta if offset is None else eta + offset.reshape(len(eta), -1)

    def by_codes(self, n: int) -> bool:
        """Whether `coded_predictor` has the linear predictors of n rows: factors stay codes, and no row can fail to be
        estimable or be infinite."""
        plain = not self.estimates.fit.certificate.rank.aliased and not isinstance(self.estimates, LimitingEstimates)
        return plain and is_coded(self.schema, n)

    def coded_predictor(self, table: Table) -> F64:
        """(n, L) of rows without missing values, without a column for each level.  Raises as `Schema.design`."""
        place, design = self.estimates.rows.coordinates, coded(self.schema, table)
        coef = place.expand(self.estimates.theta).reshape(len(place.center) + 1, -1)
        eta = design.linear_predictor(None, place.center, coef, threads_for(table.n_rows * len(coef)))
        offset = self.schema.offset(table)
        return eta if offset is None else eta + offset[:, None]

    def limit_of(self, rows: Rows) -> F64:
        """What the linear predictor of each row tends to where the data are separated (m,): +-inf, nan where it can go
        either way, and 0 where it stays what `linear_predictor` says."""
        limit = np.zeros(len(rows.Z))
        if isinstance(self.estimates, LimitingEstimates):
            recession = self.estimates.recession
            moved = np.flatnonzero(recession.touches(rows.Z))
            different, which = np.unique(rows.Z[moved], axis=0, return_inverse=True)
            if len(recession.span) == 1:  # one direction: its sign decides
                ends = np.copysign(np.inf, different @ recession.inside)
            else:
                ends = np.array([_the_one(recession.limits(z)) for z in different])
            limit[moved] = ends[which.ravel()]
        return limit

    def to_theta(self, by_logits: F64) -> F64:
        """Derivatives (..., L, q) by each logit's coefficients -> (..., size) by theta."""
        place = self.estimates.rows.coordinates
        each = np.einsum("...lq,lc->...cq", by_logits, self.basis)
        return np.reshape(each, (*by_logits.shape[:-2], place.size))

    def _rows(self, read: F64, constant: float) -> Rows:
        p = len(self.schema.names)
        X, offset = read[:, :p], read[:, p] if self.schema.offsets else None
        return Rows(self._standardised(X, constant), offset, self._estimable(X, constant))

    def _standardised(self, X: F64, constant: float) -> F64:
        """[X - center, constant] of the kept columns, over their scales; for a derivative the constant is 0."""
        place = self.estimates.rows.coordinates
        m, p = X.shape
        whole = np.empty((m, p + 1))
        np.subtract(X, constant * place.center, out=whole[:, :p])
        whole[:, p] = constant
        kept = whole if place.kept is None else whole[:, place.kept]
        kept /= place.scale
        return kept

    def _estimable(self, X: F64, constant: float) -> npt.NDArray[np.bool_]:
        """Whether a row meets the combination of every aliased column: else the data say nothing of it."""
        estimable, p = np.ones(len(X), dtype=bool), X.shape[1]
        for alias in self.estimates.fit.certificate.rank.aliased:
            off, size = X[:, alias.column].copy(), np.abs(X[:, alias.column])
            for column, factor in alias.combination:
                part = factor * (X[:, column] if column < p else constant)
                off -= part
                size += np.abs(part)
            estimable &= ~(np.abs(off) > OFF * size)
        return estimable


def _the_one(ends: tuple[float, float]) -> float:
    """The infinity that is possible, nan where both are."""
    low, high = ends
    return high if np.isnan(low) else low if np.isnan(high) else np.nan
