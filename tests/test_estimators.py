"""The estimator: scikit-learn's constructor and attributes, weights, offsets, predictions and warnings."""

from __future__ import annotations

import doctest
import inspect
import pickle
import subprocess
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_data import N, X, assert_same_model, y, y3
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import berkson
from berkson import InputError, LogisticRegression, RankWarning, SeparationWarning


def theirs(**parameters: Any) -> TheirLogisticRegression:
    return TheirLogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000, **parameters)


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
def test_same_optimum_as_theirs(C: float, fit_intercept: bool, classes: int) -> None:
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
def test_invalid_parameters_are_theirs(parameters: dict[str, Any]) -> None:
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


def test_solver_keywords_change_no_answer() -> None:
    plain = LogisticRegression().fit(X, y3)
    for solver in ("liblinear", "newton-cg", "newton-cholesky", "sag", "saga"):
        other = LogisticRegression(solver=solver, dual=True, random_state=3, intercept_scaling=7.0, verbose=0).fit(
            X, y3
        )
        np.testing.assert_array_equal(other.coef_, plain.coef_)


def test_deprecated_keywords() -> None:
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


@pytest.mark.parametrize("C", [0.01, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_elastic_net_is_optimal(C: float, l1_ratio: float, fit_intercept: bool) -> None:
    """The conditions of the optimum, of which liblinear, that penalises intercepts, has others."""
    weight = np.random.default_rng(4).uniform(0.5, 2.0, N)
    model = LogisticRegression(C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    residual = weight * (expit(X @ model.coef_[0] + model.intercept_[0]) - y)
    slope, coef = X.T @ residual + (1 - l1_ratio) * model.coef_[0] / C, model.coef_[0]
    # sums of 300 terms of size 1; small problems are fitted to rounding
    assert abs(residual.sum()) < 1e-8 or not fit_intercept
    np.testing.assert_allclose(slope[coef != 0], -np.sign(coef[coef != 0]) * l1_ratio / C, atol=1e-8)
    assert (np.abs(slope[coef == 0]) <= l1_ratio / C).all()
    assert model.certificate_.certified
    assert model.n_iter_.shape == (1,)
    assert C > 0.01 or (coef == 0).any()


def test_elastic_net_is_theirs() -> None:
    table = StandardScaler().fit_transform(X)
    for C, l1_ratio in ((0.02, 0.5), (0.1, 1.0), (1.0, 0.5)):
        ours = LogisticRegression(C=C, l1_ratio=l1_ratio).fit(table, y)
        saga = TheirLogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-12, max_iter=10_000)
        assert_same_model(ours, saga.fit(table, y), rtol=1e-6, atol=1e-8)  # saga stops at changes of 1e-12
        np.testing.assert_array_equal(ours.coef_ == 0, saga.coef_ == 0)


def test_penalty_names_the_elastic_net() -> None:
    lasso, net = LogisticRegression(l1_ratio=1.0).fit(X, y), LogisticRegression(l1_ratio=0.5).fit(X, y)
    for penalty, ratio, same in (("l1", 1.0, lasso), ("elasticnet", 0.5, net)):
        with pytest.warns(FutureWarning, match="'penalty' was deprecated") as caught:
            model = LogisticRegression(penalty, l1_ratio=ratio).fit(X, y)
        assert len(caught) == 1
        np.testing.assert_array_equal(model.coef_, same.coef_)
    with pytest.warns(FutureWarning), pytest.warns(UserWarning, match="Inconsistent values: penalty=l1") as caught:
        np.testing.assert_array_equal(LogisticRegression("l1").fit(X, y).coef_, lasso.coef_)
    assert {w.filename for w in caught} == {__file__}
    with pytest.warns(FutureWarning), pytest.raises(InputError, match="l1_ratio must be specified"):
        LogisticRegression("elasticnet", l1_ratio=None).fit(X, y)
    unpenalised = LogisticRegression(l1_ratio=1.0, C=np.inf).fit(X, y)
    np.testing.assert_array_equal(unpenalised.coef_, LogisticRegression(C=np.inf).fit(X, y).coef_)


@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_elastic_net_of_many_classes_is_that_of_saga(l1_ratio: float, fit_intercept: bool) -> None:
    options: dict[str, Any] = {"C": 0.1, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    model = LogisticRegression(**options).fit(X, y3)
    peer = TheirLogisticRegression(**options, solver="saga", tol=1e-11, max_iter=20_000).fit(X, y3)
    assert model.certificate_.certified
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)  # what saga reaches
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-6)
    assert (model.coef_ == 0.0).sum() == (peer.coef_ == 0.0).sum() > 0


def test_elastic_net_warns_where_nothing_is_proved() -> None:
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        model = LogisticRegression(l1_ratio=0.5, max_iter=1).fit(X, y)
    assert not model.certificate_.certified


def test_warm_start() -> None:
    model = LogisticRegression(warm_start=True).fit(X, y3)
    cold = model.n_iter_[0]
    model.fit(X, y3)
    assert model.n_iter_[0] < cold
    assert_same_model(model, LogisticRegression().fit(X, y3))
    model.fit(X[:, :2], y3)  # another shape: from the beginning
    assert_same_model(model, LogisticRegression().fit(X[:, :2], y3))


def test_clone_pickle_and_html() -> None:
    model = LogisticRegression(C=2.0, class_weight={0: 2.0}).fit(X, y3)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.certificate_.gap == model.certificate_.gap
    assert copy.fit_info_ == model.fit_info_
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    assert "LogisticRegression" in model._repr_html_()


def test_sparsify() -> None:
    model = LogisticRegression().fit(X, y3)
    coef, expected = model.coef_, model.decision_function(X)
    assert not isinstance(model.sparsify().coef_, np.ndarray)
    np.testing.assert_array_equal(model.decision_function(X), expected)
    np.testing.assert_array_equal(model.densify().coef_, coef)


def test_grid_search_in_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1e-6, 1.0]}, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 1.0}


