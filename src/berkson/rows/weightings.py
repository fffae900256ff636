"""The same rows under many weightings: folds and bootstrap samples are weights, never copies, and share passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.loss import Logistic
from berkson.rows.memory import InMemory
from berkson.rows.questions import Answer, Beyond, Evaluate, Evaluation, Question

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Under:
    """A question about weighting `column`."""

    column: int
    question: Question


@dataclass(frozen=True)
class Weightings:
    """Rows under each column of `weight` (n, M), of any number type, in place of their own weights; questions that are
    not `Under` one are about the rows as they are."""

    rows: InMemory
    weight: Array

    def answer(self, questions: Sequence[Question | Under]) -> list[Answer]:
        """Answers in order; gradients of two classes share a pass."""
        shared = [i for i, asked in enumerate(questions) if self._shares(asked)]
        together: dict[int, Answer] = dict(zip(shared, self._gradients([questions[i] for i in shared]), strict=True))
        beyond = [i for i, asked in enumerate(questions) if _is_beyond(asked)]
        together.update(zip(beyond, self._beyond([questions[i] for i in beyond]), strict=True))
        return [together[i] if i in together else self.answer_one(asked) for i, asked in enumerate(questions)]

    def answer_one(self, asked: Question | Under) -> Answer:
        if not isinstance(asked, Under):
            return self.rows.answer_one(asked)
        return self.rows_of(asked.column).answer_one(asked.question)

    def rows_of(self, column: int) -> InMemory:
        """The rows under one weighting."""
        return replace(self.rows, weight=self.weight[:, column].astype(np.float64))

    def cost(self, questions: Sequence[Question | Under]) -> tuple[float, int]:
        shared = [asked for asked in questions if self._shares(asked)]
        alone = [asked for asked in questions if not self._shares(asked)]
        each = [self.rows.cost([_bare(asked)]) for asked in [*shared[:1], *alone]]
        return sum(passes for passes, _ in each), sum(size for _, size in each)

    def _shares(self, asked: Question | Under) -> bool:
        question = _bare(asked)
        whole = isinstance(question, Evaluate) and question.order == 1 and question.sample is None
        return whole and isinstance(self.rows.loss, Logistic)

    @cached_property
    def _every(self) -> Array:
        """All weightings, the rows' own last, each in one piece."""
        own = self.rows.weight
        dtype = self.weight.dtype if own is None else np.result_type(self.weight, own)
        every = np.ones((self.weight.shape[1] + 1, len(self.weight)), dtype)
        every[:-1] = self.weight.T
        if own is not None:
            every[-1] = own
        return every.T

    def _gradients(self, asked: Sequence[Question | Under]) -> list[Evaluation]:
        if not asked:
            return []
        if len(asked) == 1 and not isinstance(asked[0], Under):
            return [self.rows.answer_one(asked[0])]
        place, part = self.rows.coordinates, self.rows.whole
        coef = np.column_stack([place.expand(_bare(a).theta) for a in asked])  # type: ignore[union-attr]
        columns = [a.column if isinstance(a, Under) else -1 for a in asked]
        every = columns == list(range(self._every.shape[1]))
        weight = self._every if every else self._every.T[columns].T
        values, margins, gradients = self.rows.design.logistic_many(part._replace(weight=weight), coef)
        return [
            Evaluation(float(values[j]), float(margins[j]), place.gradient(gradients[:, j]), None)
            for j in range(len(asked))
        ]

    def _beyond(self, asked: Sequence[Question | Under]) -> list[list[Evaluation]]:
        """What lies beyond a view for each weighting, in one reading of all columns."""
        if not asked:
            return []
        questions: list[Beyond] = [_bare(each) for each in asked]  # type: ignore[misc]
        rows = [self.rows_of(each.column) if isinstance(each, Under) else self.rows for each in asked]
        known = [under.residuals(question) for under, question in zip(rows, questions, strict=True)]
        found = [each for each in known if each is not None]
        if len(found) < len(known):
            plain = [Evaluate(question.thetas[0], 1) for question in questions]
            placed = [replace(a, question=e) if isinstance(a, Under) else e for a, e in zip(asked, plain, strict=True)]
            return [[each] for each in self._gradients(placed)]
        values, margins, residuals = (np.concatenate(each, axis=-1) for each in zip(*found, strict=True))
        every = iter(self.rows.gradients(values, margins, residuals))
        return [[next(every) for _ in question.thetas] for question in questions]


def _is_beyond(asked: Question | Under) -> bool:
    """Whether it shares a reading with others like it."""
    question = _bare(asked)
    return isinstance(question, Beyond) and question.sample is None and len(question.thetas) == 1


def _bare(asked: Question | Under) -> Question:
    return asked.question if isinstance(asked, Under) else asked
