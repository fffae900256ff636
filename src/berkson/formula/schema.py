"""What a model knows of its columns, and how it reads them from any table, in one piece or chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula import arithmetic
from berkson.formula.coding import Factor, Product, cell_columns, code, codes_into, column_names, term_text
from berkson.formula.outcome import Outcome, read_outcome
from berkson.formula.syntax import Call, Name, Node, Text, columns_of
from berkson.formula.terms import Term
from berkson.table import Column, Kind, Table, quoted, shorten

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

_ASSEMBLY_BYTES = 1 << 21  # of design filled at a time: near the processor, and many rows for each call of NumPy


@dataclass(frozen=True)
class NumericBlock:
    """One column of the design that is a number in every row: `values` (n,), any real dtype, NaN where missing."""

    column: int
    values: Array


@dataclass(frozen=True)
class CodedBlock:
    """Columns start..stop of the design, of which a row has at most one that is not zero.

    `codes` (n,) is the row's cell, -1 where missing; `columns[code]` the design column of that cell, -1 for a reference
    cell and, in one more entry at the end, for code -1.  The row's entry there is `scale` (n,), 1 where that is None.
    """

    start: int
    stop: int
    codes: Array
    columns: npt.NDArray[np.int64]
    scale: Array | None


Block = NumericBlock | CodedBlock


@dataclass(frozen=True)
class Schema:
    """The columns that a model uses, their levels and their coding: everything that new data are read with.

    `kinds` is what each column of the table was when the schema was learned, `factors` the levels of each categorical
    variable.  `names` are those of the p columns of the design, without the intercept, which `intercept` tells of.
    `notes` are sentences about what was decided while learning, such as levels left out.
    """

    outcome: Outcome | None
    intercept: bool
    terms: tuple[Term, ...]
    kinds: Mapping[str, Kind]
    factors: Mapping[Node, Factor]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The formula with `.` and all products written out, and references that are not the first level."""
        terms = (":".join(map(self._variable_text, term)) for term in self.terms)
        parts = [*([] if self.intercept else ["0"]), *terms]
        left = f"{self.outcome.response} ~ " if self.outcome else "~ "
        return left + (" + ".join(parts) or "1")

    def _variable_text(self, variable: Node) -> str:
        factor = self.factors.get(variable)
        if factor is None or factor.reference == factor.levels[0] or not isinstance(variable, Call):
            return str(variable)
        return str(replace(variable, options=(("ref", Text(factor.reference)),)))

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """The coded pieces of the terms, in the order of their columns."""
        return code(self.terms, self.intercept, self.factors)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the p design columns: `x`, `race[black]`, `C(race)[3]`, `x:race[black]`, `log(x)`."""
        return tuple(name for item in self.products for name in column_names(item, self.factors))

    @property
    def term_columns(self) -> dict[str, list[int]]:
        """For each term, as text, the numbers of its design columns."""
        found: dict[str, list[int]] = {term_text(term): [] for term in self.terms}
        for item in self.products:
            found[term_text(item.term)].extend(range(item.start, item.stop))
        return found

    def missing(self, table: Table, *, response: bool = True) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
        """Rows (n,) in which a column that the model uses is missing, and for each such column how many rows it misses.

        The columns of the response count unless response=False.
        """
        outcome = self.outcome.response.columns if self.outcome and response else ()
        used = dict.fromkeys([*outcome, *(c for term in self.terms for v in term for c in columns_of(v))])
        rows = np.zeros(table.n_rows, dtype=bool)
        counts: dict[str, int] = {}
        for name in used:
            absent = table[name].missing()
            if absent.any():
                counts[name] = int(np.count_nonzero(absent))
                rows |= absent
        return rows, counts

    def blocks(self, table: Table) -> list[Block]:
        """The design in coded form: its blocks in the order of their columns.  Errors as in `design`."""
        reader = _Reader(self, table)
        return [reader.block(item) for item in self.products]

    def design(self, table: Table) -> F64:
        """The model matrix (n, p) in C order, without the intercept; NaN across a term where it is missing.

        Columns are found by name and need not have the kind they were learned with if their text tells the values
        (1, 1.0 and "1" are the same level).  Raises UnseenLevelError for a level that the model does not know in a row
        without missing values, ValueError for an absent column, one of the wrong kind, an infinite or undefined value.
        """
        blocks = self.blocks(table)
        p = len(self.names)
        out = np.zeros((table.n_rows, p))
        step = max(1024, _ASSEMBLY_BYTES // (8 * max(p, 1)))
        for low in range(0, table.n_rows, step):
            for block in blocks:
                _fill(out[low : low + step], block, slice(low, low + step))
        return out

    def response(self, table: Table) -> tuple[Array, F64 | None]:
        """The response (n,) and the number of trials (n,), or None where each row is one trial.

        Binary: uint8, 1 for the event.  Classes: uint8 codes into the levels (int32 beyond 256).  Fractions and counts:
        float64 in [0, 1], 0 where there were no trials.  Raises ValueError where the response is missing
        (leave out the rows of `missing`) or is not what was learned, UnseenLevelError for a class not seen.
        """
        if self.outcome is None:
            raise ValueError(f"the formula {quoted(self)} has no response")
        return read_outcome(self.outcome, self.kinds, table)


class _Reader:
    """Reads the variables of one table, each once."""

    def __init__(self, schema: Schema, table: Table) -> None:
        self.schema = schema
        self.table = table
        self.read: dict[Node, Array] = {}

    def block(self, item: Product) -> Block:
        scale: Array | None = None
        for variable in item.numbers:
            values = self.numbers(variable)
            scale = values if scale is None else np.multiply(scale, values, dtype=np.float64)
        if not item.factors:
            assert scale is not None
            return NumericBlock(item.start, scale)
        codes: Array | None = None
        cells = 1
        for variable, _ in item.factors:
            own = self.codes(variable)
            codes = own if codes is None else np.where((codes < 0) | (own < 0), -1, codes + np.int64(cells) * own)
            cells *= len(self.schema.factors[variable].levels)
        assert codes is not None
        columns = np.append(cell_columns(item, self.schema.factors), -1)
        return CodedBlock(item.start, item.stop, codes, columns, scale)

    def codes(self, variable: Node) -> Array:
        if variable not in self.read:
            (name,) = columns_of(variable)
            levels = self.schema.factors[variable].levels
            self.read[variable] = codes_into(self.table[name], self.schema.kinds[name], levels, self.complete)
        return self.read[variable]

    def complete(self) -> Array:
        return ~self.schema.missing(self.table, response=False)[0]

    def numbers(self, variable: Node) -> Array:
        if variable not in self.read:
            if isinstance(variable, Name):
                values = self.number(variable.column).values
            else:
                assert isinstance(variable, Call)
                values = arithmetic.evaluate(variable, self.floats)
            self.refuse_undefined(variable, values)
            self.read[variable] = values
        return self.read[variable]

    def floats(self, name: str) -> F64:
        return self.number(name).values.astype(np.float64, copy=False)

    def number(self, name: str) -> Column:
        column = self.table[name]
        return (column.as_boolean() if self.schema.kinds[name] == "boolean" else column).as_number()

    def refuse_undefined(self, variable: Node, values: Array) -> None:
        """ValueError for an infinity, and for a NaN that does not come from a missing value."""
        with np.errstate(all="ignore"):
            if values.dtype.kind != "f" or np.isfinite(np.sum(values)):  # finite only where every value is
                return
        wrong = ~np.isfinite(values)
        for name in columns_of(variable):
            wrong &= ~self.table[name].missing()
        if not wrong.any():
            return
        row = int(np.argmax(wrong))
        where = ", ".join(f"{name} = {self.floats(name)[row]:g}" for name in columns_of(variable))
        state = "infinite" if np.isinf(values[row]) else "not defined"
        raise ValueError(
            f"{shorten(variable)} is {state} in row {row + 1} of {self.table.source} (where {where}); "
            "correct the value or leave out the row"
        )


def _fill(out: F64, block: Block, rows: slice) -> None:
    """Writes the rows of one block into the rows of a design that is zero there."""
    if isinstance(block, NumericBlock):
        out[:, block.column] = block.values[rows]
        return
    codes = block.codes[rows]
    columns = block.columns[codes]
    filled = np.flatnonzero(columns >= 0)
    out[filled, columns[filled]] = 1.0 if block.scale is None else block.scale[rows][filled]
    absent = codes < 0
    if block.scale is not None and block.scale.dtype.kind == "f":
        absent = absent | np.isnan(block.scale[rows])
    if absent.any():
        out[absent, block.start : block.stop] = np.nan
