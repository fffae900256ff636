"""What to say of a fit that is not certified: how far it is, why, and what to do."""

from __future__ import annotations

import math

import numpy as np

from berkson.certificate import Bound
from berkson.design import design_of
from berkson.problem import Problem
from berkson.rows.memory import threads_for
from berkson.separation import Separation
from berkson.solvers.newton import Solution
from berkson.solvers.solve import Task
from berkson.standardise import location

PRECISION = 2.2e-16  # of double precision: no smaller distance is claimed in words
FAR = 1e8  # spreads from a column's centre: a value out there is named where a fit fails
FAR_OFFSET = 1e8  # likewise of an offset's: a linear predictor of that size has lost half its digits


def shortfall(
    problem: Problem, task: Task, stop: Solution, proof: Bound, separation: Separation | None, undecided: str
) -> str:
    """The status of a fit; `separation` under a penalty (without one it is a verdict of its own), `undecided` why no
    verdict was reached."""
    asked = f"relative to the null model's (asked: {task.tol:.1g})"
    if math.isfinite(proof.gap):
        reached = f"at most {proof.gap / task.null:.1g} above its optimum, {asked}"
    elif proof.estimate <= stop.at.value < math.inf:  # else it is none: no loss is negative
        estimate = max(proof.estimate / task.null, PRECISION)
        reached = f"an estimated {estimate:.1g} above its optimum, {asked}"
    else:
        reached = f"{stop.at.value:.4g} (the null model's: {task.null:.4g}) and its optimum unknown"
    if stop.reason == "judged":
        says = f"not proved optimal: the objective at these coefficients is {reached}"
    elif stop.reason == "limit":
        way_out = _lost_in_rounding(problem) or f"raise {problem.wording.iterations}"
        says = f"stopped after {stop.iterations} iterations with the objective {reached}; {way_out}"
    elif separation is not None:
        return (
            f"stopped at the limit of double precision: the data are separated ({separation.kind}), so only "
            f"the penalty keeps coefficients finite, and strength {problem.strength:.3g} is lost in rounding; "
            f"set {problem.wording.stronger}"
        )
    else:
        way_out = _lost_in_rounding(problem) or "rescale the columns or drop nearly collinear ones"
        says = f"stopped at the limit of double precision with the objective {reached}; {way_out}"
    if undecided and task.penalty.is_zero:
        says += (
            f"; whether a finite optimum exists was not decided, for {undecided}: "
            f"{problem.wording.penalty} makes sure of one"
        )
    return says


def _lost_in_rounding(problem: Problem) -> str | None:
    """What of the data is beyond all proportion to the rest, and what to do."""
    used = None if problem.weight is None else problem.weight > 0
    if problem.weight is not None:
        least, most = float(problem.weight[used].min()), float(problem.weight.max())
        if most > least / PRECISION:
            return (
                f"the weights reach from {least:.3g} to {most:.3g}, and the lightest rows are lost in rounding: leave "
                "them out"
            )
    if problem.offset is not None and (largest := float(np.abs(problem.offset).max())) > FAR_OFFSET:
        return (
            f"the offset reaches {largest:.3g}, beside which the rest is lost in rounding: subtract a constant from it"
        )
    design, counted = design_of(problem.X), None if used is None else used.astype(np.float64)
    center, spread, _ = location(design, counted, intercept=problem.intercept)
    _, _, _, low, high = design.moments(None, counted, threads_for(design.shape[0] * design.shape[1]))
    ends = np.where(np.abs(high - center) > np.abs(low - center), high, low)
    reach = np.abs(ends - center) / np.sqrt(np.where(spread > 0, spread, np.inf))
    j = int(np.argmax(reach))
    if not reach[j] > FAR:
        return None
    return (
        f"column {problem.column(j)!r} holds {ends[j]:.4g}, far from its other values: correct it or leave out its row"
    )
