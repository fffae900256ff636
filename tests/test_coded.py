"""Tables of numbers and factors: every answer is that of the dense table with indicator columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from berkson.design import Coded, Dense, Mixed, Part
from berkson.design.arrow import Arrow
from berkson.fit import Fit, certify, fit
from berkson.problem import InputError, Problem
from berkson.rows.questions import ArrowHessian, Evaluate
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path

LEVELS = (70, 5, 9)


def mixed(n: int = 400, p0: int = 3, levels: tuple[int, ...] = LEVELS, reference: bool = False, seed: int = 0) -> Mixed:
    """Numbers of several scales, one far from zero; codes of 1, 2 and 4 bytes, the first levels the most frequent."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, p0)) * np.exp(rng.normal(size=p0)) + np.arange(p0) * 20.0
    factors = []
    for f, size in enumerate(levels):
        codes = (size * rng.random(n) ** 2).astype((np.uint8, np.uint16, np.int32)[f % 3])
        codes[:size] = np.arange(size)[:n]  # every level is there
        factors.append(Coded.of(codes, size, (0,) if reference else ()))
    return Mixed.of(numbers, factors)


def dense(X: Mixed) -> Any:
    return X.few_rows(slice(None))


def labels(n: int, K: int = 2, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, K, n).astype(np.uint8)


