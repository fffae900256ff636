"""Every kernel against its reference over types, layouts and shapes; both against extended precision on all doubles."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from berkson import kernels
from berkson.kernels import reference

try:
    from berkson.kernels import compiled
except ImportError:
    compiled = None

INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
BACKENDS = [pytest.param(reference, id="reference")]
if compiled is not None:
    BACKENDS.append(pytest.param(compiled, id="native"))
needs_native = pytest.mark.skipif(compiled is None, reason="the compiled kernels were not built")

TYPES = ("f8", "f4", "i1", "u1", "?", "i2", "u2", "i4", "u4", "i8", "u8")
LAYOUTS = ("row-major", "column-major", "every other", "reversed", "read-only", "memmap", "unaligned")


def design(rng: np.random.Generator, n: int, p: int, dtype: str, layout: str, folder: Path) -> Any:
    values = 3.0 * rng.normal(size=(n, p))
    X: Any = (np.abs(values) if dtype[0] in "u?" else values).astype(dtype)
    if layout == "column-major":
        return np.asfortranarray(X)
    if layout == "every other":
        wide = np.zeros((2 * n, 3 * p), dtype)
        wide[::2, ::3] = X
        return wide[::2, ::3]
    if layout == "reversed":
        return X[::-1, ::-1]
    if layout == "read-only":
        X.setflags(write=False)
    if layout == "memmap" and X.size:
        X.tofile(folder / "X")
        return np.memmap(folder / "X", dtype=dtype, mode="r", shape=X.shape)
    if layout == "unaligned":
        memory = np.zeros(X.nbytes + 1, np.uint8)
        shifted = memory[1:].view(dtype).reshape(X.shape)
        shifted[:] = X
        return shifted
    return X


def questions(
    rng: np.random.Generator, X: Any, rows: Any, M: int, full: bool, center: Any = None
) -> list[tuple[str, tuple[Any, ...]]]:
    """One call of every kernel: with weights (some 0), offsets and soft labels where `full`, else with neither."""
    m, p = (len(X) if rows is None else len(rows)), X.shape[1]
    if center is None:
        center = rng.normal(size=p)
    coef, direction = rng.normal(size=(p + 1, M)), rng.normal(size=(p + 1, M))
    weight = rng.random(m) * (rng.random(m) < 0.7) if full else None
    weights = np.asfortranarray(rng.random((m, M)) * (rng.random((m, M)) < 0.7)) if full else None
    offset, offsets = (rng.normal(size=m), rng.normal(size=(m, M))) if full else (None, None)
    y = rng.random(m) if full else (rng.random(m) < 0.4).astype(np.uint8)
    labels = rng.dirichlet(np.ones(M), size=m) if full else rng.integers(0, M, m).astype(np.int32)
    codes = rng.integers(0, M, m).astype(np.uint8)
    one, along, root = coef[:, 0].copy(), direction[:, 0].copy(), rng.normal(size=(p + 1, p + 1))
    return [
        ("moments", (X, rows, weight)),
        ("linear_predictor", (X, rows, center, coef, offsets)),
        *(("logistic", (X, rows, center, one, y, weight, offset, order)) for order in (0, 1, 2)),
        ("logistic_many", (X, rows, center, coef, y, weight, offset)),
        ("logistic_many", (X, rows, center, coef, y, weights, offsets)),
        *(("multinomial", (X, rows, center, coef, labels, weight, offsets, order)) for order in (0, 1)),
        *([("multinomial", (X, rows, center, coef, codes, weight, offsets, 2))] if M * p < 200 else []),
        ("logistic_curvature", (X, rows, center, one, along, weight, offset)),
        ("multinomial_curvature", (X, rows, center, coef, direction, weight, offsets)),
        ("gram", (X, rows, center, weight)),
        ("quadratic_form", (X, rows, center, root @ root.T)),
    ]


def check_same(name: str, got: Any, wanted: Any) -> None:
    got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert type(a) is type(b)
        if b is not None:
            assert np.shape(a) == np.shape(b)
            # Sums of up to some hundred terms of either sign, added in another order: relative to the largest entry
            scale = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


def compare(
    rng: np.random.Generator, X: Any, rows: Any, M: int, full: bool, threads: int = 1, center: Any = None
) -> None:
    for name, arguments in questions(rng, X, rows, M, full, center):
        wanted = getattr(reference, name)(*arguments)
        check_same(name, getattr(compiled, name)(*arguments, threads=threads), wanted)


@needs_native
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_is_reference_for_every_type_and_layout(dtype: str, layout: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for p, full, picked in product((3, 21), (False, True), (False, True)):
        n = 83
        X = design(rng, n, p, dtype, layout, tmp_path)
        rows = rng.integers(-n, n, size=61) if picked else None
        compare(rng, X, rows, 3, full)


@needs_native
@pytest.mark.parametrize("p", [0, 1, 2, 5, 6, 7, 8, 9, 14, 15, 16, 17, 23, 24, 31, 32, 33, 47, 50, 63, 64, 70])
def test_native_is_reference_for_every_width(p: int) -> None:
    rng = np.random.default_rng(p)
    for n, M, order in product((1, 8, 155), (1, 2, 9), "CF"):
        compare(rng, np.asarray(rng.normal(size=(n, p)), order=order), None, M, full=bool(n % 2))


@needs_native
@pytest.mark.parametrize("M", [*range(1, 18), 24, 33])
def test_native_is_reference_for_every_number_of_models(M: int) -> None:
    rng = np.random.default_rng(M)
    for p, full in product((4, 40), (False, True)):
        compare(rng, rng.normal(size=(150, p)), None, M, full)


def full_of_zeros(rng: np.random.Generator, n: int, p: int) -> Any:
    """Integers, so that every type holds them, mostly 0: a share of each column's own, runs of rows without any, rows
    of nothing but zeros and of none."""
    X = rng.integers(1, 9, size=(n, p)) * (rng.random((n, p)) < rng.random(p) ** 4)
    X[n // 4 : n // 2] = rng.integers(1, 9, size=(n // 2 - n // 4, p))
    X[n // 2 : n // 2 + 11] = 0
    X[-3:] = 7
    return X


@needs_native
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_native_is_reference_for_zeros_of_every_type(dtype: str, order: Any) -> None:
    rng = np.random.default_rng(11)
    X = np.asarray(full_of_zeros(rng, 410, 97).astype(dtype), order=order)
    most = np.where(np.arange(97) % 5 == 0, X[-1], 0).astype(float)  # cells of that value are zeros, and 0 is none
    for picked, full in product((None, rng.integers(-410, 410, size=290)), (False, True)):
        compare(rng, X, picked, 2, full, center=most)


@needs_native
@pytest.mark.parametrize("p", [25, 40, 63, 64, 65, 119, 128, 200])
@pytest.mark.parametrize("cells", [0, 1, 3, 9, 17, 40])
def test_native_is_reference_for_zeros_of_every_share(p: int, cells: int) -> None:
    rng = np.random.default_rng(p + cells)
    X = rng.normal(size=(230, p)) * (rng.random((230, p)) < cells / p)
    X[::7] *= -1.0  # zeros of either sign
    for full in (False, True):
        compare(rng, X, None, 2, full, center=np.zeros(p))


@needs_native
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 96])
def test_a_number_that_is_not_finite_counts_among_zeros(bad: float, at: int) -> None:
    rng = np.random.default_rng(12)
    X = rng.normal(size=(300, 97)) * (rng.random((300, 97)) < 0.03)
    X[201, at] = bad
    metric = rng.normal(size=(98, 98))
    metric = metric @ metric.T
    coef, y = rng.normal(size=98), np.zeros(300, np.uint8)
    weight = np.ones(300)
    for cleared in (False, True):  # of weight 0: the row counts for nothing
        weight[201] = 0.0 if cleared else 1.0
        for name, arguments in (
            ("logistic", (X, None, np.zeros(97), coef, y, weight, None, 2)),
            ("gram", (X, None, np.zeros(97), weight)),
        ):
            with np.errstate(invalid="ignore"):
                wanted = getattr(reference, name)(*arguments)
            got = getattr(compiled, name)(*arguments)
            check_same(name, got, wanted)
            square = got if name == "gram" else got[3]
            assert np.isfinite(square).all() == cleared
    with np.errstate(invalid="ignore"):
        check_same("quadratic_form", *(k.quadratic_form(X, None, np.zeros(97), metric) for k in (compiled, reference)))
        assert np.isfinite(np.delete(compiled.quadratic_form(X, None, np.zeros(97), metric), 201)).all()
    metric[1, 1] = np.nan
    clean = np.delete(X, 201, axis=0)
    assert np.isnan(compiled.quadratic_form(clean, None, np.zeros(97), metric)).all()
    offset = np.zeros(300)
    offset[5] = bad  # a weight of nan is none of zeros either
    shifted: Any = (clean, None, np.zeros(97), coef, y[1:], None, offset[1:], 2)
    with np.errstate(invalid="ignore"):
        check_same("logistic", compiled.logistic(*shifted), reference.logistic(*shifted))


@needs_native
def test_native_is_reference_without_rows() -> None:
    rng = np.random.default_rng(0)
    nothing = np.array([], dtype=np.intp)
    for full in (False, True):
        compare(rng, rng.normal(size=(9, 4)), nothing, 3, full)
        compare(rng, rng.normal(size=(0, 4)), None, 3, full)
    compare(rng, rng.normal(size=(9, 4)), np.array([8, 0, -9], dtype=np.int32), 3, True)


@pytest.mark.skipif("BERKSON_ISA" in os.environ, reason="already chosen")
@needs_native
@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_every_instruction_set(instruction_set: str) -> None:
    environment = {**os.environ, "BERKSON_ISA": instruction_set}
    probe = run_python("import berkson.kernels as k; print(k.backend()['instruction_set'])", environment)
    if "this machine cannot run it" in probe.stderr:
        pytest.skip(f"this machine has no {instruction_set}")
    assert probe.stdout.strip() == instruction_set, probe.stderr
    chosen = "(number_of_models or all_doubles or zeros_of_every_share or among_zeros) and not reference]"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", __file__, "-k", chosen]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


@needs_native
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_same_bits_for_any_number_of_threads(order: Any) -> None:
    rng = np.random.default_rng(3)
    X = np.asarray(rng.normal(size=(20_011, 21)), order=order)
    rows = rng.permutation(20_011)[:15_000]
    zeros = np.asarray(full_of_zeros(rng, 9_001, 40), dtype=float, order=order)
    for table, picked, center in ((X, None, None), (X, rows, None), (zeros, None, np.zeros(40))):
        for name, arguments in questions(rng, table, picked, 5, full=True, center=center):
            first = getattr(compiled, name)(*arguments, threads=1)
            for threads in (1, 2, 3, 4, 5):
                again = getattr(compiled, name)(*arguments, threads=threads)
                pairs = zip(first, again, strict=True) if isinstance(first, tuple) else [(first, again)]
                assert all(a is b or np.array_equal(a, b) for a, b in pairs), (name, threads)
    compare(rng, X, rows, 5, full=True, threads=2)


# --- against extended precision ---------------------------------------------------------------------------------------

MAGNITUDES = [0.0, 5e-324, 2e-310, 1e-300, 1e-200, 1e-30, 1e-17, 1e-16, 1e-8, 1e-3, 0.1, 0.3465, 0.3467, 0.5, 0.88]
MAGNITUDES += [0.8813, 0.8814, 1.0, 2.0, 10.0, 36.0, 37.5, 40.0, 100.0, 500.0, 700.0, 708.3, 708.5, 720.0, 744.4, 745.1]
MAGNITUDES += [745.14, 745.2, 746.0, 800.0, 1e4, 1e10, 1e100, 1e308, np.inf]
ETAS = sorted({s * x for x in MAGNITUDES for s in (-1.0, 1.0)} | set(np.random.default_rng(1).normal(0, 30, 150)))

# Three or four roundings after exp and log1p, each of which is good to 1.5 units in the last place (1 unit: 2.2e-16).
# The absolute term is three units of the smallest double, for answers that are subnormal.
CLOSE: dict[str, Any] = {"rtol": 1.2e-15, "atol": 1.5e-323}


def exact_logistic(eta: float, y: float) -> tuple[float, float, float]:
    """Loss, residual and curvature, by formulas in which nothing cancels."""
    with mpmath.workdps(40):
        up, down = (mpmath.exp(s * min(max(eta, -2000.0), 2000.0)) for s in (1, -1))  # e^2000 is no double either
        mu, complement = 1 / (1 + down), 1 / (1 + up)
        loss = y * (mpmath.log1p(down) if eta > -2000 else -mpmath.mpf(eta)) if y > 0 else mpmath.mpf(0)
        loss += (1 - y) * (mpmath.log1p(up) if eta < 2000 else mpmath.mpf(eta)) if y < 1 else 0
        return float(loss), float((1 - y) * mu - y * complement), float(mu * complement)


@cache
def exact_softmax(eta: tuple[float, ...]) -> tuple[list[float], list[list[float]], list[list[float]]]:
    """Loss and residuals for each label, and mu_k (1[k = l] - mu_l)."""
    classes = range(len(eta))
    with mpmath.workdps(40):
        below = [mpmath.mpf(0) if x == max(eta) else mpmath.mpf(x) - max(eta) for x in eta]
        e = [mpmath.exp(max(x, -2000)) for x in below]
        mu = [x / sum(e) for x in e]
        complement = [sum(mu[:k] + mu[k + 1 :]) for k in classes]
        beside_top = sum(x for k, x in enumerate(e) if k != eta.index(max(eta)))
        loss = [float(mpmath.log1p(beside_top) - x) for x in below]
        residual = [[float(-complement[k] if k == label else mu[k]) for k in classes] for label in classes]
        curved = [[float(mu[k] * (complement[k] if k == m else -mu[m])) for m in classes] for k in classes]
    return loss, residual, curved


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("by", ["column", "offset"])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.25])
def test_logistic_over_all_doubles(kernel: Any, by: str, y: float) -> None:
    for eta in ETAS:
        X, offset = (np.array([[eta]]), None) if by == "column" else (np.zeros((1, 1)), np.array([eta]))
        with np.errstate(invalid="ignore"):  # the slope of the infinite column is inf * 0; only the constant's is read
            value, margin, gradient, hessian = kernel.logistic(
                X, None, np.zeros(1), np.array([1.0, 0.0]), np.array([y]), None, offset, 2
            )
        loss, residual, curvature = exact_logistic(eta, y)
        np.testing.assert_allclose(value, loss, err_msg=f"loss at {eta}", **CLOSE)
        np.testing.assert_allclose(gradient[1], residual, err_msg=f"residual at {eta}", **CLOSE)
        np.testing.assert_allclose(hessian[1, 1], curvature, err_msg=f"curvature at {eta}", **CLOSE)
        assert margin == {0.0: -eta, 1.0: eta}.get(y, -np.inf)


@pytest.mark.parametrize("kernel", BACKENDS)
def test_softmax_over_all_doubles(kernel: Any) -> None:
    # Their differences are exact or nearly so: rounding in eta - top is the caller's, not the kernel's
    some = [0.0, -0.25, 1e-17, 2.0, -40.0, 700.0, -745.0, -1e308, 1e308, -np.inf, np.inf]
    for eta in product(some, repeat=3):
        if eta.count(np.inf) > 1 or eta.count(-np.inf) == 3:
            continue
        loss, residual, curved = exact_softmax(eta)
        for label in range(3):
            y, offset = np.array([label], np.uint8), np.array([eta])
            value, margin, gradient, hessian = kernel.multinomial(
                np.zeros((1, 0)), None, np.zeros(0), np.zeros((1, 3)), y, None, offset, 2
            )
            np.testing.assert_allclose(value, loss[label], err_msg=f"loss at {eta}", **CLOSE)
            np.testing.assert_allclose(gradient[0], residual[label], err_msg=f"residual at {eta}", **CLOSE)
            np.testing.assert_allclose(hessian[:, 0, :, 0], curved, err_msg=f"curvature at {eta}", **CLOSE)
            assert margin == eta[label] - max(eta[:label] + eta[label + 1 :])


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("eta", [(np.inf, np.inf, 0.0), (-np.inf,) * 3, (0.0, np.nan, 1.0), (np.nan, 0.0, 1.0)])
def test_softmax_is_nan_where_it_has_no_limit(kernel: Any, eta: tuple[float, ...]) -> None:
    arguments = (
        np.zeros((1, 0)),
        None,
        np.zeros(0),
        np.zeros((1, 3)),
        np.array([2], np.uint8),
        None,
        np.array([eta]),
        1,
    )
    value, margin, gradient, _ = kernel.multinomial(*arguments)
    assert np.isnan(value)
    assert np.isnan(margin)
    assert np.isnan(gradient).all()


@pytest.mark.parametrize("kernel", BACKENDS)
def test_logistic_is_nan_where_eta_is(kernel: Any) -> None:
    X = np.array([[1.0], [np.nan], [2.0]])
    y = np.array([1, 0, 1], np.uint8)
    value, margin, gradient, hessian = kernel.logistic(X, None, np.zeros(1), np.ones(2), y, None, None, 2)
    assert np.isnan([value, margin, *gradient, *hessian.ravel()]).all()


@pytest.mark.parametrize("kernel", BACKENDS)
def test_sums_against_extended_precision(kernel: Any) -> None:
    rng = np.random.default_rng(5)
    X, coef, w, y = (
        rng.normal(size=(7, 2)),
        rng.normal(size=(3, 3)),
        rng.random(7),
        rng.integers(0, 3, 7).astype(np.uint8),
    )
    value, _, gradient, hessian = kernel.multinomial(X, None, np.array([0.5, -1.0]), coef, y, w, None, 2)
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(a) - c for a, c in zip(x, (0.5, -1.0), strict=True)] + [mpmath.mpf(1)] for x in X.tolist()]

        def loss(*flat: Any) -> Any:
            total = mpmath.mpf(0)
            for x, label, weight in zip(rows, y, w.tolist(), strict=True):
                eta = [sum(x[j] * flat[3 * j + k] for j in range(3)) for k in range(3)]
                total += weight * (mpmath.log(sum(mpmath.exp(e) for e in eta)) - eta[label])
            return total

        at = [mpmath.mpf(c) for c in coef.ravel().tolist()]
        unit = np.eye(9, dtype=int).tolist()
        slopes = [float(mpmath.diff(loss, at, tuple(u))) for u in unit]
        bend = float(mpmath.diff(loss, at, tuple(a + b for a, b in zip(unit[1], unit[5], strict=True))))
    np.testing.assert_allclose(value, float(loss(*at)), rtol=1e-14)  # seven terms of a few roundings
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-13)
    np.testing.assert_allclose(hessian[1, 0, 2, 1], bend, rtol=1e-13)


@pytest.mark.parametrize("kernel", BACKENDS)
def test_curvature_is_hessian_times_direction(kernel: Any) -> None:
    rng = np.random.default_rng(2)
    X, w, coef, v = rng.normal(size=(90, 6)), rng.random(90), rng.normal(size=(7, 4)), rng.normal(size=(7, 4))
    y = rng.integers(0, 4, 90).astype(np.uint8)
    H = kernel.multinomial(X, None, np.ones(6), coef, y, w, None, 2)[3]
    got = kernel.multinomial_curvature(X, None, np.ones(6), coef, v, w, None)
    np.testing.assert_allclose(got, np.einsum("kilj,jl->ik", H, v), rtol=1e-11, atol=1e-12)  # 90 terms, entries near 1


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_rows_of_weight_zero_contribute_nothing(kernel: Any, bad: float) -> None:
    rng = np.random.default_rng(4)
    X, weight = rng.normal(size=(40, 5)), rng.random(40)
    weight[[0, 7, 33, 39]] = 0.0
    spoiled = X.copy()
    spoiled[weight == 0.0] = bad
    for (name, clean), (_, dirty) in zip(
        *(questions(np.random.default_rng(6), x, None, 3, full=True) for x in (X, spoiled)), strict=True
    ):
        if name in ("linear_predictor", "quadratic_form"):
            continue
        at = 2 if name == "moments" else 3 if name == "gram" else 5
        wanted, got = (getattr(kernel, name)(*a[:at], weight, *a[at + 1 :]) for a in (clean, dirty))
        check_same(name, got, wanted)


@pytest.mark.parametrize("kernel", BACKENDS)
def test_moments_of_hard_columns(kernel: Any) -> None:
    rng = np.random.default_rng(8)
    z = rng.normal(size=1001)
    X = np.column_stack([np.full(1001, 0.1), 1e9 + z, np.concatenate([[-1e12], z[1:]])])
    total, mean, variance, low, high = kernel.moments(X, None, None)
    assert total == 1001.0
    assert variance[0] == 0.0
    assert mean[0] == 0.1
    exact = X[:, 1] - 1e9  # the differences are exact
    np.testing.assert_allclose(variance[1], exact.var(), rtol=1e-12)
    np.testing.assert_array_equal([low, high], [X.min(axis=0), X.max(axis=0)])
    np.testing.assert_allclose(kernel.moments(X, np.arange(1, 1001), None)[2][2], z[1:].var(), rtol=1e-12)


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("huge", [1e300, np.inf])
def test_moments_beyond_the_range_of_doubles(kernel: Any, huge: float) -> None:
    _, mean, variance, low, high = kernel.moments(np.array([[1.0], [2.0], [huge], [4.0]]), None, None)
    assert (mean[0], variance[0], low[0], high[0]) == (huge / 4, np.inf, 1.0, huge)


@needs_native
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("row", [0, 7, 400, 999])
def test_moments_keep_what_is_not_finite(row: int, weighted: bool) -> None:
    rng = np.random.default_rng(13)
    X, weight = rng.normal(size=(1000, 9)), rng.random(1000)
    X[row, :4] = [np.nan, np.inf, -np.inf, 1e200]
    X[500, 1] = -np.inf
    weight[500] = 0.5
    given = weight if weighted else None
    with np.errstate(invalid="ignore"):
        wanted = reference.moments(X, None, given)
    got = compiled.moments(X, None, given)
    check_same("moments", got, wanted)
    assert np.isnan(got[3]).tolist() == [True] + [False] * 8
    assert (got[3][1], got[4][1], got[3][2]) == (-np.inf, np.inf, -np.inf)


@needs_native
@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"X": np.zeros(12)}, ValueError, r"X must have 2 dimension"),
        ({"X": np.zeros((4, 3), np.float16)}, TypeError, r"X holds elements of type 'e'; cast it"),
        ({"X": np.zeros((4, 3), ">f8")}, TypeError, r"X holds elements of type '>d'; cast it"),
        ({"X": np.zeros((4, 3), object)}, TypeError, r"X holds elements of type 'O'; cast it"),
        ({"rows": np.array([0, 1, 2, 4])}, IndexError, r"row number 4, but X has 4 rows"),
        ({"rows": np.array([0, 1, 2, -5])}, IndexError, r"row number -5, but X has 4 rows"),
        ({"rows": np.array([True, False, True, True])}, TypeError, r"rows must be row numbers"),
        ({"center": np.zeros(2)}, ValueError, r"center has length 2 where 3 is needed"),
        ({"coef": np.zeros(3)}, ValueError, r"coef has length 3 where 4 is needed"),
        ({"coef": np.zeros(4, np.float32)}, TypeError, r"coef must be float64"),
        ({"y": np.zeros(3)}, ValueError, r"y has length 3 where 4 is needed"),
        ({"weight": np.zeros(5)}, ValueError, r"weight has length 5 where 4 is needed"),
        ({"offset": np.zeros((4, 1))}, ValueError, r"offset must have 1 dimension"),
    ],
)
def test_native_refuses_what_does_not_fit(change: dict[str, Any], error: type[Exception], sentence: str) -> None:
    fitting: dict[str, Any] = {"X": np.zeros((4, 3)), "rows": None, "center": np.zeros(3), "coef": np.zeros(4)}
    fitting |= {"y": np.zeros(4), "weight": None, "offset": None, "order": 2}
    compiled.logistic(**fitting)
    with pytest.raises(error, match=sentence):
        compiled.logistic(**(fitting | change))


def run_python(code: str, environment: dict[str, str] | None = None, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], env=environment, capture_output=True, text=True)


@needs_native
def test_no_copy_of_the_rows_is_made() -> None:
    code = """
