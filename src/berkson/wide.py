"""Many fits of a table wider than long: in its row space one by one, and proved on its columns all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.certificate import Bound, prove_by_few_rows
from berkson.design.row_space import RowSpace
from berkson.fit import Fit, penalty_of
from berkson.kernels.reference import (
    logistic_loss,
    logistic_residual,
    multinomial_loss,
    multinomial_residual,
    soft_labels,
)
from berkson.solvers.run import run

F64 = npt.NDArray[np.float64]

READABLE = 1e-12  # of the null objective: a smaller objective is lost in the rounding of its losses


@dataclass(frozen=True, slots=True)
class OnColumns:
    """M fits on the columns of the table: coef (M, 1 or K, p), intercept (M, 1 or K), and the proved bound on
    objective - optimum relative to the null objective (M,), inf where nothing is proved."""

    coef: F64
    intercept: F64
    gap: F64


def on_columns(space: RowSpace, fits: Sequence[Fit]) -> OnColumns:
    """Fits of `space.rows` under a ridge, as fits of the table that they are the row space of: three readings of it.

    Rounding in the kernel of the rows has no part in the proof: gradients are those of the columns.
    """
    with one_thread(space.X.shape[1]):
        return _on_columns(space, fits)


def _on_columns(space: RowSpace, fits: Sequence[Fit]) -> OnColumns:
    coef = space.coef(np.array([fit.coef for fit in fits]))
    M, K, p = coef.shape
    constant = np.array([fit.intercept for fit in fits])
    eta = space.predictor(coef.reshape(M * K, p)).reshape(-1, M, K) + constant
    residual, loss = np.empty_like(eta), np.empty(M)
    for i, fit in enumerate(fits):
        residual[:, i], loss[i] = _at(fit, eta[:, i])
    strength = np.array([fit.problem.strength for fit in fits])
    each = space.squared_gradients(residual.reshape(-1, M * K), coef.reshape(M * K, p), np.repeat(strength, K))
    across, along = each.reshape(M, K).sum(axis=1), residual.sum(axis=0)
    gap = np.empty(M)
    for i, fit in enumerate(fits):
        null = fit.certificate.null_objective
        gap[i] = _proof(fit, float(across[i]), along[i]).gap / null
        value = (loss[i] + 0.5 * strength[i] * float(space.squared_lengths(coef[i]).sum())) / null
        if value > READABLE:
            gap[i] = min(gap[i], value)  # no loss is negative
    return OnColumns(coef, constant - coef @ space.center, gap)


def _at(fit: Fit, eta: F64) -> tuple[F64, float]:
    """Residuals (n, K) and the loss, weighted, where linear predictors are eta (n, K) before the offset."""
    problem = fit.problem
    if problem.offset is not None:
        eta = eta + problem.offset.reshape(eta.shape)
    if problem.n_classes == 2:
        y = problem.y[:, None].astype(np.float64)
        residual, loss = logistic_residual(eta, y), logistic_loss(eta, y).sum(axis=1)
    else:
        y = soft_labels(problem.y, problem.n_classes)
        residual, loss = multinomial_residual(eta, y), multinomial_loss(eta, y)
    if problem.weight is None:
        return residual, float(loss.sum())
    return residual * problem.weight[:, None], float(problem.weight @ loss)


def _proof(fit: Fit, across: float, along: F64) -> Bound:
    """The bound from the squared gradient on the columns and the gradient in the constants (1 or K,).

    Its matrix is a multiple of the unit matrix on the columns, so that a gradient counts by its length alone.
    """
    place, total = fit.rows.coordinates, fit.problem.class_weights()
    gradient = np.zeros((place.contrasts, place.columns))
    if fit.problem.intercept:
        gradient[:, -1] = along if place.basis is None else along @ place.basis
    if across > 0.0:  # else there may be no column
        gradient[0, 0] = math.sqrt(across) / place.scale[0]
    penalty = penalty_of(fit.problem, place)
    return run(prove_by_few_rows(fit.theta, gradient.ravel(), penalty, place, total / total.sum()), fit.rows)
