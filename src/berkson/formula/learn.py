"""From a formula and a table to a schema: names, `.`, levels, references and the response are settled here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.formula.bases import Basis, learn_basis
from berkson.formula.calls import learned_calls
from berkson.formula.coding import Factor, is_categorical, term_text
from berkson.formula.contrasts import refuse_many
from berkson.formula.errors import FormulaError
from berkson.formula.formula import Formula, parse
from berkson.formula.outcome import learn_outcome, level_named, unused_note
from berkson.formula.reading import Reader
from berkson.formula.schema import Schema
from berkson.formula.syntax import Call, Name, Node, columns_of
from berkson.formula.terms import Expansion
from berkson.table import Column, Kind, Table, is_number, listing, quoted, shorten

_MANY_LEVELS = 50
MISSING = "missing"  # the level of rows that have none


@dataclass(frozen=True)
class Reading:
    """How factors are to be read.

    symmetric     every level has a column, but for factors whose contrasts the formula names: under a penalty
    by_reference  names of columns and terms whose factors are not: what the penalty leaves free
    absent        what a row that lacks a level, or has one that is not known, is read as: None (missing), "own level"
                  (a level `missing`, where rows lack one; else as "shrunken", of symmetric factors), "shrunken" (none)
    """

    symmetric: bool = False
    by_reference: tuple[str, ...] = ()
    absent: Literal["own level", "shrunken"] | None = None


BY_REFERENCE = Reading()


def learn(
    formula: Formula | str, table: Table, *, event: object | None = None, reading: Reading = BY_REFERENCE
) -> Schema:
    """The schema by which the formula reads this table and others like it.

    Levels are those of rows without a missing value in any column used; others are left out with a note.  The reference
    of a factor is its first level, or the `ref` of `C(g, ref="level")`.  What a basis such as ns(x, df=3) learns comes
    from all rows in which its own columns are known, as in R, and a smooth from those where nothing is missing.
    Two classes: `event`, by its text, is the one whose probability is modelled; by default the last level, true, or the
    larger number.  `reading`: of factors under a penalty, and in rows that have no level.  Raises FormulaError for a
    column that does not exist or does not suit its place, for a factor of one level, for a basis that these values
    cannot give, and for an impossible response.
    """
    formula = parse(formula) if isinstance(formula, str) else formula
    outcome_columns = formula.response.columns if formula.response else ()
    for name in [*outcome_columns, *formula.columns]:
        _require(table, name)
    expansion = formula.expand(tuple(name for name in table.columns if name not in outcome_columns))
    if not expansion.terms and not expansion.intercept:
        raise FormulaError(f"{quoted(formula)} has neither terms nor an intercept; there is nothing to fit")
    variables = tuple(dict.fromkeys([*(v for term in expansion.terms for v in term), *expansion.offsets]))
    used = dict.fromkeys([*outcome_columns, *(c for v in variables for c in columns_of(v))])
    kinds = {name: table[name].kind for name in used}
    strict = [v for v in variables if reading.absent is None or not is_categorical(v, kinds)]
    required = list(dict.fromkeys([*outcome_columns, *(c for v in strict for c in columns_of(v))]))
    complete = _complete_rows(table, list(used), required)
    if complete.n_rows == 0:
        raise _no_complete_row(table, required)
    for variable in expansion.offsets:
        _refuse_text(variable, f"offset({variable})", kinds)
    factors, notes = _factors(expansion, kinds, table, complete, reading)
    bases = _bases(variables, kinds, table, ~_absent(table, required))
    outcome = None
    if formula.response is not None:
        outcome, more = learn_outcome(formula.response, complete, event)
        notes = (*more, *notes)
    elif event is not None:
        raise FormulaError(f"event={quoted(event)} is given, but {quoted(formula)} has no response")
    notes = (*notes, *_offset_notes(expansion))
    schema = Schema(
        outcome, expansion.intercept, expansion.terms, kinds, factors, notes, bases=bases, offsets=expansion.offsets
    )
    _refuse_ambiguous_names(schema)
    return schema


def _require(table: Table, name: str) -> None:
    try:
        table[name]
    except ValueError as error:
        raise FormulaError(str(error)) from None


def _absent(table: Table, used: list[str]) -> npt.NDArray[np.bool_]:
    """The rows in which one of these columns is missing."""
    absent = np.zeros(table.n_rows, dtype=bool)
    for name in used:
        absent |= table[name].missing()
    return absent


def _complete_rows(table: Table, used: list[str], required: list[str]) -> Table:
    absent = _absent(table, required)
    part = table.with_columns({name: table[name] for name in used})
    return part.take(~absent) if absent.any() else part


def _no_complete_row(table: Table, used: list[str]) -> FormulaError:
    absent = {name: int(np.count_nonzero(table[name].missing())) for name in used}
    most = max(used, key=absent.__getitem__, default=None)
    if most is None or table.n_rows == 0:
        return FormulaError(f"{table.source} has no rows")
    return FormulaError(
        f"every row of {table.source} misses a value that the formula needs: column {quoted(most)} is missing in "
        f"{absent[most]} of {table.n_rows} rows; leave it out or fill it in"
    )


def _factors(
    expansion: Expansion, kinds: dict[str, Kind], table: Table, complete: Table, reading: Reading
) -> tuple[dict[Node, Factor], tuple[str, ...]]:
    """The levels of each variable that is categorical, and notes about them."""
    factors: dict[Node, Factor] = {}
    notes: dict[str, None] = {}
    for variable in dict.fromkeys(v for term in expansion.terms for v in term):
        if not is_categorical(variable, kinds):
            _refuse_text(variable, str(variable), kinds)
            continue
        (name,) = columns_of(variable)
        coded = isinstance(variable, Call)
        wanted = expansion.references.get(name) if coded else None
        contrasts = expansion.contrasts.get(name) if coded else None
        free = {name, str(variable), *(term_text(term) for term in expansion.terms if variable in term)}
        symmetric = reading.symmetric and contrasts is None and free.isdisjoint(reading.by_reference)
        factor = _factor(table[name], complete[name], wanted, contrasts or "treatment", reading.absent == "own level")
        factors[variable] = replace(factor, symmetric=symmetric)
        if reading.absent is not None and factor.unknown is None:
            if not symmetric and reading.absent == "shrunken":
                raise FormulaError(
                    f"policy 'shrunken' is the average of the levels of {quoted(name)}, which without a penalty on all "
                    "of them there is not; choose 'own level'"
                )
            factors[variable] = replace(factor, symmetric=symmetric, shrunken=symmetric)
        notes.update(dict.fromkeys(_notes(table[name], complete[name], factors[variable])))
    return factors, tuple(notes)


def _refuse_text(variable: Node, shown: str, kinds: dict[str, Kind]) -> None:
    for name in columns_of(variable):
        if kinds[name] == "factor":
            raise FormulaError(
                f"{shorten(shown)} needs numbers, and column {quoted(name)} is a factor; use it by its name"
            )


def _bases(
    variables: Sequence[Node], kinds: dict[str, Kind], table: Table, complete: npt.NDArray[np.bool_]
) -> dict[Node, Basis]:
    """What the calls inside the variables learn, the inner before the outer; smooths from complete rows (n,), as mgcv
    has it."""
    bases: dict[Node, Basis] = {}
    reader = Reader(table, kinds, {}, bases, lambda: np.ones(table.n_rows, dtype=bool))
    for call in dict.fromkeys(call for variable in variables for call in learned_calls(variable)):
        try:
            x = np.asarray(reader.numbers(call.arguments[0]), dtype=np.float64)
        except ValueError as error:
            raise FormulaError(str(error)) from None
        bases[call] = learn_basis(call, x[complete if call.function == "s" else ~np.isnan(x)])
    return bases


def _offset_notes(expansion: Expansion) -> list[str]:
    """A column of an offset is no predictor as a rule, but `.` makes it one, as in R."""
    own = {v.column for (v, *rest) in expansion.terms if not rest and isinstance(v, Name)}
    twice = [name for v in expansion.offsets for name in columns_of(v) if name in own]
    return [
        f"column {quoted(name)} stands in an offset and among the terms; with - {Name(name)} it is an offset alone"
        for name in dict.fromkeys(twice)
    ]


def _factor(column: Column, complete: Column, wanted: str | None, contrasts: str, own_level: bool) -> Factor:
    """The levels that occur and, where asked for, one more of rows without any."""
    levels, unknown = complete.as_factor().occurring(), None
    if own_level and complete.missing().any():
        unknown = MISSING
        while unknown in levels:
            unknown = f"({unknown})"
        levels = (*levels, unknown)
    if len(levels) < 2:
        only = f"only level {quoted(levels[0])}" if levels else "no level"
        raise FormulaError(
            f"column {quoted(column.name)} has {only} in the rows without missing values, which explains "
            "nothing; leave it out"
        )
    refuse_many(f"column {quoted(column.name)}", contrasts, len(levels))
    reference = levels[0] if wanted is None else level_named(column.name, levels, wanted)
    return Factor(levels, reference, contrasts, unknown=unknown)


def _notes(column: Column, complete: Column, factor: Factor) -> list[str]:
    known = set(factor.levels)
    notes = []
    if factor.absorbs and (count := int(np.count_nonzero(complete.missing()))):
        done = "no level" if factor.unknown is None else f"the level {quoted(factor.unknown)}"
        rows = "1 row without a value has" if count == 1 else f"{count:,} rows without a value have"
        notes.append(f"column {quoted(column.name)}: {rows} {done}")
    unused = [level for level in column.levels if level not in known]
    if unused:
        notes.append(unused_note(column.name, unused))
    if column.kind == "factor" and len(known) > _MANY_LEVELS and all(map(is_number, known)):
        notes.append(
            f"column {quoted(column.name)} is text, though its {len(known)} levels all look like numbers: it is taken "
            "as a factor; convert it to numbers if it is a measurement"
        )
    if factor.contrasts in ("helmert", "poly", "diff") and column.kind == "factor" and not column.ordered:
        notes.append(
            f"column {quoted(column.name)}: {factor.contrasts} contrasts take its levels in the order "
            f"{listing(factor.levels)}"
        )
    return notes


def _refuse_ambiguous_names(schema: Schema) -> None:
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise FormulaError(f"two columns of the design would be named {quoted(name)}; rename the levels")
        seen.add(name)
