"""Sparse tables: kernels against their reference and that against dense ones, fits against dense fits, no copies."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse  # type: ignore[import-untyped]

from berkson import LogisticRegression
from berkson.design import Dense, Part, Sparse
from berkson.fit import certify, fit
from berkson.kernels import reference, sparse_reference
from berkson.kernels.sparse_reference import Cells
from berkson.notices import RankWarning
from berkson.problem import InputError, Problem

try:
    from berkson.kernels import sparse_compiled
except ImportError:
    sparse_compiled = None

BACKENDS = [pytest.param(sparse_reference, id="reference")]
if sparse_compiled is not None:
    BACKENDS.append(pytest.param(sparse_compiled, id="native"))
needs_native = pytest.mark.skipif(sparse_compiled is None, reason="the compiled kernels were not built")


def table(rng: np.random.Generator, n: int, p: int, share: float = 0.3) -> Any:
    return 3.0 * rng.normal(size=(n, p)) * (rng.random((n, p)) < share)


def cells_of(A: Any, values: str = "f8", places: str = "i4") -> Cells:
    S = sparse.csr_array(A)
    indptr = S.indptr.astype(places)
    return Cells(S.data.astype(values), S.indices.astype(places), indptr[:-1], indptr[1:], S.shape[1])


def shuffled_parts(rng: np.random.Generator, A: Any) -> Cells:
    """The same table with the cells of each row in random order and every second one stored in two parts."""
    values, columns, count = [], [], []
    for row in A:
        j = np.flatnonzero(row)
        x, j = (
            np.concatenate([row[j[::2]] / 2, row[j[::2]] / 2, row[j[1::2]]]),
            np.concatenate([j[::2], j[::2], j[1::2]]),
        )
        order = rng.permutation(len(j))
        values.append(x[order]), columns.append(j[order].astype(np.int32)), count.append(len(j))
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    return Cells(np.concatenate(values), np.concatenate(columns), indptr[:-1], indptr[1:], A.shape[1])


def questions(rng: np.random.Generator, n: int, p: int, M: int, full: bool) -> list[tuple[str, tuple[Any, ...]]]:
    """Every kernel's further arguments: with weights (some 0), offsets and soft labels where `full`."""
    coef, direction, root = rng.normal(size=(p + 1, M)), rng.normal(size=(p + 1, M)), rng.normal(size=(p + 1, p + 1))
    weight = rng.random(n) * (rng.random(n) < 0.7) if full else None
    weights = rng.random((n, M)) * (rng.random((n, M)) < 0.7) if full else None
    offset, offsets = (rng.normal(size=n), rng.normal(size=(n, M))) if full else (None, None)
    y = rng.random(n) if full else (rng.random(n) < 0.4).astype(np.uint8)
    labels = rng.dirichlet(np.ones(M), size=n) if full else rng.integers(0, M, n).astype(np.int32)
    several = [
        *(("multinomial", (coef, labels, weight, offsets, order)) for order in (0, 1)),
        ("multinomial_curvature", (coef, direction, weight, offsets)),
    ]
    return [
        ("moments", (weight,)),
        ("linear_predictor", (coef, offsets)),
        *(("logistic", (coef, y, weights, offsets, order)) for order in (0, 1)),
        ("logistic", (coef[:, :1], y, weight, offset, 1)),
        *(("residuals", (coef, y, weights, offsets, curved)) for curved in (False, True)),
        ("transposed", (rng.normal(size=(n, M)) * (rng.random((n, 1)) < 0.7),)),
        *(several if M > 1 else []),
        ("logistic_curvature", (coef[:, 0], direction[:, 0], weight, offset)),
        ("gram", (weight,)),
        ("quadratic_form", (root @ root.T,)),
    ]


def check_same(name: str, got: Any, wanted: Any) -> None:
    got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            # Sums of up to some hundred terms of either sign, added in another order: relative to the largest entry
            scale = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


# --- kernels ----------------------------------------------------------------------------------------------------------


@needs_native
@pytest.mark.parametrize("values", ["f8", "f4", "?", "i1", "u1", "i4", "i8"])
@pytest.mark.parametrize("places", ["i4", "i8"])
def test_native_is_reference_for_every_type(values: str, places: str) -> None:
    rng = np.random.default_rng(1)
    for (n, p), M, full, picked in product([(1, 1), (83, 20), (40, 300)], (1, 2, 9, 33), (False, True), (False, True)):
        X = cells_of(table(rng, n, p), values, places)
        rows = rng.integers(-n, n, size=61) if picked else None
        for name, rest in questions(rng, n if rows is None else 61, p, M, full):
            if p < 100 or M < 9:
                wanted = getattr(sparse_reference, name)(X, rows, *rest)
                check_same(name, getattr(sparse_compiled, name)(X, rows, *rest), wanted)


