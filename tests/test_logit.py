"""The statistician's door: its numbers against R's, what it takes, what it gives back, what it refuses."""

from __future__ import annotations

import doctest
import json
import math
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

from berkson import LogitFit, RankWarning, SeparationWarning, logit
from berkson.inference.estimates import StatisticsError
from berkson.logistic.frames import Frame, Named
from berkson.problem import InputError

DATA = Path(__file__).parent / "data"
R: dict[str, Any] = json.loads((Path(__file__).parent / "r" / "glm_tables.json").read_text(encoding="utf-8"))
EXACT = 1e-8  # relative: eight digits of what R gives, where R's own iteration is at its limit


def births() -> pd.DataFrame:
    table = pd.read_csv(DATA / "birthwt.csv")
    return table.assign(w=1 + table["age"] % 3, hundredweight=table["lwt"] / 100)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name)


def shares() -> pd.DataFrame:
    table = read("menarche.csv")
    return table.assign(share=table["Menarche"] / table["Total"])


FITS: dict[str, Callable[[], LogitFit]] = {
    "births": lambda: logit("low ~ age + lwt + C(race) + smoke", births()),
    "weights": lambda: logit("low ~ age + C(race)", births(), weights="w", weight_kind="precision"),
    "offset": lambda: logit("low ~ age + smoke", births(), offset="hundredweight"),
    "no intercept": lambda: logit("low ~ 0 + age + C(race)", births()),
    "menarche": lambda: logit("Menarche / Total ~ Age", read("menarche.csv")),
    "shares": lambda: logit("share ~ Age", shares(), weights="Total", weight_kind="precision"),
    "infert": lambda: logit('case ~ C(education, ref="0-5yrs") * spontaneous + log(age)', read("infert.csv")),
    "titanic": lambda: logit("survived ~ sex * age + passengerClass", read("titanic_passengers.csv")),
}


@pytest.mark.parametrize("name", FITS)
def test_numbers_are_those_of_summary_glm(name: str) -> None:
    fit, expected = FITS[name](), R["binomials"][name]
    found = np.column_stack([fit.params, fit.bse, fit.zvalues, fit.pvalues])
    np.testing.assert_allclose(found, np.array(expected["coefficients"]), rtol=EXACT)
    np.testing.assert_allclose(fit.cov_params(), np.array(expected["vcov"]), rtol=EXACT)
    np.testing.assert_allclose(fit.conf_int(), np.array(expected["confint"]), rtol=EXACT)
    np.testing.assert_allclose(fit.conf_int(0.9), np.array(expected["confint90"]), rtol=EXACT)


@pytest.mark.parametrize("name", FITS)
def test_tables_are_those_of_broom(name: str) -> None:
    fit, expected = FITS[name](), R["binomials"][name]
    tidy = fit.tidy(conf_int=False)
    assert list(tidy.columns) == list(expected["tidy"])
    assert tidy.columns.tolist() == ["term", "estimate", "std.error", "statistic", "p.value"]
    for column in tidy.columns[1:]:
        np.testing.assert_allclose(tidy[column], expected["tidy"][column], rtol=EXACT)
    glance = fit.glance()
    assert list(glance.columns) == list(expected["glance"])
    for column, value in expected["glance"].items():
        assert glance[column][0] == pytest.approx(value, rel=EXACT)
    augmented = fit.augment().head(40)
    for column, values in expected["augment"].items():
        np.testing.assert_allclose(augmented[column], values, rtol=1e-7, atol=1e-12)  # R's leverages come from a QR


def test_shares_of_whole_precision_weights_are_counts() -> None:
    share = FITS["shares"]()
    count = FITS["menarche"]()
    assert share.diagnostics.auc() == count.diagnostics.auc()
    assert share.diagnostics.explained() == count.diagnostics.explained()
    assert share.diagnostics.sum_of_squares() == count.diagnostics.sum_of_squares()
    assert f"AIC {share.aic:.2f}" in str(share.summary())
    halves = logit("share ~ Age", shares().assign(w=lambda t: t["Total"] / 2), weights="w", weight_kind="precision")
    assert halves.deviance == pytest.approx(share.deviance / 2)
    assert halves.llf == pytest.approx(-halves.fit.certificate.objective)  # no binomial coefficients of half a trial
    assert "AIC" not in str(halves.summary())


