"""Records of inference as tables for the caller."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import StatisticsError
from berkson.inference.predictions import Policy, Predictions, predictions
from berkson.inference.quantities import Quantities
from berkson.inference.scenarios import Population, fitted_population
from berkson.kernels.reference import sigmoid, softmax
from berkson.logistic.fitted import Answering, Predicting
from berkson.logistic.inputs import free, index_of, predictors_table
from berkson.logistic.numbers import Numbers
from berkson.table import from_frame

if TYPE_CHECKING:
    from berkson.inference.hypotheses import Method
    from berkson.inference.terms import TableType

F64 = npt.NDArray[np.float64]


def listed(names: str | Sequence[str]) -> Sequence[str]:
    """One name as a list of one."""
    return [names] if isinstance(names, str) else names


def population(fit: Answering) -> Population:
    """The rows of the fit, whom averages are over."""
    return fitted_population(fit.estimates, fit.prepared.schema, fit.prepared.complete)


# --- predictions ----------------------------------------------------------------------------------------------------


def predict(fit: Answering, new: Any, kind: str, interval: bool | float, offset: Any, policy: Policy) -> Any:
    """See `LogitFit.predict`."""
    if kind not in ("probability", "link", "class"):
        raise ValueError(f"kind={kind!r} is no kind of prediction; choose 'probability', 'link' or 'class'")
    if not isinstance(interval, (bool, int, float, np.bool_, np.number)):
        raise ValueError(f"interval={interval!r} is neither True nor a level between 0 and 1, such as 0.95")
    if interval and kind == "class":
        raise ValueError("a class has no interval; ask for that of its probability")
    fit.estimates.require_optimum()
    level = fit.level if interval is True else float(interval) or None
    index = fit.frames.index_of(fit.prepared.used) if new is None else index_of(new)
    if level is None and new is None:
        return shaped(fit, kind, _values(fit, kind), index)
    found = _predictions(fit, new, kind, level, offset, policy)
    for note in found.notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    return shaped(fit, kind, found.value, index) if level is None else _with_errors(fit, found, index)


def _values(fit: Answering, kind: str) -> F64:
    """(n, R) of the rows fitted, without standard errors."""
    estimates = fit.estimates
    eta = estimates.linear_predictor()
    if eta.shape[1] == 1:
        return eta if kind == "link" else sigmoid(eta)
    if kind == "link":
        return eta[:, list(estimates.equations)] - eta[:, [estimates.reference]]
    probability = np.full(eta.shape, math.nan)
    known = ~np.isnan(eta).any(axis=1)
    probability[known] = softmax(eta[known])
    return probability


def _predictions(fit: Answering, new: Any, kind: str, level: float | None, offset: Any, policy: Policy) -> Predictions:
    schema = fit.prepared.schema
    if new is None:
        table, shift = fit.prepared.complete, _offset(population(fit).offset)
    else:
        table = predictors_table(new, schema)
        if isinstance(offset, str):
            table[offset]  # where it is named for these rows it must be there
        shift = _offset(fit.prepared.offset if offset is None else offset)
    return predictions(
        fit.estimates,
        schema,
        table,
        kind="link" if kind == "link" else "probability",
        covariance=None if level is None else fit.covariance,
        level=fit.level if level is None else level,
        offset=shift,
        policy=policy,
    )


def _offset(given: Any) -> str | F64 | None:
    """The name of a column, or values as floats."""
    if given is None or isinstance(given, str):
        return given
    return from_frame({"offset": given})["offset"].as_number().values.astype(np.float64)


def _names(fit: Predicting, kind: str) -> list[str]:
    """Of the columns of a prediction of more than two classes."""
    classes = fit.model.classes
    if kind == "link":
        return [f"{name}:{classes[fit.reference]}" for k, name in enumerate(classes) if k != fit.reference]
    return list(classes)


def shaped(fit: Predicting, kind: str, values: F64, index: Any) -> Any:
    """Values (n, R) as a Series, or a table of R columns; or the classes they tell."""
    frames = fit.frames
    if kind == "class":
        return frames.series("class", _classes(fit, values), index)
    if fit.prepared.problem.n_classes == 2:
        return frames.series(kind, values[:, 0], index)
    return frames.table(dict(zip(_names(fit, kind), values.T, strict=True)), index)


def _classes(fit: Predicting, probability: F64) -> Any:
    assert fit.prepared.schema.outcome is not None
    if not fit.prepared.schema.outcome.levels:
        raise ValueError("the response is a share, which has no classes; ask for probabilities")
    known = ~np.isnan(probability).any(axis=1)
    best = np.zeros(len(probability), dtype=np.intp)
    p = probability[known]
    best[known] = p[:, 0] >= 0.5 if p.shape[1] == 1 else p.argmax(axis=1)
    chosen = np.array(fit.classes, dtype=object)[best]
    chosen[~known] = None
    return np.array(chosen.tolist()) if fit.frames.library is None else chosen.tolist()


def _with_errors(fit: Answering, found: Predictions, index: Any) -> Any:
    assert found.std_error is not None
    assert found.lower is not None
    assert found.upper is not None
    n, R = found.value.shape
    columns: dict[str, Any] = {}
    if fit.prepared.problem.n_classes > 2:
        columns = {"row": np.repeat(np.arange(1, n + 1), R), "y.level": _names(fit, found.kind) * n}
        index = None if index is None else np.repeat(np.asarray(index), R)
    columns |= {
        "estimate": found.value.ravel(),
        "std.error": found.std_error.ravel(),
        "conf.low": found.lower.ravel(),
        "conf.high": found.upper.ravel(),
    }
    return fit.frames.table(columns, index)


def augment(fit: Numbers, kind: str) -> Any:
    """See `LogitFit.augment`."""
    from berkson.inference.influence import influence
    from berkson.inference.residuals import leverage, residuals

    if kind not in ("link", "probability"):
        raise ValueError(f"kind={kind!r} is no kind of fitted value; choose 'link' or 'probability'")
    estimates = fit.estimates
    values = _values(fit, kind)
    if fit.prepared.problem.n_classes > 2:
        named = {f".fitted.{name}": column for name, column in zip(_names(fit, kind), values.T, strict=True)}
        added = named | {".resid": residuals(estimates, "deviance"), ".hat": leverage(estimates)}
    else:
        each = influence(estimates)
        resid = residuals(estimates, "deviance")
        added = {
            ".fitted": values[:, 0],
            ".resid": resid,
            ".hat": each.leverage,
            ".sigma": each.sigma,
            ".cooksd": each.cooks_distance,
            ".std.resid": residuals(estimates, "standardised_deviance"),
        }
    return fit.frames.joined(fit.prepared, added)


# --- effects and tests ----------------------------------------------------------------------------------------------


NUMBERS = ("estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high")


def quantities_table(fit: Answering, found: Quantities, level: float | None) -> Any:
    """Effects, averages or contrasts: term, contrast, y.level, held and grouping columns, then the numbers."""
    for note in found.notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    columns: dict[str, Any] = {}
    if "column" in found.labels:
        columns |= {"term": list(found.labels["column"]), "contrast": list(found.labels["contrast"])}
    if fit.prepared.problem.n_classes > 2:
        columns["y.level"] = list(found.labels["class"])
    for name, values in (*found.at.items(), *found.groups.items()):
        columns[free(name, {*columns, *NUMBERS})] = [
            value if isinstance(value, (int, float, str, bool)) else str(value) for value in values
        ]
    ends = found.interval(fit.level if level is None else level)
    values = (found.estimate, found.std_error, found.statistic, found.p_value, ends[:, 0], ends[:, 1])
    columns |= dict(zip(NUMBERS, values, strict=True))
    return fit.frames.table(columns)


def average_effects(fit: Answering) -> Quantities | str:
    """Average marginal effects for a summary, or the sentence that says why not."""
    from berkson.inference.effects import effects

    try:
        return effects(fit.estimates, fit.covariance, fit.prepared.schema, population(fit))
    except StatisticsError as refusal:
        return str(refusal)


def term_table(fit: Numbers, type: TableType, method: Method) -> Any:
    """Tests of terms: term, df, statistic, p.value; of likelihood-ratio drop1 the AIC without the term, too."""
    from berkson.inference.terms import term_tests

    found = term_tests(fit.estimates, fit.prepared.schema, type, method, fit.covariance)
    columns: dict[str, Any] = {"term": list(found.terms), "df": found.df, "statistic": found.statistic}
    if type == "drop1" and method == "lr":
        columns["AIC"] = fit.goodness.aic + np.where(found.df > 0, found.statistic - 2.0 * found.df, 0.0)
    columns["p.value"] = found.p_value
    return fit.frames.table(columns)
