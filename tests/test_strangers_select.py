"""What a stranger tries on penalties, paths and folds: awkward data, odd options, and sentences for what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson import LogisticRegression, logit, path

F64 = npt.NDArray[np.float64]
Array = npt.NDArray[np.int64]


def some_rows() -> tuple[F64, Array, Array]:
    """Rows, two classes that follow from the first column, and three of chance."""
    random = np.random.default_rng(1)
    X = random.normal(size=(120, 4))
    return X, (X[:, 0] + random.logistic(size=120) > 0).astype(np.int64), random.integers(0, 3, 120)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("against", [50.0, 1000.0])
def test_the_lasso_is_reached_from_a_start_without_curvature(l1_ratio: float, against: float) -> None:
    X, two, three = some_rows()
    for y, offset in ((two, np.where(two, -against, against)), (three, -against * np.eye(3)[three])):
        assert LogisticRegression(l1_ratio=l1_ratio).fit(X, y, offset=offset).certificate_.certified


def test_one_row_of_a_huge_weight_leaves_the_lasso_its_proof() -> None:
    X, two, three = some_rows()
    weight = np.where(np.arange(len(X)) == 0, 1e12, 1.0)
    for y in (two, three):
        assert LogisticRegression(l1_ratio=1.0).fit(X, y, sample_weight=weight).certificate_.certified


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.5}, "give column_groups="),
        ({"standardize": "no"}, "standardize='no' is neither True nor False"),
        ({"complete": 1}, "complete=1 is neither True nor False"),
        ({"intercept": "no"}, "intercept='no' is neither True nor False"),
        ({"smallest": "a"}, "smallest='a' is no number"),
    ],
)
def test_options_that_would_say_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        path("y ~ a", {"y": [0, 1, 1, 0], "a": [1.0, 2.0, 3.0, 4.0]}, **options)


@pytest.mark.parametrize(
    ("options", "said"), [({"level": 0.9}, "level= and penalty="), ({"weight_kind": "x"}, "none of")]
)
def test_a_penalised_fit_refuses_what_it_has_no_use_for(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        logit("y ~ a", {"y": [0, 1, 1, 0], "a": [1.0, 2.0, 3.0, 4.0]}, penalty="lasso", lambda_=0.1, **options)
