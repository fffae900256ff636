"""The optimum of a small two-class problem by Newton's method in 40 digits: another algorithm in other arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmarks.competitors import Task

DIGITS = 40
LARGEST = 10_000  # n (p + 1)^2, products of 40 digits a step: about a tenth of a second


def affordable(task: Task) -> bool:
    """Whether `optimal_objective` can be had: mpmath is there and the problem small."""
    if find_spec("mpmath") is None:
        return False
    n, p = task.X.shape
    return task.shape.classes == 2 and n * (p + 1) ** 2 <= LARGEST


def optimal_objective(task: Task) -> float:
    """The least value of the objective to double precision; raises ArithmeticError where Newton does not converge."""
    import mpmath  # type: ignore[import-untyped]

    with mpmath.workdps(DIGITS):
        rows = _Rows.of(task, mpmath)
        theta = [mpmath.mpf(0)] * len(rows.X[0])
        value = rows.objective(theta)
        for _ in range(100):
            gradient, hessian = rows.derivatives(theta)
            step = mpmath.lu_solve(hessian, gradient)
            decrement = mpmath.fdot(gradient, step)
            if decrement < mpmath.mpf(10) ** (10 - DIGITS) * value:
                return float(value)
            length = mpmath.mpf(1)
            while True:
                trial = [t - length * s for t, s in zip(theta, step, strict=True)]
                lower = rows.objective(trial)
                if lower <= value - length * decrement / 4:
                    break
                length /= 2
            theta, value = trial, lower
    raise ArithmeticError("Newton's method did not converge: the data may be separated")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows with a 1 for the intercept, in last place, as extended-precision numbers."""

    mp: Any
    X: list[list[Any]]
    y: list[int]
    weight: list[Any]
    strength: list[Any]

    @staticmethod
    def of(task: Task, mp: Any) -> _Rows:
        X = [[mp.mpf(float(cell)) for cell in row] + [mp.mpf(1)] for row in task.X]
        weight = [mp.mpf(1)] * len(X) if task.weight is None else [mp.mpf(float(w)) for w in task.weight]
        strength = [mp.mpf(task.shape.strength)] * task.X.shape[1] + [mp.mpf(0)]
        return _Rows(mp, X, [int(label) for label in task.y], weight, strength)

    def objective(self, theta: list[Any]) -> Any:
        mp = self.mp
        eta = [mp.fdot(row, theta) for row in self.X]
        loss = [w * (mp.log1p(mp.exp(e)) - y * e) for w, e, y in zip(self.weight, eta, self.y, strict=True)]
        return mp.fsum(loss) + mp.fsum(s * t * t for s, t in zip(self.strength, theta, strict=True)) / 2

    def derivatives(self, theta: list[Any]) -> tuple[Any, Any]:
        mp, d = self.mp, len(theta)
        mu = [1 / (1 + mp.exp(-mp.fdot(row, theta))) for row in self.X]
        residual = [w * (m - y) for w, m, y in zip(self.weight, mu, self.y, strict=True)]
        curvature = [w * m * (1 - m) for w, m in zip(self.weight, mu, strict=True)]
        columns = list(zip(*self.X, strict=True))
        gradient = mp.matrix([mp.fdot(columns[j], residual) + self.strength[j] * theta[j] for j in range(d)])
        hessian = mp.zeros(d)
        for j in range(d):
            weighted = [c * x for c, x in zip(curvature, columns[j], strict=True)]
            for k in range(j + 1):
                hessian[j, k] = hessian[k, j] = mp.fdot(weighted, columns[k])
            hessian[j, j] += self.strength[j]
        return gradient, hessian
