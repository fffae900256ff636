"""Quadratics with absolute values, and proximal Newton on whole problems: optimal by their own conditions, and against
scikit-learn's saga, an independent algorithm."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from berkson.anchor import anchor_at
from berkson.certificate import prove
from berkson.fit import fit
from berkson.kernels import backend, quadratic, quadratic_reference
from berkson.penalty import ElasticNet
from berkson.problem import Problem
from berkson.rows.memory import InMemory
from berkson.solvers.proximal import Model, loss_model, proximal_newton
from berkson.solvers.run import run

# The door and, where that is compiled, its reference.
QUADRATICS = tuple(dict.fromkeys((quadratic.quadratic_minimum, quadratic_reference.quadratic_minimum)))


def violation(hessian: np.ndarray, linear: np.ndarray, threshold: np.ndarray, x: np.ndarray) -> float:
    """How far zero lies from the subdifferential, relative to the largest slope."""
    gradient = hessian @ x + linear
    off = np.where(x != 0, np.abs(gradient + threshold * np.sign(x)), np.maximum(np.abs(gradient) - threshold, 0))
    return float(off.max() / np.abs(linear).max())


@pytest.mark.parametrize("quadratic_minimum", QUADRATICS)
@pytest.mark.parametrize("kind", ["plain", "correlated", "rank deficient", "equal columns", "a free coordinate"])
def test_quadratics_are_minimised_from_any_start(kind: str, quadratic_minimum: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        d = int(rng.integers(2, 30))
        rows = int(rng.integers(1, d)) if kind == "rank deficient" else 2 * d
        A = rng.normal(size=(rows, d)) * 10 ** rng.uniform(-1, 1, d)
        if kind == "correlated":
            A = A @ (0.05 * np.eye(d) + 0.95 / d)
        if kind == "equal columns":
            A[:, 1] = A[:, 0]
        linear = -A.T @ rng.normal(size=rows)
        threshold = np.full(d, np.abs(linear).max() * 10 ** rng.uniform(-4, 0))
        if kind == "a free coordinate":
            threshold[-1] = 0.0
        start = np.where(rng.random(d) < 0.3, rng.normal(size=d), 0.0)
        x = quadratic_minimum(A.T @ A, linear, threshold, start)
        assert violation(A.T @ A, linear, threshold, x) < 1e-9  # of condition numbers to 1e6, in double precision


@pytest.mark.skipif(backend()["name"] != "native", reason="the compiled kernels are not built")
def test_the_compiled_search_solves_what_is_regular_and_says_what_is_not() -> None:
    from berkson.kernels import _native

    rng = np.random.default_rng(2)
    for d in (1, 2, 7, 8, 9, 31, 63, 64, 65, 130):
        A = rng.normal(size=(2 * d + 3, d))
        hessian, linear = A.T @ A, A.T @ rng.normal(size=2 * d + 3)
        for part in (0.0, 0.3, 1.1):
            threshold = np.full(d, part * np.abs(linear).max())
            x, start = np.empty(d), np.where(rng.random(d) < 0.5, rng.normal(size=d), 0.0)
            x[:] = start
            assert _native.quadratic_minimum(hessian, linear, threshold, x)
            expected = quadratic_reference.quadratic_minimum(hessian, linear, threshold, start)
            np.testing.assert_allclose(x, expected, atol=1e-9 * (1.0 + np.abs(expected).max()))  # condition up to 1e4
            np.testing.assert_array_equal(x == 0.0, expected == 0.0)
        x = np.ones(d + 1)
        flat = np.zeros((d + 1, d + 1))
        flat[:d, :d] = hessian
        assert not _native.quadratic_minimum(flat, np.append(linear, 0.0), np.zeros(d + 1), x)
        assert not _native.quadratic_minimum(hessian, np.full(d, np.nan), threshold, np.zeros(d))
    with pytest.raises(ValueError, match="hessian"):
        _native.quadratic_minimum(np.eye(2), np.zeros(3), np.zeros(3), np.zeros(3))
    with pytest.raises(TypeError, match="linear must be float64"):
        _native.quadratic_minimum(np.eye(2), np.zeros(2, np.float32), np.zeros(2), np.zeros(2))


def table(n: int = 500, p: int = 12) -> Problem:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(n, p)) * 10 ** rng.uniform(-2, 2, p) + rng.normal(size=p)
    y = (rng.random(n) < 1 / (1 + np.exp(-(X / X.std(axis=0))[:, :3].sum(axis=1)))).astype(np.uint8)
    return Problem(X, y, weight=rng.uniform(0.5, 2, n), strength=1.0)


def net(rows: InMemory, ridge: float, lasso: float) -> ElasticNet:
    scale, free = rows.coordinates.scale, np.append(np.ones(len(rows.coordinates.scale) - 1), 0.0)
    return ElasticNet(free * ridge / scale**2, free * lasso / scale)


def test_a_model_from_elsewhere_that_allows_no_step_is_no_end() -> None:
    """An anchor says of the exact model's gap what it said before, as no step was taken."""
    problem = table()
    rows = fit(problem).rows
    penalty, start = net(rows, 0.0, 0.3), np.zeros(rows.coordinates.size)
    anchor = run(anchor_at(start, penalty, rows.coordinates, None), rows)
    exact = run(loss_model(start), rows)
    flat = Model(start, exact.at, 1e-12 * np.eye(len(start)), False)
    found, alone = (
        run(proximal_newton(model, penalty, target=1e-9, max_iterations=100, anchor=anchor), rows)
        for model in (flat, exact)
    )
    assert found.reason == alone.reason == "target"
    np.testing.assert_allclose(found.model.value(penalty), alone.model.value(penalty), rtol=1e-12)