def test_leaving_out_an_aliased_term_leaves_aic_as_it_is() -> None:
    with pytest.warns(RankWarning):
        fit = logit("low ~ age + lwt + I(2*age)", births())
    table = fit.drop1().set_index("term")
    assert table.loc["I(2*age)", "df"] == 0
    assert table.loc["I(2*age)", "AIC"] == fit.aic  # as in R
    assert table.loc["lwt", "AIC"] == pytest.approx(logit("low ~ age", births()).aic)


def test_tidy_exponentiates_estimates_and_intervals_alone() -> None:
    fit = FITS["births"]()
    plain, odds = fit.tidy(), fit.tidy(exponentiate=True)
    for column in ("estimate", "conf.low", "conf.high"):
        np.testing.assert_allclose(odds[column], np.exp(plain[column]))
    for column in ("std.error", "statistic", "p.value"):
        np.testing.assert_array_equal(odds[column], plain[column])
    np.testing.assert_allclose(plain[["conf.low", "conf.high"]], R["binomials"]["births"]["confint"], rtol=EXACT)
    assert fit.tidy(level=0.9)["conf.low"][0] == pytest.approx(R["binomials"]["births"]["confint90"][0][0], rel=EXACT)


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("women", lambda: logit("partic ~ hincome + children", read("womenlf.csv"))),
        ("women, not.work", lambda: logit("partic ~ hincome + children", read("womenlf.csv"), reference="not.work")),
        ("housing", lambda: logit("Sat ~ Infl + Type", read("housing.csv"), weights="Freq")),
    ],
)
def test_several_classes_are_those_of_r(name: str, fit: Callable[[], LogitFit]) -> None:
    found, expected = fit(), R["multinomials"][name]
    tidy = found.tidy()
    assert tidy.columns[0] == "y.level"
    assert list(dict.fromkeys(tidy["y.level"])) == expected["classes"]
    for column, key in (("estimate", "estimate"), ("std.error", "std_error")):
        np.testing.assert_allclose(tidy[column], np.array(expected[key]).T.ravel(), rtol=EXACT)
    assert found.llf == pytest.approx(expected["logLik"], rel=1e-12)
    assert found.params.index[0] == f"{expected['classes'][0]}:(Intercept)"


def test_examples_are_those_of_r() -> None:
    """The numbers of the docstrings: they run, and R has them too."""
    for name in ("door", "result", "numbers", "averages"):
        module = import_module(f"berkson.logistic.{name}")
        result = doctest.testmod(module, extraglobs={"logit": logit})
        assert not result.failed
    fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
    expected = R["examples"]
    np.testing.assert_allclose(fit.covariance.matrix, R["binomials"]["few"]["vcov"], rtol=EXACT)
    np.testing.assert_allclose(fit.robust("HC0").covariance.matrix, expected["hc0"], rtol=EXACT)
    assert fit.robust("HC1").bse["dose"] == pytest.approx(expected["hc1"], rel=EXACT)
    np.testing.assert_allclose(fit.predict({"dose": [2, 5]}), expected["predict"], rtol=EXACT)
    assert fit.test("dose = 0", method="lr")["p.value"][0] == pytest.approx(expected["lr"], rel=EXACT)
    assert fit.effects()["estimate"][0] == pytest.approx(expected["effect"], rel=EXACT)


# --- what it takes --------------------------------------------------------------------------------------------------


def columns() -> tuple[Any, Any, LogitFit]:
    table = births()
    return table["low"], table[["age", "lwt", "smoke"]], logit("low ~ age + lwt + smoke", table)


