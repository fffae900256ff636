"""Where a classifier decides between classes, over any two columns, with the probabilities around."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.report.asked import (
    classes_of,
    classifier,
    codes_of,
    log_probabilities,
    place_of,
    response_of,
    rows_for,
    two_of,
)
from berkson.report.contours import Contour, contours, joined, region, straightened, where
from berkson.report.figure import Figure
from berkson.report.layout import significant
from berkson.report.panels import Area, Axis, Key, Line, Mark, Panel, Points, Shape, Text, axis
from berkson.table import listing, quoted, shorten

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Lines = list[tuple[F64, F64]]

GRID = (201, 151)  # places along the axes at which the model is asked
SHADES = (0.5, 0.75, 0.9)  # probabilities from which a class's colour is stronger
OPACITY = (0.16, 0.13, 0.13)  # that each adds
DRAWN = 1500  # points
HEIGHT, WIDTH = 450, 678  # pixels of the panel
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "diamond")
ALONG = (0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9)  # where on a line its label may stand
ROOM = (34.0, 15.0)  # pixels that a label takes
NAMED = 3  # held columns in a title


@dataclass(frozen=True, repr=False, eq=False)
class DecisionBoundary:
    """Class probabilities of a model over a grid of two columns, all others held at one value.

    features    names of the two columns
    classes     names of the K classes, in the order of the model
    x, y        places of the grid along them (m,) and (n,)
    log_proba   logarithms of the probabilities (m, n, K)
    held        the value of every other column
    points, codes   rows of the data (r, 2) and their classes (r,), -1 where they are not known
    response    what the classes are of, or nothing
    """

    features: tuple[str, str]
    classes: tuple[str, ...]
    x: F64
    y: F64
    log_proba: F64
    held: dict[str, Any]
    points: F64
    codes: npt.NDArray[np.intp]
    response: str = ""

    @classmethod
    def of(
        cls,
        model: Any,
        X: Any,
        y: Any = None,
        *,
        features: Sequence[int | str] | None = None,
        held: Mapping[int | str, Any] | None = None,
    ) -> DecisionBoundary:
        """Ask a fitted model for its probabilities over two columns of X.

        model : any classifier with `predict_proba` and `classes_`, ours or scikit-learn's; or a fit of `logit`, or a
            model read from a file, which take the columns of their formula
        X : the table that the model takes: an array, a sparse matrix or a data frame; its rows are drawn as points
        y : their labels, which colour the points; a fit of `logit` finds them in the table
        features : two columns of numbers, by name or position; None: the only two
        held : values for some of the other columns; the rest stay at the mean of numbers, else at the most frequent
            value

        ValueError, one sentence, for columns that are not there or hold no numbers, for other lengths, and for labels
        that the model does not know.
        """
        model = classifier(model)
        rows, classes = rows_for(model, X), classes_of(model)
        a, b = two_of(rows, features)
        kept = {place_of(rows, name): value for name, value in (held or {}).items()}
        rest = {j: kept[j] if j in kept else rows.middle(j) for j in range(len(rows.names)) if j not in (a, b)}
        if {a, b} & set(kept):
            raise ValueError(f"column {quoted(rows.names[a if a in kept else b])} is an axis, and cannot be held")
        points = np.column_stack([rows.numbers(a), rows.numbers(b)])
        codes = codes_of(model, X, y, classes, len(points))
        names = rows.names[a], rows.names[b]
        across, up = (axis(name, points[:, k]) for k, name in enumerate(names))
        grid = np.linspace(across.low, across.high, GRID[0]), np.linspace(up.low, up.high, GRID[1])
        log_proba = log_probabilities(model, rows, (a, b), grid, rest)
        held_at = {rows.names[j]: value for j, value in rest.items()}
        return cls(names, tuple(map(str, classes)), *grid, log_proba, held_at, points, codes, response_of(model, y))

    def boundary(self) -> list[F64]:
        """Lines (m, 2) on which two classes are equally probable and none more; of log-odds that are linear in the two
        columns, as those of a plain logistic regression, exact, with no more points than they have corners."""
        return [np.column_stack(line) for line in self._between()]

    def contour(self, probability: float, of: str | None = None) -> list[F64]:
        """Lines (m, 2) on which a class, the last where none is named, has this probability, between 0 and 1."""
        if not 0.0 < probability < 1.0:
            raise ValueError(f"a probability lies between 0 and 1, not at {probability:g}")
        if of is not None and of not in self.classes:
            raise ValueError(f"there is no class {quoted(of)}; the classes are {listing(self.classes)}")
        k = len(self.classes) - 1 if of is None else self.classes.index(of)
        return [np.column_stack(straightened(line.x, line.y)) for line in self._level(k, probability)]

    def figure(self) -> Figure:
        """The picture: regions in the colours of the classes, stronger from probabilities of 0.5, 0.75 and 0.9; lines
        of probability (of the last of two classes, else of the most probable); the boundary; the rows."""
        two = len(self.classes) == 2
        of = f"{self.response} = {self.classes[1]}" if self.response else f"class {self.classes[1]}"
        title = f"Probability of {of}" if two else f"The most probable {self.response or 'class'}, and its probability"
        across, up = (axis(name, self.points[:, k]) for k, name in enumerate(self.features))
        lines: list[tuple[str, Lines]] = []
        for p in (0.1, 0.25, 0.5, 0.75, 0.9) if two else SHADES:
            lines.append((f"{p:g}", list(self._lines(p))))
        marks: list[Mark] = [*self._areas()]
        marks += [Line(*joined(each), "quiet", text) for text, each in lines if not (two and text == "0.5")]
        marks += self._dots()
        marks.append(Line(*joined(list(self._between())), "plain", "the boundary"))
        marks += _labels(lines, across, up)
        keys = tuple(Key(name, k, _shape(k)) for k, name in enumerate(self.classes))
        return Figure(title, (Panel(across, up, tuple(marks), self._told(), height=HEIGHT, key=keys),))

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Save the picture, as the name ends: .svg, .html, or .png where matplotlib is installed."""
        self.figure().save(path)

    def _repr_svg_(self) -> str:
        return self.figure().svg()

    def __repr__(self) -> str:
        return f"decision boundary over {self.features[0]} and {self.features[1]}: plot('boundary.svg'), .html or .png"

    # --- surfaces and lines -------------------------------------------------------------------------------------------

    def _log_odds(self, k: int) -> F64:
        """log p_k / (1 - p_k) over the grid (m, n)."""
        others = np.delete(self.log_proba, k, axis=2)
        top = others.max(axis=2)
        return self.log_proba[:, :, k] - top - np.log(np.exp(others - top[:, :, None]).sum(axis=2))  # type: ignore[no-any-return]

    def _lead(self, k: int) -> F64:
        """log p_k less that of the most probable other class (m, n)."""
        return self.log_proba[:, :, k] - np.delete(self.log_proba, k, axis=2).max(axis=2)  # type: ignore[no-any-return]

    def _level(self, k: int, probability: float) -> list[Contour]:
        return contours(self.x, self.y, self._log_odds(k), _logit(probability))

    def _between(self) -> Iterator[tuple[F64, F64]]:
        for j, k in combinations(range(len(self.classes)), 2):
            lead = self.log_proba[:, :, k] - self.log_proba[:, :, j]
            for line in contours(self.x, self.y, lead, 0.0):
                rest = np.delete(self.log_proba, [j, k], axis=2)
                if rest.shape[2] == 0:
                    yield straightened(line.x, line.y)
                    continue
                above = np.max([line.of(rest[:, :, i] - self.log_proba[:, :, k]) for i in range(rest.shape[2])], axis=0)
                yield from where(line, above)

    def _lines(self, probability: float) -> Iterator[tuple[F64, F64]]:
        """Of two classes where the second has this probability, else where the most probable has."""
        for k in (1,) if len(self.classes) == 2 else range(len(self.classes)):
            for line in self._level(k, probability):
                yield straightened(line.x, line.y)

    # --- the picture --------------------------------------------------------------------------------------------------

    def _areas(self) -> Iterator[Area]:
        for k in range(len(self.classes)):
            odds = self._log_odds(k)
            if len(self.classes) > 2:
                yield Area(*region(self.x, self.y, self._lead(k), 0.0), k, 0.5 * OPACITY[0])
            for p, opacity in zip(SHADES, OPACITY, strict=True):
                yield Area(*region(self.x, self.y, odds, _logit(p)), k, opacity)

    def _dots(self) -> Iterator[Points]:
        drawn = self._drawn()
        for k in np.unique(self.codes[drawn]).tolist():
            some = drawn[self.codes[drawn] == k]
            name = f": {self.classes[k]}" if k >= 0 else ""
            names = tuple(f"row {i}{name}" for i in some.tolist())
            yield Points(self.points[some, 0], self.points[some, 1], k if k >= 0 else "quiet", names, _shape(max(k, 0)))

    def _drawn(self) -> npt.NDArray[np.intp]:
        """Rows that are drawn: all, or evenly spaced ones."""
        whole = np.flatnonzero(np.isfinite(self.points).all(axis=1))
        return whole[np.linspace(0, len(whole) - 1, min(DRAWN, len(whole))).round().astype(np.intp)]

    def _told(self) -> str:
        """What is held where, and how many rows are drawn."""
        parts = []
        if len(self.held) > NAMED:
            parts.append(f"{len(self.held)} other columns held at their means or most frequent values")
        elif self.held:
            values = (f"{shorten(name)} = {_short(value)}" for name, value in self.held.items())
            parts.append("at " + ", ".join(values))
        if (drawn := len(self._drawn())) < len(self.points):
            parts.append(f"{drawn:,} of {len(self.points):,} rows drawn")
        return "; ".join(parts)