import resource, numpy as np
from berkson.kernels import compiled as k
X = np.ones((60_000, 100))  # 48 MB
layouts = [X, X.T.reshape(100, -1).T, np.asfortranarray(X), X[::-1], X[:, ::2]]
y, rows = np.zeros(60_000, np.uint8), np.arange(0, 60_000, 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for A in layouts:
    p = A.shape[1]
    for r, labels in ((None, y), (rows, y[::2])):
        k.logistic(A, r, np.ones(p), np.zeros(p + 1), labels, None, None, 2, 2)
        k.multinomial(A, r, np.ones(p), np.zeros((p + 1, 3)), labels, None, None, 1, 2)
        k.gram(A, r, np.ones(p), None, 2), k.moments(A, r, None, 2)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    result = run_python(code)
    assert float(result.stdout) < 4.0, result.stderr  # megabytes: blocks, partial answers, threads' stacks


def test_the_reference_answers_alone_and_says_so_once() -> None:
    code = """
import sys, warnings
sys.modules["berkson.kernels._native"] = None  # as if it had not been built
import numpy as np
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    from berkson import kernels
    assert kernels.backend()["name"] == "reference" and not seen
    for _ in range(3):
        value = kernels.logistic(np.ones((2, 1)), None, np.zeros(1), np.zeros(2), np.zeros(2), None, None, 0)[0]
        kernels.gram(np.ones((2, 1)), None, np.zeros(1), None)
assert abs(value - 2 * np.log(2)) < 1e-15, value
assert len(seen) == 1 and seen[0].category is RuntimeWarning, seen
print(seen[0].message)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert "berkson runs on its NumPy reference kernels" in result.stdout


def test_the_reference_can_be_asked_for_in_silence() -> None:
    code = "import berkson.kernels as k; k.gram; print(k.backend()['name'], k.gram.__module__)"
    result = run_python(code, {**os.environ, "BERKSON_KERNELS": "reference"}, "-W", "error")
    assert result.stdout.split() == ["reference", "berkson.kernels.reference"], result.stderr


@pytest.mark.parametrize(("limit", "most"), [("1", 1), ("0", 10**9), ("many", 10**9), ("100000", 10**9)])
def test_threads_are_the_processors_or_fewer_by_environment(limit: str, most: int) -> None:
    code = """
import os, sys
from berkson import kernels
print(kernels.threads(), len(os.sched_getaffinity(0)), "numpy" in sys.modules)
"""
    result = run_python(code, {**os.environ, "OMP_NUM_THREADS": limit})
    threads, processors, numpy_loaded = result.stdout.split()
    assert int(threads) == min(int(processors), most)
    assert numpy_loaded == "False"


def test_kernels_are_bound_at_first_use() -> None:
    assert kernels.logistic is vars(kernels)["logistic"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kernels.nothing  # noqa: B018
