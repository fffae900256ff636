"""Columns from the text cells of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from berkson.table.columns import TRUTH, Array, Column

_LEADING_ZERO = re.compile(r"\n[ \t]*[+-]?0[0-9]")  # begins with a plain character, which the search skips to


def column_from_text(name: str, cells: Sequence[str], missing: frozenset[str]) -> Column:
    """The column that text cells spell: numbers where every cell is one, booleans for true/false, else a factor.

    Cells found in `missing` are missing.  Numbers are written with digits, a point and an exponent (`inf` is read, and
    refused where it is used); cells with leading zeros such as `01234` are codes, so a factor.  Levels are sorted.
    """
    numbers = _numbers_from_text(cells, missing)
    if numbers is not None:
        return Column(name, "number", numbers)
    distinct = set(cells) - missing
    truths = len(distinct) <= 48 and all(cell.lower() in ("true", "false") for cell in distinct)
    levels = sorted(distinct)
    codes = dict.fromkeys(missing, -1)
    codes.update((level, TRUTH[level.lower()] if truths else code) for code, level in enumerate(levels))
    values = np.fromiter(map(codes.__getitem__, cells), np.int8 if truths else np.int32, len(cells))
    return Column(name, "boolean", values) if truths else Column(name, "factor", values, tuple(levels))


def _numbers_from_text(cells: Sequence[str], missing: frozenset[str]) -> Array | None:
    """int64 or float64 values, or None where a cell that is not missing is no number."""
    complete = missing.isdisjoint(cells)
    known = cells if complete else [cell for cell in cells if cell not in missing]
    numbers = _parsed(known)
    if numbers is None:
        return None
    joined = "\n" + "\n".join(known)
    if not joined.isascii() or "_" in joined or _LEADING_ZERO.search(joined):  # Python reads more than data files mean
        return None
    if complete:
        return numbers
    values = np.full(len(cells), np.nan)
    values[np.fromiter((cell not in missing for cell in cells), bool, len(cells))] = numbers
    return values


def _parsed(cells: Sequence[str]) -> Array | None:
    for read, dtype in ((int, np.int64), (float, np.float64)):
        try:
            return np.array(list(map(read, cells)), dtype=dtype)
        except (ValueError, OverflowError):
            continue
    return None