def check_same(name: str, got: Any, wanted: Any) -> None:
    got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            # Sums of up to some hundred terms of either sign, added in another order: relative to the largest entry
            scale = np.max(np.abs(b), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


# --- the design -------------------------------------------------------------------------------------------------------


def test_indicators_are_those_of_the_codes() -> None:
    X = Mixed.of(
        np.array([[1.5], [2.5], [3.5]]), [Coded.of(np.array([0, 2, 1]), 3, {1}), Coded.of(np.array([1, 1, 0]), 2)]
    )
    assert X.shape == (3, 5)
    np.testing.assert_array_equal(dense(X), [[1.5, 1, 0, 0, 1], [2.5, 0, 1, 0, 1], [3.5, 0, 0, 1, 0]])
    np.testing.assert_array_equal(dense(X.columns(np.array([4, 0, 2]))), dense(X)[:, [4, 0, 2]])
    last = X.columns(np.array([4, 3]))
    np.testing.assert_array_equal(dense(last), dense(X)[:, [4, 3]])
    assert last.blocks.numbers.shape[1] == 0  # what has no column is not read
    assert len(last.blocks.codes) == 1


@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_mixed_design_answers_as_a_dense_one(picked: bool, centred: bool, reference: bool, shuffled: bool) -> None:
    rng, M, n = np.random.default_rng(6), 4, 90
    X = mixed(n, 3, (7, 4, 3), reference)
    p = X.shape[1]
    if shuffled:
        X = X.columns(rng.permutation(p)[: p - 2])  # any order, and some left out
        p -= 2
    designs = Dense(dense(X)), X
    rows = rng.integers(0, n, size=61) if picked else None
    m = n if rows is None else 61
    center = rng.normal(size=p) if centred else np.zeros(p)
    coef, direction = rng.normal(size=(p + 1, M)) / 30, rng.normal(size=(p + 1, M))
    weight, offset, offsets = rng.random(m), rng.normal(size=m), rng.normal(size=(m, M))
    y, codes, root = rng.random(m), rng.integers(0, M, m).astype(np.uint8), rng.normal(size=(p + 1, p + 1))
    one, along, few, inverse = coef[:, 0].copy(), direction[:, 0].copy(), np.arange(0, n, 7), rng.random(p + 1)
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("moments", (rows, weight, 1)),
        ("moments", (rows, (weight > 0.4).astype(np.float64), 1)),
        ("moments", (rows, None, 1)),
        ("linear_predictor", (rows, center, coef, 1)),
        *(("logistic", (Part(rows, center, y, weight, offset, 1), one, order)) for order in (0, 1, 2)),
        ("logistic_many", (Part(rows, center, y, weight, offsets, 1), coef)),
        *(("multinomial", (Part(rows, center, codes, weight, offsets, 1), coef, order)) for order in (0, 1, 2)),
        ("logistic_curvature", (Part(rows, center, y, weight, offset, 1), one, along)),
        ("multinomial_curvature", (Part(rows, center, codes, weight, offsets, 1), coef, direction)),
        ("gram", (rows, center, weight, 1)),
        ("quadratic_form", (rows, center, root @ root.T, 1)),
        ("dense_rows", (few, center)),
        ("few_rows", (few,)),
        ("rows_gram", (few, center, inverse)),
        ("evenly_spaced", (10,)),
    ]
    for name, arguments in asked:
        wanted, got = (getattr(design, name)(*arguments) for design in designs)
        check_same(name, got, wanted)
    run = slice(3, None, 4)
    check_same("run", *(each.run_of(run).linear_predictor(None, center, coef, 1) for each in designs))
    assert designs[0].shape == designs[1].shape


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("coupled", [True, False])
def test_an_arrow_is_the_hessian(intercept: bool, coupled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("berkson.design.mixed.INNER", 20)  # two factors do not fit
    X = mixed()
    found = fit(Problem(X, labels(400), strength=2.0, intercept=intercept))
    theta = 0.5 * found.theta
    whole = found.rows.answer_one(Evaluate(theta, 2))
    at, arrow = found.rows.answer_one(ArrowHessian(theta, coupled))
    assert isinstance(arrow, Arrow)
    assert at.value == pytest.approx(whole.value, rel=1e-14)
    check_same("gradient", at.gradient, whole.gradient)
    check_same("diagonal", arrow.diagonal(), whole.hessian.diagonal())
    matrix, ridge = whole.hessian, np.linspace(1.0, 2.0, len(theta))
    if not coupled:
        blocks = np.zeros((len(theta), len(theta)))
        blocks[arrow.outer, arrow.outer] = matrix.diagonal()[arrow.outer]
        blocks[np.ix_(arrow.inner, arrow.inner)] = matrix[np.ix_(arrow.inner, arrow.inner)]
        matrix = blocks
        assert len(arrow.inner) < 20
    right = np.random.default_rng(2).normal(size=len(theta))
    wanted = np.linalg.solve(matrix + np.diag(ridge), right)
    np.testing.assert_allclose(
        arrow.lifted(ridge).solve(right), wanted, rtol=1e-9, atol=1e-12
    )  # condition of about 1e4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.array([0, 3]), 3), "row 1 has code 3"),
        ((np.array([0, -1]), 3), "row 1 has code -1"),
        ((np.array([0.0, 1.0]), 3), "must be integers"),
        ((np.array([[0, 1]]), 3), "one dimension"),
        ((np.array([0, 1]).astype(">i4"), 3), "native byte order"),
        ((np.array([0, 1]), 3, (3,)), "without a column"),
    ],
)
def test_what_is_no_factor_is_refused(arguments: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Coded.of(*arguments)


def test_factors_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows, but there are 2"):
        Mixed.of(np.zeros((2, 1)), [Coded.of(np.zeros(3, np.uint8), 2)])


# --- fits -------------------------------------------------------------------------------------------------------------


def check_fits(got: Fit, wanted: Fit) -> None:
    # both go on to rounding; the column of mean 40 costs two digits
    scale = np.abs(wanted.coef).max()
    np.testing.assert_allclose(got.coef, wanted.coef, rtol=1e-10, atol=1e-11 * scale)
    np.testing.assert_allclose(got.intercept, wanted.intercept, rtol=1e-9, atol=1e-11)
    assert got.certificate.objective == pytest.approx(wanted.certificate.objective, rel=1e-12)
    assert got.certificate.certified
    assert wanted.certificate.certified


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_fits_are_those_of_indicators(K: int, strength: float, intercept: bool) -> None:
    X = mixed() if strength else mixed(levels=(4, 5, 9), reference=True)
    y, rng = labels(400, K), np.random.default_rng(3)
    weight, offset = rng.random(400) * (rng.random(400) < 0.9), rng.normal(size=400 if K == 2 else (400, K))
    given: list[dict[str, Any]] = [{}, {"weight": weight}, {"offset": offset}, {"weight": weight, "offset": offset}]
    for options in given:
        problem = Problem(X, y, K, strength=strength, intercept=intercept, **options)
        check_fits(fit(problem), fit(replace(problem, X=dense(X))))


def test_soft_labels() -> None:
    X = mixed()
    problem = Problem(X, np.random.default_rng(0).random(400), strength=0.5)
    check_fits(fit(problem), fit(replace(problem, X=dense(X))))


@pytest.mark.parametrize("p0", [0, 2])
@pytest.mark.parametrize("levels", [(), (3,), (200, 2)])
def test_any_number_of_blocks(p0: int, levels: tuple[int, ...]) -> None:
    X = mixed(500, p0, levels)
    problem = Problem(X, labels(500), strength=1.0)
    got, wanted = fit(problem), fit(replace(problem, X=dense(X)))
    if X.shape[1]:
        check_fits(got, wanted)
    np.testing.assert_allclose(got.intercept, wanted.intercept, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 1e2, 1e6])
