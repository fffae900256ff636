"""Paths of penalties: against R's glmnet, by their own optimality conditions, and what they say of themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from path_data import R, birthwt, infert, menarche, wdbc

from berkson.fit import certify, fit
from berkson.problem import InputError, Problem
from berkson.select.path import path

DIGITS = 1e-6  # of the largest coefficient: what glmnet leaves where a column has just entered

CASES: dict[str, tuple[Problem, dict[str, Any]]] = {
    "wdbc": (wdbc(), {}),
    "wdbc_raw": (wdbc(), {"standardize": False}),
    "wdbc_net": (wdbc(), {"l1_ratio": 0.5, "factors": [1, 2, 0.5] * 10}),
    "wdbc_ridge": (wdbc(), {"l1_ratio": 0.0}),
    "infert": (infert(), {}),
    "infert_factors": (infert(offset=False), {"factors": [0, 1, math.inf, 3]}),
    "infert_default": (infert(), {"factors": [0, 1, 2, 1]}),
    "birthwt_default": (birthwt(), {}),
    "birthwt_net_default": (birthwt(), {"l1_ratio": 0.3, "count": 40}),
    "birthwt_through_zero": (replace(birthwt(), intercept=False), {}),
    "menarche": (menarche(), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_paths_are_those_of_glmnet(case: str) -> None:
    problem, options = CASES[case]
    expected = R["paths"][case]
    given = {} if case.endswith("default") else {"lambdas": expected["lambda"]}
    found = path(problem, **options, **given, tol=1e-13)
    assert found.certified.all()
    np.testing.assert_allclose(found.lambdas, expected["lambda"], rtol=1e-9)
    each, coef = np.abs(problem.X).max(axis=0), np.array(expected["coef"])
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef[:, 0] * each, coef * each, atol=DIGITS * largest)
    np.testing.assert_allclose(found.intercept[:, 0], expected["intercept"], atol=DIGITS * largest)
    np.testing.assert_array_equal(found.df, expected["df"])
    np.testing.assert_allclose(found.deviance_ratio, expected["deviance_ratio"], atol=1e-7)  # glmnet's precision
    np.testing.assert_allclose(found.null_deviance, expected["null_deviance"], rtol=1e-9)


def made(n: int, p: int, seed: int = 3) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10 ** rng.uniform(-2, 2, p) + rng.normal(size=p)
    eta = ((X - X.mean(axis=0)) / X.std(axis=0))[:, :4].sum(axis=1) - 0.5
    return Problem(X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8), weight=rng.uniform(0.5, 2, n))


def objective(problem: Problem, coef: np.ndarray, intercept: float, lambda_: float, ratio: float) -> float:
    """glmnet's, of standardised columns, as the formula reads."""
    weight = problem.weight / problem.weight.sum()
    mean = weight @ problem.X
    unit = np.sqrt(weight @ (problem.X - mean) ** 2)
    eta = problem.X @ coef + intercept
    scaled = coef * unit
    penalty = ratio * np.abs(scaled).sum() + 0.5 * (1 - ratio) * scaled @ scaled
    return float(weight @ (np.logaddexp(0, eta) - problem.y * eta) + lambda_ * penalty)


@pytest.mark.parametrize("shape", [(400, 12), (40, 90), (12_000, 60)])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_a_proved_gap_is_no_less_than_the_true_one(shape: tuple[int, int], ratio: float) -> None:
    problem = made(*shape)
    loose = path(problem, l1_ratio=ratio, count=8, smallest=0.05, tol=1e-3, complete=True)
    tight = path(problem, l1_ratio=ratio, count=8, smallest=0.05, tol=1e-11, complete=True)
    assert loose.certified.all()
    assert tight.certified.all()
    null = loose.null_deviance / 2 / problem.weight.sum()
    for i, lambda_ in enumerate(loose.lambdas):
        values = [
            objective(problem, each.coef[i, 0], each.intercept[i, 0], lambda_, ratio) / null for each in (loose, tight)
        ]
        assert values[0] - values[1] <= loose.gap[i] + 1e-10  # and what is left of the tight one's


