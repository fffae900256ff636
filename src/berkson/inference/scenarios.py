"""Whom an average is over, and what is supposed of them: rows, columns held at values, groups, typical rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema
from berkson.formula.syntax import Name, columns_of
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.problem import Problem
from berkson.table import Column, Table, listing, number_text, quoted, suggestion

F64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer[Any]]

MAX_AVERAGES = 10_000  # combinations of held values, groups and contrasts that are worth a reading


@dataclass(frozen=True)
class Shift:
    """A value of a number column: each row's own, plus `by`."""

    by: float

    def __str__(self) -> str:
        return "x" if self.by == 0.0 else f"x {'+' if self.by > 0 else '-'} {number_text(abs(self.by))}"


Value = float | bool | str | Shift
Held = Mapping[str, Value]
Others = Literal["observed", "means"]


@dataclass(frozen=True)
class Population:
    """The rows that an average is over; each counts by its weight (n,), or once.

    offset  (n,) or (n, K), what is added to the linear predictor beside what the formula says, or None.
    """

    table: Table
    weight: F64 | None = None
    offset: F64 | None = None


def fitted_population(estimates: Estimates, schema: Schema, table: Table) -> Population:
    """The rows of the fit.  Frequency and sampling weights and the trials of counts weigh an average, as they say how
    many units a row stands for (as Stata's margins do); a precision weight says how well it was measured, so that its
    row counts once.  R's marginaleffects counts each row once by default: Population(table, None, offset).

    table : every column of the rows used, in their order.
    """
    problem = estimates.problem
    if table.n_rows != len(problem.y):
        raise StatisticsError(
            f"the table has {table.n_rows:,} rows, but the fit used {len(problem.y):,}; give the rows of the fit"
        )
    weight, offset = problem.weight, problem.offset
    if weight is not None and estimates.weight_kind == "precision":
        weight = np.where(weight > 0.0, 1.0 if estimates.trials is None else estimates.trials, 0.0)
    stated = schema.offset(table)
    if offset is not None and stated is not None:
        offset = (offset.reshape(len(stated), -1) - stated[:, None]).reshape(offset.shape)
    return Population(table, weight, offset)


def columns_as_terms(problem: Problem) -> tuple[Schema, Table]:
    """The schema and the table of a fit to arrays: each column of X is a number and a term of its own."""
    assert isinstance(problem.X, np.ndarray)  # the door takes no other
    names = [problem.column(j) for j in range(problem.X.shape[1])]
    columns = {name: Column(name, "number", problem.X[:, j]) for j, name in enumerate(names)}
    terms = tuple((Name(name),) for name in names)
    schema = Schema(None, problem.intercept, terms, dict.fromkeys(names, "number"), {})
    return schema, Table(columns, len(problem.X), "X")


# --- columns of a formula -------------------------------------------------------------------------------------------


def require_predictor(schema: Schema, column: str) -> None:
    """StatisticsError for a column that the model does not use."""
    known = schema.predictors
    if column not in known:
        raise StatisticsError(
            f"the model has no column {quoted(column)}{suggestion(str(column), known)}; "
            + (f"its columns are {listing(known, 20)}" if known else "it has none")
        )


def levels_of(schema: Schema, table: Table, column: str) -> tuple[Value, ...] | None:
    """The levels of a categorical column, the reference first; None for a number."""
    for variable, factor in schema.factors.items():
        if column in columns_of(variable):
            others = [level for level in factor.levels if level != factor.reference]
            texts = (factor.reference, *others)
            return (False, True) if schema.kinds[column] == "boolean" and texts[0] == "false" else texts
    if schema.kinds[column] == "boolean":
        return (False, True)
    return None if table[column].kind == "number" else tuple(table[column].as_factor().levels)


