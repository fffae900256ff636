"""Penalties of a path with structure: columns in groups, coefficients between bounds.

No rule screens groups: a model's minimum touches those alone that are not zero, and what is left to save, the Hessian
of all columns and its factor, lasts for many penalties.  From some hundreds of columns on, working sets would pay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from berkson.bound_penalty import Bounded, SymmetricBounded
from berkson.group_penalty import SparseGroup
from berkson.penalty import ElasticNet
from berkson.problem import InputError, Problem
from berkson.rows.coordinates import Coordinates
from berkson.select.regularizer import LEAST_RATIO, Regularizer

F64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

ROUNDED = 4e-16  # of a coefficient: what multiplying by a column's scale and dividing again may do


@dataclass(frozen=True)
class GroupRegularizer(Regularizer):
    """In place of the lasso, with z the coefficients in their units,

        lambda l1_ratio (share sum_j factor_j |z_j| + (1 - share) sum_g factor_g sqrt(size_g) |z_g|_2):

    group (p,) the code from 0 of each column; size_g counts columns.  For K classes |z_g| is over all of them, as in
    glmnet's grouped multinomial, and K - 1 contrasts say it.
    """

    group: Codes
    share: float

    def penalty(self, amount: float, place: Coordinates) -> ElasticNet:
        """`amount`, which is lambda times the total weight, in theta: the constants are free."""
        net = super().penalty(amount, place)
        held = np.isinf(net.threshold)
        threshold = np.where(held, np.inf, self.share * np.where(held, 0.0, net.threshold))
        unit = self._unit(place) / place.scale
        count = int(self.group.max()) + 1
        factor = np.zeros(count)
        finite = np.where(np.isfinite(self.factor), self.factor, 0.0)
        np.maximum.at(factor, self.group, finite)
        radius = amount * self.l1_ratio * (1.0 - self.share) * factor * np.sqrt(np.bincount(self.group))
        code = np.append(self.group, count)
        code = np.tile(code if place.kept is None else code[place.kept], place.contrasts)
        unit = np.where(held, 1.0, np.tile(unit, place.contrasts))
        return SparseGroup(net.strength, threshold, code, np.append(radius, 0.0), unit)

    def largest(self, gradient: F64, place: Coordinates) -> float:
        """The least amount at which every penalised coefficient is zero; of nearly a ridge, that of l1_ratio 0.001."""
        some = replace(self, l1_ratio=max(self.l1_ratio, LEAST_RATIO))
        return some.penalty(1.0, place).dual_norm(gradient)


@dataclass(frozen=True)
class BoundRegularizer(Regularizer):
    """The elastic net on coefficients between bounds (p,) in the caller's units, which contain 0.  The largest penalty
    is that without bounds, as in glmnet."""

    lower: F64
    upper: F64

    @property
    def waits(self) -> bool:
        """Whether nothing may happen on a path for a while, as where the first column to enter must not (glmnet)."""
        return bool((self.lower == 0.0).any() or (self.upper == 0.0).any())

    def exact(self, coef: F64) -> F64:
        """Those that rounding moved off their bound put back on it."""
        with np.errstate(invalid="ignore"):  # infinite bounds
            for bound in (self.lower, self.upper):
                coef = np.where(np.abs(coef - bound) <= ROUNDED * np.abs(coef), bound, coef)
        return coef

    def penalty(self, amount: float, place: Coordinates) -> ElasticNet:
        """`amount`, which is lambda times the total weight, in theta: the constants are free."""
        return self._bounded(super().penalty(amount, place), place)

    def without(self, place: Coordinates, *, columns: bool = False) -> ElasticNet:
        """What holds every penalised coefficient (with `columns`, every column's) at zero."""
        return self._bounded(super().without(place, columns=columns), place)

    def _bounded(self, net: ElasticNet, place: Coordinates) -> Bounded:
        lower, upper = np.append(self.lower, -np.inf), np.append(self.upper, np.inf)
        if place.kept is not None:
            lower, upper = lower[place.kept], upper[place.kept]
        with np.errstate(over="ignore"):  # a bound so far out is none
            least, most = (np.tile(bound * place.scale, place.contrasts) for bound in (lower, upper))
        if place.symmetric:
            return SymmetricBounded(net.strength, net.threshold, place.contrasts, least, most)
        return Bounded(net.strength, net.threshold, least, most)


def structured(
    plain: Regularizer,
    groups: npt.ArrayLike | None,
    share: float,
    lower: npt.ArrayLike | None,
    upper: npt.ArrayLike | None,
    problem: Problem,
) -> Regularizer:
    """With groups, or with bounds, where they are given; InputError in one sentence where they make no sense."""
    n_classes = problem.n_classes
    bounded = lower is not None or upper is not None
    if groups is None:
        if share != 0.0:
            raise InputError("share divides a penalty between groups and their columns: give groups as well")
        if not bounded:
            return plain
        least, most = _bounds(lower, -np.inf, "lower", problem), _bounds(upper, np.inf, "upper", problem)
        return BoundRegularizer(plain.l1_ratio, plain.factor, plain.unit, least, most)
    if bounded:
        raise InputError("bounds and groups are not fitted together: leave out groups, or lower and upper")
    if not 0.0 <= share <= 1.0:
        raise InputError(f"share is {share:g}: give a number from 0 (groups alone) to 1 (each column alone)")
    if n_classes > 2 and share > 0.0:
        raise InputError(
            f"sparse groups (share > 0) are for two classes, and there are {n_classes}: set share=0, which takes all "
            "classes of a group together"
        )
    return GroupRegularizer(plain.l1_ratio, plain.factor, plain.unit, _codes(groups, plain.factor, problem), share)


def _codes(groups: npt.ArrayLike, factor: F64, problem: Problem) -> Codes:
    given = np.asarray(groups)
    if given.shape != factor.shape:
        raise InputError(f"groups has shape {given.shape}, but X has {len(factor)} columns: give one code a column")
    try:
        missing = bool((given != given).any())
        names, codes = np.unique(given, return_inverse=True)
    except TypeError:
        raise InputError(
            "groups mixes kinds of codes, which cannot be told apart: give all numbers or all names"
        ) from None
    if missing:
        column = problem.column(int(np.flatnonzero(given != given)[0]))
        raise InputError(f"groups has no code for column {column!r}: give it one")
    for g in range(len(names)):
        places = np.flatnonzero((codes == g) & np.isfinite(factor))
        other = places[factor[places] != factor[places[0]]] if len(places) else places
        if len(other):
            one, two = problem.column(int(places[0])), problem.column(int(other[0]))
            raise InputError(
                f"columns {one!r} and {two!r} of one group have different factors: give all of a group the same one"
            )
    return codes.astype(np.intp)


def _bounds(given: npt.ArrayLike | None, default: float, name: str, problem: Problem) -> F64:
    p = problem.X.shape[1]
    if given is None:
        return np.full(p, default)
    try:
        bound = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {given!r:.60}: give one number, or one a column") from None
    if bound.shape not in ((), (p,)):
        raise InputError(f"{name} has shape {bound.shape}, but X has {p} columns: give one number, or one a column")
    bound = np.broadcast_to(bound, (p,)).astype(np.float64)
    wrong = ~((bound <= 0.0) if name == "lower" else (bound >= 0.0))
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        side = "at most" if name == "lower" else "at least"
        raise InputError(
            f"{name} is {bound[j]:g} for column {problem.column(j)!r}, but a path begins at zero: give bounds that "
            f"contain 0 ({name} {side} 0)"
        )
    return bound
