"""Hessians in single precision: what it does to them is bounded, and the bound is counted in proofs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from berkson import kernels
from berkson.fit import fit
from berkson.kernels import backend, rough_reference
from berkson.problem import Problem
from berkson.rows.memory import InMemory
from berkson.rows.questions import Evaluate, Evaluation

try:
    from berkson.kernels import rough_compiled
except ImportError:
    rough_compiled = None

needs_native = pytest.mark.skipif(rough_compiled is None, reason="the compiled kernels were not built")
BACKENDS = [pytest.param(rough_reference, id="reference")]
if rough_compiled is not None:
    BACKENDS.append(pytest.param(rough_compiled, id="native"))


def table(n: int, p: int, dtype: Any = "f8", order: Any = "C") -> tuple[Any, dict[str, Any]]:
    """A table and what is asked about its rows, columns of very different size."""
    rng = np.random.default_rng([n, p])
    X: Any = np.asarray(3.0 * rng.normal(size=(n, p)), dtype=dtype, order=order)
    center = X.mean(axis=0, dtype=np.float64)
    unit = np.append(1.0 / np.maximum(X.std(axis=0, dtype=np.float64), 1e-3), 1.0)
    weight = np.where(rng.random(n) < 0.1, 0.0, rng.uniform(0.1, 9.0, n))
    return X, {
        "rows": None,
        "center": center,
        "unit": unit,
        "coef": unit * rng.normal(size=p + 1) / np.sqrt(p),
        "y": (rng.random(n) < 0.4).astype(np.uint8),
        "weight": weight,
        "offset": rng.normal(size=n),
    }


def exact(X: Any, asked: dict[str, Any]) -> tuple[float, float, np.ndarray, np.ndarray]:
    given = {name: value for name, value in asked.items() if name != "unit"}
    value, margin, gradient, hessian = kernels.logistic(X, order=2, threads=1, **given)
    assert gradient is not None
    assert hessian is not None
    return value, margin, gradient, hessian


@needs_native
@pytest.mark.parametrize("p", [1, 3, 7, 8, 15, 16, 24, 31, 40, 47, 48, 100, 301])
def test_single_precision_is_within_its_bound(p: int) -> None:
    X, asked = table(500, p)
    X = X * 10.0 ** np.linspace(-12, 12, p)
    asked["center"], unit = X.mean(axis=0), np.append(1.0 / X.std(axis=0), 1.0)
    asked["coef"], asked["unit"] = asked["coef"] * unit / asked["unit"], unit
    value, margin, gradient, hessian = exact(X, asked)
    rough = rough_compiled.logistic(X, threads=2, **asked)
    np.testing.assert_allclose(rough[:2], (value, margin), rtol=1e-13)  # blocks, and so the order of sums, differ
    np.testing.assert_allclose(rough[2] * unit, gradient * unit, rtol=0, atol=1e-11 * np.abs(gradient * unit).max())
    size = np.sqrt(hessian.diagonal())
    off = np.abs(rough[3] - hessian) / (size[:, None] * size)
    assert 0.0 < off.max() <= rough[4] / (p + 1)
    assert off.max() < 1e-6  # as a rule far below the bound
    scaled = (hessian - rough[3]) / (size[:, None] * size)
    scaled.flat[:: p + 2] += rough[4] * rough[3].diagonal() / size**2
    assert np.linalg.eigvalsh(scaled).min() >= 0.0


@needs_native
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u2", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("chosen", [False, True])
def test_every_type_and_layout(dtype: str, order: Any, chosen: bool) -> None:
    X, asked = table(333, 19, dtype, order)
    if chosen:
        rows = np.random.default_rng(1).permutation(333)[:101]
        asked |= {"rows": rows} | {name: asked[name][rows] for name in ("y", "weight", "offset")}
    *_, hessian = exact(X, asked)
    rough = rough_compiled.logistic(X, threads=1, **asked)
    size = np.sqrt(hessian.diagonal())
    np.testing.assert_allclose(rough[3] / (size[:, None] * size), hessian / (size[:, None] * size), atol=1e-6)
    assert rough[4] < 1e-3 * 20


@needs_native
def test_the_same_bits_for_any_number_of_threads() -> None:
    X, asked = table(20_000, 40)
    one, two = (rough_compiled.logistic(X, threads=threads, **asked) for threads in (1, 2))
    assert np.array_equal(one[3], two[3])


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("p", [1, 8, 20, 63])
@pytest.mark.parametrize("chosen", [False, True])
def test_the_longest_row(kernel: Any, p: int, chosen: bool) -> None:
    X, asked = table(300, p)
    X[asked["weight"] == 0.0] = np.nan  # counts for nothing
    rows = np.random.default_rng(1).permutation(300)[:77] if chosen else None
    seen, weight = (X, asked["weight"]) if rows is None else (X[rows], asked["weight"][rows])
    center, unit = np.linspace(-1, 1, p), asked["unit"]
    lengths = ((np.column_stack([seen - center, np.ones(len(seen))]) * unit) ** 2).sum(axis=1)
    found = kernel.longest(X, rows, center, unit, weight, 2)
    np.testing.assert_allclose(found, lengths[weight > 0.0].max(), rtol=1e-14)
    assert kernel.longest(X, rows, center, unit, np.zeros(len(seen)), 1) == -np.inf
    assert np.isnan(kernel.longest(X, rows, center, unit, None, 1))


def problem_of(X: np.ndarray, **given: Any) -> Problem:
    rng = np.random.default_rng(8)
    spread = (X - X.mean(axis=0)) / X.std(axis=0)
    eta = spread @ rng.normal(size=X.shape[1]) / np.sqrt(X.shape[1])
    y = (rng.random(len(X)) < 1.0 / (1.0 + np.exp(-eta))).astype(np.uint8)
    return Problem(X, y, 2, **{"strength": 1.0, **given})


@pytest.mark.parametrize("kind", ["plain", "units", "near", "nearest", "tiny weights", "huge weights", "rare"])
def test_fits_are_proved_whatever_the_rounding(kind: str) -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60_000, 24))
    weight = None
    if kind == "units":
        X = (X + 50.0) * 10.0 ** np.linspace(-30, 30, 24)
    if kind in ("near", "nearest"):
        X[:, 1:] = X[:, :1] + (1e-2 if kind == "near" else 1e-4) * X[:, 1:]
    if kind.endswith("weights"):
        weight = np.full(len(X), 1e-40 if kind == "tiny weights" else 1e40)
    if kind == "rare":
        X[:, 0] = rng.random(len(X)) < 2e-4
    strength = 1e-40 if kind == "tiny weights" else 1e-3
    fitted = fit(problem_of(X, strength=strength, weight=weight))
    assert fitted.info.solver == "sampled newton"
    assert fitted.certificate.certified
    exactly = fit(problem_of(X, strength=strength, weight=weight), tol=1e-12)
    assert exactly.certificate.certified
    # the proved gaps say how far the two may be apart
    gap = fitted.certificate.gap + exactly.certificate.gap + 1e-14 * exactly.certificate.objective
    assert abs(fitted.certificate.objective - exactly.certificate.objective) <= gap


@needs_native
def test_single_precision_serves_and_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    roundings: list[float] = []
    answer = InMemory._evaluate

    def watched(rows: InMemory, question: Evaluate) -> Evaluation:
        at = answer(rows, question)
        if question.order == 2 and question.sample is not None:
            roundings.append(at.rounding)
        return at

    monkeypatch.setattr(InMemory, "_evaluate", watched)
    X = np.random.default_rng(4).normal(size=(60_000, 24))
    assert fit(problem_of(X)).certificate.certified
    assert roundings
    assert (min(roundings) > 0.0) == (backend()["name"] == "native")  # every Hessian of a sample
    roundings.clear()
    X[:, 1:] = X[:, :1] + 1e-3 * X[:, 1:]
    assert fit(problem_of(X)).certificate.certified
    assert 0.0 in roundings  # columns too alike for it


@pytest.mark.skipif("BERKSON_ISA" in os.environ, reason="already chosen")
@needs_native
@pytest.mark.parametrize("instruction_set", ["baseline", "avx2", "avx512"])
def test_every_instruction_set(instruction_set: str) -> None:
    environment = {**os.environ, "BERKSON_ISA": instruction_set}
    probe = subprocess.run(
        [sys.executable, "-c", "import berkson.kernels as k; k.backend()"],
        env=environment,
        capture_output=True,
        text=True,
    )
    if "this machine cannot run it" in probe.stderr:
        pytest.skip(f"this machine has no {instruction_set}")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-x", __file__]
    result = subprocess.run(
        [*command, "-k", "within_its_bound or longest_row"], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-3000:]
