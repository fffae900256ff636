"""What is said of smooths: how much each bends, by which smoothing parameter, and its curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from berkson.formula import Schema
from berkson.formula.smooth_terms import penalties_of
from berkson.inference.smooth import Curve, SmoothEstimates, smooth_tests
from berkson.report.coefficients import normal_quantile
from berkson.report.figure import Figure
from berkson.report.layout import Block, Grid, Paragraph, Row, probability, significant
from berkson.report.panels import Line, Panel, axis
from berkson.select.smoothing import Smoothing

STRAIGHT = 1e-3  # effective degrees of freedom beyond those that no penalty holds, below which nothing bends
HEIGHT = 260  # of a panel


def smooth_blocks(estimates: SmoothEstimates, schema: Schema) -> Iterator[Block]:
    """The smooths of a fit: effective degrees of freedom, test and smoothing parameters."""
    chosen, rows = estimates.chosen, []
    at_end = dict(zip(penalties_of(schema.smooths), chosen.at_end.tolist(), strict=True))
    strengths = dict(zip(at_end, chosen.strengths.tolist(), strict=True))
    for smooth, test in zip(schema.smooths, smooth_tests(estimates, schema.smooths), strict=True):
        free = len(smooth.columns) - sum(map(len, smooth.penalties.values()))
        shown = ["infinite" if at_end[name] else significant(strengths[name]) for name in smooth.penalties]
        line = "a straight line" if len(smooth.variables) == 1 else "a product of straight lines"
        remark = (f"{line}; " if test.freedom - free < STRAIGHT else "") + f"smoothing {', '.join(shown)}"
        numbers = (f"{test.freedom:.3f}", f"{test.statistic:.2f}", probability(test.p_value))
        rows.append(Row(smooth.name, numbers, remark))
    yield Grid(("smooth", "edf", "chi²", "p"), tuple(rows), ((1,),))
    yield Paragraph(
        "edf: effective degrees of freedom; p: approximate, that the smooth is 0 everywhere, its smoothing parameter "
        "taken for known",
        "quiet",
    )


def smooth_goodness(estimates: SmoothEstimates) -> Iterator[Block]:
    """How well a fit with smooths fits, and how its smoothing parameters were found."""
    found, chosen = estimates.likelihood, estimates.chosen
    yield Paragraph(
        f"log-likelihood {found.log_likelihood:.3f}, of the null model {found.null_log_likelihood:.3f}; effective "
        f"degrees of freedom {estimates.freedom:.3f}; AIC {estimates.aic:.2f}; deviance explained "
        f"{100.0 * found.explained:.1f}%"
    )
    yield Paragraph(
        "smoothing parameters by restricted maximum likelihood (REML), to a derivative of "
        f"{chosen.gradient:.1g}; {chosen.iterations} steps, {chosen.passes:.3g} passes, {chosen.seconds:.3f} s",
        "quiet",
    )
    yield from (Paragraph(f"{doubt[:1].upper()}{doubt[1:]}.", "bad") for doubt in doubts(chosen))


def doubts(chosen: Smoothing) -> Iterator[str]:
    """What speaks against the smoothing parameters chosen."""
    if not chosen.converged:
        yield (
            f"the smoothing parameters may not be the best: after {chosen.iterations} steps the restricted likelihood "
            f"still changes by {chosen.gradient:.1g} for a unit of their logarithms"
        )
    if chosen.local:
        yield (
            "less smooth curves could separate the classes, so the restricted likelihood may have no greatest value; "
            "these smoothing parameters are the best in reach of straight lines: give smaller k to be sure"
        )


def smooth_figure(title: str, curves: Sequence[tuple[str, Curve, float]], level: float) -> Figure:
    """A panel for each (name, curve, effective degrees of freedom), with the pointwise interval as dashed lines."""
    half = normal_quantile(level)
    panels = []
    for name, curve, freedom in curves:
        low, high = curve.estimate - half * curve.std_error, curve.estimate + half * curve.std_error
        marks = (
            Line(curve.x[[0, -1]], np.zeros(2), "quiet"),
            Line(curve.x, low, 0, f"{100.0 * level:.6g}% from", dashed=True),
            Line(curve.x, high, 0, f"{100.0 * level:.6g}% to", dashed=True),
            Line(curve.x, curve.estimate, 0, name),
        )
        values = np.concatenate([low, high])
        panels.append(
            Panel(
                axis(_variable(name), curve.x),
                axis("log-odds", values),
                marks,
                f"{name}, edf {freedom:.2f}",
                height=HEIGHT,
            )
        )
    return Figure(title, tuple(panels))


def _variable(name: str) -> str:
    """What a smooth is of: `age` for `s(age, k=5)`, `log(x)` for `g[a]:s(log(x))`."""
    start = name.index("s(") + 2 if name.startswith("s(") else name.index(":s(") + 3
    depth = 0
    for place, letter in enumerate(name[start:], start):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0 or (depth == 0 and letter == ","):
            return name[start:place]
    return name
