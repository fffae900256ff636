"""Scores of single rows, and sums of their products: the middle of a sandwich.

The score of a row is the gradient of its log-likelihood: weight (y - probability) x in each contrast of the classes,
x the solver's columns.  Scores are made a block at a time and never kept.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Part
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.kernels.reference import logistic_curvature_weight, logistic_residual, multinomial_residual, soft_labels
from berkson.rows.memory import threads_for

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

RUN_CELLS = 1 << 21  # of X behind the row-long results that are held at a time
BLOCK_CELLS = 1 << 18  # of float64 design held at a time: two megabytes, near the processor
LONG = 128  # rows of a cluster on average from which one kernel call for each is the fastest
BATCH = 1024  # sums of such clusters held at a time
SHARES = 8  # parts of the rows that threads take; their number does not depend on threads, so sums do not either
LEVERAGE_ONE = 1e-8  # short of 1: a row that the fit follows wherever it goes
RANK_ONE = 1e-12  # of the largest eigenvalue: below it an adjustment would divide by rounding


def units(estimates: Estimates, rows: slice | Array) -> tuple[F64 | float, F64 | float]:
    """(prior weight, multiplicity) of these rows, whose product is the row's weight.

    A frequency weight says how many units there are; other weights, and trials, are the weight of one unit.
    """
    weight, trials = estimates.problem.weight, estimates.trials
    if weight is None:
        return 1.0, 1.0
    if estimates.weight_kind != "frequency":
        return weight[rows], 1.0
    if trials is None:
        return 1.0, weight[rows]
    own = trials[rows]
    return own, np.divide(weight[rows], own, out=np.zeros(len(own)), where=own > 0)


def residuals(estimates: Estimates, rows: slice | Array, eta: F64) -> F64:
    """y - probability of these rows, given their linear predictors without offset: (m, contrasts)."""
    problem, basis = estimates.problem, estimates.rows.coordinates.basis
    if problem.offset is not None:
        eta = eta + problem.offset[rows].reshape(len(eta), -1)
    if basis is None:
        return -logistic_residual(eta[:, 0], problem.y[rows].astype(np.float64))[:, None]
    return -multinomial_residual(eta, soft_labels(problem.y[rows], problem.n_classes)) @ basis


def meat(estimates: Estimates, power: int = 0) -> F64:
    """sum over units of s s' / (1 - leverage)^power (size, size), s a unit's score, in theta.

    power > 0 is for two classes, where the leverage of a unit is  prior weight * mu (1 - mu) x' inverse x.
    Raises StatisticsError where a leverage is 1.  Costs a pass for linear predictors, one for leverages where power is
    positive, and one for each pair of contrasts.
    """
    rows, problem = estimates.rows, estimates.problem
    place, (n, p) = rows.coordinates, rows.design.shape
    coef = place.expand(estimates.theta).reshape(p + 1, -1)
    c = place.contrasts
    total = np.zeros((c, c, place.columns, place.columns))
    step = max(1024, int(RUN_CELLS / max(1.0, p * rows.design.filled)))  # each run gives a matrix of all columns
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        run, threads = rows.design.run_of(part), threads_for((part.stop - start) * p)
        eta = run.linear_predictor(None, place.center, coef, threads)
        prior, copies = units(estimates, part)
        factor = np.broadcast_to(prior * prior * copies, len(eta))
        if power:
            form = run.quadratic_form(None, place.center, place.metric(estimates.inverse), threads)
            factor = factor * _outlying(estimates, part, eta, prior * form) ** -power
        residual = residuals(estimates, part, eta)
        weight = None if problem.weight is None else problem.weight[part]
        for a in range(c):
            for b in range(a + 1):
                product = factor * residual[:, a] * residual[:, b]
                if weight is not None:
                    product = np.where(weight > 0, product, 0.0)
                total[a, b] += place.gram(run.gram(None, place.center, product, threads))
                total[b, a] = total[a, b]
    return total.transpose(0, 2, 1, 3).reshape(place.size, place.size)


def _outlying(estimates: Estimates, part: slice, eta: F64, form: F64) -> F64:
    """1 - leverage of these rows, 1 where there is no weight."""
    problem = estimates.problem
    if problem.offset is not None:
        eta = eta + problem.offset[part][:, None]
    left = 1.0 - logistic_curvature_weight(eta[:, 0]) * form
    if problem.weight is not None:
        left = np.where(problem.weight[part] > 0, left, 1.0)
    if left.min() < LEVERAGE_ONE:
        row = part.start + int(left.argmin())
        raise StatisticsError(
            f"HC2 and HC3 divide by 1 - leverage, and row {row + 1} has leverage 1 (a coefficient rests on it alone); "
            "use HC1, or leave out the column that only this row has"
        )
    return left


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows of positive weight in the order of their cluster (None: as they come), and where each cluster starts in that
    order; the last entry is the number of rows."""

    order: Array | None
    starts: npt.NDArray[np.intp]

    @classmethod
    def of(cls, codes: Array, weight: F64 | None) -> Groups:
        """codes (n,) of clusters, any integers from 0; weight (n,) or None."""
        if (weight is None or weight.min() > 0) and not (codes[1:] < codes[:-1]).any():
            order, sorted_codes = None, codes
        else:
            order = stable_order(codes)
            if weight is not None:
                order = order[weight[order] > 0]
            sorted_codes = codes[order]
        first = np.flatnonzero(sorted_codes[1:] != sorted_codes[:-1]) + 1
        return cls(order, np.concatenate([[0], first, [len(sorted_codes)]]).astype(np.intp))

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def rows(self, start: int, stop: int) -> slice | Array:
        return slice(start, stop) if self.order is None else self.order[start:stop]


