"""Polynomials of one variable by a recurrence of three terms, as R's poly and scale have them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.formula.errors import FormulaError

F64 = npt.NDArray[np.float64]

MAX_DEGREE = 100
_ORTHOGONAL = 1e-8  # what the cosine of two columns may be by rounding before a degree is refused
_ROWS = 1 << 16  # of a basis at a time while learning


@dataclass(frozen=True)
class Polynomial:
    """Polynomials of degrees 1, 2, ...: p_k(x) = ((x - center_k) p_(k-1)(x) - carry_k p_(k-2)(x)) / norm_k, p_0 = 1.

    Orthogonal ones are orthogonal to each other and to 1 over the x they were learned from, where each has sum of
    squares 1 and a positive leading coefficient: the columns of R's poly.  Raw ones are the powers x, x^2, ...  One of
    degree 1 is R's scale.
    """

    center: tuple[float, ...]
    carry: tuple[float, ...]
    norm: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.center) == len(self.carry) == len(self.norm) <= MAX_DEGREE or min(self.norm) <= 0.0:
            raise FormulaError(f"needs a center, a carry and a positive norm for each degree, {MAX_DEGREE} at most")

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.center)

    def evaluate(self, x: F64) -> F64:
        """The columns (n, width) at x (n,); NaN where x is."""
        columns = np.empty((self.width, len(x)))
        before, last = np.zeros(len(x)), np.ones(len(x))
        for k, (center, carry, norm) in enumerate(zip(self.center, self.carry, self.norm, strict=True)):
            columns[k] = ((x - center) * last - carry * before) / norm
            before, last = last, columns[k]
        return columns.T


def raw(degree: int) -> Polynomial:
    """The powers x, x^2, ..., x^degree."""
    _refuse_degree(degree)
    return Polynomial((0.0,) * degree, (0.0,) * degree, (1.0,) * degree)


def orthogonal(x: F64, degree: int) -> Polynomial:
    """The orthogonal polynomials of x (n,) by Stieltjes' procedure (Gautschi 2004, section 2.2).

    FormulaError where x has too few distinct values, or where rounding leaves the columns not orthogonal.
    """
    _refuse_degree(degree)
    distinct = len(np.unique(x))
    if degree >= distinct:
        raise FormulaError(
            f"needs more than {degree} distinct values, and there are {distinct}; lower the degree or leave it out"
        )
    center: list[float] = []
    carry: list[float] = []
    norm: list[float] = []
    before, last, n = np.zeros(len(x)), np.ones(len(x)), len(x)
    for k in range(degree):
        squares = last * last
        center.append(float(np.sum(x * squares) / np.sum(squares)))
        # what x p_(k-1) has of p_(k-2) is the norm before, divided by the sum of squares: n of p_0, 1 of the others
        carry.append(0.0 if k == 0 else norm[-1] / n if k == 1 else norm[-1])
        following = (x - center[-1]) * last - carry[-1] * before
        norm.append(float(np.linalg.norm(following)))
        if not 0.0 < norm[-1] < math.inf:
            raise FormulaError(f"cannot be computed at degree {k + 1}; lower the degree, or rescale its argument")
        before, last = last, following / norm[-1]
    found = Polynomial(tuple(center), tuple(carry), tuple(norm))
    gram = sum(part.T @ part for part in (found.evaluate(x[k : k + _ROWS]) for k in range(0, len(x), _ROWS)))
    if not np.abs(gram - np.eye(degree)).max() < _ORTHOGONAL:
        raise FormulaError("cannot be computed accurately; lower the degree, or use a spline such as ns")
    return found


def _refuse_degree(degree: int) -> None:
    if degree > MAX_DEGREE:
        raise FormulaError(f"has a degree above {MAX_DEGREE}; lower it, or use a spline such as ns")


def standard(x: F64, center: bool, scale: bool) -> Polynomial:
    """(x - mean) / sd with the n - 1 of a sample; without centring, R's scale divides by sqrt(sum x^2 / (n - 1))."""
    middle = float(np.mean(x)) if center else 0.0
    size = 1.0
    if scale:
        if np.min(x) == np.max(x):
            raise FormulaError(f"has a constant argument (every value is {x[0]:g}); leave it out")
        size = float(np.linalg.norm(x - middle)) / math.sqrt(len(x) - 1)
    if not (0.0 < size < math.inf and math.isfinite(middle)):
        raise FormulaError("has an argument whose size is beyond computation; rescale it")
    return Polynomial((middle,), (0.0,), (size,))
