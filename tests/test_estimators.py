"""The estimator: scikit-learn's constructor and attributes, any labels and tables, weights, offsets, warnings."""

from __future__ import annotations

import doctest
import inspect
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from scipy.sparse import csr_array
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import berkson
from berkson import InputError, LogisticRegression, RankWarning, SeparationWarning

N, P = 300, 4
# coefficients of these well-posed problems, where both sides stop at rounding; theirs at a gradient of 1e-10
CLOSE = {"rtol": 1e-7, "atol": 1e-9}


@pytest.fixture(scope="module")
def X() -> np.ndarray:  # noqa: N802
    return np.random.default_rng(0).normal(size=(N, P)) * [1.0, 0.5, 2.0, 1.0] + [0.0, 1.0, -3.0, 0.2]


@pytest.fixture(scope="module")
def y(X: np.ndarray) -> np.ndarray:
    eta = X @ [1.0, -1.0, 0.3, 0.0] + 1.5
    return (np.random.default_rng(1).random(N) < expit(eta)).astype(int)


@pytest.fixture(scope="module")
def y3(X: np.ndarray) -> np.ndarray:
    eta = X @ np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 0.5], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return (eta + np.random.default_rng(2).gumbel(size=eta.shape)).argmax(axis=1)


def theirs(**parameters: Any) -> TheirLogisticRegression:
    return TheirLogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000, **parameters)


def assert_same_model(ours: LogisticRegression, reference: Any, **tolerance: float) -> None:
    tolerance = tolerance or CLOSE
    np.testing.assert_allclose(ours.coef_, reference.coef_, **tolerance)
    np.testing.assert_allclose(ours.intercept_, reference.intercept_, **tolerance)


# --- scikit-learn's contract ----------------------------------------------------------------------------------------


def test_constructor_is_theirs() -> None:
    ours, reference = (inspect.signature(c).parameters for c in (LogisticRegression, TheirLogisticRegression))
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in reference.values()]
    assert {n: p.default for n, p in ours.items() if n != "tol"} == {
        n: p.default for n, p in reference.items() if n != "tol"
    }
    assert ours["tol"].default == 1e-8


@pytest.mark.parametrize("C", [0.01, 1.0, 1e4, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_same_optimum_as_theirs(
    X: np.ndarray, y: np.ndarray, y3: np.ndarray, C: float, fit_intercept: bool, classes: int
) -> None:
    labels = y if classes == 2 else y3
    ours = LogisticRegression(C=C, fit_intercept=fit_intercept).fit(X, labels)
    reference = theirs(C=C, fit_intercept=fit_intercept).fit(X, labels)
    assert_same_model(ours, reference, rtol=1e-6, atol=1e-8)  # theirs is the looser of the two at C = 1e4
    assert ours.coef_.shape == reference.coef_.shape
    assert ours.intercept_.shape == reference.intercept_.shape
    assert ours.n_iter_.shape == reference.n_iter_.shape
    assert ours.n_iter_.dtype == reference.n_iter_.dtype
    np.testing.assert_array_equal(ours.classes_, reference.classes_)
    np.testing.assert_array_equal(ours.predict(X), reference.predict(X))
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        mine, their = getattr(ours, method)(X), getattr(reference, method)(X)
        assert mine.shape == their.shape
        np.testing.assert_allclose(mine, their, rtol=1e-5, atol=1e-7)
    assert ours.score(X, labels) == reference.score(X, labels)
    assert ours.certificate_.certified
    assert ours.fit_info_.solver


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 0},
        {"C": -1.0},
        {"C": "1"},
        {"C": np.nan},
        {"tol": -1e-3},
        {"tol": None},
        {"max_iter": -1},
        {"max_iter": 1.5},
        {"l1_ratio": 2},
        {"l1_ratio": "x"},
        {"fit_intercept": "yes"},
        {"class_weight": "even"},
        {"class_weight": 3},
        {"solver": "adam"},
        {"penalty": "l3"},
        {"dual": 2},
        {"intercept_scaling": 0},
        {"random_state": "a"},
        {"verbose": -1},
        {"warm_start": "no"},
        {"n_jobs": 1.5},
    ],
)
def test_invalid_parameters_are_theirs(X: np.ndarray, y: np.ndarray, parameters: dict[str, Any]) -> None:
    errors = []
    for estimator in (LogisticRegression, TheirLogisticRegression):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            estimator(**parameters).fit(X, y)
        errors.append(caught)
    ours, reference = errors
    assert type(ours.value) is type(reference.value)

    def options(text: str) -> list[str]:  # they print sets, whose order changes from run to run
        return sorted(text.replace("{", ",").replace("}", ",").replace(" ", "").split(","))

    assert options(str(ours.value)) == options(str(reference.value))


