"""Models of tables: predictions, and files that keep them bit for bit or are refused in one sentence."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from berkson.formula import UnseenLevelError
from berkson.model import Model, fit_table
from berkson.model_file import ModelError, from_dict, load, replacing, save, to_dict
from berkson.proof import proof_of
from berkson.read import read_table
from berkson.table import Table, from_frame

DATA = Path(__file__).parent / "data"

FITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "binary": ("birthwt.csv", 'low ~ age*smoke + C(race, ref="2") + log(lwt)', {}),
    "missing": ("titanic_passengers.csv", "survived ~ sex*age + passengerClass", {}),
    "classes": ("womenlf.csv", "partic ~ hincome + children", {}),
    "counts": ("menarche.csv", "Menarche / Total ~ Age", {}),
    "ridge": ("wdbc.csv", "malignant ~ .", {"strength": 2.0}),
    "weights": ("housing.csv", "Sat ~ Infl + Cont", {"weights": "Freq"}),
    "offset": ("birthwt.csv", "low ~ 0 + age + C(race)", {"offset": "ftv"}),
    "separated": ("endometrial.csv", "HG ~ NV + PI + EH", {}),
}


def fitted(name: str) -> tuple[Model, Table]:
    file, formula, options = FITS[name]
    table = read_table(DATA / file)
    return fit_table(formula, table, **options)[0], table


@pytest.fixture(scope="module", params=FITS)
def pair(request: pytest.FixtureRequest) -> tuple[Model, Table]:
    return fitted(request.param)


def test_round_trip_is_bit_for_bit(pair: tuple[Model, Table], tmp_path: Path) -> None:
    model, table = pair
    save(model, tmp_path / "m.json")
    again = load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.coef, model.coef)
    np.testing.assert_array_equal(again.intercept, model.intercept)
    np.testing.assert_array_equal(again.probabilities(table), model.probabilities(table))
    # arrays do not compare as one value
    assert replace(again, coef=model.coef, intercept=model.intercept) == model
    save(again, tmp_path / "n.json")
    assert (tmp_path / "n.json").read_bytes() == (tmp_path / "m.json").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"m.json", "n.json"}


def test_probabilities_are_those_of_the_formulas(pair: tuple[Model, Table]) -> None:
    model, table = pair
    known = ~model.schema.missing(table, response=False)[0]
    part = table.take(known)
    eta = model.schema.design(part) @ model.coef.T + model.intercept
    if model.offset:
        eta += part[model.offset].values[:, None]
    if eta.shape[1] == 1:
        eta = np.hstack([np.zeros_like(eta), eta])
    expected = np.exp(eta - np.logaddexp.reduce(eta, axis=1, keepdims=True))
    found = model.probabilities(table)
    assert found.shape == (table.n_rows, len(model.classes))
    np.testing.assert_allclose(found[known], expected, rtol=1e-11)  # sums of a few terms of size 1e2 in double
    assert np.isnan(found[~known]).all()


def test_a_certificate_can_be_had_again(pair: tuple[Model, Table]) -> None:
    model, table = pair
    certificate, problem, rows = model.certificate(table, model.proof.tol)
    assert rows == model.rows
    proof = proof_of(certificate, problem)
    assert proof.certified is model.proof.certified
    assert proof.objective == pytest.approx(model.proof.objective, rel=1e-12)  # summed in another order at most
    assert [i.column for i in proof.infinite] == [i.column for i in model.proof.infinite]


def test_predictions_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, table = fitted("missing")
    whole = model.probabilities(table)
    monkeypatch.setattr("berkson.model.CELLS", 50)
    np.testing.assert_array_equal(model.probabilities(table), whole)


def test_columns_are_found_by_name_in_any_frame() -> None:
    polars = pytest.importorskip("polars")
    model, table = fitted("missing")
    frame = polars.read_csv(DATA / "titanic_passengers.csv", null_values="NA")
    frame = frame.select("passengerClass", "age", polars.lit("noise").alias("other"), "sex")
    np.testing.assert_array_equal(model.probabilities(from_frame(frame)), model.probabilities(table))


def test_new_data_that_cannot_be_predicted() -> None:
    model, table = fitted("missing")
    sex = from_frame({"sex": ["male", "other"], "age": [1.0, 2.0], "passengerClass": ["1st", "1st"]})
    with pytest.raises(UnseenLevelError, match=r"'sex'.*'other'"):
        model.probabilities(sex)
    with pytest.raises(ValueError, match="no column 'age'"):
        model.probabilities(Table({"sex": table["sex"], "Age": table["age"]}, table.n_rows, "t.csv"))
    offset, births = fitted("offset")
    with pytest.raises(ValueError, match="no column 'ftv'"):
        offset.probabilities(Table({n: c for n, c in births.columns.items() if n != "ftv"}, births.n_rows, "t.csv"))


def test_the_point_does_not_stand_for_weights_and_offset() -> None:
    table = read_table(DATA / "birthwt.csv", ["low", "age", "lwt", "ftv"])
    model, _ = fit_table("low ~ .", table, weights="ftv", offset="age")
    assert model.schema.names == ("lwt",)
    named, _ = fit_table("low ~ . + ftv", table, weights="ftv", offset="age")
    assert named.schema.names == ("lwt", "ftv")


def test_weights_are_replicated_rows() -> None:
    table = read_table(DATA / "housing.csv")
    weighted, _ = fit_table("Sat ~ Infl + Type + Cont", table, weights="Freq")
    replicated, _ = fit_table("Sat ~ Infl + Type + Cont", table.take(np.repeat(np.arange(72), table["Freq"].values)))
    np.testing.assert_allclose(weighted.coef, replicated.coef, rtol=1e-9)  # two fits, each to rounding


def test_rows_are_counted_by_cause() -> None:
    table = from_frame(
        {
            "y": [0.0, 1, 0, 1, 1, math.nan, 0, 1],
            "x": [1.0, 2, 3, math.nan, 1, math.nan, 2, 2],
            "w": [1.0, 1, 1, 1, math.nan, 1, 1, 1],
        }
    )
    model, _ = fit_table("y ~ x", table, weights="w")
    assert (model.rows.read, model.rows.used, model.rows.missing) == (8, 5, {"w": 1, "y": 1, "x": 2})
    with pytest.raises(ValueError, match=r"3 of 8 rows of data frame lack a value \(w in 1, y in 1, x in 2\)"):
        fit_table("y ~ x", table, weights="w", drop_missing=False)


@pytest.mark.parametrize(
    ("formula", "options", "sentence"),
    [
        ("~ age", {}, "has no response"),
        ("low ~ agee", {}, "no column 'agee'; did you mean 'age'"),
        ("low ~ age", {"weights": "minus"}, "the weights 'minus' of data frame hold -1"),
        ("low ~ age", {"weights": "text"}, "column 'text' holds 'a' where a number is needed"),
        ("low ~ age", {"weights": "nought"}, "zero in every row"),
        ("three ~ age", {"offset": "age"}, "an offset is for two classes"),
        ("low ~ age", {"event": "2"}, "no level '2'"),
        ("one ~ age", {}, "holds only '1'"),
    ],
)
def test_what_cannot_be_fitted(formula: str, options: dict[str, str], sentence: str) -> None:
    table = from_frame(
        {
            "low": [0, 1, 0, 1, 0],
            "age": [1.0, 2.0, 3.0, 4.0, 2.0],
            "three": ["a", "b", "c", "a", "b"],
            "one": [1, 1, 1, 1, 1],
            "text": ["a"] * 5,
            "minus": [1, 1, -1, 1, 1],
            "nought": [0] * 5,
        }
    )
    with pytest.raises(ValueError, match=sentence):
        fit_table(formula, table, **options)  # type: ignore[arg-type]


def test_a_design_larger_than_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("berkson.model.MEMORY_SHARE", 1e-9)
    with pytest.raises(ValueError, match="more than this machine has"):
        fitted("binary")


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    return to_dict(fitted("classes")[0])


def set_at(path: str, value: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        *way, last = path.split("/")
        for step in way:
            data = data[int(step)] if isinstance(data, list) else data[step]
        data[int(last) if isinstance(data, list) else last] = value

    return change


def drop(path: str) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        *way, last = path.split("/")
        for step in way:
            data = data[int(step)] if isinstance(data, list) else data[step]
        del data[int(last) if isinstance(data, list) else last]

    return change


TAMPERED: dict[str, tuple[Callable[[Any], None], str]] = {
    "no format": (drop("berkson_model"), "no key 'berkson_model'"),
    "newer format": (set_at("berkson_model", 2), "its format is 2, and this program reads format 1"),
    "format as a flag": (set_at("berkson_model", True), "its format is True"),
    "no formula": (drop("formula"), "has no key 'formula'"),
    "formula a number": (set_at("formula", 3), "'formula' of the model is no text"),
    "formula of another language": (set_at("formula", "y ~ __import__('os')"), "no model that can be used"),
    "unknown key": (set_at("extra", 1), "unknown key 'extra'"),
    "no schema": (drop("schema"), "no key 'schema'"),
    "schema a list": (set_at("schema", []), "is no mapping"),
    "schema without response": (set_at("schema/response", None), "no model that can be used"),
    "tolerance that nothing meets": (
        set_at("certificate/tol", -1.0),
        "'tol' of the certificate is not between 0 and 1",
    ),
    "tolerance that all meet": (set_at("certificate/tol", 1e300), "'tol' of the certificate is not between 0 and 1"),
    "schema with a function": (set_at("schema/terms", [["system(hincome)"]]), "schema is damaged"),
    "coefficients an object": (set_at("coefficients", {}), "'coefficients' of the model is no list"),
    "a class too few": (drop("coefficients/0"), "coefficients for 2 classes"),
    "classes in another order": (set_at("coefficients/0/class", "parttime"), "of class 'fulltime' are not where"),
    "a coefficient too few": (drop("coefficients/1/columns/hincome"), "no key 'hincome'"),
    "a coefficient too many": (set_at("coefficients/1/columns/age", 1.0), "unknown key 'age'"),
    "a coefficient of text": (set_at("coefficients/1/columns/hincome", "1.0"), "'hincome' of 'columns' is no number"),
    "a coefficient too large": (set_at("coefficients/1/columns/hincome", 10**400), "too large a number"),
    "an intercept missing": (set_at("coefficients/2/intercept", None), "'intercept' of .* is no number"),
    "a negative ridge": (set_at("strength", -1.0), "'strength' is negative"),
    "weights a number": (set_at("weights", 1), "'weights' of the model is no text"),
    "rows negative": (set_at("rows/read", -1), "'read' of 'rows' is no count"),
    "rows contradictory": (set_at("rows/used", 1000), "'rows' contradicts itself"),
    "certified perhaps": (
        set_at("certificate/certified", 1),
        "'certified' of the certificate is neither true nor false",
    ),
    "certificate without a gap": (drop("certificate/gap"), "no key 'gap'"),
    "a sign of 2": (
        set_at("certificate/infinite", [{"column": "hincome", "class": None, "sign": 2}]),
        "a sign is none",
    ),
    "a column from elsewhere": (set_at("certificate/aliased", ["height"]), "a column 'height' that it does not have"),
    "verdicts of numbers": (set_at("certificate/verdicts", [1]), "'verdicts' of the certificate is no text"),
}


@pytest.mark.parametrize("tol", [0.0, 1.0, float("nan")])
def test_a_tolerance_that_a_saved_model_could_not_have_is_refused(tol: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_table("y ~ 1", from_frame({"y": [0, 1, 1]}), tol=tol)


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_models_are_refused(saved: dict[str, Any], tmp_path: Path, name: str) -> None:
    change, sentence = TAMPERED[name]
    data = copy.deepcopy(saved)
    from_dict(data)  # sound as it is
    change(data)
    (tmp_path / "m.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=sentence) as caught:
        load(tmp_path / "m.json")
    assert "m.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"[]", "no key 'berkson_model'"),
        (b'{"berkson_model": 1,', "not JSON"),
        (b'{"berkson_model": 1, "strength": NaN}', "NaN is no number of JSON"),
        (b'{"berkson_model": 1, "strength": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"berkson_model": 1, "berkson_model": 1}', "the key 'berkson_model' stands twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"berkson_model": 1, "n": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ModelError, match=sentence) as caught:
        load(tmp_path / "m.json")
    assert "\n" not in str(caught.value)


def test_files_too_large_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        load(tmp_path / "m.json")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        load(tmp_path)
    monkeypatch.setattr("berkson.model_file.LARGEST", 10)
    (tmp_path / "m.json").write_text(" " * 11)
    with pytest.raises(ModelError, match="more than 10 bytes"):
        load(tmp_path / "m.json")


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(target) as file:
        file.write("new" * 100_000 + "\ud800")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    with replacing(target) as file:
        file.write("new")
    assert target.read_text() == "new"
    with pytest.raises(OSError, match=r"absent.out\.csv"), replacing(tmp_path / "absent" / "out.csv"):
        pass
