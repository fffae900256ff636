"""The statistician's door as strangers use it: odd tables and names, data that change: right, or a clear sentence."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from berkson import logit
from berkson.inference.estimates import StatisticsError
from berkson.problem import InputError


def table(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": (rng.random(n) < 1.0 / (1.0 + np.exp(-x))).astype(int),
            "x": x,
            "z": rng.normal(size=n),
            "g": rng.choice(list("abc"), n),
            "when": [datetime.date(2020, 1, 1)] * n,
            "mixed": [1, "a"] * (n // 2),
        }
    )


def test_columns_that_the_formula_does_not_name_may_hold_anything() -> None:
    data = table()
    plain = logit("y ~ x + g", data[["y", "x", "g"]])
    fit = logit("y ~ x + g", data)
    np.testing.assert_array_equal(fit.params, plain.params)
    np.testing.assert_array_equal(fit.predict(data), plain.predict(data[["x", "g"]]))
    assert fit.augment().shape == (120, 12)
    np.testing.assert_array_equal(fit.effects(by="g")["estimate"], plain.effects(by="g")["estimate"])
    for ask in (
        lambda: logit("y ~ .", data),
        lambda: logit("y ~ when", data),
        lambda: fit.robust(cluster="when"),
        lambda: fit.effects(by="when"),
    ):
        with pytest.raises(ValueError, match="column 'when' holds values of type date, which a model cannot use"):
            ask()


X = np.linspace(-2.0, 3.0, 8)
Y = np.array([0, 1, 0, 0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.ma.masked_greater(X, 2.5), "an array is masked: fill its missing cells with NaN"),
        ({"x": np.ma.masked_greater(X, 2.5)}, "column 'x' is masked"),
        (X + 1j, "X holds complex128, not real numbers"),
        (np.array(["2020-01-01"] * 8, dtype="M8[D]"), r"X holds datetime64\[D\], not real numbers"),
        ([[1.0, 2.0]] * 7 + [[1.0]], "the rows of X differ in length"),
        (pd.DataFrame(np.column_stack([X, X**2]), columns=["a", "a"]), "X has more than one column named 'a'"),
        (X[:, None, None], "X has 3 dimensions"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(X: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        logit(Y, X)


def test_arrays_are_spoken_of_in_the_words_of_this_door() -> None:
    with pytest.raises(InputError, match="the column of weights is negative in row 1 of arrays"):
        logit(Y, X, weights=-np.ones(8))
    with pytest.raises(ValueError, match="the response 'y' looks like a measurement"):
        logit(np.linspace(0.0, 9.0, 60), np.arange(60.0))
    np.testing.assert_array_equal(np.asarray(logit(Y + 1.5, X).params), np.asarray(logit(Y, X).params))
    with pytest.warns(UserWarning, match=r"use bias reduction \(bias_reduction='firth', --firth\)"):
        logit(X > 0.0, X)
    with pytest.raises(ValueError, match=r"the formula comes first, and then the data: logit\('y ~ x', data\)"):
        logit(table(), "y ~ x")


def test_nothing_to_fit_and_single_values() -> None:
    with pytest.raises(InputError, match="X has no columns and there is no intercept"):
        logit(Y, np.empty((8, 0)), intercept=False)
    assert list(logit(Y, pd.DataFrame(index=range(8))).params.index) == ["(Intercept)"]
    with pytest.raises(ValueError, match="'y' is a single value, None; give one for each row"):
        logit(None, X)
    with pytest.raises(ValueError, match=r"'\(weights\)' is a single value, 2; give one for each row"):
        logit("y ~ x", {"y": Y, "x": X}, weights=2)
    with pytest.raises(InputError, match="clusters can be crossed two ways, not 3"):
        logit("y ~ x", {"y": Y, "x": X}, cluster=["a", "b", "c"])


def test_new_rows_come_as_the_rows_of_the_fit_did() -> None:
    data = table()
    single = logit(data["y"], data["x"])
    for new in (data["x"], data["x"].tolist()):
        np.testing.assert_allclose(single.predict(new), single.predict(), rtol=1e-14)  # sums in another order
    fit = logit("y ~ x + g", data)
    with pytest.raises(ValueError, match="give a table with the columns x, g"):
        fit.predict(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="no column 'elsewhere'"):
        fit.predict(data, offset="elsewhere")
    with pytest.raises(ValueError, match="interval='wald' is neither True nor a level"):
        fit.predict(data, interval="wald")  # type: ignore[arg-type]


def test_policies_and_offsets_are_those_of_penalised_fits_too() -> None:
    data = table()
    fit = logit("y ~ x + g", data, offset=data["z"].to_numpy(), strength=1.0)
    new = data.head(3).assign(x=[np.nan, 0.0, 1.0])
    np.testing.assert_allclose(fit.predict(data, offset=data["z"]), fit.predict(), rtol=1e-14)  # another order of sums
    with pytest.raises(StatisticsError, match="without it every prediction would be wrong"):
        fit.predict(data)
    with pytest.raises(StatisticsError, match="column 'x' has no value in row 1"):
        fit.predict(new, offset=np.zeros(3))
    with pytest.warns(UserWarning, match="no prediction there"):
        assert fit.predict(new, offset=np.zeros(3), policy="missing").isna().tolist() == [True, False, False]


def test_names_of_the_data_do_not_replace_those_of_tables() -> None:
    data = table().rename(columns={"x": "term", "z": "estimate"})
    fit = logit("y ~ term + estimate", pl.from_pandas(data[["y", "term", "estimate"]]))
    assert fit.cov_params().columns == ["(term)", "(Intercept)", "term", "estimate"]
    assert fit.cov_params()["(term)"].to_list() == ["(Intercept)", "term", "estimate"]
    held = fit.margins({"estimate": [0.0, 1.0]})
    assert held["(estimate)"].to_list() == [0.0, 1.0]
    assert ((held["estimate"] > 0.0) & (held["estimate"] < 1.0)).all()
    indices = logit("y ~ index", data.assign(index=data["term"])).diagnostics.condition()
    assert indices["(index)"][0] == 1.0
    with pytest.raises(ValueError, match=r"the data have a column '\.hat', which is a name that this table gives"):
        logit("y ~ term", data.assign(**{".hat": 1.0})).augment()
    with pytest.raises(ValueError, match="kind='response' is no kind of fitted value"):
        fit.augment("response")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_a_frame_may_change_after_the_fit(kind: Any) -> None:
    numbers = table()[["y", "x", "z"]].astype(float)
    data, untouched = kind(numbers), logit("y ~ x + z", kind(numbers))
    fits = [logit("y ~ x + z", data), logit(data["y"], data[["x", "z"]])]
    if kind is pd.DataFrame:
        data.loc[:, "x"] = 0.0
        data["new"] = 1.0
    else:
        data[0, "x"] = 100.0
        data.insert_column(0, pl.Series("new", np.ones(120)))
    for fit in fits:
        np.testing.assert_array_equal(fit.bse, untouched.bse)
        np.testing.assert_array_equal(fit.robust("HC0").bse, untouched.robust("HC0").bse)
        np.testing.assert_array_equal(fit.augment()[".hat"], untouched.augment()[".hat"])
    assert list(fits[0].augment().columns) == list(untouched.augment().columns)


def test_an_array_that_changed_is_noticed() -> None:
    data = table()
    values, y = data[["x", "z"]].to_numpy().copy(), data["y"].to_numpy()
    fit = logit(y, values)
    values[:] *= 2.0
    with pytest.raises(StatisticsError, match="the data have changed since the fit"):
        _ = fit.bse


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"level": "0.9"}, "level='0.9' is no number"),
        ({"level": 95}, "level=95 is no confidence level"),
        ({"tol": 0}, "tol=0 is no distance relative to the null model's objective: .* such as 1e-08"),
        ({"tol": float("nan")}, "tol=nan is no distance"),
        ({"max_iterations": 2.5}, r"max_iterations=2\.5 is no number of iterations"),
        ({"max_iterations": -1}, "max_iterations=-1 is no number of iterations"),
        ({"intercept": "no"}, "intercept='no' is neither True nor False"),
        ({"strength": -1}, "strength=-1 is no ridge"),
        ({"strength": None}, "strength=None is no number"),
        ({"covariance": "HC9"}, "there is no covariance 'HC9'; choose one of model, .* and bootstrap"),
        (
            {"covariance": "CR1"},
            r"covariance CR1 needs clusters; name the column that tells them \(cluster=, --cluster\)",
        ),
        ({"covariance": "HC1", "cluster": "g"}, "covariance HC1 knows no clusters"),
    ],
)
def test_options_that_are_none_are_refused_at_once(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        logit("y ~ x", table(), **options)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda fit: fit.robust("HC9"), "there is no covariance 'HC9'"),
        (lambda fit: fit.confint(level="a"), "level=a is no confidence level"),
        (lambda fit: fit.compare(3), "a fit is compared with another, made by logit, not with int"),
        (lambda fit: fit.effects(at="x"), "at='x' names no values"),
        (lambda fit: fit.contrast("x", 1), r"are \(from, to\) pairs, such as"),
        (lambda fit: fit.contrast(None), "the model has no column 'None'"),
        (lambda fit: logit("y ~ 1", table()).effects("x"), "the model has no column 'x'; it has none"),
        (lambda fit: fit.bootstrap(2.5), r"2\.5 bootstrap replicates tell nothing"),
        (lambda fit: fit.bootstrap(10, seed="a"), "the seed a is no whole number between"),
        (lambda fit: fit.robust("bootstrap", cluster="g").bse, "such a choice of samples tells little"),
        (lambda fit: fit.diagnostics.residuals("quantile", seed=-1), "the seed -1 is no whole number"),
        (lambda fit: fit.diagnostics.hosmer_lemeshow(2.5), r"2\.5 groups are too few"),
        (lambda fit: fit.diagnostics.hosmer_lemeshow(1000), "1,000 groups are more than 120 rows can fill"),
    ],
)
def test_questions_that_are_none_are_refused(ask: Any, sentence: str) -> None:
    fit = logit("y ~ x + g", table())
    with pytest.raises(ValueError, match=sentence):
        ask(fit)


def test_columns_are_held_at_values_of_any_kind_of_list() -> None:
    fit = logit("y ~ x + g", table())
    expected = fit.margins({"x": [0.0, 1.0]})["estimate"]
    for values in (np.array([0.0, 1.0]), pd.Series([0.0, 1.0]), pl.Series([0.0, 1.0]), (0.0, 1.0)):
        np.testing.assert_array_equal(fit.margins({"x": values})["estimate"], expected)


def test_separated_outcomes_have_no_calibration() -> None:
    data = table().assign(s=lambda t: 4.0 * t["y"] + t["z"])
    with pytest.warns(UserWarning, match="separation"):
        infinite = logit("y ~ s", data.assign(s=data["y"] * 4.0))
    assert infinite.augment()[".fitted"].abs().max() == np.inf  # without a warning of NumPy's
    with pytest.raises(StatisticsError, match="some estimates are infinite, so samples have none"):
        infinite.diagnostics.optimism(5)
    finite = logit("y ~ s", data.assign(s=data["y"] * 4.0), bias_reduction="firth")
    with pytest.raises(StatisticsError, match="the outcomes are separated by the probabilities"):
        finite.diagnostics.recalibration()


def test_pearsons_statistic_of_separated_classes_is_its_limit() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"c": np.repeat(["a", "b", "c"], 40), "x": rng.normal(size=120)})
    data["only_a"] = (data["c"] == "a").astype(int)
    with pytest.warns(UserWarning, match="separation"):
        separated = logit("c ~ x + only_a", data)
    rest = logit("c ~ x", data[data["c"] != "a"])  # what is left of it in the limit
    assert separated.diagnostics.pearson().statistic == pytest.approx(rest.diagnostics.pearson().statistic, rel=1e-9)


def test_hyphens_and_backquotes_in_latex() -> None:
    data = table().rename(columns={"x": "a--b"})
    page = logit("y ~ `a--b`", data).summary().to_latex()
    assert r"\textasciigrave{}a-{}-b\textasciigrave{} & " in page


def test_interval_ends_leave_a_narrow_terminal_together() -> None:
    from berkson.report.layout import lines

    blocks = logit("y ~ x + g", table()).summary().blocks
    headings = [
        "".join(text for text, _ in line)
        for width in range(40, 110)
        for line in lines(blocks, width)
        if "odds ratio" in "".join(text for text, _ in line) and "log-odds" in "".join(text for text, _ in line)
    ]
    assert len(headings) == 70
    assert any("95% from" not in heading for heading in headings)
    assert all(("95% from" in heading) == heading.endswith("to") for heading in headings)
