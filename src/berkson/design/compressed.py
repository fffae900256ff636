"""SciPy's compressed rows as a table of stored cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from berkson.design.sparse import Sparse


def compressed(matrix: Any) -> Sparse:
    """Compressed rows (csr) as they lie; where a cell is stored in parts, a copy in which they are added up.

    Raises ValueError where the three arrays are no table (see `Sparse.of`).
    """
    if not matrix.has_canonical_format and _holds_parts(matrix):
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return _as_it_lies(matrix)


def _as_it_lies(matrix: Any) -> Sparse:
    return Sparse.of(matrix.data, matrix.indices, matrix.indptr, matrix.shape[1])


def _holds_parts(matrix: Any) -> bool:
    """Whether some cell is stored more than once, in rows whose cells stand in any order."""
    for rows, columns, _ in _as_it_lies(matrix).stored():
        order = np.lexsort((columns, rows))
        rows, columns = rows[order], columns[order]
        if ((rows[1:] == rows[:-1]) & (columns[1:] == columns[:-1])).any():
            return True
    return False
