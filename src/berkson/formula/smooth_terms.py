"""The smooths of a design: which of its columns belong to each, and which of these one smoothing parameter holds.

A term s(x) is one smooth with one penalty.  s(x):g has a smooth for each coded level of g, and s(x):z one that z
multiplies, each with its own.  A product of smooths is a surface, whose columns are held by how many of its variables
bend there: s(x):s(z) has three penalties, bent in x alone, in z alone, and in both, while x z itself is free; with
s(x) + s(z) it is a tensor product of the kind of Wood, Scheipl & Faraway (2013, Statistics and Computing 23).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from berkson.formula.bases import Basis
from berkson.formula.coding import Product
from berkson.formula.smooths import Smooth
from berkson.formula.syntax import Node

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SmoothTerm:
    """name: as `s(age)`, `s(age):sex[male]`; the smooth variables, such as s(age), of which it is made; its columns of
    the design, and those that each penalty holds, by name."""

    name: str
    variables: tuple[Node, ...]
    columns: tuple[int, ...]
    penalties: Mapping[str, tuple[int, ...]]


def smooth_terms(products: Sequence[Product], bases: Mapping[Node, Basis]) -> tuple[SmoothTerm, ...]:
    """The smooths of coded terms, in the order of their columns."""
    return tuple(smooth for item in products for smooth in _of_product(item, bases))


def _of_product(item: Product, bases: Mapping[Node, Basis]) -> Iterator[SmoothTerm]:
    """One for each combination of what is not smooth: of levels, and of other bases' columns."""
    bent = [v for v in item.labels if isinstance(bases.get(v), Smooth)]
    if not bent:
        return
    steps, others = item.steps, [v for v in item.labels if v not in bent]
    for cell in product(*(range(len(item.labels[v])) for v in others)):
        first = item.start + sum(steps[v] * at for v, at in zip(others, cell, strict=True))
        label = dict(zip(others, cell, strict=True))
        name = ":".join(str(v) if v in bent else item.labels[v][label[v]] for v in item.labels)
        parts = {
            bends: tuple(_places(item, first, dict(zip(bent, bends, strict=True))))
            for bends in product((False, True), repeat=len(bent))
        }
        everything = tuple(sorted(column for columns in parts.values() for column in columns))
        penalties = {_named(name, bent, bends): columns for bends, columns in parts.items() if any(bends)}
        yield SmoothTerm(name, tuple(bent), everything, penalties)


def _places(item: Product, first: int, bends: Mapping[Node, bool]) -> Iterator[int]:
    """The columns in which just those of the smooth variables bend, where `first` is that in which none does."""
    ways = [
        [k * item.steps[v] for k in (range(1, len(item.labels[v])) if bend else range(1))] for v, bend in bends.items()
    ]
    for way in product(*ways):
        yield first + sum(way)


def _named(name: str, bent: Sequence[Node], bends: Sequence[bool]) -> str:
    if len(bent) == 1:
        return name
    return f"{name} bent in {' and '.join(str(v) for v, bend in zip(bent, bends, strict=True) if bend)}"


def penalties_of(smooths: Sequence[SmoothTerm]) -> dict[str, tuple[int, ...]]:
    """The columns that each smoothing parameter holds, by its name."""
    return {name: columns for smooth in smooths for name, columns in smooth.penalties.items()}


def ridge_of(smooths: Sequence[SmoothTerm], strengths: Sequence[float], width: int) -> F64:
    """The ridge (width,) of each column of the design, from a strength for each of `penalties_of`."""
    ridge = np.zeros(width)
    for columns, strength in zip(penalties_of(smooths).values(), strengths, strict=True):
        ridge[list(columns)] = strength
    return ridge
