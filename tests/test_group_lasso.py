"""Columns in groups: by optimality conditions written out here, against a proximal gradient method, the lasso that they
contain, and R's glmnet where a group is a feature's coefficients in all classes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from path_data import birthwt, columns, data, infert, wdbc

from berkson.design import Sparse
from berkson.group_penalty import SparseGroup
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import cross_validate
from berkson.select.path import path
from berkson.solvers.blocks import block_minimum

R: dict[str, Any] = json.loads((Path(__file__).parent / "r" / "groups.json").read_text())
ROOT = 1e-6  # of slopes and of coefficients per deviation: the square root of 1e-12, to which objectives are proved


def made(n: int, p: int, K: int = 2, seed: int = 3) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10 ** rng.uniform(-1, 1, p) + rng.normal(size=p)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    eta = Z[:, :6] @ rng.normal(size=(min(6, p), K))
    y = (eta + rng.gumbel(size=(n, K))).argmax(axis=1).astype(np.uint8)
    offset = rng.normal(size=n) / 3 if K == 2 else rng.normal(size=(n, K)) / 3
    return Problem(X, y, n_classes=K, weight=rng.uniform(0.5, 2, n), offset=offset)


def by_deviations(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights that sum to 1, columns centred and in units of their deviations, and those."""
    weight = np.ones(len(problem.y)) if problem.weight is None else problem.weight
    weight = weight / weight.sum()
    unit = np.sqrt(weight @ (problem.X - weight @ problem.X) ** 2)
    return weight, (problem.X - weight @ problem.X) / unit, unit