def stable_order(codes: Array) -> Array:
    """What np.argsort(codes, kind="stable") gives, by 16 bits at a time: NumPy sorts those by counting."""
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    shift, top = 16, int(codes.max(initial=0))
    while top >> shift:
        digit = ((codes >> shift) & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
        shift += 16
    return order


def cluster_meat(estimates: Estimates, groups: Groups) -> F64:
    """sum over clusters of s s' (size, size), s the sum of a cluster's scores, in theta.  One reading of X."""
    n = int(groups.starts[-1])
    ends = np.unique(groups.starts[np.searchsorted(groups.starts, np.linspace(0, n, SHARES + 1).astype(np.intp))])
    shares = list(pairwise(ends.tolist()))
    threads = threads_for(n * estimates.rows.design.shape[1])
    share_of_meat = _long_clusters if n >= LONG * groups.count else _short_clusters
    if threads == 1:
        parts = [share_of_meat(estimates, groups, *share) for share in shares]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(lambda share: share_of_meat(estimates, groups, *share), shares))
    return np.asarray(np.sum(parts, axis=0))


def _long_clusters(estimates: Estimates, groups: Groups, first: int, last: int) -> F64:
    """`cluster_meat` of the clusters from place `first` to place `last` of the order, a kernel call for each."""
    place, size = estimates.rows.coordinates, estimates.rows.coordinates.size
    coef, total = place.expand(estimates.theta), np.zeros((size, size))
    low, high = np.searchsorted(groups.starts, (first, last)).tolist()
    for batch in range(low, high, BATCH):
        spans = pairwise(groups.starts[batch : min(batch + BATCH, high) + 1].tolist())
        sums = np.array([_score_sum(estimates, groups.rows(start, stop), coef) for start, stop in spans])
        total += sums.T @ sums
    return total


def _score_sum(estimates: Estimates, rows: slice | Array, coef: F64) -> F64:
    """Minus the sum of these rows' scores (size,)."""
    all_, design = estimates.rows, estimates.rows.design
    part = Part(
        None if isinstance(rows, slice) else rows,
        all_.coordinates.center,
        all_.y[rows],
        None if all_.weight is None else all_.weight[rows],
        None if all_.offset is None else all_.offset[rows],
        threads=1,
    )
    gradient = all_.loss.evaluate(design.run_of(rows) if isinstance(rows, slice) else design, part, coef, 1)[2]
    assert gradient is not None
    return all_.coordinates.gradient(gradient)


