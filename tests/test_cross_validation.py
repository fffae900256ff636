"""Cross-validation: every fold's fit against a fit of its rows alone, against R's cv.glmnet, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from path_data import R, birthwt, infert, menarche

from berkson.fit import fit
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import CrossValidation, cross_validate
from berkson.select.folds import Folds, folds_from, folds_of
from berkson.select.measures import curve
from berkson.select.path import path


def without(problem: Problem, rows: np.ndarray) -> Problem:
    """The problem of the other rows, as a copy."""
    stays = np.ones(len(problem.y), dtype=bool)
    stays[rows] = False
    return replace(
        problem,
        X=problem.X[stays],
        y=problem.y[stays],
        weight=None if problem.weight is None else problem.weight[stays],
        offset=None if problem.offset is None else problem.offset[stays],
    )


def made(n: int, p: int, seed: int = 4) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 3, p)
    eta = X[:, :3].sum(axis=1) / 2 - 0.5
    return Problem(X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8))


FITS: dict[str, tuple[Problem, dict[str, Any]]] = {
    "weights and offset": (infert(), {}),
    "units": (birthwt(), {"standardize": False, "l1_ratio": 0.6}),
    "factors": (birthwt(), {"factors": [0, 1, 2, 1, 1, 1, 1, 1]}),
    "ridge": (birthwt(), {"l1_ratio": 0.0}),
    "counts": (menarche(), {"folds": 5}),
    "scikit-learn's scale": (birthwt(), {"scale": "sum", "lambdas": [10.0, 1.0], "standardize": False}),
    "many rows": (made(30_000, 30), {"count": 12, "smallest": 1e-2, "folds": 4}),
    "few rows a column": (made(60, 25), {"count": 20, "smallest": 1e-2, "folds": 3}),
    "more columns than rows": (made(40, 60), {"count": 12, "smallest": 0.1, "folds": 3}),
}


@pytest.mark.parametrize("case", FITS)
def test_a_fold_is_the_fit_of_its_rows(case: str) -> None:
    problem, options = FITS[case]
    options = dict(options)
    found = cross_validate(problem, options.pop("folds", 6), **options, tol=1e-10)
    assert found.certified.all()
    lambdas = found.path.lambdas
    for k in (0, found.folds.count - 1):
        alone = path(without(problem, found.folds.held_out[k]), **{**options, "lambdas": lambdas}, tol=1e-11)
        assert alone.certified.all()
        coef, _ = found.coef(k)
        scale = problem.X.std(axis=0)
        size = 1.0 + np.abs(alone.coef * scale).max()
        np.testing.assert_allclose(coef * scale, alone.coef * scale, atol=2e-4 * size)  # sqrt of the gap, times spread
        held = found.folds.held_out[k]
        eta = problem.X[held] @ alone.coef[:, 0].T + alone.intercept[:, 0]
        if problem.offset is not None:
            eta += problem.offset[held][:, None]
        weight = np.ones(len(held)) if problem.weight is None else problem.weight[held]
        loss = weight @ (np.logaddexp(0, eta) - problem.y[held].astype(float)[:, None] * eta) / weight.sum()
        np.testing.assert_allclose(found.scores[k], loss, rtol=1e-4)


def crossed(case: str) -> tuple[CrossValidation, dict[str, Any]]:
    options = {"birthwt_net": {"l1_ratio": 0.2, "standardize": False}}.get(case, {})
    problem = infert() if case == "infert" else birthwt()
    expected = R["crossed"][case]
    return cross_validate(problem, expected["folds"], lambdas=expected["lambda"], **options, tol=1e-13), expected


@pytest.mark.parametrize("case", ["infert", "birthwt", "birthwt_net"])
def test_curves_are_those_of_cv_glmnet(case: str) -> None:
    found, expected = crossed(case)
    for ours, theirs, factor in (("deviance", "deviance", 1.0), ("brier", "mse", 2.0), ("accuracy", "class", 1.0)):
        curve = found.curve(ours)
        mean = 1.0 - curve.mean if ours == "accuracy" else factor * curve.mean  # glmnet counts errors, and both classes
        np.testing.assert_allclose(mean, expected[theirs]["mean"], rtol=1e-7)
        np.testing.assert_allclose(factor * curve.se, expected[theirs]["se"], rtol=1e-6)
        assert found.path.lambdas[curve.best] == pytest.approx(expected[theirs]["best"])
        assert found.path.lambdas[curve.one_se] == pytest.approx(expected[theirs]["one_se"])


def test_auc_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    problem = infert()
    found = cross_validate(problem, 4, measure="auc")
    for k, held in enumerate(found.folds.held_out):
        coef, intercept = found.coef(k)
        for i in (0, 5, -1):
            eta = problem.X[held] @ coef[i, 0] + intercept[i, 0] + problem.offset[held]
            eta = eta.round(12)  # ties that rounding parted
            expected = roc_auc_score(problem.y[held], eta, sample_weight=problem.weight[held])
            assert found.scores[k, i] == pytest.approx(expected, abs=1e-3)  # a pair or two on either side of a tie
    assert found.chosen.best == int(np.argmax(found.chosen.mean))


def test_softmax_ridge_paths_have_folds_too() -> None:
    rng = np.random.default_rng(9)
    X = rng.normal(size=(240, 3))
    y = (X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(240, 3))).argmax(axis=1).astype(np.uint8)
    problem = Problem(X, y, 3)
    options: dict[str, Any] = {"l1_ratio": 0.0, "lambdas": [1.0, 0.1], "tol": 1e-11}
    found = cross_validate(problem, 3, **options)
    assert found.certified.all()
    alone = path(without(problem, found.folds.held_out[1]), **options)
    np.testing.assert_allclose(found.coef(1)[0], alone.coef, atol=1e-5)
    assert found.curve("brier").mean.shape == (2,)


def test_folds_are_stratified_or_keep_groups_together_and_come_again() -> None:
    problem = birthwt()
    folds = folds_of(problem, 5, None, 0)
    assert sorted(np.concatenate(folds.held_out).tolist()) == list(range(189))
    for held in folds.held_out:
        assert abs(problem.y[held].sum() - problem.y.sum() / 5) <= 1.0
    again = folds_of(problem, 5, None, 0)
    assert folds.codes is not None
    np.testing.assert_array_equal(folds.codes, again.codes)
    assert (folds.codes != folds_of(problem, 5, None, 1).codes).any()
    groups = np.arange(189) // 7
    grouped = folds_of(problem, 5, groups, 0).codes
    assert grouped is not None
    assert all(len(set(grouped[groups == g])) == 1 for g in range(27))
    assert np.bincount(grouped).min() >= 35


def test_one_fold_of_codes_is_a_fold_like_others() -> None:
    problem = birthwt()
    codes = np.where(np.arange(189) % 5 == 0, 0, 1)
    held = np.flatnonzero(codes == 0)
    one = Folds((held,), codes)  # the other rows train it, and are never held out
    found = cross_validate(problem, one, lambdas=[0.05, 0.01], tol=1e-12)
    assert found.certified.shape == (1, 2)
    assert found.certified.all()
    alone = path(without(problem, held), lambdas=[0.05, 0.01], tol=1e-12)
    np.testing.assert_allclose(found.coef(0)[0], alone.coef, atol=1e-5)


def test_fits_whose_training_rows_are_few_have_their_own_proof() -> None:
    problem = made(30_000, 20)
    few = np.arange(0, 30_000, 10)  # a tenth trains: the shared rows' curvature without the rest proves nothing
    splits = [(few, few + 1), (np.delete(np.arange(30_000), few), few)]
    found = cross_validate(problem, folds_from(splits), lambdas=[0.05, 0.01, 0.002], tol=1e-9)
    assert found.certified.all()
    alone = path(replace(problem, X=problem.X[few], y=problem.y[few]), lambdas=[0.05, 0.01, 0.002], tol=1e-10)
    np.testing.assert_allclose(found.coef(0)[0], alone.coef, atol=1e-4)  # sqrt of the gap, times spread


def test_splits_need_not_be_a_partition() -> None:
    problem = birthwt()
    rng = np.random.default_rng(2)
    splits = [(order[:100], order[100:150]) for order in (rng.permutation(189) for _ in range(3))]
    found = cross_validate(problem, folds_from(splits), lambdas=[0.05, 0.01], tol=1e-11)
    assert found.certified.all()
    train = np.sort(splits[1][0])
    alone = path(replace(problem, X=problem.X[train], y=problem.y[train]), lambdas=[0.05, 0.01], tol=1e-11)
    np.testing.assert_allclose(found.coef(1)[0], alone.coef, atol=1e-5)
    assert len(found.scores) == 3


def test_rows_without_weight_are_in_no_fit_and_no_score() -> None:
    problem = birthwt()
    weight = np.ones(189)
    weight[::5] = 0.0
    codes = np.arange(189) % 4
    used = weight > 0
    options: dict[str, Any] = {"lambdas": [0.05, 0.01], "tol": 1e-12}
    found = cross_validate(replace(problem, weight=weight), codes, **options)
    alone = cross_validate(replace(problem, X=problem.X[used], y=problem.y[used]), codes[used], **options)
    np.testing.assert_allclose(found.thetas, alone.thetas, atol=1e-6)
    np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-7)
    np.testing.assert_allclose(found.chosen.se, alone.chosen.se, rtol=1e-6)


def test_what_to_know_is_said() -> None:
    problem = birthwt()
    low = cross_validate(made(300, 6), 5, lambdas=[0.1, 0.05])
    assert any("the smallest tried" in note for note in low.notes)
    noise = replace(problem, y=np.random.default_rng(0).permutation(problem.y))
    assert any("explain nothing" in note for note in cross_validate(noise, 5).notes)
    codes = np.where(problem.y == 1, 0, np.arange(189) % 3)
    with pytest.raises(InputError, match="holds out every row of class 1"):
        cross_validate(problem, codes)
    codes = np.where(np.arange(189) % 4 == 0, problem.y, 2 + problem.y)
    assert any("no auc" in note for note in cross_validate(problem, np.where(codes < 2, codes, 2), measure="auc").notes)


@pytest.mark.parametrize(
    ("folds", "says"),
    [(1, "2 to 189"), (190, "2 to 189"), (np.zeros(189), "one code"), (np.zeros(3), "one code a row")],
)
def test_what_makes_no_folds_is_refused(folds: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        cross_validate(birthwt(), folds)


def test_mean_and_error_are_weighted_by_folds() -> None:
    each = np.array([[1.0, 4.0], [2.0, 3.0], [4.0, np.nan]])
    weight = np.array([1.0, 2.0, 1.0])
    found = curve("log_loss", each, weight)
    mean = (1.0 + 2 * 2.0 + 4.0) / 4
    np.testing.assert_allclose(found.mean, [mean, 10 / 3])
    error = np.sqrt(((1 - mean) ** 2 + 2 * (2 - mean) ** 2 + (4 - mean) ** 2) / 4 / 2)
    np.testing.assert_allclose(found.se[0], error)
    np.testing.assert_allclose(found.se[1], np.sqrt(((4 - 10 / 3) ** 2 + 2 * (3 - 10 / 3) ** 2) / 3 / 1))
    assert (found.best, found.one_se) == (0, 0)


def test_one_penalty_far_from_the_null_model_takes_few_passes() -> None:
    problem = made(60_000, 20)
    found = cross_validate(problem, 5, lambdas=[1.0], scale="sum", l1_ratio=0.0, standardize=False)
    assert found.certified.all()
    # columns, null model, the sample's optimum, two steps of the whole and of the folds; Newton from the null model: 11
    assert found.passes < 9.0
    alone = fit(replace(without(problem, found.folds.held_out[2]), strength=1.0), tol=1e-12)
    # within 1e-6 of the null objective 4e4: coefficients within sqrt(2 * 0.04 / (n / 40)) at the very most
    np.testing.assert_allclose(found.coef(2)[0][0], alone.coef, atol=0.01)
    assert (found.gap >= 0.0).all()
