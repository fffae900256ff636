"""Run the studies and write studies.md and studies.csv, after each study."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.competitors import version
from benchmarks.machine import Machine
from benchmarks.process import ROOT, environment
from benchmarks.report import amount, heading, seconds, section, table, write_csv
from benchmarks.studies.data import F64, Data, load, save
from benchmarks.studies.judge import null_objective, objectives
from benchmarks.studies.outside import OUTSIDE, Interpreters, ladder, run_outside, write_raw
from benchmarks.studies.programs import PROGRAMS
from benchmarks.studies.study import OF_OURS, STUDIES, Rivals, Study

PACKAGES = ("berkson", "scikit-learn", "skglm", "celer", "glum", "numpy", "scipy")
LOADING = 180.0  # seconds allowed for starting a process, loading the data and compiling


@dataclass(slots=True)
class Trial:
    """A program at a setting: seconds (median, warm), objectives at each penalty (and fold), extra memory."""

    setting: dict[str, Any]
    seconds: float
    cold: float
    extra: int | None
    values: F64
    said: dict[str, Any]
    gap: float = np.inf


@dataclass(slots=True)
class Outcome:
    program: str
    trials: list[Trial] = field(default_factory=list)
    note: str = ""
    stopped: float | None = None  # the limit, in seconds, that a setting outlasted

    def first_within(self, accuracy: float) -> Trial | None:
        return min((t for t in self.trials if t.gap <= accuracy), key=lambda t: t.seconds, default=None)


@dataclass(slots=True)
class Finding:
    """A study and what everyone did in it."""

    study: Study
    shape: tuple[int, ...]
    n_bytes: int
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def ours(self) -> Outcome:
        return self.outcomes[0]

    def fastest_peer(self) -> tuple[str, float] | None:
        """The fastest of those that are accurate enough."""
        found = [
            (outcome.program, self.study.peers_count * trial.seconds)
            for outcome in self.outcomes[1:]
            if (trial := outcome.first_within(self.study.accuracy))
        ]
        return min(found, key=lambda each: each[1], default=None)


def run(
    date: str,
    machine: Machine,
    limit: float,
    out: Path,
    *,
    patterns: Sequence[str] = ("*",),
    adelie: str | None = None,
    quick: bool = False,
) -> None:
    who, findings = Interpreters.found(adelie), []
    versions = {package: version(package) for package in PACKAGES}
    for study in STUDIES:
        if any(fnmatch(study.name, pattern) for pattern in patterns):
            print(study.name, flush=True)
            findings.append(_study(study, who, limit, quick=quick))
            out.mkdir(parents=True, exist_ok=True)
            lines = [*heading("Studies", date, machine, versions, quick), *_lines(findings, limit)]
            (out / "studies.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
            write_csv(out / "studies.csv", [record for each in findings for record in _records(each)])


def _study(study: Study, who: Interpreters, limit: float, *, quick: bool) -> Finding:
    with tempfile.TemporaryDirectory(prefix="berkson-benchmark-") as name:
        directory = Path(name)
        save(study.quick() if quick else study.build(), directory)
        data = load(directory)
        shape = (*data.X.shape, *([] if data.codes is None else (data.codes.max(axis=0) + 1).tolist()))
        found = Finding(study, shape, data.n_bytes)
        if set(study.peers) & set(OUTSIDE):
            write_raw(data, directory)
        for program in (study.ours, *study.peers):
            outcome = Outcome(program)
            found.outcomes.append(outcome)
            allowed = limit if program == study.ours else max(limit, study.patience)
            _climb(outcome, found, data, directory, who, allowed)
            last = outcome.first_within(study.accuracy)
            print(
                f"  {program}: {seconds(last.seconds) if last else outcome.note or 'not accurate enough'}", flush=True
            )
    return found


def _climb(outcome: Outcome, found: Finding, data: Data, directory: Path, who: Interpreters, limit: float) -> None:
    """Settings from loose to tight until one is accurate enough, next to all that came before, or too long."""
    program, null = outcome.program, null_objective(data)
    outside = program in OUTSIDE
    if outside and (why := who.absent(program)):
        outcome.note = why
        return
    if not outside and version(PROGRAMS[program].package) is None:
        outcome.note = f"absent: {PROGRAMS[program].package} is not installed"
        return
    for setting in ladder(program) if outside else PROGRAMS[program].ladder:
        try:
            if outside:
                spent, coefs, said = run_outside(program, setting, data, directory, who, limit)
                trial = Trial(setting, spent, spent, None, _values(data, coefs), said)
            else:
                trial = _trial(program, setting, data, directory, limit)
        except subprocess.TimeoutExpired:
            outcome.note, outcome.stopped = f"> {limit:g} s at {_told(setting)}", limit
            break
        except RuntimeError as error:
            outcome.note = str(error)
            break
        outcome.trials.append(trial)
        _judge(found, null)
        if trial.gap <= found.study.accuracy or trial.seconds > limit:
            break  # tighter settings are slower


def _trial(program: str, setting: dict[str, Any], data: Data, directory: Path, limit: float) -> Trial:
    command = [sys.executable, "-m", "benchmarks.studies.worker", program, json.dumps(setting), str(directory)]
    done = subprocess.run(
        [*command, str(limit)],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=limit + LOADING,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    told = json.loads(done.stdout.splitlines()[-1])
    values = _values(data, np.load(directory / "coefs.npy"))
    return Trial(setting, float(np.median(told["seconds"])), told["cold"], told["extra"], values, told["said"])


def _values(data: Data, coefs: F64) -> F64:
    """Objectives (1, L) of the path or (folds, L), each fold's of the rows that train it, against all rows' number."""
    if coefs.ndim == 2:
        return objectives(data, coefs)[None, :]
    return np.array([objectives(data, each, fold) for fold, each in enumerate(coefs)])


def _judge(found: Finding, null: float) -> None:
    """The gap of each trial: the worst excess over the least objective that anyone reached, relative to the null."""
    everyone = [trial for outcome in found.outcomes for trial in outcome.trials]
    if not everyone:
        return
    least = np.min([trial.values for trial in everyone if trial.values.shape == everyone[0].values.shape], axis=0)
    for trial in everyone:
        trial.gap = float(((trial.values - least) / null).max()) if trial.values.shape == least.shape else np.inf


# --- tables ---------------------------------------------------------------------------------------------------------


def _lines(findings: list[Finding], limit: float) -> Iterator[str]:
    yield f"Limit of a run: {limit:g} s.  README.md says how it is measured."
    yield from section("Asked and found", table(("study", "asked", "found", "met"), list(_claims(findings))))
    yield from section("Where we lose", iter(list(_losses(findings)) or ["Nowhere in this run."]))
    for found in findings:
        yield from section(f"{found.study.name}: {_size(found)}", _table(found))


def _claims(findings: list[Finding]) -> Iterator[tuple[str, str, str, str]]:
    for found in findings:
        study, ours = found.study, found.ours.first_within(found.study.accuracy)
        asked = (
            f"{study.asked:g}x the fastest peer"
            if study.peers_count == 1
            else (f"{study.peers_count:,} in 1/{study.asked:g} of the fastest peer's fits")
        )
        if ours is None:
            yield study.name, asked, found.ours.note or "ours is not accurate enough", "**no**"
            continue
        yield study.name, asked, *_against_peers(found, ours)
        if study.rivals is not None:
            yield _against(study.rivals, found, ours)
        if study.most is not None and ours.extra is not None:
            part = ours.extra / found.n_bytes
            yield (
                study.name,
                f"table and what a fit adds at most, in memory: {1 + study.most:g} of the table",
                f"{1 + part:.2f}",
                ("yes" if part <= study.most else "**no**"),
            )
    by_name = {found.study.name: found.ours.first_within(found.study.accuracy) for found in findings}
    for name, most, single, what in OF_OURS:
        whole, folds = by_name.get(single), by_name.get(name)
        if whole and folds:
            ratio = folds.seconds / whole.seconds
            yield name, f"{most:g}x our own {what}", f"{ratio:.3g}x", "yes" if ratio <= most else "**no**"


def _against_peers(found: Finding, ours: Trial) -> tuple[str, str]:
    """Ours against the fastest of them, who may be one that was stopped where all others took longer."""
    count = found.study.peers_count
    those = [(outcome.program, count * outcome.stopped) for outcome in found.outcomes[1:] if outcome.stopped]
    stopped, peer = min(those, key=lambda each: each[1], default=None), found.fastest_peer()
    if stopped is not None and (peer is None or stopped[1] < peer[1]):
        ratio = stopped[1] / ours.seconds
        told = f"> {ratio:.3g}x: {stopped[0]} stopped at {seconds(stopped[1])}"
    elif peer is not None:
        ratio = peer[1] / ours.seconds
        told = f"{ratio:.3g}x ({peer[0]})"
    else:
        return f"{seconds(ours.seconds)}; no peer gets there", "yes"
    return told, "yes" if ratio >= found.study.asked else "**no**"


def _against(rivals: Rivals, found: Finding, ours: Trial) -> tuple[str, str, str, str]:
    """Ours against the shortest that one of them took, at its loosest setting, or was stopped at."""
    those = [outcome for outcome in found.outcomes if outcome.program in rivals.programs]
    spent = [(trial.seconds, outcome, "") for outcome in those for trial in outcome.trials[:1]]
    stopped = [(outcome.stopped, outcome, "> ") for outcome in those if outcome.stopped and not outcome.trials]
    asked = f"{rivals.asked:g}x {rivals.what}"
    if not spent and not stopped:
        return found.study.name, asked, "none of them ran", "**no**"
    least, outcome, more = min([*spent, *stopped], key=lambda each: each[0])
    ratio = least / ours.seconds
    met = "yes" if ratio >= rivals.asked else "**no**"
    return found.study.name, asked, f"{more}{ratio:.3g}x ({outcome.program})", met


def _losses(findings: list[Finding]) -> Iterator[str]:
    for found in findings:
        ours, peer = found.ours.first_within(found.study.accuracy), found.fastest_peer()
        if peer and (ours is None or peer[1] < ours.seconds):
            mine = "ours is not accurate enough" if ours is None else f"ours {seconds(ours.seconds)}"
            yield f"- {found.study.name}: {peer[0]} {seconds(peer[1])}; {mine}"
        if ours is not None:
            yield from _lesser_losses(found, ours)


def _lesser_losses(found: Finding, ours: Trial) -> Iterator[str]:
    """First runs and memory."""
    for outcome in found.outcomes[1:]:
        trial = outcome.first_within(found.study.accuracy)
        if trial is None:
            continue
        if found.study.peers_count * trial.cold < ours.cold:
            yield f"- {found.study.name}, first run: {outcome.program} {seconds(trial.cold)}; ours {seconds(ours.cold)}"
        if trial.extra is not None and ours.extra is not None and trial.extra < ours.extra:
            mine = amount(ours.extra)
            yield f"- {found.study.name}, extra memory: {outcome.program} {amount(trial.extra)}; ours {mine}"


def _table(found: Finding) -> Iterator[str]:
    yield f"{found.study.what}.  Timed where the objective is within {found.study.accuracy:g} of the least, relative"
    yield "to the null model's, at every penalty."
    yield ""
    rows = []
    for outcome in found.outcomes:
        trial = outcome.first_within(found.study.accuracy)
        last = trial or (outcome.trials[-1] if outcome.trials else None)
        rows.append(
            (
                outcome.program,
                seconds(trial.seconds) if trial else "-",
                seconds(trial.cold) if trial else "-",
                amount(trial.extra) if trial else "-",
                "-" if last is None else f"{last.gap:.0e}",
                "-" if last is None else _told(last.setting),
                outcome.note,
            )
        )
    yield from table(("", "time", "first run", "extra memory", "off by", "setting", "note"), rows)


def _told(setting: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else str(value) for name, value in setting.items())


def _size(found: Finding) -> str:
    rows, columns, *levels = found.shape
    more = f", factors of {', '.join(f'{count:,}' for count in levels)} levels" if levels else ""
    return f"{rows:,} x {columns:,}{more}"


def _records(found: Finding) -> Iterator[dict[str, object]]:
    for outcome in found.outcomes:
        for trial in outcome.trials or [None]:  # type: ignore[list-item]
            yield {
                "study": found.study.name,
                "n": found.shape[0],
                "p": found.shape[1],
                "program": outcome.program,
                "setting": "" if trial is None else _told(trial.setting),
                "seconds": None if trial is None else trial.seconds,
                "first_run": None if trial is None else trial.cold,
                "extra_bytes": None if trial is None else trial.extra,
                "suboptimality": None if trial is None else trial.gap,
                "note": outcome.note,
            }
