"""Tables as the rest of berkson sees them: named columns of numbers, booleans or factors.

A column has one of three kinds.  `number` keeps the array it came as (float64, float32 or any integer type; NaN is
missing), `boolean` is int8 with 0, 1 and -1 for missing, `factor` is integer codes into `levels` with -1 for missing.
Data frames come in through narwhals, text cells of a file through `column_from_text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Kind = Literal["number", "boolean", "factor"]

_LEADING_ZERO = re.compile(r"\n[ \t]*[+-]?0[0-9]")  # begins with a plain character, which the search skips to
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUTH = {"true": 1, "1": 1, "false": 0, "0": 0}


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

    def take(self, rows: Array) -> Column:
        """The rows of a mask or of an index array."""
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
            wrong = self._first_level_not(lambda level: _NUMBER.fullmatch(level) is not None)
            if wrong is not None:
                raise ValueError(f"column {quoted(self.name)} holds {quoted(wrong)} where a number is needed")
            fits = (float(x) if _NUMBER.fullmatch(x) else np.nan for x in self.levels)
            lookup = np.array([*fits, np.nan])
        return Column(self.name, "number", lookup[self.values])

    def as_boolean(self) -> Column:
        """This column as booleans: 0 and 1, and `true` and `false` in any case, are understood.

        Raises ValueError where another value occurs.
        """
        if self.kind == "boolean":
            return self
        factor = self.as_factor()
        wrong = factor._first_level_not(lambda level: level.lower() in _TRUTH)
        if wrong is not None:
            raise ValueError(f"column {quoted(self.name)} holds {quoted(wrong)} where true or false is needed")
        lookup = np.array([*(_TRUTH.get(level.lower(), -1) for level in factor.levels), -1], dtype=np.int8)
        return Column(self.name, "boolean", lookup[factor.values])

    def as_factor(self) -> Column:
        """This column as a factor: the levels of numbers are their texts in numeric order; false comes before true."""
        if self.kind == "factor":
            return self
        if self.kind == "boolean":
            return Column(self.name, "factor", self.values, ("false", "true"))
        codes, distinct = _codes_of_numbers(self.values)
        return Column(self.name, "factor", codes, tuple(map(number_text, distinct)))

    def _first_level_not(self, accepts: Any) -> str | None:
        """The first level that occurs in a row and is not accepted."""
        refused = [code for code, level in enumerate(self.levels) if not accepts(level)]
        if refused:
            present = np.bincount(self.values[self.values >= 0], minlength=len(self.levels))
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


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name, in order; for messages, `source` names where they came from and `places` (n,)
    are the rows there, from 0 (None: all, in order)."""

    columns: dict[str, Column]
    n_rows: int
    source: str
    places: Array | None = None

    def __getitem__(self, name: str) -> Column:
        """The column of that name; ValueError with the nearest name where there is none."""
        if name in self.columns:
            return self.columns[name]
        near = suggestion(name, self.columns)
        near += " Its" if near else "; its"
        raise ValueError(f"{self.source} has no column {quoted(name)}{near} columns: {listing(self.columns, 20)}.")

    def take(self, rows: Array) -> Table:
        """The rows of a boolean mask (n_rows,) or of an index array."""
        rows = np.asarray(rows)
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        columns = {name: c.take(rows) for name, c in self.columns.items()}
        return Table(columns, len(places), self.source, places if self.places is None else self.places[places])

    def with_columns(self, columns: dict[str, Column]) -> Table:
        """Other columns of the same rows."""
        return replace(self, columns=columns)

    def row(self, i: int) -> int:
        """What row i is called in messages: its number in the source, counted from 1."""
        return 1 + int(i if self.places is None else self.places[i])


# --- text cells of a file ------------------------------------------------------------------------------------------


