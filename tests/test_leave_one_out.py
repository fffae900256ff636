"""Approximate leave-one-out along paths, against the fits without each row."""

from __future__ import annotations

import doctest
from importlib import import_module
from typing import Any

import numpy as np
import path_data as data
import pytest

from berkson import InputError, cross_validate, path
from berkson.kernels.reference import sigmoid
from berkson.problem import Problem
from berkson.select import cross_validation
from berkson.select import path as paths
from berkson.select.leave_one_out import leave_one_out


def drawn(n: int, p: int, seed: int, *, weights: bool = False, offset: bool = False) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    shift = 0.3 * rng.standard_normal(n) if offset else None
    eta = X[:, :4] @ np.full(min(4, p), 0.75) + (0.0 if shift is None else shift)
    y = (eta + rng.logistic(size=n) > 0).astype(np.uint8)
    return Problem(X, y, weight=rng.uniform(0.5, 2.0, n) if weights else None, offset=shift)


def exact(problem: Problem, lambdas: Any, **options: Any) -> cross_validation.CrossValidation:
    rows = np.arange(len(problem.y))
    return cross_validation.cross_validate(problem, rows, lambdas=lambdas, tol=1e-9, **options)


def both(problem: Problem, measure: Any, lambdas: Any = None, **options: Any) -> tuple[Any, Any]:
    found = paths.path(problem, lambdas=lambdas, count=6, smallest=0.02, complete=True, tol=1e-9, **options)
    return leave_one_out(found, measure), exact(problem, found.lambdas, measure=measure, **options).chosen


# --- against the fits without each row --------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["log_loss", "deviance", "brier"])
@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (drawn(100, 10, 3, weights=True), {}),
        (drawn(100, 10, 3, weights=True, offset=True), {"scale": "sum", "standardize": False}),
        (drawn(120, 40, 4), {}),
        (drawn(100, 150, 4), {"standardize": False}),  # wider than long
    ],
)
def test_a_ridge_is_close(problem: Problem, options: dict[str, Any], measure: Any) -> None:
    total = 1.0 if options.get("scale") != "sum" else 100.0
    lambdas = total * np.geomspace(20.0, 0.25, 6)
    found, truth = both(problem, measure, lambdas, l1_ratio=0.0, **options)
    inside = found.within
    assert inside.any()
    # of a standard error: the step is one of Newton's; it would be exact if curvature did not change
    error = np.abs(found.mean - truth.mean)[inside]
    assert (error <= 0.15 * truth.se[inside]).all()
    assert error.max() <= 0.008  # of deviance, which is twice the log loss
    assert error[0] <= 8e-4
    np.testing.assert_allclose(found.se[inside], truth.se[inside], rtol=0.1)


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (drawn(150, 10, 0), {}),
        (drawn(150, 10, 1, weights=True, offset=True), {"standardize": False}),
        (drawn(200, 300, 1), {}),
        (drawn(150, 30, 2), {"l1_ratio": 0.5}),
        (drawn(300, 20, 5), {"factors": [0.0, 0.0, *[1.0] * 18]}),
    ],
)
def test_a_lasso_is_close_in_its_range(problem: Problem, options: dict[str, Any]) -> None:
    found, truth = both(problem, "log_loss", **options)
    inside = found.within
    assert inside.sum() >= 2
    error = np.abs(found.mean - truth.mean)[inside]
    assert error[0] <= 0.005  # at the largest lambda rows decide which column is the first
    assert (error[1:] <= 0.25 * truth.se[inside][1:]).all()
    assert error.max() <= 0.01
    assert np.isnan(found.mean[~inside]).all()


def test_outside_the_range_it_is_not_close_and_not_offered() -> None:
    problem = drawn(200, 300, 1)
    found = paths.path(problem, count=8, smallest=0.02, complete=True, tol=1e-9)
    judged = leave_one_out(found)
    assert judged.within[0]
    assert not judged.within[-1]
    assert np.isnan(judged.mean[-1])
    (note,) = judged.notes
    assert f"{int((~judged.within).sum())} of 8 lambdas" in note
    assert "columns a row" in note
    with pytest.raises(InputError, match="not offered at 1 of 1 lambdas"):
        leave_one_out(found.at(float(found.lambdas[-1])))
    alone = path(problem.y, problem.X, l1_ratio=0.0, lambdas=[2.0, 1e-3])
    assert "own share in its prediction" in alone.leave_one_out().notes[0]


