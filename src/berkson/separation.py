"""Separation: whether maximum likelihood has no finite optimum, which coefficients are infinite and in which direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.problem import Problem


@dataclass(frozen=True, slots=True)
class Infinite:
    """A coefficient without a finite estimate: its column (p: the constant), class (None for two), sign (0: either)."""

    column: int
    class_index: int | None
    sign: int


@dataclass(frozen=True, slots=True)
class Separation:
    """kind: 'complete' | 'quasi-complete'; the infinite coefficients; how many rows are separated."""

    kind: str
    infinite: tuple[Infinite, ...]
    separated_rows: int


def find_separation(problem: Problem, kept: npt.NDArray[np.intp] | None) -> Separation | None:
    raise NotImplementedError
