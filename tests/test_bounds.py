"""Coefficients between bounds: against R's glmnet, by their own optimality conditions, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from path_data import birthwt, columns, data, infert, menarche, wdbc

from berkson.bound_penalty import Bounded, SymmetricBounded
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path
from berkson.solvers.bounded import bounded_minimum

R: dict[str, Any] = json.loads((Path(__file__).parent / "r" / "bounds.json").read_text())
DIGITS = 1e-6  # of the largest coefficient: what glmnet leaves where a column has just entered
ROOT = 1e-6  # of slopes: the square root of 1e-12, to which objectives are proved in those tests
INF = math.inf

CASES: dict[str, tuple[Problem, dict[str, Any]]] = {
    "wdbc_positive": (wdbc(), {"lower": 0}),
    "wdbc_box": (wdbc(), {"lower": -0.02, "upper": 0.05}),
    "wdbc_net": (
        wdbc(),
        {"lower": [-INF, 0, -0.1] * 10, "upper": [0.1, INF, 0] * 10, "l1_ratio": 0.5, "factors": [1, 2, 0.5] * 10},
    ),
    "wdbc_ridge": (wdbc(), {"lower": 0, "l1_ratio": 0.0}),
    "wdbc_raw": (wdbc(), {"lower": 0, "standardize": False}),
    "infert": (infert(), {"lower": [0, -0.5, -INF, 0], "upper": [INF, INF, 0.8, 1]}),
    "infert_factors": (
        infert(offset=False),
        {"lower": [-0.02, -0.1, -INF, 0], "upper": 1, "factors": [0, 1, INF, 3]},
    ),
    "infert_free": (
        replace(infert(offset=False), weight=None),
        {"lower": [0, -0.5, -INF, 0], "upper": [INF, INF, 0.8, 1]},
    ),
    "birthwt_default": (birthwt(), {"lower": 0}),
    "birthwt_upper_default": (birthwt(), {"upper": 0.3, "l1_ratio": 0.3, "count": 40}),
    "birthwt_through_zero": (replace(birthwt(), intercept=False), {"lower": 0}),
    "birthwt_free": (birthwt(), {"lower": 0}),
    "menarche": (menarche(), {"upper": [0.5, 0.02, INF]}),
}


@pytest.mark.parametrize("case", CASES)
def test_paths_between_bounds_are_those_of_glmnet(case: str) -> None:
    problem, options = CASES[case]
    expected = R[case]
    given = {} if case.endswith("default") else {"lambdas": expected["lambda"]}
    found = path(problem, **options, **given, tol=1e-13)
    assert found.certified.all()
    np.testing.assert_allclose(found.lambdas, np.ravel(expected["lambda"]), rtol=1e-9)
    each, coef = np.abs(problem.X).max(axis=0), np.array(expected["coef"])
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef[:, 0] * each, coef * each, atol=DIGITS * largest)
    np.testing.assert_allclose(found.intercept[:, 0], np.ravel(expected["intercept"]), atol=DIGITS * largest)
    np.testing.assert_array_equal(found.df, np.ravel(expected["df"]))
    np.testing.assert_allclose(found.deviance_ratio, np.ravel(expected["deviance_ratio"]), atol=1e-7)


def made(n: int, p: int, seed: int = 3) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10 ** rng.uniform(-1, 1, p) + rng.normal(size=p)
    eta = ((X - X.mean(axis=0)) / X.std(axis=0))[:, :4] @ [1, -1, 1, -1] - 0.5
    return Problem(
        X,
        (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8),
        weight=rng.uniform(0.5, 2, n),
        offset=rng.normal(size=n) / 3,
    )


def slopes(problem: Problem, coef: np.ndarray, intercept: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean loss by each coefficient, per standard deviation of its column, and the deviations."""
    weight = problem.weight / problem.weight.sum()
    unit = np.sqrt(weight @ (problem.X - weight @ problem.X) ** 2)
    eta = problem.X @ coef + intercept + problem.offset
    residual = weight * (1 / (1 + np.exp(-eta)) - problem.y)
    assert abs(residual.sum()) < ROOT  # the intercept is free
    return (problem.X - weight @ problem.X).T @ residual / unit, unit


