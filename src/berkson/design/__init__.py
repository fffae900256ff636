"""The model matrix as an operator over blocks of rows: kinds of tables with the same methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design.coded import Coded
from berkson.design.dense import Dense
from berkson.design.mixed import Mixed
from berkson.design.part import Part
from berkson.design.side_by_side import SideBySide
from berkson.design.sparse import Sparse

__all__ = ["Coded", "Dense", "Design", "Mixed", "Part", "SideBySide", "Sparse", "Table", "design_of"]

Design = Dense | Sparse | Mixed | SideBySide
Table = npt.NDArray[Any] | Sparse | Mixed | SideBySide


def design_of(X: Table) -> Design:
    """The operator of a table: an array becomes one, any other table is one."""
    return Dense(X) if isinstance(X, np.ndarray) else X
