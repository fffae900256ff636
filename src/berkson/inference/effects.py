"""Effects of a table's columns on what a model says: slopes, contrasts and average predictions, by the delta method.

An effect belongs to a column, not to a term: the design is rebuilt with other values of the column, so that
interactions, powers, splines and factors come out right.  Averages are over the rows of a population, which are taken
as they are: standard errors are of the parameters alone (conditional on covariates, as Stata's margins and R's
marginaleffects have it).

    y_i(x)    the response of row i with the column at x: a probability of a class, or a link (see `response`)
    slope     mean_i d y_i / d x                      of a column of numbers
    contrast  mean_i y_i(b) - mean_i y_i(a)           of two levels or values: a difference of average predictions,
              mean_i y_i(b) / mean_i y_i(a)           a ratio of them, or
              the ratio of their odds                 (marginal: of average probabilities, no average of odds ratios)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations as pairs_of
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema
from berkson.inference.averages import Average, Slope, average_prediction, average_slope
from berkson.inference.covariance import Covariance
from berkson.inference.derivative import bulk
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.predictor import Predictor
from berkson.inference.quantities import Quantities, covariance_of_theta
from berkson.inference.scenarios import (
    Groups,
    Held,
    Others,
    Population,
    Value,
    combinations,
    groups_of,
    levels_of,
    refuse_many,
    require_predictor,
    typical,
    value_text,
)
from berkson.table import quoted

F64 = npt.NDArray[np.float64]
Kind = Literal["probability", "link"]
Measure = Literal["difference", "ratio", "odds_ratio"]
Pairs = Literal["reference", "sequential", "pairwise"] | Sequence[tuple[Value, Value]]

NOT_ESTIMABLE = (
    "an effect or average is left out where it is of rows that the data do not tell apart: a column that is a "
    "combination of others is not one there; drop the aliased columns"
)
SYMBOLS: dict[Measure, str] = {"difference": "-", "ratio": "/", "odds_ratio": "/"}


class _Row(NamedTuple):
    """What is said of each group and class at once."""

    column: str
    contrast: str
    held: Held
    average: Average


class _Study:
    """One population under all scenarios: average responses, each computed once, and the rows of a table to be."""

    def __init__(
        self,
        estimates: Estimates,
        schema: Schema,
        population: Population,
        at: Mapping[str, Any] | None,
        others: Others,
        by: Sequence[str],
        kind: Kind,
    ) -> None:
        _refuse_choice("kind", kind, ("probability", "link"))
        _refuse_choice("others", others, ("observed", "means"))
        self.model = Predictor(estimates, schema)
        self.schema, self.by, self.kind = schema, by, kind
        self.scenarios = combinations(schema, at)
        self.observed = population
        self.groups: Groups = groups_of(population, by)
        self.population = population
        if others == "means":
            self.population, self.groups = typical(schema, population, self.groups, by)
        refuse_many(len(self.scenarios) * self.groups.number, "averages")
        self.classes = response_names(estimates, kind)

    def prediction(self, held: Held) -> Average:
        return average_prediction(self.model, self.population, self.groups, held, self.kind)

    def slope(self, held: Held, column: str, slope: Slope) -> Average:
        near = bulk(self.observed.table[column].as_number().values)
        return average_slope(self.model, self.population, self.groups, held, column, near, self.kind, slope)

    def table(
        self,
        what: str,
        covariance: Covariance,
        rows: Sequence[_Row],
        ratio: bool = False,
    ) -> Quantities:
        """The groups and classes of each row, one after the other."""
        classes, n = self.classes, len(rows)
        each = range(self.groups.number * len(classes))
        averages = [row.average for row in rows]
        value = np.concatenate([a.value.ravel() for a in averages])
        jacobian = np.concatenate([a.jacobian.reshape(len(each), -1) for a in averages])
        unknown = ~np.concatenate([np.repeat(a.estimable, len(classes)) for a in averages])
        value[unknown], jacobian[unknown] = np.nan, np.nan
        labels = {"class": classes * (self.groups.number * n)}
        if rows[0].column:
            labels["column"] = tuple(row.column for row in rows for _ in each)
            labels["contrast"] = tuple(row.contrast for row in rows for _ in each)
        return Quantities(
            what,
            labels,
            {name: tuple(row.held[name] for row in rows for _ in each) for name in self.scenarios[0]},
            {name: tuple(v for v in values for _ in classes) * n for name, values in self.groups.values.items()},
            value,
            jacobian,
            covariance_of_theta(self.model.estimates, covariance),
            ratio,
            (NOT_ESTIMABLE,) if unknown.any() else (),
        )


def response_names(estimates: Estimates, kind: Kind) -> tuple[str, ...]:
    """What responses are of: the event, or each of K classes; for the link each class but the reference."""
    problem = estimates.problem
    places = (1,) if problem.n_classes == 2 else estimates.equations if kind == "link" else range(problem.n_classes)
    return tuple(map(problem.class_name, places))


def margins(
    estimates: Estimates,
    covariance: Covariance,
    schema: Schema,
    population: Population,
    *,
    at: Mapping[str, Any] | None = None,
    others: Others = "observed",
    by: Sequence[str] = (),
    kind: Kind = "probability",
) -> Quantities:
    """Average predictions of each class: over the rows, or with columns held at values in every row.

    population  whom the average is over: `fitted_population(estimates, schema, table)` for the rows of the fit.
    at          {column: value or list of values}, each combination for itself; a `Shift` adds to a row's own value.
    others      what the columns not held have: "observed", each row its own values; "means", one row for all: numbers
                (and an offset) at their mean, categories at their most frequent level.
    by          columns of the table whose values group the rows.
    kind        "probability", or "link": log-odds of the event, or of each class against the reference.
    Raises StatisticsError, one sentence, for a column or value that the model does not know.
    """
    study = _Study(estimates, schema, population, at, others, by, kind)
    rows = [_Row("", "", held, study.prediction(held)) for held in study.scenarios]
    return study.table(f"average {_words(kind)}", covariance, rows)


def effects(
    estimates: Estimates,
    covariance: Covariance,
    schema: Schema,
    population: Population,
    columns: Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    others: Others = "observed",
    by: Sequence[str] = (),
    kind: Kind = "probability",
    slope: Slope = "dydx",
    discrete: Sequence[str] = (),
) -> Quantities:
    """Average marginal effects: slopes of numbers, and of categories the difference of each level to the reference.

    columns   all that the model uses by default (all numbers, for an elasticity).
    slope     dydx: d y / d x; eydx: d log y / d x; dyex: d y / d log x; eyex: d log y / d log x.  Elasticities are of
              probabilities, averaged over rows.
    discrete  columns of numbers to be taken by their distinct values, each against the smallest: a 0/1 column has a
              slope otherwise (as in Stata without `i.`).
    The rest as in `margins`; others="means" gives the effects at the mean.  Effects on the probabilities of all classes
    sum to 0.  A slope is exact to about 10 digits.
    """
    _refuse_choice("slope", slope, ("dydx", "eyex", "eydx", "dyex"))
    if slope != "dydx" and kind == "link":
        raise StatisticsError("an elasticity is of a probability; ask for kind='probability', or for dydx on the link")
    study = _Study(estimates, schema, population, at, others, by, kind)
    for name in (*(columns or ()), *discrete):
        require_predictor(schema, name)
    rows: list[_Row] = []
    for column in schema.predictors if columns is None else columns:
        levels = _levels(study, column, discrete)
        if levels is None:
            rows += [_Row(column, slope, held, study.slope(held, column, slope)) for held in study.scenarios]
        elif columns is None and (slope != "dydx" or column in study.scenarios[0]):
            continue  # it was not asked for by name, and there is nothing to say of it
        elif slope == "dydx":
            rows += _contrasts(study, column, [(levels[0], level) for level in levels[1:]], "difference")
        else:
            raise StatisticsError(f"column {quoted(column)} is not a number, so it has no elasticity; ask for dydx")
    if not rows:
        raise StatisticsError("the model has no column that such an effect is of; name the columns")
    return study.table(f"average effect on the {_words(kind)}", covariance, rows)


def contrasts(
    estimates: Estimates,
    covariance: Covariance,
    schema: Schema,
    population: Population,
    column: str,
    pairs: Pairs = "reference",
    *,
    measure: Measure = "difference",
    at: Mapping[str, Any] | None = None,
    others: Others = "observed",
    by: Sequence[str] = (),
    kind: Kind = "probability",
) -> Quantities:
    """Average predictions compared between levels or values of a column.

    pairs    "reference": each level with the reference; "sequential": with the one before; "pairwise": all pairs;
             or (from, to) pairs, such as [(100, 150)], or [(Shift(0), Shift(10))] for ten more than each row has.
    measure  "difference": of averages (the risk difference); "ratio": of averages (the risk ratio); "odds_ratio": of
             the odds of averages.  Ratios have the standard error of their logarithm, and are tested against 1.
    The rest as in `margins`.
    """
    _refuse_choice("measure", measure, tuple(SYMBOLS))
    if measure != "difference" and kind == "link":
        raise StatisticsError(f"measure {measure!r} is of probabilities; ask for differences on the link")
    study = _Study(estimates, schema, population, at, others, by, kind)
    require_predictor(schema, column)
    rows = _contrasts(study, column, _pairs(study, column, pairs), measure)
    what = {"difference": "difference", "ratio": "ratio", "odds_ratio": "odds ratio"}[measure]
    return study.table(f"{what} of average {_words(kind)}", covariance, rows, measure != "difference")


# --- contrasts ------------------------------------------------------------------------------------------------------


def _levels(study: _Study, column: str, discrete: Sequence[str] = ()) -> tuple[Value, ...] | None:
    levels = levels_of(study.schema, study.observed.table, column)
    if levels is None and column in discrete:
        values = study.observed.table[column].as_number().values
        distinct = np.unique(values)
        refuse_many(len(distinct), "levels")
        return tuple(distinct.tolist())
    return levels


def _pairs(study: _Study, column: str, pairs: Pairs) -> list[tuple[Value, Value]]:
    if not isinstance(pairs, str):
        listed = isinstance(pairs, Sequence) and all(isinstance(pair, Sequence) for pair in pairs)
        given = [tuple(pair) for pair in pairs] if listed else []
        if not given or any(len(pair) != 2 for pair in given):
            raise StatisticsError(f"the contrasts of {quoted(column)} are (from, to) pairs, such as [(20, 30)]")
        return [(combinations(study.schema, {column: a})[0][column], b) for a, b in given]
    _refuse_choice("pairs", pairs, ("reference", "sequential", "pairwise"))
    levels = _levels(study, column)
    if levels is None:
        raise StatisticsError(
            f"column {quoted(column)} is a number; say which of its values to compare, such as pairs=[(20, 30)]"
        )
    if pairs == "reference":
        return [(levels[0], level) for level in levels[1:]]
    if pairs == "sequential":
        return list(pairwise(levels))
    return list(pairs_of(levels, 2))


def _contrasts(study: _Study, column: str, pairs: Sequence[tuple[Value, Value]], measure: Measure) -> list[_Row]:
    if column in study.scenarios[0]:
        raise StatisticsError(f"column {quoted(column)} is compared, so it cannot be held as well; leave it out of at")
    refuse_many(len(pairs) * len(study.scenarios) * study.groups.number, "contrasts")
    found: dict[tuple[Value, int], Average] = {}

    def average(value: Value, i: int) -> Average:
        if (value, i) not in found:
            found[value, i] = study.prediction({**study.scenarios[i], column: value})
        return found[value, i]

    return [
        _Row(
            column,
            f"{value_text(b)} {SYMBOLS[measure]} {value_text(a)}",
            study.scenarios[i],
            _compared(average(a, i), average(b, i), measure),
        )
        for a, b in pairs
        for i in range(len(study.scenarios))
    ]


def _compared(a: Average, b: Average, measure: Measure) -> Average:
    estimable = a.estimable & b.estimable
    if measure == "difference":
        return Average(b.value - a.value, b.jacobian - a.jacobian, estimable)
    logarithms = [average.jacobian / average.value[:, :, None] for average in (a, b)]
    ratio = b.value / a.value
    if measure == "odds_ratio":
        logarithms = [
            jacobian / (1.0 - average.value)[:, :, None] for jacobian, average in zip(logarithms, (a, b), strict=True)
        ]
        ratio = ratio * ((1.0 - a.value) / (1.0 - b.value))
    return Average(ratio, logarithms[1] - logarithms[0], estimable)


# --- words ----------------------------------------------------------------------------------------------------------


def _words(kind: Kind) -> str:
    return "probability" if kind == "probability" else "linear predictor (log-odds)"


def _refuse_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise StatisticsError(f"there is no {name} {value!r}; choose one of {', '.join(known)}")