@needs_native
def test_native_is_reference_where_rows_are_long_or_none() -> None:
    rng = np.random.default_rng(2)
    long = cells_of(table(rng, 9, 700, 0.9), "f4")  # longer than the cells that are converted together
    empty = cells_of(np.zeros((5, 4)))
    nothing = cells_of(np.zeros((0, 4)))
    for X in (long, empty, nothing):
        for full in (False, True):
            for name, rest in questions(rng, X.n, X.p, 3, full):
                wanted = getattr(sparse_reference, name)(X, None, *rest)
                check_same(name, getattr(sparse_compiled, name)(X, None, *rest), wanted)


@needs_native
def test_answers_are_the_same_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    X = cells_of(table(rng, 6000, 40))
    for name, rest in questions(rng, 6000, 40, 3, True):
        first = getattr(sparse_compiled, name)(X, None, *rest, threads=1)
        for threads in (2, 3, 5):
            again = getattr(sparse_compiled, name)(X, None, *rest, threads=threads)
            pairs = zip(first, again, strict=True) if isinstance(first, tuple) else [(first, again)]
            assert all(a is b or np.array_equal(a, b) for a, b in pairs), (name, threads)


@pytest.mark.parametrize("kernel", BACKENDS)
def test_cells_in_any_order_and_in_parts(kernel: Any) -> None:
    rng = np.random.default_rng(4)
    A = table(rng, 50, 12)
    whole, parts = cells_of(A), shuffled_parts(rng, A)
    for name, rest in questions(rng, 50, 12, 3, True):
        if name != "moments":
            check_same(name, getattr(kernel, name)(parts, None, *rest), getattr(kernel, name)(whole, None, *rest))


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_rows_of_weight_zero_contribute_nothing(kernel: Any, bad: float) -> None:
    rng = np.random.default_rng(5)
    A, weight = table(rng, 40, 5, 0.9), rng.random(40)
    weight[[0, 7, 39]] = 0.0
    spoiled = A.copy()
    spoiled[weight == 0.0] = bad
    y, codes, coef = (
        rng.integers(0, 2, 40).astype(np.uint8),
        rng.integers(0, 3, 40).astype(np.uint8),
        rng.normal(size=(6, 3)),
    )
    asked = {
        "moments": (weight,),
        "logistic": (coef, y, weight, None, 1),
        "multinomial": (coef, codes, weight, None, 1),
        "logistic_curvature": (coef[:, 0], coef[:, 1], weight, None),
        "multinomial_curvature": (coef, coef[::-1].copy(), weight, None),
        "gram": (weight,),
    }
    for name, rest in asked.items():
        wanted = getattr(kernel, name)(cells_of(A), None, *rest)
        with np.errstate(over="ignore", invalid="ignore"):  # the reference's products of what does not count
            check_same(name, getattr(kernel, name)(cells_of(spoiled), None, *rest), wanted)


# --- the design -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_a_sparse_design_answers_as_a_dense_one(picked: bool, centred: bool) -> None:
    rng = np.random.default_rng(6)
    n, p, M = 90, 15, 4
    A = table(rng, n, p)
    S = sparse.csr_array(A)
    designs = Dense(A), Sparse.of(S.data, S.indices, S.indptr, p)
    rows = rng.integers(0, n, size=61) if picked else None
    m = n if rows is None else 61
    center = rng.normal(size=p) if centred else np.zeros(p)
    coef, direction = rng.normal(size=(p + 1, M)), rng.normal(size=(p + 1, M))
    weight, offset, offsets = rng.random(m), rng.normal(size=m), rng.normal(size=(m, M))
    y, codes, root = rng.random(m), rng.integers(0, M, m).astype(np.uint8), rng.normal(size=(p + 1, p + 1))
    one, along, few, inverse = coef[:, 0].copy(), direction[:, 0].copy(), np.arange(0, n, 7), rng.random(p + 1)
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("moments", (rows, weight, 1)),
        ("linear_predictor", (rows, center, coef, 1)),
        *(("logistic", (Part(rows, center, y, weight, offset, 1), one, order)) for order in (0, 1, 2)),
        ("logistic_many", (Part(rows, center, y, weight, offsets, 1), coef)),
        *(("multinomial", (Part(rows, center, codes, weight, offsets, 1), coef, order)) for order in (0, 1, 2)),
        ("logistic_curvature", (Part(rows, center, y, weight, offset, 1), one, along)),
        ("multinomial_curvature", (Part(rows, center, codes, weight, offsets, 1), coef, direction)),
        ("gram", (rows, center, weight, 1)),
        ("quadratic_form", (rows, center, root @ root.T, 1)),
        ("dense_rows", (few, center)),
        ("few_rows", (few,)),
        ("rows_gram", (few, center, inverse)),
        ("evenly_spaced", (10,)),
    ]
    for name, arguments in asked:
        wanted, got = (getattr(design, name)(*arguments) for design in designs)
        check_same(name, got, wanted)
    run = slice(3, None, 4)
    check_same("run", *(each.run_of(run).linear_predictor(None, center, coef, 1) for each in designs))
    assert designs[0].shape == designs[1].shape


