"""A fit in a statistician's terms: named parameters, intercept first, one equation for each class but the reference.

    log P(class k) / P(reference) = intercept_k + x . coef_k + offset        (two classes: the log-odds of the event)

Everything that is inverted lives in the solver's coordinates theta, where columns are centred and scaled; parameters
are a linear map of theta (`jacobian`), so no accuracy is lost to the units or the origin of a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.fit import Fit
from berkson.inverse import inverse_of
from berkson.kernels.reference import sigmoid, soft_labels, softmax
from berkson.problem import Problem
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.run import Rows

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
WeightKind = Literal["frequency", "precision", "sampling"]

ALL = slice(None)
CELLS = 1 << 20  # of the design that is held as float64 at a time
CHANGED = 1e-9  # of the null objective: rounding of sums is far below, any change of note above


class StatisticsError(ValueError):
    """A statistic that the fit does not support; the message says why and what to do."""


class Block(NamedTuple):
    """Consecutive rows: their place, [1, X] of them as float64 in the order of `columns` (m, q), and their weight."""

    place: slice
    X: F64
    weight: F64


@dataclass(frozen=True)
class Estimates:
    """The parameters of an unpenalised fit.

    reference    the class without an equation; 0, the event's alternative, for two classes.
    weight_kind  what a weight w of a row means: "frequency": w rows like it were seen; "precision": one row whose
                 log-likelihood counts w times (R's `weights`); "sampling": it stands for w rows that were not seen.
    trials       (n,) of grouped counts, which the problem's weight contains; None: each row is one trial.
    """

    fit: Fit
    reference: int = 0
    weight_kind: WeightKind = "frequency"
    trials: F64 | None = None

    @property
    def common(self) -> dict[str, Any]:
        """The fields that every kind of estimates has, by name."""
        return {field.name: getattr(self, field.name) for field in fields(Estimates)}

    @property
    def problem(self) -> Problem:
        return self.fit.problem

    @property
    def rows(self) -> InMemory:
        """What answers questions about the log-likelihood, in theta."""
        return self.fit.rows

    @property
    def objective(self) -> Rows:
        """What the estimates minimise: the negative log-likelihood, penalised for bias-reduced estimates."""
        return self.rows

    @property
    def theta(self) -> F64:
        """The estimates in the solver's coordinates (size,); kinds of estimates differ in it, and in `estimable`."""
        return self.fit.theta

    @cached_property
    def equations(self) -> tuple[int, ...]:
        """The classes that have an equation, in order."""
        return tuple(k for k in range(self.problem.n_classes) if k != self.reference)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """The columns of an equation, the constant (p) first."""
        p = self.problem.X.shape[1]
        return (p, *range(p)) if self.problem.intercept else tuple(range(p))

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(map(self.problem.column, self.columns))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the d parameters, equation by equation: `age`, or `class:age` for more than two classes."""
        if self.problem.n_classes == 2:
            return self.column_names
        return tuple(f"{self.problem.class_name(k)}:{name}" for k in self.equations for name in self.column_names)

    def positions(self, columns: Sequence[int]) -> list[int]:
        """Where the parameters of these design columns (p: the constant) stand among the d, in every equation."""
        q, of = len(self.columns), {column: at for at, column in enumerate(self.columns)}
        return [e * q + of[column] for e in range(len(self.equations)) for column in columns]

    @cached_property
    def params(self) -> F64:
        """The estimates (d,); NaN where a parameter is not estimable."""
        coef = np.column_stack(self.rows.coordinates.original(self.theta))[:, self.columns]
        each = coef if self.problem.n_classes == 2 else coef[list(self.equations)] - coef[self.reference]
        return np.where(self.estimable, each.ravel(), math.nan)

    @cached_property
    def aliased(self) -> npt.NDArray[np.bool_]:
        """(d,) True for the parameters of columns that are combinations of others."""
        gone = {alias.column for alias in self.fit.certificate.rank.aliased}
        return np.tile([j in gone for j in self.columns], len(self.equations))

    @cached_property
    def estimable(self) -> npt.NDArray[np.bool_]:
        """(d,) False for aliased columns, and for estimates that are infinite."""
        return ~self.aliased

    @cached_property
    def jacobian(self) -> F64:
        """(d, size): params = jacobian @ theta."""
        place = self.rows.coordinates
        p = len(place.center)
        kept = np.arange(p + 1) if place.kept is None else place.kept
        raw = np.zeros((p + 1, len(kept)))
        raw[kept, np.arange(len(kept))] = 1.0 / place.scale
        if self.problem.intercept:
            raw[p] -= place.center @ raw[:p]
        each = raw[list(self.columns)]
        if place.basis is None:
            return each
        return np.kron(place.basis[list(self.equations)] - place.basis[self.reference], each)

    @cached_property
    def at(self) -> Evaluation:
        """The negative log-likelihood with gradient and Hessian at the estimate, in theta.  One pass.

        StatisticsError where it is no longer the one that was proved: arrays are read as they lie, at any time.
        """
        answer: Evaluation = self.rows.answer_one(Evaluate(self.theta, 2))
        proof = self.fit.certificate
        maximum = self.theta is self.fit.theta and not self.problem.penalised and proof.certified
        if maximum and not abs(answer.value - proof.objective) <= CHANGED * proof.null_objective:
            raise StatisticsError(
                "the data have changed since the fit, which reads them as they lie; fit again, and give copies of "
                "arrays that are written to"
            )
        return answer

    @cached_property
    def inverse(self) -> F64:
        """The inverse of the information in theta (size, size).  StatisticsError where there is none."""
        self.require()
        assert self.at.hessian is not None
        inverse = inverse_of(self.at.hessian)
        if inverse is None:
            raise StatisticsError(
                "the information matrix is singular to working precision, so there are no standard errors"
            )
        return inverse

    def require(self) -> None:
        """StatisticsError, one sentence, where the fit is penalised or its certificate does not hold."""
        certificate = self.fit.certificate
        if self.problem.penalised:
            raise StatisticsError(
                "a penalised fit has estimates and predictions, but no inference, which would ignore its bias; fit "
                "without a penalty"
            )
        if certificate.separation is not None or not certificate.certified:
            raise StatisticsError(
                f"there are no standard errors where there is no proved optimum: {certificate.status}"
            )

    def require_optimum(self) -> None:
        """StatisticsError where the certificate does not hold: estimates alone may be those of a penalised fit."""
        certificate = self.fit.certificate
        if not self.problem.penalised:
            self.require()
        elif not certificate.certified:
            raise StatisticsError(f"there are no estimates without a proved optimum: {certificate.status}")

    def from_theta(self, covariance: F64) -> F64:
        """A covariance of theta as one of the parameters (d, d), NaN where a parameter is not estimable."""
        full: F64 = self.jacobian @ covariance @ self.jacobian.T
        full[~self.estimable] = math.nan
        full[:, ~self.estimable] = math.nan
        return full

    @property
    def n_obs(self) -> float:
        """Observations: the sum of frequency weights, else the rows of positive weight; a group of trials is one."""
        weight = self.problem.weight
        if weight is None:
            return float(len(self.problem.y))
        if self.weight_kind != "frequency":
            return float(np.count_nonzero(weight))
        if self.trials is None:
            return float(weight.sum())
        return float(np.divide(weight, self.trials, out=np.zeros(len(weight)), where=self.trials > 0).sum())

    @property
    def counts_outcomes(self) -> bool:
        """Whether the weight of a row is a number of outcomes: a frequency, or the trials alone."""
        weight = self.problem.weight
        if weight is None or self.weight_kind == "frequency":
            return True
        return self.trials is not None and np.array_equal(weight, self.trials)

    def blocks(self) -> Iterator[Block]:
        """The design, a run of rows at a time."""
        problem, design = self.problem, self.rows.design
        n, p = problem.X.shape
        step = max(1, CELLS // max(p, 1))
        for start in range(0, n, step):
            place = slice(start, min(n, start + step))
            X = np.ones((place.stop - start, len(self.columns)))
            X[:, len(self.columns) - p :] = design.few_rows(place)
            weight = np.ones(len(X)) if problem.weight is None else problem.weight[place]
            yield Block(place, X, weight)

    def linear_predictor(self, place: slice = ALL) -> F64:
        """(n, 1) log-odds of the event, or (n, K) logits, offset included; of a slice of the rows."""
        rows = self.rows
        coef = rows.coordinates.expand(self.theta).reshape(self.problem.X.shape[1] + 1, -1)
        eta = rows.design.run_of(place).linear_predictor(None, rows.coordinates.center, coef, rows.whole.threads)
        if self.problem.offset is not None:
            eta += self.problem.offset[place].reshape(len(eta), -1)
        return eta

    def residuals(self) -> F64:
        """y - probability of each equation's class (n, E)."""
        eta = self.linear_predictor()
        if self.problem.n_classes == 2:
            return (self.problem.y - sigmoid(eta[:, 0]))[:, None]
        equations = list(self.equations)
        return (soft_labels(self.problem.y, self.problem.n_classes) - softmax(eta))[:, equations]
