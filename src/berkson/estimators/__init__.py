"""scikit-learn's door."""

from __future__ import annotations

from berkson.estimators.cross_validated import LogisticRegressionCV
from berkson.estimators.kernel import KernelLogisticRegression
from berkson.estimators.logistic import LogisticRegression

__all__ = ["KernelLogisticRegression", "LogisticRegression", "LogisticRegressionCV"]
