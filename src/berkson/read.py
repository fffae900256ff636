"""Tables from files: CSV and TSV, gzipped or not, and Parquet.

Files come from strangers: what is read is bounded (length of a line, of a field, growth when unpacked), and what cannot
be read is refused in one sentence that names the file and the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from berkson.table import Column, Table, column_from_text, from_frame, listing

Array = npt.NDArray[Any]
Progress = Callable[[float], None]  # told the share of the file that has been read

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL"})

ROWS_AT_A_TIME = 4096  # are held as text (few, so that they stay near the processor), then as numbers and codes
LONGEST_FIELD = 1 << 20  # characters
LONGEST_LINE = 1 << 24  # bytes: a header of a million short names fits
MOST_COLUMNS = 100_000
GROWTH = {"gzip": 200, "Parquet": 1000}  # largest ratio of unpacked to packed bytes; real tables stay under 50
UNSUSPECTED = 1 << 26  # bytes that may be unpacked from whatever little
BLOCK = 1 << 20  # bytes
MEASUREMENT, FEW_WORDS = 50, 3  # distinct numbers that no category has; words among them that may mean missing
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DIGIT = re.compile(r"[0-9]")


class ReadError(ValueError):
    """A file that is no table, in one sentence."""


def read_table(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    missing: frozenset[str] = MISSING,
    progress: Progress | None = None,
) -> Table:
    """The table that a file holds.

    Text: UTF-8, with or without a byte-order mark, gzipped or not.  The first line names the columns; the separator is
    whichever of comma, semicolon and tab it holds most of.  Quotes and spaces after a separator are as usual in CSV;
    blank lines are skipped, and so are columns without a name (row numbers, a trailing separator).  Cells in `missing`
    are missing (by default `?` is not: it is a level).  A column is numbers, true/false or a factor; see
    `table.column_from_text`.  Parquet needs pyarrow.

    columns : those to read (None: all); each must be there.
    progress : called now and then with the share of the file read, 0 to 1.
    Raises ReadError, or ValueError where a column is absent or holds what no model can use.
    """
    file = Path(path)
    name = file.name or str(path)
    try:
        if file.is_dir():
            raise ReadError(f"{name} is a directory; name a file in it")
        reading = _Reading(file, name, columns, missing, progress)
        table, mixed = reading.read(frozenset())
        if mixed and not file.is_file():
            raise ReadError(f"column '{mixed[0]}' of {name} turns from numbers to text midway; save the data as a file")
        return reading.read(frozenset(mixed))[0] if mixed else table
    except FileNotFoundError:
        raise ReadError(f"there is no file {path}; check the name and the directory") from None
    except gzip.BadGzipFile as error:
        raise ReadError(f"{name} is a damaged gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise ReadError(f"{name} cannot be read: {error.strerror or error}") from None


@dataclass(frozen=True)
class _Reading:
    """What is to be read of which file."""

    file: Path
    name: str
    columns: Sequence[str] | None
    missing: frozenset[str]
    progress: Progress | None

    def read(self, as_text: frozenset[str]) -> tuple[Table, list[str]]:
        """The table, and the columns that must be read again as text because only some of their chunks are numbers."""
        with self.file.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            magic = raw.peek(4)[:4]
            if magic == b"PAR1" or self.file.suffix.lower() in (".parquet", ".pq"):
                return _read_parquet(raw, magic, size, self.columns, self.name), []
            guard = _Guard(raw, magic[:2] == b"\x1f\x8b", size, self.name, self.progress)
            return self.text(io.TextIOWrapper(io.BufferedReader(guard, BLOCK), "utf-8-sig", newline=""), as_text)

    def text(self, text: io.TextIOWrapper, as_text: frozenset[str]) -> tuple[Table, list[str]]:
        csv.field_size_limit(LONGEST_FIELD)
        line = 1
        try:
            head = text.readline()
            delimiter = _delimiter(head)
            rows = csv.reader(chain([head], text), delimiter=delimiter, skipinitialspace=True, strict=True)
            header = _header(next(rows, []), self.name)
            wanted = _wanted(header, self.columns, self.name)
            place = {column: k for k, column in enumerate(header)}
            parts = [_Parts(column, self.missing, column in as_text) for column in wanted]
            n_rows, line = 0, rows.line_num + 1
            while chunk := list(islice(rows, ROWS_AT_A_TIME)):
                chunk = _even(chunk, len(header), line, self.name)
                n_rows, line = n_rows + len(chunk), rows.line_num + 1
                for part in parts:
                    part.add(list(map(itemgetter(place[part.name]), chunk)))
        except UnicodeDecodeError as error:
            raise ReadError(
                f"{self.name} is not UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as UTF-8, "
                "for example with: iconv -f latin1 -t utf-8"
            ) from None
        except csv.Error as error:
            raise ReadError(f"{self.name} cannot be read as CSV beyond line {line}: {error}") from None
        if n_rows == 0:
            raise ReadError(f"{self.name} has a line of column names, but no rows below it")
        found = {part.name: part.whole() for part in parts}
        done = {name: column for name, column in found.items() if column is not None}
        for column in done.values():
            _refuse_misread(column, delimiter, self.name)
        return Table(done, n_rows, self.name), [name for name in found if name not in done]


# --- text -----------------------------------------------------------------------------------------------------------


class _Guard(io.RawIOBase):
    """The bytes of a file, unpacked, as long as they look like a table's."""

    def __init__(self, raw: BinaryIO, packed: bool, size: int, name: str, progress: Progress | None) -> None:
        self.raw, self.packed, self.size, self.name, self.progress = raw, packed, size, name, progress
        self.source = gzip.GzipFile(fileobj=raw) if packed else raw
        self.passed = 0
        self.line = 0  # bytes since the last line end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            block = self.source.read(len(buffer))
        except (EOFError, zlib.error) as error:
            raise ReadError(f"{self.name} is a damaged gzip file ({error}); fetch it again") from None
        buffer[: len(block)] = block
        self.passed += len(block)
        last = block.rfind(b"\n")
        self.line = self.line + len(block) if last < 0 else len(block) - last - 1
        if b"\0" in block:
            raise ReadError(
                f"{self.name} is not text (it holds zero bytes); CSV, TSV, gzipped or not, and Parquet are read"
            )
        if self.line > LONGEST_LINE:
            raise ReadError(f"{self.name} has a line of more than {LONGEST_LINE:,} bytes; it is no table of rows")
        read = self.raw.tell() if self.raw.seekable() else self.passed
        if self.packed and self.passed > max(UNSUSPECTED, GROWTH["gzip"] * read):
            raise ReadError(
                f"{self.name} unpacks to more than {GROWTH['gzip']} times its size, as no real table does; "
                "unpack it yourself if you trust it"
            )
        if self.progress and self.size:
            self.progress(read / self.size)
        return len(block)


