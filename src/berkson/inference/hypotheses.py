"""Tests of linear hypotheses about the parameters: Wald, likelihood ratio, score; and of nested models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.hypothesis_text import names_of, parse_hypothesis
from berkson.inference.profile import profile_test
from berkson.inference.restricted import DEPENDENT, restricted_fits, score_statistic, under_hypothesis
from berkson.inverse import inverse_of
from berkson.table import listing

F64 = npt.NDArray[np.float64]
Method = Literal["wald", "lr", "score"]

SHOWN = 4  # restrictions of a matrix that its text spells out


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """matrix (m, d) @ params = value (m,), and how it reads."""

    matrix: F64
    value: F64
    text: str


@dataclass(frozen=True)
class HypothesisTest:
    """A test with a chi-squared reference.

    method      "wald", "lr" (likelihood ratio) or "score" (Rao)
    text        the hypothesis
    statistic, df, p_value
    covariance  what a Wald test rests on ("" else)
    error       proved bound on what the statistic lacks because a fit is not at its exact optimum (0: no refit)
    """

    method: Method
    text: str
    statistic: float
    df: int
    p_value: float
    covariance: str = ""
    error: float = 0.0


def linear_hypothesis(
    estimates: Estimates,
    hypothesis: str | Sequence[str] | npt.ArrayLike,
    value: npt.ArrayLike = 0.0,
    terms: Mapping[str, Sequence[int]] | None = None,
) -> Hypothesis:
    """A hypothesis from text (see `hypothesis_text`), from several texts that hold jointly, or from a matrix.

    value  (m,) or a number: what matrix @ params is, where a matrix is given.
    terms  design columns of each term (Schema.term_columns), for names such as C(race).
    A term stands for its columns that are not aliased.  Raises StatisticsError for an unknown name, a hypothesis that
    is not linear, about the parameter of an aliased column, or whose restrictions depend on each other.
    """
    d = len(estimates.names)
    texts = [hypothesis] if isinstance(hypothesis, str) else hypothesis
    if isinstance(texts, (list, tuple)) and texts and all(isinstance(text, str) for text in texts):
        names = names_of(estimates, terms or {})
        known = {name: [i for i in of if not estimates.aliased[i]] or of for name, of in names.items()}
        parsed = [parse_hypothesis(str(text), known, d) for text in texts]
        matrix, values = np.vstack([m for m, _ in parsed]), np.concatenate([v for _, v in parsed])
        text = ", ".join(" ".join(str(text).split()) for text in texts)
    else:
        matrix, values = _from_matrix(hypothesis, value, d)
        text = _describe(matrix, values, estimates.names)
    _refuse(estimates, matrix, text)
    return Hypothesis(matrix, values, text)


def _from_matrix(matrix: object, value: npt.ArrayLike, d: int) -> tuple[F64, F64]:
    try:
        rows = np.atleast_2d(np.asarray(matrix, np.float64))
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise StatisticsError("a hypothesis is text such as 'age = 2*lwt', or a matrix of numbers") from None
    if rows.ndim != 2 or rows.shape[1] != d or len(rows) == 0:
        raise StatisticsError(
            f"a hypothesis about {d} parameters is a matrix of {d} columns, not one of shape {rows.shape}"
        )
    if values.shape not in ((), (len(rows),)):
        raise StatisticsError(f"{len(rows)} restrictions need {len(rows)} values, not an array of shape {values.shape}")
    if not (np.isfinite(rows).all() and np.isfinite(values).all()):
        raise StatisticsError("the matrix of a hypothesis holds a number that is not finite; correct it")
    return rows, np.broadcast_to(values, len(rows)).copy()


def _describe(matrix: F64, value: F64, names: Sequence[str]) -> str:
    """Restrictions as text: `age - 2*lwt = 0`."""
    lines = []
    for row, right in zip(matrix[:SHOWN], value, strict=False):
        parts = ""
        for j in np.flatnonzero(row).tolist():
            size = "" if abs(row[j]) == 1.0 else f"{abs(row[j]):g}*"
            sign = ("- " if row[j] < 0 else "+ ") if parts else ("-" if row[j] < 0 else "")
            parts += f"{' ' if parts else ''}{sign}{size}{names[j]}"
        lines.append(f"{parts or '0'} = {right:g}")
    return listing(lines, SHOWN) if len(matrix) <= SHOWN else f"{len(matrix)} restrictions: {', '.join(lines)}, ..."


def _refuse(estimates: Estimates, matrix: F64, text: str) -> None:
    """StatisticsError for restrictions on what has no estimate, that say nothing, or that depend on each other."""
    gone, kept = matrix.any(axis=0) & estimates.aliased, ~estimates.aliased
    if gone.any():
        names = listing([estimates.names[j] for j in np.flatnonzero(gone)])
        raise StatisticsError(f"the hypothesis {text!r} is about {names}, which has no estimate; leave it out")
    C = matrix[:, kept] @ estimates.jacobian[kept]
    size = np.linalg.norm(C, axis=1)
    if not size.all():
        raise StatisticsError(f"the hypothesis {text!r} has a restriction that names no parameter; leave it out")
    if np.linalg.matrix_rank(C / size[:, None], tol=DEPENDENT) < len(C):
        raise StatisticsError(
            f"the restrictions of {text!r} depend on each other; leave out those that follow from the others"
        )


def wald_test(estimates: Estimates, covariance: Covariance, hypothesis: Hypothesis) -> HypothesisTest:
    """(Rb - r)'(R V R')^-1 (Rb - r), chi-squared with m degrees of freedom (car::linearHypothesis, test = "Chisq").

    Raises StatisticsError about an infinite estimate, and where R V R' is not positive, as with fewer clusters than
    restrictions.
    """
    known = estimates.estimable
    infinite = hypothesis.matrix.any(axis=0) & ~known
    if infinite.any():
        names = listing([estimates.names[j] for j in np.flatnonzero(infinite)])
        raise StatisticsError(
            f"the hypothesis {hypothesis.text!r} is about {names}, whose estimate is infinite, where Wald's test says "
            "nothing; use method='lr', or bias reduction"
        )
    R, V = hypothesis.matrix[:, known], covariance.matrix[np.ix_(known, known)]
    off = R @ estimates.params[known] - hypothesis.value
    statistic = quadratic(off, R @ V @ R.T, covariance)
    return _result("wald", hypothesis.text, statistic, len(R), covariance=covariance.text)


def quadratic(off: F64, variance: F64, covariance: Covariance) -> float:
    """off' variance^-1 off.  StatisticsError where the variance is not positive."""
    inverse = inverse_of(variance)
    if inverse is None:
        few = [f"{count} clusters of {name!r}" for name, count in covariance.clusters if count <= len(off)]
        reason = f"{' and '.join(few)} cannot tell" if few else f"the covariance {covariance.text} is not positive for"
        raise StatisticsError(f"{reason} {len(off)} restrictions jointly; test fewer, or use another covariance")
    return float(off @ inverse @ off)


