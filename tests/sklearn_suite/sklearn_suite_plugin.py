"""A pytest plugin: scikit-learn's own tests of LogisticRegression and LogisticRegressionCV, put to ours.

The names are patched before the test module imports them.  Tests that never use them are left out; those in
`exceptions.txt` must fail, so that an entry that has become stale fails the run, and so does one that names no test;
those whose reason is chance may pass.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import sklearn.linear_model  # type: ignore[import-untyped]

import berkson


@dataclass(frozen=True)
class Entry:
    """A test's name, with `*` for anything and without its parameters for all of them, and why it does not apply."""

    name: str
    reason: str

    def covers(self, test: str) -> bool:
        pattern = re.escape(self.name).replace(r"\*", ".*")
        return re.fullmatch(pattern, test) is not None or re.fullmatch(pattern, test.split("[")[0]) is not None


def read_exceptions() -> list[Entry]:
    """Lines of `exceptions.txt`: a reason in brackets stands above the tests that it is the reason of."""
    reason, entries = "", []
    for line in (Path(__file__).parent / "exceptions.txt").read_text().splitlines():
        if line.startswith("# "):
            continue
        if line.startswith("("):
            reason = line.strip("()")
        elif line:
            entries.append(Entry(line, reason))
    return entries


def pytest_configure() -> None:
    sklearn.linear_model.LogisticRegression = berkson.LogisticRegression
    sklearn.linear_model.LogisticRegressionCV = berkson.LogisticRegressionCV


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    sources = {function: inspect.getsource(function) for function in {item.function for item in items}}
    left_out = [item for item in items if not re.search(r"\bLogisticRegression(CV)?\b", sources[item.function])]
    for entry in read_exceptions():
        covered = [item for item in items if entry.covers(item.name)]
        if not covered:
            raise pytest.UsageError(f"exceptions.txt: {entry.name} names no test")
        for item in covered:
            by_chance = entry.reason.startswith("by chance")
            item.add_marker(pytest.mark.xfail(reason=entry.reason, strict=not by_chance))
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
