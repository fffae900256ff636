"""What is proved about coefficients: one function, the same for every solver, every competitor and every saved model.

Let P be the objective, g its gradient at theta, and M any matrix below its Hessian there: the ridge plus the loss's
Hessian over some of the rows (all of them, or a sample).  Along any direction the third derivative of a row's loss is
at most the range of its logits times its second derivative, so with

    delta^2 = g' M^-1 g,   h = max over those rows of (range of logits per unit of M-norm)^2,   u = delta sqrt(h) :

    u < 1  proves that the minimiser exists and that  P(theta) - P* <= ((1 - u) log(1 - u) + u) / h   (-> delta^2 / 2),
           and that in the norm of M it is no further than -log(1 - u) / sqrt(h).

The rest of the rows only adds convexity, so the bound of a sample is rigorous for the whole.  For K classes M is the
exact Hessian of the K - 1 contrasts where that is affordable, else, with class shares pi and m_i = min_k p_ik / pi_k,

    (diag(pi) - pi pi') (x) sum_i m_i x_i x_i',   below it because  Var_p(v) = min_c sum p_k (v_k - c)^2 >= m Var_pi(v).

(Self-concordance of the logistic loss: F. Bach, Electronic Journal of Statistics 4, 2010, lemma 1.)
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.inverse import Kronecker, inverse_factor, null_class_hessian
from berkson.penalty import Ridge
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import (
    Answer,
    Draw,
    Evaluate,
    Evaluation,
    Extent,
    LargestLeverage,
    LeastChange,
    Likeness,
    LowerGram,
    Question,
    Sample,
    Within,
)

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bound:
    """What is proved about P(theta).

    `gap` bounds P(theta) - P* (inf where nothing is proved); `distance` bounds |theta - theta*| in the norm of M, which
    is in units of standard errors where M is the whole Hessian; `estimate` is delta^2 / 2, the gap to second order."""

    gap: float
    distance: float
    estimate: float
    contraction: float  # u

    def loosened(self, slack: float) -> Bound:
        """Where the objective's kinks leave `slack` more; how far the minimiser may be is not said then."""
        return Bound(self.gap + slack, math.inf, self.estimate + slack, self.contraction)

    @property
    def proves_existence(self) -> bool:
        return self.contraction < 1.0


NOTHING = Bound(math.inf, math.inf, math.inf, math.inf)


def bound(decrement: float, leverage: float) -> Bound:
    """The bounds of the theorem from delta and h."""
    if not (math.isfinite(decrement) and math.isfinite(leverage)):
        return NOTHING
    root = math.sqrt(leverage)
    u, half = decrement * root, 0.5 * decrement * decrement
    if u >= 1.0:
        return Bound(math.inf, math.inf, half, u)
    if u < 1e-4:  # the closed form cancels; two more terms of its series are exact here
        return Bound(half * (1.0 + u / 3.0 + u * u / 6.0), decrement * (1.0 + 0.5 * u + u * u), half, u)
    gap = ((1.0 - u) * math.log1p(-u) + u) / leverage
    return Bound(gap, -math.log1p(-u) / root, half, u)


EXACT_UP_TO = 400  # unknowns of softmax whose exact Hessian is formed for a proof
DENSE_UP_TO = 4000  # columns whose Gram matrix is formed for a proof
TRIMS, LOOSE = 4, 0.3  # tries to prove with fewer rows, and the u above which it is worth it
MANY, CLOSE = 64, 0.2  # columns from which h is bounded by lengths first, and the u at which that costs under 8 %
FEW_ROWS, LEAST_ROWS = 300, 30  # of the sample that proves curvature in the constant where no Gram matrix is formed
FEW_CELLS = 1 << 22  # of its rows
ABSORBING = 0.1  # of the ridge, spent on that proof
BENT = 0.5  # the change of a predictor up to which it counts on a row's curvature
LEAST_BENT = 1e-300  # curvature whose inverse is a number


def prove(
    theta: F64,
    gradient: F64,
    penalty: Ridge,
    place: Coordinates,
    class_share: F64,
    hessian: F64 | None = None,
    sample: Sample | None = None,
    *,
    matrix_free: bool = False,
    curvature: F64 | float = 1.0,
) -> Generator[Question, Answer, Bound]:
    """Bound P(theta) - P* from the objective's gradient over all rows and curvature over `sample` (None: all rows).

    `hessian` is the smooth objective's over all rows, where the caller has it; `class_share` (K,) the frequencies of
    classes; `matrix_free`: what needs no Gram matrix is tried first, as it is where columns are too many for one.
    Under a penalty with kinks `gradient` is the smooth part's, and the bound is that of what it keeps beyond the kinks,
    plus the slack (see `ElasticNet.split`, which `curvature` is for).
    """
    slack, gradient = penalty.split(theta, gradient, curvature)
    if matrix_free or place.columns > DENSE_UP_TO:
        proof = yield from prove_by_few_rows(theta, gradient, penalty, place, class_share)
    if not (place.columns > DENSE_UP_TO or (matrix_free and proof.contraction < 1.0)):
        proof = yield from _prove_smooth(theta, gradient, penalty, place, class_share, hessian, sample)
    return proof if slack == 0.0 else proof.loosened(slack)


