"""Working sets: fits of the lasso and the elastic net where columns are many and few of them have a coefficient.

The columns of a working set are gathered, and proximal Newton runs on them alone; one reading of the whole table then
gives the gradient by every column, which proves the fit or says what is missing from the set.  Along a path the set is
those that are active and those that the sequential strong rule cannot exclude (Tibshirani et al., J. R. Statist. Soc. B
74, 2012): a gradient changes no faster than the threshold, or the reading after it finds out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.certificate import DENSE_UP_TO, Bound
from berkson.penalty import ElasticNet, Ridge
from berkson.rows.questions import Beyond, Draw, Evaluation, Narrow, Reach, Sample
from berkson.size import Size
from berkson.solvers.proximal import Model, loss_model, proximal_newton
from berkson.solvers.regularised import TIGHTER, Course, Point
from berkson.solvers.run import Solver, inside

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

FROM = 200  # columns from which working with few of them may pay
STEP, STEPS = 4.0, 1  # between the penalties by which a single fit comes from the null model; Newton's at each
FIRST = 2  # of Newton's steps of all rows on the set of a part, before all columns are looked at
PART, LEAST = 8, 2000  # of the rows on which it comes, and the fewest
LEAST_SCORE = 0.8  # of the threshold: no set reaches for smaller gradients at once
GROWTH, FEWEST = 1, 100  # columns that may enter at once: so many for each active one, or at least so many
ALL_AT_ONCE = 16  # for each active one, where a single fit's own set is gathered
CLOSER = 3  # of its steps on that set, before all columns are looked at and its Hessian is computed anew
AHEAD = 2.0  # steps of a path that a set looks ahead when it is gathered
MARGIN = 0.1  # of the threshold, which a set that is gathered reaches further: another reading costs more
MANY, HELD = 8, 1 << 23  # of a path's penalties whose gradients share a reading, and numbers that they may hold
ROUNDS = 30  # readings of the table for one penalty


@dataclass(frozen=True, slots=True)
class Standing:
    """Where fits stand: theta (q,) and the loss there with its gradient by all columns; the thresholds of the fit;
    the places of theta in the working set, their rows, and the loss's model by them.  Of a sample's rows, or all."""

    theta: F64
    at: Evaluation
    threshold: F64
    places: Indices
    view: Any
    model: Model
    sample: Sample | None

    def gradient(self, penalty: ElasticNet) -> F64:
        """Of the smooth part, by all columns."""
        assert self.at.gradient is not None
        gradient: F64 = self.at.gradient + penalty.strength * self.theta
        return gradient

    def value(self, penalty: ElasticNet) -> float:
        """The objective."""
        return penalty.add(self.theta, self.at).value + penalty.kinked(self.theta)


def by_columns(penalty: Ridge, course: Course) -> bool:
    """Whether fits go by working sets: under a lasso on columns that are many and too many for a sample of the rows to
    prove them all; where other coordinates than the constant are free, only where no other way is left."""
    place = course.place
    if type(penalty) is not ElasticNet or place.contrasts > 1 or place.columns <= FROM or course.by_sample:
        return False
    threshold = penalty.threshold
    if not (threshold > 0.0).any():
        return False
    return place.columns > DENSE_UP_TO or not (threshold[:-1] == 0.0).any()


def size_of(course: Course) -> Solver[Size]:
    """What proofs by size know of the table."""
    place = course.place
    constant = place.kept is None or int(place.kept[-1]) == len(place.center)
    return Size(course.class_weight, (yield Reach()), course.offset, constant)


def some_of(penalty: ElasticNet, places: Indices) -> ElasticNet:
    """The penalty of a working set."""
    return ElasticNet(penalty.strength[places], penalty.threshold[places])


def stand(theta: F64, threshold: F64, places: Indices, sample: Sample | None = None) -> Solver[Standing]:
    """At theta, which is zero elsewhere than at these places."""
    view = yield Narrow(places, sample)
    model = yield from inside(view, loss_model(theta[places]))
    (at,) = yield Beyond(view, places, theta[None], sample)
    return Standing(theta, at, threshold, places, view, model, sample)


def fit_null(
    cold: F64, penalty: ElasticNet, course: Course, target: float, sample: Sample | None = None
) -> Solver[Standing]:
    """The fit of what the penalty leaves free, all else at zero; its thresholds are the least that hold it there."""
    free = np.flatnonzero(penalty.threshold == 0.0)
    theta = np.where(penalty.threshold == 0.0, cold, 0.0)
    view = yield Narrow(free, sample)
    model = yield from inside(view, loss_model(theta[free]))
    some, limit = some_of(penalty, free), course.max_iterations
    solver = proximal_newton(model, some, target=target, max_iterations=limit, always_exact=True)
    model = (yield from inside(view, solver)).model
    theta[free] = model.theta
    (at,) = yield Beyond(view, free, theta[None], sample)
    standing, held = Standing(theta, at, penalty.threshold, free, view, model, sample), np.isfinite(penalty.threshold)
    threshold = np.where(held, largest(standing, penalty) * np.where(held, penalty.threshold, 0.0), np.inf)
    return replace(standing, threshold=threshold)


def largest(standing: Standing, penalty: ElasticNet) -> float:
    """By how much all thresholds would have to grow for no coefficient that is zero to want to leave it."""
    return float(_scores(standing, penalty)[penalty.threshold > 0.0].max(initial=0.0))


def single(cold: F64, penalty: ElasticNet, course: Course, size: Size) -> Solver[tuple[Standing, Point]]:
    """The fit of one penalty from the null model, by way of larger ones on a part of the rows."""
    part = course.n_rows // PART
    sample = (yield Draw(part, course.share)) if part >= LEAST else None
    standing = yield from fit_null(cold, penalty, course, course.aim, sample)
    ratio, spent, loose = largest(standing, penalty) / STEP, 0, replace(course, target=math.inf, aim=math.inf)
    while ratio > 1.0:
        larger = replace(penalty, threshold=ratio * penalty.threshold)
        standing, point = yield from advance(standing, larger, loose, size, at_least=STEPS)
        spent, ratio = spent + point.iterations, ratio / STEP
    if sample is not None:
        held = (standing.theta[standing.places] == 0.0) & (penalty.threshold[standing.places] > 0.0)
        standing = yield from _gather(replace(standing, sample=None), standing.places[~held])
        few, limit = some_of(penalty, standing.places), course.max_iterations
        solver = proximal_newton(standing.model, few, target=math.inf, max_iterations=limit, at_least=FIRST)
        progress = yield from inside(standing.view, solver)
        standing = yield from _moved(standing, progress.model, penalty)
        spent += progress.iterations
    wanted = _wanted(standing, penalty, AHEAD, ALL_AT_ONCE)
    standing = replace(standing, view=None)  # its memory serves the next
    standing = yield from _gather(standing, wanted)
    standing, point = yield from advance(standing, penalty, loose, size, at_least=CLOSER)
    spent += point.iterations
    if len(_missing(standing, penalty)):
        wanted = _wanted(standing, penalty, AHEAD)
        standing = replace(standing, view=None)
        standing = yield from _gather(standing, wanted)
    elif point.proof.gap > course.target:
        model = yield from inside(standing.view, loss_model(standing.theta[standing.places]))
        standing = replace(standing, model=model)
    rest = replace(course, max_iterations=max(0, course.max_iterations - point.iterations))
    standing, point = yield from advance(standing, penalty, rest, size)
    return standing, replace(point, iterations=spent + point.iterations)


def advance(
    standing: Standing,
    penalty: ElasticNet,
    course: Course,
    size: Size,
    at_least: int = 0,
    rounds: int = ROUNDS,
) -> Solver[tuple[Standing, Point]]:
    """The fit of a penalty from where fits stand, by so many steps at least, in so many rounds at most."""
    aim, spent = course.aim, 0
    if not _holds(standing, _wanted(standing, penalty, 0.0)):
        standing = yield from _gather(standing, _wanted(standing, penalty, AHEAD))
    for _ in range(rounds):
        inner, known = some_of(penalty, standing.places), standing.model
        progress = yield from inside(
            standing.view,
            proximal_newton(
                known,
                inner,
                target=aim,
                max_iterations=course.max_iterations - spent,
                anchor=size.among(standing.places, known.value(inner)),
                at_least=max(0, at_least - spent),
            ),
        )
        spent, reason = spent + progress.iterations, progress.reason
        standing = yield from _moved(standing, progress.model, penalty)
        proof = _proof(standing, penalty, size)
        missing = _missing(standing, penalty)
        if proof.gap <= course.target or spent >= course.max_iterations:
            break
        if len(missing):
            standing = yield from _gather(standing, np.union1d(standing.places, missing))
        elif reason != "target":
            break
        else:
            aim *= min(TIGHTER, 0.5 * course.target / proof.gap)
    point = Point(standing.theta, standing.at.value, standing.value(penalty), proof, spent, reason)
    return standing, point


def follow(
    standing: Standing, penalties: Sequence[ElasticNet], course: Course, size: Size
) -> Solver[list[tuple[Standing, Point]]]:
    """The fits of penalties in turn on one set, by a step each at least, proved by one reading of all columns: up to
    the first that is not proved, which is then fitted alone."""
    if not _holds(standing, _wanted(standing, penalties[-1], 0.0)):
        standing = yield from _gather(standing, _wanted(standing, penalties[-1], AHEAD))
    steps, model, places = [], standing.model, standing.places
    for penalty in penalties:
        inner = some_of(penalty, places)
        solver = proximal_newton(
            model,
            inner,
            target=course.aim,
            max_iterations=course.max_iterations,
            anchor=size.among(places, model.value(inner)),
            at_least=1,
        )
        steps.append((yield from inside(standing.view, solver)))
        model = steps[-1].model
    thetas = np.zeros((len(penalties), len(standing.theta)))
    thetas[:, places] = [step.model.theta for step in steps]
    every = yield Beyond(standing.view, places, thetas)
    found: list[tuple[Standing, Point]] = []
    for penalty, step, theta, at in zip(penalties, steps, thetas, every, strict=True):
        here = replace(standing, theta=theta, at=at, threshold=penalty.threshold, model=step.model)
        proof, spent = _proof(here, penalty, size), step.iterations
        point = Point(theta, at.value, here.value(penalty), proof, spent, step.reason)
        if proof.gap > course.target and spent < course.max_iterations:
            rest = replace(course, max_iterations=course.max_iterations - spent)
            here, point = yield from advance(here, penalty, rest, size)
            return [*found, (here, replace(point, iterations=spent + point.iterations))]
        found.append((here, point))
    return found


def together(course: Course) -> int:
    """How many penalties' gradients are worth having at once."""
    return max(1, min(MANY, HELD // (course.n_rows + course.place.size)))


def _proof(standing: Standing, penalty: ElasticNet, size: Size) -> Bound:
    known = replace(size, most=standing.value(penalty))
    return known.proof(standing.theta, standing.gradient(penalty), penalty)


def _holds(standing: Standing, wanted: Indices) -> bool:
    return bool(np.isin(wanted, standing.places, assume_unique=True).all())


def _moved(standing: Standing, model: Model, penalty: ElasticNet) -> Solver[Standing]:
    theta = np.zeros(len(standing.theta))
    theta[standing.places] = model.theta
    (at,) = yield Beyond(standing.view, standing.places, theta[None], standing.sample)
    return replace(standing, theta=theta, at=at, threshold=penalty.threshold, model=model)


def _gather(standing: Standing, places: Indices) -> Solver[Standing]:
    view = yield Narrow(places, standing.sample)
    model = yield from inside(view, loss_model(standing.theta[places]))
    return replace(standing, places=places, view=view, model=model)


def _scores(standing: Standing, penalty: ElasticNet) -> F64:
    """The gradient in thresholds: 1 where a coefficient of zero is about to leave it; 0 of what is not pulled."""
    gradient, threshold = np.abs(standing.gradient(penalty)), penalty.threshold
    pulled = np.isfinite(threshold) & (threshold > 0.0)
    return np.divide(gradient, threshold, out=np.zeros(len(gradient)), where=pulled)


def _wanted(standing: Standing, penalty: ElasticNet, ahead: float, growth: int = GROWTH) -> Indices:
    """The working set: what is active or free, and of the rest what may become active, the most likely first."""
    threshold = penalty.threshold
    inside = (standing.theta != 0.0) | (threshold == 0.0)
    scores = _scores(standing, penalty)
    pulled = scores > 0.0
    falls = np.ones(len(scores))
    np.divide(standing.threshold, threshold, out=falls, where=pulled & np.isfinite(standing.threshold))
    bound = np.maximum(1.0 - (1.0 + ahead) * (falls - 1.0) - (MARGIN if ahead else 0.0), LEAST_SCORE)
    asks = np.flatnonzero(pulled & ~inside & (scores >= bound))
    most = max(FEWEST, growth * int(np.count_nonzero(inside)))
    if len(asks) > most:
        asks = asks[np.argpartition(-scores[asks], most)[:most]]
    inside[asks] = True
    return np.flatnonzero(inside)


def _missing(standing: Standing, penalty: ElasticNet) -> Indices:
    """Columns outside the set whose gradient is beyond the threshold, the furthest first."""
    scores = _scores(standing, penalty)
    scores[standing.places] = 0.0
    missing = np.flatnonzero(scores > 1.0)
    most = max(FEWEST, GROWTH * len(standing.places))
    return missing if len(missing) <= most else missing[np.argpartition(-scores[missing], most)[:most]]
