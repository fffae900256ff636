"""The benchmark's judge is right, and every competitor solves the problem that is put to it."""

from __future__ import annotations

import csv
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # `benchmarks` is a package of the repository, not installed

from benchmarks import accuracy, extended, inference, judge
from benchmarks.competitors import MODULES, OURS, Answer, Shape, Task, load, version
from benchmarks.competitors.inference import MODULES as INFERENCE_MODULES
from benchmarks.machine import Machine
from benchmarks.measure import TARGETS, Result, Step, measure
from benchmarks.messages import Fit
from benchmarks.problems import PROBLEMS, QUICK_PROBLEMS, AbsentError, build
from benchmarks.process import Process, TimeLimitError
from benchmarks.report import Report, Row, losses
from benchmarks.worker import read, save

MACHINE = Machine("a processor", 2, 2**34, "a system", "3.11", 1e10, 0.0)


def task(n: int = 80, p: int = 3, classes: int = 2, strength: float = 1.0, weighted: bool = False) -> Task:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((n, p)) + 2.0
    y = rng.integers(0, classes, n)
    weight = rng.uniform(0.2, 3.0, n) if weighted else None
    return Task(X, y, weight, Shape(classes, strength, weighted))


def random_answer(problem: Task) -> Answer:
    rng = np.random.default_rng(8)
    rows = 1 if problem.shape.classes == 2 else problem.shape.classes
    return Answer(rng.standard_normal((rows, problem.X.shape[1])), rng.standard_normal(rows))


def naive_objective(problem: Task, answer: Answer) -> float:
    """The formula, in 30 digits: two classes as a softmax over (0, eta)."""
    with mpmath.workdps(30):
        total = mpmath.mpf(0)
        for i, (row, label) in enumerate(zip(problem.X, problem.y, strict=True)):
            eta = [
                mpmath.fdot(map(float, row), map(float, coef)) + float(intercept)
                for coef, intercept in zip(answer.coef, answer.intercept, strict=True)
            ]
            eta = [mpmath.mpf(0), *eta] if len(eta) == 1 else eta
            loss = mpmath.log(sum(mpmath.exp(e) for e in eta)) - eta[label]
            total += loss if problem.weight is None else float(problem.weight[i]) * loss
        total += problem.shape.strength * mpmath.fsum(float(c) ** 2 for c in answer.coef.ravel()) / 2
        return float(total)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_judges_objective_is_the_formula(classes: int, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "CHUNK_CELLS", 31)  # several chunks, the last one short
    problem = task(classes=classes, strength=0.7, weighted=weighted)
    answer = random_answer(problem)
    # 80 terms of float64
    assert judge.objective(problem, answer) == pytest.approx(naive_objective(problem, answer), rel=1e-14)


def test_the_objective_of_coefficients_that_are_not_finite_is_infinite() -> None:
    problem = task()
    assert judge.objective(problem, Answer(np.full((1, 3), np.nan), np.zeros(1))) == np.inf


def test_large_linear_predictors_do_not_overflow() -> None:
    X, shape = np.array([[900.0], [-900.0]]), Shape(2, 0.0, False)
    answer = Answer(np.ones((1, 1)), np.zeros(1))
    assert judge.objective(Task(X, np.array([0, 1]), None, shape), answer) == 1800.0
    assert judge.objective(Task(X, np.array([1, 0]), None, shape), answer) == 0.0


