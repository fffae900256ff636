"""Smooths: splines of many columns whose wiggliness a penalty holds, in coordinates where that penalty is a ridge.

    bs="cr"   natural cubic splines by their values at k knots; penalty  integral f''(u)^2 du,  u = x on a range of 1
    bs="ps"   cubic B-splines on k + 4 equally spaced knots; penalty  the squared second differences of coefficients
              (P-splines: Eilers & Marx 1996, Statistical Science 11)

Knots are those of mgcv's s(x, k=, bs=), and so are the functions: all splines with mean 0 over the rows learned from.
The first column is x itself, which no penalty holds; the others are orthogonal to it and to the constant over those
rows, with the penalty sum coef^2 (Demmler & Reinsch 1975, Numerische Mathematik 24), the smoothest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.formula import splines
from berkson.formula.errors import FormulaError

F64 = npt.NDArray[np.float64]

MOST = 200  # basis functions of one smooth
LEAST = {"cr": 3, "ps": 4}
MARGIN = 1e-3  # of the range of x, by which the knots of P-splines go beyond it, as in mgcv
_ROWS = 1 << 14  # of a basis at a time while learning


@dataclass(frozen=True)
class Smooth:
    """The columns of s(x): k splines times `matrix` (k, k - 1), row by row.

    `knots` are k points, between which the splines are cubic and given by their values, where `cardinal`; else the
    k + 4 knots of cubic B-splines.  Linear beyond the outermost points (of B-splines: the fourth knot from each end).
    """

    knots: tuple[float, ...]
    cardinal: bool
    matrix: tuple[float, ...]

    def __post_init__(self) -> None:
        k = self.size
        if not LEAST["cr" if self.cardinal else "ps"] <= k <= MOST or np.any(np.diff(self.knots) <= 0.0):
            raise FormulaError("needs ascending knots, and neither too few nor too many")
        if len(self.matrix) != k * (k - 1):
            raise FormulaError("needs a matrix of one column less than splines")

    @property
    def size(self) -> int:
        """The number of splines, k."""
        return len(self.knots) - (0 if self.cardinal else 4)

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.size - 1

    @property
    def range(self) -> tuple[float, float]:
        """Of the values that it was learned from."""
        if self.cardinal:
            return self.knots[0], self.knots[-1]
        low, high = self.knots[3], self.knots[-4]
        margin = MARGIN * (high - low) / (1.0 + 2.0 * MARGIN)
        return low + margin, high - margin

    @cached_property
    def _pieces(self) -> tuple[F64, ...]:
        matrix = np.array(self.matrix).reshape(self.size, self.width)
        return _pieces(self.knots, self.cardinal, matrix)

    def evaluate(self, x: F64) -> F64:
        """The columns (n, width) at x (n,); NaN where x is."""
        return _evaluate(x, self.cardinal, self._pieces)


def _pieces(knots: tuple[float, ...], cardinal: bool, matrix: F64) -> tuple[F64, ...]:
    """What the splines times a matrix are evaluated by."""
    if cardinal:
        return splines.cubic_pieces(np.array(knots), matrix)
    t = np.array(knots)
    ends = t[[3, -4]]
    slopes = splines.dense(*splines.bsplines(ends, t[1:-1], 2), len(t) - 5) @ splines.derivative(t, 3) @ matrix
    return t, matrix, slopes


def _evaluate(x: F64, cardinal: bool, pieces: tuple[F64, ...]) -> F64:
    if cardinal:
        return splines.cubic(x, *pieces)
    t, matrix, slopes = pieces
    inside = np.clip(x, t[3], t[-4])
    return splines.linear_beyond(splines.combined(*splines.bsplines(inside, t, 3), matrix), x - inside, slopes)


def learn_smooth(x: F64, k: int = 10, bs: str = "cr") -> Smooth:
    """The smooth of k splines of a kind that x (n,) gives."""
    if not LEAST[bs] <= k <= MOST:
        raise FormulaError(f"needs k from {LEAST[bs]} to {MOST}, not {k}")
    splines.refuse_constant(x)
    distinct = len(np.unique(x))
    if distinct < k:
        raise FormulaError(
            f"has {distinct} distinct values, too few for k={k}: give k={distinct} or less, or no smooth"
        )
    if bs == "cr":
        knots = splines.learn_cubic_regression(x, df=k, intercept=True).knots
        line, root = _of_values(np.array(knots))
    else:
        knots = _equally_spaced(float(np.min(x)), float(np.max(x)), k)
        line, root = np.arange(float(k)), np.diff(np.eye(k), 2, axis=0)
    pieces = _pieces(knots, bs == "cr", np.eye(k))
    gram = np.zeros((k, k))
    for start in range(0, len(x), _ROWS):
        run = _evaluate(x[start : start + _ROWS], bs == "cr", pieces)
        gram += run.T @ run / len(x)
    return Smooth(knots, bs == "cr", tuple(map(float, _natural(gram, line, root).ravel())))


def _of_values(knots: F64) -> tuple[F64, F64]:
    """(values of the line at the knots, root (k - 2, k) of the integrated squared second derivative), the range of the
    knots as a unit: with B bends = D values (Wood 2017, section 5.3.1), the integral is values' D' B^-1 D values."""
    u = (knots - knots[0]) / (knots[-1] - knots[0])
    h = np.diff(u)
    kinks = np.diff(np.diff(np.eye(len(u)), axis=0) / h[:, None], axis=0)
    stiff = np.diag((h[:-1] + h[1:]) / 3.0) + np.diag(h[1:-1] / 6.0, 1) + np.diag(h[1:-1] / 6.0, -1)
    return u, np.linalg.solve(np.linalg.cholesky(stiff), kinks)


def _equally_spaced(low: float, high: float, k: int) -> tuple[float, ...]:
    """The knots of k cubic B-splines, as mgcv places them."""
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    step = (high - low) / (k - 3)
    return tuple(map(float, np.linspace(low - 3.0 * step, high + 3.0 * step, k + 4)))


def _natural(gram: F64, line: F64, root: F64) -> F64:
    """The matrix (k, k - 1): the line, of mean 0 and variance 1, then what is orthogonal to it and to the constant,
    with penalty |root c|^2 of I and diagonal second moments, the largest first.  The constant is 1 in all splines."""
    k = len(line)
    line = line - (gram @ np.ones(k)) @ line
    line /= np.sqrt(line @ gram @ line)
    bent = np.linalg.qr(gram @ np.column_stack([np.ones(k), line]), mode="complete")[0][:, 2:]
    stretch = root @ bent
    inner = np.linalg.solve(stretch.T, np.linalg.solve(stretch.T, bent.T @ gram @ bent).T)
    turn = np.linalg.eigh(0.5 * (inner + inner.T))[1][:, ::-1]
    columns = bent @ np.linalg.solve(stretch, turn)
    largest = columns[np.abs(columns).argmax(axis=0), np.arange(k - 2)]
    return np.column_stack([line, columns * np.sign(largest)])
