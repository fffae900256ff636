"""Ends of profile-likelihood intervals: the point of {objective <= cutoff} that lies furthest along v.

There the gradient is a multiple of v and the objective equals the cutoff.  With A the inverse Hessian, the profile
p(b) = min {objective : v'theta = b} has value, slope and curvature

    f - delta^2 / 2,    lambda = v'A g / v'A v,    1 / v'A v        (delta^2 = r'A r,  r = g - lambda v)

to second order.  A step goes to the minimum over v'theta = b and along A v to where that parabola meets the cutoff
(Venzon and Moolgavkar, Applied Statistics 37, 1988).  Its error is counted in units of the objective: delta^2 / 2 plus
the parabola's distance from the cutoff.  Where the error does not shrink, b is bracketed and the profile computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_of
from berkson.penalty import Ridge
from berkson.rows.questions import Evaluate, Evaluation
from berkson.solvers.newton import Solution, newton, newton_step
from berkson.solvers.run import Solver
from berkson.solvers.subspace import complement, turn_up, turned_up, within

F64 = npt.NDArray[np.float64]

ERROR, ROUNDING = 1e-11, 2e-15  # of an end, in units of the objective; and of the objective: what cannot be seen
SHRINKS, STALE = 0.5, 0.1  # of the error: what a step must bring; what a step with an old Hessian must bring
STEPS, OUTER = 40, 80  # of the direct method; values of the profile that are computed to bracket an end
FIRST, GROWTH = (
    3.0,
    4.0,
)  # longest first step in standardised coordinates while the end is not bracketed, and its growth
RISEN = 1e-6  # of the way from the infimum to the cutoff: above it a logarithm of the profile's rise means something
MINIMISED = 1e-13  # estimated gap of a value of the profile


@dataclass(frozen=True, slots=True)
class End:
    """An end of an interval: theta, b = v'theta, and its error in units of the objective (inf: not found)."""

    theta: F64
    b: float
    error: float


@dataclass(frozen=True, slots=True)
class _Model:
    """The profile's parabola at theta: value p, slope in b, width = v'A v; `back` leads to the minimum at this b and
    `along` is the change of theta by a unit of b."""

    p: float
    slope: float
    width: float
    off: float  # delta^2 / 2
    back: F64
    along: F64

    @classmethod
    def of(cls, at: Evaluation, v: F64, inverse: F64) -> _Model:
        assert at.gradient is not None
        Av = inverse @ v
        width = float(v @ Av)
        slope = float(Av @ at.gradient) / width
        rest = at.gradient - slope * v
        back = -inverse @ rest
        off = -0.5 * float(rest @ back)
        return cls(at.value - off, slope, width, off, back, Av / width)

    def to_cutoff(self, cutoff: float) -> float:
        """The change of b to where the parabola, or else its tangent, meets the cutoff on its rising branch."""
        short = cutoff - self.p
        root = self.slope * self.slope + 2.0 * short / self.width
        if root >= 0.0 and self.slope > 0.0:
            return 2.0 * short / (self.slope + math.sqrt(root))
        if root >= 0.0:
            return self.width * (math.sqrt(root) - self.slope)
        return short / self.slope if self.slope > 0.0 else -self.slope * self.width

    def error(self, cutoff: float) -> float:
        """Infinite where the profile does not rise along v: that is no end."""
        return abs(self.off) + abs(self.p - cutoff) if self.slope > 0.0 else math.inf


def end_of_profile(
    theta: F64, at: Evaluation, v: F64, least: float, cutoff: float, *, convex: bool, chords: bool = False
) -> Solver[End]:
    """The end of {objective <= cutoff} along v, from a theta inside, evaluated to order 2; `least` is the infimum.

    convex : the objective is; else the end is the first that is met on the way from the minimum.
    chords : keep a Hessian as long as it serves: many ends then share passes with gradients alone.
    """
    tolerance = max(ERROR, ROUNDING * abs(cutoff))
    end = yield from _directly(theta, at, v, cutoff, tolerance, chords)
    if end.error <= tolerance:
        return end
    return (yield from _bracketed(theta, v, least, cutoff, tolerance, convex))


