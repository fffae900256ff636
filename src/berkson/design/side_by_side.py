"""Tables of different kinds side by side as they lie in memory: dense numbers, sparse cells and factors, uncopied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design.dense import Dense
from berkson.design.mixed import Mixed
from berkson.design.part import Part, multinomial_hessian, weighted
from berkson.design.sparse import Sparse
from berkson.kernels.reference import logistic_curvature_weight, softmax

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Sums = tuple[float, float, F64 | None, F64 | None]

CELLS = 1 << 20  # cells that are looked at together, or made dense
PREDICTORS = 1 << 18  # linear predictors that are held at a time: sums of many columns are dear to begin


@dataclass(frozen=True)
class SideBySide:
    """[X - center, 1] as an operator, X of blocks of columns: the same methods as `Dense`, and the same answers.

    places : the columns of X (p_b,) that each block's columns are.

    A linear predictor is the sum of the blocks'.  What a loss then asks of each block, its columns are asked at
    coefficients 0 with that predictor as an offset, so that gradients take two readings, and no rows but a run's are
    held.  Hessians between two blocks take the cells of one of them, a few rows at a time.
    """

    blocks: tuple[Dense | Sparse | Mixed, ...]
    places: tuple[Indices, ...]

    @classmethod
    def of(cls, tables: Sequence[Array | Sparse | Mixed], places: Sequence[Indices] | None = None) -> SideBySide:
        """Columns: those of each table in turn, or at its places (p_b,) among all.

        Raises ValueError where there is no table, their numbers of rows differ, or places are not those of p columns.
        """
        if not tables:
            raise ValueError("there are no tables to put side by side: give one at least")
        for b, table in enumerate(tables):
            if len(table.shape) != 2:
                raise ValueError(f"table {b} has {len(table.shape)} dimension(s): give rows and columns")
            if len(table) != len(tables[0]):
                raise ValueError(f"table {b} has {len(table):,} rows, but table 0 has {len(tables[0]):,}")
        widths = [table.shape[1] for table in tables]
        if places is None:
            places = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
        elif [*map(len, places)] != widths or (np.sort(np.concatenate(places)) != np.arange(sum(widths))).any():
            raise ValueError("the places of the tables' columns are not each of all columns once: number them from 0")
        return cls(tuple(Dense(each) if isinstance(each, np.ndarray) else each for each in tables), tuple(places))

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.blocks[0].shape[0], sum(len(place) for place in self.places)

    def __len__(self) -> int:
        return self.blocks[0].shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The coarsest of the blocks' types of floating point; float64 where none has one."""
        each = [block.X.dtype if isinstance(block, Dense) else block.dtype for block in self.blocks]
        floats = [kind for kind in each if kind.kind == "f"]
        return min(floats, key=lambda kind: kind.itemsize, default=np.dtype(np.float64))

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self.blocks)

    @property
    def row_cells(self) -> float:
        """Cells and codes of a row that are read, on average."""
        return sum(block.filled * len(place) for block, place in self._placed())

    @property
    def itemsize(self) -> int:
        """Bytes of a cell that is read, on average."""
        return max(1, int(self.nbytes / max(1.0, len(self) * self.row_cells)))

    @property
    def filled(self) -> float:
        """The share of cells that are read."""
        return min(1.0, self.row_cells / max(1, self.shape[1]))

    def _placed(self) -> Iterator[tuple[Dense | Sparse | Mixed, Indices]]:
        return zip(self.blocks, self.places, strict=True)

    # --- parts of it --------------------------------------------------------------------------------------------------

    def run_of(self, place: slice | Array) -> SideBySide:
        """Consecutive or evenly spaced rows as a view, or any rows; of dense blocks and factors gathered."""
        if isinstance(place, slice) and place == slice(None, None, 1):
            return self  # and what is known of its blocks
        return SideBySide(tuple(block.run_of(place) for block in self.blocks), self.places)

    def columns(self, index: Array) -> SideBySide:
        """Some of the columns, in the order of `index`, gathered from each block that has any."""
        owner, within = np.empty(self.shape[1], dtype=np.intp), np.empty(self.shape[1], dtype=np.intp)
        for b, place in enumerate(self.places):
            owner[place], within[place] = b, np.arange(len(place))
        owners = owner[index]
        used = np.unique(owners).tolist() or [0]
        places = tuple(np.flatnonzero(owners == b) for b in used)
        return SideBySide(
            tuple(self.blocks[b].columns(within[index[at]]) for b, at in zip(used, places, strict=True)), places
        )

    def few_rows(self, rows: slice | Array) -> F64:
        """A few rows of X with all their cells."""
        out = np.empty((len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows), self.shape[1]))
        for block, place in self._placed():
            out[:, place] = block.few_rows(rows)
        return out

    def dense_rows(self, rows: Array, center: F64) -> F64:
        """A few rows of [X - center, 1] with all their cells."""
        return np.column_stack([self.few_rows(rows) - center, np.ones(len(rows))])

    def evenly_spaced(self, count: int) -> F64:
        """About `count` rows of X with all their cells; fewer, where columns are very many."""
        n, p = self.shape
        count = max(1, min(count, CELLS // max(1, p)))
        return self.few_rows(slice(None, None, max(1, n // count)))

    def rows_gram(self, rows: Array, center: F64, inverse: F64) -> F64:
        """x_i' diag(inverse) x_k for a few rows of [X - center, 1], inverse (p+1,): (m, m)."""
        products = np.full((len(rows), len(rows)), inverse[-1])
        for block, place in self._placed():
            products += block.rows_gram(rows, center[place], np.append(inverse[place], 0.0))
        return products

    def stored(self) -> Iterator[tuple[Array, Array, F64]]:
        """Stored cells by runs of rows, in the order of rows: row numbers, column numbers and values."""
        step = max(1, int(CELLS / max(1.0, self.row_cells)))
        for start in range(0, len(self), step):
            parts = [
                (row, place[column], value)
                for block, place in self._placed()
                for row, column, value in block.run_of(slice(start, start + step)).stored()
            ]
            row, column, value = (np.concatenate(each) for each in zip(*parts, strict=True))
            order = np.argsort(row, kind="stable")
            yield row[order] + start, column[order], value[order]

    def _runs(self, part: Part, columns: int) -> Iterator[tuple[SideBySide, Part]]:
        """Runs of a part's rows whose results of so many columns are held: the design, and the part that each is."""
        m = len(self) if part.rows is None else len(part.rows)
        step = max(1, PREDICTORS // max(1, columns))
        for start in range(0, m, step):
            run = slice(start, min(start + step, m))
            weight, offset = (None if each is None else each[run] for each in (part.weight, part.offset))
            some = part._replace(y=part.y[run], weight=weight, offset=offset)
            if part.rows is None:
                yield self.run_of(run), some
            else:
                yield self, some._replace(rows=part.rows[run])

    # --- what a loss may ask: formulas in `kernels/reference.py` ------------------------------------------------------

    def moments(self, rows: Array | None, weight: F64 | None, threads: int) -> tuple[float, F64, F64, F64, F64]:
        total, of_columns = 0.0, np.empty((4, self.shape[1]))
        for block, place in self._placed():
            total, *each = block.moments(rows, weight, threads)
            of_columns[:, place] = each
        mean, variance, low, high = of_columns
        return total, mean, variance, low, high

    def linear_predictor(self, rows: Array | None, center: F64, coef: F64, threads: int) -> F64:
        eta = np.zeros((len(self) if rows is None else len(rows), coef.shape[1]))
        eta += coef[-1]
        nothing = np.zeros((1, coef.shape[1]))  # of the constant, which is no block's
        for block, place in self._placed():
            eta += block.linear_predictor(rows, center[place], np.vstack([coef[place], nothing]), threads)
        return eta

    def logistic(self, part: Part, coef: F64, order: int) -> Sums:
        value, margin, sums = self._logistic(part, coef[:, None], min(order, 1))
        hessian = None
        if order >= 2:
            curvature = weighted(part.weight, logistic_curvature_weight(self._eta(part, coef[:, None])[:, 0]))
            hessian = self.gram(part.rows, part.center, curvature, part.threads)
        return float(value[0]), float(margin[0]), sums[:, 0] if order else None, hessian

    def logistic_many(self, part: Part, coef: F64) -> tuple[F64, F64, F64]:
        return self._logistic(part, coef, 1)

    def _logistic(self, part: Part, coef: F64, order: int) -> tuple[F64, F64, F64]:
        """Values (M,), margins (M,) and, of order 1, gradients (p+1, M)."""
        M = coef.shape[1]
        value, margin, sums = np.zeros(M), np.full(M, np.inf), np.zeros(coef.shape)
        for design, run in self._runs(part, M):
            moved = run._replace(offset=design._eta(run, coef))
            each, nearest, of_constant = _constant(len(run.y)).logistic_many(_of_none(moved), np.zeros((1, M)))
            value, margin = value + each, np.minimum(margin, nearest)
            sums[-1] += of_constant[0]
            for block, place in design._placed() if order else ():
                own = moved._replace(center=part.center[place])
                sums[place] += block.logistic_many(own, np.zeros((len(place) + 1, M)))[2][:-1]
        return value, margin, sums

    def multinomial(self, part: Part, coef: F64, order: int) -> Sums:
        K = coef.shape[1]
        value, margin, sums = 0.0, np.inf, np.zeros(coef.shape)
        for design, run in self._runs(part, K):
            moved = run._replace(offset=design._eta(run, coef))
            constant = _constant(len(run.y))
            each, nearest, of_constant, _ = constant.multinomial(_of_none(moved), np.zeros((1, K)), min(order, 1))
            value, margin = value + each, float(np.minimum(margin, nearest))
            if of_constant is None:
                continue
            sums[-1] += of_constant[0]
            for block, place in design._placed():
                own = moved._replace(center=part.center[place])
                gradient = block.multinomial(own, np.zeros((len(place) + 1, K)), 1)[2]
                assert gradient is not None
                sums[place] += gradient[:-1]
        hessian = multinomial_hessian(self, part, self._eta(part, coef)) if order >= 2 else None
        return value, margin, sums if order else None, hessian

    def logistic_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        sums = np.zeros((len(coef), 1))
        for design, run in self._runs(part, 2):
            both = design.linear_predictor(run.rows, run.center, np.column_stack([coef, direction]), run.threads)
            bent = logistic_curvature_weight(_plus(both[:, :1], run.offset)) * both[:, 1:]
            sums += design._transposed_times(run.rows, run.center, weighted(run.weight, bent), run.threads)
        return sums[:, 0]

    def multinomial_curvature(self, part: Part, coef: F64, direction: F64) -> F64:
        sums, K = np.zeros(coef.shape), coef.shape[1]
        for design, run in self._runs(part, 2 * K):
            both = design.linear_predictor(run.rows, run.center, np.hstack([coef, direction]), run.threads)
            eta, t = _plus(both[:, :K], run.offset), both[:, K:]
            mu = softmax(eta)
            t = t - np.take_along_axis(t, eta.argmax(axis=1)[:, None], axis=1)  # as `reference` does, and why
            bent = mu * (t - (mu * t).sum(axis=1, keepdims=True))
            sums += design._transposed_times(run.rows, run.center, weighted(run.weight, bent), run.threads)
        return sums

    def _eta(self, part: Part, coef: F64) -> F64:
        """Linear predictors (m, M) with the offsets."""
        return _plus(self.linear_predictor(part.rows, part.center, coef, part.threads), part.offset)

    def _transposed_times(self, rows: Array | None, center: F64, values: F64, threads: int) -> F64:
        """sum_i values[i, m] [x_i - center, 1]: (p+1, M)."""
        sums = np.empty((len(center) + 1, values.shape[1]))
        sums[-1] = values.sum(axis=0)
        for block, place in self._placed():
            sums[place] = _transposed_times(block, rows, center[place], values, threads)
        return sums

    def gram(self, rows: Array | None, center: F64, weight: F64 | None, threads: int) -> F64:
        p = len(center)
        out = np.zeros((p + 1, p + 1))
        for block, place in self._placed():
            at = np.append(place, p)
            out[np.ix_(at, at)] = block.gram(rows, center[place], weight, threads)
        for a, b in self._pairs():
            at, across = self.places[a], self.places[b]
            cross = np.zeros((len(across), len(at)))
            for part, index, few in self._cells_of(a, rows, center):
                values = weighted(None if weight is None else weight[part], few)
                cross += _transposed_times(self.blocks[b], index, center[across], values, threads)
            out[np.ix_(across, at)], out[np.ix_(at, across)] = cross, cross.T
        return out

    def quadratic_form(self, rows: Array | None, center: F64, metric: F64, threads: int) -> F64:
        forms = np.full(len(self) if rows is None else len(rows), metric[-1, -1])
        for block, place in self._placed():
            at = np.append(place, len(center))
            own = metric[np.ix_(at, at)]
            own[-1, -1] = 0.0  # the constant's square counts once
            forms += block.quadratic_form(rows, center[place], own, threads)
        for a, b in self._pairs():
            across = self.places[b]
            pull = np.vstack([metric[np.ix_(across, self.places[a])], np.zeros((1, len(self.places[a])))])
            for part, index, few in self._cells_of(a, rows, center):
                forms[part] += 2.0 * (few * self.blocks[b].linear_predictor(index, center[across], pull, threads)).sum(
                    1
                )
        return forms

    def _pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs of blocks, the first of which is made dense: the narrower, and a sparse one only beside another."""
        order = sorted(range(len(self.blocks)), key=lambda b: (isinstance(self.blocks[b], Sparse), len(self.places[b])))
        return ((a, b) for i, a in enumerate(order) for b in order[i + 1 :] if len(self.places[a]))

    def _cells_of(self, b: int, rows: Array | None, center: F64) -> Iterator[tuple[slice, Array, F64]]:
        """(slice of the rows asked for, their numbers, all their centred cells in block b), a few rows at a time."""
        m, place = len(self) if rows is None else len(rows), self.places[b]
        step = max(1, CELLS // max(1, len(place)))
        for start in range(0, m, step):
            part = slice(start, min(start + step, m))
            index = np.arange(part.start, part.stop) if rows is None else rows[part]
            yield part, index, self.blocks[b].few_rows(index) - center[place]


def _constant(m: int) -> Dense:
    """m rows of the constant alone."""
    return Dense(np.empty((m, 0)))


def _of_none(part: Part) -> Part:
    """The part as rows of no columns."""
    return part._replace(rows=None, center=np.zeros(0))


def _transposed_times(block: Dense | Sparse | Mixed, rows: Array | None, center: F64, values: F64, threads: int) -> F64:
    """sum_i values[i, m] (x_i - center), (p_b, M): the gradient at 0 of losses with labels 0 and weights 2 values."""
    used = values.any(axis=1)
    if not used.all():  # what does not count is not read: it need not be finite
        rows, values = np.flatnonzero(used) if rows is None else rows[used], values[used]
    zero, labels = np.zeros((len(center) + 1, values.shape[1])), np.zeros(len(values), dtype=np.uint8)
    return block.logistic_many(Part(rows, center, labels, 2.0 * values, None, threads), zero)[2][:-1]


def _plus(eta: F64, offset: F64 | None) -> F64:
    """Linear predictors (m, M) and offsets (m,) or (m, M)."""
    return eta if offset is None else eta + offset.reshape(len(eta), -1)
