"""The lasso and the elastic net of more than two classes: against R's glmnet, an independent method, and the truth."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from path_data import R, four, housing, iris

from berkson.fit import certify, fit
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path

F64 = np.ndarray
DIGITS = 1e-6  # of the largest coefficient: what glmnet leaves

CASES: dict[str, tuple[Problem, dict[str, Any]]] = {
    "iris": (iris(), {}),
    "iris_raw": (iris(), {"standardize": False}),
    "iris_net": (iris(), {"l1_ratio": 0.5, "factors": [0, 1, 2, math.inf]}),
    "housing_default": (housing(), {}),
    "four": (four(), {}),
    "four_net": (four(offset=True), {"l1_ratio": 0.7}),
    "four_through_zero": (replace(four(), intercept=False), {}),
    "iris_grouped": (iris(), {"groups": range(4)}),
    "housing_grouped_default": (housing(), {"groups": range(6)}),
    "four_grouped_net": (
        four(offset=True),
        {"l1_ratio": 0.7, "groups": range(7), "standardize": False, "factors": [1, 2, 0, 1, 1, 3, 1]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_paths_are_those_of_glmnet(case: str) -> None:
    problem, options = CASES[case]
    expected = R["classes"][case]
    given = {} if case.endswith("default") else {"lambdas": expected["lambda"]}
    found = path(problem, **options, **given, tol=1e-14)
    assert found.certified.all()
    np.testing.assert_allclose(found.lambdas, expected["lambda"], rtol=1e-9)
    each = np.abs(problem.X).max(axis=0)
    coef = np.array(list(expected["coef"].values())).swapaxes(0, 1)
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef * each, coef * each, atol=DIGITS * largest)
    np.testing.assert_allclose(found.intercept, expected["intercept"], atol=DIGITS * largest)
    np.testing.assert_allclose(found.deviance_ratio, expected["deviance_ratio"], atol=1e-7)
    np.testing.assert_allclose(found.null_deviance, expected["null_deviance"], rtol=1e-9)


def made(n: int, p: int, K: int, *, soft: bool = False, offset: bool = False, seed: int = 5) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + rng.normal(size=p)
    eta = (X - X.mean(axis=0))[:, :3] @ rng.normal(size=(3, K))
    share = np.exp(eta - eta.max(axis=1, keepdims=True)) + 1e-3
    share /= share.sum(axis=1, keepdims=True)
    y = share if soft else (share.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).astype(np.int32)
    shift = rng.normal(size=(n, K)) if offset else None
    return Problem(X, y, K, weight=rng.uniform(0.5, 2.0, n), offset=shift)


def losses(problem: Problem, coef: F64, intercept: F64) -> tuple[float, F64]:
    """The weighted cross-entropy as its formula reads, and its derivatives by the linear predictors (n, K)."""
    eta = problem.X @ coef.T + intercept + (0.0 if problem.offset is None else problem.offset)
    y = problem.y if problem.y.ndim == 2 else np.eye(problem.n_classes)[problem.y]
    weight = np.ones(len(y)) if problem.weight is None else problem.weight
    top = eta.max(axis=1, keepdims=True)
    log_p = eta - top - np.log(np.exp(eta - top).sum(axis=1, keepdims=True))
    return float(-(weight @ (y * log_p).sum(axis=1))), weight[:, None] * (np.exp(log_p) - y)


def objective(problem: Problem, coef: F64, intercept: F64) -> float:
    penalty = 0.5 * problem.strength * (coef**2).sum() + problem.lasso * np.abs(coef).sum()
    return losses(problem, coef, intercept)[0] + float(penalty)


def by_proximal_gradient(problem: Problem, steps: int) -> tuple[F64, F64]:
    """Nesterov's accelerated proximal gradient on K equations, by the formula alone."""
    Z = np.column_stack([problem.X, np.ones(len(problem.X))])
    bend = 0.5 * np.linalg.norm(Z * np.sqrt(problem.weight)[:, None], 2) ** 2 + problem.strength
    at = before = np.zeros((problem.n_classes, Z.shape[1]))
    for step in range(steps):
        slope = losses(problem, at[:, :-1], at[:, -1])[1].T @ Z
        slope[:, :-1] += problem.strength * at[:, :-1]
        now = at - slope / bend
        now[:, :-1] = np.sign(now[:, :-1]) * np.maximum(np.abs(now[:, :-1]) - problem.lasso / bend, 0.0)
        at, before = now + step / (step + 3.0) * (now - before), now
    return before[:, :-1], before[:, -1] - before[:, -1].mean()


@pytest.mark.parametrize("K", [3, 5])
@pytest.mark.parametrize("kind", [{}, {"soft": True}, {"offset": True}])
@pytest.mark.parametrize(("lasso", "ridge"), [(8.0, 0.0), (8.0, 2.0)])
def test_a_fit_is_that_of_proximal_gradients(K: int, kind: dict[str, bool], lasso: float, ridge: float) -> None:
    problem = replace(made(120, 5, K, **kind), lasso=lasso, strength=ridge)
    found = fit(problem, tol=1e-14)
    coef, intercept = by_proximal_gradient(problem, 3000)
    assert found.certificate.certified
    np.testing.assert_allclose(found.coef, coef, atol=1e-6)  # what so many steps leave
    np.testing.assert_allclose(found.intercept, intercept, atol=1e-6)
    np.testing.assert_array_equal(found.coef != 0.0, coef != 0.0)
    assert (found.coef == 0.0).any()


