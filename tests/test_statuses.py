"""What a certificate says where it does not hold: how far the fit is, why, and what to do, in the door's own words."""

from __future__ import annotations

import numpy as np
import pytest

from berkson import InputError, LogisticRegression
from berkson.fit import certify, fit
from berkson.model import fit_table
from berkson.problem import Problem, Wording
from berkson.table import from_frame

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
MIXED = (RNG.random(200) < 0.5).astype(np.uint8)
SPLIT = (X[:, 0] > 0).astype(np.uint8)


def test_a_penalty_too_weak_for_separated_data_says_so() -> None:
    certificate = fit(Problem(X, SPLIT, strength=1e-300)).certificate
    assert certificate.status == (
        "stopped at the limit of double precision: the data are separated (complete), so only the penalty keeps "
        "coefficients finite, and strength 1e-300 is lost in rounding; set a stronger penalty (a smaller C)"
    )
    assert not certificate.certified
    assert certificate.exists is True, "under a penalty there is an optimum"
    with pytest.warns(match="data are separated"):
        LogisticRegression(C=1e300).fit(X, SPLIT)


def test_a_penalty_as_weak_does_no_harm_to_data_that_overlap() -> None:
    weak, none = fit(Problem(X, MIXED, strength=1e-300)), fit(Problem(X, MIXED))
    assert weak.certificate.certified
    np.testing.assert_allclose(weak.coef, none.coef, rtol=1e-9)


def test_the_iterations_are_called_what_the_door_calls_them() -> None:
    wording = Wording(iterations="--max-iter")
    said = fit(Problem(X, MIXED, wording=wording), max_iterations=1).certificate.status
    assert said.startswith("stopped after 1 iterations with the objective at most ")
    assert said.endswith("; raise --max-iter")


def test_where_nothing_can_be_estimated_the_objective_is_told() -> None:
    certificate = certify(Problem(X, MIXED, strength=1.0), np.full((1, 3), 1e5), np.zeros(1))
    assert not certificate.certified
    assert "inf" not in certificate.status
    assert certificate.status.startswith("not proved optimal: the objective at these coefficients is ")
    assert certificate.status.endswith(" (the null model's: 137.8) and its optimum unknown")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coefficients_that_are_no_numbers_are_refused_by_name(value: float) -> None:
    problem = Problem(X, MIXED, names=("a", "b", "c"))
    coef, intercept = np.zeros((1, 3)), np.zeros(1)
    with pytest.raises(InputError, match=rf"the coefficient of '\(Intercept\)' is {value}"):
        certify(problem, coef, intercept + value)
    coef[0, 1] = value
    with pytest.raises(InputError, match=rf"the coefficient of 'b' is {value}"):
        certify(problem, coef, intercept)
    three = Problem(X, np.arange(200).astype(np.uint8) % 3, 3, classes=("u", "v", "w"))
    each = np.zeros((3, 3))
    each[2, 0] = value
    with pytest.raises(InputError, match=rf"of 'x0' of class 'w' is {value}"):
        certify(three, each, np.zeros(3))


def test_coefficients_that_overflow_are_refused_without_a_warning_of_arithmetic() -> None:
    with pytest.raises(InputError, match="overflows: rescale the columns, the offset or the coefficients"):
        certify(Problem(X, MIXED), np.full((1, 3), 1e308), np.zeros(1))


# --- weights and offsets beyond all proportion ----------------------------------------------------------------------


@pytest.mark.parametrize("weight", [5e-324, 1e-310, 1e303, 1e308])
def test_weights_of_which_no_objective_can_be_computed_are_refused(weight: float) -> None:
    with pytest.raises(InputError, match=r"sample_weight sums to .*: give all weights in another unit"):
        fit(Problem(X, MIXED, weight=np.full(200, weight)))


@pytest.mark.parametrize("weight", [1e-300, 1e-12, 1e12, 1e300])
@pytest.mark.parametrize("classes", [2, 3])
def test_any_other_unit_of_weights_changes_no_maximum_likelihood_estimate(weight: float, classes: int) -> None:
    y = MIXED if classes == 2 else (np.arange(200) % 3).astype(np.uint8)
    plain, other = fit(Problem(X, y, classes)), fit(Problem(X, y, classes, weight=np.full(200, weight)))
    assert other.certificate.certified
    np.testing.assert_allclose(other.coef, plain.coef, rtol=1e-9, atol=1e-14)


