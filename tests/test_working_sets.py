"""Working sets: optimality by its definition, proofs above the truth, the same answers as with all columns at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson.design import Sparse
from berkson.fit import Fit, certify, fit
from berkson.kernels import descent
from berkson.penalty import ElasticNet
from berkson.prepare import standardised
from berkson.problem import InputError, Problem
from berkson.rows import runs
from berkson.rows.questions import Beyond, Evaluate, Inside, Narrow, Reach
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path
from berkson.size import Size
from berkson.solvers import working

F64 = npt.NDArray[np.float64]


def wide(n: int = 150, p: int = 600, seed: int = 0, **options: Any) -> Problem:
    """Correlated columns of unlike scales and origins, ten of which matter."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 1:] += 0.7 * X[:, :-1]
    eta = X[:, :10] @ rng.normal(size=10)
    X = X * 10.0 ** rng.uniform(-1, 1, p) + rng.normal(size=p)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8)
    return Problem(X, y, **options)


def varied(kind: str) -> Problem:
    rng = np.random.default_rng(3)
    problem = wide(lasso=4.0)
    n = len(problem.y)
    match kind:
        case "weights":
            return replace(problem, weight=rng.integers(0, 4, n).astype(np.float64))
        case "offset":
            return replace(problem, offset=rng.normal(size=n))
        case "soft":
            return replace(problem, y=np.clip(problem.y + rng.normal(size=n) / 4, 0.0, 1.0))
        case "elastic":
            return replace(problem, strength=0.5)
        case "no intercept":
            return replace(problem, intercept=False)
        case "separable":
            return replace(problem, lasso=1e-2)
        case "equal columns":
            X = np.asarray(problem.X).copy()
            X[:, 300:] = X[:, :300]
            return replace(problem, X=X)
        case "a constant":
            X = np.asarray(problem.X).copy()
            X[:, 7] = 3.0
            return replace(problem, X=X)
    return problem


KINDS = ("plain", "weights", "offset", "soft", "elastic", "no intercept", "separable", "equal columns", "a constant")


def parts(problem: Problem, coef: F64, intercept: F64) -> tuple[float, F64, float]:
    """The objective, and the smooth part's gradient by coefficients and the intercept, as the formulas say."""
    X, y = np.asarray(problem.X), problem.y.astype(np.float64)
    weight = np.ones(len(y)) if problem.weight is None else problem.weight
    eta = X @ coef[0] + intercept[0] + (0.0 if problem.offset is None else problem.offset)
    loss = weight @ (np.logaddexp(0.0, eta) - y * eta)
    residual = weight * (1 / (1 + np.exp(-eta)) - y)
    penalty = 0.5 * problem.strength * coef[0] @ coef[0] + problem.lasso * np.abs(coef).sum()
    return float(loss + penalty), X.T @ residual + problem.strength * coef[0], float(residual.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_by_its_definition(kind: str) -> None:
    problem = varied(kind)
    found = fit(problem, tol=1e-10)
    assert found.certificate.certified
    objective, gradient, constant = parts(problem, found.coef, found.intercept)
    assert objective == pytest.approx(found.certificate.objective, rel=1e-12)
    active = found.coef[0] != 0.0
    assert 0 < active.sum() < len(problem.y) + 2
    # a gap of 1e-10 of the null objective leaves gradients that are off by about its root
    assert np.abs(gradient[active] + problem.lasso * np.sign(found.coef[0, active])).max() < 1e-4 * problem.lasso
    assert np.abs(gradient).max() <= problem.lasso * (1 + 1e-4)
    if problem.intercept:
        assert abs(constant) < 1e-6


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("equal columns", "separable")])
def test_the_same_as_with_all_columns_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = varied(kind)
    found = fit(problem, tol=1e-10)
    monkeypatch.setattr(working, "FROM", 10**9)
    whole = fit(problem, tol=1e-10)
    np.testing.assert_allclose(found.certificate.objective, whole.certificate.objective, rtol=1e-9)
    predictors = [np.asarray(problem.X) @ each.coef[0] + each.intercept[0] for each in (found, whole)]
    # two points within 1e-10 of the optimum's objective: the root of that in linear predictors
    np.testing.assert_allclose(*predictors, atol=2e-3)


