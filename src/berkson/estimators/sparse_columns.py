"""Data frames of pandas some of whose columns are sparse: their cells beside the other columns, not made dense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array  # type: ignore[import-untyped]

from berkson.design import SideBySide, Sparse
from berkson.design.compressed import compressed
from berkson.estimators.inputs import as_read, check_columns, match_columns, table

Array = npt.NDArray[Any]

SHARE, CELLS = 0.25, 1 << 20  # of cells that are stored, and of cells at all, up to which a dense table is the slower


def sparse_names(X: Any) -> list[Any]:
    """The columns of a pandas data frame that store only what is not 0; none of anything else."""
    return [name for name, dtype in _sparse_types(X).items() if np.isscalar(dtype.fill_value) and dtype.fill_value == 0]


def _sparse_types(X: Any) -> dict[Any, Any]:
    """The types of the columns that are of pandas' SparseDtype, of numbers or booleans."""
    if not hasattr(X, "iloc") or getattr(X, "ndim", 0) != 2 or not X.columns.is_unique:
        return {}
    types = dict(zip(X.columns, X.dtypes, strict=True))
    sparse = {
        name: dtype for name, dtype in types.items() if hasattr(dtype, "fill_value") and hasattr(dtype, "subtype")
    }
    return {name: dtype for name, dtype in sparse.items() if dtype.subtype.kind in "biuf"}


def cells_of(X: Any, names: Sequence[Any]) -> Sparse:
    """The cells of such columns."""
    from scipy.sparse import csc_array  # type: ignore[import-untyped]

    arrays = [X[name].array for name in names]
    values = np.concatenate([each.sp_values for each in arrays], dtype=np.result_type(*(a.sp_values for a in arrays)))
    rows = np.concatenate([each.sp_index.to_int_index().indices for each in arrays])
    ends = np.cumsum([0, *(each.npoints for each in arrays)])
    return compressed(as_read(csc_array((values, rows, ends), shape=(len(X), len(names))).tocsr()))


def table_of_numbers(estimator: Any, X: Any, *, reset: bool) -> Array | Sparse | SideBySide:
    """`inputs.table`; where some columns of a data frame are sparse and the others are not, as blocks side by side if
    those are the faster."""
    if not (types := _sparse_types(X)):
        return table(estimator, X, reset=reset)
    match_columns(estimator, X, list(X.columns), reset=reset)
    names = sparse_names(X)
    filled = types.keys() - set(names)  # with something else than 0
    X = X.astype({name: types[name].subtype for name in filled}) if filled else X
    if not names:
        return _numbers(X)
    (n, p), cells = X.shape, cells_of(X, names)
    if len(names) == p:
        return cells
    if n * p <= CELLS or cells.size + n * (p - len(names)) > SHARE * n * p:
        return _numbers(X.astype({name: types[name].subtype for name in names}))
    places = np.flatnonzero(~X.columns.isin(names)), X.columns.get_indexer(names)
    return SideBySide.of([_numbers(X.drop(columns=names)), cells], places)


def _numbers(frame: Any) -> Array:
    check_columns(frame)
    array: Array = as_read(check_array(frame, dtype="numeric", ensure_all_finite=False))
    return array
