"""Doors to penalties: paths, cross-validation and `logit(..., penalty=)` by name, against R's glmnet and each other."""

from __future__ import annotations

import doctest
import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import berkson
from berkson import InputError, LogitPath, PenalisedFit, StatisticsError, cross_validate, logit, path
from berkson.model_file import ModelError, from_dict, load, to_dict

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "select_doors.json").read_text())
LAMBDAS = R["lambda"]
FORMULA = "low ~ age + lwt + C(race, treatment) + smoke + ht"  # as model.matrix has it: without the reference
SIX = 1e-6  # relative: curves and coefficients agree to 4e-7, what a gap of 1e-13 leaves


def births() -> pd.DataFrame:
    data = pd.read_csv(HERE / "data" / "birthwt.csv")
    data["fold"] = np.arange(len(data)) % 5 + 1
    data["w"] = 1 + data["ptl"]
    return data


# --- against glmnet -------------------------------------------------------------------------------------------------


def test_a_path_of_a_formula_is_that_of_glmnet() -> None:
    expected = R["free"]
    found = path(FORMULA, births(), lambdas=LAMBDAS, unpenalised=["race", "age"], weights="w")
    names = ["(Intercept)", "age", "lwt", "C(race)[2]", "C(race)[3]", "smoke", "ht"]
    assert list(found.coef.columns) == ["lambda", *names]
    np.testing.assert_allclose(found.coef[names].to_numpy().T, expected["coef"], rtol=SIX, atol=1e-9)
    np.testing.assert_allclose(found.table["dev.ratio"], expected["deviance_ratio"], rtol=SIX)
    np.testing.assert_array_equal(found.table["df"], expected["df"])
    assert found.table["certified"].all()


def test_cross_validation_by_a_column_is_that_of_cv_glmnet() -> None:
    expected = R["cv"]
    found = cross_validate(FORMULA, births(), folds="fold", lambdas=LAMBDAS, measure="deviance", tol=1e-15)
    curve = found.curve()
    np.testing.assert_allclose(curve["estimate"], expected["mean"], rtol=SIX)
    np.testing.assert_allclose(curve["std.error"], expected["se"], rtol=SIX)
    assert (found.lambda_min, found.lambda_1se) == (expected["min"], expected["one_se"])
    np.testing.assert_allclose(found.coef["lambda_1se"], expected["at_1se"], rtol=SIX, atol=1e-9)
    np.testing.assert_allclose(list(found.best("1se").params), expected["at_1se"], rtol=SIX, atol=1e-9)
    np.testing.assert_allclose(found.curve("auc")["estimate"], R["auc"]["mean"], rtol=SIX)
    np.testing.assert_allclose(found.curve("auc")["std.error"], R["auc"]["se"], rtol=SIX)


def test_predictions_are_those_of_glmnet() -> None:
    data = births()
    fit = logit(FORMULA, data, penalty="elastic net", lambda_=0.02)
    np.testing.assert_allclose(fit.predict(data.head(5)), R["net"]["response"], rtol=SIX)
    np.testing.assert_allclose(fit.predict(data.head(5), "link"), R["net"]["link"], rtol=SIX)
    np.testing.assert_allclose(fit.predict()[:5], R["net"]["response"], rtol=SIX)


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_mean_columns_terms_and_columns_of_the_table() -> None:
    data = births()
    fits = [path(FORMULA, data, lambdas=[0.03], unpenalised=name) for name in ("race", "C(race)")]
    each = path(FORMULA, data, lambdas=[0.03], unpenalised=["C(race)[2]", "C(race)[3]"])
    numbers = path(FORMULA, data, lambdas=[0.03], factors=[1, 1, 0, 0, 1, 1])
    once = path(FORMULA, data, lambdas=[0.03], unpenalised=iter(["race"]))
    for other in (*fits[1:], each, numbers, once):
        np.testing.assert_array_equal(fits[0].found.coef, other.found.coef)
    assert "not penalised: C(race)[2], C(race)[3]" in str(fits[0])


