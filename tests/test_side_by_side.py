"""Blocks of different kinds side by side: the operator and its fits against those of the same dense array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse  # type: ignore[import-untyped]

from berkson import LogisticRegression, LogisticRegressionCV
from berkson.design import Coded, Dense, Mixed, Part, SideBySide, Sparse
from berkson.fit import certify, fit
from berkson.problem import InputError, Problem
from berkson.select.path import path


def sparse_table(A: Any) -> Sparse:
    S = sparse.csr_array(A)
    return Sparse.of(S.data, S.indices.astype(np.int32), S.indptr.astype(np.int32), S.shape[1])


def cells(rng: np.random.Generator, n: int, p: int, share: float = 0.3) -> Any:
    return 3.0 * rng.normal(size=(n, p)) * (rng.random((n, p)) < share)


def blocks(n: int, kinds: str, seed: int = 0) -> list[Any]:
    """Of each letter a table: d(ense), f(loat32), b(oolean), s(parse), m(ixed)."""
    rng = np.random.default_rng(seed)
    made = {
        "d": lambda: rng.normal(size=(n, 4)) + 2.0,
        "f": lambda: np.asfortranarray(rng.normal(size=(n, 3)).astype(np.float32)),
        "b": lambda: rng.random((n, 2)) < 0.3,
        "s": lambda: sparse_table(cells(rng, n, 9)),
        "m": lambda: Mixed.of(
            rng.normal(size=(n, 1)), [Coded.of(rng.integers(0, k, n).astype(np.uint8), k, (0,)) for k in (4, 3)]
        ),
    }
    return [made[kind]() for kind in kinds]


def dense(X: Any) -> Any:
    return X.few_rows(slice(None)).astype(np.float64)


def check_same(name: str, got: Any, wanted: Any) -> None:
    got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None), name
        if b is not None:
            # Sums of up to some hundred terms of either sign, added in another order: relative to the largest entry
            scale = np.max(np.abs(b), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


# --- the design -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ["ds", "sd", "dsm", "mfsb", "dd", "s", "ssm"])
@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_blocks_answer_as_one_dense_table(kinds: str, picked: bool, full: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr("berkson.design.side_by_side.PREDICTORS", 64)  # several runs of rows
    monkeypatch.setattr("berkson.design.side_by_side.CELLS", 100)
    rng, M, n = np.random.default_rng(6), 4, 90
    X = SideBySide.of(blocks(n, kinds))
    np.testing.assert_array_equal(dense(X), np.column_stack([dense(block) for block in X.blocks]))
    if full:
        X = X.columns(rng.permutation(X.shape[1])[:-2])  # any order, and some left out
    p = X.shape[1]
    designs = Dense(dense(X)), X
    rows = rng.integers(0, n, size=61) if picked else None
    m = n if rows is None else 61
    center = rng.normal(size=p) if full else np.zeros(p)
    coef, direction = rng.normal(size=(p + 1, M)) / 30, rng.normal(size=(p + 1, M))
    weight = rng.random(m) * (rng.random(m) < 0.7) if full else None
    weights = rng.random((m, M)) if full else None
    offset, offsets = (rng.normal(size=m), rng.normal(size=(m, M))) if full else (None, None)
    y = rng.random(m) if full else rng.integers(0, 2, m).astype(np.uint8)
    labels = rng.dirichlet(np.ones(M), size=m) if full else rng.integers(0, M, m).astype(np.int32)
    root = rng.normal(size=(p + 1, p + 1))
    one, along, few, inverse = coef[:, 0].copy(), direction[:, 0].copy(), np.arange(0, n, 7), rng.random(p + 1)
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("moments", (rows, weight, 1)),
        ("linear_predictor", (rows, center, coef, 1)),
        *(("logistic", (Part(rows, center, y, weight, offset, 1), one, order)) for order in (0, 1, 2)),
        ("logistic_many", (Part(rows, center, y, weights, offsets, 1), coef)),
        ("logistic_many", (Part(rows, center, y, weight, offset, 1), coef)),
        *(("multinomial", (Part(rows, center, labels, weight, offsets, 1), coef, order)) for order in (0, 1, 2)),
        ("logistic_curvature", (Part(rows, center, y, weight, offset, 1), one, along)),
        ("multinomial_curvature", (Part(rows, center, labels, weight, offsets, 1), coef, direction)),
        ("gram", (rows, center, weight, 1)),
        ("quadratic_form", (rows, center, root @ root.T, 1)),
        ("dense_rows", (few, center)),
        ("few_rows", (few,)),
        ("rows_gram", (few, center, inverse)),
    ]
    for name, arguments in asked:
        wanted, got = (getattr(design, name)(*arguments) for design in designs)
        check_same(name, got, wanted)
    run = slice(3, None, 4)
    check_same("run", *(each.run_of(run).linear_predictor(None, center, coef, 1) for each in designs))
    chosen = rng.permutation(p)[:3]
    np.testing.assert_array_equal(dense(X.columns(chosen)), dense(X)[:, chosen])
    assert X.columns(chosen[:0]).shape == (n, 0)
    np.testing.assert_array_equal(X.evenly_spaced(1), dense(X)[:1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_rows_of_weight_zero_contribute_nothing(bad: float) -> None:
    rng, n, M = np.random.default_rng(5), 40, 3
    A, B = rng.normal(size=(n, 3)), cells(rng, n, 5, 0.9)
    weight = rng.random(n)
    weight[[0, 7, 39]] = 0.0
    spoiled = A.copy(), B.copy()
    for each in spoiled:
        each[weight == 0.0] = bad
    clean, X = (SideBySide.of([a, sparse_table(b)]) for a, b in ((A, B), spoiled))
    center, coef = rng.normal(size=8), rng.normal(size=(9, M))
    y, codes = rng.integers(0, 2, n).astype(np.uint8), rng.integers(0, M, n).astype(np.uint8)
    one, along = coef[:, 0].copy(), coef[:, 1].copy()
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("moments", (None, weight, 1)),
        ("logistic", (Part(None, center, y, weight, None, 1), one, 2)),
        ("logistic_many", (Part(None, center, y, weight, None, 1), coef)),
        ("multinomial", (Part(None, center, codes, weight, None, 1), coef, 2)),
        ("logistic_curvature", (Part(None, center, y, weight, None, 1), one, along)),
        ("multinomial_curvature", (Part(None, center, codes, weight, None, 1), coef, coef[::-1].copy())),
        ("gram", (None, center, weight, 1)),
    ]
    with np.errstate(over="ignore", invalid="ignore"):  # products of what does not count
        for name, arguments in asked:
            check_same(name, getattr(X, name)(*arguments), getattr(clean, name)(*arguments))


def test_answers_are_the_same_for_any_number_of_threads(monkeypatch: Any) -> None:
    monkeypatch.setattr("berkson.design.side_by_side.PREDICTORS", 4096)
    X = SideBySide.of(blocks(6000, "dsm"))
    rng, p = np.random.default_rng(1), X.shape[1]
    coef, y = rng.normal(size=(p + 1, 3)), rng.integers(0, 3, 6000).astype(np.uint8)
    for name, rest in (("multinomial", (coef, 2)), ("multinomial_curvature", (coef, coef))):
        parts = (Part(None, np.ones(p), y, None, None, threads) for threads in (1, 3))
        one, three = (getattr(X, name)(part, *rest) for part in parts)
        pairs = zip(one, three, strict=True) if isinstance(one, tuple) else [(one, three)]
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no tables to put side by side"):
        SideBySide.of([])
    with pytest.raises(ValueError, match="table 1 has 1 dimension"):
        SideBySide.of([np.zeros((3, 1)), np.zeros(3)])
    for places in ([[0], [1, 1]], [[0], [1, 3]], [[0, 1], [2]]):
        with pytest.raises(ValueError, match="not each of all columns once"):
            SideBySide.of([np.zeros((3, 1)), np.zeros((3, 2))], [np.array(each) for each in places])
    with pytest.raises(ValueError, match="table 1 has 4 rows, but table 0 has 3"):
        SideBySide.of([np.zeros((3, 1)), sparse_table(np.zeros((4, 2)))])


# --- fits -------------------------------------------------------------------------------------------------------------


def labels(X: Any, K: int, seed: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    A = dense(X)
    score = A @ (rng.normal(size=(A.shape[1], K)) / 4.0) + rng.gumbel(size=(len(A), K))
    return score.argmax(axis=1).astype(np.uint8)


@pytest.mark.parametrize("kinds", ["ds", "smf"])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 0.7])
@pytest.mark.parametrize("plain", [True, False])
def test_fits_are_the_dense_array_s(kinds: str, K: int, strength: float, plain: bool) -> None:
    n, rng = 400, np.random.default_rng(2)
    X = SideBySide.of(blocks(n, kinds))
    options: dict[str, Any] = {"strength": strength}
    y = labels(X, K)
    if not plain:
        offset = rng.normal(size=n if K == 2 else (n, K))
        options |= {"weight": rng.random(n) * (rng.random(n) < 0.9), "offset": offset, "intercept": False}
        y = rng.random(n) if K == 2 else rng.dirichlet(np.ones(K), size=n)
    wanted = fit(Problem(dense(X), y, K, **options))
    got = fit(Problem(X, y, K, **options))
    assert got.certificate.certified
    # both go on to rounding
    np.testing.assert_allclose(got.coef, wanted.coef, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(got.intercept, wanted.intercept, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(got.certificate.objective, wanted.certificate.objective, rtol=1e-13)
    assert certify(Problem(dense(X), y, K, **options), got.coef, got.intercept).certified
    assert certify(Problem(X, y, K, **options), wanted.coef, wanted.intercept).certified


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_a_lasso_is_the_dense_array_s(K: int, strength: float) -> None:
    X = SideBySide.of(blocks(300, "dsm"))
    y = labels(X, K)
    wanted, got = (fit(Problem(table, y, K, strength=strength, lasso=6.0), tol=1e-13) for table in (dense(X), X))
    assert got.certificate.certified
    np.testing.assert_array_equal(got.coef == 0.0, wanted.coef == 0.0)
    # objectives within 1e-13 of 200; of curvature over 10 a column: coefficients to sqrt(2 * 2e-11 / 10) = 2e-6
    np.testing.assert_allclose(got.coef, wanted.coef, atol=2e-6)


def wide(n: int = 700, p: int = 4500) -> tuple[SideBySide, Any]:
    """A few dense numbers beside text-like columns, more than a Gram matrix is formed for."""
    rng = np.random.default_rng(9)
    columns = (p * rng.random((n, 30)) ** 4).astype(np.int32)
    S = sparse.csr_array((np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 30)), shape=(n, p))
    S.sum_duplicates()
    numbers = rng.normal(size=(n, 6)) * np.array([1.0, 0.01, 100.0, 1.0, 1.0, 1.0]) + np.array([0, 0, 500, 0, 9, 0])
    X = SideBySide.of([numbers, Sparse.of(S.data, S.indices, S.indptr, p)])
    score = S @ rng.normal(size=p) / 5.0 + numbers[:, 0] + numbers[:, 2] / 100.0 - 5.0
    return X, score + rng.logistic(size=n)


@pytest.mark.parametrize("K", [2, 3])
def test_many_columns_are_fitted_by_products_and_proved(K: int) -> None:
    X, score = wide()
    y = np.digitize(score, np.quantile(score, np.arange(1, K) / K)).astype(np.uint8)
    got = fit(Problem(X, y, K, strength=1.0), tol=1e-12)
    assert got.info.solver == "conjugate gradient"
    assert got.certificate.certified
    said = certify(Problem(dense(X), y, K, strength=1.0), got.coef, got.intercept, tol=1e-12)
    assert said.certified
    np.testing.assert_allclose(said.objective, got.certificate.objective, rtol=1e-13)


def test_many_columns_of_a_lasso_go_by_working_sets() -> None:
    X, score = wide()
    y = (score > np.median(score)).astype(np.uint8)
    got = fit(Problem(X, y, lasso=2.0))
    assert got.certificate.certified
    assert 0 < np.count_nonzero(got.coef) < 400
    wanted = fit(Problem(dense(X), y, lasso=2.0))
    # each is proved to 1e-8 of the null objective
    room = 1e-8 * wanted.certificate.null_objective
    assert abs(got.certificate.objective - wanted.certificate.objective) < room


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_paths_are_the_dense_array_s(K: int, l1_ratio: float) -> None:
    X = SideBySide.of(blocks(300, "dsm"))
    y = labels(X, K)
    got, wanted = (path(Problem(table, y, K), l1_ratio=l1_ratio, count=12, tol=1e-11) for table in (X, dense(X)))
    np.testing.assert_allclose(got.lambdas, wanted.lambdas, rtol=1e-12)
    # each within 1e-11 of the null objective of its optimum
    np.testing.assert_allclose(got.objective, wanted.objective, atol=2e-11 * wanted.null_objective)
    np.testing.assert_allclose(got.coef, wanted.coef, atol=1e-4)
    assert got.gap.max() <= 1e-11


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_combinations_across_blocks_are_named() -> None:
    numbers, table = blocks(200, "ds")
    A = dense(table)
    numbers[:, 2] = A[:, 1] - 2.0 * A[:, 3] + 1.0  # of sparse columns, which stand to the right
    X = SideBySide.of([numbers, table])
    y = labels(SideBySide.of([numbers[:, :1], table]), 2)
    got, wanted = (fit(Problem(each, y)).certificate.rank for each in (X, dense(X)))
    assert [alias.column for alias in got.aliased] == [7]
    assert got.sentence(Problem(X, y)) == wanted.sentence(Problem(dense(X), y))


@pytest.mark.parametrize("K", [2, 3])
def test_separation_is_found_across_blocks(K: int) -> None:
    numbers, table = blocks(150, "ds")
    score = numbers[:, 1] + dense(table)[:, 4]
    y = np.digitize(score, np.quantile(score, np.arange(1, K) / K)).astype(np.uint8)
    X = SideBySide.of([numbers, table])
    got = fit(Problem(X, y, K)).certificate
    assert got.exists is False
    assert got.separation is not None
    assert {1, 8} <= {infinite.column for infinite in got.separation.infinite}


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e200, "too large to be squared")])
@pytest.mark.parametrize("block", [0, 1])
def test_a_wrong_cell_is_named(value: float, kind: str, block: int) -> None:
    rng = np.random.default_rng(1)
    tables = [rng.normal(size=(60, 3)), cells(rng, 60, 4)]
    tables[block][17, 2], tables[1 - block][23, 1] = value, value
    X = SideBySide.of([tables[0], sparse_table(tables[1])])
    for strength in (0.0, 1.0):
        with pytest.raises(InputError, match=kind) as refused:
            fit(Problem(X, np.arange(60, dtype=np.uint8) % 2, strength=strength))
        assert f"'x{2 + 3 * block}'" in str(refused.value)
        assert "row 17" in str(refused.value)


# --- data frames with sparse columns ----------------------------------------------------------------------------------


def frame(n: int = 300, words: int = 8) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    """Sparse columns among dense ones, the same with all columns dense, and labels."""
    rng = np.random.default_rng(4)
    A = cells(rng, n, words, 0.1)
    columns: dict[str, Any] = {f"w{j}": pd.arrays.SparseArray(A[:, j], fill_value=0.0) for j in range(words)}
    items = list(columns.items())
    items.insert(1, ("age", 40.0 + 10.0 * rng.normal(size=n)))
    items.insert(4, ("smokes", rng.random(n) < 0.3))
    items.append(("seen", pd.arrays.SparseArray(rng.random(n) < 0.2, fill_value=False)))
    X = pd.DataFrame(dict(items))
    plain = X.assign(**{name: X[name].sparse.to_dense() for name in [*columns, "seen"]})
    y = (A[:, 0] + plain["age"].to_numpy() / 10.0 - 4.0 + rng.logistic(size=n) > 0).astype(int)
    return X, plain, y


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.filterwarnings("error")  # scikit-learn's conversion to a dense table would warn
def test_sparse_columns_of_a_data_frame_stay_sparse(small: bool, C: float, monkeypatch: Any) -> None:
    X, plain, y = frame()
    if not small:
        monkeypatch.setattr("berkson.estimators.sparse_columns.CELLS", 0)
        monkeypatch.setattr("berkson.estimators.sparse_columns.SHARE", 1.0)
    got, wanted = (LogisticRegression(C=C).fit(each, y) for each in (X, plain.astype(float)))
    np.testing.assert_array_equal(got.feature_names_in_, X.columns)
    # both go on to rounding; the column of mean 40 costs a digit
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got.decision_function(X), wanted.decision_function(plain), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(got.decision_function(plain), got.decision_function(X), rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="Order them by name"):
        got.predict(X[X.columns[::-1]])


def test_what_is_read_is_blocks_where_that_is_worth_it(monkeypatch: Any) -> None:
    from berkson.estimators.sparse_columns import table_of_numbers

    X, _, _ = frame()
    assert isinstance(table_of_numbers(LogisticRegression(), X, reset=True), np.ndarray)
    monkeypatch.setattr("berkson.estimators.sparse_columns.CELLS", 1000)
    assert isinstance(table_of_numbers(LogisticRegression(), X, reset=True), np.ndarray)  # over a quarter is stored
    monkeypatch.setattr("berkson.estimators.sparse_columns.SHARE", 0.5)
    table = table_of_numbers(LogisticRegression(), X, reset=True)
    assert isinstance(table, SideBySide)
    assert [type(block) for block in table.blocks] == [Dense, Sparse]
    np.testing.assert_array_equal(dense(table), frame()[1].to_numpy(float))
    X["w0"] = pd.arrays.SparseArray(X["w0"].sparse.to_dense(), fill_value=0.0, kind="block")
    alone = table_of_numbers(LogisticRegression(), X[["seen", "w0", "w3"]], reset=True)  # of different types
    assert isinstance(alone, Sparse)
    np.testing.assert_array_equal(alone.few_rows(slice(None)), frame()[1][["seen", "w0", "w3"]].to_numpy(float))


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_sparse_columns_beside_categories(C: float) -> None:
    X, plain, y = frame()
    race = pd.Categorical(np.random.default_rng(1).choice(list("abc"), len(X)))
    X, plain = X.assign(race=race), plain.assign(race=race)
    order = ["w0", "race", *X.columns[1:-1]]
    X, plain = X[order], plain[order]
    got, wanted = (LogisticRegression(C=C).fit(each, y) for each in (X, plain))
    np.testing.assert_array_equal(got.coef_names_, wanted.coef_names_)
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-9, atol=1e-10)
    for each in (X, plain):
        np.testing.assert_allclose(got.decision_function(each), wanted.decision_function(plain), rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:the best C")
def test_folds_of_a_data_frame_with_sparse_columns(monkeypatch: Any) -> None:
    monkeypatch.setattr("berkson.estimators.sparse_columns.CELLS", 0)
    monkeypatch.setattr("berkson.estimators.sparse_columns.SHARE", 1.0)
    X, plain, y = frame()
    for scoring in (None, "f1"):  # scored at once, and by a scorer of models
        options: dict[str, Any] = {"Cs": [0.1, 10.0], "cv": 3, "scoring": scoring, "tol": 1e-12}
        options |= {"l1_ratios": (0.0,), "use_legacy_attributes": False}
        got, wanted = (LogisticRegressionCV(**options).fit(each, y) for each in (X, plain.astype(float)))
        np.testing.assert_allclose(got.scores_, wanted.scores_, rtol=1e-9)
        np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-5, atol=1e-7)  # each within 1e-12 of its optimum


def test_a_sparse_column_whose_fill_is_no_zero_is_read_with_the_others() -> None:
    X, plain, y = frame()
    X["most"] = pd.arrays.SparseArray(np.where(plain["age"] > 50.0, 3.0, 1.0), fill_value=1.0)
    plain["most"] = np.where(plain["age"] > 50.0, 3.0, 1.0)
    got, wanted = (LogisticRegression().fit(each, y) for each in (X, plain.astype(float)))
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-9, atol=1e-10)
    X["most"] = pd.arrays.SparseArray(np.where(plain["age"] > 50.0, np.nan, 1.0))  # stores what is not NaN
    with pytest.raises(InputError, match="Input X contains NaN: column 'most'"):
        LogisticRegression().fit(X, y)


def test_a_data_frame_whose_sparse_columns_all_have_another_fill() -> None:
    X, plain, y = frame()
    X = X[["age", "w0"]].assign(w0=pd.arrays.SparseArray(plain["w0"] + 1.0, fill_value=1.0))
    got, wanted = (LogisticRegression().fit(each, y) for each in (X, plain[["age", "w0"]]))
    np.testing.assert_allclose(got.coef_, wanted.coef_, rtol=1e-9)
