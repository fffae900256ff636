"""The syntax tree of a formula: five kinds of node, each of which prints as canonical text.

Equal text means equal trees, wherever the parts stood in what was typed: `position` (1-based) serves error messages
alone.  A tree is data; `terms` reads it as terms of a model, `arithmetic` as numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PLAIN_NAME = re.compile(r"(?:[^\W\d]|\.[^\W\d])[\w.]*")

SUM, PRODUCT, INTERACTION = 0, 1, 2
OPERATORS = (("+", "-"), ("*", "/"), (":", "%in%"))  # by binding strength, weakest first, as in R


def quote(text: str, mark: str) -> str:
    """Text between two marks, with a backslash before the marks and backslashes inside it."""
    return mark + re.sub(rf"([\\{mark}])", r"\\\1", text) + mark


@dataclass(frozen=True)
class Number:
    value: float
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return str(int(self.value)) if self.value.is_integer() and self.value < 1e16 else repr(self.value)


@dataclass(frozen=True)
class Text:
    value: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return quote(self.value, '"')


@dataclass(frozen=True)
class Name:
    """A column; printed between backquotes where it is not a plain name."""

    column: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.column if PLAIN_NAME.fullmatch(self.column) else quote(self.column, "`")


@dataclass(frozen=True)
class Dot:
    """All columns of the table but those of the response."""

    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True)
class Negative:
    """A minus sign after another operator; one at the start of a sum belongs to the sum."""

    operand: Node
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"-({self.operand})" if isinstance(self.operand, Chain) else f"-{self.operand}"


@dataclass(frozen=True)
class Power:
    base: Node
    exponent: Node
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        base = f"({self.base})" if isinstance(self.base, (Chain, Power, Negative)) else str(self.base)
        exponent = f"({self.exponent})" if isinstance(self.exponent, Chain) else str(self.exponent)
        return f"{base}^{exponent}"


@dataclass(frozen=True)
class Chain:
    """Operands joined by operators of equal strength: `a - b + c` is ("+", a), ("-", b), ("+", c).

    The first operator is the sign of the first operand in a sum, `*` in a product and `:` in an interaction, among
    which is `%in%`, though it binds less than `:`, as `terms` knows.
    """

    strength: int
    items: tuple[tuple[str, Node], ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        first = "-" if self.items[0][0] == "-" else ""
        text = first + self._operand(self.items[0][1])
        for operator, operand in self.items[1:]:
            space = " " if self.strength == SUM or operator == "%in%" else ""
            text += f"{space}{operator}{space}{self._operand(operand)}"
        return text

    def _operand(self, node: Node) -> str:
        weaker = isinstance(node, Chain) and node.strength <= self.strength
        return f"({node})" if weaker else str(node)


@dataclass(frozen=True)
class Call:
    """`function(arguments, option=value)`: what follows the first argument is a setting, and names no column."""

    function: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, Node], ...] = ()
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        options = (f"{name}={value}" for name, value in self.options)
        return f"{self.function}({', '.join([*map(str, self.arguments), *options])})"


Node = Number | Text | Name | Dot | Negative | Power | Chain | Call


def columns_of(node: Node) -> dict[str, int]:
    """The columns that a tree names, in order, each with the position of its first mention."""
    found: dict[str, int] = {}
    waiting: list[Node] = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Name):
            found.setdefault(at.column, at.position)
        waiting.extend(reversed(_children(at)))
    return found


def _children(node: Node) -> list[Node]:
    if isinstance(node, Negative):
        return [node.operand]
    if isinstance(node, Power):
        return [node.base, node.exponent]
    if isinstance(node, Chain):
        return [operand for _, operand in node.items]
    return list(node.arguments[:1]) if isinstance(node, Call) else []


def has_dot(node: Node) -> bool:
    """Whether `.` occurs, so that the terms depend on the table."""
    return isinstance(node, Dot) or any(map(has_dot, _children(node)))
