"""Tables wider than long under a ridge: fits, paths and folds in the row space are those of the columns."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from berkson import LogisticRegression, LogisticRegressionCV
from berkson.certificate import prove, prove_by_few_rows
from berkson.design.row_space import RowSpace
from berkson.estimators import folds as estimator_folds
from berkson.fit import Fit, certify, fit, penalty_of
from berkson.prepare import standardised
from berkson.problem import InputError, Problem
from berkson.rows.questions import Evaluate
from berkson.select import cross_validation, path
from berkson.solvers.choose import ROW_SPACE, choose
from berkson.solvers.newton import newton
from berkson.solvers.run import run

N, P = 50, 320


def table(kind: str = "float64") -> Any:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, P)) * 10.0 ** rng.uniform(-1, 1, P) + rng.normal(size=P)
    if kind == "uint8":
        return rng.integers(0, 255, (N, P)).astype(np.uint8)
    if kind == "bool":
        return rng.random((N, P)) < 0.2
    return np.asfortranarray(X) if kind == "columns" else X.astype(np.float32) if kind == "float32" else X


def problem(kind: str = "plain", strength: float = 1.0) -> Problem:
    rng = np.random.default_rng(4)
    X = table()
    y = (X[:, :4].sum(axis=1) + rng.normal(size=N) > 0).astype(np.uint8)
    three, weight = rng.integers(0, 3, N).astype(np.uint8), rng.exponential(size=N)
    weight[:5] = 0.0
    match kind:
        case "plain":
            return Problem(X, y, strength=strength)
        case "weights, offset":
            return Problem(X, y, weight=weight, offset=rng.normal(size=N), strength=strength)
        case "no intercept":
            return Problem(X, y, weight=weight, strength=strength, intercept=False)
        case "soft labels":
            return Problem(X, rng.random(N), strength=strength)
        case "three classes":
            return Problem(X, three, 3, weight=weight, strength=strength)
        case "three classes, offset, no intercept":
            return Problem(X, three, 3, offset=rng.normal(size=(N, 3)), strength=strength, intercept=False)
        case "soft labels of three classes":
            return Problem(X, rng.dirichlet(np.ones(3), size=N), 3, strength=strength)
        case "equal rows":
            return Problem(np.vstack([X, X[:20]]), np.append(y, 1 - y[:20]), strength=strength)
        case _:
            assert kind == "table of rank 3"
            return Problem(rng.normal(size=(N, 3)) @ rng.normal(size=(3, P)), y, strength=strength)


KINDS = (
    "plain",
    "weights, offset",
    "no intercept",
    "soft labels",
    "three classes",
    "three classes, offset, no intercept",
    "soft labels of three classes",
    "equal rows",
    "table of rank 3",
)


def by_hessians(given: Problem) -> tuple[Any, Any]:
    """Coefficients by exact Newton on the columns themselves, to rounding."""
    rows = standardised(given)
    place = rows.coordinates
    stop = run(newton(np.zeros(place.size), penalty_of(given, place), target=1e-28, max_iterations=100), rows)
    return place.original(stop.theta)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_that_of_the_columns(kind: str) -> None:
    given = problem(kind)
    found = fit(given)
    assert found.info.solver == ROW_SPACE
    assert found.certificate.certified
    coef, intercept = by_hessians(given)
    np.testing.assert_allclose(found.coef, coef, rtol=0, atol=1e-10 * np.abs(coef).max())
    np.testing.assert_allclose(found.intercept, intercept, rtol=0, atol=1e-10 * max(1.0, np.abs(intercept).max()))


@pytest.mark.parametrize("kind", ["columns", "float32", "uint8", "bool"])
def test_every_layout_and_type_is_read_as_it_is(kind: str) -> None:
    y = problem().y
    found, wanted = (fit(Problem(X, y, strength=1.0)) for X in (table(kind), table(kind).astype(np.float64, "C")))
    assert found.info.solver == ROW_SPACE
    np.testing.assert_allclose(found.coef, wanted.coef, rtol=0, atol=1e-12 * np.abs(wanted.coef).max())


@pytest.mark.parametrize("kind", ["plain", "three classes"])
@pytest.mark.parametrize("C", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_penalties_of_all_sizes_are_certified(C: float, kind: str) -> None:
    given = problem(kind, 1.0 / C)
    found = fit(given, tol=1e-10)
    assert found.certificate.certified
    assert found.info.passes < 6  # the kernel, the coefficients, the gradient and a sample that proves
    # at the optimum each coefficient is a sum over rows: strength coef = X' w (y - p)
    again = certify(given, found.coef, found.intercept, tol=1e-10)
    assert again.certified
    np.testing.assert_allclose(again.objective, found.certificate.objective, rtol=1e-11)


def test_large_tables_go_by_products_within_the_row_space() -> None:
    """Too many rows for a Hessian at each step, and correlated columns."""
    rng = np.random.default_rng(0)
    n, p = 300, 3000
    X = (
        rng.normal(size=(n, 40)) * 10.0 ** -np.linspace(0, 2, 40) @ rng.normal(size=(40, p))
        + rng.normal(size=(n, p)) / 99
    )
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(np.uint8)
    for strength in (1e-4, 1.0):
        found = fit(Problem(X, y, strength=strength))
        assert found.info.solver == ROW_SPACE
        assert found.certificate.certified
        assert found.info.passes < 6
    start = found.coef + 1e-3 * rng.normal(size=(1, p)), found.intercept
    warm = fit(Problem(X, y, strength=1.0), start=start)
    assert warm.info.iterations < found.info.iterations
    np.testing.assert_allclose(warm.coef, found.coef, rtol=0, atol=1e-9 * np.abs(found.coef).max())


def test_columns_that_the_kernel_loses_are_found_on_the_columns() -> None:
    """Beside a column of 1e9 the kernel does not know the others: the answer is proved, or not said to be."""
    given = problem()
    X = np.column_stack([table(), 1e9 * np.random.default_rng(0).normal(size=N)])
    given = replace(given, X=X, strength=1e-2)
    found = fit(given)
    assert found.info.passes > 6  # the row space was not enough
    assert found.certificate.certified
    best = certify(given, *by_hessians(given)).objective
    assert found.certificate.objective - best <= found.certificate.gap + 1e-12 * best


@pytest.mark.parametrize("X", [np.zeros((N, P)), np.tile(table()[:1], (N, 1))], ids=["zeros", "one row"])
def test_tables_that_say_nothing(X: Any) -> None:
    found = fit(replace(problem(), X=X))
    assert found.certificate.certified
    assert not found.coef.any()


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_a_cell_that_is_no_number_is_named(value: float) -> None:
    X = np.random.default_rng(0).normal(size=(200, 30_000))  # more cells than those that give centres
    X[13, 77] = value
    with pytest.raises(InputError, match="x77"):
        fit(Problem(X, problem().y.repeat(4), strength=1.0))


def test_few_columns_sparse_tables_and_the_lasso_go_their_own_ways() -> None:
    assert choose(50, 321, 1, 8, ridge=True).solver == ROW_SPACE
    assert choose(50, 321, 1, 8).solver != ROW_SPACE
    assert choose(50, 40, 1, 8, ridge=True).solver != ROW_SPACE
    assert choose(500, 100_000, 1, 8, ridge=True, stored=0.01).solver != ROW_SPACE
    assert choose(50_000, 100_000, 1, 8, ridge=True).solver != ROW_SPACE  # a kernel of 20 GB


def test_without_a_penalty_the_verdict_is_the_same() -> None:
    model = LogisticRegression(C=math.inf)
    with pytest.warns(UserWarning, match="complete separation"), pytest.warns(UserWarning, match="combinations of"):
        model.fit(table(), problem().y)
    assert model.certificate_.separation is not None


# --- the parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_the_row_space(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("berkson.design.row_space.BLOCK", 64 * N)  # several blocks
    rng = np.random.default_rng(0)
    X, center, scale = table(), rng.normal(size=P), rng.uniform(0.5, 2.0, P)
    scale[3] = 0.0
    space = RowSpace.of(X, center, scale, threads)
    Z = (X - center) * scale
    np.testing.assert_allclose(space.rows @ space.rows.T, Z @ Z.T, rtol=1e-12, atol=1e-9)
    gamma = rng.normal(size=(2, 1, len(space.values)))
    coef = space.coef(gamma)
    assert coef.shape == (2, 1, P)
    # b = coef / scale is as long as gamma, and has the same predictors
    np.testing.assert_allclose(space.squared_lengths(coef[:, 0]), (gamma[:, 0] ** 2).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(space.predictor(coef[:, 0]), space.rows @ gamma[:, 0].T, rtol=0, atol=1e-9)
    residual, strength = rng.normal(size=(N, 2)), np.array([0.5, 2.0])
    b = np.where(scale > 0.0, coef[:, 0] / np.where(scale > 0.0, scale, 1.0), 0.0)
    truth = ((Z.T @ residual).T + strength[:, None] * b) ** 2
    np.testing.assert_allclose(space.squared_gradients(residual, coef[:, 0], strength), truth.sum(axis=1), rtol=1e-12)
    whole = RowSpace.of(X, center, np.ones(P), 1)
    np.testing.assert_allclose(whole.gamma(whole.coef(gamma[:, 0])), gamma[:, 0], rtol=0, atol=1e-9)


def test_the_same_bits_for_any_number_of_threads() -> None:
    first, second = (RowSpace.of(table(), np.zeros(P), np.ones(P), threads) for threads in (1, 4))
    np.testing.assert_array_equal(first.rows, second.rows)


@pytest.mark.parametrize("kind", ["plain", "three classes", "weights, offset", "no intercept"])
@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
def test_a_few_rows_prove_the_constant(kind: str, strength: float) -> None:
    """The bound without a Gram matrix lies above the truth at random points, and near it where the constant is off."""
    given = problem(kind, strength)
    rows = standardised(given)
    place = rows.coordinates
    best = certify(given, *by_hessians(given)).objective
    theta, rng, finite = place.from_original(*by_hessians(given)), np.random.default_rng(0), 0
    for size in (0.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        there = theta + size * rng.normal(size=theta.shape) * (rng.random(theta.shape) < 0.1)
        coef, intercept = place.original(there)
        for matrix_free in (True, False):
            proof = run(judged(given, there, matrix_free), rows)
            above = certify(given, coef, intercept).objective - best
            assert above <= proof.gap + 1e-12 * best  # rounding of two objectives
            finite += matrix_free and math.isfinite(proof.gap)
    assert finite >= 3, "a bound that is never finite would pass, too"


def judged(given: Problem, theta: Any, matrix_free: bool) -> Any:
    """The proof at theta."""
    rows = standardised(given)
    place, share = rows.coordinates, given.class_weights() / given.class_weights().sum()
    penalty = penalty_of(given, place)
    at = penalty.add(theta, (yield Evaluate(theta, 1)))
    assert at.gradient is not None
    if matrix_free:
        return (yield from prove_by_few_rows(theta, at.gradient, penalty, place, share))
    return (yield from prove(theta, at.gradient, penalty, place, share))


# --- paths and folds -------------------------------------------------------------------------------------------------

OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plain", {}),
    ("plain", {"standardize": False}),
    ("weights, offset", {"factors": np.append([np.inf, 2.0], np.ones(P - 2))}),
    ("no intercept", {"standardize": False}),
    ("soft labels", {}),
    ("three classes", {"scale": "sum", "standardize": False}),
)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Small tables, too, go by the row space."""
    monkeypatch.setattr("berkson.select.wide.SMALL", 0.0)
    return monkeypatch