def _prove_smooth(
    theta: F64,
    gradient: F64,
    penalty: Ridge,
    place: Coordinates,
    class_share: F64,
    hessian: F64 | None,
    sample: Sample | None,
) -> Generator[Question, Answer, Bound]:
    result = NOTHING
    for _ in range(TRIMS):
        squared, metric = yield from _below(theta, gradient, penalty, place, class_share, hessian, sample)
        if metric is None:
            return result
        if place.columns >= MANY:
            longest = yield Extent(sample)
            crude = bound(math.sqrt(squared), range_factor(place) * longest * float(np.abs(metric).sum(axis=1).max()))
            if crude.contraction < CLOSE:
                return crude
        leverage = range_factor(place) * (yield LargestLeverage(metric, sample))
        result = min(result, bound(math.sqrt(squared), leverage), key=lambda known: known.contraction)
        if result.contraction < LOOSE:
            break
        # rows far out but with hardly any weight hold h up and M not at all: prove it without them
        sample = yield Within(metric, LOOSE * LOOSE / squared / range_factor(place), sample)
        hessian = None
        if sample.size == 0:
            break
    return result


@dataclass(frozen=True, slots=True)
class Nearby:
    """A Hessian known elsewhere: `inverse` of the ridge plus the loss's over a sample at theta, with scaled weights."""

    theta: F64
    inverse: F64
    sample: Sample


def prove_nearby(
    theta: F64, gradient: F64, near: Nearby, place: Coordinates, enough: float = 0.0
) -> Generator[Question, Answer, Bound]:
    """The bound with M = c times the Hessian of `near`, c <= 1 the least change of a row's curvature since: no Hessian
    is formed.  A gap of `enough` need not be bounded better, and a larger one not at all."""
    change: float = yield LeastChange(near.theta, theta, near.sample)
    change = min(1.0, (1.0 - 1e-9) * change)
    if not change > 0.0:  # NaN too
        return NOTHING
    decrement = math.sqrt(max(0.0, float(gradient @ near.inverse @ gradient)) / change)
    if enough > 0.0 and 0.5 * decrement * decrement > enough:
        return NOTHING
    metric = metric_of(near.inverse / change, place)
    extent: float = yield Extent(near.sample)
    crude = bound(decrement, range_factor(place) * extent * float(np.abs(metric).sum(axis=1).max()))
    if crude.contraction < CLOSE or crude.gap <= enough:
        return crude
    return bound(decrement, range_factor(place) * (yield LargestLeverage(metric, near.sample)))


def metric_of(inverse: F64, place: Coordinates) -> F64:
    """The metric x'(.)x (q, q) that bounds a row's leverage in an inverse Hessian."""
    q = place.columns
    blocks = len(inverse) // q
    if blocks == 1:
        return inverse
    metric: F64 = np.einsum("iaib->ab", inverse.reshape(blocks, q, blocks, q))
    return metric


def _below(
    theta: F64,
    gradient: F64,
    penalty: Ridge,
    place: Coordinates,
    class_share: F64,
    hessian: F64 | None,
    sample: Sample | None,
) -> Generator[Question, Answer, tuple[float, F64 | None]]:
    """(g'M^-1 g, the metric x'(.)x that bounds a row's leverage in M^-1, or None where M is singular)."""
    if hessian is None and (place.contrasts == 1 or place.size <= EXACT_UP_TO):
        at: Evaluation = yield Evaluate(theta, 2, sample, as_part=True)
        hessian = penalty.add(theta, at).hessian
    q = place.columns
    if hessian is not None:
        gradient, hessian = place.on_contrasts(gradient, hessian)
        factor = inverse_factor(hessian)
        if factor is None:
            return math.inf, None
        scaled = factor @ gradient
        return float(scaled @ scaled), metric_of(factor.T @ factor, place)
    gram = yield LowerGram(theta, class_share, sample)
    kronecker = Kronecker.of(null_class_hessian(place.between, class_share), gram, penalty.strength[:q])
    if kronecker is None:
        return math.inf, None
    between = place.between.T @ gradient.reshape(-1, q) if place.symmetric else gradient
    return kronecker.squared(between), kronecker.weakest()


