"""celer: an L1 penalty only, and no intercept, so it has no problem in this table; it is named, not left out."""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import Answer, Shape, Task

NAME, PACKAGE = "celer", "celer"
LADDER: tuple[dict[str, Any], ...] = ({},)


def cannot(shape: Shape) -> str | None:
    return "can't: L1 penalty only, no intercept"


def fit(task: Task, **setting: Any) -> Answer:
    raise NotImplementedError(cannot(task.shape))
