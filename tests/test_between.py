"""Folds between two lambdas: what a line may be off by, what an anchor proves beside that, and whole cross-validations
against fits of the folds' rows alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from berkson import kernels
from berkson.anchor import Anchor
from berkson.penalty import ElasticNet
from berkson.prepare import standardised
from berkson.problem import Problem
from berkson.rows.questions import Evaluate, Furthest
from berkson.select.between import Line, first_ratio, lambdas_ahead, likely, next_ratio
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path
from berkson.solvers.proximal import Model

N, P = 400, 5


def made(n: int, p: int, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 3, p) + rng.normal(size=(n, 1))
    eta = X @ rng.normal(size=p) / p - 0.5
    return Problem(X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8))


def model(rows: object, theta: np.ndarray) -> Model:
    at = rows.answer_one(Evaluate(theta, 2))  # type: ignore[attr-defined]
    return Model(theta, at, at.hessian, True)


@pytest.mark.parametrize("length", [0.01, 0.1, 0.5])
def test_no_gradient_is_off_by_more_than_the_bend(length: float) -> None:
    rows, rng = standardised(made(N, P, 1)), np.random.default_rng(2)
    used = 0.0
    for _ in range(20):
        theta, step = rng.normal(size=(2, P + 1)) * [[1.0], [length]]
        a, b = model(rows, theta), model(rows, theta + step)
        line = Line(a, b, rows.answer_one(Furthest(step)))
        for t in (0.1, 0.5, 0.8):
            middle, expected = line.at(t)
            there = model(rows, middle)
            error = there.at.gradient - expected
            off = math.sqrt(error @ np.linalg.solve(there.hessian, error))
            assert off <= line.bend(t)
            used = max(used, off / line.bend(t))
    assert used > 0.02  # else the bound says nothing


def test_ends_are_exact() -> None:
    rows = standardised(made(N, P, 1))
    a, b = model(rows, np.zeros(P + 1)), model(rows, np.ones(P + 1))
    line = Line(a, b, 3.0)
    for t, end in ((0.0, a), (1.0, b)):
        theta, gradient = line.at(t)
        np.testing.assert_array_equal(theta, end.theta)
        np.testing.assert_array_equal(gradient, end.at.gradient)
        assert line.bend(t) == 0.0


def test_the_furthest_row_has_weight() -> None:
    problem = made(N, P, 3)
    weight = np.ones(N)
    rows = standardised(problem)
    direction = np.random.default_rng(4).normal(size=P + 1)
    eta = np.abs(
        np.column_stack([problem.X - rows.coordinates.center, np.ones(N)]) @ rows.coordinates.expand(direction)
    )
    assert rows.answer_one(Furthest(direction)) == pytest.approx(eta.max(), rel=1e-13)
    weight[eta.argmax()] = 0.0
    assert replace(rows, weight=weight).answer_one(Furthest(direction)) == pytest.approx(np.sort(eta)[-2], rel=1e-13)


def test_an_anchor_proves_with_a_gradient_that_is_off() -> None:
    """The bound with a wrong gradient against the truth, M the Hessian of half the rows."""
    problem = made(N, P, 5)
    rows, rng = standardised(problem), np.random.default_rng(6)
    best = path(problem, lambdas=[0.0], standardize=False, tol=1e-14).start.rows  # the same coordinates
    theta = np.zeros(P + 1)
    for _ in range(30):  # Newton
        there = model(best, theta)
        theta = theta - np.linalg.solve(there.hessian, there.at.gradient)
    least = model(rows, theta).at.value
    x = np.column_stack([problem.X - rows.coordinates.center, np.ones(N)])[:, : P + 1] / rows.coordinates.scale
    none = ElasticNet(np.zeros(P + 1), np.zeros(P + 1))
    for size in (1e-3, 1e-2, 0.03):
        for _ in range(10):
            here = model(rows, theta + size * rng.normal(size=P + 1))
            eta = x @ here.theta
            curvature = 1 / (2 + 2 * np.cosh(eta))
            half = (x[::2] * curvature[::2, None]).T @ x[::2]
            inverse = np.linalg.inv(half)
            over_all = float(np.einsum("ij,jk,ik->i", x, inverse, x).max())
            error = np.linalg.cholesky(here.hessian) @ (direction := rng.normal(size=P + 1)) * size
            off = size * float(np.linalg.norm(direction))
            anchor = Anchor(here.theta, half, inverse, over_all)
            proof = anchor.proof(here.theta, here.at.gradient + error, none, off, over_all)
            assert proof.gap >= here.at.value - least
            assert proof.gap >= anchor.proof(here.theta, here.at.gradient + error, none).gap


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_folds_between_are_as_near_their_fits_as_is_said(l1_ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold's objective against that of its rows alone, fitted far closer."""
    problem = made(40_000, 25, 7)
    options = {"l1_ratio": l1_ratio, "count": 50, "smallest": 1e-3}
    asked, many = [0], kernels.logistic_many

    def counted(X, rows, center, coef, *rest):  # type: ignore[no-untyped-def]
        asked.append(coef.shape[1] if coef.shape[1] <= 5 else 0)  # more are what held-out rows are judged by
        return many(X, rows, center, coef, *rest)

    monkeypatch.setattr(kernels, "logistic_many", counted)
    found = cross_validate(problem, 4, **options, tol=1e-5, own_columns=False)
    assert found.certified.all()
    if l1_ratio > 0.0:  # of a ridge the gradient of the penalty bends as well, and lambdas are seldom close enough
        assert sum(asked) < 0.75 * 5 * 50  # without lines, of the whole and of each fold at each lambda at least one
    for k in (0,):
        stays = np.setdiff1d(np.arange(40_000), found.folds.held_out[k])
        X, y = problem.X[stays], problem.y[stays].astype(float)
        alone = path(
            Problem(X, problem.y[stays]), l1_ratio=l1_ratio, lambdas=found.path.lambdas, complete=True, tol=1e-11
        )
        spread = X.std(axis=0)

        def objective(coef: np.ndarray, intercept: np.ndarray, X=X, y=y, spread=spread) -> np.ndarray:  # type: ignore[no-untyped-def]
            eta = X @ coef[:, 0].T + intercept[:, 0]
            loss = (np.logaddexp(0.0, eta) - y[:, None] * eta).mean(axis=0)
            scaled = coef[:, 0] * spread
            size = l1_ratio * np.abs(scaled).sum(axis=1) + 0.5 * (1 - l1_ratio) * (scaled**2).sum(axis=1)
            return np.asarray(loss + found.path.lambdas * size)

        null = -(y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean()))
        true_gap = (objective(*found.coef(k)) - objective(alone.coef, alone.intercept)) / null
        assert (true_gap <= found.gap[k] + 1e-11).all()  # that of `alone`, and rounding
        assert (found.gap[k] <= 1e-5).all()