def test_the_formula() -> None:
    """By hand, dense and slow, of a weighted ridge without standardisation."""
    problem = drawn(60, 3, 7, weights=True)
    found = paths.path(problem, l1_ratio=0.0, lambdas=[3.0], scale="sum", standardize=False, tol=1e-14)
    Z = np.column_stack([np.ones(60), problem.X])
    eta = Z @ np.append(found.intercept[0], found.coef[0, 0])
    w, p = problem.weight, sigmoid(eta)
    assert w is not None
    H = (Z.T * (w * p * (1 - p))) @ Z + np.diag([0.0, 3.0, 3.0, 3.0])
    h = np.array([z @ np.linalg.solve(H, z) for z in Z])
    without = eta + w * (p - problem.y) * h / (1 - w * p * (1 - p) * h)
    loss = np.logaddexp(0.0, without) - problem.y * without
    judged = leave_one_out(found)
    assert judged.mean[0] == pytest.approx(w @ loss / w.sum(), rel=1e-9)
    assert judged.leverage[0] == pytest.approx((w * p * (1 - p) * h).max(), rel=1e-9)


def test_rows_without_weight_do_not_count() -> None:
    problem = drawn(120, 5, 9, weights=True)
    assert problem.weight is not None
    weight = np.where(np.arange(120) % 3 == 0, 0.0, problem.weight)
    some = weight > 0
    lambdas = [0.05, 0.02]
    all_rows = leave_one_out(paths.path(Problem(problem.X, problem.y, weight=weight), lambdas=lambdas, tol=1e-12))
    few = Problem(problem.X[some], problem.y[some], weight=weight[some])
    alone = leave_one_out(paths.path(few, lambdas=lambdas, tol=1e-12))
    np.testing.assert_allclose(all_rows.mean, alone.mean, rtol=1e-7)
    np.testing.assert_allclose(all_rows.se, alone.se, rtol=1e-7)
    np.testing.assert_allclose(all_rows.difference, alone.difference, rtol=1e-6, atol=1e-12)


# --- what it is for ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (drawn(2000, 40, 6), {}),
        (drawn(600, 20, 5), {"l1_ratio": 0.5}),
        (drawn(300, 60, 8), {"l1_ratio": 0.0, "smallest": 1e-5}),
        (data.birthwt(), {}),
    ],
)
def test_folds_on_the_shortlist_choose_as_on_the_whole_path(problem: Problem, options: dict[str, Any]) -> None:
    whole = path(problem.y, problem.X, **options)
    some = whole.leave_one_out().shortlist
    assert len(some) <= len(whole.lambdas)
    found = cross_validate(problem.y, problem.X, lambdas=some, l1_ratio=options.get("l1_ratio", 1.0))
    full = cross_validate(problem.y, problem.X, lambdas=whole.lambdas, l1_ratio=options.get("l1_ratio", 1.0))
    assert found.lambda_min == full.lambda_min
    assert found.lambda_1se in (full.lambda_1se, some[0])  # which says to go on to larger ones


def test_it_comes_by_name() -> None:
    problem = drawn(400, 20, 5)
    found = path(problem.y, problem.X)
    judged = found.leave_one_out("brier")
    table = judged.table
    i = int(np.nanargmin(table["estimate"]))
    assert judged.lambda_min == table["lambda"][i]
    assert judged.lambda_1se >= judged.lambda_min
    assert list(table.columns) == ["lambda", "estimate", "std.error", "df", "leverage", "within"]
    assert "lambda_min" in str(judged)
    assert "the smallest tried" in path(problem.y, problem.X, lambdas=[0.1, 0.05]).leave_one_out().notes[-1]


def test_what_it_refuses() -> None:
    found = paths.path(data.birthwt(), count=4)
    for measure, word in (("auc", "biased"), ("accuracy", "not 'accuracy'"), ("loss", "not 'loss'")):
        with pytest.raises(InputError, match=word):
            leave_one_out(found, measure)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="for two classes, not 3"):
        leave_one_out(paths.path(data.iris(), count=4))
    for options in ({"lower": 0.0}, {"groups": [0, 0, 1, 1, 1, 2, 3, 4]}):
        with pytest.raises(InputError, match="groups and bounds"):
            leave_one_out(paths.path(data.birthwt(), count=4, **options))


def test_examples() -> None:
    module = import_module("berkson.logistic.paths")
    names = {"path": path}
    for test in doctest.DocTestFinder().find(module.LogitPath.leave_one_out, "leave_one_out", globs=names):
        assert not doctest.DocTestRunner().run(test).failed
