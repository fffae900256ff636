"""Permutation tests, against all permutations of small tables and the chi-squared tests of large ones."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from importlib import import_module
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import InputError, StatisticsError, logit
from berkson.inference.permutation import permutation_test

HERE = Path(__file__).parent
MANY = 20_000  # permutations: a p-value of 0.2 to 0.003


def births() -> pd.DataFrame:
    return pd.read_csv(HERE / "data" / "birthwt.csv")


def score_by_hand(Z: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], float]:
    """Rao's statistic of added columns: Newton's method and one system of equations, all dense."""
    b = np.zeros(Z.shape[1])
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-Z @ b))
        b = b + np.linalg.solve((Z.T * (p * (1 - p))) @ Z, Z.T @ (y - p))
    p = 1.0 / (1.0 + np.exp(-Z @ b))

    def of(e: np.ndarray) -> float:
        A = np.column_stack([Z, e])
        score, information = A.T @ (y - p), (A.T * (p * (1 - p))) @ A
        return float(score @ np.linalg.pinv(information) @ score)

    return of


def close(p: float, exact: float) -> None:
    """Within four standard errors of so many draws, and what 1 + both counts adds."""
    assert abs(p - exact) <= 4.0 * np.sqrt(exact * (1.0 - exact) / MANY) + 1.0 / MANY


# --- all permutations -------------------------------------------------------------------------------------------------


def test_one_column_alone_is_fishers_exact_reasoning() -> None:
    x, y = np.array([0.3, 1.1, 1.9, 2.2, 3.7, 4.1, 6.5]), np.array([0, 0, 1, 0, 1, 1, 1])
    off = y - y.mean()

    def statistic(moved: np.ndarray) -> float:
        e = moved - moved.mean()
        return float((e @ off) ** 2 / (y.mean() * (1 - y.mean()) * (e @ e)))

    every = np.array([statistic(x[list(order)]) for order in permutations(range(7))])
    exact = float((every >= statistic(x) * (1 - 1e-9)).mean())
    found = logit(y, x[:, None]).permutation_test("x0", count=MANY, seed=3)
    assert found["statistic"][0] == pytest.approx(statistic(x), rel=1e-9)
    close(found["p.value"][0], exact)


@pytest.mark.parametrize("tested", [(1,), (1, 2)])
def test_beside_other_columns_residuals_are_permuted(tested: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    X = rng.standard_normal((7, 3)).round(2)
    X[:, 1] += X[:, 0]
    y = np.array([0, 1, 0, 1, 0, 1, 1])
    Z = np.column_stack([np.ones(7), X[:, [j for j in range(3) if j not in tested]]])
    e = X[:, tested] - Z @ np.linalg.lstsq(Z, X[:, tested])[0]
    statistic = score_by_hand(Z, y)
    every = np.array([statistic(e[list(order)]) for order in permutations(range(7))])
    observed = statistic(X[:, tested])
    exact = float((every >= observed * (1 - 1e-9)).mean())
    estimates = logit(y, np.column_stack([X, rng.standard_normal(7)])[:, :3], bias_reduction="firth").maximum
    found = permutation_test(estimates, tested, MANY, seed=1)
    assert found.statistic == pytest.approx(observed, rel=1e-7)
    assert found.df == len(tested)
    close(found.p_value, exact)


def test_within_blocks_rows_stay_in_their_block() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 1.5, 2.5, 7.0]), np.array([0, 1, 1, 0, 0, 1])
    blocks = np.array(["b", "a", "b", "a", "b", "a"])
    orders = []
    for first in permutations([1, 3, 5]):
        for second in permutations([0, 2, 4]):
            order = np.empty(6, dtype=int)
            order[[1, 3, 5]], order[[0, 2, 4]] = first, second
            orders.append(order)
    statistic, e = score_by_hand(np.ones((6, 1)), y), x - x.mean()
    every = np.array([statistic(e[order]) for order in orders])
    exact = float((every >= statistic(e) * (1 - 1e-9)).mean())
    fit = logit("y ~ x", {"x": x, "y": y, "b": blocks})
    for within in ("b", blocks):
        found = fit.permutation_test("x", count=MANY, within=within)
        close(found["p.value"][0], exact)
    with pytest.raises(StatisticsError, match="name the clusters in within="):
        logit("y ~ x", {"x": x, "y": y, "b": blocks}, cluster="b").permutation_test("x")


def test_separated_permutations_have_the_supremum_of_their_likelihood() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([0, 0, 1, 0, 1, 1])
    found = permutation_test(logit(y, x[:, None]).maximum, (0,), 200, statistic="lr")
    null = 12.0 * np.log(2.0)  # twice the log-likelihood of one half in six rows
    assert found.permuted.max() == pytest.approx(null, rel=1e-8)
    assert found.statistic < null - 1.0


# --- against the usual tests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("term", "hypothesis"), [("C(race)", "C(race)"), (["age", "lwt"], ["age = 0", "lwt = 0"])])
@pytest.mark.parametrize("statistic", ["score", "lr"])
def test_statistics_are_those_of_the_chi_squared_tests(term: Any, hypothesis: Any, statistic: Any) -> None:
    fit = logit("low ~ age + lwt + C(race) + smoke", births())
    found = fit.permutation_test(term, count=299, statistic=statistic)
    usual = fit.test(hypothesis, method=statistic)
    assert found["statistic"][0] == pytest.approx(usual["statistic"][0], rel=1e-7)
    assert found["df"][0] == usual["df"][0]
    assert abs(found["p.value"][0] - usual["p.value"][0]) < 4.0 * found["std.error"][0] + 0.01  # 189 rows


def test_more_than_two_classes() -> None:
    data = births().assign(race=lambda d: d["race"].astype(str))
    fit = logit("race ~ age + lwt + smoke", data)
    for statistic in ("score", "lr"):
        found = fit.permutation_test("age", count=299, statistic=statistic)  # type: ignore[arg-type]
        usual = fit.test("age = 0", method=statistic)  # type: ignore[arg-type]
        assert found["statistic"][0] == pytest.approx(usual["statistic"][0], rel=1e-7)
        assert found["df"][0] == 2
        assert abs(found["p.value"][0] - usual["p.value"][0]) < 4.0 * found["std.error"][0] + 0.01


def test_the_offset_stays_with_its_row() -> None:
    data = births().assign(o=lambda d: 0.5 * d["ht"])
    found = logit("low ~ age + smoke", data, offset="o").permutation_test("smoke", count=19)
    usual = logit("low ~ age + smoke", data, offset="o").test("smoke = 0", method="score")
    assert found["statistic"][0] == pytest.approx(usual["statistic"][0], rel=1e-7)


def test_frequencies_are_rows() -> None:
    data = births().iloc[100:160].reset_index(drop=True)
    times = 1 + np.arange(60) % 3
    weighted = logit("low ~ age + smoke", data.assign(w=times), weights="w")
    repeated = logit("low ~ age + smoke", data.loc[np.repeat(data.index, times)].reset_index(drop=True))
    one, two = (fit.permutation_test("smoke", count=99, seed=5) for fit in (weighted, repeated))
    pd.testing.assert_frame_equal(one, two, rtol=1e-8)
    zero = logit("low ~ age + smoke", births().assign(w=[0] * 100 + [1] * 60 + [0] * 29), weights="w")
    pd.testing.assert_frame_equal(
        zero.permutation_test("smoke", count=99),
        logit("low ~ age + smoke", data).permutation_test("smoke", count=99),
        rtol=1e-8,
    )


def test_the_same_seed_is_the_same_test() -> None:
    fit = logit("low ~ age + lwt", births()).maximum
    one, two, other = (permutation_test(fit, (0,), 50, seed=seed).permuted for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    more = permutation_test(fit, (0,), 80, seed=4).permuted
    np.testing.assert_allclose(more[:50], one, rtol=1e-9)  # sums in another order


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["score", "lr"])
def test_p_values_are_uniform_where_there_is_nothing(statistic: Any) -> None:
    rng = np.random.default_rng(11)
    found = []
    for seed in range(400):
        z = rng.standard_normal(50)
        x = z + rng.standard_normal(50)
        y = (rng.random(50) < 1.0 / (1.0 + np.exp(-z))).astype(int)
        fit = logit(y, np.column_stack([x, z])).maximum
        found.append(permutation_test(fit, (0,), 99, seed=seed, statistic=statistic).p_value)
    for level in (0.05, 0.1, 0.3, 0.5, 0.8):
        rate = float((np.array(found) <= level).mean())
        assert abs(rate - level) <= 4.0 * np.sqrt(level * (1.0 - level) / 400)


# --- what it refuses --------------------------------------------------------------------------------------------------


def test_errors_are_sentences() -> None:
    data = births().assign(w=lambda d: 1.0 + d["ptl"], half=lambda d: d["age"] / 2)
    fit = logit("low ~ age + lwt", data)
    with pytest.raises(InputError, match="no column 'lw'"):
        fit.permutation_test("lw")
    for options, word in (
        ({"count": 5}, "999 are usual"),
        ({"count": 9.5}, "999 are usual"),
        ({"seed": -1}, "whole number"),
        ({"statistic": "wald"}, "choose 'score' or 'lr'"),
    ):
        with pytest.raises(StatisticsError, match=word):
            fit.permutation_test("age", **options)  # type: ignore[arg-type]
    for columns in (3, [1], None):
        with pytest.raises(StatisticsError, match="no names"):
            fit.permutation_test(columns)  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="name one"):
        fit.permutation_test([])
    with pytest.raises(StatisticsError, match="different weight"):
        logit("low ~ age", data, weights="w", weight_kind="precision").permutation_test("age")
    with pytest.raises(StatisticsError, match="without bias reduction"):
        logit("low ~ age", data, bias_reduction="firth").permutation_test("age")
    with pytest.raises(StatisticsError, match="without a penalty"):
        logit("low ~ age", data, strength=1.0).permutation_test("age")
    with pytest.raises(StatisticsError, match="not even an intercept"):
        logit("low ~ age + 0", data).permutation_test("age")
    with pytest.warns(UserWarning, match="half"):
        alias = logit("low ~ age + half", data)
    with pytest.raises(StatisticsError, match="'half' can be told from the other columns"):
        alias.permutation_test("half")
    x = np.arange(10.0)
    with pytest.warns(UserWarning, match="separation"):
        separated = logit("y ~ x + z", {"y": (x > 4).astype(int), "x": x, "z": x % 3})
    with pytest.raises(StatisticsError, match="no proved optimum"):
        separated.permutation_test("z")
    assert separated.permutation_test("x", count=99)["p.value"][0] < 0.2


def test_examples() -> None:
    module = import_module("berkson.logistic.result")
    for test in doctest.DocTestFinder().find(module.LogitFit.permutation_test, "permutation", globs={"logit": logit}):
        assert not doctest.DocTestRunner().run(test).failed
