"""What is fitted: the rows, the loss and the penalty, checked once and then frozen.

    objective(coef) = sum_i weight_i loss(y_i, x_i . coef + intercept + offset_i)
                      + strength / 2 |coef|^2 + lasso |coef|_1

The intercept is never penalised.  With both 0 it is plain maximum likelihood; of scikit-learn's C and l1_ratio,
strength is (1 - l1_ratio) / C and lasso is l1_ratio / C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.design import Table, design_of
from berkson.loss import Logistic, Loss, Multinomial

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


HUGE = 1e150  # values beyond it overflow when squared
TOTALS = 1e-300, 1e304  # sums of weights between which no loss or gradient loses its digits or overflows


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """What the door that a caller came through calls its options and its rows, for messages.

    source, used : the name of a table, whose rows count from 1, and which of them (n_read,) the problem has (None:
    all); without a source, rows count from 0 as those of arrays do.
    """

    penalty: str = "a penalty (strength > 0, a finite C)"
    stronger: str = "a stronger penalty (a smaller C)"
    iterations: str = "max_iter"
    weights: str = "sample_weight"
    source: str = ""
    used: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A logistic regression.

    X        (n, p) array of numbers or booleans in any layout, or a table of `berkson.design`; never copied.
    y        (n,) uint8 or int32 class codes 0..K-1; or float64: P(y = 1) in [0, 1] for two classes (soft labels, and
             counts as successes / trials with `weight` = trials), (n, K) rows that sum to 1 for K.
    n_classes  K >= 2.
    weight   (n,) >= 0 or None.
    offset   (n,) for two classes, (n, K) for more, or None.
    strength ridge on the coefficients, >= 0.
    lasso    on the sum of their absolute values, >= 0.
    smoothing  more of a ridge on each column (p,), >= 0: the smoothing parameters of splines; or None.
    names    of the columns, for messages; classes and the wording of options, likewise.
    """

    X: Table
    y: Array
    n_classes: int = 2
    weight: F64 | None = None
    offset: F64 | None = None
    strength: float = 0.0
    intercept: bool = True
    names: tuple[str, ...] = field(default=())
    classes: tuple[str, ...] = field(default=())
    wording: Wording = field(default=Wording())
    lasso: float = 0.0
    smoothing: F64 | None = None

    @property
    def penalised(self) -> bool:
        return self.strength > 0.0 or self.lasso > 0.0 or self.smoothing is not None

    @property
    def loss(self) -> Loss:
        return Logistic() if self.n_classes == 2 else Multinomial(self.n_classes)

    @property
    def unknowns(self) -> int:
        """Coefficients to find: one for each column and the constant, and for each class but one."""
        return int(self.X.shape[1] + 1) * (self.n_classes - 1)

    def column(self, j: int) -> str:
        """The name of column j; j = p is the constant."""
        if j == self.X.shape[1]:
            return "(Intercept)"
        return self.names[j] if self.names else f"x{j}"

    def row(self, i: int) -> str:
        """Row i in the words of the door."""
        wording = self.wording
        if not wording.source:
            return f"row {i}"
        place = i if wording.used is None else int(np.flatnonzero(wording.used)[i])
        return f"row {place + 1} of {wording.source}"

    def class_name(self, k: int) -> str:
        return self.classes[k] if self.classes else str(k)

    def part_of(self, k: int) -> F64:
        """How much of each row is of class k (n,): 0 or 1, or the share of soft labels."""
        if self.y.dtype.kind in "ui":
            return np.asarray(self.y == k, dtype=np.float64)
        if self.y.ndim == 2:
            return np.asarray(self.y[:, k])
        return np.asarray(self.y if k else 1.0 - self.y)

    def class_weights(self) -> F64:
        """The total weight of each class (K,); soft labels count by their share."""
        if self.y.dtype.kind in "ui":
            return self._code_weights()
        if self.y.ndim == 2:
            return self.y.sum(axis=0) if self.weight is None else self.weight @ self.y
        ones = float(self.y.sum() if self.weight is None else self.weight @ self.y)
        total = float(len(self.y) if self.weight is None else self.weight.sum())
        return np.array([total - ones, ones])

    def _code_weights(self) -> F64:
        """By runs of rows: bincount makes 8-byte copies of what it counts."""
        totals = np.zeros(self.n_classes)
        for start in range(0, len(self.y), 1 << 16):
            run = slice(start, start + (1 << 16))
            weight = None if self.weight is None else self.weight[run]
            totals += np.bincount(self.y[run], weights=weight, minlength=self.n_classes)
        return totals

    def null_objective(self, class_weights: F64) -> float:
        """The loss of the model that knows only class frequencies (without an intercept: only that there are K)."""
        total = float(class_weights.sum())
        if not self.intercept:
            return total * float(np.log(self.n_classes))
        share = class_weights[class_weights > 0] / total
        return -total * float(share @ np.log(share))