def test_metadata_routing() -> None:
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


# --- weights and offsets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_theirs(class_weight: Any, weighted: bool, classes: int) -> None:
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
def test_bad_weights_and_offsets(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(X, y, **arguments)


def test_bad_class_weights() -> None:
    with pytest.raises(InputError, match=r"class_weight is negative \(-1\)"):
        LogisticRegression(class_weight={0: -1, 1: 1}).fit(X, y)
    with pytest.raises(ValueError, match="are not in class_weight"):
        LogisticRegression(class_weight={5: 1}).fit(X, y)
    with pytest.raises(InputError, match="class"):
        LogisticRegression(class_weight={0: 0, 1: 1}).fit(X, y)


def test_offset_two_classes() -> None:
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


def test_offset_three_classes() -> None:
    offset = np.random.default_rng(8).normal(size=(N, 3))
    model = LogisticRegression(C=0.5).fit(X, y3, offset=offset)
    residual = softmax(X @ model.coef_.T + model.intercept_ + offset, axis=1) - np.eye(3)[y3]
    np.testing.assert_allclose(residual.T @ X + model.coef_ / 0.5, 0.0, atol=1e-7)  # sums of 300 terms of size 1
    with pytest.raises(InputError, match=r"offset has shape \(300,\), but these rows and classes need \(300, 3\)"):
        LogisticRegression().fit(X, y3, offset=offset[:, 0])


# --- prediction -----------------------------------------------------------------------------------------------------


def test_far_out_probabilities() -> None:
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


def test_second_class_from_one_half() -> None:
    model = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
    model.coef_[:], model.intercept_[:] = 0.0, 0.0
    assert set(model.predict(X)) == {"yes"}


# --- warnings -------------------------------------------------------------------------------------------------------


def test_convergence_warning() -> None:
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 iterations.*asked: 1e-08.*raise max_iter") as caught:
        model = LogisticRegression(max_iter=1).fit(X, y3)
    assert caught[0].filename == __file__
    assert not model.certificate_.certified
    assert model.n_iter_.tolist() == [1]


def test_separation_warning() -> None:
    table = pd.DataFrame(X).rename(columns="c{}".format)
    with pytest.warns(SeparationWarning, match="'c2'") as caught:
        model = LogisticRegression(C=np.inf).fit(table, X[:, 2] > -3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.certificate_.exists is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(table, X[:, 2] > -3)  # a ridge has a finite optimum


def test_rank_warning() -> None:
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
