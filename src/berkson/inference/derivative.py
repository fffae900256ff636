"""How the design changes with a column of the table.

A column enters the design through interactions, powers, logarithms, splines ...; the schema alone knows how.  Where it
enters as itself, the design is affine in it and one difference is exact.  Elsewhere central differences are
extrapolated to step 0, row by row, until two of them agree (Ridders 1982, "Accurate computation of F'(x)").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema, UnseenLevelError
from berkson.formula.syntax import Name, columns_of
from berkson.inference.estimates import StatisticsError
from berkson.table import Column, Table, quoted

F64 = npt.NDArray[np.float64]

FIRST = 1.0 / 1024  # of a column's spread: far below the distance of knots, far above rounding
LEVELS, ORDERS = 24, 5  # halvings of the step, and extrapolations of each
AGREE = 1e-11  # relative, of two extrapolations
DOUBT = 1e-7  # relative disagreement beyond which there is no derivative
PROBES = 4096  # rows that show a column's spread
EPSILON = float(np.finfo(np.float64).eps)


def is_affine(schema: Schema, column: str) -> bool:
    """Whether the column enters every term as itself, so that the design is affine in it."""
    variables = [*(variable for term in schema.terms for variable in term), *schema.offsets]
    return all(isinstance(v, Name) and v not in schema.factors for v in variables if column in columns_of(v))


def design_and_offset(schema: Schema, table: Table) -> F64:
    """The design and, where the formula has offsets, their sum as one more column."""
    offset = schema.offset(table)
    design = schema.design(table)
    return design if offset is None else np.column_stack([design, offset])


def bulk(values: npt.NDArray[Any]) -> tuple[float, float]:
    """(middle, spread) of a column: its median and the distance of its outer deciles, of evenly spaced rows."""
    probes = np.sort(values[:: max(1, len(values) // PROBES)].astype(np.float64))
    last = len(probes) - 1
    return float(probes[last // 2]), float(probes[last - last // 10] - probes[last // 10])


def design_derivative(schema: Schema, table: Table, column: str, middle: float, spread: float) -> F64:
    """d `design_and_offset` / d column, to about 11 digits of the larger of it and its size over the column's spread.

    middle, spread : `bulk` of the column where it was observed; it may be held at one value here.
    Raises StatisticsError where there is no derivative, such as that of sqrt(x) at 0.
    """
    values = table[column].as_number().values.astype(np.float64)
    if is_affine(schema, column):
        return _affine(schema, table, column)
    reach = np.maximum(np.abs(values - middle), spread)  # outside the bulk, the distance from it
    step = FIRST * np.where(reach > 0.0, reach, abs(middle) or 1.0)
    made_of = np.flatnonzero(_made_of(schema, column))

    def read(some: Table, x: F64) -> F64:
        return design_and_offset(schema, replaced(some, column, x))[:, made_of]

    derivative = np.zeros((table.n_rows, len(schema.names) + bool(schema.offsets)))
    derivative[:, made_of] = _Extrapolation(read, table, column, values, step).derivative()
    return derivative


def _made_of(schema: Schema, column: str) -> npt.NDArray[np.bool_]:
    """Which columns of `design_and_offset` depend on the column."""
    found = np.zeros(len(schema.names) + bool(schema.offsets), dtype=bool)
    for item in schema.products:
        found[item.start : item.stop] = any(column in columns_of(variable) for variable in item.term)
    if schema.offsets:
        found[-1] = any(column in columns_of(variable) for variable in schema.offsets)
    return found


def _affine(schema: Schema, table: Table, column: str) -> F64:
    """What a column that is 1 adds to one that is 0, where each term is its multiple or does not have it."""
    n = table.n_rows
    derivative = design_and_offset(schema, replaced(table, column, np.ones(n)))
    derivative[:, ~_made_of(schema, column)] = 0.0
    if schema.offsets:
        one, none = (schema.offset(replaced(table, column, np.full(n, at))) for at in (1.0, 0.0))
        assert one is not None
        assert none is not None
        derivative[:, -1] = one - none
    return derivative


def replaced(table: Table, column: str, values: npt.NDArray[np.float64]) -> Table:
    """The table with other numbers in a column."""
    return table.having({column: Column(column, "number", values)})


@dataclass(frozen=True)
class _Extrapolation:
    """Central differences of what `read` gives (m, k) for rows of a table and values of a column, taken to step 0."""

    read: Callable[[Table, F64], F64]
    table: Table
    column: str
    values: F64
    step: F64

    def derivative(self) -> F64:
        step, (difference, size) = self.first()
        best, error = difference.copy(), np.full(difference.shape, np.inf)
        rows, before = np.arange(len(step)), [difference]
        for level in range(1, LEVELS):
            h = step[rows] * 0.5**level
            difference, size = self.central(rows, h)
            now = [difference]
            for order in range(min(len(before), ORDERS)):
                now.append(now[-1] + (now[-1] - before[order]) / (4.0 ** (order + 1) - 1.0))
                off = np.maximum(np.abs(now[-1] - now[-2]), np.abs(now[-1] - before[order]))
                better = off < error[rows]
                best[rows] = np.where(better, now[-1], best[rows])
                error[rows] = np.where(better, off, error[rows])
            rounding = 4.0 * EPSILON * size / h[:, None]
            going = (error[rows] > np.maximum(AGREE * np.abs(best[rows]), rounding)).any(axis=1)
            rows, size, before = rows[going], size[going], [each[going] for each in now]
            if len(rows) == 0:
                return best
        typical = np.maximum(np.abs(best[rows]), size / (step[rows, None] / FIRST))
        doubtful = (error[rows] > DOUBT * typical).any(axis=1)
        if doubtful.any():
            raise StatisticsError(
                f"the model has no derivative by column {quoted(self.column)} at "
                f"{self.values[rows[np.argmax(doubtful)]]:g}; ask for a contrast of two values"
            )
        return best

    def first(self) -> tuple[F64, tuple[F64, F64]]:
        """Steps within the domain of the column's functions (shorter than a value is from 0, then ever shorter), and
        the central difference with them."""
        error: ValueError | None = None
        step, values = self.step, self.values
        for attempt in range(12):
            try:
                return step, self.central(np.arange(len(step)), step)
            except UnseenLevelError:
                raise
            except ValueError as undefined:
                error = undefined
            near = np.where(values == 0.0, step, np.minimum(step, np.abs(values) / 16.0))
            step = near if attempt == 0 else step / 16.0
        raise StatisticsError(
            f"the effect of column {quoted(self.column)} is not defined in every row, as the model is not on both "
            f"sides of its value ({error}); leave out such rows, or ask for a contrast between two values"
        )

    def central(self, rows: npt.NDArray[np.intp], h: F64) -> tuple[F64, F64]:
        """Central differences (m, k) in some rows, and the size of what was subtracted."""
        some = self.table if len(rows) == len(self.values) else self.table.take(rows)
        above, below = self.values[rows] + h, self.values[rows] - h
        upper, lower = self.read(some, above), self.read(some, below)
        return (upper - lower) / (above - below)[:, None], np.maximum(np.abs(upper), np.abs(lower))
