"""The algebra of terms (Wilkinson & Rogers 1973, as R has it): a tree to a list of terms.

A term is a set of variables.  While a formula is expanded the set is the bits of an integer, one bit for each variable
in order of appearance: the product of two terms is `|`, equal terms are equal integers, the degree is the bit count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from berkson.formula import calls
from berkson.formula.contrasts import ALIASES, CONTRASTS
from berkson.formula.errors import FormulaError
from berkson.formula.syntax import SUM, Call, Chain, Dot, Name, Node, Number, Power, Text
from berkson.table import quoted, shorten, suggestion

MAX_TERMS = 10_000
MAX_EXPONENT = 10
MAX_PRODUCTS = 2_000_000  # pairs of terms multiplied while a formula is expanded: a second at most

Term = tuple[Node, ...]


@dataclass(frozen=True)
class Expansion:
    """The terms of a right-hand side: by degree, then in order of appearance.

    `offsets` are the arguments of `offset(...)`; `references` and `contrasts` hold what `C(column, contrasts, ref=...)`
    asks for, by column.
    """

    intercept: bool
    terms: tuple[Term, ...]
    offsets: tuple[Node, ...]
    references: dict[str, str]
    contrasts: dict[str, str]


def expand(right: Node, others: Sequence[str] | None) -> Expansion:
    """The terms of a tree, where `.` stands for the columns in `others`.

    With others=None the table is not known yet: `.` stands for nothing, and the tree is only checked.
    """
    algebra = _Algebra(others)
    total = algebra.expand(right)
    ordered = sorted(total.terms, key=int.bit_count)
    variables = list(algebra.bits)
    terms = tuple(tuple(variables[k] for k in _bits_of(term)) for term in ordered)
    intercept = total.intercept is not False
    return Expansion(intercept, terms, tuple(total.offsets), algebra.references, algebra.contrasts)


def _bits_of(term: int) -> list[int]:
    places = []
    while term:
        lowest = term & -term
        places.append(lowest.bit_length() - 1)
        term ^= lowest
    return places


@dataclass
class _Terms:
    """Terms in order of appearance, what was said about the intercept, if anything, and offsets."""

    terms: dict[int, None] = field(default_factory=dict)
    intercept: bool | None = None
    offsets: dict[Node, None] = field(default_factory=dict)


class _Algebra:
    def __init__(self, others: Sequence[str] | None) -> None:
        self.others = others
        self.bits: dict[Node, int] = {}
        self.references: dict[str, str] = {}
        self.contrasts: dict[str, str] = {}
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
        if node.function == "offset":
            return _Terms(offsets={_offset(node): None})
        if node.function == "cbind":
            raise FormulaError(f"cbind at position {node.position} belongs on the left of ~")
        calls.check(node)
        return self.variable(node)

    def category(self, node: Call) -> Call:
        """`C(column)` alone: its reference and contrasts, kept apart, belong to the column wherever that stands."""
        if not 1 <= len(node.arguments) <= 2 or not isinstance(node.arguments[0], Name):
            raise FormulaError(
                f'C at position {node.position} takes the name of one column, and contrasts, as in C(g, ref="a") or '
                "C(g, sum)"
            )
        column = node.arguments[0].column
        if len(node.arguments) == 2:
            self.settle(self.contrasts, "contrasts", column, _contrasts(node.arguments[1]))
        for option, value in node.options:
            if option != "ref":
                raise FormulaError(
                    f'C at position {node.position} has no option {quoted(option)}; there is ref="level"'
                )
            level = value.value if isinstance(value, Text) else _signed_number(value)
            if level is None:
                raise FormulaError(f'ref={shorten(value)} at position {value.position} is no level; write ref="level"')
            self.settle(self.references, "references", column, level)
        if column in self.references and self.contrasts.get(column, "treatment") != "treatment":
            raise FormulaError(
                f"C({node.arguments[0]}) is given a reference and {self.contrasts[column]} contrasts, and only "
                "treatment contrasts have a reference; leave one out"
            )
        return Call("C", node.arguments[:1])

    def settle(self, chosen: dict[str, str], what: str, column: str, value: str) -> None:
        if chosen.setdefault(column, value) != value:
            raise FormulaError(
                f"C({Name(column)}) is given two {what}, {quoted(chosen[column])} and {quoted(value)}; give it one"
            )

    def sum(self, node: Chain) -> _Terms:
        total = _Terms()
        for operator, operand in node.items:
            part = self.expand(operand)
            if part.intercept is not None:
                total.intercept = part.intercept == (operator == "+")
            if operator == "+":
                total.terms.update(part.terms)
                total.offsets.update(part.offsets)
                self.limit(total)
                continue
            if part.offsets:
                raise FormulaError(f"the offset at position {operand.position} cannot be taken away; leave it out")
            for term in part.terms:
                if term not in total.terms and self.others is not None:
                    raise FormulaError(
                        f"{quoted(operand)} at position {operand.position} is taken away, but is not among the terms"
                    )
                total.terms.pop(term, None)
        return total

    def product(self, node: Chain) -> _Terms:
        """`a:b`; `a*b` is a + b + a:b; `a/b`, b within a, is a + a:b; `b %in% a` is b:a."""
        if any(operator == "%in%" for operator, _ in node.items):
            return self.nested(node)
        total = self.factor(node.items[0][1])
        for operator, operand in node.items[1:]:
            part = self.factor(operand)
            if operator == "/":
                inner = self.multiply(part, _merged(total), both=False)
                total = _Terms({**total.terms, **inner.terms})
                self.limit(total)
            else:
                total = self.multiply(total, part, both=operator == "*")
        return total

    def nested(self, node: Chain) -> _Terms:
        """`a:b %in% c:d`, where `:` binds first: each term on the left times all variables on the right."""
        groups: list[list[tuple[str, Node]]] = [[]]
        for operator, operand in node.items:
            if operator == "%in%":
                groups.append([])
            groups[-1].append((":", operand))
        total, *outer = (self.product(Chain(node.strength, tuple(group))) for group in groups)
        for part in outer:
            total = self.multiply(total, _merged(part), both=False)
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
        if part.offsets:
            raise FormulaError(
                f"{quoted(node)} at position {node.position} has an offset inside a product; it stands in sums"
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


def _merged(terms: _Terms) -> _Terms:
    """One term of all variables."""
    return _Terms({reduce(or_, terms.terms): None} if terms.terms else {})


def _offset(node: Call) -> Node:
    """The argument of `offset(...)`."""
    if len(node.arguments) != 1 or node.options:
        raise FormulaError(f"offset at position {node.position} takes one argument and no options")
    calls.check_number(node.arguments[0])
    return node.arguments[0]


def _contrasts(node: Node) -> str:
    given = node.column if isinstance(node, Name) else node.value if isinstance(node, Text) else str(node)
    name = ALIASES.get(given, given)
    if name not in CONTRASTS:
        near = suggestion(given.lower(), CONTRASTS)
        near = f"{near} There" if near else "; there"
        raise FormulaError(
            f"unknown contrasts {quoted(given)} at position {node.position}{near} are {', '.join(CONTRASTS)}"
        )
    return name


def _signed_number(node: Node) -> str | None:
    """The text of a level written as a number, as `ref=2` or `ref=-1`."""
    if isinstance(node, Number):
        return str(node)
    if isinstance(node, Chain) and len(node.items) == 1 and isinstance(node.items[0][1], Number):
        return f"-{node.items[0][1]}"
    return None
