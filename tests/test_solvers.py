"""Solvers x problems, judged by the certificate and, apart from it, by an optimum in extended precision."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from optimum import Optimum, objective, optimum, squared_distance
from problems import LARGE, PROBLEMS, binary, softmax
from sklearn.datasets import load_digits

from berkson import kernels
from berkson.certificate import Nearby, bound, prove, prove_nearby
from berkson.design.dense import Dense
from berkson.fit import Fit, certify, fit
from berkson.penalty import Ridge
from berkson.problem import InputError, Problem
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import InMemory
from berkson.rows.questions import Answer, Draw, Evaluate, Evaluation, LeastChange, Question
from berkson.solvers import choose
from berkson.solvers.choose import CONJUGATE, NEWTON, Choice
from berkson.solvers.newton import newton
from berkson.solvers.quasi import quasi_newton
from berkson.solvers.run import Work, run, run_one, run_together
from berkson.standardise import filled, location

F64 = npt.NDArray[np.float64]

SAMPLED = "sampled newton"
SOLVERS = (NEWTON, CONJUGATE, SAMPLED)

# Of the objective: 19 digits, a sum of thousands of rows.  Differences of two objectives are blind below it.
LONGDOUBLE = 1e-17


@cache
def best(name: str) -> Optimum:
    return optimum(PROBLEMS[name]())


def fit_by(
    monkeypatch: pytest.MonkeyPatch,
    solver: str,
    problem: Problem,
    *,
    exact_hessians: int = 0,
    few_hessians: bool = False,
    **options: Any,
) -> Fit:
    """The problem's fit by a solver that would not be chosen for its size."""
    choice = Choice(
        solver,
        "a test asks for it",
        max(1, len(problem.y) // 4),
        exact_hessians=exact_hessians,
        few_hessians=few_hessians,
    )
    monkeypatch.setattr("berkson.fit.choose", lambda *size, **facts: choice)
    fitted = fit(problem, **options)
    assert fitted.info.solver == solver
    return fitted


def true_gap(problem: Problem, fitted: Fit, known: Optimum) -> float:
    """P(coef) - P*: half the squared distance in the norm of P's Hessian at the optimum.  (Second order: exact enough
    below 1e-6 of the objective, and where the difference of objectives would be all rounding.)"""
    return 0.5 * squared_distance(problem, fitted.coef, fitted.intercept, known, at_optimum=True)


def rounding(fitted: Fit) -> float:
    """The distance, in the norm of the Hessian, that rounding to 2^-53 alone can make; no proof can see below it.

    Of linear predictors: their terms slope * x, which cancel to order 1 where columns are far from zero.  Of gradients:
    sums of weight * x, of some standard deviations, over the root of the curvature: 16 covers these problems.
    """
    X = np.abs(fitted.problem.X.astype(float)).max(axis=0)
    terms = (np.abs(fitted.coef) @ X + np.abs(fitted.intercept)).max()
    return 2.0**-53 * math.sqrt(fitted.problem.class_weights().sum()) * float(2 * terms + 16)


def assert_proved(problem: Problem, fitted: Fit, known: Optimum) -> None:
    """The distance from the optimum is what the certificate's gap allows, and rounding."""
    proved = math.sqrt(2 * 1.001 * fitted.certificate.gap)  # 1.001: `true_gap` is of second order
    assert math.sqrt(2 * true_gap(problem, fitted, known)) <= proved + rounding(fitted)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_solver_certifies_every_problem(monkeypatch: pytest.MonkeyPatch, name: str, solver: str) -> None:
    problem, known = PROBLEMS[name](), best(name)
    fitted = fit_by(monkeypatch, solver, problem)
    c = fitted.certificate
    assert c.certified
    assert c.exists
    assert c.relative_gap <= c.tol == 1e-8
    assert c.gap == pytest.approx(c.relative_gap * c.null_objective, rel=1e-12)
    value = objective(problem, fitted.coef, fitted.intercept)
    assert float(value) == pytest.approx(c.objective, rel=1e-13)  # the engine's sum of doubles, compensated or not
    # the proof holds, judged by differences of objectives and, further down, by the distance from the optimum
    assert float(value - known.value) <= c.gap + LONGDOUBLE * c.objective * 10
    assert_proved(problem, fitted, known)
    distance = squared_distance(problem, fitted.coef, fitted.intercept, known, at_optimum=False)
    assert math.sqrt(distance) <= 1.001 * c.distance + rounding(fitted)


@pytest.mark.parametrize("name", PROBLEMS)
def test_solvers_agree(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    problem, known = PROBLEMS[name](), best(name)
    # unpenalised: at most 1e-6 standard errors from the optimum; penalised: the same of the posterior's, where proved
    fits = [fit_by(monkeypatch, solver, problem, tol=1e-14) for solver in SOLVERS]
    for fitted in fits:
        spread = np.abs(known.coef.astype(float)).max()
        # distance^2 / 2 <= 1e-14 of the objective and a smallest curvature of order 1 on these: 1e-5 is generous
        np.testing.assert_allclose(fitted.coef, known.coef.astype(float), rtol=1e-5, atol=1e-5 * spread)


# --- the theorem ----------------------------------------------------------------------------------------------------

THEOREM = (
    "binary",
    "three classes",
    "three classes ridge",
    "many classes",
    "weights",
    "softmax offset",
    "no intercept",
    "badly scaled",
    "rare events",
    "wide",
    "heavy tails",
)


@pytest.mark.parametrize("name", THEOREM)
def test_the_gap_is_bounded_wherever_one_stands(name: str) -> None:
    problem, known = PROBLEMS[name](), best(name)
    rng = np.random.default_rng(20)
    best_coef, best_intercept = known.coef.astype(float), known.intercept.astype(float)
    spread = problem.X.astype(float).std(axis=0)
    proved = 0
    for size in 10.0 ** rng.uniform(-4, 1, 25):
        coef = best_coef + size * rng.normal(size=best_coef.shape) / spread / math.sqrt(len(spread))
        intercept = best_intercept + problem.intercept * size * rng.normal(size=best_intercept.shape)
        c = certify(problem, coef, intercept)
        gap = float(objective(problem, coef, intercept) - known.value)
        # 1e-13: the certificate's own sums are doubles
        assert gap <= c.gap * (1 + 1e-9) + 1e-13 * c.objective
        distance = squared_distance(problem, coef, intercept, known, at_optimum=False)
        assert math.sqrt(distance) <= c.distance * (1 + 1e-9) + 1e-9
        proved += math.isfinite(c.gap)
    assert proved >= 5, "a bound that is never finite would pass, too"


def plain_rows(problem: Problem) -> InMemory:
    """The rows on the caller's own columns."""
    p = problem.X.shape[1]
    place = Coordinates(np.zeros(p), np.ones(p + 1), None, problem.loss.basis)
    return InMemory(Dense(problem.X), problem.y, problem.weight, problem.offset, problem.loss, place)


@pytest.mark.parametrize("name", ["binary ridge", "three classes", "many classes", "softmax weights", "sorted"])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_few_rows_prove_the_gap_of_all(name: str, share: float) -> None:
    problem, known, rows = PROBLEMS[name](), best(name), plain_rows(PROBLEMS[name]())
    place, rng, work = rows.coordinates, np.random.default_rng(21), Work()
    strength = np.tile(np.append(np.full(problem.X.shape[1], problem.strength), 0.0), place.contrasts)
    penalty, totals = Ridge(strength), problem.class_weights()
    centre = place.from_original(known.coef.astype(float), known.intercept.astype(float))
    proved = 0
    for trial in range(8):
        theta = centre + 10.0 ** rng.uniform(-4, -1) * rng.normal(size=centre.shape)
        at: Evaluation = penalty.add(theta, run_one(Evaluate(theta, 1), rows, work))
        assert at.gradient is not None
        class_share = totals / totals.sum()
        sample = run_one(Draw(int(share * rows.n_rows), class_share, seed=trial), rows, work)
        proof = run(prove(theta, at.gradient, penalty, place, class_share, sample=sample), rows)
        gap = float(objective(problem, *place.original(theta)) - known.value)
        assert gap <= proof.gap * (1 + 1e-9) + 1e-13 * at.value
        proved += proof.proves_existence
    assert proved >= 2


@pytest.mark.parametrize("name", ["binary ridge", "three classes", "softmax weights", "sorted"])
def test_a_hessian_from_nearby_proves_the_gap(name: str) -> None:
    problem, known, rows = PROBLEMS[name](), best(name), plain_rows(PROBLEMS[name]())
    place, rng, work = rows.coordinates, np.random.default_rng(22), Work()
    strength = np.tile(np.append(np.full(problem.X.shape[1], problem.strength), 0.0), place.contrasts)
    penalty, totals = Ridge(strength), problem.class_weights()
    centre = place.from_original(known.coef.astype(float), known.intercept.astype(float))
    proved = 0
    for trial in range(8):
        before, theta = (centre + 10.0 ** rng.uniform(-4, -1) * rng.normal(size=centre.shape) for _ in range(2))
        sample = run_one(Draw(rows.n_rows // 2, totals / totals.sum(), seed=trial), rows, work)
        curved = penalty.add(before, run_one(Evaluate(before, 2, sample), rows, work))
        at = penalty.add(theta, run_one(Evaluate(theta, 1), rows, work))
        assert curved.hessian is not None
        assert at.gradient is not None
        proof = run(
            prove_nearby(theta, at.gradient, Nearby(before, np.linalg.inv(curved.hessian), sample), place), rows
        )
        least = run_one(LeastChange(before, theta, sample), rows, work)
        here = penalty.add(theta, run_one(Evaluate(theta, 2), rows, work)).hessian
        smallest = np.linalg.eigvalsh(here - min(1.0, least) * curved.hessian).min()
        assert smallest > -1e-10 * np.abs(here).max()  # rounding of the two matrices
        gap = float(objective(problem, *place.original(theta)) - known.value)
        assert gap <= proof.gap * (1 + 1e-9) + 1e-13 * at.value
        proved += proof.proves_existence
    assert proved >= 2


def test_the_bound_is_the_worst_case_of_its_differential_inequality() -> None:
    # where g'' may fall as fast as e^-|t|: min over t of -delta t + (e^-t + t - 1) / h-scaled, solved in closed form
    for leverage in (0.01, 1.0, 30.0):
        for u in (1e-6, 9.9e-5, 1.01e-4, 0.01, 0.5, 0.999):
            delta = u / math.sqrt(leverage)
            t = np.linspace(0, -2 * math.log1p(-u) + 1e-9, 200_001)
            worst = ((u * t) - (np.expm1(-t) + t)).max() / leverage
            # the grid's step, squared, and cancellation in the grid's formula
            assert bound(delta, leverage).gap == pytest.approx(worst, rel=1e-4, abs=1e-15 / leverage)
    assert bound(1.0, 1.0).gap == math.inf
    assert bound(math.nan, 1.0).gap == math.inf


# --- running --------------------------------------------------------------------------------------------------------


def lambda_path(rows: InMemory) -> list[Generator[Any, Any, Any]]:
    """One quasi-Newton fit for each of five ridges."""

    class Identity:
        def solve(self, gradient: F64) -> F64:
            return gradient / 50.0

    size = rows.coordinates.size
    return [
        quasi_newton(np.zeros(size), Ridge(np.full(size, ridge)), Identity(), target=1e-14, max_iterations=200)
        for ridge in (0.1, 1.0, 3.0, 10.0, 100.0)
    ]


def test_run_together_equals_one_by_one_and_shares_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plain_rows(binary())
    apart, one_by_one = [], []
    for solver in lambda_path(rows):
        apart.append(Work())
        one_by_one.append(run(solver, rows, apart[-1]))
    calls = {"logistic": 0, "logistic_many": 0}

    def counted(name: str) -> Any:
        kernel = getattr(kernels, name)

        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return kernel(*arguments)

        return call

    for name in calls:
        monkeypatch.setattr(kernels, name, counted(name))
    work = Work()
    together = run_together(lambda_path(rows), rows, work)
    for a, b in zip(together, one_by_one, strict=True):
        assert a.reason == b.reason == "target"
        # sums in another order: rounding, which a few iterations carry along
        np.testing.assert_allclose(a.theta, b.theta, rtol=1e-7, atol=1e-9)
    longest = max(w.passes for w in apart)
    assert work.passes == pytest.approx(longest, abs=2)  # rounding may cost or save an iteration at the end
    assert calls["logistic"] + calls["logistic_many"] == work.passes < 0.6 * sum(w.passes for w in apart)


class ByHand:
    """1/2 (theta - 3)' A (theta - 3), answered without a row of data."""

    A = np.array([[2.0, 0.5], [0.5, 1.0]])

    def answer_one(self, question: Any) -> Evaluation:
        d = question.theta - 3.0
        return Evaluation(0.5 * float(d @ self.A @ d), -1.0, self.A @ d, self.A)

    def answer(self, questions: Any) -> list[Any]:
        return [self.answer_one(question) for question in questions]

    def cost(self, question: Any) -> tuple[float, int]:
        return 1.0, 0


def test_a_solver_needs_no_data() -> None:
    work = Work()
    solver = newton(np.zeros(2), Ridge(np.zeros(2)), target=1e-20, max_iterations=10)
    stop = run(solver, ByHand(), work)
    np.testing.assert_allclose(stop.theta, [3.0, 3.0], rtol=1e-15)
    assert stop.iterations == 1
    assert work.passes == 2


# --- what is asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["large", "large softmax", "collinear"])
def test_a_tighter_tol_is_met_and_costs_more(monkeypatch: pytest.MonkeyPatch, name: str, solver: str) -> None:
    problem = PROBLEMS[name]()
    fits = [fit_by(monkeypatch, solver, problem, tol=tol) for tol in (1e-3, 1e-6, 1e-9, 1e-12)]
    for fitted in fits:
        assert fitted.certificate.certified
        assert fitted.certificate.relative_gap <= fitted.certificate.tol
    assert fits[0].info.passes < fits[-1].info.passes
    assert [f.info.iterations for f in fits] == sorted(f.info.iterations for f in fits)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["badly scaled", "three classes", "rare events"])
@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_is_told(monkeypatch: pytest.MonkeyPatch, name: str, solver: str, limit: int) -> None:
    fitted = fit_by(monkeypatch, solver, PROBLEMS[name](), max_iterations=limit, tol=1e-14)
    assert fitted.info.iterations <= limit
    assert not fitted.certificate.certified
    assert "raise max_iter" in fitted.certificate.status
    assert true_gap(PROBLEMS[name](), fitted, best(name)) > 1e-14 * fitted.certificate.null_objective


@pytest.mark.parametrize("solver", SOLVERS)
def test_clustered_rows_are_sampled_fairly(monkeypatch: pytest.MonkeyPatch, solver: str) -> None:
    base = binary(LARGE, 5, seed=22)
    order = np.lexsort([base.X[:, 0], base.y])
    shuffled, clustered = base, replace(base, X=base.X[order], y=base.y[order])
    a, b = fit_by(monkeypatch, solver, shuffled), fit_by(monkeypatch, solver, clustered)
    assert b.certificate.certified
    assert b.info.passes <= a.info.passes + 3
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-6)  # unpenalised: 1e-6 standard errors, n = 20,000


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["large", "large softmax", "far from zero", "wide"])
def test_a_warm_start_at_the_optimum_stays(monkeypatch: pytest.MonkeyPatch, name: str, solver: str) -> None:
    problem = PROBLEMS[name]()
    cold = fit_by(monkeypatch, solver, problem, tol=1e-10)
    warm = fit_by(monkeypatch, solver, problem, tol=1e-8, start=(cold.coef, cold.intercept))
    assert warm.certificate.certified
    assert warm.info.iterations == 0
    assert warm.info.passes < cold.info.passes
    np.testing.assert_allclose(warm.coef, cold.coef, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("times", [-30.0, 1e3, 1e6])
@pytest.mark.parametrize("name", ["binary", "three classes ridge", "badly scaled"])
def test_a_bad_start_is_overcome(monkeypatch: pytest.MonkeyPatch, name: str, times: float, solver: str) -> None:
    # 1e3: the same model, warm, on a table whose columns went from metres to kilometres
    problem, known = PROBLEMS[name](), best(name)
    start = (known.coef.astype(float) * times, known.intercept.astype(float) + 20.0)
    fitted = fit_by(monkeypatch, solver, problem, start=start)
    assert fitted.certificate.certified
    assert_proved(problem, fitted, known)


def factors(n: int, seed: int, strength: float) -> Problem:
    """Three numbers and six factors, coded: some 90 columns, all but the numbers of mostly one value, 1 in the last."""
    rng = np.random.default_rng(seed)
    codes = [rng.choice(k, n, p=rng.dirichlet(np.full(k, 0.7))) for k in (40, 20, 15, 9, 9)]
    dummies = [code[:, None] == np.unique(code)[1:] for code in codes] + [rng.random((n, 1)) < 0.8]
    X = np.column_stack([rng.normal(size=(n, 3)) * [1.0, 1e5, 1e-2] + [40.0, 1e5, 0.0], *dummies]).astype(float)
    eta = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3) @ (rng.normal(size=X.shape[1]) / 12.0) - 1.0
    return Problem(X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8), strength=strength)


