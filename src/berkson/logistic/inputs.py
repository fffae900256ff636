"""What callers give, as the engine's problem: a formula and a table, or y and X as they lie.

Arrays get the schema that `y ~ .` would have, so that all that is said of a formula (names, tables, new data, effects)
is said of them too; only X itself goes to the engine unread and uncopied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Sparse
from berkson.formula import BY_REFERENCE, Formula, Outcome, Reading, Schema, parse
from berkson.formula.formula import Response
from berkson.formula.outcome import learn_outcome, read_outcome
from berkson.formula.syntax import Name
from berkson.inference.clusters import Clusters, clusters_of
from berkson.inference.estimates import WeightKind
from berkson.labels import encode
from berkson.model import WORDING, Prepared, RowCount, classes_of, prepare
from berkson.problem import InputError, Problem
from berkson.table import Column, Table, from_frame, listing, number_text

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

WEIGHTS, OFFSET = "(weights)", "(offset)"  # names of what was given as an array
READ_AS_THEY_ARE = frozenset("?bBhHiIlLqQfd")  # characters of the element types that kernels read, in native byte order
ARRAYS = "arrays"  # where they come from, in messages
WHOLE = 1e-3  # how far from a whole number a share of trials may be, as in R's glm: shares are rounded


@dataclass(frozen=True)
class Options:
    """How the caller's rows are to be read; arguments of `logit`."""

    event: object | None
    weights: Any
    offset: Any
    drop_missing: bool
    strength: float
    intercept: bool
    apart: tuple[str, ...] = ()  # columns that `.` does not stand for, and that each row used has a value in
    smooths: bool = False  # whether the formula may have some
    factors: Reading = BY_REFERENCE
    sparse: bool = False  # whether X may be

    def with_columns(self, weights: str | None, offset: str | None) -> Options:
        """The same, weights and offsets by the names of their columns."""
        return replace(self, weights=weights, offset=offset)


def read_formula(formula: str | Formula, data: Any, options: Options) -> Prepared:
    """The problem of a formula and a table; see `model.prepare`."""
    if not options.intercept:
        raise ValueError(f"intercept=False is for arrays; in a formula write {formula} + 0")
    table, index = from_frame(data), index_of(data)
    weights, table = column_of(options.weights, WEIGHTS, table, index)
    offset, table = column_of(options.offset, OFFSET, table, index)
    return prepare(
        formula,
        table,
        event=options.event,  # type: ignore[arg-type]
        weights=weights,
        offset=offset,
        strength=options.strength,
        drop_missing=options.drop_missing,
        apart=options.apart,
        smooths=options.smooths,
        reading=options.factors,
    )


def index_of(values: Any) -> Any:
    """The labels of the rows, of pandas and its like; else None."""
    return values.index if hasattr(values, "iloc") else None


def refuse_shuffled(values: Any, name: str, index: Any) -> None:
    """InputError where rows have labels that are not those of the table: in what order were they meant?"""
    own = index_of(values)
    if own is not None and index is not None and len(own) == len(index) and not own.equals(index):
        raise InputError(
            f"the labels (index) of {name} are not those of the table's rows; align them, or give plain values "
            "(.to_numpy())"
        )


def column_of(given: Any, name: str, table: Table, index: Any) -> tuple[str | None, Table]:
    """The name of a column of the table: the one given, or that of the values given, which is added."""
    if given is None or isinstance(given, str):
        return given, table
    refuse_shuffled(given, name, index)
    column = from_frame({name: given})[name]
    if len(column.values) != table.n_rows:
        raise InputError(
            f"{name} has {len(column.values):,} values, but the table {table.n_rows:,} rows: give one a row"
        )
    return name, table.having({name: column})


# --- arrays ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrays:
    """The problem of y and X as they lie; `dropping` is that of the rows without missing values, for when there are."""

    prepared: Prepared
    options: Options

    @property
    def has_missing(self) -> bool:
        return any(column.missing().any() for column in self.prepared.table.columns.values())

    def dropping(self) -> Prepared:
        """The rows without a missing value; this copies them."""
        assert self.prepared.formula.response is not None
        return _coded(self.prepared.formula.response, self.prepared.table, self.options)


