"""What is said of a fit: the model in words, its coefficients, how well it fits, and what is proved."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from berkson.fit import Certificate, Fit, Info
from berkson.formula.coding import Product, levels_coded
from berkson.inference.likelihood import likelihood
from berkson.model import Model, Proof, RowCount
from berkson.problem import Problem
from berkson.report.layout import Block, Grid, Paragraph, Row, Style, exponential, significant

F64 = npt.NDArray[np.float64]

SHOWN_TERMS = 3  # of the combination that an aliased column is
SHOWN_CLASSES = 20  # with how often each was seen


def summary(model: Model, result: Fit, source: str) -> list[Block]:
    """The report of a fit to the table named `source`."""
    problem = result.problem
    return [
        Paragraph(model.formula, "title"),
        *_outcome(model, problem),
        *_rows(model, problem, source),
        *(Paragraph(_sentence(note)) for note in model.schema.notes),
        *_grids(model, result),
        *_goodness(model, result),
        *verdict(model.proof),
        Paragraph(_effort(result.info), "quiet"),
    ]


def check_report(model: Model, proof: Proof, rows: RowCount, source: str) -> list[Block]:
    """The report of a proof of saved coefficients on the table named `source`."""
    blocks = [Paragraph(model.formula, "title"), Paragraph(_rows_text(rows, source)), *verdict(proof)]
    saved = model.proof.objective
    return [
        *blocks,
        Paragraph(f"objective {_exact(proof.objective)} on these data, {_exact(saved)} when fitted", "quiet"),
    ]


def verdict(proof: Proof) -> list[Block]:
    """What is proved, and what stands in the way."""
    style: Style = "good" if proof.certified else "bad"
    said = [Paragraph(_sentence(sentence), "bad") for sentence in proof.verdicts]
    if proof.exists is False and said:
        return list(said)
    return [*said, Paragraph(_sentence(proof.status), style)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _exact(value: float) -> str:
    return f"{value:.10g}"


def _effort(info: Info) -> str:
    passes = f"{info.passes:.3g}"
    plural = "" if passes == "1" else "es"
    return f"{passes} pass{plural} over the data, {info.seconds:.3f} s; {info.solver}, since {info.why}."


def _outcome(model: Model, problem: Problem) -> Iterator[Block]:
    """What the probability is of, and how often that was seen."""
    outcome = model.schema.outcome
    assert outcome is not None
    totals = problem.class_weights()
    name = outcome.response.columns[0]
    unit = "trials" if outcome.kind == "counts" else "rows" if model.weights is None else "total weight"
    if outcome.kind == "classes":
        each = [f"{level} {total:,.10g}" for level, total in zip(outcome.levels, totals, strict=True)]
        more = f" and {len(each) - SHOWN_CLASSES} more" if len(each) > SHOWN_CLASSES else ""
        listed = ", ".join(each[:SHOWN_CLASSES]) + more
        yield Paragraph(f"P({name}) over {len(totals)} classes: {listed} of {totals.sum():,.10g} {unit}")
        return
    event = outcome.event if outcome.kind != "binary" else f"{name} = {outcome.event}"
    yield Paragraph(f"P({event}): {totals[1]:,.10g} of {totals.sum():,.10g} {unit}")


def _rows(model: Model, problem: Problem, source: str) -> Iterator[Block]:
    yield Paragraph(_rows_text(model.rows, source))
    if model.weights is not None:
        yield Paragraph(f"weights: {model.weights}")
    if model.offset is not None:
        yield Paragraph(f"offset: {model.offset}")
    if model.strength > 0.0:
        ridge = f"ridge of strength {significant(model.strength)} (C = {significant(1.0 / model.strength)})"
        yield Paragraph(f"{ridge} on every coefficient but the intercept: they are shrunk towards 0")


def _rows_text(rows: RowCount, source: str) -> str:
    if rows.read == rows.used:
        return f"{rows.read:,} rows of {source}, none dropped"
    causes = ", ".join(f"{name} in {count:,}" for name, count in rows.missing.items())
    return (
        f"{rows.used:,} of {rows.read:,} rows of {source}; {rows.read - rows.used:,} dropped, a value missing: {causes}"
    )


# --- coefficients ---------------------------------------------------------------------------------------------------


def _grids(model: Model, result: Fit) -> Iterator[Block]:
    headings = ("", "log-odds", "odds ratio")
    if len(model.coef) == 1:
        yield Grid(headings, tuple(_Coefficients(model, result, 0, None).rows()))
        return
    first = model.classes[0]
    yield Paragraph(f"each class against the first, {first}: log-odds ratio and its exponential, the relative odds")
    for k, name in enumerate(model.classes):
        if k:
            yield Grid((f"{name} : {first}", *headings[1:]), tuple(_Coefficients(model, result, k, 0).rows()))


class _Coefficients:
    """The rows of one block of coefficients: of the event, or of class k against class `against`."""

    def __init__(self, model: Model, result: Fit, k: int, against: int | None) -> None:
        self.model, self.problem, self.k, self.against = model, result.problem, k, against
        coef = np.column_stack([model.coef, model.intercept])
        self.coef = coef[k] if against is None else coef[k] - coef[against]
        self.aliased = {alias.column: alias for alias in result.certificate.rank.aliased}
        separation = result.certificate.separation
        self.separated = separation is not None and separation.kind == "complete"
        self.signs = _infinite_signs(result.certificate, k, against)

    def rows(self) -> Iterator[Row]:
        if self.model.schema.intercept:
            where = "odds at 0 and references" if self.model.schema.factors else "odds at 0"
            yield self.row("(Intercept)", len(self.coef) - 1, where)
        for item in self.model.schema.products:
            if len(item.factors) == 1 and not item.numbers:
                yield from self.factor(item)
            else:
                for j in range(item.start, item.stop):
                    yield self.row(self.model.schema.names[j], j, _meaning(item))

    def factor(self, item: Product) -> Iterator[Row]:
        (variable, full) = item.factors[0]
        factor = self.model.schema.factors[variable]
        coded = levels_coded(factor, full)
        if len(coded) == 1:
            yield self.row(self.model.schema.names[item.start], item.start, f"against {factor.reference}")
            return
        yield Row(str(variable))
        place = dict(zip(coded, range(item.start, item.stop), strict=True))
        for level in factor.levels:
            if level in place:
                yield self.row(f"  {level}", place[level], "" if full else f"against {factor.reference}")
            else:
                yield Row(f"  {level}", ("0", "1"), "reference", "quiet")

    def row(self, name: str, j: int, remark: str) -> Row:
        if j in self.aliased:
            return Row(name, ("-", "-"), f"not estimable: {self.combination(j)}", "bad")
        if j in self.signs:
            sign = self.signs[j]
            shown = {1: ("+inf", "inf"), -1: ("-inf", "0"), 0: ("±inf", "0 or inf")}[sign]
            return Row(name, shown, "no finite estimate", "bad")
        if self.separated:
            return Row(name, ("-", "-"), "no estimate, separated", "quiet")
        value = float(self.coef[j])
        return Row(name, (significant(value), exponential(value)), remark)

    def combination(self, j: int) -> str:
        """`= 2 x1 - x2`, `= 0`: what an aliased column is made of."""
        terms = self.aliased[j].combination
        text = ""
        for column, factor in terms[:SHOWN_TERMS]:
            name = "" if column == self.problem.X.shape[1] else self.problem.column(column)
            size = "" if abs(factor) == 1.0 and name else f"{abs(factor):.4g} "
            text += (" - " if factor < 0.0 else " + ") + (size + name).strip()
        more = f" and {len(terms) - SHOWN_TERMS} more" if len(terms) > SHOWN_TERMS else ""
        return "= " + ((text[3:] if text.startswith(" + ") else "-" + text[3:]) if text else "0") + more


def _infinite_signs(certificate: Certificate, k: int, against: int | None) -> dict[int, int]:
    """Columns (p: the constant) whose coefficient is infinite, with the sign (0: either)."""
    if certificate.separation is None:
        return {}
    if against is None:
        return {i.column: i.sign for i in certificate.separation.infinite}
    signs: dict[int, int] = {}
    for i in certificate.separation.infinite:
        if i.class_index not in (k, against):
            continue
        sign = i.sign if i.class_index == k else -i.sign
        # two infinite coefficients of one sign differ by nobody knows what
        signs[i.column] = sign if signs.get(i.column, sign) == sign else 0
    return signs


def _meaning(item: Product) -> str:
    """What e^coefficient is: a factor coded in full tells of each group by itself, any other is a contrast."""
    contrasts = sum(not full for _, full in item.factors)
    if contrasts + len(item.numbers) > 1:
        return "ratio of odds ratios"
    effect = f"per unit of {item.numbers[0]}" if item.numbers else "odds ratio" if contrasts else "odds"
    return effect + (" in this group" if len(item.factors) > contrasts else "")


# --- goodness -------------------------------------------------------------------------------------------------------


def _goodness(model: Model, result: Fit) -> Iterator[Block]:
    certificate = result.certificate
    if model.strength > 0.0:
        yield Paragraph(
            f"objective {_exact(certificate.objective)}, of the null model {_exact(certificate.null_objective)}"
        )
        return
    assert model.schema.outcome is not None
    kind = model.schema.outcome.kind
    counted = kind == "counts" and model.weights is None
    found = likelihood(result, result.problem.weight if counted else None)
    share = "share explained" if kind == "counts" else "McFadden R²"
    stopped = " where the iteration stopped" if certificate.exists is False else ""
    text = f"deviance {found.deviance:.2f}{stopped}, of the null model {found.null_deviance:.2f}"
    if math.isfinite(found.explained):
        text += f" ({share} {found.explained:.4f})"
    if counted or kind in ("binary", "classes"):
        text += f"; log-likelihood {found.log_likelihood:.3f}"
    yield Paragraph(text)
