"""Fit, calibration and discrimination against R (tests/r/diagnostics.R), and against their definitions pair by pair."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson.fit import fit
from berkson.inference.calibration import (
    brier,
    calibration_curve,
    calibration_groups,
    hosmer_lemeshow,
    recalibration,
)
from berkson.inference.discrimination import auc, compare_auc, concordance, confusion, hand_till, one_vs_rest, roc
from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.inference.explained import explained
from berkson.inference.fit_tests import pearson, unweighted_sum_of_squares
from berkson.inference.forecasts import Forecasts, forecasts
from berkson.inference.goodness import Goodness, goodness
from berkson.inference.likelihood import likelihood
from berkson.model import prepare
from berkson.problem import Problem
from berkson.read import read_table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "diagnostics.json").read_text())

LOW = "low ~ age + lwt + C(race) + smoke"
FITS = {
    "birthwt": ("birthwt", LOW),
    "no_intercept": ("birthwt", "low ~ 0 + lwt + smoke + ht"),
    "menarche": ("menarche", "Menarche / Total ~ Age"),
    "lizards": ("lizards", "cbind(grahami, opalinus) ~ height + diameter + light + time"),
    "infert": ("infert", "case ~ spontaneous + induced + age + C(education)"),
}
EXACT = 1e-8  # relative: what the two programs owe each other


def problem_of(file: str, formula: str) -> tuple[Problem, F64 | None]:
    ready = prepare(formula, read_table(HERE / "data" / f"{file}.csv"))
    return ready.problem, ready.schema.response(ready.complete)[1]


def estimates_of(name: str, weight: F64 | None = None, weight_kind: WeightKind = "frequency") -> Estimates:
    problem, trials = problem_of(*FITS[name])
    if weight is not None:
        problem = replace(problem, weight=weight)
    return Estimates(fit(problem), 0, weight_kind, trials)


def counts() -> F64:
    """birthwt's frequency weights in tests/r/diagnostics.R."""
    return read_table(HERE / "data" / "birthwt.csv")["ftv"].values + 1.0


def goodness_of(estimates: Estimates) -> Goodness:
    return goodness(estimates, likelihood(estimates.fit, estimates.trials))


def women() -> Estimates:
    return Estimates(fit(problem_of("womenlf", "partic ~ hincome + children")[0]))


def expanded(judged: Forecasts) -> Forecasts:
    """One row for each outcome."""
    assert judged.weight is not None
    times = judged.weight.astype(int)
    return Forecasts(np.repeat(judged.probability, times, axis=0), np.repeat(judged.y, times, axis=0))


# --- likelihood -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FITS)
def test_goodness_is_that_of_r(name: str) -> None:
    estimates, expected = estimates_of(name), R["goodness"][name]
    found = goodness_of(estimates)
    for key in ("log_likelihood", "deviance", "null_deviance"):
        assert getattr(found.likelihood, key) == pytest.approx(expected[key], rel=EXACT), key
    for key in ("aic", "bic", "df_residual"):
        assert getattr(found, key) == pytest.approx(expected[key], rel=EXACT), key
    assert found.likelihood_ratio == pytest.approx(expected["lr"], rel=EXACT)
    assert found.p_value == pytest.approx(expected["lr_p"], rel=EXACT)
    assert pearson(estimates).statistic == pytest.approx(expected["pearson"], rel=EXACT)
    assert pearson(estimates).dispersion == pytest.approx(expected["pearson"] / expected["df_residual"], rel=EXACT)


def test_frequency_weights_are_repeated_rows() -> None:
    weighted = estimates_of("birthwt", counts())
    problem, times = weighted.problem, counts().astype(int)
    rows = Estimates(
        fit(replace(problem, X=np.repeat(problem.X, times, axis=0), y=np.repeat(problem.y, times), weight=None))
    )
    for function in (explained, unweighted_sum_of_squares, pearson):
        found, expected = vars(function(weighted)), vars(function(rows))  # type: ignore[operator]
        assert found == pytest.approx(expected, rel=1e-9), function  # sums of the same numbers in another order
    judged, single = forecasts(weighted), forecasts(rows)
    for measure in (recalibration, brier, concordance, auc):
        found, expected = vars(measure(judged)), vars(measure(single))  # type: ignore[operator]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), measure
    np.testing.assert_allclose(hosmer_lemeshow(judged).observed, hosmer_lemeshow(single).observed)


