"""Directions of recession by other means than the package's: plain loops and linear programmes on the whole table."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog


def constraints(problem):
    """(margins >= 0, margins = 0, row of each inequality) on raw columns, contrasts to class 0, by a plain loop."""
    X = np.column_stack([problem.X, np.ones(len(problem.X))]) if problem.intercept else problem.X.astype(float)
    n, K = len(X), problem.n_classes
    y = problem.y if problem.y.dtype.kind == "f" else np.eye(K)[problem.y]
    share = y if y.ndim == 2 else np.column_stack([1 - y, y])
    at_least, equal, row = [], [], []
    for i in range(n):
        if problem.weight is not None and problem.weight[i] == 0:
            continue
        own = int(np.flatnonzero(share[i])[0])
        for k in range(K):
            if k != own:
                function = np.zeros((K, X.shape[1]))
                function[own], function[k] = X[i], -X[i]
                if share[i, k] > 0:
                    equal.append(function[1:].ravel())
                else:
                    at_least.append(function[1:].ravel())
                    row.append(i)
    width = (K - 1) * X.shape[1]
    return np.array(at_least).reshape(-1, width), np.array(equal).reshape(-1, width), np.array(row)


def overlaps(problem):
    """Stiemke: no direction of recession exists iff a strictly positive combination of the inequalities (and any of the
    equalities) vanishes."""
    A, E, _ = constraints(problem)
    both = np.vstack([A, E])
    bounds = [(1, None)] * len(A) + [(None, None)] * len(E)
    answer = linprog(np.zeros(len(both)), A_eq=both.T, b_eq=np.zeros(both.shape[1]), bounds=bounds, method="highs")
    return answer.status == 0


def farthest(problem, objective):
    """max objective'd over the directions of recession in the unit box, on the whole table."""
    A, E, _ = constraints(problem)
    equal = {"A_eq": E, "b_eq": np.zeros(len(E))} if len(E) else {}
    answer = linprog(-objective, A_ub=-A, b_ub=np.zeros(len(A)), bounds=(-1, 1), method="highs", **equal)
    assert answer.status == 0
    return -answer.fun


def separated_rows(problem):
    """Rows all of whose margins some direction of recession makes positive, one programme a pair."""
    A, _, row = constraints(problem)
    positive = np.array([farthest(problem, a) > 1e-6 for a in A])  # integers of a few units: 0 or far from it
    hard = [(row == i).sum() == problem.n_classes - 1 for i in range(len(problem.y))]
    return [i for i in range(len(problem.y)) if hard[i] and positive[row == i].all()]


def verify_direction(problem, found):
    """The direction leaves no row worse off and some better."""
    A, E, _ = constraints(problem)
    direction = found.direction if problem.n_classes == 2 else (found.direction - found.direction[:, :1])[:, 1:].T
    d = direction.reshape(problem.n_classes - 1, -1)
    if not problem.intercept:
        assert (d[:, -1] == 0).all()
        d = d[:, :-1]
    d = d.ravel() / np.abs(d).max()
    size = np.abs(A).max() * len(d)
    assert (A @ d).min() >= -1e-12 * size  # rounding of a sum of len(d) products
    assert (A @ d).max() > 1e-9
    if len(E):
        assert np.abs(E @ d).max() <= 1e-12 * size
