"""Stability selection: the columns that a lasso chooses on most half-samples of the rows, and how many by mistake.

On each half-sample the columns that come into the path first are chosen, at most q of them.  A column is selected if it
is chosen in a share of at least `threshold` of the halves.  (Meinshausen & Buehlmann, Journal of the Royal Statistical
Society B 72, 2010; with complementary pairs of halves, Shah & Samworth, ibid. 75, 2013.)  Of p columns, then,

    E(selected columns that a half chooses with probability q / p or less)  <=  q^2 / ((2 threshold - 1) p),

whatever the data are, and about half of that where the chances of each such column are unimodal over pairs of halves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.problem import InputError, Problem, check, locate_non_finite
from berkson.rows.memory import NonFiniteError
from berkson.select.column_folds import followed
from berkson.select.folds import Folds
from berkson.select.path import originals
from berkson.select.start import LEAST, LEAST_WIDE, Options, Start, begin
from berkson.solvers.regularised import Point
from berkson.solvers.run import Work

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

TOGETHER = 16  # pairs of halves whose fits advance together
ABOVE = 2.0  # times the largest penalty of all rows, where halves begin: chance is larger in them by about sqrt(2)


@dataclass(frozen=True)
class StabilitySelection:
    """frequency (p,): the share of the 2 `pairs` half-samples in which each column was chosen; candidates (p,): the
    penalised columns, others are always in (or out) and NaN; q: how many columns a half chooses at most; threshold;
    expected_false: the bound; selected: the places of the columns; size: how many were chosen in the mean; gap: the
    largest proved of all fits, relative to their null objectives."""

    problem: Problem
    pairs: int
    frequency: F64
    candidates: npt.NDArray[np.bool_]
    q: int
    threshold: float
    expected_false: float
    size: float
    gap: float
    tol: float

    @property
    def selected(self) -> Indices:
        """Places of the columns whose frequency reaches the threshold, the most frequent first."""
        order = np.argsort(np.where(self.candidates, -self.frequency, np.inf), kind="stable")
        return order[self.frequency[order] >= self.threshold]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the answer, a sentence each; empty where there is nothing."""
        if self.gap <= self.tol:
            return ()
        if math.isfinite(self.gap):
            return (f"some fits of halves are proved within {self.gap:.1g} only (asked: {self.tol:.1g})",)
        return (
            "nothing is proved of some fits of halves: their optimum may not exist, as where a column without a "
            "penalty separates the classes of a half; penalise every column",
        )


def bound(q: int, p: int, threshold: float, pairs: int, *, unimodal: bool = False) -> float:
    """On the expected number of selected columns that a half chooses with probability q / p or less (see above).

    unimodal  Shah & Samworth's theorem 2, of q / p <= 1 / sqrt(3) and threshold > 1/2 + min(theta^2, 1/(2 pairs) +
              3/4 theta^2), theta = q / p; infinity where it says nothing
    """
    theta = q / p
    if not unimodal:
        return q * theta / (2.0 * threshold - 1.0)
    if theta > 1.0 / math.sqrt(3.0) or threshold <= 0.5 + min(theta**2, 0.5 / pairs + 0.75 * theta**2):
        return math.inf
    if threshold <= 0.75:
        return q * theta / (2.0 * (2.0 * threshold - 1.0 - 0.5 / pairs))
    return q * theta * 4.0 * (1.0 - threshold + 0.5 / pairs) / (1.0 + 1.0 / pairs)


def stability_selection(
    problem: Problem,
    *,
    pairs: int = 50,
    threshold: float = 0.75,
    false_selections: float = 1.0,
    unimodal: bool = False,
    seed: int = 0,
    l1_ratio: float = 1.0,
    count: int = 100,
    smallest: float | None = None,
    factors: npt.ArrayLike | None = None,
    standardize: bool = True,
    tol: float = 1e-6,
    max_iterations: int = 100,
    progress: Callable[[float], None] | None = None,
) -> StabilitySelection:
    """Select columns such that the bound on false selections, at the largest q that allows it, is `false_selections`.

    pairs             of disjoint halves of the rows of positive weight, drawn from `seed` and the pair's number alone
    threshold         above 1/2, at most 1: the share of halves that must choose a column
    false_selections  how many columns may be selected by chance, in expectation
    unimodal          use the sharper bound

    Other options as of `path`; lambdas go down from twice the largest of all rows, evenly on the scale of logarithms,
    until each half has chosen its columns.  All halves' fits are weightings of the same rows, share passes and are
    proved.  Raises InputError, one sentence.
    """
    _refuse(pairs, threshold, false_selections, seed, l1_ratio)
    options = Options(l1_ratio, None, count, smallest, factors, standardize, "mean", True, tol, max_iterations)
    try:
        with one_thread(problem.unknowns):
            start, work = _begin(problem, options), Work()
            candidates = (start.regularizer.factor > 0.0) & np.isfinite(start.regularizer.factor)
            candidates &= start.regularizer.unit > 0.0
            p = int(candidates.sum())
            q = _most(p, threshold, pairs, false_selections, unimodal)
            times, gap = np.zeros(len(candidates)), 0.0
            for first in range(0, pairs, TOGETHER):
                some = range(first, min(first + TOGETHER, pairs))
                chosen, worst = _chosen(start, _halves(problem, some, seed), candidates, q, work)
                times, gap = times + chosen.sum(axis=0), max(gap, worst)
                if progress is not None:
                    progress(some.stop / pairs)
    except NonFiniteError:
        raise locate_non_finite(problem) from None
    frequency = np.where(candidates, times / (2 * pairs), math.nan)
    expected = bound(q, p, threshold, pairs, unimodal=unimodal)
    size = float(times.sum()) / (2 * pairs)
    return StabilitySelection(problem, pairs, frequency, candidates, q, threshold, expected, size, gap, tol)


