"""Figures: what is drawn stands where the numbers say, in well-formed SVG without a stranger's code."""

from __future__ import annotations

import builtins
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import cross_validate, path
from berkson.logistic.paths import LogitCrossValidation, LogitPath
from berkson.report.figure import Figure
from berkson.report.panels import Axis, Cells, End, Line, Panel, Points, Rule, Spans, Text, axis, ticks
from berkson.report.svg import LEFT, LINE, apart

DATA = Path(__file__).parent / "data"
SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "style", "rect", "g", "title", "path", "line", "polyline", "circle", "text"}


def parsed(figure: Figure) -> ET.Element:
    """Well-formed, of known elements, with no reference to anything elsewhere."""
    text = figure.svg()
    root = ET.fromstring(text)
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= TAGS
    for node in root.iter():
        assert not [name for name in node.attrib if name.startswith("on") or "href" in name]
    assert "url(" not in text
    return root


def texts(root: ET.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def inner(root: ET.Element) -> ET.Element:
    """The first panel's marks."""
    return next(node for node in root.iter(f"{SVG}svg") if node is not root)


def one(*marks: Any, **options: Any) -> Figure:
    unit = Axis("x", 0.0, 10.0, ((0.0, "0"), (10.0, "10")))
    return Figure("title", (Panel(unit, Axis("y", 0.0, 1.0, ()), marks, height=100, **options),))


# --- axes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (-0.31, 0.29, ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2"]),
        (0.0, 1234.0, ["0", "500", "1000"]),
        (-3e7, 3e7, ["−3e+07", "−2e+07", "−1e+07", "0", "1e+07", "2e+07", "3e+07"]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[str]) -> None:
    assert [text for _, text in ticks(low, high)] == expected


@pytest.mark.parametrize("size", [1e-290, 1e-9, 1e-3, 1.0, 1e5, 1e200])
@pytest.mark.parametrize("low", [-1.0, 0.0, 0.9])
def test_ticks_are_few_and_different(size: float, low: float) -> None:
    found = ticks(low * size, size)
    assert 2 <= len(found) <= 8
    assert len({text for _, text in found}) == len(found)
    assert all(low * size - 1e-9 * size <= at <= size * (1 + 1e-9) for at, _ in found)


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0], [0.0], [-1e300, 1e300]])
def test_every_axis_has_an_extent(values: list[float]) -> None:
    found = axis("y", np.array(values))
    assert found.low < found.high
    assert all(found.low <= value <= found.high for value in values if np.isfinite(value))


# --- marks ----------------------------------------------------------------------------------------------------------


def test_a_line_goes_where_its_points_are() -> None:
    x, y = np.array([0.0, 5.0, np.nan, 10.0, 2.5]), np.array([0.0, 1.0, 0.5, 0.25, 0.5])
    root = parsed(one(Line(x, y, 2, "a line")))
    panel = inner(root)
    width = float(panel.attrib["width"])
    drawn = panel.find(f".//{SVG}path")
    assert drawn is not None
    steps = re.findall(r"([ML])([\d.]+) ([\d.]+)", drawn.attrib["d"])
    assert [pen for pen, _, _ in steps] == ["M", "L", "M", "L"]  # broken where a point is missing
    found = [(float(a), float(b)) for _, a, b in steps]
    expected = [(0.0, 100.0), (width / 2, 0.0), (width, 75.0), (width / 4, 50.0)]
    np.testing.assert_allclose(found, expected, atol=0.06)  # a tenth of a pixel
    assert panel.find(f".//{SVG}title").text == "a line"  # type: ignore[union-attr]