def test_columns_of_a_term_come_and_go_together() -> None:
    data = births()
    alone = path(FORMULA, data, count=100)
    used = alone.found.coef[:, 0, 2:4] != 0.0
    assert (used[:, 0] != used[:, 1]).any()  # else the next line shows nothing
    for groups in ("terms", {"race": "r"}, {"C(race)[2]": 7, "C(race)[3]": 7}):
        found = path(FORMULA, data, count=100, column_groups=groups)
        used = found.found.coef[:, 0, 2:4] != 0.0
        assert (used[:, 0] == used[:, 1]).all()
        assert used.any()
        assert "group lasso on coefficients" in str(found)
        assert found.at(0.02).model.penalty.chosen.startswith("group lasso")  # type: ignore[union-attr]


def test_bounds_by_name() -> None:
    found = path(FORMULA, births(), count=20, lower={"lwt": 0.0}, upper={"smoke": 0.25})
    lwt, smoke = found.coef["lwt"], found.coef["smoke"]
    assert (lwt >= 0.0).all()
    assert smoke.max() == pytest.approx(0.25)  # which it would pass: see below
    free = path(FORMULA, births(), count=20)
    assert free.coef["lwt"].min() < 0.0
    assert free.coef["smoke"].max() > 0.5


def test_infinite_factors_leave_a_column_out() -> None:
    found = path("low ~ age + lwt + smoke", births(), factors={"lwt": np.inf}, lambdas=[0.001])
    assert found.coef["lwt"][0] == 0.0
    assert found.coef["smoke"][0] != 0.0


# --- doors ----------------------------------------------------------------------------------------------------------


def frame_kinds() -> dict[str, Callable[[pd.DataFrame], Any]]:
    return {
        "pandas": lambda data: data,
        "polars": pl.from_pandas,
        "pyarrow": lambda data: pa.Table.from_pandas(data, preserve_index=False),
        "dict": lambda data: {name: data[name].to_numpy() for name in data},
    }


@pytest.mark.parametrize("kind", frame_kinds())
def test_tables_come_back_as_the_callers_kind(kind: str) -> None:
    data = births()
    given = frame_kinds()[kind](data)
    found = cross_validate(FORMULA, given, folds="fold", count=10)
    table, expected = found.curve(), cross_validate(FORMULA, data, folds="fold", count=10).curve()
    wanted = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}.get(kind)
    assert wanted is None or type(table) is wanted
    np.testing.assert_allclose(np.asarray(table["estimate"]), expected["estimate"], rtol=1e-12)
    assert type(found.path.coef) is type(table)


def test_arrays_are_the_formula() -> None:
    data = births()
    names = ["age", "lwt", "smoke"]
    formula = path("low ~ age + lwt + smoke", data, weights="w", lambdas=LAMBDAS)
    for X, columns in ((data[names], names), (data[names].to_numpy(), ["x0", "x1", "x2"])):
        found = path(data["low"], X, weights=data["w"], lambdas=LAMBDAS)
        np.testing.assert_allclose(found.found.coef, formula.found.coef, rtol=1e-9)
        assert list(np.asarray(found.coef.columns)[2:]) == columns


def test_an_offset_and_the_intercept_are_taken() -> None:
    data = births().assign(o=np.linspace(-1, 1, 189))
    named = logit("low ~ age + lwt", data, penalty="ridge", lambda_=0.1, offset="o")
    given = logit(data["low"], data[["age", "lwt"]], penalty="ridge", lambda_=0.1, offset=data["o"])
    np.testing.assert_allclose(named.params, given.params, rtol=1e-9)
    eta = (
        named.params["(Intercept)"] + data["age"] * named.params["age"] + data["lwt"] * named.params["lwt"] + data["o"]
    )
    np.testing.assert_allclose(named.predict(data, "link"), eta, rtol=1e-9)
    np.testing.assert_allclose(given.predict(data[["age", "lwt"]], "link", offset=data["o"]), eta, rtol=1e-9)
    with pytest.raises(ValueError, match="the fit had an offset, so a prediction needs one"):
        given.predict(data[["age", "lwt"]])
    without = logit("low ~ 0 + age", data, penalty="lasso", lambda_=0.001)
    assert list(without.params.index) == ["age"]


