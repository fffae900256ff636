"""Samples with replacement as counts of rows, and sums under many of them, which draw the counts as they go.

A sample of n rows is n draws of one of n, known by a seed and a number.  Rows lie in blocks of 1,024.  How many draws
fall into each block is one multinomial draw (`totals`); within a block they are uniform, from a generator whose state
is a hash of seed, number and block (SplitMix64: Steele, Lea & Flood, OOPSLA 2014).  So a block's counts are known
without those of others: the same for any order of blocks, any chunks and any number of threads, and nobody has
to keep them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.kernels.reference import F64, SILENT, Array

U64 = npt.NDArray[np.uint64]
Kept = npt.NDArray[np.uint8]

BITS, IN_WORD = 10, 6  # of a draw, and draws in a word of 64 bits
BLOCK = 1 << BITS
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def totals(n: int, seed: int, numbers: Sequence[int]) -> npt.NDArray[np.int32]:
    """How many of a sample's n draws fall into each block of rows: (M, blocks)."""
    sizes = np.full(-(-n // BLOCK), BLOCK)
    sizes[-1:] = n - BLOCK * (len(sizes) - 1)
    out = np.empty((len(numbers), len(sizes)), np.int32)
    bits = np.random.Philox(0)
    random, state = np.random.Generator(bits), bits.state
    for row, number in zip(out, numbers, strict=True):
        state["state"] = {"counter": np.zeros(4, np.uint64), "key": np.array([seed, number], np.uint64)}
        bits.state = state
        row[:] = random.multinomial(n, sizes / n)
    return out


def draw(
    n: int, seed: int, numbers: Sequence[int], drawn: npt.NDArray[np.int32], rows: npt.NDArray[np.int64] | None = None
) -> F64:
    """How often each row (m,) of `rows`, in order (None: of all n), comes in each sample: (M, m).

    drawn (M, blocks) are the samples' `totals`.
    """
    counts = np.empty((len(numbers), n))
    for out, number, total in zip(counts, numbers, drawn, strict=True):
        for block in range(drawn.shape[1]):
            here = slice(block * BLOCK, min(n, (block + 1) * BLOCK))
            out[here] = _in_block(seed, number, block, int(total[block]), here.stop - here.start)
    return counts if rows is None else counts[:, rows]


def _mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def _words(state: int, start: int, count: int) -> U64:
    """SplitMix64's outputs start + 1 to start + count."""
    z = np.uint64(state) + np.uint64(GOLDEN) * np.arange(start + 1, start + count + 1, dtype=np.uint64)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)


def _in_block(seed: int, number: int, block: int, total: int, size: int) -> Any:
    """Counts (size,) of `total` uniform draws: fields of the bits that name a row, lowest first, too large ones out."""
    state = _mix((_mix((_mix((seed + GOLDEN) & MASK) + number) & MASK) + block) & MASK)
    mask = np.uint64((1 << max(1, (size - 1).bit_length())) - 1)
    shifts = np.arange(0, BITS * IN_WORD, BITS, dtype=np.uint64)
    found, start = np.empty(0, np.uint64), 0
    while len(found) < total:
        more = 1 + (total - len(found)) // IN_WORD
        fields = (_words(state, start, more)[:, None] >> shifts & mask).ravel()
        found, start = np.append(found, fields[fields < size]), start + more
    return np.bincount(found[:total].astype(np.intp), minlength=size)


@SILENT
def gradients_at_point(
    X: Array,
    rows: Array | None,
    center: F64,
    residual: F64,
    seed: int,
    numbers: Sequence[int],
    drawn: npt.NDArray[np.int32],
    kept: Kept | None = None,
    threads: int = 1,
) -> F64:
    """sum_i count_bi residual_i x_i for samples of the rows asked for, x = [X - center, 1]: (p+1, M).

    The compiled twin writes the counts to `kept` (M, m), where that is given, for passes to come.
    """
    out = np.zeros((X.shape[1] + 1, len(numbers)))
    for part, x, counts in _blocks(X, rows, center, seed, numbers, drawn):
        out += x.T @ (counts * residual[part, None])
    return out


@SILENT
def changes_of_gradients(
    X: Array,
    rows: Array | None,
    center: F64,
    scale: F64,
    step: F64,
    curvature: F64,
    mean: F64,
    seed: int,
    numbers: Sequence[int],
    drawn: npt.NDArray[np.int32],
    kept: Kept | None = None,
    slots: npt.NDArray[np.int64] | None = None,
    threads: int = 1,
) -> F64:
    """What gradients change by where samples step away from a point, step (p+1, M) and the answer in coefficients:

        sum_i count_bi w_i (mu(eta_i + d_bi) - mu(eta_i)) x_i,   d_bi = x_i . step_b,

    by  w (mu(eta + d) - mu) = curvature e / (1 + mean e)  with  e = exp(d) - 1,  from curvature = w mu (1 - mu) and
    mean = mu at the point (m,).  The compiled twin reads counts from the rows `slots` of `kept` where that is given;
    the numbers are the same.  It computes in single precision, on columns divided by `scale` (p+1,), and answers nan
    where a |d| exceeds 60.
    """
    out = np.zeros((X.shape[1] + 1, len(numbers)))
    for part, x, counts in _blocks(X, rows, center, seed, numbers, drawn):
        e = np.expm1(np.clip(x @ step, None, 60.0))
        out += x.T @ (counts * curvature[part, None] * e / (1.0 + mean[part, None] * e))
    return out


def _blocks(
    X: Array, rows: Array | None, center: F64, seed: int, numbers: Sequence[int], drawn: npt.NDArray[np.int32]
) -> Iterator[tuple[slice, F64, F64]]:
    """(place, [X - center, 1], counts of each sample (rows, M)) of each block of the rows asked for."""
    m = len(X) if rows is None else len(rows)
    for block in range(drawn.shape[1]):
        part = slice(block * BLOCK, min(m, (block + 1) * BLOCK))
        size = part.stop - part.start
        x = np.column_stack([(X[part] if rows is None else X[rows[part]]) - center, np.ones(size)])
        counts = [_in_block(seed, number, block, int(drawn[b, block]), size) for b, number in enumerate(numbers)]
        yield part, x, np.column_stack(counts).astype(np.float64)
