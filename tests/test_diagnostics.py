"""Residuals, influence and collinearity against R (tests/r/diagnostics.R), and against what they stand for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest

from berkson.fit import fit
from berkson.inference.bias_reduction import reduce_bias
from berkson.inference.bootstrap import bootstrap
from berkson.inference.collinearity import condition, inflation
from berkson.inference.covariance import covariance
from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.inference.influence import dfbeta, dfbetas, influence
from berkson.inference.limiting import limit
from berkson.inference.residuals import ResidualKind, leverage, quantile_residuals, residuals
from berkson.model import Prepared, prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.table import Column, Table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "diagnostics.json").read_text())

LOW = "low ~ age + lwt + C(race) + smoke"
FITS: dict[str, tuple[str, str, WeightKind]] = {
    "birthwt": ("birthwt", LOW, "frequency"),
    "no_intercept": ("birthwt", "low ~ 0 + lwt + smoke + ht", "frequency"),
    "precision": ("birthwt", LOW, "precision"),
    "menarche": ("menarche", "cbind(Menarche, Total - Menarche) ~ Age", "frequency"),
    "lizards": ("lizards", "cbind(grahami, opalinus) ~ height + diameter + light + time", "frequency"),
    "infert": ("infert", "case ~ spontaneous + induced + age + C(education)", "frequency"),
}
# R's numbers come from a QR decomposition and glm's last step; deviance residuals near 0 lose half their digits in both
CLOSE = {"rtol": 1e-8, "atol": 1e-9}


def prepared(name: str) -> Prepared:
    file, formula, kind = FITS[name]
    table = read_table(HERE / "data" / f"{file}.csv")
    if file == "menarche":
        formula = "Menarche / Total ~ Age"
    if kind == "precision":
        w = Column("w", "number", table["ftv"].values + 0.5)
        table = Table({**table.columns, "w": w}, table.n_rows, table.source)
    return prepare(formula, table, weights="w" if kind == "precision" else None)


def estimates_of(name: str) -> Estimates:
    ready = prepared(name)
    return Estimates(fit(ready.problem), 0, FITS[name][2], ready.schema.response(ready.complete)[1])


@pytest.fixture(scope="module", params=R["rows"])
def pair(request: pytest.FixtureRequest) -> tuple[Estimates, dict[str, Any]]:
    return estimates_of(request.param), R["rows"][request.param]


def test_residuals_are_those_of_r(pair: tuple[Estimates, dict[str, Any]]) -> None:
    estimates, expected = pair
    for kind in get_args(ResidualKind):
        np.testing.assert_allclose(residuals(estimates, kind), expected[kind], **CLOSE, err_msg=kind)


def test_influence_is_that_of_r(pair: tuple[Estimates, dict[str, Any]]) -> None:
    estimates, expected = pair
    found = influence(estimates)
    for name in ("leverage", "cooks_distance", "dffits", "sigma"):
        np.testing.assert_allclose(getattr(found, name), expected[name], **CLOSE, err_msg=name)
    for name, change in (("dfbeta", dfbeta), ("dfbetas", dfbetas)):
        if expected[name]:
            np.testing.assert_allclose(change(estimates), expected[name], **CLOSE, err_msg=name)
            np.testing.assert_array_equal(change(estimates, slice(3, 9)), change(estimates)[3:9])


def test_leverages_add_up_to_the_parameters(pair: tuple[Estimates, dict[str, Any]]) -> None:
    assert leverage(pair[0]).sum() == pytest.approx(len(pair[0].names), rel=1e-12)


def left_out(estimates: Estimates, row: int) -> F64:
    problem = estimates.problem
    weight = np.ones(len(problem.y)) if problem.weight is None else problem.weight.copy()
    weight[row] = 0.0
    result = fit(replace(problem, weight=weight))
    assert result.certificate.certified
    return estimates.params - Estimates(result).params


def test_one_step_approximates_leaving_a_row_out() -> None:
    estimates = estimates_of("birthwt")
    exact = np.array([left_out(estimates, i) for i in range(0, 189, 6)])
    step, of_r = dfbeta(estimates, residual="pearson")[::6], dfbeta(estimates)[::6]
    scale = np.abs(exact).max(axis=0)
    error, error_of_r = np.abs(step - exact).max(axis=0), np.abs(of_r - exact).max(axis=0)
    assert (error < 0.06 * scale).all()  # changes are up to 0.3 standard errors, and a step errs by their square
    assert (error < 0.4 * error_of_r).all()  # R's deviance residuals are the coarser ones
    moved = np.array([left_out(estimates, i) for i in (9, 131)])
    metric = np.linalg.inv(covariance(estimates).matrix)
    cooks = np.einsum("ij,jk,ik->i", moved, metric, moved) / len(estimates.names)
    np.testing.assert_allclose(influence(estimates).cooks_distance[[9, 131]], cooks, rtol=0.1)  # first order as well


def test_rows_of_zero_weight_count_for_nothing() -> None:
    estimates = estimates_of("birthwt")
    weight = np.ones(189)
    weight[::5] = 0.0
    some = Estimates(fit(replace(estimates.problem, weight=weight)), weight_kind="precision")
    kept = weight > 0
    problem = estimates.problem
    alone = Estimates(fit(replace(problem, X=problem.X[kept], y=problem.y[kept])))
    whole, part = influence(some), influence(alone)
    np.testing.assert_allclose(
        whole.cooks_distance[kept], part.cooks_distance, rtol=1e-8
    )  # two fits, 1e-6 errors apart
    np.testing.assert_allclose(whole.dffits[kept], part.dffits, rtol=1e-8)
    assert not whole.leverage[~kept].any()
    assert not whole.cooks_distance[~kept].any()


def test_a_row_of_its_own_has_leverage_one() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=40), np.arange(40) == 7])
    y = (rng.random(40) < 0.5).astype(float)
    y[7] = 0.25  # a share, so that its own parameter is finite
    estimates = Estimates(fit(Problem(X, y)))
    assert leverage(estimates)[7] == 1.0
    assert np.isnan(residuals(estimates, "standardised_deviance")[7])
    assert np.isfinite(np.delete(residuals(estimates, "studentised"), 7)).all()
    assert np.isnan(influence(estimates).cooks_distance[7])


def test_estimates_that_are_no_maximum_have_residuals() -> None:
    table = read_table(HERE / "data" / "endometrial.csv")
    separated = Estimates(fit(prepare("HG ~ NV + PI + EH", table).problem))
    limiting, reduced = limit(separated), reduce_bias(separated)
    for estimates in (limiting, reduced):
        deviance, pearson = residuals(estimates, "deviance"), residuals(estimates, "pearson")
        assert deviance @ deviance == pytest.approx(2 * estimates.at.value, rel=1e-12)
        assert np.isfinite(pearson).all()
        assert leverage(estimates).sum() == pytest.approx(estimates.estimable.sum(), rel=1e-10)
        assert np.isfinite(influence(estimates).cooks_distance).all()
        assert np.isfinite(quantile_residuals(estimates)).all()
    certain = separated.problem.X[:, 0] == 1.0  # all have the outcome, for sure in the limit
    assert not residuals(limiting, "deviance")[certain].any()
    assert not leverage(limiting)[certain].any()
    with pytest.raises(StatisticsError, match="samples are fitted by maximum likelihood"):
        bootstrap(reduced, 9)


def three_classes(n: int = 120) -> Problem:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 2)) + 50.0
    eta = np.column_stack([np.zeros(n), X[:, 0] - 50.0, 50.5 - X[:, 1]])
    return Problem(X, (eta + rng.gumbel(size=(n, 3))).argmax(axis=1).astype(np.uint8), 3, rng.uniform(0.5, 2.0, n))


def test_residuals_and_leverages_of_classes() -> None:
    problem = three_classes()
    estimates = Estimates(fit(problem), weight_kind="precision")
    eta = estimates.linear_predictor()
    P = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    Y, w = np.eye(3)[problem.y], problem.weight
    assert w is not None
    np.testing.assert_allclose(residuals(estimates, "response"), Y - P, atol=1e-14)
    np.testing.assert_allclose(
        residuals(estimates, "pearson"), (Y - P) * np.sqrt(w / (P * (1 - P)).T).T, rtol=1e-12, atol=1e-14
    )
    loss = -np.log(P[np.arange(len(P)), problem.y])
    np.testing.assert_allclose(residuals(estimates, "deviance"), np.sqrt(2 * w * loss), rtol=1e-10)
    # the trace of each row's block of the hat matrix, in the plain parametrisation against class 0
    X = np.column_stack([np.ones(len(P)), problem.X - 50.0])
    V = np.einsum("n,nk,kl->nkl", w, P, np.eye(3))[:, 1:, 1:] - np.einsum("n,nk,nl->nkl", w, P, P)[:, 1:, 1:]
    information = np.einsum("nkl,ni,nj->kilj", V, X, X).reshape(6, 6)
    inverse = np.linalg.inv(information).reshape(2, 3, 2, 3)
    expected = np.einsum("nkl,ni,nj,kilj->n", V, X, X, inverse)
    np.testing.assert_allclose(leverage(estimates), expected, rtol=1e-10)
    assert leverage(estimates).sum() == pytest.approx(6.0, rel=1e-12)


def test_quantile_residuals_are_between_the_cells_of_the_outcome() -> None:
    from scipy.stats import binom, norm

    for name in ("birthwt", "menarche", "lizards"):
        estimates = estimates_of(name)
        trials = np.ones(len(estimates.problem.y)) if estimates.trials is None else estimates.trials
        events, p = np.rint(estimates.problem.y * trials), 1 / (1 + np.exp(-estimates.linear_predictor()[:, 0]))
        found = quantile_residuals(estimates, seed=4)
        np.testing.assert_array_equal(found, quantile_residuals(estimates, seed=4))
        assert (found != quantile_residuals(estimates, seed=5)).any()
        assert (norm.cdf(found) <= binom.cdf(events, trials, p) + 1e-12).all()
        assert (norm.cdf(found) >= binom.cdf(events - 1, trials, p) - 1e-12).all()


def test_quantile_residuals_of_a_true_model_are_standard_normal() -> None:
    from scipy.stats import kstest

    rng = np.random.default_rng(6)
    n = 4000
    X, trials = rng.normal(size=(n, 1)), rng.integers(1, 20, n).astype(float)
    events = rng.binomial(trials.astype(int), 1 / (1 + np.exp(-X[:, 0] + 3.0)))
    estimates = Estimates(fit(Problem(X, events / trials, weight=trials)), trials=trials)
    assert kstest(quantile_residuals(estimates), "norm").pvalue > 0.01  # one draw, the seed is fixed
    wrong = Estimates(fit(Problem(np.zeros((n, 0)), events / trials, weight=trials)), trials=trials)
    assert kstest(quantile_residuals(wrong), "norm").pvalue < 1e-6


def test_quantile_residuals_reach_into_both_tails() -> None:
    y = np.array([0, 1, 1, 0] * 5, np.uint8)
    offset, weight = np.zeros(20), np.ones(20)
    offset[1], offset[3], weight[[1, 3]] = -46.0, 46.0, 1e-40  # against odds of 1e-20, without a say in the fit
    estimates = Estimates(fit(Problem(np.zeros((20, 0)), y, weight=weight, offset=offset)), weight_kind="precision")
    found = quantile_residuals(estimates)
    assert np.isfinite(found).all()
    assert found[1] > 8.3  # where 1 - Phi is below the spacing of doubles at 1
    assert found[3] < -8.3


def test_what_is_not_defined_is_refused() -> None:
    classes = Estimates(fit(three_classes()), weight_kind="precision")
    for kind in ("working", "standardised_pearson", "studentised"):
        with pytest.raises(StatisticsError, match="are for two classes, and the response has 3"):
            residuals(classes, kind)
    for refused in (influence, dfbeta, dfbetas):
        with pytest.raises(StatisticsError, match="two classes"):
            refused(classes)
    with pytest.raises(StatisticsError, match="outcomes in order"):
        quantile_residuals(classes)
    with pytest.raises(StatisticsError, match="no residuals 'raw'; ask for one of response, working"):
        residuals(classes, "raw")  # type: ignore[arg-type]
    sampling = replace(estimates_of("precision"), weight_kind="sampling")
    with pytest.raises(StatisticsError, match="sampling weights do not tell how precise"):
        residuals(sampling, "studentised")
    with pytest.raises(StatisticsError, match="sampling weights do not tell how precise"):
        influence(sampling)
    soft = fit(replace(estimates_of("birthwt").problem, y=np.full(189, 0.3) + 0.001 * np.arange(189)))
    with pytest.raises(StatisticsError, match="whole outcomes"):
        quantile_residuals(Estimates(soft))
    separated = Estimates(fit(Problem(np.arange(8.0)[:, None], (np.arange(8) > 3).astype(np.uint8))))
    for function in (residuals, leverage, influence, quantile_residuals, condition):
        with pytest.raises(StatisticsError, match="separated"):
            function(separated)


# --- collinearity ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", R["vif"])
def test_variance_inflation_is_that_of_car(name: str) -> None:
    estimates, ready = estimates_of(name), prepared(name)
    found = inflation(estimates, covariance(estimates), ready.schema.term_columns)
    expected = np.array(R["vif"][name])
    np.testing.assert_allclose(np.column_stack([found.gvif, found.df, found.scaled]), expected, rtol=1e-8)


def test_variance_inflation_of_single_columns_is_theirs_in_the_weighted_design() -> None:
    estimates = estimates_of("birthwt")
    found = inflation(estimates, covariance(estimates))
    p = 1 / (1 + np.exp(-estimates.linear_predictor()[:, 0]))
    W = np.sqrt(p * (1 - p))[:, None]
    X = estimates.problem.X
    for j in range(X.shape[1]):
        others = W * np.column_stack([np.ones(189), np.delete(X, j, axis=1)])
        residual = W[:, 0] * X[:, j] - others @ np.linalg.lstsq(others, W[:, 0] * X[:, j])[0]
        mean = W[:, 0] * X[:, j] - W[:, 0] * (W[:, 0] ** 2 @ X[:, j]) / (W**2).sum()
        assert found.gvif[j] == pytest.approx(mean @ mean / (residual @ residual), rel=1e-8)


def test_aliased_columns_inflate_nothing() -> None:
    problem = estimates_of("birthwt").problem
    twice = replace(problem, X=np.column_stack([problem.X, 2 * problem.X[:, 0]]), names=(*problem.names, "twice"))
    estimates = Estimates(fit(twice))
    found = inflation(estimates, covariance(estimates), {"age": [0, 5], "rest": [1, 2, 3, 4], "twice": [5]})
    plain = Estimates(fit(problem))
    alone = inflation(plain, covariance(plain), {"age": [0], "rest": [1, 2, 3, 4]})
    np.testing.assert_allclose(found.gvif[:2], alone.gvif, rtol=1e-8)
    assert list(found.df) == [1, 4, 0]
    assert np.isnan(found.scaled[2])


def test_condition_indices_are_those_of_the_weighted_design() -> None:
    estimates = estimates_of("birthwt")
    found = condition(estimates)
    p = 1 / (1 + np.exp(-estimates.linear_predictor()[:, 0]))
    X = np.column_stack([np.ones(189), estimates.problem.X]) * np.sqrt(p * (1 - p))[:, None]
    _, values, vectors = np.linalg.svd(X / np.linalg.norm(X, axis=0), full_matrices=False)
    np.testing.assert_allclose(found.indices, values[0] / values, rtol=1e-10)
    share = (vectors / values[:, None]) ** 2
    np.testing.assert_allclose(found.proportions, share / share.sum(axis=0), rtol=1e-8, atol=1e-12)
    assert found.names == estimates.names


def test_condition_indices_far_from_zero_keep_their_digits() -> None:
    rng = np.random.default_rng(7)
    year = 1.7e9 + 1e5 * rng.normal(size=200)
    y = (rng.random(200) < 0.5).astype(np.uint8)
    found = condition(Estimates(fit(Problem(year[:, None], y))))
    assert 1e4 < found.indices[1] < 1e5  # 2 mean / deviation = 34,000