class InputError(ValueError):
    """Data that cannot be fitted; the message names the place and the way out."""


def check(problem: Problem) -> F64:
    """Refuse what has no fit, in one sentence; the total weight of each class."""
    n = problem.X.shape[0]
    if n == 0:
        raise InputError("the table has no rows: there is nothing to fit")
    if not 0.0 <= problem.strength < np.inf:
        raise InputError(
            f"strength is {problem.strength:g} (1/C): it must be finite and not negative; choose a larger C"
        )
    if not 0.0 <= problem.lasso < np.inf:
        raise InputError(
            f"lasso is {problem.lasso:g}: it must be finite and not negative; choose a smaller one (a larger C)"
        )
    if problem.smoothing is not None and not ((problem.smoothing >= 0.0) & (problem.smoothing < np.inf)).all():
        raise InputError("a smoothing parameter is negative or not finite: give finite ones, 0 or more")
    _check_labels(problem, n)
    if problem.weight is not None:
        _check_weights(problem, problem.weight, n)
    if problem.offset is not None and len(problem.offset) != n:
        raise InputError(f"offset has {len(problem.offset)} rows, but X has {n}: give one offset a row")
    if problem.offset is not None and not np.isfinite(problem.offset).all():
        row = int(np.flatnonzero(~np.isfinite(problem.offset.reshape(n, -1)).all(axis=1))[0])
        raise InputError(f"offset holds NaN or infinity in {problem.row(row)}; drop the row or give it a finite offset")
    if problem.offset is not None and np.abs(problem.offset).max() > HUGE:
        row = int(np.flatnonzero((np.abs(problem.offset) > HUGE).reshape(n, -1).any(axis=1))[0])
        raise InputError(
            f"offset is too large to be squared in {problem.row(row)} ({np.abs(problem.offset[row]).max():g} or the "
            "negative of it): correct it"
        )
    totals = problem.class_weights()
    absent = [problem.class_name(k) for k in np.flatnonzero(totals == 0).tolist()]
    if absent and len(absent) < problem.n_classes - 1:
        of_weight = "" if problem.weight is None else " of positive weight"
        raise InputError(
            f"class {absent[0]} has no rows{of_weight}, so its intercept would be minus infinity: drop the class"
        )
    if not (totals > 0).sum() > 1:
        name = problem.class_name(int(totals.argmax()))
        with_weight = "" if problem.weight is None else " with positive weight"
        raise InputError(
            f"logistic regression needs samples of at least 2 classes{with_weight}, "
            f"but the data contains only one class: {name}"
        )
    return totals


def check_coefficients(problem: Problem, coef: F64, intercept: F64) -> None:
    """InputError for those of another shape than (1, p) and (1,) for two classes, (K, p) and (K,) for K, and for the
    first that is no finite number."""
    outputs = 1 if problem.n_classes == 2 else problem.n_classes
    shape = (outputs, problem.X.shape[1])
    if coef.shape != shape or intercept.shape != (outputs,):
        raise InputError(
            f"coef {coef.shape} and intercept {intercept.shape} do not fit the problem: give {shape} and {(outputs,)}"
        )
    wrong = np.argwhere(~np.isfinite(np.column_stack([coef, intercept])))
    if len(wrong):
        k, j = map(int, wrong[0])
        value = intercept[k] if j == coef.shape[1] else coef[k, j]
        of_class = "" if problem.n_classes == 2 else f" of class {problem.class_name(k)!r}"
        raise InputError(
            f"the coefficient of {problem.column(j)!r}{of_class} is {value:g}, which nothing can be proved of: "
            "give finite coefficients"
        )


