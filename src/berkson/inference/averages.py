"""Averages over rows of what a model says of them, with derivatives by theta: sums over rows, a run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.inference.predictor import Predictor
from berkson.inference.response import Kind, curvature, value_and_gradient
from berkson.inference.scenarios import Codes, Groups, Held, Population, held_at, runs

F64 = npt.NDArray[np.float64]
Slope = Literal["dydx", "eyex", "eydx", "dyex"]


@dataclass(frozen=True)
class Average:
    """value (G, R) of each group and response, its derivatives by theta (G, R, size); `estimable` (G,)."""

    value: F64
    jacobian: F64
    estimable: npt.NDArray[np.bool_]


class _Part(NamedTuple):
    """Of a run of rows: values (m, R), and gradients by logits (m, R, L) that multiply rows z (m, q)."""

    value: F64
    products: list[tuple[F64, F64]]
    estimable: npt.NDArray[np.bool_]


def average_prediction(model: Predictor, population: Population, groups: Groups, held: Held, kind: Kind) -> Average:
    """The mean response of each group, with columns held at values in every row."""

    def part(run: Population) -> _Part:
        rows = model.rows(held_at(run.table, held))
        eta = model.linear_predictor(rows, run.offset)
        value, gradient = value_and_gradient(kind, eta, model.estimates.reference)
        return _Part(value, [(gradient, rows.Z)], rows.estimable)

    with model.threads(population.table.n_rows):
        return _average(model, population, groups, part)


def average_slope(
    model: Predictor,
    population: Population,
    groups: Groups,
    held: Held,
    column: str,
    bulk: tuple[float, float],
    kind: Kind,
    slope: Slope,
) -> Average:
    """The mean derivative of each group's responses by a column of numbers, observed about its `derivative.bulk`.

    dydx: d response / d x; eydx: d log(response) / d x; dyex and eyex: these times x.
    """
    if slope in ("eydx", "eyex"):
        kind = "log_probability"

    def part(run: Population) -> _Part:
        table = held_at(run.table, held)
        rows, slopes = model.rows(table), model.slopes(table, column, *bulk)
        eta, direction = model.linear_predictor(rows, run.offset), model.linear_predictor(slopes)
        gradient = value_and_gradient(kind, eta, model.estimates.reference)[1]
        bend = curvature(kind, eta, direction)
        times = table[column].as_number().values[:, None, None] if slope in ("dyex", "eyex") else 1.0
        value = (gradient * direction[:, None, :]).sum(axis=2)[:, :, None] * times
        products = [(gradient * times, slopes.Z)] + ([] if bend is None else [(bend * times, rows.Z)])
        return _Part(value[:, :, 0], products, slopes.estimable & (rows.estimable | (kind == "link")))

    with model.threads(population.table.n_rows):
        return _average(model, population, groups, part)


def _average(
    model: Predictor, population: Population, groups: Groups, part_of: Callable[[Population], _Part]
) -> Average:
    value: F64 | None = None
    total, estimable = np.zeros(groups.number), np.ones(groups.number, dtype=bool)
    for place, run in runs(population, model.step):
        part = part_of(run)
        if value is None:
            value = np.zeros((groups.number, part.value.shape[1]))
            sums = np.zeros((*value.shape, model.logits, model.theta.shape[1]))
        weight = np.ones(len(part.value)) if run.weight is None else run.weight
        for group, rows in _rows_by_group(groups.codes[place], groups.number):
            own = weight[rows]
            total[group] += own.sum()
            value[group] += own @ part.value[rows]
            estimable[group] &= bool(part.estimable[rows][own > 0].all())
            for gradient, Z in part.products:
                flat = (gradient[rows] * own[:, None, None]).reshape(len(own), -1)
                sums[group] += (flat.T @ Z[rows]).reshape(sums.shape[1:])
    assert value is not None
    jacobian = model.to_theta(sums) / total[:, None, None]
    return Average(value / total[:, None], jacobian, estimable)


def _rows_by_group(codes: Codes, count: int) -> Iterator[tuple[int, slice | npt.NDArray[np.intp]]]:
    """The rows of each group that occurs; a slice of all where there is but one."""
    if count == 1 and codes.min(initial=0) >= 0:
        yield 0, slice(None)
        return
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, np.intp)
    for start, stop in zip(starts, np.append(starts[1:], len(codes)), strict=True):
        if ordered[start] >= 0:
            yield int(ordered[start]), order[start:stop]
