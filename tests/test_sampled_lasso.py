"""The lasso from the null model by way of samples: true optima, bounds above true gaps, few readings of all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from berkson.fit import fit
from berkson.problem import Problem
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Question
from berkson.solvers import solve
from berkson.solvers.regularised import Course

N, P = 30_000, 40
PROBLEMS = (
    "normal",
    "elastic net",
    "heavy tails",
    "weights and offsets",
    "three classes",
    "ten classes",
    "no constant",
    "correlated",
    "a rare level",
)


def problem(kind: str) -> Problem:
    rng = np.random.default_rng(11)
    K = {"three classes": 3, "ten classes": 10}.get(kind, 2)  # of ten: 18 rows an unknown
    X = rng.standard_normal((N, P))
    if kind == "heavy tails":  # some rows far out, and columns that few rows have
        X[:, ::7], X[:, 3] = np.exp(1.5 * X[:, ::7]) - 2.0, rng.random(N) < 0.003
    if kind == "correlated":
        X += 3.0 * rng.standard_normal((N, 1))
    if kind == "a rare level":  # which a sample has once, if at all
        X[:, 5] = np.arange(N) == 17
    coef = np.where(rng.random((P, 1)) < 0.4, rng.normal(0.0, 0.3, (P, K)), 0.0)
    y = (X @ coef + rng.gumbel(size=(N, K))).argmax(axis=1).astype(np.uint8)
    found = Problem(X, y, n_classes=K, lasso=0.01 * N)
    if kind == "elastic net":
        return replace(found, lasso=0.004 * N, strength=0.02 * N)
    if kind == "weights and offsets":
        return replace(found, weight=rng.gamma(0.3, size=N), offset=rng.normal(0.0, 2.0, N))
    return replace(found, intercept=False) if kind == "no constant" else found


def objective(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> float:
    """As the definition has it, in extended precision."""
    eta = (problem.X @ coef.T + intercept).astype(np.longdouble)
    if problem.offset is not None:
        eta += problem.offset[:, None]
    if problem.n_classes == 2:
        eta = np.column_stack([np.zeros(N, np.longdouble), eta])
    top = eta.max(axis=1)
    loss = top + np.log(np.exp(eta - top[:, None]).sum(axis=1)) - eta[np.arange(N), problem.y]
    total = loss.sum() if problem.weight is None else problem.weight @ loss
    return float(total + problem.lasso * np.abs(coef).sum() + 0.5 * problem.strength * (coef**2).sum())


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_optimum_is_that_of_exact_hessians(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, asked = problem(kind), []
    answer = InMemory.answer_one

    def noted(rows: InMemory, question: Question) -> object:
        asked.append(question)
        return answer(rows, question)

    with monkeypatch.context() as patch:
        patch.setattr(InMemory, "answer_one", noted)
        found, rough = fit(given), fit(given, tol=1e-5)
    hessians = [q for q in asked if isinstance(q, Evaluate) and q.order == 2 and q.sample is None]
    assert len(hessians) == (2 if kind == "a rare level" else 0)  # a proof takes all rows where a sample's is singular
    assert found.info.passes < 8.0
    assert found.info.solver == "proximal newton"
    monkeypatch.setattr(
        solve, "from_cold", lambda theta, penalty, course, size: without_samples(theta, penalty, course)
    )
    exact = fit(given, tol=1e-13)
    least = objective(given, exact.coef, exact.intercept)
    null = found.certificate.null_objective
    for reached, tol in ((found, 1e-8), (rough, 1e-5)):
        gap = objective(given, reached.coef, reached.intercept) - least
        assert reached.certificate.certified
        assert reached.certificate.relative_gap <= tol
        # 1e-13: what the reference is known to, and a few roundings of a sum of 30,000 losses
        assert -1e-13 * null <= gap <= reached.certificate.gap + 1e-13 * null


def without_samples(theta: np.ndarray, penalty: object, course: Course) -> object:
    from berkson.solvers.cold import from_cold

    return from_cold(theta, penalty, course, 0)  # type: ignore[arg-type]


def test_no_iterations_leave_the_null_model() -> None:
    given = problem("normal")
    found = fit(given, max_iterations=0)
    share = given.y.mean()
    assert not found.coef.any()
    assert found.intercept == pytest.approx([np.log(share / (1.0 - share))], rel=1e-12)  # a logarithm's rounding
    assert not found.certificate.certified


def test_a_limit_of_iterations_is_kept() -> None:
    found = fit(problem("heavy tails"), tol=1e-15, max_iterations=1)
    assert found.info.iterations == 1
    assert found.info.stopped == "limit"
    assert not found.certificate.certified
