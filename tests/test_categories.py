"""Data frames with categories, as scikit-learn's door takes them: every answer is that of the one-hot table."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from berkson import InputError, LogisticRegression, LogisticRegressionCV, RankWarning

N = 600
FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas text": lambda frame: frame.astype({"race": "str"}),
    "pandas objects": lambda frame: frame.astype({"race": object, "sex": object}),
    "polars": pl.from_pandas,
    "polars enum": lambda frame: pl.from_pandas(frame).with_columns(pl.col("sex").cast(pl.Enum(["f", "m"]))),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
NAMES = ["race[asian]", "race[black]", "race[white]", "age", "sex[f]", "sex[m]", "member", "visits"]


def frame(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    race = pd.Categorical(rng.choice(["white", "black", "asian"], n, p=[0.6, 0.3, 0.1]))
    return pd.DataFrame(
        {
            "race": race,
            "age": rng.normal(40, 12, n),
            "sex": rng.choice(["m", "f"], n),
            "member": rng.random(n) < 0.3,
            "visits": rng.integers(0, 9, n),
        }
    )


def labels(X: pd.DataFrame, K: int = 2) -> Any:
    rng = np.random.default_rng(5)
    eta = 0.05 * (X["age"] - 40) + 0.8 * (X["race"] == "black") - 0.6 * (X["sex"] == "m") + rng.logistic(size=len(X))
    return np.digitize(eta, np.linspace(-0.5, 1.0, K - 1) if K > 2 else [0.0])


def one_hot(X: pd.DataFrame, names: Any = NAMES) -> Any:
    """The dense table with a column for each name, from the names alone."""
    out = np.empty((len(X), len(names)))
    for j, name in enumerate(names):
        column, _, level = name.partition("[")
        out[:, j] = X[column] == level[:-1] if level else X[column].astype(float)
    return out


X, Y, Y3 = frame(), labels(frame()), labels(frame(), 3)


def same(ours: Any, wanted: Any, K: int = 2) -> None:
    # Both are proved to 1e-8 of the objective, and mostly reach rounding; K classes stop at what is proved: tol=1e-14
    np.testing.assert_allclose(ours.coef_, wanted.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, wanted.intercept_, rtol=1e-7, atol=1e-8)


# --- fits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_is_its_one_hot_table(kind: str) -> None:
    given = FRAMES[kind](X)
    model, wanted = LogisticRegression().fit(given, Y), LogisticRegression().fit(one_hot(X), Y)
    same(model, wanted)
    assert model.coef_names_.tolist() == NAMES
    assert model.n_features_in_ == 5
    assert model.feature_names_in_.tolist() == list(X.columns)
    assert model.coef_.shape == (1, 8)
    assert {name: each.tolist() for name, each in model.categories_.items()} == {
        "race": ["asian", "black", "white"],
        "sex": ["f", "m"],
    }
    assert model.references_ == {}
    assert model.certificate_.certified
    np.testing.assert_allclose(model.predict_proba(given), wanted.predict_proba(one_hot(X)), rtol=1e-8)
    assert model.score(given, Y) == wanted.score(one_hot(X), Y)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "parameters", [{"C": 0.1}, {"C": 100.0}, {"l1_ratio": 0.5}, {"class_weight": "balanced"}, {"C": 1e-3}]
)
def test_penalties_weights_offsets_and_classes(K: int, intercept: bool, parameters: dict[str, Any]) -> None:
    y, rng = (Y if K == 2 else Y3), np.random.default_rng(1)
    more = {"sample_weight": rng.integers(0, 3, N), "offset": rng.normal(size=N if K == 2 else (N, K))}
    options = parameters | {"fit_intercept": intercept, "tol": 1e-14}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 1e-14 is at the limit of what can be proved
        model = LogisticRegression(**options).fit(X, y, **more)
        wanted = LogisticRegression(**options).fit(one_hot(X), y, **more)
    same(model, wanted)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("y", [Y, Y3])
def test_without_a_penalty_first_levels_are_references(intercept: bool, y: Any) -> None:
    model = LogisticRegression(C=np.inf, fit_intercept=intercept, tol=1e-12).fit(X, y)
    left_out = {"race[asian]", "sex[f]"} if intercept else {"sex[f]"}  # R's rule
    names = [name for name in NAMES if name not in left_out]
    assert model.coef_names_.tolist() == names
    assert model.references_ == ({"race": "asian", "sex": "f"} if intercept else {"sex": "f"})
    assert not model.certificate_.rank.aliased
    same(model, LogisticRegression(C=np.inf, fit_intercept=intercept, tol=1e-12).fit(one_hot(X, names), y))


def test_the_answer_under_a_penalty_knows_no_reference() -> None:
    renamed = X.assign(race=X["race"].cat.rename_categories({"asian": "zulu", "white": "aleut"}))
    model, other = LogisticRegression().fit(X, Y), LogisticRegression().fit(renamed, Y)
    np.testing.assert_allclose(other.predict_proba(renamed), model.predict_proba(X), rtol=1e-9)
    assert other.coef_names_.tolist()[:3] == ["race[zulu]", "race[black]", "race[aleut]"]


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pd.Series(["u", "v"] * (N // 2)), ["z[u]", "z[v]"]),
        (pd.Series(["0.5", "1"] * (N // 2), dtype="category"), ["z[0.5]", "z[1]"]),
        (pd.Series([10, 9] * (N // 2), dtype="category"), ["z[9]", "z[10]"]),
        (pd.Series([True, False] * (N // 2), dtype="category"), ["z[False]", "z[True]"]),
        (pd.Series(pd.Categorical(["hi", "lo"] * (N // 2), ["lo", "hi", "never"], ordered=True)), ["z[lo]", "z[hi]"]),
    ],
)
def test_levels_and_their_order(column: pd.Series, names: list[str]) -> None:
    model = LogisticRegression().fit(X[["age"]].assign(z=column), Y)
    assert model.coef_names_.tolist() == ["age", *names]


def test_numbers_alone_are_as_before() -> None:
    numbers = X[["age", "member", "visits"]]
    model = LogisticRegression().fit(numbers, Y)
    assert model.categories_ == {}
    assert model.coef_names_.tolist() == ["age", "member", "visits"]
    assert LogisticRegression().fit(numbers.to_numpy(float), Y).coef_names_.tolist() == ["x0", "x1", "x2"]
    model.fit(X, Y).fit(numbers, Y)  # what was known of the categories is forgotten
    assert model.coef_names_.tolist() == ["age", "member", "visits"]


def test_factors_alone_are_merged_and_a_lone_level_is_taken() -> None:
    model = LogisticRegression().fit(X[["race", "sex"]].assign(all="same"), Y)
    names = ["race[asian]", "race[black]", "race[white]", "sex[f]", "sex[m]", "all[same]"]
    assert model.coef_names_.tolist() == names
    same(model, LogisticRegression().fit(one_hot(X.assign(all="same"), names), Y))
    plain = LogisticRegression(C=np.inf).fit(X[["race", "sex"]].assign(all="same"), Y)
    assert plain.coef_names_.tolist() == ["race[black]", "race[white]", "sex[m]"]
    assert plain.references_["all"] == "same"


def test_a_lasso_says_that_levels_can_move() -> None:
    with pytest.warns(RankWarning, match=r"'sex\[m\]' = -'sex\[f\]' \+ 1, so they can move"):
        LogisticRegression(l1_ratio=1.0).fit(X, Y)


def test_many_levels_make_no_dense_table() -> None:
    rng, n = np.random.default_rng(2), 20_000
    codes = rng.integers(0, 5000, n)
    wide = pd.DataFrame({"g": pd.Categorical(codes.astype(str)), "x": rng.normal(size=n)})
    y = rng.random(n) < 1 / (1 + np.exp(-wide["x"] - (codes % 7 - 3) / 3))
    model = LogisticRegression().fit(wide, y)
    assert model.certificate_.certified
    assert model.coef_.shape == (1, len(np.unique(codes)) + 1)
    # At the optimum the coefficient of a level under a ridge of strength 1 is the sum of its rows' residuals
    residual = pd.Series(y - model.predict_proba(wide)[:, 1]).groupby(wide["g"].astype(str)).sum()
    coefficients = dict(zip(model.coef_names_, model.coef_[0], strict=True))
    ours = np.array([coefficients[f"g[{level}]"] for level in residual.index])
    np.testing.assert_allclose(ours, residual, atol=1e-5)  # of gradients: the square root of the gap


# --- new data ---------------------------------------------------------------------------------------------------------


def test_levels_are_matched_by_name() -> None:
    model = LogisticRegression().fit(X, Y)
    few = X[X["race"] != "asian"].head(50)
    recoded = few.assign(race=few["race"].cat.reorder_categories(["white", "asian", "black"]), sex=few["sex"])
    np.testing.assert_array_equal(model.predict_proba(recoded), model.predict_proba(X)[few.index])
    text = pl.from_pandas(few.astype({"race": "str"}))
    np.testing.assert_array_equal(model.predict_proba(text), model.predict_proba(X)[few.index])
    numbers = LogisticRegression().fit(X[["age"]].assign(z=pd.Categorical(Y3.astype(str))), Y)
    whole = X[["age"]].assign(z=Y3)
    np.testing.assert_array_equal(
        numbers.predict_proba(whole.astype({"z": float})), numbers.predict_proba(whole.astype({"z": str}))
    )


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_columns_are_matched_by_name(kind: str) -> None:
    model, permuted = LogisticRegression().fit(FRAMES[kind](X), Y), X[["sex", "race", "age", "member", "visits"]]
    with pytest.raises(ValueError, match=r"same order.*\n.*list\(model.feature_names_in_\)"):
        model.predict(FRAMES[kind](permuted))
    with pytest.raises(ValueError, match="yet now missing:\n- visits"):
        model.predict(FRAMES[kind](X.drop(columns="visits")))
    with pytest.raises(ValueError, match="unseen at fit time:\n- more"):
        model.predict(FRAMES[kind](X.assign(more=1)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (X.assign(race="martian"), "column 'race' holds level 'martian', which the model has not seen .*set_policy"),
        (X.assign(sex=X["sex"].where(X.index > 2)), "column 'sex' has no value in row 0 and 2 more: .*set_policy"),
        (X.assign(age="old"), "column 'age' holds 'old' where a number is needed"),
        (X.assign(age=np.nan), "Input X contains NaN: column 'age', row 0"),
        (X.assign(member="perhaps"), "column 'member' holds 'perhaps' where true or false is needed"),
        (X.assign(visits=pd.Timestamp("2020")), "column 'visits' holds values of type Datetime"),
        (X.to_numpy(), "fitted to a data frame with categories: give a data frame, not lazy, with its columns, race"),
        (one_hot(X), "fitted to a data frame with categories"),
        (csr_array(one_hot(X)), "fitted to a data frame with categories"),
        (pl.from_pandas(X).lazy(), "give a data frame, not lazy"),
    ],
)
def test_what_a_model_cannot_read_is_said(given: Any, message: str) -> None:
    model = LogisticRegression().fit(X, Y)
    for method in (model.predict, model.predict_proba, model.decision_function, model.predict_log_proba):
        with pytest.raises(InputError, match=message):
            method(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (X.assign(when=pd.Timestamp("2020")), "column 'when' holds values of type Datetime"),
        (X.assign(age=X["age"].where(X.index != 7)), "Input X contains NaN: column 'age', row 7"),
        (X.assign(race=X["race"].where(X.index != 7)), "column 'race' has no value in row 7: fill it in"),
        (X.assign(s=pd.arrays.SparseArray(np.zeros(N))), "column 's' holds"),
        (pl.from_pandas(X).lazy(), "lazy frame: collect it"),
        (X.assign(**{"race[black]": 1.0}), r"would be named 'race\[black\]'"),
        (pd.concat([X, X], axis=1), "same name"),
    ],
)
def test_what_cannot_be_fitted_is_said(given: Any, message: str) -> None:
    model = LogisticRegression().fit(X[["age", "race"]], Y)
    before = model.predict_proba(X[["age", "race"]])
    with pytest.raises(InputError, match=message):
        model.fit(given, Y)
    np.testing.assert_array_equal(model.predict_proba(X[["age", "race"]]), before)  # it is what it was


# --- policies ---------------------------------------------------------------------------------------------------------

HOLES = X.assign(race=X["race"].where(X.index % 9 > 0), sex=X["sex"].where(X.index % 11 > 0))
FILLED = HOLES.astype({"race": object}).fillna("missing")


def test_own_level() -> None:
    model = LogisticRegression().set_policy("own level").fit(HOLES, Y)
    names = [*NAMES[:3], "race[missing]", "age", "sex[f]", "sex[m]", "sex[missing]", *NAMES[6:]]
    assert model.coef_names_.tolist() == names
    same(model, LogisticRegression().fit(one_hot(FILLED, names), Y))
    np.testing.assert_array_equal(
        model.predict_proba(HOLES.assign(race="martian")), model.predict_proba(HOLES.assign(race=None))
    )
    taken = LogisticRegression().set_policy("own level").fit(HOLES.assign(t=["missing", None] * (N // 2)), Y)
    assert taken.coef_names_.tolist()[-2:] == ["t[missing]", "t[(missing)]"]


def test_own_level_where_nothing_was_missing() -> None:
    penalised = LogisticRegression().set_policy("own level").fit(X, Y)
    shrunken = LogisticRegression().set_policy("shrunken").fit(X, Y)
    new = X.assign(race="martian")
    np.testing.assert_array_equal(penalised.predict_proba(new), shrunken.predict_proba(new))
    plain = LogisticRegression(C=np.inf).set_policy("own level").fit(X, Y)
    with pytest.raises(InputError, match="'martian', which the model has not seen"):
        plain.predict(new)
    with pytest.raises(InputError, match="column 'race' has no value in row 0"):
        plain.predict(X.assign(race=None))
    own = LogisticRegression(C=np.inf).set_policy("own level").fit(HOLES, Y)
    assert "race[missing]" in own.coef_names_
    same(own, LogisticRegression(C=np.inf).fit(one_hot(FILLED, own.coef_names_), Y))


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_baseline(C: float) -> None:
    model = LogisticRegression(C=C).set_policy("baseline").fit(HOLES, Y)
    filled = FILLED.replace({"race": {"missing": "asian"}, "sex": {"missing": "f"}})
    same(model, LogisticRegression(C=C).fit(filled, Y))
    np.testing.assert_array_equal(
        model.predict_proba(X.assign(race="martian")), model.predict_proba(X.assign(race="asian"))
    )


def test_shrunken() -> None:
    model = LogisticRegression().set_policy("shrunken").fit(HOLES, Y)
    same(model, LogisticRegression().fit(one_hot(FILLED), Y))  # no column is 1 where a value is missing
    model.fit(X, Y)
    # A row without a level is at the average of the levels' linear predictors, as their coefficients add up to 0: the
    # intercept, which is not penalised, takes up any other mean
    few = X.head(5)
    each = [model.decision_function(few.assign(race=level)) for level in ("asian", "black", "white")]
    new = model.decision_function(few.assign(race="martian"))
    np.testing.assert_allclose(new, np.mean(each, axis=0), atol=1e-7)
    with pytest.raises(InputError, match="'shrunken' is the average of the levels, which without a penalty"):
        LogisticRegression(C=np.inf).set_policy("shrunken").fit(X, Y)


def test_policies_stay_with_the_model() -> None:
    with pytest.raises(InputError, match="no policy 'ignore': choose one of 'error'"):
        LogisticRegression().set_policy("ignore")  # type: ignore[arg-type]
    model = LogisticRegression(C=2.0).set_policy("own level")
    assert clone(clone(model)).fit(HOLES, Y).coef_names_.tolist().count("race[missing]") == 1
    assert clone(LogisticRegression()).set_policy("error").get_params() == LogisticRegression().get_params()
    model.fit(HOLES, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(HOLES), model.predict_proba(HOLES))
    before = model.predict_proba(HOLES)
    np.testing.assert_array_equal(model.set_policy("error").predict_proba(HOLES), before)  # that of the fit counts
    with pytest.raises(InputError, match="no value"):
        model.fit(HOLES, Y)


# --- scikit-learn's tools ---------------------------------------------------------------------------------------------


def test_in_pipelines_grids_and_cross_validation() -> None:
    dense = one_hot(X)
    scores = cross_val_score(make_pipeline(LogisticRegression()), X, Y, cv=KFold(4), scoring="neg_log_loss")
    wanted = cross_val_score(LogisticRegression(), dense, Y, cv=KFold(4), scoring="neg_log_loss")
    np.testing.assert_allclose(scores, wanted, rtol=1e-8)
    grid = GridSearchCV(LogisticRegression().set_policy("own level"), {"C": [0.1, 1.0]}, cv=3).fit(HOLES, Y)
    assert "race[missing]" in grid.best_estimator_.coef_names_
    sparse = LogisticRegression().fit(X, Y).sparsify()
    np.testing.assert_array_equal(sparse.predict_proba(X), sparse.densify().predict_proba(X))
    warm = LogisticRegression(warm_start=True).fit(X, Y)
    first = warm.coef_.copy()
    np.testing.assert_allclose(warm.fit(X, Y).coef_, first, rtol=1e-6)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "f1"])
def test_penalties_are_chosen(kind: str, scoring: str) -> None:
    options = {"Cs": [0.01, 0.1, 1.0], "l1_ratios": (0.0, 0.5), "cv": 3, "use_legacy_attributes": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the best C may be at an end
        model = LogisticRegressionCV(scoring=scoring, **options).fit(FRAMES[kind](X), Y)
        wanted = LogisticRegressionCV(scoring=scoring, **options).fit(one_hot(X), Y)
    np.testing.assert_allclose(model.scores_, wanted.scores_, rtol=1e-6)  # the paths of one-hot tables stop at tol
    assert (model.C_, model.l1_ratio_) == (wanted.C_, wanted.l1_ratio_)
    assert model.coef_names_.tolist() == NAMES
    assert model.coefs_paths_.shape == (3, 2, 3, 1, 9)
    assert (model.fold_gaps_ <= model.tol).all()
    np.testing.assert_allclose(model.score(FRAMES[kind](X), Y), wanted.score(one_hot(X), Y), rtol=1e-6)


def test_policies_of_a_chosen_penalty_and_none_at_all() -> None:
    options: Any = {"l1_ratios": (0.0,), "cv": 3, "use_legacy_attributes": False, "scoring": "neg_log_loss"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegressionCV(Cs=[0.1, 1.0], **options).set_policy("own level").fit(HOLES, Y3)
        plain = LogisticRegressionCV(Cs=[np.inf], **options).fit(X, Y)
    assert "race[missing]" in model.coef_names_
    assert model.predict(X.assign(race="martian")).shape == (N,)
    assert plain.references_ == {"race": "asian", "sex": "f"}


# --- real tables ------------------------------------------------------------------------------------------------------

HERE = Path(__file__).parent
ADULT = HERE.parents[1] / "shared" / "data" / "fetched" / "adult.csv.gz"


def their_coefficients(features: pd.DataFrame, y: Any) -> dict[str, float]:
    """By scikit-learn's encoder and solver: names of columns as ours are."""
    factors = list(features.select_dtypes(exclude="number").columns)
    encode = ColumnTransformer([("f", OneHotEncoder(sparse_output=False), factors)], remainder="passthrough")
    table = encode.fit_transform(features)
    names = [
        f"{name}[{level}]"
        for name, levels in zip(factors, encode.named_transformers_["f"].categories_, strict=True)
        for level in levels
    ]
    model = Theirs(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(table, y)
    names += [name for name in features.columns if name not in factors]
    return dict(zip(names, model.coef_[0].tolist(), strict=True))


def test_titanic_as_scikit_learn_has_it() -> None:
    passengers = pd.read_csv(HERE / "data" / "titanic_passengers.csv").dropna()
    features = passengers[["sex", "age", "passengerClass"]]
    model = LogisticRegression().fit(features, passengers["survived"])
    wanted = their_coefficients(features, passengers["survived"])
    ours = dict(zip(model.coef_names_, model.coef_[0], strict=True))
    assert ours == pytest.approx(wanted, rel=1e-8)


def test_adult_as_it_comes() -> None:
    if not ADULT.exists():
        pytest.skip("adult.csv.gz is not here")
    adult = pd.read_csv(ADULT)
    y = adult.pop("income") if "income" in adult else adult.pop("class")
    features = adult.drop(columns="split", errors="ignore")
    assert features.isna().any().any()
    model = LogisticRegression().set_policy("own level").fit(features, y)
    assert model.certificate_.certified
    assert model.n_features_in_ == features.shape[1]
    filled = features.copy()
    for name in filled.select_dtypes(exclude="number"):
        filled[name] = filled[name].fillna("missing")
    dense = LogisticRegression().fit(one_hot(filled, model.coef_names_), y)
    assert model.certificate_.objective == pytest.approx(dense.certificate_.objective, rel=1e-8)
    np.testing.assert_allclose(
        model.predict_proba(features)[:, 1], dense.predict_proba(one_hot(filled, model.coef_names_))[:, 1], atol=1e-3
    )  # each is proved to 1e-8 of the objective: half a row's log-likelihood in 5,000,000


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.native
@pytest.mark.parametrize("kind", ["one array", "columns of their own"])
def test_memory_of_a_fit(kind: str) -> None:
    rng, n = np.random.default_rng(0), 300_000
    numbers = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("wxyz"))
    if kind == "columns of their own":
        numbers = pd.DataFrame({name: numbers[name].to_numpy().copy() for name in numbers})
    table = numbers.assign(a=pd.Categorical.from_codes(rng.integers(0, 500, n), [f"l{k}" for k in range(500)]))
    y = rng.integers(0, 2, n)
    LogisticRegression().fit(table.head(1000), y[:1000])
    coded = n * (4 * 8 + 2)
    tracemalloc.start()
    LogisticRegression().fit(table, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # beside the frame, which pandas holds: numbers in one array are read as they lie, others once copied into one
    assert peak < (0.5 if kind == "one array" else 1.6) * coded
