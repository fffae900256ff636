"""Folds: which rows each fit of a cross-validation leaves out.  Rows are never copied; a fold is a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError, Problem

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Folds:
    """held_out: the rows (ascending) that each of the M fits is judged by.  codes (n,): the fold of each row (none of
    0 to M - 1: it is never held out), where each row is held out once at most and trains all other fits; else
    `training` has the rows of each fit."""

    held_out: tuple[Indices, ...]
    codes: npt.NDArray[np.signedinteger] | None
    training: tuple[Indices, ...] = ()

    @property
    def count(self) -> int:
        return len(self.held_out)

    @cached_property
    def parts(self) -> tuple[Indices, ...]:
        """The rows of each fold, and those of none if there are any, with codes: each trains the fits of all others;
        else the rows that train each fit."""
        if self.codes is None:
            return self.training
        rest = np.flatnonzero((self.codes < 0) | (self.codes >= self.count))
        return (*self.held_out, rest) if len(rest) else self.held_out

    def trained_by(self, k: int) -> Indices:
        """The rows that train fit k."""
        return self.training[k] if self.codes is None else np.flatnonzero(self.codes != k)

    def trains(self, some: Sequence[int], n: int) -> npt.NDArray[np.uint8]:
        """Masks (n, len(some)) of the rows that train each of these fits, each in one piece."""
        mask = np.zeros((len(some), n), dtype=np.uint8)
        for place, k in enumerate(some):
            if self.codes is not None:
                np.not_equal(self.codes, k, out=mask[place].view(np.bool_))
            else:
                mask[place, self.training[k]] = 1
        return mask.T

    def train(self, k: int, rows: Indices) -> npt.NDArray[np.bool_]:
        """Which of these rows train fit k."""
        if self.codes is not None:
            return np.asarray(self.codes[rows] != k)
        return np.isin(rows, self.training[k])


def folds_of(problem: Problem, folds: int | npt.ArrayLike | Folds, groups: Array | None, seed: int) -> Folds:
    """Folds as given (a code for each row), or so many of them, drawn: with equal shares of the classes, or with whole
    groups (a code for each row) together."""
    if isinstance(folds, Folds):
        return folds
    if not isinstance(folds, int | np.integer):
        if groups is not None:
            raise InputError("folds are given row by row, so groups have no say: leave one of the two out")
        return _by_codes(_codes(folds, problem, "folds"))
    n = len(problem.y)
    if not 2 <= folds <= n:
        raise InputError(f"folds is {folds}, and there are {n} rows: give 2 to {n}")
    random = np.random.default_rng(seed)
    if groups is not None:
        return _by_codes(_whole_groups(_codes(groups, problem, "groups"), int(folds), random))
    return _by_codes(_stratified(problem.y, int(folds), random))


def folds_from(splits: Iterable[tuple[Array, Array]]) -> Folds:
    """Of pairs (training rows, rows held out), as scikit-learn's splitters give them."""
    pairs = [(np.sort(np.asarray(train, np.intp)), np.sort(np.asarray(test, np.intp))) for train, test in splits]
    if not pairs:
        raise InputError("the splitter gives no folds: give at least one")
    return Folds(tuple(test for _, test in pairs), None, tuple(train for train, _ in pairs))


def _codes(given: npt.ArrayLike, problem: Problem, what: str) -> Indices:
    codes = np.asarray(given)
    if codes.shape != (len(problem.y),):
        raise InputError(f"{what} has shape {codes.shape}, but there are {len(problem.y)} rows: give one code a row")
    found, each = _distinct(codes)
    if found < 2:
        raise InputError(f"{what} has one code only, which leaves no rows to fit: give at least two")
    return each


def _distinct(codes: Array) -> tuple[int, Indices]:
    """How many there are, and each as a place among them in ascending order; close whole numbers without a sort."""
    if codes.dtype.kind in "ui" and len(codes):
        least = codes.min()
        if int(codes.max()) - int(least) < len(codes):
            near = np.subtract(codes, least, dtype=np.int64, casting="unsafe")  # what overflows does so twice
            place = np.cumsum(np.bincount(near) > 0) - 1
            return int(place[-1]) + 1, place[near]
    found, each = np.unique(codes, return_inverse=True)
    return len(found), each.astype(np.intp)


def _by_codes(codes: npt.NDArray[np.signedinteger]) -> Folds:
    count = np.bincount(codes)
    codes = codes.astype(np.min_scalar_type(-len(count)))  # of one or two bytes they are sorted by counting
    return Folds(tuple(np.split(np.argsort(codes, kind="stable"), np.cumsum(count)[:-1])), codes)


def _stratified(y: Array, folds: int, random: np.random.Generator) -> npt.NDArray[np.signedinteger]:
    """Rows of each class (of soft labels: in their order) dealt in turn, the classes one after the other."""
    key = y if y.ndim == 1 else y.argmax(axis=1)
    if key.dtype.kind in "ui":
        key = key.astype(np.min_scalar_type(int(key.max())), copy=False)  # of one or two bytes: sorted by counting
    order = random.permutation(len(y))
    order = order[np.argsort(key[order], kind="stable")]
    codes = np.empty(len(y), dtype=np.min_scalar_type(-folds))
    codes[order] = np.arange(len(y)) % folds
    return codes


def _whole_groups(groups: Indices, folds: int, random: np.random.Generator) -> Indices:
    """Groups from the largest on, each to the fold with the fewest rows so far."""
    size = np.bincount(groups)
    if len(size) < folds:
        raise InputError(f"{len(size)} groups do not fill {folds} folds: ask for at most {len(size)}")
    order = random.permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    filled, fold = np.zeros(folds), np.empty(len(size), dtype=np.intp)
    for group in order:
        k = int(filled.argmin())
        fold[group] = k
        filled[k] += size[group]
    return fold[groups]
