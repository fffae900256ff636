"""Panels as SVG, drawn by hand: no scripts, nothing from elsewhere, text of the data escaped, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from berkson.report.layout import clean, width_of
from berkson.report.panels import PALETTE, Area, Cells, Ink, Line, Panel, Points, Rule, Shape, Spans, Text

F64 = npt.NDArray[np.float64]

WIDTH, LEFT, RIGHT = 780, 74, 28  # pixels: of the whole, and beside a panel
ABOVE, BELOW, TITLE = 30, 52, 34  # a panel, and the figure's title
SIZE, LETTER, LINE = 12, 6.7, 14.5  # of the font, an average letter's width, and lines of names apart
LONGEST = 30  # letters of a name at the right
_FONTS = "system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif"
INK, QUIET, PAPER, GRID = "#1f2328", "#6a737d", "#ffffff", "#e3e6ea"

# Presentation attributes say the light colours, which every reader of SVG knows; browsers in the dark override them.
_STYLE = """\
.berkson-series:hover .berkson-line{stroke-width:3.6}
.berkson-point:hover{r:5px}
@media (prefers-color-scheme:dark){
.berkson-paper{fill:#14171c}
.berkson-ink{fill:#e4e7eb}
.berkson-quiet{fill:#9aa4b0}
.berkson-grid{stroke:#2c323a}
.berkson-edge{stroke:#9aa4b0}
.berkson-point,.berkson-halo{stroke:#14171c}
.berkson-plain{stroke:#e4e7eb}
}"""


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The panels below each other, under a title."""
    room = max((min(LONGEST, len(end.text)) for panel in panels for end in panel.ends), default=0)
    inner = WIDTH - LEFT - RIGHT - (int(LETTER * room) + 12 if room else 0)
    body, top = [], TITLE if title else 8
    for panel in panels:
        upper = ABOVE + (18 if panel.title else 0) + (20 if panel.top or panel.key else 0)
        body.append(_Drawn(panel, inner, top + upper).svg())
        top += upper + panel.height + BELOW
    heading = _text(16, 23, title, weight=600, size=14) if title else ""
    name = escape(clean(title or "figure"), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'role="img" aria-label="{name}" font-family="{_FONTS}" font-size="{SIZE}">\n<style>{_STYLE}</style>\n'
        f'<rect class="berkson-paper" width="{WIDTH}" height="{top}" fill="{PAPER}"/>\n'
        + heading
        + "\n".join(body)
        + "\n</svg>\n"
    )


class _Drawn:
    """A panel of a width in pixels, whose upper edge is at `top`."""

    def __init__(self, panel: Panel, width: int, top: int) -> None:
        self.panel, self.width, self.top = panel, width, top

    def x(self, value: float) -> float:
        axis = self.panel.x
        return (value - axis.low) / (axis.high - axis.low) * self.width

    def y(self, value: float) -> float:
        axis = self.panel.y
        return (axis.high - value) / (axis.high - axis.low) * self.panel.height

    def svg(self) -> str:
        panel, width = self.panel, self.width
        marks = "\n".join(self.mark(mark) for mark in panel.marks if not isinstance(mark, Rule))
        inside = f'<svg x="{LEFT}" y="{self.top}" width="{width}" height="{panel.height}">\n{marks}\n</svg>'  # clips
        return "\n".join([*self.frame(), inside, *self.rules(), *self.names()])

    # --- around the marks ---------------------------------------------------------------------------------------------

    def frame(self) -> Iterator[str]:
        panel, bottom = self.panel, self.top + self.panel.height
        for value, text in panel.y.ticks:
            y = self.top + self.y(value)
            yield _segment(LEFT, y, LEFT + self.width, y, "grid")
            yield _text(LEFT - 8, y + 4, text, "end", "quiet")
        for value, text in panel.x.ticks:
            x = LEFT + self.x(value)
            yield _segment(x, bottom, x, bottom + 5, "edge")
            yield _text(x, bottom + 19, text, "middle", "quiet")
        yield _segment(LEFT, bottom, LEFT + self.width, bottom, "edge")
        yield _text(LEFT + self.width / 2, bottom + 39, panel.x.label, "middle")
        middle = self.top + panel.height / 2
        yield _text(18, middle, panel.y.label, "middle", turn=True)
        for value, text in panel.top:
            yield _text(LEFT + self.x(value), self.top - 8, text, "middle", "quiet")
        if panel.top_label:
            yield _text(LEFT - 8, self.top - 8, panel.top_label, "end", "quiet")
        yield from self.keys()
        if panel.title:
            above = 28 if panel.top or panel.key else 10
            yield _text(LEFT, self.top - above, panel.title, weight=600)

    def keys(self) -> Iterator[str]:
        """What colours and shapes stand for, as far as there is room."""
        x = LEFT + 6.0
        for i, key in enumerate(self.panel.key):
            text = _cut(key.text)
            room = 30 + LETTER * width_of(text)
            if x + room > LEFT + self.width - 70 * (i + 1 < len(self.panel.key)):
                yield _text(x, self.top - 9, f"and {len(self.panel.key) - i} more", "start", "quiet")
                return
            yield _dot(x, self.top - 13, key.ink, key.shape)
            yield _text(x + 9, self.top - 9, text)
            x += room

    def rules(self) -> Iterator[str]:
        """Vertical lines, with texts that give way to each other."""
        taken: list[tuple[float, float]] = []
        for rule in self.panel.marks:
            if isinstance(rule, Rule):
                at, room = self.x(rule.x), LETTER * len(rule.text) + 6
                left = at > room if rule.side == "left" else at + room > self.width
                start, end = (at - room, at) if left else (at, at + room)
                level = LINE * sum(start < other_end and other_start < end for other_start, other_end in taken)
                taken += [(start, end)] if rule.text else []
                y = self.top + (13 + level if rule.end == "upper" else self.panel.height - 10 - level)
                yield _segment(LEFT + at, self.top, LEFT + at, self.top + self.panel.height, "edge", dashed=True)
                yield _text(LEFT + at + (-6 if left else 6), y, rule.text, "end" if left else "start", "quiet")

    def names(self) -> Iterator[str]:
        """Names at the right, moved apart, each with a thin line to where it belongs."""
        ends = sorted(self.panel.ends, key=lambda end: -end.y)
        wanted = [self.y(end.y) for end in ends]
        x = LEFT + self.width
        for end, at, place in zip(ends, wanted, apart(wanted, LINE, self.panel.height), strict=True):
            points = f"{x + 1:.1f},{self.top + at:.1f} {x + 9:.1f},{self.top + place:.1f}"
            yield f'<polyline points="{points}" fill="none" {_stroke(end.ink)} stroke-opacity=".55"/>'
            yield _text(x + 13, self.top + place + 4, _cut(end.text), "start", end.ink)

    # --- marks --------------------------------------------------------------------------------------------------------

    def mark(self, mark: Line | Points | Spans | Text | Cells | Area) -> str:
        if isinstance(mark, Line):
            return self.line(mark)
        if isinstance(mark, Points):
            return self.points(mark)
        if isinstance(mark, Spans):
            return self.spans(mark)
        if isinstance(mark, Area):
            return (
                f'<path d="{self.path(mark)}" {_fill(mark.ink)} fill-opacity="{mark.opacity:.2f}" fill-rule="evenodd"/>'
            )
        return self.cells(mark) if isinstance(mark, Cells) else self.text(mark)

    def path(self, mark: Line | Area) -> str:
        steps, pen = [], "M"
        for x, y in zip(mark.x.tolist(), mark.y.tolist(), strict=True):
            if x != x or y != y:
                pen = "M"
                continue
            steps.append(f"{pen}{self.x(x):.1f} {self.y(y):.1f}")
            pen = "L"
        return "".join(steps)

    def line(self, mark: Line) -> str:
        path = self.path(mark)
        dashed = ' stroke-dasharray="5 4"' if mark.dashed else ""
        thin = "1" if mark.ink == "quiet" else "1.9"
        drawn = (
            f'<path class="berkson-line {_class(mark.ink)}" d="{path}" fill="none" {_stroke(mark.ink, styled=False)} '
            f'stroke-width="{thin}" stroke-linejoin="round"{dashed}/>'
        )
        if not mark.name:
            return drawn
        wide = f'<path d="{path}" fill="none" stroke="#000" stroke-opacity="0" stroke-width="9"/>'
        return f'<g class="berkson-series">{_title(mark.name)}{drawn}{wide}</g>'

    def points(self, mark: Points) -> str:
        names = mark.names or ("",) * len(mark.x)
        return "".join(
            _dot(self.x(x), self.y(y), mark.ink, mark.shape, name)
            for x, y, name in zip(mark.x.tolist(), mark.y.tolist(), names, strict=True)
            if x == x and y == y
        )

    def spans(self, mark: Spans) -> str:
        parts = []
        for x, low, high in zip(mark.x.tolist(), mark.low.tolist(), mark.high.tolist(), strict=True):
            if low == low and high == high:
                a, top, bottom = self.x(x), self.y(high), self.y(low)
                parts.append(f"M{a:.1f} {top:.1f}V{bottom:.1f}M{a - 2.5:.1f} {top:.1f}h5M{a - 2.5:.1f} {bottom:.1f}h5")
        return f'<path class="{_class(mark.ink)}" d="{"".join(parts)}" fill="none" {_stroke(mark.ink, styled=False)}/>'

    def text(self, mark: Text) -> str:
        drawn = _text(self.x(mark.x), self.y(mark.y) + 4, mark.text, mark.anchor, mark.ink)
        if not mark.halo:
            return drawn
        rim = (
            f'<g class="berkson-halo" stroke="{PAPER}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke">'
        )
        return f"{rim}{drawn}</g>"

    def cells(self, mark: Cells) -> str:
        """Equal neighbours in a column are one rectangle; edges lie between whole pixels, so that no seams show."""
        x, y = ([round(at(v)) for v in edges.tolist()] for at, edges in ((self.x, mark.x), (self.y, mark.y)))
        parts = ['<g shape-rendering="crispEdges">']
        for i, column in enumerate(zip(mark.ink.tolist(), mark.opacity.tolist(), strict=True)):
            filled = [(_colour(ink), f"{opacity:.2f}") for ink, opacity in zip(*column, strict=True)]
            first = 0
            for j in range(1, len(filled) + 1):
                if j == len(filled) or filled[j] != filled[first]:
                    (colour, opacity), low, high = filled[first], *sorted((y[first], y[j]))
                    parts.append(
                        f'<rect x="{x[i]}" y="{low}" width="{x[i + 1] - x[i]}" height="{high - low}" '
                        f'fill="{colour}" fill-opacity="{opacity}"/>'
                    )
                    first = j
        return "".join(parts) + "</g>"


def apart(wanted: Sequence[float], least: float, height: float) -> list[float]:
    """Ascending places from 0 to height, at least so far apart, near those wanted: runs that touch stand around their
    common middle."""
    runs: list[tuple[float, int]] = []  # (sum of wanted places less their offsets in the run, length)

    def start(total: float, count: int) -> float:
        return max(0.0, min(total / count, height - (count - 1) * least))

    for place in wanted:
        run = (place, 1)
        while runs and start(*runs[-1]) + runs[-1][1] * least > start(*run):
            total, count = runs.pop()
            run = (total + run[0] - run[1] * count * least, count + run[1])
        runs.append(run)
    return [start(*run) + k * least for run in runs for k in range(run[1])]


def _dot(x: float, y: float, ink: Ink, shape: Shape, name: str = "") -> str:
    place = {
        "circle": f'<circle class="berkson-point" cx="{x:.1f}" cy="{y:.1f}" r="3.2"',
        "square": f'<path class="berkson-point" d="M{x - 2.9:.1f} {y - 2.9:.1f}h5.8v5.8h-5.8z"',
        "triangle": f'<path class="berkson-point" d="M{x:.1f} {y - 3.9:.1f}l3.7 6.6h-7.4z"',
        "diamond": f'<path class="berkson-point" d="M{x:.1f} {y - 4.1:.1f}l4.1 4.1l-4.1 4.1l-4.1 -4.1z"',
    }[shape]
    tag = "circle" if shape == "circle" else "path"
    return f'{place} {_fill(ink)} stroke="{PAPER}" stroke-width=".8">{_title(name)}</{tag}>'


def _cut(text: str) -> str:
    """A name of at most `LONGEST` letters: its two ends."""
    if width_of(text) <= LONGEST:
        return text
    half = (LONGEST - 1) // 2
    return text[: LONGEST - 1 - half] + "…" + text[-half:]


def _colour(ink: Ink) -> str:
    return {"plain": INK, "quiet": QUIET}[ink] if isinstance(ink, str) else PALETTE[int(ink) % len(PALETTE)]


def _class(ink: Ink) -> str:
    """The class by which strokes follow the dark."""
    return {"plain": "berkson-plain", "quiet": "berkson-edge"}[ink] if isinstance(ink, str) else ""


def _stroke(ink: Ink, *, styled: bool = True) -> str:
    named = f'class="{_class(ink)}" ' if styled and _class(ink) else ""
    return f'{named}stroke="{_colour(ink)}"'


def _fill(ink: Ink) -> str:
    return f'fill="{_colour(ink)}"'


def _title(text: str) -> str:
    return f"<title>{escape(clean(text))}</title>" if text else ""


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str, *, dashed: bool = False) -> str:
    colour = GRID if kind == "grid" else QUIET
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="berkson-{kind}" {place} stroke="{colour}"{dashes}/>'


def _text(
    x: float,
    y: float,
    text: str,
    anchor: str = "start",
    ink: Ink = "plain",
    *,
    weight: int = 400,
    size: int = SIZE,
    turn: bool = False,
) -> str:
    style = {"plain": ' class="berkson-ink"', "quiet": ' class="berkson-quiet"'}[ink] if isinstance(ink, str) else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    larger = f' font-size="{size}"' if size != SIZE else ""
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
    return (
        f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_fill(ink)}{bold}{larger}{turned}>'
        f"{escape(clean(text))}</text>"
    )
