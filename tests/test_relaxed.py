"""Relaxed fits: the supports of a path without its penalty, blends, and their cross-validation, against R's glmnet."""

from __future__ import annotations

import doctest
import json
from importlib import import_module
from pathlib import Path as File
from typing import Any

import numpy as np
import pandas as pd
import path_data as data
import pytest

import berkson
from berkson import InputError, StatisticsError, cross_validate, logit, path
from berkson.model_file import from_dict, to_dict
from berkson.problem import Problem
from berkson.select import cross_validation
from berkson.select import path as paths
from berkson.select.relaxed import cross_validate_relaxed, relax

HERE = File(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "relaxed.json").read_text())
SIX = 1e-6  # relative: the penalised fits agree to 1e-7 of the largest coefficient, those without a penalty to 1e-9
GAMMAS = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the recording; glmnet's gamma 0 is 1e-5
FORMULA = "low ~ age + lwt + C(race, treatment) + smoke + ptl + ht"


def births() -> pd.DataFrame:
    return pd.read_csv(HERE / "data" / "birthwt.csv")


def close(found: np.ndarray, expected: Any) -> None:
    wanted = np.asarray(expected, dtype=float)
    np.testing.assert_allclose(found, wanted, rtol=SIX, atol=SIX * float(np.abs(wanted).max()))


# --- against glmnet ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem", "options"),
    [
        ("birthwt", data.birthwt, {}),
        ("birthwt_net", data.birthwt, {"l1_ratio": 0.5, "factors": [0, 1, 2, 1, 1, 1, 1, 1]}),
        ("infert", data.infert, {}),
        ("housing", data.housing, {}),
    ],
)
def test_relaxed_fits_are_those_of_glmnet(name: str, problem: Any, options: dict[str, Any]) -> None:
    expected = R[name]
    found = relax(paths.path(problem(), lambdas=expected["lambda"], tol=1e-14, **options))
    assert not found.notes
    assert (found.gap <= 1e-8).all()
    free, shrunk = np.array(expected["free"]["coef"]), np.array(expected["shrunk"]["coef"])
    if free.ndim == 3:  # of K classes only differences count
        free, shrunk = free - free.mean(axis=0), shrunk - shrunk.mean(axis=0)
        for gamma in (0.0, 0.3, 1.0):
            coef = found.blend(gamma)[0].transpose(1, 0, 2)
            close(coef - coef.mean(axis=0), gamma * shrunk + (1.0 - gamma) * free)
    else:
        for gamma in (0.0, 0.3, 1.0):
            coef, intercept = found.blend(gamma)
            close(coef[:, 0], gamma * shrunk + (1.0 - gamma) * free)
            both = [np.array(expected[kind]["intercept"]) for kind in ("shrunk", "free")]
            close(intercept[:, 0], gamma * both[0] + (1.0 - gamma) * both[1])
    close(found.as_path(0.0).deviance_ratio, expected["deviance_ratio"])


@pytest.mark.parametrize(("name", "problem"), [("cv_birthwt", data.birthwt), ("cv_infert", data.infert)])
@pytest.mark.parametrize(("measure", "theirs"), [("deviance", "deviance"), ("brier", "mse"), ("auc", "auc")])
def test_lambda_and_gamma_are_those_of_cv_glmnet(name: str, problem: Any, measure: Any, theirs: str) -> None:
    expected = R[name][theirs]
    folds = cross_validation.cross_validate(
        problem(), R[name]["folds"], lambdas=R[name]["lambda"], measure=measure, tol=1e-14
    )
    found = cross_validate_relaxed(folds, GAMMAS)
    sums = 2.0 if measure == "brier" else 1.0  # glmnet counts both classes
    np.testing.assert_allclose(sums * found.mean, expected["mean"], rtol=SIX)
    np.testing.assert_allclose(sums * found.se, expected["se"], rtol=SIX)
    for choice in ("lambda_min", "gamma_min", "lambda_1se", "gamma_1se"):
        assert getattr(found, choice) == pytest.approx(expected[choice], rel=1e-12)


# --- what it is -------------------------------------------------------------------------------------------------------


def test_without_shrinkage_it_is_maximum_likelihood_on_the_columns() -> None:
    frame = births()
    found = path(FORMULA, frame, count=15).relaxed
    at = found.at(0.06)
    assert 0 < len(at.selected) < 7
    X = berkson.path(FORMULA, frame, lambdas=[0.06]).prepared.problem.X
    names = at.prepared.schema.names
    columns = [names.index(name) for name in at.selected]
    plain = logit(frame["low"].to_numpy(), np.asarray(X)[:, columns])
    np.testing.assert_allclose(at.params[["(Intercept)", *at.selected]], np.asarray(plain.params), rtol=1e-8)
    assert at.deviance == pytest.approx(plain.deviance, rel=1e-10)
    assert at.certificate.certified
    assert "without a penalty" in str(at)


def test_weights_and_offsets_reach_the_refits() -> None:
    frame = births().assign(w=lambda d: 1.0 + d["ptl"], o=lambda d: d["age"] / 50)
    options = {"weights": "w", "offset": "o"}
    at = path("low ~ lwt + ht + ui", frame, lambdas=[0.02], **options).relaxed.at(0.02)
    formula = "low ~ " + " + ".join(at.selected)
    plain = logit(formula, frame, weight_kind="precision", **options)
    np.testing.assert_allclose(at.params[plain.params.index], plain.params, rtol=1e-8)
    np.testing.assert_allclose(at.predict(), plain.predict(), rtol=1e-8)


