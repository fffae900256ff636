"""The studies' judge is right, and their programs solve the problem that is put to them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

sys.path.insert(0, str(Path(__file__).parents[1]))  # `benchmarks` is a package of the repository, not installed

from benchmarks.studies import data as studies_data
from benchmarks.studies.data import Data, load, save
from benchmarks.studies.judge import null_objective, objectives
from benchmarks.studies.outside import OUTSIDE, Interpreters, ladder, run_outside, write_raw
from benchmarks.studies.programs import PROGRAMS
from benchmarks.studies.run import Finding, Outcome, Trial, _against, _against_peers
from benchmarks.studies.study import STUDIES, Rivals


def naive(data: Data, coef: Any, k: int, rows: Any) -> float:
    """The formula, a row at a time."""
    X = data.X.toarray() if scipy.sparse.issparse(data.X) else data.X
    p, total = X.shape[1], 0.0
    for i in rows:
        eta = float(X[i] @ coef[:p]) + coef[-1]
        start = p
        for j in range(0 if data.codes is None else data.codes.shape[1]):
            eta += coef[start + data.codes[i, j]]  # type: ignore[index]
            start += int(data.codes[:, j].max()) + 1  # type: ignore[index]
        total += math.log1p(math.exp(eta)) - data.y[i] * eta
    slopes = coef[:-1]
    return total / len(data.y) + data.l1[k] * np.abs(slopes).sum() + 0.5 * data.l2[k] * float(slopes @ slopes)


def little(kind: str) -> Data:
    rng = np.random.default_rng(5)
    y, l1, l2 = rng.integers(0, 2, 60), np.array([0.1, 0.02]), np.array([0.0, 0.3])
    X: Any = rng.standard_normal((60, 4))
    codes = rng.integers(0, 3, (60, 2)).astype(np.int32) if kind == "factors" else None
    if kind == "sparse":
        X = scipy.sparse.csr_array(X * (rng.random(X.shape) < 0.4))
    return Data(X, y, l1, l2, True, codes, np.arange(60) % 3)


@pytest.mark.parametrize("kind", ["dense", "sparse", "factors"])
def test_objectives_are_the_formula(kind: str, tmp_path: Path) -> None:
    save(little(kind), tmp_path)
    given = load(tmp_path)
    coefs = np.random.default_rng(6).standard_normal((2, 4 + (6 if kind == "factors" else 0) + 1))
    for without in (None, 1):
        rows = [i for i in range(60) if without is None or given.fold[i] != without]  # type: ignore[index]
        expected = [naive(given, coef, k, rows) for k, coef in enumerate(coefs)]
        np.testing.assert_allclose(objectives(given, coefs, without), expected, rtol=1e-13)  # sums of 60 terms


def test_null_objective_is_the_least_of_constants() -> None:
    given = little("dense")
    constants = np.linspace(-1.0, 1.0, 2001)
    coefs = np.zeros((len(constants), 5))
    coefs[:, -1] = constants
    flat = Data(given.X, given.y, np.zeros(len(coefs)), np.zeros(len(coefs)), True)
    assert null_objective(given) == pytest.approx(objectives(flat, coefs).min(), abs=1e-6)  # of a grid of 0.001


NEWTON = {"tol": 1e-12, "solver": "newton-cholesky"}


@pytest.mark.parametrize(
    ("program", "given", "setting"),
    [
        ("berkson lasso", studies_data.lasso(400, 6), {"tol": 1e-10}),
        ("berkson path", studies_data.lasso_path(300, 5), {"tol": 1e-10}),
        ("berkson folds", studies_data.ridge_grid(300, 4, (0.1, 1.0)), {"tol": 1e-10}),
        ("berkson ridge and folds", studies_data.ridge_grid(300, 4, (1.0,)), {"tol": 1e-10}),
        ("berkson ridge", studies_data.text_ridge(200, 50), {"tol": 1e-10}),
        ("scikit-learn folds, newton-cholesky", studies_data.ridge_grid(300, 4, (0.1, 1.0)), NEWTON),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore:the best C")  # is at an edge of so short a grid
def test_programs_reach_the_optimum(program: str, given: Data, setting: dict[str, Any]) -> None:
    """No step along a coordinate lowers the objective."""
    coefs, _ = PROGRAMS[program].prepare(given, **setting)()
    folds = list(enumerate(coefs)) if coefs.ndim == 3 else [(None, coefs)]
    for fold, each in folds:
        assert_no_step_lowers(given, each, fold, 1e-3)


def assert_no_step_lowers(given: Data, coefs: Any, fold: int | None, length: float, *, intercept: bool = True) -> None:
    here = objectives(given, coefs, fold)
    for j in range(coefs.shape[1] if given.intercept and intercept else coefs.shape[1] - 1):
        for step in (-length, length):
            moved = coefs.copy()
            moved[:, j] += step
            assert (objectives(given, moved, fold) >= here - 1e-12).all()  # rounding


def test_the_library_is_given_the_strengths_of_the_path() -> None:
    given = studies_data.lasso_path(200, 3)
    coefs, _ = PROGRAMS["scikit-learn lasso folds, saga"].prepare(given, tol=1e-9, solver="saga")()
    assert coefs.shape == (10, 100, 4)
    for fold in (0, 9):  # saga stops where its intercept is off by a tenth or so
        assert_no_step_lowers(given, coefs[fold], fold, 0.05, intercept=False)


def test_every_study_names_programs_that_exist() -> None:
    for study in STUDIES:
        for name in (study.ours, *study.peers):
            assert name in PROGRAMS or ladder(name)
            assert (name in OUTSIDE) == (name not in PROGRAMS)


def test_the_fastest_peer_is_one_that_is_accurate_enough() -> None:
    def trial(seconds: float, gap: float) -> Trial:
        return Trial({}, seconds, seconds, None, np.zeros((1, 1)), {}, gap)

    study = STUDIES[0]
    found = Finding(study, (1, 1), 8, [Outcome("ours", [trial(1.0, 0.0)])])
    assert found.fastest_peer() is None
    found.outcomes += [Outcome("hasty", [trial(0.1, 1e-3)]), Outcome("exact", [trial(9.0, 1e-3), trial(5.0, 1e-9)])]
    assert found.fastest_peer() == ("exact", 5.0)


def test_rivals_count_at_their_loosest_or_by_the_limit_that_stopped_them() -> None:
    def trial(seconds: float) -> Trial:
        return Trial({}, seconds, seconds, None, np.zeros((1, 1)), {})

    rivals, ours = Rivals("the library", ("slow", "stopped"), 50.0), trial(2.0)
    found = Finding(STUDIES[0], (1, 1), 8, [Outcome("ours", [ours]), Outcome("another", [trial(1.0)])])
    assert _against(rivals, found, ours)[2:] == ("none of them ran", "**no**")
    found.outcomes.append(Outcome("stopped", stopped=150.0))
    assert _against(rivals, found, ours)[1:] == ("50x the library", "> 75x (stopped)", "yes")
    found.outcomes.append(Outcome("slow", [trial(90.0), trial(700.0)]))
    assert _against(rivals, found, ours)[2:] == ("45x (slow)", "**no**")


def test_a_peer_that_was_stopped_is_no_slower_than_its_limit() -> None:
    def trial(seconds: float, gap: float) -> Trial:
        return Trial({}, seconds, seconds, None, np.zeros((1, 1)), {}, gap)

    study, ours = next(study for study in STUDIES if study.name == "wide, 5 folds"), trial(5.0, 0.0)
    found = Finding(study, (1, 1), 8, [Outcome("ours", [ours]), Outcome("hasty", [trial(0.1, 1.0)])])
    assert _against_peers(found, ours) == ("5 s; no peer gets there", "yes")
    found.outcomes.append(Outcome("stopped", stopped=150.0))
    assert _against_peers(found, ours) == ("> 30x: stopped stopped at 150 s", "yes")
    found.outcomes.append(Outcome("slow", [trial(200.0, 0.0)]))  # another may have taken less
    assert _against_peers(found, ours) == ("> 30x: stopped stopped at 150 s", "yes")
    found.outcomes.append(Outcome("exact", [trial(75.0, 0.0)]))
    assert _against_peers(found, ours) == ("15x (exact)", "**no**")
    found.outcomes[-1] = Outcome("stopped early", stopped=60.0)
    assert _against_peers(found, ours) == ("> 12x: stopped early stopped at 60 s", "**no**")


def test_glmnet_has_the_ridges_of_folds(tmp_path: Path) -> None:
    given, who = studies_data.ridge_grid(200, 4, (0.1, 1.0), folds=3), Interpreters.found(None)
    if who.absent("glmnet ridge folds"):
        pytest.skip("R with glmnet is not installed")
    write_raw(given, tmp_path)
    _, coefs, _ = run_outside("glmnet ridge folds", {"thresh": 1e-14}, given, tmp_path, who, 60.0)
    assert coefs.shape == (3, 2, 5)
    for fold, each in enumerate(coefs):
        assert_no_step_lowers(given, each, fold, 1e-3)
