"""scikit-learn's door."""

from __future__ import annotations

from berkson.estimators.cross_validated import LogisticRegressionCV
from berkson.estimators.logistic import LogisticRegression

__all__ = ["LogisticRegression", "LogisticRegressionCV"]
