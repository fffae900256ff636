"""Kernel logistic regression against the stationary point of its dual, explicit features and its own proofs."""

from __future__ import annotations

import doctest
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse
from scipy.special import expit, log_expit, softmax
from scipy.special import log_softmax as log_softmax_of
from sklearn.base import clone
from sklearn.datasets import make_circles, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from berkson import InputError, KernelLogisticRegression, LogisticRegression
from berkson.estimators import landmarks

F64 = npt.NDArray[np.float64]

# Two optima of one strongly convex problem, each to rounding: log-odds of order 1 to 10, from kernel matrices with a
# condition of up to 1e16, whose factor carries 1e-8 of relative rounding in its last columns
SAME = {"rtol": 1e-6, "atol": 1e-7}
EXACTLY: dict[str, Any] = {"tol": 1e-13}


def moons(n: int, seed: int = 0) -> tuple[F64, npt.NDArray[np.int64]]:
    return make_moons(n, noise=0.3, random_state=seed)  # type: ignore[no-any-return]


def dual_root(K: F64, Y: F64, C: float, weight: F64) -> F64:
    """f(x_i) + b (n, k) at the optimum, by Newton's method on its stationarity alone.

    Which is a = C w (Y - p(K a + b)) and sum a = 0.  Nothing of K is inverted or factored.  Y (n, k) are indicators,
    k = 1 for two classes.  Steps are halved until the residual of these equations falls.
    """
    n, k = Y.shape

    def equations(z: F64) -> tuple[F64, F64, F64]:
        a, b = z[: n * k].reshape(n, k), z[n * k :]
        eta = K @ a + b
        p = expit(eta) if k == 1 else softmax(eta, axis=1)
        return np.concatenate([(a - C * weight[:, None] * (Y - p)).ravel(), a.sum(axis=0)]), p, eta

    z = np.zeros(n * k + k)
    for _ in range(200):
        value, p, eta = equations(z)
        if np.abs(value).max() < 1e-13 * C:
            break
        curvature = np.einsum("ij,jl->ijl", p, np.eye(k)) - (0 if k == 1 else np.einsum("ij,il->ijl", p, p))
        if k == 1:
            curvature = (p * (1 - p))[:, :, None]
        curvature *= C * weight[:, None, None]
        along = np.einsum("ijl,im->ijml", curvature, K).reshape(n * k, n * k)
        constants = curvature.reshape(n * k, k)
        sums = np.kron(np.ones((1, n)), np.eye(k))
        matrix = np.block([[np.eye(n * k) + along, constants], [sums, np.zeros((k, k))]])
        step = np.linalg.lstsq(matrix, -value, rcond=1e-14)[0]  # of K classes, a constant added to all b is free
        size = 1.0
        while size > 1e-8 and not np.linalg.norm(equations(z + size * step)[0]) < np.linalg.norm(value):
            size /= 2
        if size <= 1e-8:
            break
        z = z + size * step
    assert np.abs(value).max() < 1e-10 * C
    return eta


@pytest.mark.parametrize("C", [0.1, 10.0, 1000.0])
def test_two_classes_are_at_the_stationary_point_of_the_dual(C: float) -> None:
    X, y = moons(90)
    model = KernelLogisticRegression(C=C, gamma=0.7, **EXACTLY).fit(X, y)
    eta = dual_root(rbf_kernel(X, gamma=0.7), y[:, None].astype(float), C, np.ones(len(y)))
    np.testing.assert_allclose(model.decision_function(X), eta[:, 0], **SAME)


