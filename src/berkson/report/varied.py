"""Rows in which some columns take given values and all others one each, in the form of the table they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from berkson.table import Column, Table, listing, quoted, shorten, suggestion

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

MOST_CELLS = 100_000_000  # of a sparse table that is made dense


class Rows(Protocol):
    """A table whose columns are counted from 0."""

    @property
    def names(self) -> list[str]:
        """Of its columns."""

    def numbers(self, j: int) -> F64:
        """Column j (n,), NaN where it is missing; ValueError where it holds no numbers."""

    def middle(self, j: int) -> Any:
        """The mean of numbers, else the most frequent value."""

    def varied(self, given: Mapping[int, Any], count: int) -> Any:
        """So many rows, in the form that a model takes: each column its values (count,) or its one value."""


def rows_of(X: Any, names: list[str] | None) -> Rows:
    """Of an array, a sparse matrix, a data frame or a `Table`; names for the columns of what has none."""
    if isinstance(X, Table):
        return TableRows(X)
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return FrameRows(frame)
    if hasattr(X, "toarray"):
        if X.shape[0] * X.shape[1] > MOST_CELLS:
            raise ValueError(f"X of shape {X.shape} is too large to be made dense for a picture: give some of its rows")
        X = X.toarray()
    values = np.asarray(X)
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"X holds {values.dtype} of shape {values.shape}: give a table of numbers with two dimensions, or a data "
            "frame"
        )
    return ArrayRows(values, names or [f"x{j}" for j in range(values.shape[1])])


def _mean(values: F64, name: str) -> float:
    known = values[np.isfinite(values)]
    if not len(known):
        raise ValueError(f"column {quoted(name)} has no number to hold it at: give one (held={{{name!r}: 0.0}})")
    return float(known.mean())


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"column {quoted(name)} cannot be held at {shorten(repr(value))}: give a number")
    return number


@dataclass(frozen=True)
class ArrayRows:
    """Of X (n, p)."""

    X: Array
    names: list[str]

    def numbers(self, j: int) -> F64:
        return self.X[:, j].astype(np.float64)

    def middle(self, j: int) -> Any:
        return _mean(self.numbers(j), self.names[j])

    def varied(self, given: Mapping[int, Any], count: int) -> Any:
        rows = np.empty((count, len(self.names)))
        for j, value in given.items():
            rows[:, j] = value if isinstance(value, np.ndarray) else _number(value, self.names[j])
        return rows


@dataclass(frozen=True)
class FrameRows:
    """Of a data frame, by narwhals; columns keep their types, but for whole numbers, which become floats."""

    frame: Any

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.frame.columns]

    def _series(self, j: int) -> Any:
        return self.frame[self.frame.columns[j]]

    def numbers(self, j: int) -> F64:
        series = self._series(j)
        if not series.dtype.is_numeric():
            raise ValueError(_no_numbers(self.names[j], str(series.dtype).partition("(")[0]))
        import narwhals as nw

        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)

    def middle(self, j: int) -> Any:
        series = self._series(j)
        if series.dtype.is_numeric():
            return _mean(self.numbers(j), self.names[j])
        return _commonest(series.drop_nulls().to_list(), self.names[j])

    def varied(self, given: Mapping[int, Any], count: int) -> Any:
        import narwhals as nw

        columns = []
        for j, value in given.items():
            series, name = self._series(j), self.frame.columns[j]
            if series.dtype.is_numeric():
                values = value if isinstance(value, np.ndarray) else np.full(count, _number(value, self.names[j]))
                columns.append(nw.new_series(name, values, nw.Float64, backend=self.frame.implementation))
            else:  # rows are repeated, so that categories stay what they are
                columns.append(series[[_position(series.to_list(), value, self.names[j])] * count])
        return self.frame[[0] * count].with_columns(*columns).to_native()


@dataclass(frozen=True)
class TableRows:
    """Of a table as formulas read it."""

    table: Table

    @property
    def names(self) -> list[str]:
        return list(self.table.columns)

    def numbers(self, j: int) -> F64:
        column = self.table[self.names[j]]
        if column.kind != "number":
            raise ValueError(_no_numbers(column.name, "levels" if column.kind == "factor" else "true and false"))
        return column.values.astype(np.float64)

    def middle(self, j: int) -> Any:
        column = self.table[self.names[j]]
        if column.kind == "number":
            return _mean(self.numbers(j), column.name)
        factor = column.as_factor()
        return _commonest([factor.levels[code] for code in factor.values[factor.values >= 0].tolist()], column.name)

    def varied(self, given: Mapping[int, Any], count: int) -> Any:
        columns = {}
        for j, value in given.items():
            column = self.table[self.names[j]]
            if column.kind == "number":
                values = value if isinstance(value, np.ndarray) else np.full(count, _number(value, column.name))
                columns[column.name] = Column(column.name, "number", values)
            else:
                levels = column.as_factor().levels
                text = str(value).lower() if isinstance(value, bool) else str(value)
                code = _position(list(levels), text, column.name)
                columns[column.name] = Column(
                    column.name, column.kind, np.full(count, code), column.levels, column.ordered
                )
        return Table(columns, count, self.table.source)


def _no_numbers(name: str, held: str) -> str:
    return f"column {quoted(name)} holds {held}, and the axes of a boundary are two columns of numbers: choose another"


def _commonest(values: list[Any], name: str) -> Any:
    if not values:
        raise ValueError(f"column {quoted(name)} has no value to hold it at: fill it first")
    return Counter(values).most_common(1)[0][0]


def _position(values: list[Any], value: Any, name: str) -> int:
    if value not in values:
        known = list(dict.fromkeys(str(each) for each in values))
        near = suggestion(str(value), known)
        raise ValueError(f"column {quoted(name)} has no {shorten(repr(value))}{near}; it has {listing(known)}")
    return values.index(value)
