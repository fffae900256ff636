"""Data frames with categories: what an estimator knows of their columns, and how it reads them as numbers and codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from berkson.assemble import narrow
from berkson.design import Coded, Mixed, SideBySide, Sparse
from berkson.estimators.inputs import match_columns
from berkson.estimators.sparse_columns import cells_of, sparse_names, table_of_numbers
from berkson.formula import UnseenLevelError
from berkson.formula.coding import codes_into
from berkson.formula.reading import one_array
from berkson.problem import InputError
from berkson.table import Column, Kind, Table, from_frame, is_number, listing, quoted

Array = npt.NDArray[Any]
Policy = Literal["error", "baseline", "own level", "shrunken"]

POLICIES = get_args(Policy)


@dataclass(frozen=True)
class Categories:
    """The columns of a data frame, some of which are factors: everything that other frames are read with.

    kinds   of each column, by name, in order.
    levels  of each factor, in order.
    own     of the factors with a level for missing values, its name.
    references   of the factors with a level without a column, that level: rows of it are 0 in all of the factor's.
    policy  for missing values and levels that are not known: see `LogisticRegression.set_policy`.
    penalised   levels are then coded alike, so that a row without one is their average.
    """

    kinds: Mapping[str, Kind]
    levels: Mapping[str, tuple[str, ...]]
    own: Mapping[str, str]
    references: Mapping[str, str]
    policy: Policy
    penalised: bool

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the design's columns: `age`, `race[black]`, `race[missing]`."""
        return tuple(name for column in self.kinds for name in self._names(column))

    def _names(self, column: str) -> list[str]:
        if column not in self.levels:
            return [column]
        missing = [self.own[column]] if column in self.own else []
        kept = [level for level in self.levels[column] if level != self.references.get(column)]
        return [f"{column}[{level}]" for level in [*kept, *missing]]

    def design(self, frame: Table, X: Any) -> Mixed | SideBySide:
        """The rows of a frame X.  Raises InputError for what the policy does not allow, with the column and the row."""
        sparse = [name for name in sparse_names(X) if str(name) not in self.levels]
        beside = set(map(str, sparse))
        dense = [name for name in self.kinds if name not in self.levels and name not in beside]
        numbers = [self._number(_column(frame, name), self.kinds[name]) for name in dense]
        design = Mixed.of(_matrix(numbers, frame.n_rows), [self._coded(_column(frame, name)) for name in self.levels])
        at = {name: j for j, name in enumerate(self.names)}
        by_kind = [*dense, *self.levels, *map(str, sparse)]
        place = np.array([at[name] for column in by_kind for name in self._names(column)], dtype=np.intp)
        if not sparse:
            return design.columns(np.argsort(place))
        return SideBySide.of([design, cells_of(X, sparse)], np.split(place, [design.shape[1]]))

    def _number(self, column: Column, kind: Kind) -> Array:
        try:
            column = column.as_boolean() if kind == "boolean" else column
            if column.kind == "boolean" and not column.missing().any():
                return column.values
            return column.as_number().values
        except ValueError as error:
            raise InputError(str(error)) from None

    def _coded(self, column: Column) -> Coded:
        """The factor of that name, with one more level that has no column, where rows may have none."""
        name, policy = column.name, self.policy
        levels = self.levels[name]
        refusing = policy == "error" or (policy == "own level" and name not in self.own and not self.penalised)
        relevant = None if refusing else lambda: np.zeros(len(column.values), dtype=bool)
        try:
            codes = codes_into(column, "factor", levels, relevant)
        except UnseenLevelError as error:
            raise InputError(f"{error}; or choose what it is read as, before fitting, by set_policy()") from None
        without = [levels.index(self.references[name])] if name in self.references else []
        count = len(levels) + 1  # the last is of rows without a level
        if name not in self.own:
            without.append(count - 1)
        absent = codes < 0
        if absent.any():
            if refusing:
                raise InputError(_no_value(column, absent))
            instead = 0 if policy == "baseline" else count - 1
            codes = np.where(absent, instead, codes)
        return Coded.of(narrow(codes, count), count, without)