def generally(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(path, "is_wide", lambda *_: False)
    patch.setattr(cross_validation, "is_wide", lambda *_: False)


# the general way stops at a proved gap of 1e-12: coefficients are then within the root of that
CLOSE: dict[str, float] = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_a_ridge_path_is_that_of_the_columns(kind: str, options: dict[str, Any], cheap: pytest.MonkeyPatch) -> None:
    given = problem(kind, 0.0)
    found = path.path(given, l1_ratio=0.0, count=4, tol=1e-12, complete=True, **options)
    assert found.certified.all()
    assert isinstance(found.start, path.WideStart)
    again = found.at(found.lambdas[2])
    np.testing.assert_allclose(again.coef[0], found.coef[2], rtol=0, atol=1e-8 * np.abs(found.coef).max())
    generally(cheap)
    wanted = path.path(given, l1_ratio=0.0, count=4, tol=1e-12, complete=True, **options)
    assert not isinstance(wanted.start, path.WideStart)
    np.testing.assert_allclose(found.lambdas, wanted.lambdas, rtol=1e-12)
    for name in ("deviance_ratio", "objective", "null_deviance", "intercept"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), **CLOSE)
    for one, other in zip(found.coef, wanted.coef, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())
    np.testing.assert_array_equal(found.df, wanted.df)


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_folds_are_those_of_the_columns(kind: str, options: dict[str, Any], cheap: pytest.MonkeyPatch) -> None:
    given = problem(kind, 0.0)
    asked: dict[str, Any] = {"folds": 3, "l1_ratio": 0.0, "count": 3, "tol": 1e-12, "complete": True, **options}
    found = cross_validation.cross_validate(given, **asked)
    assert found.certified.all()
    generally(cheap)
    wanted = cross_validation.cross_validate(given, **asked)
    np.testing.assert_allclose(found.scores, wanted.scores, **CLOSE)
    np.testing.assert_allclose(found.curve("brier").mean, wanted.curve("brier").mean, **CLOSE)
    for one, other in zip(found.coef(1), wanted.coef(1), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())


