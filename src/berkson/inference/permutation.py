"""Permutation tests of columns: the null distribution of a statistic from the rows themselves.

What is permuted are the rows of the columns' residuals of a linear regression on all other columns (Potter, Statistics
in Medicine 24, 2005): so the other columns keep their relation with the response, and the permuted columns keep theirs
with the others, none.  The p-value is (1 + #{statistic >= observed}) / (1 + count) (Phipson & Smyth, Statistical
Applications in Genetics and Molecular Biology 9, 2010).  Without other columns the test is exact; with them, nearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.fit import fit
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.limiting import limit
from berkson.kernels.reference import sigmoid, soft_labels, softmax
from berkson.problem import Problem
from berkson.table import listing, quoted

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Statistic = Literal["score", "lr"]

CELLS = 1 << 21  # of permuted columns that are held at a time
DEPENDENT = 1e-9  # of a column's length: a residual or an information smaller than that is rounding
TIED = 1e-9  # relative: statistics closer than that are equal, as those of equal rows are in exact arithmetic


@dataclass(frozen=True)
class PermutationTest:
    """The test that columns have no coefficient in any equation.

    names               of the columns
    statistic, df       observed, on this many coefficients
    kind                "score" or "lr" (likelihood ratio)
    permuted (count,)   the statistic of each permutation
    """

    names: tuple[str, ...]
    statistic: float
    df: int
    kind: Statistic
    permuted: F64 = field(repr=False)

    @property
    def count(self) -> int:
        """How many permutations were drawn."""
        return len(self.permuted)

    @property
    def p_value(self) -> float:
        """(1 + permutations at least as far out) / (1 + count): never 0, and no smaller than the test can tell."""
        return (1.0 + self._further) / (1.0 + self.count)

    @property
    def std_error(self) -> float:
        """Of the p-value, of how many permutations were drawn."""
        p = self.p_value
        return math.sqrt(p * (1.0 - p) / self.count)

    @property
    def _further(self) -> int:
        return int(np.count_nonzero(self.permuted >= self.statistic * (1.0 - TIED)))


def permutation_test(
    estimates: Estimates,
    columns: tuple[int, ...],
    count: int = 999,
    *,
    seed: int = 0,
    statistic: Statistic = "score",
    blocks: Array | None = None,
) -> PermutationTest:
    """Test that these columns of the design have no coefficient, by permuting the rows of their residuals.

    columns    places in the design; all classes' equations are tested together
    count      permutations, drawn anew from `seed`
    statistic  "score": one fit in all, that without the columns, since the score of a permutation is a sum over rows;
               "lr": a fit for each permutation; where one separates the classes, its supremum
    blocks     codes (n,): rows are permuted within their block only, as where rows of a cluster are exchangeable among
               themselves, and not with those of others

    The score statistic is  U'(I_ee - I_ez I_zz^-1 I_ze)^-1 U,  U the score of the permuted residuals e, z all other
    columns, I the information at the fit without the columns.  Offsets stay with their rows.  A frequency weight w is w
    rows.  Raises StatisticsError, one sentence, for other weights that differ between rows, columns that are
    combinations of the others, a fit that is penalised or whose smaller model has no maximum.
    """
    _refuse(estimates, columns, count, seed, statistic)
    problem, blocks = _units(estimates, blocks)
    rows = np.asarray(estimates.rows.design.few_rows(slice(None)), dtype=np.float64)
    if estimates.problem is not problem:
        rows = np.repeat(rows, _repeats(estimates), axis=0)
    tested = np.isin(np.arange(rows.shape[1]), columns)
    rest = rows[:, ~tested]
    others = _orthonormal(np.column_stack([np.ones(len(rows)), rest]) if problem.intercept else rest)
    if not others.shape[1]:
        raise StatisticsError("nothing is left without these columns, not even an intercept; fit with one")
    residual = _residual(rows[:, tested], others)
    if not residual.shape[1]:
        said = listing([quoted(estimates.problem.column(j)) for j in columns])
        raise StatisticsError(f"{said} can be told from the other columns, so there is nothing to permute; drop some")
    null = _fitted(problem, others)
    drawn = _permutations(len(residual), count, seed, blocks)
    if statistic == "score":
        values = _scores(null, others, residual, drawn)
    else:
        values = np.array([_ratio(null, others, residual[order]) for order in drawn])
    names = tuple(estimates.problem.column(j) for j in columns)
    return PermutationTest(names, float(values[0]), residual.shape[1] * (problem.n_classes - 1), statistic, values[1:])


def _refuse(estimates: Estimates, columns: tuple[int, ...], count: int, seed: int, statistic: str) -> None:
    if not columns:
        raise StatisticsError("no columns are named whose rows could be permuted; name one")
    if not isinstance(count, (int, np.integer)) or count < 19:
        raise StatisticsError(f"{count} permutations cannot reach a p-value of 0.05; 999 are usual")
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise StatisticsError(f"the seed {seed} is no whole number between 0 and 2^64 - 1; give another")
    if statistic not in ("score", "lr"):
        raise StatisticsError(f"there is no permutation test of {statistic!r}; choose 'score' or 'lr'")
    if estimates.problem.strength > 0.0:
        raise StatisticsError("permutation tests are of maximum likelihood; fit without a penalty")


def _units(estimates: Estimates, blocks: Array | None) -> tuple[Problem, Array | None]:
    """What is permuted as a problem of rows without weights, and the blocks of its rows."""
    problem, weight = estimates.problem, estimates.problem.weight
    if blocks is not None and blocks.shape != (len(problem.y),):
        raise StatisticsError(f"blocks are codes of {len(problem.y)} rows, and there are {len(blocks)}; give one a row")
    if weight is None:
        return problem, blocks
    used = weight[weight > 0]
    if estimates.trials is not None or not (estimates.weight_kind == "frequency" or (used == used[0]).all()):
        raise StatisticsError(
            "rows of different weight, or of several trials, are not exchangeable, so they cannot be permuted; give a "
            "row for each outcome"
        )
    if estimates.weight_kind == "frequency" and (weight != np.rint(weight)).any():
        raise StatisticsError("frequency weights that are not whole numbers count no rows to permute; repeat the rows")
    times = _repeats(estimates)
    offset = None if problem.offset is None else np.repeat(problem.offset, times, axis=0)
    own = replace(problem, y=np.repeat(problem.y, times, axis=0), weight=None, offset=offset)
    return own, None if blocks is None else np.repeat(blocks, times)


def _repeats(estimates: Estimates) -> npt.NDArray[np.intp]:
    weight = estimates.problem.weight
    assert weight is not None
    return weight.astype(np.intp) if estimates.weight_kind == "frequency" else (weight > 0).astype(np.intp)


def _orthonormal(columns: F64) -> F64:
    """A basis of the columns' span, each of them in its own units."""
    size = np.linalg.norm(columns, axis=0)
    vectors, values, _ = np.linalg.svd(columns / np.where(size > 0.0, size, 1.0), full_matrices=False)
    return np.asarray(vectors[:, values > DEPENDENT * max(1.0, float(values.max(initial=0.0)))])


