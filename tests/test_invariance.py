"""What must not change an answer, and how it changes with what does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, currently_in_test_context, given
from hypothesis import strategies as st
from problems import PROBLEMS, binary, softmax

from berkson.fit import Fit, fit
from berkson.problem import Problem

Array = npt.NDArray[Any]

TOL = 1e-18  # of the null objective: 1e-9 of a standard error or so, and what is compared here is then all rounding
CLOSE = 1e-7  # relative: sums in another order (1e-16), times the condition of a random problem, with room
RIDGES = (0.0, 1.0)

seeds = st.integers(0, 10_000)
ridges = st.sampled_from(RIDGES)


def exact(problem: Problem) -> Fit:
    fitted = fit(problem, tol=TOL)
    if currently_in_test_context():  # random data may be separated; named problems are not
        assume(fitted.certificate.separation is None)
    assert fitted.certificate.certified
    return fitted


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    seed, ridge = draw(seeds), draw(ridges)
    n, p, K = draw(st.integers(60, 150)), draw(st.integers(1, 4)), draw(st.sampled_from([2, 2, 3, 5]))
    return binary(n, p, seed, ridge) if K == 2 else softmax(n + 40 * K, p, K, seed, ridge)


def linear_predictor(fitted: Fit, X: Array) -> Array:
    return X @ fitted.coef.T + fitted.intercept


def same(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=CLOSE, atol=CLOSE * max(1e-300, float(np.abs(b).max())))


def same_fit(a: Fit, b: Fit) -> None:
    same(a.coef, b.coef)
    same(a.intercept, b.intercept)
    assert a.certificate.objective == pytest.approx(b.certificate.objective, rel=1e-12)


@given(problems(), seeds)
def test_row_order(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(problem.y))
    shuffled = replace(problem, X=problem.X[order], y=problem.y[order])
    same_fit(exact(shuffled), exact(problem))


@given(problems(), seeds)
def test_units_and_origins_of_columns(problem: Problem, seed: int) -> None:
    rng, p = np.random.default_rng(seed), problem.X.shape[1]
    unpenalised = replace(problem, strength=0.0)
    scale = 10.0 ** rng.uniform(-6, 6, p) * rng.choice([-1, 1], p)
    shift = rng.normal(size=p) * 1e3 * np.abs(scale)
    moved = exact(replace(unpenalised, X=problem.X * scale + shift))
    plain = exact(unpenalised)
    # X itself loses 1e-13 by a shift of a thousand standard deviations
    same(linear_predictor(moved, problem.X * scale + shift), linear_predictor(plain, problem.X))
    same(moved.coef * scale, plain.coef)


@given(problems(), st.floats(-1e4, 1e4))
def test_a_ridge_does_not_see_origins(problem: Problem, shift: float) -> None:
    a, b = exact(replace(problem, X=problem.X + shift)), exact(problem)
    same(a.coef, b.coef)
    assert a.certificate.objective == pytest.approx(b.certificate.objective, rel=1e-12)


@given(problems(), seeds)
def test_integer_weights_are_repeated_rows(problem: Problem, seed: int) -> None:
    times = np.random.default_rng(seed).integers(0, 4, len(problem.y))
    repeated = replace(problem, X=np.repeat(problem.X, times, axis=0), y=np.repeat(problem.y, times))
    assume(len(np.unique(repeated.y)) == problem.n_classes)
    same_fit(exact(replace(problem, weight=times.astype(float))), exact(repeated))


@given(problems(), seeds)
def test_rows_without_weight_are_no_rows(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.exponential(size=len(problem.y)) * (rng.random(len(problem.y)) < 0.7)
    X = np.where(weight[:, None] > 0, problem.X, 1e6)  # whatever stands there
    rows = weight > 0
    assume(len(np.unique(problem.y[rows])) == problem.n_classes)
    without = replace(problem, X=problem.X[rows], y=problem.y[rows], weight=weight[rows])
    same_fit(exact(replace(problem, X=X, weight=weight)), exact(without))


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("times", [1e-12, 1e-4, 1e4, 1e12])
@pytest.mark.parametrize("make", [binary, softmax])
def test_the_unit_of_weights(make: Callable[..., Problem], times: float, ridge: float) -> None:
    # the likelihood is times as large, and so is the ridge that means the same
    problem = make(strength=ridge)
    weight = np.random.default_rng(30).exponential(size=len(problem.y))
    a = exact(replace(problem, weight=weight * times, strength=ridge * times))
    b = exact(replace(problem, weight=weight))
    same(a.coef, b.coef)
    same(a.intercept, b.intercept)
    assert a.certificate.objective == pytest.approx(times * b.certificate.objective, rel=1e-12)


@given(st.integers(2, 9), seeds)
def test_repeating_all_rows_divides_the_ridge(times: int, seed: int) -> None:
    problem = binary(80, 3, seed, strength=1.0)
    repeated = replace(problem, X=np.tile(problem.X, (times, 1)), y=np.tile(problem.y, times), strength=float(times))
    same(exact(repeated).coef, exact(problem).coef)


@given(seeds, ridges)
def test_swapping_two_labels(seed: int, ridge: float) -> None:
    problem = binary(100, 3, seed, ridge)
    a, b = exact(replace(problem, y=1 - problem.y)), exact(problem)
    same(a.coef, -b.coef)
    same(a.intercept, -b.intercept)


@given(seeds, ridges)
def test_the_order_of_classes(seed: int, ridge: float) -> None:
    problem = softmax(200, 3, 4, seed, ridge)
    new = np.random.default_rng(seed).permutation(4)  # class k becomes new[k]
    a, b = exact(replace(problem, y=new[problem.y].astype(np.uint8))), exact(problem)
    same(a.coef[new], b.coef)
    same(a.intercept[new], b.intercept)


@given(problems(), st.floats(-8, 8))
def test_an_offset_is_a_coefficient_that_is_known(problem: Problem, known: float) -> None:
    K = problem.n_classes
    plain = exact(replace(problem, strength=0.0))
    column = known / 8 * problem.X[:, 0]
    offset = column if K == 2 else np.column_stack([column, *np.zeros((K - 1, len(column)))])
    a = exact(replace(problem, strength=0.0, offset=offset))
    expected = plain.coef.copy()
    taken = np.zeros(K if K > 2 else 1)
    taken[0] = known / 8
    expected[:, 0] -= taken - taken.mean() * (K > 2)  # softmax: classes sum to zero
    same(a.coef, expected)
    same(a.intercept, plain.intercept)
    shifted = exact(replace(problem, offset=np.full(len(problem.y), known) if K == 2 else np.full(offset.shape, known)))
    unshifted = exact(problem)
    same(shifted.coef, unshifted.coef)
    same(shifted.intercept + (known if K == 2 else 0.0), unshifted.intercept)


@given(problems())
def test_shares_of_zero_and_one_are_labels(problem: Problem) -> None:
    K = problem.n_classes
    soft = problem.y.astype(float) if K == 2 else np.eye(K)[problem.y]
    same_fit(exact(replace(problem, y=soft)), exact(problem))


@given(seeds, ridges)
def test_counts_are_rows(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    X, trials = rng.normal(size=(30, 2)), rng.integers(1, 9, 30)
    events = rng.binomial(trials, 1 / (1 + np.exp(-X[:, 0])))
    assume(0 < events.sum() < trials.sum())
    counts = Problem(X, events / trials, weight=trials.astype(float), strength=ridge)
    labels = np.concatenate([np.repeat([1, 0], [e, t - e]) for e, t in zip(events, trials, strict=True)])
    rows = Problem(np.repeat(X, trials, axis=0), labels.astype(np.uint8), strength=ridge)
    same_fit(exact(counts), exact(rows))


# --- storage and threads --------------------------------------------------------------------------------------------

DTYPES = ("float64", "float32", "int8", "uint8", "bool", "int32", "int64", "uint16")


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_any_type(dtype: str, K: int) -> None:
    base = binary() if K == 2 else softmax()
    X = (np.rint(np.abs(base.X) * 20) if dtype != "bool" else base.X > 0).astype(dtype)
    same_fit(exact(replace(base, X=X)), exact(replace(base, X=X.astype(np.float64))))


def _strided(X: Array) -> Array:
    wide = np.full((2 * len(X), 3 * X.shape[1]), np.nan)
    wide[1::2, ::3] = X
    return wide[1::2, ::3]


def _read_only(X: Array) -> Array:
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "column-major": np.asfortranarray,
    "strided": _strided,
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "read-only": _read_only,
    "rows of a column-major table": lambda X: np.asfortranarray(np.vstack([X, X]))[: len(X)],
}


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, K: int, ridge: float) -> None:
    base = binary(strength=ridge) if K == 2 else softmax(strength=ridge)
    same_fit(exact(replace(base, X=LAYOUTS[layout](base.X))), exact(base))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["large", "large softmax"])
def test_threads(monkeypatch: pytest.MonkeyPatch, name: str, threads: int) -> None:
    # bit for bit with the same number of threads; sums in another order otherwise
    problem = PROBLEMS[name]()
    monkeypatch.setattr("berkson.kernels.threads", lambda: threads)
    first, second = exact(problem), exact(problem)
    assert (first.coef == second.coef).all()
    assert (first.intercept == second.intercept).all()
    monkeypatch.setattr("berkson.kernels.threads", lambda: 1)
    same_fit(first, exact(problem))


def test_the_caller_keeps_what_was_given() -> None:
    base = softmax(strength=1.0)
    rng = np.random.default_rng(31)
    given_arrays = [base.X.copy(), base.y.copy(), rng.exponential(size=len(base.y)), rng.normal(size=(len(base.y), 3))]
    X, y, weight, offset = (a.copy() for a in given_arrays)
    fit(replace(base, X=X, y=y, weight=weight, offset=offset))
    for before, after in zip(given_arrays, (X, y, weight, offset), strict=True):
        assert (before == after).all()
