"""Clusters: which rows belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import StatisticsError
from berkson.table import Column, quoted

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Clusters:
    """codes (n,): integers from 0, equal for rows of the same cluster; `name` is the column's that told them."""

    name: str
    codes: Array


def clusters_of(column: Column) -> Clusters:
    """The clusters that a column of any kind tells: rows of equal value belong together.

    Raises StatisticsError where a value is missing.
    """
    absent = column.missing()
    if absent.any():
        raise StatisticsError(
            f"the cluster column {quoted(column.name)} lacks a value in {int(absent.sum()):,} of {len(absent):,} rows "
            f"(the first is row {int(absent.argmax()) + 1}); drop those rows before fitting, or give each a cluster"
        )
    return Clusters(column.name, column.as_factor().values)


def crossed(first: Clusters, second: Clusters) -> Clusters:
    """Rows that share both clusters."""
    codes = first.codes.astype(np.int64) * (int(second.codes.max(initial=0)) + 1) + second.codes
    return Clusters(f"{first.name} x {second.name}", codes)
