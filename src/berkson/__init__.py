"""Logistic regression, binary and softmax, that is never silently wrong and proves what it answers."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers read it: importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

    from berkson.estimators import KernelLogisticRegression, LogisticRegression, LogisticRegressionCV
    from berkson.inference.estimates import StatisticsError
    from berkson.inference.scenarios import Shift
    from berkson.logistic import LogitFit, logit
    from berkson.logistic.paths import LogitCrossValidation, LogitPath
    from berkson.logistic.penalised import PenalisedFit
    from berkson.logistic.selection import cross_validate, path, stability_selection
    from berkson.logistic.smooth import SmoothFit
    from berkson.notices import RankWarning, SeparationWarning
    from berkson.problem import InputError
    from berkson.report.boundary import DecisionBoundary

    __version__: str

__all__ = [
    "DecisionBoundary",
    "InputError",
    "KernelLogisticRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "LogitCrossValidation",
    "LogitFit",
    "LogitPath",
    "PenalisedFit",
    "RankWarning",
    "SeparationWarning",
    "Shift",
    "SmoothFit",
    "StatisticsError",
    "__version__",
    "cross_validate",
    "logit",
    "path",
    "stability_selection",
]

_HOME = {
    "DecisionBoundary": "berkson.report.boundary",
    "InputError": "berkson.problem",
    "KernelLogisticRegression": "berkson.estimators",
    "LogisticRegression": "berkson.estimators",
    "LogisticRegressionCV": "berkson.estimators",
    "LogitCrossValidation": "berkson.logistic.paths",
    "LogitFit": "berkson.logistic",
    "LogitPath": "berkson.logistic.paths",
    "PenalisedFit": "berkson.logistic.penalised",
    "RankWarning": "berkson.notices",
    "SeparationWarning": "berkson.notices",
    "Shift": "berkson.inference.scenarios",
    "SmoothFit": "berkson.logistic.smooth",
    "StatisticsError": "berkson.inference.estimates",
    "cross_validate": "berkson.logistic.selection",
    "logit": "berkson.logistic",
    "path": "berkson.logistic.selection",
    "stability_selection": "berkson.logistic.selection",
}


def __getattr__(name: str) -> Any:
    """A public name, at its first use, so that `import berkson` costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("berkson")
    elif name in _HOME:
        from importlib import import_module

        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