def read_arrays(y: Any, X: Any, options: Options) -> Arrays | Prepared:
    """The problem of y and X; `Prepared` where X is a table with text or categories, which is coded like `y ~ .`."""
    refuse_names(options)
    table, matrix = _predictors(X)
    if not table.columns and not options.intercept:
        raise InputError("X has no columns and there is no intercept: there is nothing to fit")
    response, columns = response_of(y, set(table.columns), table.n_rows)
    whole = table.with_columns({**columns, **table.columns})
    index = index_of(X)
    refuse_shuffled(y, "y", index)
    weights, whole = column_of(options.weights, WEIGHTS, whole, index)
    offset, whole = column_of(options.offset, OFFSET, whole, index)
    given = options.with_columns(weights, offset)
    apart = [*columns, *(name for name in (weights, offset) if name)]
    if matrix is None or any(whole[name].missing().any() for name in apart):
        return _coded(response, whole, given)
    return Arrays(as_they_lie(response, whole, matrix, list(table.columns), given), given)


def refuse_names(options: Options) -> None:
    """ValueError for names of columns, where there are values only."""
    for what, value in (("weights", options.weights), ("offset", options.offset)):
        if isinstance(value, str):
            raise ValueError(f"{what}={value!r} names a column, and there is no table with y and X: give the values")


def _coded(response: Response, table: Table, options: Options) -> Prepared:
    """`response ~ .` of a table."""
    formula = f"{response} ~ {'' if options.intercept else '0 + '}."
    return read_formula(formula, table, replace(options, intercept=True))


def as_they_lie(response: Response, table: Table, X: Array | Sparse, names: list[str], options: Options) -> Prepared:
    """X as the engine's, beside the table's columns for all else."""
    read = table.with_columns({name: _as_classes(table[name]) for name in response.columns})
    if response.second is not None:
        read = table.with_columns({name: table[name] for name in response.columns})
    outcome, notes = learn_outcome(response, read, options.event)
    y, trials = read_outcome(outcome, {name: column.kind for name, column in read.columns.items()}, read)
    kinds = {name: table[name].kind for name in response.columns} | dict.fromkeys(names, "number")
    schema = Schema(outcome, options.intercept, tuple((Name(name),) for name in names), kinds, {}, notes)
    classes = classes_of(schema)
    offset = None if options.offset is None else _numbers(table[options.offset])
    if offset is not None and len(classes) > 2:
        raise ValueError(
            f"an offset is for two classes here, and the response has {len(classes)}: leave it out, or use "
            "LogisticRegression().fit(X, y, offset=), which takes one for each class"
        )
    weight = trials
    if options.weights is not None:
        own = _numbers(table[options.weights])
        weight = own if trials is None else own * trials
    problem = Problem(
        *(X, y, len(classes), weight, offset, options.strength, options.intercept, tuple(names), classes),
        wording=replace(WORDING, source=table.source),
    )
    formula = parse(f"{response} ~ {'' if options.intercept else '0 + '}.")
    rows = RowCount(table.n_rows, table.n_rows, {})
    return Prepared(formula, schema, table, rows, problem, options.weights, options.offset, None)


def _as_classes(column: Column) -> Column:
    """Numbers as a factor, but for shares; text and booleans as they are."""
    if column.kind != "number":
        return column
    try:
        labels = encode(column.values)
    except InputError:
        return column  # the sentence of a formula's response is for this door, too
    if labels.soft:
        return column
    return Column(column.name, "factor", labels.y, tuple(map(number_text, labels.classes)))


def _numbers(column: Column) -> F64:
    return column.as_number().values.astype(np.float64, copy=False)


