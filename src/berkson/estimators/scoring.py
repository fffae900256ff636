"""Scores of held-out rows: the usual ones for all penalties of a fold at once, any other by scikit-learn's scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.design import Table, design_of
from berkson.estimators.folds import FoldFits, Split
from berkson.kernels.reference import log1p_exp, log_softmax, sigmoid, soft_labels, softmax
from berkson.rows.memory import threads_for

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

LEAST = float(np.finfo(np.float64).eps)  # what scikit-learn's log loss takes a smaller probability for
CELLS = 1 << 22  # linear predictors held at a time


def scored_at_once(scoring: Any, n_classes: int, params: Mapping[str, Any]) -> bool:
    """Whether `score_at_once` has this score, the only parameter of which is the weight of rows."""
    known = isinstance(scoring, str) and scoring in MEASURES and (scoring != "roc_auc" or n_classes == 2)
    return known and not set(params) - {"sample_weight"}


def score_at_once(
    scoring: str, X: Table, codes: Array, splits: Sequence[Split], fits: FoldFits, weight: F64 | None
) -> F64:
    """The score (M, R, L) of each fit on the rows that it has not seen, as scikit-learn's scorer of that name has it.

    NaN where it has no value: `roc_auc` of rows of one class, or no row of any weight.
    """
    scores = np.full(fits.gap.shape, np.nan)
    for k, (_, test) in enumerate(splits):
        y, w = codes[test], np.ones(len(test)) if weight is None else weight[test]
        if not w.any():
            continue
        for place, eta in _predictors(X, np.asarray(test, np.intp), fits, k):
            scores[k][place] = MEASURES[scoring](eta, y, w)
    return scores


def _predictors(X: Table, rows: Array, fits: FoldFits, k: int) -> Iterator[tuple[tuple[int, int], F64]]:
    """Place in the grid and linear predictor (m, K) of each fit of a fold, many of them in one reading."""
    L, K, p = fits.coef.shape[2:]
    coef = fits.coef[k].reshape(-1, p)
    step = max(1, CELLS // max(1, len(rows) * K)) * K
    for first in range(0, len(coef), step):
        some = coef[first : first + step]
        long = isinstance(X, np.ndarray) and p > len(rows)
        eta = (_by_products(X, rows, some) if long else _by_rows(X, rows, some)).reshape(len(rows), -1, K)
        for place in range(eta.shape[1]):
            i, j = divmod(first // K + place, L)
            yield (i, j), eta[:, place] + fits.intercept[k, i, j]


def _by_rows(X: Table, rows: Array, coef: F64) -> F64:
    """x_i . coef (m, M) in one reading, without copies."""
    threads = threads_for(len(rows) * coef.size)
    columns = np.vstack([coef.T, np.zeros(len(coef))])  # constants, some infinite, are added by themselves
    return design_of(X).linear_predictor(rows, np.zeros(coef.shape[1]), columns, threads)


def _by_products(X: Any, rows: Array, coef: F64) -> F64:
    """The same for long rows, some of which are copied at a time: coefficients are then what is read most often."""
    step = max(1, CELLS // coef.shape[1])
    runs = [rows[start : start + step] for start in range(0, len(rows), step)]

    def one(run: Array) -> F64:
        return np.asarray(X[run].astype(np.float64, copy=False) @ coef.T)

    with one_thread(coef.shape[1]), ThreadPoolExecutor(threads_for(len(rows) * coef.size)) as pool:
        return np.concatenate(list(pool.map(one, runs)))


def _accuracy(eta: F64, y: Array, weight: F64) -> float:
    code = (eta[:, 0] >= 0.0) if eta.shape[1] == 1 else eta.argmax(axis=1)
    return float(weight @ (code == y) / weight.sum())


def _log_loss(eta: F64, y: Array, weight: F64) -> float:
    if eta.shape[1] == 1:
        loss = log1p_exp(np.where(y == 1, -eta[:, 0], eta[:, 0]))
    else:
        loss = -np.take_along_axis(log_softmax(eta), y[:, None].astype(np.intp), axis=1)[:, 0]
    return float(-(weight @ np.clip(loss, -np.log1p(-LEAST), -np.log(LEAST))) / weight.sum())


def _brier(eta: F64, y: Array, weight: F64) -> float:
    if eta.shape[1] == 1:
        squares = (sigmoid(eta[:, 0]) - y) ** 2
    else:
        squares = ((softmax(eta) - soft_labels(y, eta.shape[1])) ** 2).sum(axis=1)
    return float(-(weight @ squares) / weight.sum())


def _roc_auc(eta: F64, y: Array, weight: F64) -> float:
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

    met = np.bincount(y, weight, 2) > 0.0
    return float(roc_auc_score(y, np.nan_to_num(eta[:, 0]), sample_weight=weight)) if met.all() else np.nan


MEASURES: dict[str, Callable[[F64, Array, F64], float]] = {
    "accuracy": _accuracy,
    "neg_log_loss": _log_loss,
    "neg_brier_score": _brier,
    "roc_auc": _roc_auc,
}


def score_by_scorer(
    scorer: Callable[..., float],
    model_at: Callable[[int, int, int], Any],
    X: Any,
    y: Array,
    classes: Array,
    splits: Sequence[Split],
    shape: tuple[int, ...],
    params: Mapping[str, Any],
) -> F64:
    """The score (M, R, L) of the model at each place, by a scorer `scorer(estimator, X, y, **params)`."""
    from sklearn.utils import _safe_indexing  # type: ignore[import-untyped]
    from sklearn.utils.validation import _check_method_params  # type: ignore[import-untyped]

    scorer = _of_all_classes(scorer, classes)
    scores = np.empty(shape)
    for k, (_, test) in enumerate(splits):
        rows, labels, extra = (
            _safe_indexing(X, test),
            y[test],
            _check_method_params(X=X, params=dict(params), indices=test),
        )
        for j, i in np.ndindex(shape[1:]):
            scores[k, j, i] = scorer(model_at(k, j, i), rows, labels, **extra)
    return scores


def _of_all_classes(scorer: Any, classes: Array) -> Any:
    """The scorer, told of all classes where its function asks for labels: held-out rows may lack some."""
    from sklearn.metrics import make_scorer

    function = getattr(scorer, "_score_func", None)
    known = signature(function).parameters if function is not None else {}
    if "labels" not in known:
        return scorer
    told: dict[str, Any] = {"labels": classes}
    if len(classes) == 2 and "pos_label" in known:
        told["pos_label"] = classes[1]
    return make_scorer(
        function,
        response_method=scorer._response_method,
        greater_is_better=scorer._sign == 1,
        **(told | scorer._kwargs),
    )
