"""The estimator that chooses its penalty: scikit-learn's constructor, attributes, scores and choices, proved folds."""

from __future__ import annotations

import doctest
import inspect
import pickle
import sys
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from estimator_data import N, X, y, y3
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV as Theirs
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold
from sklearn.preprocessing import scale

from berkson import InputError, LogisticRegression, LogisticRegressionCV, SeparationWarning
from berkson.estimators import folds as fold_fits

PLAIN: dict[str, Any] = {"l1_ratios": (0,), "scoring": "neg_log_loss", "use_legacy_attributes": False}
TIGHT: dict[str, Any] = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
GRID = np.logspace(-3, 1, 5)
NAMED = ["neg_log_loss", "accuracy", "neg_brier_score", "roc_auc"]


def ours(**parameters: Any) -> LogisticRegressionCV:
    return LogisticRegressionCV(**PLAIN | {"Cs": GRID} | parameters)


def quietly(model: Any, *arguments: Any, **named: Any) -> Any:
    """Fitted, where what it warns of is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*arguments, **named)


# --- scikit-learn's contract ----------------------------------------------------------------------------------------


def test_constructor_is_theirs() -> None:
    mine, reference = (inspect.signature(c).parameters for c in (LogisticRegressionCV, Theirs))
    assert [(p.name, p.kind) for p in mine.values()] == [(p.name, p.kind) for p in reference.values()]
    assert {n: p.default for n, p in mine.items() if n != "tol"} == {
        n: p.default for n, p in reference.items() if n != "tol"
    }


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("ratios", [(0.0,), None])
def test_same_answers_as_theirs(load: Any, legacy: bool, ratios: Any) -> None:
    table, labels = load(return_X_y=True)
    table = scale(table)
    parameters = {"Cs": GRID, "l1_ratios": ratios, "scoring": "neg_log_loss", "use_legacy_attributes": legacy}
    mine, reference = LogisticRegressionCV(**parameters), Theirs(**parameters, **TIGHT)
    quietly(mine, table, labels), quietly(reference, table, labels)
    for name in ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "classes_"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(reference, name))
        assert type(getattr(mine, name)) is type(getattr(reference, name))
    # theirs stops at gradients of 1e-12; coefficients of iris at C = 10 are known to 1e-8 of the largest from those
    for name in ("scores_", "coefs_paths_"):
        one, other = getattr(mine, name), getattr(reference, name)
        assert type(one) is type(other)
        for key in other if legacy else [...]:
            assert one[key].shape == other[key].shape
            np.testing.assert_allclose(one[key], other[key], rtol=1e-7, atol=1e-7 * np.abs(other[key]).max())
    assert mine.n_iter_.shape == reference.n_iter_.shape
    np.testing.assert_allclose(mine.coef_, reference.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(mine.intercept_, reference.intercept_, rtol=1e-7, atol=1e-9)
    assert mine.certificate_.certified
    assert mine.fold_gaps_.max() <= 1e-8


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_and_averages_are_theirs(refit: bool, classes: int, class_weight: Any) -> None:
    labels = y if classes == 2 else y3
    weight = np.random.default_rng(6).uniform(0.2, 3.0, N)
    parameters = PLAIN | {"Cs": GRID, "refit": refit, "class_weight": class_weight}
    mine = quietly(LogisticRegressionCV(**parameters), X, labels, sample_weight=weight)
    reference = Theirs(**parameters, **TIGHT).fit(X, labels, sample_weight=weight)
    assert mine.C_ == reference.C_
    np.testing.assert_allclose(mine.scores_, reference.scores_, rtol=1e-9)  # both stop at rounding
    np.testing.assert_allclose(mine.coef_, reference.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(mine.intercept_, reference.intercept_, rtol=1e-7, atol=1e-9)
    assert hasattr(mine, "certificate_") == refit
    assert mine.score(X, labels, sample_weight=weight) == pytest.approx(
        reference.score(X, labels, sample_weight=weight), rel=1e-9
    )


SCORINGS = [*NAMED, None, "f1_macro", "neg_brier_score as an object", "a function"]


@pytest.mark.parametrize(
    ("classes", "scoring"),  # of three classes scikit-learn has no area by this name
    [(classes, scoring) for classes in (2, 3) for scoring in SCORINGS if (classes, scoring) != (3, "roc_auc")],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_scorers(scoring: Any, weighted: bool, classes: int) -> None:
    """Whichever way a score is computed, it is the scorer's of the model with the fold's coefficients."""
    labels = y if classes == 2 else np.array(["no", "yes", "maybe"])[y3]  # which of two is positive is not ours to say
    weight = np.random.default_rng(6).integers(0, 3, N) * 1.0 if weighted else None
    if scoring == "a function":
        scoring = scorer = _margin
    else:
        scorer = get_scorer("accuracy" if scoring is None else scoring.split()[0])
        scoring = scorer if scoring is not None and " " in scoring else scoring
    model = quietly(ours(scoring=scoring, class_weight="balanced"), X, labels, sample_weight=weight)
    splits = list(StratifiedKFold(5).split(X, labels))
    for k, (_, test) in enumerate(splits):
        for i in range(len(GRID)):
            proxy = LogisticRegression().fit(X, labels)
            proxy.coef_, proxy.intercept_ = model.coefs_paths_[k, 0, i, :, :-1], model.coefs_paths_[k, 0, i, :, -1]
            extra = {} if weight is None else {"sample_weight": weight[test]}
            # the same sums in another order
            assert model.scores_[k, 0, i] == pytest.approx(scorer(proxy, X[test], labels[test], **extra), rel=1e-12)


def _margin(model: Any, rows: Any, labels: Any, sample_weight: Any = None) -> float:
    right = model.predict_proba(rows)[np.arange(len(rows)), np.searchsorted(model.classes_, labels)]
    return float(np.average(right, weights=sample_weight))


def test_log_loss_of_far_out_rows_is_theirs() -> None:
    far = X.copy()
    far[7] *= 1e4  # a linear predictor of thousands: scikit-learn takes no probability for less than 2e-16
    model = quietly(ours(Cs=[10.0]), far, y)
    reference = quietly(Theirs(**PLAIN | {"Cs": [10.0]}, **TIGHT), far, y)
    np.testing.assert_allclose(model.scores_, reference.scores_, rtol=1e-7)


def test_deprecations_are_theirs() -> None:
    for parameters in ({}, PLAIN | {"l1_ratios": None}, PLAIN | {"penalty": "l2"}):
        starts = []
        for model in (LogisticRegressionCV(**parameters), Theirs(**parameters)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(X, y)
            future = [w for w in caught if w.category is FutureWarning]
            assert {w.filename for w in future if isinstance(model, LogisticRegressionCV)} <= {__file__}
            starts.append([str(w.message)[:17] for w in future])
        assert starts[0] == starts[1]


@pytest.mark.parametrize(
    "parameters",
    [
        {"Cs": 0},
        {"Cs": "x"},
        {"cv": "x"},
        {"scoring": "nothing"},
        {"refit": 3},
        {"penalty": "l3"},
        {"use_legacy_attributes": "no"},
        {"l1_ratios": 0.5},
        {"tol": -1},
    ],
)
def test_invalid_parameters_are_theirs(parameters: dict[str, Any]) -> None:
    kinds = []
    for estimator in (LogisticRegressionCV, Theirs):
        with pytest.raises(ValueError, match=next(iter(parameters))) as caught:
            estimator(**PLAIN | parameters).fit(X, y)
        kinds.append(type(caught.value))
    assert kinds[0] is kinds[1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Cs": [1.0, -1.0]}, r"Cs must be a row of numbers > 0"),
        ({"Cs": [1.0, np.nan]}, r"Cs must be a row of numbers > 0"),
        ({"Cs": []}, r"Cs must be a row of numbers > 0"),
        ({"Cs": ["a"]}, r"Cs must hold numbers > 0"),
        ({"l1_ratios": ()}, r"l1_ratios must be an array-like of numbers between 0 and 1; got \(l1_ratios=\(\)\)"),
        ({"l1_ratios": [0.5, 2]}, r"l1_ratios must be an array-like of numbers between 0 and 1"),
    ],
)
def test_grids_that_are_none(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours(**parameters).fit(X, y)


def test_fractions_have_no_folds() -> None:
    with pytest.raises(InputError, match="y holds fractions"):
        ours().fit(X, expit(X[:, 0]))


def test_clone_and_pickle() -> None:
    model = quietly(ours(cv=3, Cs=2), X, y3)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == model.get_params()


# --- folds ----------------------------------------------------------------------------------------------------------


def gradient(model: Any, table: Any, labels: Any, weight: Any, k: int, j: int, i: int) -> tuple[Any, Any]:
    """The loss's gradient by coefficients (K, p) and intercepts (K,) at a fold's fit, by its formula."""
    coef, intercept = model.coefs_paths_[k, j, i, :, :-1], model.coefs_paths_[k, j, i, :, -1]
    eta = table @ coef.T + intercept
    if eta.shape[1] == 1:
        residual = (expit(eta[:, 0]) - (labels == model.classes_[1]))[:, None] * weight[:, None]
    else:
        residual = (softmax(eta, axis=1) - (labels[:, None] == model.classes_)) * weight[:, None]
    return residual.T @ table, residual.sum(axis=0)


@pytest.mark.parametrize("in_lockstep", [False, True])
def test_elastic_net_folds_are_optimal(monkeypatch: pytest.MonkeyPatch, in_lockstep: bool) -> None:
    """The conditions of the optimum, of every fold, C and ratio."""
    monkeypatch.setattr(fold_fits, "_in_lockstep", lambda problem: in_lockstep)
    ratios = [0.0, 0.5, 1.0]
    model = quietly(ours(l1_ratios=ratios, tol=1e-13), X, y)
    assert model.fold_gaps_.max() <= 1e-13
    assert model.scores_.shape == (5, 3, 5)
    assert (model.coefs_paths_[:, 1:, :, :, :-1] == 0.0).any()
    for k, (train, _) in enumerate(StratifiedKFold(5).split(X, y)):
        for j, i in np.ndindex(3, 5):
            slopes, constant = gradient(model, X[train], y[train], np.ones(len(train)), k, j, i)
            coef, C = model.coefs_paths_[k, j, i, :, :-1], GRID[i]
            slopes = slopes + (1 - ratios[j]) * coef / C
            # a gap of 1e-13 of 200 leaves gradients below sqrt(2 * 2e-11 * curvature), of curvature 1e3
            assert np.abs(constant).max() < 3e-4
            away = coef != 0.0
            np.testing.assert_allclose(slopes[away], -np.sign(coef[away]) * ratios[j] / C, atol=3e-4)
            assert (np.abs(slopes[~away]) <= ratios[j] / C + 3e-4).all()


def test_lockstep_and_one_by_one_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(2).integers(0, 3, N)
    found = []
    for answer in (True, False):
        monkeypatch.setattr(fold_fits, "_in_lockstep", lambda problem, answer=answer: answer)
        found.append(quietly(ours(tol=1e-13, Cs=[1.0, 0.01, 10.0]), X, y, sample_weight=weight))
    # 1e-13 of the objective is 1e-6 of coefficients
    np.testing.assert_allclose(found[0].coefs_paths_, found[1].coefs_paths_, atol=1e-5)
    np.testing.assert_allclose(found[0].scores_, found[1].scores_, rtol=1e-6)
    assert found[0].C_ == found[1].C_


@pytest.mark.parametrize("in_lockstep", [False, True])
def test_any_splitter(monkeypatch: pytest.MonkeyPatch, in_lockstep: bool) -> None:
    monkeypatch.setattr(fold_fits, "_in_lockstep", lambda problem: in_lockstep)
    twice = np.r_[np.arange(0, 200), np.arange(50)]  # rows that train twice, and rows that do neither
    late = np.arange(N) >= 100
    given = [(twice, np.arange(150, 290)), (late, ~late)]
    for cv in (ShuffleSplit(3, random_state=0), 4, KFold(3, shuffle=True, random_state=1), given):
        model = quietly(ours(cv=cv, tol=1e-12), X, y)
        splits = cv if isinstance(cv, list) else list((StratifiedKFold(4) if cv == 4 else cv).split(X, y))
        for k, (train, _) in enumerate(splits):
            for i, C in enumerate(GRID):
                alone = LogisticRegression(C=C).fit(X[train], y[train])
                fold = model.coefs_paths_[k, 0, i, 0]
                np.testing.assert_allclose(fold, np.append(alone.coef_, alone.intercept_), atol=1e-5)


def test_no_folds() -> None:
    with pytest.raises(InputError, match="cv gives no folds"):
        ours(cv=[]).fit(X, y)
    with pytest.raises(InputError, match="fold 0 trains on no row of any weight"):
        ours(cv=[([], [1, 2])]).fit(X, y)


def test_groups_and_weights_by_routing() -> None:
    groups = np.repeat(np.arange(30), 10)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, N)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        by_group = GroupKFold(5).set_split_request(groups=True)
        model = quietly(ours(cv=by_group, scoring=scorer), X, y, sample_weight=weight, groups=groups)
        without = quietly(
            ours(cv=by_group, scoring=get_scorer("accuracy").set_score_request(sample_weight=False)),
            X,
            y,
            sample_weight=weight,
            groups=groups,
        )
    splits = list(GroupKFold(5).split(X, y, groups))
    plain = quietly(ours(cv=splits, scoring="accuracy"), X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.coefs_paths_, plain.coefs_paths_)
    np.testing.assert_allclose(model.scores_, plain.scores_, rtol=1e-14)
    assert not np.allclose(without.scores_, plain.scores_)
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
        ours().fit(X, y, groups=groups)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_sparse_is_dense(ratio: float) -> None:
    table = np.where(X > 0.5, X, 0.0)
    for scoring in ("neg_log_loss", make_scorer(_agreement)):
        dense = quietly(ours(l1_ratios=[ratio], scoring=scoring, tol=1e-12), table, y)
        stored = quietly(ours(l1_ratios=[ratio], scoring=scoring, tol=1e-12), sp.csc_array(table), y)
        np.testing.assert_allclose(stored.coefs_paths_, dense.coefs_paths_, atol=1e-5)  # two fits to 1e-12
        np.testing.assert_allclose(stored.scores_, dense.scores_, rtol=1e-6)
        assert stored.C_ == dense.C_


def _agreement(label: Any, predicted: Any) -> float:
    return float((label == predicted).mean())


def test_folds_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40_000, 40))
    labels = (rng.random(len(table)) < expit(table[:, 0])).astype(int)
    model = ours(Cs=[0.01, 1.0], cv=4)
    quietly(model, table[:200], labels[:200])  # imports
    tracemalloc.start()
    quietly(model, table, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * table.nbytes  # the rows that train one fold are as much


# --- what is said ---------------------------------------------------------------------------------------------------


def test_fold_without_a_class() -> None:
    labels = np.array(["a", "b", "c"])[y3]
    kept = np.flatnonzero(labels != "c")
    splits = [*StratifiedKFold(3).split(X, labels), (kept, np.flatnonzero(labels == "c"))]
    with pytest.warns(UserWarning, match="fold 3 of 4 trains on no row of class c, whose probability is 0 there"):
        model = ours(cv=splits, scoring="neg_brier_score").fit(X, labels)
    fold = model.coefs_paths_[3, 0]
    assert (fold[:, 2, :-1] == 0.0).all()
    assert (fold[:, 2, -1] == -np.inf).all()
    for i, C in enumerate(GRID):  # two classes in two rows share the ridge: either has a quarter of what one would have
        alone = LogisticRegression(C=2 * C).fit(X[kept], labels[kept])
        np.testing.assert_allclose(
            fold[i, 1] - fold[i, 0], np.append(alone.coef_, alone.intercept_), rtol=1e-6, atol=1e-9
        )
        probability = np.column_stack([alone.predict_proba(X[labels == "c"]), np.zeros((labels == "c").sum())])
        brier = -((probability - [0.0, 0.0, 1.0]) ** 2).sum(axis=1).mean()
        assert model.scores_[3, 0, i] == pytest.approx(brier, rel=1e-6)
    with pytest.raises(InputError, match="fold 3 lacks a class, so that its intercepts are infinite and have no mean"):
        ours(cv=splits, refit=False).fit(X, labels)
    with pytest.raises(InputError, match="fold 3 trains on no row of class c, which without an intercept has no fit"):
        ours(cv=splits, fit_intercept=False).fit(X, labels)


def test_fold_of_one_class() -> None:
    splits = [*StratifiedKFold(3).split(X, y), (np.flatnonzero(y == 1), np.flatnonzero(y == 0))]
    with pytest.warns(UserWarning, match="fold 3 of 4 trains on no row of class 0"):
        model = ours(cv=splits, scoring="accuracy").fit(X, y)
    np.testing.assert_array_equal(model.coefs_paths_[3, 0, :, 0], np.tile([0.0, 0.0, 0.0, 0.0, np.inf], (5, 1)))
    assert (model.scores_[3] == 0.0).all()


def test_best_at_an_end_of_the_grid() -> None:
    with pytest.warns(UserWarning, match=r"the best C, 0\.001, is the largest tried, so a larger one may be better"):
        ours(Cs=[1e-3, 1e-4]).fit(X, y)
    noise = np.random.default_rng(5).integers(0, 2, N)
    with pytest.warns(UserWarning, match=r"the best C, 1, is the smallest tried"):
        ours(Cs=[1.0, 10.0]).fit(X, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ours(Cs=np.logspace(-3, 3, 7)).fit(X, y)
    assert 1e-3 < model.C_ < 1e3


def test_separated_classes_at_the_end_of_the_grid() -> None:
    with pytest.warns(UserWarning, match=r"is the largest tried, and coefficients grow .* separated by 'x2'"):
        ours().fit(X, X[:, 2] > -3)


def test_without_a_penalty() -> None:
    model = quietly(ours(Cs=[np.inf, 1.0]), X, y)
    for k, (train, _) in enumerate(StratifiedKFold(5).split(X, y)):
        alone = LogisticRegression(C=np.inf).fit(X[train], y[train])
        np.testing.assert_allclose(model.coefs_paths_[k, 0, 0, 0, :-1], alone.coef_[0], rtol=1e-9)
    with pytest.warns(SeparationWarning) as caught:
        ours(Cs=[np.inf, 1.0]).fit(X, X[:, 2] > -3)
    whole, of_folds = (str(w.message) for w in caught)
    assert whole.startswith("complete separation")
    assert "the rows that train 5 of 5 folds are separated" in of_folds


def test_folds_without_a_score() -> None:
    order = np.argsort(y, kind="stable")
    splits = [*StratifiedKFold(3).split(X[order], y[order]), (np.arange(5, N), np.arange(5))]
    with pytest.warns(UserWarning, match="roc_auc has no value in 1 of 4 folds, which are left out of its mean"):
        model = ours(Cs=[0.01, 0.1, 1.0, 10.0], cv=splits, scoring="roc_auc").fit(X[order], y[order])
    assert np.isnan(model.scores_[3]).all()
    assert model.scores_[:3, 0].mean(axis=0).argmax() == np.flatnonzero(model.Cs_ == model.C_)[0]
    with pytest.raises(InputError, match="roc_auc has no value in any fold"):
        ours(cv=splits[3:], scoring="roc_auc").fit(X[order], y[order])


def test_folds_that_are_not_proved() -> None:
    with pytest.warns(ConvergenceWarning) as caught:
        model = ours(max_iter=1, Cs=[0.1]).fit(X, y)
    whole, of_folds = (str(w.message) for w in caught)
    assert whole.startswith("stopped after 1 iterations")
    assert of_folds.startswith("in 5 of 5 folds some fits are not proved to within 1e-08 (fold_gaps_ has what is)")
    assert model.fold_gaps_.max() > 1e-8


def test_docstring_example() -> None:
    result = doctest.testmod(sys.modules[LogisticRegressionCV.__module__])
    assert result.attempted
    assert not result.failed