def slopes(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean loss by each class's coefficients of standardised columns (K or 1, p), and those coefficients."""
    weight, Z, unit = by_deviations(problem)
    eta = problem.X @ coef.T + intercept
    if problem.offset is not None:
        eta = eta + problem.offset.reshape(len(eta), -1)
    if len(coef) == 1:
        residual = 1 / (1 + np.exp(-eta)) - problem.y[:, None]
    else:
        P = np.exp(eta - eta.max(axis=1, keepdims=True))
        residual = P / P.sum(axis=1, keepdims=True) - np.eye(len(coef))[problem.y]
    residual *= weight[:, None]
    assert np.abs(residual.sum(axis=0)).max() < ROOT  # intercepts are free
    return residual.T @ Z, coef * unit


def soft(x: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


def violation(slope: np.ndarray, z: np.ndarray, lambda_: float, share: float, ratio: float, factor: float) -> float:
    """How far zero lies from the subdifferential of one group's part of the objective."""
    lasso, radius = lambda_ * ratio * share * factor, lambda_ * ratio * (1 - share) * factor * math.sqrt(z.shape[1])
    slope = slope + lambda_ * (1 - ratio) * factor * z
    if not z.any():
        return float(np.linalg.norm(soft(slope, lasso))) - radius
    slope = slope + radius * z / np.linalg.norm(z)
    return float(np.abs(np.where(z != 0.0, slope + lasso * np.sign(z), soft(slope, lasso))).max())


@pytest.mark.parametrize("ratio", [1.0, 0.6])
@pytest.mark.parametrize(
    ("shape", "share"),
    [
        ((400, 20, 2), 0.0),
        ((400, 20, 2), 0.4),
        ((60, 100, 2), 0.0),
        ((60, 100, 2), 0.4),
        ((300, 24, 3), 0.0),
        ((40, 60, 4), 0.0),
    ],
)
def test_slopes_balance_the_groups(shape: tuple[int, int, int], share: float, ratio: float) -> None:
    problem = made(*shape)
    codes = np.arange(shape[1]) % (shape[1] // 4)
    factors = np.ones(shape[1])
    factors[codes == 1] = 2.0
    factors[codes == 0] = 0.0 if shape[0] > shape[1] else 1.0
    found = path(
        problem, groups=codes, share=share, l1_ratio=ratio, factors=factors, count=10, complete=True, tol=1e-12
    )
    assert found.certified.all()
    scaled = factors * len(factors) / factors.sum()
    zeros = 0
    for i, lambda_ in enumerate(found.lambdas):
        slope, z = slopes(problem, found.coef[i], found.intercept[i])
        for g in range(codes.max() + 1):
            own = codes == g
            assert violation(slope[:, own], z[:, own], lambda_, share, ratio, scaled[own][0]) < ROOT
            zeros += not z[:, own].any()
    assert zeros > 5  # groups are zero together
    assert found.df[0] == (factors == 0).sum()


@pytest.mark.parametrize(("share", "ratio"), [(0.0, 1.0), (0.4, 1.0), (0.4, 0.7)])
def test_a_proximal_gradient_method_ends_at_the_same_fit(share: float, ratio: float) -> None:
    problem = replace(made(200, 12), offset=None)
    codes = np.repeat(np.arange(4), [1, 2, 4, 5])
    weight, Z, unit = by_deviations(problem)
    found = path(problem, groups=codes, share=share, l1_ratio=ratio, lambdas=[0.03], tol=1e-14)
    step = 4.0 / np.linalg.eigvalsh((Z.T * weight) @ Z + 0.0)[-1].clip(1.0)
    z, intercept, lambda_ = np.zeros(12), 0.0, 0.03
    for _ in range(5000):
        residual = weight * (1 / (1 + np.exp(-(Z @ z + intercept))) - problem.y)
        intercept -= step * residual.sum()
        z = soft(z - step * (Z.T @ residual), step * lambda_ * ratio * share)
        for g in range(4):
            own = codes == g
            radius = step * lambda_ * ratio * (1 - share) * math.sqrt(own.sum())
            length = max(float(np.linalg.norm(z[own])), 1e-300)
            z[own] *= max(0.0, 1 - radius / length)
        z /= 1 + step * lambda_ * (1 - ratio)
    np.testing.assert_allclose(found.coef[0, 0] * unit, z, atol=1e-7)  # what first-order steps reach
    assert (z == 0).any()
    np.testing.assert_array_equal(found.coef[0, 0] == 0, z == 0)


@pytest.mark.parametrize("problem", [wdbc(), infert(), made(50, 80)], ids=["wdbc", "infert", "wide"])
def test_groups_of_one_column_and_a_share_of_all_are_the_lasso(problem: Problem) -> None:
    p = problem.X.shape[1]
    lasso = path(problem, count=20, smallest=0.01, complete=True, tol=1e-13)
    unit = problem.X.std(axis=0)
    for options in ({"groups": [f"g{j}" for j in range(p)]}, {"groups": np.arange(p) // 3, "share": 1.0}):
        found = path(problem, **options, count=20, smallest=0.01, complete=True, tol=1e-13)
        assert found.certified.all()
        np.testing.assert_allclose(found.lambdas, lasso.lambdas, rtol=1e-12)
        np.testing.assert_allclose(found.coef * unit, lasso.coef * unit, atol=2e-5)  # flat where columns outnumber rows
        np.testing.assert_allclose(found.objective, lasso.objective, rtol=1e-12)


def test_one_group_of_all_columns_has_one_length() -> None:
    problem = made(300, 6)
    found = path(problem, groups=[0] * 6, count=10, smallest=0.01, tol=1e-12)
    assert found.certified.all()
    assert found.df.tolist() == [0] + [6] * 9
    slope, _ = slopes(problem, found.coef[0], found.intercept[0])
    assert np.linalg.norm(slope) == pytest.approx(math.sqrt(6) * found.lambdas[0], rel=1e-9)


CASES: dict[str, dict[str, Any]] = {
    "iris": {},
    "iris_raw": {"standardize": False},
    "iris_net": {"l1_ratio": 0.4, "factors": [1, 2, 0.5, 1]},
    "iris_weights": {"factors": [0, 1, 1, 2]},
    "race": {},
}


@pytest.mark.parametrize("case", CASES)
def test_all_classes_of_a_feature_together_are_those_of_glmnet(case: str) -> None:
    expected = R[case]
    if case == "race":
        names = ("age", "lwt", "smoke", "ptl", "ht", "ui", "ftv", "low")
        problem = Problem(
            columns("birthwt", *names), (columns("birthwt", "race")[:, 0] - 1).astype(np.uint8), n_classes=3
        )
    else:
        X = columns("iris", *list(data("iris"))[:4])
        codes = np.unique(data("iris")["Species"], return_inverse=True)[1].astype(np.uint8)
        problem = Problem(X, codes, n_classes=3)
        if case == "iris_weights":
            shift = np.column_stack([X[:, 1] - 3, np.zeros(len(X)), 3 - X[:, 1]]) / 4
            problem = replace(problem, weight=0.5 + X[:, 1] / 4, offset=shift)
    found = path(problem, groups=np.arange(problem.X.shape[1]), **CASES[case], lambdas=expected["lambda"], tol=1e-13)
    assert found.certified.all()
    coef, each = np.array(expected["coef"]).transpose(1, 0, 2), np.abs(problem.X).max(axis=0)
    coef = coef - coef.mean(axis=1, keepdims=True)  # of a factor 0 the shift is free
    intercept = np.array(expected["intercept"])
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef * each, coef * each, atol=1e-6 * largest)
    np.testing.assert_allclose(found.intercept, intercept - intercept.mean(axis=1, keepdims=True), atol=1e-6 * largest)
    np.testing.assert_allclose(found.deviance_ratio, expected["deviance_ratio"], atol=1e-7)


@pytest.mark.parametrize("shape", [(300, 20, 2), (40, 60, 2), (200, 10, 3), (30, 40, 3)])
def test_a_proved_gap_is_no_less_than_the_true_one(shape: tuple[int, int, int]) -> None:
    problem = made(*shape)
    options: dict[str, Any] = {
        "groups": np.arange(shape[1]) // 4,
        "share": 0.0 if shape[2] > 2 else 0.2,
        "count": 8,
        "smallest": 0.02,
        "complete": True,
    }
    loose, tight = path(problem, **options, tol=1e-2), path(problem, **options, tol=1e-11)
    assert loose.certified.all()
    assert tight.certified.all()
    excess = (loose.objective - tight.objective) / tight.null_objective
    assert excess.max() > 1e-9
    assert (excess <= loose.gap + 1e-10).all()  # and what is left of the tight one's


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_equal_columns_of_a_group_share_their_coefficient(share: float) -> None:
    problem = made(200, 6)
    twice = replace(problem, X=np.hstack([problem.X, problem.X[:, :2]]))
    found = path(twice, groups=[0, 0, 1, 1, 2, 2, 0, 0], share=share, count=20, tol=1e-12)
    assert found.certified.all()
    assert found.coef[-1].all()
    np.testing.assert_allclose(found.coef[..., 6:] / found.coef[-1, 0, 6:], found.coef[..., :2] / found.coef[-1, 0, :2])
    np.testing.assert_allclose(found.coef[-1, 0, 6:], found.coef[-1, 0, :2], rtol=1e-6)


def test_equal_columns_of_two_groups_are_fitted() -> None:
    problem = made(200, 20)
    found = path(replace(problem, X=np.hstack([problem.X, problem.X])), groups=np.arange(40) // 4)
    assert found.certified.all()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_folds_are_proved(share: float) -> None:
    found = cross_validate(birthwt(), 5, column_groups=[0, 0, 1, 1, 2, 2, 3, 3], share=share, count=30)
    assert found.certified.all()
    coef, _ = found.coef(2)
    rest = np.delete(np.arange(len(birthwt().y)), found.folds.held_out[2])
    some = replace(birthwt(), X=birthwt().X[rest], y=birthwt().y[rest])
    alone = path(some, groups=[0, 0, 1, 1, 2, 2, 3, 3], share=share, lambdas=found.path.lambdas)
    unit = some.X.std(axis=0)
    np.testing.assert_allclose(coef * unit, alone.coef * unit, atol=2e-3)  # the square root of their tolerance, 1e-6


def test_what_a_split_says_of_every_other_point_holds() -> None:
    rng, d, group = np.random.default_rng(4), 6, np.array([0, 0, 1, 1, 1, 2])
    for _ in range(300):
        threshold = rng.choice([0, 0.3, 1, math.inf], d)
        penalty = SparseGroup(np.zeros(d), threshold, group, rng.choice([0, 0.5, 2], 3), 10 ** rng.uniform(-1, 1, d))
        held = np.isinf(threshold)
        points = rng.normal(size=(21, d)) * (rng.random((21, d)) < 0.7) * (rng.random((21, 3)) < 0.7)[:, group]
        theta, *others = np.where(held, 0.0, points)
        gradient = rng.normal(size=d) * 10 ** rng.uniform(-1, 1)
        slack, excess = penalty.split(theta, gradient, rng.choice([0, 0.1, 1, 10, math.inf], d))
        assert slack >= -1e-15  # rounding
        kinks = np.where(penalty.smooth, 0.0, gradient)
        for to in others:
            change = penalty.kinked(to) - penalty.kinked(theta) + gradient @ (to - theta)
            rounding = 1e-12 * (1 + np.abs(gradient).max() * np.abs(points).max())
            assert change >= excess @ (to - theta) - slack - rounding
            assert abs(penalty.slope(theta, to, gradient) - change) < rounding
            assert kinks @ to <= penalty.dual_norm(kinks) * penalty.kinked(to) + rounding


@pytest.mark.parametrize("kind", ["plain", "correlated", "rank deficient", "equal columns", "a free block"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_quadratics_with_blocks_are_minimised_from_any_start(kind: str, share: float) -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        d = int(rng.integers(4, 40))
        A = rng.normal(size=(int(rng.integers(1, d)) if kind == "rank deficient" else 2 * d, d))
        if kind == "correlated":
            A = A @ (0.05 * np.eye(d) + 0.95 / d)
        if kind == "equal columns":
            A[:, d // 2] = A[:, 0]
        H, linear, group = A.T @ A, -A.T @ rng.normal(size=len(A)), np.arange(d) * 4 // d
        lambda_ = np.abs(linear).max() * 10 ** rng.uniform(-4, 0)
        lasso, radius = np.full(d, lambda_ * share), np.full(4, lambda_ * (1 - share))
        if kind == "a free block":
            lasso[group == 3], radius[3] = 0.0, 0.0
        x = block_minimum(H, linear, lasso, radius, group, rng.normal(size=d) * (rng.random(d) < 0.5))
        slope = H @ x + linear
        for g in range(4):
            own = group == g
            off = violation(slope[None, own], x[None, own], 1.0, 1.0, 1.0, lasso[own][0])
            if radius[g] > 0:
                length = float(np.linalg.norm(x[own]))
                if length == 0.0:
                    off = float(np.linalg.norm(soft(slope[own], lasso[own][0]))) - radius[g]
                else:
                    turned = slope[own] + radius[g] * x[own] / length
                    off = violation(turned[None], x[None, own], 1.0, 1.0, 1.0, lasso[own][0])
            assert off < 1e-10 * np.abs(linear).max()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": [0, 1]}, "one code a column"),
        ({"groups": [0, 0, 1, 1, 2, 2, 3, math.nan]}, "column 'ftv'"),
        ({"groups": [0] * 8, "share": 1.5}, "from 0"),
        ({"groups": [0] * 8, "factors": [1, 2] * 4}, "different factors"),
        ({"groups": np.array([0, "a"] * 4, dtype=object)}, "kinds of codes"),
        ({"share": 0.5}, "give groups"),
    ],
)
def test_groups_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        path(birthwt(), **options)


def test_sparse_groups_of_more_than_two_classes_are_refused() -> None:
    with pytest.raises(InputError, match="two classes"):
        path(made(60, 4, 3), groups=[0, 0, 1, 1], share=0.5)


@pytest.mark.parametrize("options", [{"groups": np.arange(12) // 3, "share": 0.3}, {"lower": -0.2, "upper": 0.4}])
def test_a_sparse_table_has_the_fits_of_the_dense_one(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 12)) * (rng.random((300, 12)) < 0.3)
    y = (rng.random(300) < 1 / (1 + np.exp(-X @ rng.normal(size=12)))).astype(np.uint8)
    rows, indices = np.nonzero(X)
    table = Sparse.of(X[rows, indices], indices, np.searchsorted(rows, np.arange(301)), 12)
    dense, sparse = (path(Problem(each, y), **options, count=20, tol=1e-12) for each in (X, table))
    assert sparse.certified.all()
    np.testing.assert_allclose(sparse.coef, dense.coef, atol=ROOT)
