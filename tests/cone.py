"""Directions of recession by other means than the package's: plain loops and linear programmes on the whole table."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

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


def separates_exactly(problem):
    """Whether two classes are separated, in rational arithmetic: an edge of the cone lies on q - 1 independent
    constraints, and all choices of them are tried.  For few rows and columns of full rank."""
    A = [
        [Fraction(float(a)) * (1 if code else -1) for a in row]
        for row, code in zip(_raw(problem), problem.y, strict=True)
    ]
    for chosen in combinations(A, len(A[0]) - 1):
        edge = _null_vector([list(row) for row in chosen])
        if edge is not None:
            margins = [sum(a * b for a, b in zip(row, edge, strict=True)) for row in A]
            if max(margins) * min(margins) >= 0 and any(margins):
                return True
    return False


def _raw(problem):
    return np.column_stack([problem.X, np.ones(len(problem.X))]) if problem.intercept else problem.X


def _null_vector(rows):
    """The vector orthogonal to q - 1 independent rows; None where they are dependent."""
    q, pivots = len(rows[0]), []
    for row in range(len(rows)):
        found = next(((i, c) for c in range(q) for i in range(row, len(rows)) if rows[i][c] != 0), None)
        if found is None:
            return None
        i, c = found
        rows[row], rows[i] = rows[i], rows[row]
        rows[row] = [a / rows[row][c] for a in rows[row]]
        rows = [
            r if k == row else [a - r[c] * b for a, b in zip(r, rows[row], strict=True)] for k, r in enumerate(rows)
        ]
        pivots.append(c)
    free = next(c for c in range(q) if c not in pivots)
    vector = [Fraction(0)] * q
    vector[free] = Fraction(1)
    for row, c in enumerate(pivots):
        vector[c] = -rows[row][free]
    return vector
