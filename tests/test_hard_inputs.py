"""Inputs on which logistic regressions fail, often in silence, and what is right for each: data, scale and verdicts.

The numbers are those of one list, with `test_hard_tables.py` for labels and tables.  8 (a ridge on some columns only)
and 34 to 35 (standard errors) wait for what they are about.  Engine and estimator answer alike: `both` asks them both.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from optimum import optimum
from sklearn.datasets import load_breast_cancer, load_iris  # type: ignore[import-untyped]

from berkson import InputError, LogisticRegression, RankWarning, SeparationWarning
from berkson.fit import Fit, fit
from berkson.problem import Problem

Array = npt.NDArray[Any]


def codes(y: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(y, dtype=np.uint8)


def estimator(X: Array, y: Array, weight: Array | None = None, **options: Any) -> tuple[LogisticRegression, list[Any]]:
    """The fitted estimator, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(**options).fit(X, y, sample_weight=weight)
    return model, [warning.message for warning in caught]


def both(X: Array, y: Array, weight: Array | None = None) -> tuple[Fit, str]:
    """The engine's maximum-likelihood fit and the estimator's one warning, after a look that they agree."""
    K = len(np.unique(y))
    fitted = fit(Problem(X, codes(y), K, weight=weight))
    model, messages = estimator(X, y, weight, C=np.inf)
    np.testing.assert_allclose(model.coef_, fitted.coef, rtol=1e-9, atol=1e-12)
    wanted = (SeparationWarning, RankWarning)
    assert all(isinstance(message, wanted) for message in messages), messages
    return fitted, " | ".join(str(message) for message in messages)


def infinite(fitted: Fit) -> set[tuple[int, int]]:
    """(column, sign) of each infinite coefficient of a binary fit."""
    assert fitted.certificate.separation is not None
    assert fitted.certificate.exists is False
    assert not fitted.certificate.certified
    return {(i.column, i.sign) for i in fitted.certificate.separation.infinite}