def likelihood_ratio_test(
    estimates: Estimates, hypothesis: Hypothesis, covariance: Covariance | None = None
) -> HypothesisTest:
    """2 (log-likelihood - the largest under the hypothesis), chi-squared with m degrees of freedom.

    The restricted fit is proved to 1e-10 in the log-likelihood.  Of bias-reduced estimates the penalised likelihood
    counts, of separated data's limit the supremum (`profile_test`).  Raises StatisticsError with sampling weights, with
    a robust `covariance`, and where the restricted fit is not proved.
    """
    require_likelihood(estimates, covariance)
    estimates.require()
    if not is_plain(estimates):
        found = profile_test(estimates, hypothesis.matrix, hypothesis.value)
        return HypothesisTest("lr", hypothesis.text, found.statistic, found.df, found.p_value)
    space = under_hypothesis(estimates, hypothesis.matrix, hypothesis.value)
    (restricted,) = restricted_fits(estimates, [space])
    error = 2.0 * max(restricted.gap, estimates.fit.certificate.gap)
    statistic = max(2.0 * (restricted.value - estimates.at.value), 0.0)
    return _result("lr", hypothesis.text, statistic, len(hypothesis.matrix), error=error)


def score_test(estimates: Estimates, hypothesis: Hypothesis, covariance: Covariance | None = None) -> HypothesisTest:
    """g'I^-1 g, score and information at the optimum under the hypothesis (Rao); chi-squared, m degrees of freedom.

    Raises StatisticsError as `likelihood_ratio_test`, and for estimates that are not of maximum likelihood.
    """
    require_likelihood(estimates, covariance)
    require_plain(estimates)
    space = under_hypothesis(estimates, hypothesis.matrix, hypothesis.value)
    (restricted,) = restricted_fits(estimates, [space])
    statistic = score_statistic(estimates, restricted.theta)
    return _result("score", hypothesis.text, statistic, len(hypothesis.matrix))


def is_plain(estimates: Estimates) -> bool:
    """Whether these are finite maximum-likelihood estimates."""
    return estimates.theta is estimates.fit.theta


def require_plain(estimates: Estimates) -> None:
    """StatisticsError for bias-reduced estimates, and those of separated data."""
    if not is_plain(estimates):
        raise StatisticsError(
            "the score test is of maximum-likelihood estimates that are all finite; use a likelihood-ratio test"
        )
    estimates.require()


def require_likelihood(estimates: Estimates, covariance: Covariance | None) -> None:
    """StatisticsError where the likelihood is not taken at its word: sampling weights, robust covariances."""
    if estimates.weight_kind == "sampling":
        raise StatisticsError("sampling weights have no likelihood to compare; use a Wald test")
    if covariance is not None and not covariance.of_the_likelihood:
        raise StatisticsError(
            "likelihood-ratio and score tests believe the likelihood, which this covariance does not "
            f"({covariance.text}); use a Wald test"
        )


def chi_squared_tail(statistic: float, df: float) -> float:
    """P(chi-squared with df degrees of freedom > statistic)."""
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    return float(chdtrc(df, statistic))


def _result(
    method: Method, text: str, statistic: float, df: int, *, covariance: str = "", error: float = 0.0
) -> HypothesisTest:
    return HypothesisTest(method, text, statistic, df, chi_squared_tail(statistic, df), covariance, error)