def _delimiter(head: str) -> str:
    """The separator that a header line holds most of, outside quotes; a comma where it holds none."""
    bare = re.sub(r'"[^"]*"', "", head)
    return max(",;\t", key=bare.count)


def _header(header: list[str], name: str) -> list[str]:
    if not any(header):
        raise ReadError(f"{name} is empty; a line of column names and rows below it are needed")
    if len(header) > MOST_COLUMNS:
        raise ReadError(f"{name} has {len(header):,} columns; {MOST_COLUMNS:,} are the limit")
    header = [column.strip() for column in header]
    seen: set[str] = set()
    for column in filter(None, header):
        if column in seen:
            raise ReadError(f"{name} has more than one column named '{listing([column])}'; rename all but one of them")
        seen.add(column)
    return header


def _wanted(header: list[str], columns: Sequence[str] | None, name: str) -> list[str]:
    """The columns to read in the file's order; ValueError, with the nearest name, where one is not there."""
    known = Table({column: Column(column, "number", np.empty(0)) for column in header if column}, 0, name)
    if columns is None:
        return list(known.columns)
    chosen = {known[column].name for column in columns}
    return [column for column in header if column in chosen]


def _even(chunk: list[list[str]], width: int, first: int, name: str) -> list[list[str]]:
    """The rows without blank lines; ReadError, with its line, for one that is too short or too long."""
    lengths = set(map(len, chunk))
    if lengths == {width}:
        return chunk
    line = first
    for row in chunk:
        if row and len(row) != width:
            raise ReadError(
                f"line {line} of {name} has {_count(len(row), 'cell')}, but the header names {_count(width, 'column')}"
                "; correct the line (a cell that holds the separator needs quotes)"
            )
        line += 1 + sum(cell.count("\n") for cell in row)
    return [row for row in chunk if row]


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


