"""Numbers and factors side by side as they lie in memory: no indicator column is ever made, and nothing is copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.design.arrow import Arrow
from berkson.design.coded import Coded
from berkson.design.part import Part, multinomial_hessian
from berkson.design.slots import Slots
from berkson.kernels.coded_reference import Blocks

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Sums = tuple[float, float, F64 | None, F64 | None]

BLOCK = 1 << 20  # cells that are looked at together
INNER = 1000  # columns up to which factors are taken into the dense block of a preconditioner


@dataclass(frozen=True)
class Mixed:
    """[X - center, 1] as an operator, X of numbers and of factors' indicators: the same methods as `Dense`, and the
    same answers.

    place (p,) : the slot of each column of X among the numbers, the constant and all levels (`kernels.coded`); slots
    without a column have coefficient 0.  Numbers are centred where they are read; indicators, whose bulk is 0, only in
    sums, as those of `Sparse` are.
    """

    blocks: Blocks
    place: Indices

    @classmethod
    def of(cls, numbers: Array, factors: Sequence[Coded]) -> Mixed:
        """Columns: the numbers (n, p0), then each factor's (`columns` puts them in another order).

        Raises ValueError where the numbers of rows differ.
        """
        if numbers.ndim != 2:
            raise ValueError(f"numbers have {numbers.ndim} dimension(s): give rows and columns")
        for factor in factors:
            if len(factor.codes) != len(numbers):
                raise ValueError(f"a factor has {len(factor.codes)} rows, but there are {len(numbers)} of numbers")
        codes, levels = tuple(f.codes for f in factors), tuple(f.levels for f in factors)
        blocks = Blocks(numbers, codes, levels)
        each = [first + factor.columns for first, factor in zip(blocks.firsts, factors, strict=True)]
        return cls(blocks, np.concatenate([np.arange(numbers.shape[1]), *each]).astype(np.intp))

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.blocks.n, len(self.place)

    def __len__(self) -> int:
        return self.blocks.n

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.blocks.numbers.dtype

    @property
    def row_cells(self) -> int:
        """Numbers and codes of a row."""
        return int(self.blocks.numbers.shape[1]) + len(self.blocks.codes)

    @property
    def nbytes(self) -> int:
        return len(self) * sum(each.itemsize * each[:1].size for each in (self.blocks.numbers, *self.blocks.codes))

    @property
    def itemsize(self) -> int:
        """Bytes of a cell, on average."""
        return max(1, self.nbytes // max(1, len(self) * self.row_cells))

    @property
    def filled(self) -> float:
        """The share of cells that are read."""
        return min(1.0, self.row_cells / max(1, len(self.place)))

    @cached_property
    def slots(self) -> Slots:
        """Where the columns stand among those that kernels see."""
        return Slots(self.place, self.blocks.numbers.shape[1], self.blocks.firsts, self.blocks.levels)

    @property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """(p,) whether a column is one of numbers."""
        return self.slots.numeric

    def outer(self, *, coupled: bool) -> tuple[int, ...]:
        """The factors that are outside an `Arrow`'s dense block: the largest one or, where their tables beside other
        columns are not wanted, the largest ones until few columns are left."""
        sizes = [len(columns) for columns, _ in self.slots.members]
        order = sorted(range(len(sizes)), key=lambda f: -sizes[f])
        if coupled:
            return tuple(order[:1])
        left, out = len(self.place), []
        for f in order:
            if left <= INNER:
                break
            left -= sizes[f]
            out.append(f)
        return tuple(out)

    def outer_columns(self, *, coupled: bool) -> int:
        """How many columns those factors have."""
        return sum(len(self.slots.members[f][0]) for f in self.outer(coupled=coupled))

    # --- parts of it --------------------------------------------------------------------------------------------------

    def run_of(self, place: slice | Array) -> Mixed:
        """Consecutive or evenly spaced rows as a view, or any rows, gathered."""
        codes = tuple(each[place] for each in self.blocks.codes)
        return Mixed(self.blocks._replace(numbers=self.blocks.numbers[place], codes=codes), self.place)

    def columns(self, index: Array) -> Mixed:
        """Some of the columns, in the order of `index`; only numbers are copied, where some are left out."""
        old, slots = self.blocks, self.place[index]
        used = np.unique(slots[slots < old.numbers.shape[1]])
        levels = [(slots >= first) & (slots < first + size) for first, size in zip(old.firsts, old.levels, strict=True)]
        stay = [f for f, inside in enumerate(levels) if inside.any()]
        numbers = old.numbers if len(used) == old.numbers.shape[1] else old.numbers[:, used]
        blocks = Blocks(numbers, tuple(old.codes[f] for f in stay), tuple(old.levels[f] for f in stay))
        place = np.searchsorted(used, slots)
        for f, first in zip(stay, blocks.firsts, strict=True):
            place[levels[f]] = slots[levels[f]] - old.firsts[f] + first
        return Mixed(blocks, place)

    def few_rows(self, rows: slice | Array) -> F64:
        """A few rows of X with all their cells."""
        at = np.arange(len(self))[rows]
        out = np.zeros((len(at), len(self.place)))
        out[:, self.numeric] = self.blocks.numbers[at][:, self.place[self.numeric]]
        column = np.full(self.blocks.slots, -1)
        column[self.place] = np.arange(len(self.place))
        for first, codes in zip(self.blocks.firsts, self.blocks.codes, strict=True):
            of = column[first + codes[at].astype(np.intp)]
            here = np.flatnonzero(of >= 0)
            out[here, of[here]] = 1.0
        return out

    def dense_rows(self, rows: Array, center: F64) -> F64:
        """A few rows of [X - center, 1] with all their cells."""
        return np.column_stack([self.few_rows(rows) - center, np.ones(len(rows))])

    def evenly_spaced(self, count: int) -> F64:
        """About `count` rows of X with all their cells; fewer, where columns are very many."""
        n, p = self.shape
        count = max(1, min(count, BLOCK // max(1, p)))
        return self.few_rows(slice(None, None, max(1, n // count)))

    def rows_gram(self, rows: Array, center: F64, inverse: F64) -> F64:
        """x_i' diag(inverse) x_k for a few rows of [X - center, 1], inverse (p+1,): (m, m)."""
        given, implicit = self.slots.centers(center)
        none, q = np.zeros(len(center)), self.blocks.numbers.shape[1] + 1
        metric, pull = (self.slots.spread(each, none) for each in (inverse, np.append(implicit * inverse[:-1], 0.0)))
        few = np.column_stack([self.blocks.numbers[rows] - given, np.ones(len(rows))])
        products: F64 = (few * metric[:q]) @ few.T
        along = np.zeros(len(rows))
        for first, codes in zip(self.blocks.firsts, self.blocks.codes, strict=True):
            slot = first + codes[rows].astype(np.intp)
            products += np.where(slot[:, None] == slot, metric[slot], 0.0)
            along += pull[slot]
        return products - along[:, None] - along + float(implicit * implicit @ inverse[:-1])

    def stored(self) -> Iterator[tuple[Array, Array, F64]]:
        """The numbers by blocks of rows: row numbers, column numbers and values.  Codes have been checked."""
        numeric = np.flatnonzero(self.numeric)
        step = max(1, BLOCK // max(1, len(numeric)))
        for start in range(0, len(self), step):
            values = self.blocks.numbers[start : start + step][:, self.place[numeric]].astype(np.float64)
            row, at = np.divmod(np.arange(values.size), max(1, len(numeric)))
            yield row + start, numeric[at], values.ravel()

    @property
    def _all(self) -> tuple[bool, ...]:
        return (True,) * len(self.blocks.codes)

    # --- what a loss may ask: formulas in `kernels/coded_reference.py` ------------------------------------------------

    def moments(self, rows: Array | None, weight: F64 | None, threads: int) -> tuple[float, F64, F64, F64, F64]:
        total, *of_numbers = kernels.moments(self.blocks.numbers, rows, weight, threads)
        of_levels = self.level_moments(rows, weight, threads)
        among = np.where(self.numeric, self.place, self.place - 1)  # there the constant has no place
        mean, variance, low, high = (np.concatenate(both)[among] for both in zip(of_numbers, of_levels, strict=True))
        return total, mean, variance, low, high

    def level_moments(self, rows: Array | None, weight: F64 | None, threads: int) -> tuple[F64, F64, F64, F64]:
        """Mean, variance, minimum and maximum of the indicators of all levels, those without a column too."""
        bare = self.blocks._replace(numbers=self.blocks.numbers[:, :0])
        none, alone = np.zeros(0), (False,) * len(self.blocks.codes)

        def sums(each: F64 | None) -> tuple[F64, float]:
            tables = kernels.coded.tables(bare, rows, none, each, alone, threads)
            return np.concatenate([*tables.beside, none]), float(tables.numbers[0, 0])

        held, count = sums(None if weight is None else (weight != 0.0).astype(np.float64))
        within, total = (held, count) if weight is None else sums(weight)
        if not total > 0.0:
            mean, variance, low, high = (np.full(len(held), end) for end in (np.nan, np.nan, np.inf, -np.inf))
            return mean, variance, low, high
        share, all_of_it = within / total, held == count  # weights may not add up to the total exactly
        return share, np.where(all_of_it, 0.0, share * (1.0 - share)), all_of_it.astype(np.float64), np.sign(held)

    def linear_predictor(self, rows: Array | None, center: F64, coef: F64, threads: int) -> F64:
        given, implicit = self.slots.centers(center)
        return kernels.coded.linear_predictor(
            self.blocks, rows, given, self.slots.spread(coef, implicit), None, threads
        )

    def logistic(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        slots = self.slots.spread(coef, implicit)
        if order < 2:
            value, margin, sums = kernels.coded.logistic(
                self.blocks, rows, given, slots[:, None], y, weight, offset, order, threads
            )
            return (
                float(value[0]),
                float(margin[0]),
                None if sums is None else self.slots.gather(sums[:, 0], implicit),
                None,
            )
        least, nearest, sums, tables = kernels.coded.logistic_tables(
            self.blocks, rows, given, slots, y, weight, offset, self._all, threads
        )
        return least, nearest, self.slots.gather(sums, implicit), self.slots.square(tables, implicit)

    def logistic_arrow(self, part: Part, coef: F64, *, coupled: bool) -> tuple[float, float, F64, Arrow]:
        """The same as `logistic` of order 2 with the Hessian as an arrow, factors not centred; without the coupling of
        its two blocks where that is not wanted."""
        rows, center, y, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        assert not implicit.any()
        outer = self.outer(coupled=coupled)
        tabulated = tuple(coupled or f not in outer for f in range(len(self.slots.members)))
        value, margin, sums, tables = kernels.coded.logistic_tables(
            self.blocks, rows, given, self.slots.spread(coef, implicit), y, weight, offset, tabulated, threads
        )
        return value, margin, self.slots.gather(sums, implicit), self.slots.arrow(tables, outer, coupled=coupled)

    def logistic_many(self, part: Part, coef: F64) -> tuple[F64, F64, F64]:
        rows, center, y, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        value, margin, sums = kernels.coded.logistic(
            self.blocks, rows, given, self.slots.spread(coef, implicit), y, weight, offset, 1, threads
        )
        assert sums is not None
        return value, margin, self.slots.gather(sums, implicit)

    def multinomial(self, part: Part, coef: F64, order: int) -> Sums:
        rows, center, y, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        slots = self.slots.spread(coef, implicit)
        value, margin, sums = kernels.coded.multinomial(
            self.blocks, rows, given, slots, y, weight, offset, min(order, 1), threads
        )
        gradient, hessian = None if sums is None else self.slots.gather(sums, implicit), None
        if order >= 2:
            eta = kernels.coded.linear_predictor(self.blocks, rows, given, slots, offset, threads)
            hessian = multinomial_hessian(self, part, eta)
        return value, margin, gradient, hessian

    def logistic_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        at, along = (self.slots.spread(each, implicit) for each in (coef, direction))
        sums = kernels.coded.logistic_curvature(self.blocks, rows, given, at, along, weight, offset, threads)
        return self.slots.gather(sums, implicit)

    def multinomial_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        rows, center, _, weight, offset, threads = part
        given, implicit = self.slots.centers(center)
        at, along = (self.slots.spread(each, implicit) for each in (coef, direction))
        sums = kernels.coded.multinomial_curvature(self.blocks, rows, given, at, along, weight, offset, threads)
        return self.slots.gather(sums, implicit)

    def gram(self, rows: Array | None, center: F64, weight: F64 | None, threads: int) -> F64:
        given, implicit = self.slots.centers(center)
        return self.slots.square(kernels.coded.tables(self.blocks, rows, given, weight, self._all, threads), implicit)

    def quadratic_form(self, rows: Array | None, center: F64, metric: F64, threads: int) -> F64:
        given, implicit = self.slots.centers(center)
        wide, whole = np.zeros((self.blocks.slots,) * 2), self.slots.whole
        wide[np.ix_(whole, whole)] = metric
        forms = kernels.coded.quadratic_form(self.blocks, rows, given, wide, threads)
        if implicit.any():
            pull = metric @ np.append(implicit, 0.0)
            along = kernels.coded.linear_predictor(
                self.blocks, rows, given, self.slots.spread(pull, np.zeros(len(center)))[:, None], None, threads
            )
            forms += float(pull[:-1] @ implicit) - 2.0 * along[:, 0]
        return forms