def test_points_spans_rules_texts_and_cells() -> None:
    marks = (
        Cells(np.array([0.0, 5.0, 10.0]), np.array([0.0, 1.0]), np.array([[0], [1]]), np.array([[0.2], [0.5]])),
        Spans(np.array([5.0, 6.0]), np.array([0.2, np.nan]), np.array([0.4, 0.5])),
        Points(np.array([5.0, np.nan]), np.array([0.3, 0.1]), 1, ("here", "nowhere")),
        Rule(5.0, "ruled"),
        Text(2.5, 0.5, "written"),
    )
    root = parsed(one(*marks))
    panel = inner(root)
    width = float(panel.attrib["width"])
    rects = list(panel.iter(f"{SVG}rect"))
    assert [float(node.attrib["x"]) for node in rects] == pytest.approx([0.0, width / 2], abs=0.5)
    assert rects[0].attrib["fill"] != rects[1].attrib["fill"]
    assert [node.attrib["fill-opacity"] for node in rects] == ["0.20", "0.50"]
    (circle,) = panel.iter(f"{SVG}circle")
    assert (float(circle.attrib["cx"]), float(circle.attrib["cy"])) == pytest.approx((width / 2, 70.0), abs=0.06)
    assert {"ruled", "written", "title", "x", "y"} <= set(texts(root))
    (rule,) = [node for node in root.iter(f"{SVG}line") if node.attrib.get("stroke-dasharray")]
    assert float(rule.attrib["x1"]) == pytest.approx(LEFT + width / 2, abs=0.06)


def test_equal_cells_are_one() -> None:
    edges = np.arange(5.0)
    ink, opacity = np.zeros((4, 4), dtype=int), np.full((4, 4), 0.3)
    ink[1, 2:], opacity[2, 0] = 1, 0.301  # the latter is drawn alike
    cells = Cells(edges, edges / 4, ink, opacity)
    rects = list(inner(parsed(one(cells))).iter(f"{SVG}rect"))
    assert len(rects) == 5
    assert sum(float(node.attrib["height"]) for node in rects) == 4 * 100.0


def test_names_at_the_right_do_not_touch() -> None:
    wanted = [10.0, 11.0, 12.0, 50.0, 99.0, 99.5]
    found = apart(wanted, LINE, 100.0)
    assert found == sorted(found)
    assert np.diff(found).min() >= LINE - 1e-9
    assert found[3] == 50.0  # what touches nothing stays
    assert found[0] >= 0.0
    assert found[-1] <= 100.0
    assert apart([], LINE, 100.0) == []
    assert len(apart([5.0] * 50, LINE, 100.0)) == 50


def test_rules_give_way_to_each_other() -> None:
    root = parsed(one(Rule(1.0, "a long text of one rule", "left"), Rule(1.5, "and of another")))
    first, second = (
        next(node for node in root.iter(f"{SVG}text") if node.text == text)
        for text in ("a long text of one rule", "and of another")
    )
    assert first.attrib["text-anchor"] == "start"  # there is no room at the left
    assert float(second.attrib["y"]) - float(first.attrib["y"]) >= LINE - 0.1


HOSTILE = '</text><script>alert("1")</script>&<\x00\x1b[31m'


def test_text_of_strangers_is_text() -> None:
    unit = Axis(HOSTILE, 0.0, 1.0, ((0.5, HOSTILE),))
    marks = (
        Line(np.arange(2.0), np.arange(2.0), 0, HOSTILE),
        Points(np.zeros(1), np.zeros(1), 0, (HOSTILE,)),
        Rule(0.5, HOSTILE),
        Text(0.5, 0.5, HOSTILE),
    )
    panel = Panel(unit, unit, marks, HOSTILE, (End(0.5, HOSTILE),), ((0.5, HOSTILE),), HOSTILE)
    figure = Figure(HOSTILE, (panel,))
    root = parsed(figure)
    assert sum(text.startswith("</text><script>") for text in texts(root)) >= 8
    assert "<script" not in figure.html()


# --- paths ----------------------------------------------------------------------------------------------------------


@cache
def found() -> LogitCrossValidation:
    return cross_validate("malignant ~ .", pd.read_csv(DATA / "wdbc.csv"), folds=5, count=30)


