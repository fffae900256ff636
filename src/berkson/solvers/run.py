"""Drive solvers: put their questions to rows and send the answers back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from berkson.rows.questions import Answer, Inside, Question
from berkson.rows.weightings import Under

Result = TypeVar("Result")
Solver = Generator[Question, Answer, Result]


class Rows(Protocol):
    """What answers questions: rows in memory, on disk, on a cluster."""

    def answer_one(self, question: Question) -> Answer: ...

    def answer(self, questions: Sequence[Question]) -> list[Answer]: ...

    def cost(self, questions: Sequence[Question]) -> tuple[float, int]: ...


@dataclass(slots=True)
class Work:
    """What has been asked so far: readings of the whole of X (a sample counts by its share) and bytes of X read."""

    passes: float = 0.0
    bytes_read: int = 0

    def add(self, cost: tuple[float, int]) -> None:
        self.passes += cost[0]
        self.bytes_read += cost[1]


def run(solver: Solver[Result], rows: Rows, work: Work | None = None) -> Result:
    """Run one solver to its end and return what it returns."""
    work = Work() if work is None else work
    try:
        question = next(solver)
        while True:
            work.add(rows.cost((question,)))
            question = solver.send(rows.answer_one(question))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def run_one(question: Question, rows: Rows, work: Work) -> Answer:
    """The answer to one question."""
    work.add(rows.cost((question,)))
    return rows.answer_one(question)


def run_together(solvers: Sequence[Solver[Any]], rows: Rows, work: Work | None = None) -> list[Any]:
    """Run many solvers in lockstep: in each round the questions of all that are still running share one pass.  What
    costs less than a pass is answered first, so that those who ask it are in time for the pass."""
    work = Work() if work is None else work
    results: list[Any] = [None] * len(solvers)
    waiting: dict[int, Question] = {}
    for i, solver in enumerate(solvers):
        try:
            waiting[i] = next(solver)
        except StopIteration as stop:
            results[i] = stop.value
    while waiting:
        running = [i for i, question in waiting.items() if rows.cost((question,))[0] < 1.0] or list(waiting)
        questions = [waiting[i] for i in running]
        work.add(rows.cost(questions))
        for i, answer in zip(running, rows.answer(questions), strict=True):
            try:
                waiting[i] = solvers[i].send(answer)
            except StopIteration as stop:
                results[i] = stop.value
                del waiting[i]
    return results


def inside(view: Any, solver: Solver[Result]) -> Solver[Result]:
    """The same solver, its questions put to the rows that `Narrow` answered with."""
    try:
        question = next(solver)
        while True:
            question = solver.send((yield Inside(view, question)))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def under(column: int, solver: Solver[Result]) -> Solver[Result]:
    """The same solver, its questions about one of several weightings of the rows (see `rows.weightings`)."""
    try:
        question = next(solver)
        while True:
            question = solver.send((yield Under(column, question)))  # type: ignore[misc]
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
