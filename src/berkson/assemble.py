"""The design of a formula over a table as the engine takes it: an array, or numbers and codes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Coded, Mixed
from berkson.formula import Schema
from berkson.formula.reading import one_array
from berkson.formula.schema import Block, NumericBlock, fill
from berkson.table import Table

Array = npt.NDArray[Any]

INDICATORS, CELLS = 32, 1 << 20  # columns of factors, and cells of the design, beyond which factors stay codes


def is_coded(schema: Schema, n: int) -> bool:
    """Whether n rows are kept as codes: a dense column for each level is the faster only where those are few, or the
    whole design is small."""
    return _indicators(schema) > INDICATORS and n * len(schema.names) > CELLS


def stored_columns(schema: Schema, n: int) -> int:
    """How many columns of the design of n rows are written down."""
    return len(schema.names) - (_indicators(schema) if is_coded(schema, n) else 0)


def _indicators(schema: Schema) -> int:
    return sum(item.stop - item.start for item in schema.products if not item.numbers)


def assemble(schema: Schema, table: Table) -> Array | Mixed:
    """`Schema.design` of rows without missing values; where `is_coded`, factors and their crossings are integer codes,
    1 to 4 bytes a row, of which no indicator column is made.  Columns, names and errors are the same."""
    return coded(schema, table) if is_coded(schema, table.n_rows) else schema.design(table)


def coded(schema: Schema, table: Table) -> Mixed:
    """The design whose terms of factors alone are codes; everything else is columns of numbers."""
    factors: list[Coded] = []
    order: list[Array] = []
    others: list[Block] = []
    for block in schema.blocks(table):
        if isinstance(block, NumericBlock) or block.scale is not None:
            others.append(block)
            continue
        columns = block.columns[:-1]  # the last entry is for missing values
        factors.append(Coded.of(narrow(block.codes, len(columns)), len(columns), np.flatnonzero(columns < 0).tolist()))
        order.append(columns[columns >= 0])
    of_factors = np.concatenate(order)
    of_numbers = np.setdiff1d(np.arange(len(schema.names)), of_factors)
    place = np.argsort(np.concatenate([of_numbers, of_factors]))
    return Mixed.of(_numbers(others, of_numbers, table.n_rows), factors).columns(place)


def narrow(codes: Array, levels: int) -> Array:
    """Codes in [0, levels) in as few bytes as hold them, which are read fastest; uncopied where they are so already."""
    kind = np.dtype(np.uint8 if levels <= 1 << 8 else np.uint16 if levels <= 1 << 16 else np.int32)
    if codes.dtype.kind == "i" and codes.dtype.itemsize == kind.itemsize:
        return codes.view(kind)
    return codes.astype(kind, copy=False)


def _numbers(blocks: Sequence[Block], columns: Array, n: int) -> Array:
    """These columns (n, p0) of the design, as they lie where they are columns of one array."""
    plain = [block.values for block in blocks if isinstance(block, NumericBlock)]
    lying = one_array(plain) if 2 <= len(plain) == len(blocks) else None
    if lying is not None:
        return lying
    place = np.full(columns.max(initial=-1) + 2, -1)  # the last entry is for cells without a column
    place[columns] = np.arange(len(columns))
    out = np.zeros((n, len(columns)))
    for block in blocks:
        if isinstance(block, NumericBlock):
            fill(out, replace(block, column=int(place[block.column])))
        else:
            fill(out, replace(block, start=0, stop=0, columns=place[block.columns]))  # nothing is missing
    return out
