"""Linear hypotheses as text: `age = 2*lwt`, `x1 = x2 = 0`, `C(race)`, `black:age = 0`.

    hypotheses = chain ("," chain)*          chain  = sum ("=" sum)*      a chain of one is "= 0"
    sum        = product (("+" | "-") product)*
    product    = factor (("*" | "/") factor)*
    factor     = number | name | "(" sum ")" | "-" factor

A name is that of a parameter as the table prints it, of a column (in every equation) or of a term (all its columns),
longest first; backquotes hold a name of any characters.  A name may stand for several parameters: what is said of it
holds for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import Estimates, StatisticsError
from berkson.table import listing, quoted, suggestion

F64 = npt.NDArray[np.float64]

MAX_LENGTH, MAX_DEPTH = 10_000, 50  # of a text, and of its parentheses
_NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NAME_LIKE = re.compile(r"`[^`]*`|[^\s=+\-*/,]+")


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear functions of the parameters: rows (k, d) and constants (k,)."""

    rows: F64
    constant: F64

    @property
    def is_number(self) -> bool:
        return not self.rows.any()

    def plus(self, other: Linear, sign: float, text: str) -> Linear:
        k, m = len(self.rows), len(other.rows)
        if k != m and 1 not in (k, m):
            raise StatisticsError(f"{quoted(text)} sets {k} parameters beside {m}; name them one by one")
        return Linear(self.rows + sign * other.rows, self.constant + sign * other.constant)

    def times(self, factor: float) -> Linear:
        return Linear(factor * self.rows, factor * self.constant)