@pytest.mark.parametrize("shape", [(400, 12), (60, 100)])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_slopes_press_against_bounds_or_balance_the_penalty(shape: tuple[int, int], ratio: float) -> None:
    problem = made(*shape)
    lower, upper = np.full(shape[1], -0.02), np.where(np.arange(shape[1]) % 2, 0.0, 0.05)
    found = path(problem, l1_ratio=ratio, lower=lower, upper=upper, count=15, smallest=0.02, complete=True, tol=1e-12)
    assert found.certified.all()
    assert (found.coef >= lower).all()
    assert (found.coef <= upper).all()
    assert (found.coef == lower).any()
    assert (found.coef == upper)[:, 0, ::2].any()
    for lambda_, coef, intercept in zip(found.lambdas, found.coef[:, 0], found.intercept[:, 0], strict=True):
        slope, unit = slopes(problem, coef, intercept)
        slope = slope + lambda_ * (1 - ratio) * coef * unit
        up, down = (
            slope + lambda_ * ratio * np.where(coef >= 0, 1, -1),
            slope - lambda_ * ratio * np.where(coef > 0, -1, 1),
        )
        assert (up[coef < upper] > -ROOT).all()
        assert (down[coef > lower] < ROOT).all()


def test_bounds_that_nothing_reaches_change_nothing() -> None:
    problem = made(300, 10)
    plain = path(problem, tol=1e-12, count=20)
    wide = path(problem, tol=1e-12, count=20, lower=-1e3, upper=1e3)
    unit = problem.X.std(axis=0)
    np.testing.assert_allclose(wide.coef * unit, plain.coef * unit, atol=1e-6)  # the square root of the tolerance
    np.testing.assert_array_equal(wide.lambdas, plain.lambdas)


def test_no_penalty_but_signs_fits_the_columns_that_are_free_to_move() -> None:
    problem = made(500, 8)
    found = path(problem, lower=0, lambdas=[0.0], tol=1e-13)
    assert found.certified.all()
    inside = found.coef[0, 0] > 0
    assert 2 <= inside.sum() < 8
    alone = path(replace(problem, X=problem.X[:, inside]), lambdas=[0.0], tol=1e-13)
    np.testing.assert_allclose(found.coef[0, 0, inside], alone.coef[0, 0], rtol=1e-6)
    assert (slopes(problem, found.coef[0, 0], found.intercept[0, 0])[0][~inside] > 0).all()


@pytest.mark.parametrize("options", [{"lower": 0.0}, {"upper": 0.0, "l1_ratio": 0.0}, {"lower": -0.1, "upper": 0.1}])
def test_a_proved_gap_is_no_less_than_the_true_one(options: dict[str, Any]) -> None:
    problem = made(300, 20)
    loose = path(problem, **options, count=10, smallest=0.01, complete=True, tol=1e-2)
    tight = path(problem, **options, count=10, smallest=0.01, complete=True, tol=1e-12)
    assert loose.certified.all()
    assert tight.certified.all()
    excess = (loose.objective - tight.objective) / tight.null_objective
    assert excess.max() > 1e-9
    assert (excess <= loose.gap + 1e-11).all()  # and what is left of the tight one's


