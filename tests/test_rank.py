"""Aliased columns are named with their combination; what merely comes close is kept and said to be close."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from berkson.fit import fit
from berkson.kernels import gram as kernel_gram
from berkson.problem import InputError, Problem
from berkson.rank import Alias, Rank, examine, full_rank
from berkson.rows.coordinates import Coordinates
from berkson.rows.memory import NonFiniteError

RNG = np.random.default_rng(20)
N = 300
A, B, C = RNG.normal(size=(3, N))
Y = (RNG.random(N) < 0.4).astype(np.uint8)


def rank_of(X, *, weight=None, intercept=True, names=()):
    """The verdict, with the standardised Gram matrix made here."""
    problem = Problem(X, np.arange(len(X)).astype(np.uint8) % 2, weight=weight, intercept=intercept, names=names)
    w = np.ones(len(X)) if weight is None else weight
    Z = X.astype(np.float64)
    p = X.shape[1]
    center = w @ Z / w.sum() if intercept else np.zeros(p)
    constant = np.ptp(Z[w > 0], axis=0) == 0
    if intercept:
        center[constant] = Z[w > 0][0, constant]
    spread = np.sqrt(w @ (Z - center) ** 2 / w.sum())
    scale = np.append(np.where(spread > 0, spread, 1.0), 1.0)
    kept = None if intercept else np.arange(p)
    place = Coordinates(center, scale if intercept else scale[:p], kept, None)
    return examine(problem, place.gram(kernel_gram(X, None, center, weight, 1)), place), problem


def numeric_rank(X):
    """Independent of the code under test: singular values of the standardised design with its constant."""
    spread = X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])
    return np.linalg.matrix_rank(Z, tol=1e-7 * np.sqrt(len(X)))


@pytest.mark.parametrize(
    ("columns", "aliased"),
    [
        ([A, B, A], [Alias(2, ((0, 1.0),))]),
        ([A, B, 2 * A - B], [Alias(2, ((0, 2.0), (1, -1.0)))]),
        ([A, B, 2 * A - B / 3 + 5], [Alias(2, ((0, 2.0), (1, -1 / 3), (3, 5.0)))]),
        ([A, 1e-6 * A, 1e6 * A + 1e6], [Alias(1, ((0, 1e-6),)), Alias(2, ((0, 1e6), (3, 1e6)))]),
        ([A, np.full(N, 0.1), B], [Alias(1, ((3, 0.1),))]),
        ([A, np.zeros(N), B], [Alias(1, ())]),
        ([A, 1.7e9 + 1e5 * A, B], [Alias(1, ((0, 1e5), (3, 1.7e9)))]),
        ([A, A + 1e-9 * B], [Alias(1, ((0, 1.0),))]),
    ],
    ids=["duplicate", "integers", "thirds and a constant", "units", "constant", "zero", "unix time", "1e-9 apart"],
)
def test_aliased_columns_come_with_their_combination(columns, aliased):
    rank, _ = rank_of(np.column_stack(columns))
    assert [a.column for a in rank.aliased] == [a.column for a in aliased]
    for found, expected in zip(rank.aliased, aliased, strict=True):
        assert [k for k, _ in found.combination] == [k for k, _ in expected.combination]
        # coefficients come from a Gram matrix: 1e-9 of rounding, most of it removed
        np.testing.assert_allclose([a for _, a in found.combination], [a for _, a in expected.combination], rtol=1e-8)


def test_full_dummies_are_aliased_to_the_constant_and_the_others():
    dummies = np.eye(4, dtype=np.uint8)[RNG.integers(0, 4, N)]
    rank, _ = rank_of(dummies)
    assert rank.aliased == (Alias(3, ((0, -1.0), (1, -1.0), (2, -1.0), (4, 1.0))),)
    assert rank_of(dummies, intercept=False)[0] == Rank(())


@pytest.mark.parametrize("apart", [1e-5, 1e-6])
def test_columns_a_little_apart_are_estimable_and_said_to_be_close(apart):
    rank, problem = rank_of(np.column_stack([A, A + apart * B, C]), names=("a", "b", "c"))
    assert rank.aliased == ()
    assert [a.column for a in rank.nearly] == [1]
    assert rank.sentence(problem) == (
        "column 'b' is nearly 'a': its coefficient is estimable, but only with a huge standard error"
    )


def test_one_row_that_differs_in_a_million_is_enough():
    X = np.column_stack([A, B, A])
    X = np.tile(X, (1000, 1))
    assert [a.column for a in rank_of(X)[0].aliased] == [2]
    X[7, 2] += 1e-4  # of a spread of 1: a share of 3e-14 of the variance, which no Gram matrix can show
    rank, _ = rank_of(X)
    assert rank.aliased == ()
    assert [a.column for a in rank.nearly] == [2]


def test_rows_of_zero_weight_do_not_count():
    X = np.column_stack([A, A])
    X[:5, 1] += 3.0
    weight = np.ones(N)
    assert rank_of(X, weight=weight)[0].aliased == ()
    weight[:5] = 0.0
    assert [a.column for a in rank_of(X, weight=weight)[0].aliased] == [1]


def test_what_storage_rounds_counts_as_equal():
    X = np.column_stack([A, B, A + B]).astype(np.float32)
    assert rank_of(X)[0].aliased == (Alias(2, ((0, 1.0), (1, 1.0))),)
    X = np.column_stack([A, B, A + 1e-3 * B]).astype(np.float32)
    assert rank_of(X)[0].aliased[0].column == 2  # = a + b / 1000, also in single precision
    X = np.column_stack([A, B, A + 1e-3 * C]).astype(np.float32)
    assert rank_of(X)[0] == Rank(())


@pytest.mark.parametrize("shape", [(20, 40), (60, 300)])
def test_more_columns_than_rows(shape):
    X = np.random.default_rng(3).normal(size=shape)
    rank, problem = rank_of(X)
    n, p = shape
    assert [a.column for a in rank.aliased] == list(range(n - 1, p))
    for alias in rank.aliased[:: p // 10]:
        terms = dict(alias.combination)
        made = sum(a * (np.ones(n) if k == p else X[:, k]) for k, a in terms.items())
        np.testing.assert_allclose(made, X[:, alias.column], atol=3e-7)  # what the verdict promises
    assert f"{p - n + 1} of {p} columns" in rank.sentence(problem)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([np.float64, np.float32, np.int64]),
)
def test_as_many_columns_are_kept_as_the_rank_and_every_combination_holds(seed, independent, more, dtype):
    rng = np.random.default_rng(seed)
    base = rng.integers(-3, 4, size=(40, independent))
    X = np.column_stack([base, base @ rng.integers(-2, 3, size=(independent, more)) + rng.integers(-2, 3, size=more)])
    X = X[:, rng.permutation(X.shape[1])].astype(dtype)
    rank, _ = rank_of(X)
    assert X.shape[1] + 1 - len(rank.aliased) == numeric_rank(X.astype(np.float64))
    for alias in rank.aliased:
        made = sum(a * (1.0 if k == X.shape[1] else X[:, k].astype(np.float64)) for k, a in alias.combination)
        np.testing.assert_allclose(np.broadcast_to(made, 40), X[:, alias.column], atol=1e-5)
        assert all(k < alias.column or k == X.shape[1] for k, _ in alias.combination)


@pytest.mark.parametrize("p", [2001, 3000, 4500])
def test_without_a_penalty_a_table_much_wider_than_long_is_refused(p):
    problem = Problem(np.random.default_rng(4).normal(size=(30, p)), np.arange(30).astype(np.uint8) % 2)
    with pytest.raises(InputError, match=rf"30 rows cannot tell {p:,} columns apart.*: set a penalty .*C\), or choose"):
        fit(problem)
    assert fit(replace(problem, strength=1.0)).certificate.certified


def test_full_rank_is_only_said_beyond_doubt():
    assert full_rank(np.diag([1.0, 1e-30, 1e30]))
    assert not full_rank(np.array([[1.0, 1.0 - 1e-10], [1.0 - 1e-10, 1.0]]))
    assert not full_rank(np.diag([1.0, 0.0]))
    assert not full_rank(np.array([[1.0, np.nan], [np.nan, 1.0]]))


def test_a_gram_matrix_that_is_not_finite_is_refused():
    problem = Problem(np.ones((3, 1)), np.array([0, 1, 1], dtype=np.uint8))
    with pytest.raises(NonFiniteError):
        examine(problem, np.full((2, 2), np.nan), Coordinates(np.zeros(1), np.ones(2), None, None))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            [A, B, 2 * A - B],
            "column 'c' = 2 'a' - 'b' is a combination of others and cannot be told apart from them: its coefficient "
            "is set to 0 (only the sum of effects is estimable); drop it",
        ),
        (
            [A, B, np.zeros(N)],
            "column 'c' is zero in every row: there is no effect to estimate, its coefficient is set to 0; drop it",
        ),
        (
            [A, B, np.full(N, 3)],
            "column 'c' = 3 is constant, as the intercept is, and is set aside: its coefficient is set to 0; drop it",
        ),
        (
            [A, A, -A],
            "2 of 3 columns are combinations of others and cannot be told apart from them ('b' = 'a', 'c' = -'a'): "
            "their coefficients are set to 0 (only sums of effects are estimable); drop them",
        ),
        ([A, B, C], None),
    ],
)
def test_the_sentence_names_columns_and_the_way_out(columns, sentence):
    rank, problem = rank_of(np.column_stack(columns), names=("a", "b", "c"))
    assert rank.sentence(problem) == sentence


def test_many_aliases_make_one_short_sentence():
    rank, problem = rank_of(np.random.default_rng(0).normal(size=(20, 80)))
    assert len(rank.sentence(problem)) < 300


@pytest.mark.parametrize(
    ("extra", "column"),
    [(A, 2), (2 * A - B + 1, 2), (np.full(N, 7.0), 2), (np.zeros(N), 2), (A + 1e-9 * C, 2)],
    ids=["duplicate", "combination", "constant", "zero", "1e-9 apart"],
)
def test_a_fit_leaves_aliased_columns_out_and_answers_the_rest(extra, column):
    X = np.column_stack([A, B])
    alone = fit(Problem(X, Y))
    both = fit(Problem(np.column_stack([X, extra]), Y))
    assert [a.column for a in both.certificate.rank.aliased] == [column]
    assert both.certificate.certified
    assert both.certificate.exists is True
    np.testing.assert_allclose(both.coef[0, :2], alone.coef[0], rtol=1e-8)  # both certified far below this
    assert both.coef[0, 2] == 0.0


def test_columns_1e_5_apart_are_fitted():
    found = fit(Problem(np.column_stack([A, A + 1e-5 * B]), Y))
    truth = fit(Problem(np.column_stack([A, B]), Y))
    assert found.certificate.rank.aliased == ()
    assert [a.column for a in found.certificate.rank.nearly] == [1]
    assert found.certificate.certified
    # the same model in other columns: b = (x1 - x0) 1e5, and half the digits are lost to their difference
    np.testing.assert_allclose(found.coef[0, 1] * 1e-5, truth.coef[0, 1], rtol=1e-5)


def test_columns_that_only_a_row_far_out_makes_alike_are_fitted():
    """What they differ by is lost in the Gram matrix, to the last bit of some."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((60, 4))
        X[0] = 1e9
        apart = np.column_stack([X[:, :1], X[:, 1:] - X[:, :1]])
        y = (rng.random(60) < 0.5).astype(np.uint8)
        found, other = (fit(Problem(table, y), tol=1e-12) for table in (X, apart))
        assert found.certificate.certified
        predictors = (X @ found.coef[0] + found.intercept[0])[1:]
        np.testing.assert_allclose(predictors, (apart @ other.coef[0] + other.intercept[0])[1:], atol=1e-9)
