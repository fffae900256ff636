"""Ridge fits by one unknown a row, in lockstep, against the equations that hold at a minimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from berkson import wide
from berkson.fit import certify, fit, row_space
from berkson.prepare import standardised
from berkson.problem import Problem
from berkson.select.path import path
from berkson.solvers import dual_newton
from berkson.solvers.dual_newton import Duals, Rows, minimise
from berkson.solvers.run import Work

N, P = 150, 400


def table(kind: str) -> Any:
    rng = np.random.default_rng(5)
    match kind:
        case "correlated":
            return rng.normal(size=(N, N)) * np.arange(1.0, N + 1) ** -1.5 @ rng.normal(size=(N, P))
        case "rows twice":
            return np.vstack([rng.normal(size=(N // 2, P))] * 2)
        case "scales":
            return rng.normal(size=(N, P)) * 10.0 ** rng.uniform(-2, 2, P)
        case _:
            assert kind == "plain"
            return rng.normal(size=(N, P))


def rows_of(X: Any, *, intercept: bool = True) -> tuple[Rows, Any]:
    """Four weightings of the same rows, three of which leave rows out; and K."""
    rng = np.random.default_rng(6)
    Z = X - X.mean(axis=0) if intercept else X
    kernel = Z @ Z.T
    y = (rng.random((N, 1)) < 0.4).astype(float)
    weight = np.column_stack([np.ones(N), *(np.arange(N) % 3 != k for k in range(2)), rng.exponential(size=N)])
    weight[:4, 3] = 0.0
    values, vectors = np.linalg.eigh(kernel)
    return Rows.of(kernel, values, vectors, y, weight, rng.normal(size=(N, 1)), intercept=intercept), kernel


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", ["plain", "correlated", "rows twice", "scales"])
def test_what_holds_at_a_minimum(kind: str, intercept: bool) -> None:
    """The gradient on the columns, Z' (r + s a), is zero, and so is the sum of the residuals r."""
    rows, K = rows_of(table(kind), intercept=intercept)
    weight, before = rows.weight * rows.scale, list[Duals]()
    for part in np.geomspace(1.0, 1e-5, 12):
        s = part * np.linalg.norm(K, 2) * np.array([1.0, 0.5, 2.0, 1.0])
        found = minimise(rows, s, np.full(4, 1e-18), before, 100)
        before.append(found)
        assert (found.iterations < 20).all()
        residual = weight * (expit(K @ found.dual + found.constant + rows.offset) - rows.y)
        rest = residual + s * found.dual
        # a thousand times the aim, which rounding may keep off
        assert ((rest * (K @ rest)).sum(axis=0) / s < 1e-15).all()
        if intercept:
            np.testing.assert_allclose(residual.sum(axis=0), 0.0, atol=1e-8)
        else:
            np.testing.assert_array_equal(found.constant, 0.0)
        product = K @ found.dual
        sign = 1.0 - 2.0 * rows.y
        loss = (weight * np.logaddexp(0.0, sign * (product + found.constant + rows.offset))).sum(axis=0)
        np.testing.assert_allclose(found.loss, loss, rtol=1e-9)
        ridge = 0.5 * s * (found.dual * product).sum(axis=0)
        np.testing.assert_allclose(found.objective, loss + ridge, rtol=1e-9)


def test_steps_by_elimination_are_those_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, K = rows_of(table("correlated"))
    s, aim = 1e-4 * np.trace(K) * np.ones(4), np.full(4, 1e-16)
    found = minimise(rows, s, aim, (), 100)
    asked: list[float] = []
    eliminated = dual_newton._eliminated
    monkeypatch.setattr(dual_newton, "LEAST_PRODUCTS", 0)
    monkeypatch.setattr(dual_newton, "SHARE", N + 1)
    monkeypatch.setattr(dual_newton, "_eliminated", lambda *a: [asked.append(a[1]), eliminated(*a)][1])  # type: ignore[func-returns-value]
    wanted = minimise(rows, s, aim, (), 100)
    assert len(asked) >= 4
    np.testing.assert_allclose(K @ found.dual, K @ wanted.dual, atol=1e-7)
    np.testing.assert_allclose(found.constant, wanted.constant, atol=1e-7)


