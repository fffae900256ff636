"""A factor as it lies in memory: an integer code a row, and how its levels become columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Coded:
    """codes (n,) in [0, levels), one a row; a level's column is 1 in its rows and 0 elsewhere.

    without : levels that have no column, so that their rows are 0 in all of the factor's: none where every level has
        its own (symmetric: under a penalty, answers do not depend on a reference), the reference of a treatment
        contrast, and whatever stands for "missing", where a row that lacks the factor is to add nothing.
    """

    codes: Array
    levels: int
    without: tuple[int, ...] = ()

    @classmethod
    def of(cls, codes: Array, levels: int, without: Collection[int] = ()) -> Coded:
        """A factor of integer codes of any size (uint8 up to 256 levels and uint16 up to 65,536 are read fastest); they
        are checked here, once, and not copied.

        Raises ValueError where a code is no level.
        """
        if codes.ndim != 1 or codes.dtype.kind not in "ui" or not codes.dtype.isnative:
            raise ValueError("codes must be integers in one dimension and native byte order: convert them")
        if len(codes) and (int(codes.min()) < 0 or int(codes.max()) >= levels):
            row = int(np.flatnonzero((codes < 0) | (codes >= levels))[0])
            raise ValueError(f"row {row} has code {codes[row]}, but levels go from 0 to {levels - 1}: recode it")
        if any(not 0 <= level < levels for level in without):
            raise ValueError(f"the levels without a column, {sorted(without)}, must lie from 0 to {levels - 1}")
        return cls(codes, levels, tuple(sorted(set(without))))

    @property
    def columns(self) -> npt.NDArray[np.intp]:
        """The levels that have a column, in the columns' order."""
        return np.delete(np.arange(self.levels), list(self.without))