def _directly(theta: F64, at: Evaluation, v: F64, cutoff: float, tolerance: float, chords: bool) -> Solver[End]:
    failed = End(theta, float(v @ theta), math.inf)
    assert at.hessian is not None
    inverse = inverse_of(at.hessian)
    if inverse is None:
        return failed
    model = _Model.of(at, v, inverse)
    error = model.error(cutoff)
    for _ in range(STEPS):
        theta = theta + model.back + model.to_cutoff(cutoff) * model.along
        at = yield Evaluate(theta, 1 if chords else 2)
        if not math.isfinite(at.value):
            return failed
        if chords and _Model.of(at, v, inverse).error(cutoff) > max(STALE * error, tolerance):
            at = yield Evaluate(theta, 2)
        if at.hessian is not None:
            inverse = inverse_of(at.hessian)
            if inverse is None:
                return failed
        model, before = _Model.of(at, v, inverse), error
        error = model.error(cutoff)
        if error <= tolerance:
            return End(theta, float(v @ theta), error)
        if not error < SHRINKS * before:
            return failed
    return failed


def _bracketed(theta: F64, v: F64, least: float, cutoff: float, tolerance: float, convex: bool) -> Solver[End]:
    """Values of the profile on either side of its end; where it is convex, its tangents bound the end from outside."""
    best, good = End(theta, float(v @ theta), math.inf), theta
    low, high, longest = float(v @ theta), math.inf, FIRST
    for _ in range(OUTER):
        found = yield from least_on_plane(theta, v[None, :], convex=convex)
        b, p = float(v @ found.theta), found.at.value
        if found.reason not in ("target", "stalled") or not math.isfinite(p):  # so far out that Newton is lost
            if not low < b < math.inf or p < cutoff:
                return best
            theta, high = good + 0.5 * (theta - good), min(high, b)
            continue
        assert found.at.gradient is not None
        assert found.at.hessian is not None
        if abs(p - cutoff) < best.error:
            best = End(found.theta, b, abs(p - cutoff))
        if best.error <= tolerance:
            return best
        along, curvature = _along(found.at.hessian if convex else turn_up(found.at.hessian), v)
        slope = float(v @ found.at.gradient) / float(v @ v)
        step = _Model(p, slope, 1.0 / curvature, 0.0, np.zeros_like(v), along).to_cutoff(cutoff)
        if p < cutoff:
            low, good = max(low, b), found.theta
            step = min(step, longest / float(np.abs(along).max()))
            longest *= GROWTH
            if convex and slope > 0.0:
                high = min(high, b + (cutoff - p) / slope)
                if p - least > RISEN * (cutoff - least):  # a tail that rises exponentially ends sooner than a parabola
                    step = min(step, (p - least) / slope * math.log((cutoff - least) / (p - least)))
        else:
            high = min(high, b)
        to = b + step if low < b + step < high else 0.5 * (low + high)
        if to in (low, high, b):  # neighbours in floating point
            return best
        theta = found.theta + (to - b) * along
    return best


def _along(hessian: F64, v: F64) -> tuple[F64, float]:
    """A v / v'A v and 1 / v'A v; with a little ridge where the Hessian is singular."""
    step, width = newton_step(hessian, -v)
    if not 0.0 < width < math.inf:
        return v / float(v @ v), float(hessian.diagonal().max()) / float(v @ v)
    return step / width, 1.0 / width


def least_at(theta: F64, at: Evaluation, v: F64, b: float, *, convex: bool) -> Solver[Solution]:
    """The least objective over v'theta = b, from a theta evaluated to order 2."""
    assert at.hessian is not None
    along, _ = _along(at.hessian, v)
    return (yield from least_on_plane(theta + (b - float(v @ theta)) * along, v[None, :], convex=convex))


def least_on_plane(theta: F64, functions: F64, *, convex: bool) -> Solver[Solution]:
    """The least objective where functions (r, size), which are independent, keep their values at theta."""

    def confined(z: F64) -> Solver[Solution]:
        minimise = newton(z, Ridge(np.zeros(len(z))), target=MINIMISED, max_iterations=200)
        return minimise if convex else turned_up(minimise)

    basis = complement(functions)
    found = yield from within(confined, theta, basis)
    here = theta + basis @ found.theta
    at: Evaluation = yield Evaluate(here, 2)
    return Solution(here, at, found.iterations, found.reason)