@pytest.mark.parametrize("classes", [2, 4])
def test_the_null_objective_is_that_of_the_best_intercept(classes: int) -> None:
    problem = task(classes=classes, weighted=True)
    assert problem.weight is not None
    log_share = np.log(np.bincount(problem.y, weights=problem.weight) / problem.weight.sum())
    rows = log_share if classes > 2 else log_share[1:] - log_share[:1]
    null = Answer(np.zeros((len(rows), 3)), rows)
    assert judge.null_objective(problem) == pytest.approx(judge.objective(problem, null), rel=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_reference_is_the_optimum_of_extended_precision(strength: float, weighted: bool) -> None:
    problem = task(strength=strength, weighted=weighted)
    found = judge.reference(problem)
    assert found.gap <= judge.REFERENCE_TOL
    assert found.cross_check == pytest.approx(0.0, abs=1e-14)  # rounding of sums of 80 terms


def test_two_independent_optima_agree() -> None:
    small = accuracy.data_set(3)
    p = accuracy.optimal_probabilities(small)
    eta = np.log(p) - np.log1p(-p)
    theta = np.linalg.lstsq(np.column_stack([small.X, np.ones(len(small.y))]), eta, rcond=None)[0]
    value = judge.objective(small, Answer(theta[None, :-1], theta[-1:]))
    # theta is recovered from probabilities, with errors of 1e-10 that the objective squares
    assert value == pytest.approx(extended.optimal_objective(small), rel=1e-13)


def test_extended_precision_refuses_separated_data() -> None:
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    with pytest.raises(ArithmeticError, match="did not converge"):
        extended.optimal_objective(Task(X, np.array([0, 0, 1, 1]), None, Shape(2, 0.0, False)))


def test_a_competitor_below_the_reference_is_reported() -> None:
    problem = task()
    best = judge.reference(problem)
    wrong = judge.Reference(best.optimum * (1 + 1e-6), best.null, 0.0)
    answer = load("berkson_fit").fit(problem, tol=1e-12)
    assert wrong.suboptimality(problem, answer, "somebody") < 0
    assert wrong.beaten_by == "somebody"
    assert best.suboptimality(problem, answer, "somebody") == pytest.approx(0.0, abs=1e-12)  # its tol
    assert best.beaten_by is None


KINDS = (
    Shape(2, 1.0, False),
    Shape(2, 0.3, True),
    Shape(2, 0.0, False),
    Shape(3, 2.0, False),
    Shape(3, 0.0, False),
)


@pytest.mark.parametrize("module", [m for m in MODULES if m not in ("skglm_prox_newton", "celer_l1")])
def test_a_competitor_reaches_the_common_optimum(module: str) -> None:
    competitor = load(module)
    if version(competitor.PACKAGE) is None:
        pytest.skip(f"{competitor.PACKAGE} is not installed")
    able = [kind for kind in KINDS if competitor.cannot(kind) is None]
    assert able
    for kind in able:
        problem = task(150, 3, kind.classes, kind.strength, kind.weighted)
        reference = judge.reference(problem)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a ladder's settings stop fits early, and libraries say so
            answer = competitor.fit(problem, **competitor.LADDER[-1])
            default = competitor.fit(problem)
        # 1e-8 is the headline's target; a wrong scale of the penalty or the weights would be off by 1e-3
        assert abs(reference.suboptimality(problem, answer, module)) < 1e-8, kind
        if module != "sklearn_liblinear":  # whose default penalises the intercept
            assert reference.suboptimality(problem, default, module) < 1e-4, kind


def test_skglm_reaches_the_common_optimum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if version("skglm") is None:
        pytest.skip("skglm is not installed")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes longer than a small fit without
    problem = task(60, 2)
    save(problem, tmp_path)
    setting = {"tol": 1e-8, "max_iter": 1000}
    with Process("skglm_prox_newton", tmp_path) as process:
        fits = process.ask(Fit(setting, 1), 60.0)
    assert abs(judge.reference(problem).suboptimality(problem, fits.answer, "skglm")) < 1e-8


def test_celer_refuses_an_intercept_as_the_table_says() -> None:
    if find_spec("celer") is None:
        pytest.skip("celer is not installed")
    problem = task()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from celer import LogisticRegression

        with pytest.raises(Exception, match=r"[Ii]ntercept"):
            LogisticRegression(fit_intercept=True).fit(problem.X, problem.y)
    assert all(load("celer_l1").cannot(kind) for kind in KINDS)


def test_a_worker_reads_what_was_saved(tmp_path: Path) -> None:
    problem = task(classes=3, weighted=True)
    X, cluster = np.asfortranarray(problem.X, dtype=np.float32), np.arange(80) // 7
    stored = Task(X, problem.y, problem.weight, problem.shape, cluster)
    save(stored, tmp_path)
    back = read(tmp_path)
    assert back.shape == stored.shape
    assert back.X.dtype == np.float32
    assert back.X.flags.f_contiguous
    np.testing.assert_array_equal(back.X, stored.X)
    np.testing.assert_array_equal(back.y, stored.y)
    np.testing.assert_array_equal(back.weight, stored.weight)
    np.testing.assert_array_equal(back.cluster, cluster)


def test_we_are_measured_like_everyone(tmp_path: Path) -> None:
    problem = task()
    save(problem, tmp_path)
    found = measure("small", "berkson_fit", problem, tmp_path, judge.reference(problem), 30.0)
    step = found.fastest(TARGETS[-1])
    assert step is not None
    assert len(step.seconds) >= 3
    assert step.passes is not None
    assert step.bytes_read == pytest.approx(step.passes * problem.X.nbytes)
    assert found.cold is not None
    assert found.cold > step.median  # it includes the import
    assert found.extra_bytes is not None


def test_a_fit_that_outlasts_its_limit_is_killed(tmp_path: Path) -> None:
    save(task(), tmp_path)
    with Process("berkson_fit", tmp_path) as process:
        with pytest.raises(TimeLimitError):
            process.ask(Fit({}, 100_000), 0.0)
        assert process.child.wait(timeout=10) < 0  # by a signal


def test_small_data_sets_judge_our_defaults() -> None:
    found = accuracy.survey(load("berkson_fit"), 20)
    assert found.silently_wrong == found.wrong_with_warning == found.raised == 0


def steps(*pairs: tuple[float, float]) -> list[Step]:
    return [Step({}, [time], excess, 1.0, 800) for time, excess in pairs]


def compared(ours: list[Step], peer: list[Step]) -> Row:
    problem = PROBLEMS[0]
    results = [Result(problem.name, OURS, ours), Result(problem.name, "peer", peer)]
    return Row(problem, 10, 10, 800, judge.Reference(1.0, 2.0, 0.0), results)


def test_losses_are_computed_from_the_results() -> None:
    win = compared(steps((1.0, 1e-10)), steps((2.0, 1e-10)))
    assert list(losses([win])) == ["Nowhere in this run."]
    slow = compared(steps((1.0, 1e-10)), steps((0.5, 1e-4), (2.0, 1e-10)))
    assert list(losses([slow])) == [f"- {PROBLEMS[0].name}, to 1e-03: peer 500 ms; 1 s, 2 times as long"]
    short = compared(steps((1.0, 1e-7)), steps((2.0, 1e-10)))
    assert len(list(losses([short]))) == 2  # 1e-8 and 1e-9 are not reached


def test_the_report_names_what_was_not_reached(tmp_path: Path) -> None:
    row = compared(steps((1.0, 1e-10)), steps((0.5, 3e-2)))
    row.results[1].timed_out = True
    Report("2000-01-01", MACHINE, {"peer": None}, 120.0, False, [row]).write(tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert "> 120 s, 3e-02 off" in text
    assert "no peer gets there" in text
    assert "peer absent" in text
    assert (tmp_path / "results.csv").read_text().count("\n") == 3
    assert (tmp_path / "settings.csv").read_text().count("\n") == 3


def test_problems_are_seeded_and_named_once(tmp_path: Path) -> None:
    names = [problem.name for problem in PROBLEMS]
    assert len(set(names)) == len(names)
    assert set(QUICK_PROBLEMS) <= set(names)
    for problem in PROBLEMS:
        if problem.file is not None:
            with pytest.raises(AbsentError, match="--data"):
                build(problem, tmp_path)
            continue
        first, again = (build(problem, tmp_path, quick=True) for _ in range(2))
        np.testing.assert_array_equal(first.X, again.X)
        np.testing.assert_array_equal(first.y, again.y)
        assert set(np.unique(first.y)) == set(range(problem.classes))


# --- inference ------------------------------------------------------------------------------------------------------


def clustered(n: int = 400) -> Task:
    rng = np.random.default_rng(9)
    X = rng.standard_normal((n, 3)) + 2.0
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-X @ [0.5, -0.4, 0.2]))).astype(np.int64)
    return Task(X, y, None, Shape(2, 0.0, False), rng.integers(0, 50, (n,)))


