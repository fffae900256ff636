"""Rows of two classes under samples with replacement whose optima lie near the whole's, where everything is known.

A sample's gradient at the whole's optimum is linear in its counts; anywhere else a row adds what its linear predictor
has moved by.  Everything is in u, theta = optimum + factor' u, where the whole's Hessian at its optimum is the
identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.design import Dense, Part
from berkson.kernels.reference import logistic_residual, sigmoid
from berkson.loss import Logistic
from berkson.rows.memory import InMemory

F64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Totals = npt.NDArray[np.int32]
SINGLE = 2.0**-24
FEW = 1 << 13  # rows up to which passes are made in double precision
CELLS, LEAST = 1 << 23, 64  # counts of a batch as doubles, and samples of it at the least
KEPT = 1 << 26  # bytes of counts that are held at the most; beyond, they are drawn in every pass
ROWS_OF_PROOF = 200  # an unknown
FAR = 9.0  # times the median leverage
RUN = 1 << 11  # rows whose products are held at a time


def supports(rows: InMemory) -> bool:
    """Whether these rows have such passes: two classes, a dense table."""
    return isinstance(rows.loss, Logistic) and isinstance(rows.design, Dense)


@dataclass(frozen=True)
class Resampled:
    """Samples of `drawn` rows (m,) (None: of all), each as often as it is drawn times its own weight."""

    rows: InMemory
    optimum: F64
    factor: F64  # factor' factor = inverse Hessian of the whole at its optimum
    drawn: Rows | None
    seed: int

    @property
    def size(self) -> int:
        """Draws in a sample: as many as there are rows to draw."""
        return self.rows.n_rows if self.drawn is None else len(self.drawn)

    @property
    def few(self) -> bool:
        """Rows are few enough for double precision and counts that are held."""
        return self.size <= FEW

    @cached_property
    def _room(self) -> npt.NDArray[np.uint8]:
        """For the counts of one batch after the other: pages are touched once."""
        return np.empty((self.at_once, self.size), np.uint8)

    @property
    def precision(self) -> type[np.float32] | type[np.float64]:
        """Of the sums that prove."""
        return np.float64 if self.few else np.float32

    @property
    def at_once(self) -> int:
        """Samples that a batch may have."""
        return max(LEAST, (CELLS if self.few else KEPT) // self.size)

    def batch(self, numbers: Sequence[int]) -> Batch:
        """Some of the samples, drawn."""
        totals = kernels.replicates.totals(self.size, self.seed, numbers)
        counts = kept = None
        if self.few:
            counts = kernels.replicates.draw(self.size, self.seed, numbers, totals)
        elif len(numbers) * self.size <= KEPT:
            kept = self._room
        return Batch(self, numbers, totals, counts, kept)

    @cached_property
    def known(self) -> tuple[F64, F64, F64]:
        """Weighted residual and curvature, and probability, of each row at the optimum."""
        rows, place = self.rows, self.rows.coordinates
        coef = place.expand(self.optimum)[:, None]
        eta = rows.design.linear_predictor(self.drawn, place.center, coef, rows.whole.threads)[:, 0]
        own = slice(None) if self.drawn is None else self.drawn
        if rows.offset is not None:
            eta += rows.offset[own]
        mean = sigmoid(eta)
        residual, curvature = logistic_residual(eta, rows.y[own].astype(np.float64)), mean * sigmoid(-eta)
        if rows.weight is not None:
            residual, curvature = residual * rows.weight[own], curvature * rows.weight[own]
        return residual, curvature, mean

    @property
    def proving(self) -> Rows:
        """Some of the rows that are drawn, in order, or all: from blocks that lie evenly, none of them far out."""
        return self._whitened[0]

    @cached_property
    def _whitened(self) -> tuple[Rows, F64]:
        """The rows of `proving` (m',), and their cells (m', size)."""
        m, block, count = self.size, kernels.replicates.BLOCK, ROWS_OF_PROOF * len(self.factor)
        few = np.arange(m)
        if m > count:
            blocks = -(-m // block)
            even = np.unique(np.arange(0, blocks, max(1.0, block * blocks / (4.0 * count))).astype(np.intp))
            each = min(block, -(-count // len(even)))
            few = (even[:, None] * block + np.arange(each) * block // each).ravel()
            few = few[few < m]
        place = self.rows.coordinates
        x = self.rows.design.dense_rows(few if self.drawn is None else self.drawn[few], place.center)
        z = (x[:, self.kept] / place.scale) @ self.factor.T
        if m > count:  # those far out would loosen the proof and tighten it by nothing
            length = (z * z).sum(axis=1)
            near = length <= FAR * np.median(length)
            few, z = few[near], z[near]
        return few, z

    @property
    def longest(self) -> float:
        """The largest leverage of the rows of `proving` in the whole's Hessian."""
        return float((self._whitened[1] ** 2).sum(axis=1).max())

    def products(self) -> Iterator[tuple[slice, F64]]:
        """(run of `proving`, curvature times the products of each pair of columns of each row)"""
        few, z = self._whitened
        bent = self.known[1][few, None] * z
        d = z.shape[1]
        for start in range(0, len(z), RUN):
            run = slice(start, min(start + RUN, len(z)))
            pairs, at = np.empty((run.stop - start, d * (d + 1) // 2), self.precision), 0
            for j in range(d):
                np.multiply(bent[run, j : j + 1], z[run, j:], out=pairs[:, at : at + d - j], casting="same_kind")
                at += d - j
            yield run, pairs

    def whiten(self, found: F64) -> F64:
        """Gradients by coefficients (p+1, M) -> by u (M, size)."""
        return np.asarray((self.factor @ (found[self.kept] / self.rows.coordinates.scale[:, None])).T)

    def steps(self, u: F64) -> F64:
        """u (M, size) -> steps of coefficients (p+1, M)."""
        place = self.rows.coordinates
        out = np.zeros((len(place.center) + 1, len(u)))
        out[self.kept] = (u @ self.factor / place.scale).T
        return out

    @property
    def kept(self) -> slice | Rows:
        """The columns that are estimated."""
        kept = self.rows.coordinates.kept
        return slice(None) if kept is None else kept

    @cached_property
    def scale(self) -> F64:
        """Of every column (p+1,)."""
        out = np.ones(len(self.rows.coordinates.center) + 1)
        out[self.kept] = self.rows.coordinates.scale
        return out

    @cached_property
    def rounding(self) -> float:
        """Bounds what single precision adds to a gradient, for |u| = 1.

        To first order a linear predictor errs by less than (q + 10) units of its terms' sizes, sums over a strip of
        rows by less than 104 of theirs; sums of sizes are bounded by Cauchy's inequality through the diagonal of the
        Hessian, which a factor of two lets differ from a sample's.
        """
        if self.few:
            return 0.0
        root = np.linalg.inv(self.factor)  # of the Hessian: root root'
        sizes = np.sqrt((root * root).sum(axis=1))
        sums = float(np.linalg.norm(np.abs(self.factor) @ sizes))
        terms = float(np.linalg.norm(self.factor, axis=0) @ sizes)
        return 2.0 * SINGLE * (104.0 * sums + (len(sizes) + 10.0) * terms)


@dataclass(frozen=True)
class Batch:
    """Samples that go through passes together: `totals` of their draws in each block of rows; where there is room,
    their counts (M, m) as doubles, or as bytes, which the first pass fills."""

    of: Resampled
    numbers: Sequence[int]
    totals: Totals
    counts: F64 | None
    bytes_of_counts: npt.NDArray[np.uint8] | None

    @cached_property
    def start(self) -> F64:
        """Gradients at the optimum (M, size).  One pass."""
        of, design = self.of, self.of.rows.design
        if self.counts is not None:
            return self._exact(np.arange(len(self.numbers)), np.zeros((len(self.numbers), len(of.factor))))
        assert isinstance(design, Dense)
        found = design.gradients_at_point(
            of.drawn,
            of.rows.coordinates.center,
            of.known[0],
            of.seed,
            self.numbers,
            self.totals,
            self.bytes_of_counts,
            kernels.threads(),
        )
        return of.whiten(found)

    def gradients(self, which: Rows, u: F64) -> F64:
        """Of some samples, each at its u: (M', size), up to `rounding` times |u|.  One pass."""
        of, design = self.of, self.of.rows.design
        if self.counts is not None:
            return self._exact(which, u)
        assert isinstance(design, Dense)
        start, (_, curvature, mean) = self.start, of.known
        found = design.changes_of_gradients(
            of.drawn,
            of.rows.coordinates.center,
            of.scale,
            of.steps(u),
            curvature,
            mean,
            of.seed,
            [self.numbers[i] for i in which],
            self.totals[which],
            self.bytes_of_counts,
            which,
            kernels.threads(),
        )
        return start[which] + of.whiten(found)

    def _exact(self, which: Rows, u: F64) -> F64:
        of, rows = self.of, self.of.rows
        assert self.counts is not None
        own = slice(None) if of.drawn is None else of.drawn
        weight = self.counts[which].T
        if rows.weight is not None:
            weight = weight * rows.weight[own, None]
        coef = rows.coordinates.expand(of.optimum)[:, None] + of.steps(u)
        offset = None if rows.offset is None else rows.offset[own]
        part = Part(of.drawn, rows.coordinates.center, rows.y[own], weight, offset, rows.whole.threads)
        _, _, found = rows.design.logistic_many(part, coef)
        return of.whiten(found)

    def curvatures(self) -> F64:
        """Each sample's Hessian at the optimum over the rows of `proving` (M, size, size).

        Of many rows a matrix below it: less the identity times what single precision may have added, at most a unit for
        each row of the trace.
        """
        of, few, upper = self.of, self.of.proving, np.triu_indices(len(self.of.factor))
        if self.counts is None:
            counts = kernels.replicates.draw(of.size, of.seed, self.numbers, self.totals, few)
        else:
            counts = self.counts[:, few]
        counts = counts.astype(of.precision)
        packed = np.zeros((len(self.numbers), len(upper[0])), of.precision)
        for run, products in of.products():
            packed += counts[:, run] @ products
        full = np.empty((len(self.numbers), *of.factor.shape))
        full[:, upper[0], upper[1]] = packed
        full[:, upper[1], upper[0]] = packed
        if not of.few:
            diagonal = np.einsum("bii->bi", full)
            diagonal -= SINGLE * (len(few) + 8) * diagonal.sum(axis=1, keepdims=True)
        return full