def _labels(lines: list[tuple[str, Lines]], across: Axis, up: Axis) -> Iterator[Text]:
    """The probability on the longest of its lines, where no other label stands."""
    wide, high = WIDTH / (across.high - across.low), HEIGHT / (up.high - up.low)
    taken: list[tuple[float, float]] = []
    for text, each in lines:
        lengths = [np.append(0.0, np.hypot(np.diff(x) * wide, np.diff(y) * high).cumsum()) for x, y in each]
        for i in sorted(range(len(each)), key=lambda i: -lengths[i][-1])[:3]:
            (x, y), length = each[i], lengths[i]
            for part in ALONG if length[-1] > 2 * ROOM[0] else ():
                at = np.interp(part * length[-1], length, x), np.interp(part * length[-1], length, y)
                place = float((at[0] - across.low) * wide), float((at[1] - up.low) * high)
                inside = ROOM[0] / 2 < place[0] < WIDTH - ROOM[0] / 2 and ROOM[1] / 2 < place[1] < HEIGHT - ROOM[1] / 2
                if inside and all(abs(place[0] - u) > ROOM[0] or abs(place[1] - v) > ROOM[1] for u, v in taken):
                    taken.append(place)
                    yield Text(float(at[0]), float(at[1]), text, "quiet", halo=True)
                    break
            else:
                continue
            break


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _shape(k: int) -> Shape:
    return SHAPES[k % len(SHAPES)]


def _short(value: Any) -> str:
    return significant(value) if isinstance(value, float) else shorten(value)