def test_the_judges_standard_errors_are_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "CHUNK_CELLS", 31)  # several chunks, the last one short
    problem = clustered(60)
    best = judge.reference(problem).answer
    assert best is not None
    away = Answer(best.coef + 1e-6, best.intercept - 1e-6)
    found = judge.standard_errors(problem, away)
    with mpmath.workdps(30):
        Z = mpmath.matrix([[1.0, *map(float, row)] for row in problem.X])
        theta = [*map(float, best.intercept), *map(float, best.coef[0])]
        mu = [1 / (1 + mpmath.exp(-mpmath.fdot(Z[i, :], theta))) for i in range(60)]
        scores = mpmath.matrix([[(int(problem.y[i]) - mu[i]) * z for z in Z[i, :]] for i in range(60)])
        assert problem.cluster is not None
        codes = sorted(set(problem.cluster.tolist()))
        member = mpmath.matrix([[int(g == code) for g in problem.cluster.tolist()] for code in codes])
        root = mpmath.matrix([[mpmath.sqrt(mu[i] * (1 - mu[i])) * z for z in Z[i, :]] for i in range(60)])
        inverse, sums, G = mpmath.inverse(root.T * root), member * scores, len(codes)
        expected = {
            "model": inverse,
            "HC1": mpmath.mpf(60) / 56 * inverse * scores.T * scores * inverse,
            "clustered": mpmath.mpf(G) / (G - 1) * inverse * sums.T * sums * inverse,
        }
        for kind, matrix in expected.items():
            errors = [float(mpmath.sqrt(matrix[j, j])) for j in range(4)]
            # the optimum is known to 1e-8 or so, and standard errors follow it
            np.testing.assert_allclose(found[kind], errors, rtol=1e-7, err_msg=kind)