def normal(n: int, p: int, seed: int) -> tuple[Array, Array]:
    """Columns and labels without separation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, codes(rng.random(n) < 1 / (1 + np.exp(-0.8 * X[:, 0] + 0.3)))


# --- separation -----------------------------------------------------------------------------------------------------


def test_01_complete_separation() -> None:
    fitted, said = both(np.array([[-3.0], [-2], [-1], [1], [2], [3]]), codes([0, 0, 0, 1, 1, 1]))
    assert fitted.certificate.separation is not None
    assert fitted.certificate.separation.kind == "complete"
    assert (0, 1) in infinite(fitted)
    assert "'x0'" in said
    assert "separation" in said
    assert "C" in said, "a way out"


def test_02_an_empty_cell() -> None:
    # x = 1 has events only; x = 0 has as many as not
    x, y = np.repeat([0.0, 1.0], [20, 10]), codes([0, 1] * 10 + [1] * 10)
    fitted, said = both(x[:, None], y)
    assert infinite(fitted) == {(0, 1)}
    assert fitted.certificate.separation is not None
    assert fitted.certificate.separation.kind == "quasi-complete"
    assert fitted.certificate.separation.separated_rows == 10
    assert fitted.certificate.separation.overlapping_rows == 20
    assert "'x0'" in said
    assert "(+)" in said


def test_03_a_combination_of_three_columns_separates() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    y = codes(X @ [1.0, -2.0, 1.5] > 0)
    for j in range(3):  # no column, and no pair, does it
        others = np.delete(X, j, axis=1)
        assert fit(Problem(others, y)).certificate.separation is None
    fitted, said = both(X, y)
    assert {column for column, _ in infinite(fitted)} >= {0, 1, 2}
    for name in ("x0", "x1", "x2"):
        assert name in said


def test_04_a_rare_dummy() -> None:
    X, y = normal(5000, 2, 4)
    dummy = np.zeros(5000)
    dummy[:7], y[:7] = 1.0, 1
    fitted, said = both(np.column_stack([X, dummy]), y)
    assert infinite(fitted) == {(2, 1)}
    assert "'x2'" in said
    rest = fit(Problem(X[7:], y[7:]))
    # the finite estimates are those of the other rows, approached as the dummy's grows
    np.testing.assert_allclose(fitted.coef[0, :2], rest.coef[0], atol=1e-3)


def test_05_separated_only_without_rows_of_weight_zero() -> None:
    X = np.array([[-3.0], [-2], [-1], [1], [2], [3], [-2.5]])
    y, weight = codes([0, 0, 0, 1, 1, 1, 1]), np.array([1.0, 1, 1, 1, 1, 1, 0])
    assert fit(Problem(X, y)).certificate.separation is None
    fitted, _ = both(X, y, weight)
    assert (0, 1) in infinite(fitted)


def test_06_one_class() -> None:
    X = np.arange(6.0)[:, None]
    for attempt in (lambda: fit(Problem(X, codes([1] * 6))), lambda: LogisticRegression().fit(X, ["yes"] * 6)):
        with pytest.raises(InputError, match="only one class"):
            attempt()
    with pytest.raises(InputError, match="yes"):
        LogisticRegression().fit(X, ["yes"] * 6)


def test_07_one_class_of_three_is_separated() -> None:
    rng = np.random.default_rng(7)
    X = np.concatenate([rng.normal(size=(60, 1)), rng.normal(size=(20, 1)) * 0.3 + 9.0])
    y = codes([0, 1] * 30 + [2] * 20)
    fitted, said = both(X, y)
    separation = fitted.certificate.separation
    assert separation is not None
    assert {i.class_index for i in separation.infinite} == {2}
    assert set(separation.reference) == {0, 1}
    assert "'2'" in said
    # the contrast of the other two is that of their own rows
    two = fit(Problem(X[:60], y[:60]))
    assert fitted.coef[1, 0] - fitted.coef[0, 0] == pytest.approx(two.coef[0, 0], abs=1e-3)


def test_09_iris() -> None:
    X, y = load_iris(return_X_y=True)
    fitted, said = both(X, y)
    separation = fitted.certificate.separation
    assert separation is not None
    assert separation.kind == "quasi-complete"
    # versicolor and virginica overlap, and setosa stands apart from both
    assert set(separation.reference) == {1, 2} or {i.class_index for i in separation.infinite} == {0}
    assert separation.separated_rows >= 50
    assert "'0'" in said


def test_10_breast_cancer() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    fitted, said = both(X, y)
    assert fitted.certificate.separation is not None
    assert fitted.certificate.separation.kind == "complete"
    assert "separation" in said


def test_11_a_class_without_weight() -> None:
    X, y = normal(50, 2, 11)
    weight = (y == 1).astype(float)
    for attempt in (lambda: fit(Problem(X, y, weight=weight)), lambda: LogisticRegression().fit(X, y, weight)):
        with pytest.raises(InputError, match=r"positive weight.* only one class: 1"):
            attempt()


def test_12_no_weight_at_all() -> None:
    X, y = normal(50, 2, 12)
    for attempt in (
        lambda: fit(Problem(X, y, weight=np.zeros(50))),
        lambda: LogisticRegression().fit(X, y, [0.0] * 50),
    ):
        with pytest.raises(InputError, match="zero in every row"):
            attempt()


# --- rank -----------------------------------------------------------------------------------------------------------


def aliased(fitted: Fit) -> set[int]:
    return {alias.column for alias in fitted.certificate.rank.aliased}


def test_13_a_duplicate_column() -> None:
    X, y = normal(300, 2, 13)
    fitted, said = both(np.column_stack([X, X[:, 0]]), y)
    assert aliased(fitted) == {2}
    assert fitted.certificate.certified
    assert "'x2' = 'x0'" in said
    # only the sum is estimable, and it is there
    np.testing.assert_allclose(fitted.coef[0, 0] + fitted.coef[0, 2], fit(Problem(X, y)).coef[0, 0], rtol=1e-9)


def test_14_dummies_of_every_level_beside_the_intercept() -> None:
    rng = np.random.default_rng(14)
    level = rng.integers(0, 3, 400)
    y = codes(rng.random(400) < np.array([0.2, 0.5, 0.7])[level])
    fitted, said = both(np.eye(3)[level], y)
    assert aliased(fitted) == {2}
    assert fitted.certificate.certified
    assert "'x2'" in said
    share = np.array([y[level == g].mean() for g in range(3)])
    logits = np.log(share / (1 - share))
    # contrasts are those of the cells' own shares
    np.testing.assert_allclose(fitted.coef[0] - fitted.coef[0, 2], logits - logits[2], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("value", [5.0, 0.1, -1e6])
def test_15_a_constant_column(value: float) -> None:
    X, y = normal(300, 2, 15)
    fitted, said = both(np.column_stack([X, np.full(300, value)]), y)
    assert aliased(fitted) == {2}
    assert fitted.coef[0, 2] == 0
    assert "constant" in said
    np.testing.assert_allclose(fitted.intercept, fit(Problem(X, y)).intercept, rtol=1e-9)


def test_16_columns_that_differ_by_a_billionth() -> None:
    X, y = normal(300, 1, 16)
    fitted, said = both(np.column_stack([X, X[:, 0] + 1e-9 * np.random.default_rng(116).normal(size=300)]), y)
    assert aliased(fitted) == {1}
    assert "'x1'" in said


def test_17_columns_that_differ_by_1e_minus_5() -> None:
    X, y = normal(300, 1, 17)
    X = np.column_stack([X, X[:, 0] + 1e-5 * np.random.default_rng(117).normal(size=300)])
    fitted, said = both(X, y)
    assert not aliased(fitted)
    assert [alias.column for alias in fitted.certificate.rank.nearly] == [1]
    assert "'x1'" in said
    known = optimum(Problem(X, y))
    # estimable to within a millionth of its (huge) standard error, which is larger than the estimate
    np.testing.assert_allclose(fitted.coef, known.coef.astype(float), rtol=1e-5)
    assert abs(fitted.coef[0, 0]) > 1e3


def test_18_a_column_of_zeros() -> None:
    X, y = normal(300, 2, 18)
    fitted, said = both(np.column_stack([np.zeros(300), X]), y)
    assert aliased(fitted) == {0}
    assert fitted.coef[0, 0] == 0
    assert "'x0' is zero" in said


def test_19_more_columns_than_rows() -> None:
    rng = np.random.default_rng(19)
    fitted, said = both(rng.normal(size=(20, 40)), codes([0, 1] * 10))
    assert len(aliased(fitted)) == 21  # rank 19 beside the constant
    assert fitted.certificate.separation is not None
    assert "separation" in said
    assert "combinations of others" in said


# --- scale ----------------------------------------------------------------------------------------------------------


def test_20_scales_1e6_and_1e_minus_6() -> None:
    X, y = normal(300, 2, 20)
    X = X * [1e6, 1e-6]
    fitted, said = both(X, y)
    assert not said
    np.testing.assert_allclose(fitted.coef, optimum(Problem(X, y)).coef.astype(float), rtol=1e-9)


def test_21_unix_times() -> None:
    X, y = normal(300, 2, 21)
    times = np.round(1.7e9 + 1e5 * X[:, 0])
    fitted, said = both(np.column_stack([times, X[:, 1]]), y)
    assert not said
    centred = fit(Problem(np.column_stack([times - 1.7e9, X[:, 1]]), y))
    np.testing.assert_allclose(fitted.coef, centred.coef, rtol=1e-9)


def test_22_unix_times_with_the_default_penalty() -> None:
    X, y = normal(300, 2, 22)
    times = np.round(1.7e9 + 1e5 * X[:, 0])
    far, near = np.column_stack([times, X[:, 1]]), np.column_stack([times - 1.7e9, X[:, 1]])
    a, said = estimator(far, y)
    b, _ = estimator(near, y)
    assert not said
    np.testing.assert_allclose(a.predict_proba(far), b.predict_proba(near), rtol=1e-6)
    assert a.predict_proba(far)[:, 1].std() > 0.1, "not the same for every row"


def test_23_a_sixteen_digit_id() -> None:
    X, y = normal(300, 2, 23)
    number = np.random.default_rng(123).integers(10**15, 10**16, 300).astype(float)
    fitted, _ = both(np.column_stack([X, number]), y)
    assert fitted.certificate.certified
    # the id is noise: it moves the others by no more than chance does
    np.testing.assert_allclose(fitted.coef[0, :2], fit(Problem(X, y)).coef[0], atol=0.05)


def test_24_a_value_of_1e300() -> None:
    X, y = normal(300, 2, 24)
    X[17, 1] = 1e300
    for attempt in (lambda: fit(Problem(X, y)), lambda: LogisticRegression().fit(X, y)):
        with pytest.raises(InputError, match=r"'x1' holds 1e\+300 in row 17"):
            attempt()


def test_25_one_outlier_of_a_million() -> None:
    X, y = normal(300, 1, 25)
    X[0, 0], y[0] = 1e6, 0
    fitted, said = both(X, y)
    assert not said
    assert fitted.certificate.certified
    known = optimum(Problem(X, y))
    np.testing.assert_allclose(fitted.coef, known.coef.astype(float), rtol=1e-8)
    assert -1e-4 < fitted.coef[0, 0] < 0


def test_26_the_default_tolerance() -> None:
    X, y = normal(2000, 5, 26)
    fitted, _ = both(X, y)
    np.testing.assert_allclose(fitted.coef, optimum(Problem(X, y)).coef.astype(float), rtol=1e-6)
    assert fitted.certificate.distance <= 1.01e-6  # standard errors, as the certificate says
    model, _ = estimator(X, y)
    known = optimum(Problem(X, y, strength=1.0))
    # 1e-8 of the objective is 5e-3 of a standard error; small problems are polished far beyond it
    np.testing.assert_allclose(model.coef_, known.coef.astype(float), rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_27_28_float32_and_bool(dtype: str) -> None:
    X, y = normal(300, 3, 27)
    stored = X.astype(dtype) if dtype == "float32" else X > 0
    fitted, said = both(stored, y)
    assert not said
    assert fitted.coef.dtype == np.float64
    np.testing.assert_allclose(fitted.coef, fit(Problem(stored.astype(float), y)).coef, rtol=1e-9)


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1e-12, 1e4])
def test_29_30_the_unit_of_weights(times: float) -> None:
    X, y = normal(300, 3, 29)
    fitted, said = both(X, y, np.full(300, times))
    assert not said
    assert fitted.certificate.certified
    np.testing.assert_allclose(fitted.coef, fit(Problem(X, y)).coef, rtol=1e-8)


def test_31_weights_count_against_the_penalty() -> None:
    # as scikit-learn has it, and the docstring's objective says: a thousand times the weight is a thousand times C
    X, y = normal(300, 3, 31)
    a, _ = estimator(X, y, np.full(300, 1000.0), C=0.01, tol=1e-14)
    b, _ = estimator(X, y, C=10.0, tol=1e-14)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6)
    assert "s_i" in (LogisticRegression.__doc__ or "")


def test_32_rows_count_against_the_penalty() -> None:
    X, y = normal(300, 3, 32)
    a, _ = estimator(np.tile(X, (10, 1)), np.tile(y, 10), C=0.01, tol=1e-14)
    b, _ = estimator(X, y, C=0.1, tol=1e-14)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6)


def test_33_a_negative_weight() -> None:
    X, y = normal(300, 3, 33)
    weight = np.ones(300)
    weight[41] = -0.5
    for attempt in (lambda: fit(Problem(X, y, weight=weight)), lambda: LogisticRegression().fit(X, y, weight)):
        with pytest.raises(InputError, match=r"negative in row 41 \(-0\.5\)"):
            attempt()


def test_36_balanced_only_where_asked() -> None:
    X, y = normal(3000, 2, 36)
    y = codes((y == 1) & (np.random.default_rng(36).random(3000) < 0.25))
    plain, _ = estimator(X, y)
    balanced, _ = estimator(X, y, class_weight="balanced")
    assert y.mean() == pytest.approx(0.11, abs=0.02)
    assert plain.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=1e-6)
    assert balanced.predict_proba(X)[:, 1].mean() > 0.35


def test_63_rare_events_under_a_strong_penalty() -> None:
    X, y = normal(3000, 3, 63)
    y = codes((y == 1) & (np.random.default_rng(63).random(3000) < 0.08))
    model, _ = estimator(X, y, C=0.01, solver="liblinear")
    # an intercept that is not penalised makes mean probability the base rate, exactly
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=1e-6)