def _residual(columns: F64, others: F64) -> F64:
    """A basis of what the columns have beyond the others."""
    centred = columns - others @ (others.T @ columns)
    centred -= others @ (others.T @ centred)  # again: the first takes off most, the second its rounding
    kept = np.linalg.norm(centred, axis=0) > DEPENDENT * np.linalg.norm(columns, axis=0)
    return _orthonormal(centred[:, kept])


@dataclass(frozen=True)
class _Null:
    """The fit on the other columns: its problem, loss, linear predictor (n, 1 or K)."""

    problem: Problem
    loss: float
    eta: F64


def _fitted(problem: Problem, others: F64) -> _Null:
    """On an orthonormal basis of the others, which holds the constant."""
    own = replace(problem, X=others, intercept=False, names=())
    done = fit(own, tol=1e-10)
    if not done.certificate.certified:
        raise StatisticsError(
            f"the model without the columns has no proved optimum, so nothing can be tested against it: "
            f"{done.certificate.status}"
        )
    eta = others @ done.coef.T
    if problem.offset is not None:
        eta = eta + problem.offset.reshape(len(eta), -1)
    return _Null(own, done.certificate.objective, eta)


def _permutations(n: int, count: int, seed: int, blocks: Array | None) -> Iterator[Array]:
    """The order as it is, and `count` drawn ones, within blocks."""
    random = np.random.default_rng(seed)
    yield np.arange(n)
    if blocks is None:
        yield from (random.permutation(n) for _ in range(count))
        return
    places, order = np.argsort(blocks, kind="stable"), np.empty(n, dtype=np.intp)
    for _ in range(count):
        order[places] = np.lexsort((random.random(n), blocks))
        yield order.copy()


