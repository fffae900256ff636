"""The lasso and the elastic net on sparse tables: the dense array's answers, whatever cells are stored as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse  # type: ignore[import-untyped]

from berkson import LogisticRegression
from berkson.design import Sparse
from berkson.fit import fit
from berkson.kernels import sparse_reference
from berkson.kernels.sparse_reference import Cells
from berkson.problem import Problem
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path

F64 = npt.NDArray[np.float64]


def words(n: int = 400, p: int = 900, seed: int = 0) -> tuple[Any, npt.NDArray[np.uint8]]:
    """Counts of words, rarer and rarer; some columns are empty."""
    rng = np.random.default_rng(seed)
    rate = 3.0 / (np.arange(p) + 3.0)
    X = rng.poisson(rate, size=(n, p)).astype(np.float64)
    X[:, ::97] = 0.0
    eta = X[:, 1:41] @ rng.normal(size=40)
    y = (rng.random(n) < 1 / (1 + np.exp(-(eta - np.median(eta))))).astype(np.uint8)
    return X, y


def stored(X: F64, values: str = "f8", places: str = "i4") -> Sparse:
    S = sparse.csr_array(X)
    return Sparse.of(S.data.astype(values), S.indices.astype(places), S.indptr.astype(places), X.shape[1])


@pytest.mark.parametrize(("values", "places"), [("f8", "i4"), ("f4", "i8"), ("u1", "i4"), ("i2", "i8")])
@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_a_fit_is_the_dense_one(values: str, places: str, strength: float) -> None:
    X, y = words()
    rng = np.random.default_rng(1)
    problem = Problem(X, y, lasso=3.0, strength=strength, weight=rng.integers(0, 3, len(y)).astype(np.float64))
    dense, found = fit(problem, tol=1e-12), fit(replace(problem, X=stored(X, values, places)), tol=1e-12)
    assert found.certificate.certified
    np.testing.assert_array_equal(found.coef != 0.0, dense.coef != 0.0)
    np.testing.assert_allclose(found.coef, dense.coef, atol=1e-7)  # two points within 1e-12 of the optimum's objective
    assert found.certificate.objective == pytest.approx(dense.certificate.objective, rel=1e-11)


def test_path_and_folds_are_the_dense_ones() -> None:
    X, y = words()
    X = X * np.random.default_rng(4).uniform(0.5, 1.5, X.shape)  # no column is another's multiple, but of one cell
    options: dict[str, Any] = {"count": 15, "smallest": 0.05, "tol": 1e-9, "standardize": False}
    dense, found = path(Problem(X, y), **options), path(Problem(stored(X), y), **options)
    assert found.certified.all()
    np.testing.assert_allclose(found.lambdas, dense.lambdas, rtol=1e-12)
    np.testing.assert_allclose(found.deviance_ratio, dense.deviance_ratio, atol=1e-8)
    np.testing.assert_allclose(found.coef, dense.coef, atol=2e-3)  # the root of the gaps
    folds = [cross_validate(Problem(table, y), 3, **options) for table in (X, stored(X))]
    assert folds[1].certified.all()
    np.testing.assert_allclose(folds[0].scores, folds[1].scores, atol=1e-4)  # the root of the gaps


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_the_estimator_takes_sparse_tables(kind: Any, l1_ratio: float) -> None:
    X, y = words()
    dense = LogisticRegression(C=0.3, l1_ratio=l1_ratio, tol=1e-10).fit(X, y)
    found = LogisticRegression(C=0.3, l1_ratio=l1_ratio, tol=1e-10).fit(kind(X), y)
    np.testing.assert_allclose(found.coef_, dense.coef_, atol=1e-5)  # the root of the gaps
    assert 0 < np.count_nonzero(found.coef_) < 300


def test_more_columns_than_any_gram_matrix_has() -> None:
    rng = np.random.default_rng(2)
    S = sparse.random_array((300, 30_000), density=2e-3, rng=rng, format="csr")
    y = (rng.random(300) < 0.4).astype(np.uint8)
    y[S[:, [0]].toarray()[:, 0] > 0] = 1
    problem = Problem(Sparse.of(S.data, S.indices, S.indptr, 30_000), y, lasso=0.5)
    found = fit(problem)
    assert found.certificate.certified
    eta = S @ found.coef[0] + found.intercept[0]
    gradient = S.T @ (1 / (1 + np.exp(-eta)) - y)
    assert np.abs(gradient).max() <= 0.5 * (1 + 1e-4)  # the root of the gap
    certain = np.abs(found.coef[0]) > 1e-6
    assert np.abs(gradient[certain] + 0.5 * np.sign(found.coef[0, certain])).max() < 5e-5


@pytest.mark.parametrize(("values", "places"), [("f8", "i4"), ("f4", "i8"), ("?", "i4"), ("i2", "i8")])
def test_gathered_columns(values: str, places: str) -> None:
    from berkson import kernels

    X, _ = words(50, 60)
    S = sparse.csr_array(X)
    indptr = S.indptr.astype(places)
    order = np.random.default_rng(0).permutation(50)
    cells = Cells(S.data.astype(values), S.indices.astype(places), indptr[:-1][order], indptr[1:][order], 60)
    for index in (np.array([], int), np.array([0, 7, 59]), np.arange(60)):
        place = np.full(60, -1, dtype=np.int32)
        place[index] = np.arange(len(index), dtype=np.int32)
        truth = X[order][:, index] != 0.0 if values == "?" else X[order][:, index]
        for gather in (sparse_reference.columns, kernels.sparse.columns):
            found = gather(cells, place, len(index))
            assert found.values.dtype == np.dtype(values)
            np.testing.assert_array_equal(sparse_reference.dense_rows(found, np.arange(50)), truth)


def test_a_path_without_a_constant_begins_with_no_column_at_all() -> None:
    rng = np.random.default_rng(8)
    n, p = 1_500, 3_000
    A = sparse.random_array((n, p), density=0.005, rng=rng, format="csr")
    y = rng.integers(0, 2, n).astype(np.uint8)
    largest = float(np.abs(A.T @ (y - 0.5)).max() / n)
    problem = Problem(Sparse.of(A.data, A.indices, A.indptr, p), y, intercept=False)
    found = path(problem, lambdas=largest * np.array([1.5, 1.0, 0.6]), standardize=False, complete=True)
    assert found.certified.all()
    assert found.df[0] == 0
    assert found.df[-1] > 0
    gradient = np.abs(A.T @ (y - 1.0 / (1.0 + np.exp(-(A @ found.coef[-1, 0])))) / n)
    assert (gradient <= 0.6 * largest * (1.0 + 1e-3)).all()  # the conditions of the optimum, to what 1e-6 proves