def test_goodness_of_classes_is_by_hand() -> None:
    estimates = women()
    found = goodness_of(estimates)
    assert found.likelihood.log_likelihood == pytest.approx(-211.440962897, rel=1e-10)  # nnet::multinom
    assert (found.parameters, found.df_residual, found.df_model) == (6, 2 * 263 - 6, 4)
    eta = estimates.linear_predictor()
    P = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    assert pearson(estimates).statistic == pytest.approx(
        ((np.eye(3)[estimates.problem.y] - P) ** 2 / P).sum(), rel=1e-12
    )
    assert found.aicc == pytest.approx(found.aic + 2 * 6 * 7 / 256)


def test_shares_explained() -> None:
    estimates = estimates_of("birthwt")
    found, p, y = explained(estimates), forecasts(estimates).probability, estimates.problem.y
    assert found.nagelkerke == pytest.approx(R["lrm"]["stats"]["R2"], rel=EXACT)
    l, l0 = R["goodness"]["birthwt"]["deviance"] / -2, R["goodness"]["birthwt"]["null_deviance"] / -2  # noqa: E741
    assert found.mcfadden == pytest.approx(1 - l / l0, rel=EXACT)
    assert found.mcfadden_adjusted == pytest.approx(1 - (l - 6) / l0, rel=EXACT)
    assert found.cox_snell == pytest.approx(1 - math.exp(2 * (l0 - l) / 189), rel=EXACT)
    assert found.tjur == pytest.approx(p[y == 1].mean() - p[y == 0].mean(), rel=1e-12)
    assert found.efron == pytest.approx(1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-12)
    assert math.isnan(explained(women()).tjur)


def test_grouped_counts_explain_what_their_trials_do() -> None:
    grouped = estimates_of("lizards")
    problem, trials = grouped.problem, grouped.trials
    assert trials is not None
    events = np.rint(problem.y * trials)
    X = np.repeat(
        np.repeat(problem.X, 2, axis=0), np.column_stack([events, trials - events]).ravel().astype(int), axis=0
    )
    y = np.repeat(np.tile([1, 0], len(trials)), np.column_stack([events, trials - events]).ravel().astype(int))
    single = Estimates(fit(replace(problem, X=X, y=y.astype(np.uint8), weight=None)))
    assert vars(explained(grouped)) == pytest.approx(vars(explained(single)), rel=1e-9)
    assert vars(unweighted_sum_of_squares(grouped)) == pytest.approx(vars(unweighted_sum_of_squares(single)), rel=1e-8)
    found, expected = goodness_of(grouped), goodness_of(single)
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-8)
    assert found.likelihood.deviance < expected.likelihood.deviance  # of 23 rows, of 564 outcomes


def test_pseudo_likelihoods_have_no_criteria() -> None:
    estimates = estimates_of("birthwt", counts(), "sampling")
    found = goodness_of(estimates)
    assert all(map(math.isnan, (found.aic, found.bic, found.aicc, found.p_value)))
    assert math.isfinite(found.likelihood.deviance)
    for test in (pearson, unweighted_sum_of_squares):
        with pytest.raises(StatisticsError, match="sampling weights do not"):
            test(estimates)


def test_sum_of_squares_is_that_of_rms() -> None:
    for found, expected in (
        (unweighted_sum_of_squares(estimates_of("birthwt")), R["lrm"]["gof"]),
        (unweighted_sum_of_squares(estimates_of("birthwt", counts())), R["lrm_expanded"]["gof"]),
    ):
        assert found.sum_of_squares == pytest.approx(expected["Sum of squared errors"], rel=EXACT)
        assert found.expected == pytest.approx(expected["Expected value|H0"], rel=EXACT)
        assert found.std_deviation == pytest.approx(expected["SD"], rel=EXACT)
        assert found.z == pytest.approx(expected["Z"], rel=1e-7)  # of a difference of sums
        assert found.p_value == pytest.approx(expected["P"], rel=EXACT)


def test_a_saturated_model_has_no_test_of_its_squares() -> None:
    X = (np.arange(40) % 2)[:, None].astype(float)
    y = (np.arange(40) % 3 == 0).astype(np.uint8)
    with pytest.raises(StatisticsError, match="explains the variance of its squared errors in full"):
        unweighted_sum_of_squares(Estimates(fit(Problem(X, y))))


# --- calibration ----------------------------------------------------------------------------------------------------


