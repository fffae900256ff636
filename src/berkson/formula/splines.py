"""Splines of one variable: B-splines, natural cubic splines, and natural cubic splines by their values at the knots.

Each remembers its knots and evaluates on any rows.  A row of a cubic basis touches four pieces; they are combined one
after the other, so that a row has the same values, bit for bit, whatever other rows it is read with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.formula.errors import FormulaError

F64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

MAX_KNOTS = 1000
MAX_SPLINE_DEGREE = 10
_ROWS = 1 << 16  # of a basis at a time while learning


@dataclass(frozen=True)
class BSpline:
    """The B-splines of a degree on knots between two boundaries, without the first unless `intercept`: R's bs.

    Outside the boundaries the polynomials of the outermost pieces go on, as R has it (with a warning there).
    """

    knots: tuple[float, ...]
    boundary: tuple[float, ...]
    degree: int
    intercept: bool

    def __post_init__(self) -> None:
        if not 1 <= self.degree <= MAX_SPLINE_DEGREE:
            raise FormulaError(f"needs a degree from 1 to {MAX_SPLINE_DEGREE}, not {self.degree}")
        refuse_knots(self.knots, self.boundary, self.degree)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.knots) + self.degree + self.intercept

    @cached_property
    def _pieces(self) -> tuple[F64, F64]:
        """All knots, the boundaries repeated, and the matrix that takes B-splines to columns."""
        t = clamped(self.knots, self.boundary, self.degree)
        return t, np.eye(self.width + (not self.intercept))[:, int(not self.intercept) :]

    def evaluate(self, x: F64) -> F64:
        """The columns (n, width) at x (n,); NaN where x is."""
        t, matrix = self._pieces
        return combined(*bsplines(x, t, self.degree), matrix)


@dataclass(frozen=True)
class NaturalSpline:
    """Cubic splines on knots between two boundaries, linear outside: R's ns.

    The columns are the cubic B-splines (without the first unless `intercept`) times an orthonormal basis of those
    combinations whose second derivative is zero at both boundaries, that of Householder's QR.
    """

    knots: tuple[float, ...]
    boundary: tuple[float, ...]
    intercept: bool

    def __post_init__(self) -> None:
        refuse_knots(self.knots, self.boundary, 3)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.knots) + 1 + self.intercept

    @cached_property
    def _pieces(self) -> tuple[F64, F64, F64]:
        """All knots, the matrix (B-splines, width) and the slopes (2, width) at the boundaries."""
        t, ends = clamped(self.knots, self.boundary, 3), np.array(self.boundary)
        first, second = derivative(t, 3), derivative(t[1:-1], 2)
        bent = dense(*bsplines(ends, t[2:-2], 1), len(t) - 6) @ second @ first
        skipped = int(not self.intercept)
        free = np.linalg.qr(bent[:, skipped:].T, mode="complete")[0][:, 2:]
        matrix = np.vstack([np.zeros((skipped, free.shape[1])), free])
        return t, matrix, dense(*bsplines(ends, t[1:-1], 2), len(t) - 5) @ first @ matrix

    def evaluate(self, x: F64) -> F64:
        """The columns (n, width) at x (n,); NaN where x is."""
        t, matrix, slopes = self._pieces
        low, high = self.boundary
        inside = np.clip(x, low, high)
        return linear_beyond(combined(*bsplines(inside, t, 3), matrix), x - inside, slopes)


@dataclass(frozen=True)
class CubicRegression:
    """Natural cubic splines by their values at the knots (Wood 2017, section 5.3.1), linear outside: mgcv's "cr".

    `knots` holds both ends.  Where there are `means`, those of the curves over the rows learned from, the columns are
    the curves times an orthonormal basis of the combinations whose mean is zero there, that of Householder's QR, as
    mgcv absorbs the constraint: one column less than knots, next to an intercept.  Without means, a column a knot.
    """

    knots: tuple[float, ...]
    means: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.knots) <= MAX_KNOTS or np.any(np.diff(self.knots) <= 0.0):
            raise FormulaError(f"needs 2 to {MAX_KNOTS} ascending knots, its ends among them")
        if self.means and (len(self.means) != len(self.knots) or not any(self.means)):
            raise FormulaError("needs a mean for each knot, or none")

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.knots) - bool(self.means)

    @cached_property
    def _pieces(self) -> tuple[F64, F64, F64, F64]:
        """The knots; values and second derivatives (knots, width) at the knots; slopes (2, width) at the ends."""
        values = np.eye(len(self.knots))
        if self.means:
            values = np.linalg.qr(np.array(self.means)[:, None], mode="complete")[0][:, 1:]
        return cubic_pieces(np.array(self.knots), values)

    def evaluate(self, x: F64) -> F64:
        """The columns (n, width) at x (n,); NaN where x is."""
        return cubic(x, *self._pieces)


def cubic_pieces(knots: F64, values: F64) -> tuple[F64, F64, F64, F64]:
    """Of the natural cubic splines with values (k, width) at knots (k,): both, their second derivatives (k, width)
    there, and their slopes (2, width) at the ends."""
    h, bends = np.diff(knots), np.zeros_like(values)
    if len(knots) > 2:
        rises = np.diff(values, axis=0) / h[:, None]
        stiff = np.diag((h[:-1] + h[1:]) / 3.0) + np.diag(h[1:-1] / 6.0, 1) + np.diag(h[1:-1] / 6.0, -1)
        bends[1:-1] = np.linalg.solve(stiff, np.diff(rises, axis=0))
    low = (values[1] - values[0]) / h[0] - bends[1] * h[0] / 6.0
    high = (values[-1] - values[-2]) / h[-1] + bends[-2] * h[-1] / 6.0
    return knots, values, bends, np.array([low, high])


def cubic(x: F64, knots: F64, values: F64, bends: F64, slopes: F64) -> F64:
    """(n, width): those splines at x (n,), linear beyond the ends; NaN where x is."""
    inside = np.clip(x, knots[0], knots[-1])
    place = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
    h = knots[place + 1] - knots[place]
    left, right = knots[place + 1] - inside, inside - knots[place]
    curve = combined(place, np.array([left / h, right / h]), values)
    curve += combined(place, np.array([_bend(left, h), _bend(right, h)]), bends)
    return linear_beyond(curve, x - inside, slopes)


def _bend(part: F64, h: F64) -> F64:
    return part * (part * part / h - h) / 6.0


# --- from data ------------------------------------------------------------------------------------------------------


def learn_bspline(
    x: F64,
    df: int | None = None,
    knots: tuple[float, ...] | None = None,
    degree: int = 3,
    intercept: bool = False,
    boundary: tuple[float, ...] | None = None,
) -> BSpline:
    """R's bs: df - degree - intercept knots at quantiles of x (n,), or those given; boundaries are the range of x."""
    count = 0 if df is None else df - degree - intercept
    if count < 0:
        raise FormulaError(f"needs df of {degree + intercept} or more, not {df}")
    return BSpline(*_placed(x, count, knots, boundary), degree, intercept)


