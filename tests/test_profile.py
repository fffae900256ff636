"""Profile likelihood against R's re-fits (tests/r/profile.R), against re-fits here, and on data that are hard."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from problems import binary, softmax

from berkson.fit import fit
from berkson.inference import profile
from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.inference.limiting import limit
from berkson.inference.profile import profile_curve, profile_intervals, profile_roots, profile_test
from berkson.model import prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.table import Column, Table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "profile.json").read_text())
CHI2_95 = 3.841458820694124  # qchisq(0.95, 1)
AGREE = 1e-8  # of an interval's width: ends are exact to 1e-11 in the likelihood, R's roots to 1e-13


def estimates(name: str, formula: str, weights: str | None = None, kind: WeightKind = "frequency") -> Estimates:
    table = read_table(HERE / "data" / f"{name}.csv")
    if weights == "half":
        half = Column("half", "number", 0.5 + table["parity"].values / 4.0)
        table = Table({**table.columns, "half": half}, table.n_rows, table.source)
    return Estimates(fit(prepare(formula, table, weights=weights).problem), 0, kind)


def menarche() -> Estimates:
    table = read_table(HERE / "data" / "menarche.csv")
    trials = table["Total"].values.astype(np.float64)
    return Estimates(fit(Problem(table["Age"].values[:, None], table["Menarche"].values / trials, weight=trials)))


CASES: dict[str, Callable[[], Estimates]] = {
    "birthwt": lambda: estimates("birthwt", "low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv"),
    "birthwt90": lambda: estimates("birthwt", "low ~ age + lwt + smoke"),
    "lizards": lambda: estimates("lizards", "cbind(grahami, opalinus) ~ height + diameter + light + time"),
    "menarche": menarche,
    "infert_weighted": lambda: estimates("infert", "case ~ spontaneous + induced", "half", "precision"),
    "womenlf": lambda: estimates("womenlf", "partic ~ hincome + children"),
}


@pytest.mark.parametrize("name", CASES)
def test_ends_are_those_of_re_fits_in_r(name: str) -> None:
    truth, found = R[name], profile_intervals(CASES[name](), R[name]["level"])
    width = np.array(truth["upper"]) - truth["lower"]
    assert np.abs(found.lower - truth["lower"]).max() < AGREE * width.min()
    assert np.abs(found.upper - truth["upper"]).max() < AGREE * width.min()


def test_ends_are_near_those_of_mass() -> None:
    # confint interpolates the profile by splines on a grid: it is right to a few 1e-4 of the width
    found, mass = profile_intervals(CASES["birthwt"]()), np.array(R["birthwt"]["mass"])
    width = mass[:, 1] - mass[:, 0]
    assert (np.abs(found.lower - mass[:, 0]) < 1e-3 * width).all()
    assert (np.abs(found.upper - mass[:, 1]) < 1e-3 * width).all()


# --- re-fits here: the column's share goes into the offset ----------------------------------------------------------


def refit(problem: Problem, j: int, b: float) -> float:
    """The least objective with the coefficient of column j held at b."""
    shift = b * np.asarray(problem.X[:, j], dtype=np.float64)
    if problem.offset is not None:
        shift = shift + problem.offset
    rest = replace(problem, X=np.delete(problem.X, j, axis=1), offset=shift)
    return fit(rest, tol=1e-12).certificate.objective


def _kinds() -> dict[str, Problem]:
    base, rng = binary(120, 3), np.random.default_rng(5)
    counts = rng.integers(1, 9, 120).astype(float)
    hits = np.floor(counts * rng.random(120))
    return {
        "plain": base,
        "weights": replace(base, weight=3.0 * rng.random(120)),
        "zero weights": replace(base, weight=np.where(rng.random(120) > 0.3, 2.0, 0.0)),
        "offset": replace(base, offset=rng.normal(size=120)),
        "soft labels": replace(base, y=np.clip(0.8 * base.y + 0.1, 0, 1)),
        "counts": replace(base, y=hits / counts, weight=counts),
        "no intercept": replace(base, intercept=False),
        "float32": replace(base, X=base.X.astype(np.float32)),
        "few rows": binary(16, 1, seed=12),
    }


@pytest.mark.parametrize("name", _kinds())
def test_a_re_fit_at_the_end_has_the_likelihood_asked_for(name: str) -> None:
    problem = _kinds()[name]
    found = Estimates(fit(problem, tol=1e-12), 0, "precision")
    intervals = profile_intervals(found)
    first = 1 if problem.intercept else 0
    for j in range(problem.X.shape[1]):
        for end in (intervals.lower[first + j], intervals.upper[first + j]):
            drop = 2.0 * (refit(problem, j, float(end)) - found.at.value)
            assert drop == pytest.approx(CHI2_95, abs=1e-8)  # re-fits stop within 1e-12 of some 100


def test_functions_are_parameters_of_another_basis() -> None:
    problem = binary(150, 3)
    other = replace(problem, X=np.column_stack([problem.X[:, 0], problem.X[:, 1] + problem.X[:, 0], problem.X[:, 2]]))
    # eta = b0 x0 + b1 x1 = (b0 - b1) x0 + b1 (x1 + x0)
    found = profile_intervals(Estimates(fit(problem)), functions=np.array([[0.0, 1.0, -1.0, 0.0]]))
    truth = profile_intervals(Estimates(fit(other)))
    assert found.lower[0] == pytest.approx(truth.lower[1], abs=1e-9)  # both exact to 1e-11 in the likelihood
    assert found.upper[0] == pytest.approx(truth.upper[1], abs=1e-9)


def test_units_and_origins_do_not_matter() -> None:
    problem = binary(200, 3)
    moved = replace(problem, X=problem.X * [1e-6, 1.0, 1e6] + [0.0, 1.7e9, -3e7])
    plain, found = profile_intervals(Estimates(fit(problem))), profile_intervals(Estimates(fit(moved)))
    back = np.array([1e-6, 1.0, 1e6])
    # cells of the order of 1.7e9 keep 1e-7 of their spread
    np.testing.assert_allclose(found.lower[1:] * back, plain.lower[1:], atol=1e-6)
    np.testing.assert_allclose(found.upper[1:] * back, plain.upper[1:], atol=1e-6)


def test_old_hessians_lead_to_the_same_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for problem in (binary(5000, 4), softmax(3000, 3)):
        found = Estimates(fit(problem))
        ends = []
        for cells in (0.0, math.inf):
            monkeypatch.setattr(profile, "MANY_CELLS", cells)
            intervals = profile_intervals(found)
            ends.append(np.column_stack([intervals.lower, intervals.upper]))
        np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)  # 1e-11 of a likelihood that falls by 1.92 in 0.1


def test_far_ends_of_nearly_separated_data() -> None:
    # Hauck and Donner: a Wald interval says nothing here; two rows of 40 overlap
    x = np.concatenate([np.linspace(-2, -0.1, 20), np.linspace(0.1, 2, 20)])
    y = (x > 0).astype(np.uint8)
    y[19], y[20] = 1, 0
    problem = Problem(x[:, None], y)
    found = Estimates(fit(problem, tol=1e-12))
    for level, quantile in ((0.5, 0.454936423119572), (0.999999, 23.92812697687947)):
        intervals = profile_intervals(found, level)
        for end in (intervals.lower[1], intervals.upper[1]):
            assert 2.0 * (refit(problem, 0, float(end)) - found.at.value) == pytest.approx(quantile, abs=1e-8)


# --- separated data --------------------------------------------------------------------------------------------------


def test_quasi_separated_data_have_one_end() -> None:
    found = limit(estimates("endometrial", "HG ~ NV + PI + EH"))
    truth, intervals = R["endometrial"], profile_intervals(found)
    assert intervals.upper[1] == math.inf
    assert intervals.lower[1] == pytest.approx(truth["NV_lower"], rel=1e-8)
    rest = [0, 2, 3]
    np.testing.assert_allclose(intervals.lower[rest], truth["limit"]["lower"], rtol=1e-8)
    np.testing.assert_allclose(intervals.upper[rest], truth["limit"]["upper"], rtol=1e-8)
    # R's model without NV stands for the hypothesis
    assert profile_test(found, np.eye(4)[1]).statistic == pytest.approx(truth["NV_lr"], rel=1e-9)


def test_complete_separation() -> None:
    x = np.array([-2.0, -1.0, -0.5, 0.4, 1.0, 3.0])
    problem = Problem(x[:, None], (x > 0).astype(np.uint8))
    intervals = profile_intervals(limit(Estimates(fit(problem))))
    assert (intervals.lower[0], intervals.upper[0], intervals.upper[1]) == (-math.inf, math.inf, math.inf)
    assert 2.0 * refit(problem, 0, float(intervals.lower[1])) == pytest.approx(CHI2_95, abs=1e-8)  # the supremum is 0


def test_random_small_tables_have_their_ends() -> None:
    """Separated or not: an end is infinite exactly where the estimate can go that way, and a re-fit agrees."""
    separated = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(8, 30)), int(rng.integers(1, 4))
        X = rng.normal(size=(n, p)) * np.exp(2 * rng.normal(size=p))
        y = (X[:, 0] + rng.logistic(size=n) / 3 > 0).astype(np.uint8)
        if y.min() == y.max():
            continue
        problem = Problem(X, y)
        found = Estimates(fit(problem, tol=1e-12))
        if found.fit.certificate.separation is not None:
            separated, found = separated + 1, limit(found)
        intervals = profile_intervals(found)
        assert (intervals.lower < intervals.upper).all()
        assert ((intervals.lower == -math.inf) == ~(found.params > -math.inf)).all()  # NaN: either way
        assert ((intervals.upper == math.inf) == ~(found.params < math.inf)).all()
        for end in (intervals.lower[1], intervals.upper[1]):
            if math.isfinite(end):  # where the re-fit is separated itself, it stops within 1e-7 of its infimum
                assert 2.0 * (refit(problem, 0, float(end)) - found.at.value) == pytest.approx(CHI2_95, abs=1e-6)
    assert separated > 5


# --- tests and curves ------------------------------------------------------------------------------------------------


def test_likelihood_ratios_are_those_of_smaller_models() -> None:
    problem = binary(150, 4)
    found = Estimates(fit(problem, tol=1e-12))
    smaller = fit(replace(problem, X=problem.X[:, :2]), tol=1e-12).certificate.objective
    test = profile_test(found, np.eye(5)[3:])
    assert test.statistic == pytest.approx(2.0 * (smaller - found.at.value), abs=1e-9)
    assert test.df == 2
    assert test.p_value == pytest.approx(math.exp(-0.5 * test.statistic), rel=1e-12)  # chi-squared with 2 df
    held = profile_test(found, np.eye(5)[2], np.array([0.7]))
    assert held.statistic == pytest.approx(2.0 * (refit(problem, 1, 0.7) - found.at.value), abs=1e-9)


def test_the_curve_crosses_the_quantile_at_the_ends() -> None:
    found = CASES["birthwt"]()
    intervals, one = profile_intervals(found), np.eye(10)[5]
    grid = np.array([intervals.lower[5], found.params[5], intervals.upper[5]])
    root = math.sqrt(CHI2_95)
    np.testing.assert_allclose(profile_curve(found, one, grid), [-root, 0.0, root], atol=1e-7)  # root of 1e-14 at 0
    assert (np.diff(profile_curve(found, one, np.linspace(-1.0, 3.0, 9))) > 0).all()


def test_the_curve_of_an_infinite_estimate_lies_on_one_side() -> None:
    found = limit(estimates("endometrial", "HG ~ NV + PI + EH"))
    curve = profile_curve(found, np.eye(4)[1], np.array([0.0, R["endometrial"]["NV_lower"], 5.0, 8.0]))
    assert (curve < 0).all()
    assert (np.diff(curve) > 0).all()
    assert curve[1] == pytest.approx(-math.sqrt(CHI2_95), abs=1e-8)
    assert curve[0] ** 2 == pytest.approx(R["endometrial"]["NV_lr"], rel=1e-9)


# --- what has no profile ---------------------------------------------------------------------------------------------


def test_aliased_parameters_have_no_interval() -> None:
    problem = binary(100, 2)
    twice = replace(problem, X=np.column_stack([problem.X, 2.0 * problem.X[:, 0]]))
    plain, found = profile_intervals(Estimates(fit(problem))), profile_intervals(Estimates(fit(twice)))
    gone = np.isnan(found.lower)
    assert gone.sum() == 1
    assert np.isnan(found.upper[gone]).all()
    assert found.lower[2] == pytest.approx(plain.lower[2], abs=1e-9)
    with pytest.raises(StatisticsError, match="aliased"):
        profile_test(Estimates(fit(twice)), np.eye(4)[gone])


@pytest.mark.parametrize(
    ("estimates", "says"),
    [
        (Estimates(fit(binary(60, 2)), 0, "sampling"), "sampling weights have no likelihood"),
        (Estimates(fit(binary(60, 2, strength=1.0))), "penalised"),
        (Estimates(fit(binary(60, 2), max_iterations=1)), "no proved optimum"),
    ],
    ids=["sampling weights", "penalty", "no proof"],
)
def test_refusals(estimates: Estimates, says: str) -> None:
    with pytest.raises(StatisticsError, match=says):
        profile_intervals(estimates)


def test_refused_arguments() -> None:
    found = Estimates(fit(binary(60, 2)))
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        profile_intervals(found, 95)
    with pytest.raises(StatisticsError, match="depend on each other"):
        profile_test(found, np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]))
    with pytest.raises(StatisticsError, match="no coefficient but 0"):
        profile_intervals(found, functions=np.zeros((1, 3)))


@pytest.mark.parametrize("separated", [False, True])
def test_signed_roots_are_likelihood_ratio_tests_of_each_parameter(separated: bool) -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 3))
    y = (rng.random(60) < 1 / (1 + np.exp(-X[:, 0] + 0.5))).astype(np.uint8)
    if separated:
        X[:, 2] = (rng.random(60) < 0.3) & (y == 1)
    estimates = Estimates(fit(Problem(X, y)))
    estimates = limit(estimates) if separated else estimates
    roots = profile_roots(estimates)
    assert (np.sign(roots) == np.sign(estimates.params)).all()
    for j, root in enumerate(roots):
        test = profile_test(estimates, np.eye(4)[j])
        assert root**2 == pytest.approx(test.statistic, rel=1e-7)  # both are minimised to 1e-13 of the objective
