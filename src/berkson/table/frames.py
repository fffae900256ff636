"""Tables from data frames, through narwhals, and from dicts of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from berkson.table.columns import Array, Column, Table, Unread, listing, number_text, quoted, shorten


def from_frame(data: Any, source: str = "data frame") -> Table:
    """The table that a data frame holds: pandas, polars (eager or lazy), pyarrow, or whatever narwhals reads; or a dict
    of arrays of equal length.

    Text, categories and enumerations become factors (levels sorted; a category's own order where it has one), booleans
    become booleans, numbers stay what they are, without a copy where that is possible.  A column is read when it is
    first asked for; then one of dates or of anything nested is a ValueError with its name.  Raises ValueError for a
    duplicate name, TypeError for what is no table.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, Mapping):
        return _from_mapping(data, source)
    import narwhals as nw

    names = [str(name) for name in getattr(data, "columns", ())] if hasattr(data, "iloc") else []
    _refuse_duplicates(names, source)  # pandas allows them, and narwhals would speak of its own terms
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise TypeError(
            f"a table is needed (pandas, polars, pyarrow, a dict of arrays), not {type(data).__name__}"
        ) from None
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    columns = [(str(series.name), series.to_native()) for series in frame.iter_columns()]
    _refuse_duplicates([name for name, _ in columns], source)
    return Table(Unread({name: partial(_read_series, name, series) for name, series in columns}), len(frame), source)


def _from_mapping(data: Mapping[Any, Any], source: str) -> Table:
    import narwhals as nw

    names = list(map(str, data))
    _refuse_duplicates(names, source)
    readers, lengths = {}, {}
    for name, given in zip(names, data.values(), strict=True):
        series = nw.from_native(given, series_only=True, pass_through=True)
        values = given if isinstance(series, nw.Series) else _one_dimensional(name, given)
        lengths[name] = len(values)
        readers[name] = partial(_read_series if isinstance(series, nw.Series) else _column_from_array, name, values)
    if len(set(lengths.values())) > 1:
        short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise ValueError(
            f"the columns of a table have equal lengths, but {quoted(short)} has {lengths[short]} rows and "
            f"{quoted(long)} has {lengths[long]}"
        )
    return Table(Unread(readers), next(iter(lengths.values()), 0), source)


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


def _read_series(name: str, native: Any) -> Column:
    import narwhals as nw

    series: Any = nw.from_native(native, series_only=True)
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
    values = np.asarray(series.array.codes)  # as they lie: those of the accessor, `cat`, are a copy
    if order is not None:
        values = np.append(np.argsort(order), -1)[values]
    spelled = [categories[code] for code in (range(len(categories)) if order is None else order)]
    texts = [number_text(c) if numeric else str(c) for c in spelled]
    return Column(name, "factor", values, tuple(texts), ordered)


def _one_dimensional(name: str, values: Any) -> Array:
    """Values as an array; a masked cell is refused: NumPy would hand out whatever lies under the mask."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise ValueError(
            f"column {quoted(name)} is masked: fill its missing cells with NaN, as in values.filled(numpy.nan)"
        )
    array = np.asarray(values)
    if array.ndim == 0:
        raise ValueError(f"{quoted(name)} is a single value, {shorten(repr(array.item()))}; give one for each row")
    if array.ndim != 1:
        raise ValueError(f"column {quoted(name)} has shape {array.shape}: give one value for each row")
    return array


def _column_from_array(name: str, array: Array, boolean: bool = False) -> Column:
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