def column_from_text(name: str, cells: Sequence[str], missing: frozenset[str]) -> Column:
    """The column that text cells spell: numbers where every cell is one, booleans for true/false, else a factor.

    Cells found in `missing` are missing.  Numbers are written with digits, a point and an exponent (`inf` is read, and
    refused where it is used); cells with leading zeros such as `01234` are codes, so a factor.  Levels are sorted.
    """
    numbers = _numbers_from_text(cells, missing)
    if numbers is not None:
        return Column(name, "number", numbers)
    distinct = set(cells) - missing
    truths = len(distinct) <= 48 and all(cell.lower() in ("true", "false") for cell in distinct)
    levels = sorted(distinct)
    codes = dict.fromkeys(missing, -1)
    codes.update((level, _TRUTH[level.lower()] if truths else code) for code, level in enumerate(levels))
    values = np.fromiter(map(codes.__getitem__, cells), np.int8 if truths else np.int32, len(cells))
    return Column(name, "boolean", values) if truths else Column(name, "factor", values, tuple(levels))


def _numbers_from_text(cells: Sequence[str], missing: frozenset[str]) -> Array | None:
    """int64 or float64 values, or None where a cell that is not missing is no number."""
    complete = missing.isdisjoint(cells)
    known = cells if complete else [cell for cell in cells if cell not in missing]
    numbers = _parsed(known)
    if numbers is None:
        return None
    joined = "\n" + "\n".join(known)
    if not joined.isascii() or "_" in joined or _LEADING_ZERO.search(joined):  # Python reads more than data files mean
        return None
    if complete:
        return numbers
    values = np.full(len(cells), np.nan)
    values[np.fromiter((cell not in missing for cell in cells), bool, len(cells))] = numbers
    return values


def _parsed(cells: Sequence[str]) -> Array | None:
    for read, dtype in ((int, np.int64), (float, np.float64)):
        try:
            return np.array(list(map(read, cells)), dtype=dtype)
        except (ValueError, OverflowError):
            continue
    return None


# --- data frames ---------------------------------------------------------------------------------------------------


def from_frame(data: Any, source: str = "data frame") -> Table:
    """The table that a data frame holds: pandas, polars (eager or lazy), pyarrow, or whatever narwhals reads; or a dict
    of arrays of equal length.

    Text, categories and enumerations become factors (levels sorted; a category's own order where it has one), booleans
    become booleans, numbers stay what they are, without a copy where that is possible.  Raises ValueError for a
    duplicate name, and for a column of dates or of anything nested, by name; TypeError for what is no table.
    """
    if isinstance(data, Table):
        return data
    import narwhals as nw

    if isinstance(data, Mapping):
        series = {str(name): nw.from_native(v, series_only=True, pass_through=True) for name, v in data.items()}
        columns = [
            _column_from_series(name, v) if isinstance(v, nw.Series) else _column_from_array(name, v)
            for name, v in series.items()
        ]
    else:
        names = [str(name) for name in getattr(data, "columns", ())] if hasattr(data, "iloc") else []
        _refuse_duplicates(names, source)  # pandas allows them, and narwhals would speak of its own terms
        try:
            frame = nw.from_native(data)
        except TypeError:
            raise TypeError(
                f"a table is needed (pandas, polars, pyarrow, a dict of arrays), not {type(data).__name__}"
            ) from None
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        columns = [_column_from_series(str(series.name), series) for series in frame.iter_columns()]
    _refuse_duplicates([column.name for column in columns], source)
    lengths = {column.name: len(column.values) for column in columns}
    if len(set(lengths.values())) > 1:
        short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise ValueError(
            f"the columns of a table have equal lengths, but {quoted(short)} has {lengths[short]} rows and "
            f"{quoted(long)} has {lengths[long]}"
        )
    return Table({c.name: c for c in columns}, next(iter(lengths.values()), 0), source)


