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
