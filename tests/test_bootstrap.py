"""Bootstrap replicates against R's fits, intervals against R's boot.ci, optimism against rms's measures."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson import logit
from berkson.fit import fit
from berkson.inference import neighbours as neighbours_module
from berkson.inference.bootstrap import (
    _acceleration,
    bootstrap,
    bootstrap_covariance,
    bootstrap_interval,
    interval,
)
from berkson.inference.covariance import covariance
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.neighbours import neighbours
from berkson.inference.optimism import measures, optimism
from berkson.inference.replicates import PROVED_OF_MANY, replicates
from berkson.inference.resampling import Resampling
from berkson.model import prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.rows import resampled as resampled_module
from berkson.rows.questions import Evaluate

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "diagnostics.json").read_text())

PROVED = 2e-4  # standard errors: what a replicate is proved to


def birthwt() -> Estimates:
    table = read_table(HERE / "data" / "birthwt.csv")
    return Estimates(fit(prepare("low ~ age + lwt + C(race) + smoke", table).problem))


def simulated(n: int = 3000, classes: int = 2, seed: int = 1) -> Estimates:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + np.array([0.0, 40.0])
    eta = np.column_stack([np.zeros(n), X[:, 0] - 0.5, *([40.5 - X[:, 1]] * (classes - 2))])
    return Estimates(fit(Problem(X, (eta + rng.gumbel(size=eta.shape)).argmax(axis=1).astype(np.uint8), classes)))


@dataclass(frozen=True)
class Drawn(Resampling):
    """Samples that R drew."""

    even = False
    by_r: Any = None

    def weight(self, number: int) -> F64:
        return np.array(self.by_r, dtype=float)[:, number]


# --- replicates -----------------------------------------------------------------------------------------------------


def test_replicates_are_rs_fits_of_the_same_samples() -> None:
    estimates = birthwt()
    found = replicates(estimates, Drawn(estimates, by_r=R["resampled"]["drawn"]), range(5))
    scale = covariance(estimates).std_error
    for sample, expected in zip(found, R["resampled"]["fits"], strict=True):
        assert sample.theta is not None
        assert (np.abs(estimates.jacobian @ sample.theta - expected["coef"]) < PROVED * scale).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_replicates_are_fits_of_their_weights(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    estimates = simulated(classes=classes)
    found = bootstrap(estimates, 12, seed=3)
    scale = covariance(estimates).std_error
    for b in (0, 5, 11):
        weight = found.samples.weight(b)
        alone = Estimates(fit(replace(estimates.problem, weight=weight)))
        assert weight.sum() == 3000.0
        assert (np.abs(alone.params - found.replicates[b]) < PROVED * scale).all()
    monkeypatch.setattr(resampled_module, "CELLS", 1)  # as of a long table: a few at a time
    again = bootstrap(estimates, 9, seed=3)
    assert (np.abs(again.replicates - found.replicates[:9]) < PROVED * scale).all()
    assert (bootstrap(estimates, 9, seed=4).replicates != again.replicates).all()
    whole_number: Any = np.int64(3)
    np.testing.assert_array_equal(bootstrap(estimates, 9, seed=whole_number).replicates, again.replicates)


def many(kind: str) -> tuple[Problem, Any]:
    """More rows than are held in double precision, of one kind."""
    rng, n = np.random.default_rng(8), 12_000
    X: Any = rng.standard_t(2.5, (n, 6)) if kind == "heavy tails" else rng.normal(size=(n, 6))
    X = (X + 30.0) * np.geomspace(1e-9, 1e9, 6)
    eta = (X / np.geomspace(1e-9, 1e9, 6) - 30.0) @ np.array([0.5, -0.5, 0.3, 0.0, 0.2, 0.0])
    y: Any = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.uint8)
    weight, offset, weight_kind = None, None, "frequency"
    if kind == "sorted":
        X, y = X[np.argsort(y)], np.sort(y)
    elif kind == "weights and offset":
        weight, offset, weight_kind = rng.integers(0, 4, n) / 100.0, rng.normal(size=n), "precision"
    elif kind == "soft labels, single precision":
        X, y = np.asfortranarray(X.astype(np.float32)), 1 / (1 + np.exp(-eta + rng.normal(size=n)))
    elif kind == "aliased":
        X = np.column_stack([X, X[:, 0]])
    return Problem(X, y, 2, weight, offset=offset), weight_kind


@pytest.mark.parametrize(
    "kind", ["normal", "heavy tails", "sorted", "weights and offset", "soft labels, single precision", "aliased"]
)
def test_gaps_of_many_rows_are_what_is_proved(kind: str) -> None:
    problem, weight_kind = many(kind)
    estimates = Estimates(fit(problem), weight_kind=weight_kind)
    samples = Resampling(estimates, 5)
    factor = np.linalg.cholesky(estimates.inverse).T
    rows = resampled_module.Resampled(estimates.rows, estimates.theta, factor, samples.drawn, 5)
    assert not rows.few
    unit = 1.0 if problem.weight is None else float(problem.weight.sum()) / rows.size
    found = neighbours(rows, range(8), PROVED_OF_MANY * unit)
    assert (found.gap <= PROVED_OF_MANY * unit).all()
    for b in (0, 7):
        weight = samples.weight(b)
        truth = fit(replace(problem, weight=weight), tol=1e-13)
        best = estimates.rows.coordinates.from_original(truth.coef, truth.intercept)
        values = [
            replace(estimates.rows, weight=weight).answer_one(Evaluate(at, 0)).value for at in (found.theta[b], best)
        ]
        gap = values[0] - values[1]
        assert -1e-10 * values[1] < gap < found.gap[b] + 1e-10 * values[1]  # rounding of sums
    again = neighbours(rows, [7], PROVED_OF_MANY * unit)  # a sample depends on no other
    np.testing.assert_allclose(again.theta[0], found.theta[7], rtol=1e-12, atol=1e-12)


def test_what_is_not_proved_at_once_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = many("normal")
    estimates = Estimates(fit(problem))
    found = bootstrap(estimates, 4, seed=2)
    monkeypatch.setattr(resampled_module, "KEPT", 0)  # no room for counts: drawn in every pass, and
    drawn_again = bootstrap(estimates, 4, seed=2)
    np.testing.assert_array_equal(drawn_again.replicates, found.replicates)
    monkeypatch.setattr(neighbours_module, "PASSES", 1)  # no neighbour is proved by one
    fitted = bootstrap(estimates, 4, seed=2)
    scale = covariance(estimates).std_error
    assert (np.abs(fitted.replicates - found.replicates) < 0.03 * scale).all()  # what is proved of many rows


def test_standard_errors_are_those_of_the_model_where_it_is_true() -> None:
    estimates = simulated()
    found = bootstrap_covariance(bootstrap(estimates, 400))
    assert found.kind == "bootstrap (400 samples of observations)"
    # 400 draws know a standard deviation to 3.5 %
    np.testing.assert_allclose(found.std_error, covariance(estimates).std_error, rtol=0.12)


def test_samples_are_of_observations_of_every_kind() -> None:
    base = birthwt()
    frequency = np.arange(189) % 4.0
    drawn = Resampling(Estimates(fit(replace(base.problem, weight=frequency)))).weight(0)
    assert drawn.sum() == frequency.sum()
    assert not drawn[frequency == 0].any()
    precise = Estimates(fit(replace(base.problem, weight=frequency / 2)), weight_kind="precision")
    times = Resampling(precise).weight(0)[frequency > 0] / (frequency / 2)[frequency > 0]
    np.testing.assert_array_equal(times, np.rint(times))
    assert times.sum() == np.count_nonzero(frequency)
    table = read_table(HERE / "data" / "menarche.csv")
    ready = prepare("Menarche / Total ~ Age", table)
    trials = ready.schema.response(ready.complete)[1]
    assert trials is not None
    groups = Resampling(Estimates(fit(ready.problem), trials=trials)).weight(0) / trials
    np.testing.assert_array_equal(groups, np.rint(groups))
    assert groups.sum() == len(trials)


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(60), 20) * 7 - 3  # any integers
    shared = np.repeat(rng.normal(size=60), 20)
    X = np.column_stack([shared, rng.normal(size=1200)])
    effect = np.repeat(rng.normal(size=60), 20)
    y = (rng.random(1200) < 1 / (1 + np.exp(-X[:, 1] - effect))).astype(np.uint8)
    estimates = Estimates(fit(Problem(X, y)))
    found = bootstrap(estimates, 300, cluster=cluster)
    times = found.samples.weight(7).reshape(60, 20)
    assert (times == times[:, :1]).all()
    assert times[:, 0].sum() == 60
    assert bootstrap_covariance(found).kind == "bootstrap (300 samples of 60 clusters)"
    # what varies between clusters alone is known from 60 of them, not from 1,200 rows
    robust = covariance(estimates, "HC0").std_error
    by_cluster = bootstrap_covariance(found).std_error
    assert by_cluster[1] > 1.5 * robust[1]
    assert by_cluster[2] == pytest.approx(robust[2], rel=0.3)
    low, high = bootstrap_interval(found, 0.9)
    assert (low < estimates.params).all()
    assert (high > estimates.params).all()


def test_bayesian_weights_are_a_flat_dirichlets() -> None:
    estimates = simulated(500)
    weight = np.array([Resampling(estimates, 3, None, True).weight(b) for b in range(400)])
    np.testing.assert_allclose(weight.sum(axis=1), 500.0, rtol=1e-12)
    assert (weight > 0.0).all()
    shares = weight / 500.0  # Beta(1, 499): mean 1/500, variance 499 / (500^2 501)
    assert shares.var() == pytest.approx(499.0 / (500.0**2 * 501.0), rel=0.05)  # of 200,000 draws
    frequency = np.arange(189) % 4.0
    counted = Estimates(fit(replace(birthwt().problem, weight=frequency)))
    each = np.array([Resampling(counted, 3, None, True).weight(b) for b in range(2000)])
    assert (each[:, frequency == 0] == 0.0).all()
    np.testing.assert_allclose(each.sum(axis=1), frequency.sum(), rtol=1e-12)
    # an observation that counts three times has three weights: Gamma(3) against Gamma(1)
    ratio = each[:, frequency == 3].var() / each[:, frequency == 1].var()
    assert ratio == pytest.approx(3.0, rel=0.1)
    clusters = np.repeat(np.arange(50), 10)
    together = Resampling(estimates, 3, clusters, True).weight(0).reshape(50, 10)
    assert (together == together[:, :1]).all()
    assert together[:, 0].sum() == pytest.approx(50.0)


def test_bayesian_replicates_are_fits_under_their_weights_and_have_percentiles_alone() -> None:
    estimates = simulated(600)
    found = bootstrap(estimates, 300, seed=9, bayesian=True)
    assert len(found.fitted) == 300
    anew = Estimates(fit(replace(estimates.problem, weight=found.samples.weight(5)), tol=1e-12))
    scale = covariance(estimates).std_error
    assert (np.abs(found.replicates[5] - anew.params) < PROVED * scale).all()
    robust = covariance(estimates, "HC0").std_error  # the posterior's spread, to first order
    np.testing.assert_allclose(bootstrap_covariance(found).std_error, robust, rtol=0.15)  # 300 draws: 4 %
    low, high = bootstrap_interval(found, 0.9, "percentile")
    assert ((low < estimates.params) & (estimates.params < high)).all()
    with pytest.raises(StatisticsError, match="method='percentile'"):
        bootstrap_interval(found, 0.9)
    few = bootstrap(estimates, 3, seed=9, bayesian=True).replicates  # other batches: sums in another order
    np.testing.assert_allclose(few, found.replicates[:3], rtol=1e-12)


def test_samples_without_estimates_are_counted_and_said() -> None:
    x = np.zeros(60)
    x[:4] = 1.0
    y = (np.arange(60) % 2).astype(np.uint8)  # of four exposed, two events: many samples have none, or all
    estimates = Estimates(fit(Problem(x[:, None], y)))
    found = bootstrap(estimates, 200)
    assert set(found.failures) == {"separated", "aliased"}
    assert np.isnan(found.replicates).all(axis=1).sum() == sum(found.failures.values())
    exposed = np.array([found.samples.weight(b)[:4] for b in range(200)])
    events, others = exposed[:, 1::2].sum(axis=1), exposed[:, ::2].sum(axis=1)
    assert found.failures["aliased"] == np.count_nonzero(events + others == 0)
    assert found.failures["separated"] == np.count_nonzero((events == 0) != (others == 0))
    assert "of 200 bootstrap replicates have no estimates" in found.note
    assert bootstrap(simulated(300), 20).note == ""


def test_samples_of_one_class_are_counted() -> None:
    y = np.zeros(40, np.uint8)
    y[3] = 1
    found = bootstrap(Estimates(fit(Problem(np.zeros((40, 0)), y))), 100)
    missed = sum(found.samples.weight(b)[3] == 0 for b in range(100))
    assert found.failures == {"one class": missed}


def test_aliased_columns_stay_without_estimates() -> None:
    base = birthwt().problem
    twice = replace(base, X=np.column_stack([base.X, base.X[:, 0]]), names=(*base.names, "twice"))
    found = bootstrap(Estimates(fit(twice)), 40)
    plain = bootstrap(birthwt(), 40)
    assert not found.failures
    np.testing.assert_allclose(found.replicates[:, :-1], plain.replicates, rtol=1e-4, atol=1e-6)
    assert np.isnan(bootstrap_covariance(found).matrix[-1]).all()
    assert np.isnan(bootstrap_interval(found, 0.8, "percentile")[0][-1])


# --- intervals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_intervals_are_those_of_boot_ci(method: Any) -> None:
    expected, influence = R["boot"], np.array(R["boot"]["L"])
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    found = interval(np.array(expected["t"]), 0.95, 0.9, method, acceleration)
    assert found == pytest.approx(expected[method], rel=1e-12)


def test_acceleration_is_that_of_the_influence_of_each_row() -> None:
    estimates = birthwt()
    found = bootstrap(estimates, 2)
    step, moved = 1e-4, []
    for i in range(189):
        weight = np.ones(189)
        weight[i] += step
        more = Estimates(fit(replace(estimates.problem, weight=weight))).params
        weight[i] -= 2 * step
        less = Estimates(fit(replace(estimates.problem, weight=weight))).params
        moved.append((more - less) / (2 * step))
    influence = np.array(moved)
    expected = (influence**3).sum(axis=0) / (6 * (influence**2).sum(axis=0) ** 1.5)
    np.testing.assert_allclose(_acceleration(found), expected, rtol=1e-4, atol=1e-6)  # central differences
    clusters = replace(found, samples=Resampling(estimates, cluster=np.arange(189) // 3))
    summed = influence.reshape(63, 3, -1).sum(axis=1)
    expected = (summed**3).sum(axis=0) / (6 * (summed**2).sum(axis=0) ** 1.5)
    np.testing.assert_allclose(_acceleration(clusters), expected, rtol=1e-4, atol=1e-6)


def test_too_few_replicates_are_refused() -> None:
    found = bootstrap(birthwt(), 30)
    with pytest.raises(StatisticsError, match=r"30 replicates are too few .* draw at least 39"):
        bootstrap_interval(found, 0.95, "percentile")
    with pytest.raises(StatisticsError, match="999 are usual"):
        bootstrap(birthwt(), 1)
    with pytest.raises(StatisticsError, match="one cluster leaves nothing to draw"):
        bootstrap(birthwt(), 9, cluster=np.zeros(189, int))
    with pytest.raises(StatisticsError, match="codes of clusters for 2 rows and there are 189"):
        bootstrap(birthwt(), 9, cluster=np.arange(2))
    with pytest.raises(StatisticsError, match="not whole numbers count no observations"):
        bootstrap(Estimates(fit(replace(birthwt().problem, weight=np.full(189, 0.5)))), 9)
    with pytest.raises(StatisticsError, match="every replicate lies on the same side"):
        interval(np.arange(1.0, 99.0), 0.0, 0.9, "bca", 0.0)
    with pytest.raises(StatisticsError, match="level 95 of an interval"):
        bootstrap_interval(found, 95)
    with pytest.raises(StatisticsError, match="seed -1"):
        bootstrap(birthwt(), 9, seed=-1)


# --- optimism -------------------------------------------------------------------------------------------------------


def test_optimism_is_that_of_rs_measures_on_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    estimates = birthwt()
    monkeypatch.setattr("berkson.inference.optimism.Resampling", lambda of, *_: Drawn(of, by_r=R["resampled"]["drawn"]))
    found = optimism(estimates, 5)
    for name in found.apparent._fields:
        training, test = (
            np.mean([each[part][name] for each in R["resampled"]["fits"]]) for part in ("training", "test")
        )
        # replicates are proved to 1e-4 standard errors; measures of discrimination do not see that
        assert getattr(found.training, name) == pytest.approx(training, rel=1e-6, abs=1e-6), name
        assert getattr(found.test, name) == pytest.approx(test, rel=1e-6, abs=1e-6), name
        assert getattr(found.optimism, name) == pytest.approx(training - test, rel=1e-4, abs=1e-6), name
    assert found.apparent.c == pytest.approx(R["lrm"]["c"], rel=1e-12)
    assert found.apparent.nagelkerke == pytest.approx(R["lrm"]["stats"]["R2"], rel=1e-8)
    assert found.apparent.brier == pytest.approx(R["lrm"]["stats"]["Brier"], rel=1e-8)
    assert found.corrected.c == pytest.approx(found.apparent.c - found.optimism.c, rel=1e-12)
    assert (found.count, found.failures) == (5, {})


def test_corrected_measures_are_those_of_new_data() -> None:
    rng, coef = np.random.default_rng(11), np.array([1.0, -0.7, 0.5, 0, 0, 0, 0, 0])

    def draw(n: int) -> tuple[F64, Any]:
        X = rng.normal(size=(n, 8))
        return X, (rng.random(n) < 1 / (1 + np.exp(-X @ coef))).astype(np.uint8)

    found, truth = [], []
    new, outcomes = draw(5000)
    for _ in range(10):
        estimates = Estimates(fit(Problem(*draw(150))))
        found.append(optimism(estimates, 30))
        truth.append(measures(estimates.params[0] + new @ estimates.params[1:], outcomes, None))
    apparent, corrected = (
        np.mean([getattr(each, part) for each in found], axis=0) for part in ("apparent", "corrected")
    )
    # the mean of ten areas of 150 rows has a standard error of 0.012
    assert (np.abs(corrected - np.mean(truth, axis=0)) < [0.025, 0.012, 0.05, 0.15, 0.1]).all()
    assert (np.abs(apparent - np.mean(truth, axis=0))[[0, 1, 2, 4]] > [0.03, 0.018, 0.07, 0.15]).all()


def test_optimism_is_refused_where_it_is_not_defined() -> None:
    with pytest.raises(StatisticsError, match="measured for two classes, and the response has 3"):
        optimism(simulated(300, 3))
    separated = Estimates(fit(Problem(np.arange(8.0)[:, None], (np.arange(8) > 3).astype(np.uint8))))
    for function in (optimism, bootstrap):
        with pytest.raises(StatisticsError, match="separated"):
            function(separated)  # type: ignore[operator]
    assert math.isfinite(optimism(simulated(300), 5).optimism.c)


def test_the_door_has_intervals_of_each_kind() -> None:
    table = read_table(HERE / "data" / "birthwt.csv")
    found = logit("low ~ age + lwt + smoke", table)
    samples = found.bootstrap()
    for name, kind in (("bootstrap", "bca"), ("percentile", "percentile"), ("basic", "basic")):
        tidy = found.tidy(method=name)
        low, high = bootstrap_interval(samples, 0.95, kind)
        np.testing.assert_allclose(np.asarray(tidy["conf.low"], float), low, rtol=1e-12)
        np.testing.assert_allclose(np.asarray(tidy["conf.high"], float), high, rtol=1e-12)
    with pytest.raises(ValueError, match="'percentile' or 'basic'"):
        found.tidy(method="normal")
