"""Samples with replacement: the compiled kernels against their twin, draws against chance, sums against weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson.kernels import replicates_reference as reference

compiled = pytest.importorskip("berkson.kernels.replicates_compiled")

F64 = npt.NDArray[np.float64]
SEED, NUMBERS = 2**64 - 5, [0, 3, 2**40]
SIZES = [1, 2, 10, 255, 1023, 1024, 1025, 2500]


@pytest.mark.parametrize("n", SIZES)
def test_twins_draw_the_same_counts(n: int) -> None:
    totals = reference.totals(n, SEED, NUMBERS)
    counts = reference.draw(n, SEED, NUMBERS, totals)
    np.testing.assert_array_equal(counts.sum(axis=1), n)
    np.testing.assert_array_equal(compiled.draw(n, SEED, NUMBERS, totals), counts)
    rows = np.flatnonzero(np.random.default_rng(n).random(n) < 0.3)
    np.testing.assert_array_equal(compiled.draw(n, SEED, NUMBERS, totals, rows), counts[:, rows])
    alone = compiled.draw(n, SEED, NUMBERS[2:], totals[2:])  # a sample depends on no other
    np.testing.assert_array_equal(alone, counts[2:])
    np.testing.assert_array_equal(reference.totals(n, SEED, NUMBERS[2:]), totals[2:])


def test_draws_are_multinomial() -> None:
    n, many = 1300, 2000  # a whole block and one that rejects
    numbers = list(range(many))
    counts = compiled.draw(n, 7, numbers, reference.totals(n, 7, numbers))
    # mean 1, variance 1 - 1/n, covariance -1/n; standard errors of 2.6 million counts (fourth moment 4), and of sums
    assert abs(counts.var() - (1 - 1 / n)) < 5 * np.sqrt(3 / counts.size)
    by_row = counts.sum(axis=0)
    chi = ((by_row - many) ** 2).sum() / many
    assert abs(chi - (n - 1)) < 5 * np.sqrt(2 * n)
    for size in (1024, 130):  # sums of some rows are binomial: the end of the block, and the rows beyond it
        first = counts[:, :size].sum(axis=1) if size == 1024 else counts[:, 1024 - size : 1024].sum(axis=1)
        variance = size * (1 - size / n)
        assert abs(first.mean() - size) < 5 * np.sqrt(variance / many)
        assert abs(first.var() / variance - 1) < 5 * np.sqrt(2 / many)
    frequencies = np.array([(counts == k).mean() for k in range(5)])
    poisson = np.exp(-1) / np.array([1, 1, 2, 6, 24])
    np.testing.assert_allclose(frequencies, poisson, atol=5 * np.sqrt(0.25 / counts.size) + 1 / n)


def problem(n: int, p: int, M: int, scale: float) -> dict[str, Any]:
    rng = np.random.default_rng(n + p)
    X = rng.normal(size=(n, p)) * np.geomspace(1e-6, 1e6, p)
    mean, weight = rng.random(n), rng.random(n)
    units = np.append(np.geomspace(1e-6, 1e6, p), 1.0)
    return {
        "X": X,
        "center": X.mean(axis=0),
        "scale": units,
        "step": rng.normal(size=(p + 1, M)) * scale / units[:, None],
        "residual": weight * (mean - (rng.random(n) < 0.4)),
        "curvature": weight * mean * (1 - mean),
        "mean": mean,
        "numbers": list(range(5, M + 5)),
        "drawn": reference.totals(n, 11, list(range(5, M + 5))),
    }


@pytest.mark.parametrize(("n", "p", "M"), [(2500, 5, 40), (3000, 20, 17), (100, 3, 1), (1500, 0, 3), (1100, 60, 9)])
@pytest.mark.parametrize("chosen", [False, True])
def test_sums_are_those_of_the_twin(n: int, p: int, M: int, chosen: bool) -> None:
    a = problem(n, p, M, 0.05)
    rows = np.flatnonzero(np.arange(2 * n) % 2) if chosen else None
    X = np.repeat(a["X"], 2, axis=0) if chosen else a["X"]
    of = (11, a["numbers"], a["drawn"])
    expected = reference.gradients_at_point(X, rows, a["center"], a["residual"], *of) / a["scale"][:, None]
    kept = np.zeros((M, n), np.uint8)
    for threads, room in ((1, None), (2, kept)):
        found = compiled.gradients_at_point(X, rows, a["center"], a["residual"], *of, room, threads)
        # sums of some thousand doubles of order 1
        np.testing.assert_allclose(found / a["scale"][:, None], expected, atol=1e-11)
    np.testing.assert_array_equal(kept, reference.draw(n, 11, a["numbers"], a["drawn"]))
    where = (X, rows, a["center"], a["scale"], a["step"], a["curvature"], a["mean"])
    expected = reference.changes_of_gradients(*where, *of) / a["scale"][:, None]
    for threads, room, slots in ((1, None, None), (2, kept, np.arange(M))):
        found = compiled.changes_of_gradients(*where, *of, room, slots, threads) / a["scale"][:, None]
        # single precision, of terms that add up to some times the largest sum
        np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("size", [1e-3, 0.2, 0.5, 8.0, 59.0])
def test_changes_are_those_of_probabilities(size: float) -> None:
    eta = np.linspace(-5, 5, 200)
    mean = 1 / (1 + np.exp(-eta))
    for sign in (-1.0, 1.0):
        step = np.array([[sign * size]])
        counts = reference.draw(200, 1, [2], reference.totals(200, 1, [2]))[0]
        moved = 1 / (1 + np.exp(-eta - sign * size))
        expected = (counts * (moved - mean)).sum()
        for kernels in (reference, compiled):
            where = (np.zeros((200, 0)), None, np.zeros(0), np.ones(1), step, mean * (1 - mean), mean)
            found = kernels.changes_of_gradients(*where, 1, [2], reference.totals(200, 1, [2]))
            assert found[0, 0] == pytest.approx(expected, rel=1e-13 if kernels is reference else 3e-5)


def test_steps_too_far_are_not_answered() -> None:
    one = np.ones(8)
    step, totals = np.array([[0.1, 61.0, np.nan]]), reference.totals(8, 0, [0, 1, 2])
    X, none = np.zeros((8, 0)), np.zeros(0)
    found = compiled.changes_of_gradients(X, None, none, one[:1], step, one / 4, one / 2, 0, [0, 1, 2], totals)
    np.testing.assert_array_equal(np.isnan(found[0]), [False, True, True])


def test_bits_do_not_depend_on_threads_or_on_others() -> None:
    a = problem(30_000, 6, 20, 0.05)
    where = (a["X"], None, a["center"], a["scale"], a["step"], a["curvature"], a["mean"])
    one, two = (compiled.changes_of_gradients(*where, 11, a["numbers"], a["drawn"], threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one, two)
    point = (a["X"], None, a["center"], a["residual"], 11)
    one, two = (compiled.gradients_at_point(*point, a["numbers"], a["drawn"], threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one, two)
    some = compiled.gradients_at_point(*point, a["numbers"][:8], a["drawn"][:8])
    np.testing.assert_array_equal(some, one[:, :8])


def test_arguments_that_do_not_fit_are_refused() -> None:
    a = problem(100, 2, 3, 0.1)
    X, of = a["X"], (11, a["numbers"])
    with pytest.raises(ValueError, match="totals has 1 columns where 2 are needed"):
        compiled.draw(1100, *of, a["drawn"])
    with pytest.raises(IndexError, match="in order"):
        compiled.draw(100, *of, a["drawn"], np.array([3, 2]))
    with pytest.raises(ValueError, match="residual has length 99"):
        compiled.gradients_at_point(X, None, a["center"], a["residual"][1:], *of, a["drawn"])
    with pytest.raises(IndexError, match="kept has no row"):
        compiled.gradients_at_point(X, None, a["center"], a["residual"], *of, a["drawn"], np.empty((2, 100), np.uint8))
    with pytest.raises(TypeError, match="kept must be uint8"):
        compiled.gradients_at_point(X, None, a["center"], a["residual"], *of, a["drawn"], np.empty((3, 100)))


@pytest.mark.parametrize("name", ["avx2", "baseline"])
def test_other_instruction_sets_agree(name: str) -> None:
    code = (
        "import numpy as np\nfrom tests.test_replicate_kernels import problem, compiled\n"
        "a = problem(1500, 5, 11, 0.05)\n"
        "where = (a['X'], None, a['center'], a['scale'], a['step'], a['curvature'], a['mean'])\n"
        "found = compiled.changes_of_gradients(*where, 11, a['numbers'], a['drawn']) / a['scale'][:, None]\n"
        "print(*found.ravel())"
    )
    environment = {**os.environ, "BERKSON_ISA": name}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    if "cannot run it" in done.stderr:
        pytest.skip(f"this machine cannot run {name}")
    assert done.returncode == 0, done.stderr
    a = problem(1500, 5, 11, 0.05)
    where = (a["X"], None, a["center"], a["scale"], a["step"], a["curvature"], a["mean"])
    expected = reference.changes_of_gradients(*where, 11, a["numbers"], a["drawn"]) / a["scale"][:, None]
    found = np.array(done.stdout.split(), float).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())  # single precision