def test_ridges_of_any_strength(strength: float) -> None:
    X = mixed()
    problem = Problem(X, labels(400), strength=strength)
    got = fit(problem)
    assert got.info.solver == "newton by elimination"
    # a ridge of 1e-6 on three sets of indicators that add up to the constant costs 6 of 16 digits of the coefficients
    wanted = fit(replace(problem, X=dense(X)))
    np.testing.assert_allclose(got.coef, wanted.coef, rtol=1e-7, atol=1e-8 * np.abs(wanted.coef).max())
    assert got.certificate.certified
    assert got.certificate.objective == pytest.approx(wanted.certificate.objective, rel=1e-12)


def test_levels_that_never_occur_are_zero() -> None:
    X = Mixed.of(np.zeros((300, 0)), [Coded.of(labels(300, 90), 100), Coded.of(labels(300, 3, 5), 4)])
    problem = Problem(X, labels(300), strength=1.0)
    got = fit(problem)
    check_fits(got, fit(replace(problem, X=dense(X))))
    np.testing.assert_array_equal(got.coef[0, 90:100], 0.0)


def test_many_levels_are_fitted_by_products_and_proved() -> None:
    n, rng = 20_000, np.random.default_rng(4)
    numbers, codes, few = rng.normal(size=(n, 2)), rng.integers(0, 6_000, n), rng.integers(0, 700, n)
    X = Mixed.of(numbers, [Coded.of(few, 700), Coded.of(codes, 6_000)])
    eta = numbers[:, 0] + rng.normal(size=6_000)[codes] + rng.normal(size=700)[few]
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(np.uint8)
    problem = Problem(X, y, strength=1.0)
    got = fit(problem)
    assert got.info.solver == "conjugate gradient"
    assert got.certificate.certified
    assert got.info.passes < 23  # 20; with the diagonal alone 24
    tight = fit(problem, tol=1e-13)
    above = got.certificate.objective - tight.certificate.objective
    assert -1e-13 * tight.certificate.null_objective <= above <= got.certificate.gap
    # at the optimum the gradient is 0: by sums over each level's rows
    p = 1.0 / (
        1.0 + np.exp(-(X.linear_predictor(None, np.zeros(6_702), np.append(tight.coef, tight.intercept)[:, None], 1)))
    )
    pull = np.bincount(codes, p[:, 0] - y, 6_000) + tight.coef[0, 702:]
    np.testing.assert_allclose(pull, 0.0, atol=1e-4)  # |gradient|^2 < 2 strength gap: 1e-13 of 14,000


def test_softmax_of_many_levels() -> None:
    X = mixed(3_000, 1, (300, 40))
    problem = Problem(X, labels(3_000, 4), 4, strength=1.0)
    got, wanted = fit(problem), fit(replace(problem, X=dense(X)))
    assert got.certificate.certified
    np.testing.assert_allclose(got.certificate.objective, wanted.certificate.objective, rtol=1e-8)  # tol, of each