def _no_value(column: Column, absent: npt.NDArray[np.bool_]) -> str:
    count = int(np.count_nonzero(absent))
    more = f" and {count - 1:,} more" if count > 1 else ""
    return (
        f"column {quoted(column.name)} has no value in row {int(np.argmax(absent))}{more}: fill it in, leave out such "
        "rows, or choose what it is read as, before fitting, by set_policy()"
    )


def _matrix(columns: Sequence[Array], n: int) -> Array:
    """(n, p0) of any real type, as it lies where the columns are parts of one array of floats."""
    lying = one_array(columns) if len(columns) > 1 else None
    if lying is not None:
        return lying
    if len(columns) == 1:
        return columns[0][:, None]
    matrix = np.empty((n, len(columns)), np.result_type(*columns) if columns else np.float64, order="F")
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return matrix


def learn(
    frame: Table, policy: Policy, *, penalised: bool, intercept: bool, sparse: Collection[str] = ()
) -> Categories:
    """Levels are those that occur; sparse columns hold numbers, and are not looked at.  Without a penalty each factor
    has a reference, its first level, but for the first factor where there is no intercept."""
    if policy == "shrunken" and not penalised:
        raise InputError(
            "policy 'shrunken' is the average of the levels, which without a penalty (C=inf) there is not: choose "
            "'baseline', or a finite C"
        )
    kinds: dict[str, Kind] = {}
    levels: dict[str, tuple[str, ...]] = {}
    own, references = {}, {}
    for name in frame.columns:
        if name in sparse:
            kinds[name] = "number"
            continue
        column = _column(frame, name)
        kinds[name] = column.kind
        if column.kind != "factor":
            continue
        levels[name] = column.occurring()
        if policy == "own level" and column.missing().any():
            own[name] = _free("missing", levels[name])
        if not penalised and levels[name] and (intercept or len(levels) > 1):
            references[name] = levels[name][0]
    found = Categories(kinds, levels, own, references, policy, penalised)
    if len(set(found.names)) < len(found.names):
        twice = next(name for k, name in enumerate(found.names) if name in found.names[:k])
        raise InputError(f"two columns of coefficients would be named {quoted(twice)}: rename the column or the level")
    return found


def _column(frame: Table, name: str) -> Column:
    try:
        return frame[name]
    except ValueError as error:
        raise InputError(str(error)) from None


def read(estimator: Any, X: Any, *, reset: bool, penalised: bool = True) -> Array | Sparse | Mixed | SideBySide:
    """X as `inputs.table` has it or, of a data frame with categories, as numbers and codes; sets, or checks, the number
    and the names of its columns and, of categories, their levels (`_categories`)."""
    known: Categories | None = estimator._categories
    if reset:
        frame = _with_categories(X)
        if frame is not None:
            _refuse_numbers_as_text(X, frame)
        estimator._categories = None
        if frame is None:
            return table_of_numbers(estimator, X, reset=True)
        match_columns(estimator, X, list(frame.columns), reset=True)
        intercept, sparse = bool(estimator.fit_intercept), set(map(str, sparse_names(X)))
        known = learn(frame, estimator._policy, penalised=penalised, intercept=intercept, sparse=sparse)
        estimator._categories = known
        return known.design(frame, X)
    if known is None:
        return table_of_numbers(estimator, X, reset=False)
    import narwhals as nw

    if not isinstance(nw.from_native(X, pass_through=True), nw.DataFrame):
        raise InputError(
            f"the model was fitted to a data frame with categories: give a data frame, not lazy, "
            f"with its columns, {listing(known.kinds)}"
        )
    frame = from_frame(X, "X")
    match_columns(estimator, X, list(frame.columns), reset=False)
    return known.design(frame, X)


