"""What is said of a path, of its cross-validation, and of the fit of one penalty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from berkson.model import Prepared, classes_of
from berkson.report.layout import Block, Grid, Paragraph, Row, exponential, significant
from berkson.report.summary import outcome_text, rows_text, sentence
from berkson.select.cross_validation import CrossValidation
from berkson.select.path import PRECISION, Path
from berkson.select.separated import notes
from berkson.select.start import Options
from berkson.table import listing

F64 = npt.NDArray[np.float64]

LINES = 20  # of a table of lambdas
NAMES = 4  # of the columns that come and go at a lambda
COLUMNS = 60  # of a table of coefficients
CLASSES = 8  # side by side in it
MEASURES = {"log_loss": "log loss", "deviance": "deviance", "brier": "Brier", "accuracy": "accuracy", "auc": "AUC"}


def penalty_text(options: Options) -> str:
    """The penalty in words: kind, units, what is special."""
    ratio = options.l1_ratio
    kind = {0.0: "ridge", 1.0: "lasso"}.get(ratio, f"elastic net, l1_ratio {ratio:g},")
    if options.groups is not None and ratio > 0.0:
        kind = ("group lasso" if options.share == 0.0 else f"sparse-group lasso, share {options.share:g},") + (
            "" if ratio == 1.0 else f" and ridge, l1_ratio {ratio:g},"
        )
    units = "in units of their columns' standard deviations" if options.standardize else "per unit of their columns"
    bounds = "" if options.lower is None and options.upper is None else ", some of them between bounds"
    scale = "" if options.scale == "mean" else ", against the sum of losses"
    return f"{kind} on coefficients {units}{bounds}{scale}"


def path_blocks(given: Prepared, found: Path) -> Iterator[Block]:
    """The report of a path: where columns come and go, what is explained, what is proved."""
    yield from _head(given, found)
    yield _lambdas(given, found)
    yield from (Paragraph(sentence(note), "bad") for note in notes(found))
    yield from _unproved(found)
    yield Paragraph(sentence(found.ended))
    yield Paragraph(_effort(found.passes, found.seconds), "quiet")


def cross_validation_blocks(given: Prepared, found: CrossValidation) -> Iterator[Block]:
    """The report of a cross-validation: the curve, the two lambdas, the coefficients there."""
    yield from _head(given, found.path)
    yield Paragraph(f"{found.folds.count} folds, each proved by itself" if found.certified.all() else _shaky(found))
    yield _curve(found)
    yield from (Paragraph(sentence(note), "bad") for note in found.notes)
    yield from _chosen_coefficients(given, found)
    yield from _unproved(found.path)
    yield Paragraph(_effort(found.passes, found.seconds), "quiet")


def fit_blocks(given: Prepared, found: Path, chosen: str, status: str) -> Iterator[Block]:
    """The report of the fit of one penalty, that of a path of one; status: what is proved of it."""
    yield from _head(given, found)
    yield Paragraph(f"lambda {significant(float(found.lambdas[0]))}: {chosen}")
    if not found.certified[0]:
        yield Paragraph(sentence(status), "bad")
        return
    yield from _coefficients(given, found)
    yield Paragraph(
        f"deviance explained {_percent(float(found.deviance_ratio[0]))}, of {found.null_deviance:.2f}; "
        "no standard errors: coefficients are shrunk, and chosen by the data that would judge them",
        "quiet",
    )
    yield Paragraph(sentence(status), "good")


# --- parts ----------------------------------------------------------------------------------------------------------


def _head(given: Prepared, found: Path) -> Iterator[Block]:
    yield Paragraph(str(given.formula), "title")
    yield from outcome_text(given.schema, given.problem, given.weights)
    yield Paragraph(rows_text(given.rows, given.table.source))
    if given.weights is not None:
        yield Paragraph(f"weights: {given.weights}")
    if given.offset is not None:
        yield Paragraph(f"offset: {given.offset}")
    yield Paragraph(penalty_text(found.options))
    free = _free(given, found)
    if free:
        yield Paragraph(f"not penalised: {listing(free)}")
    if (
        any(f.symmetric and len(f.levels) > 2 for f in given.schema.factors.values())
        and found.options.groups is None
        and found.options.l1_ratio > 0.0
    ):
        yield Paragraph("each level of a factor is a column of its own, which comes and goes by itself", "quiet")
    yield from (Paragraph(sentence(note)) for note in given.schema.notes)


def _free(given: Prepared, found: Path) -> list[str]:
    factors = found.options.factors
    if factors is None:
        return []
    return [name for name, factor in zip(given.schema.names, np.ravel(factors), strict=True) if factor == 0.0]


def _lambdas(given: Prepared, found: Path) -> Grid:
    """A line for each lambda at which columns come or go, for the first and the last; of too many, some."""
    names = given.schema.names
    used = (found.coef != 0.0).any(axis=1)  # (L, p)
    changed = np.flatnonzero((used[1:] != used[:-1]).any(axis=1)) + 1
    last = len(used) - 1
    places = sorted({0, last, *(changed.tolist() if len(changed) else range(last))})
    some = _some(places)
    rows = []
    for before, i in zip([None, *some[:-1]], some, strict=True):
        old = np.zeros_like(used[i]) if before is None else used[before]
        moved = _moved(names, used[i] & ~old, "+ "), _moved(names, old & ~used[i], "- ")
        proof = f"{found.gap[i]:.0e}" if np.isfinite(found.gap[i]) else "nothing"
        explained = _percent(float(found.deviance_ratio[i]))
        numbers = (str(found.df[i]), explained, proof)
        style = Row("").style if found.certified[i] else "bad"
        rows.append(Row(significant(float(found.lambdas[i])), numbers, "  ".join(filter(None, moved)), style))
    return Grid(("lambda", "columns", "explained", "proved within"), tuple(rows), ((3,),))


def _some(places: Sequence[int]) -> list[int]:
    """At most so many of them, evenly, with both ends."""
    if len(places) <= LINES:
        return list(places)
    return [places[k] for k in np.unique(np.linspace(0, len(places) - 1, LINES).round().astype(int)).tolist()]


def _moved(names: Sequence[str], which: npt.NDArray[np.bool_], sign: str) -> str:
    some = [names[j] for j in np.flatnonzero(which).tolist()]
    if not some:
        return ""
    more = f" and {len(some) - NAMES} more" if len(some) > NAMES else ""
    return sign + ", ".join(some[:NAMES]) + more


def _unproved(found: Path) -> Iterator[Block]:
    """What is proved of the fits, all of them together where that is all there is to say."""
    if found.certified.all():
        within = f"{max(float(found.gap.max()), PRECISION):.1g}"
        yield Paragraph(
            f"All {len(found.lambdas)} fits certified: each objective is within {within} of its least possible value, "
            "relative to the null model's.",
            "good",
        )
        return
    yield from (Paragraph(sentence(found.status(int(i))), "bad") for i in np.flatnonzero(~found.certified)[:3])
    count = int((~found.certified).sum())
    yield Paragraph(f"{count} of {len(found.lambdas)} fits are not certified, and have no coefficients here.", "bad")


def _shaky(found: CrossValidation) -> str:
    open_ = int((~found.certified).any(axis=1).sum())
    return f"{found.folds.count} folds, of which {open_} have fits that are not proved"


def _curve(found: CrossValidation) -> Grid:
    """A line for each of some lambdas, the two chosen among them."""
    chosen, path = found.chosen, found.path
    said = {chosen.one_se: "largest within one standard error", chosen.best: "best"}
    if chosen.one_se == chosen.best:
        said = {chosen.best: "best, and the largest within one standard error"}
    places = sorted({*_some(range(len(path.lambdas))), *said})
    rows = [
        Row(
            significant(float(path.lambdas[i])),
            (str(path.df[i]), significant(float(chosen.mean[i])), significant(float(chosen.se[i]))),
            said.get(i, ""),
            "heading" if i in said else "plain",
        )
        for i in places
    ]
    return Grid(("lambda", "columns", MEASURES[chosen.measure], "std. error"), tuple(rows))


def _chosen_coefficients(given: Prepared, found: CrossValidation) -> Iterator[Block]:
    """The coefficients at both lambdas, of those columns that have any."""
    path, chosen = found.path, found.chosen
    at = [chosen.best] if chosen.best == chosen.one_se else [chosen.best, chosen.one_se]
    headings = ["best"] if len(at) == 1 else ["best", "one std. error"]
    classes = [""] if given.problem.n_classes == 2 else list(classes_of(given.schema))
    for k, name in enumerate(classes[:CLASSES]):
        values = np.column_stack([np.append(path.intercept[i, k], path.coef[i, k]) for i in at])
        yield Grid((f"log-odds{': ' if name else ''}{name}", *headings), tuple(_rows(given, values)))
    if len(classes) > CLASSES:
        yield Paragraph(f"and so for {len(classes) - CLASSES} more classes", "quiet")
    unused = int((~(path.coef[at] != 0.0).any(axis=(0, 1))).sum())
    if unused:
        yield Paragraph(f"{unused} of {len(given.schema.names)} columns have no coefficient at either", "quiet")


def _coefficients(given: Prepared, found: Path) -> Iterator[Block]:
    """Log-odds and odds ratios, or the log-odds of each class; columns without any are only counted and named."""
    coef, intercept = found.coef[0], found.intercept[0]
    if given.problem.n_classes == 2:
        values = np.append(intercept[0], coef[0])
        rows = [
            Row(row.name, (*row.numbers, exponential(value)) if row.numbers[0] else row.numbers, row.remark)
            for row, value in _with_values(given, values)
        ]
        yield Grid(("", "log-odds", "odds ratio"), tuple(rows))
    else:
        classes = classes_of(given.schema)
        for first in range(0, len(classes), CLASSES):
            some = slice(first, first + CLASSES)
            values_by_class = np.vstack([intercept, coef.T])[:, some]
            yield Grid(("log-odds", *classes[some]), tuple(_rows(given, values_by_class)))
    zero = [name for name, used in zip(given.schema.names, (coef != 0.0).any(axis=0), strict=True) if not used]
    if zero:
        yield Paragraph(f"0: {listing(zero)}", "quiet")


def _rows(given: Prepared, values: F64) -> Iterator[Row]:
    """A row for the intercept and each column that has a number; values (p + 1, m), the intercept first."""
    names = ["(Intercept)", *given.schema.names]
    used = np.flatnonzero((values != 0.0).any(axis=1)).tolist()
    for j in used[:COLUMNS]:
        yield Row(names[j], tuple(significant(float(v)) if v != 0.0 else "0" for v in values[j]))
    if len(used) > COLUMNS:
        yield Row(f"and {len(used) - COLUMNS} more", ("",) * values.shape[1])


def _with_values(given: Prepared, values: F64) -> Iterator[tuple[Row, float]]:
    rows = list(_rows(given, values[:, None]))
    kept = values[values != 0.0][: len(rows)].tolist()
    yield from zip(rows, [*kept, 0.0][: len(rows)], strict=True)


def _percent(share: float) -> str:
    return f"{round(100.0 * share, 2) + 0.0:.2f}%"  # no minus before a rounded zero


def _effort(passes: float, seconds: float) -> str:
    return f"{passes:.3g} passes over the data, {seconds:.3f} s."
