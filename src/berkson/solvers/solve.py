"""A fit in a solver's terms: run the chosen solver, prove what it found, tighten until the proof reaches the target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.certificate import DENSE_UP_TO, Bound, prove
from berkson.inverse import Diagonal
from berkson.penalty import ElasticNet, Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers import choose, working
from berkson.solvers.choose import CONJUGATE, ELIMINATION, LARGEST_HESSIAN, NEWTON, ROW_SPACE, WORKING_SETS, Choice
from berkson.solvers.cold import from_cold
from berkson.solvers.conjugate import conjugate
from berkson.solvers.elimination import block_diagonal, eliminating
from berkson.solvers.newton import Solution, newton
from berkson.solvers.quasi import Preconditioner
from berkson.solvers.regularised import Course, cheap
from berkson.solvers.run import Solver
from berkson.solvers.sampled import null_preconditioner, sampled

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """A problem in a solver's terms."""

    theta: F64
    penalty: Ridge  # with kinks: an ElasticNet
    place: Coordinates
    choice: Choice
    n_rows: int
    class_share: F64
    total_weight: float
    null: float
    tol: float
    target: float  # the gap to prove
    aim: float  # the estimated gap to stop at
    max_iterations: int
    watch_separation: bool
    warm: bool  # theta comes from the caller
    cold: F64  # where to begin otherwise
    cold_value: float | None  # the objective there, where it is known without a pass
    offset: float  # the largest
    spent: int = 0  # iterations of an earlier, interrupted run

    @property
    def typical_curvature(self) -> F64:
        """Of the objective along each coordinate, at the null model."""
        return self.total_weight * float((self.class_share * (1 - self.class_share)).mean()) + self.penalty.strength

    @property
    def course(self) -> Course:
        """Of proximal Newton steps."""
        weight = self.total_weight * self.class_share
        exact = cheap(self.n_rows, self.place.size)
        return Course(self.place, weight, self.n_rows, self.offset, self.target, self.aim, self.max_iterations, exact)

    def resumed(self, stop: Solution, max_iterations: int, aim: float, *, watch_separation: bool | None = None) -> Task:
        """The same task from where `stop` stood, without samples."""
        by_products = self.choice.solver in (CONJUGATE, ROW_SPACE) or self.place.size > LARGEST_HESSIAN
        solver = CONJUGATE if by_products else NEWTON
        solver = ELIMINATION if self.choice.solver == ELIMINATION else solver
        return replace(
            self,
            theta=stop.theta,
            choice=replace(self.choice, solver=solver),
            max_iterations=max_iterations,
            aim=aim,
            watch_separation=self.watch_separation if watch_separation is None else watch_separation,
        )


def solve(task: Task) -> Solver[tuple[Solution, Bound]]:
    """Run the chosen solver, tightening its aim until the proof reaches the target or nothing more is to be had."""
    if task.warm:  # a start that is worse than none is not used
        warm = _objective(task.penalty, task.theta, (yield Evaluate(task.theta, 0)))
        cold_value = task.cold_value
        if cold_value is None:
            cold_value = _objective(task.penalty, task.cold, (yield Evaluate(task.cold, 0))).value
        if not warm.value < cold_value:
            task = replace(task, theta=task.cold, warm=False)
    if isinstance(task.penalty, ElasticNet):
        return (yield from _kinked(task, task.penalty))
    stop, proof = yield from _once(task)
    spent, aim = stop.iterations, task.aim
    while proof.gap > task.target and spent < task.max_iterations:
        if task.choice.most_products and stop.reason in ("slow", "target"):
            # products were too many, or too few in a step for its length to tell what is left: Hessians know
            task = replace(task, choice=replace(task.choice, solver=NEWTON, most_products=0))
        elif stop.reason == "target" and aim > 1e-8 * task.aim:
            aim *= 0.01
        else:
            break
        stop, proof = yield from _once(task.resumed(stop, task.max_iterations - spent, aim))
        spent += stop.iterations
    if proof.gap > task.target and task.choice.matrix_free and task.place.columns <= DENSE_UP_TO:
        assert stop.at.gradient is not None
        with_gram = yield from prove(stop.theta, stop.at.gradient, task.penalty, task.place, task.class_share)
        proof = min(proof, with_gram, key=lambda known: known.gap)
    return replace(stop, iterations=task.spent + spent), proof