@pytest.mark.parametrize(
    "given",
    [
        lambda y, X: (y, X),
        lambda y, X: (y.to_numpy(), X.to_numpy(float)),
        lambda y, X: (y.to_numpy(bool), np.asfortranarray(X.to_numpy(np.int32))),
        lambda y, X: (y.tolist(), X.to_numpy(np.float32)),
        lambda y, X: (pl.Series("low", y.to_numpy()), pl.from_pandas(X)),
        lambda y, X: (pa.array(y.to_numpy()), pa.Table.from_pandas(X)),
        lambda y, X: (y, {name: X[name].to_numpy() for name in X}),
        lambda y, X: (y.map({0: "normal", 1: "small"}), X.astype({"smoke": bool})),
        lambda y, X: (np.column_stack([y, 1 - y]), X),
        lambda y, X: (y.to_frame(), X.assign(age=X["age"].astype("Int64"))),
    ],
)
def test_arrays_are_the_formula(given: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    y, X, expected = columns()
    fit = logit(*given(y, X))
    np.testing.assert_allclose(np.asarray(fit.params), expected.params, rtol=1e-9)
    np.testing.assert_allclose(np.asarray(fit.bse), expected.bse, rtol=1e-9)
    assert fit.llf == pytest.approx(expected.llf, rel=1e-12)
    np.testing.assert_allclose(np.asarray(fit.predict(given(y, X)[1])), expected.predict(), rtol=1e-9)


def test_an_array_is_not_copied_and_its_columns_are_counted() -> None:
    y, X, _ = columns()
    X = X.to_numpy(float)
    fit = logit(y.to_numpy(), X)
    assert fit.fit.problem.X is X
    assert list(fit.params) == ["(Intercept)", "x0", "x1", "x2"]
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    assert np.shares_memory(logit(y, frame).fit.problem.X, frame.to_numpy())


def test_missing_values_are_dropped_and_counted_or_refused() -> None:
    y, X, _ = columns()
    holes = X.astype(float).copy()
    holes.loc[[3, 50], "lwt"] = np.nan
    expected = logit("low ~ age + lwt + smoke", births().drop(index=[3, 50]))
    for fit in (
        logit(y, holes),
        logit(y.to_numpy(), holes.to_numpy()),
        logit("low ~ age + lwt + smoke", holes.assign(low=y)),
    ):
        np.testing.assert_allclose(np.asarray(fit.params), expected.params, rtol=1e-9)
        assert fit.nobs == 187
        assert "187 of 189 rows" in str(fit.summary())
        assert "2 dropped, a value missing" in str(fit.summary())
    with pytest.raises(ValueError, match=r"2 of 189 rows of .* lack a value \(lwt in 2\)"):
        logit(y, holes, missing="raise")
    gone = y.astype(float).copy()
    gone[7] = np.nan
    assert logit(gone, X).nobs == 188


def test_text_in_x_becomes_factors() -> None:
    women = read("womenlf.csv")
    fit = logit(women["partic"], women[["hincome", "children"]])
    np.testing.assert_allclose(fit.params, logit("partic ~ hincome + children", women).params, rtol=1e-12)


def test_arrays_of_weights_offsets_and_clusters() -> None:
    table = births()
    by_name = logit("low ~ age", table, weights="w", offset="hundredweight", cluster="race")
    by_value = logit(
        "low ~ age", table, weights=table["w"].to_numpy(), offset=table["hundredweight"], cluster=table["race"]
    )
    arrays = logit(
        table["low"], table[["age"]], weights=table["w"], offset=table["hundredweight"], cluster=table["race"]
    )
    for fit in (by_value, arrays):
        np.testing.assert_allclose(fit.params, by_name.params, rtol=1e-12)
        np.testing.assert_allclose(fit.bse, by_name.bse, rtol=1e-12)
    both = [logit("low ~ age", table, offset="hundredweight"), logit("low ~ age + offset(hundredweight)", table)]
    np.testing.assert_allclose(both[0].params, both[1].params, rtol=1e-12)
    np.testing.assert_allclose(both[0].predict(table), both[1].predict(table), rtol=1e-12)


def test_weights_mean_what_they_are_said_to() -> None:
    table = births()
    frequency = logit("low ~ age + lwt", table, weights="w")
    repeated = logit("low ~ age + lwt", table.loc[table.index.repeat(table["w"])])
    np.testing.assert_allclose(frequency.bse, repeated.bse, rtol=1e-10)
    assert (frequency.nobs, frequency.bic) == pytest.approx((repeated.nobs, repeated.bic))
    precision = logit("low ~ age + lwt", table, weights="w", weight_kind="precision")
    np.testing.assert_allclose(precision.bse, frequency.bse, rtol=1e-12)
    assert precision.nobs == 189
    sampling = logit("low ~ age + lwt", table, weights="w", weight_kind="sampling")
    np.testing.assert_allclose(sampling.params, frequency.params, rtol=1e-12)
    np.testing.assert_allclose(sampling.bse, precision.robust("robust").bse, rtol=1e-12)
    assert math.isnan(sampling.aic)


def test_event_and_reference_are_chosen_by_name() -> None:
    table = births()
    fit = logit("low ~ age", table, event=0)
    np.testing.assert_allclose(fit.params, -logit("low ~ age", table).params, rtol=1e-9)
    assert fit.event == "0"
    assert "P(low = 0): 130 of 189 rows" in str(fit)
    assert logit(table["low"], table[["age"]], event=0).event == "0"
    with pytest.raises(ValueError, match=r"reference='idle' is no class; the classes: fulltime, not\.work, parttime"):
        logit("partic ~ hincome", read("womenlf.csv"), reference="idle")
    with pytest.raises(ValueError, match="event= chooses"):
        logit("low ~ age", table, reference="0")


# --- what it gives back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "table_type", "series_type"),
    [
        (lambda d: d, pd.DataFrame, pd.Series),
        (pl.from_pandas, pl.DataFrame, pl.Series),
        (pa.Table.from_pandas, pa.Table, pa.ChunkedArray),
        (lambda d: {name: d[name].to_numpy() for name in d}, Frame, np.ndarray),
    ],
)
def test_tables_come_back_in_kind(make: Callable[[pd.DataFrame], Any], table_type: type, series_type: type) -> None:
    data = make(births())
    fit = logit("low ~ age * smoke + lwt", data)
    numbers = pd.Series if table_type is pd.DataFrame else Named
    assert all(isinstance(values, numbers) for values in (fit.params, fit.bse, fit.zvalues, fit.pvalues))
    tables = [
        fit.tidy(),
        fit.glance(),
        fit.augment(),
        fit.conf_int(),
        fit.cov_params(),
        fit.effects(),
        fit.margins({"smoke": [0, 1]}),
        fit.contrast("lwt", [(100, 150)]),
        fit.test("age = 0"),
        fit.drop1(),
        fit.anova(),
        fit.compare(logit("low ~ age", data)),
        fit.predict(data, interval=True),
        fit.diagnostics.influence(),
        fit.diagnostics.vif(),
        fit.diagnostics.roc(),
        fit.diagnostics.confusion(),
        fit.diagnostics.calibration(5),
    ]
    assert [type(table) for table in tables] == [table_type] * len(tables)
    assert isinstance(fit.predict(data), series_type)
    assert isinstance(fit.diagnostics.residuals(), series_type)
    np.testing.assert_allclose(np.asarray(fit.params), logit("low ~ age * smoke + lwt", births()).params, rtol=1e-12)


