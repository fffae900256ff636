"""y and a sparse X of SciPy's, which goes to the engine as it lies: no column of it is made dense.

What needs columns of a table, and standard errors, which take a matrix of all columns, are refused with the way out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Sparse
from berkson.design.compressed import compressed
from berkson.logistic.inputs import (
    ARRAYS,
    OFFSET,
    READ_AS_THEY_ARE,
    WEIGHTS,
    Options,
    as_they_lie,
    column_of,
    refuse_names,
    response_of,
)
from berkson.model import Model, Prepared
from berkson.problem import InputError
from berkson.rows.memory import threads_for
from berkson.table import Table, listing

F64 = npt.NDArray[np.float64]


def is_sparse(X: Any) -> bool:
    """Whether X is one of SciPy's sparse arrays or matrices."""
    return hasattr(X, "tocsr")


def read_sparse(y: Any, X: Any, options: Options) -> Prepared:
    """The problem of y and X, whose columns are x0, x1, ...  InputError where rows cannot be used as they are."""
    if not options.sparse:
        raise InputError(
            "X is sparse, and inference takes a dense matrix of all its columns: choose a penalty (path, "
            "cross_validate, logit(..., penalty=)), use LogisticRegression, or give X.toarray()"
        )
    refuse_names(options)
    table = _table_of(X)
    names = [f"x{j}" for j in range(table.shape[1])]
    n = len(table)
    response, columns = response_of(y, set(names), n)
    whole = Table(columns, n, ARRAYS)
    weights, whole = column_of(options.weights, WEIGHTS, whole, None)
    offset, whole = column_of(options.offset, OFFSET, whole, None)
    for name in whole.columns:
        absent = whole[name].missing()
        if absent.any():
            raise InputError(
                f"{name} lacks a value in {int(absent.sum()):,} of {n:,} rows (the first is row "
                f"{int(absent.argmax()) + 1}), and rows of a sparse X are not left out here: give X, y and all else "
                "without them"
            )
    return as_they_lie(response, whole, table, names, options.with_columns(weights, offset))


def _table_of(X: Any) -> Sparse:
    if X.ndim != 2:
        raise InputError(f"X has {X.ndim} dimensions; a table has two, rows and columns")
    rows = X.tocsr()
    if rows.dtype.kind not in "biuf":
        raise InputError(f"X holds {rows.dtype}, not real numbers: convert it")
    if rows.dtype.char not in READ_AS_THEY_ARE or not rows.dtype.isnative:
        rows = rows.astype(np.float64)
    try:
        return compressed(rows)
    except ValueError as error:
        raise InputError(str(error)) from None


def linear_predictor(model: Model, X: Sparse, offset: F64 | None) -> F64:
    """x . coef + intercept + offset, (n, 1) log-odds of the event or (n, K) logits."""
    coef = np.vstack([model.coef.T, model.intercept])
    eta = X.linear_predictor(None, np.zeros(X.shape[1]), coef, threads_for(X.size * coef.shape[1]))
    return eta if offset is None else eta + offset[:, None]


def new_rows(model: Model, X: Any, offset: Any) -> tuple[Sparse, F64 | None]:
    """New rows of a model and their offsets.  ValueError where they are not of its columns, or an offset is absent."""
    names: Collection[str] = model.schema.names
    if model.schema.predictors != names:
        raise ValueError(
            f"a sparse X does not tell which of its columns is which: give a table with the columns "
            f"{listing(model.schema.predictors, 20)}"
        )
    table = _table_of(X)
    if table.shape[1] != len(names):
        raise ValueError(f"X has {table.shape[1]:,} columns, but the model {len(names):,}: {listing(names)}")
    if model.offset is None and offset is not None:
        raise ValueError("the fit had no offset, so a prediction takes none: leave it out")
    if model.offset is None:
        return table, None
    if offset is None or isinstance(offset, str):
        raise ValueError("the fit had an offset, so a prediction needs one: give offset= as numbers, 0 for none")
    values = np.asarray(offset, dtype=np.float64)
    if values.ndim and values.shape != (len(table),):
        raise ValueError(f"offset has {values.size:,} values, but there are {len(table):,} rows")
    return table, np.broadcast_to(values, len(table))
