"""What the tables say: Markdown for people, CSV for programs.  Who wins and who loses is computed, never written."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.accuracy import WRONG, Accuracy
from benchmarks.competitors import OURS
from benchmarks.judge import Reference
from benchmarks.machine import Machine
from benchmarks.measure import TARGETS, Result
from benchmarks.problems import Problem
from benchmarks.small import Wait

MAIN_TARGETS = (1e-8, 1e-6)  # of the headline's ratios


@dataclass(slots=True)
class Row:
    """A problem and what everyone did on it; `absent` says why it was not run."""

    problem: Problem
    n: int = 0
    p: int = 0
    x_bytes: int = 0
    reference: Reference | None = None
    results: list[Result] = field(default_factory=list)
    absent: str = ""

    @property
    def ours(self) -> Result | None:
        return next((r for r in self.results if r.competitor == OURS), None)

    @property
    def peers(self) -> list[Result]:
        return [r for r in self.results if r.competitor != OURS]


@dataclass(slots=True)
class Report:
    date: str
    machine: Machine
    versions: dict[str, str | None]
    limit: float
    quick: bool
    rows: list[Row] = field(default_factory=list)
    accuracy: dict[str, Accuracy | None] = field(default_factory=dict)
    small: list[Wait] = field(default_factory=list)

    def write(self, directory: Path) -> None:
        """results.md, results.csv (one line a competitor and problem) and settings.csv (one line a setting tried)."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "results.md").write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
        write_csv(directory / "results.csv", [_record(row, r) for row in self.rows for r in row.results])
        write_csv(directory / "settings.csv", [record for row in self.rows for record in _settings(row)])

    def _lines(self) -> Iterator[str]:
        yield from self._heading()
        run = [row for row in self.rows if row.reference is not None]
        yield from section("Ours against the fastest peer", _headline(run, self.machine))
        yield from section("Where we lose", losses(run))
        for row in self.rows:
            yield from section(f"{row.problem.name}: {_size(row)}", _problem(row, self.limit))
        if self.accuracy:
            yield from section("Small data sets as they come", _accuracy(self.accuracy))
        if self.small:
            waits = table(("", "seconds"), [(w.what, seconds(w.seconds)) for w in self.small])
            yield from section("Waiting", waits)
        yield from section("Is the judge right?", _checks(run))

    def _heading(self) -> Iterator[str]:
        yield from heading("Benchmark", self.date, self.machine, self.versions, self.quick)
        yield f"Limit of a fit: {self.limit:g} s."
        yield "Times are to a suboptimality (P - P\\*) / P(null) on the same objective; README.md says how."


def heading(title: str, date: str, m: Machine, versions: dict[str, str | None], quick: bool) -> Iterator[str]:
    """When, where and with what a table was made."""
    yield f"# {title}"
    yield ""
    yield f"{date}. {m.processor}, {m.cores} cores, {m.memory_bytes / 2**30:.0f} GiB; {m.system}."
    yield f"Memory is read at {m.bandwidth / 1e9:.1f} GB/s by all cores together. Load before: {m.load:.1f}."
    listed = ", ".join(f"{name} {number or 'absent'}" for name, number in versions.items())
    yield f"Python {m.python}. Versions: {listed}."
    if quick:
        yield ""
        yield "**A quick run: small sizes, few competitors. It shows that the benchmark works, not who is fast.**"
    yield ""


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    if value < 1.0:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s"


def amount(value: float | None) -> str:
    if value is None:
        return "-"
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e3:.3g} kB"


def fastest_peer(row: Row, target: float) -> tuple[str, float] | None:
    """The peer of the least time to a target, None where none gets there."""
    times = [(step.median, r.competitor) for r in row.peers if (step := r.fastest(target))]
    return (min(times)[1], min(times)[0]) if times else None


def our_time(row: Row, target: float) -> float | None:
    step = row.ours.fastest(target) if row.ours else None
    return step.median if step else None


def _ratio(row: Row, target: float) -> str:
    ours, peer = our_time(row, target), fastest_peer(row, target)
    if ours is None:
        return "we do not get there"
    return "no peer gets there" if peer is None else f"{peer[1] / ours:.2g}x"


def _headline(rows: list[Row], machine: Machine) -> Iterator[str]:
    names = ("problem", "size", "ours, 1e-8", "fastest peer, 1e-8", *(f"ratio, {t:.0e}" for t in MAIN_TARGETS))
    names += ("passes", "GB/s", "of memory speed", "extra memory", "of X")
    cells = []
    for row in rows:
        peer = fastest_peer(row, MAIN_TARGETS[0])
        step = row.ours.fastest(MAIN_TARGETS[0]) if row.ours else None
        speed = step.bytes_read / step.median if step and step.bytes_read else None
        extra = row.ours.extra_bytes if row.ours else None
        cells.append(
            (
                row.problem.name,
                f"{row.n:,} x {row.p:,}",
                seconds(our_time(row, MAIN_TARGETS[0])),
                f"{peer[0]}, {seconds(peer[1])}" if peer else "none gets there",
                *(_ratio(row, target) for target in MAIN_TARGETS),
                f"{step.passes:.3g}" if step and step.passes else "-",
                f"{speed / 1e9:.3g}" if speed else "-",
                f"{speed / machine.bandwidth:.0%}" if speed else "-",
                amount(extra),
                "-" if extra is None else f"{extra / row.x_bytes:.1%}",
            )
        )
    return table(names, cells)


def losses(rows: list[Row]) -> Iterator[str]:
    """A line for each problem and measure in which some peer does better than we do."""
    found = [line for row in rows if row.ours for line in _losses_of(row)]
    yield from found or ["Nowhere in this run."]


