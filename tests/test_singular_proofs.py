"""Proofs under a ridge where columns are empty or the same: a Kronecker product bounds the Hessian."""

from __future__ import annotations

import numpy as np
import pytest

from berkson.fit import fit
from berkson.inverse import Kronecker, null_class_hessian
from berkson.loss import Multinomial
from berkson.problem import Problem

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("alike", [False, True], ids=["an empty column", "and two alike"])
def test_the_matrix_of_a_singular_gram_lies_below_and_not_far(alike: bool) -> None:
    Z = RNG.normal(size=(50, 5))
    Z[:, 1] = 0.0
    if alike:
        Z[:, 3] = Z[:, 2]
    basis = Multinomial(4).basis
    classes = null_class_hessian(basis, np.array([0.1, 0.2, 0.3, 0.4]))
    ridge = np.array([0.5, 1.0, 2.0, 3.0, 0.0])  # the last stands for the constant, which has none
    exact = np.kron(classes, Z.T @ Z) + np.kron(np.eye(3), np.diag(ridge))
    bound = Kronecker.of(classes, Z.T @ Z, ridge)
    assert bound is not None
    inverse = np.column_stack([bound.solve(unit) for unit in np.eye(15)])
    ratios = np.linalg.eigvals(inverse @ exact).real  # of the exact matrix to the one below it
    assert ratios.min() >= 1.0 - 1e-12
    assert ratios.max() <= 1.0 / 0.9 + 1e-12  # a tenth of the ridge is what may be missing
    assert Kronecker.of(classes, Z.T @ Z, np.zeros(5)) is None


def test_a_table_with_empty_columns_and_columns_alike_is_certified_under_a_ridge() -> None:
    X = np.round(4 * RNG.random(size=(400, 60)))
    X[:, [0, 30]] = 0.0
    X[:, 11] = X[:, 10]
    y = (X @ RNG.normal(size=(60, 10)) + 20 * RNG.gumbel(size=(400, 10))).argmax(axis=1).astype(np.uint8)
    problem = Problem(X, y, 10, strength=1.0)
    found, best = fit(problem), fit(problem, tol=1e-13)
    assert found.certificate.certified
    assert best.certificate.certified
    # rounding of sums of 400 losses
    assert found.certificate.objective - best.certificate.objective <= found.certificate.gap + 1e-13 * 400
    np.testing.assert_allclose(found.coef[:, [0, 30]], 0.0, atol=1e-15)  # rounding of a product of matrices
    np.testing.assert_allclose(found.coef[:, 10], found.coef[:, 11], atol=1e-5)


def test_no_loss_is_negative_so_the_objective_itself_is_a_bound() -> None:
    x = np.linspace(-1, 1, 40)[:, None]
    certificate = fit(Problem(x, (x[:, 0] > 0).astype(np.uint8), strength=1e-14)).certificate
    assert certificate.certified
    assert certificate.gap <= certificate.objective
