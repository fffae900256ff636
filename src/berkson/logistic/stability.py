"""The answer of stability selection, by name, in the caller's kind of table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from berkson.logistic.frames import Frames
from berkson.model import Prepared
from berkson.report.layout import Block, Grid, Paragraph, Row
from berkson.report.page import Page, Shown
from berkson.report.summary import sentence
from berkson.select.stability import StabilitySelection
from berkson.table import listing

LINES = 20  # of the table of columns


@dataclass(frozen=True, repr=False)
class LogitStability(Shown):
    """Columns that a lasso chooses on most half-samples; made by `stability_selection`.

    prepared  the caller's data as a problem          frames   makes tables of the caller's kind
    found     the engine's answer, as arrays
    """

    prepared: Prepared
    frames: Frames
    found: StabilitySelection

    @property
    def selected(self) -> list[str]:
        """The columns whose frequency reaches the threshold, the most frequent first."""
        return [self.prepared.schema.names[j] for j in self.found.selected.tolist()]

    @property
    def expected_false(self) -> float:
        """The bound on how many of them were selected by chance, in expectation; see `stability_selection`."""
        return self.found.expected_false

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the answer, a sentence each."""
        return self.found.notes

    @property
    def table(self) -> Any:
        """A row for each column of the design, the most frequent first: column, frequency (the share of half-samples
        that chose it; NaN where it is not penalised and so always in) and selected."""
        order = np.argsort(np.where(self.found.candidates, -self.found.frequency, np.inf), kind="stable")
        columns = {
            "column": [self.prepared.schema.names[j] for j in order.tolist()],
            "frequency": self.found.frequency[order],
            "selected": self.found.frequency[order] >= self.found.threshold,
        }
        return self.frames.table(columns)

    def summary(self) -> Page:
        """The answer for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(self._blocks()))

    def _blocks(self) -> Iterator[Block]:
        found = self.found
        yield Paragraph(f"{self.prepared.formula}: stability selection", "title")
        yield Paragraph(
            f"{2 * found.pairs} half-samples, of each the first {found.q} columns at most (in the mean "
            f"{found.size:.1f}); selected: those of at least {100 * found.threshold:g} %"
        )
        order = [j for j in np.argsort(np.nan_to_num(-found.frequency), kind="stable").tolist() if found.candidates[j]]
        chosen = set(found.selected.tolist())
        rows = [
            Row(self.prepared.schema.names[j], (f"{found.frequency[j]:.2f}",), "selected" if j in chosen else "")
            for j in order[:LINES]
        ]
        yield Grid(("", "frequency"), tuple(rows))
        if len(order) > LINES:
            yield Paragraph(f"and {len(order) - LINES} more, less frequent", "quiet")
        free = [
            name for name, penalised in zip(self.prepared.schema.names, found.candidates, strict=True) if not penalised
        ]
        if free:
            yield Paragraph(f"not chosen among, as not penalised, or left out, or constant: {listing(free)}", "quiet")
        yield Paragraph(f"at most {found.expected_false:.2g} selected by chance, in expectation")
        yield from (Paragraph(sentence(note), "bad") for note in self.notes)
