"""What a cross-validation is asked to try, and what it chooses by its scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """Cs (L,); ratios (R,) as fitted, and whether they were given; scoring, None read as accuracy; legacy shapes."""

    Cs: F64
    ratios: F64
    ratios_given: bool
    scoring: Any
    legacy: bool


def asked(estimator: Any) -> Asked:
    """The parameters of an estimator, of which single values are checked already."""
    given, penalty = estimator.l1_ratios, estimator.penalty
    given = None if isinstance(given, str) else given
    if penalty == "elasticnet" and given is None:
        raise InputError("l1_ratios must be an array-like of numbers between 0 and 1 for the elastic net; got None")
    ratios = np.array([0.0]) if given is None else _ratios(given)
    if penalty in ("l1", "l2"):
        ratios = np.full(len(ratios), float(penalty == "l1"))
    legacy = _is(estimator.use_legacy_attributes, "warn") or bool(estimator.use_legacy_attributes)
    return Asked(_inverse_strengths(estimator.Cs), ratios, given is not None, scoring_of(estimator), legacy)


def scoring_of(estimator: Any) -> Any:
    """The scorer asked for, which by default is accuracy until scikit-learn 1.11."""
    return "accuracy" if estimator.scoring is None or _is(estimator.scoring, "warn") else estimator.scoring


def _is(value: Any, text: str) -> bool:
    return isinstance(value, str) and value == text


def _ratios(given: Any) -> F64:
    if not len(given) or not all(isinstance(each, Real) and 0.0 <= float(each) <= 1.0 for each in given):
        raise InputError(f"l1_ratios must be an array-like of numbers between 0 and 1; got (l1_ratios={given!r})")
    return np.asarray(given, dtype=np.float64)


def _inverse_strengths(Cs: Any) -> F64:
    if isinstance(Cs, Integral):
        return np.logspace(-4, 4, int(Cs))
    try:
        given = np.asarray(Cs, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"Cs must hold numbers > 0; got {Cs!r}") from None
    if given.ndim != 1 or not len(given) or not (given > 0.0).all():
        raise InputError(f"Cs must be a row of numbers > 0 (np.inf: no penalty), at least one; got {Cs!r}")
    return given


def deprecations(estimator: Any) -> Iterator[str]:
    """What scikit-learn 1.9 says of parameters whose meaning or default will change."""
    if _is(estimator.l1_ratios, "warn"):
        yield (
            "The default value for l1_ratios will change from None to (0.0,) in scikit-learn 1.10: set it, e.g. "
            "l1_ratios=(0,)"
        )
    if estimator.penalty != "deprecated":
        yield (
            "'penalty' was deprecated; leave it unspecified and use l1_ratios=(0,) for 'l2', l1_ratios=(1,) for 'l1' "
            "and l1_ratios between them for 'elasticnet'"
        )
    elif estimator.l1_ratios is None:
        yield "'l1_ratios=None' was deprecated; use l1_ratios=(0,)"
    if _is(estimator.scoring, "warn"):
        yield (
            "The default value of the parameter 'scoring' will change from None, i.e. accuracy, to 'neg_log_loss' in "
            "scikit-learn 1.11: set it, scoring='neg_log_loss' for the new one or scoring='accuracy' for the old"
        )
    if _is(estimator.use_legacy_attributes, "warn"):
        yield (
            "The fitted attributes of LogisticRegressionCV will be simplified: set use_legacy_attributes=False for "
            "that now, or True for what they are.  The default value of use_legacy_attributes will change from True to "
            "False in scikit-learn 1.10"
        )


@dataclass(frozen=True)
class Choice:
    """Of scores (M, R, L) by folds, ratios and Cs: which of the folds have one everywhere (the others have no say);
    mean (R, L) over them; ratio and C, the places of the best mean; and each (2, M') the same of each fold."""

    judged: Array
    mean: F64
    ratio: int
    C: int
    each: npt.NDArray[np.intp]


def choose(scores: F64, scoring: Any) -> Choice:
    """The best, of equal ones that with the smallest place of C, then of ratio."""
    judged = np.asarray(~np.isnan(scores).any(axis=(1, 2)))
    if not judged.any():
        raise InputError(f"{scoring} has no value in any fold: use fewer folds, or another score")
    by_C = scores[judged].swapaxes(1, 2)  # (M', L, R), the order in which scikit-learn settles ties
    total = by_C.sum(axis=0)
    C, ratio = np.unravel_index(int(total.argmax()), total.shape)
    each = np.array(np.unravel_index(by_C.reshape(len(by_C), -1).argmax(axis=1), total.shape))[::-1]
    return Choice(judged, (total / len(by_C)).T, int(ratio), int(C), each)


def end_of_grid(choice: Choice, Cs: F64) -> str:
    """'largest' or 'smallest', where the best C is that, finite, and better than the one next to it; else ''."""
    order = np.argsort(Cs, kind="stable")
    place, along = int(np.flatnonzero(order == choice.C)[0]), choice.mean[choice.ratio][order]
    if len(Cs) > 1 and place == len(Cs) - 1 and along[-1] > along[-2] and np.isfinite(Cs[choice.C]):
        return "largest"
    if len(Cs) > 1 and place == 0 and along[0] > along[1]:
        return "smallest"
    return ""


def by_class(values: Array, classes: Sequence[Any], *, ratios_given: bool) -> dict[Any, Array]:
    """Values (M, R, L, K', ...) in the older layout: of each class (M, L, R, ...), or (M, L, ...) without ratios."""
    swapped = values.swapaxes(1, 2)
    each = {name: swapped[:, :, :, k] for k, name in enumerate(classes)}
    return each if ratios_given else {name: value[:, :, 0] for name, value in each.items()}