@pytest.mark.parametrize("kind", ["plain", "weights", "offset", "soft", "elastic", "no intercept"])
def test_a_proof_by_size_lies_above_the_truth(kind: str) -> None:
    problem = varied(kind)
    best = fit(problem, tol=1e-12)
    rows = standardised(problem)
    place = rows.coordinates
    totals = problem.class_weights()
    offset = 0.0 if problem.offset is None else float(np.abs(problem.offset).max())
    size = Size(totals, rows.answer_one(Reach()), offset, problem.intercept)
    each = np.append(np.ones(problem.X.shape[1]), 0.0)[: place.columns] / place.scale
    penalty = ElasticNet(problem.strength * each * each, problem.lasso * each)
    rng = np.random.default_rng(5)
    for step in (0.0, 1e-6, 1e-3, 0.1):
        theta = best.theta + step * rng.normal(size=place.columns) * ((best.theta != 0.0) | (rng.random() < 0.3))
        at = rows.answer_one(Evaluate(theta, 1))
        objective = penalty.add(theta, at).value + penalty.kinked(theta)
        gap = replace(size, most=objective).proof(theta, at.gradient + penalty.strength * theta, penalty).gap
        assert gap >= objective - best.certificate.objective - 1e-9
        if step == 0.0:
            assert gap < 1e-8 * best.certificate.null_objective


def test_a_proof_by_size_survives_a_constant_that_is_off() -> None:
    problem = varied("weights")
    best = fit(problem, tol=1e-12)
    rows = standardised(problem)
    size = Size(problem.class_weights(), rows.answer_one(Reach()), 0.0, True)
    each = np.append(1.0 / rows.coordinates.scale[:-1], 0.0)
    penalty = ElasticNet(np.zeros(len(each)), problem.lasso * each)
    for moved in (-0.5, -1e-4, 1e-8, 1e-4, 0.5):
        theta = best.theta.copy()
        theta[-1] += moved
        at = rows.answer_one(Evaluate(theta, 1))
        objective = at.value + penalty.kinked(theta)
        gap = replace(size, most=objective).proof(theta, at.gradient, penalty).gap
        assert objective - best.certificate.objective - 1e-9 <= gap < np.inf


def test_narrow_rows_answer_as_all_do() -> None:
    problem = varied("weights")
    rows = standardised(problem)
    places = np.array([0, 3, 5, 599, 600])
    view = rows.answer_one(Narrow(places))
    theta = np.zeros(601)
    theta[places] = [0.1, -0.2, 0.3, 0.4, -0.5]
    whole, narrow = rows.answer_one(Evaluate(theta, 2)), rows.answer_one(Inside(view, Evaluate(theta[places], 2)))
    assert narrow.value == pytest.approx(whole.value, rel=1e-13)
    np.testing.assert_allclose(narrow.gradient, whole.gradient[places], rtol=1e-10)
    np.testing.assert_allclose(narrow.hessian, whole.hessian[np.ix_(places, places)], rtol=1e-10, atol=1e-10)
    assert rows.cost([Inside(view, Evaluate(theta[places], 1))])[0] < 0.1  # a hundredth of the columns


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_sets_that_are_too_large_are_gathered_by_runs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import sparse

    problem = varied("weights")
    if kind == "sparse":
        X = np.asarray(problem.X) * (np.random.default_rng(5).random(problem.X.shape) < 0.3)
        S = sparse.csr_array(X)
        problem = replace(problem, X=Sparse.of(S.data, S.indices, S.indptr, X.shape[1]))
    at_once = standardised(problem)
    places = np.array([0, 3, 5, 599, 600])
    gathered = at_once.answer_one(Narrow(places))
    monkeypatch.setattr(runs, "GATHERED", 0)
    monkeypatch.setattr(runs, "PART", 0.0)
    monkeypatch.setattr(runs, "RUN", 2000)  # bytes: some 50 rows of the dense table's five columns
    view = at_once.answer_one(Narrow(places))
    assert isinstance(view, runs.InRuns)
    assert 1 < view.step < at_once.n_rows
    inner = np.array([0.1, -0.2, 0.3, 0.4, -0.5])
    for order in (0, 1, 2):
        found, wanted = view.answer_one(Evaluate(inner, order)), gathered.answer_one(Evaluate(inner, order))
        for one, other in zip(found, wanted, strict=True):  # sums in another order
            assert (one is None) == (other is None)
            assert one is None or np.allclose(one, other, rtol=1e-11, atol=1e-11)
    theta = np.zeros((2, 601))
    theta[0, places], theta[1, places] = inner, -inner
    for found, wanted in zip(
        at_once.answer_one(Beyond(view, places, theta)),
        at_once.answer_one(Beyond(gathered, places, theta)),
        strict=True,
    ):
        assert found.value == pytest.approx(wanted.value, rel=1e-12)
        np.testing.assert_allclose(found.gradient, wanted.gradient, rtol=1e-9, atol=1e-9)
    small = fit(problem)
    assert small.certificate.relative_gap <= 1e-8
    monkeypatch.undo()
    np.testing.assert_allclose(small.coef, fit(problem).coef, rtol=1e-3, atol=1e-4)  # two points within the gap


