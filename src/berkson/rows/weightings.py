"""The same rows under many weightings: folds and bootstrap samples are weights, never copies, and share passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.loss import Logistic
from berkson.rows.memory import InMemory
from berkson.rows.questions import Answer, Evaluate, Evaluation, Question

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Under:
    """A question about weighting `column`."""

    column: int
    question: Question


@dataclass(frozen=True)
class Weightings:
    """Rows under each column of `weight` (n, M), of any number type, in place of their own weights."""

    rows: InMemory
    weight: Array

    def answer(self, questions: Sequence[Under]) -> list[Answer]:
        """Answers in order; gradients of two classes share a pass."""
        shared = [i for i, asked in enumerate(questions) if self._shares(asked.question)]
        together = dict(zip(shared, self._gradients([questions[i] for i in shared]), strict=True))
        return [together[i] if i in together else self.answer_one(asked) for i, asked in enumerate(questions)]

    def answer_one(self, asked: Under) -> Answer:
        return self.rows_of(asked.column).answer_one(asked.question)

    def rows_of(self, column: int) -> InMemory:
        """The rows under one weighting."""
        return replace(self.rows, weight=self.weight[:, column].astype(np.float64))

    def cost(self, questions: Sequence[Under]) -> tuple[float, int]:
        shared = [asked for asked in questions if self._shares(asked.question)]
        alone = [asked.question for asked in questions if not self._shares(asked.question)]
        each = [self.rows.cost([question]) for question in [*(a.question for a in shared[:1]), *alone]]
        return sum(passes for passes, _ in each), sum(size for _, size in each)

    def _shares(self, question: Question) -> bool:
        whole = isinstance(question, Evaluate) and question.order == 1 and question.sample is None
        return whole and isinstance(self.rows.loss, Logistic)

    def _gradients(self, asked: Sequence[Under]) -> list[Evaluation]:
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