@pytest.mark.parametrize("module", INFERENCE_MODULES)
def test_programs_tell_the_standard_errors_that_are_asked(module: str) -> None:
    program: Any = load(module)
    if version(program.PACKAGE) is None:
        pytest.skip(f"{program.PACKAGE} is not installed")
    problem = clustered()
    best = judge.reference(problem)
    assert best.answer is not None
    truth = judge.standard_errors(problem, best.answer)
    for covariance in program.COVARIANCES:
        for what in ("errors", "summary"):
            answer = program.fit(problem, what=what, covariance=covariance)
            # reweighted least squares stop early by default; HC1 and clusters are 1 % away from the model's, at least
            np.testing.assert_allclose(answer.std_error, truth[covariance], rtol=1e-4)
            assert abs(best.suboptimality(problem, answer, module)) < 1e-8
    assert program.fit(problem, what="fit").std_error is None
    for other in set(truth) - {"model"}:
        assert np.abs(truth[other] / truth["model"] - 1.0).max() > 0.01


def test_r_is_measured_where_it_is_installed(tmp_path: Path) -> None:
    problem = clustered()
    problem.X.T.tofile(tmp_path / "X.f64")
    problem.y.astype(np.float64).tofile(tmp_path / "y.f64")
    row, answer = inference.measure_r(tmp_path, *problem.X.shape, 30.0)
    if inference.r_version() is None:
        assert "absent" in row.note
        return
    assert answer is not None
    assert answer.std_error is not None
    best = judge.reference(problem)
    assert best.answer is not None
    truth = judge.standard_errors(problem, best.answer)["model"]
    np.testing.assert_allclose(answer.std_error, truth, rtol=1e-4)  # its default stops early
    assert set(row.seconds) == {"fit", "errors", "summary"}
    assert row.extra_bytes is not None


def measured(program: str, seconds: float, extra: int, covariance: Any = "model") -> inference.Measured:
    times: Any = {"fit": seconds / 2, "errors": seconds / 2, "summary": seconds}
    return inference.Measured(program, covariance, times, extra, 1e-9, 1e-12)


def studied(*rows: inference.Measured, name: str = "large") -> inference.Study:
    return inference.Study(name, 10, 5, 2, 400, judge.Reference(1.0, 2.0, 0.0), list(rows))


def test_claims_of_inference_are_computed_from_the_results(tmp_path: Path) -> None:
    good = studied(measured(OURS, 1.0, 40), measured(OURS, 2.0, 4, "HC1"), measured("peer", 30.0, 400))
    assert [met for *_, met in inference.claims([good])] == ["yes"] * 4
    assert list(inference.losses([good])) == ["Nowhere in this run."]
    bad = studied(measured(OURS, 1.0, 41), measured(OURS, 2.1, 41, "HC1"), measured("peer", 0.9, 40))
    assert [met for *_, met in inference.claims([bad])] == ["**no**"] * 4
    assert len(list(inference.losses([bad]))) == 4  # three times and memory
    fast, slow = (studied(measured(OURS, seconds, 0), name="little") for seconds in (6e-3, 6.1e-3))
    assert [met for *_, met in inference.claims([fast, slow])] == ["yes", "**no**"]
    failed = studied(inference.Measured(OURS, "model", note="it broke"))
    assert [met for *_, met in inference.claims([failed])] == ["**no**"]


def test_a_small_run_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "MODULES", ("inference.berkson_logit",))
    monkeypatch.setattr(inference, "SIZES", (inference.LITTLE,))
    monkeypatch.setattr(inference.shutil, "which", lambda _: None)
    inference.run("2000-01-01", MACHINE, 30.0, tmp_path)
    text = (tmp_path / "inference.md").read_text()
    assert "absent: Rscript is not installed" in text
    assert "R absent" in text
    with (tmp_path / "inference.csv").open(newline="") as file:
        ours = [row for row in csv.DictReader(file) if row["program"] == OURS]
    assert [row["covariance"] for row in ours] == ["model", "HC1", "clustered"]
    for row in ours:
        assert float(row["error_of_standard_errors"]) < 1e-10  # rounding of 200 rows, at a polished optimum
        assert abs(float(row["shortfall_of_likelihood"])) < 1e-12
