"""The algebra of terms (Wilkinson & Rogers 1973, as R has it): a tree to a list of terms.

A term is a set of variables.  While a formula is expanded the set is the bits of an integer, one bit for each variable
in order of appearance: the product of two terms is `|`, equal terms are equal integers, the degree is the bit count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from berkson.formula import arithmetic
from berkson.formula.errors import FormulaError
from berkson.formula.syntax import SUM, Call, Chain, Dot, Name, Node, Number, Power, Text
from berkson.table import quoted, shorten

MAX_TERMS = 10_000
MAX_EXPONENT = 10
MAX_PRODUCTS = 2_000_000  # pairs of terms multiplied while a formula is expanded: a second at most

Term = tuple[Node, ...]


@dataclass(frozen=True)
class Expansion:
    """The terms of a right-hand side: by degree, then in order of appearance.

    `references` holds the level that `C(column, ref=...)` asks for, by column.
    """

    intercept: bool
    terms: tuple[Term, ...]
    references: dict[str, str]


def expand(right: Node, others: Sequence[str] | None) -> Expansion:
    """The terms of a tree, where `.` stands for the columns in `others`.

    With others=None the table is not known yet: `.` stands for nothing, and the tree is only checked.
    """
    algebra = _Algebra(others)
    total = algebra.expand(right)
    ordered = sorted(total.terms, key=int.bit_count)
    variables = list(algebra.bits)
    terms = tuple(tuple(variables[k] for k in _bits_of(term)) for term in ordered)
    return Expansion(total.intercept is not False, terms, algebra.references)


def _bits_of(term: int) -> list[int]:
    places = []
    while term:
        lowest = term & -term
        places.append(lowest.bit_length() - 1)
        term ^= lowest
    return places


@dataclass
class _Terms:
    """Terms in order of appearance, and what was said about the intercept, if anything."""

    terms: dict[int, None] = field(default_factory=dict)
    intercept: bool | None = None


class _Algebra:
    def __init__(self, others: Sequence[str] | None) -> None:
        self.others = others
        self.bits: dict[Node, int] = {}
        self.references: dict[str, str] = {}
        self.products = 0

    def expand(self, node: Node) -> _Terms:
        if isinstance(node, Number):
            if node.value not in (0.0, 1.0):
                raise FormulaError(f"the number {node} at position {node.position} is no term; only 0 and 1 are")
            return _Terms(intercept=node.value == 1.0)
        if isinstance(node, Name):
            return self.variable(node)
        if isinstance(node, Dot):
            return self.dot(node)
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, Power):
            return self.power(node)
        if isinstance(node, Chain):
            return self.sum(node) if node.strength == SUM else self.product(node)
        raise FormulaError(f"{quoted(node)} at position {node.position} is no term; arithmetic stands in I()")

    def variable(self, node: Node) -> _Terms:
        return _Terms({self.bits.setdefault(node, 1 << len(self.bits)): None})

    def dot(self, node: Dot) -> _Terms:
        if self.others is not None and not self.others:
            raise FormulaError("'.' stands for all columns but the response, and there is no other column")
        total = _Terms()
        for column in self.others or ():
            total.terms.update(self.variable(Name(column)).terms)
        return total

    def call(self, node: Call) -> _Terms:
        if node.function == "C":
            return self.variable(self.category(node))
        if node.function == "cbind":
            raise FormulaError(f"cbind at position {node.position} belongs on the left of ~")
        if node.function not in arithmetic.FUNCTIONS:
            raise arithmetic.unknown_function(node)
        arithmetic.check(node)
        return self.variable(node)

    def category(self, node: Call) -> Call:
        """`C(column)` without its reference, which is kept apart: it belongs to the column wherever that stands."""
        if len(node.arguments) != 1 or not isinstance(node.arguments[0], Name):
            raise FormulaError(f'C at position {node.position} takes the name of one column, as in C(g, ref="a")')
        column = node.arguments[0].column
        for option, value in node.options:
            if option != "ref":
                raise FormulaError(
                    f'C at position {node.position} has no option {quoted(option)}; there is ref="level"'
                )
            level = value.value if isinstance(value, Text) else _signed_number(value)
            if level is None:
                raise FormulaError(f'ref={shorten(value)} at position {value.position} is no level; write ref="level"')
            if self.references.setdefault(column, level) != level:
                raise FormulaError(
                    f"C({node.arguments[0]}) is given two references, {quoted(self.references[column])} and "
                    f"{quoted(level)}"
                )
        return Call("C", node.arguments)

    def sum(self, node: Chain) -> _Terms:
        total = _Terms()
        for operator, operand in node.items:
            part = self.expand(operand)
            if part.intercept is not None:
                total.intercept = part.intercept == (operator == "+")
            if operator == "+":
                total.terms.update(part.terms)
                self.limit(total)
                continue
            for term in part.terms:
                if term not in total.terms and self.others is not None:
                    raise FormulaError(
                        f"{quoted(operand)} at position {operand.position} is taken away, but is not among the terms"
                    )
                total.terms.pop(term, None)
        return total

    def product(self, node: Chain) -> _Terms:
        """`a*b` is a + b + a:b."""
        total: _Terms | None = None
        for operator, operand in node.items:
            if operator == "/":
                raise FormulaError(
                    f"'/' before {quoted(operand)} at position {operand.position} is no operator of terms; "
                    "write a + a:b for b within a, or I(a/b) for a quotient"
                )
            part = self.factor(operand)
            total = part if total is None else self.multiply(total, part, both=operator == "*")
        assert total is not None
        return total

    def power(self, node: Power) -> _Terms:
        """`(a + b)^2` is a + b + a:b: all products of at most that many of the terms."""
        exponent = node.exponent
        times = int(exponent.value) if isinstance(exponent, Number) and exponent.value.is_integer() else 0
        if not 1 <= times <= MAX_EXPONENT:
            raise FormulaError(
                f"the exponent {quoted(exponent)} at position {exponent.position} is no whole number from 1 to "
                f"{MAX_EXPONENT}; for a power of numbers use I({shorten(node)})"
            )
        base = self.factor(node.base)
        total = base
        for _ in range(times - 1):
            total = self.multiply(total, base, both=True)
        return total

    def factor(self, node: Node) -> _Terms:
        part = self.expand(node)
        if part.intercept is not None:
            raise FormulaError(
                f"{quoted(node)} at position {node.position} has a 0 or 1 inside a product; they stand in sums"
            )
        return part

    def multiply(self, left: _Terms, right: _Terms, both: bool) -> _Terms:
        self.products += len(left.terms) * len(right.terms)
        if self.products > MAX_PRODUCTS:
            raise FormulaError(f"the formula multiplies more than {MAX_PRODUCTS} pairs of terms; name fewer")
        total = _Terms({**left.terms, **right.terms} if both else {})
        for a in left.terms:
            total.terms.update(dict.fromkeys(a | b for b in right.terms))
            self.limit(total)
        return total

    def limit(self, total: _Terms) -> None:
        if len(total.terms) > MAX_TERMS:
            raise FormulaError(f"the formula has more than {MAX_TERMS} terms; name fewer of them")


def _signed_number(node: Node) -> str | None:
    """The text of a level written as a number, as `ref=2` or `ref=-1`."""
    if isinstance(node, Number):
        return str(node)
    if isinstance(node, Chain) and len(node.items) == 1 and isinstance(node.items[0][1], Number):
        return f"-{node.items[0][1]}"
    return None
