"""Rows whose loss is the negative log-likelihood less half the log-determinant of its information (Jeffreys' prior).

Let class k's share in a row's logits be a contrast B_k, centred by the row's probabilities, b_k = B_k - sum_l p_l B_l.
The cumulants of b over classes are the derivatives of the log-likelihood by the row's predictors:

    V = sum_k p_k b_k b_k',   third = sum_k p_k b_k (x) b_k (x) b_k,   fourth = sum_k p_k b_k^(x)4 - V (x) V in 3 ways,

and the information is I = sum_i w_i V_i (x) z_i z_i'.  With A = I^-1 and the row's block of leverages H_i = z_i' A z_i,

    d log det I / d theta_J           = tr(A I_J)                      I_J  = sum_i w_i third_i z_i (x) z_i z_i'
    d2 log det I / d theta_J theta_K  = tr(A I_JK) - tr(A I_J A I_K)   I_JK = sum_i w_i fourth_i ...

Two readings of X for value, gradient and Hessian; every solver works on these rows as on any others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_of
from berkson.kernels.reference import logistic_curvature_weight, sigmoid, softmax
from berkson.rows.draw import CHUNK
from berkson.rows.memory import InMemory
from berkson.rows.questions import Answer, Evaluate, Evaluation, Question

F64 = npt.NDArray[np.float64]

CELLS = 1 << 19  # of the rows and their cumulants that are held at a time
EXACT = 1e8  # multiplications up to which the Hessian is exact; beyond, leverages are small and the information serves


class Block(NamedTuple):
    """Rows in theta's coordinates of one predictor: their place, Z (m, q), weight (m,), probabilities (m, K) and
    centred contrasts (m, K, C)."""

    place: slice
    Z: F64
    weight: F64
    probability: F64
    contrast: F64


@dataclass(frozen=True)
class Jeffreys:
    """What answers questions about the penalised negative log-likelihood."""

    rows: InMemory

    def cost(self, questions: Sequence[Question]) -> tuple[float, int]:
        """(passes, bytes of X read): two readings for each question."""
        passes, read = self.rows.cost(questions)
        return 2.0 * passes, 2 * read

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [self.answer_one(question) for question in questions]

    def answer_one(self, question: Question) -> Answer:
        """Infinite where the information is singular to working precision."""
        assert isinstance(question, Evaluate)
        assert question.sample is None
        theta, order = question.theta, question.order
        at: Evaluation = self.rows.answer_one(Evaluate(theta, 2))
        information = at.hessian
        assert information is not None
        assert at.gradient is not None
        inverse = inverse_of(information)
        if inverse is None:
            return at._replace(value=math.inf)
        value = at.value - 0.5 * float(np.linalg.slogdet(information)[1])
        if order == 0:
            return Evaluation(value, at.margin, None, None)
        exact = order == 2 and self.is_exact
        if exact or self.rows.coordinates.basis is not None:
            slope, bend = self._of_log_det(theta, inverse, exact=exact)
        else:
            slope, bend = self._slope_of_two(theta, inverse), np.zeros_like(information)
        return Evaluation(value, at.margin, at.gradient - 0.5 * slope, information - 0.5 * bend if order == 2 else None)

    @cached_property
    def is_exact(self) -> bool:
        """Whether the Hessian is exact, or the information in its place."""
        return self.rows.n_rows * float(self.rows.coordinates.size) ** 3 <= EXACT

    def _of_log_det(self, theta: F64, inverse: F64, *, exact: bool) -> tuple[F64, F64]:
        """Gradient (size,) and, where asked for, Hessian (size, size) of log det I."""
        place = self.rows.coordinates
        C, q, size = place.contrasts, place.columns, place.size
        slope, bend, third = np.zeros((C, q)), np.zeros((C, q, C, q)), np.zeros((C, q, C, q, C, q))
        for block in self.blocks(theta):
            H = leverages(block.Z, inverse)
            b = block.contrast
            pb = (block.weight[:, None] * block.probability)[:, :, None] * b
            form = ((b @ H) * b).sum(axis=2)  # b_k' H b_k
            slope += (pb * form[:, :, None]).sum(axis=1).T @ block.Z
            if not exact:
                continue
            V = (block.probability[:, :, None] * b).transpose(0, 2, 1) @ b
            VHV = V @ H @ V
            trace = (V * H).sum(axis=(1, 2))
            second = (pb * form[:, :, None]).transpose(0, 2, 1) @ b
            second -= block.weight[:, None, None] * (trace[:, None, None] * V + 2.0 * VHV)
            cumulant = np.einsum("mka,mkc,mkd->macd", pb, b, b)
            ZZ = (block.Z[:, :, None] * block.Z[:, None, :]).reshape(-1, q * q)
            for c, d in np.ndindex(C, C):
                bend[c, :, d, :] += (second[:, c, d, None] * block.Z).T @ block.Z
                for a in range(C):
                    third[a, :, c, :, d, :] += ((cumulant[:, a, c, d, None] * block.Z).T @ ZZ).reshape(q, q, q)
        if not exact:
            return slope.ravel(), np.zeros((size, size))
        through = (inverse @ third.reshape(size, size, size)).reshape(size, -1)  # A I_J
        turned = through.reshape(size, size, size).transpose(0, 2, 1).reshape(size, -1)
        return slope.ravel(), bend.reshape(size, size) - through @ turned.T

    def _slope_of_two(self, theta: F64, inverse: F64) -> F64:
        """The gradient for two classes by kernels: sum_i w_i h_i p_i (1 - p_i) (1 - 2 p_i) x_i, h_i = x_i' A x_i; the
        last column of a Gram matrix is a sum of rows."""
        place, part = self.rows.coordinates, self.rows.whole
        coef, metric = place.expand(theta), place.metric(inverse)
        total = np.zeros(len(coef))
        for start in range(0, self.rows.n_rows, CHUNK):
            run = slice(start, start + CHUNK)
            design = self.rows.design.run_of(run)
            eta = design.linear_predictor(None, part.center, coef[:, None], part.threads)[:, 0]
            if part.offset is not None:
                eta += part.offset[run]
            third = logistic_curvature_weight(eta) * (sigmoid(-eta) - sigmoid(eta))
            third *= design.quadratic_form(None, part.center, metric, part.threads)
            if part.weight is not None:
                third *= part.weight[run]
            total += design.gram(None, part.center, third, part.threads)[:, -1]
        return place.gradient(total)

    def blocks(self, theta: F64) -> Iterator[Block]:
        """The rows, a run at a time."""
        rows, place = self.rows, self.rows.coordinates
        n, p = rows.design.shape
        basis = np.array([[0.0], [1.0]]) if place.basis is None else place.basis
        apart = basis[:, None, :] - basis[None, :, :]  # (K, K, C)
        coef = theta.reshape(place.contrasts, -1).T @ basis.T
        cells = place.columns * (place.columns if self.is_exact else 2) + basis.size * place.contrasts**2
        step = max(1, CELLS // cells)
        for start in range(0, n, step):
            part = slice(start, min(n, start + step))
            Z = np.ones((part.stop - start, p + 1))
            Z[:, :p] = rows.design.few_rows(part) - place.center
            Z = (Z if place.kept is None else Z[:, place.kept]) / place.scale
            eta = Z @ coef
            if rows.offset is not None:
                eta = eta + (rows.offset[part] if place.basis is not None else np.outer(rows.offset[part], [0.0, 1.0]))
            if place.basis is None:
                probability = np.column_stack([sigmoid(-eta[:, 1]), sigmoid(eta[:, 1])])
            else:
                probability = softmax(eta)
            weight = np.ones(len(Z)) if rows.weight is None else rows.weight[part]
            yield Block(part, Z, weight, probability, np.einsum("ml,klc->mkc", probability, apart))


def leverages(Z: F64, inverse: F64) -> F64:
    """(m, C, C) blocks z' A_cd z of each row."""
    m, q = Z.shape
    C = len(inverse) // q
    blocks = inverse.reshape(C, q, C, q)
    out = np.empty((m, C, C))
    for c in range(C):
        for d in range(c, C):
            out[:, c, d] = out[:, d, c] = ((Z @ blocks[c, :, d, :]) * Z).sum(axis=1)
    return out
