"""Comparing two fits of the same data: the likelihood-ratio test of nested models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.hypotheses import chi_squared_tail, is_plain, require_likelihood
from berkson.table import listing, quoted

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

CELLS = 1 << 18  # of both designs that are held as float64 at a time
OUTSIDE = 1e-7  # of a column's spread: further from the other model's columns, it is not one of them


@dataclass(frozen=True)
class Comparison:
    """2 (log-likelihood of the larger - of the smaller model), chi-squared with df more parameters.

    smaller  0 or 1: which of the two models is the smaller.
    error    proved bound on what the statistic lacks because the fits are not at their exact optima.
    """

    statistic: float
    df: int
    p_value: float
    smaller: int
    error: float


def compare(
    a: Estimates,
    b: Estimates,
    rows: tuple[Array | None, Array | None] = (None, None),
    covariances: tuple[Covariance | None, Covariance | None] = (None, None),
) -> Comparison:
    """The likelihood-ratio test of two nested models, in either order (lmtest::lrtest).

    rows  which rows of the table each fit used (masks, None: all), so that different ones are noticed.
    Raises StatisticsError, one sentence, where the fits do not use the same rows, response, weights and offset, where a
    covariance is robust, where a fit is not of maximum likelihood or not proved, and where the columns of neither model
    span those of the other.  Two readings of both designs.
    """
    for each, covariance in zip((a, b), covariances, strict=True):
        require_likelihood(each, covariance)
        each.require()
        if not is_plain(each):
            raise StatisticsError(
                "models are compared by maximum likelihood, and one of these is not at a finite maximum; test terms of "
                "the larger model instead"
            )
    _refuse_other_data(a, b, rows)
    small, large = (a, b) if _size(a) < _size(b) else (b, a)
    if _size(small) == _size(large):
        raise StatisticsError(f"both models have {_size(a)} parameters, so neither is nested in the other; compare AIC")
    outside = _outside(small, large)
    if outside:
        raise StatisticsError(
            f"the models are not nested: {listing(map(quoted, outside))} of the smaller one is no combination of the "
            "larger one's columns; compare AIC, or fit a model that holds both"
        )
    df = _size(large) - _size(small)
    statistic = max(2.0 * (small.at.value - large.at.value), 0.0)
    error = 2.0 * max(small.fit.certificate.gap, large.fit.certificate.gap)
    return Comparison(statistic, df, chi_squared_tail(statistic, df), 0 if small is a else 1, error)


def _size(estimates: Estimates) -> int:
    return estimates.rows.coordinates.size


def _refuse_other_data(a: Estimates, b: Estimates, rows: tuple[Array | None, Array | None]) -> None:
    """StatisticsError where the likelihoods are not of the same data."""
    one, two = a.problem, b.problem
    n, m = len(one.y), len(two.y)
    if n != m or _differ(*rows):
        count = f"{n:,} and {m:,}" if n != m else f"{n:,} each"
        raise StatisticsError(
            f"the models are of different rows ({count}), as where columns have missing values; fit both on the rows "
            "without missing values"
        )
    if one.n_classes != two.n_classes or one.classes != two.classes or not np.array_equal(one.y, two.y):
        raise StatisticsError("the models have different responses, so their likelihoods cannot be compared")
    if a.weight_kind != b.weight_kind or _unlike(one.weight, two.weight, 1.0):
        raise StatisticsError("the models have different weights, so their likelihoods cannot be compared")
    if _unlike(one.offset, two.offset, 0.0):
        raise StatisticsError("the models have different offsets, so their likelihoods cannot be compared")


def _differ(one: Array | None, two: Array | None) -> bool:
    """Whether two masks pick different rows; None picks all."""
    if one is None or two is None:
        return not all(mask is None or mask.all() for mask in (one, two))
    return not np.array_equal(one, two)


def _unlike(one: F64 | None, two: F64 | None, default: float) -> bool:
    """Whether two arrays differ; None is `default` in every row."""
    if one is None or two is None:
        return not all(values is None or (values == default).all() for values in (one, two))
    return not np.array_equal(one, two)


def _outside(small: Estimates, large: Estimates) -> list[str]:
    """Columns of the smaller model that are no combination of the larger one's."""
    q, r = large.rows.coordinates.columns, small.rows.coordinates.columns
    gram, cross, own = np.zeros((q, q)), np.zeros((q, r)), np.zeros(r)
    for X, Z in _both(small, large):
        gram, cross, own = gram + Z.T @ Z, cross + Z.T @ X, own + (X * X).sum(axis=0)
    scale = np.sqrt(np.diagonal(gram))
    coef = np.linalg.lstsq(gram / scale[:, None] / scale, cross / scale[:, None], rcond=1e-14)[0] / scale[:, None]
    furthest = np.zeros(len(own))
    for X, Z in _both(small, large):
        furthest = np.maximum(furthest, np.abs(X - Z @ coef).max(axis=0, initial=0.0))
    spread = np.sqrt(own / len(small.problem.y))
    place = small.rows.coordinates
    kept = np.arange(len(place.center) + 1) if place.kept is None else place.kept
    names = [small.problem.column(int(j)) for j in kept]
    return [name for name, far, size in zip(names, furthest, spread, strict=True) if far > OUTSIDE * size]


def _both(small: Estimates, large: Estimates) -> Iterator[tuple[F64, F64]]:
    """Runs of rows of positive weight of both designs, centred and scaled."""
    weight, n = small.problem.weight, len(small.problem.y)
    step = max(64, CELLS // (_size(small) + _size(large)))
    for start in range(0, n, step):
        part = np.arange(start, min(start + step, n))
        if weight is not None:
            part = part[weight[part] > 0]
        X, Z = (_standardised(each, part) for each in (small, large))
        yield X, Z


def _standardised(estimates: Estimates, rows: Array) -> F64:
    place = estimates.rows.coordinates
    X = estimates.rows.design.dense_rows(rows, place.center)
    return np.asarray((X if place.kept is None else X[:, place.kept]) / place.scale)