def test_what_a_split_says_of_every_other_point_holds() -> None:
    rng = np.random.default_rng(4)
    d = 5
    for _ in range(300):
        threshold = rng.choice([0, 0.3, 1, INF], d)
        penalty = Bounded(np.zeros(d), threshold, rng.choice([0, -1, -INF], d), rng.choice([0, 1, INF], d))

        def point() -> np.ndarray:
            x = rng.normal(size=d) * (rng.random(d) < 0.7)
            return np.clip(np.where(np.isinf(threshold), 0.0, x), penalty.lower, penalty.upper)  # noqa: B023

        theta, gradient = point(), rng.normal(size=d) * 10 ** rng.uniform(-1, 1)
        slack, excess = penalty.split(theta, gradient, rng.choice([0, 0.1, 1, 10, INF], d))
        assert slack >= 0.0
        for _ in range(20):
            to = point()
            change = penalty.kinked(to) - penalty.kinked(theta) + gradient @ (to - theta)
            assert change >= excess @ (to - theta) - slack - 1e-12 * (1 + np.abs(gradient).max())


@pytest.mark.parametrize("kind", ["plain", "correlated", "rank deficient", "equal columns"])
def test_quadratics_between_bounds_are_minimised_from_any_start(kind: str) -> None:
    rng = np.random.default_rng(6)
    for _ in range(60):
        d = int(rng.integers(2, 30))
        A = rng.normal(size=(int(rng.integers(1, d)) if kind == "rank deficient" else 2 * d, d))
        if kind == "correlated":
            A = A @ (0.05 * np.eye(d) + 0.95 / d)
        if kind == "equal columns":
            A[:, 1] = A[:, 0]
        linear = -A.T @ rng.normal(size=len(A))
        threshold = np.full(d, rng.choice([0, 1]) * np.abs(linear).max() * 10 ** rng.uniform(-4, 0))
        lower, upper = rng.choice([0, -0.01, -0.1, -INF], d), rng.choice([0, 0.01, 0.1, INF], d)
        x = bounded_minimum(A.T @ A, linear, threshold, lower, upper, rng.normal(size=d))
        assert (x >= lower).all()
        assert (x <= upper).all()
        slope = A.T @ (A @ x) + linear
        up, down = slope + np.where(x >= 0, threshold, -threshold), slope - np.where(x <= 0, threshold, -threshold)
        rounding = 1e-11 * np.abs(linear).max()
        assert (up[x < upper] > -rounding).all()
        assert (down[x > lower] < rounding).all()


def test_folds_keep_to_the_bounds() -> None:
    found = cross_validate(birthwt(), 5, lower=0, upper=0.5, count=30)
    assert found.certified.all()
    for fold in range(5):
        coef, _ = found.coef(fold)
        assert coef.min() == 0.0
        assert coef.max() == 0.5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lower": 0.1}, "contain 0"),
        ({"upper": [-1.0] + [1.0] * 7}, "column 'age'"),
        ({"lower": math.nan}, "contain 0"),
        ({"lower": [0.0, 0.0]}, "one a column"),
        ({"lower": 0.0, "groups": [0] * 8}, "not fitted together"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        path(birthwt(), **options)


CLASSES: dict[str, dict[str, Any]] = {
    "iris": {"lower": 0},
    "iris_box": {"lower": -0.3, "upper": 0.5},
    "iris_net": {"lower": [-1, 0, -INF, -0.2], "upper": [INF, 1, 0.4, 1], "l1_ratio": 0.5},
    "iris_ridge": {"lower": -0.2, "upper": 0.3, "l1_ratio": 0.0},
}


@pytest.mark.parametrize("case", CLASSES)
def test_many_classes_between_bounds_are_those_of_glmnet(case: str) -> None:
    expected, X = R[case], columns("iris", *list(data("iris"))[:4])
    codes = np.unique(data("iris")["Species"], return_inverse=True)[1].astype(np.uint8)
    problem = Problem(X, codes, n_classes=3)
    if case == "iris_net":
        shift = np.column_stack([X[:, 1] - 3, np.zeros(len(X)), 3 - X[:, 1]]) / 4
        problem = replace(problem, weight=0.5 + X[:, 1] / 4, offset=shift)
    found = path(problem, **CLASSES[case], lambdas=expected["lambda"], tol=1e-13)
    assert found.certified.all()
    coef, intercept, each = (
        np.array(expected["coef"]).transpose(1, 0, 2),
        np.array(expected["intercept"]),
        X.max(axis=0),
    )
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef * each, coef * each, atol=DIGITS * largest)
    np.testing.assert_allclose(found.intercept, intercept - intercept.mean(axis=1)[:, None], atol=DIGITS * largest)
    np.testing.assert_allclose(found.deviance_ratio, expected["deviance_ratio"], atol=1e-7)


