"""Arguments of an estimator as arrays: what scikit-learn accepts, and a sentence for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import compute_class_weight  # type: ignore[import-untyped]
from sklearn.utils.validation import (  # type: ignore[import-untyped]
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from berkson.design import Sparse, Table
from berkson.design.compressed import compressed
from berkson.labels import Labels
from berkson.problem import InputError

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

READ_AS_THEY_ARE = frozenset("?bBhHiIlLqQfd")  # characters of the element types that kernels read, in native byte order

COLUMNS_KNOWN = ("n_features_in_", "feature_names_in_", "_categories")  # what an estimator keeps of the columns of X


def table(estimator: Any, X: Any, *, reset: bool) -> Array | Sparse:
    """X as an array of numbers or a sparse table; sets, or checks, the number and the names of its columns.

    A plain array and compressed sparse rows are taken as they are: the engine finds what is not finite while it reads.
    """
    named = hasattr(estimator, "feature_names_in_")
    if type(X) is np.ndarray and X.ndim == 2 and X.dtype.char in READ_AS_THEY_ARE and X.dtype.isnative and X.size:
        if reset:
            estimator.n_features_in_ = X.shape[1]
            if named:
                del estimator.feature_names_in_
            return X
        if not named and X.shape[1] == estimator.n_features_in_:
            return X
    columns = check_columns(X)
    _refuse_dates(X)
    _refuse_masked(X, "X")
    _refuse_text(X)
    with _reordering_told(estimator, columns, reset=reset):
        array: Any = validate_data(
            estimator, X, reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=False
        )
    return as_read(array) if isinstance(array, np.ndarray) else compressed(as_read(array))


def as_read(array: Any) -> Any:
    """An array of any kind, its values of a type that kernels read."""
    return array if array.dtype.char in READ_AS_THEY_ARE and array.dtype.isnative else array.astype(np.float64)


def match_columns(estimator: Any, X: Any, columns: Sequence[str], *, reset: bool) -> None:
    """Sets, or checks, the number and the names of the columns of a data frame, whatever these hold."""
    with _reordering_told(estimator, columns, reset=reset):
        validate_data(estimator, X, reset=reset, skip_check_array=True)


@contextmanager
def _reordering_told(estimator: Any, columns: Sequence[str], *, reset: bool) -> Iterator[None]:
    """Where columns only stand in another order than at fit, the error says how to order them."""
    named = list(getattr(estimator, "feature_names_in_", ()))
    try:
        yield
    except ValueError as error:
        if reset or not named or columns == named or not set(named) <= set(columns):
            raise
        raise ValueError(
            f"{error}Order them by name: X[list(model.feature_names_in_)] (pandas, polars), or "
            "X.select(list(model.feature_names_in_)) (pyarrow)"
        ) from None


@contextmanager
def columns_kept_on_failure(estimator: Any) -> Iterator[None]:
    """Where a fit fails, the estimator keeps the number and the names of the columns that its coefficients are of."""
    state = vars(estimator)
    before = {name: state[name] for name in COLUMNS_KNOWN if name in state}
    try:
        yield
    except BaseException:
        for name in COLUMNS_KNOWN:
            state.pop(name, None)
        state.update(before)
        raise


def _refuse_dates(X: Any) -> None:
    """Times would be read as counts of whatever unit they are stored in."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise InputError(f"X holds {X.dtype}, not numbers: convert it, e.g. to days since a date of your choice")


def _refuse_masked(values: Any, name: str) -> None:
    """A masked cell is a missing one; NumPy would hand out whatever lies under the mask."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
        raise InputError(f"{name} is masked in row {row}: the value is missing; drop or fill such rows first")


def _refuse_text(X: Any) -> None:
    """Text that happens to read as numbers is not taken for numbers."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2:
        for (i, j), cell in np.ndenumerate(X):
            if isinstance(cell, str):
                raise InputError(
                    f"X holds the text {cell!r} in row {i}, column {j}: "
                    "convert such cells to numbers (X.astype(float)) or encode them"
                )


def label_vector(estimator: Any, X: Table, y: Any) -> Array:
    """y as a vector (n,)."""
    if type(y) is not np.ndarray or y.ndim != 1:
        _refuse_masked(y, "y")
        if y is None:
            raise InputError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
        try:
            y = column_or_1d(y, warn=True)
        except ValueError as error:
            raise InputError(
                f"{error} Give one label a row (for counts, successes / trials as y and trials as sample_weight)."
            ) from None
    if len(y) != len(X):
        check_consistent_length(X, y)
    return y  # type: ignore[no-any-return]


def check_columns(X: Any) -> list[str]:
    """The columns of a data frame, each of which must hold numbers or booleans; [] for anything else."""
    import narwhals as nw

    try:
        frame = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"X has columns of the same name: {error}; rename or drop them") from None
    if isinstance(frame, nw.LazyFrame):
        raise InputError("X is a lazy frame: collect it first")
    if not isinstance(frame, nw.DataFrame):
        return []
    for name, dtype in frame.schema.items():
        if not (dtype.is_numeric() or dtype == nw.Boolean or _holds_numbers(frame[name])):
            raise InputError(
                f"column {name!r} holds {str(dtype).partition('(')[0]}, not numbers: encode it "
                "(sklearn.preprocessing.OneHotEncoder), convert it to numbers, or drop it"
            )
    return frame.columns


def _holds_numbers(column: Any) -> bool:
    """Whether a column of objects converts to numbers, strings apart."""
    if str(column.dtype) not in ("Object", "Unknown"):
        return False
    values = column.to_numpy()
    return not any(isinstance(value, str) for value in values) and _numbers(values, f"column {column.name!r}").ndim == 1


def _numbers(values: Any, name: str) -> F64:
    _refuse_masked(values, name)
    try:
        return np.asarray(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers: {error}") from None


def row_offsets(offset: Any, n: int, n_classes: int) -> F64:
    """Offsets as floats, (n,) for two classes and (n, K) for more."""
    shape = (n,) if n_classes == 2 else (n, n_classes)
    values = _numbers(offset, "offset")
    if values.shape != shape:
        raise InputError(f"offset has shape {values.shape}, but these rows and classes need {shape}")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values.reshape(n, -1)).all(axis=1))[0])
        raise InputError(f"offset holds NaN or infinity in row {row}; drop the row or give it a finite offset")
    return values


def row_weights(labels: Labels, sample_weight: Any, class_weight: dict[Any, float] | str | None) -> F64 | None:
    """Weight of each row: its own times that of its class."""
    n = len(labels.y)
    weight = None if sample_weight is None else _numbers(sample_weight, "sample_weight")
    if weight is not None and weight.ndim == 0:
        weight = np.full(n, float(weight))
    if weight is not None and weight.shape != (n,):
        raise InputError(f"sample_weight has shape {weight.shape}, but X has {n} rows: give one weight a row")
    if class_weight is None:
        return weight
    if labels.soft:
        raise InputError("class_weight has no meaning for fractional y: put the weights into sample_weight")
    if class_weight == "balanced":
        counts = np.bincount(labels.y, weight, len(labels.classes))
        of_class = counts.sum() / (len(counts) * np.where(counts > 0, counts, np.inf))
    else:
        of_class = compute_class_weight(class_weight, classes=labels.classes, y=labels.classes)
        if of_class.min() < 0:
            raise InputError(f"class_weight is negative ({of_class.min():g}); weights must be zero or positive")
    of_row: F64 = of_class[labels.y].astype(np.float64, copy=False)
    if weight is not None:
        of_row *= weight
    return of_row