def test_weights_whose_lightest_rows_are_lost_are_told() -> None:
    weight = np.ones(200)
    weight[0] = 1e200
    certificate = fit(Problem(X, MIXED, weight=weight)).certificate
    assert not certificate.certified
    assert certificate.status.endswith(
        "; the weights reach from 1 to 1e+200, and the lightest rows are lost in rounding: leave them out"
    )


@pytest.mark.parametrize("offset", [-1e6, 1e3])
def test_an_offset_alike_in_all_rows_moves_the_intercept_alone(offset: float) -> None:
    plain, moved = fit(Problem(X, MIXED)), fit(Problem(X, MIXED, offset=np.full(200, offset)))
    assert moved.certificate.certified
    # sums with the offset are rounded at 1e-16 of it
    np.testing.assert_allclose(moved.coef, plain.coef, atol=1e-12 * abs(offset))
    np.testing.assert_allclose(moved.intercept + offset, plain.intercept, atol=1e-12 * abs(offset))


def test_offsets_beside_which_all_else_is_lost_are_told() -> None:
    certificate = fit(Problem(X, MIXED, offset=np.full(200, 1e15))).certificate
    assert not certificate.certified
    assert certificate.status.endswith(
        "; the offset reaches 1e+15, beside which the rest is lost in rounding: subtract a constant from it"
    )
    with pytest.raises(InputError, match="offset is too large to be squared in row 0"):
        fit(Problem(X, MIXED, offset=np.full(200, -1e300)))


# --- rows and events of tables --------------------------------------------------------------------------------------


def test_rows_of_arrays_count_from_0_and_those_of_a_table_from_1_in_the_table() -> None:
    x, y = np.array([1.0, np.nan, 2.0, np.nan, 1e300, 3.0, 4.0]), np.array([0, 1, 1, 0, 1, 0, 1], dtype=np.uint8)
    kept = ~np.isnan(x)
    with pytest.raises(InputError, match=r"column 'x0' holds 1e\+300 in row 2, too large"):
        fit(Problem(x[kept][:, None], y[kept]))
    with pytest.raises(InputError, match=r"column 'x' holds 1e\+300 in row 5 of doses, too large"):
        fit_table("y ~ x", from_frame({"x": x, "y": y}, "doses"))
    model, _ = fit_table("y ~ x", from_frame({"x": np.where(x == 1e300, 5.0, x), "y": y}, "doses"))
    with pytest.raises(InputError, match="row 5 of other, too large"):
        model.certificate(from_frame({"x": x, "y": y}, "other"), 1e-8)


def test_a_table_speaks_of_the_options_of_the_command() -> None:
    table = from_frame({"x": X[:, 0], "y": MIXED}, "doses")
    model, _ = fit_table("y ~ x", table, max_iterations=1)
    assert model.proof.status.endswith("; raise max_iterations (in the command: --max-iter)")


@pytest.mark.parametrize(
    ("values", "event", "chosen"),
    [
        (MIXED == 1, "TRUE", "true"),
        (MIXED == 1, "False", "false"),
        (MIXED, "1.0", "1"),
        (MIXED, "0e0", "0"),
        (MIXED * 1.5 + 1.0, "2.50", "2.5"),
        (MIXED * 0.5, "0.50", None),
        (np.where(MIXED, "TRUE", "1.0"), "1.0", "1.0"),
    ],
    ids=["true", "false", "one", "zero", "half", "a share", "text"],
)
def test_an_event_is_meant_by_its_value(values: object, event: str, chosen: str | None) -> None:
    table = from_frame({"x": X[:, 0], "y": values}, "doses")
    if chosen is None:
        with pytest.raises(ValueError, match="it is a share"):
            fit_table("y ~ x", table, event=event)
        return
    assert fit_table("y ~ x", table, event=event)[0].classes[1] == chosen
