"""Relaxed fits: the columns that a penalty chose, fitted again without it, and blends of the two.

    coef(lambda, gamma) = gamma coef(lambda) + (1 - gamma) coef of maximum likelihood on the columns of coef(lambda)

(Meinshausen, Computational Statistics & Data Analysis 52, 2007, in the form of Hastie, Tibshirani & Tibshirani,
Statistical Science 35, 2020, and glmnet's relax=TRUE): gamma = 1 is the penalised fit, gamma = 0 has no shrinkage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from berkson.design import Dense, design_of
from berkson.fit import fit
from berkson.problem import InputError, Problem
from berkson.select.cross_validation import CrossValidation
from berkson.select.measures import held_out, weighted_mean
from berkson.select.path import Path

F64 = npt.NDArray[np.float64]
Support = npt.NDArray[np.bool_]

TOL = 1e-8  # of the fits without a penalty, relative to the null objective


@dataclass(frozen=True)
class Relaxed:
    """The fits without a penalty on the columns of each of a path's L fits.

    coef (L, 1 or K, p) and intercept (L, 1 or K), NaN where there is no such fit; gap (L,) proved bound on objective -
    optimum of that on its columns, relative to the null objective; refused: for each fit why it is not there, a
    sentence, empty where it is; aliased: which of its columns are combinations of others (their coefficient is 0).
    """

    path: Path
    coef: F64
    intercept: F64
    gap: F64
    refused: tuple[str, ...]
    aliased: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the fits, a sentence each; empty where there is nothing."""
        found = []
        for lambda_, refused, aliased in zip(self.path.lambdas.tolist(), self.refused, self.aliased, strict=True):
            if refused:
                found.append(f"at lambda {lambda_:.4g} and maybe below there is no relaxed fit: {refused}")
                break
            if aliased and not any(aliased in note for note in found):
                found.append(f"at lambda {lambda_:.4g}: {aliased}")
        return tuple(found)

    def blend(self, gamma: float) -> tuple[F64, F64]:
        """Coefficients (L, 1 or K, p) and intercepts (L, 1 or K): gamma 1 is the path, 0 the fits without a penalty."""
        check_gamma(gamma)
        if gamma == 1.0:
            return self.path.coef, self.path.intercept
        both = ((self.path.coef, self.coef), (self.path.intercept, self.intercept))
        coef, intercept = (gamma * shrunk + (1.0 - gamma) * free for shrunk, free in both)
        return coef, intercept

    def as_path(self, gamma: float) -> Path:
        """The blends as a path: with their own part of the deviance, and the larger gap of the two proofs."""
        path, problem = self.path, self.path.problem
        coef, intercept = self.blend(gamma)
        thetas = _thetas(path, coef, intercept)
        index, weight = np.arange(len(problem.y)), problem.weight
        has = np.isfinite(thetas).all(axis=1)
        deviance = np.full(len(thetas), np.nan)
        deviance[has] = held_out("deviance", path.start.rows, index, thetas[has])
        ratio = 1.0 - deviance * (len(index) if weight is None else float(weight.sum())) / path.null_deviance
        gap = path.gap if gamma == 1.0 else np.maximum(path.gap, self.gap)
        return replace(path, coef=coef, intercept=intercept, deviance_ratio=ratio, gap=gap, thetas=thetas)


def check_gamma(gamma: float) -> None:
    """InputError where it is no share of a blend."""
    if not 0.0 <= gamma <= 1.0:
        raise InputError(f"gamma is {gamma:g}: give a number from 0 (no shrinkage) to 1 (the penalised fit)")


def relax(path: Path) -> Relaxed:
    """The fits without a penalty on the columns of each of a path's fits, each proved.

    A support that separates the classes has no such fit, nor has any that contains it: `refused` names the columns.
    Raises InputError for a path with bounds, which an unpenalised fit would leave.
    """
    options = path.options
    if options.lower is not None or options.upper is not None:
        raise InputError("a relaxed fit has no bounds: leave out lower and upper, or do not relax")
    refits = _refits(path.problem, path.coef)
    return Relaxed(
        path,
        np.array([one.coef for one in refits]),
        np.array([one.intercept for one in refits]),
        np.array([one.gap for one in refits]),
        tuple(one.refused for one in refits),
        tuple(one.aliased for one in refits),
    )


