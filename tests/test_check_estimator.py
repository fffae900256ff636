"""scikit-learn's own checks of an estimator, all of them, without an exemption."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from berkson import LogisticRegression


# Some of its data sets are separable or have more columns than rows: without a penalty we must warn there.
@pytest.mark.filterwarnings("ignore::berkson.notices.SeparationWarning", "ignore::berkson.notices.RankWarning")
@parametrize_with_checks([LogisticRegression(), LogisticRegression(C=np.inf)])
def test_check_estimator(estimator: LogisticRegression, check: Callable[[Any], None]) -> None:
    check(estimator)