@pytest.mark.parametrize("K", [3, 4])
@pytest.mark.parametrize("ridge", [0.0, 1e-3, 5.0])
def test_a_proved_gap_is_no_less_than_the_true_one(K: int, ridge: float) -> None:
    problem = replace(made(200, 6, K), lasso=5.0, strength=ridge)
    best = fit(problem, tol=1e-14)
    least = objective(problem, best.coef, best.intercept)
    assert best.certificate.objective == pytest.approx(least, rel=1e-12)
    rng = np.random.default_rng(1)
    finite = 0
    for size in (1e-6, 1e-4, 1e-2, 0.3):
        for shift in (0.0, size, 1.0):  # of all classes together, which no loss sees
            coef = best.coef * (1.0 + size * rng.normal(size=best.coef.shape)) + shift
            intercept = best.intercept + size * rng.normal(size=K)
            said = certify(problem, coef, intercept)
            true = objective(problem, coef, intercept)
            assert said.objective == pytest.approx(true, rel=1e-12)
            assert true - least <= said.gap + 1e-9
            finite += said.gap < 10 * (true - least) + 1e-6
    assert finite >= 6  # and no idle bound


@pytest.mark.parametrize(("shape", "lasso"), [((30, 120), 2.0), ((30, 120), 0.2), ((200, 4), 4.0)])
def test_fits_are_proved_where_columns_outnumber_rows_or_are_equal(shape: tuple[int, int], lasso: float) -> None:
    problem = made(*shape, 3)
    if shape[0] > shape[1]:
        problem = replace(problem, X=np.hstack([problem.X, problem.X]))
    problem = replace(problem, lasso=lasso)
    found = fit(problem)
    assert found.certificate.certified
    slope = losses(problem, found.coef, found.intercept)[1]
    np.testing.assert_allclose(slope.sum(axis=0), 0.0, atol=1e-3)
    gradient, used = slope.T @ problem.X, found.coef != 0.0
    assert (np.abs(gradient) <= lasso + 1e-3).all()  # what a gap of 1e-8 leaves
    np.testing.assert_allclose((gradient + lasso * np.sign(found.coef))[used], 0.0, atol=1e-3)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_class_shifts_are_where_the_penalty_is_least(ridge: float) -> None:
    found = fit(replace(four(), lasso=1.0, strength=ridge), tol=1e-13)
    for column in found.coef.T:
        for step in (1e-5, -1e-5, 1e-3, -1e-3):
            here, there = (np.abs(c).sum() + 0.5 * ridge * (c**2).sum() for c in (column, column + step))
            assert here <= there + 1e-12
    if ridge == 0.0:  # of an even number of classes the median is an interval: its middle
        np.testing.assert_allclose(np.median(found.coef, axis=0), 0.0, atol=1e-12)


def test_units_and_origins_of_columns_change_no_prediction() -> None:
    problem = made(150, 5, 3)
    unit = np.array([1.0, 10.0, 1e-2, 5.0, 2.0])
    along = path(problem, lambdas=[0.02], tol=1e-13)
    moved = path(replace(problem, X=problem.X * unit + 100.0), lambdas=[0.02], tol=1e-13)
    np.testing.assert_allclose(moved.coef[0] * unit, along.coef[0], atol=1e-7)


@pytest.mark.parametrize("K", [2, 3, 4])
def test_columns_between_which_coefficients_can_move_are_named(K: int) -> None:
    problem = replace(made(300, 3, max(K, 3)), lasso=5.0)
    if K == 2:
        problem = replace(problem, y=(problem.y > 0).astype(np.uint8), n_classes=2)
    assert fit(problem).certificate.rank.ties == ()
    twice = replace(problem, X=np.column_stack([problem.X, problem.X[:, 0]]))
    larger = replace(problem, X=np.column_stack([problem.X, 2.0 * problem.X[:, 0]]))  # the lasso prefers it
    found = fit(twice)
    assert found.certificate.certified
    assert [(tie.column, tie.combination) for tie in found.certificate.rank.ties] == [(3, ((0, 1.0),))]
    assert "'x3' = 'x0', so they can move" in (found.certificate.rank.sentence(twice) or "")
    assert fit(larger).certificate.rank.ties == ()
    assert fit(replace(twice, strength=0.1)).certificate.rank.ties == ()


def test_a_mean_of_columns_ties_with_them_where_their_coefficients_have_one_sign() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 2))
    X = np.column_stack([X, X.mean(axis=1)])
    for sign in (1.0, -1.0):
        y = (rng.random(400) < 1.0 / (1.0 + np.exp(-X[:, 0] - sign * X[:, 1]))).astype(np.uint8)
        found = fit(Problem(X, y, lasso=10.0))
        assert found.certificate.certified
        assert [tie.column for tie in found.certificate.rank.ties] == ([2] if sign > 0.0 else [])


def test_folds_are_paths_of_their_rows() -> None:
    problem = housing()
    folds = np.arange(len(problem.y)) % 4
    found = cross_validate(problem, folds, count=6, smallest=0.05, tol=1e-12)
    assert found.certified.all()
    train = folds != 2
    alone = replace(problem, X=problem.X[train], y=problem.y[train], weight=problem.weight[train])
    expected = path(alone, lambdas=found.path.lambdas, tol=1e-12)
    coef, intercept = found.coef(2)
    np.testing.assert_allclose(coef, expected.coef, atol=1e-5)  # what a gap of 1e-12 leaves
    np.testing.assert_allclose(intercept, expected.intercept, atol=1e-5)


def test_more_unknowns_than_a_hessian_holds_are_refused() -> None:
    problem = Problem(np.ones((5, 3000)), np.arange(5, dtype=np.uint8) % 3, 3, lasso=1.0)
    with pytest.raises(InputError, match="use a ridge, or choose fewer columns"):
        fit(problem)