def test_solver_keywords_change_no_answer(X: np.ndarray, y3: np.ndarray) -> None:
    plain = LogisticRegression().fit(X, y3)
    for solver in ("liblinear", "newton-cg", "newton-cholesky", "sag", "saga"):
        other = LogisticRegression(solver=solver, dual=True, random_state=3, intercept_scaling=7.0, verbose=0).fit(
            X, y3
        )
        np.testing.assert_array_equal(other.coef_, plain.coef_)


def test_deprecated_keywords(X: np.ndarray, y: np.ndarray) -> None:
    free, ridge = LogisticRegression(C=np.inf).fit(X, y), LogisticRegression().fit(X, y)
    with pytest.warns(FutureWarning, match="'penalty' was deprecated") as caught:
        np.testing.assert_array_equal(LogisticRegression(penalty=None).fit(X, y).coef_, free.coef_)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match="'penalty' was deprecated"):
        np.testing.assert_array_equal(LogisticRegression(penalty="l2").fit(X, y).coef_, ridge.coef_)
    with pytest.warns(FutureWarning, match="'l1_ratio=None' was deprecated"):
        np.testing.assert_array_equal(LogisticRegression(l1_ratio=None).fit(X, y).coef_, ridge.coef_)
    with pytest.warns(FutureWarning, match="'n_jobs' has no effect"):
        np.testing.assert_array_equal(LogisticRegression(n_jobs=2).fit(X, y).coef_, ridge.coef_)


def test_lasso_is_refused(X: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"l1_ratio=0\.5 .* only the ridge is available yet: set l1_ratio=0"):
        LogisticRegression(l1_ratio=0.5).fit(X, y)
    with pytest.warns(FutureWarning), pytest.raises(InputError, match="only the ridge is available"):
        LogisticRegression(penalty="l1").fit(X, y)
    unpenalised = LogisticRegression(l1_ratio=1.0, C=np.inf).fit(X, y)  # nothing is penalised, so nothing is refused
    np.testing.assert_array_equal(unpenalised.coef_, LogisticRegression(C=np.inf).fit(X, y).coef_)


def test_warm_start(X: np.ndarray, y3: np.ndarray) -> None:
    model = LogisticRegression(warm_start=True).fit(X, y3)
    cold = model.n_iter_[0]
    model.fit(X, y3)
    assert model.n_iter_[0] < cold
    assert_same_model(model, LogisticRegression().fit(X, y3))
    model.fit(X[:, :2], y3)  # another shape: from the beginning
    assert_same_model(model, LogisticRegression().fit(X[:, :2], y3))


def test_clone_pickle_and_html(X: np.ndarray, y3: np.ndarray) -> None:
    model = LogisticRegression(C=2.0, class_weight={0: 2.0}).fit(X, y3)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.certificate_.gap == model.certificate_.gap
    assert copy.fit_info_ == model.fit_info_
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    assert "LogisticRegression" in model._repr_html_()