def test_a_single_fit_is_the_path_at_that_penalty() -> None:
    problem = made(300, 20)
    lasso, ridge = 9.0, 4.0
    total = lasso + ridge
    along = path(problem, l1_ratio=lasso / total, lambdas=[total], standardize=False, scale="sum", tol=1e-12)
    single = fit(replace(problem, lasso=lasso, strength=ridge))
    assert single.certificate.certified
    np.testing.assert_allclose(single.coef * problem.X.std(axis=0), along.coef[0] * problem.X.std(axis=0), atol=1e-8)
    assert (single.coef == 0.0).any()
    assert ((single.coef == 0.0) == (along.coef[0] == 0.0)).all()
    again = certify(single.problem, single.coef, single.intercept)
    assert again.certified
    assert again.objective == pytest.approx(single.certificate.objective, rel=1e-13)
    off = certify(single.problem, 1.01 * single.coef, single.intercept)
    assert not off.certified
    assert off.objective - single.certificate.objective <= off.gap


@pytest.mark.parametrize("lasso", [0.5, 5.0])
def test_fits_are_proved_where_columns_outnumber_rows_or_are_equal(lasso: float) -> None:
    wide = made(30, 200)
    wide = replace(wide, X=(wide.X - wide.X.mean(axis=0)) / wide.X.std(axis=0), lasso=lasso)
    twice = made(200, 4)
    twice = replace(twice, X=np.hstack([twice.X, twice.X]), lasso=lasso)
    for problem in (wide, twice):
        found = fit(problem)
        assert found.certificate.certified
        # the gradient of the losses balances the lasso: no subgradient is larger, and those of what is in are equal
        eta = problem.X @ found.coef[0] + found.intercept
        gradient = problem.X.T @ (problem.weight * (1 / (1 + np.exp(-eta)) - problem.y))
        used = found.coef[0] != 0.0
        scale = np.abs(problem.X).sum(axis=0)
        assert (np.abs(gradient) <= lasso + 1e-7 * scale).all()
        np.testing.assert_allclose((gradient + lasso * np.sign(found.coef[0]))[used] / scale[used], 0.0, atol=1e-7)


def test_other_penalties_are_solved_not_interpolated() -> None:
    found = path(birthwt(), tol=1e-12)
    between = float(np.sqrt(found.lambdas[10] * found.lambdas[11]))
    exact = found.at(between)
    np.testing.assert_allclose(exact.lambdas, [between])
    direct = path(birthwt(), lambdas=[found.lambdas[0], between], tol=1e-12)
    np.testing.assert_allclose(exact.coef[0], direct.coef[1], atol=1e-7)
    mean = 0.5 * (found.coef[10] + found.coef[11])
    assert np.abs(exact.coef[0] - mean).max() > 1e-5
    assert found.nearest(between * 1.001) == 10


def test_columns_without_a_spread_and_those_left_out_have_no_coefficient() -> None:
    problem = infert()
    X = np.column_stack([problem.X, np.full(len(problem.y), 7.0)])
    found = path(replace(problem, X=X, names=()), factors=[1, 1, math.inf, 1, 1])
    assert found.certified.all()
    assert (found.coef[:, 0, [2, 4]] == 0.0).all()
    assert found.df.max() == 3


def test_separated_data_are_fitted_under_a_penalty_and_told_without() -> None:
    x = np.linspace(-1, 1, 40)
    found = path(Problem(x[:, None], (x > 0).astype(np.uint8)), lambdas=[0.1, 0.01, 0.0])
    assert found.certified.tolist() == [True, True, False]
    assert "nothing is proved" in found.status(2)
    assert "within" in found.status(0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"l1_ratio": 1.5}, "from 0"),
        ({"lambdas": []}, "at least one"),
        ({"lambdas": [1.0, math.nan]}, "finite"),
        ({"smallest": 2.0}, "between 0 and 1"),
        ({"factors": [1.0]}, "one a column"),
        ({"factors": [0.0] * 8}, "nothing is penalised"),
        ({"count": 0}, "at least one penalty"),
    ],
)
def test_what_makes_no_path_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        path(birthwt(), **options)


def test_a_path_of_columns_that_say_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="null model"):
        path(Problem(np.zeros((10, 2)), np.arange(10, dtype=np.uint8) % 2))
