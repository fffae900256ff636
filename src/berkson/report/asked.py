"""What a picture asks a classifier: which classes it knows, and their probabilities over a grid of two columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.kernels.reference import log1p_exp, log_softmax
from berkson.model import Model
from berkson.report.varied import Rows, rows_of
from berkson.table import Table, from_frame, listing, quoted, shorten, suggestion

F64 = npt.NDArray[np.float64]

CELLS = 1 << 22  # of the rows that a model is asked about at a time
LEAST = -745.0  # logarithm of the smallest double: of a probability that is given as 0


def classifier(model: Any) -> Any:
    """The classifier, or the `Model` that a fit of a formula holds."""
    if hasattr(model, "predict_proba"):
        return model
    held = model if isinstance(model, Model) else getattr(model, "model", None)
    if isinstance(held, Model):
        return held
    raise ValueError(
        f"{type(model).__name__} has no predict_proba, so there are no probabilities to draw: give a classifier "
        "that has, or a fit of logit"
    )


def rows_for(model: Any, X: Any) -> Rows:
    """The table in the form that the model takes, column by column."""
    if isinstance(model, Model):
        return rows_of(from_frame(X).only(model.predictors), None)
    names = getattr(model, "feature_names_in_", None)
    return rows_of(X, None if names is None else [str(name) for name in names])


def classes_of(model: Any) -> list[Any]:
    """Labels of the classes, in the order of the model's probabilities."""
    if isinstance(model, Model):
        outcome = model.schema.outcome
        assert outcome is not None
        name = outcome.response.columns[0]
        return list(outcome.levels) or [f"not {name}", name]
    return np.asarray(model.classes_).tolist()  # type: ignore[no-any-return]


def codes_of(model: Any, X: Any, y: Any, classes: list[Any], n: int) -> npt.NDArray[np.intp]:
    """The class of each row, -1 where it is not known."""
    if y is None and isinstance(model, Model):
        y = _response(model, from_frame(X))
    if y is None:
        return np.full(n, -1)
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape}, but X has {n} rows: give one label a row")
    code = {each: k for k, each in enumerate(classes)}
    known = [-1 if label is None or label != label else code.get(label, -2) for label in labels.tolist()]
    found = np.array(known, dtype=np.intp)
    if (found == -2).any():
        row = int(np.flatnonzero(found == -2)[0])
        raise ValueError(
            f"y holds {shorten(repr(labels.tolist()[row]))} in row {row}, which the model does not know: its classes "
            f"are {listing(map(str, classes))}"
        )
    return found


def response_of(model: Any, y: Any) -> str:
    """The name of what the classes are of, where it has one."""
    if isinstance(model, Model):
        assert model.schema.outcome is not None
        return model.schema.outcome.response.columns[0]
    name = getattr(y, "name", None)
    return name if isinstance(name, str) else ""


def _response(model: Model, table: Table) -> list[str | None] | None:
    """The levels of the response, where the table has it and it has levels."""
    outcome = model.schema.outcome
    assert outcome is not None
    name = outcome.response.columns[0]
    if not outcome.levels or name not in table.columns:
        return None
    factor = table[name].as_factor()
    return [factor.levels[code] if code >= 0 else None for code in factor.values.tolist()]


def two_of(rows: Rows, features: Sequence[int | str] | None) -> tuple[int, int]:
    """Positions of the columns of the axes."""
    if features is None:
        if len(rows.names) != 2:
            raise ValueError(f"X has {len(rows.names)} columns: name the two of the axes, features=(..., ...)")
        return 0, 1
    if isinstance(features, str) or len(features) != 2:
        raise ValueError("a boundary has two axes: features=(..., ...) names two columns")
    a, b = (place_of(rows, name) for name in features)
    if a == b:
        raise ValueError(f"both axes are {quoted(rows.names[a])}: features=(..., ...) names two columns")
    return a, b


def place_of(rows: Rows, name: int | str) -> int:
    """Position of a column, from 0."""
    if isinstance(name, str):
        if name not in rows.names:
            near = suggestion(name, rows.names)
            near += " Its" if near else "; its"
            raise ValueError(f"X has no column {quoted(name)}{near} columns: {listing(rows.names, 20)}")
        return rows.names.index(name)
    if not 0 <= name < len(rows.names):
        raise ValueError(f"X has no column {name}: they go from 0 to {len(rows.names) - 1}")
    return int(name)


def log_probabilities(model: Any, rows: Rows, two: tuple[int, int], grid: tuple[F64, F64], rest: dict[int, Any]) -> F64:
    """Logarithms of the probabilities over the grid (m, n, K), by runs of its rows."""
    a, b = two
    across, up = np.repeat(grid[0], len(grid[1])), np.tile(grid[1], len(grid[0]))
    step = max(1, CELLS // max(1, len(rows.names)))
    found = []
    for start in range(0, len(across), step):
        part = slice(start, start + step)
        given = {**rest, a: across[part], b: up[part]}
        found.append(_log_proba(model, rows.varied(given, len(across[part]))))
    log_proba = np.maximum(np.concatenate(found), LEAST)
    if np.isnan(log_proba).any():
        raise ValueError(
            "the model has no probability for some places of the grid: hold other columns at values it takes"
        )
    return log_proba.reshape(len(grid[0]), len(grid[1]), -1)


def _log_proba(model: Any, rows: Any) -> F64:
    if isinstance(model, Model):
        eta = model.linear_predictor(rows)
        return log_softmax(eta) if eta.shape[1] > 1 else -np.column_stack([log1p_exp(eta), log1p_exp(-eta)])
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.filterwarnings("ignore", message="divide by zero")
        if hasattr(model, "predict_log_proba"):
            return np.asarray(model.predict_log_proba(rows), dtype=np.float64)
        return np.log(np.asarray(model.predict_proba(rows), dtype=np.float64))
