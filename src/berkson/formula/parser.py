"""Text to syntax tree, by recursive descent over the operators of R (Chambers & Hastie 1992, chapter 2).

Strength, strongest first: `^` and `**`, the minus sign, `:`, `%in%`, `*` and `/`, `+` and `-`, `~`.  Nothing is ever
executed: what is not in the grammar is refused, with its position.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from berkson.formula.errors import FormulaError
from berkson.formula.syntax import (
    INTERACTION,
    OPERATORS,
    PLAIN_NAME,
    SUM,
    Call,
    Chain,
    Dot,
    Name,
    Negative,
    Node,
    Number,
    Power,
    Text,
)
from berkson.table import quoted

MAX_LENGTH = 10_000
MAX_DEPTH = 50  # of parentheses, signs and exponents inside one another: at most 750 frames of Python's stack

_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>{PLAIN_NAME.pattern})
    |(?P<quoted>`(?:[^`\\]|\\.)*`)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<operator>\*\*|%in%|[-+*/:^~().,=])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\([\\`\"'])")


class Token(NamedTuple):
    kind: str
    text: str
    position: int


def tokens_of(text: str) -> list[Token]:
    """The tokens of a formula, the last of kind `end`; FormulaError where a character starts none."""
    if not isinstance(text, str):
        raise FormulaError(f"a formula is text such as 'y ~ a + b', not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(text)} characters; {MAX_LENGTH} are the limit")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "`\"'":
                raise FormulaError(f"the {text[at]} at position {at + 1} is not closed")
            raise FormulaError(f"{text[at]!r} at position {at + 1} is not part of the formula language")
        kind, body = str(match.lastgroup), match.group()
        if kind in ("quoted", "text"):
            body = _ESCAPE.sub(r"\1", body[1:-1])
        if kind != "space":
            found.append(Token(kind, "^" if body == "**" else body, at + 1))
        at = match.end()
    return [*found, Token("end", "the end", len(text) + 1)]


def parse_sides(text: str) -> tuple[Node | None, Node]:
    """The trees left (None where there is nothing) and right of `~`."""
    parser = _Parser(tokens_of(text))
    if not any(token.kind == "operator" and token.text == "~" for token in parser.tokens):
        raise FormulaError(f"a formula has the form 'y ~ a + b', and there is no ~ in {quoted(text)}")
    left = None if parser.sees("~") else parser.chain(SUM)
    parser.expect("~", "")
    if parser.now.kind == "end":
        raise FormulaError("nothing stands right of ~; write 'y ~ 1' for a model of the intercept alone")
    right = parser.chain(SUM)
    parser.expect_end()
    return left, right


def parse_variable(text: str) -> Node:
    """The tree of one variable, such as `age` or `log(age)`."""
    parser = _Parser(tokens_of(text))
    node = parser.chain(SUM)
    parser.expect_end()
    return node


class _Parser:
    """A cursor over tokens; each method reads one construct and leaves the cursor behind it."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def sees(self, *operators: str) -> bool:
        return self.now.kind == "operator" and self.now.text in operators

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def expect(self, operator: str, why: str) -> None:
        if not self.sees(operator):
            raise FormulaError(f"'{operator}' is needed{why} at position {self.now.position}, not {self.shown()}")
        self.next()

    def expect_end(self) -> None:
        if self.now.kind != "end":
            raise FormulaError(f"an operator is needed at position {self.now.position}, not {self.shown()}")

    def shown(self) -> str:
        return self.now.text if self.now.kind == "end" else quoted(self.now.text)

    def chain(self, strength: int) -> Node:
        """Operands of one strength, from left to right."""
        operators = OPERATORS[strength]
        position = self.now.position
        signed = strength == SUM and self.sees(*operators)
        first = self.next().text if signed else operators[0]
        operand = self.power if strength == INTERACTION else partial(self.chain, strength + 1)
        items = [(first, operand())]
        while self.sees(*operators):
            operator = self.next().text
            items.append((operator, operand()))
        if len(items) == 1 and first != "-":
            return items[0][1]
        return Chain(strength, tuple(items), position)

    def power(self) -> Node:
        """A signed power: `-a^2` is the negative of a square, and `a^b^c` is `a^(b^c)`."""
        position = self.now.position
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError(f"the formula is nested more than {MAX_DEPTH} deep at position {position}; simplify it")
        if self.sees("-", "+"):
            negative = self.next().text == "-"
            operand = self.power()
            node = Negative(operand, position) if negative else operand
        else:
            node = self.atom()
            if self.sees("^"):
                self.next()
                node = Power(node, self.power(), position)
        self.depth -= 1
        return node

    def atom(self) -> Node:
        token = self.now
        if token.kind == "end" or (token.kind == "operator" and token.text not in ("(", ".")):
            raise FormulaError(f"a name is needed at position {token.position}, not {self.shown()}")
        self.next()
        if token.kind == "operator" and token.text == "(":
            node = self.chain(SUM)
            self.expect(")", f" to close the '(' of position {token.position}")
            return node
        if token.kind == "operator":
            return Dot(token.position)
        if token.kind == "number":
            return self.number(token)
        if token.kind == "text":
            return Text(token.text, token.position)
        if token.kind == "name" and self.sees("("):
            return self.call(token)
        return Name(token.text, token.position)

    def number(self, token: Token) -> Node:
        value = float(token.text)
        if value == float("inf"):
            raise FormulaError(f"the number at position {token.position} is too large")
        return Number(value, token.position)

    def call(self, function: Token) -> Node:
        self.next()
        arguments: list[Node] = []
        options: list[tuple[str, Node]] = []
        while not self.sees(")"):
            if self.now.kind == "name" and self.tokens[self.place + 1][:2] == ("operator", "="):
                option = self.next().text
                self.next()
                options.append((option, self.chain(SUM)))
            else:
                arguments.append(self.chain(SUM))
            if not self.sees(","):
                break
            self.next()
        self.expect(")", f" to close the '(' after {function.text} of position {function.position}")
        return Call(function.text, tuple(arguments), tuple(options), function.position)