def test_a_path_in_blocks_is_its_fits_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = replace(varied("weights"), lasso=0.0)
    blocks = path(problem, count=30, complete=True, tol=1e-10)
    monkeypatch.setattr(working, "MANY", 1)
    alone = path(problem, count=30, complete=True, tol=1e-10)
    assert blocks.passes < 0.6 * alone.passes
    assert blocks.gap.max() <= 1e-10
    assert alone.gap.max() <= 1e-10
    np.testing.assert_allclose(blocks.objective, alone.objective, rtol=0, atol=2e-10 * blocks.null_objective)


def test_descent_lowers_to_the_minimum() -> None:
    from berkson import kernels

    rng = np.random.default_rng(0)
    root = rng.normal(size=(80, 60))
    hessian, linear, threshold = root.T @ root, 30 * rng.normal(size=60), rng.uniform(0, 40, 60)
    threshold[:3], threshold[3] = 0.0, np.inf
    answers = []
    for descend in (descent.descend, kernels.descend):
        x, gradient = np.zeros(60), linear.copy()
        descend(hessian, gradient, threshold, x, 10_000, 1e-10)
        np.testing.assert_allclose(gradient, hessian @ x + linear, atol=1e-9)
        active = x != 0.0
        assert np.abs(gradient[active] + threshold[active] * np.sign(x[active])).max() < 1e-8  # `close`, over epochs
        assert (np.abs(gradient) <= threshold + 1e-8).all()
        answers.append(x)
    np.testing.assert_allclose(*answers, atol=1e-10)


def test_a_path_is_its_fits() -> None:
    problem = wide()
    found = path(problem, count=20, standardize=False, scale="sum", tol=1e-9)
    assert found.certified.all()
    assert found.df[0] == 0
    assert found.df[-1] > 20
    for i in (3, 10, len(found.lambdas) - 1):
        alone = fit(replace(problem, lasso=float(found.lambdas[i])), tol=1e-10)
        eta = [np.asarray(problem.X) @ c[0] + b[0] for c, b in ((found.coef[i], found.intercept[i]), _pair(alone))]
        np.testing.assert_allclose(*eta, atol=5e-3)  # the root of the gaps
        certificate = certify(replace(problem, lasso=float(found.lambdas[i])), found.coef[i], found.intercept[i])
        assert certificate.objective <= alone.certificate.objective * (1 + 1e-8)
    between = found.at(float(np.sqrt(found.lambdas[5] * found.lambdas[6])))
    assert between.certified.all()
    assert found.df[5] - 5 <= between.df[0] <= found.df[6] + 5


