"""What the harness and its workers say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.competitors import Answer


@dataclass(frozen=True, slots=True)
class Fit:
    """Fit `runs` times with a setting: answered by Fits."""

    setting: dict[str, Any]
    runs: int


@dataclass(frozen=True, slots=True)
class Fits:
    """Seconds of each run, and the last answer."""

    seconds: list[float]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Memory:
    """Fit once and watch resident memory: answered by Peak."""

    setting: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peak:
    """What a fit added, at most, to the resident memory that was there before it."""

    extra_bytes: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A fit that raised; `error` is its message."""

    error: str