def predictors_table(X: Any, schema: Schema) -> Table:
    """X as a table: a data frame by its own names, an array's columns by the names of a model, in order."""
    if not isinstance(X, (np.ndarray, list, tuple)):
        return from_frame(_as_frame(X))
    names = schema.names
    if schema.predictors != names:
        raise ValueError(
            f"an array does not tell which of its columns is which: give a table with the columns "
            f"{listing(schema.predictors, 20)}"
        )
    table, _ = _predictors(X)
    if len(table.columns) != len(names):
        raise ValueError(f"X has {len(table.columns)} columns, but the model {len(names)}: {', '.join(names[:10])}")
    columns = [replace(column, name=name) for name, column in zip(names, table.columns.values(), strict=True)]
    return Table({column.name: column for column in columns}, table.n_rows, table.source)


def _predictors(X: Any) -> tuple[Table, Array | None]:
    """Columns of X by name, and X itself where it is all numbers; names of plain arrays are x0, x1, ..."""
    if not isinstance(X, (np.ndarray, list, tuple)):
        table = from_frame(_as_frame(X), "X")
        numeric = all(column.kind != "factor" for column in table.columns.values())
        if not numeric:
            return table, None
        numbers = {name: _as_number(column) for name, column in table.columns.items()}
        return Table(numbers, table.n_rows, "X"), _matrix(X, list(numbers.values()), table.n_rows)
    array = _array_of(X)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise InputError(f"X has {array.ndim} dimensions; a table has two, rows and columns")
    if array.dtype.char not in READ_AS_THEY_ARE or not array.dtype.isnative:
        try:
            array = array.astype(np.float64, casting="same_kind" if array.dtype.kind in "fiu" else "unsafe")
        except (TypeError, ValueError):
            raise InputError(
                f"X holds {array.dtype}, not numbers: give a data frame, whose text becomes factors, or encode it"
            ) from None
    view = array.view(np.int8) if array.dtype == bool else array
    columns = {f"x{j}": Column(f"x{j}", "number", view[:, j]) for j in range(array.shape[1])}
    return Table(columns, len(array), ARRAYS), array


def _array_of(X: Any) -> Array:
    """InputError where NumPy would make other numbers of X than it holds, or none."""
    _refuse_masked(X)
    try:
        array = np.asarray(X)
    except ValueError:
        raise InputError("the rows of X differ in length: give each as many numbers as there are columns") from None
    if array.dtype.kind in "cmM":
        raise InputError(f"X holds {array.dtype}, not real numbers: convert it, times to days since a date, say")
    return array


def _as_number(column: Column) -> Column:
    """Booleans as numbers, uncopied where none is missing."""
    if column.kind == "boolean" and not column.missing().any():
        return Column(column.name, "number", column.values)
    return column.as_number()


def _as_frame(X: Any) -> Any:
    """A single Series as a table of one column."""
    if isinstance(X, Mapping):
        return X
    if hasattr(X, "tocsr"):
        raise InputError("X is sparse, and tables are dense here: give X.toarray()")
    import narwhals as nw

    found = nw.from_native(X, series_only=True, pass_through=True)
    return {str(found.name or "x0"): X} if isinstance(found, nw.Series) else X


def _matrix(X: Any, columns: list[Column], n: int) -> Array:
    """The storage of a data frame where it is one matrix of numbers, else a float64 copy."""
    if not isinstance(X, Mapping) and hasattr(X, "to_numpy") and len({c.values.dtype for c in columns}) == 1:
        whole = X.to_numpy()
        if isinstance(whole, np.ndarray) and whole.ndim == 2 and whole.dtype.char in READ_AS_THEY_ARE:
            return whole
    filled = np.empty((n, len(columns)), order="F")
    for j, column in enumerate(columns):
        filled[:, j] = column.values
    return filled


def response_of(y: Any, taken: set[str], n: int) -> tuple[Response, dict[str, Column]]:
    """The response and its columns of n rows, whose names are none of those `taken`."""
    response, columns = _response(y, taken)
    lengths = {len(column.values) for column in columns.values()}
    if lengths != {n}:
        raise InputError(f"y has {max(lengths):,} rows, but X has {n:,}: give one label a row")
    return response, columns