def test_a_fold_is_relaxed_on_its_own_columns_and_rows() -> None:
    problem = data.birthwt()
    folds = np.arange(len(problem.y)) % 4
    found = cross_validation.cross_validate(problem, folds, lambdas=[0.05, 0.03], measure="log_loss")
    score = cross_validate_relaxed(found, [0.0]).scores[0]
    for k in range(4):
        out = folds == k
        alone = relax(paths.path(Problem(problem.X[~out], problem.y[~out]), lambdas=[0.05, 0.03]))
        eta = problem.X[out] @ alone.coef[:, 0].T + alone.intercept[:, 0]
        y = problem.y[out][:, None]
        loss = (np.logaddexp(0.0, eta) - y * eta).mean(axis=0)
        np.testing.assert_allclose(score[k], loss, rtol=1e-6)  # the lassos' tolerance decides nothing but supports


def test_logit_chooses_a_blend() -> None:
    frame = births()
    fit = logit(FORMULA, frame, penalty="lasso", select="cv", relax=(0, 0.5, 1), count=25)
    found = cross_validate(FORMULA, frame, relax=(0, 0.5, 1), count=25)
    assert (fit.lambda_, fit.gamma) == (found.lambda_min, found.gamma_min)
    np.testing.assert_allclose(fit.params, found.coef["lambda_min"], rtol=1e-7)
    np.testing.assert_allclose(found.best("1se").params, found.coef["lambda_1se"], rtol=1e-7)  # solved twice
    curve = found.curve()
    best = curve.loc[curve["estimate"].idxmin()]
    assert (best["lambda"], best["gamma"]) == (found.lambda_min, found.gamma_min)
    again = from_dict(json.loads(json.dumps(to_dict(fit.model))))
    np.testing.assert_array_equal(again.coef, fit.model.coef)
    for shown in (found, found.best(), path(FORMULA, frame, count=5).relaxed):
        assert "gamma" in str(shown) or "relaxed" in str(shown)
        assert "<table" in shown._repr_html_()


# --- what it refuses --------------------------------------------------------------------------------------------------


def separated() -> pd.DataFrame:
    """Of the first column alone, nothing; `mark` tells the classes apart in some rows."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((120, 3))
    y = (3.0 * x[:, 0] + rng.logistic(size=120) > 0).astype(int)
    return pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1], "mark": np.where(y == 1, np.arange(120) % 7 == 0, 0)})


def test_a_support_that_separates_has_no_relaxed_fit() -> None:
    frame = separated()
    plain = path("y ~ a + b + mark", frame, count=20)
    found = plain.relaxed
    first = int(np.argmax(plain.coef["mark"] != 0))
    assert first > 0
    np.testing.assert_array_equal(found.certified, np.arange(len(plain.lambdas)) < first)
    assert found.coef.iloc[first:].drop(columns="lambda").isna().all().all()
    (note,) = found.notes
    assert "'mark'" in note
    assert "larger lambda, or gamma=1" in note
    assert "no fit" in str(found)
    lambda_ = float(plain.lambdas[-1])
    with pytest.raises(StatisticsError, match="'mark'"):
        found.at(lambda_)
    np.testing.assert_allclose(found.at(lambda_, 1.0).params, plain.at(lambda_).params, rtol=1e-9)


def test_where_a_fold_is_separated_only_gamma_1_is_judged() -> None:
    found = cross_validate("y ~ a + b + mark", separated(), relax=(0, 1), folds=4, count=20)
    mean = found.relaxed.mean
    assert np.isfinite(mean[1]).all()
    assert np.isnan(mean[0, -1])
    assert np.isfinite(mean[0, 0])
    assert any("of 4 folds have no relaxed fit" in note for note in found.notes)
    assert np.isfinite(found.coef["lambda_min"]).all()


def test_more_columns_than_rows() -> None:
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((30, 60)), (np.arange(30) % 2).astype(np.uint8)
    found = relax(paths.path(Problem(X, y), lambdas=[10.0, 0.001], l1_ratio=0.1))
    assert np.isfinite(found.gap[0])
    assert "no fewer than the 30 rows" in found.refused[1]


def test_equal_columns_are_told() -> None:
    X = data.columns("birthwt", "lwt", "ht", "ht")
    problem = Problem(X, data.labels("birthwt", "low"), names=("lwt", "ht", "again"))
    found = relax(paths.path(problem, lambdas=[0.01], l1_ratio=0.5))  # the ridge keeps both
    assert "'again'" in found.aliased[0] or "'ht'" in found.aliased[0]
    assert found.notes
    alone = relax(paths.path(Problem(X[:, :2], problem.y), lambdas=[0.01]))
    np.testing.assert_allclose(found.coef[0, 0, 1:].sum(), alone.coef[0, 0, 1], rtol=1e-8)


def test_errors_are_sentences() -> None:
    frame = births()
    with pytest.raises(InputError, match="no bounds"):
        _ = path("low ~ age + lwt", frame, lower=0.0, count=3).relaxed
    found = path("low ~ age + lwt", frame, count=3).relaxed
    for gamma in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match="from 0"):
            found.at(0.01, gamma)
        with pytest.raises(InputError, match="from 0"):
            cross_validate("low ~ age", frame, relax=(0, gamma))
    with pytest.raises(InputError, match="at least one"):
        cross_validate("low ~ age", frame, relax=())
    with pytest.raises(InputError, match="which is no number"):
        cross_validate("low ~ age", frame, relax="all")
    with pytest.raises(ValueError, match="give measure='auc' to cross_validate"):
        cross_validate("low ~ age", frame, relax=(0, 1), count=3).curve("auc")


def test_examples() -> None:
    assert not doctest.testmod(import_module("berkson.logistic.relaxed"), extraglobs={"path": path}).failed
