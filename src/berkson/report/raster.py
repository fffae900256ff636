"""Panels as PNG, drawn by matplotlib where it is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from berkson.report.layout import clean
from berkson.report.panels import PALETTE, Area, Cells, Ink, Line, Mark, Panel, Points, Rule, Spans, Text
from berkson.report.svg import ABOVE, BELOW, GRID, INK, LETTER, LINE, LONGEST, PAPER, QUIET, TITLE, WIDTH, apart

DPI = 96  # pixels of an inch on the screen; the file has twice as many
POINT = 72.0 / DPI  # of a font, in pixels
MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D"}


def save_png(title: str, panels: Sequence[Panel], path: str | os.PathLike[str]) -> None:
    """Draw the panels below each other and write them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [panel.height + ABOVE + BELOW + 20 for panel in panels]
    figure = Figure((WIDTH / DPI, (sum(heights) + TITLE) / DPI), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_plain(title), fontsize=14 * POINT, fontweight="bold", color=INK)
    axes = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    for panel, on in zip(panels, axes, strict=True):
        _frame(panel, on)
        for mark in panel.marks:
            _mark(mark, on)
        _ends(panel, on)
    figure.savefig(os.fspath(path), format="png", dpi=2 * DPI)


def _frame(panel: Panel, on: Any) -> None:
    small = 11 * POINT
    on.set_xlim(panel.x.low, panel.x.high)
    on.set_ylim(panel.y.low, panel.y.high)
    on.set_xticks([at for at, _ in panel.x.ticks], [_plain(text) for _, text in panel.x.ticks], fontsize=small)
    on.set_yticks([at for at, _ in panel.y.ticks], [_plain(text) for _, text in panel.y.ticks], fontsize=small)
    on.set_xlabel(_plain(panel.x.label), fontsize=12 * POINT)
    on.set_ylabel(_plain(panel.y.label), fontsize=12 * POINT)
    on.grid(axis="y", color=GRID, linewidth=0.8)
    on.set_axisbelow(True)
    for side in ("top", "right", "left"):
        on.spines[side].set_visible(False)
    on.tick_params(colors=QUIET, length=0, axis="y")
    on.tick_params(colors=QUIET, axis="x")
    if panel.title:
        on.set_title(_plain(panel.title), fontsize=12 * POINT, loc="left", fontweight="bold", color=INK)
    if panel.key:
        _key(panel, on)
    if panel.top:
        above = on.secondary_xaxis("top")
        above.set_xticks([at for at, _ in panel.top], [_plain(text) for _, text in panel.top], fontsize=small)
        above.set_xlabel(_plain(panel.top_label), fontsize=small, color=QUIET)
        above.tick_params(colors=QUIET, length=0)
        above.spines["top"].set_visible(False)


def _mark(mark: Mark, on: Any) -> None:
    if isinstance(mark, Line):
        width = 0.9 if mark.ink == "quiet" else 1.5
        on.plot(mark.x, mark.y, color=_colour(mark.ink), linewidth=width, linestyle="--" if mark.dashed else "-")
    elif isinstance(mark, Points):
        look = {"color": _colour(mark.ink), "marker": MARKERS[mark.shape]}
        on.scatter(mark.x, mark.y, s=18, edgecolors=PAPER, linewidths=0.6, zorder=3, **look)
    elif isinstance(mark, Spans):
        middle, half = 0.5 * (mark.low + mark.high), 0.5 * (mark.high - mark.low)
        on.errorbar(mark.x, middle, half, fmt="none", ecolor=_colour(mark.ink), elinewidth=0.9, capsize=2)
    elif isinstance(mark, Rule):
        on.axvline(mark.x, color=QUIET, linewidth=0.9, linestyle="--")
        low, high = on.get_xlim()
        left = mark.side == "left" and mark.x - low > 0.25 * (high - low)
        step, side = (-4, "right") if left else (4, "left")
        at, drop, edge = (1.0, -2, "top") if mark.end == "upper" else (0.0, 4, "bottom")
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": side, "va": edge}
        on.annotate(_plain(mark.text), (mark.x, at), (step, drop), color=QUIET, fontsize=10 * POINT, **place)
    elif isinstance(mark, Text):
        sides = {"start": "left", "middle": "center", "end": "right"}
        drawn = on.text(mark.x, mark.y, _plain(mark.text), color=_colour(mark.ink), ha=sides[mark.anchor], va="center")
        if mark.halo:
            _halo(drawn)
    elif isinstance(mark, Area):
        _area(mark, on)
    elif isinstance(mark, Cells):
        _cells(mark, on)


def _key(panel: Panel, on: Any) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_colour(key.ink), marker=MARKERS[key.shape], linestyle="", markeredgecolor=PAPER)
        for key in panel.key
    ]
    names = [_plain(key.text if len(key.text) <= LONGEST else key.text[: LONGEST - 1] + "…") for key in panel.key]
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": len(names), "frameon": False}
    on.legend(handles, names, fontsize=11 * POINT, handletextpad=0.1, borderpad=0.1, **place)
    if panel.title:
        on.set_title(on.get_title("left"), loc="left", fontsize=12 * POINT, fontweight="bold", color=INK, pad=24)


def _halo(drawn: Any) -> None:
    from matplotlib.patheffects import withStroke

    drawn.set(path_effects=[withStroke(linewidth=2.6, foreground=PAPER)], zorder=4, fontsize=11 * POINT)


def _area(mark: Area, on: Any) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(mark.x):
        return
    points = np.column_stack([mark.x, mark.y])
    gaps = np.isnan(mark.x)
    first = np.append(True, gaps[:-1])
    codes = np.where(first, Path.MOVETO, Path.LINETO)[~gaps]
    on.add_patch(PathPatch(Path(points[~gaps], codes), facecolor=_colour(mark.ink), alpha=mark.opacity, linewidth=0))


def _cells(mark: Cells, on: Any) -> None:
    from matplotlib.colors import to_rgba

    colours = np.array([to_rgba(colour) for colour in PALETTE])[np.asarray(mark.ink) % len(PALETTE)]
    colours[..., 3] = mark.opacity
    on.pcolormesh(mark.x, mark.y, colours.transpose(1, 0, 2))


def _ends(panel: Panel, on: Any) -> None:
    ends = sorted(panel.ends, key=lambda end: -end.y)
    span = panel.y.high - panel.y.low
    wanted = [(panel.y.high - end.y) / span * panel.height for end in ends]
    for end, place in zip(ends, apart(wanted, LINE, panel.height), strict=True):
        text = _plain(end.text if len(end.text) <= LONGEST else end.text[: LONGEST - 1] + "…")
        where = (1.0 + LETTER / WIDTH, 1.0 - place / panel.height)
        on.annotate(text, where, xycoords="axes fraction", color=_colour(end.ink), fontsize=11 * POINT, va="center")


def _colour(ink: Ink) -> str:
    return {"plain": INK, "quiet": QUIET}[ink] if isinstance(ink, str) else PALETTE[int(ink) % len(PALETTE)]


def _plain(text: str) -> str:
    """Text that matplotlib takes for no formula."""
    return clean(text).replace("$", r"\$")