def _refuse_duplicates(names: Sequence[str], source: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{source} has more than one column named {quoted(name)}; rename all but one of them")
        seen.add(name)


def _unreadable(name: str, held: str) -> ValueError:
    return ValueError(
        f"column {quoted(name)} holds {held}, which a model cannot use; convert it to numbers or text, or leave it out"
    )


def _column_from_series(name: str, series: Any) -> Column:
    import narwhals as nw

    dtype = series.dtype
    if dtype == nw.Boolean:
        return _column_from_array(name, series.cast(nw.Int8).fill_null(-1).to_numpy(), boolean=True)
    if dtype.is_numeric():
        plain = dtype.is_float() or (dtype.is_integer() and dtype != nw.Int128 and dtype != nw.UInt128)
        if not plain or (dtype.is_integer() and series.null_count()):
            series = series.cast(nw.Float64)
        return Column(name, "number", _floats_or_integers(series.to_numpy()))
    if dtype in (nw.String, nw.Object, nw.Unknown) and series.null_count() == len(series):
        return Column(name, "number", np.full(len(series), np.nan))  # a column without values has no kind of its own
    if dtype in (nw.Categorical, nw.Enum) and series.implementation.is_pandas_like():
        return _column_from_pandas_category(name, series.to_native())
    if dtype == nw.String and series.implementation.is_pandas_like():
        codes, distinct = series.to_native().factorize(sort=True)
        return Column(name, "factor", np.asarray(codes, dtype=np.int32), tuple(map(str, distinct)))
    if dtype == nw.Enum:
        return _factor(name, series.cast(nw.String), list(dtype.categories), ordered=True)
    if dtype in (nw.String, nw.Categorical):
        series = series.cast(nw.String)
        return _factor(name, series, sorted(series.drop_nulls().unique().to_list()))
    if dtype == nw.Object:
        return _column_from_objects(name, series.to_list())
    raise _unreadable(name, f"values of type {dtype}")


def _factor(name: str, series: Any, levels: list[str], ordered: bool = False) -> Column:
    import narwhals as nw

    codes = series.replace_strict([*levels, None], [*range(len(levels)), -1], return_dtype=nw.Int32)
    return Column(name, "factor", codes.to_numpy(), tuple(levels), ordered)


def _column_from_pandas_category(name: str, series: Any) -> Column:
    categories, ordered = series.cat.categories, bool(series.cat.ordered)
    numeric = all(isinstance(c, (int, float, np.number)) and not isinstance(c, bool) for c in categories)
    if not numeric and not all(isinstance(c, (str, bool)) for c in categories):
        raise _unreadable(name, f"categories of type {categories.dtype}")
    order = sorted(range(len(categories)), key=categories.__getitem__) if numeric and not ordered else None
    values = np.asarray(series.cat.codes)
    if order is not None:
        values = np.append(np.argsort(order), -1)[values]
    spelled = [categories[code] for code in (range(len(categories)) if order is None else order)]
    texts = [number_text(c) if numeric else str(c) for c in spelled]
    return Column(name, "factor", values, tuple(texts), ordered)


def _column_from_array(name: str, values: Any, boolean: bool = False) -> Column:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"column {quoted(name)} has {array.ndim} dimensions; a column has one")
    if boolean or array.dtype.kind == "b":
        return Column(name, "boolean", array.astype(np.int8))
    if array.dtype.kind in "iuf":
        return Column(name, "number", _floats_or_integers(array))
    if array.dtype.kind in "OUT":
        return _column_from_objects(name, array.tolist())
    raise _unreadable(name, f"values of type {array.dtype}")


def _floats_or_integers(array: Array) -> Array:
    """The array itself, but for float16 and long double, which become float64."""
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8) else array


def _column_from_objects(name: str, values: list[Any]) -> Column:
    """A column of Python objects: all text, all booleans or all numbers, with None, NaN or NA for missing."""
    known: list[Any] = [None if _is_missing(value) else value for value in values]
    kinds = set(map(type, known)) - {type(None)}
    if kinds and kinds <= {str, np.str_}:
        levels: list[str] = sorted(set(known) - {None})
        codes = {level: code for code, level in enumerate(levels)} | {None: -1}
        return Column(name, "factor", np.fromiter(map(codes.__getitem__, known), np.int32), tuple(levels))
    if kinds and kinds <= {bool, np.bool_}:
        truths = (-1 if value is None else int(value) for value in known)
        return Column(name, "boolean", np.fromiter(truths, np.int8))
    if all(issubclass(kind, (int, float, np.integer, np.floating)) and kind is not bool for kind in kinds):
        return Column(name, "number", np.array([np.nan if v is None else v for v in known], dtype=np.float64))
    raise _unreadable(name, f"values of type {listing(sorted(kind.__name__ for kind in kinds))}")


def _is_missing(value: Any) -> bool:
    if isinstance(value, (str, bool, int)):
        return False
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value)
