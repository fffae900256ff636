"""Directions in which the loss does not change, where a fold's rows lack some of the columns."""

from __future__ import annotations

import numpy as np

from berkson.prepare import standardised
from berkson.problem import Problem
from berkson.select.flat import flat_among, flat_directions
from berkson.select.folds import folds_of
from berkson.select.lockstep import batches_of, courses_of, regularizers_of
from berkson.select.start import Options, begin
from berkson.solvers.proximal import loss_model
from berkson.solvers.regularised import prove_model
from berkson.solvers.run import Work, run
from berkson.solvers.witness import Witness


def made(seed: int) -> Problem:
    """All levels of a factor, and two equal columns that only the first rows have."""
    rng = np.random.default_rng(seed)
    rare = (np.arange(300) < 4).astype(float)
    X = np.column_stack([np.eye(4)[rng.integers(0, 4, 300)], rare, rare, rng.standard_normal((300, 2))])
    return Problem(X, (rng.random(300) < 1.0 / (1.0 + np.exp(-X[:, 0] - X[:, 6]))).astype(np.uint8))


def test_directions_that_a_fold_lacks_leave_none_that_its_rows_see() -> None:
    problem = made(0)
    rows, few, gone = standardised(problem), np.arange(4, 300), np.isin(np.arange(9), [4, 5])
    flat = flat_directions(rows, run(loss_model(np.zeros(9)), rows, Work()).hessian)
    assert flat is not None
    assert len(flat) == 2
    found = flat_among(rows, flat, gone, few)
    assert found is not None
    assert len(found) == 1
    coef = rows.coordinates.expand(found[0])[:, None]
    assert np.abs(rows.design.linear_predictor(few, rows.whole.center, coef, 1)).max() < 1e-12
    np.testing.assert_allclose(found @ found.T, np.eye(1), atol=1e-14)
    assert flat_among(rows, np.where(gone, flat, 0.0), gone, few) is None


def test_gaps_of_such_a_fold_are_no_smaller_than_they_are() -> None:
    problem, work, rng = made(1), Work(), np.random.default_rng(0)
    codes = np.arange(300) % 2
    codes[:4] = 0
    start, folds = begin(problem, Options(), work), folds_of(problem, codes, None, 0)
    course, regularizer = courses_of(start, folds)[0], regularizers_of(start, folds)[0]
    rows = batches_of(start, folds)[0][1].rows_of(0)
    penalty = regularizer.penalty(1e-6 * float(start.lambdas[0]) * 148, start.course.place)
    theta, proved = np.zeros(9), 0
    for _ in range(30):  # the penalty is next to nothing: without it there is hardly less
        model = run(loss_model(theta), rows, work)
        theta = theta - np.linalg.solve(penalty.regular(model.hessian) + 1e-9 * np.eye(9), model.gradient(penalty))
    least = run(loss_model(penalty.allowed(theta)), rows, work).value(penalty)
    bent = penalty.regular(model.hessian) + 1e-9 * np.eye(9)
    for size in 10.0 ** rng.uniform(-3.0, 0.0, 100):
        away = np.linalg.solve(bent, rng.standard_normal(9))
        away *= size / np.sqrt(away @ bent @ away)
        model = run(loss_model(penalty.allowed(theta + away)), rows, work)
        proof = run(prove_model(model, penalty, course, Witness(None)), rows, work)
        proved += proof.gap < np.inf
        assert proof.gap >= model.value(penalty) - least
    assert proved > 50
