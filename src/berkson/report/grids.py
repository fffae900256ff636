"""The coefficients of a fit as grids: factors with their reference, one grid for each equation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema
from berkson.formula.coding import Product, levels_coded
from berkson.formula.syntax import Node, columns_of
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.model import Model
from berkson.report.coefficients import Coefficients
from berkson.report.layout import Block, Grid, Paragraph, Row, exponential, probability, significant

F64 = npt.NDArray[np.float64]

SPARE = ((3,), (2,), (6, 7))  # z, standard errors and intervals are left out where a terminal is too narrow for them
_NONE = ("",) * 5  # cells without a number
SHOWN_TERMS = 3  # of the combination that an aliased column is


def grids(model: Model, estimates: Estimates, coefficients: Coefficients | None) -> Iterator[Block]:
    """Log-odds and odds ratios, with standard errors, tests and intervals (of odds ratios) where there are any."""
    headings: tuple[str, ...] = ("log-odds", "odds ratio")
    spare: tuple[tuple[int, ...], ...] = ()
    if coefficients is not None:
        spare = SPARE
        level = f"{100.0 * coefficients.level:.6g}%"
        headings = ("log-odds", "std. error", "z", "p", "odds ratio", f"{level} from", "to")
    if len(estimates.equations) == 1:
        yield Grid(("", *headings), tuple(_Equation(model, estimates, coefficients, 0).rows()), spare)
        return
    reference = model.classes[estimates.reference]
    yield Paragraph(f"each class against {reference}: log-odds ratio and its exponential, the relative odds")
    for e, k in enumerate(estimates.equations):
        name = f"{model.classes[k]} : {reference}"
        yield Grid((name, *headings), tuple(_Equation(model, estimates, coefficients, e).rows()), spare)


class _Equation:
    """The rows of one equation."""

    def __init__(self, model: Model, estimates: Estimates, coefficients: Coefficients | None, equation: int) -> None:
        self.model, self.problem, self.coefficients = model, estimates.problem, coefficients
        q = len(estimates.columns)
        own = slice(equation * q, (equation + 1) * q)
        self.at = {column: own.start + k for k, column in enumerate(estimates.columns)}
        self.aliased = {alias.column: alias for alias in estimates.fit.certificate.rank.aliased}
        self.params: F64 | None = None if _unproved(estimates) else estimates.params

    def rows(self) -> Iterator[Row]:
        if self.model.schema.intercept:
            yield self.row("(Intercept)", self.problem.X.shape[1], _origin(self.model.schema))
        smooth = {column for term in self.model.schema.smooths for column in term.columns}
        for item in self.model.schema.products:
            if item.start in smooth:
                continue  # their coefficients say nothing, one by one
            if len(item.factors) == 1 and not item.numbers:
                yield from self.factor(item)
            else:
                for j in range(item.start, item.stop):
                    yield self.row(self.model.schema.names[j], j, _meaning(item, self.model.schema))

    def factor(self, item: Product) -> Iterator[Row]:
        (variable, full) = item.factors[0]
        factor = self.model.schema.factors[variable]
        coded = levels_coded(factor, full)
        where = _where(item, self.model.schema)
        if len(coded) == 1:
            yield self.row(self.model.schema.names[item.start], item.start, f"against {factor.reference}{where}")
            return
        yield Row(str(variable))
        place = dict(zip(coded, range(item.start, item.stop), strict=True))
        for level in factor.levels:
            if level in place:
                yield self.row(f"  {level}", place[level], where[2:] if full else f"against {factor.reference}{where}")
            else:
                yield Row(f"  {level}", self.numbers("0", "1"), "reference", "quiet")

    def numbers(self, log_odds: str, odds: str, tested: tuple[str, ...] = _NONE) -> tuple[str, ...]:
        """The cells of a row; `tested`: standard error, z, p, and the ends of the interval."""
        if self.coefficients is None:
            return log_odds, odds
        return (log_odds, *tested[:3], odds, *tested[3:])

    def row(self, name: str, j: int, remark: str) -> Row:
        if j in self.aliased:
            return Row(name, self.numbers("-", "-"), f"not estimable: {self.combination(j)}", "bad")
        if self.params is None:
            return Row(name, self.numbers("-", "-"), "no proved estimate", "quiet")
        value = float(self.params[self.at[j]])
        if not math.isfinite(value):
            infinite = {math.inf: ("+inf", "inf"), -math.inf: ("-inf", "0")}.get(value, ("±inf", "0 or inf"))
            return Row(name, self.numbers(*infinite, self.tested(j)), "no finite estimate", "bad")
        return Row(name, self.numbers(significant(value), exponential(value), self.tested(j)), remark)

    def tested(self, j: int) -> tuple[str, ...]:
        """Standard error, z, p and the ends of the interval of the odds ratio; empty where there is no such number."""
        shown, k = self.coefficients, self.at[j]
        if shown is None:
            return _NONE
        found: list[tuple[F64, Callable[[float], str]]] = [
            (shown.std_error, significant),
            (shown.statistic, lambda z: f"{z:.2f}"),
            (shown.p_value, probability),
            (shown.low, exponential),
            (shown.high, exponential),
        ]
        return tuple("" if math.isnan(values[k]) else text(float(values[k])) for values, text in found)

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


def _unproved(estimates: Estimates) -> bool:
    """Whether nothing is proved of the estimates, so that their numbers would say nothing."""
    if estimates.problem.penalised:
        return not estimates.fit.certificate.certified
    try:
        estimates.require()
    except StatisticsError:
        return True
    return False


def _origin(schema: Schema) -> str:
    """What e^intercept is, where that can be said: not of contrasts that compare with a mean, nor of splines."""
    if schema.bases or any(f.contrasts != "treatment" or f.symmetric for f in schema.factors.values()):
        return ""
    return "odds at 0 and references" if schema.factors else "odds at 0"


def _meaning(item: Product, schema: Schema) -> str:
    """What e^coefficient is: a factor coded in full tells of each group by itself, any other is a contrast."""
    contrasts = sum(not full for _, full in item.factors)
    if contrasts + len(item.numbers) > 1:
        return "ratio of odds ratios" + _where(item, schema)
    effect = _of_number(item, schema) if item.numbers else "odds ratio" if contrasts else "odds"
    return effect + (" in this group" if len(item.factors) > contrasts else "") + _where(item, schema)


def _where(item: Product, schema: Schema) -> str:
    """Where the effect of an item that takes part in interactions is what its coefficient says."""
    own = set(item.labels)
    others = dict.fromkeys(v for product in schema.products if own < set(product.labels) for v in product.labels)
    places = [_zero(variable, schema) for variable in others if variable not in own]
    if None in places or len(places) > SHOWN_TERMS:
        return ", see its interactions"
    return f", where {' and '.join(map(str, places))}" if places else ""


def _zero(variable: Node, schema: Schema) -> str | None:
    """Where the columns of a variable are 0, if that can be said."""
    factor = schema.factors.get(variable)
    if factor is None:
        basis = schema.bases.get(variable)
        return f"{variable} = 0" if basis is None or basis.width == 1 else None
    return f"{next(iter(columns_of(variable)))} = {factor.reference}" if factor.contrasts == "treatment" else None


def _of_number(item: Product, schema: Schema) -> str:
    (number,) = item.numbers
    if number in schema.factors:
        return f"{schema.factors[number].contrasts} contrast"
    return "column of a basis" if len(item.labels[number]) > 1 else f"per unit of {number}"