def test_moments_are_those_of_dense_columns() -> None:
    rng = np.random.default_rng(7)
    A = table(rng, 101, 4)
    A[:, 1], A[:, 2], A[:, 3] = 7.0, 1e9 + rng.normal(size=101), 0.0
    _, mean, variance, low, high = sparse_reference.moments(cells_of(A), None, None)
    _, *dense = reference.moments(A, None, None)
    assert variance[1] == 0.0  # exactly: counted from a value inside
    assert (low[3], high[3], variance[3]) == (0.0, 0.0, 0.0)
    for got, wanted in zip((mean, variance, low, high), dense, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": np.array([0, 3], np.int32)}, "indices outside its 3 columns"),
        ({"columns": np.array([0, -1], np.int32)}, "indices outside its 3 columns"),
        ({"columns": np.array([0.0, 1.0])}, "not int32 or int64"),
        ({"columns": np.array([0], np.int32)}, "lengths do not fit"),
        ({"indptr": np.array([0, 2, 1], np.int32)}, "does not rise"),
        ({"indptr": np.array([0, 1, 3], np.int32)}, "does not rise"),
        ({"indptr": np.array([-1, 1, 2], np.int32)}, "does not rise"),
    ],
)
def test_what_is_no_table_is_refused(change: dict[str, Any], sentence: str) -> None:
    good = {"values": np.ones(2), "columns": np.array([0, 2], np.int32), "indptr": np.array([0, 1, 2], np.int32)}
    assert Sparse.of(**good, n_columns=3).shape == (2, 3)
    with pytest.raises(ValueError, match=sentence):
        Sparse.of(**(good | change), n_columns=3)


# --- fits -------------------------------------------------------------------------------------------------------------


def data(K: int = 2, n: int = 400, p: int = 25, seed: int = 8) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    A = table(rng, n, p) * np.exp(rng.normal(size=p))  # columns of several scales,
    A[:, 0] = 100.0 + rng.normal(size=n)  # and one far from zero
    return A, rng.integers(0, K, n)


@pytest.mark.parametrize("form", ["csr_array", "csr_matrix", "csc_array", "csc_matrix", "coo_array", "lil_matrix"])
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("K", [2, 3])
def test_every_format_gives_the_dense_fit(form: str, C: float, K: int) -> None:
    A, y = data(K)
    S = getattr(sparse, form)(A)
    rng = np.random.default_rng(0)
    weight, offset = rng.random(len(y)), rng.normal(size=len(y) if K == 2 else (len(y), K))
    for options in ({}, {"fit_intercept": False}, {"class_weight": {0: 2.0, 1: 0.5}}):
        dense, got = (LogisticRegression(C=C, **options).fit(X, y, sample_weight=weight, offset=offset) for X in (A, S))
        # both go on to rounding; the column of mean 100 costs two digits
        np.testing.assert_allclose(got.coef_, dense.coef_, rtol=1e-10, atol=1e-11 * np.abs(dense.coef_).max())
        np.testing.assert_allclose(got.intercept_, dense.intercept_, rtol=1e-9, atol=1e-11)
        assert got.certificate_.certified
        np.testing.assert_allclose(got.certificate_.objective, dense.certificate_.objective, rtol=1e-12)
        np.testing.assert_allclose(
            got.predict_proba(S, offset=offset), dense.predict_proba(A, offset=offset), rtol=1e-8
        )