@pytest.mark.parametrize("shape", [(200, 8), (40, 60)])
@pytest.mark.parametrize("options", [{"lower": 0.0}, {"lower": -0.1, "upper": 0.05, "l1_ratio": 0.5}])
def test_a_proved_gap_of_many_classes_is_no_less_than_the_true_one(
    shape: tuple[int, int], options: dict[str, Any]
) -> None:
    rng = np.random.default_rng(9)
    X = rng.normal(size=shape)
    y = (X[:, :3] + rng.gumbel(size=(shape[0], 3))).argmax(axis=1).astype(np.uint8)
    problem = Problem(X, y, n_classes=3, weight=rng.uniform(0.5, 2, len(y)))
    loose = path(problem, **options, count=8, smallest=0.02, complete=True, tol=1e-2)
    tight = path(problem, **options, count=8, smallest=0.02, complete=True, tol=1e-11)
    assert loose.certified.all()
    assert tight.certified.all()
    excess = (loose.objective - tight.objective) / tight.null_objective
    assert excess.max() > 1e-9
    assert (excess <= loose.gap + 1e-10).all()  # and what is left of the tight one's


def test_what_a_split_of_many_classes_says_of_every_other_point_holds() -> None:
    rng, K, q = np.random.default_rng(5), 3, 4
    for _ in range(200):
        ridge, threshold = rng.choice([0, 0.5], q), rng.choice([0, 0.3, 1, INF], q)
        lower, upper = rng.choice([0, -1, -INF], q), rng.choice([0, 1, INF], q)
        each = (np.tile(x, K) for x in (ridge, threshold))
        penalty = SymmetricBounded(*each, K, np.tile(lower, K), np.tile(upper, K))
        points = np.clip(rng.normal(size=(21, K, q)) * (rng.random((21, K, q)) < 0.7), lower, upper)
        theta, *others = np.where(np.isinf(threshold), 0.0, points).reshape(21, -1)
        loss = rng.normal(size=(K, q)) * 10 ** rng.uniform(-1, 1)
        loss = (loss - loss.mean(axis=0)).ravel()
        slack, excess = penalty.split(theta, loss + penalty.strength * theta, rng.choice([0, 0.1, 1, 10, INF]))
        np.testing.assert_allclose(excess.reshape(K, q).sum(axis=0), 0.0, atol=1e-13 * (1 + np.abs(loss).max()))
        for to in others:
            step = (to - theta).reshape(K, q)
            turned = (ridge * (step - step.mean(axis=0)) ** 2).sum() / 2  # what a proof takes of the ridge
            change = penalty.kinked(to) - penalty.kinked(theta) + loss @ (to - theta)
            change += 0.5 * penalty.strength @ (to**2 - theta**2)
            assert change >= excess @ (to - theta) + turned - slack - 1e-12 * (1 + np.abs(loss).max())


def test_folds_of_many_classes_keep_to_the_bounds() -> None:
    X = columns("iris", *list(data("iris"))[:4])
    codes = np.unique(data("iris")["Species"], return_inverse=True)[1].astype(np.uint8)
    found = cross_validate(Problem(X, codes, n_classes=3), 5, lower=-0.5, upper=1, count=20)
    assert found.certified.all()
    coef, _ = found.coef(1)
    assert coef.min() == -0.5
    assert coef.max() == 1.0
