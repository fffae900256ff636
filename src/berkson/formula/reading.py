"""The values of a formula's variables in one table, each read once and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula import arithmetic
from berkson.formula.bases import Basis
from berkson.formula.coding import Factor, codes_into
from berkson.formula.contrasts import contrast_matrix
from berkson.formula.syntax import Call, Name, Node, columns_of
from berkson.table import Column, Kind, Table, shorten

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class Reader:
    """Numbers, columns of bases and codes of factors in a table whose columns had these kinds when they were learned.

    `complete` gives the rows (n,) in which an unseen level is an error; in others it is missing.
    """

    def __init__(
        self,
        table: Table,
        kinds: Mapping[str, Kind],
        factors: Mapping[Node, Factor],
        bases: Mapping[Node, Basis],
        complete: Callable[[], Array],
    ) -> None:
        self.table, self.kinds, self.factors, self.bases = table, kinds, factors, bases
        self.complete = complete
        self.read: dict[Node, Array] = {}
        self.matrices: dict[Node, F64] = {}

    def codes(self, variable: Node) -> Array:
        """Codes (n,) into the levels of a factor, -1 where missing.  UnseenLevelError as `codes_into`."""
        if variable not in self.read:
            (name,) = columns_of(variable)
            factor = self.factors[variable]
            relevant = self.nowhere if factor.absorbs else self.complete
            codes = codes_into(self.table[name], self.kinds[name], factor.levels, relevant)
            if factor.absorbs and (absent := codes < 0).any():
                codes = np.where(absent, np.int32(factor.in_place), codes)
            self.read[variable] = codes
        return self.read[variable]

    def nowhere(self) -> Array:
        """No row (n,)."""
        return np.zeros(self.table.n_rows, dtype=bool)

    def numbers(self, variable: Node) -> Array:
        """Values (n,) of a column, of arithmetic or of a basis of one column, NaN where missing.

        ValueError, with the row, where a value is infinite or not defined, or is no number.
        """
        if variable not in self.read:
            if isinstance(variable, Name):
                values = self.number(variable.column).values
            elif variable in self.bases:
                values = self.basis(variable, slice(None))[:, 0]
            else:
                values = arithmetic.evaluate(variable, self.floats)
            self.refuse_undefined(variable, values)
            self.read[variable] = values
        return self.read[variable]

    def basis(self, variable: Node, rows: slice) -> F64:
        """Columns (m, width) of a basis in some rows, NaN where missing.  Errors as in `numbers`."""
        assert isinstance(variable, Call)
        x = self.numbers(variable.arguments[0])[rows].astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            values = self.bases[variable].evaluate(x)
            self.refuse_undefined(variable, np.abs(values).max(axis=1), rows.start or 0)
        return values

    def contrasts(self, variable: Node, rows: slice) -> F64:
        """Columns (m, levels - 1) of a factor's contrasts in some rows, NaN where missing."""
        if variable not in self.matrices:
            factor = self.factors[variable]
            matrix = contrast_matrix(factor.contrasts, len(factor.levels))
            self.matrices[variable] = np.vstack([matrix, np.full(len(factor.levels) - 1, np.nan)])
        return self.matrices[variable][self.codes(variable)[rows]]

    def floats(self, leaf: Name | Call) -> F64:
        """Values (n,) of a column or a learned call as float64."""
        values = self.number(leaf.column).values if isinstance(leaf, Name) else self.numbers(leaf)
        return values.astype(np.float64, copy=False)

    def number(self, name: str) -> Column:
        """A column as numbers."""
        column = self.table[name]
        return (column.as_boolean() if self.kinds[name] == "boolean" else column).as_number()

    def refuse_undefined(self, variable: Node, values: Array, start: int = 0) -> None:
        """ValueError for an infinity, and for a NaN that is no missing value, in rows from `start` on."""
        with np.errstate(all="ignore"):
            if values.dtype.kind != "f" or np.isfinite(np.sum(values)):  # finite only where every value is
                return
        wrong = ~np.isfinite(values)
        for name in columns_of(variable):
            wrong &= ~self.table[name].missing()[start : start + len(values)]
        if not wrong.any():
            return
        at = int(np.argmax(wrong))
        row = start + at
        where = ", ".join(f"{name} = {self.floats(Name(name))[row]:g}" for name in columns_of(variable))
        state = "infinite" if np.isinf(values[at]) else "not defined"
        raise ValueError(
            f"{shorten(variable)} is {state} in row {self.table.row(row)} of {self.table.source} (where {where}); "
            "correct the value or leave out the row"
        )


def one_array(columns: Sequence[Array]) -> npt.NDArray[np.float64] | None:
    """(n, p) float64 columns as a read-only view of the one array that they are parts of, at equal distances; None
    where they are not."""
    first, owner = columns[0], _owner(columns[0])
    places = [column.__array_interface__["data"][0] for column in columns]
    apart = places[1] - places[0]
    alike = all(
        column.dtype == np.float64 and column.strides == first.strides and _owner(column) is owner for column in columns
    )
    if not alike or apart == 0 or any(b - a != apart for a, b in pairwise(places)):
        return None
    view = np.lib.stride_tricks.as_strided(
        first, (len(first), len(columns)), (first.strides[0], apart), writeable=False
    )
    return view


def _owner(array: Array) -> object:
    """What an array is ultimately a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.base is None else array.base