def test_rows_without_a_value_or_a_fold_are_left_out() -> None:
    data = births().astype(float)
    data.loc[3, "age"] = np.nan
    data.loc[5, "fold"] = np.nan
    found = cross_validate("low ~ . - w", data, folds="fold", count=5)
    assert "fold" not in found.path.prepared.schema.names  # `.` does not stand for it
    rows = found.path.prepared.rows
    assert (rows.used, rows.missing) == (187, {"fold": 1, "age": 1})
    clean = cross_validate("low ~ . - w", data.dropna(), folds="fold", count=5)
    np.testing.assert_allclose(found.curve()["estimate"], clean.curve()["estimate"], rtol=1e-12)
    arrays = cross_validate(data["low"], data[["age", "lwt"]], folds=data["smoke"], count=5)
    assert arrays.path.prepared.rows.used == 188
    with pytest.raises(InputError, match="folds lacks a value in 1 of 188 rows"):
        cross_validate(data["low"], data[["age", "lwt"]], folds=data["fold"])


def test_groups_stay_together() -> None:
    data = births()
    found = cross_validate("low ~ lwt + smoke", data, folds=4, groups="age", count=5)
    codes = found.found.folds.codes
    assert codes is not None
    assert (pd.Series(codes).groupby(data["age"]).nunique() == 1).all()


# --- the fit of one penalty -----------------------------------------------------------------------------------------


def test_a_ridge_is_that_of_strength() -> None:
    data = births()
    ridge = logit("low ~ age + lwt + smoke", data, penalty="ridge", lambda_=3.0, standardize=False, scale="sum")
    strength = logit("low ~ age + lwt + smoke", data, strength=3.0)
    # proved to within 1e-8 of the null objective, whose square root bounds the distance
    np.testing.assert_allclose(ridge.params, strength.params, rtol=1e-4)
    assert ridge.certificate.objective == pytest.approx(strength.certificate.objective, rel=1e-8)


def test_a_fit_has_no_inference() -> None:
    fit = logit(FORMULA, births(), penalty="lasso", lambda_=0.02)
    for name in ("bse", "pvalues", "confint", "vcov", "robust", "test", "effects", "llf", "aic", "diagnostics"):
        assert hasattr(berkson.LogitFit, name)
        with pytest.raises(StatisticsError, match=f"a penalised fit has no {name}: .* fit them without a penalty"):
            getattr(fit, name)
    with pytest.raises(AttributeError):
        fit.bses  # noqa: B018
    assert fit.selected == [name for name, value in fit.params.items() if value != 0.0 and name != "(Intercept)"]
    np.testing.assert_allclose(fit.odds_ratios, np.exp(fit.params))
    tidy = fit.tidy(exponentiate=True)
    np.testing.assert_allclose(tidy["estimate"], fit.odds_ratios)
    assert "no standard errors" in str(fit)
    assert fit.deviance == pytest.approx((1 - fit.glance()["dev.ratio"][0]) * fit.null_deviance)


def test_the_deviance_is_that_of_its_predictions() -> None:
    data = births()
    fit = logit(FORMULA, data, penalty="lasso", lambda_=0.02)
    p = np.where(data["low"] == 1, fit.predict(), 1 - fit.predict())
    assert fit.deviance == pytest.approx(-2 * np.log(p).sum(), rel=1e-9)


def test_select_chooses_as_cross_validation_does() -> None:
    data = births()
    curve = cross_validate(FORMULA, data, folds="fold", tol=1e-8)
    for rule, wanted in (("min", curve.lambda_min), ("1se", curve.lambda_1se)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            fit = logit(FORMULA, data, penalty="lasso", select="cv", rule=rule, folds="fold")
        assert fit.lambda_ == wanted
        np.testing.assert_allclose(fit.cross_validation.curve()["estimate"], curve.curve()["estimate"], rtol=1e-9)
    assert "best log loss of 5 folds" in str(curve.best())


def test_a_best_lambda_at_the_edge_is_told() -> None:
    with pytest.warns(UserWarning, match="is the smallest tried, so a smaller one may be better"):
        logit(FORMULA, births(), penalty="lasso", select="cv", folds="fold", lambdas=[0.05, 0.04])
    found = cross_validate(FORMULA, births(), folds="fold", lambdas=[0.05, 0.04])
    assert "is the smallest tried" in str(found)


def test_several_classes_have_coefficients_each() -> None:
    data = pd.read_csv(HERE / "data" / "iris.csv")
    fit = logit("Species ~ .", data, penalty="lasso", lambda_=0.05, reference="virginica")
    p = fit.predict()
    assert list(p.columns) == ["setosa", "versicolor", "virginica"]
    eta = np.column_stack(
        [
            sum((fit.params[f"{k}:{name}"] * data[name] for name in data.columns[:4]), fit.params[f"{k}:(Intercept)"])
            for k in p.columns
        ]
    )
    np.testing.assert_allclose(p, np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True), rtol=1e-9)
    link = fit.predict(kind="link")
    assert list(link.columns) == ["setosa:virginica", "versicolor:virginica"]
    np.testing.assert_allclose(link, eta[:, :2] - eta[:, 2:], rtol=1e-9, atol=1e-9)
    assert (np.asarray(fit.predict(kind="class")) == np.array(p.columns)[p.to_numpy().argmax(axis=1)]).all()
    assert len(fit.tidy()) == 15


