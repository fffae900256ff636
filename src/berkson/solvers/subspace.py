"""A solver confined to part of the space: its questions about z are asked at theta = origin + basis @ z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.run import Result, Solver

F64 = npt.NDArray[np.float64]


def project(at: Evaluation, basis: F64) -> Evaluation:
    """Derivatives by z, where theta = origin + basis @ z."""
    return Evaluation(
        at.value,
        at.margin,
        None if at.gradient is None else basis.T @ at.gradient,
        None if at.hessian is None else basis.T @ at.hessian @ basis,
    )


def within(solver: Callable[[F64], Solver[Result]], origin: F64, basis: F64) -> Solver[Result]:
    """Run solver(z = 0), which only evaluates, in the coordinates z of the affine space origin + basis @ z."""
    confined = solver(np.zeros(basis.shape[1]))
    try:
        question = next(confined)
        while True:
            assert isinstance(question, Evaluate)
            at = yield replace(question, theta=origin + basis @ question.theta)
            question = confined.send(project(at, basis))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def complement(directions: F64) -> F64:
    """(size, size - r) orthonormal columns orthogonal to r independent directions (r, size)."""
    if len(directions) == 0:
        return np.eye(directions.shape[1])
    vectors = np.linalg.qr(directions.T, mode="complete")[0]
    return np.asarray(vectors[:, len(directions) :])