def test_sparsify(X: np.ndarray, y3: np.ndarray) -> None:
    model = LogisticRegression().fit(X, y3)
    coef, expected = model.coef_, model.decision_function(X)
    assert not isinstance(model.sparsify().coef_, np.ndarray)
    np.testing.assert_array_equal(model.decision_function(X), expected)
    np.testing.assert_array_equal(model.densify().coef_, coef)


def test_grid_search_in_a_pipeline(X: np.ndarray, y: np.ndarray) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1e-6, 1.0]}, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 1.0}


def test_metadata_routing(X: np.ndarray, y: np.ndarray) -> None:
    offset = np.random.default_rng(3).normal(size=N)
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            LogisticRegression()
            .set_fit_request(offset=True, sample_weight=True)
            .set_score_request(offset=True, sample_weight=False)
        )
        scores = cross_validate(
            model, X, y, params={"offset": offset, "sample_weight": np.ones(N)}, cv=3, error_score="raise"
        )
    train, test = next(iter(sklearn.model_selection.StratifiedKFold(3).split(X, y)))
    by_hand = LogisticRegression().fit(X[train], y[train], offset=offset[train])
    assert scores["test_score"][0] == by_hand.score(X[test], y[test], offset=offset[test])


# --- labels ---------------------------------------------------------------------------------------------------------