def test_counts_and_shares() -> None:
    data = pd.read_csv(HERE / "data" / "menarche.csv")
    counts = path("Menarche / Total ~ Age", data, lambdas=[0.01])
    shares = path("s ~ Age", data.assign(s=data["Menarche"] / data["Total"]), weights="Total", lambdas=[0.01])
    np.testing.assert_allclose(counts.found.coef, shares.found.coef, rtol=1e-9)
    with pytest.raises(ValueError, match="no classes"):
        counts.at(0.01).predict(kind="class")


@pytest.mark.parametrize("policy", ["missing", "baseline"])
def test_policies_for_new_rows(policy: Any) -> None:
    data = births()
    fit = logit(FORMULA, data, penalty="lasso", lambda_=0.01, policy=policy)
    new = data.head(3).assign(race=[1, 9, 2])
    with pytest.warns(UserWarning, match="holds levels not seen"):
        found = fit.predict(new)
    reference = fit.predict(data.head(3).assign(race=[1, 1, 2]))
    expected = reference.where([True, policy == "baseline", True])
    np.testing.assert_allclose(found, expected)
    with pytest.raises(ValueError, match="has not seen"):
        fit.predict(new, policy="error")


# --- files ----------------------------------------------------------------------------------------------------------


def test_models_are_saved_with_their_penalty(tmp_path: Path) -> None:
    fit = path(FORMULA, births(), l1_ratio=0.7).at(0.02)
    fit.save(tmp_path / "model.json")
    model = load(tmp_path / "model.json")
    assert model.penalty == fit.model.penalty
    assert model.penalty is not None
    assert (model.penalty.l1_ratio, model.penalty.lambda_) == (0.7, 0.02)
    np.testing.assert_array_equal(model.coef, fit.model.coef)
    with pytest.raises(ValueError, match="fit of a path of penalties"):
        model.certificate(fit.prepared.table, 1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"l1_ratio": 2.0}, "l1_ratio goes from 0 to 1"),
        ({"lambda": -1.0}, "lambda is not negative"),
        ({"scale": "max"}, "neither mean nor sum"),
        ({"standardize": 1}, "neither true nor false"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_strangers_penalties_are_refused(change: dict[str, Any], sentence: str) -> None:
    data = to_dict(path("low ~ age", births()).at(0.02).model)
    assert from_dict(json.loads(json.dumps(data))).penalty is not None
    data["penalty"] |= change
    with pytest.raises(ValueError, match=sentence):
        from_dict(json.loads(json.dumps(data)))
    assert issubclass(ModelError, ValueError)


# --- what is refused ------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[pd.DataFrame], Any], type[Exception], str]] = {
    "penalty": (lambda d: logit(FORMULA, d, penalty="laso", lambda_=1), ValueError, "is none of 'ridge'"),
    "no lambda": (lambda d: logit(FORMULA, d, penalty="lasso"), ValueError, "give lambda_=, or select='cv'"),
    "both": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, select="cv"), ValueError, "one of them"),
    "negative": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=-1), ValueError, "is no penalty"),
    "robust": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, covariance="HC1"), ValueError, "no inference"),
    "strength": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, strength=1.0), ValueError, "strength= and"),
    "alone": (lambda d: logit(FORMULA, d, lambda_=1), ValueError, "say which, penalty="),
    "folds alone": (lambda d: logit(FORMULA, d, folds=3), ValueError, "say which, penalty="),
    "typo": (lambda d: logit(FORMULA, d, strenght=1), TypeError, "did you mean 'strength'?"),
    "typo, penalised": (lambda d: logit(FORMULA, d, penalty="lasso", fold=1), TypeError, "did you mean 'folds'?"),
    "folds of none": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, folds=5), ValueError, "select='cv'"),
    "lambdas": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, lambdas=[1]), ValueError, "one penalty"),
    "ratio": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, l1_ratio=0.2), ValueError, "'elastic net'"),
    "reference": (lambda d: logit(FORMULA, d, penalty="lasso", lambda_=1, reference="1"), ValueError, "event="),
    "name": (lambda d: path(FORMULA, d, unpenalised="agee"), InputError, "did you mean 'age'?"),
    "factor": (lambda d: path(FORMULA, d, factors={"age": "x"}), InputError, "no number"),
    "factors": (lambda d: path(FORMULA, d, factors=[1, 2]), InputError, "6 columns: give one number a column"),
    "count": (lambda d: path(FORMULA, d, count=2.5), ValueError, "no whole number"),
    "tol": (lambda d: path(FORMULA, d, tol=0), ValueError, "no distance"),
    "column groups": (lambda d: path(FORMULA, d, column_groups="x"), ValueError, "neither 'terms'"),
    "lambdas of text": (lambda d: path(FORMULA, d, lambdas="x"), InputError, "no number"),
    "fold column": (lambda d: cross_validate(FORMULA, d, folds="flod"), ValueError, "did you mean 'fold'?"),
    "few folds": (lambda d: cross_validate(FORMULA, d, folds=1), InputError, "give 2 to 189"),
    "short folds": (lambda d: cross_validate(FORMULA, d, folds=[1, 2]), InputError, "give one a row"),
    "auc": (lambda d: cross_validate("race ~ age", d, measure="auc"), InputError, "two classes, and .* 3"),
    "measure": (lambda d: cross_validate(FORMULA, d, measure="aucc"), ValueError, "'auc'"),
    "seed": (lambda d: cross_validate(FORMULA, d, seed=-1), ValueError, "no whole number"),
    "rule": (lambda d: cross_validate(FORMULA, d, folds=3).best("max"), ValueError, "neither 'min' nor '1se'"),
    "name of none": (lambda d: cross_validate(d["low"], d[["age"]], folds="fold"), ValueError, "give the values"),
    "shuffled": (lambda d: cross_validate(FORMULA, d, folds=d["fold"].sample(frac=1)), InputError, "labels"),
    "figure": (lambda d: path(FORMULA, d).plot("x.jpg"), ValueError, "end its name in .svg"),
    "figure of one": (lambda d: path(FORMULA, d, lambdas=[0.1]).plot(), ValueError, "ask for several"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_sentence(case: str) -> None:
    call, kind, sentence = REFUSED[case]
    with pytest.raises(kind, match=sentence) as raised:
        call(births())
    assert "\n" not in str(raised.value)


def test_a_fit_without_a_proof_has_no_numbers() -> None:
    found = path("low ~ .", births(), lambdas=[0.01, 0.001], max_iterations=1, tol=1e-12)
    assert not found.certified.any()
    assert np.isnan(found.coef["age"]).all()
    assert "not certified" in str(found)
    fit = found.at(0.001)
    with pytest.raises(StatisticsError, match="no estimates without a proved optimum"):
        fit.params  # noqa: B018
    assert "proved to lie within" in str(fit)


# --- what is shown --------------------------------------------------------------------------------------------------


def test_what_is_shown() -> None:
    found = cross_validate(FORMULA, births(), folds="fold", count=40)
    text = str(found)
    for part in ("low ~ age + lwt", "59 of 189 rows", "5 folds, each proved by itself", "best", "one std. error"):
        assert part in text
    assert found._repr_html_().count("<svg") >= 1
    table = str(found.path)
    assert "+ " in table
    assert f"All {len(found.path.lambdas)} fits certified" in table
    assert max(map(len, table.splitlines())) <= 200
    assert isinstance(found.path, LogitPath)
    assert isinstance(found.at(0.01), PenalisedFit)


def test_examples_of_docstrings_run() -> None:
    for name in ("selection", "paths", "penalised"):
        module = import_module(f"berkson.logistic.{name}")
        result = doctest.testmod(module, extraglobs={"logit": logit, "path": path})
        assert result.attempted
        assert not result.failed