def _with_categories(X: Any) -> Table | None:
    """A data frame of which some columns are categories or text; None for anything else."""
    if isinstance(X, np.ndarray):
        return None
    import narwhals as nw

    try:
        frame = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError:
        return None  # refused, with its sentence, where tables of numbers are
    if not isinstance(frame, nw.DataFrame):
        return None
    for name, dtype in frame.schema.items():
        if dtype in (nw.String, nw.Categorical, nw.Enum) or (dtype == nw.Object and _holds_text(frame[name])):
            return from_frame(X, "X")
    return None


def _refuse_numbers_as_text(X: Any, frame: Table) -> None:
    """InputError for a column of text whose values all are numbers, which may be meant as such: each would be a level.
    A category of such levels is meant to be one."""
    import narwhals as nw

    for name, dtype in nw.from_native(X).schema.items():
        column = frame[name] if dtype in (nw.String, nw.Object) else None
        if column is not None and column.kind == "factor" and column.levels and all(map(is_number, column.levels)):
            raise InputError(
                f"column {quoted(name)} holds numbers as text ({quoted(column.levels[0])}): convert it to numbers or, "
                "if they are names of levels, to a category"
            )


def _holds_text(column: Any) -> bool:
    """Whether a column of Python objects holds text, and nothing else but missing values."""
    kinds = set(map(type, column.drop_nulls().to_list()))
    return bool(kinds) and kinds <= {str, np.str_}


def _free(name: str, taken: Collection[str]) -> str:
    """The name, in parentheses where it is taken."""
    while name in taken:
        name = f"({name})"
    return name


class ReadsCategories:
    """What an estimator needs to have data frames with categories for X."""

    _policy: Policy = "error"
    _categories: Categories | None = None

    def set_policy(self, policy: Policy) -> Self:
        """What a missing value of a category, and a level that was not there at fit, is read as.

        Kept with the fitted model, used in fit and prediction alike, and by clones.  To be set before `fit`.

        policy : {'error', 'baseline', 'own level', 'shrunken'}
            'error': nothing; it is refused, with the column and the row.
            'baseline': the first level in order, which is the reference without a penalty.
            'own level': a level of its own, `race[missing]`, where the rows of the fit have missing values.  Else as
            'shrunken' or, without a penalty, 'error'.
            'shrunken': no level: the row is 0 in all columns of the factor, which under a penalty, with a column for
            every level, is where the penalty draws all levels to.  Refused without a penalty (C=inf).
        """
        if policy not in POLICIES:
            raise InputError(f"there is no policy {policy!r}: choose one of {', '.join(map(repr, POLICIES))}")
        self._policy = policy
        return self

    def __sklearn_clone__(self) -> Any:
        copy = super().__sklearn_clone__()  # type: ignore[misc]
        if self._policy != "error":
            copy._policy = self._policy
        return copy

    @property
    def coef_names_(self) -> Array:
        """What the columns of ``coef_`` are (P,): `age`, and `race[black]` for a level; x0, x1, ... without names."""
        check_is_fitted(self)
        return np.array(self._names() or [f"x{j}" for j in range(self.coef_.shape[-1])], dtype=object)  # type: ignore[attr-defined]

    @property
    def categories_(self) -> dict[str, Array]:
        """The levels of each category by its column, in order; empty where there are none."""
        check_is_fitted(self)
        known = self._categories
        return {} if known is None else {name: np.array(each, dtype=object) for name, each in known.levels.items()}

    @property
    def references_(self) -> dict[str, str]:
        """Of each category without a penalty, the level that has no coefficient and others are compared with."""
        check_is_fitted(self)
        return {} if self._categories is None else dict(self._categories.references)

    def _names(self) -> tuple[str, ...]:
        """Of the columns of coefficients; empty where they have none."""
        return self._categories.names if self._categories else tuple(getattr(self, "feature_names_in_", ()))
