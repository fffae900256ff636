"""The limit of separated data against R (tests/r/profile.R), linear programmes on the whole table, and fits by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from cone import farthest, overlaps
from problems import binary

from berkson.fit import fit
from berkson.inference.covariance import covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.limiting import LimitingEstimates, limit
from berkson.model import prepare
from berkson.problem import Problem
from berkson.read import read_table

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "profile.json").read_text())["endometrial"]


def limit_of(problem: Problem, reference: int = 0) -> LimitingEstimates:
    return limit(Estimates(fit(problem), reference))


def test_finite_estimates_are_those_of_the_overlapping_rows_in_r() -> None:
    prepared = prepare("HG ~ NV + PI + EH", read_table(HERE / "data" / "endometrial.csv"))
    found = limit_of(prepared.problem)
    assert found.names == ("(Intercept)", "NV", "PI", "EH")
    assert found.params[1] == math.inf
    assert list(found.estimable) == [True, False, True, True]
    np.testing.assert_allclose(found.params[found.estimable], R["limit"]["params"], rtol=1e-10)
    errors = covariance(found).std_error
    # R takes the information at the last iterate but one
    np.testing.assert_allclose(errors[found.estimable], R["limit"]["std_error"], rtol=1e-8)
    assert np.isnan(errors[1])
    assert found.log_likelihood == pytest.approx(R["log_likelihood"], rel=1e-12)
    assert found.bound.proves_existence


def test_predictions_in_the_limit() -> None:
    prepared = prepare("HG ~ NV + PI + EH", read_table(HERE / "data" / "endometrial.csv"))
    found = limit_of(prepared.problem)
    eta, alone = found.linear_predictor()[:, 0], prepared.problem.X[:, 0] == 1
    assert (eta[alone] == math.inf).all()
    assert np.isfinite(eta[~alone]).all()
    residuals = found.residuals()[:, 0]
    assert (residuals[alone] == 0).all()
    assert residuals.sum() == pytest.approx(0.0, abs=1e-12)  # the score of the intercept, of 66 rows


def test_complete_separation_leaves_nothing() -> None:
    x = np.array([-2.0, -1.0, -0.5, 0.4, 1.0, 3.0])
    found = limit_of(Problem(np.column_stack([x, np.ones(6) * [1, 0, 1, 0, 1, 0]]), (x > 0).astype(np.uint8)))
    assert not found.estimable.any()
    assert np.isnan(found.params[0])  # the threshold may lie on either side of 0
    assert found.params[1] == math.inf
    assert found.log_likelihood == 0.0
    assert list(found.linear_predictor()[:, 0]) == [-math.inf] * 3 + [math.inf] * 3
    assert np.isnan(covariance(found).matrix).all()


def softmax_without(y: F64, X: F64, allowed: Flags, free: Flags) -> tuple[F64, F64, float]:
    """(params, standard errors, log-likelihood) of softmax to class 0 by Newton steps, with classes of a row left out
    and only some of the parameters (classes - 1, columns) free: a plain twin."""
    n, K = allowed.shape
    theta = np.zeros((K - 1, X.shape[1]))
    for _ in range(60):
        eta = np.where(allowed, np.column_stack([np.zeros(n), X @ theta.T]), -np.inf)
        log_p = eta - np.logaddexp.reduce(eta, axis=1)[:, None]
        p = np.exp(log_p)
        gradient = ((y - p)[:, 1:].T @ X)[free]
        blocks = np.einsum("nk,kl,ni,nj->kilj", p[:, 1:], np.eye(K - 1), X, X)
        blocks -= np.einsum("nk,nl,ni,nj->kilj", p[:, 1:], p[:, 1:], X, X)
        information = blocks[free][:, free]
        theta[free] += np.linalg.solve(information, gradient)
    value = float(log_p[y > 0].sum())
    return theta, np.sqrt(np.linalg.inv(information).diagonal()), value


def test_a_class_that_is_ruled_out_in_some_rows() -> None:
    rng = np.random.default_rng(0)
    g, x = rng.integers(0, 2, 200), rng.normal(size=200)
    eta = np.column_stack([np.zeros(200), 0.5 * x, np.where(g == 1, -np.inf, 0.3 - x)])
    codes = (eta + rng.gumbel(size=(200, 3))).argmax(axis=1).astype(np.uint8)
    found = limit_of(Problem(np.column_stack([g, x]).astype(np.float64), codes, 3))
    free = np.array([[True, True, True], [True, False, True]])
    design = np.column_stack([np.ones(200), g, x])
    theta, errors, value = softmax_without(np.eye(3)[codes], design, np.isfinite(eta), free)
    assert list(found.estimable) == list(free.ravel())
    assert found.params[4] == -math.inf
    np.testing.assert_allclose(found.params[found.estimable], theta[free], rtol=1e-9)
    np.testing.assert_allclose(covariance(found).std_error[found.estimable], errors, rtol=1e-9)
    assert found.log_likelihood == pytest.approx(value, rel=1e-12)
    assert ((found.linear_predictor() == -np.inf) == ~np.isfinite(eta)).all()
    # to another reference, what is infinite moves with it
    other = limit(Estimates(found.fit, 2))
    assert [name for name, a in zip(other.names, other.params, strict=True) if math.isinf(a)] == ["0:x0", "1:x0"]
    assert other.params[1] == math.inf


def test_separation_within_separation() -> None:
    """x0 splits most rows, x1 the rest but two pairs, in which x2 overlaps."""
    x0 = np.array([-1.0, -1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    x1 = np.array([3.0, -1, 2, -4, -1, -1, 1, 1, 0, 0, 0, 0])
    x2 = np.array([0.2, 1, -1, 0.3, 1, 0, 2, 1, 0.5, -0.5, 0.1, 0.9])
    y = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0], dtype=np.uint8)
    found = limit_of(Problem(np.column_stack([x0, x1, x2]), y))
    rest = fit(Problem(x2[8:, None], y[8:]))
    assert list(found.estimable) == [True, False, False, True]
    assert (found.params[1], found.params[2]) == (math.inf, math.inf)
    np.testing.assert_allclose(found.params[[0, 3]], [rest.intercept[0], rest.coef[0, 0]], rtol=1e-8)


def separated_table(rng: np.random.Generator) -> Problem:
    """The first table drawn that is separated and of full rank, with all its classes."""
    while True:
        K, n, p = int(rng.integers(2, 4)), 14, 2
        X = rng.integers(-2, 3, size=(n, p)).astype(np.float64)
        score = np.column_stack([np.zeros(n), X @ rng.normal(size=(p, K - 1)) * 3])
        codes = (score + rng.gumbel(size=(n, K)) / 2).argmax(axis=1).astype(np.uint8)
        problem = Problem(X, codes, K)
        full = np.linalg.matrix_rank(np.column_stack([X, np.ones(n)])) == 3
        if full and len(np.unique(codes)) == K and not overlaps(problem):
            return problem


@pytest.mark.parametrize("seed", range(12))
def test_verdicts_are_those_of_programmes_on_the_whole_table(seed: int) -> None:
    problem = separated_table(np.random.default_rng(seed))
    K, p = problem.n_classes, problem.X.shape[1]
    found = limit_of(problem)
    order = [1, 2, 0]  # the intercept is last in the programmes, first among parameters
    for j in range(len(found.params)):
        function = np.zeros((K - 1, p + 1))
        function[j // (p + 1), order.index(j % (p + 1))] = 1.0
        up, down = farthest(problem, function.ravel()) > 1e-7, farthest(problem, -function.ravel()) > 1e-7
        if not (up or down):
            assert np.isfinite(found.params[j])
        elif up and down:
            assert np.isnan(found.params[j])
        else:
            assert found.params[j] == (math.inf if up else -math.inf)


def test_weights_offsets_and_soft_labels() -> None:
    base, rng = binary(60, 2), np.random.default_rng(3)
    alone = (np.arange(60) % 10 == 0).astype(np.float64)
    y = np.where(alone == 1, 1.0, base.y * 0.8 + 0.1)  # of the rows with `alone`, all are events
    weight, offset = rng.random(60) + 0.5, rng.normal(size=60)
    weight[5] = weight[10] = 0.0
    problem = Problem(np.column_stack([base.X, alone]), y, weight=weight, offset=offset)
    found, rest = limit_of(problem), alone == 0
    overlapping = Problem(base.X[rest], y[rest], weight=weight[rest], offset=offset[rest])
    truth = Estimates(fit(overlapping, tol=1e-12))
    assert found.params[3] == math.inf
    np.testing.assert_allclose(found.params[:3], truth.params, rtol=1e-8)
    np.testing.assert_allclose(covariance(found).std_error[:3], covariance(truth).std_error, rtol=1e-8)
    assert found.linear_predictor()[10, 0] == math.inf  # without weight, but on the side that is certain


def test_aliased_columns_stay_aliased() -> None:
    prepared = prepare("HG ~ NV + PI + EH", read_table(HERE / "data" / "endometrial.csv"))
    problem = prepared.problem
    twice = replace(problem, X=np.column_stack([problem.X, problem.X[:, 1] * 2.0]), names=(*problem.names, "PI2"))
    found = limit_of(twice)
    assert found.aliased.sum() == 1
    assert np.isnan(found.params[found.aliased]).all()
    assert found.params[1] == math.inf
    assert found.params[3] == pytest.approx(R["limit"]["params"][2], rel=1e-9)


def test_a_fit_that_is_not_separated_has_no_limit() -> None:
    with pytest.raises(StatisticsError, match="use the estimates themselves"):
        limit(Estimates(fit(binary(60, 2))))