LABELS: dict[str, Callable[[np.ndarray], Any]] = {
    "int64": lambda c: c * 5 - 3,
    "uint8": lambda c: c.astype(np.uint8),
    "int8 extremes": lambda c: np.array([127, -128, 0], dtype=np.int8)[c],
    "uint64 extremes": lambda c: np.array([2**64 - 1, 0, 7], dtype=np.uint64)[c],
    "float32": lambda c: c.astype(np.float32),
    "float, many apart": lambda c: np.array([1e300, -4.0, 0.0])[c],
    "strings": lambda c: np.array(["no", "yes", "maybe"])[c],
    "bytes": lambda c: np.array([b"no", b"yes", b"maybe"])[c],
    "StringDType": lambda c: np.array(["no", "yes", "maybe"], dtype=np.dtypes.StringDType())[c],
    "objects": lambda c: np.array(["no", "yes", "maybe"], dtype=object)[c],
    "object ints": lambda c: np.array([3, 1, 2], dtype=object)[c],
    "list": lambda c: c.tolist(),
    "list of strings": lambda c: [["no", "yes", "maybe"][i] for i in c],
    "strided": lambda c: np.repeat(c, 2)[::2],
    "pandas": lambda c: pd.Series(np.array(["no", "yes", "maybe"])[c], index=np.arange(len(c)) + 7),
    "pandas categorical": lambda c: pd.Series(pd.Categorical.from_codes(c, ["no", "yes", "maybe"], ordered=True)),
    "pandas Int64": lambda c: pd.Series(c, dtype="Int64"),
    "polars": lambda c: pl.Series(np.array(["no", "yes", "maybe"])[c]),
    "polars categorical": lambda c: pl.Series(np.array(["no", "yes", "maybe"])[c], dtype=pl.Categorical),
    "pyarrow": lambda c: pa.array(np.array(["no", "yes", "maybe"])[c]),
    "pyarrow chunks": lambda c: pa.chunked_array([c[:10], c[10:]]),
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind(X: np.ndarray, y: np.ndarray, y3: np.ndarray, kind: str, classes: int) -> None:
    codes = y if classes == 2 else y3
    labels = LABELS[kind](codes)
    model = LogisticRegression().fit(X, labels)
    plain = labels if isinstance(labels, np.ndarray) else np.array(_tolist(labels))
    expected, as_codes = np.unique(plain, return_inverse=True)
    assert list(model.classes_) == list(expected)
    assert_same_model(model, LogisticRegression().fit(X, as_codes), rtol=0, atol=0)
    assert set(model.predict(X).tolist()) <= set(expected.tolist())


def _tolist(labels: Any) -> list[Any]:
    return labels.to_pylist() if hasattr(labels, "to_pylist") else list(labels)


def test_boolean_labels(X: np.ndarray, y: np.ndarray) -> None:
    for labels in (y == 1, (y == 1).tolist(), pd.Series(y == 1), pl.Series(y == 1), pa.array(y == 1)):
        model = LogisticRegression().fit(X, labels)
        assert model.classes_.dtype == bool
        assert model.classes_.tolist() == [False, True]
        assert model.predict(X).dtype == bool


def test_column_vector_warns_as_theirs(X: np.ndarray, y: np.ndarray) -> None:
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="column-vector y"):
        model = LogisticRegression().fit(X, y[:, None])
    assert_same_model(model, LogisticRegression().fit(X, y), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: np.where(np.arange(N) == 3, np.nan, y), "Input y contains NaN: row 3"),
        (lambda y: np.where(np.arange(N) == 3, np.inf, y), "Input y contains infinity in row 3"),
        (lambda y: [None, *y[1:].astype(str)], "Input y contains NaN: row 0"),
        (lambda y: pd.Series([None, *y[1:]], dtype="Int64"), "Input y contains NaN: row 0"),
        (lambda y: pl.Series([None, *y[1:].tolist()]), "Input y contains NaN: row 0"),
        (lambda y: np.array([1, *["a"] * (N - 1)], dtype=object), "y mixes int and str"),
        (lambda y: np.array([[], *["a"] * (N - 1)], dtype=object), "objects that are no labels"),
        (lambda y: y + 0.5, "Unknown label type: continuous: y holds values such as 1.5 and reaches from 0.5 to 1.5"),
        (lambda y: y * 1j, "Unknown label type: y holds complex128"),
        (lambda y: np.full(N, "a"), "needs samples of at least 2 classes.* only one class: a"),
        (lambda y: np.column_stack([y, 1 - y]), r"y should be a 1d array.*successes / trials as y"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: y[1:], r"inconsistent numbers of samples: \[300, 299\]"),
    ],
)
def test_bad_labels(X: np.ndarray, y: np.ndarray, labels: Callable[[np.ndarray], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit(X, labels(y))


def test_fractions_are_soft_labels(X: np.ndarray, y: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    trials = rng.integers(1, 9, N)
    successes = rng.binomial(trials, expit(X[:, 0]))
    model = LogisticRegression(C=np.inf).fit(X, successes / trials, sample_weight=trials)
    rows = np.r_[X, X]
    labels, weight = np.repeat([1, 0], N), np.r_[successes, trials - successes]
    assert_same_model(model, LogisticRegression(C=np.inf).fit(rows, labels, sample_weight=weight))
    assert model.classes_.tolist() == [0, 1]
    assert set(model.predict(X)) <= {0, 1}
    with pytest.raises(InputError, match="class_weight has no meaning for fractional y"):
        LogisticRegression(class_weight="balanced").fit(X, successes / trials)


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f8", "g", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"])
def test_element_types(X: np.ndarray, y: np.ndarray, dtype: str) -> None:
    table = np.abs(X * 10).astype(dtype)
    expected = LogisticRegression().fit(table.astype(float), y)
    model = LogisticRegression().fit(table, y)
    assert model.coef_.dtype == np.float64
    # the same doubles in another order of additions
    assert_same_model(model, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        model.decision_function(table), expected.decision_function(table.astype(float)), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
        lambda X: X.tolist(),
        lambda X: X.astype(object),
    ],
)
def test_layouts(X: np.ndarray, y: np.ndarray, layout: Callable[[np.ndarray], Any]) -> None:
    model, expected = LogisticRegression().fit(layout(X), y), LogisticRegression().fit(X, y)
    assert_same_model(model, expected, rtol=1e-10, atol=1e-12)  # the same doubles in another order of additions
    np.testing.assert_allclose(model.predict_proba(layout(X)), expected.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("table", [np.float32, np.float64, np.int8], ids=lambda d: d.__name__)
def test_no_copy_is_made(table: type) -> None:
    rng = np.random.default_rng(5)
    X = rng.integers(-9, 9, size=(20_000, 64)).astype(table)
    y = np.array(["no", "yes"])[(X[:, 0] + rng.normal(size=len(X)) * 9 > 0).astype(int)]
    model = LogisticRegression().fit(X, y)  # what is imported at first use does not count
    model.predict(X)
    for call, row_long in ((lambda: model.fit(X, y), 4), (lambda: model.predict(X), 32)):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # besides X: codes, a sample's weights or the answers; Hessians of 65 unknowns; what numpy holds by chance.
        # Together half of the smallest copy of X that could be made, that of its bytes.
        assert peak < row_long * len(X) + 64 * 65 * 8 * 12 + 150_000


FRAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


def select(frame: Any, names: list[str]) -> Any:
    return frame[names] if isinstance(frame, pd.DataFrame) else frame.select(names)


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest, X: np.ndarray) -> Any:
    return FRAMES[request.param]({f"c{j}": X[:, j] for j in range(P)})


