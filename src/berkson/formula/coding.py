"""How factors become columns: R's full-rank rule, by the spaces that terms span.

With treatment contrasts a factor's full set of indicators spans the constant and its contrasts.  So a term a:b spans
the four spaces {}, a-, b- and a-:b- (a- for the contrasts of a), and needs columns for those alone that no earlier term
(with the same numeric variables) spans.  Where these make a product in which each factor is either full or contrasts,
that is R's coding: a factor is coded by contrasts where the term without it is in the model already, else in full.
Where they do not (`y ~ a:b`, whose full product would repeat the intercept and which R leaves singular), each space
gets its own product of contrasts, which is the coding of a*b and spans the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula.errors import FormulaError, UnseenLevelError
from berkson.formula.syntax import Node
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
    """The levels that a model knows of a categorical variable, in order, and the one that contrasts compare with."""

    levels: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class Product:
    """Columns start..stop of the design, of one term: numeric variables times cells of factors.

    `factors` are (variable, full): all levels where full, else all but the reference.  The first factor varies fastest.
    """

    term: Term
    numbers: tuple[Node, ...]
    factors: tuple[tuple[Node, bool], ...]
    start: int
    stop: int


def code(terms: Sequence[Term], intercept: bool, factors: Mapping[Node, Factor]) -> tuple[Product, ...]:
    """The products that span the terms, each space once; FormulaError where that takes too much of anything."""
    bits = {variable: 1 << place for place, variable in enumerate(factors)}
    spanned: dict[frozenset[Node], set[int]] = {frozenset(): {0} if intercept else set()}
    products: list[Product] = []
    spaces = characters = 0
    for term in terms:
        groups = tuple(v for v in term if v in factors)
        spaces += 2 ** min(len(groups), MAX_FACTORS + 1)
        if len(groups) > MAX_FACTORS or spaces > MAX_SPACES:
            raise FormulaError(f"the term {_shown(term)} crosses too many factors; leave some of them out")
        numbers = tuple(v for v in term if v not in factors)
        known = spanned.setdefault(frozenset(numbers), set())
        for coded in _codings({v: bits[v] for v in groups}, known):
            start = products[-1].stop if products else 0
            width = prod(len(factors[v].levels) - (not full) for v, full in coded)
            if start + width > MAX_COLUMNS or prod(len(factors[v].levels) for v, _ in coded) > MAX_CELLS:
                raise FormulaError(
                    f"the term {_shown(term)} needs more than {MAX_COLUMNS} columns or {MAX_CELLS} cells; "
                    "leave it out or give its factors fewer levels"
                )
            longest = sum(max(map(len, factors[v].levels)) for v, _ in coded)
            characters += width * (len(term_text(term)) + longest)
            if characters > MAX_CHARACTERS:
                raise FormulaError(f"the columns of the term {_shown(term)} have too long names; shorten the levels")
            products.append(Product(term, numbers, coded, start, start + width))
    return tuple(products)


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


def column_names(item: Product, factors: Mapping[Node, Factor]) -> list[str]:
    """`x`, `g[b]`, `x:g[b]`, `f[u]:g[b]`: the variables in the term's order, the first factor varying fastest."""
    choices = {v: levels_coded(factors[v], full) for v, full in item.factors}
    order = [v for v in item.term if v in choices or v in item.numbers]
    names = []
    for cell in product(*(choices[v] for v, _ in reversed(item.factors))):
        level = dict(zip((v for v, _ in reversed(item.factors)), cell, strict=True))
        names.append(":".join(f"{v}[{level[v]}]" if v in level else str(v) for v in order))
    return names


def levels_coded(factor: Factor, full: bool) -> list[str]:
    """The levels that get a column: all of them, or all but the reference."""
    return [level for level in factor.levels if full or level != factor.reference]


def cell_columns(item: Product, factors: Mapping[Node, Factor]) -> npt.NDArray[np.int64]:
    """For each cell of the factors (the first varying fastest) its column in the design, -1 where it has none."""
    kept: npt.NDArray[np.bool_] = np.ones(1, dtype=bool)
    for variable, full in item.factors:
        coded = np.array([full or level != factors[variable].reference for level in factors[variable].levels])
        kept = np.outer(coded, kept).ravel()
    columns = np.full(len(kept), -1, dtype=np.int64)
    columns[kept] = np.arange(item.start, item.stop)
    return columns


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