@dataclass(frozen=True)
class _Refit:
    """coef (1 or K, p), intercept (1 or K,), relative gap; or why there is none, and whether it is proved not to exist;
    and aliased columns, in words."""

    coef: F64
    intercept: F64
    gap: float
    refused: str = ""
    aliased: str = ""
    exists: bool = True


def _refits(problem: Problem, coef: F64) -> list[_Refit]:
    """On the support of each of coef (L, K, p): each support is fitted once, and none that contains a separated one."""
    known: dict[bytes, _Refit] = {}
    separated: list[tuple[Support, _Refit]] = []
    found = []
    for support in (coef != 0.0).any(axis=1):
        key = support.tobytes()
        if key not in known:
            inside = (refit for smaller, refit in separated if support[smaller].all())
            known[key] = next(inside, None) or _refit(problem, support)
            if not known[key].exists:
                separated.append((support, known[key]))
        found.append(known[key])
    return found


def _refit(problem: Problem, support: Support) -> _Refit:
    """The fit of maximum likelihood on the columns of a support."""
    K, columns = (1 if problem.n_classes == 2 else problem.n_classes), np.flatnonzero(support)
    coef, none = np.zeros((K, len(support))), np.full(K, np.nan)
    refused = np.full(coef.shape, np.nan), none, np.inf
    rows = len(problem.y) if problem.weight is None else int(np.count_nonzero(problem.weight))
    if len(columns) >= rows:
        return _Refit(*refused, f"its {len(columns):,} columns are no fewer than the {rows:,} rows")
    some = design_of(problem.X).columns(columns)
    names = tuple(problem.column(int(j)) for j in columns)
    wording = replace(problem.wording, penalty="a larger lambda, or gamma=1")
    own = replace(problem, X=some.X if isinstance(some, Dense) else some, names=names, wording=wording)
    done = fit(own, tol=TOL)
    proof = done.certificate
    if proof.separation is not None:
        return _Refit(*refused, proof.separation.sentence(own), exists=False)
    if not proof.certified:
        return _Refit(*refused, proof.status)
    coef[:, columns] = done.coef
    return _Refit(coef, done.intercept, proof.relative_gap, aliased=proof.rank.sentence(own) or "")


# --- cross-validation -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RelaxedCrossValidation:
    """Blends judged by the rows that did not train them.

    validation  of the path                     relaxed  its fits without a penalty, of all rows
    gammas (G,) ascending                       scores (G, M, L) of each blend and fold, mean and se (G, L) over folds
    best, one_se: the places (g, l) of the best mean, and of the largest lambda (then gamma) within a standard error of
    it; refused: which folds have no relaxed fit, and so no say at any gamma below 1, in a sentence, or empty.

    A mean below gamma = 1 is NaN where a fold, or the whole, has no relaxed fit.
    """

    validation: CrossValidation
    relaxed: Relaxed
    gammas: F64
    scores: F64 = field(repr=False)
    mean: F64
    se: F64
    best: tuple[int, int]
    one_se: tuple[int, int]
    refused: str

    @property
    def lambda_min(self) -> float:
        """The lambda of the best mean, the largest of equals."""
        return float(self.validation.path.lambdas[self.best[1]])

    @property
    def gamma_min(self) -> float:
        """The gamma of the best mean, at that lambda the largest of equals."""
        return float(self.gammas[self.best[0]])

    @property
    def lambda_1se(self) -> float:
        """The largest lambda that has a mean within one standard error of the best."""
        return float(self.validation.path.lambdas[self.one_se[1]])

    @property
    def gamma_1se(self) -> float:
        """At that lambda the largest gamma that has one."""
        return float(self.gammas[self.one_se[0]])