def _losses_of(row: Row) -> Iterator[str]:
    name = row.problem.name
    for target in TARGETS:
        ours, peer = our_time(row, target), fastest_peer(row, target)
        if peer is not None and (ours is None or peer[1] < ours):
            us = "we do not get there" if ours is None else f"{seconds(ours)}, {ours / peer[1]:.3g} times as long"
            yield f"- {name}, to {target:.0e}: {peer[0]} {seconds(peer[1])}; {us}"
        elif peer is None and ours is None:
            yield f"- {name}, to {target:.0e}: nobody gets there"
    assert row.ours is not None
    measures: tuple[tuple[str, Callable[[Result], float | None], Callable[[float], str]], ...] = (
        ("cold", lambda r: r.cold, seconds),
        ("extra memory", lambda r: r.extra_bytes, amount),
    )
    for what, value, show in measures:
        mine = value(row.ours)
        theirs = [(v, r.competitor) for r in row.peers if r.fastest(1e-8) and (v := value(r)) is not None]
        if mine is not None and theirs and min(theirs)[0] < mine:
            yield f"- {name}, {what}: {min(theirs)[1]} {show(min(theirs)[0])}; ours {show(mine)}"


def _problem(row: Row, limit: float) -> Iterator[str]:
    yield row.problem.why[0].upper() + row.problem.why[1:] + "."
    if row.absent:
        yield f"Not run: {row.absent}."
        return
    assert row.reference is not None
    optimum, null, gap = row.reference.optimum, row.reference.null, row.reference.gap
    yield f"P\\* = {optimum:.12g}, P(null) = {null:.12g}, proved gap {gap:.0e}."
    yield ""
    names = ("", *(f"to {target:.0e}" for target in TARGETS), "cold", "extra memory", "least", "note")
    yield from table(names, [_problem_cells(result, limit) for result in row.results])


def _problem_cells(result: Result, limit: float) -> tuple[str, ...]:
    if result.best is None:
        note = f"> {limit:g} s" if result.timed_out else result.note
        return (result.competitor, *("-" for _ in TARGETS), "-", "-", "-", note)
    least = "< 1e-15" if result.best < 1e-15 else f"{result.best:.0e}"
    off = f"{least} off"
    missed = f"> {limit:g} s, {off}" if result.timed_out else off
    times = [seconds(step.median) if (step := result.fastest(target)) else missed for target in TARGETS]
    return (result.competitor, *times, seconds(result.cold), amount(result.extra_bytes), least, result.note)


def _accuracy(found: dict[str, Accuracy | None]) -> Iterator[str]:
    counts = {a.count for a in found.values() if a}
    yield f"{', '.join(map(str, counts))} random sets, columns with means of 10 to 10,000 and standard deviations of 1,"
    yield "each library's defaults. Wrong: a fitted probability further than "
    yield f"{WRONG:g} from the optimum of the same objective."
    yield ""
    cells = [
        (
            name,
            f"{a.silently_wrong / a.count:.1%}",
            f"{a.wrong_with_warning / a.count:.1%}",
            str(a.raised),
            f"{a.worst_silent:.1g}",
        )
        if a
        else (name, "not run", "-", "-", "-")
        for name, a in found.items()
    ]
    yield from table(("", "silently wrong", "wrong, with a warning", "raised", "worst error, silent"), cells)


def _checks(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        reference = row.reference
        assert reference is not None
        if reference.beaten_by:
            below = f"{reference.beaten_by} is {-reference.lowest:.1e} below P\\*"
            yield f"- **{row.problem.name}: {below}: P\\* is wrong.**"
        if not math.isfinite(reference.gap) or reference.gap > 1e-9:
            yield f"- **{row.problem.name}: P\\* is proved to {reference.gap:.0e} only.**"
        if reference.cross_check is not None:
            yield f"- {row.problem.name}: P\\* is {abs(reference.cross_check):.0e} from Newton's in 40 digits."
    lowest = min((row.reference.lowest for row in rows if row.reference), default=0.0)
    yield f"- The least (P - P\\*) / P(null) that anyone reached on any problem: {lowest:.1e}."


def _size(row: Row) -> str:
    problem = row.problem
    classes = f", {problem.classes} classes" if problem.classes > 2 else ""
    penalty = f"ridge {problem.strength:g}" if problem.strength else "no penalty"
    size = f"{row.n:,} x {row.p:,}" if row.n else "not run"
    return f"{size}, {problem.dtype}{classes}, {penalty}"


def section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _record(row: Row, result: Result) -> dict[str, object]:
    step = result.fastest(1e-8)
    times = {f"seconds_{t:.0e}": s.median if (s := result.fastest(t)) else None for t in TARGETS}
    return {
        "problem": row.problem.name,
        "competitor": result.competitor,
        "n": row.n,
        "p": row.p,
        "classes": row.problem.classes,
        **times,
        "least_suboptimality": result.best,
        "timed_out": result.timed_out,
        "cold_seconds": result.cold,
        "extra_bytes": result.extra_bytes,
        "x_bytes": row.x_bytes,
        "passes": step.passes if step else None,
        "bytes_read": step.bytes_read if step else None,
        "note": result.note,
    }


def _settings(row: Row) -> Iterator[dict[str, object]]:
    for result in row.results:
        for step in result.steps:
            yield {
                "problem": row.problem.name,
                "competitor": result.competitor,
                "setting": json.dumps(step.setting),
                "median_seconds": step.median,
                "runs": len(step.seconds),
                "least_seconds": min(step.seconds),
                "most_seconds": max(step.seconds),
                "suboptimality": step.suboptimality,
                "passes": step.passes,
                "bytes_read": step.bytes_read,
            }


def write_csv(path: Path, records: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        if records:
            writer = csv.DictWriter(out, fieldnames=list(records[0]))
            writer.writeheader()
            writer.writerows(records)
