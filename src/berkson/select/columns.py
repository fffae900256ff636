"""Paths by working sets, where columns are many: the fits of all lambdas in turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from berkson.select.start import Start
from berkson.solvers.regularised import Point
from berkson.solvers.run import Work, run
from berkson.solvers.working import Standing, follow, size_of, stand, together

F64 = npt.NDArray[np.float64]


def walk_by_columns(start: Start, standing: Standing, work: Work) -> Iterator[tuple[Standing, Point]]:
    """The fits of all lambdas, each begun where the last one ended."""
    size = run(size_of(start.course), start.rows, work)
    done, ahead, most = 0, 1, together(start.course)
    while done < len(start.lambdas):
        penalties = [start.penalty(float(lambda_)) for lambda_ in start.lambdas[done : done + ahead]]
        # a step at each, even where the last fit is within tol: differences along a path are smaller than that
        found = run(follow(standing, penalties, start.course, size), start.rows, work)
        yield from found
        standing, done = found[-1][0], done + len(found)
        ahead = min(most, 2 * ahead) if len(found) == len(penalties) else max(1, len(found))


def standing_at(start: Start, theta: F64, lambda_: float, work: Work) -> Standing:
    """Where a path may go on from: theta, the fit of a lambda."""
    threshold = start.penalty(lambda_).threshold
    places = np.flatnonzero((theta != 0.0) | (threshold == 0.0))
    return run(stand(theta, threshold, places), start.rows, work)