def cross_validate_relaxed(found: CrossValidation, gammas: npt.ArrayLike) -> RelaxedCrossValidation:
    """Choose lambda and gamma by the folds of a cross-validation: each fold's fits are relaxed on its own supports.

    gammas  (G,) from 0 to 1, in any order; glmnet has 0, 0.25, 0.5, 0.75, 1

    As cv.glmnet(relax=TRUE) chooses.  Raises InputError, one sentence.
    """
    blends = np.unique(np.asarray(gammas, dtype=np.float64).ravel())
    for gamma in blends.tolist():
        check_gamma(gamma)
    if not len(blends):
        raise InputError("gammas is empty: give at least one number from 0 to 1")
    relaxed = relax(found.path)
    each = [_of_fold(found, k) for k in range(found.folds.count)]
    refused = _refused(found.path.lambdas, [refits for _, refits in each])
    thetas = np.array([theta for theta, _ in each])
    there = np.isfinite(thetas).all(axis=(0, 2)) & np.isfinite(relaxed.gap)
    scores = np.array([_scores(found, thetas, gamma, there) for gamma in blends.tolist()])
    averages = [weighted_mean(score, found.weight) for score in scores]
    mean, se = (np.array(values) for values in zip(*averages, strict=True))
    if not np.isfinite(mean).any():
        raise InputError(f"no blend is judged by every fold: {refused or relaxed.notes[0]}")
    best, one_se = _choose(-mean if found.measure in ("accuracy", "auc") else mean, se)
    return RelaxedCrossValidation(found, relaxed, blends, scores, mean, se, best, one_se, refused)


def _of_fold(found: CrossValidation, k: int) -> tuple[F64, list[_Refit]]:
    """The relaxed fits of fold k, in theta (L, size), and as they are."""
    problem, rows = found.path.problem, found.folds.trained_by(k)
    weight = np.zeros(len(problem.y))
    weight[rows] = 1.0 if problem.weight is None else problem.weight[rows]
    coef, _ = found.coef(k)
    refits = _refits(replace(problem, weight=weight), coef)
    both = np.array([one.coef for one in refits]), np.array([one.intercept for one in refits])
    return _thetas(found.path, *both), refits


def _thetas(path: Path, coef: F64, intercept: F64) -> F64:
    place = path.start.rows.coordinates
    return np.array([place.from_original(*one) for one in zip(coef, intercept, strict=True)])


def _scores(found: CrossValidation, relaxed: F64, gamma: float, there: npt.NDArray[np.bool_]) -> F64:
    """The measure of a blend on each fold's held-out rows (M, L); NaN where not all folds have it."""
    if gamma == 1.0:
        return found.scores
    scores = np.full(found.scores.shape, np.nan)
    if not there.any():
        return scores
    blend = gamma * found.thetas[:, there] + (1.0 - gamma) * relaxed[:, there]
    for k, index in enumerate(found.folds.held_out):
        scores[k, there] = held_out(found.measure, found.path.start.rows, index, blend[k])
    return scores


def _choose(cost: F64, se: F64) -> tuple[tuple[int, int], tuple[int, int]]:
    """The places (gamma, lambda) of the least cost, and of the first within a standard error of it: of the largest
    lambda, which comes first, and there of the largest gamma, which comes last."""
    cost = np.where(np.isfinite(cost), cost, np.inf)
    first = _first(cost <= cost.min())
    error = se[first]
    return first, _first(cost <= cost[first] + (error if np.isfinite(error) else 0.0))


def _first(fits: npt.NDArray[np.bool_]) -> tuple[int, int]:
    lambda_ = int(np.argmax(fits.any(axis=0)))
    return int(np.flatnonzero(fits[:, lambda_])[-1]), lambda_


def _refused(lambdas: F64, folds: Sequence[Sequence[_Refit]]) -> str:
    """How many folds lack relaxed fits, and the one that does so at the largest lambda; empty where none does."""
    first = [next((i for i, refit in enumerate(refits) if refit.refused), len(lambdas)) for refits in folds]
    k = int(np.argmin(first))
    if first[k] == len(lambdas):
        return ""
    count = sum(i < len(lambdas) for i in first)
    return (
        f"{count} of {len(folds)} folds have no relaxed fit at some lambdas, where gamma below 1 is not judged; the "
        f"first is fold {k} at lambda {lambdas[first[k]]:.4g}: {folds[k][first[k]].refused}"
    )
