"""Small systems: the compiled twin against LAPACK, over sizes and conditions."""

from __future__ import annotations

import numpy as np
import pytest

from berkson.kernels import systems_reference as reference

compiled = pytest.importorskip("berkson.kernels.systems_compiled")
pytestmark = pytest.mark.native


def positive(d: int, condition: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return np.asarray((basis * np.geomspace(1.0, 1.0 / condition, d)) @ basis.T)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 17, 32, 33])
@pytest.mark.parametrize("condition", [1.0, 1e6])
def test_solutions_and_factors_are_those_of_lapack(d: int, condition: float) -> None:
    rng = np.random.default_rng(d)
    unit = 10.0 ** rng.uniform(-8.0, 8.0, d)
    matrix, vector = positive(d, condition, d) * unit[:, None] * unit, rng.normal(size=d) * unit
    close = 1e-14 * condition * d  # what rounding moves, of the scaled system
    found = compiled.solve(matrix, vector)
    np.testing.assert_allclose(found * unit, np.linalg.solve(matrix / unit[:, None] / unit, vector / unit), rtol=close)
    factor = compiled.inverse_factor(matrix)
    np.testing.assert_allclose(
        factor * unit, reference.inverse_factor(matrix) * unit, rtol=close, atol=close * np.sqrt(condition)
    )
    if d <= compiled.MOST:
        np.testing.assert_array_equal(np.triu(factor, 1), 0.0)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 2)),
        np.diag([1.0, 0.0]),
        np.diag([1.0, -1.0]),
        np.ones((3, 3)),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.array([[1.0, 1.0], [1.0, 1.0 + 1e-13]]),
        np.full((2, 2), np.nan),
        np.diag([1.0, np.inf]),
    ],
    ids=str,
)
def test_what_is_not_positive_definite_has_no_factor(matrix: np.ndarray) -> None:
    assert compiled.inverse_factor(matrix) is None
    if np.isfinite(matrix).all():
        assert reference.inverse_factor(matrix) is None


def test_indefinite_systems_are_lapacks() -> None:
    matrix, vector = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, 0.5])
    np.testing.assert_array_equal(compiled.solve(matrix, vector), reference.solve(matrix, vector))
    assert compiled.solve(np.zeros((2, 2)), vector) is None


def test_any_layout_is_read() -> None:
    matrix = positive(5, 10.0, 1)
    wide = np.zeros((10, 10))
    wide[::2, ::2] = matrix
    np.testing.assert_array_equal(compiled.inverse_factor(wide[::2, ::2]), compiled.inverse_factor(matrix))
    np.testing.assert_array_equal(
        compiled.solve(wide[::2, ::2], matrix[0][::-1]), compiled.solve(matrix, matrix[0][::-1])
    )
    with pytest.raises(TypeError, match="must be float64"):
        compiled.inverse_factor(matrix.astype(np.float32))
