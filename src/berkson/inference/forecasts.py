"""Probabilities and what happened: what measures of calibration and discrimination judge, on any data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.kernels.reference import sigmoid, soft_labels, softmax

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Forecasts:
    """Probabilities of rows, and their outcomes.

    probability  (n,) of the event for two classes, (n, K) of each class for more.
    y            (n,) class codes 0..K-1, or the share of events in [0, 1] (grouped counts, soft labels), or (n, K).
    weight       (n,) or None, of the kind `weight_kind`: see `Estimates`.  A row of weight w with the share y is w y
                 events and w (1 - y) others; so a grouped count's weight is its trials.

    Raises StatisticsError, one sentence, for what is no probability, label or weight.
    """

    probability: F64
    y: Array
    weight: F64 | None = None
    weight_kind: WeightKind = "frequency"

    def __post_init__(self) -> None:
        n, P = len(self.probability), self.probability
        if P.ndim > 2 or (P.ndim == 2 and P.shape[1] < 3) or (self.y.ndim == 2 and self.y.shape != P.shape):
            raise StatisticsError(
                f"probabilities of shape {P.shape} do not fit outcomes of shape {self.y.shape}; for two classes give "
                "the probability of the event alone (n,), for K classes (n, K)"
            )
        if len(self.y) != n or (self.weight is not None and len(self.weight) != n):
            raise StatisticsError(
                f"there are {n} probabilities, {len(self.y)} outcomes"
                + ("" if self.weight is None else f" and {len(self.weight)} weights")
                + "; give one of each for a row"
            )
        _refuse(~((P >= 0.0) & (P <= 1.0)), "the probability", "between 0 and 1")
        shares = self.y.dtype.kind == "f"
        if shares and self.y.ndim == 1 and self.n_classes > 2:
            raise StatisticsError(
                "the outcomes of several classes are whole numbers, their codes, or shares (n, K); convert them"
            )
        most = 1.0 if shares else self.n_classes - 1.0
        _refuse(~((self.y >= 0) & (self.y <= most)), "the outcome", f"between 0 and {most:g}")
        if self.weight is not None:
            _refuse(~((self.weight >= 0.0) & np.isfinite(self.weight)), "the weight", "finite and not negative")

    @property
    def n_classes(self) -> int:
        return 2 if self.probability.ndim == 1 else self.probability.shape[1]

    @cached_property
    def events(self) -> F64:
        """The weight of events in each row (n,)."""
        self.require_two()
        y = self.y.astype(np.float64, copy=False)
        return y if self.weight is None else y * self.weight

    @cached_property
    def others(self) -> F64:
        """The weight of what was no event in each row (n,)."""
        self.require_two()
        y = self.y.astype(np.float64, copy=False)
        return 1.0 - y if self.weight is None else (1.0 - y) * self.weight

    @property
    def total(self) -> float:
        """The total weight."""
        return float(len(self.y)) if self.weight is None else float(self.weight.sum())

    def indicators(self) -> F64:
        """The weight of each class in each row (n, K)."""
        each = soft_labels(self.y, self.n_classes)
        return each if self.weight is None else each * self.weight[:, None]

    def against_rest(self, k: int) -> Forecasts:
        """Class k and its probability, against all others."""
        y = self.y[:, k] if self.y.ndim == 2 else (self.y == k).astype(np.uint8)
        return Forecasts(self.probability[:, k], y, self.weight, self.weight_kind)

    def require_two(self) -> None:
        """StatisticsError for more than two classes."""
        if self.n_classes > 2:
            raise StatisticsError(
                f"this measure is for two classes, and here are {self.n_classes}; judge each class against the rest"
            )

    def require_counts(self, what: str) -> None:
        """StatisticsError where weights do not count outcomes, so that nothing is known of how a sum of them varies."""
        if self.weight is not None and self.weight_kind != "frequency":
            raise StatisticsError(
                f"{what} needs independent outcomes, which {self.weight_kind} weights do not count; use the bootstrap, "
                "or frequency weights where a weight is a number of outcomes"
            )


def forecasts(estimates: Estimates) -> Forecasts:
    """The fitted probabilities with the outcomes they were fitted to: an apparent judgement, better than new data's."""
    estimates.require()
    eta, problem = estimates.linear_predictor(), estimates.problem
    probability = sigmoid(eta[:, 0]) if problem.n_classes == 2 else softmax(eta)
    kind: WeightKind = "frequency" if estimates.counts_outcomes else estimates.weight_kind
    return Forecasts(probability, problem.y, problem.weight, kind)


def _refuse(wrong: npt.NDArray[np.bool_], what: str, needs: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong if wrong.ndim == 1 else wrong.any(axis=1)))
        raise StatisticsError(f"{what} in row {row} is not {needs}; correct it or leave out the row")