@pytest.mark.parametrize("C", [0.3, 30.0])
def test_three_classes_and_weights(C: float) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 2))
    y = np.array(["a", "b", "c"])[(X @ [[1, 0, -1], [0, 1, 0]] + rng.gumbel(size=(30, 3))).argmax(axis=1)]
    weight = rng.integers(0, 3, size=30).astype(float)
    model = KernelLogisticRegression(C=C, gamma=0.5, **EXACTLY).fit(X, y, weight)
    eta = dual_root(rbf_kernel(X, gamma=0.5), (y[:, None] == model.classes_).astype(float), C, weight)
    assert model.dual_coef_.shape == (3, len(model.component_indices_))
    np.testing.assert_allclose(model.predict_log_proba(X), log_softmax_of(eta, axis=1), **SAME)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_quadratic_kernel_is_a_ridge_on_explicit_features(classes: int) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    y = np.digitize((X**2).sum(axis=1) + rng.normal(size=200), [2.5, 5.0][: classes - 1])
    gamma, c = 0.4, 1.5
    i, j = np.triu_indices(3)
    # (gamma a'b + c)^2 = sum of products of these, and c^2, which the free intercept takes up
    squares = gamma * np.where(i == j, 1.0, np.sqrt(2.0)) * X[:, i] * X[:, j]
    features = np.column_stack([squares, np.sqrt(2.0 * gamma * c) * X])
    kernel = KernelLogisticRegression("poly", degree=2, gamma=gamma, coef0=c, C=2.0, **EXACTLY).fit(X, y)
    reference = Reference(C=2.0, tol=1e-12, solver="newton-cholesky", max_iter=1000).fit(features, y)
    assert len(kernel.component_indices_) == 10
    np.testing.assert_allclose(kernel.predict_log_proba(X), reference.predict_log_proba(features), **SAME)


def test_a_linear_kernel_is_the_ridge() -> None:
    X, y = moons(150)
    kernel = KernelLogisticRegression("linear", C=3.0, **EXACTLY).fit(X, y)
    plain = LogisticRegression(C=3.0).fit(X, y)
    np.testing.assert_allclose(kernel.dual_coef_ @ kernel.components_, plain.coef_, **SAME)
    np.testing.assert_allclose(kernel.intercept_, plain.intercept_, **SAME)
    assert kernel.certificate_.objective == pytest.approx(plain.certificate_.objective, rel=1e-12)  # both certified


@pytest.mark.parametrize(("draw", "options", "margin"), [(make_moons, {}, 0.12), (make_circles, {"factor": 0.3}, 0.4)])
def test_it_beats_a_straight_boundary(draw: Callable[..., Any], options: dict[str, Any], margin: float) -> None:
    X, y = draw(1200, noise=0.25, random_state=3, **options)
    train, test = slice(0, 400), slice(400, None)
    kernel = KernelLogisticRegression(C=10.0).fit(X[train], y[train])
    plain = LogisticRegression().fit(X[train], y[train])
    ours, theirs = (log_loss(y[test], model.predict_proba(X[test])) for model in (kernel, plain))
    assert ours < theirs - margin
    # probabilities mean what they say: about as many held-out rows are of class 1 as is predicted (4 standard errors)
    p = kernel.predict_proba(X[test])[:, 1]
    assert abs((y[test] - p).sum()) < 4.0 * np.sqrt((p * (1.0 - p)).sum())


def test_weights_are_repeats() -> None:
    X, y = moons(80)
    weight = np.random.default_rng(4).integers(0, 4, size=80)
    weighted = KernelLogisticRegression(C=5.0, **EXACTLY).fit(X, y, weight)
    repeated = KernelLogisticRegression(C=5.0, **EXACTLY).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert len(repeated.component_indices_) <= (weight > 0).sum()  # a row again is the same direction
    np.testing.assert_allclose(weighted.decision_function(X), repeated.decision_function(X), **SAME)


def test_class_weight_and_fractions() -> None:
    X, y = moons(80)
    balanced = KernelLogisticRegression(class_weight={0: 1.0, 1: 3.0}, **EXACTLY).fit(X, y)
    by_rows = KernelLogisticRegression(**EXACTLY).fit(X, y, np.where(y == 1, 3.0, 1.0))
    np.testing.assert_allclose(balanced.decision_function(X), by_rows.decision_function(X), **SAME)
    share = np.random.default_rng(5).random(80)
    soft = KernelLogisticRegression(gamma=1.0, **EXACTLY).fit(X, share)
    both = KernelLogisticRegression(gamma=1.0, **EXACTLY)
    both.fit(np.vstack([X, X]), np.repeat([1, 0], 80), np.concatenate([share, 1.0 - share]))
    np.testing.assert_allclose(soft.decision_function(X), both.decision_function(X), **SAME)


def test_near_duplicates_cost_no_accuracy() -> None:
    X, y = moons(60)
    twice = np.vstack([X, X + 1e-9 * np.random.default_rng(6).normal(size=X.shape)])
    model = KernelLogisticRegression(C=50.0, gamma=1.0, **EXACTLY).fit(twice, np.tile(y, 2))
    eta = dual_root(rbf_kernel(twice, gamma=1.0), np.tile(y, 2)[:, None].astype(float), 50.0, np.ones(120))
    assert len(model.component_indices_) < 120
    np.testing.assert_allclose(model.decision_function(twice), eta[:, 0], **SAME)