def new_data() -> Forecasts:
    """Every second row of birthwt by the coefficients of the others."""
    problem, _ = problem_of(*FITS["birthwt"])
    coef = R["calibration"]["train_coef"]
    eta = coef[0] + problem.X[1::2] @ coef[1:]
    return Forecasts(1 / (1 + np.exp(-eta)), problem.y[1::2])


def test_recalibration_is_that_of_glm() -> None:
    found, expected = recalibration(new_data()), R["calibration"]
    assert found.slope == pytest.approx(expected["slope"], rel=EXACT)
    assert found.slope_std_error == pytest.approx(expected["slope_se"], rel=EXACT)
    assert found.intercept == pytest.approx(expected["intercept"], rel=EXACT)
    assert found.intercept_std_error == pytest.approx(expected["intercept_se"], rel=EXACT)
    assert found.in_the_large == pytest.approx(expected["large"], rel=EXACT)
    assert found.in_the_large_std_error == pytest.approx(expected["large_se"], rel=EXACT)


def test_a_maximum_of_likelihood_is_calibrated_where_it_was_fitted() -> None:
    found = recalibration(forecasts(estimates_of("birthwt")))
    assert (found.intercept, found.slope, found.in_the_large) == pytest.approx((0.0, 1.0, 0.0), abs=1e-7)


@pytest.mark.parametrize(("case", "groups"), [("ten", 10), ("five", 5), ("ties", 10)])
def test_hosmer_lemeshow_is_that_of_r(case: str, groups: int) -> None:
    formula = "low ~ C(race) + smoke" if case == "ties" else LOW
    found = hosmer_lemeshow(forecasts(Estimates(fit(problem_of("birthwt", formula)[0]))), groups)
    expected = R["hoslem"][case]
    assert found.df == expected["df"]
    assert (found.df < groups - 2) is (case == "ties")
    assert found.statistic == pytest.approx(expected["statistic"], rel=EXACT)
    assert found.p_value == pytest.approx(expected["p_value"], rel=EXACT)
    np.testing.assert_allclose(found.observed[:, 1], expected["observed"])
    np.testing.assert_allclose(found.expected[:, 1], expected["expected"], rtol=EXACT)
    np.testing.assert_allclose(found.weight, expected["n"])


def test_hosmer_lemeshow_of_weights_and_of_classes() -> None:
    found = hosmer_lemeshow(forecasts(estimates_of("birthwt", counts())))
    assert found.statistic == pytest.approx(R["lrm_expanded"]["hoslem"]["statistic"], rel=EXACT)
    classes = hosmer_lemeshow(forecasts(women()))
    expected = R["multinomial"]["hoslem"]
    assert classes.df == expected["df"]
    # brglm2 stops at scores of 1e-11
    assert classes.statistic == pytest.approx(expected["statistic"], rel=EXACT)
    assert classes.p_value == pytest.approx(expected["p_value"], rel=EXACT)


def test_groups_and_curve_follow_the_truth() -> None:
    rng = np.random.default_rng(8)
    logit = 1.5 * rng.normal(size=40_000)
    y = (rng.random(40_000) < 1 / (1 + np.exp(-0.5 * logit))).astype(np.uint8)
    judged = Forecasts(1 / (1 + np.exp(-logit)), y)  # twice too extreme
    groups = calibration_groups(judged, 20)
    middle = np.log(groups.probability / (1 - groups.probability))
    truth = 1 / (1 + np.exp(-0.5 * middle))
    assert groups.weight.sum() == 40_000
    np.testing.assert_allclose(groups.observed, truth, atol=0.05)  # 4 standard errors of a share of 2,000
    curve = calibration_curve(judged)
    at = (curve.probability > 0.05) & (curve.probability < 0.95)
    x = np.log(curve.probability[at] / (1 - curve.probability[at]))
    np.testing.assert_allclose(curve.observed[at], 1 / (1 + np.exp(-0.5 * x)), atol=0.02)
    p = judged.probability
    error = np.abs(p - 1 / (1 + np.exp(-0.5 * logit)))
    assert curve.mean_error == pytest.approx(error.mean(), abs=0.01)
    assert curve.median_error == pytest.approx(np.median(error), abs=0.01)
    assert recalibration(judged).slope == pytest.approx(0.5, abs=0.03)


