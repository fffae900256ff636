"""Fits of many weightings of the same rows: all start from the fit of the whole, and share readings of X.

A replicate's optimum is near the whole's, whose inverse information therefore preconditions it: a few gradients, and a
proof from a sample of its rows.  Where that proves nothing, the engine's own fit says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.certificate import prove
from berkson.fit import fit
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.resampling import Resampling
from berkson.inverse import Dense
from berkson.loss import Logistic
from berkson.penalty import Ridge
from berkson.problem import InputError
from berkson.rows.memory import InMemory
from berkson.rows.questions import Answer, Draw, Evaluate, Evaluation, Question, Sample
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Solver, run_together

F64 = npt.NDArray[np.float64]
Failure = Literal["separated", "aliased", "one class", "not proved"]

CELLS = 1 << 24  # of weights held at a time, and
TOGETHER = 4  # replicates at the least
AIM = 5e-13  # the gap at 1e-6 standard errors
PROVED = 5e-9  # the gap that is accepted: 1e-4 standard errors
ITERATIONS = 30  # a replicate that takes more is no neighbour of the whole
ROWS_OF_PROOF = 50  # an unknown


@dataclass(frozen=True, slots=True)
class Replicate:
    """Sample `number` with its weights (n,), and its optimum in theta, or why it has none."""

    number: int
    weight: F64
    theta: F64 | None
    failure: Failure | None


def replicates(estimates: Estimates, samples: Resampling, numbers: Sequence[int]) -> Iterator[Replicate]:
    """The fit of each sample, in order."""
    estimates.require()
    if estimates.theta is not estimates.fit.theta:
        raise StatisticsError(
            "samples are fitted by maximum likelihood, which these estimates are not a maximum of; use intervals by "
            "profile likelihood"
        )
    n = len(estimates.problem.y)
    together = max(TOGETHER, CELLS // n)
    for start in range(0, len(numbers), together):
        batch = numbers[start : start + together]
        weight = np.empty((n, len(batch)))
        for j, number in enumerate(batch):
            weight[:, j] = samples.weight(number)
        found = run_together(
            [_about(j, _refit(estimates, weight[:, j])) for j in range(len(batch))],
            _Weightings(estimates.rows, weight),  # type: ignore[arg-type]
        )
        for j, (number, theta) in enumerate(zip(batch, found, strict=True)):
            own = np.ascontiguousarray(weight[:, j])
            failure = None
            if theta is None:
                theta, failure = _by_the_engine(estimates, own)
            yield Replicate(number, own, theta, failure)


def _refit(estimates: Estimates, weight: F64) -> Solver[F64 | None]:
    """The optimum under other weights, None where it is not proved."""
    place, n = estimates.rows.coordinates, len(weight)
    unit, penalty = float(weight.mean()), Ridge(np.zeros(place.size))
    at: Evaluation = yield Evaluate(estimates.theta, 1)
    if at.margin > 0:
        return None
    stop = yield from quasi_newton(
        estimates.theta,
        penalty,
        Dense(estimates.inverse, exact=True),
        target=AIM * unit,
        max_iterations=ITERATIONS,
        at=at,
    )
    if stop.reason != "target":
        return None
    assert stop.at.gradient is not None
    share = np.full(estimates.problem.n_classes, 1.0 / estimates.problem.n_classes)
    sample: Sample | None = None
    if n > 4 * ROWS_OF_PROOF * place.size:
        sample = yield Draw(ROWS_OF_PROOF * place.size, share)
    proof = yield from prove(stop.theta, stop.at.gradient, penalty, place, share, sample=sample)
    if sample is not None and not proof.gap <= PROVED * unit:
        proof = yield from prove(stop.theta, stop.at.gradient, penalty, place, share)
    return stop.theta if proof.gap <= PROVED * unit else None


def _by_the_engine(estimates: Estimates, weight: F64) -> tuple[F64 | None, Failure | None]:
    """The optimum, or why there is none, from a fit that starts anew."""
    try:
        result = fit(replace(estimates.problem, weight=weight))
    except InputError:  # the rows were fitted before, so only a class can be missing
        return None, "one class"
    certificate = result.certificate
    if certificate.separation is not None:
        return None, "separated"
    if len(certificate.rank.aliased) > len(estimates.fit.certificate.rank.aliased):
        return None, "aliased"
    if not certificate.certified:
        return None, "not proved"
    return estimates.rows.coordinates.from_original(result.coef, result.intercept), None


# --- questions about one of many weightings ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Of:
    """A question about weighting `column`."""

    column: int
    question: Question


def _about(column: int, solver: Solver[F64 | None]) -> Solver[F64 | None]:
    """The same solver, its questions about weighting `column`."""
    try:
        question = next(solver)
        while True:
            question = solver.send((yield _Of(column, question)))  # type: ignore[misc]
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Weightings:
    """The same rows under each column of `weight` (n, M)."""

    rows: InMemory
    weight: F64

    def answer(self, questions: Sequence[_Of]) -> list[Answer]:
        """Answers in order; gradients of two classes share a pass."""
        shared = [i for i, asked in enumerate(questions) if self._shares(asked.question)]
        together = dict(zip(shared, self._gradients([questions[i] for i in shared]), strict=True))
        return [together[i] if i in together else self._alone(asked) for i, asked in enumerate(questions)]

    def answer_one(self, question: _Of) -> Answer:
        return self._alone(question)

    def cost(self, questions: Sequence[_Of]) -> tuple[float, int]:
        """Not counted."""
        return 0.0, 0

    def _shares(self, question: Question) -> bool:
        whole = isinstance(question, Evaluate) and question.order == 1 and question.sample is None
        return whole and isinstance(self.rows.loss, Logistic)

    def _alone(self, asked: _Of) -> Answer:
        weight = np.ascontiguousarray(self.weight[:, asked.column])
        return replace(self.rows, weight=weight).answer_one(asked.question)

    def _gradients(self, asked: Sequence[_Of]) -> list[Evaluation]:
        if not asked:
            return []
        place, part = self.rows.coordinates, self.rows.whole
        coef = np.column_stack([place.expand(a.question.theta) for a in asked])  # type: ignore[union-attr]
        columns = [a.column for a in asked]
        weight = self.weight if columns == list(range(self.weight.shape[1])) else self.weight[:, columns]
        values, margins, gradients = part.design.logistic_many(
            None, part.center, coef, part.y, weight, part.offset, part.threads
        )
        return [
            Evaluation(float(values[j]), float(margins[j]), place.gradient(gradients[:, j]), None)
            for j in range(len(asked))
        ]
