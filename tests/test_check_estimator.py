"""scikit-learn's own checks of an estimator, all of them, without an exemption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from berkson import LogisticRegression, LogisticRegressionCV

CHOSEN = LogisticRegressionCV(Cs=3, cv=3, l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False)


# Some of its data sets are separable or have more columns than rows: without a penalty we must warn there.  The best C
# of some is at an end of the grid.
@pytest.mark.filterwarnings(
    "ignore::berkson.notices.SeparationWarning", "ignore::berkson.notices.RankWarning", "ignore:the best C"
)
@parametrize_with_checks([LogisticRegression(), LogisticRegression(C=np.inf), CHOSEN])
def test_check_estimator(estimator: LogisticRegression, check: Callable[[Any], None]) -> None:
    check(estimator)
