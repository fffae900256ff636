"""The list of `test_hard_inputs.py` for labels, missing values, factors and prediction.

A formula on a table answers where names and levels matter, the estimator where scikit-learn's conventions do.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest
from scipy import sparse  # type: ignore[import-untyped]

from berkson import InputError, LogisticRegression
from berkson.fit import Fit, fit
from berkson.formula.errors import UnseenLevelError
from berkson.model import Model, fit_table
from berkson.problem import Problem
from berkson.table import from_frame

Array = npt.NDArray[Any]


def frame(n: int = 300, seed: int = 40) -> pd.DataFrame:
    """Numbers a and b, a label y of 0 and 1 that rises with a, a factor g."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-a + 0.3))).astype(int)
    return pd.DataFrame({"a": a, "b": b, "y": y, "g": np.array(["u", "v", "w"])[rng.integers(0, 3, n)]})


def on_table(formula: str, data: Any, **options: Any) -> tuple[Model, Fit]:
    return fit_table(formula, from_frame(data), **options)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [(1, 2), (-1, 1), ("no", "yes"), (False, True)], ids=str)
def test_37_38_40_41_two_labels_of_any_kind(labels: tuple[Any, Any]) -> None:
    data = frame()
    wanted = fit(Problem(data[["a"]].to_numpy(), data["y"].to_numpy(np.uint8))).coef
    y = np.array(labels)[data["y"]]
    model = LogisticRegression(C=np.inf).fit(data[["a"]], y)
    assert model.classes_.tolist() == list(labels)
    np.testing.assert_allclose(model.coef_, wanted, rtol=1e-9)
    assert set(model.predict(data[["a"]])) == set(labels)
    for table in (data.assign(y=y), pl.DataFrame({"a": data["a"].to_numpy(), "y": y})):
        # the event is the last level, in a formula as well: no sign is flipped
        named, fitted = on_table("y ~ a", table)
        np.testing.assert_allclose(fitted.coef, wanted, rtol=1e-9)
        assert named.classes[1] == str(labels[1]).lower()
    other, turned = on_table("y ~ a", data.assign(y=y), event=str(labels[0]).lower())
    np.testing.assert_allclose(turned.coef, -wanted, rtol=1e-9)
    assert other.classes[1] == str(labels[0]).lower()


def test_39_three_labels() -> None:
    data = frame()
    y = np.arange(300) % 3
    with pytest.raises(InputError, match="class"):
        fit(Problem(data[["a"]].to_numpy(), y.astype(np.uint8), n_classes=2))
    assert LogisticRegression().fit(data[["a"]], y).coef_.shape == (3, 1)
    assert on_table("y ~ a", data.assign(y=y))[0].classes == ("0", "1", "2")
    with pytest.raises(ValueError, match="looks like a measurement"):
        on_table("y ~ a", data.assign(y=np.arange(300)))


def test_42_the_order_of_ordered_classes() -> None:
    data = frame()
    levels = np.array(["lo", "mid", "hi"])[np.arange(300) % 3]
    ordered = pd.Categorical(levels, categories=["lo", "mid", "hi"], ordered=True)
    model, _ = on_table("y ~ a", data.assign(y=ordered))
    assert model.classes == ("lo", "mid", "hi")
    enum = pl.Series("y", levels, dtype=pl.Enum(["lo", "mid", "hi"]))
    model, _ = on_table("y ~ a", pl.DataFrame({"a": data["a"].to_numpy()}).with_columns(enum))
    assert model.classes == ("lo", "mid", "hi")
    # scikit-learn sorts labels, and so does what takes its place
    assert LogisticRegression().fit(data[["a"]], levels).classes_.tolist() == ["hi", "lo", "mid"]


