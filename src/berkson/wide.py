"""Many fits of a table wider than long: in its row space in lockstep, and proved on its columns all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.certificate import bound_by_few_rows
from berkson.design.row_space import RowSpace
from berkson.fit import POLISH, fit
from berkson.inverse import null_class_hessian
from berkson.kernels.reference import (
    logistic_curvature_weight,
    logistic_loss,
    logistic_residual,
    multinomial_loss,
    multinomial_residual,
    soft_labels,
    softmax,
)
from berkson.loss import Multinomial
from berkson.problem import Problem
from berkson.solvers.choose import SMALL
from berkson.solvers.dual_newton import POINTS, Duals, Rows, minimise

F64 = npt.NDArray[np.float64]

READABLE = 1e-12  # of the null objective: a smaller objective is lost in the rounding of its losses
FEW_ROWS = 100  # that prove curvature in the constant
ABSORBING = 0.1  # of the ridge, as `bound_by_few_rows` has it


@dataclass(frozen=True, slots=True)
class OnRows:
    """A ridge fit in a row space: the coefficients are dual @ Z, dual (1 or K, n), beside constants (1 or K,).

    problem: its table is that of the row space; objective, its part that is loss, and null, the objective of the model
    that knows only class frequencies; Newton steps, and why they stopped.
    """

    problem: Problem
    dual: F64
    constant: F64
    objective: float
    loss: float
    null: float
    iterations: int
    stopped: str

    @property
    def strength(self) -> float:
        return self.problem.strength


class Ridges:
    """Ridge fits of the same rows under several weightings, for one penalty after the other."""

    def __init__(self, space: RowSpace, problems: Sequence[Problem], tol: float, max_iterations: int) -> None:
        self._space, self._tol, self._most = space, tol, max_iterations
        self._tables = [replace(problem, X=space.rows, names=()) for problem in problems]
        self._null = [problem.null_objective(problem.class_weights()) for problem in problems]
        self._target = tol * np.array(self._null)
        self._before: list[Duals] = []
        self._last: list[OnRows] | None = None
        self._rows = _rows(space, problems) if all(problem.n_classes == 2 for problem in problems) else None

    def follow(self, strengths: Sequence[float]) -> list[OnRows]:
        """The fits under the next ridges, of each weighting its own, begun from the last ones."""
        tables = [replace(table, strength=s) for table, s in zip(self._tables, strengths, strict=True)]
        if self._rows is None:
            found = [self._one(table, i) for i, table in enumerate(tables)]
        else:
            n, null = len(self._space.kernel), np.array(self._null)
            aim = POLISH * null if n**3 <= SMALL else self._target
            with one_thread(n):
                duals = minimise(self._rows, np.array(strengths), aim, self._before, self._most)
            self._before = [*self._before, duals][-POINTS:]
            found = [self._of(duals, table, i) for i, table in enumerate(tables)]
        self._last = found
        return found

    def _of(self, duals: Duals, table: Problem, i: int) -> OnRows:
        reached = duals.gap[i] <= self._target[i]
        if not reached and duals.iterations[i] < self._most:  # lost in rounding, or far from quadratic
            return self._one(table, i)
        stopped = "target" if reached else "limit"
        dual, constant = duals.dual[:, i][None], duals.constant[i : i + 1]
        value, loss, spent = float(duals.objective[i]), float(duals.loss[i]), int(duals.iterations[i])
        return OnRows(table, dual, constant, value, loss, self._null[i], spent, stopped)

    def _one(self, table: Problem, i: int) -> OnRows:
        """By exact fits of the rows' coordinates."""
        space, start = self._space, None
        if self._last is not None:
            start = self._last[i].dual @ space.rows, self._last[i].constant
        found = fit(table, tol=self._tol, max_iterations=self._most, start=start)
        value, info = found.certificate.objective, found.info
        loss = value - 0.5 * table.strength * float((found.coef * found.coef).sum())
        dual = space.dual(found.coef)
        return OnRows(table, dual, found.intercept, value, loss, self._null[i], info.iterations, info.stopped)


def _rows(space: RowSpace, problems: Sequence[Problem]) -> Rows:
    n = len(space.kernel)
    weight = np.column_stack([np.ones(n) if one.weight is None else one.weight for one in problems])
    y = np.column_stack([one.y.astype(np.float64) for one in problems])
    first = problems[0]
    offset = np.zeros((n, 1)) if first.offset is None else first.offset[:, None]
    return Rows.of(space.kernel, space.values, space.vectors, y, weight, offset, intercept=first.intercept)


# --- the proof ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnColumns:
    """M fits on the columns of the table: coef (M, 1 or K, p), intercept (M, 1 or K), and the proved bound on
    objective - optimum relative to the null objective (M,), inf where nothing is proved."""

    coef: F64
    intercept: F64
    gap: F64


def on_columns(space: RowSpace, fits: Sequence[OnRows], enough: float, out: F64 | None = None) -> OnColumns:
    """Fits in the row space as fits of the table itself, written to `out` (M, 1 or K, p) where that is given.

    A gap within `enough` is proved from the kernel K of the rows, with all that rounding may have done to it; another
    one by the gradient on the columns, which K has no part in.  One reading of the table in the first case, two more in
    the second.
    """
    with one_thread(space.X.shape[1]):
        coef = space.coef_of(np.array([fit.dual for fit in fits]), out)
        constant = np.array([fit.constant for fit in fits])
        gap = _from_kernel(space, fits)
        left = np.flatnonzero(~(gap <= enough))
        if len(left):
            gap[left] = np.minimum(gap[left], _from_columns(space, [fits[i] for i in left.tolist()], coef[left]))
    return OnColumns(coef, constant - coef @ space.center, gap)


