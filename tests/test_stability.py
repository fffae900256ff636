"""Stability selection, against paths of each half-sample by itself, and its bound against simulations."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import InputError, stability_selection
from berkson.problem import Problem
from berkson.select import path as paths
from berkson.select.stability import _begin, _halves, bound
from berkson.select.stability import stability_selection as selection
from berkson.select.start import Options

HERE = File(__file__).parent


def drawn(n: int, p: int, seed: int, *, strong: int = 4, classes: int = 2) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X[:, :strong].sum(axis=1) + rng.logistic(size=n)
    y = np.digitize(eta, np.quantile(eta, np.arange(1, classes) / classes)).astype(np.uint8)
    return Problem(X, y, n_classes=classes)


# --- what it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (drawn(120, 12, 1), {}),
        (drawn(120, 12, 1), {"l1_ratio": 0.5, "factors": [0.0, *[1.0] * 10, np.inf]}),
        (drawn(150, 8, 2, classes=3), {"standardize": False}),
        (drawn(120, 260, 3), {}),  # by working sets
    ],
)
def test_it_is_what_paths_of_each_half_say(problem: Problem, options: dict[str, Any]) -> None:
    found = selection(problem, pairs=3, false_selections=2.0, seed=7, count=40, tol=1e-10, **options)
    whole = _begin(
        problem,
        Options(
            count=40,
            l1_ratio=options.get("l1_ratio", 1.0),
            factors=options.get("factors"),
            standardize=options.get("standardize", True),
        ),
    )
    candidates = np.isfinite(found.frequency)
    times = np.zeros(problem.X.shape[1])
    for half in _halves(problem, range(3), 7).training:
        assert len(half) == len(problem.y) // 2
        own = Problem(problem.X[half], problem.y[half], n_classes=problem.n_classes)
        alone = paths.path(own, lambdas=whole.lambdas, tol=1e-10, **options)
        ever = np.maximum.accumulate((alone.coef != 0.0).any(axis=1) & candidates, axis=0)
        last = int(np.flatnonzero(ever.sum(axis=1) <= found.q)[-1])
        times += ever[last]
    np.testing.assert_array_equal(found.frequency[candidates], times[candidates] / 6)
    assert found.size == pytest.approx(times.sum() / 6)
    assert found.gap <= 1e-10


def test_halves_are_complementary_and_depend_on_seed_and_number_alone() -> None:
    problem = drawn(41, 3, 1)
    first, second = _halves(problem, [5], 3).training
    assert not set(first) & set(second)
    assert len(first) == len(second) == 20
    np.testing.assert_array_equal(_halves(problem, range(8), 3).training[10], first)
    weighted = Problem(problem.X, problem.y, weight=(np.arange(41) % 4 > 0).astype(float))
    assert weighted.weight is not None
    for half in _halves(weighted, range(3), 0).training:
        assert (weighted.weight[half] > 0).all()


def test_strong_columns_are_selected() -> None:
    found = selection(drawn(400, 30, 4, strong=2), pairs=20)
    assert set(found.selected.tolist()) == {0, 1}
    assert found.expected_false <= 1.0
    assert list(found.frequency[found.selected]) == sorted(found.frequency[found.selected])[::-1]


def test_the_bound() -> None:
    assert bound(20, 1000, 0.9, 50) == pytest.approx(0.5)  # 400 / (0.8 * 1000)
    assert bound(20, 1000, 0.75, 50, unimodal=True) == pytest.approx(0.4 / (2 * 0.49))
    assert bound(20, 1000, 0.9, 50, unimodal=True) == pytest.approx(0.4 * 4 * 0.11 / 1.02)
    assert bound(700, 1000, 0.9, 50, unimodal=True) == np.inf
    assert bound(100, 1000, 0.505, 50, unimodal=True) == np.inf  # theta^2 = 0.01
    found, sharper = (selection(drawn(200, 30, 4), pairs=5, unimodal=sharp) for sharp in (False, True))
    assert sharper.q > found.q
    for one, sharp in ((found, False), (sharper, True)):
        assert one.expected_false == bound(one.q, 30, 0.75, 5, unimodal=sharp) <= 1.0
        assert bound(one.q + 1, 30, 0.75, 5, unimodal=sharp) > 1.0


@pytest.mark.slow
def test_false_selections_keep_to_the_bound() -> None:
    false = []
    for seed in range(60):
        found = selection(
            drawn(100, 40, 100 + seed, strong=2), pairs=20, threshold=0.6, false_selections=1.0, seed=seed
        )
        false.append(int((found.selected >= 2).sum()))
    # of the mean of 60, three standard errors above the bound at the most
    assert np.mean(false) <= 1.0 + 3.0 * np.std(false) / np.sqrt(60)


# --- by name ----------------------------------------------------------------------------------------------------------


def test_by_name() -> None:
    data = pd.read_csv(HERE / "data" / "wdbc.csv")
    told: list[float] = []
    found = stability_selection("malignant ~ .", data, pairs=20, unpenalised="mean_radius", progress=told.append)
    assert told == [16 / 20, 1.0]
    table = found.table
    assert list(table.columns) == ["column", "frequency", "selected"]
    assert list(table["column"][table["selected"]]) == found.selected
    assert 0 < len(found.selected) < 10
    assert table["column"].iloc[-1] == "mean_radius"
    assert np.isnan(table["frequency"].iloc[-1])
    assert "by chance" in str(found)
    assert "mean_radius" in str(found)
    assert "<table" in found._repr_html_()
    again = stability_selection(data["malignant"], data.drop(columns="malignant"), pairs=20)
    assert set(again.table["column"]) == set(table["column"])


def test_errors_are_sentences() -> None:
    problem = drawn(60, 6, 1)
    for options, word in (
        ({"pairs": 0}, "whole number of pairs"),
        ({"threshold": 0.5}, "above 0.5"),
        ({"threshold": np.nan}, "above 0.5"),
        ({"false_selections": 0.0}, "above 0"),
        ({"false_selections": 0.1}, "raise false_selections"),
        ({"seed": -1}, "from 0 on"),
        ({"l1_ratio": 0.0}, "a ridge chooses all columns"),
    ):
        with pytest.raises(InputError, match=word):
            selection(problem, **options)  # type: ignore[arg-type]
    rare = Problem(problem.X, (np.arange(60) == 0).astype(np.uint8))
    with pytest.raises(InputError, match="no row of class 1"):
        selection(rare)
    with pytest.raises(ValueError, match="lambdas= has no part"):
        stability_selection(problem.y, problem.X, lambdas=[0.1])
    with pytest.raises(ValueError, match="is no number"):
        stability_selection(problem.y, problem.X, threshold="high")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option 'pair'"):
        stability_selection(problem.y, problem.X, pair=3)


def test_a_half_whose_optimum_does_not_exist_is_said() -> None:
    """A rare column without a penalty, which separates some halves."""
    given = drawn(120, 6, 4)
    given.X[:, 0] = np.arange(120) < 3
    given.y[:3] = [1, 0, 1]
    found = selection(given, pairs=5, factors=[0.0, *[1.0] * 5])
    (said,) = found.notes
    assert said.startswith("nothing is proved of some fits of halves")