@pytest.mark.parametrize("exact_hessians", [0, 1, 2, 3])
def test_exact_hessians_spare_passes(monkeypatch: pytest.MonkeyPatch, exact_hessians: int) -> None:
    problem = factors(20_000, 31, 1.0)
    known = fit_by(monkeypatch, NEWTON, problem, tol=1e-14)
    fitted = fit_by(monkeypatch, SAMPLED, problem, exact_hessians=exact_hessians)
    assert fitted.certificate.certified
    gap = objective(problem, fitted.coef, fitted.intercept) - objective(problem, known.coef, known.intercept)
    assert gap <= fitted.certificate.gap
    assert fitted.info.iterations <= 5 - min(exact_hessians, 2)  # of 54 rows an unknown, the sample's Hessian needs 5
    told = fit_by(monkeypatch, SAMPLED, problem, exact_hessians=exact_hessians, tol=1e-14, max_iterations=1)
    assert told.info.iterations <= 1
    assert not told.certificate.certified


def test_a_dear_hessian_of_a_sample_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(41)
    X = rng.normal(size=(40_000, 60))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-X @ rng.normal(size=60) / 8.0))).astype(np.uint8)
    problem = Problem(X, y, strength=1.0)
    known = fit_by(monkeypatch, NEWTON, problem, tol=1e-14)
    asked: list[int] = []
    answer = InMemory.answer_one

    def counted(self: InMemory, question: Question) -> Answer:
        if isinstance(question, Evaluate) and question.order == 2 and question.sample is not None:
            asked.append(question.sample.size)
        return answer(self, question)

    monkeypatch.setattr(InMemory, "answer_one", counted)
    for few, times in ((False, 2), (True, 1)):
        asked.clear()
        fitted = fit_by(monkeypatch, SAMPLED, problem, few_hessians=few)
        assert fitted.certificate.certified
        assert asked.count(max(asked)) == times
        gap = objective(problem, fitted.coef, fitted.intercept) - objective(problem, known.coef, known.intercept)
        assert gap <= fitted.certificate.gap
    assert choose.choose(200_000, 301, 1, 8).few_hessians
    assert not choose.choose(1_000_000, 51, 1, 8).few_hessians  # a Hessian costs two gradients there