# --- columns ---------------------------------------------------------------------------------------------------------


class _Parts:
    """A column in the making, a chunk of rows at a time."""

    def __init__(self, name: str, missing: frozenset[str], as_text: bool) -> None:
        self.name, self.missing, self.as_text = name, missing, as_text
        self.parts: list[Column] = []

    def add(self, cells: list[str]) -> None:
        if not self.as_text:
            self.parts.append(column_from_text(self.name, cells, self.missing))
            return
        levels = sorted(set(cells) - self.missing)
        codes = dict.fromkeys(self.missing, -1) | {level: code for code, level in enumerate(levels)}
        values = np.fromiter(map(codes.__getitem__, cells), np.int32, len(cells))
        self.parts.append(Column(self.name, "factor", values, tuple(levels)))

    def whole(self) -> Column | None:
        """The column; None where some chunks are numbers and others text, so that all must be read as text."""
        kinds = {part.kind for part in self.parts if part.kind != "number" or not part.missing().all()}
        if len(kinds) > 1:
            return None
        if kinds <= {"number"}:
            return Column(self.name, "number", np.concatenate([part.values for part in self.parts]))
        if kinds == {"boolean"}:
            truths = [part.values if part.kind == "boolean" else _absent(part) for part in self.parts]
            return Column(self.name, "boolean", np.concatenate(truths))
        levels = tuple(sorted({level for part in self.parts for level in part.levels}))
        code = {level: k for k, level in enumerate(levels)}
        values = [
            np.array([*map(code.__getitem__, part.levels), -1], np.int32)[part.values]
            if part.kind == "factor"
            else _absent(part)
            for part in self.parts
        ]
        return Column(self.name, "factor", np.concatenate(values), levels)


def _absent(part: Column) -> Array:
    """Codes of a chunk in which every cell is missing."""
    return np.full(len(part.values), -1, np.int8)


def _refuse_misread(column: Column, delimiter: str, name: str) -> None:
    """ReadError for numbers that would pass as a factor: written with commas, or with a word among them."""
    if column.kind != "factor" or not column.levels:
        return
    words = [level for level in column.levels if not _NUMBER.fullmatch(level)]
    if delimiter != "," and words and all(map(_DECIMAL_COMMA.fullmatch, words)):
        raise ReadError(
            f"column '{column.name}' of {name} is written with decimal commas ('{words[0]}'); write decimal points"
        )
    if words and all(map(_THOUSANDS.fullmatch, words)):
        raise ReadError(
            f"column '{column.name}' of {name} is written with separators of thousands ('{words[0]}'); leave them out"
        )
    if len(words) <= FEW_WORDS and len(column.levels) > MEASUREMENT and not any(map(_DIGIT.search, words)) and words:
        codes = [column.levels.index(word) for word in words]
        rows = int(np.isin(column.values, codes).sum())
        raise ReadError(
            f"column '{column.name}' of {name} holds numbers, but '{listing(words)}' in {_count(rows, 'row')}; leave "
            f"such cells empty, or say that it means missing (in the command: --na '{words[0]}')"
        )


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _read_parquet(raw: BinaryIO, magic: bytes, size: int, columns: Sequence[str] | None, name: str) -> Table:
    if magic != b"PAR1":
        raise ReadError(f"{name} is not a Parquet file (it does not begin with PAR1)")
    try:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]
        from pyarrow import parquet
    except ImportError:
        raise ReadError(f'{name} needs pyarrow to be read: pip install "berkson[parquet]"') from None
    try:
        file = parquet.ParquetFile(raw)
        header = _header(list(file.schema_arrow.names), name)
        wanted = _wanted(header, columns, name)
        n_rows = file.metadata.num_rows
        if n_rows == 0:
            raise ReadError(f"{name} has no rows")
        if 8 * n_rows * len(wanted) > max(UNSUSPECTED, GROWTH["Parquet"] * size):
            raise ReadError(
                f"{name} unpacks to more than {GROWTH['Parquet']} times its size, as no real table does; "
                "write it without compression if you trust it"
            )
        data = file.read(columns=wanted)
    except pyarrow.ArrowException as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError(f"{name} is a damaged Parquet file: {first}") from None
    return from_frame(data, source=name)