def _response(y: Any, taken: set[str]) -> tuple[Response, dict[str, Column]]:
    array, name = (np.asarray(_refuse_masked(y)), "y") if isinstance(y, (np.ndarray, list, tuple)) else _series(y)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if isinstance(array, np.ndarray) and array.ndim == 2:
        return _counts(array, taken)
    name = free(name, taken)
    return Response((name,)), {name: from_frame({name: array}, ARRAYS)[name]}


def _series(y: Any) -> tuple[Any, str]:
    import narwhals as nw

    found = nw.from_native(y, allow_series=True, pass_through=True)
    if isinstance(found, nw.Series):
        return y, str(found.name or "y")
    if isinstance(found, nw.DataFrame):
        if len(found.columns) == 1:
            return found.to_native()[found.columns[0]], str(found.columns[0])
        return found.to_numpy(), "y"
    return np.asarray(y), "y"


def _counts(y: Array, taken: set[str]) -> tuple[Response, dict[str, Column]]:
    if y.shape[1] != 2:
        raise InputError(
            f"y has {y.shape[1]} columns; give one of labels or of shares, or two of counts, successes and failures"
        )
    names = free("successes", taken), free("failures", taken)
    columns = {name: from_frame({name: y[:, k]}, ARRAYS)[name] for k, name in enumerate(names)}
    return Response(names, "failures"), columns


def free(name: str, taken: Collection[str]) -> str:
    """The name, between parentheses where it is taken."""
    while name in taken:
        name = f"({name})"
    return name


def _refuse_masked(values: Any) -> Any:
    """A masked cell is a missing one; NumPy would hand out whatever lies under the mask."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise InputError("an array is masked: fill its missing cells with NaN, as in values.filled(numpy.nan)")
    return values


def plain_labels(schema: Schema, names: tuple[str, ...]) -> list[Any]:
    """The levels of a response as the values they were: numbers, booleans or text."""
    outcome: Outcome | None = schema.outcome
    assert outcome is not None
    kind = schema.kinds[outcome.response.columns[0]]
    if kind == "boolean":
        return [name == "true" for name in names]
    if kind == "number":
        numbers = list(map(float, names))
        return [int(x) if x.is_integer() else x for x in numbers]
    return list(names)


def trials_of(prepared: Prepared, weight_kind: WeightKind) -> F64 | None:
    """(n,) the trials of grouped counts; None where each row is one trial.

    Shares under precision weights are counts where all weights, and all shares of them, are whole: R's `glm(share ~ x,
    binomial, weights = trials)`.
    """
    outcome, problem = prepared.schema.outcome, prepared.problem
    assert outcome is not None
    if outcome.kind == "counts":
        return prepared.schema.response(prepared.complete)[1]
    if outcome.kind != "fraction" or weight_kind != "precision" or problem.weight is None:
        return None
    whole = all(np.abs(count - np.rint(count)).max() <= WHOLE for count in (problem.weight, problem.weight * problem.y))
    return problem.weight if whole else None


def clusters_by(cluster: Any, prepared: Prepared, index: Any) -> tuple[Clusters, ...]:
    """The clusters that the caller names: a column or two, or values for each row of the table; in the rows used."""
    if cluster is None:
        return ()
    names = [cluster] if isinstance(cluster, str) else cluster
    named = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    if named and 2 < len(names) < prepared.table.n_rows:
        raise InputError(f"clusters can be crossed two ways, not {len(names)}; choose the two that matter most")
    if named and 0 < len(names) <= 2:
        return tuple(clusters_of(prepared.complete[name]) for name in names)
    refuse_shuffled(cluster, "cluster", index)
    column = from_frame({"cluster": cluster}, ARRAYS)["cluster"]
    if len(column.values) != prepared.table.n_rows:
        raise InputError(
            f"cluster has {len(column.values):,} values, but the table {prepared.table.n_rows:,} rows: give one a row"
        )
    return (clusters_of(column if prepared.used is None else column.take(prepared.used)),)