def test_brier_is_that_of_r_and_its_parts_add_up() -> None:
    found = brier(forecasts(estimates_of("birthwt")))
    assert found.score == pytest.approx(R["lrm"]["stats"]["Brier"], rel=EXACT)
    assert found.score == pytest.approx(
        found.reliability - found.resolution + found.uncertainty + found.within, rel=1e-12
    )
    assert abs(found.within) < 0.05 * found.uncertainty
    new = brier(new_data())
    assert new.spiegelhalter_z == pytest.approx(R["calibration"]["spiegelhalter_z"], rel=EXACT)
    assert new.score == pytest.approx(R["calibration"]["brier"], rel=EXACT)
    # where a group has one probability, nothing is left within
    p = np.repeat([0.1, 0.4, 0.8], 50)
    assert brier(Forecasts(p, (np.arange(150) % 3 == 0).astype(np.uint8)), 3).within == pytest.approx(0.0, abs=1e-15)
    classes = forecasts(women())
    by_hand = ((np.eye(3)[classes.y] - classes.probability) ** 2).sum(axis=1).mean()
    assert brier(classes).score == pytest.approx(by_hand, rel=1e-12)


# --- discrimination -------------------------------------------------------------------------------------------------


def test_area_is_that_of_proc() -> None:
    judged, expected = forecasts(estimates_of("birthwt")), R["auc"]
    found = auc(judged)
    assert found.area == pytest.approx(expected["area"], rel=1e-12)
    assert found.std_error**2 == pytest.approx(expected["variance"], rel=EXACT)
    assert [found.low, found.area, found.high] == pytest.approx(expected["ci"], rel=EXACT)
    assert auc(judged, 0.9).low == pytest.approx(expected["ci90"][0], rel=EXACT)
    problem, _ = problem_of(*FITS["birthwt"])
    weighted = auc(Forecasts(judged.probability, problem.y, counts()))
    assert weighted.area == pytest.approx(expected["expanded"]["area"], rel=1e-12)
    assert weighted.std_error**2 == pytest.approx(expected["expanded"]["variance"], rel=EXACT)


def test_concordance_counts_pairs() -> None:
    judged = forecasts(estimates_of("birthwt"))
    found = concordance(judged)
    assert found.c == pytest.approx(R["lrm"]["c"], rel=1e-12)
    p, y = np.round(judged.probability, 2), judged.y  # with many ties
    above = np.sign(p[y == 1][:, None] - p[y == 0])
    found = concordance(Forecasts(p, y))
    assert found.somers_d == pytest.approx(above.mean(), rel=1e-12)
    assert found.gamma == pytest.approx(above[above != 0].mean(), rel=1e-12)
    assert found.tau_a == pytest.approx(above.sum() / (189 * 188 / 2), rel=1e-12)


def test_two_areas_are_compared_as_by_proc() -> None:
    first = forecasts(estimates_of("birthwt"))
    second = forecasts(Estimates(fit(problem_of("birthwt", "low ~ lwt")[0])))
    found, expected = compare_auc(first, second), R["comparison"]
    assert found.difference == pytest.approx(R["auc"]["area"] - expected["second"], rel=1e-11)
    assert found.z == pytest.approx(expected["z"], rel=EXACT)
    assert found.p_value == pytest.approx(expected["p_value"], rel=EXACT)
    with pytest.raises(StatisticsError, match="not of the same outcomes"):
        compare_auc(first, Forecasts(first.probability, 1 - first.y))


def test_the_curve_and_its_tables_are_those_of_proc() -> None:
    judged, expected = forecasts(estimates_of("birthwt")), R["auc"]
    curve = roc(judged)
    np.testing.assert_allclose(curve.sensitivity[::-1], expected["sensitivity"])
    np.testing.assert_allclose(curve.specificity[::-1], expected["specificity"])
    for key, best in expected["best"].items():
        assert getattr(curve, key)[curve.best] == pytest.approx(best, rel=EXACT), key
    table = confusion(judged, np.array([0.2, 0.5]))
    for j, row in enumerate(expected["at"]):
        for key, value in row.items():
            assert getattr(table, key)[j] == pytest.approx(value, rel=1e-12), key
    area = -np.sum(np.diff(1 - curve.specificity) * 0.5 * (curve.sensitivity[1:] + curve.sensitivity[:-1]))
    assert area == pytest.approx(expected["area"], rel=1e-12)


def test_thresholds_between_neighbouring_doubles() -> None:
    low = 0.3
    curve = roc(Forecasts(np.array([low, math.nextafter(low, 1.0)]), np.array([0, 1], np.uint8)))
    np.testing.assert_array_equal(curve.sensitivity, [1.0, 1.0, 0.0])
    np.testing.assert_array_equal(curve.specificity, [0.0, 1.0, 1.0])


