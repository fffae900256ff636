"""Approximate leave-one-out of a path, by name, in the caller's kind of table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.logistic.frames import Frames
from berkson.select.leave_one_out import LeaveOneOut

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LogitLeaveOneOut:
    """What each row's loss would be without the row, along a path, approximately; made by `LogitPath.leave_one_out`.

    frames  makes tables of the caller's kind          found  the engine's, as arrays
    """

    frames: Frames
    found: LeaveOneOut

    @property
    def lambda_min(self) -> float:
        """The lambda with the best mean of those where the approximation is offered, the largest of equals."""
        return float(self.found.path.lambdas[self.found.best])

    @property
    def lambda_1se(self) -> float:
        """The largest lambda whose mean is within one standard error of the best."""
        return float(self.found.path.lambdas[self.found.one_se])

    @property
    def shortlist(self) -> F64:
        """The lambdas near the best, for `cross_validate(..., lambdas=)`; where that chooses the first or the last of
        them, go on beyond it."""
        return self.found.shortlist

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the approximation is not offered and why, and what to know of the choice, a sentence each."""
        found = self.found
        inside = np.flatnonzero(found.within)
        if len(found.mean) > 1 and found.best == inside[-1]:
            where = "the smallest tried" if found.within[-1] else "the smallest where the approximation is offered"
            end = f"the best lambda, {self.lambda_min:.4g}, is {where}, so a smaller one may be better"
            return (*found.notes, end)
        return found.notes

    @property
    def table(self) -> Any:
        """A row for each lambda: estimate (the mean over rows), std.error, df, leverage (the largest share of a row in
        its own prediction) and within (whether the approximation is offered; NaN where not)."""
        found = self.found
        columns = {"lambda": found.path.lambdas, "estimate": found.mean, "std.error": found.se, "df": found.path.df}
        return self.frames.table(columns | {"leverage": found.leverage, "within": found.within})

    def __repr__(self) -> str:
        said = [f"approximate leave-one-out, {self.found.measure.replace('_', ' ')}: lambda_min {self.lambda_min:.4g}"]
        return "; ".join([*said, f"lambda_1se {self.lambda_1se:.4g}", *self.notes])


Judged = Literal["log_loss", "deviance", "brier"]
