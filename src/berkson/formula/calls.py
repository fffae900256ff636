"""The calls that may stand in a formula, and their settings: checked when the formula is read.

functions of numbers     those of `arithmetic`, such as log(x)
learned from data        poly(x, degree), ns(x, df=), bs(x, df=), cr(x, df=), s(x, k=),
                         scale(x); see `bases`
with terms of their own  C(g, ...), offset(x); see `terms`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from berkson.formula import arithmetic
from berkson.formula.errors import FormulaError
from berkson.formula.syntax import INTERACTION, Call, Chain, Name, Negative, Node, Number, Power, Text, columns_of
from berkson.table import quoted, shorten, suggestion

MAX_WIDTH = 1000  # columns of one basis

Settings = dict[str, Any]


def check(node: Node) -> None:
    """FormulaError where a tree is not arithmetic on columns, or a basis of that."""
    if isinstance(node, Call) and node.function in SETTINGS:
        settings(node)
        _refuse_constant(node)
    else:
        check_number(node)


def check_number(node: Node) -> None:
    """FormulaError where a tree is not arithmetic on columns."""
    _check(node)
    _refuse_constant(node)


def _refuse_constant(node: Node) -> None:
    if not columns_of(node):
        raise FormulaError(f"{shorten(node)} at position {node.position} names no column; a constant is no term")


def _check(node: Node) -> None:
    if isinstance(node, (Name, Number)):
        return
    if isinstance(node, Negative):
        _check(node.operand)
    elif isinstance(node, Power):
        _check(node.base)
        _check(node.exponent)
    elif isinstance(node, Chain) and node.strength != INTERACTION:
        for _, operand in node.items:
            _check(operand)
    elif isinstance(node, Call):
        _check_call(node)
    else:
        raise FormulaError(f"{quoted(node)} at position {node.position} is not arithmetic on columns")


def _check_call(node: Call) -> None:
    if node.function == "scale":
        check(node)
        return
    if node.function in ("C", "cbind", "offset", *SETTINGS):
        raise FormulaError(
            f"{node.function} at position {node.position} is no number that arithmetic could use; it stands in sums "
            "and products of terms"
        )
    if node.function not in arithmetic.FUNCTIONS:
        raise unknown_function(node)
    if len(node.arguments) != 1 or node.options:
        raise FormulaError(f"{node.function} at position {node.position} takes one argument and no options")
    _check(node.arguments[0])


_ELSEWHERE = {"factor": "C", "as.factor": "C", "center": "scale", "rcs": "ns"}
_OTHERWISE = {  # what R's users write, and what does the same
    "relevel": 'the reference of a factor is C(g, ref="level")',
    "cut": "cut the column into classes beforehand, or let it bend with ns(x, df=3)",
    **dict.fromkeys(("te", "ti", "t2"), "a surface is s(x) + s(z) + s(x):s(z)"),
    "ordered": "give an ordered category, and C(g, poly) for polynomial contrasts",
}


def unknown_function(call: Call) -> FormulaError:
    """The error for a function that is not on the list, with the list and the nearest of it."""
    if call.function in _OTHERWISE:
        return FormulaError(
            f"there is no function {call.function}, as at position {call.position}: {_OTHERWISE[call.function]}"
        )
    known = [*SETTINGS, *arithmetic.FUNCTIONS]
    meant = suggestion(_ELSEWHERE.get(call.function, call.function), ["C", "offset", *known])
    near = f"{meant} There" if meant else "; there"
    return FormulaError(
        f"unknown function {quoted(call.function)} at position {call.position}{near} are C, cbind (on the left), "
        f"offset, {', '.join(known)}"
    )


def learned_calls(node: Node) -> list[Call]:
    """The calls inside a tree that learn from data, each after those inside it."""
    if isinstance(node, Call):
        inner = learned_calls(node.arguments[0]) if node.arguments else []
        return [*inner, node] if node.function in SETTINGS else inner
    if isinstance(node, Negative):
        return learned_calls(node.operand)
    if isinstance(node, Power):
        return learned_calls(node.base) + learned_calls(node.exponent)
    return [c for _, operand in node.items for c in learned_calls(operand)] if isinstance(node, Chain) else []


# --- settings -------------------------------------------------------------------------------------------------------


def settings(call: Call) -> Settings:
    """The settings of a call that learns from data, by name; FormulaError for one that it does not have."""
    known = SETTINGS[call.function]
    where = f"{call.function} at position {call.position}"
    if not call.arguments:
        raise FormulaError(f"{where} takes a column or arithmetic on columns first, as in {_EXAMPLES[call.function]}")
    _check(call.arguments[0])
    if len(call.arguments) > 1 + len(known):
        raise FormulaError(f"{where} takes one expression and {len(known)} settings at most: {', '.join(known)}")
    given = [*zip(known, call.arguments[1:]), *call.options]  # noqa: B905 (fewer may be given than there are)
    found: Settings = {}
    for name, value in given:
        if name not in known:
            raise FormulaError(
                f"{where} has no option {quoted(name)}{suggestion(name, known)}; its options are {', '.join(known)}"
            )
        if name in found:
            raise FormulaError(f"{where} is given {name} twice; once is enough")
        found[name] = known[name](value, f"{name} of {where}")
    if "df" in found and "knots" in found:
        raise FormulaError(f"{where} is given both df and knots; the knots alone tell how many columns there are")
    return found


def _whole(node: Node, what: str) -> int:
    if isinstance(node, Number) and node.value.is_integer() and 1 <= node.value <= MAX_WIDTH:
        return int(node.value)
    raise FormulaError(f"{what} is a whole number from 1 to {MAX_WIDTH}, not {shorten(node)}")


def _flag(node: Node, what: str) -> bool:
    truth = {"TRUE": True, "T": True, "true": True, "True": True}
    falsehood = {"FALSE": False, "F": False, "false": False, "False": False}
    if isinstance(node, Name) and node.column in truth | falsehood:
        return node.column in truth
    raise FormulaError(f"{what} is TRUE or FALSE, not {shorten(node)}")


def _numbers(node: Node, what: str) -> tuple[float, ...]:
    """One number, or those of `c(...)`, in ascending order."""
    items = node.arguments if isinstance(node, Call) and node.function == "c" and not node.options else (node,)
    if not 1 <= len(items) <= MAX_WIDTH:
        raise FormulaError(f"{what} has {len(items)} numbers, and 1 to {MAX_WIDTH} are possible")
    return tuple(sorted(_constant(item, what) for item in items))


def _constant(node: Node, what: str) -> float:
    if columns_of(node):
        raise FormulaError(f"{what} takes numbers, as in c(20, 30), not {shorten(node)}")
    _check(node)
    value = float(arithmetic.evaluate(node, _no_leaf))
    if not np.isfinite(value):
        raise FormulaError(f"{what} takes finite numbers, and {shorten(node)} is none")
    return value


def _spline(node: Node, what: str) -> str:
    given = node.value if isinstance(node, Text) else node.column if isinstance(node, Name) else ""
    if given not in ("cr", "ps"):
        raise FormulaError(f'{what} is "cr" (cubic regression) or "ps" (P-spline), not {shorten(node)}')
    return given


def _no_leaf(node: Name | Call) -> Any:
    raise AssertionError(f"{node} in a constant")


SETTINGS: dict[str, dict[str, Callable[[Node, str], Any]]] = {
    "poly": {"degree": _whole, "raw": _flag},
    "ns": {"df": _whole, "knots": _numbers, "intercept": _flag, "Boundary.knots": _numbers},
    "bs": {"df": _whole, "knots": _numbers, "degree": _whole, "intercept": _flag, "Boundary.knots": _numbers},
    "cr": {"df": _whole, "knots": _numbers, "intercept": _flag},
    "s": {"k": _whole, "bs": _spline},
    "scale": {"center": _flag, "scale": _flag},
}
_EXAMPLES = {
    "poly": "poly(x, 2)",
    "ns": "ns(x, df=3)",
    "bs": "bs(x, df=5)",
    "cr": "cr(x, df=4)",
    "s": "s(x, k=10)",
    "scale": "scale(x)",
}