def _from_columns(space: RowSpace, fits: Sequence[OnRows], coef: F64) -> F64:
    """Gaps (M,) by the gradients on the columns at coef (M, K, p)."""
    M, K, p = coef.shape
    eta = space.predictor(coef.reshape(M * K, p)).reshape(-1, M, K)
    at = [_At.of(one, eta[:, i] + one.constant) for i, one in enumerate(fits)]
    strength = np.array([one.strength for one in fits])
    residual = np.stack([each.residual for each in at], axis=1).reshape(-1, M * K)
    squared = space.squared_gradients(residual, coef.reshape(M * K, p), np.repeat(strength, K)).reshape(M, K)
    gap = np.empty(M)
    for i, (one, each) in enumerate(zip(fits, at, strict=True)):
        slope = float(np.linalg.norm(each.residual.sum(axis=0)))
        value = each.loss + 0.5 * one.strength * float(space.squared_lengths(coef[i]).sum())
        gap[i] = _gap(space, one, each, math.sqrt(squared[i].sum()), slope, value)
    return gap


def _from_kernel(space: RowSpace, fits: Sequence[OnRows]) -> F64:
    """Gaps (M,) by the kernel alone.

    With d_i = |z_i|, an entry of K is off by at most rounding * d_i d_j, and so a linear predictor by d_i times
    rounding * sum_j d_j |dual_j|; coefficients are off by no more.
    """
    duals = np.array([one.dual for one in fits])  # (M, K, n)
    M, K, n = duals.shape
    product = (space.kernel @ duals.reshape(M * K, n).T).reshape(n, M, K)
    length, rounding = np.sqrt(space.kernel.diagonal()), space.rounding
    off = rounding * np.linalg.norm(np.abs(duals) @ length, axis=1)  # of linear predictors, over |z_i|
    at = [_At.of(one, product[:, i] + one.constant, off[i] * length) for i, one in enumerate(fits)]
    strength = np.array([one.strength for one in fits])
    rest = np.stack([each.residual for each in at]) + strength[:, None, None] * duals.transpose(0, 2, 1)  # (M, n, K)
    image = (space.kernel @ rest.transpose(1, 0, 2).reshape(n, M * K)).reshape(n, M, K)
    gap = np.empty(M)
    for i, (one, each) in enumerate(zip(fits, at, strict=True)):
        squared = float((rest[i] * image[:, i]).sum()) + rounding * float(((length @ np.abs(rest[i])) ** 2).sum())
        across = math.sqrt(max(0.0, squared)) + math.sqrt(space.largest) * float(np.linalg.norm(each.wrong))
        across += one.strength * float(off[i])
        slope = float(np.linalg.norm(each.residual.sum(axis=0))) + float(each.wrong.sum())
        value = each.loss + 0.5 * one.strength * float((one.dual.T * product[:, i]).sum())
        gap[i] = _gap(space, one, each, across, slope, value)
    return gap


@dataclass(frozen=True, slots=True)
class _At:
    """At linear predictors (n, K): residuals (n, K) and the loss, weighted; curvature (n,), below the loss's in one
    logit (see `certificate.py`); wrong (n,): by how much residuals may differ from the truth, at most."""

    residual: F64
    loss: float
    curvature: F64
    wrong: F64

    @classmethod
    def of(cls, one: OnRows, eta: F64, off: F64 | float = 0.0) -> _At:
        """Of linear predictors before the offset, known up to `off` (n,)."""
        problem = one.problem
        if problem.offset is not None:
            eta = eta + problem.offset.reshape(eta.shape)
        weight = np.ones(len(eta)) if problem.weight is None else problem.weight
        if problem.n_classes == 2:
            y = problem.y[:, None].astype(np.float64)
            residual, loss = logistic_residual(eta, y), logistic_loss(eta, y).sum(axis=1)
            curvature = logistic_curvature_weight(eta[:, 0])
            bend = np.minimum(0.25, curvature * np.exp(np.minimum(off, 700.0)))
        else:
            y = soft_labels(problem.y, problem.n_classes)
            residual, loss = multinomial_residual(eta, y), multinomial_loss(eta, y)
            share = problem.class_weights() / problem.class_weights().sum()
            between = Multinomial(problem.n_classes).basis
            weakest = float(np.linalg.eigvalsh(null_class_hessian(between, share))[0])
            curvature, bend = weakest * (softmax(eta) / share).min(axis=1), np.full(len(eta), 0.5)
        return cls(residual * weight[:, None], float(weight @ loss), curvature * weight, bend * off * weight)


def _gap(space: RowSpace, one: OnRows, at: _At, across: float, slope: float, value: float) -> float:
    """The bound relative to the null objective, from the lengths of the gradients on the columns and in the constants.

    Columns are centred where curvature is, which the theorem is free to do: the constant then keeps most of it.
    """
    if not one.problem.intercept:
        gap = 0.5 * across * across / one.strength
    else:
        used = np.flatnonzero(at.curvature > 0.0)
        used = used[:: 1 + (len(used) - 1) // FEW_ROWS]
        kernel = space.kernel[np.ix_(used, used)]
        share = at.curvature[used] / at.curvature[used].sum()
        middle = kernel @ share
        center = float(share @ middle)
        across += math.sqrt(max(0.0, center)) * slope
        kernel = (kernel - middle[:, None] - middle + center) / (ABSORBING * one.strength)
        factor = 1.0 if one.problem.n_classes == 2 else 2.0
        gap = bound_by_few_rows(across * across / one.strength, slope, kernel, at.curvature[used], factor).gap
    gap /= one.null
    value /= one.null
    return min(gap, value) if value > READABLE else gap  # no loss is negative
