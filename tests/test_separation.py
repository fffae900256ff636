"""Separation by cases worked out by hand, in the words a user reads, on real data, and all the way through a fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cone import overlaps, verify_direction

from berkson.fit import certify, fit
from berkson.problem import InputError, Problem
from berkson.separation import Infinite, find_separation

DATA = Path(__file__).parent / "data"


def codes(values):
    return np.asarray(values, dtype=np.uint8)


def table(name):
    """(columns, last column as text, names) of a file whose last column is the response."""
    lines = (DATA / name).read_text().strip().splitlines()
    names = [word.strip('"') for word in lines[0].split(",")]
    cells = [line.replace('"', "").split(",") for line in lines[1:]]
    return np.array([row[:-1] for row in cells], dtype=np.float64), [row[-1] for row in cells], names[:-1]


# --- small cases worked out by hand ---------------------------------------------------------------------------------

LINE = np.array([[-3.0], [-2.0], [-1.0], [1.0], [2.0], [3.0]])


def test_complete_separation_on_a_line():
    problem = Problem(LINE, codes([0, 0, 0, 1, 1, 1]), names=("dose",), classes=("alive", "dead"))
    found = find_separation(problem, None)
    assert found.kind == "complete"
    assert found.infinite == (Infinite(0, None, 1),)
    assert (found.separated_rows, found.overlapping_rows) == (6, 0)
    np.testing.assert_array_equal(found.direction, [1.0, 0.0])
    assert found.sentence(problem) == (
        "complete separation: the sign of 'dose' tells class 'dead' from 'alive' in every row, so no finite "
        "maximum-likelihood estimate exists; use a penalty (strength > 0, a finite C), or drop or merge columns"
    )


def test_overlap_on_a_line():
    assert find_separation(Problem(LINE, codes([0, 0, 1, 0, 1, 1])), None) is None


def test_a_tie_at_the_border_makes_it_quasi_complete():
    X = np.array([[-1.0], [0.0], [0.0], [1.0]])
    problem = Problem(X, codes([0, 0, 1, 1]))
    found = find_separation(problem, None)
    assert (found.kind, found.separated_rows, found.overlapping_rows) == ("quasi-complete", 2, 2)
    assert found.infinite == (Infinite(0, None, 1),)  # the constant stays finite: x = 0 is even


def test_two_by_two_table_with_an_empty_cell():
    X = np.array([0, 0, 0, 0, 1, 1, 1.0])[:, None]
    problem = Problem(X, codes([0, 1, 0, 1, 1, 1, 1]), names=("exposed",))
    found = find_separation(problem, None)
    assert found.kind == "quasi-complete"
    assert found.infinite == (Infinite(0, None, 1),)
    assert found.sentence(problem) == (
        "quasi-complete separation: the coefficient of 'exposed' (+) is infinite (3 rows predicted perfectly), the "
        "rest is estimable on the 4 overlapping rows; "
        "use a penalty (strength > 0, a finite C), or drop or merge columns"
    )


def test_a_reference_level_that_is_perfect_moves_the_constant_and_every_dummy():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 4, 400)
    y = codes(rng.random(400) < 0.4)
    y[level == 0] = 1
    found = find_separation(Problem(np.eye(4)[level][:, 1:], y), None)
    assert found.kind == "quasi-complete"
    assert set(found.infinite) == {Infinite(3, None, 1), *(Infinite(j, None, -1) for j in range(3))}
    assert found.separated_rows == (level == 0).sum()


def test_separation_by_a_combination_of_three_columns_only():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    problem = Problem(X, codes(X @ [1.0, -2.0, 1.5] > 0), names=("a", "b", "c"))
    for left_out in range(3):
        assert find_separation(Problem(np.delete(X, left_out, axis=1), problem.y), None) is None
    found = find_separation(problem, None)
    assert found.kind == "complete"
    signs = {a.column: a.sign for a in found.infinite}
    assert (signs[0], signs[1], signs[2]) == (1, -1, 1)
    assert "the sign of 'a' - " in found.sentence(problem)
    predicted = np.column_stack([X, np.ones(60)]) @ found.direction > 0  # what the sentence says, with its digits
    np.testing.assert_array_equal(predicted, problem.y == 1)


def test_one_column_is_named_where_one_is_enough():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 6))
    y = codes(X[:, 4] > 0.3)
    X[:, 4] += np.where(y == 1, 0.5, 0.0)
    problem = Problem(X, y)
    found = find_separation(problem, None)
    assert [a.column for a in found.infinite if a.column < 6] == [4]
    assert found.sentence(problem).startswith("complete separation: the sign of 'x4' - ")


@pytest.mark.parametrize("n", [500, 5000])
def test_a_rare_dummy_without_events_of_one_kind(n):
    rng = np.random.default_rng(3)
    dummy = np.arange(n) < 7
    X = np.column_stack([rng.normal(size=(n, 2)), dummy])
    y = codes(rng.random(n) < 0.3)
    y[dummy] = 1
    found = fit(Problem(X, y)).certificate
    assert found.exists is False
    assert found.separation.infinite == (Infinite(2, None, 1),)
    assert found.separation.overlapping_rows == n - 7
    assert not found.certified
    y[3] = 0  # one row of the other kind: an estimate exists, and must not be called separated
    found = fit(Problem(X, y)).certificate
    assert found.separation is None
    assert found.exists is True
    assert found.certified


def test_rows_of_zero_weight_do_not_count():
    X = np.vstack([LINE, [[-2.5]]])
    y = codes([0, 0, 0, 1, 1, 1, 1])
    assert find_separation(Problem(X, y), None) is None
    weight = np.array([1.0, 1, 1, 1, 1, 1, 0])
    found = find_separation(Problem(X, y, weight=weight), None)
    assert (found.kind, found.separated_rows) == ("complete", 6)
    assert fit(Problem(X, y, weight=weight)).certificate.exists is False


def test_weights_and_offsets_do_not_matter_otherwise():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.normal(size=80), np.arange(80) < 5])
    y = codes(rng.random(80) < 0.5)
    y[:5] = 0
    plain = find_separation(Problem(X, y), None)
    other = find_separation(Problem(X, y, weight=rng.uniform(1e-9, 1e9, 80), offset=1e3 * rng.normal(size=80)), None)
    assert plain.infinite == other.infinite == (Infinite(1, None, -1),)
    assert (plain.kind, plain.separated_rows) == (other.kind, other.separated_rows)


def test_soft_labels_hold_their_row_in_place():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=50), np.arange(50) < 6])
    y = rng.uniform(0.1, 0.9, 50)
    assert find_separation(Problem(X, y), None) is None
    y[:6] = 1.0
    found = find_separation(Problem(X, y), None)
    assert found.infinite == (Infinite(1, None, 1),)
    assert (found.separated_rows, found.overlapping_rows) == (6, 44)
    y[0] = 0.99
    assert find_separation(Problem(X, y), None) is None


def test_counts_as_soft_labels():
    dose, trials, deaths = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([5.0, 5, 5, 5]), np.array([0.0, 0, 5, 5])
    assert find_separation(Problem(dose, deaths / trials, weight=trials), None).kind == "complete"
    deaths[1] = 1
    found = find_separation(Problem(dose, deaths / trials, weight=trials), None)
    assert (found.kind, found.infinite[0].column, found.overlapping_rows) == ("quasi-complete", 0, 1)
    deaths[2] = 4
    assert find_separation(Problem(dose, deaths / trials, weight=trials), None) is None


def test_without_an_intercept_the_origin_is_fixed():
    y = codes([0, 0, 0, 1, 1, 1])
    assert find_separation(Problem(LINE, y, intercept=False), np.array([0])).infinite == (Infinite(0, None, 1),)
    assert find_separation(Problem(LINE + 10, y), None).kind == "complete"
    assert find_separation(Problem(LINE + 10, y, intercept=False), np.array([0])) is None
    held = find_separation(Problem(np.array([[0.0], [1.0], [2.0]]), codes([0, 1, 1]), intercept=False), np.array([0]))
    assert (held.kind, held.overlapping_rows) == ("quasi-complete", 1)  # a row of zeros stays at 1/2 for ever


def test_aliased_columns_are_left_out():
    X = np.column_stack([LINE, np.ones(6), 2 * LINE])
    found = find_separation(Problem(X, codes([0, 0, 0, 1, 1, 1])), np.array([0, 3]))
    assert found.infinite == (Infinite(0, None, 1),)
    np.testing.assert_array_equal(found.direction, [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("gap", "kind"), [(1e-3, "complete"), (1e-6, "complete"), (1e-9, "complete")])
def test_a_narrow_gap_is_a_gap_and_a_narrow_overlap_an_overlap(gap, kind):
    X = LINE.copy()
    X[2:4, 0] = -gap, gap
    assert find_separation(Problem(X, codes([0, 0, 0, 1, 1, 1])), None).kind == kind
    assert find_separation(Problem(X, codes([0, 0, 1, 0, 1, 1])), None) is None


def test_verdicts_do_not_depend_on_units_or_origin():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(120, 4))
    X[:, 3] = np.arange(120) < 9
    y = codes(X[:, 0] + rng.logistic(size=120) > 0)
    y[:9] = 0
    scale, shift = np.array([1e-6, 1e6, 1e3, 1e-3]), np.array([1e-2, 1e8, -1e6, 5.0])
    plain = find_separation(Problem(X, y), None)
    other = find_separation(Problem(X * scale + shift, y), None)
    assert plain.infinite == (Infinite(3, None, -1),)
    # away from 0 / 1 the dummy's own zero is not the origin, and the constant has to follow it
    assert [a for a in other.infinite if a.column < 4] == [Infinite(3, None, -1)]
    assert plain.separated_rows == other.separated_rows == 9


# --- several classes ------------------------------------------------------------------------------------------------


def test_three_classes_of_which_one_is_separated():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 2))
    y = codes(rng.integers(0, 2, 300))
    y[X[:, 0] > 1.2] = 2
    problem = Problem(X, y, 3, names=("age", "weight"), classes=("none", "mild", "severe"))
    certificate = fit(problem).certificate
    found = certificate.separation
    assert certificate.exists is False
    assert found.kind == "quasi-complete"
    assert (found.separated_rows, found.overlapping_rows) == ((y == 2).sum(), (y != 2).sum())
    assert found.reference == (0, 1)
    assert {a.class_index for a in found.infinite} == {2}
    assert Infinite(0, 2, 1) in found.infinite
    assert "class 'severe': the coefficients of " in found.sentence(problem)
    verify_direction(problem, found)


def test_a_level_with_one_class_says_nothing_of_the_others():
    rng = np.random.default_rng(7)
    X = np.column_stack([rng.normal(size=300), np.arange(300) < 40])
    y = codes(rng.integers(0, 2, 300))
    y[:40] = 2
    problem = Problem(X, y, 3, names=("age", "exposed"), classes=("none", "mild", "severe"))
    found = find_separation(problem, None)
    assert (found.separated_rows, found.overlapping_rows) == (40, 260)
    # class 2 is infinite against both; no exposed row tells classes 0 and 1 apart, so their contrast may go either way
    assert found.infinite[0] == Infinite(1, 2, 1)
    assert Infinite(1, 1, 0) in found.infinite
    assert "'exposed' (+, class 'severe')" in found.sentence(problem)
    verify_direction(problem, found)


def test_a_class_ruled_out_in_some_rows_only():
    rng = np.random.default_rng(8)
    flag = np.arange(300) < 50
    y = codes(rng.integers(0, 3, 300))
    y[flag & (y == 2)] = 1  # under the flag class 2 does not occur; 0 and 1 do
    problem = Problem(np.column_stack([flag, rng.normal(size=300)]), y, 3)
    found = find_separation(problem, None)
    assert found.infinite == (Infinite(0, 2, -1),)
    assert found.separated_rows == 0
    assert "some classes are ruled out in some rows" in found.sentence(problem)


def test_three_classes_that_overlap():
    rng = np.random.default_rng(9)
    assert find_separation(Problem(rng.normal(size=(200, 3)), codes(rng.integers(0, 3, 200)), 3), None) is None


def test_three_ordered_classes_completely_separated():
    x = np.random.default_rng(10).normal(size=(200, 1))
    problem = Problem(x, codes(np.digitize(x[:, 0], [-0.5, 0.5])), 3)
    found = find_separation(problem, None)
    assert (found.kind, found.separated_rows) == ("complete", 200)
    verify_direction(problem, found)


def test_soft_labels_of_three_classes():
    rng = np.random.default_rng(11)
    flag = np.arange(200) < 30
    y = rng.dirichlet(np.ones(3), 200)
    y[flag] = [0.0, 0.5, 0.5]  # class 0 never under the flag
    found = find_separation(Problem(np.column_stack([flag, rng.normal(size=200)]), y, 3), None)
    assert found.infinite == (Infinite(0, 0, -1),)
    assert found.reference == (1, 2)


# --- real data and the whole way ------------------------------------------------------------------------------------


def test_endometrial_cancer_is_quasi_separated_in_nv():
    X, y, names = table("endometrial.csv")
    problem = Problem(X, codes([int(v) for v in y]), names=tuple(names))
    certificate = fit(problem).certificate
    found = certificate.separation
    assert certificate.exists is False
    assert found.kind == "quasi-complete"
    assert found.infinite == (Infinite(0, None, 1),)
    assert (found.separated_rows, found.overlapping_rows) == (13, 66)  # 13 women with neovasculation, all of grade high
    assert "'NV' (+) is infinite (13 rows" in found.sentence(problem)
    assert find_separation(Problem(X[:, 1:], problem.y), None) is None


def test_breast_cancer_is_completely_separated():
    X, y, names = table("wdbc.csv")
    problem = Problem(X, codes([int(float(v)) for v in y]), names=tuple(names))
    certificate = fit(problem).certificate
    assert certificate.exists is False
    assert certificate.separation.kind == "complete"
    assert certificate.separation.separated_rows == 569
    verify_direction(problem, certificate.separation)
    assert len(certificate.separation.sentence(problem)) < 300


def test_iris_setosa_is_separated_and_the_others_overlap():
    X, species, names = table("iris.csv")
    classes = ("setosa", "versicolor", "virginica")
    problem = Problem(X, codes([classes.index(s) for s in species]), 3, names=tuple(names), classes=classes)
    certificate = fit(problem).certificate
    found = certificate.separation
    assert certificate.exists is False
    assert found.kind == "quasi-complete"
    assert (found.separated_rows, found.overlapping_rows) == (50, 100)
    assert found.reference == (1, 2)
    assert {a.class_index for a in found.infinite} == {0}
    verify_direction(problem, found)
    assert "class 'setosa': the coefficients of 'Petal." in found.sentence(problem)
    others = Problem(X[50:], problem.y[50:] - 1)
    assert find_separation(others, None) is None
    assert fit(others).certificate.exists is True


def test_more_columns_than_rows_are_separable_and_rank_deficient():
    rng = np.random.default_rng(12)
    problem = Problem(rng.normal(size=(20, 40)), codes(rng.integers(0, 2, 20)))
    certificate = fit(problem).certificate
    assert certificate.separation.kind == "complete"
    assert len(certificate.rank.aliased) == 21
    assert certificate.exists is False


def test_one_class_is_refused_by_name():
    y = codes([1, 1, 1, 0])
    with pytest.raises(InputError, match="only one class: 1"):
        fit(Problem(LINE[:4], y, weight=np.array([1.0, 1, 1, 0])))
    with pytest.raises(InputError, match="only one class: 0"):
        fit(Problem(LINE[:4], codes([0, 0, 0, 0])))


def test_certify_says_the_same_of_anyone_s_coefficients():
    problem = Problem(LINE, codes([0, 0, 0, 1, 1, 1]))
    certificate = certify(problem, np.array([[8.35]]), np.zeros(1))
    assert certificate.separation.kind == "complete"
    assert certificate.exists is False
    assert not certificate.certified


@pytest.mark.parametrize("seed", [17, 31, 122, 163, 219, 282])
def test_a_quasi_separated_table_is_never_certified(seed):
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(75, 3)))
    score = X[:, 0] + X[:, 1] + 1
    problem = Problem(X, codes(np.where(score == 0, rng.random(75) < 0.5, score > 0)))
    # the rows with score 0 alone have a singular Hessian: nothing may be proved from its rounding
    certificate = fit(problem).certificate
    assert certificate.exists is False
    assert not certificate.certified
    assert certificate.separation.overlapping_rows == (score == 0).sum()


def test_extreme_but_overlapping_data_are_not_called_separated():
    rng = np.random.default_rng(13)
    x = rng.normal(size=2000)
    y = codes(x > 0)
    order = np.argsort(np.abs(x))
    y[order[:2]] = 1 - y[order[:2]]  # two rows at the border on the wrong side
    problem = Problem(x[:, None], y)
    expected = overlaps(problem)
    certificate = fit(problem).certificate
    assert (certificate.separation is None) == expected
    assert certificate.exists is expected
    assert certificate.certified == expected