def _check_labels(problem: Problem, n: int) -> None:
    y, K = problem.y, problem.n_classes
    if len(y) != n:
        raise InputError(f"y has {len(y)} rows, but X has {n}: give one label a row")
    if y.dtype.kind in "ui":
        if y.max() >= K or (y.dtype.kind == "i" and y.min() < 0):
            row = int(np.flatnonzero((y >= K) | (y < 0))[0])
            raise InputError(f"y holds the class code {y[row]} in {problem.row(row)}, but codes go from 0 to {K - 1}")
        return
    inside = (y >= 0.0) & (y <= 1.0)
    if y.ndim == 2:
        inside = inside.all(axis=1) & (np.abs(y.sum(axis=1) - 1.0) <= 1e-9)
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        needs = "shares of the classes that sum to 1" if y.ndim == 2 else "a probability from 0 to 1"
        raise InputError(f"y holds {y[row]} in {problem.row(row)}; a soft label is {needs}")


def _check_weights(problem: Problem, weight: F64, n: int) -> None:
    name = problem.wording.weights
    if weight.shape != (n,):
        raise InputError(f"{name} has shape {weight.shape}, but X has {n} rows: give one weight a row")
    if not np.isfinite(weight).all():
        row = int(np.flatnonzero(~np.isfinite(weight))[0])
        raise InputError(f"{name} holds NaN or infinity in {problem.row(row)}; drop the row or correct it")
    if weight.min() < 0:
        row = int(np.flatnonzero(weight < 0)[0])
        raise InputError(
            f"{name} is negative in {problem.row(row)} ({weight[row]:g}); weights must be zero or positive"
        )
    if not weight.any():
        raise InputError(f"{name} is zero in every row: there is nothing to fit")
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if not TOTALS[0] <= total <= TOTALS[1]:
        raise InputError(
            f"{name} sums to {total:.3g}, and objectives can be computed of sums from {TOTALS[0]:g} to "
            f"{TOTALS[1]:g} only: give all weights in another unit"
        )


def locate_non_finite(problem: Problem) -> InputError:
    """The error that names the first cell of X that is NaN or infinite, or else one that is too large to square."""
    found = _first_cell(problem.X, lambda x: ~np.isfinite(x))
    if found is not None:
        i, j, value, count, read = found
        kind = "NaN" if np.isnan(value) else "infinity"
        more = f" ({count} such values in its first {read} rows)" if count > 1 else ""
        return InputError(
            f"Input X contains {kind}: column {problem.column(j)!r}, {problem.row(i)}{more}; "
            "drop or impute such rows first"
        )
    found = _first_cell(problem.X, lambda x: np.abs(x) > HUGE)
    if found is not None:
        i, j, value, _, _ = found
        return InputError(
            f"column {problem.column(j)!r} holds {value:g} in {problem.row(i)}, too large to be squared: correct the "
            "value or rescale the column"
        )
    return InputError("the linear predictor overflows: rescale the columns, the offset or the coefficients given")


def _first_cell(X: Table, wrong: Callable[[F64], npt.NDArray[np.bool_]]) -> tuple[int, int, float, int, int] | None:
    """(row, column, value) of the first cell that is wrong, by rows, and the number of such values of its column in so
    many first rows."""
    for rows, columns, values in design_of(X).stored():
        bad = wrong(values)
        if bad.any():
            at = np.lexsort((columns[bad], rows[bad]))[0]
            i, j = int(rows[bad][at]), int(columns[bad][at])
            return i, j, float(values[bad][at]), int((columns[bad] == j).sum()), int(rows[-1]) + 1
    return None
