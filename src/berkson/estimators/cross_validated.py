"""The estimator that chooses its penalty by cross-validation, in the place of scikit-learn's of this name."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.metrics import get_scorer, get_scorer_names  # type: ignore[import-untyped]
from sklearn.model_selection import check_cv  # type: ignore[import-untyped]
from sklearn.utils import metadata_routing as routing  # type: ignore[import-untyped]
from sklearn.utils._param_validation import (  # type: ignore[import-untyped]
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _deprecate_positional_args  # type: ignore[import-untyped]

from berkson.design import Mixed, SideBySide
from berkson.estimators import choices
from berkson.estimators.categories import read
from berkson.estimators.choices import Asked, Choice
from berkson.estimators.doubts import doubts
from berkson.estimators.folds import FoldFits, Grid, Split, fit_folds
from berkson.estimators.inputs import COLUMNS_KNOWN, columns_kept_on_failure, label_vector, row_weights
from berkson.estimators.logistic import LogisticRegression, warn_of
from berkson.estimators.scoring import score_at_once, score_by_scorer, scored_at_once
from berkson.fit import Fit, fit
from berkson.labels import Labels, encode
from berkson.problem import InputError, Problem, check

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class LogisticRegressionCV(LogisticRegression):
    """Logistic regression whose penalty is chosen by cross-validation, with a proof of every fold's fit.

    Every C and l1_ratio is fitted without each fold, folds in lockstep and none on a copy of its rows; the pair with
    the best mean score over folds is fitted to all rows.  See `LogisticRegression` for what is minimised.  The
    constructor, the attributes and their shapes are those of scikit-learn 1.9's class of this name.

    Parameters
    ----------
    Cs : int or array-like of floats > 0, default=10
        The inverse strengths tried, or how many from 1e-4 to 1e4, evenly on the scale of logarithms.
    l1_ratios : array-like of floats in [0, 1], default=None
        As in scikit-learn None is (0,), and its default is deprecated: give l1_ratios=(0,) for the ridge.
    fit_intercept : bool, default=True
    cv : int, splitter or iterable of (train, test) rows, default=None
        5 stratified folds, or so many; or any splitter of scikit-learn.
    penalty : {'l1', 'l2', 'elasticnet'}, default='l2'
        Deprecated, as in scikit-learn 1.8.
    scoring : str or callable, default=None
        Any scorer of scikit-learn, or ``scorer(estimator, X, y)``; None is 'accuracy' until scikit-learn 1.11.
    tol : float >= 0, default=1e-8
        The suboptimality to be proved of every fit; see `LogisticRegression`.
    max_iter : int, default=100
        Of each fit.
    class_weight : dict or 'balanced', default=None
        Of fits, not of scores; balanced by all rows.
    refit : bool, default=True
        Fit all rows with the best C and l1_ratio; else average each fold's best, coefficients included.
    use_legacy_attributes : bool, default=True
        As in scikit-learn 1.9, where the default is deprecated: the shapes below are those of False.
    dual, solver, n_jobs, verbose, intercept_scaling, random_state
        Accepted and without effect.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_, feature_names_in_, coef_names_, categories_, references_
        As in `LogisticRegression`; categories have references where no C is finite.
    C_, l1_ratio_ : float
        What was chosen.
    Cs_ : ndarray of shape (n_cs,)
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Of the rows that each fit has not seen.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, 1 or K, p or p + 1)
        Of each fold, the intercept last.  Where a fold trains on no row of a class, that is minus infinity.
    n_iter_ : int32 ndarray of shape (n_folds, n_l1_ratios, n_cs)
    fold_gaps_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        What is proved of each fit: (objective - optimum) / null objective is at most this; inf where nothing is.
    certificate_, fit_info_
        Of the fit to all rows (only with refit=True).

    Notes
    -----
    Warns where a fold lacks a class, where it has no score, where the best C is at an end of the grid (and whether the
    classes are separated, so that every larger C fits better), and with ConvergenceWarning where `tol` is not proved.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from berkson import LogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegressionCV(l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False).fit(X, y)
    >>> round(model.C_, 2)
    166.81
    >>> bool(model.fold_gaps_.max() <= 1e-8)
    True
    """

    __metadata_request__score = {"sample_weight": routing.UNUSED}  # noqa: RUF012
    _parameter_constraints = {  # noqa: RUF012
        **{
            k: v
            for k, v in LogisticRegression._parameter_constraints.items()
            if k not in ("C", "warm_start", "l1_ratio")
        },
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, Hidden(StrOptions({"warn"}))],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None, Hidden(StrOptions({"warn"}))],
        "refit": ["boolean"],
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), Hidden(StrOptions({"deprecated"}))],
        "use_legacy_attributes": ["boolean", Hidden(StrOptions({"warn"}))],
    }

    C_: Any
    l1_ratio_: Any
    Cs_: F64
    l1_ratios_: Array
    scores_: Any
    coefs_paths_: Any
    fold_gaps_: F64

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = "warn",
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: str = "deprecated",
        scoring: Any = "warn",
        solver: str = "lbfgs",
        tol: float = 1e-8,
        max_iter: int = 100,
        class_weight: dict[Any, float] | str | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: Any = None,
        use_legacy_attributes: bool | str = "warn",
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.solver = solver
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:  # type: ignore[override]
        """Fit every fold over the grid, choose, and fit all rows.

        Parameters
        ----------
        X, y, sample_weight
            As in `LogisticRegression.fit`; y holds labels.  Weights count in fits, and in scores as scikit-learn has it
            (with metadata routing: where the scorer requests them).
        **params
            For the splitter (such as groups) and the scorer, with metadata routing enabled.

        Raises
        ------
        InputError
            A ValueError, in one sentence: what `LogisticRegression.fit` refuses; folds that have no fit or no score.
        """
        routing._raise_for_params(params, self, "fit")
        validate_parameter_constraints(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        for message in choices.deprecations(self):
            warnings.warn(message, FutureWarning, stacklevel=2)
        asked = choices.asked(self)
        grid = Grid(asked.Cs, asked.ratios, float(self.tol), int(self.max_iter))
        with columns_kept_on_failure(self):
            given, X = X, read(self, X, reset=True, penalised=bool(np.isfinite(asked.Cs).any()))
            rows = given if isinstance(X, Mixed | SideBySide) else _rows(X)
            labels = _hard(encode(label_vector(self, X, y)))
            weight = row_weights(labels, sample_weight, self.class_weight)
            problem = self._problem(X, labels, weight, None, 0.0, 0.0)
            check(problem)
            routed = self._routed(sample_weight, params)
            splits = self._splits(rows, labels.classes[labels.y], routed.splitter.split)
            fits = fit_folds(problem, splits, grid)
            scores = self._scores(asked, X, rows, labels, splits, fits, routed.scorer.score)
            choice = choices.choose(scores, asked.scoring)
            fitted = self._refit(problem, grid, fits, choice) if self.refit else None
        self.classes_, self._fitted_with_offset = labels.classes, False
        self._keep(asked, fits, scores, choice, fitted)
        if fitted is not None:
            warn_of(fitted)
        for category, message in doubts(problem, grid, fits, choice, asked.scoring):
            warnings.warn(message, category, stacklevel=2)
        return self

    def _routed(self, sample_weight: Any, params: dict[str, Any]) -> Any:
        """Parameters for the splitter and the scorer."""
        if routing._routing_enabled():
            return routing.process_routing(self, "fit", sample_weight=sample_weight, **params)
        score = params if sample_weight is None else {**params, "sample_weight": sample_weight}
        return routing._manual_routing({"splitter": {}, "scorer": {"score": score}})

    def _splits(self, rows: Any, y: Array, params: Any) -> list[Split]:
        """Row numbers that train and that are held out, of each fold."""
        every = np.arange(len(y))
        pairs = check_cv(self.cv, y, classifier=True).split(rows, y, **params)
        splits = [(_chosen(train, every), _chosen(test, every)) for train, test in pairs]
        if not splits:
            raise InputError("cv gives no folds: give at least one pair (rows that train, rows held out)")
        return splits

    def _scores(
        self, asked: Asked, X: Any, rows: Any, labels: Labels, splits: list[Split], fits: FoldFits, params: Any
    ) -> F64:
        """Scores (M, R, L) of held-out rows."""
        params = {name: value for name, value in params.items() if value is not None}
        if isinstance(params.get("sample_weight"), Real):
            del params["sample_weight"]  # the same for all rows
        if scored_at_once(asked.scoring, len(labels.classes), params):
            weight = params.get("sample_weight")
            weight = None if weight is None else np.asarray(weight, dtype=np.float64)
            return score_at_once(asked.scoring, X, labels.y, splits, fits, weight)
        known = {name: vars(self)[name] for name in COLUMNS_KNOWN if name in vars(self)}
        if not isinstance(X, Mixed | SideBySide):
            known.pop("feature_names_in_", None)  # rows are arrays

        def model_at(fold: int, ratio: int, C: int) -> LogisticRegression:
            model = LogisticRegression(C=asked.Cs[C], l1_ratio=asked.ratios[ratio], fit_intercept=self.fit_intercept)
            model.__dict__.update(known)
            model.classes_, model._fitted_with_offset = labels.classes, False
            model.coef_, model.intercept_ = fits.coef[fold, ratio, C], fits.intercept[fold, ratio, C]
            return model

        return score_by_scorer(
            *(get_scorer(asked.scoring), model_at, rows, labels.classes[labels.y]),
            *(labels.classes, splits, fits.gap.shape, params),
        )

    def _refit(self, problem: Problem, grid: Grid, fits: FoldFits, choice: Choice) -> Fit:
        """The fit of all rows with the best pair, begun from the mean of the folds."""
        place = (slice(None), choice.ratio, choice.C)
        coef, intercept = fits.coef[place].mean(axis=0), fits.intercept[place]
        start = (coef, intercept.mean(axis=0)) if np.isfinite(intercept).all() else None
        best = grid.problem(problem, choice.ratio, choice.C)
        return fit(best, tol=grid.tol, max_iterations=grid.max_iterations, start=start, space=fits.space)

    def _keep(self, asked: Asked, fits: FoldFits, scores: F64, choice: Choice, fitted: Fit | None) -> None:
        """The fitted attributes, in scikit-learn's shapes."""
        if fitted is not None:
            self.coef_, self.intercept_ = fitted.coef, fitted.intercept
            self.certificate_, self.fit_info_ = fitted.certificate, fitted.info
            C, ratio = asked.Cs[choice.C], asked.ratios[choice.ratio]
        else:
            for name in ("certificate_", "fit_info_"):
                self.__dict__.pop(name, None)
            places = (np.flatnonzero(choice.judged), *choice.each)
            self.coef_, self.intercept_ = fits.coef[places].mean(axis=0), _mean_intercept(fits, places)
            C, ratio = asked.Cs[choice.each[1]].mean(), asked.ratios[choice.each[0]].mean()
        self.Cs_, self.l1_ratios_ = asked.Cs, asked.ratios if asked.ratios_given else np.array([None])
        self.fold_gaps_ = fits.gap
        paths = fits.params if self.fit_intercept else fits.coef
        if not asked.legacy:
            self.C_, self.l1_ratio_ = float(C), float(ratio)
            self.scores_, self.coefs_paths_, self.n_iter_ = scores, paths, fits.iterations
            return
        names = self.classes_.tolist() if len(self.classes_) > 2 else self.classes_[1:].tolist()
        given = asked.ratios_given
        self.C_, self.l1_ratio_ = (
            np.full(len(names), C),
            np.full(len(names), ratio if given or fitted is None else None),
        )
        every = np.broadcast_to(scores[..., None], (*scores.shape, len(names)))
        self.scores_ = choices.by_class(every, names, ratios_given=given)
        self.coefs_paths_ = choices.by_class(paths, names, ratios_given=given)
        self.n_iter_ = choices.by_class(fits.iterations[..., None], [0], ratios_given=given)[0][None]

    @_deprecate_positional_args(version="1.11")  # type: ignore[untyped-decorator]
    def score(self, X: Any, y: Any, *, sample_weight: Any = None, **score_params: Any) -> float:
        """The score by which the penalty was chosen, of these rows: a number for which larger is better."""
        routing._raise_for_params(score_params, self, "score")
        if sample_weight is not None:
            score_params["sample_weight"] = sample_weight
        if routing._routing_enabled():
            score_params = routing.process_routing(self, "score", **score_params).scorer.score
        return float(self._get_scorer()(self, X, y, **score_params))

    def get_metadata_routing(self) -> Any:
        """To whom parameters of `fit` and `score` are passed on: the splitter and the scorer."""
        to = routing.MethodMapping
        return (
            routing.MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=self.cv, method_mapping=to().add(caller="fit", callee="split"))
            .add(
                scorer=self._get_scorer(),
                method_mapping=to().add(caller="score", callee="score").add(caller="fit", callee="score"),
            )
        )

    def _get_scorer(self) -> Any:
        return get_scorer(choices.scoring_of(self))


