"""Discrimination: do events have higher probabilities than others?  ROC curve, its area, concordance, thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import StatisticsError
from berkson.inference.forecasts import Forecasts

F64 = npt.NDArray[np.float64]


class _Ranked(NamedTuple):
    """Rows by ascending score, ties as one (u,): the score, the weight of events and of others, and `group` (n,), the
    place of each row."""

    score: F64
    events: F64
    others: F64
    group: npt.NDArray[np.intp]


def _ranked(score: F64, events: F64, others: F64) -> _Ranked:
    distinct, group = np.unique(score, return_inverse=True)
    if not (events.any() and others.any()):
        raise StatisticsError("only one class was seen, so nothing tells how well two are told apart; judge other rows")
    return _Ranked(
        distinct,
        np.bincount(group, weights=events, minlength=len(distinct)).astype(np.float64, copy=False),
        np.bincount(group, weights=others, minlength=len(distinct)).astype(np.float64, copy=False),
        group,
    )


def _of(forecasts: Forecasts) -> _Ranked:
    return _ranked(forecasts.probability, forecasts.events, forecasts.others)


def _midway(weight: F64) -> F64:
    """Of each tie: the weight below it plus half its own, as a share of all."""
    above: F64 = np.cumsum(weight)
    return (above - 0.5 * weight) / float(above[-1])


# --- thresholds -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confusion:
    """What follows from calling an event where its probability is at least the threshold (t,): weights of the four
    cells and their shares; NaN where a share is of nothing.

    sensitivity = true_positive / events, specificity = true_negative / others, ppv = true_positive / called,
    npv = true_negative / not called, accuracy, youden = sensitivity + specificity - 1.
    """

    threshold: F64
    true_positive: F64
    false_positive: F64
    true_negative: F64
    false_negative: F64

    @property
    def sensitivity(self) -> F64:
        return _share(self.true_positive, self.false_negative)

    @property
    def specificity(self) -> F64:
        return _share(self.true_negative, self.false_positive)

    @property
    def ppv(self) -> F64:
        return _share(self.true_positive, self.false_positive)

    @property
    def npv(self) -> F64:
        return _share(self.true_negative, self.false_negative)

    @property
    def accuracy(self) -> F64:
        return _share(self.true_positive + self.true_negative, self.false_positive + self.false_negative)

    @property
    def youden(self) -> F64:
        return self.sensitivity + self.specificity - 1.0

    @property
    def best(self) -> int:
        """The place of the threshold with the largest Youden index, the smallest of several."""
        return int(np.argmax(self.youden))


def _share(part: F64, rest: F64) -> F64:
    with np.errstate(invalid="ignore"):
        return part / (part + rest)


def confusion(forecasts: Forecasts, thresholds: F64) -> Confusion:
    """The table of calls at each threshold; two classes."""
    ranked = _of(forecasts)
    first = np.searchsorted(ranked.score, thresholds, side="left")
    below_events, below_others = (np.append(0.0, np.cumsum(w))[first] for w in (ranked.events, ranked.others))
    events, others = float(ranked.events.sum()), float(ranked.others.sum())
    return Confusion(
        np.asarray(thresholds, np.float64), events - below_events, others - below_others, below_others, below_events
    )


def roc(forecasts: Forecasts) -> Confusion:
    """The ROC curve: the table at -inf, between any two neighbouring probabilities, and at +inf, so from sensitivity 1
    and specificity 0 to sensitivity 0 and specificity 1; two classes."""
    score = np.unique(forecasts.probability)
    between = 0.5 * (score[1:] + score[:-1])
    between = np.where(between > score[:-1], between, score[1:])  # of neighbouring doubles
    return confusion(forecasts, np.concatenate([[-math.inf], between, [math.inf]]))


# --- areas ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Concordance:
    """Pairs of an event and another: `c` = P(the event has the higher probability) + P(tie) / 2, the area under the ROC
    curve; somers_d = 2 c - 1, gamma = somers_d among pairs without a tie, tau_a = somers_d among all pairs of rows."""

    c: float
    somers_d: float
    gamma: float
    tau_a: float


def concordance(forecasts: Forecasts) -> Concordance:
    """Concordance for two classes, any weights; by sorting, n log n."""
    ranked = _of(forecasts)
    pairs = float(ranked.events.sum() * ranked.others.sum())
    tied = float(ranked.events @ ranked.others)
    d = 2.0 * float(ranked.events @ _midway(ranked.others)) / float(ranked.events.sum()) - 1.0
    total = forecasts.total
    return Concordance(
        0.5 * (d + 1.0),
        d,
        d * pairs / (pairs - tied) if tied < pairs else math.nan,
        2.0 * d * pairs / (total * (total - 1.0)),
    )


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve with DeLong's standard error and normal interval at `level`, cut at 0 and 1."""

    area: float
    std_error: float
    low: float
    high: float
    level: float