def learn_natural(
    x: F64,
    df: int | None = None,
    knots: tuple[float, ...] | None = None,
    intercept: bool = False,
    boundary: tuple[float, ...] | None = None,
) -> NaturalSpline:
    """R's ns: df - 1 - intercept knots at quantiles of x (n,), or those given; boundaries are the range of x."""
    count = 0 if df is None else df - 1 - intercept
    if count < 0:
        raise FormulaError(f"needs df of {1 + intercept} or more, not {df}")
    return NaturalSpline(*_placed(x, count, knots, boundary), intercept)


def learn_cubic_regression(
    x: F64, df: int | None = None, knots: tuple[float, ...] | None = None, intercept: bool = False
) -> CubicRegression:
    """mgcv's "cr": df + 1 - intercept knots at quantiles of the distinct x, the ends among them, or those between."""
    distinct = np.unique(x)
    refuse_constant(distinct)
    if knots is None:
        if df is None:
            raise FormulaError("needs df= or knots=, as in cr(x, df=4)")
        count = df + 1 - intercept
        if not 2 <= count <= len(distinct):
            most = len(distinct) - 1 + intercept
            raise FormulaError(
                f"needs df from {1 + intercept} to {most}, since its argument has {len(distinct)} distinct values"
            )
        placed = tuple(map(float, np.quantile(distinct, np.linspace(0.0, 1.0, count))))
    else:
        refuse_knots(knots, (float(distinct[0]), float(distinct[-1])), 1)
        placed = (float(distinct[0]), *knots, float(distinct[-1]))
    cardinal = CubicRegression(placed, ())
    if intercept:
        return cardinal
    sums = sum(cardinal.evaluate(x[k : k + _ROWS]).sum(axis=0) for k in range(0, len(x), _ROWS))
    return CubicRegression(placed, tuple(map(float, np.asarray(sums) / len(x))))