def test_43_shares_of_an_exact_logit() -> None:
    x = np.linspace(-30, 30, 101)
    y = 1 / (1 + np.exp(-(0.5 * x - 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(C=np.inf).fit(x[:, None], y)
    assert model.coef_[0, 0] == pytest.approx(0.5, rel=1e-9)
    assert model.certificate_.separation is None
    assert model.certificate_.exists
    _, fitted = on_table("y ~ x", pd.DataFrame({"x": x, "y": y}))
    assert fitted.intercept[0] == pytest.approx(-1.0, rel=1e-9)
    for wrong in (1.5, -0.1):
        with pytest.raises(InputError):
            LogisticRegression().fit(x[:, None], np.append(y[:-1], wrong))
        with pytest.raises(InputError):
            fit(Problem(x[:, None], np.append(y[:-1], wrong)))


def test_44_counts() -> None:
    data = frame(60)
    rng = np.random.default_rng(44)
    trials = rng.integers(1, 9, 60)
    events = rng.binomial(trials, 1 / (1 + np.exp(-data["a"])))
    rows = data.loc[np.repeat(np.arange(60), trials), ["a"]]
    labels = np.concatenate([[1] * e + [0] * (t - e) for e, t in zip(events, trials, strict=True)])
    wanted = fit(Problem(rows.to_numpy(), labels.astype(np.uint8))).coef
    _, fitted = on_table("cbind(events, rest) ~ a", data.assign(events=events, rest=trials - events))
    np.testing.assert_allclose(fitted.coef, wanted, rtol=1e-9)
    model = LogisticRegression(C=np.inf).fit(data[["a"]], events / trials, sample_weight=trials)
    np.testing.assert_allclose(model.coef_, wanted, rtol=1e-9)
    with pytest.raises(ValueError, match="successes / trials"):
        LogisticRegression().fit(data[["a"]], np.column_stack([events, trials - events]))


# --- missing values -------------------------------------------------------------------------------------------------


def test_45_missing_values() -> None:
    data = frame()
    data.loc[5:14, "b"] = np.nan
    with pytest.raises(InputError, match=r"NaN: column 'b', row 5 \(10 such values"):
        LogisticRegression().fit(data[["a", "b"]], data["y"])
    with pytest.raises(InputError, match="NaN: column 'x1', row 5"):
        fit(Problem(data[["a", "b"]].to_numpy(), data["y"].to_numpy(np.uint8)))
    model, fitted = on_table("y ~ a + b", data)
    assert (model.rows.read, model.rows.used, model.rows.missing) == (300, 290, {"b": 10})
    complete = data.dropna()
    wanted = fit(Problem(complete[["a", "b"]].to_numpy(), complete["y"].to_numpy(np.uint8)))
    np.testing.assert_allclose(fitted.coef, wanted.coef, rtol=1e-9)
    with pytest.raises(ValueError, match="10 of 300 rows"):
        on_table("y ~ a + b", data, drop_missing=False)


def test_47_one_class_among_complete_rows() -> None:
    data = frame()
    data.loc[data["y"] == 1, "a"] = np.nan
    with pytest.raises(ValueError, match="'y' holds only '0' among the rows without missing values"):
        on_table("y ~ a", data)


# --- factors --------------------------------------------------------------------------------------------------------


def test_48_a_level_that_was_not_seen() -> None:
    data = frame()
    model, _ = on_table("y ~ a + g", data)
    with pytest.raises(UnseenLevelError, match="'g' holds level 'q'"):
        model.probabilities(from_frame(data.head(3).assign(g=["u", "q", "v"])))


def test_49_a_level_without_rows() -> None:
    data = frame()
    data["g"] = pd.Categorical(data["g"], categories=["u", "v", "w", "never"])
    model, fitted = on_table("y ~ g", data)
    assert model.schema.names == ("g[v]", "g[w]")
    assert fitted.certificate.certified
    assert any("never" in note for note in model.schema.notes)


def test_50_a_factor_has_a_reference() -> None:
    data = frame()
    model, fitted = on_table("y ~ g", data)
    assert model.schema.names == ("g[v]", "g[w]")
    share = data.groupby("g")["y"].mean()
    logit = np.log(share / (1 - share))
    np.testing.assert_allclose(fitted.coef[0], [logit["v"] - logit["u"], logit["w"] - logit["u"]], rtol=1e-8)
    assert fitted.intercept[0] == pytest.approx(logit["u"], rel=1e-8)


def test_51_text_and_dates() -> None:
    data = frame().assign(day=pd.Timestamp("2020-01-01"))
    coded = LogisticRegression().fit(data[["a", "g"]], data["y"])
    assert list(coded.coef_names_) == ["a", *(f"g[{level}]" for level in sorted(set(data["g"])))]
    with pytest.raises(InputError, match="column 'day' holds"):
        LogisticRegression().fit(data[["a", "day"]], data["y"])
    with pytest.raises(ValueError, match="column 'day' holds"):
        LogisticRegression().fit(data[["g", "day"]], data["y"])
    with pytest.raises(ValueError, match="column 'day' holds"):
        on_table("y ~ a + day", data)


def test_52_a_category_of_numbers() -> None:
    data = frame()
    data["zip"] = pd.Categorical(10_000 + np.arange(300) % 4)
    model, _ = on_table("y ~ zip", data)
    assert model.schema.names == ("zip[10001]", "zip[10002]", "zip[10003]")
    estimator = LogisticRegression().fit(data[["a", "zip"]], data["y"])
    assert list(estimator.coef_names_) == ["a", "zip[10000]", "zip[10001]", "zip[10002]", "zip[10003]"]


# --- prediction and columns -----------------------------------------------------------------------------------------


def test_53_swapped_columns() -> None:
    data = frame()
    model, _ = on_table("y ~ a + b", data)
    there = model.probabilities(from_frame(data[["b", "g", "a"]]))
    assert (there == model.probabilities(from_frame(data[["a", "b"]]))).all()
    estimator = LogisticRegression().fit(data[["a", "b"]], data["y"])
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(data[["b", "a"]])
    with pytest.raises(ValueError, match="no column 'b'"):
        model.probabilities(from_frame(data[["a"]]))


def test_54_one_row() -> None:
    data = frame()
    estimator = LogisticRegression().fit(data[["a", "b"]], data["y"])
    every = estimator.predict_proba(data[["a", "b"]])
    np.testing.assert_allclose(estimator.predict_proba(data[["a", "b"]].iloc[7:8])[0], every[7], rtol=1e-14)
    model, _ = on_table("y ~ a + g", data)
    np.testing.assert_allclose(
        model.probabilities(from_frame(data.iloc[7:8]))[0], model.probabilities(from_frame(data))[7], rtol=1e-14
    )


def test_55_an_intercept_by_default() -> None:
    data = frame()
    for intercept in (
        LogisticRegression().fit(data[["a"]], data["y"]).intercept_,
        on_table("y ~ a", data)[1].intercept,
        fit(Problem(data[["a"]].to_numpy(), data["y"].to_numpy(np.uint8))).intercept,
    ):
        assert intercept[0] != 0
    assert on_table("y ~ a - 1", data)[1].intercept[0] == 0


def test_56_an_offset_is_needed_again() -> None:
    data = frame().assign(known=np.linspace(-1, 1, 300))
    estimator = LogisticRegression().fit(data[["a"]], data["y"], offset=data["known"])
    with pytest.raises(InputError, match="fitted with an offset"):
        estimator.predict_proba(data[["a"]])
    assert estimator.predict_proba(data[["a"]], offset=data["known"]).shape == (300, 2)
    model, _ = on_table("y ~ a", data, offset="known")
    with pytest.raises(ValueError, match="known"):
        model.probabilities(from_frame(data[["a"]]))


def test_57_two_columns_of_one_name() -> None:
    data = pd.concat([frame(), frame()[["a"]]], axis=1)
    with pytest.raises(InputError, match="same name"):
        LogisticRegression().fit(data[["a"]], data["y"])
    with pytest.raises(ValueError, match="more than one column named 'a'"):
        on_table("y ~ a", data)


def test_66_log_probabilities_far_out() -> None:
    data = frame()
    model = LogisticRegression(C=np.inf).fit(data[["a"]].to_numpy(), data["y"])
    far = np.array([[-1e4 / model.coef_[0, 0]], [1e4 / model.coef_[0, 0]]])
    eta, logs = model.decision_function(far), model.predict_log_proba(far)
    np.testing.assert_allclose(logs[:, 1], np.minimum(eta, 0.0), rtol=1e-12)
    np.testing.assert_allclose(logs[:, 0], np.minimum(-eta, 0.0), rtol=1e-12)
    assert logs[0, 1] == pytest.approx(-1e4, rel=1e-3)


def test_69_sparse_tables_are_read_as_they_lie() -> None:
    data = frame()
    table = data[["a"]].to_numpy()
    dense, read = (LogisticRegression().fit(X, data["y"]) for X in (table, sparse.csr_array(table)))
    np.testing.assert_allclose(read.coef_, dense.coef_, rtol=1e-10)  # both are polished to rounding


@pytest.mark.parametrize("kind", ["str", "object"])
def test_72_numbers_as_text_in_an_array(kind: str) -> None:
    text = np.array([f"{value:.3f}" for value in frame()["a"]], dtype=kind)[:, None]
    with pytest.raises(ValueError, match=r"numeric|numbers"):
        LogisticRegression().fit(text, frame()["y"])


def test_72_numbers_as_text_in_a_table() -> None:
    data = frame()
    data["text"] = [f"{value:.1f}" for value in data["a"]]
    with pytest.raises(InputError, match="column 'text' holds numbers as text"):
        LogisticRegression().fit(data[["text"]], data["y"])
    model, _ = on_table("y ~ text", data, strength=1.0)
    assert any("'text'" in note and "look like numbers" in note for note in model.schema.notes)