def range_factor(place: Coordinates) -> float:
    """(largest difference of a row's logits)^2 / |its contrasts|^2 is at most this."""
    return 1.0 if place.basis is None else 2.0


def prove_by_few_rows(
    theta: F64, gradient: F64, penalty: Ridge, place: Coordinates, class_share: F64
) -> Generator[Question, Answer, Bound]:
    """Where columns are too many for a Gram matrix: from the ridge, and what a few rows prove of the one direction
    that has none, the constant.

    A step d of the coefficients and e of the constant changes the predictor of row i by t_i = x_i'd + e, and its loss
    by no less than its slope says and k_i psi(|t_i|), with k_i its curvature and psi(t) = e^-t + t - 1.  Let a = 0.1 of
    the ridge absorb what it can:  F(e) = min_d a ridge / 2 |d|^2 + sum_i k_i psi(|t_i|).  With the conjugate
    psi*(v) = (1 - v) log(1 - v) + v  and any |u_i| < k_i,

        F(e) >= e sum u - u' X (a ridge)^-1 X' u / 2 - sum_i k_i psi*(|u_i| / k_i)  =  c e^2 / 2,

    for u = e (1/k + X (a ridge)^-1 X')^-1 1, which maximises it to second order; c falls with |e|.  F is convex, so
    where the slope g in the constant is less than F(e) / e at e = r, the objective lies above its value by no less than
    - |gradient|^2 / (2 (1 - a) ridge) - g^2 / 2c, c taken at r: no row has to be short for that.
    """
    q = place.columns
    ridge = penalty.strength[:q]
    free = ridge == 0.0
    constant = place.kept is None or int(place.kept[-1]) == len(place.center)
    if free[:-1].any() or (free[-1] and not constant):
        return NOTHING  # nothing is below the Hessian in those directions but a Gram matrix
    each = gradient.reshape(place.contrasts, -1)
    if not free[-1]:
        squared = float((each * each / ridge).sum())
        return Bound(0.5 * squared, math.sqrt(squared), 0.5 * squared, 0.0)
    sample = yield Draw(max(LEAST_ROWS, min(FEW_ROWS, FEW_CELLS // q)), class_share)
    inverse = np.divide(1.0, ABSORBING * ridge, out=np.zeros(q), where=~free)
    kernel, curvature = yield Likeness(theta, class_share, sample, inverse)
    if place.basis is not None:
        curvature = curvature * float(np.linalg.eigvalsh(null_class_hessian(place.between, class_share))[0])
    across = float((each[:, :-1] ** 2 / ridge[:-1]).sum())
    return bound_by_few_rows(
        across, math.sqrt(float(each[:, -1] @ each[:, -1])), kernel, curvature, range_factor(place)
    )


def bound_by_few_rows(across: float, slope: float, kernel: F64, curvature: F64, factor: float) -> Bound:
    """The same from what it is made of: gradient' (ridge)^-1 gradient on the coefficients, the slope in the constant,
    and of some rows X (0.1 ridge)^-1 X' and k; factor: see `range_factor`."""
    bent = curvature > LEAST_BENT
    c, r = _along_constant(kernel[np.ix_(bent, bent)], curvature[bent])
    r /= math.sqrt(factor)
    across /= 1.0 - ABSORBING
    if not slope < 0.5 * c * r:
        return NOTHING
    squared = across + slope * slope / c
    near = 0.5 * across + slope * r < 0.5 * c * r * r  # then the minimiser's constant is no further than r
    return Bound(0.5 * squared, 2.0 * math.sqrt(squared) if near else math.inf, 0.5 * squared, 2.0 * slope / (c * r))


def _along_constant(kernel: F64, curvature: F64) -> tuple[float, float]:
    """(c, r) such that F(e) >= c e^2 / 2 for |e| <= r, of one logit (see `prove_by_few_rows`); (0, 0) where rounding
    leaves none."""
    kernel = kernel.copy()
    kernel.flat[:: len(kernel) + 1] += 1.0 / curvature
    try:
        u = np.linalg.solve(kernel, np.ones(len(kernel)))
    except np.linalg.LinAlgError:
        return 0.0, 0.0
    t = np.abs(u / curvature)  # by how much of e each row's predictor changes
    r = BENT / float(t.max(initial=BENT))
    conjugate = (1.0 - r * t) * np.log1p(-r * t) + r * t
    c = float(u.sum() + (u * u / curvature).sum() - 2.0 * (curvature * conjugate).sum() / (r * r))
    return (c, r) if c > 0.0 else (0.0, 0.0)