def test_areas_of_classes_are_those_of_proc() -> None:
    judged, expected = forecasts(women()), R["multinomial"]
    np.testing.assert_allclose(
        judged.probability, expected["probability"], rtol=1e-7
    )  # brglm2 stops at scores of 1e-11
    for found, each in zip(one_vs_rest(judged), expected["auc"], strict=True):
        assert found.area == pytest.approx(each["area"], rel=1e-12)
        assert found.std_error == pytest.approx(each["std_error"], rel=EXACT)
        assert [found.low, found.area, found.high] == pytest.approx(each["ci"], rel=EXACT)
    assert hand_till(judged) == pytest.approx(expected["hand_till"], rel=1e-12)
    two = forecasts(estimates_of("birthwt"))
    assert hand_till(two) == concordance(two).c


def test_delong_is_right_about_the_spread_of_areas() -> None:
    rng = np.random.default_rng(9)
    areas, errors = [], []
    for _ in range(400):
        x = rng.normal(size=150)
        y = (rng.random(150) < 1 / (1 + np.exp(-x))).astype(np.uint8)
        found = auc(Forecasts(1 / (1 + np.exp(-x)), y))
        areas.append(found.area)
        errors.append(found.std_error)
    # 400 draws know a standard deviation to 3.5 %
    assert np.std(areas) == pytest.approx(np.mean(errors), rel=0.11)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_what_is_not_defined_is_refused() -> None:
    p, y = np.array([0.2, 0.5, 0.7, 0.9]), np.array([0, 1, 0, 1], np.uint8)
    with pytest.raises(StatisticsError, match="probability in row 1 is not between 0 and 1"):
        Forecasts(np.array([0.1, 1.2]), np.array([0, 1]))
    with pytest.raises(StatisticsError, match=r"shape \(4, 2\) do not fit outcomes of shape \(4,\); for two classes"):
        Forecasts(np.column_stack([1 - p, p]), y)
    with pytest.raises(StatisticsError, match="4 probabilities, 3 outcomes; give one of each"):
        Forecasts(p, y[:3])
    with pytest.raises(StatisticsError, match="outcome in row 3 is not between 0 and 1"):
        Forecasts(p, np.array([0, 1, 0, 2]))
    with pytest.raises(StatisticsError, match="weight in row 0 is not finite and not negative"):
        Forecasts(p, y, np.array([-1.0, 1, 1, 1]))
    with pytest.raises(StatisticsError, match="outcomes of several classes are whole numbers"):
        Forecasts(np.full((4, 3), 1 / 3), np.array([0.0, 0.5, 1.0, 1.0]))
    sampling = Forecasts(p, y, np.ones(4), "sampling")
    for function in (auc, hosmer_lemeshow, recalibration):
        with pytest.raises(StatisticsError, match="which sampling weights do not count"):
            function(sampling)  # type: ignore[operator]
    assert concordance(sampling).c == 0.75
    assert math.isnan(brier(sampling).p_value)
    with pytest.raises(StatisticsError, match="only one class was seen"):
        concordance(Forecasts(p, np.zeros(4, np.uint8)))
    with pytest.raises(StatisticsError, match="one outcome of a class"):
        auc(Forecasts(p, np.array([0, 0, 0, 1], np.uint8)))
    with pytest.raises(StatisticsError, match="whose log-odds are infinite"):
        recalibration(Forecasts(np.array([0.0, 0.5, 0.6, 0.4]), y))
    with pytest.raises(StatisticsError, match="separated"):
        recalibration(Forecasts(p, np.array([0, 0, 1, 1], np.uint8)))
    with pytest.raises(StatisticsError, match="this measure is for two classes, and here are 3"):
        auc(forecasts(women()))
    with pytest.raises(StatisticsError, match="all probabilities are the same"):
        hosmer_lemeshow(Forecasts(np.full(4, 0.5), y))
    with pytest.raises(StatisticsError, match="leave the test no degree of freedom"):
        hosmer_lemeshow(Forecasts(p, y), 2)
    with pytest.raises(StatisticsError, match="level 95 of an interval"):
        auc(Forecasts(p, y), 95)
    separated = Estimates(fit(Problem(np.arange(8.0)[:, None], (np.arange(8) > 3).astype(np.uint8))))
    for judge in (pearson, explained, unweighted_sum_of_squares, forecasts):
        with pytest.raises(StatisticsError, match="separated"):
            judge(separated)
