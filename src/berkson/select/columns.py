"""Paths by working sets, where columns are many: the fits of all lambdas in turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from berkson.select.start import Start
from berkson.solvers.regularised import Point
from berkson.solvers.run import Work, run
from berkson.solvers.working import Standing, advance, size_of, stand

F64 = npt.NDArray[np.float64]


def walk_by_columns(start: Start, standing: Standing, work: Work) -> Iterator[tuple[Standing, Point]]:
    """The fits of all lambdas, each begun where the last one ended."""
    size = run(size_of(start.course), start.rows, work)
    for lambda_ in start.lambdas:
        penalty = start.penalty(float(lambda_))
        # a step at each, even where the last fit is within tol: differences along a path are smaller than that
        standing, point = run(advance(standing, penalty, start.course, size, at_least=1), start.rows, work)
        yield standing, point


def standing_at(start: Start, theta: F64, lambda_: float, work: Work) -> Standing:
    """Where a path may go on from: theta, the fit of a lambda."""
    threshold = start.penalty(lambda_).threshold
    places = np.flatnonzero((theta != 0.0) | (threshold == 0.0))
    return run(stand(theta, threshold, places), start.rows, work)