def judge(task: Task) -> Solver[tuple[Solution, Bound]]:
    """Prove what can be proved where the task starts, without a step."""
    at = _objective(task.penalty, task.theta, (yield Evaluate(task.theta, 1)))
    assert at.gradient is not None
    proof = yield from prove(
        task.theta, at.gradient, task.penalty, task.place, task.class_share, curvature=task.typical_curvature
    )
    return Solution(task.theta, at, 0, "judged"), proof


def _objective(penalty: Ridge, theta: F64, at: Evaluation) -> Evaluation:
    """Of the loss's evaluation: the objective's value, and its derivatives where it is smooth."""
    smooth = penalty.add(theta, at)
    return smooth._replace(value=smooth.value + penalty.kinked(theta))


def _kinked(task: Task, penalty: ElasticNet) -> Solver[tuple[Solution, Bound]]:
    """Proximal Newton, with its own tightening."""
    if task.choice.solver == WORKING_SETS:
        return (yield from _by_columns(task, penalty, task.course))
    model, point = yield from from_cold(task.theta, penalty, task.course, 0 if task.warm else task.choice.sample)
    return Solution(
        point.theta, _objective(penalty, point.theta, model.at), point.iterations, point.reason
    ), point.proof


def _by_columns(task: Task, penalty: ElasticNet, course: Course) -> Solver[tuple[Solution, Bound]]:
    """By working sets, the null model's first."""
    size = yield from working.size_of(course)
    if task.warm:
        places = np.flatnonzero((task.theta != 0.0) | (penalty.threshold == 0.0))
        standing = yield from working.stand(task.theta, penalty.threshold, places)
        standing, point = yield from working.advance(standing, penalty, course, size)
    else:
        standing, point = yield from working.single(task.cold, penalty, course, size)
    at = _objective(penalty, point.theta, standing.at)
    return Solution(point.theta, at, point.iterations, point.reason), point.proof


def _once(task: Task) -> Solver[tuple[Solution, Bound]]:
    theta, penalty, place = task.theta, task.penalty, task.place
    left, aim, watch = task.max_iterations, task.aim, task.watch_separation
    proof: Bound | None = None
    match task.choice.solver:
        case choose.NEWTON:
            stop = yield from newton(theta, penalty, target=aim, max_iterations=left, watch_separation=watch)
        case choose.CONJUGATE | choose.ROW_SPACE:
            if place.contrasts > 1 and place.columns <= DENSE_UP_TO and not task.choice.matrix_free:
                preconditioner: Preconditioner = yield from null_preconditioner(penalty, place, task.class_share, None)
            elif task.choice.factors:
                preconditioner = yield from block_diagonal(theta, penalty)
            else:
                preconditioner = Diagonal(task.typical_curvature)
            stop = yield from conjugate(
                theta,
                penalty,
                preconditioner,
                target=aim,
                max_iterations=left,
                watch_separation=watch,
                most_products=task.choice.most_products,
            )
        case choose.ELIMINATION:
            size, share = task.choice.sample if theta is task.cold else 0, task.class_share
            stop = yield from eliminating(
                theta, penalty, target=aim, max_iterations=left, n_rows=task.n_rows, class_share=share, sample_size=size
            )
        case _:
            stop, proof = yield from sampled(
                theta,
                penalty,
                place,
                n_rows=task.n_rows,
                sample_size=task.choice.sample,
                class_share=task.class_share,
                target=task.target,
                max_iterations=left,
                watch_separation=watch,
                start_value=None if task.warm else task.cold_value,
                warm=task.warm,
                exact_hessians=task.choice.exact_hessians,
                few_hessians=task.choice.few_hessians,
            )
    if proof is None:
        assert stop.at.gradient is not None
        known, free = stop.at.hessian, task.choice.matrix_free
        proof = yield from prove(
            stop.theta, stop.at.gradient, penalty, place, task.class_share, known, matrix_free=free
        )
    return stop, proof
