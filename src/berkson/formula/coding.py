"""How factors become columns: R's full-rank rule, by the spaces that terms span.

A factor's full set of indicators spans the constant and its contrasts, treatment or any other.  So a term a:b spans
the four spaces {}, a-, b- and a-:b- (a- for the contrasts of a), and needs columns for those alone that no earlier term
(with the same numeric variables) spans.  Where these make a product in which each factor is either full or contrasts,
that is R's coding: a factor is coded by contrasts where the term without it is in the model already, else in full.
Where they do not (`y ~ a:b`, whose full product would repeat the intercept and which R leaves singular), each space
gets its own product of contrasts, which is the coding of a*b and spans the same.

Under a penalty a coding that spans the same is not the same: what is shrunk are differences to a reference.  So factors
are symmetric there, in full in every term, whatever else spans them; one column still tells two levels apart, in a term
of its own, since the penalty of a difference does not depend on its sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula.bases import Basis, basis_labels
from berkson.formula.contrasts import contrast_labels
from berkson.formula.errors import FormulaError, UnseenLevelError
from berkson.formula.syntax import Call, Name, Node
from berkson.formula.terms import Term
from berkson.table import Column, Kind, listing, quoted, shorten

Array = npt.NDArray[Any]

MAX_COLUMNS = 100_000
MAX_CELLS = 1_000_000  # of the factors of one term, reference levels included
MAX_FACTORS = 10  # in one interaction: 2^10 spaces
MAX_SPACES = 200_000  # of all terms
MAX_CHARACTERS = 100_000_000  # of all names of columns


@dataclass(frozen=True)
class Factor:
    """The levels that a model knows of a categorical variable, in order, and how they are coded beside an intercept.

    `reference` is the level that treatment contrasts compare with; for other contrasts, the first.  `symmetric`: each
    level has a column, wherever the factor stands.  A missing value, or a level that is not known, is read as the level
    `unknown` or, where `shrunken`, as none, and the row is 0 in all of the factor's columns; else its row is missing.
    """

    levels: tuple[str, ...]
    reference: str
    contrasts: str = "treatment"
    symmetric: bool = False
    unknown: str | None = None
    shrunken: bool = False

    @property
    def absorbs(self) -> bool:
        """Whether rows without a level that is known are not missing."""
        return self.shrunken or self.unknown is not None

    @property
    def codes(self) -> int:
        """How many codes rows may have: the levels and, where `shrunken`, one more that has no column."""
        return len(self.levels) + self.shrunken

    @property
    def in_place(self) -> int:
        """The code of a row without a level that is known, where that is not missing."""
        return len(self.levels) if self.unknown is None else self.levels.index(self.unknown)


def is_categorical(variable: Node, kinds: Mapping[str, Kind]) -> bool:
    """Whether a variable of a term is a factor: `C(g)`, or a column that does not hold numbers."""
    if isinstance(variable, Name):
        return kinds[variable.column] != "number"
    return isinstance(variable, Call) and variable.function == "C"


@dataclass(frozen=True)
class Product:
    """Columns start..stop of the design, of one term: the columns of its variables multiplied, the first fastest.

    `factors` are (variable, full), coded by indicators: of all levels where full, else of all but the reference.
    `numbers` are the other variables: numbers, bases, and factors under other contrasts.  `labels` names the columns of
    each, in the order of the term.
    """

    term: Term
    numbers: tuple[Node, ...]
    factors: tuple[tuple[Node, bool], ...]
    start: int
    stop: int
    labels: Mapping[Node, Sequence[str]]

    @property
    def steps(self) -> dict[Node, int]:
        """How many columns further the next column of each variable is."""
        found, step = {}, 1
        for variable, labels in self.labels.items():
            found[variable] = step
            step *= len(labels)
        return found


def code(
    terms: Sequence[Term], intercept: bool, factors: Mapping[Node, Factor], bases: Mapping[Node, Basis]
) -> tuple[Product, ...]:
    """The products that span the terms, each space once; FormulaError where that takes too much of anything."""
    bits = {variable: 1 << place for place, variable in enumerate(factors)}
    spanned: dict[frozenset[Node], set[int]] = {frozenset(): {0} if intercept else set()}
    named = _Labels(factors, bases)
    products: list[Product] = []
    spaces = characters = 0
    for term in terms:
        always = {v: True for v in term if v in factors and _is_full(factors[v], term, intercept)}
        groups = tuple(v for v in term if v in factors and v not in always)
        spaces += 2 ** min(len(groups), MAX_FACTORS + 1)
        if len(groups) > MAX_FACTORS or spaces > MAX_SPACES:
            raise FormulaError(f"the term {_shown(term)} crosses too many factors; leave some of them out")
        known = spanned.setdefault(frozenset(v for v in term if v not in groups), set())
        for coded in _codings({v: bits[v] for v in groups}, known):
            full = always | dict(coded)
            labels = {v: named(v, full.get(v, False)) for v in term if v in full or v not in factors}
            start, width = products[-1].stop if products else 0, prod(map(len, labels.values()))
            indicators = tuple((v, f) for v, f in full.items() if f or factors[v].contrasts == "treatment")
            if start + width > MAX_COLUMNS or prod(factors[v].codes for v, _ in indicators) > MAX_CELLS:
                raise FormulaError(
                    f"the term {_shown(term)} needs more than {MAX_COLUMNS} columns or {MAX_CELLS} cells; "
                    "leave it out or give its factors fewer levels"
                )
            characters += width * sum(map(named.longest, labels.values()))
            if characters > MAX_CHARACTERS:
                raise FormulaError(f"the columns of the term {_shown(term)} have too long names; shorten the levels")
            numbers = tuple(v for v in labels if (v, full.get(v)) not in indicators)
            products.append(Product(term, numbers, indicators, start, start + width, labels))
    return tuple(products)


def _is_full(factor: Factor, term: Term, intercept: bool) -> bool:
    """Whether each level of a factor has a column in a term, whatever other terms span."""
    alone = len(term) == 1 and intercept
    return factor.symmetric and not (alone and len(factor.levels) == 2 and not factor.shrunken)


class _Labels:
    """Names of the columns of each variable, made once."""

    def __init__(self, factors: Mapping[Node, Factor], bases: Mapping[Node, Basis]) -> None:
        self.factors, self.bases = factors, bases
        self.made: dict[tuple[Node, bool], tuple[str, ...]] = {}
        self.lengths: dict[int, int] = {}

    def __call__(self, variable: Node, full: bool) -> tuple[str, ...]:
        key = (variable, full)
        if key not in self.made:
            self.made[key] = tuple(self.make(variable, full))
        return self.made[key]

    def make(self, variable: Node, full: bool) -> list[str]:
        if variable in self.factors:
            factor = self.factors[variable]
            plain = full or factor.contrasts == "treatment"
            own = levels_coded(factor, full) if plain else contrast_labels(factor.contrasts, factor.levels)
            return [f"{variable}[{label}]" for label in own]
        if variable in self.bases:
            assert isinstance(variable, Call)
            return basis_labels(variable, self.bases[variable])
        return [str(variable)]

    def longest(self, labels: tuple[str, ...]) -> int:
        key = id(labels)  # of tuples that live as long as `made` does
        if key not in self.lengths:
            self.lengths[key] = max(map(len, labels))
        return self.lengths[key]


def _codings(bits: Mapping[Node, int], known: set[int]) -> Iterator[tuple[tuple[Node, bool], ...]]:
    """How each factor is coded in the products for those spaces of a term that are not known; these are known then.

    A space is the set of factors whose contrasts are multiplied, as an integer with their bits.
    """
    whole = sum(bits.values())
    spaces = [0]
    for bit in bits.values():
        spaces += [space | bit for space in spaces]
    new = [space for space in sorted(spaces, key=int.bit_count) if space not in known]
    known.update(new)
    full = {v for v, bit in bits.items() if whole ^ bit in new}
    # What is known holds the subsets of its members, so every new space holds all factors that are not full, and new
    # spaces as many as the product of the others in full has are that product.
    if len(new) == 2 ** len(full):
        yield tuple((v, v in full) for v in bits)
    else:
        yield from (tuple((v, False) for v, bit in bits.items() if space & bit) for space in new)


def _shown(term: Term) -> str:
    return shorten(term_text(term))


def term_text(term: Term) -> str:
    """A term as it is written: its variables joined by colons."""
    return ":".join(map(str, term))


def column_names(item: Product) -> list[str]:
    """`x`, `g[b]`, `x:g[b]`, `f[u]:g[b]`, `ns(x, df=2)[1]:g[b]`: variables in the term's order, the first fastest."""
    return [":".join(reversed(cell)) for cell in product(*reversed([*item.labels.values()]))]


