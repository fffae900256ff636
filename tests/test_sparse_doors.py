"""Sparse X at the doors to penalties: read as it lies, with the dense array's answers and glmnet's."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from berkson import cross_validate, logit, path, stability_selection
from berkson.design import Dense, Sparse
from berkson.inference.estimates import StatisticsError

HERE = Path(__file__).parent
R = json.loads((HERE / "r" / "sparse_path.json").read_text())


def wdbc() -> tuple[Any, Any, Any]:
    """What of each column exceeds its 456th value, mostly 0; the two classes, and three."""
    with (HERE / "data" / "wdbc.csv").open() as file:
        whole = np.array(list(csv.reader(file))[1:], dtype=np.float64)
    X = np.maximum(whole[:, :30] - np.sort(whole[:, :30], axis=0)[455], 0.0)
    y = whole[:, 30].astype(int)
    return sp.csr_array(X), y, np.where(y == 1, 2, np.where(whole[:, 1] > 18.0, 1, 0))


X, Y, THREE = wdbc()
WEIGHT = 1.0 + np.arange(1, 570) % 3
LAMBDAS = R["lambda"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lasso", {"weights": WEIGHT}),
        ("raw", {"standardize": False}),
        ("net", {"l1_ratio": 0.5}),
        ("ridge", {"l1_ratio": 0.0}),
    ],
)
def test_paths_are_glmnets(name: str, options: dict[str, Any]) -> None:
    found = path(Y, X, lambdas=LAMBDAS, tol=1e-12, complete=True, **options).found
    assert found.certified.all()
    wanted = np.array(R[name]).T
    assert np.isin(0.0, wanted) != (name == "ridge")
    # glmnet stops where a step changes its quadratic by 1e-20 of the null deviance
    np.testing.assert_allclose(found.coef[:, 0], wanted[:, 1:], rtol=1e-6, atol=1e-8 * np.abs(wanted).max())
    np.testing.assert_allclose(found.intercept[:, 0], wanted[:, 0], rtol=1e-6)


def test_three_classes_are_glmnets() -> None:
    found = path(THREE, X, lambdas=LAMBDAS, tol=1e-12, complete=True).found
    for k in range(3):
        wanted = np.array(R["three"][str(k)]).T
        # two of its coordinate descents' digits are lost beside classes that shift
        np.testing.assert_allclose(found.coef[:, k], wanted[:, 1:], rtol=1e-6, atol=1e-6 * np.abs(wanted).max())
        np.testing.assert_allclose(found.intercept[:, k], wanted[:, 0], rtol=1e-5, atol=1e-6)


def test_folds_are_glmnets() -> None:
    fold = np.arange(1, 570) % 4
    found = cross_validate(
        Y, X, folds=fold, lambdas=LAMBDAS, weights=WEIGHT, measure="deviance", tol=1e-15, complete=True
    )
    curve = found.curve()
    np.testing.assert_allclose(curve["estimate"], R["cv"]["mean"], rtol=1e-6)
    np.testing.assert_allclose(curve["std.error"], R["cv"]["se"], rtol=1e-6)
    assert found.lambda_min == pytest.approx(R["cv"]["min"])


OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"l1_ratio": 0.5, "weights": WEIGHT},
    {"l1_ratio": 0.0, "standardize": False},
    {"unpenalised": ["x4", "x9"]},
    {"column_groups": np.arange(30) // 3},
    {"lower": 0.0},
    {"intercept": False},
    {"factors": {"x2": 3.0, "x4": np.inf}},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("y", [Y, THREE], ids=["two", "three"])
def test_the_dense_arrays_answers(y: Any, options: dict[str, Any]) -> None:
    if "lower" in options and y is THREE:
        options = {"lower": -0.5}  # of contrasts that are all positive there is one fit only
    asked = {"lambdas": LAMBDAS, "tol": 1e-14} | options
    found, wanted = (path(y, table, **asked).found for table in (X, X.toarray()))
    scale = np.abs(wanted.coef).max()
    np.testing.assert_allclose(found.coef, wanted.coef, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(found.intercept, wanted.intercept, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.deviance_ratio, wanted.deviance_ratio, rtol=0, atol=1e-10)


@pytest.mark.parametrize("relax", [None, (0.0, 0.5, 1.0)])
def test_the_dense_arrays_choice(relax: Any) -> None:
    asked: dict[str, Any] = {"folds": 4, "count": 12, "smallest": 0.01, "seed": 3, "relax": relax, "tol": 1e-12}
    found, wanted = (cross_validate(Y, table, **asked) for table in (X, X.toarray()))
    assert found.lambda_min == pytest.approx(wanted.lambda_min, rel=1e-12)
    np.testing.assert_allclose(found.found.scores, wanted.found.scores, rtol=1e-5)  # the root of the tolerance is 1e-6
    assert str(found.summary()).splitlines()[:4] == str(wanted.summary()).splitlines()[:4]
    assert "x" in found.plot().svg()


def test_what_a_path_is_asked_besides() -> None:
    found, wanted = (path(Y, table, lambdas=LAMBDAS, tol=1e-12) for table in (X, X.toarray()))
    np.testing.assert_allclose(found.relaxed.found.coef, wanted.relaxed.found.coef, rtol=1e-7, atol=1e-9)
    for name in ("estimate", "std.error"):
        np.testing.assert_allclose(found.leave_one_out().table[name], wanted.leave_one_out().table[name], rtol=1e-8)
    assert str(found.summary()).splitlines()[:4] == str(wanted.summary()).splitlines()[:4]
    chosen = [stability_selection(Y, table, pairs=4).selected for table in (X, X.toarray())]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array, sp.csc_matrix, sp.coo_array])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_every_kind_of_table(kind: Any, index: Any) -> None:
    table = kind(X)
    for name in ("indices", "indptr"):
        if hasattr(table, name):
            setattr(table, name, getattr(table, name).astype(index))
    found, wanted = (path(Y, each, lambdas=[0.02], tol=1e-12).found for each in (table, X))
    np.testing.assert_allclose(found.coef, wanted.coef, rtol=1e-11)  # cells are added up in another order


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool, np.int64])
def test_every_type_of_value(dtype: Any) -> None:
    table = X.astype(dtype)
    found = path(Y, table, lambdas=[0.02], tol=1e-12).found
    wanted = path(Y, table.toarray().astype(np.float64), lambdas=[0.02], tol=1e-12).found
    np.testing.assert_allclose(found.coef, wanted.coef, rtol=0, atol=1e-9 * np.abs(wanted.coef).max())


def test_no_column_is_made_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("a dense table was made")

    monkeypatch.setattr(Dense, "logistic", refuse)
    monkeypatch.setattr(Dense, "logistic_many", refuse)
    monkeypatch.setattr(Dense, "linear_predictor", refuse)
    found = cross_validate(Y, X, folds=3, count=5, l1_ratio=0.5)
    given = found.path.prepared.problem.X
    assert isinstance(given, Sparse)
    assert np.shares_memory(given.cells.values, X.data)
    found.best().predict()
    found.best().predict(X[:10])


@pytest.mark.parametrize("y", [Y, THREE], ids=["two", "three"])
@pytest.mark.parametrize("kind", ["probability", "link", "class"])
def test_predictions(y: Any, kind: Any) -> None:
    found, wanted = (path(y, table, lambdas=[0.02], tol=1e-12).at(0.02) for table in (X, X.toarray()))
    pairs = [(found.predict(kind=kind), wanted.predict(kind=kind))]
    pairs.append((found.predict(X[5:9], kind), wanted.predict(X[5:9].toarray(), kind)))
    pairs.append((wanted.predict(X[5:9].tocsc(), kind), found.predict(X[5:9].toarray(), kind)))
    for one, other in pairs:
        if kind == "class":
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-8, atol=1e-10)


def numbers(given: Any) -> Any:
    return given if isinstance(given, np.ndarray) else np.column_stack([given[name] for name in given.columns])


def test_predictions_with_an_offset() -> None:
    offset = np.linspace(-1.0, 1.0, 569)
    fit = path(Y, X, offset=offset, lambdas=[0.02], tol=1e-12).at(0.02)
    np.testing.assert_allclose(fit.predict(X, "link", offset=offset), fit.predict(kind="link"), rtol=1e-12)
    np.testing.assert_allclose(fit.predict(X, "link", offset=0), fit.predict(kind="link") - offset, atol=1e-12)
    with pytest.raises(ValueError, match="a prediction needs one: give offset="):
        fit.predict(X)
    with pytest.raises(ValueError, match="offset has 3 values, but there are 569 rows"):
        fit.predict(X, offset=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="takes none"):
        path(Y, X, lambdas=[0.02]).at(0.02).predict(X, offset=1.0)


def test_logit_with_a_penalty() -> None:
    one, other = (logit(Y, table, penalty="lasso", lambda_=0.02) for table in (X, X.toarray()))
    np.testing.assert_allclose(np.asarray(one.params), np.asarray(other.params), rtol=1e-8, atol=1e-10)
    assert logit(Y, X, penalty="lasso", select="cv").cross_validation.found.folds.count == 10


def broken(place: int, value: float) -> Any:
    table = X.copy()
    table.data[place] = value
    return table


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: logit(Y, X), r"inference takes a dense matrix .* use LogisticRegression, or give X\.toarray\(\)"),
        (lambda: path(Y, broken(7, np.nan)), "X contains NaN: column 'x"),
        (lambda: path(Y, broken(7, np.inf), missing="raise"), "X contains infinity: column 'x"),
        (lambda: path(Y[1:], X), "y has 568 rows, but X has 569"),
        (lambda: path(np.where(np.arange(569) == 3, np.nan, Y), X), "y lacks a value in 1 of 569 rows .*row 4"),
        (lambda: path(Y, X, weights=np.where(np.arange(569) == 3, np.nan, 1.0)), "lacks a value in 1 of 569 rows"),
        (lambda: path(Y, X, weights="x1"), "names a column, and there is no table"),
        (lambda: path(Y, X * 1j), "holds complex128, not real numbers"),
        (lambda: path(Y, sp.coo_array(np.ones(569))), "X has 1 dimensions"),
        (lambda: path(Y, sp.csr_array((569, 3))), "there is no path, only the null model"),
        (lambda: path(Y, X, unpenalised=["age"]), "there is no column 'age'"),
        (lambda: cross_validate(Y, X, folds="a"), "names a column, and there is no table"),
        (lambda: path(Y, X, lambdas=[0.1]).at(0.1).predict(X[:, :3]), "X has 3 columns, but the model 30"),
    ],
)
def test_what_is_refused(ask: Any, said: str) -> None:
    with pytest.raises((ValueError, StatisticsError), match=said):
        ask()
