"""What a figure is made of: panels with two axes, and marks in the units of the data.  `svg` and `raster` draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Ink = int | Literal["plain", "quiet"]  # a number: that colour of the palette, which begins again at its end
Shape = Literal["circle", "square", "triangle", "diamond"]

# Of middling lightness, told apart by most colour-blind eyes where they are neighbours, on white and on black.
PALETTE = (
    *("#3b7dd8", "#e07b28", "#2f9e6e", "#d1495b", "#8a63d2"),
    *("#9a6b3f", "#d164a8", "#1f9fb5", "#8f9a2b", "#5f7396"),
)


@dataclass(frozen=True)
class Axis:
    """From low to high, with ticks at places, each with its text; `label` says quantity and unit."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, eq=False)
class Line:
    """A line through points (m,), broken where a coordinate is NaN; `name` is shown under the pointer."""

    x: F64
    y: F64
    ink: Ink = "plain"
    name: str = ""
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Points:
    """Dots at points (m,), or other shapes; `names` (m,) are shown under the pointer."""

    x: F64
    y: F64
    ink: Ink = "plain"
    names: tuple[str, ...] = ()
    shape: Shape = "circle"


@dataclass(frozen=True, eq=False)
class Spans:
    """Vertical bars from low to high (m,) at x (m,): error bars."""

    x: F64
    low: F64
    high: F64
    ink: Ink = "quiet"


@dataclass(frozen=True)
class Rule:
    """A vertical line across the panel, with a text on one side of it (the other, where that has no room), at its upper
    end, or at its lower."""

    x: float
    text: str = ""
    side: Literal["left", "right"] = "right"
    end: Literal["upper", "lower"] = "upper"


@dataclass(frozen=True)
class Text:
    """A text that begins at, is centred on, or ends at a point; `halo`: with a rim that keeps it readable on marks."""

    x: float
    y: float
    text: str
    ink: Ink = "plain"
    anchor: Literal["start", "middle", "end"] = "middle"
    halo: bool = False


@dataclass(frozen=True, eq=False)
class Cells:
    """Filled rectangles between the edges x (m + 1,) and y (n + 1,): each (m, n) a colour of the palette, as strong as
    its opacity (m, n), from 0 to 1."""

    x: F64
    y: F64
    ink: Array
    opacity: F64


@dataclass(frozen=True, eq=False)
class Area:
    """What loops through points (m,), NaN between them, surround an odd number of times, as strong as its opacity."""

    x: F64
    y: F64
    ink: Ink
    opacity: float


Mark = Line | Points | Spans | Rule | Text | Cells | Area


@dataclass(frozen=True)
class Key:
    """What a colour and a shape stand for, above the panel."""

    text: str
    ink: Ink
    shape: Shape = "circle"


@dataclass(frozen=True)
class End:
    """A name at the right of the panel, at the height y; names that would touch are moved apart."""

    y: float
    text: str
    ink: Ink = "plain"


@dataclass(frozen=True)
class Panel:
    """Marks, later ones above earlier ones; `top`: ticks along the upper edge, with a label, or `key`: what colours and
    shapes stand for; height in pixels."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    ends: tuple[End, ...] = ()
    top: tuple[tuple[float, str], ...] = ()
    top_label: str = ""
    height: int = 340
    key: tuple[Key, ...] = ()


def axis(label: str, values: Array, count: int = 6, margin: float = 0.04) -> Axis:
    """An axis that holds all finite values and some room beside them, with about `count` round ticks."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    room = margin * (high - low)
    return Axis(label, low - room, high + room, ticks(low - room, high + room, count))


def ticks(low: float, high: float, count: int = 6) -> tuple[tuple[float, str], ...]:
    """About `count` places at multiples of 1, 2 or 5 times a power of ten, with texts that tell them apart."""
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1.0, 2.0, 5.0, 10.0) if m * power >= 0.999 * rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    places = [k * step for k in range(first, last + 1)]
    wide = max(abs(low), abs(high)) >= 1e6 or decimals > 5
    return tuple((x, number(f"{x:.3g}" if wide else f"{x + 0.0:.{decimals}f}")) for x in places)


def number(text: str) -> str:
    """A number as it is printed, with a minus sign for the hyphen."""
    return text.replace("-", "−")


def thinned(places: Sequence[float], least: float) -> list[int]:
    """Which of ascending places stay, where no two may be closer than `least`."""
    kept: list[int] = []
    for i, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= least:
            kept.append(i)
    return kept