def _placed(
    x: F64, count: int, knots: tuple[float, ...] | None, boundary: tuple[float, ...] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The knots and the boundaries."""
    if boundary is None:
        refuse_constant(x)
        boundary = (float(np.min(x)), float(np.max(x)))
    elif len(boundary) != 2:
        raise FormulaError(f"needs two Boundary.knots, as in c(20, 60), not {len(boundary)}")
    if knots is None:
        within = x[(x >= boundary[0]) & (x <= boundary[1])]
        if not len(within):
            raise FormulaError("has no value inside its Boundary.knots; widen them")
        knots = tuple(map(float, np.quantile(within, np.linspace(0.0, 1.0, count + 2)[1:-1])))
    return knots, boundary


def refuse_constant(x: F64) -> None:
    """FormulaError where all x are the same."""
    if np.min(x) == np.max(x):
        raise FormulaError(f"has a constant argument (every value is {x[0]:g}); leave it out")


def refuse_knots(knots: tuple[float, ...], boundary: tuple[float, ...], repeats: int) -> None:
    """FormulaError unless all knots lie inside the boundaries, ascending, none more often than `repeats` times."""
    if len(boundary) != 2 or not boundary[0] < boundary[1]:
        raise FormulaError("needs two different boundaries")
    if len(knots) > MAX_KNOTS:
        raise FormulaError(f"has {len(knots)} knots, and {MAX_KNOTS} are the limit; lower df")
    for knot in knots:
        if not boundary[0] < knot < boundary[1]:
            raise FormulaError(
                f"has a knot at {knot:g}, which is not inside its boundaries {boundary[0]:g} and {boundary[1]:g}; "
                "lower df, or give knots= inside"
            )
    for before, after in zip(knots, knots[repeats:], strict=False):
        if before == after:
            raise FormulaError(f"has more than {repeats} knots at {before:g}; lower df, or give different knots=")
    if list(knots) != sorted(knots):
        raise FormulaError("has knots that are not in ascending order")


# --- evaluation -----------------------------------------------------------------------------------------------------


def clamped(knots: tuple[float, ...], boundary: tuple[float, ...], degree: int) -> F64:
    """All knots of a spline: each boundary degree + 1 times."""
    low, high = boundary
    return np.array([*[low] * (degree + 1), *knots, *[high] * (degree + 1)])


def bsplines(x: F64, t: F64, degree: int) -> tuple[Integers, F64]:
    """The B-splines on knots t that are not zero at x (n,): the number (n,) of the first, and values (degree + 1, n).

    De Boor's recurrence (de Boor 2001, chapter X).  Outside the knots the outermost polynomials go on.
    """
    place = np.clip(np.searchsorted(t, x, side="right") - 1, degree, len(t) - degree - 2)
    near = [t[place + k] for k in range(1 - degree, degree + 1)]
    values = np.ones((degree + 1, len(x)))
    for k in range(1, degree + 1):
        carried: F64 = np.zeros(len(x))
        for r in range(k):
            low, high = near[degree - k + r], near[degree + r]
            share = values[r] / (high - low)
            values[r] = carried + (high - x) * share
            carried = (x - low) * share
        values[k] = carried
    return place - degree, values


def combined(first: Integers, values: F64, matrix: F64) -> F64:
    """(n, columns): the sum over j of values[j] times row first + j of the matrix."""
    places = [first + j for j in range(len(values))]
    columns = np.zeros((matrix.shape[1], len(first)))
    for column, entries in zip(columns, matrix.T.copy(), strict=True):
        for place, value in zip(places, values, strict=True):
            column += value * entries[place]
    return columns.T


def dense(first: Integers, values: F64, width: int) -> F64:
    """Values of the B-splines that are not zero, among all `width` of them."""
    return combined(first, values, np.eye(width))


def derivative(t: F64, degree: int) -> F64:
    """The matrix (B - 1, B) by which B-splines of one degree less, on t[1:-1], give the derivatives of those on t."""
    spans = t[degree + 1 : -1] - t[1 : -degree - 1]
    steps = np.divide(degree, spans, out=np.zeros(len(spans)), where=spans > 0.0)
    matrix = np.zeros((len(spans), len(spans) + 1))
    places = np.arange(len(spans))
    matrix[places, places], matrix[places, places + 1] = -steps, steps
    return matrix


def linear_beyond(inside: F64, beyond: F64, slopes: F64) -> F64:
    """Values at the nearer boundary, continued by its slope: `beyond` (n,) is how far out a row is, 0 inside."""
    rows = np.flatnonzero(beyond)
    inside[rows] += beyond[rows, None] * slopes[(beyond[rows] > 0.0).astype(np.intp)]
    return inside
