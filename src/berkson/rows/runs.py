"""Working sets too large to be gathered: a run of rows at a time, anew for each question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.rows.questions import Evaluate, Evaluation, Question

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

GATHERED = 1 << 28  # bytes of a set that may always be gathered
PART = 0.5  # of the table's bytes that may be, where that is more
RUN = 1 << 25  # bytes that are gathered at a time, of a set that is larger
SEEN = 1 << 10  # rows that tell how large a set is


def rows_at_once(design: Any, columns: Indices) -> int:
    """Rows of which these columns are gathered at a time: all, or as many as take little memory."""
    n, most = design.shape[0], max(GATHERED, PART * design.nbytes)
    if design.nbytes <= GATHERED:
        return int(n)
    some = design.run_of(slice(None, None, max(1, n // SEEN)))
    each = some.columns(columns).nbytes / max(1, some.shape[0])
    return int(n if each * n <= most else max(1, min(n, RUN // max(1, int(each)))))


@dataclass(frozen=True)
class InRuns:
    """What answers questions about some unknowns of `rows`, at `places`, by gathering `step` rows of them at a time."""

    rows: Any
    places: Indices
    step: int

    def _views(self) -> Iterator[Any]:
        for start in range(0, self.rows.n_rows, self.step):
            yield self.rows.run(slice(start, start + self.step)).gathered(self.places)

    def answer_one(self, question: Question) -> Evaluation:
        """The loss and its derivatives at a point."""
        if not isinstance(question, Evaluate) or question.sample is not None:
            raise TypeError(f"runs of rows answer no {type(question).__name__}")
        every: Iterator[Evaluation] = (view.answer_one(question) for view in self._views())
        return reduce(add, every)

    def cost(self, questions: Sequence[Question]) -> tuple[float, int]:
        """(passes, bytes of X read): all columns are looked at for each."""
        return float(len(questions)), len(questions) * int(self.rows.design.nbytes)

    def residuals_at(self, thetas: F64) -> tuple[F64, F64, F64]:
        """Values (M,), margins (M,) and weighted residuals (n, M) at thetas (M, q)."""
        values, margins, residuals = zip(*(view.residuals_at(thetas) for view in self._views()), strict=True)
        return np.sum(values, axis=0), np.min(margins, axis=0), np.concatenate(residuals)
