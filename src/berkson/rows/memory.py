"""Rows in memory: what answers questions by one kernel call each, or one for many where they can share a pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.design import Dense, Design, Mixed, Part, Sparse
from berkson.design.arrow import Arrow
from berkson.kernels.reference import logistic_curvature_weight, softmax
from berkson.loss import Logistic, Loss
from berkson.rows.coordinates import Coordinates
from berkson.rows.draw import draw
from berkson.rows.questions import (
    Answer,
    ArrowHessian,
    Beyond,
    Curvature,
    Draw,
    Evaluate,
    Evaluation,
    Extent,
    Furthest,
    Inside,
    LargestLeverage,
    LeastChange,
    Likeness,
    LowerGram,
    Narrow,
    NullGram,
    Question,
    Reach,
    Sample,
    Within,
)
from berkson.rows.runs import InRuns, rows_at_once

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]

WORK_FOR_THREADS = 2e5  # multiplications below which starting a thread costs more than it saves
LEAST_SINGLE, MOST_SINGLE = 1e-25, 1e35  # of a Hessian's diagonal: beyond, single precision underflows or overflows
PREDICTORS = 1 << 15  # linear predictors that are held at a time, with what is computed of them


class NonFiniteError(ArithmeticError):
    """A sum over rows is NaN or infinite: so is a cell of X, or it is too large to be squared."""


def threads_for(work: float) -> int:
    """Threads worth starting for so many multiplications."""
    return kernels.threads() if work > WORK_FOR_THREADS else 1


@dataclass(frozen=True)
class InMemory:
    """A table in memory: the design of n rows, y, weight (n,) or None, offset (n,) or (n, K) or None."""

    design: Design
    y: Array
    weight: F64 | None
    offset: F64 | None
    loss: Loss
    coordinates: Coordinates

    @property
    def n_rows(self) -> int:
        return self.design.shape[0]

    def cost(self, questions: Sequence[Question]) -> tuple[float, int]:
        """(passes, bytes of X read) of a round of questions."""
        if len(questions) == 1:
            passes = self._cost(questions[0])
        else:
            free = self._shared(questions)[1:]
            passes = sum(self._cost(question) for i, question in enumerate(questions) if i not in free)
        return passes, int(passes * self.design.nbytes)

    def _cost(self, question: Question) -> float:
        match question:
            case Draw():
                return 0.0
            case Inside(view, inner):
                return float(view.cost((inner,))[1] / max(1, self.design.nbytes))
            case Reach() | Furthest():
                return 1.0
        return 1.0 if question.sample is None else question.sample.size / self.n_rows

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in order; those that can share a pass do."""
        shared = self._shared(questions)
        together = self._evaluate_many([questions[i].theta for i in shared]) if shared else []  # type: ignore[union-attr]
        by_place = dict(zip(shared, together, strict=True))
        return [by_place[i] if i in by_place else self.answer_one(q) for i, q in enumerate(questions)]

    def _shared(self, questions: Sequence[Question]) -> list[int]:
        """Places of the questions that one pass answers together: first-order evaluations of two classes, all rows."""
        places = [
            i
            for i, q in enumerate(questions)
            if isinstance(q, Evaluate) and q.order == 1 and q.sample is None and isinstance(self.loss, Logistic)
        ]
        return places if len(places) > 1 else []

    def answer_one(self, question: Question) -> Answer:
        match question:
            case Evaluate():
                return self._evaluate(question)
            case ArrowHessian():
                return self._arrow(question)
            case Curvature(theta, direction, sample):
                place = self.coordinates
                product = self.loss.curvature(
                    self.design, self.part(sample), place.expand(theta), place.expand(direction)
                )
                return place.gradient(product)
            case NullGram(sample):
                part = self.part(sample)
                return self.coordinates.gram(self.design.gram(part.rows, part.center, part.weight, part.threads))
            case LowerGram(theta, share, sample):
                return self._lower_gram(theta, share, sample)
            case LargestLeverage(metric, sample):
                return self._largest_leverage(metric, sample)
            case Extent(sample):
                return self._extent(sample)
            case Reach():
                return self._reach()
            case Furthest(direction):
                return self._furthest(direction)
            case Narrow(places, sample):
                return (self if sample is None else self.only(sample)).narrowed(places)
            case Inside(view, inner):
                return view.answer_one(inner)
            case Beyond():
                return self._beyond(question)
            case Within(metric, cap, sample):
                return self._within(metric, cap, sample)
            case LeastChange(before, now, sample):
                return self._least_change(before, now, sample)
            case Likeness(theta, share, sample, inverse):
                return self._likeness(theta, share, sample, inverse)
            case Draw(size, share, seed):
                return draw(self.y, self.weight, size, share, seed)

    @cached_property
    def whole(self) -> Part:
        """The kernel's view of all rows."""
        threads = threads_for(self.n_rows * self.design.shape[1] * self.loss.outputs)
        return Part(None, self.coordinates.center, self.y, self.weight, self.offset, threads)

    def part(self, sample: Sample | None = None, *, as_part: bool = False) -> Part:
        """The kernel's view of all rows, or of a sample's."""
        if sample is None:
            return self.whole
        index = sample.index
        return Part(
            index,
            self.coordinates.center,
            self.y[index],
            sample.own if as_part else sample.scaled,
            None if self.offset is None else self.offset[index],
            threads_for(sample.size * self.design.shape[1] * self.loss.outputs),
        )

    @cached_property
    def _unit(self) -> F64:
        """What columns are multiplied by to be coordinates (p+1,): 0 where they are none."""
        place = self.coordinates
        unit = np.zeros(len(place.center) + 1)
        unit[slice(None) if place.kept is None else place.kept] = 1.0 / place.scale
        return unit

    def _roughly(self, question: Evaluate) -> Evaluation | None:
        """With a Hessian in single precision, None where numbers are beyond its range."""
        place, part = self.coordinates, self.part(question.sample, as_part=question.as_part)
        assert isinstance(self.design, Dense)
        value, margin, gradient, full, rounding = self.design.logistic_rounded(
            part, place.expand(question.theta), self._unit
        )
        hessian = place.hessian(full)
        size = hessian.diagonal()
        if not (float(size.min()) > LEAST_SINGLE and float(size.max()) < MOST_SINGLE):
            return None
        return Evaluation(value, margin, place.gradient(gradient), hessian, rounding)

    def _evaluate(self, question: Evaluate) -> Evaluation:
        place = self.coordinates
        if question.rough and isinstance(self.loss, Logistic) and isinstance(self.design, Dense):
            answer = self._roughly(question)
            if answer is not None:
                return answer
        value, margin, gradient, hessian = self.loss.evaluate(
            self.design,
            self.part(question.sample, as_part=question.as_part),
            place.expand(question.theta),
            question.order,
        )
        # a trial far out may have an infinite value; only data can make a gradient so
        if gradient is not None and not math.isfinite(np.add.reduce(gradient, axis=None)):
            raise NonFiniteError
        return Evaluation(
            value,
            margin,
            None if gradient is None else place.gradient(gradient),
            None if hessian is None else place.hessian(hessian),
        )

    def _arrow(self, question: ArrowHessian) -> tuple[Evaluation, Arrow]:
        part, place = self.part(question.sample), self.coordinates
        assert isinstance(self.design, Mixed)
        coef = place.expand(question.theta)
        value, margin, gradient, hessian = self.design.logistic_arrow(part, coef, coupled=question.coupled)
        if not math.isfinite(float(gradient.sum())):
            raise NonFiniteError
        return Evaluation(value, margin, place.gradient(gradient), None), hessian.within(place.kept).scaled(place.scale)

    def _evaluate_many(self, thetas: Sequence[F64]) -> list[Evaluation]:
        place, part = self.coordinates, self.part()
        coef = np.column_stack([place.expand(theta) for theta in thetas])
        values, margins, gradients = self.design.logistic_many(part, coef)
        return [
            Evaluation(float(values[j]), float(margins[j]), place.gradient(gradients[:, j]), None)
            for j in range(len(thetas))
        ]

    def _pieces(self, sample: Sample | None) -> Iterator[tuple[slice, Design, Array | None]]:
        """Runs of rows whose row-long results are held at a time: (place, design, rows of it)."""
        m = self.n_rows if sample is None else sample.size
        step = max(1, PREDICTORS // self.loss.outputs)
        for start in range(0, m, step):
            place = slice(start, min(start + step, m))
            yield (
                (place, self.design.run_of(place), None)
                if sample is None
                else (place, self.design, sample.index[place])
            )

    def _lower_gram(self, theta: F64, share: F64, sample: Sample | None) -> F64:
        part, coef = self.part(sample, as_part=True), self.coordinates.expand(theta)
        total = np.zeros((coef.shape[0],) * 2)
        for place, design, rows in self._pieces(sample):
            eta = design.linear_predictor(rows, part.center, coef, part.threads)
            if part.offset is not None:
                eta += part.offset[place]
            weight = (softmax(eta) / share).min(axis=1)
            if part.weight is not None:
                weight *= part.weight[place]
            total += design.gram(rows, part.center, weight, part.threads)
        return self.coordinates.gram(total)

    def _likeness(self, theta: F64, share: F64, sample: Sample, inverse: F64) -> tuple[F64, F64]:
        place, part = self.coordinates, self.part(sample, as_part=True)
        coef = place.expand(theta).reshape(len(place.center) + 1, -1)
        eta = self.design.linear_predictor(part.rows, part.center, coef, part.threads)
        if part.offset is not None:
            eta += part.offset.reshape(sample.size, -1)
        if self.loss.outputs == 1:
            curvature = logistic_curvature_weight(eta[:, 0])
        else:
            curvature = (softmax(eta) / share).min(axis=1)
        if part.weight is not None:
            curvature = curvature * part.weight
        on_columns = np.zeros(len(place.center) + 1)
        on_columns[slice(None) if place.kept is None else place.kept] = inverse / (place.scale * place.scale)
        return self.design.rows_gram(sample.index, part.center, on_columns), curvature

    def _leverages(self, metric: F64, sample: Sample | None) -> Iterator[tuple[slice, F64]]:
        """(place, x_i' metric x_i), 0 where the row has no weight."""
        part, full = self.part(sample, as_part=True), self.coordinates.metric(metric)
        for place, design, rows in self._pieces(sample):
            forms = design.quadratic_form(rows, part.center, full, part.threads)
            yield place, forms if part.weight is None else np.where(part.weight[place] > 0, forms, 0.0)

    def _largest_leverage(self, metric: F64, sample: Sample | None) -> float:
        return max((float(forms.max()) for _, forms in self._leverages(metric, sample)), default=0.0)

    def _extent(self, sample: Sample | None) -> float:
        if isinstance(self.design, Dense):
            return max(0.0, self.design.longest(self.part(sample, as_part=True), self._unit))
        reach = self._reach(sample)
        return float(reach @ reach)

    def _furthest(self, direction: F64) -> float:
        part, coef, furthest = self.part(), self.coordinates.expand(direction)[:, None], 0.0
        for place, design, rows in self._pieces(None):
            moved = np.abs(design.linear_predictor(rows, part.center, coef, part.threads)[:, 0])
            used = moved if part.weight is None else moved[part.weight[place] > 0.0]
            furthest = max(furthest, float(used.max(initial=0.0)))
        return furthest

    def _reach(self, sample: Sample | None = None) -> F64:
        part, place = self.part(sample, as_part=True), self.coordinates
        _, _, _, low, high = self.design.moments(part.rows, part.weight, part.threads)
        furthest = np.append(np.maximum(np.abs(low - place.center), np.abs(high - place.center)), 1.0)
        scaled: F64 = (furthest if place.kept is None else furthest[place.kept]) / place.scale
        return scaled

    def only(self, sample: Sample) -> InMemory:
        """The rows of a sample, with scaled weights."""
        return replace(self.run(sample.index), weight=sample.scaled)

    def run(self, rows: slice | Array) -> InMemory:
        """Some rows with their own weights."""
        weight, offset = (None if each is None else each[rows] for each in (self.weight, self.offset))
        return replace(self, design=self.design.run_of(rows), y=self.y[rows], weight=weight, offset=offset)

    def narrowed(self, places: npt.NDArray[np.intp]) -> InMemory | InRuns:
        """The rows with the unknowns at these places of theta only (one linear predictor)."""
        step = rows_at_once(self.design, self.coordinates.some(places)[0])
        return self.gathered(places) if step >= self.n_rows else InRuns(self, places, step)

    def gathered(self, places: npt.NDArray[np.intp]) -> InMemory:
        """The same, whose columns are gathered now."""
        columns, coordinates = self.coordinates.some(places)
        return replace(self, design=self.design.columns(columns), coordinates=coordinates)

    def _beyond(self, question: Beyond) -> list[Evaluation]:
        known = self.residuals(question)
        if known is None:
            if len(question.thetas) > 1 and question.sample is None:
                return self._evaluate_many(list(question.thetas))
            return [self._evaluate(Evaluate(theta, 1, question.sample)) for theta in question.thetas]
        rows = self if question.sample is None else self.only(question.sample)
        return rows.gradients(*known)

    def residuals(self, question: Beyond) -> tuple[F64, F64, F64] | None:
        """Values (M,), margins (M,) and weighted residuals (n, M) by a view; None where all columns are as cheap."""
        if not isinstance(self.design, Sparse) or not isinstance(self.loss, Logistic):
            return None
        return question.view.residuals_at(question.thetas[:, question.places])  # type: ignore[no-any-return]

    def residuals_at(self, thetas: F64) -> tuple[F64, F64, F64]:
        """The same of these rows' own unknowns, thetas (M, q)."""
        assert isinstance(self.design, Sparse)
        coef = np.column_stack([self.coordinates.expand(theta) for theta in thetas])
        return self.design.residuals(self.part(), coef, curved=False)[:3]

    def gradients(self, values: F64, margins: F64, residuals: F64) -> list[Evaluation]:
        """Evaluations of which only the gradients are missing, from residuals (n, M), in one reading of X."""
        assert isinstance(self.design, Sparse)
        sums = self.design.transposed(residuals, self.coordinates.center, self.whole.threads)
        if not math.isfinite(np.add.reduce(sums, axis=None)):
            raise NonFiniteError
        each = zip(values.tolist(), margins.tolist(), sums.T, strict=True)
        return [Evaluation(value, margin, self.coordinates.gradient(sum_), None) for value, margin, sum_ in each]

    def _least_change(self, before: F64, now: F64, sample: Sample) -> float:
        part, place, K = self.part(sample, as_part=True), self.coordinates, self.loss.outputs
        q = len(place.center) + 1
        coef = np.hstack([place.expand(before).reshape(q, K), place.expand(now).reshape(q, K)])
        least = math.inf
        for run, design, rows in self._pieces(sample):
            eta = design.linear_predictor(rows, part.center, coef, part.threads)
            if part.offset is not None:
                eta += np.tile(part.offset[run].reshape(len(eta), -1), 2)
            if K == 1:
                curvature = logistic_curvature_weight(eta)
                change = curvature[:, 1] / curvature[:, 0]
            else:  # Var_p(v) = min_c sum p_k (v_k - c)^2
                change = (softmax(eta[:, K:]) / softmax(eta[:, :K])).min(axis=1)
            scaled = sample.scaled[run]
            own = np.ones(len(scaled)) if sample.own is None else sample.own[run]
            used = scaled > 0.0
            least = min(least, float((change[used] * own[used] / scaled[used]).min(initial=math.inf)))
        return least

    def _within(self, metric: F64, cap: float, sample: Sample | None) -> Sample:
        near = [np.flatnonzero(forms <= cap) + place.start for place, forms in self._leverages(metric, sample)]
        rows = np.concatenate(near)
        if sample is not None:
            rows = sample.index[rows]
        return Sample.alone(rows, self.weight)