def test_an_automatic_path_ends_where_all_is_explained(cheap: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    found = path.path(problem("plain", 0.0), l1_ratio=0.0, smallest=1e-8, progress=told.append)
    assert "of the deviance is explained" in found.ended
    assert len(told) == len(found.lambdas) < 100


def test_a_fold_without_a_class_is_refused(cheap: pytest.MonkeyPatch) -> None:
    given = problem("plain", 0.0)
    with pytest.raises(InputError, match="fold 0 holds out every row of class"):
        cross_validation.cross_validate(given, given.y.astype(int), l1_ratio=0.0)


@pytest.mark.parametrize("K", [2, 3])
def test_the_estimator_that_chooses(K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = problem("plain" if K == 2 else "three classes")
    cv = list(StratifiedKFold(3).split(given.X, given.y))
    if K == 3:  # one that does not know a class, either
        cv.append((np.flatnonzero(given.y != 2), np.flatnonzero(given.y == 2)))
    options: dict[str, Any] = {"Cs": [1e-3, 1.0], "l1_ratios": (0,), "scoring": "neg_log_loss"}
    options |= {"use_legacy_attributes": False, "cv": cv, "tol": 1e-12}

    def fitted(small: float) -> LogisticRegressionCV:
        monkeypatch.setattr(estimator_folds, "SMALL", small)
        model = LogisticRegressionCV(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the best C is at an end, a fold lacks a class
            return model.fit(given.X, given.y)

    found, wanted = fitted(0.0), fitted(math.inf)
    assert found.fit_info_.solver == ROW_SPACE
    assert found.fold_gaps_.max() <= 1e-12
    assert found.C_ == wanted.C_
    np.testing.assert_allclose(found.scores_, wanted.scores_, rtol=1e-8)
    finite = np.isfinite(wanted.coefs_paths_)
    np.testing.assert_array_equal(np.isfinite(found.coefs_paths_), finite)
    np.testing.assert_allclose(found.coefs_paths_[finite], wanted.coefs_paths_[finite], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=0, atol=1e-9)


def test_folds_that_the_row_space_does_not_prove_are_fitted_on_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside a column of 1e8, where the kernel loses the others."""
    X = np.column_stack([table(), 1e8 * np.random.default_rng(0).normal(size=N)])
    fitted: list[Fit] = []
    one_by_one = estimator_folds.fit
    monkeypatch.setattr(estimator_folds, "SMALL", 0.0)
    monkeypatch.setattr(estimator_folds, "fit", lambda *a, **k: (fitted.append(one_by_one(*a, **k)), fitted[-1])[1])
    model = LogisticRegressionCV(Cs=[10.0], l1_ratios=(0,), cv=3, scoring="neg_log_loss", use_legacy_attributes=False)
    model.fit(X, problem().y)
    assert model.fold_gaps_.max() <= 1e-8
    on_columns = [each for each in fitted if each.problem.X.shape[1] == P + 1]
    assert on_columns


def test_weights_and_penalties_that_are_next_to_nothing() -> None:
    given = problem()
    tiny = np.full(N, 1e-250)
    found, wanted = fit(replace(given, weight=tiny, strength=1e-250)), fit(given)
    assert found.info.solver == ROW_SPACE
    np.testing.assert_allclose(found.coef, wanted.coef, rtol=0, atol=1e-8 * np.abs(wanted.coef).max())
    assert fit(replace(given, weight=tiny, strength=1e-100)).certificate.certified