def value_text(value: Value) -> str:
    """A value as the text of a level."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, Shift)) else number_text(value)


# --- held values ----------------------------------------------------------------------------------------------------


def combinations(schema: Schema, at: Mapping[str, Any] | None) -> list[dict[str, Value]]:
    """Every combination of the values at which columns are held, the last column varying fastest."""
    values: dict[str, list[Value]] = {}
    if at is not None and not isinstance(at, Mapping):
        raise StatisticsError(f"at={at!r} names no values; give columns with values, such as at={{'age': [20, 30]}}")
    for column, given in (at or {}).items():
        require_predictor(schema, column)
        several = isinstance(given, Sequence) or np.ndim(given) == 1
        each = [*given] if several and not isinstance(given, (str, Shift)) else [given]
        if not each:
            raise StatisticsError(f"no value is given for column {quoted(column)}; give one, or leave the column out")
        values[column] = [_checked(column, value) for value in each]
    refuse_many(prod(map(len, values.values())), "combinations of values")
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def _checked(column: str, value: Any) -> Value:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float, np.integer, np.floating)) and np.isfinite(value):
        return float(value)
    if isinstance(value, (str, Shift)):
        return value
    raise StatisticsError(f"column {quoted(column)} cannot be held at {value!r}; give a number, a level, true or false")


def refuse_many(count: int, what: str) -> None:
    """StatisticsError for more averages than anyone reads."""
    if count > MAX_AVERAGES:
        raise StatisticsError(f"{count:,} {what} are asked for, and {MAX_AVERAGES:,} are the most; ask for fewer")


def held_at(table: Table, held: Held) -> Table:
    """The table with each of these columns at its value in every row."""
    return table.having({name: _constant(table[name], value) for name, value in held.items()})


def _constant(column: Column, value: Value) -> Column:
    n, name = len(column.values), column.name
    if isinstance(value, Shift):
        if column.kind != "number":
            raise StatisticsError(f"column {quoted(name)} is not a number, so nothing can be added; give its levels")
        return Column(name, "number", column.as_number().values + value.by)
    if isinstance(value, bool):
        return Column(name, "boolean", np.full(n, int(value), dtype=np.int8))
    if isinstance(value, str):
        return Column(name, "factor", np.zeros(n, dtype=np.int32), (value,))
    return Column(name, "number", np.full(n, value))


# --- groups ---------------------------------------------------------------------------------------------------------


class Groups(NamedTuple):
    """The groups (G) of rows that occur: their values of each column, and the group of each row (n,), -1 for rows
    without weight."""

    values: dict[str, tuple[str, ...]]
    codes: Codes
    number: int


def groups_of(population: Population, by: Sequence[str]) -> Groups:
    """Rows by the values of columns, the last column varying fastest; one group without columns."""
    weight, n = population.weight, population.table.n_rows
    codes = np.zeros(n, dtype=np.int64)
    texts: list[tuple[str, ...]] = [()]
    for name in by:
        factor = population.table[name].as_factor()
        absent = int(np.count_nonzero(factor.values < 0))
        if absent:
            raise StatisticsError(
                f"column {quoted(name)} is missing in {absent:,} rows, so these are in no group; fill it in, or leave "
                "out those rows"
            )
        refuse_many(len(texts) * len(factor.levels), "groups")
        codes = codes * len(factor.levels) + factor.values
        texts = [(*before, level) for before in texts for level in factor.levels]
    sizes = np.bincount(codes, weights=weight, minlength=len(texts))
    kept = np.flatnonzero(sizes > 0)
    if len(kept) == 0:
        raise StatisticsError("there are no rows of positive weight, so there is no average; give other rows")
    place = np.full(len(texts), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    values = {name: tuple(texts[g][i] for g in kept.tolist()) for i, name in enumerate(by)}
    return Groups(values, place[codes], len(kept))


def typical(schema: Schema, population: Population, groups: Groups, by: Sequence[str]) -> tuple[Population, Groups]:
    """One row for each group: numbers (and the offset) at their mean, categories at their most frequent level."""
    weight = np.ones(population.table.n_rows) if population.weight is None else population.weight
    weight = np.where(groups.codes >= 0, weight, 0.0)
    codes = np.maximum(groups.codes, 0)
    total = np.bincount(codes, weights=weight, minlength=groups.number)

    def mean(values: npt.NDArray[Any]) -> F64:
        return np.bincount(codes, weights=weight * values, minlength=groups.number) / total

    columns = {}
    for name in dict.fromkeys([*schema.predictors, *by]):
        column = population.table[name]
        if levels_of(schema, population.table, name) is None if name in schema.kinds else column.kind == "number":
            columns[name] = Column(name, "number", mean(column.as_number().values))
        else:
            columns[name] = _most_frequent(column.as_factor(), codes, weight, groups.number)
    offset = population.offset
    if offset is not None:
        flat = offset.reshape(len(offset), -1)
        offset = np.column_stack([mean(flat[:, k]) for k in range(flat.shape[1])]).reshape(-1, *offset.shape[1:])
    table = Table(columns, groups.number, population.table.source)
    return Population(table, None, offset), replace_codes(groups)


def replace_codes(groups: Groups) -> Groups:
    """The groups of a table that has one row for each, in order."""
    return groups._replace(codes=np.arange(groups.number))


def _most_frequent(factor: Column, codes: Codes, weight: F64, count: int) -> Column:
    known = factor.values >= 0
    cells = codes[known] * len(factor.levels) + factor.values[known]
    sizes = np.bincount(cells, weights=weight[known], minlength=count * len(factor.levels))
    return replace(factor, values=sizes.reshape(count, -1).argmax(axis=1).astype(np.int32))


def runs(population: Population, step: int) -> Iterator[tuple[slice, Population]]:
    """Views of the rows, at most `step` at a time."""
    n = population.table.n_rows
    for start in range(0, n, step):
        place = slice(start, min(n, start + step))
        weight = None if population.weight is None else population.weight[place]
        yield place, Population(population.table.run(place), weight, _part(population.offset, place))


def _part(offset: F64 | None, place: slice) -> F64 | None:
    return None if offset is None else offset[place]
