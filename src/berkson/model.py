"""A fitted model: what is needed to predict from a table and to prove the fit again, and nothing of the data it saw.

`fit_table` makes one, `model_file` keeps it as JSON.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.assemble import assemble, is_coded, stored_columns
from berkson.design import design_of
from berkson.fit import Certificate, Fit, certify, fit
from berkson.fitted_penalty import Penalty, proof_under
from berkson.formula import BY_REFERENCE, Formula, Reading, Schema, learn, parse
from berkson.formula.smooth_terms import ridge_of
from berkson.kernels.reference import sigmoid, softmax
from berkson.problem import Problem, Wording
from berkson.proof import Proof, proof_of
from berkson.rows.memory import threads_for
from berkson.table import Table

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

CELLS = 1 << 22  # of the design built at a time in prediction
WORDING = Wording(
    "bias reduction (bias_reduction='firth', --firth) or a ridge penalty (strength, --strength)",
    "a stronger ridge (in the command: a larger --strength)",
    "max_iterations (in the command: --max-iter)",
    "the column of weights",
)
MEMORY_SHARE = 0.8  # of the machine's memory that a design may take


@dataclass(frozen=True)
class RowCount:
    """Rows of the table, rows fitted, and for each column with missing values in how many rows it lacks one."""

    read: int
    used: int
    missing: dict[str, int]


@dataclass(frozen=True)
class Model:
    """A logistic regression of a table.

    formula   as it was written; `schema` is what it means.
    coef      (1, p) for two classes, (K, p) for K; intercept (1,) or (K,); columns as `schema.names`.
    strength  of the ridge, 0 for maximum likelihood.
    policy   for what new data lack: "error", "missing", "baseline", "own level" or "shrunken", of which the last two
             stand in the factors of the schema; see `inference.predictions.predictions`.
    bias_reduction   "mean" or "median" where the coefficients are bias-reduced; the proof is then of their equation.
    penalty  of a fit of a path, which `strength` is not about; None: there is none but that of `strength`.
    smoothing   smoothing parameters by name, of a formula with smooths (`formula.smooth_terms`); else None.
    weights, offset   names of columns, or None.  New data need the offset for a prediction, the weights for a proof.
    """

    formula: str
    schema: Schema
    coef: F64
    intercept: F64
    strength: float
    weights: str | None
    offset: str | None
    rows: RowCount
    proof: Proof
    program: str
    bias_reduction: str | None = None
    policy: str = "error"
    penalty: Penalty | None = None
    smoothing: Mapping[str, float] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of probabilities; the event is the last of two."""
        return classes_of(self.schema)

    @property
    def predictors(self) -> list[str]:
        """The columns that a prediction needs."""
        columns = self.schema.predictors
        return [*columns, *([self.offset] if self.offset and self.offset not in columns else [])]

    @property
    def columns(self) -> list[str]:
        """The columns that a proof needs: those of a prediction, of the response and of the weights."""
        return list(dict.fromkeys([*self.schema.kinds, *self.predictors, *([self.weights] if self.weights else [])]))

    def linear_predictor(self, table: Table) -> F64:
        """x . coef + intercept + offset: (n, 1) log-odds of the event, or (n, K) logits; NaN where a value is missing.

        Raises ValueError for an absent column or a value that the model cannot take, UnseenLevelError for a new level.
        """
        used = table.with_columns({name: table[name] for name in self.predictors})
        absent = self.schema.missing(used, response=False)[0]
        if self.offset is not None:
            absent |= used[self.offset].missing()
        known = np.flatnonzero(~absent)
        coef = np.vstack([self.coef.T, self.intercept])
        p = len(coef) - 1
        eta = np.full((table.n_rows, coef.shape[1]), np.nan)
        step = max(1, len(known) if is_coded(self.schema, len(known)) else CELLS // max(p, 1))
        for start in range(0, len(known), step):
            rows = known[start : start + step]
            part = used.take(rows)
            offset = offset_of(self.schema, part, self.offset)
            X = assemble(self.schema, part)
            threads = threads_for(len(rows) * p)
            eta[rows] = design_of(X).linear_predictor(None, np.zeros(p), coef, threads)
            if offset is not None:
                eta[rows] += offset[:, None]
        return eta

    def probabilities(self, table: Table) -> F64:
        """P(class) of each row (n, K), in the order of `classes`; NaN where a value is missing.  Raises as above."""
        eta = self.linear_predictor(table)
        if len(self.classes) == 2:
            return np.hstack([sigmoid(-eta), sigmoid(eta)])
        probabilities = np.full(eta.shape, np.nan)
        known = ~np.isnan(eta).any(axis=1)
        probabilities[known] = softmax(eta[known])
        return probabilities

    def certificate(self, table: Table, tol: float) -> tuple[Certificate, Problem, RowCount]:
        """What can be proved of these coefficients on the rows of a table without missing values.

        ValueError for bias-reduced ones, which are no optimum of the likelihood, and for fits of a path (see `check`).
        """
        if self.penalty is not None:
            raise ValueError("the model is a fit of a path of penalties, of which check() tells what is proved")
        if self.bias_reduction is not None:
            raise ValueError(
                "the model is bias-reduced, so its coefficients are not those of the greatest likelihood, which is "
                "what a check proves; fit again instead"
            )
        problem, rows = self._problem(table)
        if self.smoothing is not None:
            ridge = ridge_of(self.schema.smooths, list(self.smoothing.values()), len(self.schema.names))
            problem = replace(problem, smoothing=ridge)
        return certify(problem, self.coef, self.intercept, tol=tol), problem, rows

    def check(self, table: Table, tol: float) -> tuple[Proof, RowCount]:
        """The same by names, and of fits of a path under the penalty that they were fitted with; ValueError for
        bias-reduced models and relaxed ones."""
        if self.penalty is None:
            certificate, problem, rows = self.certificate(table, tol)
            return proof_of(certificate, problem), rows
        problem, rows = self._problem(table)
        return proof_under(self.penalty, problem, self.coef, self.intercept, tol), rows

    def _problem(self, table: Table) -> tuple[Problem, RowCount]:
        complete, rows = complete_rows(table, [c for c in (self.weights, self.offset) if c])
        problem, rows = problem_of(self.schema, complete, rows, self.weights, self.offset, self.strength)
        return _of_table(problem, table, _used(table, rows)), rows


@dataclass(frozen=True)
class Prepared:
    """A formula put to a table: what it means there, and the engine's problem of the rows `used` (n_rows read,), which
    have all values; None: all rows.
    """

    formula: Formula
    schema: Schema
    table: Table
    rows: RowCount
    problem: Problem
    weights: str | None
    offset: str | None
    used: npt.NDArray[np.bool_] | None

    @cached_property
    def complete(self) -> Table:
        """Every column of the table in the rows used."""
        return self.table if self.used is None else self.table.take(self.used)


def classes_of(schema: Schema) -> tuple[str, ...]:
    """The names of a response's classes; those of counts and shares are `not y` and `y`."""
    outcome = schema.outcome
    assert outcome is not None
    return outcome.levels or (f"not {outcome.event}", str(outcome.event))


def fit_table(
    formula: Formula | str,
    table: Table,
    *,
    event: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    strength: float = 0.0,
    drop_missing: bool = True,
    tol: float = 1e-8,
    max_iterations: int = 100,
) -> tuple[Model, Fit]:
    """Fit a formula to a table; see `fit.fit` for `tol`, `formula.learn` for `event`.

    weights, offset : columns (an offset is for two classes); `.` in a formula does not stand for them.
    Raises ValueError (FormulaError, InputError), one sentence, where there is nothing to fit.
    """
    if not 0.0 < tol < 1.0:
        raise ValueError(f"tol is relative to the null model's objective, between 0 and 1, not {tol:g}; 1e-8 is usual")
    prepared = prepare(
        formula, table, event=event, weights=weights, offset=offset, strength=strength, drop_missing=drop_missing
    )
    result = fit(prepared.problem, tol=tol, max_iterations=max_iterations)
    return model_of(prepared, result), result


def model_of(prepared: Prepared, result: Fit) -> Model:
    """The fit of a formula, without the data."""
    from importlib.metadata import version

    return Model(
        str(prepared.formula),
        prepared.schema,
        result.coef,
        result.intercept,
        prepared.problem.strength,
        prepared.weights,
        prepared.offset,
        prepared.rows,
        proof_of(result.certificate, prepared.problem),
        version("berkson"),
    )


def prepare(
    formula: Formula | str,
    table: Table,
    *,
    event: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    strength: float = 0.0,
    drop_missing: bool = True,
    apart: Collection[str] = (),
    smooths: bool = False,
    reading: Reading = BY_REFERENCE,
) -> Prepared:
    """The problem that a formula poses on a table; arguments and errors as of `fit_table`.  `apart`: more columns that
    each row used must have a value in, and that `.` does not stand for.  `smooths`: the formula may have some, whose
    penalties the problem lacks.  `reading`: of factors, which with a `strength` are symmetric in any case."""
    formula = parse(formula) if isinstance(formula, str) else formula
    if formula.response is None:
        raise ValueError(f"the formula '{formula}' has no response; write y ~ ... with the column to be explained")
    apart = [*(column for column in (weights, offset) if column is not None), *apart]
    complete, rows = complete_rows(table, apart)
    named = {*formula.response.columns, *formula.columns}
    seen = complete.only(name for name in complete.columns if name not in apart or name in named)
    event_value = None if event is None else _event_of(complete, formula.response.columns[0], event)
    reading = replace(reading, symmetric=reading.symmetric or strength > 0.0)
    schema = learn(formula, seen, event=event_value, reading=reading)
    if schema.smooths and not smooths:
        raise ValueError(
            f"{schema.smooths[0].name} is a smooth, whose penalty is chosen by logit(formula, data) and `berkson fit` "
            "without another penalty; here give a spline of a fixed number of columns, such as ns(x, df=4)"
        )
    problem, rows = problem_of(schema, complete, rows, weights, offset, strength)
    if rows.missing and not drop_missing:
        counts = ", ".join(f"{name} in {count:,}" for name, count in rows.missing.items())
        raise ValueError(f"{rows.read - rows.used:,} of {rows.read:,} rows of {table.source} lack a value ({counts})")
    used = _used(table, rows)
    return Prepared(formula, schema, table, rows, _of_table(problem, table, used), weights, offset, used)


def _used(table: Table, rows: RowCount) -> npt.NDArray[np.bool_] | None:
    """The rows (n_rows,) in which nothing is missing; None: all."""
    return ~np.any([table[name].missing() for name in rows.missing], axis=0) if rows.missing else None


def _of_table(problem: Problem, table: Table, used: npt.NDArray[np.bool_] | None) -> Problem:
    """The problem with messages in the words of a table: options of the command, and the table's rows."""
    return replace(problem, wording=replace(WORDING, source=table.source, used=used))


def _event_of(table: Table, response: str, event: object) -> object:
    """The event that a text names by value (`TRUE` of booleans, `1.0` of numbers); else the text itself."""
    kind = table[response].kind
    if kind == "boolean" and str(event).lower() in ("true", "false"):
        return str(event).lower() == "true"
    if kind == "number" and isinstance(event, str):
        with suppress(ValueError):
            return float(event)
    return event


def complete_rows(table: Table, columns: list[str]) -> tuple[Table, RowCount]:
    """The rows in which these columns have values."""
    absent = {name: table[name].missing() for name in columns}
    counts = {name: int(rows.sum()) for name, rows in absent.items() if rows.any()}
    gone = np.any([absent[name] for name in counts], axis=0) if counts else np.zeros(table.n_rows, dtype=bool)
    kept = table.take(~gone) if counts else table
    return kept, RowCount(table.n_rows, kept.n_rows, counts)


def problem_of(
    schema: Schema,
    table: Table,
    rows: RowCount,
    weights: str | None,
    offset: str | None,
    strength: float,
) -> tuple[Problem, RowCount]:
    """The engine's problem of a table's complete rows, and the count of rows with those that this leaves out."""
    absent, counts = schema.missing(table)
    if counts:
        table = table.take(~absent)
    rows = RowCount(rows.read, table.n_rows, {**rows.missing, **counts})
    classes = classes_of(schema)
    if (offset is not None or schema.offsets) and len(classes) > 2:
        raise ValueError(
            f"an offset is for two classes here, and the response has {len(classes)}: leave it out, or use "
            "LogisticRegression().fit(X, y, offset=), which takes one for each class"
        )
    _refuse_huge(table.n_rows, stored_columns(schema, table.n_rows))
    y, trials = schema.response(table)
    weight = trials
    if weights is not None:
        own = _numbers(table, weights)
        _refuse_weights(own, weights, table.source)
        weight = own if trials is None else own * trials
    shift = offset_of(schema, table, offset)
    X = assemble(schema, table)
    return Problem(X, y, len(classes), weight, shift, strength, schema.intercept, schema.names, classes), rows


def offset_of(schema: Schema, table: Table, column: str | None) -> F64 | None:
    """The known part of the log-odds (n,): that column and the formula's own offsets."""
    own = schema.offset(table)
    if column is None:
        return own
    given = _numbers(table, column)
    return given if own is None else given + own


def _numbers(table: Table, name: str) -> F64:
    return table[name].as_number().values.astype(np.float64, copy=False)


def _refuse_weights(weight: F64, name: str, source: str) -> None:
    wrong = ~((weight >= 0.0) & np.isfinite(weight))
    if wrong.any():
        first = float(weight[np.argmax(wrong)])
        raise ValueError(
            f"the weights '{name}' of {source} hold {first:g}; a weight is zero or positive, and finite: correct it or "
            "leave out the row"
        )


def _refuse_huge(n: int, p: int) -> None:
    """ValueError for a design that the machine cannot hold."""
    size = 8 * n * p
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if size > MEMORY_SHARE * machine:
        raise ValueError(
            f"the design of {n:,} rows and {p:,} columns takes {size / 1e9:,.0f} GB, more than this machine has; leave "
            "out columns, or factors with many levels"
        )
