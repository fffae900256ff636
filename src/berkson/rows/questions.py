"""What a solver may ask of data.  Each answer is a sum over rows (or a maximum), so answers of shards add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the rows.  `scaled` weights make its sums estimate those of all rows; `own` weights are the rows' own,
    so that its sums are a part of the whole (a lower bound where every term is positive)."""

    index: npt.NDArray[np.int64]
    scaled: F64
    own: F64 | None

    @classmethod
    def alone(cls, index: npt.NDArray[np.int64], weight: F64 | None) -> Sample:
        """Rows that stand for no others, of all rows' weights (n,)."""
        own = None if weight is None else weight[index]
        return cls(index, np.ones(len(index)) if own is None else own, own)

    @property
    def size(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Draw:
    """A random sample of about `size` rows, half of them in proportion to class frequencies and half in equal shares,
    so that rare classes are all there.  share (K,): the frequencies.  Answer: Sample."""

    size: int
    share: F64
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The loss at theta and its derivatives up to `order`.  Answer: Evaluation.

    On a sample, `as_part` uses the rows' own weights in place of the scaled ones.  The Hessian of a `rough`
    answer may be added up in single precision.
    """

    theta: F64
    order: int
    sample: Sample | None = None
    as_part: bool = False
    rough: bool = False


@dataclass(frozen=True, slots=True)
class ArrowHessian:
    """The loss at theta, its gradient, and its Hessian as an arrow, of two classes and factors among the columns:
    `coupled` with the largest factor outside, else without what couples large factors to other columns.
    Answer: (Evaluation, design.arrow.Arrow)."""

    theta: F64
    coupled: bool
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Curvature:
    """The loss's Hessian at theta, times `direction`.  Answer: array."""

    theta: F64
    direction: F64
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class NullGram:
    """sum a_i x_i x_i' in the solver's coordinates of one linear predictor, (q, q).  Answer: array."""

    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class LowerGram:
    """sum a_i m_i x_i x_i' with m_i = min_k p_ik / share_k, (q, q).  Times diag(share) - share share' between classes
    it lies below the softmax Hessian at theta."""

    theta: F64
    share: F64
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class LargestLeverage:
    """max_i x_i' metric x_i over rows of positive weight; metric (q, q) in one linear predictor's coordinates."""

    metric: F64
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """What |x_i|^2 of no row of positive weight exceeds, in one linear predictor's coordinates."""

    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Within:
    """The rows (of the sample, or of all) with x_i' metric x_i <= cap, with their own weights.  Answer: Sample."""

    metric: F64
    cap: float
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class LeastChange:
    """The least factor by which a row's curvature went from `before`, with the sample's scaled weights, to `now`, with
    the rows' own: that factor times the scaled Hessian there lies below the Hessian here, for all classes."""

    before: F64
    now: F64
    sample: Sample


@dataclass(frozen=True, slots=True)
class Likeness:
    """x_i' diag(inverse) x_k between the sample's rows (m, m), inverse (q,) in one linear predictor's coordinates, and
    their curvature at theta: weight times p (1 - p) for two classes, times min_k p_k / share_k for more (m,).
    Answer: (products, curvature)."""

    theta: F64
    share: F64
    sample: Sample
    inverse: F64


@dataclass(frozen=True, slots=True)
class Reach:
    """max_i |x_ij| over rows of positive weight (q,), in one linear predictor's coordinates."""


@dataclass(frozen=True, slots=True)
class Furthest:
    """max_i |x_i' direction| over rows of positive weight, of one linear predictor."""

    direction: F64


@dataclass(frozen=True, slots=True)
class Narrow:
    """The rows (of a sample, with scaled weights, or all) with some unknowns only, those at `places` (ascending) of
    theta, for one linear predictor; columns are gathered, so many rows take memory for them.  Answer: what answers
    questions `Inside`."""

    places: npt.NDArray[np.intp]
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """A question to the rows that `Narrow` answered with, in their coordinates.  Its answer is theirs."""

    view: Any
    question: Question


@dataclass(frozen=True, slots=True)
class Beyond:
    """The loss at thetas (M, q) that are zero but at a view's places, and its gradients by all unknowns: linear
    predictors are the view's, and all gradients share one reading of the table.  Answer: a list of Evaluation."""

    view: Any
    places: npt.NDArray[np.intp]
    thetas: F64
    sample: Sample | None = None


Question = (
    Draw
    | Evaluate
    | ArrowHessian
    | Curvature
    | NullGram
    | LowerGram
    | LargestLeverage
    | Extent
    | Within
    | LeastChange
    | Likeness
    | Reach
    | Furthest
    | Narrow
    | Inside
    | Beyond
)
Answer = Any


class Evaluation(NamedTuple):
    """value, smallest margin of a row (> 0: every row lies strictly on its own side), gradient (d,), hessian (d, d),
    and `rounding`: hessian - rounding diag(hessian) lies below the Hessian."""

    value: float
    margin: float
    gradient: F64 | None
    hessian: F64 | None
    rounding: float = 0.0

    def __add__(self, other: Evaluation) -> Evaluation:  # type: ignore[override]
        return Evaluation(
            self.value + other.value,
            min(self.margin, other.margin),
            None if self.gradient is None or other.gradient is None else self.gradient + other.gradient,
            None if self.hessian is None or other.hessian is None else self.hessian + other.hessian,
        )
