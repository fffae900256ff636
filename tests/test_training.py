"""What the rows that train each fold have, against the same of each fold's own rows."""

from __future__ import annotations

import numpy as np
import pytest

from berkson.prepare import standardised
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import cross_validate
from berkson.select.folds import Folds, folds_from, folds_of
from berkson.select.path import path
from berkson.select.start import units
from berkson.select.training import training_units, training_weights


def weighted(seed: int = 0) -> Problem:
    """Columns of very different origins and units, one that is constant but for a row of no weight, one without spread
    outside fold 0; a fold without weight."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((240, 5)) * [1.0, 1e-6, 1e6, 1.0, 1.0] + [0.0, 5.0, 1e7, 0.0, 0.0]
    X[:, 3] = 2.5
    X[7, 3] = 9.0
    X[:, 4] = np.where(np.arange(240) % 6 == 0, X[:, 4], -1.25)
    weight = rng.uniform(0.1, 3.0, 240)
    weight[7] = 0.0
    weight[np.arange(240) % 6 == 5] = 0.0
    return Problem(X, rng.integers(0, 3, 240).astype(np.uint8), 3, weight)


@pytest.mark.parametrize("kind", ["codes", "some are never held out", "splits"])
def test_folds_sums_are_those_of_their_own_rows(kind: str) -> None:
    problem = weighted()
    folds = folds_of(problem, np.arange(240) % 6, None, 0)
    if kind == "some are never held out":
        folds = Folds(folds.held_out[:4], folds.codes)
    if kind == "splits":
        folds = folds_from([(np.delete(np.arange(240), held), held) for held in folds.held_out])
    rows = standardised(problem)
    weights = training_weights(problem, folds, problem.class_weights())
    scales = training_units(rows, folds)
    assert weights.shape == (folds.count, 3)
    assert problem.weight is not None
    for k in range(folds.count):
        train = folds.trained_by(k)
        of_classes = np.bincount(problem.y[train], weights=problem.weight[train], minlength=3)
        np.testing.assert_allclose(weights[k], of_classes, rtol=1e-14)  # sums in another order
        alone = units(rows.run(train), standardize=True, intercept=True)
        np.testing.assert_allclose(scales[k], alone, rtol=1e-9)  # a spread of 1e-6 beside 5: its square to 1e-9
        assert scales[k, 3] == 0.0
        assert (scales[k, 4] == 0.0) == (k == 0)


def test_a_row_far_out_changes_no_fold_that_holds_it_out() -> None:
    X = np.random.default_rng(0).standard_normal((200, 3))
    X[0] = 1e9
    problem = Problem(X, (np.arange(200) % 2).astype(np.uint8))
    folds = folds_of(problem, np.arange(200) // 2 % 5, None, 0)
    scale = training_units(standardised(problem), folds)
    np.testing.assert_allclose(scale[0], X[folds.trained_by(0)].std(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scale[1], X[folds.trained_by(1)].std(axis=0), rtol=1e-14)


def test_a_class_that_one_fold_holds_out_alone_is_named() -> None:
    problem = weighted()
    y = np.where(np.arange(240) % 6 == 2, 2, problem.y % 2).astype(np.uint8)
    problem = Problem(problem.X, y, 3, problem.weight)
    folds = folds_of(problem, np.arange(240) % 6, None, 0)
    with pytest.raises(InputError, match="fold 2 holds out every row of class 2"):
        training_weights(problem, folds, problem.class_weights())


def test_drawn_folds_have_equal_shares_of_each_class() -> None:
    y = (np.random.default_rng(1).random(10_007) < 0.03).astype(np.int32)
    folds = folds_of(Problem(np.empty((10_007, 0)), y), 10, None, 0)
    assert folds.codes is not None
    counts = np.array([np.bincount(y[held], minlength=2) for held in folds.held_out])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    for k, held in enumerate(folds.held_out):
        np.testing.assert_array_equal(held, np.flatnonzero(folds.codes == k))


@pytest.mark.parametrize("kind", ["u8", "i8", "u64", "far apart", "text"])
def test_codes_of_any_kind_are_places_among_themselves(kind: str) -> None:
    place = np.random.default_rng(2).integers(0, 3, 300)
    values = {
        "u8": np.array([0, 7, 255], np.uint8),
        "i8": np.array([-128, 0, 127], np.int8),
        "u64": np.array([2**64 - 200, 2**64 - 3, 2**64 - 1], np.uint64),
        "far apart": np.array([-(2**63), 0, 2**63 - 1]),
        "text": np.array(["a", "b", "c"]),
    }[kind]
    folds = folds_of(Problem(np.empty((300, 0)), np.zeros(300, np.uint8)), values[place], None, 0)
    np.testing.assert_array_equal(folds.codes, place)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_fits_of_one_penalty_begin_from_what_folds_leave(l1_ratio: float) -> None:
    """Rows of a weight that outweighs all others are in one fold, whose gradient is not a difference."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((4_000, 6))
    y = (rng.random(4_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.uint8)
    weight = np.where(np.arange(4_000) % 50 == 0, 1e9, 1.0)
    options = {"lambdas": [0.01], "l1_ratio": l1_ratio, "tol": 1e-12}
    found = cross_validate(Problem(X, y, 2, weight), np.arange(4_000) % 5, **options)
    assert found.certified.all()
    for k, held in enumerate(found.folds.held_out):
        train = np.setdiff1d(np.arange(4_000), held)
        alone = path(Problem(X[train], y[train], 2, weight[train]), **options)
        np.testing.assert_allclose(found.coef(k)[0], alone.coef, rtol=0, atol=3e-6)  # of tol: sqrt(2 tol / curvature)


def test_folds_far_from_the_whole_take_their_own_steps() -> None:
    """Nearly separable classes, whose folds' coefficients differ by far from the whole's."""
    rng = np.random.default_rng(6)
    X = rng.standard_normal((120, 6))
    y = (2.0 * X[:, 0] - X[:, 1] + 0.3 * rng.standard_normal(120) > 0.0).astype(np.uint8)
    problem, options = Problem(X, y), {"count": 40, "smallest": 1e-4, "complete": True, "tol": 1e-10}
    found = cross_validate(problem, np.arange(120) % 6, **options)
    assert found.certified.all()
    for k, held in enumerate(found.folds.held_out):
        train = np.setdiff1d(np.arange(120), held)
        alone = path(Problem(X[train], y[train]), lambdas=found.path.lambdas, tol=1e-12)
        null = alone.null_objective
        at = [
            path_objective(Problem(X[train], y[train]), coef, intercept, lambda_)
            for coef, intercept, lambda_ in zip(*found.coef(k), found.path.lambdas, strict=True)
        ]
        assert (np.array(at) - alone.objective <= 1e-10 * null).all()
        assert (np.array(at) - alone.objective >= -1e-12 * null).all()


def path_objective(problem: Problem, coef: np.ndarray, intercept: np.ndarray, lambda_: float) -> float:
    """The lasso's on glmnet's scale, columns standardised."""
    eta = problem.X @ coef[0] + intercept[0]
    loss = np.logaddexp(0.0, eta).sum() - eta[problem.y == 1].sum()
    return float(loss + len(eta) * lambda_ * np.abs(coef[0] * problem.X.std(axis=0)).sum())