def _pair(found: Fit) -> tuple[F64, F64]:
    return found.coef, found.intercept


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_folds_are_paths_of_their_rows(l1_ratio: float) -> None:
    problem = wide()
    options: dict[str, Any] = {"l1_ratio": l1_ratio, "lambdas": [0.2, 0.1, 0.05], "tol": 1e-9}
    found = cross_validate(problem, 3, **options)
    assert found.certified.all()
    for k, held in enumerate(found.folds.held_out):
        some = np.setdiff1d(np.arange(len(problem.y)), held)
        alone = path(replace(problem, X=np.asarray(problem.X)[some], y=problem.y[some]), **options)
        coef, intercept = found.coef(k)
        for i in range(3):
            eta = [
                np.asarray(problem.X) @ c[0] + b[0]
                for c, b in ((coef[i], intercept[i]), (alone.coef[i], alone.intercept[i]))
            ]
            np.testing.assert_allclose(*eta, atol=5e-3)  # the root of the gaps


def test_free_columns_are_proved_where_rows_are_enough() -> None:
    problem = wide(700, 300)
    factors = np.ones(300)
    factors[[2, 200]] = 0.0
    found = path(problem, factors=factors, lambdas=[0.2, 0.1], standardize=False)
    assert found.certified.all()
    assert (found.coef[:, 0, [2, 200]] != 0.0).all()


def test_a_start_changes_nothing() -> None:
    problem = varied("plain")
    cold = fit(problem)
    warm = fit(problem, start=(cold.coef, cold.intercept))
    far = fit(problem, start=(np.ones((1, 600)), np.zeros(1)))
    assert warm.info.iterations <= 2 < cold.info.iterations
    for each in (warm, far):
        assert each.certificate.certified
        assert each.certificate.objective == pytest.approx(cold.certificate.objective, rel=3e-8)


def test_what_is_not_finite_is_named() -> None:
    problem = varied("plain")
    X = np.asarray(problem.X).copy()
    X[17, 555] = np.nan
    with pytest.raises(InputError, match=r"x555.*row 17"):
        fit(replace(problem, X=X))
    with pytest.raises(InputError, match=r"x555.*row 17"):
        path(replace(problem, X=X, lasso=0.0))


def test_it_is_said_that_few_columns_are_worked_with() -> None:
    info = fit(varied("plain")).info
    assert info.solver == "working sets"
    assert "600 columns" in info.why
    assert fit(replace(varied("plain"), lasso=0.0, strength=1.0)).info.solver != "working sets"


@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "i8"])
@pytest.mark.parametrize("some_rows", [False, True])
def test_few_coefficients_of_many_columns_are_read_alike(dtype: str, some_rows: bool) -> None:
    from berkson import kernels
    from berkson.kernels import reference

    rng = np.random.default_rng(2)
    n, p = 83, 1101
    X = rng.integers(0, 5, (n, p)).astype(dtype)
    rows = rng.permutation(n)[:50].astype(np.int64) if some_rows else None
    m = n if rows is None else 50
    coef, center = np.zeros(p + 1), rng.random(p)
    coef[[0, 7, 500, p - 1, p]] = rng.normal(size=5)
    y, weight = (rng.random(m) < 0.5).astype(np.uint8), rng.integers(0, 3, m).astype(np.float64)
    if dtype[0] == "f":
        X[rows[4] if some_rows else 4, 300] = np.nan  # in a row of weight 0
        weight[4] = 0.0
    for w, offset in ((weight, rng.normal(size=m)), (weight, None)):
        asked = (X, rows, center, coef, y, w, offset, 1)
        found, expected = kernels.logistic(*asked), reference.logistic(*asked)
        for one, other in zip(found[:3], expected[:3], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)  # sums in another order
    whole = np.ones(m)
    if dtype[0] == "f":
        assert np.isnan(kernels.logistic(X, rows, center, coef, y, whole, None, 1)[2][300])
    nothing = np.zeros(p + 1)
    found, expected = (k.logistic(X, rows, center, nothing, y, weight, None, 1) for k in (kernels, reference))
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-12, atol=1e-12)