def test_exact_hessians_are_chosen_where_they_cost_less_than_the_passes_they_save() -> None:
    coded, numbers = (choose.choose(48_842, 98, 1, 8, filled=filled) for filled in (0.09, 1.0))
    assert coded.solver == numbers.solver == SAMPLED
    assert coded.exact_hessians > numbers.exact_hessians > 0
    assert choose.choose(1_000_000, 51, 1, 8).exact_hessians == 0  # its sample knows enough


# --- where columns are counted from -----------------------------------------------------------------------------------


def test_columns_of_mostly_one_value_are_counted_from_it() -> None:
    problem = factors(4000, 32, 1.0)
    center, spread, _ = location(Dense(problem.X), None, intercept=True)
    X = problem.X
    share = X[:, 3:].mean(axis=0)
    clear = np.abs(share - 0.5) > 0.2  # three standard errors of a share in 64 rows
    assert share[-1] > 0.7
    np.testing.assert_array_equal(center[3:][clear], share[clear] > 0.5)
    np.testing.assert_allclose(center[:3], X[:, :3].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread, X.var(axis=0), rtol=1e-9)
    assert ((center - X.mean(axis=0)) ** 2 <= spread).all()
    assert filled(Dense(X), center) == pytest.approx((center != X).mean(), abs=0.02)
    assert (location(Dense(X), None, intercept=False)[0] == 0.0).all()
    # most rows are far from those of weight: they do not count
    rare = 3 + int(np.argmin(np.abs(share - 0.1)))
    weight = np.where(X[:, rare] == 1.0, 1.0, 1e-9)
    assert location(Dense(X), weight, intercept=True)[0][rare] == pytest.approx(1.0, abs=1e-6)


