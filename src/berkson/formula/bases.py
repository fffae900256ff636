"""Bases: calls that learn from data, remembered as plain numbers, and give the same columns on any rows.

    poly(x, degree, raw=FALSE)    orthogonal polynomials of x, or its powers                      R's stats::poly
    ns(x, df=, knots=, intercept=FALSE, Boundary.knots=)             natural cubic splines        R's splines::ns
    bs(x, df=, knots=, degree=3, intercept=FALSE, Boundary.knots=)   B-splines                    R's splines::bs
    cr(x, df=, knots=, intercept=FALSE)    natural cubic splines by their values at knots         mgcv's s(bs="cr")
    s(x, k=10, bs="cr"|"ps")               smooths, whose wiggliness a penalty holds; see `smooths`    mgcv's s
    scale(x, center=TRUE, scale=TRUE)      (x - mean) / sd, with n - 1                            R's base::scale

x is a column or arithmetic on columns.  Settings are numbers and TRUE or FALSE, by name or in R's order; df is the
number of columns.  As in R a basis is learned from all rows in which x is known, whatever else is missing there, and a
smooth, as in mgcv, from rows in which nothing is.  Knots that are not given are quantiles (R's type 7), boundaries the
range of x.  Beyond them ns, cr and s are linear, and bs and poly are the polynomials they are at the end, as in R
(which warns of bs).  cr is centred over the rows it is learned from and has a knot more than columns, the ends among
them; with intercept=TRUE a column is the curve that is 1 at its knot and 0 at the others.  Differently from R, a df too
small, knots that coincide with a boundary, and both df and knots are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt

from berkson.formula import polynomials, splines
from berkson.formula.calls import MAX_WIDTH, Settings, settings
from berkson.formula.errors import FormulaError
from berkson.formula.polynomials import Polynomial
from berkson.formula.smooths import MOST, Smooth, learn_smooth
from berkson.formula.splines import BSpline, CubicRegression, NaturalSpline
from berkson.formula.syntax import Call
from berkson.table import quoted, shorten

F64 = npt.NDArray[np.float64]

Basis = Polynomial | NaturalSpline | BSpline | CubicRegression | Smooth


def _poly(x: F64, degree: int = 1, raw: bool = False) -> Polynomial:
    return polynomials.raw(degree) if raw else polynomials.orthogonal(x, degree)


def _scale(x: F64, center: bool = True, scale: bool = True) -> Polynomial:
    return polynomials.standard(x, center, scale)


_LEARN: dict[str, Callable[..., Basis]] = {
    "poly": _poly,
    "ns": splines.learn_natural,
    "bs": splines.learn_bspline,
    "cr": splines.learn_cubic_regression,
    "s": learn_smooth,
    "scale": _scale,
}
_KINDS: dict[str, type[Basis]] = {
    "poly": Polynomial,
    "ns": NaturalSpline,
    "bs": BSpline,
    "cr": CubicRegression,
    "s": Smooth,
    "scale": Polynomial,
}


def learn_basis(call: Call, x: F64) -> Basis:
    """What a checked call learns from the finite values x (n,) of its argument, n > 0.

    FormulaError, one sentence with the call, where its settings ask for what these values cannot give.
    """
    try:
        with np.errstate(all="ignore"):  # what overflows is refused
            return _LEARN[call.function](x, **_keywords(call))
    except FormulaError as error:
        raise FormulaError(f"{shorten(call)} {error}") from None


def _keywords(call: Call) -> Settings:
    return {"boundary" if name == "Boundary.knots" else name: value for name, value in settings(call).items()}


def basis_labels(call: Call, basis: Basis) -> list[str]:
    """Names of the columns: `ns(x, df=3)[1]` and so on, or the call alone where there is one."""
    text = str(call)
    return [text] if basis.width == 1 else [f"{text}[{k + 1}]" for k in range(basis.width)]


# --- as plain data --------------------------------------------------------------------------------------------------


def basis_to_dict(basis: Basis) -> dict[str, Any]:
    """Plain data (float, int, bool, list) that `basis_from_dict` reads back to an equal basis."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(basis).items()}


def basis_from_dict(call: Call, data: Any) -> Basis:
    """The basis of a checked call that `basis_to_dict` wrote; FormulaError, one sentence, for anything else."""
    kind = _KINDS[call.function]
    wanted = get_type_hints(kind)
    if not isinstance(data, dict) or set(data) != set(wanted):
        raise FormulaError(f"the basis {quoted(call)} is no mapping with the keys {', '.join(wanted)}")
    limits = {name: MOST * MOST if name == "matrix" else 2 * MAX_WIDTH for name in wanted}
    fields = {name: _field(data[name], hint, call, limits[name]) for name, hint in wanted.items()}
    try:
        basis = kind(**fields)
    except FormulaError as error:
        raise FormulaError(f"the basis {quoted(call)} {error}") from None
    if not _answers(basis, _keywords(call), call.function):
        raise FormulaError(f"the basis {quoted(call)} is not what its call asks for")
    return basis


def _field(value: Any, hint: Any, call: Call, limit: int) -> Any:
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WIDTH:
        return value
    if hint == tuple[float, ...] and isinstance(value, list) and len(value) <= limit:
        numbers = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if len(numbers) == len(value) and all(abs(v) < 2**1023 for v in numbers if isinstance(v, int)):
            found = tuple(map(float, numbers))
            if all(map(math.isfinite, found)):
                return found
    raise FormulaError(f"the basis {quoted(call)} holds something that is no number, list of numbers, true or false")


def _answers(basis: Basis, asked: Settings, function: str) -> bool:
    """Whether a basis has the width and the settings that its call fixes."""
    if isinstance(basis, Polynomial):
        if function == "scale":
            centred, scaled = asked.get("center", True), asked.get("scale", True)
            return basis.width == 1 and (centred or basis.center == (0.0,)) and (scaled or basis.norm == (1.0,))
        degree = asked.get("degree", 1)
        return basis == polynomials.raw(degree) if asked.get("raw", False) else basis.width == degree
    if isinstance(basis, Smooth):
        same = basis.cardinal == (asked.get("bs", "cr") == "cr")
        return same and bool(basis.size == asked.get("k", 10))
    intercept = asked.get("intercept", False)
    if isinstance(basis, CubicRegression):
        given, held = asked.get("knots"), basis.knots[1:-1]
        same = intercept == (not basis.means)
    else:
        given, held = asked.get("knots"), basis.knots
        same = intercept == basis.intercept and asked.get("boundary", basis.boundary) == basis.boundary
        if isinstance(basis, BSpline):
            same = same and asked.get("degree", 3) == basis.degree
        if given is None and "df" not in asked:
            given = ()
    return same and asked.get("df", basis.width) == basis.width and (given is None or given == held)
