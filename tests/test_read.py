"""Reading tables: what files say, and one sentence for each that says nothing."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import berkson.read as read
from berkson.read import MISSING, ReadError, read_table

DATA = Path(__file__).parent / "data"


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(table: object, name: str) -> list[object]:
    """The values of a column as Python objects, None where missing."""
    column = table[name]  # type: ignore[index]
    values = column.values.tolist()
    if column.kind == "factor":
        return [None if v < 0 else column.levels[v] for v in values]
    return [None if gone else v for v, gone in zip(values, column.missing(), strict=True)]


def test_kinds_of_columns(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a,b,c,d,e\n1,0.5,x,true,01\n2,NA,"y, z",FALSE,02\n3,1e3,,true,10\n'))
    assert {name: column.kind for name, column in table.columns.items()} == {
        "a": "number",
        "b": "number",
        "c": "factor",
        "d": "boolean",
        "e": "factor",  # leading zeros are codes
    }
    assert cells(table, "a") == [1, 2, 3]
    assert cells(table, "b") == [0.5, None, 1000.0]
    assert cells(table, "c") == ["x", "y, z", None]
    assert cells(table, "d") == [1, 0, 1]
    assert table.n_rows == 3
    assert table.source == "t.csv"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_ends_and_marks(tmp_path: Path, separator: str, end: str, mark: str) -> None:
    text = mark + end.join(["x,y,z", '1,"a ""b""\nc",3', "2,é,4", ""]).replace(",", separator)
    table = read_table(write(tmp_path, text))
    assert list(table.columns) == ["x", "y", "z"]
    assert cells(table, "y") == ['a "b"\nc', "é"]
    assert cells(table, "z") == [3, 4]


def test_a_quoted_separator_in_the_header_does_not_count(tmp_path: Path) -> None:
    assert list(read_table(write(tmp_path, '"a,b,c";d\n1;2\n')).columns) == ["a,b,c", "d"]


def test_one_column_needs_no_separator(tmp_path: Path) -> None:
    assert cells(read_table(write(tmp_path, "x\n1\n\n2")), "x") == [1, 2]


def test_spaces_after_separators_and_nameless_columns_go(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, '"", x, "y",\n1, 2, "b",\n2, 3, "c",\n'))
    assert list(table.columns) == ["x", "y"]
    assert cells(table, "x") == [2, 3]
    assert cells(table, "y") == ["b", "c"]


@pytest.mark.parametrize("marker", sorted(MISSING))
def test_missing_markers(tmp_path: Path, marker: str) -> None:
    table = read_table(write(tmp_path, f"x,g,k\n1,{marker},0\n{marker},a,0\n"))
    assert cells(table, "x") == [1, None]
    assert cells(table, "g") == [None, "a"]


def test_other_markers_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "g,h\na,1\n?,?\n")
    assert cells(read_table(path), "g") == ["a", "?"]
    more = read_table(path, missing=MISSING | {"?"})
    assert cells(more, "g") == ["a", None]
    assert cells(more, "h") == [1, None]


def test_only_the_columns_asked_for_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c\n1,2,3\n")
    assert list(read_table(path, ["c", "a", "c"]).columns) == ["a", "c"]
    with pytest.raises(ValueError, match=r"t\.csv has no column 'cc'; did you mean 'c'\?.*a, b, c"):
        read_table(path, ["a", "cc"])


def test_columns_not_asked_for_are_not_judged(tmp_path: Path) -> None:
    path = write(tmp_path, "a;b\n1;2,5\n")
    assert cells(read_table(path, ["a"]), "a") == [1]
    with pytest.raises(ReadError, match="decimal commas"):
        read_table(path)


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    text = (DATA / "birthwt.csv").read_bytes()
    packed = read_table(write(tmp_path, gzip.compress(text), "anything.dat"))
    plain = read_table(DATA / "birthwt.csv")
    assert packed.n_rows == 189
    for name in plain.columns:
        np.testing.assert_array_equal(packed[name].values, plain[name].values)


def test_parquet_holds_what_csv_holds(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_csv(DATA / "titanic_passengers.csv", null_values="NA")
    frame.write_parquet(tmp_path / "t.parquet")
    plain = read_table(DATA / "titanic_passengers.csv")
    table = read_table(tmp_path / "t.parquet", ["age", "sex"])
    assert list(table.columns) == ["sex", "age"]
    assert cells(table, "sex") == cells(plain, "sex")
    np.testing.assert_array_equal(table["age"].values, plain["age"].values)


@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [
        (["1", "2.50"], ["x", "3"], ["1", "2.50", "x", "3"]),
        (["true", "FALSE"], ["1", "no"], ["true", "FALSE", "1", "no"]),
        (["1", "2"], ["0.5", "NA"], [1.0, 2.0, 0.5, None]),
        (["NA", ""], ["b", "a"], [None, None, "b", "a"]),
        (["NA", ""], ["true", "false"], [None, None, 1, 0]),
        (["b", "a"], ["NA", "c"], ["b", "a", None, "c"]),
        (["10", "2"], ["007", "2"], ["10", "2", "007", "2"]),
    ],
)
def test_chunks_agree_with_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: list[str], late: list[str], expected: list[object]
) -> None:
    path = write(tmp_path, "\n".join(["x,k", *(f"{cell},0" for cell in early + late)]))
    whole = read_table(path)["x"]
    monkeypatch.setattr(read, "ROWS_AT_A_TIME", 2)
    table = read_table(path)
    assert cells(table, "x") == expected
    assert (table["x"].kind, table["x"].levels) == (whole.kind, whole.levels)


def test_progress_tells_the_share_read(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y\n" + "1.25,2\n" * 400_000)
    told: list[float] = []
    read_table(path, ["x"], progress=told.append)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == 1.0


MANY = "".join(f"{k}.5,{k % 2}\n" for k in range(60))

UNREADABLE = {
    "empty": (b"", "t.csv is empty"),
    "blank": (b"\n\n", "t.csv is empty"),
    "header only": (b"x,y\n", "no rows below it"),
    "ragged, short": (b'x,y\n1,2\n"a\nb",2\n3\n', "line 5 of t.csv has 1 cell, but the header names 2 columns"),
    "ragged, long": (b"x,y\n1,2\n\n1,2,3\n", "line 4 of t.csv has 3 cells"),
    "duplicate": (b"x, x\n1,2\n", "more than one column named 'x'"),
    "not UTF-8": ("x,y\n1,café\n".encode("latin-1"), "not UTF-8 text .byte 0xe9."),
    "UTF-16": ("x,y\n1,2\n".encode("utf-16"), "not text"),
    "binary": (bytes(range(256)) * 10, "not text"),
    "open quote": (b'x,y\n1,"2\n', "cannot be read as CSV beyond line 2"),
    "after quote": (b'x,y\n1,"2"3\n', "cannot be read as CSV beyond line 2"),
    "long field": (b"x,y\n1," + b"a" * (1 << 21), "field larger than field limit"),
    "long line": (b"x,y\n" + b"1," * (1 << 24), "a line of more than"),
    "cut gzip": (gzip.compress(b"x,y\n1,2\n" * 1000)[:40], "damaged gzip file"),
    "wrong gzip": (gzip.compress(b"x,y\n1,2\n")[:-8] + b"abcdefgh", "damaged gzip file"),
    "not quite gzip": (b"\x1f\x8bhello", "damaged gzip file"),
    "not quite Parquet": (b"PAR1 and nothing else", "damaged Parquet file"),
    "decimal commas": (b"x;y\n1,5;0\n2,5;1\n", "column 'x' of t.csv is written with decimal commas"),
    "decimal commas and whole numbers": (b"x;y\n2;0\n2,5;1\n", "decimal commas .'2,5'."),
    "thousands": (b'x,y\n"1,000",0\n950,1\n', "'x' of t.csv is written with separators of thousands .'1,000'."),
    "word among numbers": (
        ("x,y\n" + MANY + "?,1\n").encode(),
        r"column 'x' of t.csv holds numbers, but '\?' in 1 row",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(tmp_path: Path, name: str) -> None:
    content, sentence = UNREADABLE[name]
    with pytest.raises(ReadError, match=sentence) as caught:
        read_table(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="there is no file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(ReadError, match="is a directory"):
        read_table(tmp_path)
    with pytest.raises(ReadError, match="is not a Parquet file"):
        read_table(write(tmp_path, "x,y\n1,2\n", "t.parquet"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(ReadError, match=r'pip install "berkson\[parquet\]"'):
        read_table(write(tmp_path, b"PAR1....PAR1", "t.parquet"))


def test_codes_with_letters_are_no_misread_numbers(tmp_path: Path) -> None:
    # 60 ticket numbers and A17: a factor, since the odd one is a code too
    path = write(tmp_path, "x,y\n" + MANY + "A17,1\n")
    assert read_table(path)["x"].kind == "factor"


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "UNSUSPECTED", 1 << 17)  # bytes; the real limit takes a minute to reach
    bomb = write(tmp_path, gzip.compress(b"x\n" + b"0\n" * (1 << 18)), "bomb.csv.gz")
    assert bomb.stat().st_size * read.GROWTH["gzip"] < 2 << 18
    with pytest.raises(ReadError, match="unpacks to more than 200 times its size"):
        read_table(bomb)
    rng = np.random.default_rng(0)
    honest = "x\n" + "\n".join(map(str, rng.random(20_000)))
    assert read_table(write(tmp_path, gzip.compress(honest.encode()), "t.csv.gz")).n_rows == 20_000


def test_a_parquet_bomb_is_not_unpacked(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"x": np.zeros(20_000_000)}), tmp_path / "bomb.parquet")
    with pytest.raises(ReadError, match="unpacks to more than 1000 times its size"):
        read_table(tmp_path / "bomb.parquet")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet="xy,;\t\n\r\"'01.5-eNA ?é\x00\ufeff", max_size=80).map(str.encode),
        st.binary(max_size=60).map(gzip.compress),
        st.binary(max_size=60).map(lambda tail: b"\x1f\x8b\x08" + tail),
    )
)
def test_whatever_a_file_holds_it_is_a_table_or_one_sentence(scratch: Path, content: bytes) -> None:
    path, sentence = write(scratch, content), ""
    try:
        table = read_table(path)
        assert all(len(column.values) == table.n_rows > 0 for column in table.columns.values())
    except ValueError as error:
        sentence = str(error)
    assert "\n" not in sentence
