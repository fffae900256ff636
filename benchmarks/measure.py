"""One competitor on one problem: every setting of its ladder from loose to tight, judged between fits.

A fit that outlasts the limit is killed with its process, and ends the ladder.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.competitors import Competitor, Task, load, version
from benchmarks.judge import Reference
from benchmarks.messages import Fit, Fits, Memory
from benchmarks.process import FitError, Process, ProcessDiedError, TimeLimitError

TARGETS = (1e-3, 1e-6, 1e-8, 1e-9)
IMPORT_SECONDS = 60.0  # allowed for imports and just-in-time compilation in a first fit, beyond the limit
ONE_RUN_FROM = 20.0  # seconds: longer fits are not repeated
SHORT = 0.1  # seconds: shorter fits are always repeated


@dataclass(frozen=True, slots=True)
class Step:
    """A setting of the ladder: seconds of each warm run, the suboptimality it reaches, and what it read."""

    setting: dict[str, Any]
    seconds: list[float]
    suboptimality: float
    passes: float | None
    bytes_read: int | None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(slots=True)
class Result:
    """What a competitor did on a problem; `note` says in words what it cannot do or what went wrong."""

    problem: str
    competitor: str
    steps: list[Step] = field(default_factory=list)
    note: str = ""
    timed_out: bool = False
    cold: float | None = None
    extra_bytes: int | None = None

    def fastest(self, target: float) -> Step | None:
        """The step of the least median time among those that reach the target."""
        return min((s for s in self.steps if s.suboptimality <= target), key=lambda s: s.median, default=None)

    @property
    def best(self) -> float | None:
        """The least suboptimality reached."""
        return min((s.suboptimality for s in self.steps), default=None)


def measure(problem: str, module: str, task: Task, data: Path, reference: Reference, limit: float) -> Result:
    """The ladder in one process, then a first fit in a fresh one, and the memory of a fit in another."""
    competitor = load(module)
    result = Result(problem, competitor.NAME)
    absent = None if version(competitor.PACKAGE) else f"absent: {competitor.PACKAGE} is not installed"
    result.note = competitor.cannot(task.shape) or absent or ""
    if result.note:
        return result
    try:
        with Process(module, data) as process:
            _climb(process, result, competitor, task, reference, limit)
    except TimeLimitError:
        result.timed_out = True
    except ProcessDiedError as error:
        result.note = str(error)
    chosen = next((step for target in (1e-8, 1e-6, 1e-3) if (step := result.fastest(target))), None)
    if chosen is not None:
        fits = _fresh(module, data, Fit(chosen.setting, 1), limit)
        peak = _fresh(module, data, Memory(chosen.setting), limit)
        result.cold = None if fits is None else fits.seconds[0]
        result.extra_bytes = None if peak is None else peak.extra_bytes
    return result


def _climb(
    process: Process, result: Result, competitor: Competitor, task: Task, reference: Reference, limit: float
) -> None:
    """Loose to tight until the tightest target is reached; the first fit, which loads code, is not counted."""
    warm = False
    for setting in competitor.LADDER:
        try:
            if not warm:
                process.ask(Fit(setting, 1), limit + IMPORT_SECONDS)
                warm = True
            fits: Fits = process.ask(Fit(setting, 1), limit)
        except FitError as error:
            result.note = f"{setting}: {error}"
            continue
        excess = reference.suboptimality(task, fits.answer, result.competitor)
        seconds, first = fits.seconds, fits.seconds[0]
        if first < SHORT or (first < ONE_RUN_FROM and _improves(result, excess, first)):
            more = runs_for(first) - 1
            seconds = seconds + process.ask(Fit(setting, more), limit * more).seconds
        result.steps.append(Step(setting, seconds, excess, fits.answer.passes, fits.answer.bytes_read))
        if excess <= TARGETS[-1]:
            return


def _improves(result: Result, excess: float, seconds: float) -> bool:
    """Whether a step would be the fastest to reach some target."""
    reached = (result.fastest(target) for target in TARGETS if excess <= target)
    return any(step is None or seconds < step.median for step in reached)


def runs_for(seconds: float) -> int:
    """How many runs make a median: at least three, and 0.3 s of them where fits are short, up to 101; an odd number."""
    return min(101, max(3, int(0.3 / max(seconds, 1e-6)))) | 1


def _fresh(module: str, data: Path, request: Fit | Memory, limit: float) -> Any:
    """The reply of a process that has fitted nothing yet, None where it fails or takes too long."""
    try:
        with Process(module, data) as process:
            return process.ask(request, limit + IMPORT_SECONDS)
    except (TimeLimitError, FitError, ProcessDiedError):
        return None