def auc(forecasts: Forecasts, level: float = 0.95) -> Area:
    """The area under the ROC curve = `Concordance.c`; two classes.

    The variance is that of the two samples' means of placements (DeLong, DeLong & Clarke-Pearson, Biometrics 44, 1988),
    from midranks in n log n (Sun & Xu, IEEE Signal Processing Letters 21, 2014).  Weights count outcomes; other kinds
    are refused (`concordance` gives the area alone), and so is a class with fewer than two outcomes.
    """
    forecasts.require_counts("the standard error of an area")
    placed = _placements(forecasts)
    deviation = math.sqrt(_covariance(forecasts, placed, placed))
    half = _normal_quantile(level) * deviation
    return Area(placed.area, deviation, max(0.0, placed.area - half), min(1.0, placed.area + half), level)


@dataclass(frozen=True)
class AreaComparison:
    """Two areas on the same outcomes: first - second, its standard error and interval, z and the two-sided p value."""

    difference: float
    std_error: float
    low: float
    high: float
    z: float
    p_value: float
    level: float


def compare_auc(first: Forecasts, second: Forecasts, level: float = 0.95) -> AreaComparison:
    """The difference of two areas under ROC curves of the same rows (paired, DeLong et al. 1988)."""
    same_weight = (first.weight is None) == (second.weight is None) and (
        first.weight is None or np.array_equal(first.weight, second.weight)  # type: ignore[arg-type]
    )
    if not (np.array_equal(first.y, second.y) and same_weight):
        raise StatisticsError("the two forecasts are not of the same outcomes and weights; judge both on the same rows")
    first.require_counts("a comparison of areas")
    a, b = _placements(first), _placements(second)
    variance = _covariance(first, a, a) + _covariance(first, b, b) - 2.0 * _covariance(first, a, b)
    difference, deviation = a.area - b.area, math.sqrt(max(0.0, variance))
    z = (
        difference / deviation
        if deviation > 0.0
        else (math.nan if difference == 0.0 else math.copysign(math.inf, difference))
    )
    half = _normal_quantile(level) * deviation
    p_value = math.erfc(abs(z) / math.sqrt(2.0))
    return AreaComparison(difference, deviation, difference - half, difference + half, z, p_value, level)


class _Placed(NamedTuple):
    """Of each row: the share of others below it (an event's placement) and of events above it (another's)."""

    area: float
    below: F64
    above: F64


def _placements(forecasts: Forecasts) -> _Placed:
    ranked = _of(forecasts)
    below, above = _midway(ranked.others), 1.0 - _midway(ranked.events)
    return _Placed(float(ranked.events @ below) / float(ranked.events.sum()), below[ranked.group], above[ranked.group])


def _covariance(forecasts: Forecasts, a: _Placed, b: _Placed) -> float:
    total = 0.0
    for weight, one, two in ((forecasts.events, a.below, b.below), (forecasts.others, a.above, b.above)):
        count = float(weight.sum())
        if count <= 1.0:
            raise StatisticsError("one outcome of a class tells nothing of how the area varies; judge more rows")
        total += float(weight @ ((one - a.area) * (two - b.area))) / (count - 1.0) / count
    return total


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri  # type: ignore[import-untyped]

    if not 0.0 < level < 1.0:
        raise StatisticsError(f"the level {level:g} of an interval is not between 0 and 1; 0.95 is usual")
    return float(-ndtri(0.5 * (1.0 - level)))


# --- several classes ------------------------------------------------------------------------------------------------


def one_vs_rest(forecasts: Forecasts, level: float = 0.95) -> tuple[Area, ...]:
    """The area of each of K classes, its probability telling it from all others."""
    return tuple(auc(forecasts.against_rest(k), level) for k in range(forecasts.n_classes))


def hand_till(forecasts: Forecasts) -> float:
    """Hand & Till's M (Machine Learning 45, 2001): the mean over pairs of classes (i, j) of the area with which i's
    probability tells i from j, and j's probability j from i.  Any weights."""
    seen, K = forecasts.indicators(), forecasts.n_classes
    if K == 2:
        return concordance(forecasts).c
    areas = [
        _pair_area(forecasts.probability[:, i], seen[:, i], seen[:, j]) for i in range(K) for j in range(K) if i != j
    ]
    return float(np.mean(areas))


def _pair_area(score: F64, events: F64, others: F64) -> float:
    used = (events > 0.0) | (others > 0.0)
    ranked = _ranked(score[used], events[used], others[used])
    return float(ranked.events @ _midway(ranked.others)) / float(ranked.events.sum())
