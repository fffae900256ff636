"""Predictions of any table: against R and extended precision, intervals, and what is done where data lack something."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from berkson import SeparationWarning, logit
from berkson.fit import fit as maximise
from berkson.formula import Schema
from berkson.inference import predictions as module
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.predictions import predictions
from berkson.model import model_of, prepare
from berkson.read import read_table
from berkson.table import Table, from_frame

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R = json.loads((HERE / "r" / "effects.json").read_text(encoding="utf-8"))
AGREE = 1e-8  # relative: eight digits, as asked


class Study(NamedTuple):
    estimates: Estimates
    schema: Schema
    table: Table
    covariance: Covariance


def study(formula: str, data: Any, reference: int = 0, **columns: Any) -> Study:
    prepared = prepare(formula, from_frame(data), **columns)
    estimates = Estimates(maximise(prepared.problem), reference)
    return Study(estimates, prepared.schema, prepared.complete, covariance(estimates))


def random_data(n: int = 200) -> dict[str, Any]:
    rng = np.random.default_rng(11)
    x, k = rng.normal(size=n), rng.integers(0, 3, size=n)
    y = rng.choice(["low", "middle", "top"], size=n)
    return {"y": y, "event": y == "top", "x": x, "g": np.array(["a", "b", "c"])[k], "k": k, "t": rng.normal(size=n)}


@pytest.fixture(scope="module")
def birthwt() -> Study:
    return study("low ~ age * smoke + C(race)", read_table(HERE / "data" / "birthwt.csv"))


NEW = {"age": [15.0, 22.5, 41.0], "smoke": [1, 0, 1], "race": ["3", "1", "2"]}


def test_two_classes_are_those_of_r(birthwt: Study) -> None:
    estimates, schema, _, V = birthwt
    expected = R["predictions"]
    link = predictions(estimates, schema, from_frame(NEW), kind="link", covariance=V)
    probability = predictions(estimates, schema, from_frame(NEW), covariance=V, level=0.9)
    np.testing.assert_allclose(link.value[:, 0], expected["link"], rtol=AGREE)
    np.testing.assert_allclose(link.std_error[:, 0], expected["link_se"], rtol=AGREE)
    np.testing.assert_allclose(probability.value[:, 0], expected["probability"], rtol=AGREE)
    np.testing.assert_allclose(probability.std_error[:, 0], expected["probability_se"], rtol=AGREE)
    np.testing.assert_allclose(probability.lower[:, 0], expected["lower"], rtol=AGREE)
    np.testing.assert_allclose(probability.upper[:, 0], expected["upper"], rtol=AGREE)
    assert probability.names == ("1",)
    assert probability.most_probable().tolist() == [1, 0, 1]


def test_three_classes_are_those_of_r() -> None:
    estimates, schema, _, V = study("partic ~ hincome + children", read_table(HERE / "data" / "womenlf.csv"))
    found = predictions(estimates, schema, from_frame({"hincome": [20.0], "children": ["present"]}), covariance=V)
    expected = R["multinomial"]["prediction"]
    assert found.names == tuple(R["multinomial"]["classes"])
    np.testing.assert_allclose(found.value[0], expected["estimate"], rtol=AGREE)
    np.testing.assert_allclose(found.std_error[0], expected["se"], rtol=AGREE)
    np.testing.assert_allclose(found.lower[0], expected["lower"], rtol=AGREE)
    np.testing.assert_allclose(found.upper[0], expected["upper"], rtol=AGREE)
    assert found.most_probable().tolist() == [1]


@pytest.mark.parametrize("reference", [0, 1])
def test_the_link_of_classes_is_that_of_named_parameters(reference: int) -> None:
    estimates, schema, table, V = study("y ~ x * g", random_data(), reference)
    found = predictions(estimates, schema, table, kind="link", covariance=V)
    X = np.column_stack([np.ones(table.n_rows), schema.design(table)])
    each = estimates.params.reshape(2, -1)
    np.testing.assert_allclose(found.value, X @ each.T, rtol=1e-12, atol=1e-14)
    assert found.names == tuple(name for k, name in enumerate(("low", "middle", "top")) if k != reference)
    q = X.shape[1]
    for e in range(2):
        block = V.matrix[e * q : (e + 1) * q, e * q : (e + 1) * q]
        np.testing.assert_allclose(found.std_error[:, e], np.sqrt(((X @ block) * X).sum(axis=1)), rtol=1e-9)


def test_far_out_probabilities_and_their_errors_are_exact() -> None:
    estimates, schema, _, V = study("y ~ x", random_data())
    far = from_frame({"x": [-3000.0, 800.0, 4000.0]})
    found = predictions(estimates, schema, far, covariance=V)
    with mpmath.workdps(60):
        for i, x in enumerate((-3000.0, 800.0, 4000.0)):
            each = [mpmath.mpf(0)] + [mpmath.mpf(a) + mpmath.mpf(b) * x for a, b in estimates.params.reshape(2, 2)]
            total = mpmath.fsum(map(mpmath.exp, each))
            expected = [float(mpmath.exp(eta) / total) for eta in each]
            np.testing.assert_allclose(found.value[i], expected, rtol=1e-10)  # rounding of eta, about 1000
    assert np.isfinite(found.std_error).all()
    assert ((found.lower <= found.value) & (found.value <= found.upper)).all()


def test_errors_of_class_probabilities_are_those_of_differences() -> None:
    estimates, schema, _, V = study("y ~ x * g", random_data())
    new = from_frame({"x": [0.3, -2.0], "g": ["b", "c"]})
    found = predictions(estimates, schema, new, covariance=V)
    X = np.column_stack([np.ones(2), schema.design(new)])

    def probabilities(params: F64) -> F64:
        e = np.exp(np.column_stack([np.zeros(2), X @ params.reshape(2, -1).T]))
        return e / e.sum(axis=1, keepdims=True)

    h = 1e-5  # central differences: errors of h^2
    jacobian = np.stack(
        [
            (probabilities(estimates.params + d) - probabilities(estimates.params - d)) / (2 * h)
            for d in h * np.eye(len(estimates.params))
        ],
        axis=-1,
    )
    errors = np.sqrt(np.einsum("mkd,de,mke->mk", jacobian, V.matrix, jacobian))
    np.testing.assert_allclose(found.std_error, errors, rtol=1e-7)
    logit = np.log(found.value / (1 - found.value))
    half = 1.959963984540054 * errors / (found.value * (1 - found.value))
    np.testing.assert_allclose(found.upper, 1 / (1 + np.exp(-(logit + half))), rtol=1e-7)


def test_they_are_those_of_the_saved_model(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_data()
    prepared = prepare("y ~ ns(x, df=3) * g", from_frame(data))
    result = maximise(prepared.problem)
    expected = model_of(prepared, result).probabilities(from_frame(data))
    monkeypatch.setattr(module, "CELLS", 300)  # many runs of rows
    found = predictions(Estimates(result), prepared.schema, from_frame(data), covariance=None)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert found.std_error is None


# --- what new data lack ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def binary() -> Study:
    return study("event ~ x + g", random_data())


def test_an_unseen_level_by_policy(binary: Study) -> None:
    estimates, schema, _, V = binary
    new = from_frame({"x": [0.0, 1.0, 2.0], "g": ["b", "z", "a"]})
    with pytest.raises(
        StatisticsError, match=r"column 'g' holds level 'z', which .* in row 2; the model knows a, b, c"
    ):
        predictions(estimates, schema, new)
    missing = predictions(estimates, schema, new, covariance=V, policy="missing")
    assert np.isnan(missing.value[:, 0]).tolist() == [False, True, False]
    assert np.isnan(missing.upper[:, 0]).tolist() == [False, True, False]
    assert missing.most_probable()[1] == -1
    assert missing.notes == ("column 'g' holds levels not seen, such as 'z', in 1 row: no prediction there",)
    baseline = predictions(estimates, schema, new, policy="baseline")
    same = predictions(estimates, schema, from_frame({"x": [0.0, 1.0, 2.0], "g": ["b", "a", "a"]}))
    np.testing.assert_array_equal(baseline.value, same.value)
    assert baseline.notes == ("column 'g' holds levels not seen, such as 'z', in 1 row: read as the reference 'a'",)


def test_an_unseen_number_of_a_factor_by_policy() -> None:
    estimates, schema, _, _ = study("event ~ C(k, ref=1) + x", random_data())
    new = from_frame({"k": [0, 7], "x": [0.0, 0.0]})
    with pytest.raises(StatisticsError, match="holds level '7'"):
        predictions(estimates, schema, new)
    assert np.isnan(predictions(estimates, schema, new, policy="missing").value[1, 0])
    baseline = predictions(estimates, schema, new, policy="baseline").value
    np.testing.assert_array_equal(
        baseline, predictions(estimates, schema, from_frame({"k": [0, 1], "x": [0.0, 0.0]})).value
    )


def test_a_column_that_is_number_and_factor_has_no_baseline() -> None:
    estimates, schema, _, _ = study("event ~ C(k) + I(k * x)", random_data())
    new = from_frame({"k": [0, 7], "x": [0.0, 0.0]})
    with pytest.raises(StatisticsError, match="a number in one term and a factor in another"):
        predictions(estimates, schema, new, policy="baseline")
    assert np.isnan(predictions(estimates, schema, new, policy="missing").value[:, 0]).tolist() == [False, True]


@pytest.mark.parametrize("policy", ["missing", "baseline"])
def test_a_missing_value_by_policy(binary: Study, policy: Any) -> None:
    estimates, schema, _, V = binary
    new = from_frame({"x": [0.0, np.nan, 2.0], "g": ["b", "a", None]})
    with pytest.raises(StatisticsError, match="column 'x' has no value in row 2; fill it in, leave out such rows"):
        predictions(estimates, schema, new)
    found = predictions(estimates, schema, new, covariance=V, policy=policy)
    assert np.isnan(found.value[:, 0]).tolist() == [False, True, True]
    assert len(found.notes) == 2


def test_a_missing_offset_by_policy() -> None:
    estimates, schema, table, _ = study("event ~ x", random_data(), offset="t")
    fitted = predictions(estimates, schema, table, kind="link", offset="t")
    np.testing.assert_allclose(fitted.value, estimates.linear_predictor(), rtol=1e-12, atol=1e-14)
    new = from_frame({"x": [0.0, 1.0]})
    for offset, said in (("t", "the fit had column 't' as its offset"), (None, "the fit had an offset, and")):
        with pytest.raises(StatisticsError, match=said):
            predictions(estimates, schema, new, offset=offset)
    assert np.isnan(predictions(estimates, schema, new, offset="t", policy="missing").value).all()
    baseline = predictions(estimates, schema, new, offset="t", policy="baseline")
    zero = predictions(estimates, schema, from_frame({"x": [0.0, 1.0], "t": [0.0, 0.0]}), offset="t")
    np.testing.assert_array_equal(baseline.value, zero.value)
    assert baseline.notes == ("data frame has no offset: taken as 0 in every row",)
    values = predictions(estimates, schema, new, kind="link", offset=np.array([1.0, np.nan]), policy="missing")
    assert np.isnan(values.value[:, 0]).tolist() == [False, True]


def test_rows_that_are_not_estimable_have_no_prediction() -> None:
    data = random_data()
    data["twice"] = 2.0 * data["x"]
    estimates, schema, table, V = study("event ~ x + twice", data)
    new = from_frame({"x": [1.0, 1.0], "twice": [2.0, 0.0]})
    found = predictions(estimates, schema, new, covariance=V)
    assert np.isnan(found.value[:, 0]).tolist() == [False, True]
    assert np.isnan(found.std_error[:, 0]).tolist() == [False, True]
    assert found.notes[0].startswith("the prediction is left out in 1 row")
    alone = study("event ~ x", random_data())
    one = predictions(alone.estimates, alone.schema, new, covariance=alone.covariance)
    np.testing.assert_allclose(found.std_error[0], one.std_error[0], rtol=1e-9)
    assert predictions(estimates, schema, table).notes == ()


def test_an_empty_cell_is_not_estimable() -> None:
    data = random_data()
    data["h"] = np.where((data["g"] == "b") | (data["x"] > 0), "u", "v")  # no row is b and v
    estimates, schema, _, _ = study("event ~ g * h", data)
    found = predictions(estimates, schema, from_frame({"g": ["a", "b"], "h": ["v", "v"]}))
    assert np.isnan(found.value[:, 0]).tolist() == [False, True]


def test_the_row_of_an_undefined_value_is_told_in_any_run(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_data() | {"v": np.linspace(1.0, 2.0, 200)}
    estimates, schema, _, _ = study("event ~ log(v)", data)
    monkeypatch.setattr(module, "CELLS", 40)  # runs of 20 rows
    v = data["v"].copy()
    v[24] = -1.0
    with pytest.raises(ValueError, match=r"log\(v\) is not defined in row 25 of data frame"):
        predictions(estimates, schema, from_frame({"v": v}))


def test_choices_are_checked(binary: Study) -> None:
    estimates, schema, table, V = binary
    for options, said in (
        ({"kind": "odds"}, "there is no kind 'odds'"),
        ({"policy": "guess"}, "policy='guess' is none of 'error', 'missing'"),
        ({"covariance": V, "level": 95.0}, "a confidence level is between 0 and 1, not 95"),
        ({"offset": np.zeros(3)}, "the offset has shape"),
    ):
        with pytest.raises(StatisticsError, match=said):
            predictions(estimates, schema, table, **options)
    with pytest.raises(StatisticsError, match="ask for probabilities"):
        predictions(estimates, schema, table, kind="link").most_probable()
    with pytest.raises(ValueError, match="has no column 'g'"):
        predictions(estimates, schema, from_frame({"x": [0.0]}))


@pytest.mark.parametrize("seed", range(8))
def test_separated_data_predict_what_ever_weaker_ridges_tend_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, separating = 60, 1 + seed % 2
    rows = {f"d{j}": (rng.random(n) < 0.3).astype(float) for j in range(separating)} | {"x": rng.normal(size=n)}
    y = (rng.random(n) < 1 / (1 + np.exp(-rows["x"]))).astype(int)
    if separating == 2:
        rows["d1"][rows["d0"] == 1] = 0.0  # never both
    for j in range(separating):
        y[rows[f"d{j}"] == 1] = (j + seed) % 2
    data = {"y": y, **rows}
    with pytest.warns(SeparationWarning):
        fit = logit("y ~ " + " + ".join(rows), data)
    new = {f"d{j}": rng.integers(0, 2, 40).astype(float) for j in range(separating)} | {"x": rng.normal(size=40)}
    with pytest.warns(UserWarning, match="0 or 1 in the limit"):
        table = fit.predict(new, interval=True)
    ridge = logit("y ~ " + " + ".join(rows), data, strength=1e-9).predict(new)
    value = np.asarray(table["estimate"])
    moved = np.any([new[f"d{j}"] == 1 for j in range(separating)], axis=0)
    either = np.isnan(value)  # both columns at once, which pull to different sides
    both = np.sum([new[f"d{j}"] for j in range(separating)], axis=0) == 2
    np.testing.assert_array_equal(either, both)
    assert np.isin(value[moved & ~either], (0.0, 1.0)).all()
    assert np.isnan(np.asarray(table["std.error"])[moved]).all()
    np.testing.assert_allclose(value[~either], ridge[~either], atol=1e-5)  # of a ridge of 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        again = fit.predict(data)
    known = ~np.isnan(again)
    np.testing.assert_allclose(again[known], fit.predict()[known], rtol=1e-12)  # the same by another route
