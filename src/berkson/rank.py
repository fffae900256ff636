"""Rank deficiency: which columns are combinations of earlier ones, by name and with the combination.

A Gram matrix finds the candidates by a Cholesky factorisation that skips what earlier columns explain (the constant
first, then columns from left to right, as R keeps them); one reading of X decides, because a Gram matrix holds squares
and so cannot tell a difference of 1e-8 from none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.design import design_of
from berkson.problem import Problem
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import NonFiniteError, threads_for

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

SURE = 1e-8  # of a column's variance left over by the others: above it nothing is in doubt, below it X is read again
CANDIDATE = 1e-12  # of its variance: rounding of a Gram matrix reaches 1e-13, a difference of 1e-5 stands at 1e-10
ALIASED = 3e-7  # of a column's spread: a combination that meets every row to within this is the column itself
SIMPLE = 1e-9  # relative: a coefficient this close to a fraction is that fraction; a share this small is none
PANEL = 128  # columns factorised at a time
CELLS = 1 << 22  # of residuals held at a time
NAMED, TERMS = 3, 4  # columns, and terms of a combination, that a sentence spells out


@dataclass(frozen=True, slots=True)
class Alias:
    """Column `column` = sum of coefficient * column over `combination` (p stands for the constant), to rounding."""

    column: int
    combination: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Rank:
    """Columns that are combinations of earlier ones (not estimable: their coefficient is 0), and those that nearly are:
    estimable, but less than 1e-8 of their variance is their own (the combination is then an approximation).

    ties : under the lasso, columns whose coefficient can move to those of its combination without a change of fit or
    penalty (see `berkson.ties`)."""

    aliased: tuple[Alias, ...]
    nearly: tuple[Alias, ...] = ()
    ties: tuple[Alias, ...] = ()

    def sentence(self, problem: Problem) -> str | None:
        """The verdict with its columns by name and the way out; None where there is nothing to say."""
        parts = []
        if self.aliased:
            parts.append(_aliased_sentence(self.aliased, problem))
        if self.nearly:
            parts.append(_nearly_sentence(self.nearly, problem))
        if self.ties:
            parts.append(_ties_sentence(self.ties, problem))
        return "; ".join(parts) or None


def full_rank(gram: F64) -> bool:
    """Whether a Gram matrix is of full rank beyond doubt."""
    diagonal = gram.diagonal()
    if not diagonal.min() > 0:
        return False
    scale = np.sqrt(diagonal)
    try:
        factor = np.linalg.cholesky(gram / (scale[:, None] * scale))
    except np.linalg.LinAlgError:
        return False
    return float(factor.diagonal().min()) ** 2 > SURE


def examine(problem: Problem, gram: F64, place: Coordinates) -> Rank:
    """Which columns are combinations of the constant and of columns to their left.

    gram : (q, q), sum of w z z' over rows, z the standardised columns of `place` with the constant last.
    A column is aliased where its combination meets every row of positive weight to 3e-7 of the column's spread (more
    only where the storage of X is coarser: float32, or a mean 1e8 times the spread).  Costs one more reading of X,
    another for every time that a candidate turns out to stand on its own.  Raises NonFiniteError where the Gram matrix
    is not finite.
    """
    if not np.isfinite(gram).all():
        raise NonFiniteError
    look = _look(problem, gram, place)
    firm = np.zeros(len(gram), dtype=bool)  # places that X has shown to stand on their own
    while True:
        kept, lower, left = _factor(look.correlation, look.candidate, firm)
        gone = np.setdiff1d(np.arange(len(gram)), kept)
        slopes, constants = look.combinations(gone, kept, _shares(lower, kept, gone), SIMPLE)
        refuted = gone[_misses(look, gone, kept, slopes, constants)]
        if len(refuted) == 0:
            break
        firm[refuted] = True
    near = kept[(left[kept] < SURE) & (kept > 0)]
    near_slopes, near_constants = look.combinations(near, kept, _shares(lower, kept, near), 1e-3)
    return Rank(look.aliases(gone, kept, slopes, constants), look.aliases(near, kept, near_slopes, near_constants))


@dataclass(frozen=True, slots=True)
class _Look:
    """The question in the order of pivoting: the constant (where there is one), then columns from left to right."""

    problem: Problem
    positions: Indices  # of the places among (columns, constant)
    center: F64
    scale: F64
    size: F64  # norms of the standardised columns
    correlation: F64
    rounding: F64  # of a stored value, relative to its column's spread
    candidate: F64  # share of variance left over below which a place is a candidate

    def combinations(self, of: Indices, kept: Indices, shares: F64, negligible: float) -> tuple[F64, F64]:
        """In the caller's units: x_j = slopes[:, j] . x_kept + constants[j], from shares of columns of unit norm.

        What contributes less than `negligible` of x_j's spread is left out; what is a fraction but for rounding is
        made it.
        """
        tolerance = np.maximum(SIMPLE, self.rounding[of])
        standardised = shares * (self.size[of] / self.size[kept][:, None])
        standardised[np.abs(standardised) <= negligible] = 0.0
        slopes = standardised * (self.scale[of] / self.scale[kept][:, None])
        is_constant = self.positions[kept] == self.problem.X.shape[1]
        shift = slopes[is_constant].sum(axis=0)
        slopes[is_constant] = 0.0
        slopes = _simple(slopes, tolerance)
        constants = self.center[of] - self.center[kept] @ slopes + shift
        reach = np.maximum(np.abs(self.center[of]), self.scale[of])
        constants[
            np.abs(constants) <= np.maximum(np.maximum(negligible, tolerance) * self.scale[of], 1e-14 * reach)
        ] = 0.0
        return slopes, _simple(constants, tolerance)

    def aliases(self, of: Indices, kept: Indices, slopes: F64, constants: F64) -> tuple[Alias, ...]:
        p, found = self.problem.X.shape[1], []
        for i, j in enumerate(of):
            terms = [(int(self.positions[kept[k]]), float(slopes[k, i])) for k in np.flatnonzero(slopes[:, i])]
            if constants[i] != 0.0:
                terms.append((p, float(constants[i])))
            found.append(Alias(int(self.positions[j]), tuple(terms)))
        return tuple(found)


def _look(problem: Problem, gram: F64, place: Coordinates) -> _Look:
    p = problem.X.shape[1]
    positions = np.arange(p + 1) if place.kept is None else place.kept
    order = np.argsort(positions != p, kind="stable")
    positions, scale = positions[order], place.scale[order]
    center = np.append(place.center, 0.0)[positions]
    weight = float(len(problem.X) if problem.weight is None else problem.weight.sum())
    kind = problem.X.dtype if problem.X.dtype.kind == "f" else np.dtype(np.float64)
    epsilon = max(float(np.finfo(kind).eps), float(np.finfo(np.float64).eps))
    size = np.sqrt(gram.diagonal()[order])
    # a column whose spread is the rounding of its own mean has none
    empty = size * scale <= 4.0 * epsilon * np.abs(center) * np.sqrt(weight)
    size = np.where(empty, 1.0, size)
    correlation = gram[np.ix_(order, order)] / (size[:, None] * size)
    correlation[empty] = 0.0
    correlation[:, empty] = 0.0
    rounding = 8.0 * epsilon * (1.0 + np.abs(center) / scale)
    candidate = np.maximum(CANDIDATE, rounding * rounding)
    return _Look(problem, positions, center, scale, size, correlation, rounding, candidate)


def _factor(correlation: F64, candidate: F64, firm: npt.NDArray[np.bool_]) -> tuple[Indices, F64, F64]:
    """Cholesky in the given order, skipping places whose residual variance is a candidate's unless they are firm.

    (kept places, L (q, q) whose column j is empty where place j is skipped, residual variance of each place on the kept
    ones before it).  By panels, so that the work is products of matrices.
    """
    q = len(correlation)
    lower, left, kept = np.zeros((q, q)), np.empty(q), np.zeros(q, dtype=bool)
    for start in range(0, q, PANEL):
        stop = min(start + PANEL, q)
        panel = correlation[start:, start:stop] - lower[start:, :start] @ lower[start:stop, :start].T
        for j in range(start, stop):
            rest = panel[j - start :, j - start] - lower[j:, start:j] @ lower[j, start:j]
            left[j] = rest[0]
            kept[j] = bool(firm[j]) or rest[0] > candidate[j]
            if kept[j]:
                rest[0] = max(rest[0], 1e-16)  # that of a firm place may be lost in rounding
                lower[j:, j] = rest / np.sqrt(rest[0])
    return np.flatnonzero(kept), lower, left


def _shares(lower: F64, kept: Indices, of: Indices) -> F64:
    """(kept, of) coefficients of the regression of places `of` on the kept places before each."""
    right = np.where(kept[:, None] < of, lower[np.ix_(of, kept)].T, 0.0)
    return np.asarray(np.linalg.solve(lower[np.ix_(kept, kept)].T, right), dtype=np.float64)


def _misses(look: _Look, of: Indices, kept: Indices, slopes: F64, constants: F64) -> npt.NDArray[np.bool_]:
    """Which combinations some row of positive weight does not meet."""
    problem, p = look.problem, look.problem.X.shape[1]
    if len(of) == 0:
        return np.zeros(0, dtype=bool)
    center = np.zeros(p)
    is_column = look.positions < p
    center[look.positions[is_column]] = look.center[is_column]
    coef = np.zeros((p + 1, len(of)))
    coef[look.positions[kept]] = -slopes
    coef[look.positions[of], np.arange(len(of))] += 1.0
    coef[p] = look.center[of] - look.center[kept] @ slopes - constants
    largest = np.zeros(len(of))
    design, step = design_of(problem.X), max(1, CELLS // len(of))
    for start in range(0, len(problem.X), step):
        part = design.run_of(slice(start, start + step))
        off = np.abs(part.linear_predictor(None, center, coef, threads_for(part.shape[0] * p * len(of))))
        if problem.weight is not None:
            off = off[problem.weight[start : start + step] > 0]
        largest = np.maximum(largest, off.max(axis=0, initial=0.0))
    stored = look.rounding[of] * look.scale[of] + np.abs(slopes).T @ (look.rounding[kept] * look.scale[kept])
    missed: npt.NDArray[np.bool_] = largest > np.maximum(ALIASED * look.scale[of], stored)
    return missed


def _simple(values: F64, tolerance: F64) -> F64:
    """Values that are fractions with a denominator up to 12 but for rounding, made so."""
    simple = values.copy()
    for denominator in range(12, 0, -1):
        rounded = np.round(values * denominator) / denominator
        simple = np.where(np.abs(values - rounded) <= tolerance * np.abs(values), rounded, simple)
    return simple


# --- sentences ------------------------------------------------------------------------------------------------------


def _expression(terms: tuple[tuple[int, float], ...], problem: Problem) -> str:
    """A combination in words: 2 'x1' - 'x2' + 3, at most a few terms of it."""
    p, text = problem.X.shape[1], ""
    for k, a in terms[:TERMS]:
        number = f"{abs(a):.4g}"
        name = "" if k == p else repr(problem.column(k))
        text += (" - " if a < 0 else " + ") + (name if number == "1" and name else f"{number} {name}".rstrip())
    text = "-" + text[3:] if text.startswith(" - ") else text[3:]
    return text + (f" + {len(terms) - TERMS:,} more" if len(terms) > TERMS else "") or "0"


def _aliased_sentence(aliased: tuple[Alias, ...], problem: Problem) -> str:
    p = problem.X.shape[1]
    if len(aliased) > 1:
        named = ", ".join(
            f"{problem.column(a.column)!r}"
            + (f" = {_expression(a.combination, problem)}" * (len(a.combination) <= TERMS))
            for a in aliased[:NAMED]
        )
        more = f" and {len(aliased) - NAMED:,} more" if len(aliased) > NAMED else ""
        return (
            f"{len(aliased):,} of {p:,} columns are combinations of others and cannot be told apart from them "
            f"({named}{more}): their coefficients are set to 0 (only sums of effects are estimable); drop them"
        )
    name, terms = repr(problem.column(aliased[0].column)), aliased[0].combination
    equation = f"column {name} = {_expression(terms, problem)}"
    if not terms:
        return (
            f"column {name} is zero in every row: there is no effect to estimate, its coefficient is set to 0; drop it"
        )
    if [k for k, _ in terms] == [p]:
        return f"{equation} is constant, as the intercept is, and is set aside: its coefficient is set to 0; drop it"
    return (
        f"{equation} is a combination of others and cannot be told apart from them: its coefficient is set to 0 "
        "(only the sum of effects is estimable); drop it"
    )


def _ties_sentence(ties: tuple[Alias, ...], problem: Problem) -> str:
    named = ", ".join(
        repr(problem.column(a.column)) + (f" = {_expression(a.combination, problem)}" * (len(a.combination) <= TERMS))
        for a in ties[:NAMED]
    )
    more = f" and {len(ties) - NAMED:,} more" if len(ties) > NAMED else ""
    return (
        f"the lasso's coefficients are one choice of many: {named}{more}, so they can move between these columns "
        "without a change of any prediction or of the penalty; drop one of the columns, or add a ridge (l1_ratio < 1)"
    )


def _nearly_sentence(nearly: tuple[Alias, ...], problem: Problem) -> str:
    names = ", ".join(repr(problem.column(a.column)) for a in nearly[:NAMED])
    more = f" and {len(nearly) - NAMED:,} more" if len(nearly) > NAMED else ""
    if len(nearly) == 1:
        about = _expression(nearly[0].combination, problem)
        return f"column {names} is nearly {about}: its coefficient is estimable, but only with a huge standard error"
    return (
        f"columns {names}{more} are nearly combinations of others: their coefficients are estimable, "
        "but only with huge standard errors"
    )
