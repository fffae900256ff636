"""Bias reduction against brglm2 and re-made logistf profiles (tests/r/firth.R), formulas in one parameter, and by its
own definition; finite on separated data."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from problems import binary, softmax

from berkson.fit import Fit, fit
from berkson.inference import jeffreys
from berkson.inference.bias_reduction import BiasReducedEstimates, Method, reduce_bias
from berkson.inference.covariance import covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.jeffreys import Jeffreys
from berkson.inference.profile import profile_curve, profile_intervals, profile_test
from berkson.model import prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.rows.questions import Evaluate
from berkson.table import Column, Table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "firth.json").read_text())
AGREE = 1e-8  # digits asked for; brglm2 stops at steps of 1e-12, some way off where it converges slowly
METHODS: tuple[Method, ...] = ("mean", "median")

FORMULAS = {
    "endometrial": "HG ~ NV + PI + EH",
    "lizards": "cbind(grahami, opalinus) ~ height + diameter + light + time",
    "birthwt": "low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv",
    "infert_weighted": "case ~ spontaneous + induced",
    "womenlf": "partic ~ hincome + children",
    "womenlf_ref2": "partic ~ hincome + children",
    "housing": "Sat ~ Infl + Cont",
    "iris": "Species ~ `Sepal.Length` + `Sepal.Width`",
}
TWO = ("endometrial", "lizards", "birthwt", "infert_weighted")


def fitted(name: str) -> Fit:
    table = read_table(HERE / "data" / f"{name.split('_')[0]}.csv")
    weights = {"infert_weighted": "half", "housing": "Freq"}.get(name)
    if weights == "half":
        half = Column("half", "number", 0.5 + table["parity"].values / 4.0)
        table = Table({**table.columns, "half": half}, table.n_rows, table.source)
    if name == "iris":
        table = table.take(np.arange(0, 150, 3))
    return fit(prepare(FORMULAS[name], table, weights=weights).problem)


def reduced(name: str, method: Method = "mean") -> BiasReducedEstimates:
    result, reference = fitted(name), 0
    if name not in TWO:
        reference = result.problem.classes.index(R[name]["classes"][R[name]["ref"] - 1])
    return reduce_bias(Estimates(result, reference), method)


def in_order_of(found: BiasReducedEstimates, classes: list[str], reference: int) -> list[int]:
    """Places of the parameters in R's order of classes."""
    q = len(found.columns)
    mine = [found.problem.class_name(k) for k in found.equations]
    theirs = [name for k, name in enumerate(classes) if k != reference - 1]
    return [mine.index(name) * q + j for name in theirs for j in range(q)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TWO)
def test_two_classes_are_those_of_brglm2(name: str, method: Method) -> None:
    found, truth = reduced(name, method), R[name][method]
    np.testing.assert_allclose(found.params, truth["params"], rtol=AGREE)
    np.testing.assert_allclose(covariance(found).std_error, truth["std_error"], rtol=AGREE)
    assert found.score_norm < 1e-10
    if name != "lizards":  # whose deviance is not from 0
        assert found.log_likelihood == pytest.approx(truth["log_likelihood"], rel=1e-10)


@pytest.mark.parametrize("name", ["womenlf", "womenlf_ref2", "housing", "iris"])
def test_several_classes_are_those_of_brmultinom(name: str) -> None:
    found, truth = reduced(name), R[name]
    order = in_order_of(found, truth["classes"], truth["ref"])
    np.testing.assert_allclose(found.params[order], truth["params"], rtol=AGREE)
    np.testing.assert_allclose(covariance(found).std_error[order], truth["std_error"], rtol=AGREE)


@pytest.mark.parametrize("name", ["endometrial", "birthwt"])
def test_penalised_profiles_are_those_of_logistf(name: str) -> None:
    found, truth = reduced(name), R[name]["profile"]
    intervals, d = profile_intervals(found), len(found.params)
    assert found.penalised_log_likelihood == pytest.approx(truth["penalised_log_likelihood"], rel=1e-10)
    np.testing.assert_allclose(intervals.lower, truth["lower"], rtol=AGREE)
    np.testing.assert_allclose(intervals.upper, truth["upper"], rtol=AGREE)
    statistics = [profile_test(found, one).statistic for one in np.eye(d)]
    np.testing.assert_allclose(statistics, truth["statistics"], rtol=1e-7)  # R's Newton steps use differences
    overall = profile_test(found, np.eye(d)[1:])
    assert overall.statistic == pytest.approx(truth["overall"], rel=AGREE)
    assert overall.df == d - 1


def test_the_penalised_curve_crosses_the_quantile_at_the_ends() -> None:
    found = reduced("endometrial")
    truth = R["endometrial"]["profile"]
    grid = np.array([truth["lower"][1], truth["upper"][1]])
    root = math.sqrt(3.841458820694124)  # qchisq(0.95, 1)
    np.testing.assert_allclose(profile_curve(found, np.eye(4)[1], grid), [-root, root], rtol=1e-8)


