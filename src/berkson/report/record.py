"""A fit as plain data for other programs: all that its summary shows."""

from __future__ import annotations

import math
from typing import Any

from berkson.report.coefficients import Coefficients
from berkson.report.effects import effects_record
from berkson.report.summary import Findings


def record(found: Findings) -> dict[str, Any]:
    """How a model was fitted (`solver`), how well (`statistics`) and its `inference`; None where there is none.

    Numbers that are not finite are null; an infinite estimate has its sign in `infinite`, which is 0 for either.
    """
    info = found.estimates.fit.info
    solver = {
        "name": info.solver,
        "why": info.why,
        "iterations": info.iterations,
        "passes": info.passes,
        "bytes_read": info.bytes_read,
        "seconds": info.seconds,
        "stopped": info.stopped,
    }
    inference = None if found.coefficients is None else _inference(found, found.coefficients)
    effects = None if found.effects is None or isinstance(found.effects, str) else found.effects
    return {
        "solver": solver,
        "statistics": _statistics(found),
        "inference": inference,
        "effects": None if effects is None else effects_record(effects, found.level),
        "refused": list(dict.fromkeys(why for why in (found.refusal, found.effects) if isinstance(why, str))),
    }


def _statistics(found: Findings) -> dict[str, Any] | None:
    fitted = found.goodness
    if fitted is None:
        return None
    return {
        "log_likelihood": fitted.likelihood.log_likelihood,
        "null_log_likelihood": fitted.likelihood.null_log_likelihood,
        "deviance": fitted.likelihood.deviance,
        "null_deviance": fitted.likelihood.null_deviance,
        "df_residual": fitted.df_residual,
        "df_null": fitted.df_null,
        "explained": _finite(fitted.likelihood.explained),
        "likelihood_ratio": fitted.likelihood_ratio,
        "df_model": fitted.df_model,
        "p_value": _finite(fitted.p_value),
        "aic": _finite(fitted.aic),
        "bic": _finite(fitted.bic),
        "n_obs": fitted.n_obs,
    }


def _inference(found: Findings, shown: Coefficients) -> dict[str, Any]:
    estimates, classes = found.estimates, found.model.classes
    several = len(classes) > 2
    equations = [classes[k] for k in estimates.equations for _ in estimates.columns]
    names = [name for _ in estimates.equations for name in estimates.column_names]
    values = (shown.estimate, shown.std_error, shown.statistic, shown.p_value, shown.low, shown.high)
    keys = ("estimate", "std_error", "statistic", "p_value", "low", "high")
    parameters = []
    for k, name in enumerate(names):
        line: dict[str, Any] = {"class": equations[k]} if several else {}
        line |= {"term": name} | {key: _finite(float(of[k])) for key, of in zip(keys, values, strict=True)}
        if not math.isfinite(shown.estimate[k]) and k not in _aliased(found):
            line["infinite"] = 0 if math.isnan(shown.estimate[k]) else int(math.copysign(1, shown.estimate[k]))
        parameters.append(line)
    return {
        "covariance": shown.covariance.text,
        "notes": list(shown.covariance.notes),
        "interval": shown.interval,
        "test": shown.test,
        "level": shown.level,
        "weight_kind": estimates.weight_kind,
        "reference": classes[estimates.reference] if several else None,
        "parameters": parameters,
    }


def _aliased(found: Findings) -> set[int]:
    columns = [alias.column for alias in found.estimates.fit.certificate.rank.aliased]
    return set(found.estimates.positions(columns))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