@pytest.mark.parametrize("values", ["f8", "f4", "?", "i1", "i8", ">f8"])
@pytest.mark.parametrize("places", ["i4", "i8"])
def test_every_type_gives_the_dense_fit(values: str, places: str) -> None:
    A, y = data()
    S = sparse.csr_array(A[:, 1:].astype(np.dtype(values).newbyteorder("=")))
    S.indices, S.indptr = S.indices.astype(places), S.indptr.astype(places)
    dense = LogisticRegression().fit(S.toarray(), y)
    S.data = S.data.astype(values)
    got = LogisticRegression().fit(S, y)
    np.testing.assert_allclose(got.coef_, dense.coef_, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(got.predict(S), dense.predict(S.toarray()))


def test_cells_out_of_order_or_in_parts_give_the_same_fit() -> None:
    A, y = data()
    parts = shuffled_parts(np.random.default_rng(1), A)
    indptr = np.append(parts.start, parts.stop[-1])
    S = sparse.csr_matrix((parts.values, parts.columns, indptr), shape=A.shape)
    before = S.data.copy(), S.indices.copy()
    got, wanted = LogisticRegression().fit(S, y), LogisticRegression().fit(A, y)
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-10)
    np.testing.assert_array_equal(S.data, before[0])  # the caller's table is as it was
    np.testing.assert_array_equal(S.indices, before[1])


def wide(K: int, n: int = 700, p: int = 4500) -> tuple[Any, Any]:
    """Text-like: more columns than a Gram matrix is formed for, a few of them frequent, rows of length 1."""
    rng = np.random.default_rng(9)
    columns = (p * rng.random((n, 40)) ** 4).astype(np.int32)
    S = sparse.csr_array((np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 40)), shape=(n, p))
    S.sum_duplicates()
    S = sparse.csr_array(S / np.sqrt((S * S).sum(axis=1))[:, None])
    score = S @ rng.normal(size=(p, K))
    return S, (4.0 * score + rng.gumbel(size=score.shape)).argmax(axis=1)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_many_columns_are_fitted_by_products_and_proved(K: int, C: float) -> None:
    S, y = wide(K)
    got = LogisticRegression(C=C).fit(S, y)
    assert got.fit_info_.solver == "conjugate gradient"
    assert got.certificate_.certified
    assert got.fit_info_.passes < (
        12 if C < 1.0 else 45
    )  # 8 and 36; without centres, or a stop by the gradient, 14 and 55
    tight = LogisticRegression(C=C, tol=1e-12).fit(S, y)
    assert tight.certificate_.certified
    # the bound is one: the objective of the first fit lies no further above the second's
    above = got.certificate_.objective - tight.certificate_.objective
    assert -1e-12 * tight.certificate_.null_objective <= above <= got.certificate_.gap
    # and the dense table's certificate, of the same coefficients, says the same
    dense = Problem(S.toarray(), y.astype(np.uint8), K, strength=1.0 / C)
    said = certify(dense, tight.coef_, tight.intercept_, tol=1e-12)
    assert said.certified
    np.testing.assert_allclose(said.objective, tight.certificate_.objective, rtol=1e-13)


def test_fewer_columns_are_fitted_by_products_where_those_are_cheaper() -> None:
    S, y = wide(2, p=1500)
    by_products, by_hessians = (
        LogisticRegression(tol=1e-13).fit(S, y),
        LogisticRegression(tol=1e-13).fit(S.toarray(), y),
    )
    assert by_products.fit_info_.solver == "conjugate gradient"
    assert by_products.certificate_.certified
    # |gradient|^2 / 2 strength < 1e-13 of the null objective of 485: coefficients to sqrt(2 * 485e-13) = 1e-5 at worst
    np.testing.assert_allclose(by_products.coef_, by_hessians.coef_, atol=1e-5)


def test_a_column_far_from_zero_costs_only_digits() -> None:
    A, y = data()
    A[:, 0] = 1e6 + A[:, 0]
    got, wanted = LogisticRegression(C=np.inf).fit(sparse.csr_array(A), y), LogisticRegression(C=np.inf).fit(A, y)
    assert got.certificate_.certified
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-6, atol=1e-7)  # 1e-16 * 1e6 spreads, twice in squares


