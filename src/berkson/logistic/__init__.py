"""The statistician's door: `logit("y ~ x", data)` or `logit(y, X)`, with inference; paths of penalties."""

from __future__ import annotations

from berkson.logistic.door import logit
from berkson.logistic.paths import LogitCrossValidation, LogitPath
from berkson.logistic.penalised import PenalisedFit
from berkson.logistic.result import LogitFit
from berkson.logistic.selection import cross_validate, path

__all__ = ["LogitCrossValidation", "LogitFit", "LogitPath", "PenalisedFit", "cross_validate", "logit", "path"]
