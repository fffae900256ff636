"""A report as a page: plain text, HTML for notebooks, Markdown and LaTeX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape

from berkson.report.layout import Block, Grid, Paragraph, Row, clean, lines

_CSS = """\
.berkson{font:14px/1.45 system-ui,sans-serif;max-width:72em}
.berkson p{margin:.25em 0}
.berkson .title{font-weight:600;font-family:ui-monospace,monospace}
.berkson .quiet{opacity:.65}
.berkson .good{color:#1a7f37}
.berkson .bad{color:#b3261e}
.berkson table{border-collapse:collapse;margin:.7em 0;font-variant-numeric:tabular-nums}
.berkson th,.berkson td{padding:.2em .7em;border:0;text-align:right;background:none;white-space:nowrap}
.berkson th:first-child,.berkson td:first-child,.berkson td.remark{text-align:left}
.berkson td.remark{opacity:.65;white-space:normal}
.berkson thead th{font-weight:600;border-bottom:1px solid currentColor}
.berkson tbody tr:last-child td{border-bottom:1px solid currentColor}
.berkson td.level{padding-left:2em}
"""


@dataclass(frozen=True, repr=False)
class Page:
    """A report: `print` gives text, a notebook shows it as HTML."""

    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in line).rstrip() for line in lines(self.blocks))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """A fragment with its own style; text of the data is escaped."""
        body = "\n".join(_html(block) for block in self.blocks)
        return f'<div class="berkson">\n<style>\n{_CSS}</style>\n{body}\n</div>\n'

    def to_markdown(self) -> str:
        """Paragraphs and pipe tables."""
        return "\n\n".join(_markdown(block) for block in self.blocks) + "\n"

    def to_latex(self) -> str:
        """Paragraphs and tabulars, which need no packages."""
        return "\n\n".join(_latex(block) for block in self.blocks) + "\n"


class Shown(ABC):
    """What is shown by its summary: as text by `print`, as HTML by a notebook."""

    @abstractmethod
    def summary(self) -> Page: ...

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().to_html()


def _cells(grid: Grid, row: Row) -> list[str]:
    """Name, numbers (none are empty) and, where any row has one, the remark."""
    numbers = row.numbers or ("",) * (len(grid.headings) - 1)
    return [*map(clean, (row.name, *numbers)), *([clean(row.remark)] if _remarked(grid) else [])]


def _headings(grid: Grid) -> list[str]:
    return [*map(clean, grid.headings), *([""] if _remarked(grid) else [])]


def _remarked(grid: Grid) -> bool:
    return any(row.remark for row in grid.rows)


def _is_level(row: Row) -> bool:
    return row.name.startswith("  ")


# --- HTML -----------------------------------------------------------------------------------------------------------


def _html(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f'<p class="{block.style}">{escape(clean(block.text))}</p>'
    head = "".join(f"<th>{escape(text)}</th>" for text in _headings(block))
    rows = "\n".join(_html_row(block, row) for row in block.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _html_row(grid: Grid, row: Row) -> str:
    name, *others = map(escape, _cells(grid, row))
    remark = f'<td class="remark">{others.pop()}</td>' if _remarked(grid) else ""
    first = f'<td class="level">{name.strip()}</td>' if _is_level(row) else f"<td>{name}</td>"
    style = f' class="{row.style}"' if row.style != "plain" else ""
    return f"<tr{style}>{first}" + "".join(f"<td>{text}</td>" for text in others) + remark + "</tr>"


# --- Markdown -------------------------------------------------------------------------------------------------------


def _markdown(block: Block) -> str:
    if isinstance(block, Paragraph):
        text = _plain_markdown(clean(block.text))
        return f"**{text}**" if block.style == "title" else text
    headings = _headings(block)
    rule = ["---", *("---:" for _ in block.headings[1:]), *("---" for _ in headings[len(block.headings) :])]
    table = [headings, rule, *(_cells(block, row) for row in block.rows)]
    return "\n".join("| " + " | ".join(_markdown_cell(text) for text in line) + " |" for line in table)


def _markdown_cell(text: str) -> str:
    shown = _plain_markdown(text.strip())
    return "&nbsp;&nbsp;" + shown if text.startswith("  ") else shown


def _plain_markdown(text: str) -> str:
    """Text without the marks of Markdown and HTML."""
    return "".join(f"\\{c}" if c in "\\`*_[]|~$#" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(c, c) for c in text)


# --- LaTeX ----------------------------------------------------------------------------------------------------------

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "²": r"$^2$",
    "χ": r"$\chi$",
    "…": r"\ldots{}",
    "`": r"\textasciigrave{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def _latex(block: Block) -> str:
    if isinstance(block, Paragraph):
        text = _plain_latex(block.text)
        return rf"\noindent\textbf{{{text}}}" if block.style == "title" else rf"\noindent {text}"
    columns = "l" + "r" * (len(block.headings) - 1) + "l" * _remarked(block)
    lines = [_latex_line(_headings(block)), r"\hline", *(_latex_line(_cells(block, row)) for row in block.rows)]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\hline", *lines, r"\hline", r"\end{tabular}"])


def _latex_line(cells: list[str]) -> str:
    return " & ".join(_latex_cell(text) for text in cells) + r" \\"


def _latex_cell(text: str) -> str:
    shown = _plain_latex(text.strip())
    if shown[:1] == "-" and shown[1:2].isdigit():
        return f"${shown}$"  # a minus, not a hyphen
    return r"\quad " + shown if text.startswith("  ") else shown


def _plain_latex(text: str) -> str:
    """Two hyphens stay two: LaTeX makes a dash of them."""
    return "".join(_LATEX.get(c, c) for c in clean(text)).replace("--", "-{}-")
