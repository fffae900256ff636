"""Random samples of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.rows.questions import Sample

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

CHUNK = 1 << 14  # rows whose row-long results (random numbers) are held at a time


def draw(y: Array, weight: F64 | None, size: int, share: F64, seed: int) -> Sample:
    """What `Draw` asks for: independent draws by row, so sorted or periodic files do no harm; soft labels are one
    class."""
    n = len(y)
    hard = y.ndim == 1 and y.dtype.kind in "ui"
    counts = n * share if hard else np.array([float(n)])
    rate = np.minimum(1.0, size / (2.0 * n) + size / (2.0 * len(counts) * np.maximum(counts, 1.0)))
    rng = np.random.default_rng(seed)
    index, scaled = [], []
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        p = rate[y[start:stop]] if hard else np.full(stop - start, rate[0])
        chosen = np.flatnonzero(rng.random(stop - start, dtype=np.float32) < p)
        index.append(chosen + start)
        scaled.append(1.0 / p[chosen])
    rows, multiplier = np.concatenate(index), np.concatenate(scaled)
    if weight is None:
        return Sample(rows, multiplier, None)
    own = weight[rows]
    return Sample(rows, multiplier * own, own)
