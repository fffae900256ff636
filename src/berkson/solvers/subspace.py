"""Solvers in other circumstances: confined to part of the space, or where the objective is not convex."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_factor
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.run import Result, Solver

F64 = npt.NDArray[np.float64]

LEAST = 1e-3  # of the largest: eigenvalues of a matrix that is turned up


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


def turned_up(solver: Solver[Result]) -> Solver[Result]:
    """Run a solver that takes every Hessian for positive definite: one that is not gets its eigenvalues' sizes."""
    try:
        question = next(solver)
        while True:
            at = yield question
            if at.hessian is not None:
                at = at._replace(hessian=turn_up(at.hessian))
            question = solver.send(at)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def turn_up(hessian: F64) -> F64:
    """The same matrix where it is positive definite, else with the sizes of its eigenvalues, none next to 0."""
    if len(hessian) == 0 or inverse_factor(hessian) is not None:
        return hessian
    values, vectors = np.linalg.eigh(hessian)
    size = np.abs(values)
    return np.asarray((vectors * np.maximum(size, LEAST * size.max())) @ vectors.T)


def complement(directions: F64) -> F64:
    """(size, size - r) orthonormal columns orthogonal to r independent directions (r, size)."""
    if len(directions) == 0:
        return np.eye(directions.shape[1])
    vectors = np.linalg.qr(directions.T, mode="complete")[0]
    return np.asarray(vectors[:, len(directions) :])
