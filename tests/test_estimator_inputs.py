"""What the estimator takes: labels of any kind, tables of any layout, type and library."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from estimator_data import ADDITIONS, N, P, X, assert_same_model, y, y3
from scipy.special import expit

from berkson import InputError, LogisticRegression
from berkson.estimators.inputs import table as as_array

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
def test_labels_of_any_kind(kind: str, classes: int) -> None:
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


def test_boolean_labels() -> None:
    for labels in (y == 1, (y == 1).tolist(), pd.Series(y == 1), pl.Series(y == 1), pa.array(y == 1)):
        model = LogisticRegression().fit(X, labels)
        assert model.classes_.dtype == bool
        assert model.classes_.tolist() == [False, True]
        assert model.predict(X).dtype == bool


def test_column_vector_warns_as_theirs() -> None:
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
def test_bad_labels(labels: Callable[[np.ndarray], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit(X, labels(y))


def test_fractions_are_soft_labels() -> None:
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
def test_element_types(dtype: str) -> None:
    table = np.abs(X * 10).astype(dtype)
    expected = LogisticRegression().fit(table.astype(float), y)
    model = LogisticRegression().fit(table, y)
    assert model.coef_.dtype == np.float64
    assert_same_model(model, expected, **ADDITIONS)
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
def test_layouts(layout: Callable[[np.ndarray], Any]) -> None:
    model, expected = LogisticRegression().fit(layout(X), y), LogisticRegression().fit(X, y)
    assert_same_model(model, expected, **ADDITIONS)
    np.testing.assert_allclose(model.predict_proba(layout(X)), expected.predict_proba(X), rtol=1e-9)


@pytest.mark.native  # the reference holds blocks of a megabyte
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


def test_no_copy_of_what_holds_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert np.shares_memory(as_array(LogisticRegression(), mapped, reset=True), mapped)
    frame = pd.DataFrame(X)
    assert np.shares_memory(as_array(LogisticRegression(), frame, reset=True), frame.to_numpy())


FRAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


def select(frame: Any, names: list[str]) -> Any:
    return frame[names] if isinstance(frame, pd.DataFrame) else frame.select(names)


@pytest.fixture(params=FRAMES)
def frame(
    request: pytest.FixtureRequest,
) -> Any:
    return FRAMES[request.param]({f"c{j}": X[:, j] for j in range(P)})


def test_frames(frame: Any) -> None:
    model = LogisticRegression().fit(frame, y)
    expected = LogisticRegression().fit(X, y)
    assert_same_model(model, expected, **ADDITIONS)
    assert model.feature_names_in_.tolist() == ["c0", "c1", "c2", "c3"]
    np.testing.assert_allclose(model.predict_proba(frame), expected.predict_proba(X), rtol=1e-9)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


def test_frames_are_matched_by_name(frame: Any) -> None:
    model = LogisticRegression().fit(frame, y)
    permuted = select(frame, ["c2", "c0", "c1", "c3"])
    with pytest.raises(ValueError, match=r"same order.*\n.*list\(model.feature_names_in_\)"):
        model.predict(permuted)
    reordered = select(permuted, list(model.feature_names_in_))
    np.testing.assert_array_equal(model.predict_proba(reordered), model.predict_proba(frame))
    with pytest.raises(ValueError, match="yet now missing:\n- c2"):
        model.predict(select(frame, ["c0", "c1", "c3"]))


def test_frames_of_mixed_columns() -> None:
    columns = {"a": X[:, 0], "flag": X[:, 1] > 1, "count": np.abs(X[:, 2] * 3).astype(int)}
    expected = LogisticRegression().fit(np.column_stack([c.astype(float) for c in columns.values()]), y)
    for make in FRAMES.values():
        assert_same_model(LogisticRegression().fit(make(columns), y), expected, **ADDITIONS)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["u", 1.5] * (N // 2), dtype=object), "column 'z' holds Object, not numbers"),
        (pd.Series(pd.date_range("2020", periods=N)), "column 'z' holds Datetime, not numbers"),
        (pd.Series([None] + [1.0] * (N - 1)), "Input X contains NaN: column 'z', row 0"),
        (pd.Series([1, 2] * (N // 2 - 1) + [1, None], dtype="Int64"), f"NaN: column 'z', row {N - 1}"),
    ],
)
def test_bad_columns_are_named(column: pd.Series, message: str) -> None:
    table = pd.DataFrame(X).rename(columns=str).assign(z=column)
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(table, y)


def test_bad_frames() -> None:
    with pytest.raises(InputError, match="columns of the same name"):
        LogisticRegression().fit(pd.DataFrame(X, columns=["a", "b", "a", "c"]), y)
    with pytest.raises(InputError, match="lazy frame: collect it"):
        LogisticRegression().fit(pl.DataFrame(X).lazy(), y)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("classes", [2, 3])
def test_what_is_not_finite_is_named(value: float, classes: int) -> None:
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: (np.ma.masked_array(X, mask=X[5, 1] == X), y, None), "X is masked in row 5"),
        (lambda: (X, np.ma.masked_array(y, mask=np.arange(len(y)) == 7), None), "y is masked in row 7"),
        (lambda: (X, y, np.ma.masked_array(np.ones(len(y)), mask=np.arange(len(y)) == 3)), "sample_weight is masked"),
        (lambda: (np.abs(X).astype("M8[s]"), y, None), "X holds datetime64"),
        (lambda: (X, np.array([Decimal(int(label)) for label in y]), None), "y holds Decimal objects"),
        (lambda: (X, np.array([int(label) << 80 for label in y], dtype=object), None), "y holds int objects"),
    ],
    ids=["masked X", "masked y", "masked weight", "times", "decimal labels", "huge labels"],
)
def test_what_numpy_would_misread_is_refused(change: Callable[[], Any], message: str) -> None:
    table, labels, weight = change()
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(table, labels, weight)


def test_no_rows_are_not_taken_for_misordered_columns() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(ValueError, match="0 sample") as refused:
        LogisticRegression().fit(frame, y).predict(frame.iloc[:0])
    assert "Order them" not in str(refused.value)


def test_a_failed_refit_leaves_the_fitted_model_as_it_was() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    named = pd.DataFrame(X, columns=["a", "b"])
    wrong = pd.DataFrame(rng.normal(size=(60, 3)), columns=["u", "v", "w"])
    model = LogisticRegression().fit(named, y)
    expected = model.predict_proba(named)
    for other, labels in ((wrong, np.zeros(60)), (wrong.to_numpy(), np.zeros(60)), (wrong * np.nan, y)):
        with pytest.raises(InputError):
            model.fit(other, labels)
        assert model.n_features_in_ == 2
        assert list(model.feature_names_in_) == ["a", "b"]
        np.testing.assert_array_equal(model.predict_proba(named), expected)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(InputError):
        model.fit(named, np.zeros(60))
    assert not hasattr(model, "feature_names_in_")
