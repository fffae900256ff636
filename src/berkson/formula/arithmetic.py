"""The arithmetic of `I(...)` and of functions of columns: checked when a formula is read, evaluated on any rows.

    log(x)    sqrt(x + 1)    I(a*b + 2)    I(weight/height^2)

Operators `+ - * / ^`, a minus sign, parentheses and the functions below; all in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula.errors import FormulaError
from berkson.formula.syntax import INTERACTION, Call, Chain, Name, Negative, Node, Number, Power, columns_of
from berkson.table import quoted, shorten

F64 = npt.NDArray[np.float64]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "I": np.positive,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
}


def check(node: Node) -> None:
    """FormulaError where a call is not arithmetic on columns."""
    _check(node)
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
        if node.function not in FUNCTIONS:
            raise unknown_function(node)
        if len(node.arguments) != 1 or node.options:
            raise FormulaError(f"{node.function} at position {node.position} takes one argument and no options")
        _check(node.arguments[0])
    else:
        raise FormulaError(f"{quoted(node)} at position {node.position} is not arithmetic on columns")


def unknown_function(call: Call) -> FormulaError:
    """The error for a function that is not on the list, with the list."""
    known = "C, cbind (on the left), " + ", ".join(FUNCTIONS)
    return FormulaError(f"unknown function {quoted(call.function)} at position {call.position}; there are {known}")


def evaluate(node: Node, column: Callable[[str], F64]) -> F64:
    """The value of a checked tree, (n,), where `column` gives the values (n,) of a column.

    As IEEE 754 has it: log(0) is -inf, log(-1) and 0/0 are NaN; the caller looks for those.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_value(node, column), dtype=np.float64)


def _value(node: Node, column: Callable[[str], F64]) -> Any:
    if isinstance(node, Name):
        return column(node.column)
    if isinstance(node, Number):
        return np.float64(node.value)
    if isinstance(node, Negative):
        return -_value(node.operand, column)
    if isinstance(node, Power):
        return np.power(_value(node.base, column), _value(node.exponent, column))
    if isinstance(node, Call):
        return FUNCTIONS[node.function](_value(node.arguments[0], column))
    assert isinstance(node, Chain)
    first, *rest = node.items
    total = _value(first[1], column)
    total = -total if first[0] == "-" else total
    for operator, operand in rest:
        total = _OPERATIONS[operator](total, _value(operand, column))
    return total


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