def test_rows_that_nothing_is_near() -> None:
    X, y = moons(60)
    model = KernelLogisticRegression(gamma=1e300, C=2.0, **EXACTLY).fit(X, y)  # K is the unit matrix
    eta = dual_root(np.eye(60), y[:, None].astype(float), 2.0, np.ones(60))
    np.testing.assert_allclose(model.decision_function(X), eta[:, 0], **SAME)
    for kind in (np.array, sparse.csr_array):
        near = kind(X + 1e-7)  # differences are known to 1e-16 only, whose squares are 1e-9 of those of 1e-7
        found = KernelLogisticRegression(gamma=1e13, **EXACTLY).fit(kind(X), y).decision_function(near)
        expected = KernelLogisticRegression("precomputed", **EXACTLY).fit(np.eye(60), y)
        np.testing.assert_allclose(found, expected.decision_function(np.exp(-0.2) * np.eye(60)), rtol=1e-6, atol=1e-6)


def test_rows_that_hardly_know_each_other() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(97, 5)), rng.integers(0, 4, 97)
    model = KernelLogisticRegression(gamma=5.0, C=2.0, **EXACTLY).fit(X, y)  # a factor of ones and of 1e-25
    eta = dual_root(rbf_kernel(X, gamma=5.0), np.eye(4)[y], 2.0, np.ones(97))
    np.testing.assert_allclose(model.predict_log_proba(X), log_softmax_of(eta, axis=1), **SAME)


def test_far_from_the_origin() -> None:
    X, y = moons(60)
    there = X + 2.0**24
    here = there - 2.0**24  # exactly the same rows
    models = [KernelLogisticRegression(gamma=1.0, **EXACTLY).fit(rows, y) for rows in (there, here)]
    np.testing.assert_allclose(models[0].decision_function(there), models[1].decision_function(here), **SAME)


def test_a_kernel_given_as_a_matrix_as_a_function_or_of_sparse_rows() -> None:
    X, y = moons(120)
    new = moons(40, 9)[0]
    named = KernelLogisticRegression("poly", gamma=0.5, coef0=1.0, **EXACTLY).fit(X, y)
    options = {"gamma": 0.5, "degree": 3, "coef0": 1.0}
    function = KernelLogisticRegression(lambda a, b: polynomial_kernel(a, b, **options), **EXACTLY).fit(X, y)
    matrix = KernelLogisticRegression("precomputed", **EXACTLY).fit(polynomial_kernel(X, **options), y)
    stored = KernelLogisticRegression("poly", gamma=0.5, coef0=1.0, **EXACTLY).fit(sparse.csr_array(X), y)
    expected = named.decision_function(new)
    np.testing.assert_allclose(function.decision_function(new), expected, **SAME)
    np.testing.assert_allclose(matrix.decision_function(polynomial_kernel(new, X, **options)), expected, **SAME)
    np.testing.assert_allclose(stored.decision_function(sparse.csc_matrix(new)), expected, **SAME)
    rbf = [
        KernelLogisticRegression(**EXACTLY).fit(kind(X), y).decision_function(new)
        for kind in (sparse.csr_array, np.array)
    ]
    np.testing.assert_allclose(*rbf, **SAME)


def test_gamma_as_of_svc() -> None:
    X, y = moons(50)
    for gamma in ("scale", "auto", 0.3):
        assert KernelLogisticRegression(gamma=gamma).fit(X, y).gamma_ == pytest.approx(
            SVC(gamma=gamma).fit(X, y)._gamma
        )
    same = KernelLogisticRegression().fit(sparse.csr_array(X), y).gamma_
    assert same == pytest.approx(SVC().fit(sparse.csr_array(X), y)._gamma)


# --- landmarks --------------------------------------------------------------------------------------------------------


def test_as_many_landmarks_as_rows_are_exact() -> None:
    X, y = moons(100)
    exact = KernelLogisticRegression(**EXACTLY).fit(X, y)
    same = KernelLogisticRegression(n_landmarks=1000, **EXACTLY).fit(X, y)
    most = KernelLogisticRegression(n_landmarks=99, random_state=0, **EXACTLY).fit(X, y)
    assert (same.decision_function(X) == exact.decision_function(X)).all()
    np.testing.assert_allclose(most.decision_function(X), exact.decision_function(X), rtol=1e-3, atol=1e-3)


