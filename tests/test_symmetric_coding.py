"""Under a penalty every level of a factor has a coefficient: answers do not depend on the reference, and what the
dependence of the levels leaves open is proved all the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import cross_validate, logit, path, stability_selection
from berkson.formula import FormulaError, Reading, learn
from berkson.model_file import from_dict, to_dict
from berkson.table import from_frame

CLOSE = 1e-9  # of predictions, where each objective is proved to 1e-12 of its least value


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    g, h, x = rng.choice(list("abcd"), n), rng.choice(["u", "v"], n), rng.normal(size=n)
    eta = 0.5 * x + (g == "b") - 0.7 * (g == "c") + (h == "v") * (0.5 + 0.4 * x)
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "g": g, "h": h, "x": x, "k": rng.integers(1, 4, n)})


FORMULAS = (
    'y ~ x + C(g, ref="{}") + C(h, ref="{}")',
    'y ~ x*C(h, ref="{1}") + C(g, ref="{0}")',
    'y ~ C(g, ref="{}")*C(h, ref="{}") + x',
    'y ~ 0 + x:C(g, ref="{}") + C(h, ref="{}")',
)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(
    "options",
    [
        {"penalty": "ridge", "lambda_": 0.05},
        {"penalty": "lasso", "lambda_": 0.01},
        {"penalty": "elastic net", "lambda_": 0.02, "standardize": False},
        {"strength": 2.0},
    ],
    ids=str,
)
def test_answers_do_not_depend_on_the_reference(data: pd.DataFrame, formula: str, options: dict[str, Any]) -> None:
    found = [logit(formula.format(*refs), data, tol=1e-12, **options).predict() for refs in (("a", "u"), ("d", "v"))]
    np.testing.assert_allclose(found[0], found[1], rtol=CLOSE)


def test_without_a_penalty_or_with_contrasts_by_name_a_reference_is_left_out(data: pd.DataFrame) -> None:
    assert "g[a]" not in logit("y ~ g", data).params
    assert list(logit("y ~ C(g, treatment)", data, strength=1.0).params.index[1:]) == ["C(g)[b]", "C(g)[c]", "C(g)[d]"]
    assert list(logit("y ~ C(g, sum)", data, strength=1.0).params.index[1:]) == [f"C(g)[sum.{k}]" for k in (1, 2, 3)]
    one, other = (
        logit(f'y ~ C(g, treatment, ref="{ref}")'.replace("treatment, ", named), data, penalty="ridge", lambda_=0.1)
        for ref, named in (("a", ""), ("a", "treatment, "))
    )
    assert np.abs(one.predict() - other.predict()).max() > 1e-3  # else the first test shows nothing


def test_the_ridge_is_that_of_indicators(data: pd.DataFrame) -> None:
    fit = logit("y ~ x + g + h", data, strength=1.5, tol=1e-12)
    columns = np.column_stack([data["x"], *(data["g"] == level for level in "abcd"), data["h"] == "v"]).astype(float)
    plain = logit(data["y"].to_numpy(), columns, strength=1.5, tol=1e-12)
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-7, atol=1e-9)
    # the gradient is zero at the optimum: the levels' coefficients sum to zero
    assert abs(fit.params[[f"g[{level}]" for level in "abcd"]].sum()) < 1e-8


def test_two_levels_are_told_apart_by_one_column(data: pd.DataFrame) -> None:
    assert [name for name in path("y ~ h + x", data, lambdas=[0.01]).coef.columns if "h" in name] == ["h[v]"]
    assert sum("h[" in name for name in path("y ~ h*x", data, lambdas=[0.01]).coef.columns) == 3  # h, and two slopes


@pytest.mark.parametrize("options", [{"unpenalised": "g"}, {"unpenalised": ["g"]}, {"factors": {"g": 0.0}}], ids=str)
def test_what_the_penalty_leaves_free_has_a_reference(data: pd.DataFrame, options: dict[str, Any]) -> None:
    found = path("y ~ x + g", data, lambdas=[0.1], **options)
    assert list(found.coef.columns) == ["lambda", "(Intercept)", "x", "g[b]", "g[c]", "g[d]"]
    assert found.certified.all()


def test_schema_is_saved_with_its_coding(data: pd.DataFrame) -> None:
    model = logit("y ~ x + g*h", data, penalty="lasso", lambda_=0.005).model
    again = from_dict(to_dict(model))
    assert again.schema == model.schema
    table = from_frame(data)
    np.testing.assert_array_equal(again.probabilities(table), model.probabilities(table))


# --- proofs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x + g + C(k)", "y ~ 0 + x + g + C(k)"])
@pytest.mark.parametrize("standardize", [True, False])
def test_folds_are_proved_where_levels_depend_on_each_other(
    data: pd.DataFrame, formula: str, standardize: bool
) -> None:
    found = cross_validate(formula, data, count=30, standardize=standardize)
    assert found.found.certified.all()
    assert found.path.certified.all()
    truth = cross_validate(formula, data, count=30, standardize=standardize, tol=1e-12)
    assert truth.found.certified.all()
    # two answers proved to 1e-6 and 1e-12 of the null objective differ by no more in what they predict
    np.testing.assert_allclose(found.curve()["estimate"], truth.curve()["estimate"], rtol=2e-3)


def test_bounds_hold_on_dependent_columns(data: pd.DataFrame) -> None:
    lambdas = [0.05, 0.01, 0.002]
    loose = path("y ~ x + g + C(k)", _many(data), lambdas=lambdas, tol=1e-3, max_iterations=3).found
    exact = path("y ~ x + g + C(k)", _many(data), lambdas=lambdas, tol=1e-13).found
    off = (loose.objective - exact.objective) / exact.null_objective
    assert (off <= loose.gap + 1e-12).all()
    assert loose.certified.all()


def _many(data: pd.DataFrame) -> pd.DataFrame:
    """Rows enough for paths to be proved by a sample, and never by all of them."""
    return pd.concat([data] * 50, ignore_index=True)


def test_a_level_that_a_fold_lacks(data: pd.DataFrame) -> None:
    rare = data.assign(g=data["g"].where(data.index > 2, "rare"))
    folds = np.arange(len(rare)) % 5
    folds[:3] = 0
    found = cross_validate("y ~ x + g", rare, folds=folds, count=20)
    assert found.found.certified.all()


def test_other_doors_take_symmetric_factors(data: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cross_validate("y ~ x + g", data, relax=(0.0, 0.5, 1.0), count=20).found.certified.all()
        assert path("y ~ x + g", data, count=20, column_groups="terms").certified.all()
        assert path("g ~ x + C(k)", data, count=10).certified.all()
    assert "x" in stability_selection("y ~ x + g", data, pairs=5).selected


# --- policies -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def holes(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(g=data["g"].where(data.index % 7 != 0))


NEW = pd.DataFrame({"g": ["a", "z", None], "x": [0.0, 0.0, 0.0]})
KINDS: dict[str, dict[str, Any]] = {
    "maximum likelihood": {},
    "strength": {"strength": 1.0},
    "ridge": {"penalty": "ridge", "lambda_": 0.01},
    "lasso": {"penalty": "lasso", "lambda_": 0.01},
}


@pytest.mark.parametrize("kind", KINDS)
def test_own_level_is_that_of_a_level_by_name(holes: pd.DataFrame, kind: str) -> None:
    fit = logit("y ~ x + g", holes, policy="own level", **KINDS[kind])
    named = logit("y ~ x + g", holes.assign(g=holes["g"].fillna("missing")), **KINDS[kind])
    np.testing.assert_allclose(fit.predict(), named.predict(), rtol=1e-12)
    assert "g[missing]" in fit.params
    with pytest.warns(UserWarning, match="column 'g' has no level that the model knows in 2 rows: read as 'missing'"):
        found = fit.predict(NEW)
    expected = named.predict(NEW.assign(g=["a", "missing", "missing"]))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_shrunken_is_no_level(holes: pd.DataFrame, kind: str) -> None:
    fit = logit("y ~ x + g", holes, policy="shrunken", **KINDS[kind])
    columns = np.column_stack([holes["x"], *(holes["g"] == level for level in "abcd")]).astype(float)
    plain = logit(holes["y"].to_numpy(), columns, **KINDS[kind])
    np.testing.assert_allclose(fit.predict(), plain.predict(), rtol=1e-6)
    with pytest.warns(UserWarning, match="in 2 rows: read as none"):
        found = fit.predict(NEW, "link")
    np.testing.assert_allclose(np.asarray(found)[1:], fit.params["(Intercept)"], rtol=1e-12)


def test_shrunken_in_interactions_is_zero_in_all_columns(holes: pd.DataFrame) -> None:
    schema = learn("y ~ x*g + h:g", from_frame(holes), reading=Reading(True, absent="shrunken"))
    design = schema.design(from_frame(pd.DataFrame({"x": [2.0], "g": [None], "h": ["u"]})))
    used = [name for name, value in zip(schema.names, design[0], strict=True) if value != 0.0]
    assert used == ["x"]


@pytest.mark.parametrize("policy", ["own level", "shrunken"])
def test_a_saved_model_keeps_the_policy(holes: pd.DataFrame, policy: Any) -> None:
    fit = logit("y ~ x + g", holes, policy=policy, penalty="ridge", lambda_=0.01)
    model = from_dict(to_dict(fit.model))
    assert model.policy == policy
    with pytest.warns(UserWarning, match="no level"):
        expected = np.asarray(fit.predict(NEW))
    np.testing.assert_array_equal(model.probabilities(from_frame(NEW))[:, 1], expected)


def test_rows_that_lack_numbers_are_left_out_as_ever(holes: pd.DataFrame) -> None:
    gap = holes.assign(x=holes["x"].where(holes.index != 5))
    fit = logit("y ~ x + g", gap, policy="own level")
    assert fit.nobs == len(gap) - 1
    assert "58 rows without a value have the level 'missing'" in str(fit)
    with pytest.raises(ValueError, match="column 'x' has no value in row 1"):
        fit.predict(NEW.assign(x=[np.nan, 0.0, 0.0]))


def test_where_no_row_of_the_fit_lacks_a_level(data: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="column 'g' has no value in row 3"):
        logit("y ~ x + g", data, policy="own level").predict(NEW)
    with pytest.warns(UserWarning, match="read as none"):
        logit("y ~ x + g", data, policy="own level", strength=1.0).predict(NEW)


def test_a_level_of_that_name_is_there_already(holes: pd.DataFrame) -> None:
    taken = holes.assign(g=holes["g"].replace("d", "missing"))
    assert "g[(missing)]" in logit("y ~ g", taken, policy="own level").params


def test_booleans_and_numbers_as_categories_may_be_missing(data: pd.DataFrame) -> None:
    truth = data.assign(b=(data["x"] > 0).astype(object).where(data.index % 9 != 0), k=data["k"].where(data.index > 9))
    params = logit("y ~ b + C(k)", truth, policy="own level").params
    assert {"b[missing]", "C(k)[missing]", "C(k)[2]"} <= set(params.index)


def test_shrunken_is_refused_without_a_penalty(holes: pd.DataFrame) -> None:
    for options in ({}, {"penalty": "lasso", "lambda_": 0.1, "unpenalised": "g"}):
        with pytest.raises(FormulaError, match="policy 'shrunken' is the average of the levels of 'g'"):
            logit("y ~ x + g", holes, policy="shrunken", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": "zz"},
        {"symmetric": 1},
        {"shrunken": True, "symmetric": False},
        {"symmetric": True, "contrasts": "sum"},
        {"shrunken": True, "symmetric": True, "unknown": "a"},
        {"other": 1},
    ],
    ids=str,
)
def test_damaged_factors_are_refused(data: pd.DataFrame, change: dict[str, Any]) -> None:
    saved = to_dict(logit("y ~ g", data).model)
    saved["schema"]["factors"]["g"] |= change
    with pytest.raises(ValueError, match="schema"):
        from_dict(saved)