# --- formulas in one parameter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "added"), [("mean", 0.5), ("median", 1.0 / 6.0)])
@pytest.mark.parametrize("events", [0, 3, 10])
def test_one_probability(method: Method, added: float, events: int) -> None:
    """y events of n: (y + 1/2) / (n + 1), and for the median (y + 1/6) / (n + 1/3)."""
    # the second row gives the other class some weight, as a fit needs both; it says nothing about the first column
    problem = Problem(np.eye(2), np.array([events / 10.0, 0.5]), weight=np.array([10.0, 4.0]), intercept=False)
    found = reduce_bias(Estimates(fit(problem)), method)
    assert found.params[0] == pytest.approx(math.log((events + added) / (10 - events + added)), abs=1e-11)
    assert found.params[1] == pytest.approx(0.0, abs=1e-11)


def test_shares_of_several_classes() -> None:
    """Jeffreys' prior adds 1/2 to each class of K."""
    counts = np.array([7.0, 0.0, 2.0, 4.0])
    share = np.vstack([counts / 13.0, np.full(4, 0.25)])
    problem = Problem(np.eye(2), share, 4, weight=np.array([13.0, 8.0]), intercept=False)
    found = reduce_bias(Estimates(fit(problem)))
    odds = np.log((counts[1:] + 0.5) / (counts[0] + 0.5))
    np.testing.assert_allclose(found.params.reshape(3, 2)[:, 0], odds, rtol=1e-10)


# --- derivatives -----------------------------------------------------------------------------------------------------


def _problems() -> dict[str, Problem]:
    two, three, rng = binary(50, 3), softmax(60, 2), np.random.default_rng(4)
    return {
        "two classes": two,
        "weights and offset": replace(two, weight=rng.integers(0, 4, 50) / 2.0, offset=rng.normal(size=50)),
        "no intercept": replace(two, intercept=False),
        "soft labels": replace(two, y=np.clip(0.8 * two.y + 0.1, 0, 1)),
        "three classes": three,
        "three classes, weights": replace(three, weight=rng.random(60), offset=rng.normal(size=(60, 3))),
        "four classes": softmax(80, 1, K=4),
    }


@pytest.mark.parametrize("name", _problems())
def test_derivatives_are_limits_of_differences(name: str) -> None:
    rows = Jeffreys(fit(_problems()[name]).rows)
    size, h = rows.rows.coordinates.size, 1e-5
    theta = np.linspace(-0.6, 0.7, size)
    at = rows.answer_one(Evaluate(theta, 2))
    beside = [
        (rows.answer_one(Evaluate(theta + h * e, 1)), rows.answer_one(Evaluate(theta - h * e, 1))) for e in np.eye(size)
    ]
    gradient = np.array([(a.value - b.value) / (2 * h) for a, b in beside])
    hessian = np.array([(a.gradient - b.gradient) / (2 * h) for a, b in beside])
    # central differences: h^2 of third derivatives, and 1e-16 / h of the value
    np.testing.assert_allclose(at.gradient, gradient, atol=1e-7 * np.abs(gradient).max())
    np.testing.assert_allclose(at.hessian, hessian, atol=1e-7 * np.abs(hessian).max())


@pytest.mark.parametrize("name", _problems())
def test_the_information_alone_leads_to_the_same_estimates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reduce_bias(Estimates(fit(_problems()[name])))
    monkeypatch.setattr(jeffreys, "EXACT", 0.0)
    again = reduce_bias(Estimates(found.fit))
    np.testing.assert_allclose(again.params, found.params, rtol=1e-9, atol=1e-10)
    assert again.score_norm < 1e-10


# --- what estimates should do ----------------------------------------------------------------------------------------


