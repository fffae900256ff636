"""The arithmetic of `I(...)` and of functions of columns, evaluated on any rows.

    log(x)    sqrt(x + 1)    I(a*b + 2)    I(weight/height^2)    I(scale(x)^2)

Operators `+ - * / ^`, a minus sign, parentheses and the functions below; all in float64.  `calls` checks what may stand
here when a formula is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.formula.syntax import Call, Chain, Name, Negative, Node, Number, Power

F64 = npt.NDArray[np.float64]
Leaf = Callable[[Name | Call], F64]

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


def evaluate(node: Node, leaf: Leaf) -> F64:
    """The value of a checked tree, (n,), where `leaf` gives the values (n,) of a column or of a learned call.

    As IEEE 754 has it: log(0) is -inf, log(-1) and 0/0 are NaN; the caller looks for those.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_value(node, leaf), dtype=np.float64)


def _value(node: Node, leaf: Leaf) -> Any:
    if isinstance(node, Number):
        return np.float64(node.value)
    if isinstance(node, Negative):
        return -_value(node.operand, leaf)
    if isinstance(node, Power):
        return np.power(_value(node.base, leaf), _value(node.exponent, leaf))
    if isinstance(node, Call) and node.function in FUNCTIONS:
        return FUNCTIONS[node.function](_value(node.arguments[0], leaf))
    if isinstance(node, (Name, Call)):
        return leaf(node)
    assert isinstance(node, Chain)
    first, *rest = node.items
    total = _value(first[1], leaf)
    total = -total if first[0] == "-" else total
    for operator, operand in rest:
        total = _OPERATIONS[operator](total, _value(operand, leaf))
    return total


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