def _scores(null: _Null, others: F64, residual: F64, drawn: Iterator[Array]) -> F64:
    """The score statistic of each permutation, many at a time."""
    off, curvature = _derivatives(null)
    K, z, (n, q) = off.shape[1], others.shape[1], residual.shape
    inner = np.block([[others.T @ (curvature(k, m)[:, None] * others) for m in range(K)] for k in range(K)])
    inverse = np.linalg.pinv(inner, hermitian=True)
    step, found = max(1, CELLS // (n * q)), []
    while some := list(islice(drawn, step)):
        moved = residual[np.array(some)]  # (b, n, q)
        score = np.einsum("bnq,nk->bkq", moved, off, optimize=True).reshape(len(some), K * q)
        own, cross = np.empty((len(some), K, q, K, q)), np.empty((len(some), K, q, K, z))
        for k in range(K):
            for m in range(K):
                weighted = moved * curvature(k, m)[:, None]
                own[:, k, :, m] = weighted.transpose(0, 2, 1) @ moved
                cross[:, k, :, m] = weighted.transpose(0, 2, 1) @ others
        whole, across = own.reshape(len(some), K * q, K * q), cross.reshape(len(some), K * q, K * z)
        information = whole - across @ inverse @ across.transpose(0, 2, 1)
        found.append(_quadratic(score, information, whole))
    return np.concatenate(found)


def _derivatives(null: _Null) -> tuple[F64, Any]:
    """y - probability of the classes but the first (n, K - 1), and the information of a row between two of them."""
    y = null.problem.y
    if null.problem.n_classes == 2:
        p = sigmoid(null.eta)
        return y.reshape(-1, 1) - p, lambda k, m: (p * sigmoid(-null.eta))[:, 0]
    p = softmax(null.eta)[:, 1:]
    return soft_labels(y, null.problem.n_classes)[:, 1:] - p, lambda k, m: p[:, k] * ((k == m) - p[:, m])


def _quadratic(score: F64, information: F64, own: F64) -> F64:
    """U' I^- U of each permutation; directions that a permutation leaves no information in have no score either."""
    values, vectors = np.linalg.eigh(information)
    largest = np.linalg.norm(own, axis=(1, 2))[:, None]
    along = np.einsum("bij,bi->bj", vectors, score)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(values > DEPENDENT * largest, along * along / values, 0.0)
    return np.asarray(each.sum(axis=1))


def _ratio(null: _Null, others: F64, moved: F64) -> float:
    """Twice what the log-likelihood gains by the permuted columns; of separated data its supremum."""
    done = fit(replace(null.problem, X=np.column_stack([others, moved])), tol=1e-10)
    loss = done.certificate.objective
    if done.certificate.separation is not None:
        loss = limit(Estimates(done)).at.value
    elif not done.certificate.certified:
        raise StatisticsError(f"the fit of a permutation is not proved ({done.certificate.status}); use 'score'")
    return max(2.0 * (null.loss - loss), 0.0)
