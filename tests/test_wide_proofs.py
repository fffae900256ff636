"""What only tables of many columns reach: leverages bounded by lengths, and BLAS on one thread while a fit runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from berkson.blas import _controller, one_thread
from berkson.certificate import MANY
from berkson.fit import certify, fit
from berkson.problem import Problem
from berkson.rows.memory import InMemory
from berkson.rows.questions import Extent, LargestLeverage


def _problem(strength: float) -> Problem:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(4000, MANY + 10)) * 10.0 ** rng.uniform(-3, 3, MANY + 10) + 5.0
    signal = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=X.shape[1]) / 6.0
    return Problem(X, (rng.random(len(X)) < 1 / (1 + np.exp(-signal))).astype(np.uint8), strength=strength)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_bound_by_lengths_lies_above_the_truth(strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = _problem(strength)
    best = fit(problem, tol=1e-14)
    asked: list[type] = []
    answer = InMemory.answer_one
    monkeypatch.setattr(InMemory, "answer_one", lambda rows, q: (asked.append(type(q)), answer(rows, q))[1])
    rng = np.random.default_rng(1)
    for size in (1e-5, 1e-4, 1e-3, 1e-2):  # gaps from 1e-6 to 1; only the nearest are within reach of lengths
        coef = best.coef + size * rng.normal(size=best.coef.shape) / problem.X.std(axis=0)
        proof = certify(problem, coef, best.intercept - (coef - best.coef) @ problem.X.mean(axis=0))
        assert proof.objective - best.certificate.objective <= proof.gap + 1e-9  # rounding of two objectives of 2,000
    assert Extent in asked
    assert asked.count(LargestLeverage) < asked.count(Extent)  # the bound by lengths sufficed at least once


def _blas_threads() -> list[int]:
    """Of the libraries that NumPy had when the first fit ran; what is imported later works for others."""
    return [pool["num_threads"] for pool in _controller().info() if pool["user_api"] == "blas"]


def test_blas_gets_its_threads_back() -> None:
    before = _blas_threads()
    with one_thread(100):
        assert set(_blas_threads()) == {1}
        with one_thread(100):
            assert set(_blas_threads()) == {1}
        assert set(_blas_threads()) == {1}  # the inner fit does not give back what the outer still needs
    assert _blas_threads() == before
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: fit(_problem(1.0)), range(6)))
    assert _blas_threads() == before
