"""Small data sets as they come: how often each library's defaults are silently wrong.

    python -m benchmarks.accuracy COMPETITOR COUNT        prints one line of JSON

COUNT random data sets of 50 to 300 rows and 1 to 5 columns, each column with a standard deviation of 1 around a mean
of 10 to 10,000 (dates, weights, temperatures), ridge of strength 1.  A fit is wrong where any fitted probability is
further than 0.01 from that of the optimum of the same objective, and silent where it raised neither warning nor error.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.competitors import F64, Competitor, Shape, Task, load

WRONG = 0.01
SHAPE = Shape(classes=2, strength=1.0, weighted=False)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of `count` fits: wrong with no warning, wrong with one, raised; the worst error of a silent fit."""

    count: int
    silently_wrong: int
    wrong_with_warning: int
    raised: int
    worst_silent: float


def data_set(seed: int) -> Task:
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(50, 301)), int(rng.integers(1, 6))
    Z = rng.standard_normal((n, p))
    eta = Z @ rng.normal(0.0, 1.0, p) + rng.normal(0.0, 0.5)
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(np.int64)
    y[:2] = 0, 1  # both classes, always
    return Task(Z + 10.0 ** rng.uniform(1.0, 4.0, p), y, None, SHAPE)


def optimal_probabilities(task: Task) -> F64:
    """P(y = 1) at the optimum, by damped Newton on centred columns (centring moves the free intercept only)."""
    n, p = task.X.shape
    X = np.column_stack([task.X - task.X.mean(axis=0), np.ones(n)])
    ridge = np.diag([task.shape.strength] * p + [0.0])
    theta = np.zeros(p + 1)

    def value(theta: F64) -> float:
        eta = X @ theta
        return float(np.sum(np.logaddexp(0.0, eta) - task.y * eta) + 0.5 * theta @ ridge @ theta)

    for _ in range(200):
        mu: F64 = 1.0 / (1.0 + np.exp(-X @ theta))
        gradient = X.T @ (mu - task.y) + ridge @ theta
        step = np.linalg.solve((X * (mu * (1.0 - mu))[:, None]).T @ X + ridge, gradient)
        decrement = float(gradient @ step)
        if decrement < 1e-20 * n:
            return mu
        length = 1.0  # below 1e-9, rounding would blur the comparison, and a full step is right
        while decrement > 1e-9 and value(theta - length * step) > value(theta) - 0.25 * length * decrement:
            length *= 0.5
        theta = theta - length * step
    raise ArithmeticError("Newton's method did not converge")


def probabilities(competitor: Competitor, task: Task) -> tuple[F64, bool]:
    """P(y = 1) as fitted under the library's defaults, and whether it warned of anything but its own future."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = competitor.fit(task)
    told = any(not issubclass(w.category, (DeprecationWarning, FutureWarning)) for w in caught)
    eta = np.clip(task.X @ fitted.coef[0] + fitted.intercept[0], -700.0, 700.0)
    return 1.0 / (1.0 + np.exp(-eta)), told


def survey(competitor: Competitor, count: int) -> Accuracy:
    silent, warned, raised, worst = 0, 0, 0, 0.0
    for seed in range(count):
        task = data_set(seed)
        optimum = optimal_probabilities(task)
        try:
            fitted, told = probabilities(competitor, task)
        except Exception:
            raised += 1
            continue
        off = float(np.abs(fitted - optimum).max())
        silent += off > WRONG and not told
        warned += off > WRONG and told
        worst = worst if told else max(worst, off)
    return Accuracy(count, silent, warned, raised, worst)


def main() -> None:
    print(json.dumps(asdict(survey(load(sys.argv[1]), int(sys.argv[2])))))


if __name__ == "__main__":
    main()
