"""What can be proved of coefficients from elsewhere, as the fit of a path's penalty: nothing is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.bound_penalty import Bounded
from berkson.certificate import DENSE_UP_TO, NOTHING, Bound, prove_by_few_rows
from berkson.penalty import ElasticNet
from berkson.problem import Problem, check_coefficients, locate_non_finite
from berkson.rows.memory import NonFiniteError
from berkson.rows.questions import Evaluate, Evaluation
from berkson.select.flat import with_flat
from berkson.select.path import status
from berkson.select.start import Options, posed
from berkson.solvers.proximal import loss_model
from berkson.solvers.regularised import Course, prove_model
from berkson.solvers.run import Solver, Work, run
from berkson.solvers.witness import Witness
from berkson.solvers.working import size_of

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """The objective there and that of the null model, a proved bound on what lies between the objective and its least
    value, relative to the null model's, and a sentence."""

    objective: float
    null_objective: float
    gap: float
    certified: bool
    status: str


def judge(problem: Problem, coef: F64, intercept: F64, lambda_: float, options: Options) -> Judged:
    """Of coefficients (1, p) and intercepts (1,) of two classes, (K, p) and (K,) of more, under one penalty of a path;
    `options.tol` is what is asked.  Costs a pass with a Hessian; of thousands of columns, with a gradient."""
    check_coefficients(problem, coef, intercept)
    work = Work()
    try:
        with one_thread(problem.unknowns):
            rows, course, regularizer = posed(problem, options)
            amount = options.amount(lambda_, course.class_weight)
            theta = course.place.from_original(coef, intercept)
            penalty = regularizer.penalty(amount, course.place)
            if not _is_possible(theta, penalty):
                objective, proof = np.inf, NOTHING
            elif course.place.columns > DENSE_UP_TO:
                objective, proof = run(_by_gradient(theta, penalty, course), rows, work)
            else:
                model = run(loss_model(theta), rows, work)
                penalty = with_flat(regularizer, rows, model.hessian).penalty(amount, course.place)
                objective = model.value(penalty)
                proof = run(prove_model(model, penalty, course, Witness(None)), rows, work)
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    null = problem.null_objective(course.class_weight)
    gap = proof.gap / null
    return Judged(objective, null, gap, gap <= options.tol, status(gap, options.tol, f"lambda {lambda_:.4g}"))


def _is_possible(theta: F64, penalty: ElasticNet) -> bool:
    """Whether what has no coefficient has none, and bounds are kept."""
    if isinstance(penalty, Bounded) and ((theta < penalty.lower) | (theta > penalty.upper)).any():
        return False
    return not (theta[np.isinf(penalty.threshold)] != 0.0).any()


def _by_gradient(theta: F64, penalty: ElasticNet, course: Course) -> Solver[tuple[float, Bound]]:
    """The objective and its proof without a Hessian: by the ridge, or by the size that a lasso allows."""
    at: Evaluation = yield Evaluate(theta, 1)
    smooth = penalty.add(theta, at)
    assert smooth.gradient is not None
    objective = smooth.value + penalty.kinked(theta)
    if penalty.threshold.any():
        size = replace((yield from size_of(course)), most=objective)
        return objective, size.proof(theta, smooth.gradient, penalty)
    proof = yield from prove_by_few_rows(theta, smooth.gradient, penalty, course.place, course.share)
    return objective, proof