def _refuse(pairs: int, threshold: float, false_selections: float, seed: int, l1_ratio: float) -> None:
    if not isinstance(pairs, (int, np.integer)) or pairs < 1:
        raise InputError(f"pairs is {pairs}: give a whole number of pairs of halves, such as 50")
    if not 0.5 < threshold <= 1.0:
        raise InputError(f"threshold is {threshold:g}: give a share above 0.5, at most 1, such as 0.75")
    if not 0.0 < false_selections < math.inf:
        raise InputError(f"false_selections is {false_selections:g}: give a number above 0, such as 1")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed is {seed}: give a whole number from 0 on")
    if not l1_ratio > 0.0:
        raise InputError("a ridge chooses all columns, so none is stable: give l1_ratio above 0")


def _begin(problem: Problem, options: Options) -> Start:
    """The start of a path from above the largest penalty."""
    check(problem)
    start = begin(problem, options, Work())
    n, p = problem.X.shape
    smallest = options.smallest if options.smallest is not None else LEAST if n >= p else LEAST_WIDE
    lambdas = start.lambdas[0] * np.geomspace(ABOVE, smallest, options.count)
    return replace(start, lambdas=lambdas, given=True)


def _most(p: int, threshold: float, pairs: int, false_selections: float, unimodal: bool) -> int:
    """The largest number of columns a half may choose."""
    within = [q for q in range(1, p + 1) if bound(q, p, threshold, pairs, unimodal=unimodal) <= false_selections]
    if not within:
        least = bound(1, p, threshold, pairs, unimodal=unimodal)
        raise InputError(
            f"of {p} columns not even one a half may be chosen, which bounds false selections by {least:.2g}: raise "
            f"false_selections (now {false_selections:g}) or the threshold (now {threshold:g})"
        )
    return max(within)


def _halves(problem: Problem, pairs: Sequence[int], seed: int) -> Folds:
    """Both halves of each pair as what trains a fit."""
    rows = np.arange(len(problem.y)) if problem.weight is None else np.flatnonzero(problem.weight)
    training = []
    for pair in pairs:
        order, m = np.random.default_rng([seed, pair]).permutation(rows), len(rows) // 2
        training += [np.sort(order[:m]), np.sort(order[m : 2 * m])]
    for half in training:
        own = replace(problem, y=problem.y[half], weight=None if problem.weight is None else problem.weight[half])
        gone = np.flatnonzero(own.class_weights() == 0.0)
        if len(gone):
            raise InputError(
                f"a half-sample has no row of class {problem.class_name(int(gone[0]))}, which is too rare for halves: "
                "drop the class, or give more rows of it"
            )
    return Folds(tuple(training), None, tuple(training))


def _chosen(start: Start, halves: Folds, candidates: Any, q: int, work: Work) -> tuple[npt.NDArray[np.bool_], float]:
    """The columns that come first on each half (M, p), at most q; and the largest gap."""
    lockstep = followed(start, halves, work)
    entered = _Entered(start, candidates, halves.count, q)

    def enough(_: Sequence[Point]) -> str:
        entered.follow(lockstep.folds)
        return "each half has chosen its columns" if entered.full.all() else ""

    lockstep.run(enough)
    entered.follow(lockstep.folds)
    gaps = [max((point.proof.gap for point in fold), default=0.0) for fold in lockstep.folds]
    return entered.chosen, float((np.array(gaps) / lockstep.nulls).max())


class _Entered:
    """The columns that have had a coefficient so far on each half: `chosen` those of the last lambda at which they were
    at most q, and whether it is past (`full`)."""

    def __init__(self, start: Start, candidates: npt.NDArray[np.bool_], halves: int, q: int) -> None:
        self._start, self._candidates, self._q, self._seen = start, candidates, q, 0
        self._ever = np.zeros((halves, len(candidates)), dtype=bool)
        self.chosen, self.full = self._ever.copy(), np.zeros(halves, dtype=bool)

    def follow(self, folds: Sequence[Sequence[Point]]) -> None:
        """Look at the lambdas that have been fitted since the last time."""
        for i in range(self._seen, min(map(len, folds))):
            coef, _ = originals(np.array([fold[i].theta for fold in folds]), self._start.rows.coordinates)
            self._ever |= (coef != 0.0).any(axis=1) & self._candidates
            self.full |= self._ever.sum(axis=1) > self._q
            self.chosen[~self.full] = self._ever[~self.full]
            self._seen = i + 1
