"""Collinearity of the columns, as the estimates feel it: variance inflation, condition indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.inference.covariance import Covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inverse import inverse_factor

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Inflation:
    """Variance inflation of each term (t,).

    gvif     the squared volume of the term's joint confidence region, relative to columns that are uncorrelated in the
             model's weights; of a term with one parameter it is the variance inflation factor
    df       the term's estimable parameters
    scaled   gvif^(1 / (2 df)): the inflation of a standard error, comparable between terms

    NaN for a term without an estimable parameter.
    """

    terms: tuple[str, ...]
    gvif: F64
    df: npt.NDArray[np.int64]
    scaled: F64


def inflation(
    estimates: Estimates, covariance: Covariance, terms: Mapping[str, Sequence[int]] | None = None
) -> Inflation:
    """Generalised variance inflation factors; `terms`: names and their design columns (`Schema.term_columns`), by
    default each column alone.

    With R the correlations of all parameters but intercepts, det R_term det R_rest / det R (Fox & Monette, Journal of
    the American Statistical Association 87, 1992; as car::vif).  For K classes a term has parameters in every equation.
    """
    p = estimates.problem.X.shape[1]
    if terms is None:
        terms = {estimates.problem.column(j): [j] for j in range(p)}
    slopes = np.array(estimates.positions(range(p)), dtype=np.intp)
    slopes = slopes[estimates.estimable[slopes]]
    matrix = covariance.matrix[np.ix_(slopes, slopes)]
    deviation = np.sqrt(matrix.diagonal())
    correlation = matrix / (deviation[:, None] * deviation)
    whole, gvif, df = _log_determinant(correlation), [], []
    for columns in terms.values():
        own = np.isin(slopes, estimates.positions(columns))
        parts = _log_determinant(correlation[np.ix_(own, own)]) + _log_determinant(correlation[np.ix_(~own, ~own)])
        gvif.append(np.exp(parts - whole) if own.any() else np.nan)
        df.append(int(own.sum()))
    found, counts = np.array(gvif), np.array(df, dtype=np.int64)
    return Inflation(tuple(terms), found, counts, found ** (0.5 / np.maximum(counts, 1)))


def _log_determinant(correlation: F64) -> float:
    sign, value = np.linalg.slogdet(correlation)
    if not sign > 0.0:
        raise StatisticsError(
            "the estimates' correlations are singular to working precision, so there is no variance inflation to tell; "
            "leave out a column that others explain"
        )
    return float(value)


@dataclass(frozen=True)
class Condition:
    """names (d,) of the estimable parameters, condition indices (d,) from 1 up, and `proportions` (d, d): the share of
    a parameter's variance (column) that is due to each index (row)."""

    names: tuple[str, ...]
    indices: F64
    proportions: F64


def condition(estimates: Estimates) -> Condition:
    """Condition indices of W^1/2 [1, X] with columns of unit length, and variance-decomposition proportions (Belsley,
    Kuh & Welsch 1980).  An index over 30 with two or more proportions over 0.5 tells of collinearity that does harm.
    """
    estimates.require()
    assert estimates.at.hessian is not None
    factor = inverse_factor(estimates.at.hessian)
    if factor is None:
        raise StatisticsError("the information matrix is singular to working precision; leave out collinear columns")
    kept = np.flatnonzero(estimates.estimable)
    root = np.linalg.inv(estimates.jacobian[kept] @ factor.T)  # root'root is the information of the parameters
    root /= np.linalg.norm(root, axis=0)
    _, values, vectors = np.linalg.svd(root)
    shares = (vectors / values[:, None]) ** 2
    return Condition(tuple(estimates.names[j] for j in kept), values[0] / values, shares / shares.sum(axis=0))
