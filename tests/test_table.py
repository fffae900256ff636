"""Tables from data frames, arrays and the text cells of a file."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from berkson.table import Column, Table, column_from_text, from_frame, number_text

ROWS: dict[str, list[Any]] = {
    "number": [1.5, None, -2.0],
    "whole": [3, 1, 2],
    "gaps": [3, None, 2],
    "truth": [True, None, False],
    "sure": [True, False, True],
    "text": ["b", "a", None],
    "empty": [None, None, None],
}


def from_pandas(rows: dict[str, list[Any]]) -> Any:
    nullable = {"gaps": "Int64", "truth": "boolean", "number": "Float64", "empty": "float64"}
    return pd.DataFrame({name: pd.Series(values, dtype=nullable.get(name)) for name, values in rows.items()})


def from_old_pandas(rows: dict[str, list[Any]]) -> Any:
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in rows.items()})


READERS = {
    "pandas": from_pandas,
    "pandas objects": from_old_pandas,
    "pandas on pyarrow": lambda rows: pa.table(rows | {"empty": pa.array([None] * 3, pa.float64())}).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "polars": lambda rows: pl.DataFrame(rows),
    "polars lazy": lambda rows: pl.LazyFrame(rows),
    "pyarrow": pa.table,
    "dict of lists": lambda rows: rows,
    "dict of arrays": lambda rows: {name: np.array(values, dtype=object) for name, values in rows.items()},
}


@pytest.mark.parametrize("reader", READERS)
def test_every_frame_gives_the_same_table(reader: str) -> None:
    table = from_frame(READERS[reader](ROWS))
    assert (list(table.columns), table.n_rows, table.source) == (list(ROWS), 3, "data frame")
    assert {name: c.kind for name, c in table.columns.items()} == {
        "number": "number",
        "whole": "number",
        "gaps": "number",
        "truth": "boolean",
        "sure": "boolean",
        "text": "factor",
        "empty": "number",
    }
    np.testing.assert_array_equal(table["number"].values, [1.5, np.nan, -2.0])
    np.testing.assert_array_equal(table["whole"].values, [3, 1, 2])
    np.testing.assert_array_equal(table["gaps"].values, [3, np.nan, 2])
    np.testing.assert_array_equal(table["truth"].values, [1, -1, 0])
    np.testing.assert_array_equal(table["text"].values, [1, 0, -1])
    assert table["truth"].values.dtype == table["sure"].values.dtype == np.int8
    assert table["text"].levels == ("a", "b")
    assert [int(c.missing().sum()) for c in table.columns.values()] == [1, 0, 1, 1, 0, 1, 3]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "int8", "uint8", "uint64"])
def test_numbers_are_not_copied(dtype: str) -> None:
    values = np.arange(5).astype(dtype)
    for data in (
        {"x": values},
        pd.DataFrame({"x": values}, copy=False),
        pl.DataFrame({"x": values}),
        pa.table({"x": values}),
    ):
        column = from_frame(data)["x"]
        assert column.values.dtype == dtype
        np.testing.assert_array_equal(column.values, values)
    assert np.shares_memory(from_frame({"x": values})["x"].values, values)
    frame = pl.DataFrame({"x": values})
    assert np.shares_memory(from_frame(frame)["x"].values, frame["x"].to_numpy(allow_copy=False))
    old = pd.DataFrame({"x": values})
    assert np.shares_memory(from_frame(old)["x"].values, old["x"].to_numpy())


def test_categories_keep_their_order() -> None:
    sizes = ["m", "s", None, "l"]
    for series in (
        pd.DataFrame({"g": pd.Categorical(sizes, ["s", "m", "l", "xl"], ordered=True)}),
        pl.DataFrame({"g": pl.Series(sizes, dtype=pl.Enum(["s", "m", "l", "xl"]))}),
    ):
        column = from_frame(series)["g"]
        assert (column.levels, column.ordered) == (("s", "m", "l", "xl"), True)
        assert list(column.values) == [1, 0, -1, 2]
    column = from_frame(pd.DataFrame({"g": pd.Categorical(sizes, ["s", "m", "l"])}))["g"]
    assert (column.levels, column.ordered) == (("s", "m", "l"), False)


def test_categories_without_an_order_of_their_own_are_sorted() -> None:
    dictionary = pa.chunked_array([pa.array(["b", "a"]).dictionary_encode(), pa.array(["c", None]).dictionary_encode()])
    for data, codes in (
        (pl.DataFrame({"g": pl.Series(["b", "a", None], dtype=pl.Categorical)}), [1, 0, -1]),
        (pa.table({"g": dictionary}), [1, 0, 2, -1]),
    ):
        column = from_frame(data)["g"]
        assert column.levels == ("a", "b", "c")[: len(column.levels)]
        assert list(column.values) == codes


def test_categories_that_hold_numbers_are_levels_in_numeric_order() -> None:
    column = from_frame(pd.DataFrame({"zip": pd.Categorical([10, 9, 100, 9], categories=[100, 9, 10])}))["zip"]
    assert (column.kind, column.levels) == ("factor", ("9", "10", "100"))
    assert list(column.values) == [1, 0, 2, 0]
    ordered = from_frame(pd.DataFrame({"dose": pd.Categorical([1.0, 2.5], categories=[2.5, 1.0], ordered=True)}))[
        "dose"
    ]
    assert (ordered.levels, list(ordered.values)) == (("2.5", "1"), [1, 0])


def test_series_in_a_dict_keep_their_categories() -> None:
    sizes = pd.Series(pd.Categorical(["m", "s"], ["s", "m"], ordered=True))
    table = from_frame({"g": sizes, "h": pl.Series([2, None]), "x": np.arange(2)})
    assert (table["g"].levels, list(table["g"].values)) == (("s", "m"), [1, 0])
    np.testing.assert_array_equal(table["h"].values, [2.0, np.nan])


def test_names_that_are_not_text() -> None:
    assert list(from_frame(pd.DataFrame(np.ones((2, 2)))).columns) == ["0", "1"]


def test_messages_print_safely() -> None:
    with pytest.raises(ValueError, match="holds values of type complex128") as caught:
        from_frame({"a\x1b[31m\nb" + "c" * 10_000: np.array([1j])}).columns["a\x1b[31m\nb" + "c" * 10_000]
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_decimals_are_numbers() -> None:
    cells = [decimal.Decimal("1.25"), None]
    for data in (pl.DataFrame({"x": cells}), pa.table({"x": cells})):
        np.testing.assert_array_equal(from_frame(data)["x"].values, [1.25, np.nan])


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2020, 1, 1)],
        [datetime.datetime(2020, 1, 1)],
        [datetime.timedelta(1)],
        [[1, 2]],
        [{"a": 1}],
        [b"bytes"],
    ],
)
def test_columns_that_are_no_column_are_refused_by_name(values: list[Any]) -> None:
    for data in (pd.DataFrame({"when": values}), pl.DataFrame({"when": values}), pa.table({"when": values})):
        with pytest.raises(ValueError, match=r"column 'when' holds .*, which a model cannot use"):
            from_frame(data)["when"]
    with pytest.raises(ValueError, match="column 'mix' holds values of type int, str"):
        from_frame(pd.DataFrame({"mix": [1, "a"]}))["mix"]
    with pytest.raises(ValueError, match="column 'z' holds values of type complex128"):
        from_frame({"z": np.array([1j])})["z"]


def test_columns_that_nobody_asks_for_are_not_read() -> None:
    table = from_frame(pd.DataFrame({"when": [datetime.date(2020, 1, 1)] * 3, "x": [1.0, 2.0, 3.0]}))
    parts = (
        table.take(np.array([True, True, False])),
        table.run(slice(0, 2)),
        table.having({"more": Column("more", "number", np.zeros(3))}).take(np.array([0, 1])),
        table.only(["x", "when"]).take(np.array([0, 1])),
    )
    for part in parts:
        np.testing.assert_array_equal(part["x"].values, [1.0, 2.0])
        assert {"when", "x"} <= set(part.columns)
        with pytest.raises(ValueError, match="column 'when' holds values of type date"):
            part["when"]


def test_masked_cells_are_not_looked_under() -> None:
    hidden = np.ma.masked_greater(np.array([1.0, 2.0, 9.0]), 5.0)
    with pytest.raises(ValueError, match=r"column 'x' is masked: fill its missing cells with NaN"):
        from_frame({"x": hidden})
    np.testing.assert_array_equal(from_frame({"x": hidden[:2]})["x"].values, [1.0, 2.0])


def test_what_is_no_table_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match="data frame has more than one column named 'a'"):
        from_frame(frame)
    with pytest.raises(ValueError, match="'a' has 1 rows and 'b' has 2"):
        from_frame({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="'a' is a single value, 7; give one for each row"):
        from_frame({"a": 7, "b": [1, 2]})
    with pytest.raises(ValueError, match=r"column 'a' has shape \(2, 2\): give one value for each row"):
        from_frame({"a": np.ones((2, 2))})
    with pytest.raises(TypeError, match=r"a table is needed .* not ndarray"):
        from_frame(np.ones((2, 2)))
    assert from_frame({}).n_rows == 0


def test_an_unknown_column_is_named_with_its_nearest() -> None:
    table = Table({n: Column(n, "number", np.zeros(1)) for n in ("age", "lwt")}, 1, "births.csv")
    with pytest.raises(
        ValueError, match=r"^births.csv has no column 'agee'; did you mean 'age'\? Its columns: age, lwt\.$"
    ):
        table["agee"]
    with pytest.raises(ValueError, match=r"no column 'zzz'; its columns: age, lwt\."):
        table["zzz"]
    wide = Table({f"x{k}": Column(f"x{k}", "number", np.zeros(1)) for k in range(5000)}, 1, "wide.csv")
    with pytest.raises(ValueError, match="and 4980 more") as caught:
        wide["y" * 100_000]
    assert len(str(caught.value)) < 500


def test_take_by_mask_and_by_index() -> None:
    table = from_frame({"x": [1, 2, 3], "g": ["a", "b", None]})
    part = table.take(np.array([True, False, True]))
    assert (part.n_rows, list(part["x"].values), list(part["g"].values)) == (2, [1, 3], [0, -1])
    part = table.take(np.array([2, 0, 0]))
    assert (part.n_rows, list(part["x"].values), part["g"].levels) == (3, [3, 1, 1], ("a", "b"))


# --- columns of another kind ---------------------------------------------------------------------------------------


def test_numbers_as_factors() -> None:
    for values, levels, codes in (
        (np.array([3, -1, 3], dtype=np.int8), ("-1", "3"), [1, 0, 1]),
        (np.array([250, 0], dtype=np.uint8), ("0", "250"), [1, 0]),
        (np.array([2**63, 1], dtype=np.uint64), ("1", "9223372036854775808"), [1, 0]),
        (np.array([-(2**63), 2**63 - 1]), ("-9223372036854775808", "9223372036854775807"), [0, 1]),
        (np.array([10.0, np.nan, 9.0]), ("9", "10"), [1, -1, 0]),
        (np.array([0.5, -0.0, 1e300, 0.0]), ("0", "0.5", "1e+300"), [1, 0, 2, 0]),
        (np.array([0.1, 7.0], dtype=np.float32), ("0.1", "7"), [0, 1]),
        (np.array([], dtype=float), (), []),
        (np.array([np.nan]), (), [-1]),
    ):
        factor = Column("x", "number", values).as_factor()
        assert (factor.kind, factor.levels, list(factor.values)) == ("factor", levels, codes)


def test_a_level_is_the_same_text_for_every_type_of_number() -> None:
    assert {number_text(v) for v in (2, 2.0, np.int8(2), np.uint64(2), np.float32(2))} == {"2"}
    assert number_text(-0.0) == "0"
    assert number_text(2.5) == number_text(np.float32(2.5)) == "2.5"
    assert number_text(float("inf")) == "inf"


def test_readings_of_a_column() -> None:
    factor = Column("g", "factor", np.array([0, 2, -1]), ("1", "many", "2.5e1"))
    np.testing.assert_array_equal(factor.as_number().values, [1.0, 25.0, np.nan])  # no row holds 'many'
    np.testing.assert_array_equal(Column("b", "boolean", np.array([1, 0, -1])).as_number().values, [1.0, 0.0, np.nan])
    truth = Column("t", "factor", np.array([0, 1, 2, 3, -1]), ("TRUE", "False", "1", "0")).as_boolean()
    assert list(truth.values) == [1, 0, 1, 0, -1]
    assert list(Column("n", "number", np.array([1.0, 0.0, np.nan])).as_boolean().values) == [1, 0, -1]
    with pytest.raises(ValueError, match="column 'g' holds 'many' where a number is needed"):
        Column("g", "factor", np.array([1]), ("1", "many")).as_number()
    with pytest.raises(ValueError, match="column 'n' holds '2' where true or false is needed"):
        Column("n", "number", np.array([1, 2])).as_boolean()


# --- text ----------------------------------------------------------------------------------------------------------

NA = frozenset(["", "NA"])


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "+3"], np.int64, [1, -2, 3]),
        (["0", "10", "-0"], np.int64, [0, 10, 0]),
        (["1", "", "NA"], np.float64, [1, np.nan, np.nan]),
        (["1.5", ".5", "2."], np.float64, [1.5, 0.5, 2.0]),
        (["1e3", "-2.5E-3", "0.0"], np.float64, [1000, -0.0025, 0]),
        ([" 1", "2 "], np.int64, [1, 2]),
        (["9223372036854775808", "1"], np.float64, [2.0**63, 1]),
        (["inf", "-inf", "nan"], np.float64, [np.inf, -np.inf, np.nan]),
        (["1e999"], np.float64, [np.inf]),
        (["", "NA"], np.float64, [np.nan, np.nan]),
    ],
)
def test_cells_that_are_numbers(cells: list[str], dtype: Any, values: list[float]) -> None:
    column = column_from_text("x", cells, NA)
    assert (column.name, column.kind, column.values.dtype) == ("x", "number", dtype)
    np.testing.assert_array_equal(column.values, values)


@pytest.mark.parametrize(
    "cells",
    [
        ["01234", "98101"],
        ["1", "2", " 007"],
        ["-01"],
        ["1_000", "2"],
        ["1", "two"],
        ["0x1f"],
        ["1,5"],
        ["١٢"],
        ["1.2.3"],
        ["5 6"],
        ["true", "1"],
        ["yes", "no"],
    ],
)
def test_cells_that_are_not_numbers_are_levels(cells: list[str]) -> None:
    column = column_from_text("x", [*cells, "NA", cells[0]], NA)
    assert (column.kind, column.levels) == ("factor", tuple(sorted(cells)))
    assert [column.levels[code] if code >= 0 else "NA" for code in column.values] == [*cells, "NA", cells[0]]


def test_cells_that_are_booleans() -> None:
    column = column_from_text("b", ["true", "FALSE", "", "True", "fAlSe"], NA)
    assert (column.kind, column.values.dtype, list(column.values)) == ("boolean", np.int8, [1, 0, -1, 1, 0])
    assert column.levels == ()


def test_no_cells() -> None:
    assert len(column_from_text("x", [], NA).values) == 0


def test_levels_that_occur_are_counted_by_runs_of_rows() -> None:
    codes = np.tile(np.array([2, 0, -1, 2], np.int8), 40_000)  # more rows than a run
    column = Column("g", "factor", codes, ("a", "b", "c"))
    assert column.level_counts().tolist() == [40_000, 0, 80_000]
    assert column.occurring() == ("a", "c")
    assert Column("g", "factor", codes[:0], ("a",)).occurring() == ()
