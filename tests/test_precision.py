"""Ten significant digits, against Newton's method with 50 digits; and what is reached where columns nearly coincide."""

from __future__ import annotations

from dataclasses import replace

import mpmath  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pytest
from optimum import objective, optimum
from problems import PROBLEMS, binary, softmax

from berkson.fit import Fit, certify, fit
from berkson.problem import Problem

F64 = npt.NDArray[np.float64]

DIGITS = 50
TEN_DIGITS = 5e-11  # relative: ten significant digits, rounded


def relative_error(fitted: Fit) -> float:
    """The largest relative error of a coefficient or intercept."""
    exact = optimum(fitted.problem, DIGITS)
    with mpmath.workdps(DIGITS):
        errors = [
            abs((mpmath.mpf(float(a)) - b) / b)
            for have, want in ((fitted.coef, exact.coef), (fitted.intercept, exact.intercept))
            for a, b in zip(have.ravel(), want.ravel(), strict=True)
            if b != 0  # the intercept of a model without one
        ]
    return float(max(errors))


SMALL = {
    "binary": lambda: binary(80, 3),
    "binary ridge": lambda: binary(80, 3, strength=1.0),
    "ridge, p > n": lambda: binary(20, 25, strength=0.3),
    "softmax": lambda: softmax(90, 3, 3),
    "softmax ridge": lambda: softmax(90, 3, 4, strength=1.0),
    "offset": lambda: replace(binary(80, 3), offset=np.linspace(-1, 1, 80)),
    "weights": lambda: replace(binary(80, 3), weight=np.arange(80.0) % 7),
    "soft": lambda: replace(binary(80, 3), y=np.linspace(0.05, 0.9, 80) ** 2),
    "no intercept": lambda: replace(binary(80, 3), intercept=False),
}
UNITS = {
    "as they are": (np.ones(3), np.zeros(3)),
    "1e6 and 1e-6": (np.array([1e6, 1.0, 1e-6]), np.zeros(3)),
    "1.7e9 +- 1e5": (np.array([1e5, 1.0, 1.0]), np.array([1.7e9, 0.0, 10.0])),
}


@pytest.mark.parametrize("name", SMALL)
def test_ten_digits(name: str) -> None:
    # at the tolerance of a user who wants digits; an unpenalised small fit reaches them at the default, too (below)
    fitted = fit(SMALL[name](), tol=1e-20)
    assert fitted.certificate.certified
    assert relative_error(fitted) < TEN_DIGITS


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("name", ["binary", "softmax"])
def test_ten_digits_in_any_units(name: str, units: str) -> None:
    base = SMALL[name]()
    scale, shift = UNITS[units]
    fitted = fit(replace(base, X=base.X * scale + shift), tol=1e-20)
    assert fitted.certificate.certified
    assert relative_error(fitted) < TEN_DIGITS


@pytest.mark.parametrize("name", ["binary", "softmax", "offset", "weights", "soft"])
def test_the_default_tolerance_is_a_millionth_of_a_standard_error(name: str) -> None:
    # the bound that the certificate states, in units of standard errors of the worst combination of coefficients
    problem = SMALL[name]()
    fitted = fit(problem)
    assert fitted.certificate.distance <= 1.01e-6
    tight = fit(problem, tol=1e-20)
    # standard errors here are of order 0.3
    np.testing.assert_allclose(fitted.coef, tight.coef, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("share", "digits"), [(1e-2, 9), (1e-4, 7), (1e-5, 6)])
def test_nearly_collinear_columns_keep_the_digits_that_data_hold(share: float, digits: int) -> None:
    # As in Longley's data, a column that others explain to `share` of its spread has 1 / share times the condition of
    # the plain problem, and doubles of order 1 hold its own part to 1e-16 / share: Gram matrices square that, so
    # about 16 - 2 log10(1 / share) digits are what normal equations can reach, refined by exact gradients.
    base, rng = binary(120, 2, seed=3), np.random.default_rng(3)
    near = base.X[:, 0] + share * rng.normal(size=120)
    fitted = fit(replace(base, X=np.column_stack([base.X, near])), tol=1e-18)
    assert not fitted.certificate.rank.aliased
    assert fitted.certificate.exists
    assert relative_error(fitted) < 10.0**-digits


def test_longley_like_trends() -> None:
    # columns that all grow with time, in thousands and in millions: condition number about 1e5 once standardised
    rng, t = np.random.default_rng(4), np.arange(150.0)
    X = np.column_stack(
        [
            83.0 + 0.21 * t + 0.05 * rng.normal(size=150),
            234_289 + 2_100 * t + 400 * rng.normal(size=150),
            107_608 + 150 * t + 12 * rng.normal(size=150),
            1947 + t / 12,
        ]
    )
    y = (rng.random(150) < 1 / (1 + np.exp(-(t - 75) / 30))).astype(np.uint8)
    fitted = fit(Problem(X, y), tol=1e-18)
    assert fitted.certificate.certified
    assert relative_error(fitted) < 1e-9


# --- far out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [800.0, 1e4, 1e15])
@pytest.mark.parametrize("K", [2, 3])
def test_losses_are_exact_at_any_linear_predictor(reach: float, K: int) -> None:
    # half the rows on the wrong side by `reach`: each costs that much; the others cost e^-reach, nothing
    X = np.array([[1.0], [-1.0], [1.0], [-1.0], [0.5], [-0.5]])
    y = np.array([1, 0, 0, 1, 1, K - 1], dtype=np.uint8)
    problem = Problem(X, y, K, strength=1e-3)
    slopes = np.array([[reach]]) if K == 2 else np.array([[-reach], [reach], [0.0]]) / 2
    c = certify(problem, slopes, np.zeros(len(slopes)))
    want = objective(problem, slopes, np.zeros(len(slopes)), DIGITS)
    assert c.objective == pytest.approx(float(want), rel=1e-15)
    assert not c.certified


@pytest.mark.parametrize("offset", [800.0, -800.0, 1e4, -1e4])
def test_fits_far_out_are_exact(offset: float) -> None:
    # the intercept takes the offset back, and nothing else changes
    base = binary(80, 3, strength=1.0)
    plain, far = fit(base), fit(replace(base, offset=np.full(80, offset)), tol=1e-12)
    assert far.certificate.certified
    np.testing.assert_allclose(far.coef, plain.coef, rtol=1e-5)  # ridge: tol = 1e-8 is 1e-4 of a standard error
    assert far.intercept[0] == pytest.approx(plain.intercept[0] - offset, rel=1e-9)


def test_objectives_agree_to_the_last_digits() -> None:
    for name in ("binary", "three classes", "counts", "softmax weights", "offset", "heavy tails"):
        fitted = fit(PROBLEMS[name]())
        want = objective(fitted.problem, fitted.coef, fitted.intercept)
        assert fitted.certificate.objective == pytest.approx(float(want), rel=1e-14)
