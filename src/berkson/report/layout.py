"""Laying out a report: paragraphs and a grid, the same text on a terminal and in a pipe.

On a terminal lines are folded to its width and coloured (by rich, which knows NO_COLOR); elsewhere nothing is folded.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

Style = Literal["plain", "title", "heading", "quiet", "good", "bad"]
Span = tuple[str, Style]

# Bold and the basic colours only: they follow the palette of a terminal, light or dark.
_RICH = {"plain": "", "title": "bold", "heading": "bold", "quiet": "dim", "good": "green", "bad": "red"}
_WIDEST, _NARROWEST = 110, 40  # characters of a line on a terminal
_NAME, _REMARK = 12, 26  # characters that a name gets in any case, and a remark where names are long


@dataclass(frozen=True)
class Paragraph:
    text: str
    style: Style = "plain"


@dataclass(frozen=True)
class Row:
    """A name, numbers as text (set on their decimal points), and a remark."""

    name: str
    numbers: tuple[str, ...] = ()
    remark: str = ""
    style: Style = "plain"


@dataclass(frozen=True)
class Grid:
    """Rows under headings: one for the names, one for each column of numbers.

    spare : numbers of headings whose columns are left out, in this order and together where they stand together, where
    a terminal is too narrow.
    """

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    spare: tuple[tuple[int, ...], ...] = ()


Block = Paragraph | Grid


def significant(value: float) -> str:
    """A number to four significant digits: 0.3325, -0.02248, 12.35, 1234, 1.235e-07."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else f"{value:+.0f}"
    size = abs(float(f"{value:.3e}"))
    if size == 0.0:
        return "0"
    if not 1e-4 <= size < 1e6:
        return f"{value:.3e}"
    return f"{value:.{max(0, 3 - math.floor(math.log10(size)))}f}"


def exponential(value: float) -> str:
    """e^value to four significant digits, beyond the range of doubles too; where these would read 1, with as
    many decimals as tell on which side of 1 it lies: 0.99999."""
    if 1e-9 < abs(value) < 5e-4:
        distance = math.expm1(value)
        return f"{1.0 + distance:.{-math.floor(math.log10(abs(distance)))}f}"
    if not math.isfinite(value) or abs(value) < 700.0:
        return "inf" if value == math.inf else significant(math.exp(value))
    power, rest = divmod(value / math.log(10.0), 1.0)
    return f"{10.0**rest:.3f}e{power:+.0f}"


def probability(value: float) -> str:
    """A p-value: three decimals (four where three would not tell on which side of 0.05 it lies), or <0.001."""
    if value < 0.001:
        return "<0.001"
    shown = f"{value:.3f}"
    return f"{value:.4f}" if shown == "0.050" else shown


def clean(text: str) -> str:
    """Text of a stranger on one line: what is not printable, such as the start of a terminal's command, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def width_of(text: str) -> int:
    """Cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def lines(blocks: Sequence[Block], width: int | None = None) -> Iterator[list[Span]]:
    """The lines of a report as styled spans; folded to `width` where one is given.  An empty line between blocks."""
    for k, block in enumerate(blocks):
        if k and (isinstance(block, Grid) or isinstance(blocks[k - 1], Grid)):
            yield []
        if isinstance(block, Paragraph):
            yield from ([(line, block.style)] for line in _fold(clean(block.text), width))
        else:
            yield from _grid(block, width)


def _fold(text: str, width: int | None, indent: str = "  ") -> list[str]:
    if width is None or width_of(text) <= width:
        return [text]
    from textwrap import wrap

    return wrap(text, width, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _grid(grid: Grid, width: int | None) -> Iterator[list[Span]]:
    columns = [[row.numbers[k] if row.numbers else "" for row in grid.rows] for k in range(len(grid.headings) - 1)]
    set_columns = [_on_points(column, grid.headings[k + 1]) for k, column in enumerate(columns)]
    if width is not None:
        set_columns = _fitting(grid, set_columns, width - _NAME)
    title, names = clean(grid.headings[0]), [clean(row.name) for row in grid.rows]
    first = max(map(width_of, [title, *names]))
    taken = sum(2 + width_of(column[0]) for column in set_columns)
    remarks = [clean(row.remark) for row in grid.rows]
    left = None
    if width is not None:
        wanted = min(_REMARK, max((2 + width_of(remark) for remark in remarks if remark), default=0))
        first = _room([title, *names], (width - taken - wanted, width - taken))
        left = width - first - taken - 2
    heading = _pad(_shorten(title, first), first) + "".join("  " + column[0] for column in set_columns)
    yield [(heading.rstrip(), "heading")]
    for k, row in enumerate(grid.rows):
        cells = "".join("  " + column[k + 1] for column in set_columns)
        short = _pad(_shorten(names[k], first), first)
        remark = "" if left is not None and left < _NAME else _shorten(remarks[k], left)
        if remark:
            yield [(short + cells + "  ", row.style), (remark, "quiet" if row.style == "plain" else row.style)]
        else:
            yield [((short + cells).rstrip(), row.style)]


def _fitting(grid: Grid, columns: list[list[str]], width: int) -> list[list[str]]:
    """The columns without those that can be spared, where all of them are too wide."""
    gone: set[int] = set()
    for k in grid.spare:
        if sum(2 + width_of(column[0]) for j, column in enumerate(columns, 1) if j not in gone) <= width:
            break
        gone.update(k)
    return [column for j, column in enumerate(columns, 1) if j not in gone]


def _room(names: list[str], widths: tuple[int, ...]) -> int:
    """The first of some widths at which different names stay different; else that of the longest name."""
    longest = max(map(width_of, names))
    for width in (min(longest, max(_NAME, width)) for width in widths):
        if len({_shorten(name, width) for name in names}) == len(set(names)):
            return width
    return longest


def _pad(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _shorten(text: str, width: int | None) -> str:
    """The two ends of a text that is too long."""
    if width is None or width_of(text) <= width:
        return text
    half = (width - 1) // 2
    return text[: width - 1 - half] + "…" + text[len(text) - half :]


def _on_points(column: list[str], heading: str) -> list[str]:
    """Heading and numbers, equally wide, decimal points above each other; words such as inf end at the right."""
    numeric = [text[-1:].isdigit() for text in column]
    split = [text.partition(".") for text in column]
    right = max((len(mid + tail) for (_, mid, tail), n in zip(split, numeric, strict=True) if n), default=0)
    placed = [
        head + (mid + tail).ljust(right) if n else text
        for text, (head, mid, tail), n in zip(column, split, numeric, strict=True)
    ]
    width = max(map(len, [heading, *placed]))
    return [text.rjust(width) for text in [heading, *placed]]


def show(blocks: Sequence[Block], file: TextIO) -> None:
    """Print a report."""
    if not file.isatty() or os.environ.get("TERM") == "dumb":
        for line in lines(blocks):
            file.write("".join(text for text, _ in line).rstrip() + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    for line in lines(blocks, max(_NARROWEST, min(console.width, _WIDEST))):
        console.print(Text.assemble(*((text, _RICH[style]) for text, style in line)), soft_wrap=True)