def test_frames(frame: Any, X: np.ndarray, y: np.ndarray) -> None:
    model = LogisticRegression().fit(frame, y)
    expected = LogisticRegression().fit(X, y)
    assert_same_model(model, expected, rtol=1e-10, atol=1e-12)
    assert model.feature_names_in_.tolist() == ["c0", "c1", "c2", "c3"]
    np.testing.assert_allclose(model.predict_proba(frame), expected.predict_proba(X), rtol=1e-9)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


def test_frames_are_matched_by_name(frame: Any, y: np.ndarray) -> None:
    model = LogisticRegression().fit(frame, y)
    permuted = select(frame, ["c2", "c0", "c1", "c3"])
    with pytest.raises(ValueError, match=r"same order.*\n.*list\(model.feature_names_in_\)"):
        model.predict(permuted)
    reordered = select(permuted, list(model.feature_names_in_))
    np.testing.assert_array_equal(model.predict_proba(reordered), model.predict_proba(frame))
    with pytest.raises(ValueError, match="yet now missing:\n- c2"):
        model.predict(select(frame, ["c0", "c1", "c3"]))


def test_frames_of_mixed_columns(X: np.ndarray, y: np.ndarray) -> None:
    columns = {"a": X[:, 0], "flag": X[:, 1] > 1, "count": np.abs(X[:, 2] * 3).astype(int)}
    expected = LogisticRegression().fit(np.column_stack([c.astype(float) for c in columns.values()]), y)
    for make in FRAMES.values():
        assert_same_model(LogisticRegression().fit(make(columns), y), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["u", "v"] * (N // 2)), "column 'z' holds String, not numbers: encode it"),
        (pd.Series(["0.5", "1"] * (N // 2)), "column 'z' holds String, not numbers"),
        (pd.Series(["u", 1.5] * (N // 2), dtype=object), "column 'z' holds Object, not numbers"),
        (pd.Series([1, 2] * (N // 2), dtype="category"), "column 'z' holds Categorical, not numbers"),
        (pd.Series(pd.date_range("2020", periods=N)), "column 'z' holds Datetime, not numbers"),
        (pd.Series([None] + [1.0] * (N - 1)), "Input X contains NaN: column 'z', row 0"),
        (pd.Series([1, 2] * (N // 2 - 1) + [1, None], dtype="Int64"), f"NaN: column 'z', row {N - 1}"),
    ],
)
def test_bad_columns_are_named(X: np.ndarray, y: np.ndarray, column: pd.Series, message: str) -> None:
    table = pd.DataFrame(X).rename(columns=str).assign(z=column)
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(table, y)


def test_bad_frames(X: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InputError, match="columns of the same name"):
        LogisticRegression().fit(pd.DataFrame(X, columns=["a", "b", "a", "c"]), y)
    with pytest.raises(InputError, match="lazy frame: collect it"):
        LogisticRegression().fit(pl.DataFrame(X).lazy(), y)
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense data is required"):
        LogisticRegression().fit(csr_array(X), y)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("classes", [2, 3])
def test_what_is_not_finite_is_named(X: np.ndarray, y: np.ndarray, y3: np.ndarray, value: float, classes: int) -> None:
    labels = y if classes == 2 else y3
    bad = X.copy()
    bad[17, 2] = value
    kind = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(InputError, match=f"Input X contains {kind}: column 'x2', row 17"):
        LogisticRegression().fit(bad, labels)
    model = LogisticRegression().fit(X, labels)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(InputError, match=f"Input X contains {kind}: column 'x2', row 17"):
            getattr(model, method)(bad)


# --- weights and offsets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_theirs(
    X: np.ndarray, y: np.ndarray, y3: np.ndarray, class_weight: Any, weighted: bool, classes: int
) -> None:
    labels = y if classes == 2 else y3
    if isinstance(class_weight, dict):
        class_weight = {k: w for k, w in class_weight.items() if k < classes}
    weight = np.random.default_rng(6).integers(0, 4, N).astype(float) if weighted else None
    kept = None if weight is None else weight.copy()
    ours = LogisticRegression(class_weight=class_weight).fit(X, labels, sample_weight=weight)
    assert_same_model(ours, theirs(class_weight=class_weight).fit(X, labels, sample_weight=weight))
    if weight is not None:
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": -np.ones(N)}, r"sample_weight is negative in row 0 \(-1\)"),
        ({"sample_weight": np.ones(N - 1)}, r"sample_weight has shape \(299,\), but X has 300 rows"),
        ({"sample_weight": np.ones((N, 1))}, r"sample_weight has shape \(300, 1\)"),
        ({"sample_weight": ["a"] * N}, "sample_weight must hold numbers"),
        ({"sample_weight": np.zeros(N)}, "sample_weight is zero in every row"),
        ({"offset": np.ones((N, 2))}, r"offset has shape \(300, 2\), but these rows and classes need \(300,\)"),
        ({"offset": np.r_[np.nan, np.ones(N - 1)]}, "offset holds NaN or infinity in row 0"),
    ],
)
def test_bad_weights_and_offsets(X: np.ndarray, y: np.ndarray, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(X, y, **arguments)


def test_bad_class_weights(X: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"class_weight is negative \(-1\)"):
        LogisticRegression(class_weight={0: -1, 1: 1}).fit(X, y)
    with pytest.raises(ValueError, match="are not in class_weight"):
        LogisticRegression(class_weight={5: 1}).fit(X, y)
    with pytest.raises(InputError, match="class"):
        LogisticRegression(class_weight={0: 0, 1: 1}).fit(X, y)


def test_offset_two_classes(X: np.ndarray, y: np.ndarray) -> None:
    offset = np.random.default_rng(7).normal(size=N)
    model = LogisticRegression(C=0.5).fit(X, y, offset=offset)
    probability = expit(X @ model.coef_[0] + model.intercept_[0] + offset)
    # the derivatives of the objective, by their formulas; sums of 300 terms of size 1
    np.testing.assert_allclose(X.T @ (probability - y) + model.coef_[0] / 0.5, 0.0, atol=1e-9)
    assert abs((probability - y).sum()) < 1e-9
    np.testing.assert_allclose(model.predict_proba(X, offset=offset)[:, 1], probability, rtol=1e-12)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(InputError, match="fitted with an offset: pass offset="):
            getattr(model, method)(X)
    with pytest.raises(InputError, match="fitted with an offset"):
        model.score(X, y)
    without = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(
        without.decision_function(X, offset=offset) - offset, without.decision_function(X), atol=1e-12
    )


def test_offset_three_classes(X: np.ndarray, y3: np.ndarray) -> None:
    offset = np.random.default_rng(8).normal(size=(N, 3))
    model = LogisticRegression(C=0.5).fit(X, y3, offset=offset)
    residual = softmax(X @ model.coef_.T + model.intercept_ + offset, axis=1) - np.eye(3)[y3]
    np.testing.assert_allclose(residual.T @ X + model.coef_ / 0.5, 0.0, atol=1e-7)  # sums of 300 terms of size 1
    with pytest.raises(InputError, match=r"offset has shape \(300,\), but these rows and classes need \(300, 3\)"):
        LogisticRegression().fit(X, y3, offset=offset[:, 0])


# --- prediction -----------------------------------------------------------------------------------------------------


def test_far_out_probabilities(X: np.ndarray, y: np.ndarray, y3: np.ndarray) -> None:
    model = LogisticRegression().fit(X[:, :1], y)
    model.coef_[:], model.intercept_[:] = 1.0, 0.0
    rows = np.array([[-1e4], [-800.0], [-40.0], [0.0], [40.0], [800.0], [1e4]])
    log_probability = model.predict_log_proba(rows)
    exact = [-1e4, -800.0, -40.0 - 4.248354255291589e-18, -np.log(2), -4.248354255291589e-18, 0.0, 0.0]
    np.testing.assert_allclose(log_probability[:, 1], exact, rtol=1e-15)
    np.testing.assert_array_equal(log_probability[:, 0], log_probability[::-1, 1])
    np.testing.assert_allclose(model.predict_proba(rows)[2, 1], 4.248354255291589e-18, rtol=1e-14)  # e^-40
    three = LogisticRegression().fit(X[:, :1], y3)
    three.coef_[:], three.intercept_[:] = [[0.0], [1.0], [-1.0]], 0.0
    np.testing.assert_allclose(three.predict_log_proba([[1e4]]), [[-1e4, 0.0, -2e4]])


def test_second_class_from_one_half(X: np.ndarray, y: np.ndarray) -> None:
    model = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
    model.coef_[:], model.intercept_[:] = 0.0, 0.0
    assert set(model.predict(X)) == {"yes"}


# --- warnings -------------------------------------------------------------------------------------------------------


def test_convergence_warning(X: np.ndarray, y3: np.ndarray) -> None:
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 iterations.*asked: 1e-08.*raise max_iter") as caught:
        model = LogisticRegression(max_iter=1).fit(X, y3)
    assert caught[0].filename == __file__
    assert not model.certificate_.certified
    assert model.n_iter_.tolist() == [1]


def test_separation_warning(X: np.ndarray) -> None:
    table = pd.DataFrame(X).rename(columns="c{}".format)
    with pytest.warns(SeparationWarning, match="'c2'") as caught:
        model = LogisticRegression(C=np.inf).fit(table, X[:, 2] > -3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.certificate_.exists is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(table, X[:, 2] > -3)  # a ridge has a finite optimum


def test_rank_warning(X: np.ndarray, y: np.ndarray) -> None:
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "sum": X[:, 0] + X[:, 1]})
    with pytest.warns(RankWarning, match="'sum'") as caught:
        model = LogisticRegression(C=np.inf).fit(table, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.coef_[0, 2] == 0.0
    without = LogisticRegression(C=np.inf).fit(table[["a", "b"]], y)
    np.testing.assert_allclose(model.coef_[:, :2], without.coef_, rtol=1e-9)


# --- the package ----------------------------------------------------------------------------------------------------


def test_docstring_example() -> None:
    module: ModuleType = sys.modules[LogisticRegression.__module__]
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_public_face() -> None:
    assert set(berkson.__all__) <= set(dir(berkson))
    assert all(hasattr(berkson, name) for name in berkson.__all__)
    assert berkson.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'LogitRegression'"):
        berkson.LogitRegression  # noqa: B018
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, berkson; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "sklearn", "scipy"} & set(loaded)
