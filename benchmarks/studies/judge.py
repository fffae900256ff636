"""The objective at anyone's coefficients, in float64 and by blocks of rows; it shares no code with berkson.

mean_i loss(y_i, x_i . coef + intercept) + l1 |coef|_1 + l2 / 2 |coef|^2
"""

from __future__ import annotations

import numpy as np

from benchmarks.studies.data import F64, Data

CELLS = 4_000_000  # of a block: 32 MB


def objectives(data: Data, coefs: F64, without: int | None = None) -> F64:
    """At each penalty (L,), of coefficients (L, p + levels + 1): columns, levels of each factor in turn, intercept.

    without : a fold whose rows do not count, though n does.
    """
    width = 1 if data.codes is None else data.codes.shape[1]
    n, p = data.X.shape
    step = max(1, CELLS // max(len(coefs) * (1 + width), p))
    total = np.zeros(len(coefs))
    starts = [] if data.codes is None else p + np.cumsum([0, *(data.codes.max(axis=0) + 1)])[:-1]
    for start in range(0, n, step):
        rows = slice(start, start + step)
        eta = np.asarray(data.X[rows] @ coefs[:, :p].T) + coefs[:, -1]
        for j, first in enumerate(starts):
            eta += coefs.T[first + data.codes[rows, j]]  # type: ignore[index]
        sign = np.where(data.y[rows] == 1, -1.0, 1.0)
        loss = np.logaddexp(0.0, sign[:, None] * eta)
        total += loss.sum(axis=0) if without is None else (data.fold[rows] != without) @ loss  # type: ignore[index]
    slopes = coefs[:, :-1]
    penalty = data.l1 * np.abs(slopes).sum(axis=1) + 0.5 * data.l2 * (slopes**2).sum(axis=1)
    found: F64 = total / n + penalty
    return found


def null_objective(data: Data) -> float:
    """Of the intercept alone, or of nothing at all."""
    if not data.intercept:
        return float(np.log(2.0))
    share = float(data.y.mean())
    return float(-share * np.log(share) - (1.0 - share) * np.log(1.0 - share))
