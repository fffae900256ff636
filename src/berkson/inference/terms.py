"""What each term of a formula contributes: single deletions, and tables of type I, II and III.

Every row of a table compares two models, each the whole one without some columns:

    drop1   without the term                    the whole           terms that no other term contains (R's drop1)
    I       without it and those after it       without those after it   (R's anova)
    II      without it and those containing it  without those containing it   (car::Anova)
    III     without the term                    the whole           depends on contrasts and origins
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.formula import Schema
from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.hypotheses import (
    Method,
    chi_squared_tail,
    is_plain,
    quadratic,
    require_likelihood,
    require_plain,
)
from berkson.inference.profile import profile_test
from berkson.inference.restricted import restricted_fits, score_statistic, without_columns

F64 = npt.NDArray[np.float64]
TableType = Literal["drop1", "I", "II", "III"]


@dataclass(frozen=True)
class TermTests:
    """One test for each term, chi-squared: statistic, df, p_value (m,), NaN (and df 0) where a term adds nothing,
    and of Wald's test where an estimate is infinite.

    type        "drop1", "I", "II" or "III"
    method      "lr", "score" or "wald"; `covariance` is what Wald tests rest on
    With method "lr", twice the log-likelihood of the smaller model lies `statistic` below that of the larger.
    """

    type: TableType
    method: Method
    terms: tuple[str, ...]
    statistic: F64
    df: npt.NDArray[np.int64]
    p_value: F64
    covariance: str = ""


Dropped = frozenset[int]  # columns of the design


@dataclass(frozen=True)
class _Comparison:
    """A term, and what the smaller and the larger model lack."""

    term: str
    smaller: Dropped
    larger: Dropped


def term_tests(
    estimates: Estimates,
    schema: Schema,
    type: TableType = "II",
    method: Method = "lr",
    covariance: Covariance | None = None,
) -> TermTests:
    """The table of a type; schema is of the formula that was fitted.

    For K classes a term is tested in all equations.  All fits of a table advance together.
    lr, score  refits, as R has them; refused with sampling weights and with a robust covariance.
    wald       from a covariance (needed): of type II and I, of the restrictions that are conjugate to those of the
               larger model in its inverse (car's).
    Raises StatisticsError as the tests in `hypotheses`.
    """
    if type not in ("drop1", "I", "II", "III"):
        raise StatisticsError(f"there is no table of type {type!r}; choose drop1, I, II or III")
    comparisons = _comparisons(schema, type)
    if method == "wald":
        if covariance is None:
            raise StatisticsError("Wald tests need a covariance of the parameters; give one")
        tests = [_wald(estimates, covariance, c) for c in comparisons]
    elif method in ("lr", "score"):
        require_likelihood(estimates, covariance)
        tests = _refitted(estimates, comparisons, method)
    else:
        raise StatisticsError(f"there is no test {method!r}; choose lr, score or wald")
    return TermTests(
        type,
        method,
        tuple(c.term for c in comparisons),
        np.array([statistic for statistic, _ in tests]),
        np.array([df for _, df in tests], dtype=np.int64),
        np.array([chi_squared_tail(s, df) if df else np.nan for s, df in tests]),
        covariance.text if covariance is not None and method == "wald" else "",
    )


def _comparisons(schema: Schema, type: TableType) -> list[_Comparison]:
    texts, columns = list(schema.term_columns), [frozenset(of) for of in schema.term_columns.values()]
    variables = [frozenset(term) for term in schema.terms]
    found = []
    for i, text in enumerate(texts):
        containing = _all(columns[j] for j in range(len(texts)) if variables[i] < variables[j])
        match type:
            case "I":
                larger = _all(columns[i + 1 :])
            case "II":
                larger = containing
            case _:
                larger = frozenset()
        if type != "drop1" or not containing:
            found.append(_Comparison(text, larger | columns[i], larger))
    return found


def _all(sets: Sequence[Dropped] | object) -> Dropped:
    return frozenset().union(*sets)  # type: ignore[misc]


def _refitted(estimates: Estimates, comparisons: Sequence[_Comparison], method: Method) -> list[tuple[float, int]]:
    """(statistic, df) of each comparison; each model is fitted once."""
    if not is_plain(estimates) and method == "lr":
        return [_penalised(estimates, c) for c in comparisons]
    require_plain(estimates)
    wanted = dict.fromkeys(d for c in comparisons for d in ((c.smaller, c.larger) if method == "lr" else (c.smaller,)))
    spaces = {dropped: without_columns(estimates, dropped) for c in comparisons for dropped in (c.smaller, c.larger)}
    refits = [dropped for dropped in wanted if dropped]
    fitted = dict(zip(refits, restricted_fits(estimates, [spaces[d] for d in refits]), strict=True))
    tests = []
    for c in comparisons:
        smaller, larger = spaces[c.smaller], spaces[c.larger]
        df = larger.basis.shape[1] - smaller.basis.shape[1]
        if df == 0:
            statistic = np.nan
        elif method == "score":
            statistic = score_statistic(estimates, fitted[c.smaller].theta, larger.basis)
        else:
            above = fitted[c.larger].value if c.larger else estimates.at.value
            statistic = max(2.0 * (fitted[c.smaller].value - above), 0.0)
        tests.append((statistic, df))
    return tests


def _penalised(estimates: Estimates, c: _Comparison) -> tuple[float, int]:
    """The likelihood-ratio test where the likelihood is penalised or has no maximum, as a difference of two."""
    smaller, larger = _profile_statistic(estimates, c.smaller), _profile_statistic(estimates, c.larger)
    df = smaller[1] - larger[1]
    return (max(smaller[0] - larger[0], 0.0) if df else np.nan), df


def _profile_statistic(estimates: Estimates, dropped: Dropped) -> tuple[float, int]:
    places = _known(estimates, dropped)
    if not places:
        return 0.0, 0
    found = profile_test(estimates, np.eye(len(estimates.names))[places])
    return found.statistic, found.df


def _wald(estimates: Estimates, covariance: Covariance, c: _Comparison) -> tuple[float, int]:
    """The Wald test of the term's coefficients, corrected for those that the larger model lacks as well:
    b_t - V_to V_oo^-1 b_o, whose covariance is V_tt - V_to V_oo^-1 V_ot."""
    term, others = _known(estimates, c.smaller - c.larger), _known(estimates, c.larger)
    if not term or not estimates.estimable[term + others].all():
        return np.nan, 0
    V, b = covariance.matrix, estimates.params
    off, variance = b[term], V[np.ix_(term, term)]
    if others:
        scale = np.sqrt(V.diagonal()[others])
        inner = V[np.ix_(others, others)] / scale[:, None] / scale
        across = np.linalg.solve(inner, V[np.ix_(others, term)] / scale[:, None]).T / scale
        off, variance = off - across @ b[others], variance - across @ V[np.ix_(others, term)]
    return quadratic(off, variance, covariance), len(term)


def _known(estimates: Estimates, columns: Dropped) -> list[int]:
    """Where the parameters of columns stand, those of aliased ones apart; an infinite one is a parameter, too."""
    return [i for i in estimates.positions(sorted(columns)) if not estimates.aliased[i]]
