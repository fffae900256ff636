"""A fit as plain data for other programs."""

from __future__ import annotations

from typing import Any

from berkson.fit import Fit
from berkson.inference.likelihood import likelihood
from berkson.model import Model


def record(model: Model, result: Fit) -> dict[str, Any]:
    """How a model was fitted (`solver`) and, for an unpenalised fit, its `statistics` (else None)."""
    info = result.info
    solver = {
        "name": info.solver,
        "why": info.why,
        "iterations": info.iterations,
        "passes": info.passes,
        "bytes_read": info.bytes_read,
        "seconds": info.seconds,
        "stopped": info.stopped,
    }
    found = None
    if model.strength == 0.0:
        assert model.schema.outcome is not None
        counted = model.schema.outcome.kind == "counts" and model.weights is None
        fitted = likelihood(result, result.problem.weight if counted else None)
        found = {
            "log_likelihood": fitted.log_likelihood,
            "deviance": fitted.deviance,
            "null_deviance": fitted.null_deviance,
            "explained": fitted.explained,
        }
    return {"solver": solver, "statistics": found}
