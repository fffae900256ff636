"""The data of the studies, written to a directory where every program, in whatever language, can read them.

X.npy (n, p) or X.npz (sparse), codes.npy (n, factors), y.npy (n,) of 0 and 1, fold.npy (n,), and grid.json:

    l1, l2    (L,) what the penalties of a path weigh against the mean of the losses:
              mean loss + l1_k |coef|_1 + l2_k / 2 |coef|^2
    intercept whether there is one, free of penalty
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
SEED = 20_260_103
FOLDS = 10
PENALTIES = 100


@dataclass(frozen=True, slots=True)
class Data:
    """What a program is given."""

    X: Any
    y: Array
    l1: F64
    l2: F64
    intercept: bool
    codes: Array | None = None
    fold: Array | None = None

    @property
    def n_bytes(self) -> int:
        """Of the table: numbers, their places where it is sparse, and codes in the smallest integers that hold them,
        which data frames of categories have them in."""
        sparse = scipy.sparse.issparse(self.X)
        parts = [self.X.data, self.X.indices, self.X.indptr] if sparse else [self.X]
        levels = [] if self.codes is None else self.codes.max(axis=0).tolist()
        of_codes = len(self.y) * sum(np.min_scalar_type(level).itemsize for level in levels)
        return of_codes + sum(int(part.nbytes) for part in parts)


def save(data: Data, directory: Path) -> None:
    if scipy.sparse.issparse(data.X):
        scipy.sparse.save_npz(directory / "X.npz", data.X, compressed=False)
    else:
        np.save(directory / "X.npy", data.X)
    for name, values in (("y", data.y), ("codes", data.codes), ("fold", data.fold)):
        if values is not None:
            np.save(directory / f"{name}.npy", values)
    grid = {"l1": data.l1.tolist(), "l2": data.l2.tolist(), "intercept": data.intercept}
    (directory / "grid.json").write_text(json.dumps(grid))


def load(directory: Path) -> Data:
    sparse, grid = directory / "X.npz", json.loads((directory / "grid.json").read_text())
    X = scipy.sparse.load_npz(sparse) if sparse.exists() else np.load(directory / "X.npy")
    codes, fold = (
        np.load(file) if file.exists() else None for file in (directory / "codes.npy", directory / "fold.npy")
    )
    y = np.load(directory / "y.npy")
    return Data(X, y, np.array(grid["l1"]), np.array(grid["l2"]), grid["intercept"], codes, fold)


def _drawn(rng: np.random.Generator, eta: F64) -> Array:
    drawn: Array = (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(np.int64)
    return drawn


def dense(n: int, p: int, *, informative: int | None = None) -> tuple[F64, Array]:
    """Gaussian columns, of which some are informative (None: all), and y."""
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((n, p))
    s = p if informative is None else informative
    coef = np.zeros(p)
    coef[rng.permutation(p)[:s]] = rng.normal(0.0, 1.5 / np.sqrt(s), s)
    return X, _drawn(rng, X @ coef - 0.5)


def text(n: int, p: int, stored: int) -> tuple[Any, Array]:
    """Rows of about `stored` different words of p, the k-th as frequent as 1 / (k + 10); idf weights, length 1."""
    rng = np.random.default_rng(SEED)
    weight = 1.0 / (np.arange(p) + 10.0)
    cumulative = np.cumsum(weight / weight.sum())
    places = rng.permutation(p)  # frequent words do not stand first
    counts = np.maximum(1, rng.poisson(stored * 1.35, n))  # words that are drawn twice count once
    rows = np.repeat(np.arange(n), counts)
    words = places[np.minimum(np.searchsorted(cumulative, rng.random(len(rows))), p - 1)]
    X = scipy.sparse.csr_array((np.ones(len(rows)), (rows, words)), shape=(n, p))
    X.sum_duplicates()
    X.data[:] = 1.0
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # which everyone reads
    documents = np.maximum(1.0, np.bincount(X.indices, minlength=p))
    X.data *= np.log(n / documents)[X.indices] + 1.0
    lengths = np.sqrt(np.maximum(X.multiply(X).sum(axis=1), 1e-300))
    X.data /= np.repeat(lengths, np.diff(X.indptr))
    coef = np.zeros(p)
    chosen = rng.permutation(p)[: p // 20]
    coef[chosen] = rng.normal(0.0, 6.0, len(chosen))
    return X, _drawn(rng, X @ coef)


def largest_l1(X: Any, y: Array, *, intercept: bool) -> float:
    """The least weight of the lasso at which all coefficients are zero: the largest |mean of x (y - p)|."""
    rest = y - (y.mean() if intercept else 0.5)
    return float(np.abs(X.T @ rest).max() / len(y))


def lasso_path(n: int, p: int) -> Data:
    X, y = dense(n, p)
    top = largest_l1(X, y, intercept=True)
    fold = np.random.default_rng(SEED + 1).permutation(n) % FOLDS
    return Data(X, y, top * np.geomspace(1.0, 1e-3, PENALTIES), np.zeros(PENALTIES), True, fold=fold)


def lasso(n: int, p: int) -> Data:
    X, y = dense(n, p)
    return Data(X, y, np.array([0.1 * largest_l1(X, y, intercept=True)]), np.zeros(1), True)


def ridge_grid(n: int, p: int, Cs: tuple[float, ...], *, informative: int | None = None, folds: int = FOLDS) -> Data:
    """Ridges of strength 1/C on the sum of the losses."""
    X, y = dense(n, p, informative=informative)
    fold = np.random.default_rng(SEED + 1).permutation(n) % folds
    return Data(X, y, np.zeros(len(Cs)), 1.0 / (n * np.array(Cs)), True, fold=fold)


def text_ridge(n: int, p: int) -> Data:
    """No intercept, which liblinear could not leave free."""
    X, y = text(n, p, 60)
    return Data(X, y, np.zeros(1), np.array([1.0 / n]), False)


def text_lasso(n: int, p: int, parts: tuple[float, ...]) -> Data:
    """No intercept, which liblinear could not leave free and celer does not have."""
    X, y = text(n, p, 60)
    return Data(X, y, largest_l1(X, y, intercept=False) * np.array(parts), np.zeros(len(parts)), False)


def factors(n: int, levels: tuple[int, ...]) -> Data:
    """Five numeric columns and a factor of each number of levels, some levels more frequent than others."""
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((n, 5))
    eta = X @ rng.normal(0.0, 0.4, 5) - 0.5
    codes = np.empty((n, len(levels)), dtype=np.int32)
    for j, count in enumerate(levels):
        share = rng.gamma(1.0, size=count) + 0.05
        codes[:, j] = rng.choice(count, size=n, p=share / share.sum())
        codes[rng.permutation(n)[:count], j] = np.arange(count)  # every level occurs
        eta += rng.normal(0.0, 0.5, count)[codes[:, j]]
    return Data(X, _drawn(rng, eta), np.zeros(1), np.array([1.0 / n]), True, codes=codes)
