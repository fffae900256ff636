"""What a schema learns of a response and of factors, how new data are matched to it, and how it is saved."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson.formula import FormulaError, Schema, UnseenLevelError, learn, schema_from_dict, schema_to_dict
from berkson.model import fit_table
from berkson.table import from_frame

DATA = Path(__file__).parent / "data"
X = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def learned(y: Any, event: object | None = None) -> Schema:
    return learn("y ~ x", from_frame({"y": y, "x": X[: len(y)]}), event=event)


# --- the response --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "event", "levels", "codes"),
    [
        ([0, 1, 1, 0], None, ("0", "1"), [0, 1, 1, 0]),
        ([0.0, 1.0, 1.0, 0.0], None, ("0", "1"), [0, 1, 1, 0]),
        ([1, 2, 2, 1], None, ("1", "2"), [0, 1, 1, 0]),
        ([-1, 1, -1, 1], None, ("-1", "1"), [0, 1, 0, 1]),
        ([1, 2, 2, 1], 1, ("2", "1"), [1, 0, 0, 1]),
        ([1, 2, 2, 1], "1", ("2", "1"), [1, 0, 0, 1]),
        ([1.5, 2.5, 2.5], None, ("1.5", "2.5"), [0, 1, 1]),
        (["yes", "no", "yes"], None, ("no", "yes"), [1, 0, 1]),
        (["yes", "no", "yes"], "no", ("yes", "no"), [0, 1, 0]),
        ([True, False, True], None, ("false", "true"), [1, 0, 1]),
        ([True, False, True], False, ("true", "false"), [0, 1, 0]),
        (pd.Categorical(["b", "a", "b"], categories=["b", "a"]), None, ("b", "a"), [0, 1, 0]),
    ],
)
def test_two_classes(y: Any, event: object | None, levels: tuple[str, ...], codes: list[int]) -> None:
    frame = pd.DataFrame({"y": y, "x": X[: len(codes)]})
    schema = learn("y ~ x", from_frame(frame), event=event)
    assert schema.outcome is not None
    assert (schema.outcome.kind, schema.outcome.levels, schema.outcome.event) == ("binary", levels, levels[1])
    values, trials = schema.response(from_frame(frame))
    assert trials is None
    assert values.dtype == np.uint8
    assert list(values) == codes


def test_more_classes_keep_the_order_of_levels() -> None:
    schema = learn(
        "y ~ x", from_frame(pd.DataFrame({"y": pd.Categorical(list("mlhm"), list("lmh"), ordered=True), "x": X[:4]}))
    )
    assert schema.outcome is not None
    assert (schema.outcome.kind, schema.outcome.levels, schema.outcome.event) == ("classes", ("l", "m", "h"), None)
    assert learned(["hi", "lo", "mid"]).outcome.levels == ("hi", "lo", "mid")  # type: ignore[union-attr]
    numbers = learned([10, 9, 2])
    assert numbers.outcome.levels == ("2", "9", "10")  # type: ignore[union-attr]
    values, _ = numbers.response(from_frame({"y": ["2", "10", "9"]}))
    assert list(values) == [0, 2, 1]


def test_three_hundred_classes_need_a_wider_code() -> None:
    names = [f"c{k:03}" for k in range(300)]
    table = from_frame({"y": names})
    values, _ = learn("y ~ 1", table).response(table)
    assert values.dtype == np.int32
    assert list(values) == list(range(300))


def test_shares() -> None:
    schema = learned([0.0, 0.25, 1.0])
    assert schema.outcome is not None
    assert (schema.outcome.kind, schema.outcome.levels) == ("fraction", ())
    values, trials = schema.response(from_frame({"y": np.array([1, 0])}))
    assert values.dtype == np.float64
    assert (list(values), trials) == ([1.0, 0.0], None)
    with pytest.raises(ValueError, match=r"'y' is not in \[0, 1\] in row 2"):
        schema.response(from_frame({"y": [0.5, 1.5]}))


@pytest.mark.parametrize("formula", ["s / n ~ x", "cbind(s, f) ~ x"])
def test_counts(formula: str) -> None:
    table = from_frame({"s": [1, 0, 4], "n": [2, 0, 4], "f": [1, 0, 0], "x": X[:3]})
    schema = learn(formula, table)
    assert schema.outcome is not None
    assert (schema.outcome.kind, schema.outcome.event) == ("counts", "s")
    shares, trials = schema.response(table)
    assert list(shares) == [0.5, 0.0, 1.0]
    assert trials is not None
    assert list(trials) == [2.0, 0.0, 4.0]
    others = {"s / n ~ x": ("f", "x"), "cbind(s, f) ~ x": ("n", "x")}
    assert learn(formula.replace("x", "."), table).names == others[formula]


def test_lizards_counts_add_up() -> None:
    table = from_frame(pd.read_csv(DATA / "lizards.csv"))
    shares, trials = learn("cbind(grahami, opalinus) ~ height + diameter + light + time", table).response(table)
    assert trials is not None
    np.testing.assert_array_equal(trials, table["grahami"].values + table["opalinus"].values)
    np.testing.assert_allclose(shares * trials, table["grahami"].values, rtol=1e-15)  # one rounding each way


@pytest.mark.parametrize(
    ("y", "event", "message"),
    [
        ([1, 1, 1], None, "holds only '1'"),
        (["a", "a"], None, "holds only 'a'"),
        ([0.5, 1.5, 2.5], None, r"looks like a measurement \(3 distinct numbers from 0.5 to 2.5\)"),
        ([np.nan, np.nan], None, "every row of data frame misses .* column 'y' is missing in 2 of 2 rows"),
        ([1.0, np.inf, 2.0], None, "infinite"),
        (["a", "b"], "c", "column 'y' has no level 'c'; its levels: a, b"),
        (["yes", "no"], "yess", "did you mean 'yes'"),
        (["a", "b", "c"], "a", "is for two classes, and the response 'y' has 3: a, b, c"),
        ([0.1, 0.2], "1", "it is a share"),
    ],
)
def test_impossible_responses(y: Any, event: object | None, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        learned(y, event)


def test_many_numbers_are_a_measurement() -> None:
    table = from_frame({"y": np.arange(51), "x": np.arange(51.0)})
    with pytest.raises(FormulaError, match="looks like a measurement"):
        learn("y ~ x", table)
    assert learn("y ~ x", table.take(table["y"].values < 50)).outcome.kind == "classes"  # type: ignore[union-attr]


def test_impossible_counts_name_the_row() -> None:
    for columns, message in [
        ({"s": [1, 3], "n": [2, 2]}, "more successes"),
        ({"s": [1, -1], "n": [2, 2]}, "'s' is no count in row 2"),
        ({"s": [1.0, 1.0], "n": [2.0, np.inf]}, "'n' is no count in row 2"),
        ({"s": ["a", "b"], "n": [1, 2]}, "column 's' holds 'a' where a number is needed"),
    ]:
        with pytest.raises(ValueError, match=message):
            learn("s / n ~ 1", from_frame(columns))


def test_response_refuses_missing_rows_and_new_classes() -> None:
    schema = learned(["a", "b"])
    with pytest.raises(ValueError, match="'y' is missing in 1 rows"):
        schema.response(from_frame({"y": ["a", None]}))
    with pytest.raises(UnseenLevelError, match="holds level 'c'"):
        schema.response(from_frame({"y": ["a", "c"]}))
    with pytest.raises(ValueError, match="has no response"):
        learn("~ x", from_frame({"x": X})).response(from_frame({"x": X}))
    with pytest.raises(FormulaError, match="event='a' is given"):
        learn("~ x", from_frame({"x": X}), event="a")


# --- columns and levels --------------------------------------------------------------------------------------------


def test_errors_of_learning_name_the_column() -> None:
    table = from_frame({"y": [0, 1, 1], "age": [1.0, 2.0, 3.0], "g": ["a", "a", "a"], "h": ["u", "v", "u"]})
    for formula, message in [
        ("y ~ agee", "data frame has no column 'agee'; did you mean 'age'. Its columns: y, age, g, h"),
        ("outcome ~ age", "no column 'outcome'"),
        ("y ~ age - h2", "'h2' at position 11 is taken away, but is not among the terms"),
        ("y ~ . - h2", "no column 'h2'"),
        ("y ~ . - y", "response 'y'"),
        ("y ~ g", "column 'g' has only level 'a'"),
        ("y ~ C(h, ref='w')", "column 'h' has no level 'w'; its levels: u, v"),
        ("y ~ I(h + 1)", r"I\(h \+ 1\) needs numbers, and column 'h' is a factor"),
        ("y ~ 0", "neither terms nor an intercept"),
    ]:
        with pytest.raises(FormulaError, match=message):
            learn(formula, table)
    with pytest.raises(FormulaError, match="data frame has no rows"):
        learn("y ~ age", table.take(np.zeros(3, dtype=bool)))
    with pytest.raises(FormulaError, match="no other column"):
        learn("y ~ .", from_frame({"y": [0, 1]}))


def test_dot_is_every_other_column() -> None:
    table = from_frame({"a": X, "y": [0, 1, 0, 1, 1, 0], "g": list("uvuvuv")})
    assert learn("y ~ .", table).names == ("a", "g[v]")
    assert learn("~ .^2", table).names == ("a", "y", "g[v]", "a:y", "a:g[v]", "y:g[v]")
    assert learn("y ~ . - g + log(a)", table).names == ("a", "log(a)")


def test_levels_come_from_complete_rows_and_unused_ones_are_noted() -> None:
    frame = pd.DataFrame(
        {"y": [0, 1, 0, 1], "x": [1.0, 2.0, 3.0, None], "g": pd.Categorical(list("abad"), list("cabd"))}
    )
    schema = learn("y ~ x + g", from_frame(frame))
    assert schema.notes == ("column 'g': levels c, d left out, no row without missing values has it",)
    assert schema.names == ("x", "g[b]")
    assert schema.missing(from_frame(frame))[1] == {"x": 1}
    with pytest.raises(FormulaError, match="column 'g' has no level 'd'"):
        learn("y ~ x + C(g, ref='d')", from_frame(frame))


def test_text_that_looks_like_many_numbers_is_noted() -> None:
    table = from_frame({"y": [0, 1] * 30, "x": [f"{k / 7:.3f}" for k in range(60)]})
    assert "its 60 levels all look like numbers" in learn("y ~ x", table).notes[0]


def test_missing_counts_rows_and_columns() -> None:
    table = from_frame(pd.read_csv(DATA / "titanic_passengers.csv"))
    schema = learn("survived ~ sex + age", table)
    rows, counts = schema.missing(table)
    assert counts == {"age": 263}  # as the data's documentation has it
    assert int(rows.sum()) == 263
    table = from_frame({"survived": ["yes", None], "sex": ["male", None], "age": [1.0, 2.0]})
    assert schema.missing(table)[1] == {"survived": 1, "sex": 1}
    assert schema.missing(table, response=False)[1] == {"sex": 1}


@pytest.fixture(scope="module")
def mixed() -> Schema:
    table = from_frame(
        {
            "g": ["1", "2", "10", "1"],
            "c": [1, 2, 3, 3],
            "b": [True, False, True, True],
            "x": [1, 2, 3, 4],
            "t": ["TRUE", "FALSE"] * 2,
        }
    )
    return learn("~ g + C(c) + b + x + I(x*b) + t", table)


@pytest.mark.parametrize(
    "row",
    [
        {"g": ["10"], "c": [2], "b": [True], "x": [3], "t": ["TRUE"]},
        {"t": ["TRUE"], "x": [3.0], "b": [1], "c": [2.0], "g": [10]},
        {"g": [10.0], "c": ["2"], "b": ["true"], "x": ["3"], "t": [True]},
        {"g": ["10"], "c": np.array([2], dtype=np.int8), "b": ["TRUE"], "x": ["3.0"], "t": [True], "extra": [None]},
        {
            "g": np.array([10], dtype=np.float32),
            "c": pd.Categorical([2]),
            "b": ["1"],
            "x": np.float32([3]),
            "t": ["TRUE"],
        },
    ],
)
def test_new_data_match_by_name_and_text(mixed: Schema, row: dict[str, Any]) -> None:
    design = dict(zip(mixed.names, mixed.design(from_frame(pd.DataFrame(row)))[0], strict=True))
    expected = {"g[10]": 1, "g[2]": 0, "C(c)[2]": 1, "C(c)[3]": 0, "b[true]": 1, "x": 3, "I(x*b)": 3, "t[TRUE]": 1}
    assert design == expected


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"g": ["3"]}, UnseenLevelError, r"column 'g' holds level '3', .*its levels: 1, 10, 2"),
        ({"g": [1.5]}, UnseenLevelError, "holds level '1.5'"),
        ({"c": [4]}, UnseenLevelError, "column 'c' holds level '4'"),
        ({"c": ["a"]}, UnseenLevelError, "column 'c' holds level 'a'"),
        ({"b": [2]}, ValueError, "column 'b' holds '2' where true or false is needed"),
        ({"b": ["maybe"]}, ValueError, "column 'b' holds 'maybe'"),
        ({"x": ["many"]}, ValueError, "column 'x' holds 'many' where a number is needed"),
        ({"x": None}, ValueError, "data frame has no column 'x'"),
    ],
)
def test_what_does_not_match_is_refused(mixed: Schema, change: dict[str, Any], error: type, message: str) -> None:
    row: dict[str, Any] = {"g": ["10"], "c": [2], "b": [True], "x": [3], "t": ["TRUE"]} | change
    with pytest.raises(error, match=message):
        mixed.design(from_frame({name: values for name, values in row.items() if values is not None}))


def test_missing_values_of_another_kind_are_missing(mixed: Schema) -> None:
    row = from_frame({"g": [np.nan], "c": [None], "b": [np.nan], "x": [np.nan], "t": [None]})
    assert np.isnan(mixed.design(row)).all()


# --- saved ---------------------------------------------------------------------------------------------------------

SAVED = [
    ("birthwt", "low ~ . + C(race, ref=3)*age + I(lwt/age^2) + log(lwt) - bwt"),
    ("titanic_passengers", "survived ~ sex*passengerClass*age - 1"),
    ("infert", "case ~ education + `pooled.stratum` + C(spontaneous)"),
    ("womenlf", "partic ~ hincome + children + region"),
    ("lizards", "cbind(grahami, opalinus) ~ (height + diameter + light + time)^2"),
    ("lizards", "~ 1"),
]


@pytest.mark.parametrize(("name", "text"), SAVED)
def test_json_gives_back_the_schema(name: str, text: str) -> None:
    table = from_frame(pd.read_csv(DATA / f"{name}.csv"))
    schema = learn(text, table)
    restored = schema_from_dict(json.loads(json.dumps(schema_to_dict(schema))))
    assert restored == schema
    assert (restored.names, str(restored)) == (schema.names, str(schema))
    np.testing.assert_array_equal(restored.design(table), schema.design(table))
    assert learn(str(schema), table).names == schema.names  # the text is a formula for the same model


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.copy(data)
    data[path[0]] = changed(data[path[0]], path[1:], value) if len(path) > 1 else value
    return data


@pytest.fixture
def saved() -> dict[str, Any]:
    table = from_frame({"y": ["a", "b", "a"], "g": ["u", "v", "u"], "x": [1.0, 2.0, 3.0]})
    return schema_to_dict(learn("y ~ g*log(x)", table))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), None, "no mapping"),
        ((), [], "no mapping"),
        ((), {}, "lacks key"),
        (("version",), 1, "unknown key 'version'"),
        (("intercept",), 1, "neither true nor false"),
        (("terms",), {"g": 1}, "no list"),
        (("terms",), [["x"]] * 20_000, "no list of at most 10000"),
        (("terms", 0), [], "a term is empty"),
        (("terms", 0), ["g", "g"], "names a variable twice"),
        (("terms", 0), ["log(x)"], "a term stands twice"),
        (("terms", 0, 0), "__import__('os').system('x')", "operator is needed"),
        (("terms", 0, 0), "eval(g)", "unknown function 'eval'"),
        (("terms", 0, 0), "g + x", "'g \\+ x' is no variable"),
        (("terms", 0, 0), "C(g, ref='u')", "is no variable"),
        (("terms", 0, 0), "`g`", "is not written as 'g'"),
        (("terms", 0, 0), "log(g)", "needs numbers"),
        (("terms", 0, 0), "z", "'columns' lack one"),
        (("terms", 0, 0), "g" * 20_000, "no text of at most 10000"),
        (("columns", "z"), "number", "not those that the terms"),
        (("columns", "x"), "complex", "the kind of column 'x'"),
        (("columns", "x"), "factor", "needs numbers"),
        (("columns", "g"), "number", "not the categorical variables"),
        (("columns", "g"), ["number"], "the kind of column 'g'"),
        (("factors",), {}, "not the categorical variables"),
        (("factors", "g", "levels"), ["u"], "fewer than two levels"),
        (("factors", "g", "levels"), ["u", "u"], "not all different"),
        (("factors", "g", "levels"), ["u", 1], "no text"),
        (("factors", "g", "levels"), [str(k) for k in range(100_002)], "no list of at most"),
        (("factors", "g", "reference"), "w", "a reference that is none"),
        (("factors", "g", "more"), 1, "unknown key 'more'"),
        (("response", "kind"), "poisson", "contradicts itself"),
        (("response", "kind"), "classes", "contradicts itself"),
        (("response", "event"), "a", "contradicts itself"),
        (("response", "levels"), ["b"], "contradicts itself"),
        (("response", "second"), "trials", "contradicts itself"),
        (("response", "columns"), ["y", "x", "g"], "at most 2"),
        (("response", "columns"), ["z"], "not those that the terms"),
        (("response",), None, "not those that the terms"),
        (("notes",), [1], "a note is no text"),
    ],
)
def test_damaged_schemas_are_refused_in_a_sentence(
    saved: dict[str, Any], path: tuple[Any, ...], value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        schema_from_dict(changed(saved, path, value))
    assert str(caught.value).startswith("the saved schema is damaged: ")
    assert len(str(caught.value)) < 250


def test_whatever_is_changed_is_refused_or_a_schema(saved: dict[str, Any]) -> None:
    refused = 0
    for path in places(saved):
        for value in (None, 1.5, {}, [], [[]], {"a": 1}, "`", "C(y)", "log(x)", ["b", "a"]):
            try:
                schema = schema_from_dict(changed(saved, path, value))
            except ValueError:
                refused += 1
            else:
                assert schema_from_dict(schema_to_dict(schema)) == schema
    assert refused > 200


def test_a_hostile_file_cannot_ask_for_much(saved: dict[str, Any]) -> None:
    names = [f"g{k}" for k in range(40)]
    saved["columns"] = {"y": "factor"} | dict.fromkeys(names, "factor")
    saved["factors"] = {name: {"levels": ["u", "v" * 50_000], "reference": "u"} for name in names}
    saved["terms"] = [names[k : k + 10] for k in range(31)]
    with pytest.raises(ValueError, match="too long names"):
        schema_from_dict(saved)
    saved["terms"] = [names]
    with pytest.raises(ValueError, match="crosses too many factors"):
        schema_from_dict(saved)


def test_rows_in_messages_are_those_of_the_table_as_it_was_read() -> None:
    table = from_frame({"y": [0, 1, 0, 1, 0, 1], "x": [np.nan, 1.0, 2.0, np.nan, -1.0, 3.0]})
    with pytest.raises(ValueError, match=r"log\(x\) is not defined in row 5 of data frame"):
        fit_table("y ~ log(x)", table)
    counts = from_frame({"s": [1.0, np.nan, 3.0, 9.0], "n": [2.0, 2.0, 4.0, 4.0], "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ValueError, match=r"more successes .* in row 4 of data frame"):
        fit_table("s / n ~ x", counts)
