"""Logistic regression on functions in the space of a kernel: boundaries of any shape, with the engine's proof."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils._param_validation import Interval, StrOptions  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from berkson.design import Sparse
from berkson.estimators.inputs import columns_kept_on_failure, label_vector, row_weights, table
from berkson.estimators.kernel_function import Gram, Kernel, Rows
from berkson.estimators.landmarks import COMPARED, Span, all_rows, draw, more_landmarks, some_rows
from berkson.fit import Certificate, Fit, Info, fit
from berkson.kernels.reference import (
    log1p_exp,
    log_softmax,
    logistic_residual,
    multinomial_residual,
    sigmoid,
    soft_labels,
    softmax,
)
from berkson.labels import encode
from berkson.problem import HUGE, InputError, Problem, check, locate_non_finite
from berkson.shortfall import PRECISION

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

EXACT_UP_TO = 5000  # rows whose kernel matrix, 200 MB, is factored whole
LANDMARKS = 1000  # where there are more rows


class KernelLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, binary and softmax, on functions in the space of a kernel, with a proof of every fit.

    Minimises, over functions f in the space H of the kernel k and the intercept b,

        sum_i s_i log(1 + exp(-t_i (f(x_i) + b)))  +  |f|_H^2 / (2 C)

    with t_i = +1 for the second of two classes and -1 for the first, and s_i = sample_weight_i times class weight; for
    K > 2 classes the softmax cross-entropy, with K functions.  The answer is f(x) = sum_j a_j k(x, l_j) over landmarks
    l_j among the rows.  Up to 5,000 rows these span all rows, and the answer is exact; beyond, or where `n_landmarks`
    says so, they are drawn by leverage scores (Nystroem), and ``landmark_gap_`` bounds what that costs.  It is a fit by
    likelihood: probabilities need no calibration after it, as those of an SVC do.

    Parameters
    ----------
    kernel : {'rbf', 'poly', 'linear', 'precomputed'} or callable, default='rbf'
        exp(-gamma |a - b|^2), (gamma a'b + coef0)^degree or a'b; a function kernel(X, Y) of two tables to their kernel
        matrix, as for SVC; or X is the kernel matrix itself, at prediction of new rows with those of the fit.
        Columns are taken in the units that they have: scale them first where units differ (StandardScaler).
    gamma : 'scale', 'auto' or float > 0, default='scale'
        'scale' is 1 / (p * variance of all cells, weighted as the rows are), 'auto' 1 / p.
    degree : float >= 0, default=3
    coef0 : float, default=0.0
    C : float > 0, default=1.0
        Inverse of the strength of the penalty.
    n_landmarks : int, default=None
        None: all rows up to 5,000, else 1,000.  Time grows with n times its square, memory with n times it.
    tol : float >= 0, default=1e-8
        The suboptimality to be proved: (objective - optimum) / objective of the model that knows only class
        frequencies.
    max_iter : int, default=100
    class_weight : dict or 'balanced', default=None
    random_state : int, RandomState or None, default=None
        Draws landmarks; without effect where all rows are.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    dual_coef_ : float64 ndarray of shape (1, m), or (K, m) for K > 2
        The a_j of each function.
    components_, component_indices_ : the m landmarks and their rows; of a precomputed kernel only the latter
    intercept_ : float64 ndarray of shape (1,), or (K,)
    gamma_ : float
        That was used; of rbf and poly.
    certificate_ : berkson.fit.Certificate
        What is proved.  Of a fit of all rows, against the optimum in H; of one of fewer landmarks, against the optimum
        over these, as its ``status`` says.
    landmark_gap_ : float
        Bound on (optimum over these landmarks - optimum in H) / objective of the null model; rounding apart it is 0
        where all rows are landmarks.  inf, not known, where more than 30,000 rows would have to be compared in pairs.
    fit_info_ : berkson.fit.Info
    n_iter_ : int32 ndarray of shape (1,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (p,), where X has column names that are all strings

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from berkson import KernelLogisticRegression
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> model = KernelLogisticRegression(C=100.0).fit(X, y)
    >>> model.score(X, y), model.certificate_.certified
    (1.0, True)
    """

    _parameter_constraints = {  # noqa: RUF012
        "kernel": [StrOptions({"rbf", "poly", "linear", "precomputed"}), callable],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0.0, None, closed="neither")],
        "degree": [Interval(Real, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "n_landmarks": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
    }

    classes_: Array
    dual_coef_: F64
    components_: Rows
    component_indices_: npt.NDArray[np.intp]
    intercept_: F64
    gamma_: float
    n_iter_: npt.NDArray[np.int32]
    n_features_in_: int
    certificate_: Certificate
    landmark_gap_: float
    fit_info_: Info

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: str | float = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        C: float = 1.0,
        n_landmarks: int | None = None,
        tol: float = 1e-8,
        max_iter: int = 100,
        class_weight: dict[Any, float] | str | None = None,
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.C = C
        self.n_landmarks = n_landmarks
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to a proved suboptimality of `tol`.

        X : (n, p) array, sparse array or data frame of numbers; (n, n) of a precomputed kernel
        y : (n,) labels of any kind, or fractions in [0, 1], the probability of class 1
        sample_weight : (n,), not negative; a weight of 2 is the row twice, of 0 no row

        Warns with ConvergenceWarning where `tol` is not proved.  Raises InputError, a ValueError, with the place: NaN
        or infinity, one class only, a kernel that is not symmetric or not positive semi-definite, ...
        """
        self._validate_params()
        with columns_kept_on_failure(self):
            data = table(self, X, reset=True)
            labels = encode(label_vector(self, data, y))
            weight = row_weights(labels, sample_weight, self.class_weight)
            rows = self._rows(data)
            if self.kernel == "precomputed" and rows.shape[0] != rows.shape[1]:
                raise InputError(
                    f"a precomputed kernel of {rows.shape[0]} rows has shape {rows.shape}: X must be a square matrix, "
                    "the kernel of each row with each"
                )
            kernel = self._kernel(rows, weight)
            gram, strength = Gram(kernel, rows), 1.0 / float(self.C)
            classes = tuple(map(str, labels.classes.tolist()))
            problem = Problem(np.zeros((len(gram), 0)), labels.y, len(classes), weight, None, strength, classes=classes)
            check(problem)
            span, exact = self._span(gram, problem)
            fitted = fit(replace(problem, X=span.features), tol=float(self.tol), max_iterations=int(self.max_iter))
        self._keep(kernel, rows, span, fitted)
        self.classes_ = labels.classes
        self._judge(fitted, more_landmarks(gram, span, _residual(fitted), strength), exact)
        return self

    def decision_function(self, X: Any) -> F64:
        """f(x) + b: (n,), the log-odds of ``classes_[1]``, or (n, K) for K > 2."""
        eta = self._predictor(X)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any) -> Array:
        """The most probable label of each row (n,); of two classes the second where its probability is at least 1/2."""
        eta = self._predictor(X)
        code = (eta[:, 0] >= 0).view(np.uint8) if eta.shape[1] == 1 else eta.argmax(axis=1)
        return self.classes_[code]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> F64:
        """Probabilities (n, K)."""
        eta = self._predictor(X)
        return softmax(eta) if eta.shape[1] > 1 else np.column_stack([sigmoid(-eta), sigmoid(eta)])

    def predict_log_proba(self, X: Any) -> F64:
        """Logarithms of the probabilities (n, K), finite in both tails."""
        eta = self._predictor(X)
        return log_softmax(eta) if eta.shape[1] > 1 else -np.column_stack([log1p_exp(eta), log1p_exp(-eta)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.kernel != "precomputed"
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags

    def _rows(self, data: Array | Sparse) -> Rows:
        """As kernels take them; InputError that names the first cell that is NaN or infinite."""
        values = data if isinstance(data, np.ndarray) else data.cells.values
        most = np.abs(values).max(initial=0) if values.dtype.kind == "f" else 0.0
        if not most <= HUGE:
            raise locate_non_finite(Problem(data, np.empty(0), names=tuple(getattr(self, "feature_names_in_", ()))))
        if isinstance(data, np.ndarray):
            single = self.kernel == "precomputed" and data.dtype == np.float32  # whose rounding is that of the kernel
            return data if single else np.ascontiguousarray(data, dtype=np.float64)
        if self.kernel == "precomputed":
            raise InputError("a precomputed kernel cannot be sparse: give X.toarray()")
        from scipy.sparse import csr_array  # type: ignore[import-untyped]

        cells = data.cells
        indptr = np.append(cells.start[:1], cells.stop)
        return csr_array((values.astype(np.float64), cells.columns, indptr), shape=data.shape)

    def _kernel(self, rows: Rows, weight: F64 | None) -> Kernel:
        self.gamma_ = _gamma(self.gamma, rows, weight) if self.kernel in ("rbf", "poly") else 1.0
        center = rows.mean(axis=0) if self.kernel == "rbf" and isinstance(rows, np.ndarray) else None
        return Kernel(self.kernel, self.gamma_, float(self.degree), float(self.coef0), center)

    def _span(self, gram: Gram, problem: Problem) -> tuple[Span, bool]:
        """Landmarks, and whether they span all rows."""
        count = self.n_landmarks
        if count is None:
            count = len(gram) if len(gram) <= EXACT_UP_TO else LANDMARKS
        if count >= len(gram):
            return all_rows(gram), True
        random = check_random_state(self.random_state)
        return some_rows(gram, draw(gram, count, problem.weight, problem.strength, random)), False

    def _keep(self, kernel: Kernel, rows: Rows, span: Span, fitted: Fit) -> None:
        self._kernel_of_fit = kernel
        self.component_indices_ = span.rows
        if kernel.name != "precomputed":
            self.components_ = rows[span.rows]
        self.dual_coef_, self.intercept_ = span.dual_coef(fitted.coef), fitted.intercept
        self.n_iter_ = np.array([fitted.info.iterations], dtype=np.int32)
        self.fit_info_ = fitted.info

    def _judge(self, fitted: Fit, more: float, exact: bool) -> None:
        """The certificate, of all rows or of the landmarks; a warning where it does not certify."""
        proof, null = fitted.certificate, fitted.certificate.null_objective
        most = more if np.isinf(more) else min(more, proof.objective)  # no objective is negative
        self.landmark_gap_ = most / null
        gap = proof.gap + more if exact else proof.gap  # rounding in the kernel counts where C is huge
        certified = gap <= proof.tol * null
        if certified:
            status = (
                f"optimum certified: the objective is within {max(gap / null, PRECISION):.1g} of its least possible "
                "value, relative to the null model's"
            )
        elif proof.certified:
            status = (
                f"not certified: rounding in the kernel matrix leaves the optimum uncertain by {gap / null:.1g} of the "
                "null model's objective: choose a smaller C, or a larger tol"
            )
        else:
            status = _stopped(fitted)
        if not exact:
            status = f"{status}; {self._of_landmarks()}"
        self.certificate_ = replace(proof, certified=certified, gap=gap, relative_gap=gap / null, status=status)
        if not certified:
            warnings.warn(status, ConvergenceWarning, stacklevel=3)

    def _of_landmarks(self) -> str:
        count = len(self.component_indices_)
        if np.isinf(self.landmark_gap_):
            return (
                f"this is of functions over {count:,} landmarks, and what all rows as landmarks would gain is not "
                f"known beyond {COMPARED:,} rows"
            )
        return (
            f"this is of functions over {count:,} landmarks: all rows as landmarks would lower the objective by at "
            f"most {self.landmark_gap_:.1g}, relative to the null model's"
        )

    def _predictor(self, X: Any) -> F64:
        """(n, 1) for two classes, (n, K) for more."""
        check_is_fitted(self)
        rows, kernel = self._rows(table(self, X, reset=False)), self._kernel_of_fit
        eta = np.tile(self.intercept_, (rows.shape[0], 1))
        for place in Gram(kernel, rows).runs(len(self.component_indices_)):
            if kernel.name == "precomputed":
                block = rows[place, self.component_indices_]
            else:
                block = kernel.between(rows[place], self.components_)
            eta[place] += block @ self.dual_coef_.T
        return eta


def _gamma(gamma: str | float, rows: Rows, weight: F64 | None) -> float:
    """scikit-learn's rule for SVC, with the rows' weights."""
    if not isinstance(gamma, str):
        return float(gamma)
    n, p = map(int, rows.shape)
    if gamma == "auto":
        return 1.0 / p
    share = np.full(n, 1.0 / n) if weight is None or not weight.any() else weight / weight.sum()
    mean = float((share @ rows).sum()) / p
    squares = (rows - mean) ** 2 if isinstance(rows, np.ndarray) else rows.power(2)
    variance = float((share @ squares).sum()) / p - (0.0 if isinstance(rows, np.ndarray) else mean * mean)
    return 1.0 / (p * variance) if variance > 0.0 else 1.0


def _residual(fitted: Fit) -> F64:
    """Weighted residuals (n, 1 or K): derivatives of the losses by the predictors."""
    problem = fitted.problem
    assert isinstance(problem.X, np.ndarray)
    eta = problem.X @ fitted.coef.T + fitted.intercept
    if problem.n_classes == 2:
        residual = logistic_residual(eta, problem.y[:, None].astype(np.float64))
    else:
        residual = multinomial_residual(eta, soft_labels(problem.y, problem.n_classes))
    return residual if problem.weight is None else residual * problem.weight[:, None]


def _stopped(fitted: Fit) -> str:
    """How far a fit came that is not proved, and what to do."""
    proof, info = fitted.certificate, fitted.info
    found = (
        f"at most {proof.relative_gap:.1g} above its optimum, relative to the null model's"
        if np.isfinite(proof.relative_gap)
        else "not bounded"
    )
    more = "raise max_iter, or " if info.stopped == "limit" else ""
    return (
        f"stopped after {info.iterations} iterations with the objective {found} (asked: {proof.tol:.1g}): {more}choose "
        "a smaller C, or a kernel with smaller values (scale the columns)"
    )
