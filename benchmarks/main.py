"""The benchmark, in one command: everyone on every problem, one after the other, judged, into one table."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks import inference
from benchmarks.accuracy import SHAPE as ACCURACY_SHAPE
from benchmarks.accuracy import Accuracy
from benchmarks.competitors import MODULES, QUICK_MODULES, load, version
from benchmarks.judge import reference
from benchmarks.machine import describe
from benchmarks.measure import Result, measure
from benchmarks.problems import PROBLEMS, QUICK_PROBLEMS, AbsentError, Problem, build
from benchmarks.process import ROOT, environment
from benchmarks.report import Report, Row, seconds
from benchmarks.small import Wait
from benchmarks.studies import run as studies
from benchmarks.worker import save

SMALL = "small data"  # the two tables about small data
INFERENCE = "inference"  # the tables about standard errors, in files of their own
STUDIES = "studies"  # penalties, folds, bootstrap and other shapes, likewise; 'studies:NAME' is one of them
SUPPORTING = ("numpy", "scipy")  # whose versions matter to everyone's times


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    modules = QUICK_MODULES if options.quick else MODULES
    report = Report(
        datetime.date.today().isoformat(),
        describe(5_000_000 if options.quick else 50_000_000),
        _versions(modules),
        options.limit,
        options.quick,
    )
    for problem in _chosen(options.only, options.quick):
        report.rows.append(_run(problem, modules, options))
        report.write(options.out)
    if options.only is None or SMALL in options.only:
        report.accuracy = {load(module).NAME: _accuracy(module, 20 if options.quick else 200) for module in modules}
        waits = _json_of("benchmarks.small", "1" if options.quick else "7")
        report.small = [Wait(**wait) for wait in waits or []]
        report.write(options.out)
    if options.only is None or INFERENCE in options.only:
        inference.run(report.date, report.machine, options.limit, options.out, quick=options.quick)
    chosen = [name.partition(":")[2] or "*" for name in options.only or [STUDIES] if name.partition(":")[0] == STUDIES]
    if chosen:
        machine, date = report.machine, report.date
        studies.run(
            date, machine, options.limit, options.out, patterns=chosen, adelie=options.adelie, quick=options.quick
        )
    print(f"written to {options.out}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, few problems and competitors: does it work?")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        nargs="+",
        help=f"problems of these names (* for anything), '{SMALL}', '{INFERENCE}', '{STUDIES}' or '{STUDIES}:NAME'",
    )
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="of one fit (default 120; quick 5)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", metavar="DIRECTORY")
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data" / "fetched",
        metavar="DIRECTORY",
        help="of the real files, such as adult.csv.gz (default: %(default)s)",
    )
    parser.add_argument("--adelie", metavar="PYTHON", help="an interpreter that has adelie, for the studies")
    options = parser.parse_args(arguments)
    options.limit = options.limit or (5.0 if options.quick else 120.0)
    return options


def _chosen(patterns: Sequence[str] | None, quick: bool) -> list[Problem]:
    if patterns is None:
        return [problem for problem in PROBLEMS if not quick or problem.name in QUICK_PROBLEMS]
    found = [problem for problem in PROBLEMS if any(fnmatch(problem.name, pattern) for pattern in patterns)]
    if not found and not {SMALL, INFERENCE, STUDIES} & {pattern.partition(":")[0] for pattern in patterns}:
        names = ", ".join(repr(problem.name) for problem in PROBLEMS)
        raise SystemExit(f"no problem is named {' or '.join(map(repr, patterns))}; they are {names}")
    return found


def _run(problem: Problem, modules: Sequence[str], options: argparse.Namespace) -> Row:
    print(problem.name, flush=True)
    row = Row(problem)
    try:
        task = build(problem, options.data, quick=options.quick)
    except AbsentError as error:
        row.absent = str(error)
        print(f"  not run: {error}", flush=True)
        return row
    (row.n, row.p), row.x_bytes = task.X.shape, task.X.nbytes
    row.reference = reference(task)
    with tempfile.TemporaryDirectory(prefix="berkson-benchmark-") as directory:
        data = Path(directory)
        save(task, data)
        for module in modules:
            began = time.perf_counter()
            result = measure(problem.name, module, task, data, row.reference, options.limit)
            row.results.append(result)
            print(f"  {_line(result)}  [{time.perf_counter() - began:.0f} s]", flush=True)
    return row


def _line(result: Result) -> str:
    step = result.fastest(1e-8)
    if step:
        return f"{result.competitor}: 1e-8 in {seconds(step.median)}"
    why = "time limit" if result.timed_out else result.note
    return f"{result.competitor}: " + (why if result.best is None else f"{result.best:.0e} off {why}")


def _versions(modules: Sequence[str]) -> dict[str, str | None]:
    packages = dict.fromkeys([*(load(module).PACKAGE for module in modules), *SUPPORTING])
    return {package: version(package) for package in packages}


def _accuracy(module: str, count: int) -> Accuracy | None:
    """The survey in a process of its own; None where the competitor is absent or cannot do such a problem."""
    competitor = load(module)
    if version(competitor.PACKAGE) is None or competitor.cannot(ACCURACY_SHAPE):
        return None
    found = _json_of("benchmarks.accuracy", module, str(count))
    return None if found is None else Accuracy(**found)


def _json_of(module: str, *arguments: str) -> Any:
    """The last line that a module of the benchmark prints, read as JSON; None where it fails, which is said."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=ROOT)
    if done.returncode:
        print(f"  {module} {' '.join(arguments)} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    return json.loads(done.stdout.splitlines()[-1])
