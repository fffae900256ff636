"""Figures of a path and of its cross-validation: coefficients and held-out measures against the penalty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.report.figure import Figure
from berkson.report.layout import significant
from berkson.report.panels import Axis, End, Line, Mark, Panel, Points, Rule, Spans, axis, number, thinned
from berkson.select.cross_validation import CrossValidation
from berkson.select.measures import Curve
from berkson.select.path import Path
from berkson.select.start import units

F64 = npt.NDArray[np.float64]

NAMED = 18  # lines of a panel that have a colour and a name at the right; others are grey, with names under the pointer
DRAWN = 200  # lines of a panel: what is smaller than these could not be told apart
TOPS = 12  # numbers of columns along the top
SAID = {
    "log_loss": "log loss of held-out rows",
    "deviance": "deviance of held-out rows",
    "brier": "Brier score of held-out rows",
    "accuracy": "accuracy on held-out rows",
    "auc": "AUC on held-out rows",
}
SHORT, TALL = 250, 380  # heights of panels: one of several, and one alone


def path_figure(
    found: Path, names: Sequence[str], classes: Sequence[str], title: str, *, scaled: bool = True
) -> Figure:
    """Each coefficient against lambda, per standard deviation of its column where `scaled`, else per unit; of more
    than two classes a panel for each.  ValueError where there is one lambda only."""
    return Figure(title, path_panels(found, names, classes, scaled=scaled))


def cross_validation_figure(
    found: CrossValidation, names: Sequence[str], classes: Sequence[str], title: str, *, scaled: bool = True
) -> Figure:
    """The held-out measure, mean and standard error over the folds, above the coefficients; lines where lambda is best
    and where it is the largest within one standard error of that."""
    chosen, lambdas = found.chosen, found.path.lambdas
    place = _places(lambdas)
    rules = _rules(chosen, lambdas)
    curve = Panel(
        _lambda_axis(place, lambdas),
        axis(SAID[chosen.measure], np.concatenate([chosen.mean - _width(chosen), chosen.mean + _width(chosen)])),
        (
            Spans(place, chosen.mean - chosen.se, chosen.mean + chosen.se),
            Points(place, chosen.mean, 3, _texts(chosen, found.path)),
            *rules,
        ),
        f"{found.folds.count} folds: mean and standard error",
        top=_tops(place, found.path.df),
        top_label="columns",
        height=300,
    )
    plain = [Rule(rule.x) for rule in rules]
    return Figure(title, (curve, *path_panels(found.path, names, classes, plain, scaled=scaled)))


def path_panels(
    found: Path, names: Sequence[str], classes: Sequence[str], rules: Sequence[Rule] = (), *, scaled: bool = True
) -> tuple[Panel, ...]:
    """One panel for two classes, else one for each; see `path_figure`."""
    if len(found.lambdas) < 2:
        raise ValueError("a path of one penalty has no figure: ask for several")
    coef = found.coef
    if scaled:
        coef = coef * units(found.start.rows, standardize=True, intercept=True)
    titles = [""] if coef.shape[1] == 1 else [f"class {name}" for name in classes]
    inks = _inks(coef)
    return tuple(_coefficients(found, coef[:, k], names, inks, titles[k], rules, scaled) for k in range(len(titles)))


def _inks(coef: F64) -> dict[int, int]:
    """The colours of those columns (L, K, p) that reach furthest: in turn from top to bottom where there is one panel,
    so that neighbours differ; of several classes in the order of the columns."""
    reach = np.abs(coef).max(axis=(0, 1))
    named = [int(j) for j in np.argsort(-reach, kind="stable")[:NAMED] if reach[j] > 0.0]
    order = sorted(named, key=lambda j: -coef[-1, 0, j]) if coef.shape[1] == 1 else sorted(named)
    return {j: k for k, j in enumerate(order)}


def _coefficients(
    found: Path,
    coef: F64,
    names: Sequence[str],
    inks: dict[int, int],
    title: str,
    rules: Sequence[Rule],
    scaled: bool,
) -> Panel:
    """Of one equation: coef (L, p)."""
    place, p = _places(found.lambdas), coef.shape[1]
    reach = np.abs(coef).max(axis=0)
    entering = [j for j in np.argsort(reach, kind="stable").tolist() if reach[j] > 0.0]
    drawn = entering[-DRAWN:]
    named = [j for j in drawn if j in inks]
    marks: list[Mark] = [Line(place[[0, -1]], np.zeros(2), "quiet")]
    marks += [Line(place, coef[:, j], inks.get(j, "quiet"), names[j]) for j in drawn]
    marks += rules
    left = [f"{len(drawn) - len(named)} more in grey"] * (len(named) < len(drawn))
    left += [f"{len(entering) - len(drawn)} smaller not drawn"] * (len(drawn) < len(entering))
    zero = p - len(entering)
    left += [f"{zero} never enter{'s' if zero == 1 else ''}"] * (zero > 0)
    return Panel(
        _lambda_axis(place, found.lambdas),
        axis("log-odds per standard deviation" if scaled else "log-odds per unit", np.append(coef, 0.0)),
        tuple(marks),
        ": ".join(filter(None, [title, "coefficients" + (f" ({', '.join(left)})" if left else "")])),
        tuple(End(float(coef[-1, j]), names[j], inks[j]) for j in named),
        _tops(place, found.df),
        "columns",
        height=SHORT if title else TALL,
    )


def _place(lambda_: float) -> float:
    return -math.log10(lambda_)


def _places(lambdas: F64) -> F64:
    """Where lambdas stand: the penalty weakens to the right; 0 half a power of ten beyond the others."""
    positive = lambdas[lambdas > 0.0]
    end = _place(float(positive.min())) + 0.5 if len(positive) else 0.0
    return np.array([_place(value) if value > 0.0 else end for value in lambdas.tolist()])


def _lambda_axis(place: F64, lambdas: F64) -> Axis:
    low, high = float(place[0]), float(place[-1])
    room = 0.015 * (high - low)
    digits = (1.0,) if high - low > 2.5 else (1.0, 2.0, 5.0)
    powers = range(math.floor(-high) - 1, math.ceil(-low) + 1)
    at = sorted(_place(digit * 10.0**power) for power in powers for digit in digits)
    ticks = [(x, number(f"{10.0**-x:.3g}")) for x in at if low - room <= x <= high + room]
    if lambdas[-1] == 0.0:
        ticks = [*(tick for tick in ticks if tick[0] < high - 0.25), (high, "0")]
    return Axis("lambda, logarithmic: the penalty weakens to the right", low - room, high + room, tuple(ticks))


def _tops(place: F64, df: npt.NDArray[np.intp]) -> tuple[tuple[float, str], ...]:
    """How many columns have a coefficient, at some of the lambdas."""
    kept = thinned(place.tolist(), float(place[-1] - place[0]) / TOPS)
    return tuple((float(place[i]), str(df[i])) for i in kept)


def _rules(chosen: Curve, lambdas: F64) -> list[Rule]:
    """Lines at the best lambda and at the largest within one standard error of it."""
    place = _places(lambdas)
    best, one_se = float(place[chosen.best]), float(place[chosen.one_se])
    end: Literal["upper", "lower"] = (
        "lower" if chosen.measure in ("accuracy", "auc") else "upper"
    )  # away from the curve
    if best == one_se:
        return [Rule(best, "best, and one standard error", end=end)]
    return [Rule(one_se, "one standard error", "left", end), Rule(best, "best", end=end)]


def _width(chosen: Curve) -> F64:
    return np.where(np.isfinite(chosen.se), chosen.se, 0.0)


def _texts(chosen: Curve, found: Path) -> tuple[str, ...]:
    each = zip(found.lambdas, found.df, chosen.mean, chosen.se, strict=True)
    return tuple(f"lambda {significant(a)}, {d} columns: {significant(m)} ± {significant(s)}" for a, d, m, s in each)
