"""What a stranger tries on penalties, paths and folds: awkward data, odd options, and sentences for what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson import InputError, LogisticRegression, LogisticRegressionCV, cross_validate, logit, path
from berkson.notices import RankWarning
from berkson.problem import Problem
from berkson.select.path import path as engine_path

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


FREE = np.array([0.0, 0.0] + [1.0] * 98)


def _more_columns_than_rows(n_classes: int) -> Problem:
    random = np.random.default_rng(7)
    X = random.normal(size=(60, 100))
    chance = random.gumbel(size=(60, n_classes))
    chance[:, 1] += 2.0 * X[:, 3]
    return Problem(X, chance.argmax(axis=1).astype(np.uint8), n_classes)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("options", [{}, {"groups": np.arange(100) // 2}, {"lower": np.where(FREE, 0.0, -np.inf)}])
def test_unpenalised_columns_of_a_wide_table_leave_the_lasso_its_proof(n_classes: int, options: dict[str, Any]) -> None:
    problem = _more_columns_than_rows(n_classes)
    rough, fine = (engine_path(problem, factors=FREE, lambdas=[0.1, 0.03], tol=tol, **options) for tol in (1e-4, 1e-12))
    assert rough.certified.all()
    assert fine.certified.all()
    above = (rough.objective - fine.objective) / fine.null_objective
    assert (above <= rough.gap + 2e-12).all()  # the rough bound holds, to within the fine one's own and rounding
    eta = problem.X @ fine.coef[-1].T + fine.intercept[-1]
    if n_classes == 2:
        residual = 1.0 / (1.0 + np.exp(-eta)) - problem.y[:, None]
    else:
        each = np.exp(eta - eta.max(axis=1, keepdims=True))
        residual = each / each.sum(axis=1, keepdims=True) - np.eye(3)[problem.y]
    # stationary in what is not penalised: sqrt(gap x curvature) is 1e-6 x a few
    assert np.abs(np.column_stack([np.asarray(problem.X)[:, :2], np.ones(60)]).T @ residual).max() < 1e-5


def test_equal_columns_beside_an_unpenalised_one_leave_the_lasso_its_proof() -> None:
    X, y, _ = some_rows()
    found = path(y, np.column_stack([X, X[:, 0]]), unpenalised="x1", count=5)
    assert found.certified.all()


def test_equal_columns_under_the_lasso_are_named_by_fits_of_paths() -> None:
    X, y, _ = some_rows()
    table = {"y": y, "a": X[:, 0], "b": X[:, 1], "c": X[:, 0]}
    with pytest.warns(RankWarning, match="'c' = 'a'"):
        logit("y ~ a + b + c", table, penalty="lasso", lambda_=0.05)
    with pytest.warns(RankWarning, match="'c' = 'a'"):
        path("y ~ a + b + c", table, count=3).at(0.05)
    logit("y ~ a + b + c", table, penalty="elastic net", lambda_=0.05)  # the ridge's part makes them unique
    logit("y ~ a + b + c", table, penalty="lasso", lambda_=10.0)  # nothing to move


def test_unpenalised_columns_that_are_equal_are_named() -> None:
    data = {"y": [0, 1, 0, 1, 1, 0], "a": [1.0, 2, 3, 4, 5, 7], "k": [1.0, 2, 3, 4, 5, 7], "b": [3.0, 1, 2, 5, 1, 4]}
    with pytest.raises(InputError, match="columns 'a', 'k', which are not penalised, are combinations of each other"):
        path("y ~ a + k + b", data, unpenalised=["a", "k"], count=3)
    assert path("y ~ a + k + b", data, unpenalised=["a"], count=3).found.certified.all()


def test_columns_that_unpenalised_ones_explain_make_no_path() -> None:
    rng = np.random.default_rng(3)
    age = rng.normal(30.0, 5.0, 200)
    data = {"y": rng.integers(0, 2, 200), "age": age, "twice": 2.0 * age}
    with pytest.raises(InputError, match="no penalised column changes the fit at all beside the others"):
        path("y ~ age + twice", data, unpenalised=["age"], count=5)


def test_names_and_ways_out_of_refusals() -> None:
    data = {"y": [0, 1, 0, 1, 1, 0], "a": [1.0, 2, 3, 4, 5, 7], "b": [3.0, 1, 2, 5, 1, 4]}
    with pytest.raises(InputError, match="for column 'b', but a path begins at zero"):
        path("y ~ a + b", data, lower={"b": 0.5})
    with pytest.raises(InputError, match="folds is 1, and there are 6 rows: give 2 to 6"):
        cross_validate("y ~ a + b", data, folds=1)
    X, y = np.column_stack([data["a"], data["b"]]), np.array(data["y"])
    with pytest.raises(InputError, match="cv gives rows that are not there: X has rows 0 to 5"):
        LogisticRegressionCV(
            cv=[([0, 1, 2, 9], [3, 4])], scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False
        ).fit(X, y)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_the_door_gives_six_digits_of_coefficients_where_a_second_is_enough(l1_ratio: float) -> None:
    """Four classes, 1,233 x 45: by default the conditions of an optimum hold to six digits of each coefficient."""
    random = np.random.default_rng(28)
    X = random.normal(size=(1233, 45))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    effects = np.zeros((45, 4))
    effects[:6] = random.normal(size=(6, 4))
    y = (X @ effects + random.gumbel(size=(1233, 4))).argmax(axis=1)
    lambdas = np.array([0.03, 0.01])
    found = path(y, X, l1_ratio=l1_ratio, lambdas=lambdas, standardize=False).found
    for coef, intercept, lambda_ in zip(found.coef, found.intercept, lambdas, strict=True):
        eta = X @ coef.T + intercept
        each = np.exp(eta - eta.max(axis=1, keepdims=True))
        slope = (np.eye(4)[y] - each / each.sum(axis=1, keepdims=True)).T @ X / len(X)
        pull = lambda_ * (coef if l1_ratio == 0.0 else np.sign(coef))
        inside = (coef == 0.0) & (np.abs(slope) <= lambda_) & (l1_ratio > 0.0)
        # the loss bends by a quarter, so that a slope is as exact as its coefficient
        np.testing.assert_allclose(np.where(inside, 0.0, slope), pull, atol=1e-7 * lambda_)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("options", [{}, {"column_groups": np.arange(4)}, {"lower": -1.0}])
def test_a_column_that_only_held_out_rows_use_leaves_the_fold_its_fit(
    n_classes: int, l1_ratio: float, options: dict[str, Any]
) -> None:
    """A rare level in one fold: standardised by the rows of the others it is constant, and has no coefficient."""
    X, two, three = some_rows()
    y, folds = (two if n_classes == 2 else three), np.arange(120) // 24
    X[:, 3] = np.arange(120) < 3
    y[:3] = 1
    given: dict[str, Any] = {"l1_ratio": l1_ratio, "lambdas": [0.01], "tol": 1e-14, **options}
    found = cross_validate(y, X, folds=folds, **given).found
    coef, intercept = found.coef(0)
    assert found.certified.all()
    assert found.path.coef[0, :, 3].any()
    assert not coef[0, :, 3].any()
    own = path(y[folds != 0], X[folds != 0], **given).found
    # two fits within 1e-14 of their optimum: 1e-7 of a coefficient, and some
    np.testing.assert_allclose(coef, own.coef, atol=1e-6)
    np.testing.assert_allclose(intercept, own.intercept, atol=1e-6)


def test_folds_of_dependent_columns_go_on_until_the_proof_is_enough() -> None:
    random = np.random.default_rng(7)
    X = random.normal(size=(150, 6)) * [1.0, 1e4, 1.0, 1.0, 1.0, 1.0]
    X = np.column_stack([X, X[:, 4] - 2.0 * X[:, 1]])
    y = (X[:, 0] + X[:, 1] / 1e4 + random.logistic(size=150) > 0).astype(np.int64)
    largest = np.abs(X.T @ (y - y.mean())).max() / 150
    lambdas = largest * np.array([0.8, 0.126, 0.02])
    assert cross_validate(y, X, folds=np.arange(150) % 3, lambdas=lambdas, standardize=False).found.certified.all()


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("groups", [None, np.arange(4)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_ridge_paths_begin_where_those_of_glmnet_do(n_classes: int, groups: Array | None, free: bool) -> None:
    """At 1000 times the largest slope of a class by a standardised column where the constant alone is fitted."""
    X, two, three = some_rows()
    y = two if n_classes == 2 else three
    factors = np.array([0.0 if free else 1.0, 1.0, 1.0, 1.0])
    classes = np.eye(n_classes)[y][:, -1:] if n_classes == 2 else np.eye(n_classes)[y]
    slopes = np.abs((classes - classes.mean(axis=0)).T @ ((X - X.mean(axis=0)) / X.std(axis=0))) / 120
    each = slopes.max(axis=0) if groups is None else np.sqrt((slopes**2).sum(axis=0))
    expected = 1000.0 * each[factors > 0.0].max() / (4.0 / factors.sum())
    found = path(y, X, l1_ratio=0.0, factors=factors, column_groups=groups, count=3)
    np.testing.assert_allclose(found.lambdas[0], expected, rtol=1e-12)  # rounding


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_path_says_which_columns_separate_the_classes(n_classes: int) -> None:
    X, _, _ = some_rows()
    y = np.digitize(X[:, 1], [0.0, 1.0][: n_classes - 1])
    X[y == 1, 1] += 0.1
    y[7] = (y[7] + 1) % n_classes
    weights = np.where(np.arange(120) == 7, 0.0, 1.0)  # the one row on the wrong side does not count
    found = path(y, X, weights=weights, smallest=1e-3)
    (said,) = found.notes
    assert "the classes are separated by" in said
    assert "separated by 'x1'" in said
    assert "The classes are separated by" in str(found)
    assert said in cross_validate(y, X, weights=weights, smallest=1e-3).notes
    assert path(y, X, smallest=1e-3).notes == ()
    # an offset that points the right way separates nothing
    if n_classes == 2:
        assert path(some_rows()[1], X, offset=np.where(some_rows()[1], 50.0, -50.0), lambdas=[0.1]).notes == ()


def test_a_path_names_columns_that_are_equal() -> None:
    X, y, _ = some_rows()
    found = path(y, np.column_stack([X, X[:, 0]]), count=20)
    (said,) = found.notes
    assert "'x4' = 'x0'" in said
    assert "The lasso's coefficients are one choice of many" in str(found)
    assert path(y, np.column_stack([X, X[:, 0]]), l1_ratio=0.5, count=20).notes == ()


def test_offsets_of_many_classes_are_refused_with_the_way_out() -> None:
    X, _, y = some_rows()
    with pytest.raises(ValueError, match=r"has shape \(120, 3\): give one value for each row"):
        path(y, X, offset=np.zeros((120, 3)))
    with pytest.raises(
        ValueError, match="offset is for two classes here, and the response has 3: leave it out, or use"
    ):
        path(y, X, offset=np.zeros(120))
