"""Fits between two lambdas, of folds whose way from the one fit to the other is straight enough: they ask the rows for
nothing.

With d the step from theta_a to theta_b, the gradient at theta_a + t d is  (1 - t) g_a + t g_b  but for what rows bend.
Let T be at least |x_i'd| of every row.  A row's curvature s' is at least its |s''|, and changes by no more than e^T on
the way, where d'Hd is on average d'(g_b - g_a).  So by Cauchy's inequality the error e, against any v, is

    |v'e|  <=  t (1 - t) / 2  sum_i |s''_i| (x_i'd)^2 |x_i'v|  <=  t (1 - t) / 2  T e^T sqrt(d'(g_b - g_a))  |v|_H .

(Of two classes.)  An anchor's proof takes that bound as it is: see `Anchor.proof`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.solvers.proximal import Model

F64 = npt.NDArray[np.float64]

FURTHEST = 4.5  # standard deviations: where the furthest of many rows is expected
CLOSE, TRIED = 0.3, 0.4  # of the root of the gap to prove: the bend up to which a first line is tried, and the next
SAFE = 0.6  # of that gap: what is left by lines that may as well be longer
LIKELY = 0.6  # of the folds: how many are to be proved


@dataclass(frozen=True, slots=True)
class Line:
    """From one fit to another; no row's predictor differs by more than `furthest`."""

    a: Model
    b: Model
    furthest: float

    @property
    def keeps_columns(self) -> bool:
        """Whether both ends have the same columns, with the same signs, which then are those between."""
        return bool((np.sign(self.a.theta) == np.sign(self.b.theta)).all())

    def at(self, t: float) -> tuple[F64, F64]:
        """theta and the loss's gradient, but for the bend, at this part of the way."""
        assert self.a.at.gradient is not None
        assert self.b.at.gradient is not None
        theta: F64 = (1.0 - t) * self.a.theta + t * self.b.theta
        return theta, (1.0 - t) * self.a.at.gradient + t * self.b.at.gradient

    def bend(self, t: float) -> float:
        """What the gradient there may be off by, in the norm of the inverse of the loss's Hessian."""
        return 0.5 * t * (1.0 - t) * bend(self.furthest, squared_step(self.a, self.b))


def squared_step(a: Model, b: Model) -> float:
    """d'Hd on average over the way."""
    assert a.at.gradient is not None
    assert b.at.gradient is not None
    return max(0.0, float((b.theta - a.theta) @ (b.at.gradient - a.at.gradient)))


def bend(furthest: float, squared: float) -> float:
    """T e^T sqrt(d'Hd); infinite where that overflows."""
    return furthest * math.exp(furthest) * math.sqrt(squared) if furthest < 700.0 else math.inf


def first_ratio(squared: float, curvature: float, target: float) -> float:
    """How many times as long as the last step, of this d'Hd, one may be whose middle is proved by a line, where rows
    have so much curvature along an unknown of unit spread."""
    furthest = FURTHEST * math.sqrt(squared / curvature) if curvature > 0.0 else math.inf
    bent = furthest * math.sqrt(squared)
    return math.sqrt(8.0 * CLOSE * math.sqrt(target) / bent) if bent > 0.0 else math.inf


def next_ratio(bend: float, gap: float, target: float) -> float:
    """The same after lines that bend by so much in their middles, which goes with the square of a step, and left at
    most this part of the gap, some of it at their ends already; where that is much, it is taken for the bend's."""
    ratio = math.sqrt(TRIED * math.sqrt(target) / bend) if bend > 0.0 else math.inf
    return ratio if gap <= SAFE else min(ratio, (SAFE / gap) ** 0.25)


def lambdas_ahead(lambdas: F64, before: int, now: int, ratio: float) -> int:
    """How many lambdas on from `now` are within so many times the step from `before`, at least 1."""
    reach = ratio * (lambdas[before] - lambdas[now])
    return max(1, int(np.count_nonzero(lambdas[now] - lambdas[now + 1 :] <= reach)))


def likely(proved: float, steps: int) -> int:
    """How many lambdas on enough folds are expected to keep their columns, where this part of them did for `steps`."""
    if proved <= 0.0:
        return 1
    return 2 * steps if proved >= 1.0 else max(1, int(steps * math.log(LIKELY) / math.log(proved)))
