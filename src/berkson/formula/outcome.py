"""The response: what kind of outcome a column holds, and its values as the engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.formula.coding import codes_into
from berkson.formula.errors import FormulaError
from berkson.formula.formula import Response
from berkson.table import Column, Kind, Table, listing, number_text, quoted, suggestion

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

OutcomeKind = Literal["binary", "classes", "counts", "fraction"]

MAX_NUMBER_CLASSES = 50  # more distinct numbers than that are a measurement
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Outcome:
    """What the response is.

    `levels` in order for binary (the event is the second) and classes; none for counts and fractions.  `event` is what
    the probability is of: a level, the successes' column, the column of fractions; None for classes.
    """

    kind: OutcomeKind
    response: Response
    levels: tuple[str, ...] = ()
    event: str | None = None


def learn_outcome(response: Response, complete: Table, event: object | None) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome that the complete rows of a table hold, and notes about what was left out of it.

    `event` is the level whose probability is modelled, by its text; by default the last level, true, the larger number.
    Raises FormulaError where the column can be no outcome, or has no such level.
    """
    if response.second is not None:
        outcome = Outcome("counts", response, (), response.columns[0])
        _counts(outcome, complete)
    else:
        column = complete[response.columns[0]]
        if column.kind == "number" and _is_fraction(column):
            outcome = Outcome("fraction", response, (), column.name)
        else:
            return _learn_levels(response, column, event)
    if event is not None:
        raise FormulaError(
            f"event={quoted(event)} names a level, but the response {quoted(response)} has none: it is a share"
        )
    return outcome, ()


def _is_fraction(column: Column) -> bool:
    """Whether numbers are shares rather than labels; FormulaError where they are neither."""
    values = column.values
    if values.dtype.kind != "f" or np.all(values == np.floor(values)):
        return False
    if values.min() >= 0.0 and values.max() <= 1.0:
        return True
    if len(np.unique(values)) > 2:
        raise _measurement(column)
    return False


def _measurement(column: Column) -> FormulaError:
    return FormulaError(
        f"the response {quoted(column.name)} looks like a measurement ({len(np.unique(column.values))} distinct "
        f"numbers from {np.min(column.values):g} to {np.max(column.values):g}); a class, a share in [0, 1] or counts "
        "are needed"
    )


def _learn_levels(response: Response, column: Column, event: object | None) -> tuple[Outcome, tuple[str, ...]]:
    if column.kind == "number" and not np.all(np.isfinite(column.values)):
        raise FormulaError(f"the response {quoted(column.name)} has an infinite value; correct it or leave out the row")
    factor = column.as_factor()
    levels = factor.occurring()
    if len(levels) < 2:
        only = f"holds only '{listing(levels)}'" if levels else "has no row"
        raise FormulaError(
            f"the response {quoted(column.name)} {only} among the rows without missing values; two are needed"
        )
    if column.kind == "number" and len(levels) > MAX_NUMBER_CLASSES:
        raise _measurement(column)
    if len(levels) > MAX_CLASSES:
        raise FormulaError(
            f"the response {quoted(column.name)} has {len(levels)} levels; {MAX_CLASSES} classes are the limit"
        )
    unused = [level for level in factor.levels if level not in levels] if column.kind == "factor" else []
    notes = (unused_note(column.name, unused),) if unused else ()
    if len(levels) > 2:
        if event is not None:
            raise FormulaError(
                f"event={quoted(event)} is for two classes, and the response {quoted(column.name)} has {len(levels)}: "
                f"{listing(levels)}"
            )
        return Outcome("classes", response, levels), notes
    chosen = levels[1] if event is None else level_named(column.name, levels, event)
    other = levels[0] if chosen == levels[1] else levels[1]
    return Outcome("binary", response, (other, chosen), chosen), notes


def unused_note(name: str, unused: list[str]) -> str:
    """The sentence about levels that no row has."""
    plural = "level" if len(unused) == 1 else "levels"
    return f"column {quoted(name)}: {plural} {listing(unused)} left out, no row without missing values has it"


def level_named(name: str, levels: tuple[str, ...], wanted: object) -> str:
    """The level whose text is `wanted` (True is `true`, 2 and 2.0 are `2`); FormulaError where there is none."""
    text = str(wanted)
    if isinstance(wanted, (bool, np.bool_)):
        text = str(wanted).lower()
    elif isinstance(wanted, (int, float, np.number)):
        text = number_text(wanted)
    if text in levels:
        return text
    raise FormulaError(
        f"column {quoted(name)} has no level {quoted(text)}{suggestion(text, levels)}; its levels: {listing(levels)}"
    )


def read_outcome(outcome: Outcome, kinds: Mapping[str, Kind], table: Table) -> tuple[Array, F64 | None]:
    """Values (n,) and trials (n,) or None; see `Schema.response`."""
    for name in outcome.response.columns:
        absent = int(np.count_nonzero(table[name].missing()))
        if absent:
            raise ValueError(f"the response {quoted(name)} is missing in {absent} rows; leave those rows out")
    if outcome.kind == "counts":
        return _counts(outcome, table)
    column = table[outcome.response.columns[0]]
    if outcome.kind == "fraction":
        shares = column.as_number().values.astype(np.float64, copy=False)
        _refuse_rows(
            ~((shares >= 0.0) & (shares <= 1.0)), f"the response {quoted(column.name)} is not in [0, 1]", table
        )
        return shares, None
    codes = codes_into(column, kinds[column.name], outcome.levels)
    return codes.astype(np.uint8 if len(outcome.levels) <= 256 else np.int32, copy=False), None


def _counts(outcome: Outcome, table: Table) -> tuple[F64, F64]:
    """The share of successes, and the trials."""
    first, second = (table[name].as_number().values.astype(np.float64, copy=False) for name in outcome.response.columns)
    names = outcome.response.columns
    for name, values in zip(names, (first, second), strict=True):
        _refuse_rows(~((values >= 0.0) & np.isfinite(values)), f"{quoted(name)} is no count", table)
    trials = first + second if outcome.response.second == "failures" else second
    _refuse_rows(
        first > trials, f"there are more successes ({quoted(names[0])}) than trials ({quoted(names[1])})", table
    )
    return np.divide(first, trials, out=np.zeros(len(first)), where=trials > 0.0), trials


def _refuse_rows(wrong: npt.NDArray[np.bool_], what: str, table: Table) -> None:
    if wrong.any():
        raise FormulaError(
            f"{what} in row {table.row(int(np.argmax(wrong)))} of {table.source}; correct it or leave it out"
        )