def _short_clusters(estimates: Estimates, groups: Groups, first: int, last: int) -> F64:
    """The same, a block of rows at a time, in which clusters are runs."""
    size = estimates.rows.coordinates.size
    total, open_cluster = np.zeros((size, size)), np.zeros(size)
    step = max(64, BLOCK_CELLS // (estimates.rows.design.shape[1] + 1))
    for start in range(first, last, step):
        stop = min(start + step, last)
        low, high = np.searchsorted(groups.starts, (start, stop))
        inside = groups.starts[low:high] - start
        begun = len(inside) == 0 or inside[0] != 0  # the block begins within a cluster
        sums = _score_sums(estimates, groups.rows(start, stop), np.concatenate([[0], inside]) if begun else inside)
        if begun:
            sums[0] += open_cluster
        else:
            total += np.outer(open_cluster, open_cluster)
        total += sums[:-1].T @ sums[:-1]
        open_cluster = sums[-1]
    return total + np.outer(open_cluster, open_cluster)


def _score_sums(estimates: Estimates, rows: slice | Array, starts: Array) -> F64:
    """Sums of scores over runs of these rows, (runs, size)."""
    place = estimates.rows.coordinates
    X, residual = _centred(estimates, rows)
    if estimates.problem.weight is not None:
        residual = residual * estimates.problem.weight[rows][:, None]
    constant, last = np.add.reduceat(residual, starts, axis=0), place.contrasts - 1
    each = []
    for a in range(place.contrasts):
        scores = np.multiply(X, residual[:, a, None], out=X if a == last else None)
        sums = np.column_stack([np.add.reduceat(scores, starts, axis=0), constant[:, a]])
        each.append((sums if place.kept is None else sums[:, place.kept]) / place.scale)
    return np.hstack(each)


def _centred(estimates: Estimates, rows: slice | Array) -> tuple[F64, F64]:
    """X - center of these rows (m, p), and their residuals (m, contrasts)."""
    place = estimates.rows.coordinates
    X = np.subtract(estimates.rows.design.few_rows(rows), place.center)
    coef = place.expand(estimates.theta).reshape(X.shape[1] + 1, -1)
    return X, residuals(estimates, rows, X @ coef[:-1] + coef[-1])


def adjusted_cluster_meat(estimates: Estimates, groups: Groups, largest: int) -> F64:
    """`cluster_meat` where each cluster's residuals are adjusted so that the sum is unbiased if the model is right.

    For two classes; with units of variance t = mu (1 - mu) / prior, d = sqrt(t) and H the hat matrix, the residuals are
    multiplied by A = d G^(-1/2) d, G = d (I - H) t d  (CR2: Bell & McCaffrey 2002; Pustejovsky & Tipton 2018,
    Journal of Business & Economic Statistics 36, equation 10, for the working model's variance).
    Raises StatisticsError for a cluster of more than `largest` rows: G is a matrix of rows by rows.
    """
    widest = int(np.diff(groups.starts).max())
    if widest > largest:
        raise StatisticsError(
            f"CR2 needs a matrix of rows by rows for each cluster, and one has {widest:,} rows (at most {largest:,}); "
            "use CR1"
        )
    size = estimates.rows.coordinates.size
    total = np.zeros((size, size))
    for start, stop in pairwise(groups.starts.tolist()):
        score = _adjusted_score(estimates, groups.rows(start, stop))
        total += np.outer(score, score)
    return total


def _adjusted_score(estimates: Estimates, rows: slice | Array) -> F64:
    place = estimates.rows.coordinates
    X, residual = _centred(estimates, rows)
    X = np.column_stack([X, np.ones(len(X))])
    eta = X @ place.expand(estimates.theta)
    if estimates.problem.offset is not None:
        eta = eta + estimates.problem.offset[rows]
    Z = (X if place.kept is None else X[:, place.kept]) / place.scale
    variance = logistic_curvature_weight(eta)
    prior, copies = units(estimates, rows)
    root = np.broadcast_to(np.sqrt(copies), len(eta))  # copies of a row are one row of length sqrt(copies)
    t = variance / prior
    d = np.sqrt(t)
    half = (d * root * variance)[:, None] * Z
    values, vectors = np.linalg.eigh(np.diag(t * t) - half @ estimates.inverse @ half.T)
    kept = values > RANK_ONE * values.max()
    inner = vectors[:, kept] * values[kept] ** -0.5
    adjusted = d * (inner @ (vectors[:, kept].T @ (d * root * residual[:, 0])))
    return np.asarray((root * prior * adjusted) @ Z)