def test_rows_keep_their_labels() -> None:
    table = births().set_index(births().index + 1000)
    table.loc[1003, "lwt"] = np.nan
    fit = logit("low ~ lwt", table)
    used = table.index.drop(1003)
    for found in (fit.augment(), fit.predict(), fit.diagnostics.residuals(), fit.diagnostics.dfbetas()):
        assert found.index.equals(used)
    assert fit.predict(table.drop(index=1003)).index.equals(used)
    augmented = fit.augment()
    assert augmented["lwt"].equals(table["lwt"].drop(1003))
    assert fit.cov_params().index.tolist() == ["(Intercept)", "lwt"]


def test_lazy_tables_are_read() -> None:
    lazy = pl.from_pandas(births()).lazy()
    fit = logit("low ~ lwt", lazy)
    assert isinstance(fit.tidy(), pl.DataFrame)
    assert fit.augment().shape == (189, 12 + 6)


def test_a_frame_of_our_own() -> None:
    frame = Frame({"term": ["a", "b"], "estimate": [1.5, -2.0]})
    assert (frame.columns, len(frame), list(frame)) == (["term", "estimate"], 2, ["term", "estimate"])
    assert repr(frame) == "term  estimate\na        1.500\nb       -2.000"
    assert pd.DataFrame(frame.to_dict())["estimate"].tolist() == [1.5, -2.0]
    with pytest.raises(KeyError, match="the columns: term, estimate"):
        frame["p"]
    long = repr(Frame({"x": np.arange(1000)}))
    assert "…" in long
    assert long.endswith("[1,000 rows]")
    named = Named(("a", "b"), np.array([1.5, -2.0]))
    assert (dict(named), np.asarray(named).tolist()) == ({"a": 1.5, "b": -2.0}, [1.5, -2.0])
    assert repr(named) == "a   1.500\nb  -2.000"


def test_predictions_of_several_classes() -> None:
    women = read("womenlf.csv")
    fit = logit("partic ~ hincome + children", women, reference="not.work")
    probability, link = fit.predict(women), fit.predict(women, "link")
    assert probability.columns.tolist() == ["fulltime", "not.work", "parttime"]
    assert link.columns.tolist() == ["fulltime:not.work", "parttime:not.work"]
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(link.iloc[:, 0]), probability["fulltime"] / probability["not.work"])
    assert (fit.predict(women, "class") == probability.idxmax(axis=1)).all()
    assert fit.predict(women.head(2), interval=0.9).shape == (6, 6)


