"""Intervals cover what they are about as often as they say: simulations, run by `pytest -m slow`.

A correct interval fails by chance once in 10,000 (binomial bounds around 0.95, give or take what small samples do to
it), and each simulation shows of its own intervals that they would fail if they were narrower or wider by a quarter or
so, which is a variance wrong by a factor of 1.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom, norm

from berkson import logit

F64 = npt.NDArray[np.float64]
Ends = tuple[F64, F64]  # lower and upper ends (m,)

pytestmark = pytest.mark.slow

LEVEL = 0.95
BY_CHANCE = 1e-4  # how often a test of intervals whose coverage is within `slack` of the level may fail
NARROWER, WIDER = 0.75, 1.3
FIRST_ORDER = 0.01  # by which coverage may miss the level at the sizes below; 12,000 samples of each test are within it


def shares(low: F64, high: F64, truth: F64, scale: float = 1.0) -> F64:
    """The share of intervals (S, m) that cover, their lengths times `scale`."""
    middle, half = 0.5 * (low + high), 0.5 * scale * (high - low)
    return np.asarray((np.abs(truth - middle) <= half).mean(axis=0))


def bounds(count: int, m: int, slack: float) -> tuple[float, float]:
    """Between which the shares of m intervals lie, all of them but with probability BY_CHANCE."""
    tail = 0.5 * BY_CHANCE / m
    return binom.ppf(tail, count, LEVEL - slack) / count, binom.isf(tail, count, LEVEL + slack) / count


def assert_covers(intervals: list[Ends], truth: Any, slack: float = FIRST_ORDER, wider: float = WIDER) -> None:
    """truth: (m,), or (S, m) where it is of each sample; `wider`: the factor by which too wide ones are seen to be."""
    low, high = (np.array(ends) for ends in zip(*intervals, strict=True))
    count, m = low.shape
    least, most = bounds(count, m, slack)
    found = shares(low, high, truth)
    assert (found >= least).all(), (found, least)
    assert (found <= most).all(), (found, most)
    assert (shares(low, high, truth, NARROWER) < least).all(), "the simulation is too small to see narrow intervals"
    assert (shares(low, high, truth, wider) > most).all(), "the simulation is too small to see wide intervals"


def covered(intervals: list[Ends], truth: Any) -> F64:
    low, high = (np.array(ends) for ends in zip(*intervals, strict=True))
    return shares(low, high, truth)


def generators(count: int, seed: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, sample]) for sample in range(count))


def ends_of(table: Any) -> Ends:
    return np.asarray(table["conf.low"], dtype=float), np.asarray(table["conf.high"], dtype=float)


def probability(eta: Any) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(eta))))


TRUE = np.array([0.3, 1.0, -0.5])  # the intercept first


def sample(rng: np.random.Generator, n: int) -> tuple[F64, npt.NDArray[np.int64]]:
    """A symmetric column and a skewed one, and events of the model TRUE."""
    X = np.column_stack([rng.standard_normal(n), rng.exponential(size=n)])
    return X, (rng.random(n) < probability(TRUE[0] + X @ TRUE[1:])).astype(np.int64)


# --- the model is true ----------------------------------------------------------------------------------------------


def test_wald_and_profile() -> None:
    fits = [logit(y, X) for X, y in (sample(rng, 200) for rng in generators(2000, 1))]
    assert_covers([ends_of(fit.confint()) for fit in fits], TRUE)
    assert_covers([ends_of(fit.confint("profile")) for fit in fits], TRUE)


def test_several_classes() -> None:
    coef = np.array([[0.2, 0.8, -0.4], [-0.3, -0.5, 0.6]])  # of classes 1 and 2 against 0

    def interval(rng: np.random.Generator) -> Ends:
        X = np.column_stack([rng.standard_normal(300), rng.exponential(size=300)])
        eta = np.column_stack([np.zeros(300), coef[:, 0] + X @ coef[:, 1:].T])
        y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
        return ends_of(logit(y, X).confint())

    assert_covers([interval(rng) for rng in generators(2000, 2)], coef.ravel())


def test_bootstrap_percentiles() -> None:
    from berkson.inference.bootstrap import bootstrap_interval

    def interval(rng: np.random.Generator) -> Ends:
        X, y = sample(rng, 200)
        # 79 replicates: the ends are the second smallest and the second largest
        return bootstrap_interval(logit(y, X).bootstrap(79, seed=int(rng.integers(2**32))), LEVEL, "percentile")

    assert_covers([interval(rng) for rng in generators(1000, 3)], TRUE, slack=0.02, wider=1.7)


def test_penalised_profiles_in_small_samples() -> None:
    true, separated = np.array([-0.5, 2.0]), 0

    def interval(rng: np.random.Generator) -> Ends:
        nonlocal separated
        x = rng.standard_normal((20, 1))
        y = np.zeros(20, dtype=int)
        while len(np.unique(y)) < 2:  # one in 1,000 samples is of one class
            y = (rng.random(20) < probability(true[0] + x[:, 0] * true[1])).astype(int)
        fit = logit(y, x, bias_reduction="firth")
        separated += fit.certificate.separation is not None
        return ends_of(fit.confint("profile"))

    assert_covers([interval(rng) for rng in generators(1200, 4)], true, slack=0.02, wider=1.5)
    assert separated > 5  # some have no finite estimates of maximum likelihood


# --- the model is not all of it -------------------------------------------------------------------------------------


def test_robust_errors_where_weights_are_no_counts() -> None:
    """A row of weight w is one trial, not w: the model's variance is wrong, its mean is right."""

    def fit(rng: np.random.Generator) -> Any:
        X, y = sample(rng, 400)
        return logit(y, X, weights=rng.choice([1.0, 5.0], 400), weight_kind="precision")

    fits = [fit(rng) for rng in generators(2000, 5)]
    assert_covers([ends_of(each.robust("HC1").confint()) for each in fits], TRUE, slack=0.015)
    assert (covered([ends_of(each.confint()) for each in fits], TRUE) < 0.8).all()


