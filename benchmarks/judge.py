"""The judge: the common objective, evaluated from anyone's coefficients in float64, and the optimum it is held against.

    objective(coef) = sum_i weight_i loss(y_i, x_i . coef + intercept) + strength / 2 |coef|^2

The evaluation shares no code with berkson.  The optimum is berkson's at a certified relative gap of 1e-13, and is
itself on trial: should anyone get below it by more than rounding, `Reference.beaten_by` says so, and on small problems
it is found again in extended precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.competitors import F64, Answer, Task
from benchmarks.extended import affordable, optimal_objective

CHUNK_CELLS = 4_000_000  # of X cast to float64 at a time: 32 MB
REFERENCE_TOL = 1e-13
ROUNDING = 1e-13  # of the objective: sums of up to 1e6 terms in blocks, linear predictors that cancel


def objective(task: Task, answer: Answer) -> float:
    """The objective at `answer`; inf where a coefficient is not finite."""
    if not (np.isfinite(answer.coef).all() and np.isfinite(answer.intercept).all()):
        return math.inf
    n, p = task.X.shape
    step = max(1, CHUNK_CELLS // p)
    parts = [_loss(task, answer, slice(start, start + step)) for start in range(0, n, step)]
    return math.fsum(parts) + 0.5 * task.shape.strength * float(np.sum(answer.coef**2))


def _loss(task: Task, answer: Answer, rows: slice) -> float:
    eta = np.asarray(task.X[rows], dtype=np.float64) @ answer.coef.T + answer.intercept
    y = task.y[rows]
    if task.shape.classes == 2:
        each = np.logaddexp(0.0, np.where(y == 1, -eta[:, 0], eta[:, 0]))  # log(1 + exp(-eta)) for class 1
    else:
        top = eta.max(axis=1)
        each = np.log(np.exp(eta - top[:, None]).sum(axis=1)) + top - eta[np.arange(len(y)), y]
    return float(each.sum() if task.weight is None else task.weight[rows] @ each)


def null_objective(task: Task) -> float:
    """The objective of the intercept alone: total weight times the entropy of the class shares."""
    totals = np.bincount(task.y, weights=task.weight, minlength=task.shape.classes)
    share = totals[totals > 0] / totals.sum()
    return -float(totals.sum()) * float(share @ np.log(share))


@dataclass(slots=True)
class Reference:
    """The optimum P*, and P(null); `gap` is the proved bound on (P* - least value) / P(null)."""

    optimum: float
    null: float
    gap: float
    cross_check: float | None = None  # (P* - extended precision's optimum) / P(null), where affordable
    lowest: float = 0.0  # the least suboptimality that anyone reached, and who
    lowest_by: str = ""
    answer: Answer | None = None  # the one that reaches P*

    def suboptimality(self, task: Task, answer: Answer, name: str) -> float:
        """(P - P*) / P(null) at a competitor's answer."""
        excess = (objective(task, answer) - self.optimum) / self.null
        if excess < self.lowest:
            self.lowest, self.lowest_by = excess, name
        return excess

    @property
    def beaten_by(self) -> str | None:
        """Who got further below P* than its tolerance and rounding explain: P* would be wrong then."""
        allowed = REFERENCE_TOL + ROUNDING * self.optimum / self.null
        return self.lowest_by if self.lowest < -allowed else None


def reference(task: Task) -> Reference:
    from berkson.fit import fit
    from berkson.problem import Problem

    shape = task.shape
    codes = task.y.astype(np.uint8)
    problem = Problem(task.X, codes, shape.classes, weight=task.weight, strength=shape.strength)
    best = fit(problem, tol=REFERENCE_TOL, max_iterations=1000)
    answer = Answer(best.coef, best.intercept)
    optimum, null = objective(task, answer), null_objective(task)
    check = (optimum - optimal_objective(task)) / null if affordable(task) else None
    return Reference(optimum, null, best.certificate.relative_gap, check, answer=answer)


def standard_errors(task: Task, near: Answer) -> dict[str, F64]:
    """Of two classes' maximum likelihood, the intercept's first (1 + p,), from an answer near it; no weights.

    With I = sum mu (1 - mu) z z', z = (1, x), and scores s = (y - mu) z, at the optimum:

        model      I^-1
        HC1        n / (n - 1 - p)  I^-1 (sum s s') I^-1
        clustered  G / (G - 1)  I^-1 (sum_g s_g s_g') I^-1, s_g the sum of the scores of cluster g
    """
    theta = np.concatenate([near.intercept, near.coef[0]])
    theta = theta + np.linalg.solve(*_moments(task, theta)[:2])  # a step of Newton's: from a small error to its square
    information, _, rowwise, clustered = _moments(task, theta)
    inverse = np.linalg.inv(information)
    n, k, G = len(task.y), len(theta), len(np.unique(task.cluster)) if task.cluster is not None else 0
    meats = {"HC1": n / (n - k) * rowwise} | ({"clustered": G / (G - 1) * clustered} if G else {})
    found = {"model": inverse} | {kind: inverse @ meat @ inverse for kind, meat in meats.items()}
    return {kind: np.sqrt(matrix.diagonal()) for kind, matrix in found.items()}


def _moments(task: Task, theta: F64) -> tuple[F64, F64, F64, F64]:
    """Information, sum of scores, sum of their squares, and the same of clusters' sums."""
    (n, p), k = task.X.shape, len(theta)
    information, total, rowwise = np.zeros((k, k)), np.zeros(k), np.zeros((k, k))
    codes = None if task.cluster is None else np.unique(task.cluster, return_inverse=True)[1]
    sums = np.zeros((0 if codes is None else int(codes.max()) + 1, k))
    step = max(1, CHUNK_CELLS // p)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        z = np.column_stack([np.ones(len(task.y[rows])), task.X[rows]])
        mu = 1.0 / (1.0 + np.exp(-(z @ theta)))
        information += (z * (mu * (1.0 - mu))[:, None]).T @ z
        scores = z * (task.y[rows] - mu)[:, None]
        total += scores.sum(axis=0)
        rowwise += scores.T @ scores
        if codes is not None:
            sums += np.column_stack([np.bincount(codes[rows], weights=s, minlength=len(sums)) for s in scores.T])
    return information, total, rowwise, sums.T @ sums
