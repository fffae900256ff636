"""Pages: a summary as text, HTML, Markdown and LaTeX, with the same numbers and without a stranger's code."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from berkson import logit
from berkson.report.layout import Grid, Paragraph, Row, probability
from berkson.report.page import Page

DATA = Path(__file__).parent / "data"
VOID = {"br", "meta"}


class Outline(HTMLParser):
    """Tags must close in order; the cells of tables are collected."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"div", "style", "p", "table", "thead", "tbody", "tr", "th", "td"}
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def births() -> Page:
    return logit("low ~ age + lwt + C(race) + smoke", pd.read_csv(DATA / "birthwt.csv")).summary()


def cells_of_text(page: Page) -> set[str]:
    """Numbers in the table of the text."""
    table = str(page).split("\n\n")[1]
    return set(re.findall(r"(?<![\w.])<?-?\d+\.\d+", table))


def test_every_form_has_the_numbers_of_the_text() -> None:
    page = births()
    expected = cells_of_text(page)
    assert len(expected) > 35
    html = {cell for row in Outline(page.to_html()).rows for cell in row}
    assert expected <= html
    markdown = {cell.strip().replace("&lt;", "<") for cell in page.to_markdown().replace("\\", "").split("|")}
    assert expected <= markdown
    latex = {re.sub(r"[$\\]|\\textless\{\}", "", cell.strip()) for cell in re.split(r"&|\\\\\n", page.to_latex())}
    assert {number for number in expected if "<" not in number} <= latex
    assert page._repr_html_() == page.to_html()
    assert repr(page) == str(page)


def test_levels_are_indented_under_their_factor() -> None:
    page = births()
    assert "<tr><td>C(race)</td>" in page.to_html()
    assert '<td class="level">2</td>' in page.to_html()
    assert "| &nbsp;&nbsp;2 | 1.232 |" in page.to_markdown()
    assert r"\quad 2 & 1.232 &" in page.to_latex()


@pytest.mark.parametrize(
    ("formula", "name", "remark"),
    [
        ("low ~ smoke * C(race)", "smoke", "per unit of smoke, where race = 1"),
        ("low ~ smoke * C(race)", "  3", "against 1, where smoke = 0"),
        ("low ~ smoke * C(race)", "smoke:C(race)[3]", "ratio of odds ratios"),
        ("low ~ smoke * C(race) * age", "smoke", "per unit of smoke, where race = 1 and age = 0"),
        ("low ~ smoke * C(race) * age", "smoke:C(race)[2]", "ratio of odds ratios, where age = 0"),
        ("low ~ C(race) / age", "  2", "against 1, where age = 0"),
        ("low ~ C(race) / age", "C(race)[2]:age", "per unit of age in this group"),
        ("low ~ 0 + C(race) * scale(age)", "  2", "where scale(age) = 0"),
        ("low ~ smoke * ns(age, 2)", "smoke", "per unit of smoke, see its interactions"),
        ("low ~ smoke * C(race, sum)", "smoke", "per unit of smoke, see its interactions"),
    ],
)
def test_what_a_coefficient_is_where_it_takes_part_in_interactions(formula: str, name: str, remark: str) -> None:
    text = str(logit(formula, pd.read_csv(DATA / "birthwt.csv")).summary())
    (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
    assert re.fullmatch(r"[-<>\d.e+ ]*" + re.escape(remark), line[len(name) :].rstrip())


def test_tables_are_rectangular() -> None:
    page = births()
    rows = Outline(page.to_html()).rows
    assert {len(row) for row in rows} == {9}
    lines = [line for line in page.to_markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {10}
    latex = page.to_latex()
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", latex)
    body = latex[latex.index(r"\begin{tabular}") :].splitlines()
    assert {line.count(" & ") for line in body if line.endswith(r"\\")} == {len(columns) - 1}


def test_text_of_the_data_is_no_code() -> None:
    wicked = "<script>alert(1)</script>|$x_1$ & \\input{a}\x1b[31m"
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"y": rng.integers(0, 2, 80), wicked: rng.normal(size=80), "g": ["a", wicked] * 40})
    page = logit("y ~ . ", table).summary()
    html = page.to_html()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    Outline(html)
    markdown = page.to_markdown()
    assert "<script" not in markdown
    for line in markdown.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 10
    latex = page.to_latex()
    assert r"\input" not in latex
    assert r"\textbackslash{}input\{a\}" in latex
    for text in (html, markdown, latex, str(page)):
        assert "\x1b" not in text


def test_a_page_is_made_of_any_blocks() -> None:
    page = Page((Paragraph("100 % & more", "title"), Grid(("", "v"), (Row("a", ("-1.5",)), Row("b")))))
    assert page.to_markdown() == "**100 % &amp; more**\n\n|  | v |\n| --- | ---: |\n| a | -1.5 |\n| b |  |\n"
    assert page.to_latex() == (
        "\\noindent\\textbf{100 \\% \\& more}\n\n\\begin{tabular}{lr}\n\\hline\n & v \\\\\n\\hline\n"
        "a & $-1.5$ \\\\\nb &  \\\\\n\\hline\n\\end{tabular}\n"
    )
    assert '<p class="title">100 % &amp; more</p>' in page.to_html()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "<0.001"),
        (0.00099999, "<0.001"),
        (0.001, "0.001"),
        (0.0123456, "0.012"),
        (0.04982, "0.0498"),  # three decimals would say 0.050
        (0.05, "0.0500"),
        (0.05049, "0.0505"),
        (0.0506, "0.051"),
        (1.0, "1.000"),
    ],
)
def test_p_values(value: float, shown: str) -> None:
    assert probability(value) == shown
