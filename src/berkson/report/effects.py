"""Effects on probabilities as a grid and as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.quantities import Quantities
from berkson.report.layout import Block, Grid, Paragraph, Row, probability, significant

F64 = npt.NDArray[np.float64]

SPARE = ((3,), (2,))  # z and standard errors are left out where a terminal is too narrow for them


def effects_blocks(found: Quantities, level: float, several: bool) -> Iterator[Block]:
    """A row for each effect; of several classes one for each effect and class."""
    yield Paragraph(f"{found.what}, by the delta method")
    ends = found.interval(level)
    values: list[tuple[F64, Callable[[float], str]]] = [
        (found.estimate, significant),
        (found.std_error, significant),
        (found.statistic, lambda z: f"{z:.2f}"),
        (found.p_value, probability),
        (ends[:, 0], significant),
        (ends[:, 1], significant),
    ]
    rows = [
        Row(name, tuple("" if math.isnan(of[k]) else text(float(of[k])) for of, text in values))
        for k, name in enumerate(_names(found, several))
    ]
    yield Grid(("", "effect", "std. error", "z", "p", f"{100.0 * level:.6g}% from", "to"), tuple(rows), SPARE)
    yield from map(Paragraph, found.notes)


def _names(found: Quantities, several: bool) -> list[str]:
    names = []
    for column, contrast, of in zip(*(found.labels[k] for k in ("column", "contrast", "class")), strict=True):
        name = column if contrast == "dydx" else f"{column}: {contrast}"
        names.append(f"P({of}): {name}" if several else name)
    return names


def effects_record(found: Quantities, level: float) -> list[dict[str, Any]]:
    """An object for each effect; numbers that are not finite are null."""
    ends = found.interval(level)
    numbers = {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "statistic": found.statistic,
        "p_value": found.p_value,
        "low": ends[:, 0],
        "high": ends[:, 1],
    }
    return [
        {label: of[k] for label, of in found.labels.items()}
        | {name: float(of[k]) if math.isfinite(of[k]) else None for name, of in numbers.items()}
        for k in range(len(found.estimate))
    ]
