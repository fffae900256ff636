"""What callers say of a penalty, by the names of columns and terms, as the numbers of the engine, a column each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema
from berkson.formula.syntax import columns_of
from berkson.model import Prepared
from berkson.problem import InputError
from berkson.table import listing, quoted, shorten, suggestion

F64 = npt.NDArray[np.float64]

RATIOS = {"ridge": 0.0, "elastic net": 0.5, "lasso": 1.0}  # l1_ratio; the middle one's unless another is given


def l1_ratio_of(penalty: str, l1_ratio: float | None) -> float:
    """The share of the lasso; ValueError for a penalty that is none, or whose name says another share."""
    if penalty not in RATIOS:
        raise ValueError(f"penalty={penalty!r} is none of {listing(map(repr, RATIOS))}")
    if l1_ratio is not None and penalty != "elastic net":
        raise ValueError(f"l1_ratio is for penalty='elastic net'; that of {penalty!r} is {RATIOS[penalty]:g}")
    return RATIOS[penalty] if l1_ratio is None else l1_ratio


def free_by_name(unpenalised: Iterable[str], factors: Any) -> tuple[str, ...]:
    """The names that are not penalised."""
    free = list(unpenalised)
    if isinstance(factors, Mapping):
        free += [name for name, factor in factors.items() if isinstance(factor, (int, float)) and factor == 0]
    return tuple(free)


def factors_by_name(schema: Schema, unpenalised: Iterable[str], factors: Any) -> F64 | None:
    """By how much the penalty of each column counts (p,): 0 if `unpenalised`; `factors` by name (others 1) or (p,)."""
    free = list(unpenalised)
    if factors is None and not free:
        return None
    found = by_name(schema, factors, 1.0, "factors")
    for name in free:
        found[places(schema, name, "unpenalised")] = 0.0
    return found


def bounds_by_name(schema: Schema, given: Any, what: str, default: float) -> Any:
    """Bounds of coefficients: None, one number, (p,), or by name, others without."""
    return by_name(schema, given, default, what) if isinstance(given, Mapping) else numbers(given, what)


def groups_by_name(prepared: Prepared, given: Any) -> Any:
    """The group of each column (p,): "terms" puts the columns of a term together; a mapping of names to groups leaves
    other columns alone; else (p,) as given."""
    schema = prepared.schema
    p = len(schema.names)
    if isinstance(given, str):
        if given != "terms":
            raise ValueError(
                f"column_groups={given!r} is neither 'terms' nor a mapping of names to groups, nor a code a column"
            )
        codes = np.arange(p)
        for columns in schema.term_columns.values():
            codes[columns] = min(columns, default=0)
        return codes
    if not isinstance(given, Mapping):
        return given
    codes, groups = np.arange(p), list(dict.fromkeys(given.values()))
    for name, group in given.items():
        codes[places(schema, name, "column_groups")] = p + groups.index(group)
    return codes


def by_name(schema: Schema, given: Any, default: float, what: str) -> F64:
    """A number for each column (p,): of a mapping by name, `default` for the others; else as given."""
    p = len(schema.names)
    if given is None:
        return np.full(p, default)
    if not isinstance(given, Mapping):
        values = numbers(given, what)
        if values.shape != (p,):
            raise InputError(f"{what} has shape {values.shape}, but there are {p} columns: give one number a column")
        return values.copy()
    found = np.full(p, default)
    for name, value in given.items():
        found[places(schema, name, what)] = numbers(value, what)
    return found


def numbers(given: Any, what: str) -> F64:
    """As float64; InputError for what is no number."""
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} holds {shorten(given)!r}, which is no number: give numbers") from None


def one_lambda(lambda_: Any) -> float:
    """ValueError for what is no penalty."""
    if isinstance(lambda_, (int, float, np.number)) and 0.0 <= lambda_ < np.inf:
        return float(lambda_)
    raise ValueError(f"lambda_={lambda_!r} is no penalty: give one finite number, 0 or more")


def places(schema: Schema, name: str, what: str) -> list[int]:
    """The design columns that a name means: one of them, a term's, or all that a column of the table becomes by itself,
    such as the levels of a factor."""
    if name in schema.names:
        return [schema.names.index(name)]
    terms = schema.term_columns
    if terms.get(name):
        return terms[name]
    found = [
        j
        for item in schema.products
        if {column for label in item.labels for column in columns_of(label)} == {name}
        for j in range(item.start, item.stop)
    ]
    if not found:
        known = list(dict.fromkeys([*schema.names, *terms]))
        near = suggestion(str(name), known)
        raise InputError(f"{what}: there is no column {quoted(name)}{near or '; there are ' + listing(known, 20)}")
    return found