def test_a_path_begins_where_its_last_fits_point_to() -> None:
    rows, K = rows_of(table("plain"))
    grid, before = np.trace(K) * np.geomspace(1.0, 1e-3, 25), list[Duals]()
    for s in grid:
        before.append(minimise(rows, np.full(4, s), np.full(4, 1e-8), before, 100))
    alone = minimise(rows, np.full(4, grid[-1]), np.full(4, 1e-8), (), 100)
    assert before[-1].iterations.max() < alone.iterations.min()
    np.testing.assert_allclose(before[-1].objective, alone.objective, atol=1e-7)


def test_a_ridge_may_be_asked_twice() -> None:
    rows, K = rows_of(table("plain"))
    before: list[Duals] = []
    for part in (1e-2, 1e-2, 1e-3, 1e-3, 1e-3):
        before.append(minimise(rows, np.full(4, part * np.trace(K)), np.full(4, 1e-10), before, 100))
    assert not before[-1].iterations.any()
    np.testing.assert_array_equal(before[-1].dual, before[2].dual)


def test_a_limit_of_steps_is_kept() -> None:
    rows, K = rows_of(table("plain"))
    found = minimise(rows, np.full(4, 1e-3 * np.trace(K)), np.full(4, 1e-20), (), 2)
    np.testing.assert_array_equal(found.iterations, 2)
    assert (found.gap > 1e-20).all()


# --- the proof from the kernel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("strength", [1e-2, 1.0, 100.0])
def test_the_kernel_proves_what_the_columns_do(K: int, strength: float) -> None:
    """At points off the minimum the bound lies above the truth, and near that by the gradient on the columns."""
    X, rng = table("scales"), np.random.default_rng(7)
    y = rng.integers(0, K, N).astype(np.uint8)
    given = Problem(X, y, K, strength=strength)
    space = row_space(standardised(given), Work())
    least = fit(given, tol=1e-13).certificate.objective
    finite = 0
    for tol in (1e-2, 1e-5, 1e-9):
        one = wide.Ridges(space, [given], tol, 100)._one(Problem(space.rows, y, K, strength=strength), 0)
        dual = one.dual + tol * rng.normal(size=one.dual.shape) * np.abs(one.dual)
        moved = wide.OnRows(one.problem, dual, one.constant, one.objective, one.loss, one.null, 0, "")
        from_kernel = wide.on_columns(space, [moved], np.inf)
        from_columns = wide.on_columns(space, [moved], 0.0)
        there = certify(given, from_kernel.coef[0], from_kernel.intercept[0])
        assert (there.objective - least) / there.null_objective <= from_columns.gap[0] + 1e-12
        assert from_columns.gap[0] <= from_kernel.gap[0] * (1 + 1e-6)
        finite += from_kernel.gap[0] < 1e-3
    assert finite >= 1


def test_rounding_counts_where_the_kernel_loses_columns() -> None:
    X = np.column_stack([table("plain"), 1e9 * np.random.default_rng(0).normal(size=N)])
    y = np.random.default_rng(1).integers(0, 2, N).astype(np.uint8)
    given = Problem(X, y, strength=1e-2)
    space = row_space(standardised(given), Work())
    found = wide.Ridges(space, [given], 1e-8, 100).follow([1e-2])
    assert not wide.on_columns(space, found, np.inf).gap[0] < 1e-3


def test_paths_of_rows_that_contradict_each_other() -> None:
    """Equal rows with different labels, down to ridges that are next to nothing."""
    X, y = table("rows twice"), np.random.default_rng(8).integers(0, 2, N).astype(np.uint8)
    X = np.hstack([X] * 40)
    found = path(Problem(X, y), l1_ratio=0.0, count=30, smallest=1e-7, complete=True)
    assert found.certified.all()
    assert (
        found.iterations.mean() < 8
    )  # to rounding, as tables are that small; without extrapolation and all it takes 25
