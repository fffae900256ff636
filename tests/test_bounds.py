"""Coefficients between bounds: against R's glmnet, by their own optimality conditions, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from path_data import birthwt, infert, menarche, wdbc

from berkson.bound_penalty import Bounded
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
        ({"upper": [-1.0] + [1.0] * 7}, "column 0"),
        ({"lower": math.nan}, "contain 0"),
        ({"lower": [0.0, 0.0]}, "one a column"),
        ({"lower": 0.0, "groups": [0] * 8}, "not fitted together"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        path(birthwt(), **options)


def test_bounds_of_more_than_two_classes_are_refused() -> None:
    X = np.random.default_rng(1).normal(size=(30, 2))
    with pytest.raises(InputError, match="two classes"):
        path(Problem(X, np.arange(30, dtype=np.uint8) % 3, n_classes=3), lower=0)
