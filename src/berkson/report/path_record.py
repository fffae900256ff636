"""Paths and cross-validations as plain data for other programs."""

from __future__ import annotations

import math
from typing import Any, Literal

from berkson.model import Prepared, classes_of
from berkson.select.cross_validation import CrossValidation
from berkson.select.path import Path
from berkson.select.relaxed import Relaxed, RelaxedCrossValidation
from berkson.select.separated import notes


def path_record(given: Prepared, found: Path) -> dict[str, Any]:
    """Every fit with its proof; coefficients that are 0 are left out, as are those of fits without a proof.  Numbers
    that are not finite are null."""
    return {
        "formula": str(given.formula),
        "rows": {"read": given.rows.read, "used": given.rows.used, "missing": given.rows.missing},
        "l1_ratio": float(found.options.l1_ratio),
        "standardize": bool(found.options.standardize),
        "tol": float(found.tol),
        "null_deviance": float(found.null_deviance),
        "ended": found.ended,
        "passes": float(found.passes),
        "seconds": float(found.seconds),
        "columns": list(given.schema.names),
        "notes": list(notes(found)),
        "fits": [_fit(given, found, i) for i in range(len(found.lambdas))],
    }


def cross_validation_record(given: Prepared, found: CrossValidation, rule: Literal["min", "1se"]) -> dict[str, Any]:
    """The path and the curve; `chosen` is the lambda of the rule."""
    chosen = found.chosen
    record = path_record(given, found.path)
    for i, fit in enumerate(record["fits"]):
        fit["mean"], fit["std_error"] = _finite(chosen.mean[i]), _finite(chosen.se[i])
        fit["folds_certified"] = bool(found.certified[:, i].all())
    return record | {
        "measure": found.measure,
        "folds": found.folds.count,
        "lambda_min": found.lambda_min,
        "lambda_1se": found.lambda_1se,
        "rule": rule,
        "chosen": found.lambda_min if rule == "min" else found.lambda_1se,
        "notes": list(dict.fromkeys([*found.notes, *record["notes"]])),
        "passes": float(found.passes),
        "seconds": float(found.seconds),
    }


def relaxed_record(given: Prepared, found: Relaxed) -> list[dict[str, Any]]:
    """Of each lambda the fit without a penalty on the columns that it has, null where there is none, and why."""
    path, gaps = found.as_path(0.0), found.gap
    return [
        {"lambda": float(path.lambdas[i]), "refused": refused or None, "gap": _finite(gaps[i])}
        | {"coefficients": _coefficients(given, path, i) if math.isfinite(gaps[i]) else None}
        for i, refused in enumerate(found.refused)
    ]


def blends_record(found: RelaxedCrossValidation) -> dict[str, Any]:
    """The means of blends, a list for each gamma, and the choice among them."""
    return {
        "gammas": found.gammas.tolist(),
        "blends": [[_finite(value) for value in mean] for mean in found.mean.tolist()],
        "lambda_min": found.lambda_min,
        "gamma_min": found.gamma_min,
        "lambda_1se": found.lambda_1se,
        "gamma_1se": found.gamma_1se,
    }


def _fit(given: Prepared, found: Path, i: int) -> dict[str, Any]:
    certified = bool(found.certified[i])
    return {
        "lambda": float(found.lambdas[i]),
        "df": int(found.df[i]),
        "deviance_explained": float(found.deviance_ratio[i]),
        "gap": _finite(found.gap[i]),
        "certified": certified,
        "coefficients": _coefficients(given, found, i) if certified else None,
    }


def _coefficients(given: Prepared, found: Path, i: int) -> list[dict[str, Any]]:
    classes = classes_of(given.schema)
    names = classes[-1:] if given.problem.n_classes == 2 else classes
    return [
        {
            "class": name,
            "intercept": float(found.intercept[i, k]),
            "columns": {
                column: value
                for column, value in zip(given.schema.names, found.coef[i, k].tolist(), strict=True)
                if value != 0.0
            },
        }
        for k, name in enumerate(names)
    ]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