def test_a_fit_does_not_depend_on_where_columns_are_counted_from() -> None:
    base = factors(4000, 33, 1.0)
    moved = replace(base, X=base.X * 2.0 + 3.0)  # exact for dummies
    a, b = fit(base, tol=1e-14), fit(replace(moved, strength=4.0), tol=1e-14)
    np.testing.assert_allclose(2.0 * b.coef, a.coef, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(b.intercept + 3.0 * b.coef.sum(), a.intercept, rtol=1e-6)


def test_the_choice_has_reasons() -> None:
    small = choose.choose(200, 6, 1, 8)
    assert small.solver == NEWTON
    assert small.polish
    tall = choose.choose(1_000_000, 51, 1, 8)
    assert tall.solver == SAMPLED
    assert 51 * 50 <= tall.sample <= 250_000
    classes = choose.choose(200_000, 51, 9, 8)
    assert "sampled" in classes.solver
    assert choose.choose(3000, 51, 99, 8).solver == CONJUGATE  # 5,049 unknowns
    assert choose.choose(400, 50_000, 1, 8).solver == CONJUGATE
    for choice in (small, tall, classes):
        assert choice.why


@pytest.mark.parametrize("problem", [binary(200_000, 10, seed=23), softmax(40_000, 6, 5, seed=24, strength=1.0)])
def test_large_problems_take_few_passes(problem: Problem) -> None:
    fitted = fit(problem)
    assert "sampled" in fitted.info.solver
    assert fitted.certificate.certified
    assert fitted.info.passes < 8  # a quasi-Newton pass gains two digits or more, and the proof is read from a sample
    assert fitted.info.bytes_read == pytest.approx(
        fitted.info.passes * problem.X.nbytes, rel=1e-5
    )  # whole bytes a question


def test_a_penalty_without_end_is_refused() -> None:
    X, y = np.arange(8.0)[:, None], np.array([0, 1] * 4, dtype=np.uint8)
    with pytest.raises(InputError, match="strength is inf"):
        fit(Problem(X, y, strength=np.inf))


def test_coefficients_that_cannot_be_judged() -> None:
    X, y = np.random.default_rng(0).normal(size=(8, 2)), np.array([0, 1] * 4, dtype=np.uint8)
    problem = Problem(X, y, strength=1.0)
    with pytest.raises(InputError, match=r"give \(1, 2\) and \(1,\)"):
        certify(problem, np.zeros((1, 3)), np.zeros(1))
    assert not certify(problem, np.full((1, 2), 1e200), np.zeros(1)).certified  # and no warning of overflow


def test_a_ridge_on_a_column_of_hardly_anything() -> None:
    X, y = np.random.default_rng(0).normal(size=(50, 2)), (np.arange(50) % 3 > 0).astype(np.uint8)
    alone = fit(Problem(X[:, :1], y, strength=1.0))
    both = fit(Problem(X * [1.0, 1e-160], y, strength=1.0))
    assert both.certificate.certified
    assert abs(both.coef[0, 0] - alone.coef[0, 0]) < 1e-12  # 1e-160 adds nothing


def test_a_warm_start_from_a_stronger_penalty_is_certified_where_classes_are_all_but_separated() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:900], y[:900].astype(np.uint8)
    strong = fit(Problem(X, y, 10, strength=1 / 200.0))
    weak = fit(Problem(X, y, 10, strength=1e-4), start=(strong.coef, strong.intercept))
    assert weak.certificate.certified, weak.certificate.status
    cold = fit(Problem(X, y, 10, strength=1e-4), tol=1e-12)
    assert weak.certificate.objective - cold.certificate.objective <= weak.certificate.gap
