"""The restricted likelihood of smoothing parameters, by Laplace's approximation, with two exact derivatives.

Columns are held by ridges in groups k, the r_k columns of each by its own strength exp(rho_k), and others are free.
With P the penalised objective at its minimiser theta, and A = H + S its Hessian there (the loss's and the ridges'),

    V(rho) = P + log det A / 2 - sum_k r_k rho_k / 2

is minus the logarithm of the restricted likelihood, but for a constant (Wood 2011, Journal of the Royal Statistical
Society B 73: method="REML" of mgcv).  Let S_k be group k's part of S.  By rho_k (and, of a row, w the curvature of its
loss, w' and w'' its derivatives by the linear predictor, h = x' A^-1 x, eta_k = x . theta_k),

    theta_k  = -A^-1 S_k theta                     A_k = S_k + sum w' eta_k x x'
    theta_kl = -A^-1 (A_l theta_k + S_k theta_l + [k = l] S_k theta)
    V_k      = (theta' S_k theta - r_k + tr(A^-1 A_k)) / 2
    V_kl     = [k = l] theta' S_k theta / 2 + theta' S_k theta_l - tr(A^-1 A_k A^-1 A_l) / 2
               + ([k = l] tr(A^-1 S_k) + sum h w'' eta_k eta_l + sum h w' x . theta_kl) / 2

Two classes.  A Gram matrix for each group, and Newton's passes to the minimiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from berkson.inverse import inverse_of
from berkson.kernels.reference import logistic_curvature_weight, sigmoid
from berkson.penalty import Ridge
from berkson.rows.draw import CHUNK
from berkson.rows.memory import InMemory
from berkson.solvers.newton import Solution, newton
from berkson.solvers.run import Work, run

F64 = npt.NDArray[np.float64]

STEPS = 100  # of Newton to a minimiser


@dataclass(frozen=True)
class Groups:
    """Which unknowns each smoothing parameter holds, and the ridge (size,) on each at strength 1."""

    rows: InMemory
    places: tuple[npt.NDArray[np.intp], ...]
    unit: F64

    @classmethod
    def of(cls, rows: InMemory, columns: Sequence[Sequence[int]]) -> Groups:
        """From columns of the design, all of which the rows keep."""
        unit = np.zeros(rows.coordinates.size)
        places = tuple(np.asarray(each, dtype=np.intp) for each in columns)
        for each in places:
            unit[each] = rows.coordinates.scale[each] ** -2.0
        return cls(rows, places, unit)

    @cached_property
    def sizes(self) -> F64:
        """Columns of each group, r_k."""
        return np.array([float(len(each)) for each in self.places])

    def ridge(self, rho: F64) -> F64:
        """The strength (size,) of each unknown."""
        strength = np.zeros(len(self.unit))
        for each, value in zip(self.places, np.exp(rho), strict=True):
            strength[each] = value * self.unit[each]
        return strength

    def fitted(self, rho: F64, start: F64, target: float, work: Work) -> Fitted | None:
        """The minimiser at rho, found from `start` to a gap of `target`; None where it is not found."""
        solution = run(newton(start, Ridge(self.ridge(rho)), target=target, max_iterations=STEPS), self.rows, work)
        if solution.reason not in ("target", "stalled") or not np.isfinite(solution.at.value):
            return None
        return Fitted.of(self, rho, solution, work)


@dataclass(frozen=True)
class Fitted:
    """The penalised fit at rho (m,): theta (size,), its loss, A^-1 (size, size), and V of the module."""

    groups: Groups
    rho: F64
    theta: F64
    loss: float
    inverse: F64
    value: float
    work: Work

    @classmethod
    def of(cls, groups: Groups, rho: F64, solution: Solution, work: Work) -> Fitted | None:
        """None where A is singular to working precision."""
        whole, theta = solution.at.hessian, solution.theta
        assert whole is not None
        spread = np.sqrt(whole.diagonal())
        inverse = inverse_of(whole / (spread[:, None] * spread)) if (spread > 0.0).all() else None
        if inverse is None:
            return None
        log_det = 2.0 * float(np.log(spread).sum()) - float(np.linalg.slogdet(inverse)[1])
        value = solution.at.value + 0.5 * log_det - 0.5 * float(groups.sizes @ rho)
        loss = solution.at.value - 0.5 * float(groups.ridge(rho) @ (theta * theta))
        return cls(groups, rho, theta, loss, inverse / (spread[:, None] * spread), value, work)

    @cached_property
    def freedom(self) -> F64:
        """The effective degrees of freedom (size,) of each unknown: the diagonal of A^-1 H = I - A^-1 S."""
        return np.asarray(1.0 - self.inverse.diagonal() * self.groups.ridge(self.rho))

    @cached_property
    def derivatives(self) -> tuple[F64, F64]:
        """The gradient (m,) and Hessian (m, m) of V by rho."""
        groups, A = self.groups, self.inverse
        ridge, m = groups.ridge(self.rho), len(self.rho)
        pulls = np.zeros((len(self.theta), m))  # S_k theta
        for k, each in enumerate(groups.places):
            pulls[each, k] = ridge[each] * self.theta[each]
        along = -A @ pulls  # theta_k
        grams, leverage, bend = self._sums(along)
        for k, each in enumerate(groups.places):
            grams[k][each, each] += ridge[each]
        turned = [A @ gram for gram in grams]
        quadratic = self.theta @ pulls
        slope = 0.5 * (quadratic - groups.sizes + np.array([np.trace(each) for each in turned]))
        hessian = np.empty((m, m))
        for k in range(m):
            each = groups.places[k]
            for j in range(m):
                second = grams[j] @ along[:, k]
                second[each] += ridge[each] * along[each, j]
                if j == k:
                    second = second + pulls[:, k]
                through = leverage @ (-A @ second) + bend[k, j] - float((turned[k] * turned[j].T).sum())
                hessian[k, j] = pulls[:, k] @ along[:, j] + 0.5 * through
            own = float(ridge[each] @ A.diagonal()[each])
            hessian[k, k] += 0.5 * (quadratic[k] + own)
        return slope, 0.5 * (hessian + hessian.T)

    def _sums(self, along: F64) -> tuple[list[F64], F64, F64]:
        """sum w' eta_k x x' for each k, sum h w' x (size,), and sum h w'' eta_k eta_l (m, m)."""
        rows, place = self.groups.rows, self.groups.rows.coordinates
        part, m = rows.whole, along.shape[1]
        coef = np.column_stack([place.expand(each) for each in (self.theta, *along.T)])
        metric = place.metric(self.inverse)
        grams, leverage, bend = [np.zeros((len(coef),) * 2) for _ in range(m)], np.zeros(len(coef)), np.zeros((m, m))
        for start in range(0, rows.n_rows, CHUNK):
            run = slice(start, start + CHUNK)
            design = rows.design.run_of(run)
            eta = design.linear_predictor(None, part.center, coef, part.threads)
            own, others = eta[:, 0] if part.offset is None else eta[:, 0] + part.offset[run], eta[:, 1:]
            curvature = logistic_curvature_weight(own)
            if part.weight is not None:
                curvature = curvature * part.weight[run]
            tilt = sigmoid(-own) - sigmoid(own)  # 1 - 2 p; w' = w (1 - 2 p), w'' = w (1 - 6 p (1 - p))
            h = design.quadratic_form(None, part.center, metric, part.threads)
            third, fourth = curvature * tilt, curvature * (1.5 * tilt * tilt - 0.5)
            for k in range(m):
                grams[k] += design.gram(None, part.center, np.ascontiguousarray(third * others[:, k]), part.threads)
            leverage += design.gram(None, part.center, third * h, part.threads)[:, -1]
            bend += (others * (h * fourth)[:, None]).T @ others
        self.work.add(((m + 3.0), int((m + 3) * rows.design.nbytes)))
        return [place.gram(gram) for gram in grams], place.gradient(leverage), bend