def objective(model: KernelLogisticRegression, X: F64, y: npt.NDArray[np.int64]) -> float:
    """sum of losses + |f|^2 / (2 C), from the model's own landmarks and coefficients."""
    K = rbf_kernel(model.components_, gamma=model.gamma_)
    loss = -log_expit(np.where(y == 1, 1.0, -1.0) * model.decision_function(X)).sum()
    return float(loss + np.sum(model.dual_coef_ @ K * model.dual_coef_) / (2.0 * model.C))


@pytest.mark.parametrize("count", [3, 10, 25])
def test_what_more_landmarks_would_gain_is_bounded(count: int) -> None:
    X, y = moons(300)
    exact = KernelLogisticRegression(C=10.0, gamma=2.0, **EXACTLY).fit(X, y)
    few = KernelLogisticRegression(C=10.0, gamma=2.0, n_landmarks=count, random_state=0, **EXACTLY).fit(X, y)
    assert objective(exact, X, y) == pytest.approx(exact.certificate_.objective, rel=1e-9)
    assert objective(few, X, y) == pytest.approx(few.certificate_.objective, rel=1e-9)
    gain = (objective(few, X, y) - objective(exact, X, y)) / exact.certificate_.null_objective
    assert 1e-5 < gain <= few.landmark_gap_
    assert f"over {count} landmarks" in few.certificate_.status
    assert f"at most {few.landmark_gap_:.1g}" in few.certificate_.status
    assert exact.landmark_gap_ < 1e-12
    assert "landmark" not in exact.certificate_.status


def test_beyond_pairs_that_can_be_compared_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "COMPARED", 50)
    X, y = moons(100)
    model = KernelLogisticRegression(n_landmarks=10, random_state=0).fit(X, y)
    assert model.landmark_gap_ == np.inf
    assert "is not known" in model.certificate_.status
    assert model.certificate_.certified


def test_landmarks_are_drawn_where_rows_stand_alone() -> None:
    X, y = moons(2000)
    X[:5] = [[100.0, 0.0], [0.0, 100.0], [-100.0, 0.0], [0.0, -100.0], [100.0, 100.0]]
    model = KernelLogisticRegression(C=10.0, gamma=0.5, n_landmarks=150, random_state=0).fit(X, y)
    assert set(range(5)) <= set(model.component_indices_.tolist())  # uniformly, all five come twice in a million draws


def test_landmarks_have_weight_and_are_the_same_for_the_same_seed() -> None:
    X, y = moons(400)
    weight = np.where(np.arange(400) % 2 == 0, 1.0, 0.0)
    first, again = (KernelLogisticRegression(n_landmarks=20, random_state=7).fit(X, y, weight) for _ in range(2))
    other = KernelLogisticRegression(n_landmarks=20, random_state=8).fit(X, y, weight)
    assert (first.component_indices_ % 2 == 0).all()
    assert (first.decision_function(X) == again.decision_function(X)).all()
    assert set(first.component_indices_.tolist()) != set(other.component_indices_.tolist())


def test_many_rows_get_landmarks() -> None:
    X, y = moons(8000)
    model = KernelLogisticRegression(random_state=0).fit(X, y)
    assert model.certificate_.certified
    assert len(model.component_indices_) <= 1000
    assert model.landmark_gap_ < 1e-8  # two columns: a thousand landmarks span all rows to rounding


def test_precomputed_landmarks() -> None:
    X, y = moons(200)
    K = rbf_kernel(X, gamma=1.0)
    given = KernelLogisticRegression("precomputed", n_landmarks=15, random_state=0, **EXACTLY).fit(K, y)
    named = KernelLogisticRegression(gamma=1.0, n_landmarks=15, random_state=0, **EXACTLY).fit(X, y)
    assert (np.sort(given.component_indices_) == np.sort(named.component_indices_)).all()
    np.testing.assert_allclose(given.decision_function(K), named.decision_function(X), **SAME)


# --- what cannot be answered ------------------------------------------------------------------------------------------


def test_rounding_in_the_kernel_counts_where_the_penalty_is_tiny() -> None:
    X, y = moons(300)
    with pytest.warns(ConvergenceWarning, match=r"rounding in the kernel|smaller C"):
        model = KernelLogisticRegression(C=1e13).fit(X, y)
    assert not model.certificate_.certified
    assert model.certificate_.relative_gap > 1e-8


