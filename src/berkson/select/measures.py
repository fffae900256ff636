"""How well fits predict rows that they have not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.design import Design, Part
from berkson.kernels.reference import sigmoid, soft_labels, softmax
from berkson.loss import Logistic, Loss
from berkson.problem import InputError
from berkson.rows.memory import InMemory

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Measure = Literal["log_loss", "deviance", "brier", "accuracy", "auc"]

MEASURES = ("log_loss", "deviance", "brier", "accuracy", "auc")
CELLS = 1 << 21  # linear predictors held at a time


@dataclass(frozen=True)
class Curve:
    """A measure along the path, held out: each (M, L) by folds (NaN: the fold has no such number), mean (L,) over the
    folds by the weight of their rows, se (L,) its standard error, as cv.glmnet has both; best: the place of the best
    mean (of equal ones the largest lambda); one_se: the largest lambda whose mean is within a standard error of it."""

    measure: Measure
    each: F64
    mean: F64
    se: F64
    best: int
    one_se: int


def curve(measure: Measure, each: F64, weight: F64) -> Curve:
    """Mean and standard error over folds of these weights (M,):  se^2 = sum_k w_k (s_k - mean)^2 / sum_k w_k / (M - 1).

    With fewer than two folds that have the measure the standard error is NaN, and the rule of one has no effect.
    """
    mean, se = weighted_mean(each, weight)
    if not np.isfinite(mean).any():
        raise InputError(f"{measure} has no value in any fold: {_why(measure)}")
    cost = np.where(np.isfinite(mean), -mean if measure in ("accuracy", "auc") else mean, math.inf)
    best = int(np.argmin(cost))
    within = cost <= cost[best] + (se[best] if np.isfinite(se[best]) else 0.0)
    return Curve(measure, each, mean, se, best, int(np.argmax(within)))


def weighted_mean(each: F64, weight: F64) -> tuple[F64, F64]:
    """Mean and standard error (L,) over folds, of each (M, L) and their weights (M,), as in `curve`."""
    has = np.isfinite(each)
    w = np.where(has, weight[:, None], 0.0)
    values, total, count = np.where(has, each, 0.0), w.sum(axis=0), has.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (w * values).sum(axis=0) / total
        se = np.sqrt((w * (values - mean) ** 2).sum(axis=0) / total / (count - 1))
    return mean, se


def _why(measure: Measure) -> str:
    return "held-out rows are of one class only; use fewer folds" if measure == "auc" else "predictions overflow"


def held_out(measure: Measure, rows: InMemory, index: Array, thetas: F64) -> F64:
    """The measure (L,) of each theta (L, size) on these rows, by their weights; NaN where it has no value.

    log_loss   -log of the predicted probability of the label        deviance  2 (log_loss - its least for soft labels)
    brier      (label - probability)^2, summed over classes where they are more than two
    accuracy   part of rows whose label is the most probable class   auc  for two classes, ties counting half
    """
    if measure not in MEASURES:
        raise InputError(f"measure is {measure!r}: give one of {', '.join(MEASURES)}")
    y = rows.y[index]
    own = None if rows.weight is None else rows.weight[index]
    total = float(len(index) if own is None else own.sum())
    if total == 0.0:
        return np.full(len(thetas), math.nan)
    offset, place = None if rows.offset is None else rows.offset[index], rows.coordinates
    part = Part(index, place.center, y, own, offset, rows.whole.threads)
    coef = [place.expand(theta) for theta in thetas]
    if measure in ("log_loss", "deviance"):
        each: F64 = _losses(rows.design, part, rows.loss, coef) / total
        return each if measure == "log_loss" else 2.0 * (each - np.average(least_loss(y), weights=own))
    weight = np.ones(len(index)) if own is None else own
    return np.array([_judged(measure, eta, y, weight) for eta in _predictors(rows.design, part, coef)])


def least_loss(y: Array) -> F64:
    """The loss of each row where the prediction is its label: 0, or of a soft label its entropy (n,)."""
    if y.dtype.kind in "ui":
        return np.zeros(len(y))
    label = y if y.ndim == 2 else np.column_stack([1.0 - y, y])
    return np.asarray(-(label * np.log(np.where(label > 0.0, label, 1.0))).sum(axis=1))


def _losses(design: Design, part: Part, loss: Loss, coef: Sequence[F64]) -> F64:
    """The sum over rows for each model (L,)."""
    if isinstance(loss, Logistic) and len(coef) > 1:
        return design.logistic_many(part, np.column_stack(coef))[0]
    return np.array([loss.evaluate(design, part, each, 0)[0] for each in coef])


def _predictors(design: Design, part: Part, coef: Sequence[F64]) -> Iterator[F64]:
    """Linear predictors of each model (m, K), several models a reading."""
    assert part.rows is not None
    m, K = len(part.rows), 1 if coef[0].ndim == 1 else coef[0].shape[1]
    step = max(1, CELLS // max(1, m * K))
    for start in range(0, len(coef), step):
        some = np.column_stack(coef[start : start + step])
        eta = design.linear_predictor(part.rows, part.center, some, part.threads).reshape(m, -1, K)
        if part.offset is not None:
            eta += part.offset.reshape(m, 1, -1)
        yield from eta.transpose(1, 0, 2)


def _judged(measure: Measure, eta: F64, y: Array, weight: F64) -> float:
    two = eta.shape[1] == 1
    if measure == "auc":
        return _auc(eta[:, 0], y, weight) if two else math.nan
    if measure == "brier":
        label = y[:, None].astype(np.float64) if two else soft_labels(y, eta.shape[1])
        each = ((label - (sigmoid(eta) if two else softmax(eta))) ** 2).sum(axis=1)
    else:
        predicted = eta[:, 0] > 0.0 if two else eta.argmax(axis=1)
        most = y if y.dtype.kind in "ui" else y > 0.5 if two else y.argmax(axis=1)
        each = (predicted == most).astype(np.float64)
    return float(weight @ each / weight.sum())


def _auc(score: F64, y: Array, weight: F64) -> float:
    """The chance that an event has the higher score than a non-event, ties counting half; a soft label is part of
    both."""
    order = np.argsort(score, kind="stable")
    label = y[order].astype(np.float64)
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) > 0.0))
    events = np.add.reduceat(weight[order] * label, starts)
    others = np.add.reduceat(weight[order] * (1.0 - label), starts)
    total = float(events.sum() * others.sum())
    return float(events @ (np.cumsum(others) - 0.5 * others)) / total if total > 0.0 else math.nan