def test_a_path_is_drawn_per_standard_deviation() -> None:
    data = pd.read_csv(DATA / "wdbc.csv")
    chosen: LogitPath = found().path
    panel = chosen.plot().panels[0]
    lines = {mark.name: mark for mark in panel.marks if isinstance(mark, Line) and mark.name}
    used = [name for name in chosen.prepared.schema.names if (chosen.coef[name] != 0.0).any()]
    assert sorted(lines) == sorted(used)
    for name in used[:3]:
        np.testing.assert_allclose(lines[name].y, chosen.coef[name] * data[name].std(ddof=0), rtol=1e-9)
        np.testing.assert_allclose(lines[name].x, -np.log10(chosen.lambdas), rtol=1e-12)
        plain = next(m for m in chosen.plot(scaled=False).panels[0].marks if isinstance(m, Line) and m.name == name)
        np.testing.assert_allclose(plain.y, chosen.coef[name])
    assert dict(panel.top)[-np.log10(chosen.lambdas[0])] == "0"
    ends = {end.text: end.y for end in panel.ends}
    assert 10 < len(ends) <= 18
    assert all(lines[name].y[-1] == height for name, height in ends.items())


def test_a_curve_has_its_two_lines() -> None:
    curve, coefficients = found().plot().panels
    points = next(mark for mark in curve.marks if isinstance(mark, Points))
    np.testing.assert_allclose(points.y, found().curve()["estimate"])
    spans = next(mark for mark in curve.marks if isinstance(mark, Spans))
    np.testing.assert_allclose(spans.high - spans.low, 2 * found().curve()["std.error"])
    expected = [-np.log10(found().lambda_1se), -np.log10(found().lambda_min)]
    for panel in (curve, coefficients):
        assert [mark.x for mark in panel.marks if isinstance(mark, Rule)] == pytest.approx(expected)
    parsed(found().plot())


def test_several_classes_and_a_lambda_of_zero() -> None:
    iris = pd.read_csv(DATA / "iris.csv")
    drawn = path("Species ~ .", iris, lambdas=[0.3, 0.1, 0.01]).plot()
    assert [panel.title.partition(":")[0] for panel in drawn.panels] == [
        "class setosa",
        "class versicolor",
        "class virginica",
    ]
    inks: dict[str, set[Any]] = {}
    for panel in drawn.panels:
        for end in panel.ends:
            inks.setdefault(end.text, set()).add(end.ink)
    assert inks
    assert all(len(each) == 1 for each in inks.values())  # a column has one colour in all panels
    births = pd.read_csv(DATA / "birthwt.csv")
    zero = path("low ~ age + lwt", births, lambdas=[0.1, 0.01, 0.0]).plot().panels[0]
    assert zero.x.ticks[-1] == (pytest.approx(2.5), "0")  # half a power of ten beyond 0.01
    parsed(drawn)


def test_thousands_of_columns_make_no_large_figure() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 1500))
    drawn = path((X[:, 0] > 0).astype(int), X, l1_ratio=0.0, count=10).plot()
    lines = [mark for mark in drawn.panels[0].marks if isinstance(mark, Line) and mark.name]
    assert len(lines) == 200
    assert "182 more in grey, 1300 smaller not drawn" in drawn.panels[0].title
    assert len(drawn.svg()) < 300_000


# --- files ----------------------------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    figure = one(Line(np.arange(2.0), np.arange(2.0)))
    figure.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == figure.svg() == figure._repr_svg_()
    figure.save(tmp_path / "a.HTML")
    page = (tmp_path / "a.HTML").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert figure.svg() in page
    with pytest.raises(ValueError, match=r"end its name in \.svg, \.html or \.png"):
        figure.save(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="No such file"):
        figure.save(tmp_path / "nowhere" / "a.svg")


def test_png_needs_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs matplotlib, which is not installed"):
        found().plot(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cells = Cells(np.array([0.0, 5.0, 10.0]), np.array([0.0, 1.0]), np.array([[0], [1]]), np.full((2, 1), 0.5))
    figure = one(cells, Text(1.0, 0.5, "$x_1$ $"), Rule(2.0, "r"), ends=(End(0.5, "a name"),))
    for k, drawn in enumerate((figure, found().plot())):
        drawn.save(tmp_path / f"{k}.png")
        data = (tmp_path / f"{k}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(data[16:20], "big") == 2 * 780  # twice the pixels of the SVG


def test_figures_need_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        assert not name.startswith(("matplotlib", "PIL")), name
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert found().plot().svg().endswith("</svg>\n")
