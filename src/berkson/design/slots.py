"""Between the columns of a mixed table and the slots that its kernels see: the numbers, the constant and all levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.design.arrow import Arrow
from berkson.kernels.coded_reference import Tables

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Slots:
    """place (p,) the slot of each column; constant, the constant's, after those of the numbers; firsts and levels, each
    factor's first slot and their number."""

    place: Indices
    constant: int
    firsts: tuple[int, ...]
    levels: tuple[int, ...]

    @cached_property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """(p,) whether a column is one of numbers."""
        return self.place < self.constant

    @cached_property
    def numbers(self) -> Indices:
        """The columns of numbers, and the constant."""
        return np.append(np.flatnonzero(self.numeric), len(self.place))

    @cached_property
    def members(self) -> list[tuple[Indices, Indices]]:
        """Of each factor, its columns and their levels."""
        found = []
        for first, levels in zip(self.firsts, self.levels, strict=True):
            columns = np.flatnonzero((self.place >= first) & (self.place < first + levels))
            found.append((columns, self.place[columns] - first))
        return found

    @cached_property
    def whole(self) -> Indices:
        """(p+1,) the slots of the columns and of the constant."""
        return np.append(self.place, self.constant)

    def centers(self, center: F64) -> tuple[F64, F64]:
        """Of the numbers, which the kernels subtract, and of the columns (p,) that they do not centre."""
        given = np.zeros(self.constant)
        given[self.place[self.numeric]] = center[self.numeric]
        return given, np.where(self.numeric, 0.0, center)

    def spread(self, coef: F64, implicit: F64) -> F64:
        """Coefficients of columns (p+1,) or (p+1, M) as those of slots, with the same linear predictors; slots without
        a column get 0."""
        out = np.zeros((self.constant + 1 + sum(self.levels), *coef.shape[1:]))
        out[self.whole] = coef
        if implicit.any():
            out[self.constant] -= implicit @ coef[:-1]
        return out

    def gather(self, sums: F64, implicit: F64) -> F64:
        """Sums of r [X - center, 1] from those of r times the slots."""
        out = sums[self.whole]
        if implicit.any():
            out[:-1] -= np.multiply.outer(implicit, out[-1])
        return out

    def square(self, tables: Tables, implicit: F64) -> F64:
        """The matrix (p+1, p+1) that tables make up, columns centred."""
        p = len(self.place)
        out = self._dense(tables, range(len(self.members)), np.arange(p + 1), p + 1)
        if implicit.any():
            shift = np.append(implicit, 0.0)
            sums = out[-1] - 0.5 * out[-1, -1] * shift  # sum w (s - c)(s - c)' = S - c t' - t c' + W c c'
            out -= shift[:, None] * sums + sums[:, None] * shift
        return out

    def arrow(self, tables: Tables, outer: Sequence[int], *, coupled: bool) -> Arrow:
        """The same, columns not centred, as an arrow whose outer coordinates are those of some factors: of one, where
        the two blocks are coupled."""
        p = len(self.place)
        columns = np.concatenate([self.members[f][0] for f in outer])
        inner = np.append(np.setdiff1d(np.arange(p), columns), p)
        at = np.zeros(p + 1, dtype=np.intp)
        at[inner] = np.arange(len(inner))
        within = [f for f in range(len(self.members)) if f not in outer]
        rest = self._dense(tables, within, at, len(inner))
        spread = np.concatenate([tables.diagonal(f)[self.members[f][1]] for f in outer])
        if not coupled:
            return Arrow(columns, inner, spread, None, rest)
        (f,) = outer
        levels, beside = self.members[f][1], np.empty((len(columns), len(inner)))
        beside[:, at[self.numbers]] = tables.beside[f][np.ix_(levels, self.whole[self.numbers])]
        for g in within:
            table = tables.pairs[f, g] if f < g else tables.pairs[g, f].T
            beside[:, at[self.members[g][0]]] = table[np.ix_(levels, self.members[g][1])]
        return Arrow(columns, inner, spread, beside, rest)

    def _dense(self, tables: Tables, factors: Sequence[int], at: Indices, size: int) -> F64:
        """The part (size, size) of the matrix for the numbers, the constant and some factors, each column j in place
        at[j]."""
        out = np.zeros((size, size))
        numbers, slots = at[self.numbers], self.whole[self.numbers]
        out[np.ix_(numbers, numbers)] = tables.numbers[np.ix_(slots, slots)]
        for i, f in enumerate(factors):
            mine, levels = at[self.members[f][0]], self.members[f][1]
            out[mine, mine] = tables.diagonal(f)[levels]
            beside = tables.beside[f][np.ix_(levels, slots)]
            out[np.ix_(mine, numbers)], out[np.ix_(numbers, mine)] = beside, beside.T
            for g in factors[i + 1 :]:
                others, across = at[self.members[g][0]], self.members[g][1]
                pair = tables.pairs[f, g][np.ix_(levels, across)]
                out[np.ix_(mine, others)], out[np.ix_(others, mine)] = pair, pair.T
        return out