def test_where_columns_matter_a_line_keeps_them() -> None:
    rows = standardised(made(N, P, 1))
    theta = np.array([0.0, 1.0, -1.0, 0.5, 0.0, 1.0])
    a, same, other = (model(rows, each) for each in (theta, 2.0 * theta, theta + np.eye(P + 1)[0]))
    assert Line(a, same, 1.0).keeps_columns
    assert not Line(a, other, 1.0).keeps_columns


def test_how_far_the_next_line_goes() -> None:
    lambdas = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.25])
    assert lambdas_ahead(lambdas, 0, 1, 1.0) == 4  # all of what is left is 3.75
    assert lambdas_ahead(lambdas, 0, 1, 0.75) == 2
    assert lambdas_ahead(lambdas, 0, 1, 0.1) == 1
    assert lambdas_ahead(lambdas, 0, 1, 0.0) == 1
    assert first_ratio(0.0, 1.0, 1.0) == math.inf
    assert first_ratio(4.0, 100.0, 1.0) == pytest.approx(first_ratio(1.0, 100.0, 1.0) / 2)  # twice the step
    assert next_ratio(0.1, 0.5, 1.0) == pytest.approx(2.0)
    assert next_ratio(0.1, 9.6, 1.0) == pytest.approx(0.5)
    assert likely(1.0, 3) == 6
    assert likely(0.0, 3) == 1
    assert likely(0.6, 3) == 3