def names_of(estimates: Estimates, terms: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Which of the d parameters each name stands for; `terms` are design columns by term."""
    columns = {name: [column] for name, column in zip(estimates.column_names, estimates.columns, strict=True)}
    by_column = {**{name: list(of) for name, of in terms.items()}, **columns}
    found = {name: estimates.positions(of) for name, of in by_column.items()}
    if estimates.problem.n_classes > 2:
        for e, k in enumerate(estimates.equations):
            for name, of in by_column.items():
                found[f"{estimates.problem.class_name(k)}:{name}"] = estimates.positions(of)[e * len(of) :][: len(of)]
    return found


def parse_hypothesis(text: str, names: Mapping[str, list[int]], d: int) -> tuple[F64, F64]:
    """(matrix (m, d), value (m,)) of the restrictions matrix @ params = value.

    Raises StatisticsError for what is no linear hypothesis about these names.
    """
    if len(text) > MAX_LENGTH:
        raise StatisticsError(f"the hypothesis has {len(text):,} characters, and {MAX_LENGTH:,} are allowed; split it")
    with np.errstate(all="ignore"):  # numbers too large are found below
        chains = _Parser(" ".join(text.split()), names, d).chains()
        restrictions = [left.plus(right, -1.0, text) for left, right in chains]
    for restriction in restrictions:
        if not restriction.rows.any(axis=1).all():
            raise StatisticsError(f"{quoted(text)} restricts no parameter; write one as in age = 2*lwt")
    matrix = np.vstack([restriction.rows for restriction in restrictions])
    value = -np.concatenate([np.broadcast_to(r.constant, len(r.rows)) for r in restrictions])
    if not (np.isfinite(matrix).all() and np.isfinite(value).all()):
        raise StatisticsError(f"{quoted(text)} holds a number that is not finite; correct it")
    return matrix, value


class _Parser:
    """Recursive descent over one text, whose runs of spaces are one space."""

    def __init__(self, text: str, names: Mapping[str, list[int]], d: int) -> None:
        self.text, self.names, self.d = text, names, d
        self.patterns = [(_pattern(name), name) for name in sorted(names, key=len, reverse=True)]
        self.at, self.depth = 0, 0

    def chains(self) -> list[tuple[Linear, Linear]]:
        pairs = []
        while True:
            sides = [self.sum()]
            while self.takes("==") or self.takes("="):
                sides.append(self.sum())
            if len(sides) == 1:
                sides.append(self.number(0.0))
            pairs += list(pairwise(sides))
            if not self.takes(","):
                break
        if self.rest():
            raise self.unexpected()
        return pairs

    def sum(self) -> Linear:
        total = self.product()
        while True:
            sign = 1.0 if self.takes("+") else -1.0 if self.takes("-") else 0.0
            if sign == 0.0:
                return total
            total = total.plus(self.product(), sign, self.text)

    def product(self) -> Linear:
        total = self.factor()
        while True:
            if self.takes("*"):
                other = self.factor()
                if not (total.is_number or other.is_number):
                    raise StatisticsError(
                        f"{quoted(self.text)} multiplies parameters, and a hypothesis is linear; multiply a parameter "
                        "by a number"
                    )
                number, linear = (total, other) if total.is_number else (other, total)
                total = linear.times(float(number.constant[0]))
            elif self.takes("/"):
                divisor = self.factor()
                if not divisor.is_number or divisor.constant[0] == 0.0:
                    raise StatisticsError(f"{quoted(self.text)} divides by something that is no number but 0")
                total = total.times(1.0 / float(divisor.constant[0]))
            else:
                return total

    def factor(self) -> Linear:
        found = self.name()
        if found is not None:
            return found
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise StatisticsError(
                f"{quoted(self.text)} nests deeper than {MAX_DEPTH} parentheses and signs; simplify it"
            )
        if self.takes("-"):
            inner = self.factor().times(-1.0)
        elif self.takes("+"):
            inner = self.factor()
        elif self.takes("("):
            inner = self.sum()
            if not self.takes(")"):
                raise self.unexpected()
        else:
            inner = self.literal()
        self.depth -= 1
        return inner

    def literal(self) -> Linear:
        number = _NUMBER.match(self.text, self.at)
        if number is None or self.text[number.end() : number.end() + 1].isidentifier():
            raise self.unexpected()
        self.at = number.end()
        return self.number(float(number[0]))

    def name(self) -> Linear | None:
        """The longest known name that stands here."""
        self.space()
        for pattern, name in self.patterns:
            if found := pattern.match(self.text, self.at):
                self.at = found.end()
                return self.parameters(name)
        if self.text[self.at : self.at + 1] == "`":
            end = self.text.find("`", self.at + 1)
            name = self.text[self.at + 1 : end]
            if end > 0 and name in self.names:
                self.at = end + 1
                return self.parameters(name)
        return None

    def parameters(self, name: str) -> Linear:
        of = self.names[name]
        rows = np.zeros((len(of), self.d))
        rows[np.arange(len(of)), of] = 1.0
        return Linear(rows, np.zeros(1))

    def number(self, value: float) -> Linear:
        return Linear(np.zeros((1, self.d)), np.array([value]))

    def takes(self, sign: str) -> bool:
        self.space()
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def space(self) -> None:
        if self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def rest(self) -> str:
        self.space()
        return self.text[self.at :]

    def unexpected(self) -> StatisticsError:
        rest = self.rest()
        if not rest:
            return StatisticsError(f"the hypothesis {quoted(self.text)} ends too early; write it as in age = 2*lwt")
        found = _NAME_LIKE.match(rest)
        if found is None or self.text[: self.at].rstrip()[-1:] not in ("", "=", "+", "-", "*", "/", ",", "("):
            return StatisticsError(
                f"{quoted(rest)} in the hypothesis {quoted(self.text)} is out of place; write it as in age = 2*lwt"
            )
        return StatisticsError(
            f"the hypothesis {quoted(self.text)} names {quoted(found[0])}, which the model does not have"
            f"{suggestion(found[0], self.names) or '; it has ' + listing(self.names)}"
        )


def _pattern(name: str) -> re.Pattern[str]:
    """Matches a name up to spaces beside its punctuation, where no longer name goes on."""
    pieces = [c if c.isalnum() or c in "_." else f" {c} " for c in name]
    body = re.sub(r"(?:\\ )+", " ?", re.escape("".join(pieces).strip()))
    return re.compile(body + (r"(?![\w.\[:(])" if name[-1:].isalnum() else r"(?![\w\[:])"))
