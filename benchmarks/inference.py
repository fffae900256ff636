"""The statistician's door: a fit with standard errors and its summary, against statsmodels and R.

Everyone fits the same data by maximum likelihood; the judge (judge.py) says how far each is from the largest
log-likelihood, and its textbook formulas, which share no code with berkson, say how far each standard error is from
that of the optimum.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.competitors import F64, OURS, Answer, Task, load, version
from benchmarks.competitors.inference import MODULES, WHAT, Covariance, Program, What
from benchmarks.judge import Reference, reference, standard_errors
from benchmarks.machine import Machine
from benchmarks.measure import IMPORT_SECONDS, runs_for
from benchmarks.messages import Fit, Fits, Memory
from benchmarks.problems import Problem, build
from benchmarks.process import FitError, Process, ProcessDiedError, TimeLimitError, environment
from benchmarks.report import amount, heading, seconds, section, table, write_csv
from benchmarks.worker import save

LONG = 3.0  # seconds: longer runs are not repeated
R_NAME, R_SCRIPT = "R glm", Path(__file__).parent / "competitors" / "inference" / "r_glm.R"
PACKAGES = ("berkson", "statsmodels", "numpy", "scipy")
FASTER, LEANER, ROBUST, SMALL = 30.0, 0.10, 2.0, 3e-3  # what is asked of ours; see `claims`
WORDS: dict[What, str] = {"fit": "fit", "errors": "with standard errors", "summary": "with the summary's text"}


@dataclass(frozen=True, slots=True)
class Size:
    """A problem, and in how many clusters its rows lie."""

    problem: Problem
    clusters: int


LARGE = Size(Problem("large", "the size that is asked about", 1_000_000, 50, (20_000, 10), strength=0.0), 1_000)
LITTLE = Size(Problem("little", "overhead is all there is", 200, 5, (200, 5), strength=0.0), 50)
SIZES = (LARGE, LITTLE)


@dataclass(slots=True)
class Measured:
    """What a program did with a covariance.

    seconds       median time of `logit(...)` or its like alone, with standard errors, with the summary as text
    extra_bytes   what fit and summary add at most to the resident memory of a process that holds the data
    error         largest relative difference of a standard error to the judge's
    shortfall     (largest log-likelihood - that of its estimates) / (largest - null model's)
    """

    program: str
    covariance: Covariance
    seconds: dict[What, float] = field(default_factory=dict)
    extra_bytes: int | None = None
    error: float | None = None
    shortfall: float | None = None
    note: str = ""


@dataclass(slots=True)
class Study:
    """A problem, its proved optimum, and what everyone did on it."""

    name: str
    n: int
    p: int
    clusters: int
    x_bytes: int
    reference: Reference
    rows: list[Measured] = field(default_factory=list)

    def row(self, program: str, covariance: Covariance = "model") -> Measured | None:
        found = (row for row in self.rows if (row.program, row.covariance) == (program, covariance))
        return next(found, None)

    @property
    def peers(self) -> list[Measured]:
        return [row for row in self.rows if row.program != OURS]


def run(date: str, machine: Machine, limit: float, out: Path, *, quick: bool = False) -> None:
    """Measure everyone at both sizes and write inference.md and inference.csv, after each size."""
    versions = {package: version(package) for package in PACKAGES} | {"R": r_version()}
    studies: list[Study] = []
    for size in SIZES:
        print(f"standard errors, {size.problem.name}", flush=True)
        studies.append(study(size, limit, quick=quick))
        out.mkdir(parents=True, exist_ok=True)
        lines = [*heading("Benchmark of inference", date, machine, versions, quick), *_lines(studies)]
        (out / "inference.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_csv(out / "inference.csv", [_record(each, row) for each in studies for row in each.rows])


def study(size: Size, limit: float, *, quick: bool = False) -> Study:
    """Everyone on one problem."""
    plain = build(size.problem, Path(), quick=quick)
    n, p = plain.X.shape
    task = replace(plain, cluster=np.random.default_rng(20_260_102).integers(0, size.clusters, (n,)))
    found = Study(size.problem.name, n, p, size.clusters, task.X.nbytes, reference(task))
    assert found.reference.answer is not None
    truth = standard_errors(task, found.reference.answer)
    with tempfile.TemporaryDirectory(prefix="berkson-benchmark-") as directory:
        data = Path(directory)
        save(task, data)
        for module in MODULES:
            program: Program = load(module)  # type: ignore[assignment]
            for covariance in program.COVARIANCES:
                row, given = _measure(module, program, covariance, data, limit)
                _judge(row, given, task, found.reference, truth)
                found.rows.append(_told(row))
        task.X.T.tofile(data / "X.f64")
        task.y.astype(np.float64).tofile(data / "y.f64")
        row, given = measure_r(data, n, p, limit)
        _judge(row, given, task, found.reference, truth)
        found.rows.append(_told(row))
    return found


def _told(row: Measured) -> Measured:
    print(f"  {row.program}, {row.covariance}: {row.note or seconds(row.seconds['summary'])}", flush=True)
    return row


def _judge(row: Measured, given: Answer | None, task: Task, best: Reference, truth: dict[str, F64]) -> None:
    if given is None or given.std_error is None:
        return
    row.shortfall = best.suboptimality(task, given, row.program) * best.null / (best.null - best.optimum)
    row.error = float(np.max(np.abs(given.std_error / truth[row.covariance] - 1.0)))


# --- programs -------------------------------------------------------------------------------------------------------


def _measure(
    module: str, program: Program, covariance: Covariance, data: Path, limit: float
) -> tuple[Measured, Answer | None]:
    """Times in one process, whose first fit is not counted, and memory in a fresh one."""
    row, given = Measured(program.NAME, covariance), None
    if version(program.PACKAGE) is None:
        row.note = f"absent: {program.PACKAGE} is not installed"
        return row, given
    last = {"what": "summary", "covariance": covariance}
    try:
        with Process(module, data) as process:
            given = process.ask(Fit(last, 1), limit + IMPORT_SECONDS).answer
            for what in WHAT:
                row.seconds[what] = _median(process, {**last, "what": what}, limit)
        with Process(module, data) as process:
            row.extra_bytes = process.ask(Memory(last), limit + IMPORT_SECONDS).extra_bytes
    except TimeLimitError:
        row.note = f"> {limit:g} s"
    except (FitError, ProcessDiedError) as error:
        row.note = str(error)
    return row, given


def _median(process: Process, setting: dict[str, str], limit: float) -> float:
    once: Fits = process.ask(Fit(setting, 1), limit)
    if once.seconds[0] > LONG:
        return once.seconds[0]
    runs = runs_for(once.seconds[0])
    more: Fits = process.ask(Fit(setting, runs), limit * runs)
    return statistics.median(more.seconds)


def measure_r(data: Path, n: int, p: int, limit: float) -> tuple[Measured, Answer | None]:
    """R's glm, from a script that times itself; its first fit is not counted."""
    row = Measured(R_NAME, "model")
    program = shutil.which("Rscript")
    if program is None:
        row.note = "absent: Rscript is not installed"
        return row, None
    command = [program, "--vanilla", str(R_SCRIPT), *map(str, (data, n, p, LONG))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=20 * limit)
    except subprocess.TimeoutExpired:
        row.note = f"> {20 * limit:g} s for all its runs"
        return row, None
    if done.returncode:
        row.note = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return row, None
    numbers = [list(map(float, line.split())) for line in done.stdout.splitlines()]
    row.seconds = {what: value for what, (value,) in zip(WHAT, numbers, strict=False)}
    row.extra_bytes = int(numbers[len(WHAT)][0])
    params = np.array(numbers[len(WHAT) + 1 :])
    return row, Answer(params[None, 1:, 0], params[:1, 0], std_error=params[:, 1])


def r_version() -> str | None:
    program = shutil.which("Rscript")
    if program is None:
        return None
    done = subprocess.run(
        [program, "--vanilla", "-e", "cat(format(getRversion()))"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


# --- tables ---------------------------------------------------------------------------------------------------------


def claims(studies: list[Study]) -> Iterator[tuple[str, str, str]]:
    """What is asked of ours, what was found, and whether that is met; of the sizes and programs that were measured."""
    for each in studies:
        ours = each.row(OURS)
        if ours is None or not ours.seconds:
            yield f"berkson fits the {each.name} problem", "it did not", "**no**"
        elif each.name == LITTLE.problem.name:
            found = ours.seconds["errors"]
            yield f"{_size(each)}: standard errors in {seconds(SMALL)}", seconds(found), _met(found <= SMALL)
        else:
            yield from _claims_of_large(each, ours)


def _claims_of_large(each: Study, ours: Measured) -> Iterator[tuple[str, str, str]]:
    for peer in each.peers:
        if peer.seconds:
            ratio = peer.seconds["summary"] / ours.seconds["summary"]
            yield f"summary {FASTER:g}x faster than {peer.program}", f"{ratio:.3g}x", _met(ratio >= FASTER)
    for row in each.rows:
        if row.program == OURS and row.extra_bytes is not None:
            share = row.extra_bytes / each.x_bytes
            yield f"{row.covariance}: at most {LEANER:.0%} above the data", f"{share:.1%}", _met(share <= LEANER)
        if row.program == OURS and row is not ours and row.seconds:
            ratio = row.seconds["summary"] / ours.seconds["summary"]
            yield f"{row.covariance}: at most {ROBUST:g} plain summaries", f"{ratio:.3g}", _met(ratio <= ROBUST)


def _met(yes: bool) -> str:
    return "yes" if yes else "**no**"


def losses(studies: list[Study]) -> Iterator[str]:
    """A line for each time and memory in which some peer does better than we do."""
    found = [line for each in studies if (ours := each.row(OURS)) for line in _losses_of(each, ours)]
    yield from found or ["Nowhere in this run."]


def _losses_of(each: Study, ours: Measured) -> Iterator[str]:
    for peer in each.peers:
        for what in WHAT:
            if what in peer.seconds and peer.seconds[what] < ours.seconds.get(what, np.inf):
                mine = seconds(ours.seconds.get(what))
                yield f"- {_size(each)}, {WORDS[what]}: {peer.program} {seconds(peer.seconds[what])}; ours {mine}"
        if None not in (peer.extra_bytes, ours.extra_bytes) and peer.extra_bytes < ours.extra_bytes:  # type: ignore[operator]
            mine = amount(ours.extra_bytes)
            yield f"- {_size(each)}, extra memory: {peer.program} {amount(peer.extra_bytes)}; ours {mine}"


def _lines(studies: list[Study]) -> Iterator[str]:
    yield "Maximum likelihood with an intercept; README.md says how it is measured."
    yield from section("Asked and found", table(("asked", "found", "met"), list(claims(studies))))
    yield from section("Where we lose", losses(studies))
    for each in studies:
        yield from section(f"{_size(each)}, {each.clusters:,} clusters", _table_of(each))


def _table_of(each: Study) -> Iterator[str]:
    best = each.reference
    yield f"Log-likelihood {-best.optimum:.12g}, proved to {best.gap:.0e}; of the null model {-best.null:.12g}."
    if best.beaten_by:
        yield f"**{best.beaten_by} gets {-best.lowest:.0e} above that: it is wrong.**"
    yield ""
    names = ("", "covariance", *WORDS.values(), "extra memory", "of X", "errors off by", "likelihood off by", "note")
    yield from table(names, [_cells(each, row) for row in each.rows])


def _cells(each: Study, row: Measured) -> tuple[str, ...]:
    return (
        row.program,
        row.covariance,
        *(seconds(row.seconds.get(what)) for what in WHAT),
        amount(row.extra_bytes),
        "-" if row.extra_bytes is None else f"{row.extra_bytes / each.x_bytes:.1%}",
        "-" if row.error is None else f"{row.error:.0e}",
        "-" if row.shortfall is None else "< 1e-15" if row.shortfall < 1e-15 else f"{row.shortfall:.0e}",
        row.note,
    )


def _size(each: Study) -> str:
    return f"{each.n:,} x {each.p:,}"


def _record(each: Study, row: Measured) -> dict[str, object]:
    return {
        "problem": each.name,
        "n": each.n,
        "p": each.p,
        "clusters": each.clusters,
        "program": row.program,
        "covariance": row.covariance,
        **{f"seconds_{what}": row.seconds.get(what) for what in WHAT},
        "extra_bytes": row.extra_bytes,
        "x_bytes": each.x_bytes,
        "error_of_standard_errors": row.error,
        "shortfall_of_likelihood": row.shortfall,
        "note": row.note,
    }