def levels_coded(factor: Factor, full: bool) -> list[str]:
    """The levels that get a column: all of them, or all but the reference."""
    return [level for level in factor.levels if full or level != factor.reference]


def cell_columns(item: Product, factors: Mapping[Node, Factor]) -> npt.NDArray[np.int64]:
    """For each cell of the factors (the first varying fastest) its column in the design, -1 where it has none.

    Of several columns for numbers it is the first; the others follow by the `steps` of their variables.
    """
    kept: npt.NDArray[np.bool_] = np.ones(1, dtype=bool)
    columns: npt.NDArray[np.int64] = np.full(1, item.start, dtype=np.int64)
    for variable, full in item.factors:
        factor, step = factors[variable], item.steps[variable]
        coded = np.array([full or level != factor.reference for level in factor.levels] + [False] * factor.shrunken)
        kept = np.outer(coded, kept).ravel()
        columns = np.add.outer(step * (np.cumsum(coded) - 1), columns).ravel()
    return np.where(kept, columns, -1)


def codes_into(
    column: Column, kind: Kind, levels: tuple[str, ...], relevant: Callable[[], Array] | None = None
) -> npt.NDArray[np.integer[Any]]:
    """Codes (n,) of a column into levels that were learned from a column of that kind, -1 where missing.

    A level that is not known is an UnseenLevelError where it occurs in a `relevant` row (all rows by default), else
    counts as missing.
    """
    factor = (column.as_boolean() if kind == "boolean" else column).as_factor()
    if factor.levels == levels:
        return factor.values
    place = {level: code for code, level in enumerate(levels)}
    if column.kind == "boolean":  # true is TRUE or 1, where only one of those is a level
        for text, number in (("false", "0"), ("true", "1")):
            same = [level for level in levels if level.lower() in (text, number)]
            if len(same) == 1:
                place[text] = place[same[0]]
    lookup = np.array([*(place.get(level, -2) for level in factor.levels), -1], dtype=np.int32)
    codes = lookup[factor.values]
    unseen = codes == -2
    if unseen.any():
        wrong = unseen & relevant() if relevant else unseen
        if wrong.any():
            level = factor.levels[factor.values[np.argmax(wrong)]]
            raise UnseenLevelError(
                f"column {quoted(column.name)} holds level {quoted(level)}, which the model has not seen (its levels: "
                f"{listing(levels)}); leave out those rows, or fit a model on data that have the level"
            )
        codes[unseen] = -1
    return codes
