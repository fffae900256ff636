"""A small table and labels of two and of three classes, read-only: no estimator has reason to write to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from berkson import LogisticRegression

N, P = 300, 4
X = np.random.default_rng(0).normal(size=(N, P)) * [1.0, 0.5, 2.0, 1.0] + [0.0, 1.0, -3.0, 0.2]
y = (np.random.default_rng(1).random(N) < expit(X @ [1.0, -1.0, 0.3, 0.0] + 1.5)).astype(int)
_eta = X @ np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 0.5], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]])
y3 = (_eta + np.random.default_rng(2).gumbel(size=(N, 3))).argmax(axis=1)
for _array in (X, y, y3):
    _array.setflags(write=False)

# coefficients of these well-posed problems, where both sides stop at rounding; scikit-learn's at a gradient of 1e-10
CLOSE = {"rtol": 1e-7, "atol": 1e-9}
ADDITIONS = {"rtol": 1e-10, "atol": 1e-12}  # the same doubles in another order of additions


def assert_same_model(ours: LogisticRegression, reference: Any, **tolerance: float) -> None:
    """Both have the same coefficients and intercepts to within `tolerance`, CLOSE unless said."""
    tolerance = tolerance or CLOSE
    np.testing.assert_allclose(ours.coef_, reference.coef_, **tolerance)
    np.testing.assert_allclose(ours.intercept_, reference.intercept_, **tolerance)
