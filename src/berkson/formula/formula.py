"""A parsed formula: what stands on either side of `~`, before any table is known."""

from __future__ import annotations

from dataclasses import dataclass

from berkson.formula.calls import learned_calls
from berkson.formula.errors import FormulaError
from berkson.formula.parser import parse_sides
from berkson.formula.syntax import PRODUCT, SUM, Call, Chain, Name, Node, columns_of, has_dot
from berkson.formula.terms import Expansion, expand
from berkson.table import quoted


@dataclass(frozen=True)
class Response:
    """The left-hand side: one column of outcomes, or two of counts.

    `successes / trials` has second="trials", `cbind(successes, failures)` second="failures", one column None.
    """

    columns: tuple[str, ...]
    second: str | None = None

    def __str__(self) -> str:
        names = [str(Name(column)) for column in self.columns]
        return f"cbind({', '.join(names)})" if self.second == "failures" else " / ".join(names)


@dataclass(frozen=True)
class Formula:
    """`response ~ right`, checked; `str` gives it as canonical text, which parses to an equal formula."""

    response: Response | None
    right: Node

    def __str__(self) -> str:
        return f"{self.response} ~ {self.right}" if self.response else f"~ {self.right}"

    @property
    def columns(self) -> dict[str, int]:
        """The columns named on the right, each with the position of its first mention."""
        return columns_of(self.right)

    @property
    def has_smooths(self) -> bool:
        """Whether a term of it is a smooth, s(x), whose penalty the data are to choose."""
        return any(call.function == "s" for call in learned_calls(self.right))

    def expand(self, others: tuple[str, ...]) -> Expansion:
        """The terms, where `.` stands for the columns in `others`."""
        return expand(self.right, others)


def parse(text: str) -> Formula:
    """The formula that a text spells.

        y ~ a + b*x + C(g, ref="b") + log(z) - 1        ~ . - id        successes / trials ~ dose
        y ~ ns(age, df=3)*C(g, sum) + offset(log(t))    y ~ site/plot   cbind(s, f) ~ poly(x, 2)

    Left: a column, `successes / trials`, `cbind(successes, failures)`, `cbind(successes, trials - successes)`, or
    nothing.  Right: terms joined by `+`, `-` (takes a term away), `:` (interaction), `*` (a + b + a:b), `/` (a/b, b
    within a, is a + a:b), `%in%` (b %in% a is b:a) and `^` ((a + b)^2 is all pairs), `.` for all other columns, `0` or
    `1` for the intercept; names that are not plain between backquotes.  Variables: columns; `C(g, ref="level")` and
    `C(g, contrasts)` for a column as categories, with treatment, sum, helmert, poly or diff contrasts (`contrasts`);
    `I(...)` for arithmetic; the functions log, log2, log10, log1p, exp, expm1, sqrt, abs, sin, cos, tan; poly, ns, bs,
    cr, s and scale, which learn from data (`bases`).  `offset(...)` is added to the linear predictor, with coefficient
    1, and is no term.  Raises FormulaError, one sentence with the position, for anything else.  Nothing is executed.
    """
    left, right = parse_sides(text)
    response = None if left is None else _response(left)
    formula = Formula(response, right)
    expand(right, None if has_dot(right) else ())
    _refuse_response_on_right(formula)
    return formula


def _response(left: Node) -> Response:
    if isinstance(left, Name):
        return Response((left.column,))
    if isinstance(left, Chain) and left.strength == PRODUCT and [op for op, _ in left.items[1:]] == ["/"]:
        first, second = (operand for _, operand in left.items)
        if isinstance(first, Name) and isinstance(second, Name):
            return _counts(first, second, "trials")
    if isinstance(left, Call) and left.function == "cbind" and len(left.arguments) == 2 and not left.options:
        first, second = left.arguments
        if isinstance(first, Name) and isinstance(second, Name):
            return _counts(first, second, "failures")
        if isinstance(first, Name) and isinstance(second, Chain) and second.strength == SUM:  # cbind(s, n - s)
            match second.items:
                case (("+", Name() as trials), ("-", Name(column))) if column == first.column:
                    return _counts(first, trials, "trials")
    raise FormulaError(
        f"{quoted(left)} cannot be a response; write the name of a column, successes / trials, "
        "cbind(successes, failures) or cbind(successes, trials - successes), and transform columns beforehand"
    )


def _counts(first: Name, second: Name, meaning: str) -> Response:
    if first.column == second.column:
        raise FormulaError(f"the response names column {quoted(first.column)} twice; name successes and {meaning}")
    return Response((first.column, second.column), meaning)


def _refuse_response_on_right(formula: Formula) -> None:
    """The outcome must not explain itself; the number of trials may, since it is known beforehand."""
    if formula.response is None:
        return
    known = formula.response.columns[1:] if formula.response.second == "trials" else ()
    for column, position in formula.columns.items():
        if column in formula.response.columns and column not in known:
            raise FormulaError(f"the response {quoted(column)} stands on the right of ~ too, at position {position}")