def test_too_few_iterations() -> None:
    X, y = moons(300)
    with pytest.warns(ConvergenceWarning, match="stopped after 1 iterations .* raise max_iter, or choose a smaller C"):
        KernelLogisticRegression(C=1000.0, max_iter=1).fit(X, y)


def test_kernels_that_are_none() -> None:
    X, y = moons(60)
    with pytest.raises(InputError, match="not positive semi-definite"):
        KernelLogisticRegression(lambda a, b: np.tanh(a @ b.T - 1.0)).fit(X, y)
    with pytest.raises(InputError, match="not positive semi-definite"):
        KernelLogisticRegression(lambda a, b: -rbf_kernel(a, b)).fit(X, y)
    with pytest.raises(InputError, match="not positive semi-definite"):
        KernelLogisticRegression("poly", degree=2, coef0=-1.0).fit(X, y)
    with pytest.raises(InputError, match=r"in one order and .* in the other"):
        KernelLogisticRegression(lambda a, b: a[:, :1] + 2.0 * b[:, 1] + 0 * (a @ b.T)).fit(X, y)
    with pytest.raises(InputError, match=r"of shape \(60,\): give a function kernel\(X, Y\)"):
        KernelLogisticRegression(lambda a, b: a[:, 0]).fit(X, y)
    with pytest.raises(InputError, match="a square matrix"):
        KernelLogisticRegression("precomputed").fit(X, y)
    with pytest.raises(InputError, match="no finite number"):
        KernelLogisticRegression("poly", degree=0.5).fit(X, y)
    with pytest.raises(ValueError, match="kernel"):
        KernelLogisticRegression("sigmoid").fit(X, y)


def test_rows_that_are_none() -> None:
    X, y = moons(60)
    bad = X.copy()
    bad[7, 1] = np.nan
    for kind in (np.array, sparse.csr_array):
        with pytest.raises(InputError, match=r"NaN: column 'x1', row 7"):
            KernelLogisticRegression().fit(kind(bad), y)
    bad[7, 1] = 1e200
    with pytest.raises(InputError, match=r"column 'x1' holds 1e\+200 in row 7, too large"):
        KernelLogisticRegression().fit(bad, y)
    with pytest.raises(InputError, match="only one class: 0"):
        KernelLogisticRegression().fit(X, np.zeros(60))
    with pytest.raises(InputError, match="zero in every row"):
        KernelLogisticRegression(n_landmarks=5).fit(X, y, np.zeros(60))
    with pytest.raises(InputError, match="negative in row 3"):
        KernelLogisticRegression(n_landmarks=5).fit(X, y, np.where(np.arange(60) == 3, -1.0, 1.0))


@pytest.mark.parametrize("options", [{}, {"kernel": "linear"}, {"n_landmarks": 5, "random_state": 0}])
def test_constant_rows_get_the_shares_of_the_classes(options: dict[str, Any]) -> None:
    y = np.array([0, 1, 1, 1] * 5)
    model = KernelLogisticRegression(**options).fit(np.zeros((20, 3)), y)
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 3))), [[0.25, 0.75]], rtol=1e-7)


# --- scikit-learn -----------------------------------------------------------------------------------------------------


@parametrize_with_checks(
    [
        KernelLogisticRegression(),
        KernelLogisticRegression("poly", degree=2, coef0=1.0, C=0.01),
        KernelLogisticRegression("linear", C=0.01),
    ]
)
def test_check_estimator(estimator: KernelLogisticRegression, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_folds_cut_a_precomputed_kernel_in_rows_and_columns() -> None:
    X, y = moons(150)
    scoring = "neg_log_loss"
    given = cross_val_score(KernelLogisticRegression("precomputed"), rbf_kernel(X, gamma=1.0), y, scoring=scoring)
    named = cross_val_score(KernelLogisticRegression(gamma=1.0), X, y, scoring=scoring)
    np.testing.assert_allclose(given, named, rtol=1e-4)  # each to a gap of 1e-8, so probabilities to about 1e-4


def test_clone_pickle_and_silence() -> None:
    X, y = moons(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = clone(KernelLogisticRegression(C=2.0)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert model.score(X, y) == (model.predict(X) == y).mean()


def test_the_example_runs() -> None:
    result = doctest.testmod(sys.modules[KernelLogisticRegression.__module__])
    assert result.attempted > 0
    assert result.failed == 0
