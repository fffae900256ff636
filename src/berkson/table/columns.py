"""Columns and tables, and how their names and values are written in messages."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Kind = Literal["number", "boolean", "factor"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_RUN = 1 << 16  # rows counted at a time
TRUTH = {"true": 1, "1": 1, "false": 0, "0": 0}


def shorten(text: object) -> str:
    """At most 60 characters of a text for an error message, those that do not print replaced."""
    whole = str(text)
    shown = whole if len(whole) <= 60 else whole[:57] + "..."
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)


def quoted(text: object) -> str:
    """A name or value in quotes, cut and printable."""
    return f"'{shorten(text)}'"


def listing(names: Iterable[str], limit: int = 10) -> str:
    """Names for an error message: the first `limit` of them, each cut at 60 characters, and how many are left out."""
    shown = list(map(shorten, names))
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")


def suggestion(name: str, candidates: Iterable[str]) -> str:
    """`; did you mean 'age'?` where a candidate is close to `name`, else nothing."""
    import difflib

    near = [c for c in candidates if len(c) <= 100][:2000]  # the comparison is quadratic in the lengths
    found = difflib.get_close_matches(name, near, n=1) if len(name) <= 100 else []
    return f"; did you mean {quoted(found[0])}?" if found else ""


def is_number(text: str) -> bool:
    """Whether a text is one of a number."""
    return _NUMBER.fullmatch(text) is not None


def number_text(value: Any) -> str:
    """A number as the text of a level: 1.0 and 1 are both `1`, 0.5 is `0.5`."""
    as_float = float(value)
    return str(int(value)) if as_float.is_integer() and abs(as_float) < 1e16 else str(value)


@dataclass(frozen=True, eq=False)
class Column:
    """One column of n values; see the module for what `values` holds in each kind.

    `levels` are the texts that a factor's codes stand for, in order; `ordered` says that their order means something.
    """

    name: str
    kind: Kind
    values: Array
    levels: tuple[str, ...] = ()
    ordered: bool = False

    def missing(self) -> npt.NDArray[np.bool_]:
        """(n,) True where the value is missing."""
        if self.kind != "number":
            return np.asarray(self.values < 0)
        if self.values.dtype.kind == "f":
            return np.isnan(self.values)
        return np.zeros(len(self.values), dtype=bool)

    def take(self, rows: Array | slice) -> Column:
        """The rows of a mask or of an index array, or a view of those of a slice."""
        return Column(self.name, self.kind, self.values[rows], self.levels, self.ordered)

    def as_number(self) -> Column:
        """This column as numbers: booleans are 0 and 1, levels are read as numbers.

        Raises ValueError where a level that occurs is not a number.
        """
        if self.kind == "number":
            return self
        if self.kind == "boolean":
            lookup = np.array([0.0, 1.0, np.nan])
        else:
            wrong = self._first_level_not(is_number)
            if wrong is not None:
                raise ValueError(f"column {quoted(self.name)} holds {quoted(wrong)} where a number is needed")
            fits = (float(x) if is_number(x) else np.nan for x in self.levels)
            lookup = np.array([*fits, np.nan])
        return Column(self.name, "number", lookup[self.values])

    def as_boolean(self) -> Column:
        """This column as booleans: 0 and 1, and `true` and `false` in any case, are understood.

        Raises ValueError where another value occurs.
        """
        if self.kind == "boolean":
            return self
        factor = self.as_factor()
        wrong = factor._first_level_not(lambda level: level.lower() in TRUTH)
        if wrong is not None:
            raise ValueError(f"column {quoted(self.name)} holds {quoted(wrong)} where true or false is needed")
        lookup = np.array([*(TRUTH.get(level.lower(), -1) for level in factor.levels), -1], dtype=np.int8)
        return Column(self.name, "boolean", lookup[factor.values])

    def as_factor(self) -> Column:
        """This column as a factor: the levels of numbers are their texts in numeric order; false comes before true."""
        if self.kind == "factor":
            return self
        if self.kind == "boolean":
            return Column(self.name, "factor", self.values, ("false", "true"))
        codes, distinct = _codes_of_numbers(self.values)
        return Column(self.name, "factor", codes, tuple(map(number_text, distinct)))

    def occurring(self) -> tuple[str, ...]:
        """The levels that some row has, in order."""
        counts = self.level_counts()
        return tuple(level for level, count in zip(self.levels, counts, strict=True) if count)

    def level_counts(self) -> npt.NDArray[np.intp]:
        """How many rows have each level (L,), and no row-long array is made: bincount copies what it counts."""
        counts = np.zeros(len(self.levels) + 1, dtype=np.intp)  # the first is of missing values
        for start in range(0, len(self.values), _RUN):
            counts += np.bincount(self.values[start : start + _RUN].astype(np.intp) + 1, minlength=len(counts))
        return counts[1:]

    def _first_level_not(self, accepts: Any) -> str | None:
        """The first level that occurs in a row and is not accepted."""
        refused = [code for code, level in enumerate(self.levels) if not accepts(level)]
        if refused:
            present = self.level_counts()
            refused = [code for code in refused if present[code]]
        return self.levels[refused[0]] if refused else None


def _codes_of_numbers(values: Array) -> tuple[Array, Array]:
    """Codes (n,), -1 where NaN, and the distinct values in ascending order."""
    known = np.ones(len(values), dtype=bool) if values.dtype.kind in "iu" else ~np.isnan(values)
    kept = values[known]
    if values.dtype.kind == "f" and len(kept) and np.all(np.abs(kept) < 2**31) and np.all(kept == np.floor(kept)):
        kept = kept.astype(np.int64)
    codes = np.full(len(values), -1, dtype=np.int32)
    if kept.dtype.kind in "iu" and len(kept) and int(kept.max()) - int(kept.min()) < max(1024, len(kept)):
        low = kept.min()  # a table of the range is several times faster than a sort
        occurs = np.zeros(int(kept.max()) - int(low) + 1, dtype=bool)
        place = (kept - low).astype(np.intp) if kept.dtype.itemsize == 8 else kept.astype(np.intp) - int(low)
        occurs[place] = True
        distinct = np.flatnonzero(occurs) + int(low)
        codes[known] = (np.cumsum(occurs) - 1)[place]
    else:
        distinct, codes[known] = np.unique(kept, return_inverse=True)
    return codes, distinct


class Unread(Mapping[str, Column]):
    """Columns that are read when they are first asked for: one that nobody asks for costs nothing, and may hold what no
    model can use."""

    def __init__(self, readers: Mapping[str, Callable[[], Column]]) -> None:
        self._readers, self._columns = readers, dict[str, Column]()

    def __getitem__(self, name: str) -> Column:
        if name not in self._columns:
            self._columns[name] = self._readers[name]()
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def __contains__(self, name: object) -> bool:
        return name in self._readers


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name, in order; for messages, `source` names where they came from and `places` (n,)
    are the rows there, from 0 (None: all, in order)."""

    columns: Mapping[str, Column]
    n_rows: int
    source: str
    places: Array | None = None

    def __getitem__(self, name: str) -> Column:
        """The column of that name; ValueError with the nearest name where there is none, or none that can be read."""
        if name in self.columns:
            return self.columns[name]
        near = suggestion(name, self.columns)
        near += " Its" if near else "; its"
        raise ValueError(f"{self.source} has no column {quoted(name)}{near} columns: {listing(self.columns, 20)}.")

    def take(self, rows: Array) -> Table:
        """The rows of a boolean mask (n_rows,) or of an index array."""
        rows = np.asarray(rows)
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self._part(rows, len(places), places if self.places is None else self.places[places])

    def run(self, rows: slice) -> Table:
        """A view of consecutive rows."""
        places = np.arange(rows.start, rows.stop) if self.places is None else self.places[rows]
        return self._part(rows, len(places), places)

    def _part(self, rows: Array | slice, n_rows: int, places: Array) -> Table:
        readers = {name: partial(_taken, self.columns, name, rows) for name in self.columns}
        return Table(Unread(readers), n_rows, self.source, places)

    def with_columns(self, columns: Mapping[str, Column]) -> Table:
        """Other columns of the same rows."""
        return replace(self, columns=columns)

    def having(self, columns: Mapping[str, Column]) -> Table:
        """These columns in place of those of their names, or at the end."""
        return replace(self, columns=ChainMap(dict(columns), self.columns))  # type: ignore[arg-type]  # only read

    def only(self, names: Iterable[str]) -> Table:
        """Some of the columns."""
        return replace(self, columns=Unread({name: partial(_column, self.columns, name) for name in names}))

    def row(self, i: int) -> int:
        """What row i is called in messages: its number in the source, counted from 1."""
        return 1 + int(i if self.places is None else self.places[i])


def _column(columns: Mapping[str, Column], name: str) -> Column:
    return columns[name]


def _taken(columns: Mapping[str, Column], name: str, rows: Array | slice) -> Column:
    return columns[name].take(rows)