def test_classes_are_predicted_as_they_were() -> None:
    table = births()
    for values in (table["low"], table["low"] == 1, table["low"].map({0: "no", 1: "yes"}), table["low"] + 0.5):
        fit = logit("y ~ lwt + smoke", table.assign(y=values))
        assert set(fit.predict(table, "class")) <= set(values)
        assert fit.classes == sorted(set(values))


def test_new_data_lack_nothing_in_silence() -> None:
    women = read("womenlf.csv")
    fit = logit("partic ~ hincome + children + region", women)
    new = women.head(3).assign(region=["Quebec", "Mars", None], hincome=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="'region'"):
        fit.predict(new)
    with pytest.warns(UserWarning, match="no prediction there"):
        found = fit.predict(new, policy="missing")
    assert np.isnan(found.iloc[1:]).all(axis=None)
    offset = logit("low ~ age", births(), offset="hundredweight")
    with pytest.raises(ValueError, match="offset"):
        offset.predict(births()[["age"]])
    given = offset.predict(births()[["age"]], offset=births()["hundredweight"].to_numpy())
    np.testing.assert_allclose(given, offset.predict(births()), rtol=1e-12)


def test_a_fit_is_saved(tmp_path: Path) -> None:
    from berkson.model_file import load
    from berkson.table import from_frame

    y, X, expected = columns()
    logit(y.to_numpy(), X.to_numpy(float)).save(tmp_path / "m.json")
    model = load(tmp_path / "m.json")
    new = from_frame(X.set_axis(["x0", "x1", "x2"], axis=1))
    np.testing.assert_allclose(model.probabilities(new)[:, 1], expected.predict(), rtol=1e-9)


# --- where there are no numbers -------------------------------------------------------------------------------------


def test_separated_data_have_a_limit() -> None:
    table = read("endometrial.csv")
    with pytest.warns(SeparationWarning, match="the coefficient of 'NV'"):
        fit = logit("HG ~ NV + PI + EH", table)
    overlapping = logit("HG ~ PI + EH", table[table["NV"] == 0])  # NV's cell with 1 has only one class
    assert fit.params["NV"] == math.inf
    assert math.isnan(fit.bse["NV"])
    np.testing.assert_allclose(fit.params.drop("NV"), overlapping.params, rtol=1e-7)
    np.testing.assert_allclose(fit.bse.drop("NV"), overlapping.bse, rtol=1e-7)
    assert fit.llf == pytest.approx(overlapping.llf, rel=1e-10)
    profile = fit.confint("profile")
    assert profile.loc["NV", "conf.high"] == math.inf
    assert math.isfinite(profile.loc["NV", "conf.low"])
    with pytest.warns(UserWarning, match="0 or 1 in the limit"):
        predicted = fit.predict(table)
    assert (predicted[table["NV"] == 1] == 1.0).all()
    np.testing.assert_allclose(predicted[table["NV"] == 0], overlapping.predict(), rtol=1e-7)
    np.testing.assert_allclose(predicted, fit.predict(), rtol=1e-9)
    page = str(fit.summary("profile"))
    assert "NV               +inf" in page
    assert "no finite estimate" in page


