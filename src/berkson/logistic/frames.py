"""Tables and vectors of the caller's kind: pandas in, pandas out; and a small one of our own for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.logistic.inputs import free
from berkson.model import Prepared
from berkson.report.layout import Grid, Row, lines, significant
from berkson.table import Column, Table, quoted

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

SHOWN = 30  # rows of a frame that its repr shows at either end


class Named(Mapping[str, float]):
    """Numbers by name, in order; `numpy.asarray` gives them as an array."""

    def __init__(self, names: Sequence[str], values: F64) -> None:
        self.names, self._values = tuple(names), values
        self._at = {name: k for k, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> float:
        return float(self._values[self._at[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._values, dtype=dtype)

    def __repr__(self) -> str:
        rows = tuple(Row(name, (significant(value),)) for name, value in self.items())
        return _text(Grid(("", ""), rows)).lstrip("\n")


class Frame:
    """Columns by name: `frame["p.value"]` is an array, `len(frame)` the number of rows."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = {name: np.asarray(values) for name, values in columns.items()}

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def to_dict(self) -> dict[str, Array]:
        """The columns, for whatever makes tables of a dict of arrays."""
        return dict(self._columns)

    def __getitem__(self, name: str) -> Array:
        if name not in self._columns:
            raise KeyError(f"{name}; the columns: {', '.join(self._columns)}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __repr__(self) -> str:
        n = len(self)
        places = [*range(n)] if n <= 2 * SHOWN else [*range(SHOWN), *range(n - SHOWN, n)]
        first, *others = self._columns
        rows = [
            Row(_cell(self._columns[first][i]), tuple(_cell(self._columns[name][i]) for name in others)) for i in places
        ]
        if len(places) < n:
            rows.insert(SHOWN, Row("…", tuple("…" for _ in others)))
        return _text(Grid((first, *others), tuple(rows))) + ("" if len(places) == n else f"\n[{n:,} rows]")


def _cell(value: Any) -> str:
    return significant(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def _text(grid: Grid) -> str:
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines([grid]))


@dataclass(frozen=True)
class Frames:
    """Makes tables for the caller: by their data frame library (as narwhals knows it), or, where None, `Frame`."""

    library: Any = None
    source: Any = None  # the caller's table

    @property
    def index(self) -> Any:
        """Labels of the caller's rows, where their library has such."""
        return self.source.index if self.labelled else None

    def index_of(self, used: npt.NDArray[np.bool_] | None) -> Any:
        """The labels of the rows used."""
        return self.index if used is None or self.index is None else self.index[used]

    @property
    def labelled(self) -> bool:
        """Whether vectors and tables of this library have labels of rows."""
        return self.library is not None and bool(self.library.is_pandas_like())

    def table(self, columns: Mapping[str, Any], index: Any = None) -> Any:
        """A table of these columns; `index` labels its rows where the library has such labels."""
        if self.library is None:
            return Frame(columns)
        import narwhals as nw

        native = nw.from_dict(dict(columns), backend=self.library).to_native()
        if index is not None and self.labelled:
            native.index = index
        return native

    def vector(self, names: Sequence[str], values: F64) -> Any:
        """Numbers by name: a labelled Series where the library has such, else a mapping."""
        if not self.labelled:
            return Named(names, values)
        series = self.series("", values, list(names))
        series.name = None
        return series

    def series(self, name: str, values: Any, index: Any = None) -> Any:
        """A Series of the caller's library, or the array itself."""
        if self.library is None:
            return values
        import narwhals as nw

        native = nw.new_series(name, values, backend=self.library).to_native()
        if index is not None and self.labelled:
            native.index = index
        return native

    def matrix(self, names: Sequence[str], values: F64) -> Any:
        """A square table with the same names for rows and columns, a column `term` where rows have no labels."""
        columns = dict(zip(names, values.T, strict=True))
        if self.labelled:
            return self.table(columns, list(names))
        return self.table({free("term", names): list(names), **columns})

    def joined(self, prepared: Prepared, columns: Mapping[str, Any]) -> Any:
        """The rows of the caller's table that were used, with more columns."""
        import narwhals as nw

        clash = [name for name in columns if name in prepared.table.columns]
        if clash:
            raise ValueError(
                f"the data have a column {quoted(clash[0])}, which is a name that this table gives; rename it in the "
                "data"
            )
        whole = nw.from_native(self.source, allow_series=True, pass_through=True)
        if not isinstance(whole, (nw.DataFrame, nw.LazyFrame)):
            own = {name: as_values(column) for name, column in prepared.complete.columns.items()}
            return self.table({**own, **columns}, self.index_of(prepared.used))
        frame = whole.collect() if isinstance(whole, nw.LazyFrame) else whole
        frame = frame if prepared.used is None else frame.filter(prepared.used.tolist())
        index = self.index_of(prepared.used)
        added = nw.from_native(self.table(columns, index), eager_only=True)
        return nw.concat([frame, added], how="horizontal").to_native()


def as_values(column: Column) -> Array:
    """A column of a table as numbers, booleans or text; None where text or a boolean is missing."""
    if column.kind == "number":
        return column.values
    levels = (False, True) if column.kind == "boolean" else column.levels
    return np.array([*levels, None], dtype=object)[column.values]


def frames_of(*sources: Any) -> Frames:
    """The kind of the first of these that is a table or Series of a data frame library, which is kept as it is now."""
    for source in sources:
        if isinstance(source, (np.ndarray, list, tuple, Table)):
            continue
        for value in source.values() if isinstance(source, Mapping) else (source,):
            library = None if isinstance(value, (np.ndarray, list, tuple)) else _library(value)
            if library is not None:
                return Frames(library, _as_it_is_now(value))
    return Frames()


def _as_it_is_now(value: Any) -> Any:
    """The table or Series with what it holds now, whatever is assigned to it later; its numbers are not copied."""
    if hasattr(value, "iloc"):
        return value.copy(deep=False)
    return value.clone() if hasattr(value, "clone") else value


def _library(value: Any) -> Any:
    import narwhals as nw

    found = nw.from_native(value, allow_series=True, pass_through=True)
    if not isinstance(found, (nw.DataFrame, nw.LazyFrame, nw.Series)):
        return None
    library = found.implementation
    eager = library.is_pandas_like() or library.is_polars() or library.is_pyarrow()
    return library if eager else None
