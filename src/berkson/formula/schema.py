"""What a model knows of its columns, and how it reads them from any table, in one piece or chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula.bases import Basis
from berkson.formula.coding import Factor, Product, cell_columns, code, column_names, term_text
from berkson.formula.outcome import Outcome, read_outcome
from berkson.formula.reading import Reader, one_array
from berkson.formula.smooth_terms import SmoothTerm, smooth_terms
from berkson.formula.syntax import Call, Name, Node, Text, columns_of
from berkson.formula.terms import Term
from berkson.table import Kind, Table, quoted

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
    """Columns of the design of which a row has at most one that is not zero: an indicator, or a number in its place.

    `codes` (n,) is the row's cell, -1 where missing; `columns[code]` the design column of that cell, -1 for a reference
    cell and, in one more entry at the end, for code -1.  The row's entry there is `scale` (n,), 1 where that is None.
    All columns lie in start..stop, which are those of the term; a basis gives the term a block for each of its columns,
    and all are missing together.
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
    variable, `bases` what each call such as ns(x, df=3) learned; `syntax.columns_of(variable)` are the columns of the
    table that a variable depends on.  `offsets` are added to the linear predictor.  `names` are those of the p columns
    of the design, without the intercept, which `intercept` tells of.  `notes` are sentences about what was decided
    while learning, such as levels left out.
    """

    outcome: Outcome | None
    intercept: bool
    terms: tuple[Term, ...]
    kinds: Mapping[str, Kind]
    factors: Mapping[Node, Factor]
    notes: tuple[str, ...] = ()
    bases: Mapping[Node, Basis] = field(default_factory=dict)
    offsets: tuple[Node, ...] = ()

    def __str__(self) -> str:
        """The formula with `.` and all products written out, and contrasts and references that are not the default."""
        terms = (":".join(map(self._variable_text, term)) for term in self.terms)
        constant = [] if not self.intercept else [] if self.terms else ["1"]
        parts = [*([] if self.intercept else ["0"]), *constant, *terms, *(f"offset({v})" for v in self.offsets)]
        left = f"{self.outcome.response} ~ " if self.outcome else "~ "
        return left + " + ".join(parts)

    def _variable_text(self, variable: Node) -> str:
        factor = self.factors.get(variable)
        if factor is None or not isinstance(variable, Call):
            return str(variable)
        if factor.contrasts != "treatment":
            return str(replace(variable, arguments=(*variable.arguments, Name(factor.contrasts))))
        if factor.reference == factor.levels[0]:
            return str(variable)
        return str(replace(variable, options=(("ref", Text(factor.reference)),)))

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """The coded pieces of the terms, in the order of their columns."""
        return code(self.terms, self.intercept, self.factors, self.bases)

    @cached_property
    def smooths(self) -> tuple[SmoothTerm, ...]:
        """The smooths among the terms, whose columns a penalty is to hold."""
        return smooth_terms(self.products, self.bases)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the p design columns: `x`, `log(x)`, `race[black]`, `C(race)[3]`, `x:race[black]`, `ns(x, 3)[1]`."""
        return tuple(name for item in self.products for name in column_names(item))

    @cached_property
    def predictors(self) -> tuple[str, ...]:
        """The columns of the table that the terms and the offsets depend on, in order."""
        variables = [*(v for term in self.terms for v in term), *self.offsets]
        return tuple(dict.fromkeys(c for v in variables for c in columns_of(v)))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The predictors that a row must have a value of: all but those of factors that have a place for none."""
        variables = [*(v for term in self.terms for v in term if not self._absorbs(v)), *self.offsets]
        return tuple(dict.fromkeys(c for v in variables for c in columns_of(v)))

    def _absorbs(self, variable: Node) -> bool:
        return variable in self.factors and self.factors[variable].absorbs

    @property
    def term_columns(self) -> dict[str, list[int]]:
        """For each term, as text, the numbers of its design columns."""
        found: dict[str, list[int]] = {term_text(term): [] for term in self.terms}
        for item in self.products:
            found[term_text(item.term)].extend(range(item.start, item.stop))
        return found

    def missing(self, table: Table, *, response: bool = True) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
        """Rows (n,) in which a column that the model uses is missing, and for each such column how many rows it misses.

        The columns of offsets count; those of the response unless response=False.
        """
        outcome = self.outcome.response.columns if self.outcome and response else ()
        used = dict.fromkeys([*outcome, *self.required])
        rows = np.zeros(table.n_rows, dtype=bool)
        counts: dict[str, int] = {}
        for name in used:
            absent = table[name].missing()
            if absent.any():
                counts[name] = int(np.count_nonzero(absent))
                rows |= absent
        return rows, counts

    def blocks(self, table: Table) -> list[Block]:
        """The design in coded form: its blocks in the order of their first columns.  Errors as in `design`."""
        return list(self._assembly(table).blocks(slice(0, table.n_rows)))

    def design(self, table: Table) -> F64:
        """The model matrix (n, p), without the intercept; NaN across a term where it is missing.

        Where its columns lie at equal distances in one array, as those of a data frame of numbers may, it is a view of
        them that cannot be written to; else float64 in C order.  Columns are found by name and need not have the kind
        they were learned with if their text tells the values (1, 1.0 and "1" are the same level).  A row has the same
        values whatever rows it is read with.  Raises UnseenLevelError for a level that the model does not know in a row
        without missing values, ValueError for an absent column, one of the wrong kind, an infinite or undefined value.
        """
        lying = self._as_it_lies(table)
        if lying is not None:
            return lying
        assembly = self._assembly(table)
        p = len(self.names)
        out = np.zeros((table.n_rows, p))
        step = max(1024, _ASSEMBLY_BYTES // (8 * max(p, 1)))
        for low in range(0, max(table.n_rows, 1), step):
            for block in assembly.blocks(slice(low, low + step)):
                fill(out[low : low + step], block)
        return out

    def _as_it_lies(self, table: Table) -> F64 | None:
        """The design as a view, where it is columns of numbers of one array at equal distances."""
        variables = [item.numbers[0] for item in self.products if len(item.numbers) == 1 and not item.factors]
        if len(variables) < max(2, len(self.products)) or not all(isinstance(v, Name) for v in variables):
            return None
        reader = self._reader(table)
        return one_array([reader.numbers(variable) for variable in variables])

    def offset(self, table: Table) -> F64 | None:
        """The sum (n,) of the offsets, NaN where one is missing; None where the formula has none.

        Errors as in `design`.
        """
        reader = self._reader(table)
        total: F64 | None = None
        for variable in self.offsets:
            values = reader.numbers(variable).astype(np.float64)
            total = values if total is None else total + values
        return total

    def _reader(self, table: Table) -> Reader:
        def complete() -> Array:
            return ~self.missing(table, response=False)[0]

        return Reader(table, self.kinds, self.factors, self.bases, complete)

    def _assembly(self, table: Table) -> _Assembly:
        return _Assembly(self, self._reader(table))

    def response(self, table: Table) -> tuple[Array, F64 | None]:
        """The response (n,) and the number of trials (n,), or None where each row is one trial.

        Binary: uint8, 1 for the event.  Classes: uint8 codes into the levels (int32 beyond 256).  Fractions and counts:
        float64 in [0, 1], 0 where there were no trials.  Raises ValueError where the response is missing
        (leave out the rows of `missing`) or is not what was learned, UnseenLevelError for a class not seen.
        """
        if self.outcome is None:
            raise ValueError(f"the formula {quoted(self)} has no response")
        return read_outcome(self.outcome, self.kinds, table)


class _Assembly:
    """Blocks of any rows of one table."""

    def __init__(self, schema: Schema, reader: Reader) -> None:
        self.schema, self.reader = schema, reader
        self.cells = [np.append(cell_columns(item, schema.factors), -1) for item in schema.products]

    def blocks(self, rows: slice) -> Iterator[Block]:
        read: dict[Node, list[Array]] = {}
        for item, cells in zip(self.schema.products, self.cells, strict=True):
            for variable in item.numbers:
                if variable not in read:
                    read[variable] = self.columns(variable, rows)
            codes = self.codes(item, rows)
            steps = item.steps
            ways = (enumerate(read[variable]) for variable in reversed(item.numbers))
            for way in product(*ways):  # the first variable fastest
                place, scale = 0, None
                for variable, (k, values) in zip(item.numbers, reversed(way), strict=True):
                    place += steps[variable] * k
                    scale = values if scale is None else np.multiply(scale, values, dtype=np.float64)
                if codes is not None:
                    columns = np.where(cells < 0, -1, cells + place) if place else cells
                    yield CodedBlock(item.start, item.stop, codes, columns, scale)
                else:
                    assert scale is not None
                    yield NumericBlock(item.start + place, scale)

    def columns(self, variable: Node, rows: slice) -> list[Array]:
        """The columns (m,) that a variable gives in some rows."""
        if variable in self.schema.factors:
            return list(self.reader.contrasts(variable, rows).T)
        if variable in self.schema.bases:
            return list(self.reader.basis(variable, rows).T)
        return [self.reader.numbers(variable)[rows]]

    def codes(self, item: Product, rows: slice) -> Array | None:
        """The cells (m,) of a product's factors, the first varying fastest, -1 where one is missing."""
        codes: Array | None = None
        cells = 1
        for variable, _ in item.factors:
            own = self.reader.codes(variable)[rows]
            codes = own if codes is None else np.where((codes < 0) | (own < 0), -1, codes + np.int64(cells) * own)
            cells *= self.schema.factors[variable].codes
        return codes


def fill(out: F64, block: Block) -> None:
    """Writes one block into a design of its rows that is zero there."""
    if isinstance(block, NumericBlock):
        out[:, block.column] = block.values
        return
    columns = block.columns[block.codes]
    filled = np.flatnonzero(columns >= 0)
    out[filled, columns[filled]] = 1.0 if block.scale is None else block.scale[filled]
    absent = block.codes < 0
    if block.scale is not None and block.scale.dtype.kind == "f":
        absent = absent | np.isnan(block.scale)
    if absent.any():
        out[absent, block.start : block.stop] = np.nan