def test_firth_is_finite_where_the_data_are_separated() -> None:
    table = read("endometrial.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = logit("HG ~ NV + PI + EH", table, bias_reduction="firth")
    # brglm2's manual: endometrial, type = "AS_mean", printed to five digits
    np.testing.assert_allclose(fit.params, [3.77456, 2.92927, -0.03475, -2.60416], atol=6e-6)
    np.testing.assert_allclose(fit.bse, [1.48869, 1.55076, 0.03958, 0.77602], atol=6e-6)
    assert "mean bias reduction (Firth: Jeffreys' prior)" in str(fit)
    np.testing.assert_allclose(fit.predict(table), fit.predict(), rtol=1e-10)
    assert fit.model.bias_reduction == "mean"
    with pytest.raises(ValueError, match="'firth'"):
        logit("HG ~ NV", table, bias_reduction="first")  # type: ignore[arg-type]


def test_aliased_columns_have_no_numbers() -> None:
    table = births().assign(twice=lambda d: 2 * d["lwt"])
    with pytest.warns(RankWarning, match="twice"):
        fit = logit("low ~ lwt + twice", table)
    assert math.isnan(fit.params["twice"])
    assert math.isnan(fit.bse["twice"])
    plain = logit("low ~ lwt", table)
    np.testing.assert_allclose(fit.params.drop("twice"), plain.params, rtol=1e-9)
    assert (fit.aic, fit.df_resid) == pytest.approx((plain.aic, plain.df_resid))


def test_without_a_proof_there_is_a_sentence() -> None:
    fit = logit("low ~ age + lwt", births(), max_iterations=1)
    asked: list[Callable[[], Any]] = [
        lambda: fit.params,
        lambda: fit.bse,
        lambda: fit.tidy(),
        lambda: fit.llf,
        lambda: fit.predict(),
        lambda: fit.effects(),
    ]
    for ask in asked:
        with pytest.raises(StatisticsError, match="stopped after 1 iteration"):
            ask()
    page = str(fit.summary())
    assert page.count("no proved estimate") == 3
    rows = page[page.index("(Intercept)") : page.index("Stopped")]
    assert not any(character.isdigit() for character in rows)


def test_penalised_fits_have_estimates_and_no_standard_errors() -> None:
    fit = logit("low ~ age + lwt", births(), strength=1.0)
    assert np.isfinite(fit.params).all()
    assert np.isfinite(fit.predict(births())).all()
    for ask in (lambda: fit.bse, lambda: fit.tidy(), lambda: fit.confint("profile")):
        with pytest.raises(StatisticsError, match="penalised"):
            ask()
    with pytest.raises(StatisticsError, match="no measure to compare"):
        _ = fit.aic
    assert "would ignore its bias" in str(fit)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda d: logit("low ~ age", d, missing="keep"), "neither 'drop' nor 'raise'"),
        (lambda d: logit("low ~ age", d, weight_kind="pweight"), "is none of frequency, precision, sampling"),
        (lambda d: logit("low ~ age", d.assign(w=0.5), weights="w"), "a frequency is a whole number"),
        (lambda d: logit("low ~ age", d, intercept=False), r"write low ~ age \+ 0"),
        (lambda d: logit("low ~ age", d, weights=[1, 2]), r"\(weights\) has 2 values, but the table 189 rows"),
        (lambda d: logit("low ~ age", d, cluster=[1, 2]), "cluster has 2 values, but the table 189 rows"),
        (lambda d: logit("low ~ age", d, cluster="hospital"), "has no column 'hospital'"),
        (lambda d: logit(d["low"], d[["age"]], weights="w"), "there is no table with y and X"),
        (lambda d: logit(d["low"][:5], d[["age"]]), "y has 5 rows, but X has 189"),
        (lambda d: logit(d["low"][::-1], d[["age"]]), r"the labels \(index\) of y are not those"),
        (lambda d: logit("low ~ age", d, weights=d["w"].sort_values()), r"the labels \(index\) of \(weights\)"),
        (lambda d: logit("low ~ age", d).robust(cluster=d["race"].sort_values()), r"the labels \(index\) of cluster"),
        (lambda d: logit(d["low"], np.zeros((189, 2, 2))), "X has 3 dimensions"),
        (lambda d: logit(d["low"], np.array([["a"]] * 189)), "give a data frame, whose text becomes factors"),
        (lambda d: logit(np.zeros((189, 3)), d[["age"]]), "y has 3 columns"),
        (lambda d: logit("low ~ age", d, covariance="HC9").bse, "there is no covariance 'HC9'"),
        (lambda d: logit("low ~ age", d, covariance="CR1").bse, "needs clusters"),
        (lambda d: logit("low ~ age", d, level=95), "level=95 is no confidence level"),
        (lambda d: logit("low ~ age", d).tidy(level=0), "level=0 is no confidence level"),
        (lambda d: logit("low ~ age", d).confint("exact"), "choose 'wald'"),
        (lambda d: logit("low ~ age", d).predict(d, "odds"), "choose 'probability', 'link' or 'class'"),
        (lambda d: logit("low ~ age", d).predict(d, "class", interval=True), "a class has no interval"),
        (lambda d: logit("low ~ age", d).robust().confint("profile"), "does not; ask for Wald"),
        (lambda d: logit(d["low"], np.full((189, 1), np.inf)), "infinity"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(call: Callable[[pd.DataFrame], Any], sentence: str) -> None:
    with pytest.raises((StatisticsError, InputError, ValueError), match=sentence) as caught:
        call(births())
    assert "\n" not in str(caught.value)