@pytest.mark.parametrize("lasso", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("ridge", [0.0, 2.0])
def test_a_proved_gap_lies_above_the_true_one(lasso: float, ridge: float) -> None:
    problem = table()
    rows = fit(problem).rows
    penalty = net(rows, ridge, lasso)

    def best(target: float) -> Model:
        model = run(loss_model(np.zeros(rows.coordinates.size)), rows)
        progress = run(proximal_newton(model, penalty, target=target, max_iterations=100), rows)
        assert progress.reason in ("target", "stalled")
        return progress.model

    least = best(0.0).value(penalty)
    totals = problem.class_weights()
    for target in (10.0, 0.1, 1e-4):
        model = best(target)
        value, share = model.value(penalty), totals / totals.sum()
        for curvature in (0.0, model.curvature(penalty), math.inf):  # any is valid
            proof = run(
                prove(model.theta, model.gradient(penalty), penalty, rows.coordinates, share, curvature=curvature), rows
            )
            assert value - least <= proof.gap + 1e-10  # rounding of objectives of some hundreds
        proof = run(
            prove(
                model.theta,
                model.gradient(penalty),
                penalty,
                rows.coordinates,
                share,
                curvature=model.curvature(penalty),
            ),
            rows,
        )
        assert value - least <= proof.gap + 1e-10  # rounding of objectives of some hundreds
        assert proof.gap < math.inf or target > 1.0
    assert best(1e-12).value(penalty) - least < 1e-10


def test_saga_finds_nothing_better() -> None:
    from sklearn.linear_model import LogisticRegression

    problem = table()
    X = (problem.X - problem.X.mean(axis=0)) / problem.X.std(axis=0)
    problem = Problem(X, problem.y, weight=problem.weight, strength=1.0)
    rows = fit(problem).rows
    penalty = net(rows, 3.0, 7.0)
    model = run(loss_model(np.zeros(rows.coordinates.size)), rows)
    progress = run(proximal_newton(model, penalty, target=1e-13, max_iterations=100), rows)
    coef, intercept = rows.coordinates.original(progress.model.theta)
    peer = LogisticRegression(C=0.1, l1_ratio=0.7, solver="saga", tol=1e-12, max_iter=100_000)
    peer.fit(X, problem.y, sample_weight=problem.weight)
    np.testing.assert_allclose(coef, peer.coef_, atol=1e-7)  # what saga reaches
    np.testing.assert_allclose(intercept, peer.intercept_, atol=1e-7)
    assert (coef == 0).sum() == (peer.coef_ == 0).sum() > 0


@pytest.mark.parametrize("quadratic_minimum", QUADRATICS)
def test_quadratics_that_are_flat_have_their_minimum_found(quadratic_minimum: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        n, p = rng.integers(3, 30), rng.integers(7, 25)
        A = rng.normal(size=(n, p))
        A[:, -1], A[:, -2] = A[:, 0] + A[:, 1], A[:, 2]  # combinations
        hessian, linear = A.T @ A, 3.0 * A.T @ rng.normal(size=n)
        threshold = rng.choice([0.01, 0.3, 2.0]) * np.where(rng.random(p) < 0.1, 0.0, rng.uniform(0.1, 1.0, p))
        start = rng.normal(size=p) * (rng.random(p) < rng.choice([0.0, 0.3, 1.0]))
        found = quadratic_minimum(hessian, linear, threshold, start)
        gradient = hessian @ found + linear
        used = found != 0.0
        np.testing.assert_allclose((gradient + threshold * np.sign(found))[used], 0.0, atol=1e-8)  # of sums of hundreds
        assert (np.abs(gradient) <= threshold + 1e-8).all()


@pytest.mark.parametrize("twin", ["reference", "compiled"])
def test_what_is_held_at_zero_is_so_from_the_start(twin: str) -> None:
    search = pytest.importorskip(f"berkson.kernels.quadratic_{twin}").quadratic_minimum
    hessian = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 1.5]])
    linear, threshold = np.array([-1.0, 0.4, -2.0]), np.array([0.1, np.inf, 0.0])
    held = search(hessian, linear, threshold, np.array([0.0, 3.0, 1.0]))
    assert held[1] == 0.0
    rest = search(hessian[::2, ::2].copy(), linear[::2].copy(), threshold[::2].copy(), np.zeros(2))
    np.testing.assert_allclose(held[::2], rest, rtol=1e-12)
