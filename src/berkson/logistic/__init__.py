"""The statistician's door: `logit("y ~ x", data)` or `logit(y, X)`, with inference; penalties in `selection`."""

from __future__ import annotations

from berkson.logistic.door import logit
from berkson.logistic.result import LogitFit

__all__ = ["LogitFit", "logit"]
