"""What does the work of a study: a function that prepares, untimed, and gives the work to be timed.

The work returns coefficients, (L, columns + levels + 1) with the intercept last or (folds, L, ...), and what it says.
A ladder's settings go from loose to tight; the time of a program is that of the loosest that is accurate enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.studies.data import Data

Work = Callable[[], tuple[Any, dict[str, Any]]]
TIGHTER = tuple({"tol": 10.0**-k} for k in (3, 4, 5, 6, 7, 8, 10, 12))


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    package: str
    prepare: Callable[..., Work]
    ladder: tuple[dict[str, Any], ...] = ({},)


def _stacked(coefs: Any, intercepts: Any) -> Any:
    return np.column_stack([np.asarray(coefs), np.asarray(intercepts)])


# --- lasso and paths ------------------------------------------------------------------------------------------------


def berkson_lasso(data: Data, tol: float) -> Work:
    from berkson import LogisticRegression

    C = 1.0 / (len(data.y) * data.l1[0])

    def work() -> tuple[Any, dict[str, Any]]:
        model = LogisticRegression(C=C, l1_ratio=1.0, tol=tol, fit_intercept=data.intercept).fit(data.X, data.y)
        return _stacked(model.coef_, model.intercept_), {"gap": model.certificate_.relative_gap}

    return work


def berkson_path(data: Data, tol: float) -> Work:
    from berkson.problem import Problem
    from berkson.select.path import path

    problem = Problem(design(data.X), data.y.astype(np.uint8), intercept=data.intercept)

    def work() -> tuple[Any, dict[str, Any]]:
        found = path(problem, lambdas=data.l1, standardize=False, complete=True, tol=tol)
        return _stacked(found.coef[:, 0], found.intercept[:, 0]), {"gap": float(found.gap.max())}

    return work


def design(X: Any) -> Any:
    """What a Problem takes: an array as it is, a sparse table as a view."""
    from berkson.design import Sparse

    return X if isinstance(X, np.ndarray) else Sparse.of(X.data, X.indices, X.indptr, X.shape[1])


def skglm_path(data: Data, tol: float) -> Work:
    from skglm import GeneralizedLinearEstimator  # type: ignore[import-untyped]
    from skglm.datafits import Logistic  # type: ignore[import-untyped]
    from skglm.penalties import L1  # type: ignore[import-untyped]
    from skglm.solvers import ProxNewton  # type: ignore[import-untyped]

    X = _by_columns(data.X)

    def work() -> tuple[Any, dict[str, Any]]:
        solver = ProxNewton(fit_intercept=data.intercept, tol=tol, warm_start=True, max_iter=200)
        model, rows = GeneralizedLinearEstimator(Logistic(), L1(1.0), solver), []
        for alpha in data.l1:
            model.penalty.alpha = float(alpha)
            model.fit(X, data.y)
            rows.append(np.append(model.coef_.ravel(), model.intercept_ if data.intercept else 0.0))
        return np.array(rows), {}

    return work


def celer_path(data: Data, tol: float) -> Work:
    from celer import LogisticRegression  # type: ignore[import-untyped]

    X, n = _by_columns(data.X), len(data.y)

    def work() -> tuple[Any, dict[str, Any]]:
        model, rows = LogisticRegression(fit_intercept=False, tol=tol, warm_start=True, max_iter=200), []
        for alpha in data.l1:
            model.C = 1.0 / (n * alpha)
            model.fit(X, data.y)
            rows.append(np.append(model.coef_.ravel(), 0.0))
        return np.array(rows), {}

    return work


def liblinear_lasso(data: Data, tol: float) -> Work:
    from sklearn.linear_model import LogisticRegression

    C = 1.0 / (len(data.y) * data.l1[0])

    def work() -> tuple[Any, dict[str, Any]]:
        model = LogisticRegression(C=C, l1_ratio=1.0, solver="liblinear", fit_intercept=False, tol=tol, max_iter=2000)
        model.fit(data.X, data.y)
        return _stacked(model.coef_, [0.0]), {}

    return work


def _by_columns(X: Any) -> Any:
    """Their own layout, made before the clock starts."""
    return np.asfortranarray(X) if isinstance(X, np.ndarray) else X.tocsc()


SCORED: dict[str, Any] = {"scoring": "neg_log_loss", "use_legacy_attributes": False}  # defaults to come, named


# --- cross-validation -----------------------------------------------------------------------------------------------


def berkson_cross_validation(data: Data, tol: float) -> Work:
    """The curve of held-out deviance along the path."""
    from berkson.problem import Problem
    from berkson.select.cross_validation import cross_validate

    problem = Problem(design(data.X), data.y.astype(np.uint8), intercept=data.intercept)
    assert data.fold is not None
    fold = data.fold

    def work() -> tuple[Any, dict[str, Any]]:
        found = cross_validate(
            problem,
            fold,
            lambdas=data.l1,
            standardize=False,
            complete=True,
            tol=tol,
            measure="deviance",
            own_columns=False,
        )
        coefs = _stacked(found.path.coef[:, 0], found.path.intercept[:, 0])
        return coefs, {"gap": float(found.gap.max()), "curve": found.chosen.mean.tolist()}

    return work


def berkson_ridge_and_folds(data: Data, tol: float) -> Work:
    """The held-out deviance of one strength, and the fits without each fold."""
    from berkson.problem import Problem
    from berkson.select.cross_validation import cross_validate

    problem = Problem(data.X, data.y.astype(np.uint8), intercept=data.intercept)
    assert data.fold is not None
    fold, strengths = data.fold, len(data.y) * data.l2
    ridge: dict[str, Any] = {"l1_ratio": 0.0, "lambdas": strengths, "scale": "sum", "standardize": False}

    def work() -> tuple[Any, dict[str, Any]]:
        found = cross_validate(problem, fold, **ridge, tol=tol, measure="deviance")
        coefs = [_stacked(*(each[:, 0] for each in found.coef(k))) for k in range(found.folds.count)]
        return np.array(coefs), {"gap": float(found.gap.max()), "curve": found.chosen.mean.tolist()}

    return work


def berkson_ridge_folds(data: Data, tol: float) -> Work:
    from berkson import LogisticRegressionCV

    return _ridge_folds(data, lambda Cs, cv: LogisticRegressionCV(Cs=Cs, cv=cv, tol=tol, l1_ratios=(0.0,), **SCORED))


def sklearn_ridge_folds(data: Data, tol: float, solver: str) -> Work:
    from sklearn.linear_model import LogisticRegressionCV

    def make(Cs: Any, cv: Any) -> Any:
        return LogisticRegressionCV(Cs=Cs, cv=cv, tol=tol, l1_ratios=(0.0,), solver=solver, max_iter=10_000, **SCORED)

    return _ridge_folds(data, make)


def _ridge_folds(data: Data, make: Callable[[Any, Any], Any]) -> Work:
    return _folds(data, data.l2, make)


def sklearn_lasso_folds(data: Data, tol: float, solver: str) -> Work:
    from sklearn.linear_model import LogisticRegressionCV

    def make(Cs: Any, cv: Any) -> Any:
        always = {"max_iter": 10_000, "random_state": 0, **SCORED}
        return LogisticRegressionCV(Cs=Cs, cv=cv, tol=tol, l1_ratios=(1.0,), solver=solver, **always)

    return _folds(data, data.l1, make)


def _folds(data: Data, penalties: Any, make: Callable[[Any, Any], Any]) -> Work:
    from sklearn.model_selection import PredefinedSplit

    Cs = 1.0 / (len(data.y) * penalties)

    def work() -> tuple[Any, dict[str, Any]]:
        model = make(Cs, PredefinedSplit(data.fold)).fit(data.X, data.y)
        paths = model.coefs_paths_
        paths = next(iter(paths.values())) if isinstance(paths, dict) else paths
        return np.asarray(paths).reshape(int(data.fold.max()) + 1, len(Cs), -1), {}  # type: ignore[union-attr]

    return work


# --- one ridge, any shape -------------------------------------------------------------------------------------------


def berkson_ridge(data: Data, tol: float) -> Work:
    from berkson import LogisticRegression

    C = 1.0 / (len(data.y) * data.l2[0])

    def work() -> tuple[Any, dict[str, Any]]:
        model = LogisticRegression(C=C, tol=tol, fit_intercept=data.intercept).fit(data.X, data.y)
        return _stacked(model.coef_, model.intercept_), {"gap": model.certificate_.relative_gap}

    return work


def sklearn_ridge(data: Data, tol: float, solver: str) -> Work:
    from sklearn.linear_model import LogisticRegression

    C = 1.0 / (len(data.y) * data.l2[0])

    def work() -> tuple[Any, dict[str, Any]]:
        model = LogisticRegression(C=C, tol=tol, solver=solver, max_iter=10_000, fit_intercept=data.intercept)
        model.fit(data.X, data.y)
        return _stacked(model.coef_, model.intercept_), {}

    return work


# --- bootstrap ------------------------------------------------------------------------------------------------------


def berkson_bootstrap(data: Data, replicates: int) -> Work:
    """Of maximum likelihood, which a fit with so weak a ridge is to many digits; its params begin with the constant."""
    from berkson import logit

    fit = logit(data.y, data.X)

    def work() -> tuple[Any, dict[str, Any]]:
        found = fit.bootstrap(replicates, seed=1)
        params = np.asarray(fit.params)
        return np.append(params[1:], params[0])[None, :], {"replicates": len(found.fitted)}

    return work


# --- factors --------------------------------------------------------------------------------------------------------


def frame(data: Data) -> Any:
    """A data frame of the numbers and the factors as categories, levels in their order."""
    import pandas as pd

    columns: dict[str, Any] = {f"x{j}": data.X[:, j] for j in range(data.X.shape[1])}
    for j in range(data.codes.shape[1]):  # type: ignore[union-attr]
        codes = data.codes[:, j]  # type: ignore[index]
        columns[f"f{j}"] = pd.Categorical.from_codes(codes, [str(k) for k in range(int(codes.max()) + 1)])
    return pd.DataFrame(columns)


def berkson_factors(data: Data, tol: float) -> Work:
    from berkson import LogisticRegression

    table, C = frame(data), 1.0 / (len(data.y) * data.l2[0])

    def work() -> tuple[Any, dict[str, Any]]:
        model = LogisticRegression(C=C, tol=tol).fit(table, data.y)
        return _stacked(model.coef_, model.intercept_), {"gap": model.certificate_.relative_gap}

    return work


def glum_factors(data: Data, tol: float) -> Work:
    from glum import GeneralizedLinearRegressor  # type: ignore[import-untyped]

    table = frame(data)

    def work() -> tuple[Any, dict[str, Any]]:
        model = GeneralizedLinearRegressor(
            family="binomial", alpha=float(data.l2[0]), l1_ratio=0.0, gradient_tol=tol, max_iter=1000
        )
        model.fit(table, data.y)
        return np.append(model.coef_, model.intercept_)[None, :], {}

    return work


_LBFGS, _NEWTON_CG, _CHOLESKY, _LIBLINEAR = (
    tuple({"tol": 10.0**-k, "solver": solver} for k in (2, 3, 4, 5, 6, 7, 8, 10))
    for solver in ("lbfgs", "newton-cg", "newton-cholesky", "liblinear")
)
OURS_8, OURS_6 = ({"tol": 1e-8},), ({"tol": 1e-6},)

PROGRAMS = {
    program.name: program
    for program in (
        Program("berkson lasso", "berkson", berkson_lasso, OURS_6),
        Program("berkson path", "berkson", berkson_path, OURS_6),
        Program("berkson path and folds", "berkson", berkson_cross_validation, OURS_6),
        Program("berkson ridge and folds", "berkson", berkson_ridge_and_folds, OURS_8),
        Program("berkson folds", "berkson", berkson_ridge_folds, OURS_8),
        Program("berkson ridge", "berkson", berkson_ridge, OURS_8),
        Program("berkson bootstrap", "berkson", berkson_bootstrap, ({"replicates": 1000},)),
        Program("berkson factors", "berkson", berkson_factors, OURS_8),
        Program("skglm", "skglm", skglm_path, TIGHTER),
        Program("celer", "celer", celer_path, TIGHTER),
        Program("liblinear lasso", "scikit-learn", liblinear_lasso, TIGHTER),
        Program("scikit-learn lbfgs", "scikit-learn", sklearn_ridge, _LBFGS),
        Program("scikit-learn newton-cg", "scikit-learn", sklearn_ridge, _NEWTON_CG),
        Program("scikit-learn newton-cholesky", "scikit-learn", sklearn_ridge, _CHOLESKY),
        Program("scikit-learn liblinear", "scikit-learn", sklearn_ridge, _LIBLINEAR),
        *(
            Program(name, "scikit-learn", sklearn_lasso_folds, ({"tol": 1e-3, "solver": name.rpartition(" ")[2]},))
            for name in ("scikit-learn lasso folds, saga", "scikit-learn lasso folds, liblinear")
        ),
        Program("scikit-learn folds, lbfgs", "scikit-learn", sklearn_ridge_folds, _LBFGS),
        Program("scikit-learn folds, newton-cg", "scikit-learn", sklearn_ridge_folds, _NEWTON_CG),
        Program("scikit-learn folds, newton-cholesky", "scikit-learn", sklearn_ridge_folds, _CHOLESKY),
        Program("glum", "glum", glum_factors, TIGHTER),
    )
}