def test_rows_in_groups_or_one_by_one() -> None:
    rng = np.random.default_rng(6)
    X, trials = rng.normal(size=(12, 2)), rng.integers(1, 6, 12)
    events = rng.binomial(trials, 0.4)
    grouped = Problem(X, events / trials, weight=trials.astype(np.float64))
    y = np.concatenate([np.arange(n) < k for n, k in zip(trials, events, strict=True)]).astype(np.uint8)
    single = Problem(np.repeat(X, trials, axis=0), y)
    for method in METHODS:
        a, b = (reduce_bias(Estimates(fit(problem)), method) for problem in (grouped, single))
        np.testing.assert_allclose(a.params, b.params, rtol=1e-10)
        np.testing.assert_allclose(a.penalised_log_likelihood, b.penalised_log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_units_do_not_matter(method: Method) -> None:
    problem = binary(40, 2)
    found = reduce_bias(Estimates(fit(problem)), method)
    moved = reduce_bias(Estimates(fit(replace(problem, X=problem.X * [1e-6, 1e5]))), method)
    np.testing.assert_allclose(moved.params[1:] * [1e-6, 1e5], found.params[1:], rtol=1e-10)
    assert found.params[0] == pytest.approx(moved.params[0], rel=1e-10)


def test_mean_reduction_goes_through_linear_maps_and_median_reduction_does_not() -> None:
    problem = binary(30, 2)
    other = replace(problem, X=np.column_stack([problem.X[:, 0] + problem.X[:, 1], problem.X[:, 1]]))
    for method, agrees in zip(METHODS, (True, False), strict=True):
        a, b = (reduce_bias(Estimates(fit(p)), method).params for p in (problem, other))
        assert (abs(a[2] - (b[1] + b[2])) < 1e-10) == agrees  # x1 b1 + x2 b2 = (x1 + x2) b1 + x2 (b2 - b1)


def test_aliased_columns_are_dropped_first() -> None:
    problem = binary(50, 2)
    twice = replace(problem, X=np.column_stack([problem.X, problem.X.sum(axis=1)]))
    for method in METHODS:
        found = reduce_bias(Estimates(fit(twice)), method)
        plain = reduce_bias(Estimates(fit(problem)), method)
        assert list(np.isnan(found.params)) == [False, False, False, True]
        np.testing.assert_allclose(found.params[:3], plain.params, rtol=1e-10)
        assert found.penalised_log_likelihood == pytest.approx(plain.penalised_log_likelihood, rel=1e-12)


@pytest.mark.parametrize("seed", range(25))
def test_separated_data_have_finite_estimates_and_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, p, K = int(rng.integers(6, 40)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
    X = rng.normal(size=(n, p)) * np.exp(2 * rng.normal(size=p))
    y = np.searchsorted(np.quantile(X[:, 0], np.arange(1, K) / K), X[:, 0]).astype(np.uint8)
    result = fit(Problem(X, y, K))
    assert result.certificate.separation is not None
    found = reduce_bias(Estimates(result))
    assert found.score_norm < 1e-10
    assert np.isfinite(covariance(found).matrix).all()
    intervals = profile_intervals(found)
    assert (intervals.lower < found.params).all()
    assert (found.params < intervals.upper).all()
    assert np.isfinite(intervals.upper - intervals.lower).all()
    if K == 2:
        assert reduce_bias(found, "median").score_norm < 1e-9


def test_an_end_of_a_penalised_profile_by_a_fine_search() -> None:
    """The profile of a separated table: the least penalised objective on a line of theta, by golden section."""
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    x = np.array([-2.0, -1.2, -1.0, -0.3, 0.4, 1.0, 1.9, 3.0])
    found = reduce_bias(Estimates(fit(Problem(x[:, None], (x > 0).astype(np.uint8)))))
    X = np.column_stack([np.ones(8), x])

    def objective(b: F64) -> float:
        eta = X @ b
        p = 1.0 / (1.0 + np.exp(-eta))
        information = X.T @ ((p * (1 - p))[:, None] * X)
        loss = np.logaddexp(0.0, np.where(x > 0, -eta, eta)).sum()
        return float(loss - 0.5 * np.linalg.slogdet(information)[1])

    intervals = profile_intervals(found)
    assert objective(found.params) == pytest.approx(-found.penalised_log_likelihood, rel=1e-12)
    for end in (intervals.lower[1], intervals.upper[1]):
        grid = np.linspace(-10, 10, 2001)  # the whole line: no lower valley is overlooked
        start = grid[np.argmin([objective(np.array([a, end])) for a in grid])]
        search = minimize_scalar(
            lambda a, end=end: objective(np.array([a, end])), bracket=(start - 0.01, start + 0.01), tol=1e-12
        )
        assert 2.0 * (search.fun - objective(found.params)) == pytest.approx(3.841458820694124, abs=1e-9)


@pytest.mark.parametrize(
    ("estimates", "method", "says"),
    [
        (Estimates(fit(binary(40, 2)), 0, "sampling"), "mean", "sampling weights"),
        (Estimates(fit(binary(40, 2, strength=1.0))), "mean", "without a penalty"),
        (Estimates(fit(softmax(60, 2))), "median", "is for two classes"),
    ],
    ids=["sampling weights", "penalty", "several classes"],
)
def test_refusals(estimates: Estimates, method: Method, says: str) -> None:
    with pytest.raises(StatisticsError, match=says):
        reduce_bias(estimates, method)


def test_median_reduction_has_no_profile() -> None:
    with pytest.raises(StatisticsError, match="maximises no likelihood"):
        profile_intervals(reduce_bias(Estimates(fit(binary(40, 2))), "median"))
