"""The estimator that takes the place of scikit-learn's when the import is changed."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.utils._param_validation import (  # type: ignore[import-untyped]
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from berkson.design import design_of
from berkson.estimators.categories import ReadsCategories, read
from berkson.estimators.inputs import columns_kept_on_failure, label_vector, row_offsets, row_weights
from berkson.fit import Certificate, Fit, Info, fit
from berkson.kernels.reference import log1p_exp, log_softmax, sigmoid, softmax
from berkson.labels import Labels, encode
from berkson.notices import RankWarning, SeparationWarning
from berkson.problem import InputError, Problem, locate_non_finite
from berkson.rows.memory import threads_for

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class LogisticRegression(ReadsCategories, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, binary and softmax, with a proof of every fit.

    Minimises, over the coefficients w and the intercept b,

        sum_i s_i log(1 + exp(-t_i (x_i'w + b + offset_i)))  +  ((1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1) / C

    with t_i = +1 for the second of two classes and -1 for the first, and s_i = sample_weight_i times class weight; for
    K > 2 classes the softmax cross-entropy -sum_i s_i log p_i(y_i) with K rows of coefficients.  The intercept is
    never penalised.  The constructor, the attributes and their shapes are those of scikit-learn's class of this name.
    Columns of any scale and origin are fitted to the same accuracy; an array X is read as it lies, never copied.

    In a data frame, columns of text and categories are factors (integers stay numbers, as in the ``"from_dtype"`` of
    scikit-learn's boosting), each an integer code a row: no encoder is needed, and no dense column for a level is made.
    Under a penalty every level has a column, so that the answer does not depend on a reference; without one (C=inf) a
    factor's first level has none (without an intercept too, that of the first factor has one).  New data are read by
    the names of columns and levels; `set_policy` says what a missing value or a new level is, by default an error.

    Parameters
    ----------
    penalty : {'l1', 'l2', 'elasticnet', None}, default='l2'
        Deprecated, as in scikit-learn 1.8: use ``C=np.inf`` for no penalty, and l1_ratio else.
    C : float > 0, default=1.0
        Inverse of the strength of the penalty; ``np.inf`` is plain maximum likelihood.
    l1_ratio : float in [0, 1], default=0.0
        0 is the ridge, 1 the lasso, between them is the elastic net.  Where it is not 0, coefficients may be exactly 0.
        Of an even number of classes the lasso may leave a column's K coefficients free to shift together without a
        change of fit or penalty; then the two in the middle are of equal size.
    tol : float >= 0, default=1e-8
        The suboptimality to be proved: (objective - optimum) / objective of the model that knows only class
        frequencies.  It means the same for every size, scale and solver, unlike the ``tol`` of scikit-learn.
    fit_intercept : bool, default=True
    class_weight : dict or 'balanced', default=None
        ``{label: weight}`` (1 where a label is missing), or n / (K * weighted count of the class).
    max_iter : int, default=100
    warm_start : bool, default=False
        Begin from the coefficients of the previous fit.  The answer is the same to within `tol`.
    dual, intercept_scaling, random_state, solver, verbose, n_jobs
        Accepted and without effect: the solver is chosen by cost, and ``fit_info_`` says which and why.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, sorted.
    coef_ : float64 ndarray of shape (1, P), or (K, P) for K > 2
        P = p, and of data frames with categories the number of `coef_names_`.
    intercept_ : float64 ndarray of shape (1,), or (K,)
    n_iter_ : int32 ndarray of shape (1,)
    n_features_in_ : int
        p, the columns of X as it was given.
    feature_names_in_ : ndarray of shape (p,)
        Only where X has column names that are all strings.
    coef_names_ : ndarray of shape (P,)
        `age`, and `race[black]` for a level.
    categories_, references_ : dict
        Of each factor its levels, in order, and, without a penalty, the level that others are compared with.
    certificate_ : berkson.fit.Certificate
        What is proved: the bound on suboptimality, whether the optimum exists, infinite and aliased coefficients.
    fit_info_ : berkson.fit.Info
        Which solver and why, iterations, readings of X, bytes read, seconds.

    Notes
    -----
    Warns with ConvergenceWarning where `tol` is not proved, with SeparationWarning where the data are separated (C=inf)
    and with RankWarning where columns are combinations of others (C=inf: their coefficients are 0; l1_ratio=1:
    they can move between columns without a change of fit or penalty, as those of a factor's levels often can).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from berkson import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression().fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    >>> model.certificate_.certified
    True
    >>> model.score(X, y)
    0.9733333333333334
    """

    _parameter_constraints = {  # noqa: RUF012
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), None, Hidden(StrOptions({"deprecated"}))],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions({"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
    }

    classes_: Array
    coef_: Any
    intercept_: F64
    n_iter_: npt.NDArray[np.int32]
    n_features_in_: int
    certificate_: Certificate
    fit_info_: Info

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-8,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: dict[Any, float] | str | None = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit to a proved suboptimality of `tol`.

        Parameters
        ----------
        X : array, sparse array or matrix, or data frame of shape (n, p)
            Numbers or booleans in any layout, and in data frames text and categories.  Not copied where it is an array
            or compressed sparse rows (CSR, whose cells may stand in any order); other sparse formats are converted to
            those, and so are sparse columns (pandas) beside others, unless the table is small or over a quarter of it
            is stored.  Nothing else is made dense.
        y : array-like of shape (n,)
            Labels of any kind; or fractions in [0, 1], the probability of class 1 (successes / trials, with the
            trials as `sample_weight`), and then ``classes_`` is [0, 1].
        sample_weight : array-like of shape (n,), default=None
            Not negative; a weight of 2 is the row twice, of 0 no row.
        offset : array-like of shape (n,), or (n, K) for K > 2, default=None
            Added to the linear predictor with coefficient 1.

        Raises
        ------
        InputError
            A ValueError: NaN or infinity in the data, one class only, negative weights, ... with the place.
        """
        ridge, lasso = self._penalty()
        with columns_kept_on_failure(self):
            X = read(self, X, reset=True, penalised=ridge > 0.0 or lasso > 0.0)
            labels = encode(label_vector(self, X, y))
            weight = row_weights(labels, sample_weight, self.class_weight)
            offsets = None if offset is None else row_offsets(offset, len(X), len(labels.classes))
            problem = self._problem(X, labels, weight, offsets, ridge, lasso)
            fitted = fit(problem, tol=float(self.tol), max_iterations=int(self.max_iter), start=self._start(problem))
        self.classes_ = labels.classes
        self.coef_, self.intercept_ = fitted.coef, fitted.intercept
        self.n_iter_ = np.array([fitted.info.iterations], dtype=np.int32)
        self.certificate_, self.fit_info_ = fitted.certificate, fitted.info
        self._fitted_with_offset = offset is not None
        warn_of(fitted)
        return self

    def decision_function(self, X: Any, offset: Any = None) -> F64:
        """The linear predictor X w + b + offset: (n,), the log-odds of ``classes_[1]``, or (n, K) for K > 2."""
        eta = self._linear_predictor(X, offset)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any, offset: Any = None) -> Array:
        """The most probable label of each row (n,); of two classes the second where its probability is at least 1/2."""
        eta = self._linear_predictor(X, offset)
        code = (eta[:, 0] >= 0).view(np.uint8) if eta.shape[1] == 1 else eta.argmax(axis=1)
        return self.classes_[code]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any, offset: Any = None) -> F64:
        """Probabilities (n, K), to full relative accuracy in both tails."""
        eta = self._linear_predictor(X, offset)
        if eta.shape[1] > 1:
            return softmax(eta)
        return np.column_stack([sigmoid(-eta), sigmoid(eta)])

    def predict_log_proba(self, X: Any, offset: Any = None) -> F64:
        """Logarithms of the probabilities (n, K), finite wherever the linear predictor is: -1e4 where it is -1e4."""
        eta = self._linear_predictor(X, offset)
        if eta.shape[1] > 1:
            return log_softmax(eta)
        return -np.column_stack([log1p_exp(eta), log1p_exp(-eta)])

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """The (weighted) share of rows whose label is predicted."""
        from sklearn.metrics import accuracy_score  # type: ignore[import-untyped]

        return float(accuracy_score(y, self.predict(X, offset), sample_weight=sample_weight))

    def sparsify(self) -> Self:
        """Hold ``coef_`` as a sparse matrix; see `densify`."""
        from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

        check_is_fitted(self)
        self.coef_ = csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Hold ``coef_`` as an array, as it is after `fit`."""
        check_is_fitted(self)
        self.coef_ = _dense(self.coef_)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _problem(
        self, X: Any, labels: Labels, weight: F64 | None, offset: F64 | None, ridge: float, lasso: float
    ) -> Problem:
        """What is fitted, in the names of the table's columns and classes."""
        names, classes = self._names(), tuple(map(str, labels.classes.tolist()))
        count, intercept = len(classes), bool(self.fit_intercept)
        return Problem(X, labels.y, count, weight, offset, ridge, intercept, names, classes, lasso=lasso)

    def _penalty(self) -> tuple[float, float]:
        """(ridge, lasso) on the coefficients, from parameters checked as scikit-learn checks them."""
        self._check_parameters()
        ratio = float(self.l1_ratio or 0.0)
        if self.penalty in ("l1", "l2"):
            ratio = float(self.penalty == "l1")
        if self.penalty is None or np.isinf(self.C):
            return 0.0, 0.0
        return (1.0 - ratio) / float(self.C), ratio / float(self.C)

    def _check_parameters(self) -> None:
        """InvalidParameterError and deprecations as scikit-learn has them; what is at its default costs nothing."""
        defaults = LogisticRegression.__init__.__kwdefaults__ or {}
        changed = {name: value for name, default in defaults.items() if (value := getattr(self, name)) is not default}
        if self.penalty != "deprecated":
            changed["penalty"] = self.penalty
        if not changed:
            return
        validate_parameter_constraints(self._parameter_constraints, changed, type(self).__name__)
        if self.n_jobs is not None:
            _deprecated("'n_jobs' has no effect; leave it unspecified")
        if "penalty" in changed:
            self._check_penalty()
        elif self.l1_ratio is None:
            _deprecated("'l1_ratio=None' was deprecated; use l1_ratio=0")

    def _check_penalty(self) -> None:
        """What scikit-learn says of the parameter that l1_ratio and C have replaced."""
        penalty, ratio = self.penalty, self.l1_ratio
        _deprecated(
            "'penalty' was deprecated; leave it unspecified and use C=np.inf for no penalty, l1_ratio=0 for 'l2', "
            "l1_ratio=1 for 'l1' and l1_ratio between them for 'elasticnet'",
            stacklevel=6,
        )
        if penalty == "elasticnet":
            if ratio is None:
                raise InputError("l1_ratio must be specified when penalty is elasticnet: give a number from 0 to 1")
            return
        if ratio is not None and 0 < ratio < 1:
            _said(f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})")
        if penalty is None and self.C != 1.0:
            _said("Setting penalty=None will ignore the C and l1_ratio parameters")
        if (penalty == "l2" and ratio != 0) or (penalty == "l1" and ratio != 1):
            fitted = "lasso" if penalty == "l1" else "ridge"
            _said(f"Inconsistent values: penalty={penalty} with l1_ratio={ratio}: the {fitted} is fitted")

    def _start(self, problem: Problem) -> tuple[F64, F64] | None:
        """The previous coefficients, where they are asked for and are of the problem's shape."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        outputs = 1 if problem.n_classes == 2 else problem.n_classes
        coef, intercept = _dense(self.coef_), self.intercept_
        return (coef, intercept) if coef.shape == (outputs, problem.X.shape[1]) else None

    def _linear_predictor(self, X: Any, offset: Any) -> F64:
        """(n, 1) for two classes, (n, K) for more."""
        check_is_fitted(self)
        if offset is None and self._fitted_with_offset:
            raise InputError("the model was fitted with an offset: pass offset= here too (zeros for a baseline)")
        X = read(self, X, reset=False)
        known = np.isfinite(self.intercept_)  # infinite for a class that a fold of a cross-validation never met
        coef = np.vstack([_dense(self.coef_).T, np.where(known, self.intercept_, 0.0)])
        threads = threads_for(X.shape[0] * X.shape[1] * coef.shape[1])
        eta = design_of(X).linear_predictor(None, np.zeros(X.shape[1]), coef, threads)
        if not np.isfinite(eta).all():
            raise locate_non_finite(Problem(X, np.empty(0), names=self._names()))
        eta[:, ~known] = self.intercept_[~known]
        if offset is not None:
            eta += row_offsets(offset, len(X), len(self.classes_)).reshape(len(X), -1)
        return eta


def _dense(coef: Any) -> F64:
    return coef.toarray() if hasattr(coef, "toarray") else coef  # type: ignore[no-any-return]


def _deprecated(message: str, stacklevel: int = 5) -> None:
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)  # at the caller of fit


def _said(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=6)  # at the caller of fit


def warn_of(fitted: Fit) -> None:
    """One sentence for each thing that the coefficients cannot be trusted for, at the caller of fit."""
    certificate, problem = fitted.certificate, fitted.problem
    if certificate.separation is not None:
        warnings.warn(certificate.separation.sentence(problem), SeparationWarning, stacklevel=3)
    elif not certificate.certified:
        warnings.warn(certificate.status, ConvergenceWarning, stacklevel=3)
    if (aliased := certificate.rank.sentence(problem)) is not None:
        warnings.warn(aliased, RankWarning, stacklevel=3)