def test_clusters_of_correlated_rows() -> None:
    """Rows follow the model one by one; a normal copula makes those of a cluster alike, as is one of the columns."""
    groups, size, correlation = 100, 8, 0.5
    cluster = np.repeat(np.arange(groups), size)

    def fit(rng: np.random.Generator) -> Any:
        common = math.sqrt(correlation) * rng.standard_normal(groups)[cluster]
        normal = common + math.sqrt(1.0 - correlation) * rng.standard_normal(groups * size)
        X = np.column_stack([rng.standard_normal(groups)[cluster], rng.exponential(size=groups * size)])
        y = (norm.cdf(normal) < probability(TRUE[0] + X @ TRUE[1:])).astype(int)
        return logit(y, X, cluster=cluster)

    fits = [fit(rng) for rng in generators(1500, 6)]
    assert_covers([ends_of(each.confint()) for each in fits], TRUE, slack=0.02)
    believing = covered([ends_of(each.robust("model").confint()) for each in fits], TRUE)
    assert (believing[:2] < 0.85).all()  # the intercept, and the column that is the same all over a cluster


def test_sampling_weights() -> None:
    """Rows of a population are drawn by response and column; without weights, estimates are of another model."""

    def drawn(rng: np.random.Generator) -> tuple[F64, npt.NDArray[np.int64], F64]:
        X, y = sample(rng, 1500)
        chance = np.where((y == 1) == (X[:, 0] > 0), 0.15, 0.6)
        seen = rng.random(1500) < chance
        return X[seen], y[seen], 1.0 / chance[seen]

    samples = [drawn(rng) for rng in generators(2000, 7)]
    weighted = [logit(y, X, weights=w, weight_kind="sampling") for X, y, w in samples]
    assert_covers([ends_of(fit.confint()) for fit in weighted], TRUE, slack=0.015)
    plain = covered([ends_of(logit(y, X).confint()) for X, y, _ in samples[:200]], TRUE)
    assert plain[1] < 0.5


# --- what is made of estimates --------------------------------------------------------------------------------------


def table(rng: np.random.Generator, n: int) -> tuple[dict[str, Any], Callable[[F64, F64], F64]]:
    """Events, a number x and a factor g whose slopes differ; and the true linear predictor of x and g == "b"."""
    x, b = rng.standard_normal(n), rng.integers(0, 2, (n,)).astype(float)

    def eta(x: F64, b: F64) -> F64:
        return np.asarray(-0.4 + 0.8 * x + 0.5 * b - 0.6 * x * b)

    y = (rng.random(n) < probability(eta(x, b))).astype(int)
    return {"y": y, "x": x, "g": np.where(b == 1, "b", "a"), "b": b}, eta


def test_average_marginal_effects() -> None:
    """Of the rows of the sample, taken as they are: the truth is another one in each."""

    def one(rng: np.random.Generator) -> tuple[Ends, F64]:
        data, eta = table(rng, 300)
        x, b = data["x"], data["b"]
        p, zeros, ones = probability(eta(x, b)), np.zeros(300), np.ones(300)
        slope = np.mean(p * (1.0 - p) * (0.8 - 0.6 * b))
        difference = np.mean(probability(eta(x, ones)) - probability(eta(x, zeros)))
        found = logit("y ~ x * g", data).effects(["x", "g"])
        assert list(found["term"]) == ["x", "g"]
        return ends_of(found), np.array([slope, difference])

    intervals, truths = zip(*(one(rng) for rng in generators(1500, 8)), strict=True)
    assert_covers(list(intervals), np.array(truths))


def test_predictions_of_the_mean() -> None:
    new = {"x": [-1.5, 0.0, 2.0], "g": ["a", "b", "b"]}

    def interval(rng: np.random.Generator) -> Ends:
        return ends_of(logit("y ~ x * g", table(rng, 300)[0]).predict(new, interval=True))

    _, eta = table(np.random.default_rng(0), 1)
    truth = probability(eta(np.array(new["x"]), np.array([0.0, 1.0, 1.0])))
    assert_covers([interval(rng) for rng in generators(1500, 9)], truth)


# --- separated data -------------------------------------------------------------------------------------------------


def separated(rng: np.random.Generator, classes: int) -> tuple[F64, npt.NDArray[np.int64]]:
    """A random table that some direction separates: strictly, or but for rows on which it is zero."""
    n, p = int(rng.integers(8, 40)), int(rng.integers(1, 4))
    X = rng.normal(size=(n, p)) * np.exp(2.0 * rng.normal(size=p))
    y = np.arange(n) % classes
    rng.shuffle(y)
    if rng.random() < 0.5:  # the order along a direction tells the class
        order = np.argsort(X @ rng.normal(size=p))
        y[order] = np.sort(y)
        return X, y
    of_one = (y == classes - 1) & (rng.random(n) < 0.7)  # a column of 0 and 1 that only one class has at 1
    of_one[np.argmax(y == classes - 1)] = True
    return np.column_stack([X, of_one]), y


@pytest.mark.parametrize("classes", [2, 3])
def test_bias_reduced_estimates_are_finite_on_every_separated_set(classes: int) -> None:
    for rng in generators(150, 10 + classes):
        X, y = separated(rng, classes)
        fit = logit(y, X, bias_reduction="firth")
        assert fit.certificate.separation is not None
        assert np.isfinite(list(fit.params.values())).all()
        errors = np.array(list(fit.bse.values()))
        assert np.isfinite(errors).all()
        assert (errors > 0.0).all()