def _hard(labels: Labels) -> Labels:
    if labels.soft:
        raise InputError(
            "Unknown label type: continuous: y holds fractions, of which scikit-learn has neither folds of equal "
            "shares nor scores: give class labels, or use LogisticRegression"
        )
    return labels


def _chosen(rows: Any, every: Array) -> Array:
    """Row numbers, given as such or as a mask."""
    given = np.asarray(rows)
    try:
        return every[given if given.size else given.astype(np.intp)]  # type: ignore[no-any-return]
    except IndexError:
        raise InputError(
            f"cv gives rows that are not there: X has rows 0 to {len(every) - 1}; give row numbers, or masks of all"
        ) from None


def _rows(X: Any) -> Any:
    """What rows can be taken from by number."""
    if isinstance(X, np.ndarray):
        return X
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

    cells = X.cells
    return csr_array((cells.values, cells.columns, np.append(cells.start[:1], cells.stop)), shape=X.shape)


def _mean_intercept(fits: FoldFits, places: Any) -> F64:
    intercept = fits.intercept[places]
    if not np.isfinite(intercept).all():
        fold = int(np.flatnonzero([len(absent) > 0 for absent in fits.absent])[0])
        raise InputError(
            f"fold {fold} lacks a class, so that its intercepts are infinite and have no mean: set refit=True, or use "
            "folds that are drawn with equal shares of the classes (StratifiedKFold)"
        )
    return intercept.mean(axis=0)  # type: ignore[no-any-return]