def test_without_a_penalty_columns_are_judged() -> None:
    A, y = data()
    A[:, 3], A[:, 4] = 0.0, A[:, 1] - 2.0 * A[:, 2]
    with pytest.warns(RankWarning, match="2 of 25 columns are combinations of others"):
        got = LogisticRegression(C=np.inf).fit(sparse.csr_array(A), y)
    assert [alias.column for alias in got.certificate_.rank.aliased] == [3, 4]
    assert not got.coef_[0, [3, 4]].any()
    separated = (A[:, 1] > 0).astype(int)
    problem = Problem(Sparse.of(*_arrays(A[:, 1:3])), separated.astype(np.uint8))
    verdict = fit(problem).certificate.separation
    assert verdict is not None
    assert 0 in [infinite.column for infinite in verdict.infinite]


def _arrays(A: Any) -> tuple[Any, Any, Any, int]:
    S = sparse.csr_array(A)
    return S.data, S.indices, S.indptr, S.shape[1]


def test_many_columns_without_a_penalty_are_refused() -> None:
    S = sparse.random_array((5000, 4200), density=0.001, rng=np.random.default_rng(0), format="csr")
    with pytest.raises(InputError, match=r"which of 4,200 columns have an estimate takes a dense 4,200 x 4,200 matrix"):
        LogisticRegression(C=np.inf).fit(S, np.arange(5000) % 2)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e200, "too large to be squared")])
def test_a_wrong_cell_is_named(value: float, kind: str) -> None:
    A, y = data()
    A[17, 2] = value
    with pytest.raises(InputError, match=kind) as refused:
        LogisticRegression().fit(sparse.csr_array(A), y)
    assert "'x2'" in str(refused.value)
    assert "row 17" in str(refused.value)
    if not np.isfinite(value):
        model = LogisticRegression().fit(*data())
        with pytest.raises(InputError, match=f"Input X contains {kind}: column 'x2', row 17"):
            model.predict(sparse.csr_array(A))


def test_a_data_frame_of_sparse_columns_keeps_its_names() -> None:
    A, y = data()
    names = [f"word{j}" for j in range(A.shape[1])]
    frame = pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(A), columns=names)
    got = LogisticRegression().fit(frame, y)
    np.testing.assert_array_equal(got.feature_names_in_, names)
    np.testing.assert_allclose(got.coef_, LogisticRegression().fit(A, y).coef_, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("columns", [0, 24, 26])
def test_new_rows_need_the_same_columns(columns: int) -> None:
    model = LogisticRegression().fit(sparse.csr_array(data()[0]), data()[1])
    with pytest.raises(ValueError, match=f"X has {columns} features, but LogisticRegression is expecting 25|0 feature"):
        model.predict(sparse.csr_array((3, columns)))


# --- what it costs ----------------------------------------------------------------------------------------------------


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = os.environ | environment
    return subprocess.run([sys.executable, "-c", code], env=done, capture_output=True, text=True)


@needs_native
def test_no_copy_of_the_cells_is_made() -> None:
    code = """
import resource, numpy as np
from berkson.design import Sparse
from berkson.fit import fit
from berkson.problem import Problem
n, each, p = 200_000, 40, 5000
rng = np.random.default_rng(0)
columns = (np.arange(each, dtype=np.int32) * (p // each) + rng.integers(0, p // each, (n, 1), np.int32)).ravel()
X = Sparse.of(rng.random(n * each), columns, np.arange(0, n * each + 1, each), p)  # 96 MB, 8 GB if it were dense
y = rng.integers(0, 2, n).astype(np.uint8)
fit(Problem(X.run_of(slice(0, 1000)), y[:1000], strength=1.0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert fit(Problem(X, y, strength=1.0)).certificate.certified
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    result = run_python(code)
    assert float(result.stdout) < 16.0, result.stderr  # megabytes: partial answers, threads' stacks, row numbers


def test_fits_without_compiled_kernels() -> None:
    code = """
import numpy as np
from scipy import sparse
from berkson import LogisticRegression, kernels
rng = np.random.default_rng(0)
A = rng.normal(size=(200, 8)) * (rng.random((200, 8)) < 0.4)
for K, C in ((2, 1.0), (3, 1.0), (2, np.inf)):
    y = rng.integers(0, K, 200)
    dense, got = (LogisticRegression(C=C).fit(X, y) for X in (A, sparse.csr_array(A)))
    np.testing.assert_allclose(got.coef_, dense.coef_, rtol=1e-10, atol=1e-12)
print(kernels.sparse.__name__)
"""
    result = run_python(code, BERKSON_KERNELS="reference")
    assert result.stdout.split() == ["berkson.kernels.sparse_reference"], result.stderr