def test_answers_do_not_depend_on_threads_or_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    X = mixed(30_000, 5, (300, 20))
    problem = Problem(X, labels(30_000), strength=1.0)
    first = fit(problem)
    monkeypatch.setattr("berkson.kernels._threads", 1)
    assert np.array_equal(fit(problem).coef, first.coef)
    columns = X.blocks._replace(numbers=np.asfortranarray(X.blocks.numbers))
    np.testing.assert_allclose(
        fit(replace(problem, X=Mixed(columns, X.place))).coef, first.coef, rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("soft", [False, True])
def test_rows_that_agree_are_merged(K: int, strength: float, soft: bool) -> None:
    n, rng = 30_000, np.random.default_rng(7)
    X = mixed(n, 0, (6, 5, 9), reference=not strength)
    y = labels(n, K)
    if soft:
        y = rng.random(n) if K == 2 else rng.dirichlet(np.ones(K), n)
    for weight in (None, rng.random(n) * (rng.random(n) < 0.5)):
        problem = Problem(X, y, K, weight=weight, strength=strength)
        got, wanted = fit(problem), fit(replace(problem, X=dense(X)), tol=1e-13)
        assert "30,000 rows are 2" in got.info.why
        assert got.info.passes < 4
        np.testing.assert_allclose(got.coef, wanted.coef, rtol=1e-5, atol=3e-6)  # the dense fit's tol, to the power 1/2
        exact = certify(replace(problem, X=dense(X)), got.coef, got.intercept, tol=1e-13)  # of all rows
        assert exact.certified
        assert exact.objective == pytest.approx(got.certificate.objective, rel=1e-12)


def test_merged_rows_keep_their_verdicts() -> None:
    X, y = mixed(30_000, 0, (3, 4), reference=True), labels(30_000)
    y[X.blocks.codes[1] == 2] = 1
    got = fit(Problem(X, y)).certificate.separation
    assert got is not None
    assert got.separated_rows == int((X.blocks.codes[1] == 2).sum())
    assert [i.column for i in got.infinite] == [3]


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_symmetric_coding_without_a_penalty_names_what_is_aliased() -> None:
    X = mixed(300, 1, (3, 4))
    names = ("x", "a[0]", "a[1]", "a[2]", "b[0]", "b[1]", "b[2]", "b[3]")
    problem = Problem(X, labels(300), names=names)
    got, wanted = fit(problem), fit(replace(problem, X=dense(X)))
    assert [names[alias.column] for alias in got.certificate.rank.aliased] == ["a[2]", "b[3]"]
    assert got.certificate.rank == wanted.certificate.rank
    sentence = got.certificate.rank.sentence(problem)
    assert sentence is not None
    assert "'a[2]' = -'a[0]' - 'a[1]' + 1" in sentence
    check_fits(got, wanted)


@pytest.mark.parametrize("K", [2, 3])
def test_a_level_of_one_class_is_separated_by_name(K: int) -> None:
    X, y = mixed(300, 1, (3, 4), reference=True), labels(300, K)
    y[X.blocks.codes[1] == 2] = 1
    names = ("x", "a[1]", "a[2]", "b[1]", "b[2]", "b[3]")
    problem = Problem(X, y, K, names=names)
    got, wanted = fit(problem).certificate.separation, fit(replace(problem, X=dense(X))).certificate.separation
    assert got is not None
    assert wanted is not None
    assert {names[i.column] for i in got.infinite} == {"b[2]"}
    assert [(i.column, i.class_index, i.sign) for i in got.infinite] == [
        (i.column, i.class_index, i.sign) for i in wanted.infinite
    ]
    assert got.separated_rows == wanted.separated_rows == int((X.blocks.codes[1] == 2).sum())


def test_a_number_that_is_not_finite_is_named() -> None:
    X = mixed(200, 3, (4,))
    X.blocks.numbers[17, 1] = np.nan
    with pytest.raises(InputError, match="NaN: column 'age', row 17"):
        fit(Problem(X, labels(200), strength=1.0, names=("a", "age", "b", "c0", "c1", "c2", "c3")))


def test_more_levels_than_can_be_told_apart_are_refused_without_a_penalty() -> None:
    codes = np.arange(10_000) % 5_000
    X, both = Mixed.of(np.zeros((10_000, 0)), [Coded.of(codes, 5_000)]), np.arange(10_000) // 5_000
    with pytest.raises(InputError, match="dense 5,000 x 5,000 matrix"):
        fit(Problem(X, both))
    both[[0, 7]] = 1  # rows of levels that then lack class 0
    with pytest.raises(InputError, match="2 of 5,000 levels, as 'x0', have no finite estimate"):
        fit(Problem(X, both))


# --- beside fits ------------------------------------------------------------------------------------------------------


def test_certificates_of_given_coefficients() -> None:
    X = mixed()
    problem = Problem(X, labels(400), strength=1.0)
    found = fit(problem)
    off = found.coef + 1e-3
    got = certify(problem, off, found.intercept)
    wanted = certify(replace(problem, X=dense(X)), off, found.intercept)
    assert got.objective == pytest.approx(wanted.objective, rel=1e-12)
    assert got.gap >= got.objective - found.certificate.objective > 0.0


def test_paths_and_folds_are_those_of_indicators() -> None:
    X = mixed(400, 2, (6, 5))
    y = ((X.blocks.codes[0] < 2) ^ (np.random.default_rng(5).random(400) < 0.3)).astype(np.uint8)
    problem = Problem(X, y)
    got, wanted = (path(replace(problem, X=each), count=8, tol=1e-10) for each in (X, dense(X)))
    assert got.certified.all()
    np.testing.assert_allclose(got.lambdas, wanted.lambdas, rtol=1e-10)
    np.testing.assert_allclose(got.coef, wanted.coef, atol=1e-4 * np.abs(wanted.coef).max())  # tol, to the power 1/2
    folds = [cross_validate(replace(problem, X=each), 4, count=5, tol=1e-10) for each in (X, dense(X))]
    np.testing.assert_allclose(folds[0].scores, folds[1].scores, rtol=1e-4)  # likewise
